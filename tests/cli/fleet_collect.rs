//! `keytide fleet collect`: the policy files of many repositories by GraphQL, with everything that GitHub may answer.

use serde_json::{Value, json};

use crate::support::peers::Github;
use crate::support::{Keytide, Ran};

const FLEET: &str = "version: 1\norganizations: [acme]\nrepositories: [other/tool]\nexclude: [\"acme/lab-*\"]\naccounts:\n  - id: \"123456789012\"\n  - id: \"222222222222\"\n";
const FILE: &str = ".github/keytide.yml";

fn policy(account: &str) -> String {
    format!("version: 1\naccount: \"{account}\"\nusers: [{{ name: app }}]\n")
}

fn repository(name: &str, files: Value) -> Value {
    json!({"name": name, "id": name.len(), "files": files})
}

fn github(repositories: &[Value]) -> Github {
    let github = Github::start();
    github.control("POST", "fleet", &json!({"repositories": repositories}));
    github
}

fn collect(github: &Github, fleet: &str, flags: &[&str]) -> (Ran, std::path::PathBuf) {
    let mut run = Keytide::new(&["fleet", "collect", "--out", "out", "--github-api-url", &github.url()])
        .file("fleet.yml", fleet)
        .env("GITHUB_TOKEN", "token");
    for flag in flags {
        run = run.arg(flag);
    }
    let out = run.path("out");
    (run.run(), out)
}

fn read(out: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(out.join("collection.json")).unwrap()).unwrap()
}

fn states(collection: &Value) -> Vec<String> {
    let line = |one: &Value| format!("{} {}", one["name"].as_str().unwrap(), one["state"].as_str().unwrap());
    collection["repositories"].as_array().unwrap().iter().map(line).collect()
}

/// Requests of GraphQL so far.
fn queries(github: &Github) -> usize {
    let log = github.control("GET", "log", &Value::Null);
    log.as_array().unwrap().iter().filter(|asked| asked["path"] == "/graphql").count()
}

/// A policy file for `keytide check` alone belongs to no account, so it needs none.
#[test]
fn a_policy_file_without_users_needs_no_account() {
    let github = github(&[repository("acme/docs", json!({FILE: "version: 1\nusers: []\n"}))]);
    let (_, out) = collect(&github, FLEET, &[]);
    let collection = read(&out);
    let docs = &collection["repositories"].as_array().unwrap()[0];
    assert_eq!((docs["name"].as_str(), docs["state"].as_str()), (Some("acme/docs"), Some("collected")));
    assert_eq!(docs["findings"], json!([]), "{docs}");
}

/// A repository in each state, and some that the file does not name.
fn one_of_each() -> Vec<Value> {
    let mut archived = repository("acme/attic", json!({FILE: policy("123456789012")}));
    archived["archived"] = json!(true);
    let mut fork = repository("acme/fork", json!({FILE: policy("123456789012")}));
    fork["fork"] = json!(true);
    let mut binary = repository("acme/binary", json!({}));
    binary["binary"] = json!([FILE]);
    let long = format!("{}# {}\n", policy("123456789012"), "x".repeat(600_000));
    vec![
        archived,
        fork,
        binary,
        repository("acme/app", json!({FILE: policy("123456789012"), "README.md": "x"})),
        repository("acme/root", json!({"keytide.yaml": policy("222222222222")})),
        repository("acme/broken", json!({FILE: "version: 1\naccount: \"123456789012\"\nuser: []\n"})),
        repository("acme/folder", json!({".github/keytide.yml/x": "x"})),
        repository("acme/long", json!({FILE: long})),
        repository("acme/lab-1", json!({FILE: policy("123456789012")})),
        repository("acme/none", json!({"README.md": "x"})),
        repository("acme/foreign", json!({FILE: policy("999999999999")})),
        repository("acme/unnamed", json!({FILE: "version: 1\nusers: [{ name: app }]\n"})),
        repository("other/tool", json!({"keytide.yml": policy("123456789012")})),
        repository("other/secret", json!({"keytide.yml": policy("123456789012")})),
    ]
}

