//! What a person on call reads, and what the commands for such a night refuse.

use serde_json::{Value, json};

use super::{JOURNAL, file_alone, has_done, proposed, says};
use crate::support::destinations::AgeFile;
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

fn compromised_and_soaking() -> World {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    world.merge();
    world.until("soaking");
    assert_eq!(world.keys()[OLD].1, "Inactive");
    world
}

/// A rollback would activate a leaked key for everyone who has a copy: it is refused, before anything is written.
#[test]
fn a_rollback_to_a_compromised_key_is_refused() {
    let mut world = compromised_and_soaking();
    world.pass(24);
    let before = world.github.state();
    let refused = world.keytide(&["rollback", "--user", USER]).run().exits(2);
    for words in ["is marked as compromised", "--reactivate-compromised-key"] {
        assert!(refused.stdout.contains(words), "{words}: {}\n{}", refused.stdout, refused.stderr);
    }
    let masked = world.keytide_text(&["rollback", "--user", USER, "--key-ids", "masked"]).run().exits(2);
    let told = masked.stdout + &masked.stderr;
    assert!(told.contains("the old key AKIA…DOLD") && !told.contains(OLD), "{told}");
    assert_eq!(world.github.state(), before);
    assert_eq!(world.keys()[OLD].1, "Inactive");
    let forced = ["rollback", "--user", USER, "--reactivate-compromised-key", "--reason", "INC-8"];
    let run = world.keytide(&forced).run().exits(0);
    has_done(&run.json(), "re-activate the key");
    assert_eq!(world.keys()[OLD].1, "Active");
    let body = world.github.state()["pulls"][1]["body"].as_str().unwrap().to_owned();
    for words in
        ["Left to do by hand", "a rollback was requested: INC-8", "marked as compromised", "keytide resume"]
    {
        assert!(body.contains(words), "{words}: {body}");
    }
}

/// The leaked key works until the pull request of the rotation is merged: the report says so, and how to stop it at once.
#[test]
fn a_leaked_key_beside_an_open_pull_request_is_named() {
    let world = proposed();
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    says(
        &run.json(),
        &[
            &format!("the leaked key {OLD} stays active until pull request #"),
            &format!("aws iam update-access-key --user-name {USER} --access-key-id {OLD} --status Inactive"),
            "deactivates it. To stop ",
            "--status Inactive`. Review and merge it",
        ],
    );
    assert!(!rotation_field(&run.json(), "help").contains("Both keys stay active"), "{}", run.stdout);
}

/// A workflow's log shows no whole ID: the command that stops a leaked key works all the same.
#[test]
fn the_command_that_stops_a_leaked_key_works_without_its_id() {
    let world = proposed();
    let leaked = ["rotate", "--user", USER, "--compromised", "--key-ids", "masked"];
    let text = world.keytide(&leaked).run().exits(0).stdout;
    let report: Value = serde_json::from_str(&text).unwrap();
    let help = rotation_field(&report, "help");
    assert!(!text.contains(OLD) && help.contains("the leaked key AKIA…DOLD"), "{text}");
    let command = help.split('`').find(|part| part.starts_with("aws iam update-access-key")).unwrap();
    let run = crate::set_up::run_script(&world.aws, command);
    assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(world.keys()[OLD].1, "Inactive");
    assert!(world.keys().iter().all(|(id, (_, status))| id == OLD || status == "Active"));
    let summary = ["rotate", "--format", "markdown", "--key-ids", "masked"];
    let summary = world.keytide_as("markdown", &summary[..1]).arg("--key-ids").arg("masked").run().stdout;
    assert!(!summary.contains(OLD), "{summary}");
}

/// A person reverts the merge while the leaked key is inactive: no run brings that key back by itself.
#[test]
fn a_revert_does_not_reactivate_a_compromised_key() {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    let before = world.github.state();
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    world.merge();
    world.until("soaking");
    super::pulls::revert(&world, &before);
    for _ in 0..5 {
        world.pass(24);
        let run = world.keytide(&["rotate"]).run().exits(1);
        says(&run.json(), &["is compromised and inactive", "--reactivate-compromised-key"]);
        assert_eq!(world.keys()[OLD].1, "Inactive");
    }
}

/// Who can push can forge a rollback, and its mark of the leaked key can be taken out: IAM's tag still says so.
#[test]
fn a_forged_rollback_does_not_reactivate_a_compromised_key() {
    let mut world = compromised_and_soaking();
    world.pass(1);
    world.github.control(
        "POST",
        "forge",
        &json!({"ref": JOURNAL, "event": "intent", "entry": {"compromised": false}}),
    );
    world.append_entry(&json!({"event": "rollback", "why": "forged"}));
    for _ in 0..4 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys()[OLD].1, "Inactive", "{}", run.stdout);
        assert_ne!(run.exit, 0, "{}", run.stdout);
        world.pass(24);
    }
}

