//! What GitHub and AWS do not let keytide do.

use serde_json::{Value, json};

use super::{nothing_is_half_done, refused};
use crate::support::destinations::{AGE_FILE, AgeFile, GithubSecrets};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

fn set(world: &World, settings: &Value) {
    world.github.control("POST", "settings", settings);
}

/// A token that reads, an archived repository: no write is tried twice, and when it is mended the rotation begins.
#[test]
fn what_github_forbids_is_reported_and_when_it_is_mended_all_goes_on() {
    let mut world = file_alone();
    set(&world, &json!({"archived": true}));
    refused(&world, world.keytide(&["rotate"]).run(), 3, &["the repository acme/app is archived"]);
    set(&world, &json!({"archived": false, "may_write": false}));
    let words = ["claim", "GitHub: Resource not accessible by integration (403)", "contents: write"];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);

    set(&world, &json!({"may_write": true, "may_open_pulls": false}));
    let words = ["GitHub Actions is not permitted to create or approve pull requests", "Settings"];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);

    let rule = json!([{"type": "creation", "branches": "keytide/.*"}]);
    set(&world, &json!({"may_open_pulls": true, "rules": rule}));
    let words = [
        "a rule of the repository restricts the creation of the branch `keytide/ci-deployer/",
        "except `keytide/**/*`",
    ];
    refused(&world, world.keytide(&["rotate"]).run(), 1, &words);
    // Whom the rule does not hold for is not held up by it.
    let rule = json!([{"type": "creation", "branches": ".*", "bypass": "always"}, {"type": "deletion", "branches": ".*"}]);
    set(&world, &json!({ "rules": rule }));
    world.pass(1);
    assert_eq!(rotation_field(&world.until("proposed"), "phase"), "proposed");
}

/// A token that may not write secrets is noticed when it cannot even read the key that they are encrypted for.
#[test]
fn a_token_without_secrets_is_reported_so() {
    let world = World::new(80);
    let fault = json!([{"match": "GET .*/secrets/public-key", "status": 403, "times": 9,
        "message": "Resource not accessible by integration"}]);
    world.github.control("POST", "faults", &fault);
    let words = [
        "GitHub Actions secrets of `acme/app`",
        "not accessible by integration",
        "the token of an app or a person",
    ];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);
}

/// GitHub gives no app the key that encrypts Codespaces secrets (`enabledForGitHubApps` in its description of the API).
#[test]
fn an_app_may_not_write_codespaces_secrets() {
    let place = json!({"repository": "acme/app", "product": "codespaces"});
    let world =
        World::with(80, vec![Box::new(GithubSecrets::pair("/repos/acme/app/codespaces/secrets", place))]);
    set(&world, &json!({"is_app": true}));
    let words = [
        "GitHub Codespaces secrets of `acme/app`",
        "Resource not accessible by integration",
        "GitHub lets no app write Codespaces secrets: this needs a person's token",
    ];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);
}

/// A GitHub Enterprise Server has no Codespaces. It says `Not Found`, as of everything that a token may not see.
#[test]
fn an_enterprise_server_has_no_codespaces_secrets() {
    for (folder, place) in [
        ("/repos/acme/app/codespaces/secrets", json!({"repository": "acme/app", "product": "codespaces"})),
        ("/orgs/acme/codespaces/secrets", json!({"organization": "acme", "product": "codespaces"})),
    ] {
        let mut world = World::with(80, vec![Box::new(GithubSecrets::pair(folder, place))]);
        world.github.prefix = "/api/v3";
        let words = ["a GitHub Enterprise Server has no Codespaces: remove this destination"];
        refused(&world, world.keytide(&["rotate"]).run(), 3, &words);
        // On GitHub itself the same token writes them
        world.github.prefix = "";
        world.github.control("DELETE", "violations", &Value::Null);
        assert!(!world.keytide(&["plan"]).run().stdout.contains("Enterprise Server"));
    }
}

/// What an app does not see of a secret for selected repositories is not written back: it could lose the secret.
#[test]
fn an_app_that_sees_some_repositories_writes_no_secret_for_selected_ones() {
    const ORGANIZATION: &str = "/orgs/acme/actions/secrets";
    let world =
        World::with(80, vec![Box::new(GithubSecrets::pair(ORGANIZATION, json!({"organization": "acme"})))]);
    let secret = world.keys()[OLD].0.clone();
    for (name, value) in [("AWS_ACCESS_KEY_ID", OLD), ("AWS_SECRET_ACCESS_KEY", &*secret)] {
        let written = json!({"folder": ORGANIZATION, "name": name, "value": value, "visibility": "selected",
            "repositories": [1, 2]});
        world.github.control("POST", "secret", &written);
    }
    set(&world, &json!({"installation": "selected"}));
    let words = ["is for selected repositories", "Install the app for all repositories"];
    refused(&world, world.keytide(&["rotate"]).run(), 3, &words);
    set(&world, &json!({"installation": "all"}));
    world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(world.keys().len(), 2);
}

