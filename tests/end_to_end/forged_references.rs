//! Branches, claims and journals of unknown users that someone else has pushed: none is proposed, and none stops the work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::forged_stages::{file_alone, ids, in_grace, intent_places, user_id};
use crate::support::peers::{OLD, POLICY, USER, World};

/// A branch that someone else has filled, with a last commit like the one with which keytide tries a branch: keytide makes
/// no key for it.
#[test]
fn a_forged_branch_is_not_taken_for_a_rehearsal() {
    let mut world = file_alone();
    let start = world.github_moment();
    world.until("proposed");
    let places = intent_places(&world);
    for id in ids(&world).iter().filter(|id| **id != OLD) {
        world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", id)]);
    }
    world.return_to(&start);
    world.append_entry(&json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": OLD,
        "places": places, "compromised": false}));
    let message =
        "Rotate the access key of ci-deployer\n\nMade by keytide; the pull request says what happens next.\n";
    push(&world, &json!({"src/app.py": STANDARD.encode("import os")}), "a change");
    push(&world, &json!({}), message);
    world.pass(1);
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("no key was created: the branch `keytide/ci-deployer/1`"), "{}", run.stdout);
    assert_eq!((run.exit, ids(&world).len()), (3, 1), "{}", run.stdout);
    assert!(world.github.state()["pulls"].as_array().unwrap().is_empty());
}

/// Between keytide's commit and its pull request someone pushes another file to the branch: that is not proposed.
#[test]
fn a_file_of_someone_else_is_not_proposed() {
    let mut world = file_alone();
    let refusal = json!([{"match": "POST /repos/[^/]*/[^/]*/pulls", "status": 500, "times": 1, "skip": 1}]);
    world.github.control("POST", "faults", &refusal);
    world.keytide(&["rotate"]).run();
    push(&world, &json!({"src/app.py": STANDARD.encode("import os")}), "a change");
    let mut last = String::new();
    for _ in 0..3 {
        world.pass(1);
        last = world.keytide(&["rotate"]).run().stdout;
    }
    assert!(last.contains("changes `src/app.py` in another way than keytide does"), "{last}");
    assert!(world.github.state()["pulls"].as_array().unwrap().is_empty(), "{last}");
}

/// A commit on the journal's reference that is no entry stops the user until a person resumes; the next entry follows it.
#[test]
fn a_commit_that_is_no_entry_is_resumed_from() {
    let mut world = in_grace();
    let journal = format!("refs/keytide/123456789012/{USER}");
    let tip = world.github.state()["refs"][&journal].clone();
    let body = json!({ "message": "a note", "tree": tree_of(&world), "parents": [tip] });
    let made = world.github.ask("POST", "git/commits", &body);
    let made: Value = serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    world.github.ask("PATCH", &format!("git/{journal}"), &json!({ "sha": made["sha"], "force": false }));
    let run = world.keytide(&["rotate"]).run().exits(1).json();
    assert_eq!(run["rotations"][0]["phase"], "quarantined", "{run:#}");
    world.pass(1);
    let resumed = world.keytide(&["resume", "--user", USER, "--reason", "looked"]).run();
    assert!([0, 1].contains(&resumed.exit), "{}{}", resumed.stdout, resumed.stderr);
    assert_ne!(resumed.json()["rotations"][0]["phase"], "quarantined", "{}", resumed.stdout);
}

/// A journal that lost its entries after the key was made: the key is in use, and no help says to delete it.
#[test]
fn a_journal_that_lost_its_end_deletes_no_key() {
    let world = in_grace();
    let journal = format!("refs/keytide/123456789012/{USER}");
    let state = world.github.state();
    let entries = state["journals"][&journal].as_array().unwrap();
    let made = entries.iter().position(|one| one.as_str().unwrap().contains("keytide: create (")).unwrap();
    // The commits are the newest first
    let commits = state["commits"][&journal].as_array().unwrap();
    let sha = &commits[commits.len() - 1 - made];
    world.github.ask("PATCH", &format!("git/{journal}"), &json!({ "sha": sha, "force": true }));
    let blocked = world.keytide(&["rotate"]).run().exits(1).json();
    let help = blocked["rotations"][0]["help"].as_str().unwrap();
    assert!(help.contains("delete nothing before you know; `keytide resume"), "{blocked:#}");
    assert_eq!(world.keys().len(), 2);
    let resumed = world.keytide(&["resume", "--user", USER, "--reason", "the entries are lost"]).run();
    let help = resumed.json()["rotations"][0]["help"].clone();
    assert!(help.as_str().unwrap().contains(OLD), "it is the old key that nothing needs: {help}");
}