/// `--compromised` does nothing for a rotation that is held, and says which keys work meanwhile.
#[test]
fn compromised_on_a_held_rotation_says_what_stays_active() {
    let mut world = World::new(80);
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);
    world.keytide(&["rollback", "--user", USER]).run().exits(0);
    world.until("rolling-back");
    while world.github.open_pulls().is_empty() {
        world.pass(1);
        world.rotate();
    }
    world.merge();
    world.until("held");
    world.pass(1);
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(1);
    let words =
        ["`--compromised` is not noted", "both keys stay active", "--status Inactive", "keytide resume"];
    says(&run.json(), &words);
    assert!(world.keys().values().all(|(_, status)| status == "Active"));
}

/// During a rollback `--compromised` is noted: the leaked key is replaced at once when a person lets the user go on.
#[test]
fn compromised_during_a_rollback_counts_after_resume() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    world.keytide(&["rollback", "--user", USER]).run().exits(0);
    world.pass(1);
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run();
    says(&run.json(), &["`--compromised` is noted and takes effect after `keytide resume`"]);
    if world.github.open_pulls().is_empty() {
        world.pass(1);
        world.rotate();
    }
    world.merge();
    world.until("held");
    world.pass(1);
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(1);
    says(&run.json(), &["is noted and takes effect after `keytide resume`", &format!("{OLD} stays active")]);
    world.keytide(&["resume", "--user", USER, "--reason", "go on"]).run().exits(0);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "proposed", "{report:#}");
}

/// Someone who has just asked for a rollback learns which run opens its pull request.
#[test]
fn a_rollback_says_which_run_opens_its_pull_request() {
    let mut world = World::new(80);
    world.until("proposed");
    world.merge();
    world.until("grace");
    let back = world.keytide_text(&["rollback", "--user", USER]).run().exits(0);
    let words = "it opens the rollback's pull request, which waits for your merge";
    assert!(back.stdout.contains("run `keytide rotate --user ci-deployer` after "), "{}", back.stdout);
    let unwrapped = back.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(words), "{}", back.stdout);
    assert!(
        back.stdout.contains("waiting: the next runs of `keytide rotate` continue the rollback"),
        "{}",
        back.stdout
    );
    world.pass(1);
    world.rotate();
    assert_eq!(world.github.open_pulls().len(), 1);
}

/// A blocked user is said once, and the command that helps needs nothing filled in.
#[test]
fn a_block_is_said_once_with_a_command_that_can_be_pasted() {
    let world = file_alone();
    let untag = [("UserName", USER), ("TagKeys.member.1", "keytide:owner")];
    world.aws.iam("UntagUser", &untag);
    let plan = world.keytide_text(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(1).stdout;
    let told = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("--tags Key=keytide:owner,Value=4711`"), "{plan}");
    assert_eq!(told.matches("the user has no tag").count(), 1, "{plan}");
    assert_eq!(told.matches("aws iam tag-user").count(), 1, "{plan}");
}

/// The pull request says which run has opened it, and how old a key may be.
#[test]
fn a_pull_request_links_the_run_and_names_the_limit() {
    let world = file_alone();
    let run = world.keytide(&["rotate"]).env("GITHUB_SERVER_URL", "https://github.com");
    run.env("GITHUB_REPOSITORY", "acme/app").env("GITHUB_RUN_ID", "123456").run().exits(0);
    let state = world.github.state();
    let body = state["pulls"][0]["body"].as_str().unwrap();
    for words in [
        "[this workflow run](https://github.com/acme/app/actions/runs/123456)",
        "80 days old (rotates from 75 days, limit 90 days)",
        "`.github/keytide/ci-deployer.lock.json` (new): lock file",
        "- `deploy/aws.env.age`: the new credential, encrypted",
    ] {
        assert!(body.contains(words), "{words}: {body}");
    }
    // What is no address of a server is no link
    let world = file_alone();
    let run = world.keytide(&["rotate"]).env("GITHUB_SERVER_URL", "javascript:x");
    run.env("GITHUB_REPOSITORY", "acme/app").env("GITHUB_RUN_ID", "123456").run().exits(0);
    let body = world.github.state()["pulls"][0]["body"].to_string();
    assert!(!body.contains("javascript") && !body.contains("this workflow run"), "{body}");
}

