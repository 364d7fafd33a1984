//! What GitHub does not let keytide do with a branch: it shows before a key is made, or the rotation begins anew.

use serde_json::{Value, json};

use super::refused;
use crate::support::destinations::{AgeFile, SOPS_FILE, SopsFile, file};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";
const WORKFLOW: &str = ".github/workflows/deploy.yml";

fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

fn set(world: &World, settings: &Value) {
    world.github.control("POST", "settings", settings);
}

fn faults(world: &World, faults: &Value) {
    world.github.control("POST", "faults", faults);
}

fn journal(world: &World) -> String {
    world.github.state()["journals"][JOURNAL].to_string()
}

/// Rules about names, messages, authors and signatures are in no list of what keytide may do. None lets a key be made, on
/// no day, and none needs more than to be mended.
#[test]
fn a_rule_about_branches_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    let rules = [
        (
            json!({"type": "branch_name_pattern", "pattern": "^feature/"}),
            "Branch name must match a given regex",
        ),
        (
            json!({"type": "commit_message_pattern", "pattern": "^JIRA-"}),
            "Commit message must match a given regex",
        ),
        (json!({"type": "commit_author_email_pattern", "pattern": "@acme.com$"}), "Author email must match"),
        (
            json!({"type": "committer_email_pattern", "pattern": "@acme.com$"}),
            "Committer email must match a given regex",
        ),
        (json!({"type": "required_signatures"}), "Commits must have verified signatures."),
        (json!({"type": "required_status_checks"}), "Required status check \"ci\" is expected."),
        (
            json!({"type": "required_status_checks", "checks": 2}),
            "2 of 2 required status checks are expected.",
        ),
        (json!({"type": "required_deployments"}), "Required deployments"),
        (json!({"type": "workflows"}), "Required workflows"),
        (
            json!({"type": "commit_message_pattern", "pattern": "^JIRA-", "bypass": "pull_requests_only"}),
            "Commit message must match a given regex",
        ),
    ];
    for (mut rule, words) in rules {
        rule["branches"] = "keytide/.*".into();
        set(&world, &json!({ "rules": [rule] }));
        let all = [
            "no key was created: GitHub refuses the branch `keytide/ci-deployer/1`",
            words,
            "rule violations",
        ];
        refused(&world, world.keytide(&["rotate"]).run(), 3, &all);
        world.pass(24);
        refused(&world, world.keytide(&["rotate"]).run(), 3, &all);
        world.pass(24);
    }
    set(&world, &json!({ "rules": [] }));
    assert_eq!(rotation_field(&world.until("proposed"), "phase"), "proposed");
    assert_eq!(world.keys().len(), 2);
    world.merge();
    world.until("healthy");
}

/// A classic rule for the branches refuses them, or every commit that has had no check; GitHub does not show to a token that
/// may not administer the repository what the rule asks.
#[test]
fn a_classic_rule_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    for (protection, words) in [
        (json!({"creation": true}), "Reference update failed"),
        (json!({"checks": 1}), "Required status check \"ci\" is expected."),
        (json!({"checks": 3}), "3 of 3 required status checks are expected."),
    ] {
        set(&world, &json!({"protected": "keytide/.*", "protection": protection}));
        let all = ["no key was created: GitHub refuses the branch `keytide/ci-deployer/1`", words];
        for _ in 0..2 {
            refused(&world, world.keytide(&["rotate"]).run(), 3, &all);
            world.pass(24);
        }
    }
    set(&world, &json!({"protected": null, "protection": {}}));
    world.until("proposed");
    assert_eq!(world.keys().len(), 2);
}

