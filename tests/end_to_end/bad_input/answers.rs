//! A GitHub that is slow, limited, broken or elsewhere.

use serde_json::{Value, json};

use super::refused;
use crate::support::destinations::AgeFile;
use crate::support::peers::{OLD, World, rotation_field};

fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

fn faults(world: &World, faults: &Value) {
    world.github.control("POST", "faults", faults);
}

/// The paths that were asked for, each with its status.
fn log(world: &World) -> Vec<(String, u64)> {
    let log = world.github.control("GET", "log", &Value::Null);
    let line = |one: &Value| (one["path"].as_str().unwrap().to_owned(), one["status"].as_u64().unwrap());
    log.as_array().unwrap().iter().map(line).collect()
}

/// A limit that ends soon is waited for, in each of the ways in which GitHub tells it; one that does not is a fault.
#[test]
fn a_short_limit_is_waited_out_and_a_long_one_is_reported() {
    let world = file_alone();
    let limit = |request: &str, status: u16, headers: Value, message: &str| json!({"match": request, "status": status, "headers": headers, "message": message});
    let long = limit("GET /repos/acme/app", 429, json!({"retry-after": "3600"}), "slow down");
    faults(&world, &json!([long]));
    refused(
        &world,
        world.keytide(&["rotate"]).run(),
        3,
        &["GitHub's rate limit is reached for 3600 more seconds"],
    );

    let reset = (world.now.as_second() + 3).to_string();
    let spent = json!({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset});
    let secondary =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    faults(
        &world,
        &json!([
            limit("GET /repos/acme/app", 429, json!({"retry-after": "1"}), "slow down"),
            limit("GET .*/git/matching-refs/.*", 403, spent, "API rate limit exceeded for installation."),
            limit("POST .*/git/trees", 403, json!({"retry-after": "1"}), secondary),
            limit("POST .*/pulls", 429, json!({"retry-after": "1"}), "slow down"),
            limit("PATCH .*/git/refs/.*", 403, json!({"retry-after": "1"}), secondary),
        ]),
    );
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(rotation_field(&run.json(), "phase"), "proposed", "{}", run.stdout);
    let limited = log(&world).iter().filter(|(_, status)| [403, 429].contains(status)).count();
    assert_eq!(limited, 6);
}

/// Below the prefix of a GitHub Enterprise Server.
#[test]
fn a_prefix_of_the_api_is_kept() {
    let mut world = World::new(80);
    world.github.prefix = "/api/v3";
    world.until("proposed");
    world.merge();
    world.until("grace");
    let elsewhere: Vec<_> =
        log(&world).into_iter().filter(|(path, _)| !path.starts_with("/api/v3/repos/acme/app")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// Each kind of request that a first run sends, and may send again.
const HARMLESS: [&str; 10] = [
    "GET /repos/acme/app",
    "GET .*/git/matching-refs/.*",
    "GET .*/git/commits/.*",
    "GET .*/git/trees/.*",
    "GET .*/git/blobs/.*",
    "GET .*/commits",
    "GET .*/pulls",
    "GET .*/rules/branches/.*",
    "GET .*/secrets/.*",
    "POST .*/git/(trees|commits)",
];

/// What changes something, and how many of its kind come before.
const CHANGES: [(&str, u64); 10] = [
    // The claim, the intent, the announcement, the key that is kept, its proof.
    ("POST .*/git/refs", 0),
    ("PATCH .*/git/refs/keytide/.*", 0),
    ("PATCH .*/git/refs/keytide/.*", 1),
    ("PATCH .*/git/refs/keytide/.*", 2),
    ("PATCH .*/git/refs/keytide/.*", 3),
    // The branch, the commit that tries it, the one with the key, the pull request, the entry that names it.
    ("POST .*/git/refs", 1),
    ("PATCH .*/git/refs/heads/.*", 0),
    ("PATCH .*/git/refs/heads/.*", 1),
    ("POST .*/pulls", 1),
    ("PATCH .*/git/refs/keytide/.*", 4),
];

/// One failure of each kind that may be repeated, and a lost reply of each that may not: the run gets through.
#[test]
fn a_broken_answer_is_asked_for_again() {
    let world = World::new(80);
    let mut all: Vec<Value> = Vec::new();
    for request in HARMLESS {
        all.push(json!({"match": request, "status": 502}));
        all.push(json!({"match": request, "spoil": "cut"}));
    }
    for (request, skip) in CHANGES {
        all.push(json!({"match": request, "skip": skip, "spoil": "cut"}));
    }
    faults(&world, &Value::Array(all));
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(rotation_field(&run.json(), "phase"), "proposed", "{}", run.stdout);
    assert_eq!(world.github.open_pulls().len(), 1);
    assert_eq!(world.keys().len(), 2);
}

/// What was refused with a 5xx was not done, or no one knows: the run ends with a fault, and the next ones go on to one
/// pull request and two keys.
#[test]
fn a_failure_at_each_change_is_survived() {
    std::thread::scope(|scope| {
        for (request, skip) in CHANGES {
            scope.spawn(move || fails_at(request, skip));
        }
    });
}

fn fails_at(request: &str, skip: u64) {
    let mut world = file_alone();
    faults(
        &world,
        &json!([{"match": request, "skip": skip, "status": 503, "message": "Service Unavailable"}]),
    );
    let run = world.keytide(&["rotate"]).run().exits(3);
    let faults = run.json()["faults"].to_string();
    assert!(faults.contains("GitHub: Service Unavailable (503)"), "{request} {skip}: {faults}");
    assert_eq!(world.in_file().0, OLD);
    world.pass(24);
    world.until("proposed");
    assert_eq!(world.github.open_pulls().len(), 1, "{request} {skip}");
    assert_eq!(world.keys().len(), 2, "{request} {skip}");
}

/// Nothing is due but a deletion, and GitHub does not show what still names the key: the key stays, and that is no pass.
#[test]
fn a_wait_for_what_github_does_not_show_is_a_fault() {
    let mut world = file_alone();
    world.until("proposed");
    world.merge();
    world.until("soaking");
    world.pass(24 * 14);
    faults(&world, &json!([{"match": "GET /repos/acme/app/pulls", "status": 403, "times": 99}]));
    let run = world.keytide(&["rotate"]).run().exits(3);
    let said = run.json()["faults"].to_string();
    assert!(said.contains("the files and pull requests that name a key could not be read"), "{}", run.stdout);
    assert_eq!(world.keys().len(), 2, "{}", run.stdout);
}

/// GitHub refuses to compare the staged files' commit with the default branch: that is a fault, and no forged journal.
#[test]
fn a_refused_comparison_is_no_forged_journal() {
    let mut world = file_alone();
    world.until("proposed");
    world.github.push(&[("README.md", b"more\n")]);
    world.pass(1);
    let moment = world.github_moment();
    for status in [401, 403, 301, 422] {
        world.return_to(&moment);
        faults(
            &world,
            &json!([{"match": "GET .*/compare/.*", "status": status, "message": "refused", "times": 99}]),
        );
        let run = world.keytide(&["rotate"]).run().exits(3);
        assert_eq!(rotation_field(&run.json(), "phase"), "unknown", "{status}: {}", run.stdout);
        let said = run.json()["faults"].to_string();
        let words = format!("the journal could not be read: GitHub: refused ({status})");
        assert!(said.contains(&words), "{status}: {said}");
    }
    world.return_to(&moment);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
}
