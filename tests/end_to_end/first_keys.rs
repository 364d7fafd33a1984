//! The first key of a user that has none, as a workflow runs keytide: it is made like any other, and a rollback ends with no
//! key and the destinations as they were.

use serde_json::{Value, json};

use crate::forged_journals::{changes_nothing, entry, is_quarantined, user_id, write_journal};
use crate::support::destinations::{
    AGE_FILE, AgeFile, GithubSecrets, Home, Reference, SOPS_FILE, SopsFile, file,
};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};
use crate::support::stores::{self, Stored};
use crate::support::{Ran, matches_file, root};

/// A user with `rotation` and no key; the file that is to hold it does not exist.
fn world(homes: Vec<Box<dyn Home>>) -> World {
    let world = World::with(80, homes);
    world.remove_key();
    world
}

/// Whether an application that reads a place is let in.
fn is_let_in(world: &World, (id, secret): &(String, String)) -> bool {
    let body = json!({ "id": id, "secret": secret, "service": "s3" });
    let answer: Value = serde_json::from_str(&world.aws.control("POST", "use", &body.to_string())).unwrap();
    answer["served"] == true
}

/// A run a day until a phase. No application works, where `works` does not say so.
#[track_caller]
fn until(world: &mut World, phase: &str, days: usize, works: bool) -> Value {
    let mut phases = Vec::new();
    for _ in 0..days {
        let report = world.keytide(&["rotate"]).run().json();
        phases.push(format!("{}: {}", rotation_field(&report, "phase"), rotation_field(&report, "why")));
        if rotation_field(&report, "phase") == phase {
            return report;
        }
        if works {
            world.work();
        }
        world.wait(&report["rotations"][0]);
    }
    panic!("never {phase}: {phases:#?}");
}

#[track_caller]
fn blocked(run: &Ran, words: &str) {
    let report = run.json();
    assert_eq!(rotation_field(&report, "phase"), "blocked", "{report:#}");
    let said = format!("{} {}", rotation_field(&report, "why"), rotation_field(&report, "help"));
    assert!(said.contains(words), "{said}");
}

/// `plan` says it, a pull request brings the file, the merge fills the secret, its use ends the rotation.
#[test]
fn the_first_key_is_made_delivered_and_used() {
    let mut world = world(vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())]);
    let plan = world.keytide(&["plan"]).file(POLICY, world.policy("")).run().exits(0).json();
    assert_eq!(rotation_field(&plan, "phase"), "due", "{plan:#}");
    assert!(rotation_field(&plan, "why").contains("its first one"), "{plan:#}");
    let adds = "that adds `deploy/aws.env.age` (age), `.github/keytide/ci-deployer.lock.json` (lock file)";
    assert!(rotation_field(&plan, "next").contains(adds), "{plan:#}");
    assert!(world.keys().is_empty());

    // The limits of a run are of deactivations and deletions; nothing else is changed here.
    let limits = ["rotate", "--max-deactivations", "0", "--max-deletions", "0"];
    let report = world.keytide(&limits).run().exits(0).json();
    assert_eq!(rotation_field(&report, "phase"), "proposed", "{report:#}");
    assert_eq!(world.keys().len(), 1);
    let state = world.github.state();
    let pull = &state["pulls"][0];
    assert_eq!(pull["title"], "Add the first access key of ci-deployer");
    let body = pull["body"].as_str().unwrap();
    assert!(body.contains("has no access key") && !body.contains("old key"), "{body}");
    let destination = world.homes[0].destination();
    let recipient = destination["age"]["recipients"][0].as_str().unwrap().to_owned();
    let new = world.keys().into_keys().next().unwrap();
    let (before, rest) = body.split_once("Value=").unwrap();
    let shown = format!("{before}Value=DIGEST{}", &rest[64..]);
    let shown = shown.replace(&recipient, "RECIPIENT").replace(&new[new.len() - 4..], "NEWK");
    matches_file(&root().join("tests/fixtures/rotation/first-key.md"), &shown);

    world.merge();
    let report = until(&mut world, "grace", 3, false);
    let (in_file, in_store) = (world.in_file(), world.in_store().unwrap());
    assert_eq!(in_file, in_store);
    assert!(rotation_field(&report, "why").contains("only keytide's own check of "), "{report:#}");
    assert!(
        report["rotations"][0]["keys"].to_string().contains("used only by keytide's check ("),
        "{report:#}"
    );
    world.pass(24);
    until(&mut world, "healthy", 3, true);
    let keys = world.keys();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[&in_file.0].1, "Active");
    let audit = world.keytide(&["audit"]).file(POLICY, world.policy("")).run().exits(0).json();
    assert_eq!(audit["users"][0]["phase"], "healthy", "{audit:#}");
    // From here on it is a key like any other.
    world.pass(24 * 90);
    world.work();
    let report = until(&mut world, "proposed", 1, true);
    assert_eq!(world.keys().len(), 2, "{report:#}");
}