/// The tree of the default branch.
fn tree_of(world: &World) -> Value {
    let main = world.github.state()["refs"]["refs/heads/main"].as_str().unwrap().to_owned();
    let shown = world.github.ask("GET", &format!("git/commits/{main}"), &Value::Null);
    let shown: Value = serde_json::from_str(shown.split_once("\r\n\r\n").unwrap().1).unwrap();
    shown["tree"]["sha"].clone()
}

/// A claim that ends later than any of keytide's stops nothing; within that time a person learns that nothing was done.
#[test]
fn a_forged_claim_is_no_longer_than_keytides() {
    let mut world = in_grace();
    let claim = |world: &World, minutes: i64| {
        let until = world.now + SignedDuration::from_mins(minutes);
        world.append_entry(&json!({"event": "claim", "run": "other", "until": until.to_string()}));
    };
    claim(&world, 30);
    for asked in [&["rollback", "--user", USER][..], &["rotate", "--user", USER, "--compromised"]] {
        let run = world.keytide(asked).run();
        assert!(run.stdout.contains("nothing was done: run other is working on"), "{}", run.stdout);
        assert_eq!(run.exit, 3, "{}", run.stdout);
        // What was asked is not shown as begun, and no advice leads to a run that goes forward
        let report = run.json();
        assert_eq!(report["rotations"][0]["phase"], "grace", "{report:#}");
        assert_eq!(report["faults"][0]["operation"], asked[0], "{report:#}");
        let help = report["rotations"][0]["help"].as_str().unwrap();
        assert!(help.ends_with("run the same command again after that time"), "{help}");
    }
    world.pass(1);
    claim(&world, 60 * 24 * 300);
    let run = world.keytide(&["rollback", "--user", USER]).run();
    assert!(run.stdout.contains("rolling-back"), "{}", run.stdout);
}

/// An entry with a time that is still to come is named at once, and not the next one, which keytide writes.
#[test]
fn an_entry_of_the_future_is_named_at_once() {
    let mut world = in_grace();
    let now = world.now;
    world.now = now + SignedDuration::from_hours(24 * 400);
    world.append_entry(&json!({"event": "touch"}));
    world.now = now;
    let state = world.github.state();
    let journal = format!("refs/keytide/123456789012/{USER}");
    let forged = &state["commits"][&journal][0].as_str().unwrap()[..10];
    let wanted = format!("the entry {forged} has the time 2027-");
    for asked in [&["rotate"][..], &["rotate"], &["rollback", "--user", USER]] {
        let report = world.keytide(asked).run().exits(1).json();
        assert_eq!(report["rotations"][0]["phase"], "quarantined", "{report:#}");
        assert!(report["rotations"][0]["why"].as_str().unwrap().contains(&wanted), "{report:#}");
    }
    assert_eq!(
        world.github.state()["refs"][&journal],
        state["refs"][&journal],
        "nothing is written behind it"
    );
    // Its line is shown, which the history leaves out else
    let plan =
        world.keytide_text(&["plan", "--history"]).file(POLICY, world.policy_with("{}")).run().exits(1);
    assert!(plan.stdout.contains(&format!("[{forged}]")), "{}", plan.stdout);
    // The way out of the runbook
    let sha = &state["commits"][&journal][1];
    world.github.ask("PATCH", &format!("git/{journal}"), &json!({ "sha": sha, "force": true }));
    assert_eq!(world.rotate()["rotations"][0]["phase"], "grace");
}