#[test]
fn nothing_to_resume_or_to_roll_back_is_said_plainly() {
    let world = file_alone();
    let run = world.keytide(&["rollback", "--user", USER]).run().exits(2);
    assert!(
        run.stdout.contains("nothing to roll back: no rotation of `ci-deployer` is under way"),
        "{}",
        run.stdout
    );
    let run = world.keytide(&["resume", "--user", USER, "--reason", "x"]).run().exits(0);
    assert!(
        run.json()["remarks"].to_string().contains("nothing to resume for `ci-deployer`"),
        "{}",
        run.stdout
    );
    assert_eq!(world.github.state()["refs"].get(JOURNAL), None);
}

/// A pull request that waits is no pass, and after a week it is an error: for `plan`, `rotate` and `audit` alike.
#[test]
fn a_pull_request_that_waits_is_reported() {
    let mut world = proposed();
    let page = "acme/app/pull/100";
    let policy = world.policy_with("{}");
    let at = |world: &World, arguments: &[&str]| {
        let run = world.keytide_text(arguments).file(POLICY, policy.clone()).run();
        let last = run.stdout.lines().last().unwrap_or_default().to_owned();
        (run.exit, last, run.stdout)
    };
    for command in ["plan", "rotate", "audit"] {
        let (exit, last, text) = at(&world, &[command]);
        assert_eq!(exit, 0, "{text}");
        assert!(last.starts_with("action needed: ") && text.contains(page), "{command}: {text}");
    }
    world.pass(24 * 8 + 2);
    // Those that only look come first, while the run could note in the journal that it has looked.
    for command in ["audit", "plan", "rotate"] {
        let (exit, _, text) = at(&world, &[command]);
        assert_eq!(exit, 1, "{command}: {text}");
        assert!(text.contains("proposed for 8 days") && text.contains(page), "{command}: {text}");
    }
}

/// A store refuses, so the rotation goes back by itself, which is an error from then on: every report and the pull request
/// say why.
#[test]
fn the_reason_of_a_rollback_is_reported_everywhere() {
    let mut world = World::new(80);
    world.until("proposed");
    let fault = json!([{"match": "PUT .*/actions/secrets/.*", "status": 403, "times": 99, "message": "No secrets today"}]);
    world.github.control("POST", "faults", &fault);
    world.merge();
    world.pass(1);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(&run.json(), &["No secrets today", "rolling back since"]);
    world.pass(1);
    world.keytide(&["rotate"]).run().exits(1);
    let state = world.github.state();
    let body = state["pulls"][1]["body"].as_str().unwrap();
    for words in [
        "**Why:**",
        "No secrets today",
        "| no destination holds the new key, and it was not used for 3 days | it is deactivated |",
        "Left to do by hand",
        "restart what does not reload",
        "- `deploy/aws.env.age`: restored",
        "- `.github/keytide/ci-deployer.lock.json`: removed (did not exist before)",
        "of `acme/app` rejected the new key",
        "after the merge decrypt `deploy/aws.env.age`",
    ] {
        assert!(body.contains(words), "{words}: {body}");
    }
    let policy = world.policy("");
    for format in ["text", "json", "markdown", "html"] {
        for command in ["plan", "audit"] {
            let run = world.keytide_as(format, &[command]).file(POLICY, policy.clone()).run().exits(1);
            assert!(run.stdout.contains("No secrets today"), "{command} {format}: {}", run.stdout);
            assert!(!run.stdout.contains("passed"), "{command} {format}: {}", run.stdout);
        }
    }
    world.pass(24 * 8 + 2);
    for (command, silence) in [("audit", true), ("rotate", false)] {
        let run = world.keytide(&[command]).file(POLICY, policy.clone()).run().exits(1);
        assert!(run.stdout.contains("rolling-back: "), "{command}: {}", run.stdout);
        assert_eq!(run.stdout.contains("; no run for 8 days"), silence, "{command}: {}", run.stdout);
    }
}

