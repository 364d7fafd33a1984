//! Journals to which someone else has appended one entry: of each kind, at each stage, and for each store that keeps
//! versions. What may come of it is what `SECURITY.md` says.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::parameters;
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};
use crate::support::stores::Stored;

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";

/// An entry of each kind that has no test of its own, about either key where it names one.
fn entries(world: &World) -> Vec<Value> {
    let new = world.keys().into_keys().find(|id| id != OLD);
    let new = new.unwrap_or_else(|| "AKIA0NOBODYNOBODY000".to_owned());
    let claimed = (world.now + SignedDuration::from_hours(24 * 300)).to_string();
    let store = "github_secret actions:acme/app:AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY";
    let mut all = vec![
        json!({"event": "verified"}),
        json!({"event": "proposed", "pull_request": 4_000_000}),
        json!({"event": "distributed"}),
        json!({"event": "redeploying", "cause": "delivery"}),
        json!({"event": "redeployed", "cause": "rollback", "workflow_run": 1}),
        json!({"event": "compromised"}),
        json!({"event": "release"}),
        json!({"event": "claim", "until": claimed}),
        json!({"event": "refused", "place": store, "why": "forged"}),
        json!({"event": "failed", "step": "deactivate", "why": "forged"}),
        json!({"event": "tombstone", "key": new, "why": "forged"}),
        json!({"event": "of-a-later-version"}),
        json!({"event": "retirement", "number": 2, "user_id": "AIDA", "key": OLD}),
        json!({"event": "needed", "key": OLD, "why": "forged"}),
    ];
    for event in ["retiring", "deactivate", "inactive-since", "activate", "delete", "deleted", "discard"] {
        all.extend([OLD, &new].map(|key| json!({"event": event, "key": key})));
    }
    all
}

/// What no entry may change before a soak could be over: which keys exist, the default branch, the secrets.
fn protected(world: &World) -> Value {
    let state = world.github.state();
    let keys: Vec<String> = world.keys().into_keys().collect();
    json!({"keys": keys, "main": state["refs"]["refs/heads/main"], "secrets": state["secrets"]})
}

/// The applications work; a forger may have taken their key out of use.
fn use_keys(world: &World) {
    for (id, (secret, _)) in world.keys() {
        let body = json!({"id": id, "secret": secret, "service": "s3"});
        world.aws.control("POST", "use", &body.to_string());
    }
}

/// Which entries are forged: every one whose index leaves this rest.
#[derive(Clone, Copy)]
struct Sample {
    of: usize,
    rest: usize,
}

const EVERY: Sample = Sample { of: 1, rest: 0 };

/// A rotation at a stage.
fn world_at(stage: &str) -> World {
    let mut world = World::new(80);
    match stage {
        "intent" => {
            refuse_creations(&world);
            world.keytide(&["rotate"]).run().exits(3);
        }
        "rolling-back" => {
            world.until("proposed");
            world.merge();
            world.until("grace");
            world.pass(1);
            world.keytide(&["rollback", "--user", USER]).run();
            // Writes to the store settle
            world.pass(1);
            let run = world.keytide(&["rotate"]).run();
            assert_eq!(world.github.open_pulls().len(), 1, "{}", run.stdout);
        }
        "proposed" => drop(world.until(stage)),
        _ => {
            world.until("proposed");
            world.merge();
            world.until(stage);
        }
    }
    world.pass(1);
    world
}

/// No key is made, so that the rotation stays at its first entry.
fn refuse_creations(world: &World) {
    let fault = json!([{"action": "CreateAccessKey", "status": 403, "code": "AccessDenied", "times": 99}]);
    world.aws.control("POST", "faults", &fault.to_string());
}

/// Forges a sample of the entries at one stage.
fn forge_at(stage: &str, sample: Sample) {
    let mut world = world_at(stage);
    let genuine = world.picture();
    for (index, entry) in entries(&world).into_iter().enumerate() {
        if index % sample.of != sample.rest {
            continue;
        }
        if stage == "intent" {
            refuse_creations(&world);
        }
        let before = protected(&world);
        world.append_entry(&entry);
        for hours in [1, 24 * 4, 24 * 6] {
            world.pass(hours);
            let run = world.keytide(&["rotate"]).run();
            assert!([0, 1, 3].contains(&run.exit), "{stage}, {entry}: {}\n{}", run.stdout, run.stderr);
            assert_eq!(protected(&world), before, "{stage}, {entry}: {}", run.stdout);
            use_keys(&world);
        }
        world.restore(&genuine);
    }
}