/// A journal that is cut back to before AWS accepted the key: the pull request that brings the key is not left open while
/// the key goes.
#[test]
fn a_journal_that_is_cut_back_leaves_no_trap() {
    let mut world = cut_back_to_staged();
    for hours in [5, 30] {
        world.pass(hours);
        let report = world.keytide(&["rotate"]).run().exits(1).json();
        let line = &report["rotations"][0];
        assert_eq!(line["phase"], "quarantined", "{report:#}");
        assert!(line["why"].as_str().unwrap().starts_with("pull request #100 brings AKIA"), "{report:#}");
        assert!(world.keys().values().all(|(_, status)| status == "Active"), "{report:#}");
    }
    // The way out
    world.github.control("POST", "close", &json!({ "number": 100 }));
    let given_up = world.keys().into_keys().find(|id| id != OLD).unwrap();
    for _ in 0..3 {
        world.pass(24);
        world.rotate();
    }
    // The next rotation has begun
    assert!(!world.keys().contains_key(&given_up) && world.keys()[OLD].1 == "Active", "{:?}", world.keys());
}

/// The same where the pull request is merged at once: the key is in use, and stays.
#[test]
fn a_journal_that_is_cut_back_takes_no_merged_key_out_of_use() {
    let mut world = cut_back_to_staged();
    world.merge();
    let (new, _) = world.in_file();
    for _ in 0..40 {
        world.pass(24);
        let run = world.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
        world.work();
        assert_eq!(world.keys()[&new].1, "Active", "{}", run.stdout);
    }
}

/// The same where the pull request is closed, and later opened again and merged: keytide deactivated the key itself, and
/// brings it back.
#[test]
fn a_discarded_key_that_is_merged_after_all_is_activated() {
    let mut world = cut_back_to_staged();
    world.github.control("POST", "close", &json!({ "number": 100 }));
    let new = world.keys().into_keys().find(|id| id != OLD).unwrap();
    world.pass(24);
    world.rotate();
    assert_eq!(world.keys()[&new].1, "Inactive");
    world.github.control("POST", "close", &json!({ "number": 100, "open": true }));
    world.merge();
    world.pass(1);
    let report = world.rotate();
    assert_eq!(world.keys()[&new].1, "Active", "{report:#}");
}

/// A pull request is open, and the journal ends before AWS has accepted its key.
fn cut_back_to_staged() -> World {
    let mut world = file_alone();
    world.until("proposed");
    let state = world.github.state();
    let journal = format!("refs/keytide/123456789012/{USER}");
    let entries = state["journals"][&journal].as_array().unwrap();
    let after =
        entries.iter().rev().position(|one| one.as_str().unwrap().contains("keytide: staged (")).unwrap();
    let body = json!({ "sha": state["commits"][&journal][after], "force": true });
    world.github.ask("PATCH", &format!("git/{journal}"), &body);
    world
}

/// Any number of journals of users that nobody has: each run reads some, says so, and does its work.
#[test]
fn journals_of_unknown_users_stop_nobody() {
    let mut world = file_alone();
    for number in 0..30 {
        world.github.control(
            "POST",
            "append",
            &json!({"ref": format!("refs/keytide/123456789012/u{number}"),
            "at": world.now.to_string(), "entry": {"event": "held", "why": "x".repeat(5_000)}}),
        );
    }
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("10 journals of users that the policy file does not rotate were not read"));
    assert!(!run.stdout.contains(&"x".repeat(1_001)));
    assert_eq!(run.exit, 3);
    assert_eq!(ids(&world).len(), 2, "{}", run.stdout);
    world.pass(1);
}

/// Git has no reference below another: the journals' folder can be taken, and each run says that it could not write.
#[test]
fn a_reference_in_place_of_the_journals_is_a_fault() {
    let world = file_alone();
    let body = json!({"ref": "refs/keytide/123456789012", "at": world.now.to_string(),
        "entry": {"event": "held", "why": "x"}});
    world.github.control("POST", "append", &body);
    let run = world.keytide(&["rotate"]).run();
    assert_eq!((run.exit, ids(&world).len()), (3, 1), "{}", run.stdout);
}

/// Someone else's commit on the branch of the first rotation.
fn push(world: &World, files: &Value, message: &str) {
    let body = json!({"branch": "keytide/ci-deployer/1", "files": files, "message": message});
    world.github.control("POST", "push", &body);
}
