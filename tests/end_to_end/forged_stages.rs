//! Journals that someone else has written, entry by entry: what each can do is what `SECURITY.md` says, and no more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use keytide::hash::sha256_hex;
use serde_json::{Value, json};

use crate::forged_journals::write_journal;
use crate::support::destinations::{AgeFile, GithubSecrets};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};
use crate::support::stores::{SECRET, Stored, text};

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";
const STORE: &str = "github_secret actions:acme/app:AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY";

pub fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

/// A rotation in its grace: the new key is in the file.
pub fn in_grace() -> World {
    let mut world = file_alone();
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);
    world
}

pub fn user_id(world: &World) -> String {
    let answer = world.aws.iam("GetUser", &[("UserName", USER)]);
    let (_, rest) = answer.split_once("<UserId>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

/// Keys, secrets and the default branch, which no forged entry may change by itself.
fn protected(world: &World) -> Value {
    let state = world.github.state();
    json!({ "keys": format!("{:?}", world.keys()), "secrets": state["secrets"], "main": state["refs"]["refs/heads/main"] })
}

/// Another key, other places, another user or another number in the entry that begins the rotation: at each stage.
#[test]
fn a_forged_intent_changes_nothing() {
    let mut world = file_alone();
    for stage in ["proposed", "grace", "soaking"] {
        world.until(stage);
        world.pass(1);
        let genuine = world.github_moment();
        let elsewhere = json!({"place": STORE, "kind": "store", "marker": null, "spec": {"github_secret":
            {"repository": "acme/app", "access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}}});
        for entry in [
            json!({"key": "AKIA0NOBODYNOBODY000"}),
            json!({"places": []}),
            json!({"places": [elsewhere]}),
            json!({"user_id": "AIDANOBODY"}),
            json!({"number": 0}),
        ] {
            let before = protected(&world);
            world.github.control(
                "POST",
                "forge",
                &json!({"ref": JOURNAL, "event": "intent", "entry": entry}),
            );
            for _ in 0..3 {
                let run = world.keytide(&["rotate"]).run();
                assert_ne!(run.exit, 0, "{stage}, {entry}: {}", run.stdout);
                assert_eq!(protected(&world), before, "{stage}, {entry}: {}", run.stdout);
                world.pass(24);
            }
            world.return_to(&genuine);
        }
        if stage == "proposed" {
            world.merge();
        }
    }
}

/// A delivery that never was makes a run believe that the store has the new key. The old key can be deactivated while the
/// store holds it: not before the grace is over and the new key is used, never deleted before its soak, and a rollback
/// brings it back.
#[test]
fn a_forged_delivery_can_only_deactivate() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())]);
    let secret = world.keys()[OLD].0.clone();
    for (name, value) in [("AWS_ACCESS_KEY_ID", OLD), ("AWS_SECRET_ACCESS_KEY", &*secret)] {
        let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": value});
        world.github.control("POST", "secret", &secret);
    }
    world.until("proposed");
    let refusal = json!([{"match": "PUT .*/actions/secrets/.*", "status": 500, "times": 99}]);
    world.github.control("POST", "faults", &refusal);
    world.merge();
    world.pass(1);
    // The store holds what it held when the rotation began.
    let places = intent_places(&world);
    let held = places.as_array().unwrap().iter().find(|place| place["place"] == STORE).unwrap();
    world.append_entry(&json!({"event": "delivered", "place": STORE, "marker": held["marker"]}));
    let begun = world.now;
    let soak = SignedDuration::from_hours(14 * 24);
    let mut inactive_at = None;
    for _ in 0..40 {
        world.keytide(&["rotate"]).run();
        // The application of the file uses the new key.
        let (id, secret) = world.in_file();
        world.aws.control("POST", "use", &json!({"id": id, "secret": secret, "service": "s3"}).to_string());
        let keys = world.keys();
        let status = keys.get(OLD).map(|(_, status)| status.as_str());
        match (status, inactive_at) {
            (Some("Inactive"), None) => inactive_at = Some(world.now),
            (None, Some(since)) => assert!(world.now.duration_since(since) >= soak),
            (None, None) => panic!("deleted without a soak"),
            _ => {}
        }
        world.pass(24);
    }
    let waited = inactive_at.expect("SECURITY.md says that this is possible").duration_since(begun);
    assert!(waited >= SignedDuration::from_hours(7 * 24), "{waited}");
}

/// A forged rollback does what `keytide rollback` does: the old key is active, a pull request proposes it, and a person
/// merges it or not. No key goes, and nothing on the default branch changes.
#[test]
fn a_forged_rollback_only_proposes() {
    for stage in ["grace", "soaking"] {
        let mut world = in_grace();
        world.until(stage);
        world.pass(1);
        let (ids, main) = (ids(&world), world.github.state()["refs"]["refs/heads/main"].clone());
        world.append_entry(&json!({"event": "rollback", "why": "forged"}));
        for _ in 0..10 {
            let run = world.keytide(&["rotate"]).run();
            assert!([0, 1].contains(&run.exit), "{}", run.stdout);
            assert_eq!(self::ids(&world), ids, "{stage}: {}", run.stdout);
            assert!(world.keys().values().all(|(_, status)| status == "Active"), "{stage}: {}", run.stdout);
            assert_eq!(world.github.state()["refs"]["refs/heads/main"], main);
            world.work();
            world.pass(24);
        }
        let last = world.keytide(&["rotate"]).run().exits(1).json();
        assert!(rotation_field(&last, "why").contains("forged"), "{last:#}");
    }
}

pub fn ids(world: &World) -> Vec<String> {
    world.keys().into_keys().collect()
}

/// A forged hold stops the user until a person resumes, and every report says so.
#[test]
fn a_forged_hold_only_stops() {
    let mut world = in_grace();
    let before = protected(&world);
    world.append_entry(&json!({"event": "held", "why": "forged"}));
    for _ in 0..3 {
        let run = world.keytide(&["rotate"]).run().exits(1);
        assert_eq!(rotation_field(&run.json(), "phase"), "held", "{}", run.stdout);
        assert_eq!(protected(&world), before);
        world.pass(24);
    }
    world.keytide(&["resume", "--user", USER, "--reason", "forged"]).run().exits(0);
    world.until("soaking");
    world.until("healthy");
    assert!(world.keys().len() == 1 && !world.keys().contains_key(OLD));
}

/// A forged review ends a hold, and no more: what the journal is distrusted for is found again at the next look, and a
/// key that someone activated again passes every guard anew.
#[test]
fn a_forged_review_clears_no_forgery() {
    let mut world = in_grace();
    let before = protected(&world);
    let evil = json!({"files/src/app.py": "ZXZpbA=="});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": evil}));
    let resumed = json!({"event": "resumed", "reason": "forged", "user_id": user_id(&world)});
    for _ in 0..3 {
        let run = world.keytide(&["rotate"]).run().exits(1);
        assert_eq!(rotation_field(&run.json(), "phase"), "quarantined", "{}", run.stdout);
        world.append_entry(&resumed);
        assert_eq!(protected(&world), before, "{}", run.stdout);
        world.pass(24);
    }

    let mut world = in_grace();
    world.until("soaking");
    world.pass(24);
    let genuine = world.github.state()["refs"][JOURNAL].clone();
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": evil}));
    let run = world.keytide(&["rollback", "--user", USER]).run().exits(1).json();
    let told = format!("{} / {}", rotation_field(&run, "why"), rotation_field(&run, "help"));
    for words in [
        "this run begins no rollback",
        "`keytide explain changed-journal`",
        "do not clear this",
        "--status Active`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(
        !run["findings"].to_string().contains("stale-reference"),
        "a forged journal is believed: {run:#}"
    );
    // The way out that the runbook gives
    let page = std::fs::read_to_string(crate::support::root().join("docs/runbook.md")).unwrap();
    assert!(
        page.contains("## The journal was changed\n") && page.contains("COMMIT:refs/keytide/ACCOUNT/USER")
    );
    let back = json!({ "sha": genuine, "force": true });
    world.github.ask("PATCH", &format!("git/{JOURNAL}"), &back);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "soaking");

    world.aws.iam("UpdateAccessKey", &[("UserName", USER), ("AccessKeyId", OLD), ("Status", "Active")]);
    let body = json!({"id": OLD, "secret": world.keys()[OLD].0, "service": "s3"});
    world.aws.control("POST", "use", &body.to_string());
    world.append_entry(&json!({"event": "resumed", "reason": "forged", "user_id": user_id(&world)}));
    for _ in 0..2 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys()[OLD].1, "Active", "it was used today: {}", run.stdout);
        world.pass(1);
    }
}