/// A closed pull request ends with no key, and a file of SOPS with a placeholder stays as it was.
#[test]
fn a_closed_pull_request_leaves_no_key_and_the_placeholder() {
    let sops = SopsFile::new();
    let mut world = world(vec![Box::new(sops.clone())]);
    let placeholder = sops.files(&("CHANGE-ME".to_owned(), "CHANGE-ME".to_owned()));
    world.github.push(&[(SOPS_FILE, &placeholder[0].1)]);
    until(&mut world, "proposed", 1, false);
    let (new, _) = world.keys().into_iter().next().unwrap();
    let state = world.github.state();
    let body = state["pulls"][0]["body"].as_str().unwrap();
    assert!(body.contains("is replaced:** make sure that no one needs it"), "{body}");
    let [number] = world.github.open_pulls()[..] else { panic!("not one pull request") };
    world.github.control("POST", "close", &json!({ "number": number }));
    until(&mut world, "closed", 1, false);
    for _ in 0..25 {
        if !world.keys().contains_key(&new) {
            break;
        }
        world.pass(25);
        world.keytide(&["rotate"]).run().exits(0);
    }
    assert!(!world.keys().contains_key(&new), "{:?}", world.keys());
    assert_eq!(file(&world.github.state(), SOPS_FILE).unwrap(), placeholder[0].1);
}

/// A rollback after the merge: the file is gone again, the key soaks and is deleted, nothing begins before `resume`.
#[test]
fn a_rollback_ends_with_no_key_and_without_the_file() {
    let mut world = world(vec![Box::new(AgeFile::new())]);
    until(&mut world, "proposed", 1, false);
    world.merge();
    until(&mut world, "grace", 2, false);
    let key = world.in_file();
    assert!(is_let_in(&world, &key));
    let back = world.keytide(&["rollback", "--user", USER, "--reason", "too early"]).run().json();
    assert_eq!(rotation_field(&back, "phase"), "rolling-back", "{back:#}");
    assert!(is_let_in(&world, &key), "it is active while the file holds it");
    let body = world.github.state()["pulls"][1]["body"].as_str().unwrap().to_owned();
    assert!(body.contains("- `deploy/aws.env.age`: removed (did not exist before)"), "{body}");
    world.merge();
    until(&mut world, "held", 30, false);
    assert!(world.keys().is_empty());
    let state = world.github.state();
    assert_eq!(file(&state, AGE_FILE), None);
    assert_eq!(file(&state, ".github/keytide/ci-deployer.lock.json"), None);
    world.pass(24);
    let held = world.keytide(&["rotate"]).run().json();
    assert_eq!(rotation_field(&held, "phase"), "held", "{held:#}");
    world.keytide(&["resume", "--user", USER, "--reason", "now"]).run().exits(0);
    until(&mut world, "proposed", 1, false);
}

/// Asked for before there is a key, a rollback leaves nothing at all; so does a run that finds the entry gone.
#[test]
fn a_secret_of_secrets_manager_gets_its_placeholder_back() {
    let mut world = Stored::new(&[stores::destination()]);
    world.remove_key();
    world.create(&stores::text("CHANGE-ME", "CHANGE-ME"));
    let before = world.version("AWSCURRENT").1;
    let plan = world.keytide(&["rotate"]).run().exits(0).json();
    assert_eq!(rotation_field(&plan, "phase"), "proposed", "{plan:#}");
    assert_eq!(world.version("AWSCURRENT").1, before, "before the merge nothing changes");
    world.merge();
    until(&mut world, "grace", 2, false);
    let new = world.in_secret();
    assert!(world.keys().contains_key(&new.0) && is_let_in(&world, &new));
    world.pass(24);
    world.keytide(&["rollback", "--user", USER, "--reason", "too early"]).run();
    until(&mut world, "held", 30, false);
    assert!(world.keys().is_empty());
    assert_eq!(world.version("AWSCURRENT").1, before);
}

