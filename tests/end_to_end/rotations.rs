//! Whole rotations as a workflow runs them: the program against an AWS and a GitHub, day by day.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Keytide;
use crate::support::peers::World;

/// The phase that a report tells of the one user.
pub fn phase(json: &Value) -> String {
    json["rotations"][0]["phase"].as_str().unwrap_or("none").to_owned()
}

/// Runs `rotate` once a day until a phase, at most so many days.
#[track_caller]
pub fn until(world: &mut World, wanted: &str, days: usize) -> Value {
    let mut last = Value::Null;
    for _ in 0..days {
        let run = world.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}\n{}", world.now, run.stdout, run.stderr);
        last = run.json();
        world.work();
        if phase(&last) == wanted {
            return last;
        }
        world.pass(24);
    }
    panic!("never {wanted}: {last:#}");
}

/// What decides about the deactivation is asked for at every look: a run that gets no answer does not pass.
#[test]
fn a_last_use_that_cannot_be_read_is_a_fault() {
    let mut world = World::new(80);
    let report = until(&mut world, "proposed", 1);
    world.github.control("POST", "merge", &json!({ "number": report["rotations"][0]["pull_request"] }));
    until(&mut world, "grace", 3);
    for (status, code) in [(403, "AccessDenied"), (400, "ValidationError")] {
        let fault = json!([{"action": "GetAccessKeyLastUsed", "status": status, "code": code, "times": 99}]);
        world.aws.control("POST", "faults", &fault.to_string());
        let run = world.keytide(&["rotate"]).run().exits(3);
        assert!(run.json()["faults"].to_string().contains("the last use of"), "{}", run.stdout);
    }
}

/// The key is made, proposed, merged, delivered; the old one is deactivated and deleted; nothing breaks meanwhile.
#[test]
fn a_key_lives_a_whole_life() {
    let mut world = World::new(80);
    let old = world.in_file().0;
    let report = until(&mut world, "proposed", 1);
    let pull = report["rotations"][0]["pull_request"].as_u64().unwrap();
    assert_eq!(world.github.open_pulls(), [pull]);
    let state = world.github.state();
    assert_eq!(state["pulls"][0]["labels"], json!(["security"]));
    assert_eq!(state["pulls"][0]["reviewers"], json!(["alice", "platform"]));
    assert_eq!(world.in_file().0, old, "nothing changes before the merge");

    world.pass(20);
    world.github.control("POST", "merge", &json!({ "number": pull }));
    let new = world.in_file().0;
    assert_ne!(new, old);
    assert_eq!(world.in_store(), None);
    until(&mut world, "grace", 3);
    assert_eq!(world.in_store().unwrap().0, new);
    assert_eq!(world.keys().len(), 2);

    until(&mut world, "soaking", 20);
    assert_eq!(world.keys()[&old].1, "Inactive");
    until(&mut world, "healthy", 20);
    let keys: Vec<String> = world.keys().into_keys().collect();
    assert_eq!(keys, [new]);

    let file = world.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
    let policy = STANDARD.decode(file).unwrap();
    let audit = world.keytide(&["audit"]).file("keytide.yml", policy).run().exits(0);
    assert_eq!(audit.json()["users"][0]["phase"], "healthy", "{}", audit.stdout);
}

/// A reply that is lost is not taken for a failure, and the key that no one has is taken away again.
#[test]
fn a_lost_reply_is_no_failure() {
    let mut world = World::new(80);
    let fault = json!([{"action": "CreateAccessKey", "status": 500, "applied": true}]);
    world.aws.control("POST", "faults", &fault.to_string());
    let run = world.keytide(&["rotate"]).run().exits(3);
    assert_eq!(run.json()["faults"][0]["operation"], "issue", "{}", run.stdout);
    assert_eq!(world.keys().len(), 2);
    assert_eq!(world.aws.requests()["actions"]["CreateAccessKey"], 1, "it is never repeated");
    world.pass(24);
    until(&mut world, "proposed", 12);
    assert_eq!(world.keys().len(), 2);
}