/// Only a key that the user's tag says keytide deactivated is named to be activated: a person may have stopped another, for a
/// reason.
#[test]
fn a_broken_journal_names_no_key_that_a_person_deactivated() {
    let mut world = in_grace();
    world.until("soaking");
    let evil = json!({"files/src/app.py": "ZXZpbA=="});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": evil}));
    let policy = world.policy_with("{}");
    let plan = |world: &World| world.keytide(&["plan"]).file(POLICY, policy.clone()).run().json();
    let help = |world: &World| rotation_field(&plan(world), "help").to_owned();
    assert!(help(&world).contains("--status Active`"), "{}", help(&world));
    let tag = [("UserName", USER), ("TagKeys.member.1", "keytide:inactive-keys")];
    world.aws.iam("UntagUser", &tag);
    assert!(
        help(&world).contains("do not clear this") && !help(&world).contains("--status Active"),
        "{}",
        help(&world)
    );
}

/// A key that a journal calls an orphan goes without a soak, if nothing has ever used it and AWS would say so by now; a
/// key that was used once stays.
#[test]
fn a_forged_creation_takes_only_a_key_that_was_never_used() {
    for is_used in [false, true] {
        // A rotation has begun and has no key yet; a day later a person makes one.
        let mut world = World::with(80, vec![Box::new(AgeFile::new())]);
        let fault = json!([{"action": "CreateAccessKey", "status": 403, "code": "AccessDenied", "times": 1}]);
        world.aws.control("POST", "faults", &fault.to_string());
        world.keytide(&["rotate"]).run().exits(3);
        world.pass(24);
        world.aws.iam("CreateAccessKey", &[("UserName", USER)]);
        let other = ids(&world).into_iter().find(|id| id != OLD).unwrap();
        if is_used {
            let body = json!({"id": other, "secret": world.keys()[&other].0, "service": "s3"});
            world.aws.control("POST", "use", &body.to_string());
        }
        world.append_entry(&json!({"event": "create"}));
        world.pass(1);
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys()[&other].1, "Active", "AWS may not have reported a use yet: {}", run.stdout);
        let mut last = String::new();
        for _ in 0..4 {
            world.pass(5);
            last = world.keytide(&["rotate"]).run().stdout;
        }
        assert_eq!(world.keys().contains_key(&other), is_used, "{last}");
        assert_eq!(world.keys()[OLD].1, "Active");
    }
}

