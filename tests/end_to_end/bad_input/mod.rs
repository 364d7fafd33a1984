//! What is wrong before a rotation begins: each is reported in a clear line, and nothing is half done.

mod answers;
mod branches;
mod crowds;
mod destinations;
mod hostile;
mod permissions;

use serde_json::json;

use crate::support::Ran;
use crate::support::peers::{OLD, World};

/// Asserts that a run ended so, said these words in its faults, findings or on standard error, and made neither a key
/// nor a branch nor a pull request.
#[track_caller]
fn refused(world: &World, run: Ran, exit: i32, words: &[&str]) {
    refused_for("this", world, run, exit, words);
}

/// The same, of one case of many.
#[track_caller]
fn refused_for(case: &str, world: &World, run: Ran, exit: i32, words: &[&str]) {
    assert_eq!(run.exit, exit, "{case}: {}\n{}", run.stdout, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{case}: {}", run.stderr);
    let json = run.json();
    let said = format!("{} {} {}", json["findings"], json["faults"], run.stderr).replace("\\\"", "\"");
    for word in words {
        assert!(said.contains(word), "{case}: `{word}` is not in: {said}");
    }
    nothing_is_half_done(world);
}

#[track_caller]
fn nothing_is_half_done(world: &World) {
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    let state = world.github.state();
    assert_eq!(state["pulls"], json!([]));
    // A branch that was made before the key brings nothing.
    for name in state["refs"].as_object().unwrap().keys().filter(|name| name.starts_with("refs/heads/")) {
        let files = world.github.control("POST", "files", &json!({ "ref": name }));
        assert_eq!(files, state["files"], "{name}");
    }
}