/// The entries of the last rotation, with their time and their reason.
#[test]
fn a_plan_lists_the_history_of_a_rotation() {
    let mut world = proposed();
    world.pass(1);
    let reason = "the app fails since the merge (INC-7)\u{1b}[31m";
    let rollback = world.keytide(&["rollback", "--user", USER, "--reason", reason]);
    rollback.env("GITHUB_ACTOR", "octocat").run().exits(0);
    let policy = world.policy_with("{}");
    let run = world.keytide(&["plan", "--history"]).file(POLICY, policy.clone()).run().exits(0);
    let report = run.json();
    let history = report["rotations"][0]["history"].as_array().unwrap().clone();
    let events: Vec<&str> = history.iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    let wanted = ["intent", "create", "staged", "verified", "proposed", "rollback", "tombstone"];
    assert!(wanted.iter().all(|event| events.contains(event)) && events[0] == "intent", "{events:?}");
    let back = history.iter().find(|entry| entry["event"] == "rollback").unwrap();
    assert_eq!(back["reason"], format!("a rollback was requested by octocat: {reason}"));
    assert!(back["at"].as_str().unwrap().starts_with("2026-03-"), "{back}");
    let commit = &back["commit"].as_str().unwrap()[..10];
    let text = world.keytide_text(&["plan", "--history"]).file(POLICY, policy.clone()).run().exits(0).stdout;
    let shown = "a rollback was requested by octocat: the app fails since the merge (INC-7)\\u{1b}[31m";
    assert!(
        text.contains("UTC rollback begun by octocat: the app fails since") && !text.contains(" claim: "),
        "{text}"
    );
    let entry = format!("(INC-7)\\u{{1b}}[31m [{commit}]");
    for sentence in
        ["rotation 1 begun; it replaces AKIA", "UTC new key requested", "UTC pull request #", &entry]
    {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
    let markdown = world.keytide_as("markdown", &["plan", "--history"]).file(POLICY, policy.clone());
    let markdown = markdown.run().exits(0).stdout;
    assert!(
        markdown.contains("<details><summary>History of ci-deployer</summary>\n\n- 1 Mar 2026, "),
        "{markdown}"
    );

    for command in ["plan", "rotate", "audit"] {
        let run = world.keytide_text(&[command]).file(POLICY, policy.clone()).run();
        assert!(run.stdout.contains(shown), "{command}: {}", run.stdout);
    }
    let plain = world.keytide(&["plan"]).file(POLICY, policy).run().exits(0).json();
    assert_eq!(plain["rotations"][0].get("history"), None);
}

/// A forgotten copy of the old key: both keys by name, what used each last, and the two ways out; after a week an error.
#[test]
fn a_rotation_whose_old_key_is_still_used_names_both_keys() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let forgotten = json!({"id": OLD, "secret": world.keys()[OLD].0, "service": "s3"}).to_string();
    let mut last = Value::Null;
    for _ in 0..10 {
        world.pass(24);
        world.work();
        world.aws.control("POST", "use", &forgotten);
        last = world.rotate();
    }
    let keys = last["rotations"][0]["keys"].to_string();
    assert!(keys.contains(&format!("old key {OLD}: active, last used ")), "{keys}");
    says(&last, &["keytide rollback --user ci-deployer"]);
    let text = world.keytide_text(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(0).stdout;
    let end = text.lines().last().unwrap_or_default();
    assert!(
        end.starts_with("waiting: do what the help of ci-deployer says; it becomes an error on "),
        "{text}"
    );
    for _ in 0..5 {
        world.pass(24);
        world.aws.control("POST", "use", &forgotten);
        last = world.rotate();
    }
    assert_eq!(rotation_field(&last, "phase"), "grace");
    let run = world.keytide(&["rotate"]).run().exits(1);
    assert!(
        rotation_field(&run.json(), "phase") == "grace" && run.stdout.contains("the grace period ended "),
        "{}",
        run.stdout
    );
}

/// GitHub refuses the whole list when one reviewer has left: the others are asked all the same.
#[test]
fn a_reviewer_who_has_left_keeps_no_other_from_being_asked() {
    let world = file_alone();
    let rules =
        "{ grace: 7d, quiet: 3d, soak: 14d, reviewers: [\"@nobody\", \"@alice\", \"@acme/platform\"] }";
    world.github.push(&[(POLICY, world.policy_with(rules).as_bytes())]);
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(world.github.state()["pulls"][0]["reviewers"], json!(["alice", "platform"]));
    assert!(run.json()["remarks"].to_string().contains("could not ask `nobody`"), "{}", run.stdout);
}

/// A key whose soak is over, and the run that may delete it never comes: the daily run may not.
#[test]
fn a_deletion_that_nobody_approves_is_told() {
    let mut world = proposed();
    world.merge();
    world.until("soaking");
    for _ in 0..30 {
        world.pass(24);
        world.keytide(&["rotate", "--no-delete"]).run();
    }
    world.pass(1);
    for command in ["audit", "plan"] {
        let run = world.keytide(&[command]).file(POLICY, world.policy_with("{}")).run().exits(1);
        assert!(run.stdout.contains("the soak ended 1"), "{command}: {}", run.stdout);
    }
    world.keytide(&["rotate", "--only", "delete"]).run();
    assert!(!world.keys().contains_key(OLD));
}