/// A rollback moves a store back to the version that the journal names: an earlier one than that of the old key, if someone
/// forged the entry. It is still one of this secret's own versions.
#[test]
fn a_forged_version_is_one_of_the_same_secret() {
    const EARLIER: &str = "AKIA0EARLIEREARLIER0";
    let mut stored = Stored::with_secret();
    let current = stored.version("AWSCURRENT").1;
    let earlier = "2".repeat(36);
    // Secrets Manager keeps no version without a label.
    for (version, value, labels) in [
        (&*earlier, text(EARLIER, "an earlier secret"), ["AWSCURRENT", "kept"]),
        (&*"3".repeat(36), current, ["AWSCURRENT", "newest"]),
    ] {
        let body = json!({"SecretId": SECRET, "SecretString": value, "ClientRequestToken": version,
            "VersionStages": labels});
        stored.secrets("PutSecretValue", &body);
    }
    let in_secret = |stored: &Stored| stored.in_secret();
    stored.until("proposed", &in_secret);
    stored.merge();
    stored.until("grace", &in_secret);
    stored.pass(1);
    let mut forged = intent_places(&stored);
    forged[0]["marker"] = sha256_hex(EARLIER.as_bytes())[..24].into();
    let entry = json!({"ref": JOURNAL, "event": "intent", "entry": {"places": forged}});
    stored.github.control("POST", "forge", &entry);
    stored.append_entry(&json!({"event": "rollback", "why": "forged"}));
    let mut last = String::new();
    for _ in 0..6 {
        last = stored.keytide(&["rotate"]).run().stdout;
        stored.pass(1);
    }
    assert_eq!(stored.bearer("AWSCURRENT"), Some(earlier), "SECURITY.md says that this is possible: {last}");
}