/// Closing the pull request gives the new key up; the old one stays in use.
#[test]
fn a_closed_pull_request_takes_the_new_key_out_of_use() {
    let mut world = World::new(80);
    let old = world.in_file().0;
    let report = until(&mut world, "proposed", 1);
    let pull = &report["rotations"][0]["pull_request"];
    world.github.control("POST", "close", &json!({ "number": pull }));
    let mut helps = String::new();
    for _ in 0..30 {
        world.pass(24);
        helps += &world.rotate()["rotations"][0]["help"].to_string();
        world.work();
        if world.keys().len() == 1 {
            break;
        }
    }
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [old]);
    assert!(helps.contains("deleted 14 days later; then the next rotation begins"), "{helps}");
}

/// What may not write ends before anything is reached.
#[test]
fn a_run_that_may_not_write_is_refused() {
    let policy = "version: 1\nusers: [{ name: alice, rotation: {}, destinations: [] }]\n";
    let run = |keytide: Keytide, words: &str| {
        let exit = if words.starts_with("no GitHub token") { 3 } else { 2 };
        let run = keytide.policy(policy).run().exits(exit);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    };
    let rotate = || Keytide::new(&["rotate"]).against("http://127.0.0.1:9");
    run(rotate().env("GITHUB_EVENT_NAME", "pull_request"), "a workflow started by `pull_request`");
    run(rotate().env("LOG_SENSITIVE_BODIES", "true"), "LOG_SENSITIVE_BODIES is set");
    run(rotate().arg("--now").arg("2026-03-01T00:00:00Z"), "`--now` with a command that writes is for tests");
    run(rotate().arg("--now").arg("9999-12-30T21:59:59Z"), "in the years 1970 to 9000");
    let early =
        rotate().arg("--github-api-url").arg("http://127.0.0.1:9").arg("--now").arg("1999-12-30T21:59:59Z");
    run(early, "`--now` is out of range: 1999-12-30T21:59:59Z");
    run(rotate(), "no GitHub token: export GITHUB_TOKEN=$(gh auth token)");
    run(rotate().env("GITHUB_TOKEN", "token"), "the repository is not known: add --repository OWNER/NAME");
    run(Keytide::new(&["rotate", "--compromised"]), "--user");
    run(Keytide::new(&["resume", "--user", "alice"]), "--reason");
}

/// Asked to end, a run ends within seven seconds, says so, and the next one goes on.
#[test]
fn a_run_that_is_asked_to_end_does() {
    let mut world = World::new(80);
    // It is asked to end while it waits for this request, however fast or slow the machine is.
    let held = json!([{ "match": "POST .*/pulls", "hold": 3 }]);
    world.github.control("POST", "faults", &held);
    let run = world.keytide(&["rotate"]).start();
    let is_staged =
        || world.github.control("GET", "log", &Value::Null).to_string().contains("keytide: staged");
    while !is_staged() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let asked = std::time::Instant::now();
    std::process::Command::new("kill").arg(run.id().to_string()).status().unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(asked.elapsed().as_secs() < 7, "{:?}", asked.elapsed());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    assert!(report["faults"][0]["message"].as_str().unwrap().contains("asked to end"), "{report:#}");
    world.pass(24);
    until(&mut world, "proposed", 12);
}

/// A rotation goes back as far as a store lets it; then a person has the word.
#[test]
fn a_rotation_is_rolled_back() {
    let mut world = World::new(80);
    let old = world.in_file().0;
    let report = until(&mut world, "proposed", 1);
    world.github.control("POST", "merge", &json!({ "number": report["rotations"][0]["pull_request"] }));
    until(&mut world, "grace", 3);
    world.pass(1);
    world.keytide(&["rollback", "--user", "ci-deployer"]).run().exits(0);
    world.pass(1);
    let report = until(&mut world, "rolling-back", 1);
    let revert = &report["rotations"][0]["pull_request"];
    assert!(revert.is_u64(), "{report:#}");
    world.github.control("POST", "merge", &json!({ "number": revert }));
    assert_eq!(world.in_file().0, old);
    world.pass(1);
    let held = world.keytide(&["rotate"]).run().exits(1);
    assert_eq!(phase(&held.json()), "held", "{}", held.stdout);
    assert!(held.findings()[0].starts_with("stalled-rotation error ci-deployer: held: "), "{}", held.stdout);
    assert!(world.keys().values().all(|(_, status)| status == "Active"));
    let resumed = world.keytide(&["resume", "--user", "ci-deployer", "--reason", "looked"]).run().exits(0);
    assert_ne!(phase(&resumed.json()), "held");
}

