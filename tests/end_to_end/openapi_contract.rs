//! What keytide asks GitHub for, held against GitHub's own description of its API.
//!
//! Every stand-in for GitHub does that in every test (`tests/emulators/github/github_contract.py`), for its own replies as well;
//! a test in which something does not fit fails at its end. Here a rotation also runs through two peers that others
//! wrote: Prism, which reads the same description, before emulate, which keeps the repository. What emulate does
//! otherwise than GitHub is written in `tests/emulators/github/github_emulate.py`.

use serde_json::{Value, json};

use crate::support::peers::{Github, OLD, World};
use crate::support::scenarios::{Life, Progress, Story};

#[test]
fn whole_lives_at_a_github_that_others_wrote() {
    std::thread::scope(|scope| {
        for story in [Story::Merged, Story::Closed, Story::RolledBack] {
            scope.spawn(move || {
                let mut world = World::emulated(80);
                let mut life = Life { world: &mut world, story, progress: Progress::default() };
                let report = life.go_on();
                assert_eq!(report["rotations"][0]["phase"], "proposed", "{report:#}");
                assert_eq!(life.world.github.state()["pulls"][0]["labels"], json!(["security"]));
                life.live_on(|_| false);
                assert_eq!(life.world.keys().contains_key(OLD), story != Story::Merged);
            });
        }
    });
}

/// A wrong request is seen, by the stand-in's own check and by Prism; a reply that GitHub would not give as well.
#[test]
fn what_github_does_not_know_is_seen() {
    let wrong = [
        ("PATCH", "git/refs/heads/main", json!({ "sha": "0".repeat(40), "force": "no" }), "force"),
        ("POST", "git/trees", json!({ "tree": [{ "path": "a", "mode": "777", "content": "" }] }), "mode"),
        ("POST", "pulls", json!({ "title": "t", "head": "h" }), "base"),
        ("PUT", "actions/secrets/KEY", json!({ "encrypted_value": "?", "key_id": "1" }), "encrypted_value"),
        ("GET", "pulls?state=opened", Value::Null, "state"),
    ];
    for github in [Github::start(), Github::emulated()] {
        for (method, path, body, wrong) in &wrong {
            github.ask(method, path, body);
            let violations = github.forget_violations();
            assert!(violations.iter().any(|text| text.contains(wrong)), "{method} {path}: {violations:?}");
        }
    }
    let github = Github::start();
    for (method, path, body) in [
        ("POST", "git/refs", json!({ "ref": "refs/heads/x", "sha": "0".repeat(40), "forced": true })),
        ("GET", "commits?shaa=0", Value::Null),
        ("GET", "branches", Value::Null),
    ] {
        github.ask(method, path, &body);
        assert_eq!(github.forget_violations().len(), 1, "{method} {path}: unknown to GitHub");
    }
}

/// What a request to start a workflow can meet, in GitHub's words; all of it fits GitHub's description.
#[test]
fn a_workflow_is_started_or_refused() {
    let github = Github::start();
    github.push(&[
        (".github/workflows/deploy.yml", b"on:\n  workflow_dispatch:\njobs: {}\n"),
        (".github/workflows/paused.yml", b"on: [push, workflow_dispatch]\njobs: {}\n"),
        (".github/workflows/test.yml", b"on: push\njobs: {}\n"),
    ]);
    github.control("POST", "settings", &json!({ "workflow_states": { "paused.yml": "disabled_manually" } }));
    let start = |file: &str, branch: &str| {
        let body = json!({ "ref": branch, "return_run_details": true });
        github.ask("POST", &format!("actions/workflows/{file}/dispatches"), &body)
    };
    for (file, branch, answer) in [
        ("deploy.yml", "main", "\"workflow_run_id\": 1001"),
        ("deploy.yml", "gone", "No ref found for: gone"),
        ("paused.yml", "main", "disabled workflow"),
        ("test.yml", "main", "Workflow does not have 'workflow_dispatch' trigger"),
        ("none.yml", "main", "Not Found"),
    ] {
        let seen = start(file, branch);
        assert!(seen.contains(answer), "{file} at {branch}: {seen}");
    }
    github.control("POST", "settings", &json!({ "may_dispatch": false }));
    assert!(start("deploy.yml", "main").contains("403"), "the token lacks `actions: write`");

    let successes = || github.ask("GET", "actions/workflows/deploy.yml/runs?status=success", &Value::Null);
    assert!(successes().contains("\"total_count\": 0"), "a run that goes on has not succeeded");
    let run = || github.ask("GET", "actions/runs/1001", &Value::Null);
    assert!(run().contains("\"conclusion\": null") && run().contains("\"event\": \"workflow_dispatch\""));
    github.control("POST", "conclude", &json!({ "id": 1001, "conclusion": "success" }));
    assert!(successes().contains("\"total_count\": 1"));
    assert!(run().contains("\"conclusion\": \"success\""));
    assert!(github.ask("GET", "actions/runs/7", &Value::Null).contains("404"));
    assert!(github.ask("GET", "actions/workflows/paused.yml", &Value::Null).contains("disabled_manually"));
    assert_eq!(github.forget_violations(), Vec::<String>::new());
}