/// A rehearsal changes no file, so the rules about files are read: none lets a key be made that GitHub would not let keytide
/// publish. Whom they do not concern, and other files, are not stopped by them.
#[test]
fn a_rule_about_files_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    let lock = ".github/keytide/ci-deployer.lock.json";
    let rules = [
        ("file_path_restriction", json!({"restricted_file_paths": ["docs/*", "**/*.age"]}), "`**/*.age`"),
        ("file_path_restriction", json!({"restricted_file_paths": [".github/**/*"]}), lock),
        ("file_extension_restriction", json!({"restricted_file_extensions": [".json"]}), lock),
        ("max_file_path_length", json!({"max_file_path_length": 30}), "30 characters"),
    ];
    let rule = |kind: &str, parameters: &Value, bypass: &str| json!({"rules": [{"type": kind, "branches": "keytide/.*", "parameters": parameters, "bypass": bypass}]});
    for &(kind, ref parameters, words) in &rules {
        for bypass in ["never", "pull_requests_only"] {
            set(&world, &rule(kind, parameters, bypass));
            let words = ["a rule of the repository refuses changes of the file", words, kind];
            refused(&world, world.keytide(&["rotate"]).run(), 1, &words);
            let plan = world.keytide(&["plan"]).file(POLICY, world.policy("")).run();
            assert!(plan.stdout.contains("refuses changes of the file"), "{}", plan.stdout);
            let doctor = world.keytide(&["doctor"]).run();
            assert!(doctor.stdout.contains("refuses changes of the file"), "{}", doctor.stdout);
            world.pass(24);
        }
    }
    let (kind, parameters, _) = &rules[0];
    set(&world, &rule(kind, parameters, "always"));
    world.until("proposed");
    assert_eq!(world.keys().len(), 2);
    // The same rule for a token that it concerns, and a file that no rotation changes
    set(&world, &rule(kind, &json!({"restricted_file_paths": ["docs/**/*"]}), "never"));
    world.merge();
    world.until("healthy");
}

/// Git has no file where a folder must be, and keytide writes over no link: no key is made that could not be committed.
#[test]
fn what_stands_in_the_place_of_a_file_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    let lock = ".github/keytide/ci-deployer.lock.json";
    let push = |world: &World, path: &str, content: Option<&str>, mode: &str| {
        let files = json!({ "files": { path: content }, "modes": { path: mode } });
        world.github.control("POST", "push", &files);
    };
    for (path, mode, words) in [
        (".github/keytide", "100644", "`.github/keytide` is no folder"),
        (".github/keytide", "120000", "`.github/keytide` is no folder"),
        (lock, "120000", "is no file, and cannot be written over"),
        (".github/keytide/ci-deployer.lock.json/x", "100644", "is no file, and cannot be written over"),
    ] {
        push(&world, path, Some("eA=="), mode);
        refused(&world, world.keytide(&["rotate"]).run(), 1, &[words]);
        let plan = world.keytide(&["plan"]).file(POLICY, world.policy("")).run();
        assert!(plan.stdout.contains(words), "{}", plan.stdout);
        push(&world, path, None, mode);
        world.pass(24);
    }
    world.until("proposed");
    assert_eq!(world.keys().len(), 2);
}

/// A history without merges is a rule that keytide's branches cannot keep, and GitHub shows it beforehand.
#[test]
fn a_linear_history_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    set(&world, &json!({"rules": [{"type": "required_linear_history", "branches": "keytide/.*"}]}));
    let words = ["a rule of the repository restricts merges into the branch `keytide/ci-deployer/1`"];
    for _ in 0..2 {
        refused(&world, world.keytide(&["rotate"]).run(), 1, &words);
        world.pass(24);
    }
    // Whom the rule does not concern is not stopped by it
    set(
        &world,
        &json!({"rules": [{"type": "required_linear_history", "branches": "keytide/.*", "bypass": "always"}]}),
    );
    world.until("proposed");
    assert_eq!(world.keys().len(), 2);
}

/// Git has no branch below another one.
#[test]
fn a_branch_of_keytides_own_name_is_in_the_way() {
    let mut world = file_alone();
    world.github.control("POST", "branch", &json!({ "name": "keytide", "to": "refs/heads/main" }));
    let words = ["no key was created", "Reference update failed", "rename the branch `keytide`"];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);
    world.github.control("POST", "branch", &json!({ "name": "keytide" }));
    world.pass(24);
    world.until("proposed");
}

/// The branch of a rotation that never had a key is removed when the next one begins.
#[test]
fn a_branch_without_a_key_is_removed() {
    let mut world = file_alone();
    let fault = json!([{"action": "CreateAccessKey", "status": 409, "code": "LimitExceeded"}]);
    world.aws.control("POST", "faults", &fault.to_string());
    refused(&world, world.keytide(&["rotate"]).run(), 3, &["LimitExceeded"]);
    assert!(world.github.state()["refs"]["refs/heads/keytide/ci-deployer/1"].is_string());
    world.pass(24);
    let back = world.keytide(&["rollback", "--user", USER]).run();
    assert_eq!(rotation_field(&back.json(), "phase"), "held", "{}", back.stdout);
    world.keytide(&["resume", "--user", USER, "--reason", "looked"]).run().exits(0);
    world.pass(24);
    world.until("proposed");
    let refs = world.github.state()["refs"].clone();
    assert!(refs["refs/heads/keytide/ci-deployer/1"].is_null(), "{refs}");
    assert!(refs["refs/heads/keytide/ci-deployer/2"].is_string(), "{refs}");
    assert_eq!(world.keys().len(), 2);
}