/// A review does not accept an entry that keytide cannot read: a newer version would know what it says.
#[test]
fn an_unknown_entry_is_not_accepted_by_resume() {
    let world = world_at("grace");
    world.append_entry(&json!({"event": "of-a-later-version"}));
    let head = world.github.state()["refs"][JOURNAL].clone();
    let resume = ["resume", "--user", USER, "--reason", "looked"];
    let run = world.keytide_as("text", &resume).run().exits(3);
    for words in ["the event `of-a-later-version`", "keytide explain changed-journal"] {
        assert!(run.stderr.replace('\n', " ").contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(world.github.state()["refs"][JOURNAL], head, "nothing was written");
    let run = world.keytide_as("text", &["plan", "--history"]).file(POLICY, world.policy("")).run();
    for words in ["`keytide resume` does not clear this", "not an entry that this version of keytide writes"]
    {
        assert!(run.stdout.replace("\n", " ").contains(words), "{words}: {}", run.stdout);
    }
}

const STAGES: [&str; 5] = ["proposed", "grace", "soaking", "rolling-back", "intent"];

/// Eleven days after the entry no key is gone: the soak takes fourteen, and the journal alone proves none.
#[test]
fn an_entry_of_each_kind_deletes_and_publishes_nothing() {
    // Each entry at one of the first three stages, and a few at the others
    let samples = [(3, 0), (3, 1), (3, 2), (7, 4), (7, 6)].map(|(of, rest)| Sample { of, rest });
    forge_entries(&samples);
}

/// Every entry at every stage: `cargo test --test end_to_end -- forged_events --ignored`.
#[test]
#[ignore = "four times as long; `an_entry_of_each_kind_deletes_and_publishes_nothing` forges each entry at one stage"]
fn an_entry_of_each_kind_at_each_stage() {
    forge_entries(&[EVERY; STAGES.len()]);
}

fn forge_entries(samples: &[Sample; STAGES.len()]) {
    std::thread::scope(|scope| {
        for (stage, sample) in STAGES.into_iter().zip(*samples) {
            scope.spawn(move || forge_at(stage, sample));
        }
    });
}

/// What is staged for a store that keeps versions is compared as everything else is.
#[test]
fn forged_staging_for_a_store_with_versions_is_not_delivered() {
    type Read = fn(&Stored) -> (String, String);
    let kinds: [(Stored, Read); 2] = [
        (Stored::with_secret(), Stored::in_secret),
        (parameters::with_parameter(), parameters::in_parameter),
    ];
    let evil = json!({"files/src/app.py": "ZXZpbA=="});
    let elsewhere = "eyJwbGFjZSI6ImdpdGh1Yl9zZWNyZXQgYWN0aW9uczphY21lL2FwcDpYIiwicGF5bG9hZHMiOltdfQ==";
    let payload = json!({"payloads/9.json": elsewhere});
    for (mut stored, read) in kinds {
        for stage in ["proposed", "merged"] {
            stored.until("proposed", &read);
            if stage == "merged" {
                stored.merge();
            }
            let genuine = stored.github_moment();
            for (files, why) in
                [(&evil, "differs in more than the credential"), (&payload, "for other stores")]
            {
                let before = read(&stored);
                let forged = json!({"ref": JOURNAL, "event": "staged", "files": files});
                stored.github.control("POST", "forge", &forged);
                if stage == "proposed" {
                    // Without a proposal keytide would make the branch from what is staged.
                    stored.github.control("POST", "branch", &json!({"name": format!("keytide/{USER}/1")}));
                }
                let report = stored.keytide(&["rotate"]).run().exits(1).json();
                assert_eq!(rotation_field(&report, "phase"), "quarantined", "{report:#}");
                assert!(rotation_field(&report, "why").contains(why), "{why}: {report:#}");
                assert_eq!(read(&stored), before, "{stage}, {why}");
                stored.return_to(&genuine);
            }
        }
    }
}