/// That GitHub refuses to show a file is no mistake in it.
#[test]
fn what_github_refuses_to_show_is_no_mistake() {
    let world = World::new(80);
    let refusal = json!([{"match": "GET .*/git/blobs/.*", "status": 403, "times": 9}]);
    world.github.control("POST", "faults", &refusal);
    let run = world.keytide(&["rotate"]).run().exits(3);
    assert!(
        run.stdout.contains("the policy file could not be read: GitHub: a fault (403)"),
        "{}",
        run.stdout
    );
}

/// A key that seems idle is the new one that nothing reads yet, or the old one in its soak: no rule says to delete it.
#[test]
fn no_rule_advises_to_delete_a_key_of_a_rotation_under_way() {
    let mut world = World::new(100);
    let limits = "limits: { max_age: 90d, max_active_keys: 1, max_unused: 1d, max_inactive: 1d }\nusers:";
    let policy = world.policy("").replace("users:", limits);
    let mut rules = std::collections::BTreeSet::new();
    for phase in ["proposed", "soaking"] {
        world.until(phase);
        if phase == "proposed" {
            world.pass(30);
        } else {
            world.pass(3 * 24);
        }
        for token in ["token", ""] {
            let audit = world.keytide(&["audit"]).file(crate::support::peers::POLICY, &policy);
            let report = audit.env("GITHUB_TOKEN", token).run().json();
            for finding in report["findings"].as_array().unwrap() {
                let help = finding["help"].as_str().unwrap_or_default();
                if finding["severity"] == "note" || finding["rule"] == "stalled-rotation" {
                    continue;
                }
                rules.insert(finding["rule"].as_str().unwrap().to_owned());
                let wanted =
                    if token.is_empty() { "deactivate and delete nothing" } else { "is under way (" };
                assert!(help.contains(wanted), "{phase}: {finding:#}");
            }
        }
        if phase == "proposed" {
            world.merge();
        }
    }
    for rule in ["unused-key", "inactive-key"] {
        assert!(rules.contains(rule), "{rules:?}");
    }
}

/// Whoever cannot read the journal is not told to deactivate or delete a key: both may be in use.
#[test]
fn an_audit_that_cannot_read_the_journal_advises_nothing_that_breaks_a_rotation() {
    let mut world = World::new(100);
    world.until("proposed");
    let policy = world
        .policy("")
        .replace("users:", "limits: { max_age: 90d, max_active_keys: 1, max_unused: 30d }\nusers:");
    let advice = |token: &str| {
        let run = world
            .keytide(&["audit"])
            .file(crate::support::peers::POLICY, &policy)
            .env("GITHUB_TOKEN", token)
            .run();
        let json = run.json();
        let findings = json["findings"].as_array().unwrap().clone();
        let of_keys = findings.into_iter().filter(|one| one["rule"] != "prefer-role");
        of_keys
            .map(|one| format!("{}: {}", one["rule"].as_str().unwrap(), one["help"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let check = |found: &[String]| {
        assert!(found.iter().any(|one| one.starts_with("active-key-count: ")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("key-age: ")), "{found:?}");
        for one in found {
            assert!(one.contains("its journal was not read: deactivate and delete nothing"), "{one}");
            assert!(one.contains("Set GITHUB_TOKEN (`contents: read`)"), "{one}");
        }
    };
    let read = advice("token");
    assert!(!read.is_empty() && read.iter().all(|one| !one.contains("its journal was not read")), "{read:?}");
    check(&advice(""));
    let fault =
        json!([{ "match": "GET .*/git/matching-refs/.*", "status": 403, "message": "no", "times": 99 }]);
    world.github.control("POST", "faults", &fault);
    check(&advice("token"));
}
