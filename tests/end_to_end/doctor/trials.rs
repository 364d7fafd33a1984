//! The trials of `doctor --write`: what they show, and that nothing of them is left, also after a run was killed.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{checks, github_fault, set, sound};
use crate::support::folder;
use crate::support::peers::World;

/// The names of the references that a trial would leave.
fn left_behind(world: &World) -> Vec<String> {
    let state = world.github.state();
    let names = state["refs"].as_object().unwrap().keys();
    names.filter(|name| name.starts_with("refs/keytide/")).cloned().collect()
}

/// Two moves from one parent, twenty times, and nothing is left; a second run finds and removes what a killed one left.
#[test]
fn trials_leave_nothing_behind() {
    let worlds: [fn(); 5] = [promises_hold, killed, ended, stale_moves, refused];
    std::thread::scope(|scope| {
        for test in worlds {
            scope.spawn(test);
        }
    });
}

fn promises_hold() {
    let world = sound();
    let run = world.keytide(&["doctor", "--write"]).run().exits(0);
    let found = checks(&run);
    for name in ["custom-reference", "compare-and-swap", "commit-without-workflows"] {
        assert_eq!(found[name].0, "ok", "{}", found[name].1);
    }
    assert_eq!(left_behind(&world), Vec::<String>::new());
    let log = world.github.control("GET", "log", &Value::Null);
    let moves = log.as_array().unwrap().iter().filter(|asked| asked["method"] == "PATCH");
    let lost = moves.clone().filter(|asked| asked["status"] == 422).count();
    assert_eq!((moves.count(), lost), (42, 20));
}

fn killed() {
    let world = sound();
    let pid_file = folder().join("pid");
    let kill = json!([{"match": "PATCH .*/git/refs/keytide/doctor/.*", "skip": 4, "kill": pid_file}]);
    world.github.control("POST", "faults", &kill);
    world.keytide(&["doctor", "--write"]).run_to_be_killed(&pid_file);
    assert_eq!(left_behind(&world).len(), 1);
    let fault =
        json!([{"match": "PATCH .*/git/refs/keytide/doctor/.*", "skip": 3, "status": 500, "times": 99}]);
    world.github.control("POST", "faults", &fault);
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(3));
    assert_eq!((found["custom-reference"].0.as_str(), found["compare-and-swap"].0.as_str()), ("ok", "skip"));
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn ended() {
    let world = sound();
    let mut child = world.keytide(&["doctor", "--write"]).start();
    let begun = Instant::now();
    while !left_behind(&world).iter().any(|name| name.ends_with("/swap")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no trial begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn stale_moves() {
    let world = sound();
    set(&world, &json!({"compares": false}));
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(1));
    let (status, text) = &found["compare-and-swap"];
    assert_eq!(status, "fail");
    assert!(text.contains("two moves from one parent both succeeded"), "{text}");
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn refused() {
    let world = sound();
    github_fault(&world, "POST .*/git/refs", 422, "refs/keytide is not allowed here");
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(1));
    assert_eq!(found["custom-reference"].0, "fail", "{}", found["custom-reference"].1);
    let event = world.keytide(&["doctor", "--write"]).env("GITHUB_EVENT_NAME", "pull_request").run().exits(2);
    assert!(event.stderr.contains("a workflow started by `pull_request`"), "{}", event.stderr);
}