/// The run ends after the key is made; until the next one a workflow changes, and the branch is there or is deleted.
#[test]
fn a_workflow_that_changes_does_not_keep_the_branch_from_being_filled() {
    for is_deleted in [false, true] {
        let mut world = file_alone();
        let fault = json!([{"match": "PATCH .*/git/refs/heads/.*", "skip": 1, "status": 503}]);
        faults(&world, &fault);
        world.keytide(&["rotate"]).run().exits(3);
        assert_eq!(world.keys().len(), 2);
        if is_deleted {
            world.github.control("POST", "branch", &json!({ "name": "keytide/ci-deployer/1" }));
        }
        world.github.push(&[(WORKFLOW, b"on: push\n")]);
        world.pass(24);
        world.until("proposed");
        world.merge();
        world.until("grace");
        assert_ne!(world.in_file().0, OLD, "{is_deleted}");
        assert_eq!(world.keys().len(), 2);
    }
}

/// The same with a file of SOPS that someone else changes meanwhile, so that each run writes its MAC anew: a run that fills
/// the branch and cannot open the pull request leaves a branch that the next one knows.
#[test]
fn a_branch_that_was_filled_with_a_carried_file_is_proposed() {
    let home = SopsFile::new();
    let mut world = World::with(80, vec![Box::new(home.clone())]);
    faults(&world, &json!([{"match": "PATCH .*/git/refs/heads/.*", "skip": 1, "status": 503}]));
    world.keytide(&["rotate"]).run().exits(3);
    assert_eq!(world.keys().len(), 2);
    world.github.control("POST", "branch", &json!({ "name": "keytide/ci-deployer/1" }));
    let bytes = file(&world.github.state(), SOPS_FILE).unwrap();
    let edited = home.upstream.set("secrets.enc.yaml", &bytes, "database.password", "battery-staple");
    world.github.push(&[(SOPS_FILE, &edited.unwrap())]);
    world.pass(24);
    let refusal = json!([{"match": "POST /repos/[^/]*/[^/]*/pulls", "status": 500, "times": 1}]);
    faults(&world, &refusal);
    let run = world.keytide(&["rotate"]).run().exits(3);
    let branch = "refs/heads/keytide/ci-deployer/1";
    let tip = world.github.state()["refs"][branch].clone();
    assert!(tip.is_string() && world.github.open_pulls().is_empty(), "{}", run.stdout);
    world.pass(24);
    world.until("proposed");
    assert_eq!(world.github.state()["refs"][branch], tip, "it is proposed as it was filled");
    world.merge();
    world.until("grace");
    assert_ne!(world.in_file().0, OLD);
    assert!(home.decrypted(&world.github.state()).contains("battery-staple"));
    assert_eq!(world.keys().len(), 2);
}

/// A branch that is given up takes in nothing of the default branch, whose workflow files it may not have.
#[test]
fn a_branch_is_taken_back_without_the_workflows_of_the_default_branch() {
    let mut world = file_alone();
    let pull = world.until("proposed")["rotations"][0]["pull_request"].clone();
    world.github.push(&[(WORKFLOW, b"on: push\n")]);
    world.github.control("POST", "close", &json!({ "number": pull }));
    for _ in 0..30 {
        world.pass(24);
        world.rotate();
        world.work();
        if world.keys().len() == 1 {
            break;
        }
    }
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    let branch = world.github.control("POST", "files", &json!({ "ref": "refs/heads/keytide/ci-deployer/1" }));
    assert!(branch[WORKFLOW].is_null(), "{branch}");
    let main = world.github.state()["files"].clone();
    assert_eq!(branch[crate::support::destinations::AGE_FILE], main[crate::support::destinations::AGE_FILE]);
}