/// A parameter that holds JSON with a placeholder goes all the way.
#[test]
fn a_parameter_with_a_placeholder_gets_the_first_key() {
    let mut world = Stored::new(&["ssm_parameter: { json: /app/aws, region: eu-west-1 }"]);
    world.remove_key();
    let text =
        json!({"access_key_id": "", "secret_access_key": "", "AccessKeyId": "", "SecretAccessKey": ""});
    let put = json!({"Name": "/app/aws", "Type": "SecureString", "Value": text.to_string()});
    world.ssm("PutParameter", &put);
    until(&mut world, "proposed", 1, false);
    world.merge();
    until(&mut world, "grace", 2, false);
    let held = world.ssm("GetParameter", &json!({"Name": "/app/aws", "WithDecryption": true}));
    let (id, (secret, _)) = world.keys().into_iter().next().unwrap();
    let held = held["Parameter"]["Value"].as_str().unwrap();
    assert!(held.contains(&id), "{held}");
    world.pass(24);
    assert!(is_let_in(&world, &(id, secret)));
    until(&mut world, "healthy", 3, false);
}

/// What could replace another user's key is refused before there is one.
#[test]
fn a_destination_that_may_hold_another_users_key_is_refused() {
    const THEIRS: &str = "AKIAQ3EGRIZUHFJLXTB7"; // keytide: allow exposed-key-id -- a sample
    let world = Stored::new(&[stores::destination()]);
    world.remove_key();
    world.create(&stores::text(THEIRS, "a live secret"));
    blocked(&world.keytide(&["rotate"]).run(), "and this user has none");
    world.write(|text| text.replace(THEIRS, "AKIAIOSFODNN7EXAMPLE"));
    let taken = format!("{}      - {}\n", "", stores::destination());
    let policy = format!(
        "version: 1\naccount: \"123456789012\"\nusers:\n  - name: {USER}\n    rotation: {{}}\n    destinations:\n{taken}  \
         - name: other\n    destinations:\n{taken}"
    );
    world.github.push(&[(POLICY, policy.as_bytes())]);
    let run = world.keytide(&["rotate"]).file(POLICY, &policy).run().exits(2);
    assert!(run.stdout.contains("is a destination of `ci-deployer` as well"), "{}", run.stdout);
    assert!(world.keys().is_empty());

    let world = self::world(vec![Box::new(GithubSecrets::of_repository())]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": "theirs"});
        world.github.control("POST", "secret", &secret);
    }
    blocked(
        &world.keytide(&["rotate"]).run(),
        "may hold another user's key: keytide cannot see what is there",
    );

    let world = self::world(vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    blocked(&world.keytide(&["rotate"]).run(), "reference");
    assert!(world.keys().is_empty());
}

/// A user is not taken for one that never had a key.
#[test]
fn an_inactive_key_or_one_that_was_deleted_in_its_rotation_is_no_first_key() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new())]);
    let inactive = [("UserName", USER), ("AccessKeyId", OLD), ("Status", "Inactive")];
    world.aws.iam("UpdateAccessKey", &inactive);
    blocked(&world.keytide(&["rotate"]).run(), "only key");

    // A rotation has begun, and a person deletes the only key: no run makes one in its place.
    let intent = json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": OLD, "places": [
        {"place": format!("age {AGE_FILE}"), "kind": "file", "marker": null, "spec": world.homes[0].destination()}]});
    write_journal(&world, USER, &[entry(1, intent)]);
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", OLD)]);
    for _ in 0..3 {
        blocked(&world.keytide(&["rotate"]).run(), "was deleted by hand");
        world.pass(24);
    }
    assert!(world.keys().is_empty());
}

/// With `retire` there is nothing to do, and without an entry no key is made either.
#[test]
fn a_user_without_rotation_gets_no_key() {
    let world = world(vec![Box::new(AgeFile::new())]);
    let retiring = world.policy_with("").replace("    rotation: \n", "    retire: {}\n");
    world.github.push(&[(POLICY, retiring.as_bytes())]);
    let report = world.keytide(&["rotate"]).run().exits(0).json();
    assert_eq!(rotation_field(&report, "phase"), "retired", "{report:#}");
    assert!(world.keys().is_empty());
}