#[test]
fn every_repository_has_a_state_and_none_is_dropped() {
    let github = github(&one_of_each());
    let (run, out) = collect(&github, FLEET, &[]);
    let run = run.exits(0);
    let collection = read(&out);
    assert_eq!(
        states(&collection),
        [
            "acme/app collected",
            "acme/attic archived",
            "acme/binary invalid",
            "acme/broken invalid",
            "acme/folder no-policy",
            "acme/foreign collected",
            "acme/fork fork",
            "acme/lab-1 excluded",
            "acme/long invalid",
            "acme/none no-policy",
            "acme/root collected",
            "acme/unnamed collected",
            "other/tool collected",
        ]
    );
    assert_eq!(std::fs::read_to_string(out.join("acme/app").join(FILE)).unwrap(), policy("123456789012"));
    assert!(out.join("acme/root/keytide.yaml").exists() && !out.join("acme/attic").exists());
    assert_eq!(std::fs::read_to_string(out.join("fleet.yml")).unwrap(), FLEET);
    let matrix: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        matrix,
        json!({"include": [{"account": "123456789012", "part": "1/1"}, {"account": "222222222222", "part": "1/1"}]})
    );
    let findings = collection["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0]["message"].as_str().unwrap().contains("acme/foreign is for account 999999999999"),
        "{findings:?}"
    );
    let of = |name: &str| {
        collection["repositories"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(of("acme/broken")["findings"][0]["location"], json!({"file": FILE, "line": 3, "column": 1}));
    assert!(
        of("acme/long")["findings"][0]["message"].as_str().unwrap().contains("no whole text"),
        "{}",
        of("acme/long")
    );
    assert_eq!(of("acme/unnamed")["findings"][0]["rule"], "uncovered-account");
    assert_eq!(of("acme/app")["id"], "acme/app".len());
    assert!(
        run.stderr.contains(
            "8 policy files, 3 of them with errors; 2 repositories without one; 1 archived; 1 fork; 1 excluded"
        ),
        "{}",
        run.stderr
    );
    assert_eq!(queries(&github), 2);
    assert_eq!(github.violations(), [""; 0]);
}

/// A thousand repositories are ten pages.
#[test]
fn repositories_are_read_in_pages_of_a_hundred() {
    let repositories: Vec<Value> = (0..1000)
        .map(|i| repository(&format!("acme/app-{i:04}"), json!({FILE: policy("123456789012")})))
        .collect();
    let github = github(&repositories);
    let (run, out) = collect(&github, &FLEET.replace("repositories: [other/tool]\n", ""), &[]);
    run.exits(0);
    assert_eq!(queries(&github), 10);
    assert_eq!(read(&out)["repositories"].as_array().unwrap().len(), 1000);
}

/// `extends` is followed over several files; all base files of a page are one request.
#[test]
fn base_files_are_collected_too() {
    let own = "version: 1\nextends: ./base.yml\naccount: \"123456789012\"\nusers: [{ name: app }]\n";
    let base = "version: 1\nextends: strict.yml\nlimits: { max_age: 30d }\n";
    let files = json!({FILE: own, ".github/base.yml": base, ".github/strict.yml": "version: 1\nlimits: { max_active_keys: 1 }\n"});
    let missing = own.replace("./base.yml", "gone.yml");
    let github = github(&[
        repository("acme/a", files.clone()),
        repository("acme/b", files),
        repository("acme/c", json!({FILE: missing})),
    ]);
    let (run, out) = collect(&github, &FLEET.replace("repositories: [other/tool]\n", ""), &[]);
    run.exits(0);
    let collection = read(&out);
    assert_eq!(states(&collection), ["acme/a collected", "acme/b collected", "acme/c invalid"]);
    assert!(out.join("acme/b/.github/strict.yml").exists() && out.join("acme/b/.github/base.yml").exists());
    let finding = &collection["repositories"][2]["findings"][0];
    assert!(
        finding["message"].as_str().unwrap().contains("cannot read `gone.yml`: it does not exist"),
        "{finding}"
    );
    assert_eq!(queries(&github), 3);
    assert_eq!(github.violations(), [""; 0]);
}

/// What GitHub refuses of a reply is a fault, and never "no policy file".
#[test]
fn a_refusal_inside_of_a_reply_is_incomplete() {
    let refused =
        json!({"type": "FORBIDDEN", "message": "Resource protected by organization SAML enforcement."});
    let mut hidden = repository("acme/hidden", json!({FILE: policy("123456789012")}));
    hidden["error"] = refused;
    let mut slow = repository("acme/slow", json!({FILE: policy("123456789012")}));
    slow["error"] = json!({"type": "", "message": "Something went wrong", "file": "f0"});
    let github = github(&[hidden, slow, repository("acme/app", json!({FILE: policy("123456789012")}))]);
    let (run, out) = collect(&github, FLEET, &[]);
    let run = run.exits(3);
    let collection = read(&out);
    assert_eq!(states(&collection), ["acme/app collected", "acme/slow unreadable"]);
    assert_eq!(collection["complete"], false);
    for said in [
        "a repository of acme: Resource protected by organization SAML",
        "policy file of acme/slow: Something went wrong",
        "other/tool: Could not resolve to a Repository with the name 'other/tool'.",
    ] {
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    assert!(run.stdout.contains("\"account\":\"123456789012\""), "the jobs run all the same: {}", run.stdout);
    let (run, out) = collect(&github, &FLEET.replace("[acme]", "[nobody]"), &[]);
    let run = run.exits(3);
    assert!(
        run.stderr.contains("nobody: GitHub does not know it, or the token may not read it"),
        "{}",
        run.stderr
    );
    assert_eq!(states(&read(&out)), [""; 0]);
}

/// A query that is too expensive is asked again for fewer repositories; a rate limit is waited for.
#[test]
fn a_query_that_is_too_expensive_is_made_smaller_and_a_limit_waited_for() {
    let repositories: Vec<Value> = (0..60)
        .map(|i| repository(&format!("acme/app-{i:02}"), json!({FILE: policy("123456789012")})))
        .collect();
    let fleet = FLEET.replace("repositories: [other/tool]\n", "");
    let gave_up = json!({"data": null, "errors": [{"message": "Something went wrong while executing your query. This may be the result of a timeout."}]});
    let github = github(&repositories);
    github.control(
        "POST",
        "faults",
        &json!([{"match": "POST /graphql", "status": 200, "body": gave_up, "times": 1}]),
    );
    let (run, out) = collect(&github, &fleet, &[]);
    run.exits(0);
    assert_eq!(read(&out)["repositories"].as_array().unwrap().len(), 60);
    assert_eq!(queries(&github), 3, "a hundred, fifty, ten");
    let limited =
        json!({"data": null, "errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]});
    let headers = json!({"X-RateLimit-Remaining": "0", "Retry-After": "1"});
    github.control("POST", "faults", &json!([
        {"match": "POST /graphql", "status": 200, "body": limited, "headers": headers, "times": 1},
        {"match": "POST /graphql", "status": 403, "message": "You have exceeded a secondary rate limit", "headers": {"Retry-After": "1"}, "times": 1}]));
    collect(&github, &fleet, &[]).0.exits(0);
    let headers = json!({"X-RateLimit-Remaining": "0", "Retry-After": "3600"});
    github.control(
        "POST",
        "faults",
        &json!([{"match": "POST /graphql", "status": 200, "body": limited, "headers": headers, "times": 9}]),
    );
    let (run, _) = collect(&github, &fleet, &[]);
    let run = run.exits(3);
    assert!(run.stderr.contains("GitHub's rate limit is reached for 3600 more seconds"), "{}", run.stderr);
}

#[test]
fn a_collection_begins_with_an_empty_folder_a_token_and_a_file() {
    let github = github(&[repository("acme/app", json!({FILE: policy("123456789012")}))]);
    let start = || Keytide::new(&["fleet", "collect", "--out", "out", "--github-api-url", &github.url()]);
    let run = start().file("fleet.yml", FLEET).run().exits(3);
    assert!(run.stderr.contains("no GitHub token"), "{}", run.stderr);
    let run = start()
        .env("GITHUB_TOKEN", "token")
        .file("fleet.yml", FLEET)
        .file("out/acme/app/keytide.yml", "")
        .run()
        .exits(2);
    assert!(run.stderr.contains("out is not an empty folder"), "{}", run.stderr);
    let run = start().env("GITHUB_TOKEN", "token").run().exits(2);
    assert!(run.stderr.contains("fleet.yml cannot be read"), "{}", run.stderr);
    let run = start().env("GITHUB_TOKEN", "token").file("fleet.yml", FLEET).file("elsewhere/.keep", "");
    let elsewhere = run.path("elsewhere");
    std::fs::remove_file(elsewhere.join(".keep")).unwrap();
    std::os::unix::fs::symlink("elsewhere", run.path("out")).unwrap();
    let run = run.run().exits(2);
    assert!(run.stderr.contains("nothing can be written to out: it is a link"), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(elsewhere).unwrap().count(), 0);
    for option in ["--format=json", "--report=json=r.json"] {
        let run = start().env("GITHUB_TOKEN", "token").file("fleet.yml", FLEET).arg(option).run().exits(2);
        let said = format!("{} would do nothing", option.split('=').next().unwrap());
        assert!(run.stderr.contains(&said) && run.stdout.is_empty(), "{}", run.stderr);
    }
    assert_eq!(queries(&github), 0);
}

/// The folder of a collection is all that a job and the report need; two accounts of it in one job.
#[test]
fn the_jobs_of_a_collection_end_in_one_report() {
    let emulator = crate::support::emulator::Emulator::with(&json!({"account": "123456789012", "users": [
        {"name": "app", "keys": [{"created_at": "2020-01-01T00:00:00Z"}]}]}));
    let other = json!({"account": "222222222222", "users": [
        {"name": "app", "keys": [{"created_at": "2020-01-01T00:00:00Z"}]}]});
    emulator.control("POST", "seed", &other.to_string());
    let github = github(&[
        repository("acme/app", json!({FILE: policy("123456789012")})),
        repository("acme/api", json!({FILE: policy("222222222222")})),
        repository("acme/none", json!({})),
    ]);
    let fleet = FLEET.replace("repositories: [other/tool]\n", "").replace(
        "\"222222222222\"",
        "\"222222222222\"\n    role_arn: arn:aws:iam::222222222222:role/keytide-audit",
    );
    let (run, out) = collect(&github, &fleet, &["--max-jobs", "1", "--users-per-job", "10"]);
    let matrix: Value = serde_json::from_str(&run.exits(0).stdout).unwrap();
    assert_eq!(matrix["include"], json!([{"account": "123456789012,222222222222", "part": "1/1"}]));
    let folder = out.to_str().unwrap();
    let results = out.with_file_name("results");
    std::fs::create_dir(&results).unwrap();
    let run = Keytide::new(&[
        "fleet",
        "audit",
        "--account",
        "123456789012,222222222222",
        "--policies",
        folder,
        "--json",
        results.to_str().unwrap(),
    ])
    .against(&emulator.url())
    .run()
    .exits(1);
    assert!(run.stdout.contains("acme/app: failed"), "{}", run.stdout);
    let collection = out.join("collection.json");
    let report =
        |files: &[&str]| Keytide::new(&[&["fleet", "report", "--format", "json"], files].concat()).run();
    let merged = report(&[results.to_str().unwrap(), collection.to_str().unwrap()]).exits(1).json();
    assert_eq!(merged["left_out"], json!({"no-policy": ["acme/none"]}));
    let results: Vec<&str> = merged["repositories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["breach", "breach"], "{merged:#}");
    let merged = report(&[collection.to_str().unwrap()]).exits(3).json();
    assert_eq!(merged["accounts"][0]["result"], "incomplete");
}