/// A branch that conflicts and may not take in the default branch is given up, and another rotation brings another key.
#[test]
fn a_rebase_that_is_refused_begins_anew() {
    let mut world = file_alone();
    world.until("proposed");
    world.github.push(&[(WORKFLOW, b"on: push\n"), (".github/keytide/ci-deployer.lock.json", b"{}\n")]);
    for _ in 0..40 {
        world.pass(24);
        world.rotate();
        world.work();
        if world.github.state()["refs"]["refs/heads/keytide/ci-deployer/2"].is_string() {
            break;
        }
    }
    world.until("proposed");
    let journal = journal(&world);
    assert!(
        journal.contains("the branch cannot take in the default branch: GitHub: Resource not"),
        "{journal}"
    );
    assert!(journal.contains("a workflow file changed"), "{journal}");
    world.merge();
    world.until("grace");
    assert_ne!(world.in_file().0, OLD);
}

/// Each of GitHub's wordings, of a request that creates a reference or moves one.
const WORDINGS: [(&str, u16, &str); 6] = [
    ("POST .*/git/refs", 422, "Reference already exists"),
    ("POST .*/git/refs", 422, "Reference update failed"),
    ("PATCH .*/git/refs/keytide/.*", 422, "Reference cannot be updated"),
    ("PATCH .*/git/refs/keytide/.*", 422, "Update is not a fast forward"),
    ("PATCH .*/git/refs/keytide/.*", 422, "Reference does not exist"),
    ("PATCH .*/git/refs/keytide/.*", 409, "Reference cannot be updated"),
];

/// What a run went on to write, or tried to, after the request that was refused with this status. To give its own claim
/// back is no part of the step.
fn writes_after_refusal(world: &World, status: u16) -> Vec<String> {
    let log = world.github.control("GET", "log", &Value::Null);
    let log = log.as_array().unwrap();
    let refused = log.iter().rposition(|asked| asked["status"] == status).unwrap();
    let bodies =
        log[refused + 1..].iter().filter(|asked| asked["method"] != "GET").map(|asked| &asked["body"]);
    let entries = bodies.map(Value::to_string).filter(|body| body.contains("entry.json"));
    entries.filter(|body| !body.contains("release")).collect()
}

/// Whatever GitHub says: a reference that another run has moved is a lost race, which is no failure of the step.
#[test]
fn a_lost_race_is_known_by_the_reference_and_not_by_words() {
    std::thread::scope(|scope| {
        for (request, status, words) in WORDINGS {
            scope.spawn(move || {
                let mut world = file_alone();
                faults(
                    &world,
                    &json!([{"match": request, "status": status, "message": words, "race": true}]),
                );
                let run = world.keytide(&["rotate"]).run().exits(3);
                assert!(run.json()["faults"].to_string().contains(words), "{words}: {}", run.stdout);
                let entries = journal(&world);
                assert!(!entries.contains("keytide: failed"), "{words}: {entries}");
                assert!(entries.contains(r#"\"run\": \"another\""#), "{words}: {entries}");
                assert_eq!(world.keys().len(), 1, "{words}");
                assert_eq!(writes_after_refusal(&world, status), [""; 0], "{words}");
                world.pass(24);
                world.until("proposed");
                assert_eq!(world.keys().len(), 2, "{words}");
            });
        }
    });
}

/// The same words while the reference is where it was are a refusal.
#[test]
fn a_reference_that_has_not_moved_is_refused() {
    std::thread::scope(|scope| {
        for (request, status, words) in
            WORDINGS.into_iter().filter(|(request, ..)| request.starts_with("PATCH"))
        {
            scope.spawn(move || {
                let world = file_alone();
                faults(&world, &json!([{"match": request, "status": status, "message": words}]));
                refused(&world, world.keytide(&["rotate"]).run(), 3, &[words]);
                let entries = journal(&world);
                assert!(entries.contains("keytide: failed") && entries.contains(words), "{entries}");
            });
        }
    });
}

/// Push protection answers 409, although no other write was first.
#[test]
fn content_that_push_protection_refuses_is_no_lost_race() {
    let world = file_alone();
    // The third tree is that of the announcement; the claim and the intent come before.
    let fault = json!([{"match": "POST .*/git/trees", "skip": 1, "status": 409, "message": "Secret detected in content"}]);
    faults(&world, &fault);
    refused(&world, world.keytide(&["rotate"]).run(), 3, &["GitHub: Secret detected in content (409)"]);
    assert!(journal(&world).contains("keytide: failed"), "{}", journal(&world));
}
