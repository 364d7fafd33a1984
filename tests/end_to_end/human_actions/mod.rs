//! What people do in the middle of a rotation, and how each of it ends; what a person is reported must help.

mod commands;
mod keys;
mod on_call;
mod pulls;

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

use crate::support::destinations::{AgeFile, SopsFile};
use crate::support::peers::{OLD, POLICY, World, rotation_field};

const BRANCH: &str = "keytide/ci-deployer/1";
const LOCK: &str = ".github/keytide/ci-deployer.lock.json";
const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";

/// A file alone: no store that cannot be read back.
fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

/// The same, with its pull request open. These are made beforehand: while a run proves its key it mostly waits.
fn proposed() -> World {
    static READY: LazyLock<Mutex<Receiver<World>>> = LazyLock::new(|| {
        let (sender, receiver) = sync_channel(1);
        for sender in [sender.clone(), sender.clone(), sender] {
            let make = || {
                let mut world = file_alone();
                world.until("proposed");
                world
            };
            std::thread::spawn(move || while sender.send(make()).is_ok() {});
        }
        Mutex::new(receiver)
    });
    READY.lock().unwrap().recv().expect("a pull request is opened")
}

fn shared_file() -> (World, SopsFile) {
    let home = SopsFile::new();
    (World::with(80, vec![Box::new(home.clone())]), home)
}

/// Asserts that a report says these words in its reason and its advice.
#[track_caller]
fn says(report: &Value, words: &[&str]) {
    let said = format!("{} / {}", rotation_field(report, "why"), rotation_field(report, "help"));
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}\n{report:#}");
    }
}

/// Asserts that a run has taken a step.
#[track_caller]
fn has_done(report: &Value, step: &str) {
    let done = report["rotations"][0]["done"].to_string();
    assert!(done.contains(step), "`{step}` is not in {done}\n{report:#}");
}

/// To the end of a rotation: one key, in every place, and not the old one.
#[track_caller]
fn ends_well(world: &mut World) {
    world.until("healthy");
    let keys: Vec<String> = world.keys().into_keys().collect();
    let state = world.github.state();
    let held: Vec<String> =
        world.homes.iter().filter_map(|home| home.read(&state)).map(|(id, _)| id).collect();
    assert!(!held.is_empty() && held.iter().all(|id| [id] == [&keys[0]]), "{keys:?} {held:?}");
    assert!(keys.len() == 1 && keys[0] != OLD, "{keys:?}");
}

/// The old key is the only one, in use, and due.
#[track_caller]
fn is_due_again(world: &World) {
    world.work();
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    let plan = world.keytide(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(0).json();
    assert_eq!(rotation_field(&plan, "phase"), "due", "{plan:#}");
}

/// A rotation that gave its key up is followed by another.
#[track_caller]
fn begins_anew(world: &mut World) {
    let given_up: Vec<String> = world.keys().into_keys().filter(|id| id != OLD).collect();
    world.until("proposed");
    let keys = world.keys();
    assert!(keys.len() == 2 && keys.contains_key(OLD), "{keys:?}");
    assert!(given_up.iter().all(|id| !keys.contains_key(id)), "{given_up:?} {keys:?}");
    world.merge();
    ends_well(world);
}