fn begun(world: &World, fingerprint: &Value) -> (Value, Vec<(String, String)>) {
    let place = json!({"place": format!("age {AGE_FILE}"), "kind": "file", "marker": fingerprint,
        "spec": world.homes[0].destination()});
    entry(1, json!({"event": "first-key", "number": 1, "user_id": user_id(world), "places": [place]}))
}

/// A forged beginning makes no key beside one, and none for a user that is not to have one.
#[test]
fn a_forged_first_key_makes_none() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new())]);
    let entries = [begun(&world, &Value::Null), entry(2, json!({"event": "create"}))];
    write_journal(&world, USER, &entries);
    let report = changes_nothing(&mut world, "a user with a key", 4);
    assert_eq!(rotation_field(&report, "phase"), "blocked", "{report:#}");

    let mut world = self::world(vec![Box::new(AgeFile::new())]);
    let retiring = world.policy_with("").replace("    rotation: \n", "    retire: {}\n");
    world.github.push(&[(POLICY, retiring.as_bytes())]);
    write_journal(&world, USER, &[begun(&world, &Value::Null)]);
    changes_nothing(&mut world, "a user that retires", 4);

    // What the destination held when it began is not what it holds.
    let mut world = self::world(vec![Box::new(AgeFile::new())]);
    write_journal(&world, USER, &[begun(&world, &json!("0".repeat(64)))]);
    let report = changes_nothing(&mut world, "another file", 4);
    assert!(
        rotation_field(&report, "why").contains("no longer exists")
            || rotation_field(&report, "phase") == "blocked"
    );
}

/// Nothing of a first key's rotation fits another, and nothing of another fits it.
#[test]
fn forged_entries_of_a_first_key_are_distrusted() {
    for (event, words) in [
        (json!({"event": "compromised"}), "mentions an old key"),
        (json!({"event": "completed"}), "brings no first key"),
        (json!({"event": "deactivate", "key": OLD}), "which is none of its keys"),
    ] {
        let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
        write_journal(&world, USER, &[begun(&world, &Value::Null), entry(2, event.clone())]);
        let report = changes_nothing(&mut world, &event.to_string(), 2);
        is_quarantined(&report, &event.to_string(), words);
    }
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    let intent =
        json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": OLD, "places": []});
    write_journal(&world, USER, &[entry(1, intent), entry(2, json!({"event": "completed"}))]);
    let report = changes_nothing(&mut world, "completed", 2);
    is_quarantined(&report, "completed", "brings no first key");
}

/// The key that is in use is called the first one, whose file held something else before: IAM's tag does not say so.
#[test]
fn a_forged_first_key_takes_none_that_is_in_use() {
    let mut world = World::with(40, vec![Box::new(AgeFile::new())]);
    let held = world.keytide(&["rotate"]).run();
    assert_eq!(world.keys().len(), 1, "{}", held.stdout);
    // It was made in the minutes of an announcement, long ago, and was never used: as an orphan looks.
    let fingerprint = keytide::hash::sha256_hex(&file(&world.github.state(), AGE_FILE).unwrap());
    let mut create = entry(2, json!({"event": "create"}));
    let created = world.now - jiff::SignedDuration::from_hours(24 * 40);
    create.0["at"] = created.to_string().into();
    let mut first = begun(&world, &json!(fingerprint));
    first.0["at"] = created.to_string().into();
    write_journal(&world, USER, &[first, create]);
    world.aws.iam("UntagUser", &[("UserName", USER), ("TagKeys.member.1", "keytide:inactive-keys")]);
    for _ in 0..4 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys()[OLD].1, "Active", "{}\n{}", run.stdout, run.stderr);
        world.pass(24);
    }
}

/// Two runs at the same minute make one key and one pull request.
#[test]
fn two_runs_at_once_make_one_key() {
    let world = world(vec![Box::new(AgeFile::new())]);
    std::thread::scope(|scope| {
        for run in ["1", "2"] {
            let command = world.keytide(&["rotate"]).env("GITHUB_RUN_ID", run);
            scope.spawn(move || command.run());
        }
    });
    let report = world.keytide(&["rotate"]).run().json();
    assert_eq!(rotation_field(&report, "phase"), "proposed", "{report:#}");
    assert_eq!((world.keys().len(), world.github.open_pulls().len()), (1, 1));
}