/// AWS refuses the creation: nothing was made, and it is said what AWS said. Someone's own key is then left alone.
#[test]
fn a_quota_that_is_reached_is_reported() {
    let mut world = file_alone();
    let fault = json!([{"action": "CreateAccessKey", "status": 409, "code": "LimitExceeded"}]);
    world.aws.control("POST", "faults", &fault.to_string());
    refused(&world, world.keytide(&["rotate"]).run(), 3, &["iam:CreateAccessKey: LimitExceeded"]);
    world.pass(24);
    world.aws.iam("CreateAccessKey", &[("UserName", USER)]);
    let foreign = world.keys().into_keys().find(|id| id != OLD).unwrap();
    let run = world.keytide(&["rotate"]).run().exits(1);
    let finding = &run.findings()[0];
    assert!(
        finding
            .contains(&format!("{foreign} is in no entry of the journal, so that keytide did not make it")),
        "{finding}"
    );
    assert_eq!(world.keys().len(), 2);
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", &foreign)]);
    world.until("proposed");
}

/// The key is gone before the rotation has made another.
#[test]
fn a_key_that_is_deleted_before_the_new_one_is_made_blocks() {
    let mut world = file_alone();
    let fault = json!([{"action": "CreateAccessKey", "status": 409, "code": "LimitExceeded"}]);
    world.aws.control("POST", "faults", &fault.to_string());
    world.keytide(&["rotate"]).run().exits(3);
    nothing_is_half_done(&world);
    world.pass(24);
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", OLD)]);
    let run = world.keytide(&["rotate"]).run().exits(1);
    let findings = run.findings();
    let stands_still = format!("{OLD}, which no longer exists, is in `{AGE_FILE}` (age)");
    assert!(findings.iter().any(|finding| finding.contains(&stands_still)), "{findings:?}");
    assert!(run.stdout.contains("`aws iam create-access-key --user-name ci-deployer`, write that key to it"));

    world.aws.iam("CreateAccessKey", &[("UserName", USER)]);
    let (id, (secret, _)) = world.keys().into_iter().next().unwrap();
    let file = world.homes[0].files(&(id.clone(), secret)).remove(0).1;
    world.github.push(&[(AGE_FILE, &file)]);
    let run = world.keytide(&["rotate"]).run().exits(1);
    let finding = &run.findings()[0];
    assert!(finding.contains(&format!("{OLD} was deleted by hand, and there is {id} instead")), "{finding}");
    world.keytide(&["resume", "--user", USER, "--reason", "it was known to others"]).run().exits(0);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "healthy");
    world.work();
}

/// A store that takes the key from no one: with none that has it the rotation goes back, and says what GitHub said.
#[test]
fn a_store_that_refuses_the_key_turns_the_rotation_back() {
    let mut world = World::new(80);
    world.until("proposed");
    world.merge();
    let fault = json!([{"match": "PUT .*/secrets/.*", "status": 403, "times": 9,
        "message": "Resource not accessible by personal access token"}]);
    world.github.control("POST", "faults", &fault);
    world.pass(1);
    // Reported at once, by every command, until a person has continued: the next rotation would end in the same way
    let run = world.keytide(&["rotate"]).run().exits(1);
    assert_eq!(rotation_field(&run.json(), "phase"), "rolling-back", "{}", run.stdout);
    let finding = &run.json()["findings"][0];
    let text = |field: &str| finding[field].as_str().unwrap().to_owned();
    assert_eq!(text("rule"), "stalled-rotation");
    assert!(text("message").starts_with("rolling-back: ") && text("message").contains("(403)"), "{finding}");
    assert!(text("help").starts_with("fix why GitHub Actions secrets `AWS_ACCESS_KEY_ID`"), "{finding}");
    let audit = world.keytide(&["audit"]).file(POLICY, world.policy("")).run().exits(1);
    assert!(audit.stdout.contains("rolling-back: "), "{}", audit.stdout);
    let journal = world.github.state()["journals"].to_string();
    let why = "rejected the new key (GitHub: Resource not accessible by personal access token (403); this needs the token";
    assert!(journal.contains(why), "{journal}");
    world.pass(1);
    let report = world.until("rolling-back");
    assert!(report["rotations"][0]["pull_request"].is_u64(), "{report:#}");
    world.merge();
    assert_eq!((world.in_file().0.as_str(), world.in_store()), (OLD, None));
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}