/// The places of the entry that began the rotation.
pub fn intent_places(world: &World) -> Value {
    let state = world.github.state();
    for object in state["objects"].as_array().unwrap() {
        let bytes = STANDARD.decode(object.as_str().unwrap()).unwrap();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(entry) if entry["event"] == "intent" => return entry["places"].clone(),
            _ => {}
        }
    }
    panic!("no rotation has begun")
}

/// IAM's record of the user's inactive keys.
fn recorded(world: &World) -> String {
    let tags = world.aws.iam("ListUserTags", &[("UserName", USER)]);
    let Some((_, tag)) = tags.split_once("<Key>keytide:inactive-keys</Key>") else { return String::new() };
    let (_, value) = tag.split_once("<Value>").unwrap();
    value.split_once("</Value>").unwrap().0.to_owned()
}

/// A person with the console activates or deactivates the old key.
fn switch_by_hand(world: &World, status: &str) {
    world.aws.iam("UpdateAccessKey", &[("UserName", USER), ("AccessKeyId", OLD), ("Status", status)]);
}

/// Once a run has seen the old key active again, a deactivation by hand is not taken for one by keytide.
#[test]
fn a_forged_rollback_activates_no_key_that_a_person_deactivated() {
    let mut world = in_grace();
    world.until("soaking");
    world.pass(24);
    switch_by_hand(&world, "Active");
    world.keytide(&["plan"]).run();
    assert!(recorded(&world).contains(OLD), "a plan writes nothing");
    // Held, so that no step is taken: the record is corrected all the same.
    world.keytide(&["rotate"]).run().exits(1);
    assert!(!recorded(&world).contains(OLD), "{}", recorded(&world));
    world.pass(3 * 24);
    world.keytide(&["rotate"]).run().exits(1);
    switch_by_hand(&world, "Inactive");
    world.pass(24);
    for entry in [
        json!({"event": "rollback", "why": "forged"}),
        json!({"event": "resumed", "reason": "forged", "user_id": user_id(&world)}),
        json!({"event": "rollback", "why": "forged"}),
    ] {
        world.append_entry(&entry);
        for _ in 0..3 {
            let run = world.keytide(&["rotate"]).run();
            assert_eq!(world.keys()[OLD].1, "Inactive", "{entry}: {}", run.stdout);
            world.pass(1);
        }
    }
    let run = world.keytide(&["rotate"]).run();
    assert_ne!(run.exit, 0, "{}", run.stdout);
    assert!(run.stdout.contains("aws iam update-access-key"), "{}", run.stdout);
}

/// The soak counts from the last deactivation, in IAM's record too: a journal with forged times does not shorten it.
#[test]
fn a_second_deactivation_begins_the_soak_anew() {
    let mut world = in_grace();
    world.until("soaking");
    let first = recorded(&world);
    world.pass(6 * 24);
    switch_by_hand(&world, "Active");
    // The forger's entry makes the rotation go on without a review.
    world.append_entry(&json!({"event": "activate", "key": OLD}));
    let mut inactive_at = None;
    for _ in 0..30 {
        let run = world.keytide(&["rotate"]).run();
        world.work();
        match (world.keys().get(OLD).map(|(_, status)| status.as_str()), inactive_at) {
            (Some("Inactive"), None) => {
                inactive_at = Some(world.now);
                assert_ne!(recorded(&world), first, "{}", run.stdout);
                let day = world.now.strftime("%Y-%m-%d").to_string();
                assert!(
                    recorded(&world).contains(&format!("{OLD}=deactivated@{day}")),
                    "{}",
                    recorded(&world)
                );
                // All times of the journal are forged, so that its soak is over.
                let early = json!({"at": (world.now - SignedDuration::from_hours(15 * 24)).to_string()});
                world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "*", "entry": early}));
            }
            (None, Some(since)) => {
                let waited = world.now.duration_since(since);
                assert!(waited >= SignedDuration::from_hours(14 * 24), "{waited}: {}", run.stdout);
            }
            (None, None) => panic!("deleted without a second deactivation: {}", run.stdout),
            _ => {}
        }
        world.pass(24);
    }
    assert!(inactive_at.is_some(), "{}", world.keytide(&["rotate"]).run().stdout);
}

/// An entry that reports the old key as compromised: it goes at once, and only the flag brings it back.
#[test]
fn a_forged_report_of_a_leak_deactivates_at_once() {
    let mut world = in_grace();
    world.append_entry(&json!({"event": "compromised"}));
    for _ in 0..3 {
        world.keytide(&["rotate"]).run();
        world.pass(5);
    }
    assert_eq!(world.keys()[OLD].1, "Inactive", "SECURITY.md says that this is possible");
    assert!(recorded(&world).contains(&format!("{OLD}=compromised@")), "{}", recorded(&world));
    world.keytide(&["rollback", "--user", USER]).run().exits(2);
    assert_eq!(world.keys()[OLD].1, "Inactive");
    world.keytide(&["rollback", "--user", USER, "--reactivate-compromised-key"]).run().exits(0);
    assert_eq!(world.keys()[OLD].1, "Active");
}

/// A journal that says that the rotation is over, or that is gone, leaves no rotation to roll back: the old key stays as it
/// is, until a person activates it by hand.
#[test]
fn a_forged_end_leaves_the_old_key_to_the_console() {
    let mut world = in_grace();
    world.until("soaking");
    world.pass(1);
    let picture = world.picture();
    for is_deleted in [false, true] {
        world.restore(&picture);
        if is_deleted {
            world.github.control("POST", "delete", &json!({"ref": JOURNAL}));
        } else {
            world.append_entry(&json!({"event": "deleted", "key": OLD}));
        }
        let run = world.keytide(&["rollback", "--user", USER]).run().exits(2);
        assert!(run.stdout.contains("nothing to roll back"), "{}", run.stdout);
        for _ in 0..3 {
            let run = world.keytide(&["rotate"]).run().exits(1);
            assert_eq!(rotation_field(&run.json(), "phase"), "blocked", "{}", run.stdout);
            assert_eq!(world.keys()[OLD].1, "Inactive", "{}", run.stdout);
            world.pass(14 * 24);
        }
        assert_eq!(world.keys().len(), 2, "no key is deleted for it");
    }
}

/// A journal that consists of an intent alone, for a key that is not due: a key is created for the destinations of the policy
/// file, and a pull request is opened, whose merge is a person's.
#[test]
fn a_forged_intent_begins_a_rotation_before_it_is_due() {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    // The places as keytide records them, from a rotation that a person asked for and that created no key.
    let fault = json!([{"action": "CreateAccessKey", "status": 403, "code": "AccessDenied", "times": 1}]);
    world.aws.control("POST", "faults", &fault.to_string());
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(3);
    let places = intent_places(&world);
    world.github.control("POST", "delete", &json!({"ref": JOURNAL}));
    world.pass(1);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "healthy");
    let main = world.github.state()["refs"]["refs/heads/main"].clone();
    let intent = json!({"at": world.now.to_string(), "event": "intent", "number": 1, "user_id": user_id(&world),
        "key": OLD, "places": places, "compromised": false});
    write_journal(&world, USER, &[(intent, Vec::new())]);
    let report = world.rotate();
    assert_eq!(
        rotation_field(&report, "phase"),
        "proposed",
        "SECURITY.md says that this is possible: {report:#}"
    );
    assert_eq!((world.keys().len(), world.github.open_pulls().len()), (2, 1));
    for _ in 0..10 {
        world.pass(24);
        world.keytide(&["rotate"]).run();
        world.work();
    }
    assert_eq!(world.github.state()["refs"]["refs/heads/main"], main);
    assert!(world.keys().values().all(|(_, status)| status == "Active"));
}
