//! The workflows of this repository and those that the documents give to copy: which actions they use, and on which pull
//! requests they run.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::support::root;

/// `pull_request_target` and `workflow_run` with the head of a fork are refused since this version of `actions/checkout`.
const OLDEST_CHECKOUT: u64 = 7;
/// What the job of an audit asks before it requests an OIDC token, which these pull requests do not get.
const CONDITION: &str = "github.event_name != 'pull_request' || (github.event.pull_request.head.repo.full_name == \
                         github.repository && github.event.pull_request.user.login != 'dependabot[bot]')";

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files_in(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect()
}

/// Everything that has steps of a workflow in it, and where.
fn workflow_texts() -> Vec<(String, String)> {
    let mut names = files_in(".github/workflows", ".yml");
    names.extend(files_in("src/commands/init/workflows", ".yml"));
    names.extend(crate::documents::pages());
    names.extend(["README.md", "action.yml"].map(str::to_owned));
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// The workflows among them, those of the documents included, parsed.
fn workflows() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, text) in workflow_texts() {
        let snippets: Vec<&str> = if name.ends_with(".md") {
            text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
        } else {
            vec![&text]
        };
        for snippet in snippets {
            // A template has places that are filled in, and is no YAML in them
            let Ok(value) = serde_yaml::from_str::<Value>(snippet) else { continue };
            if value.get("jobs").is_some() {
                found.push((name.clone(), value));
            }
        }
    }
    found
}

#[test]
fn every_checkout_is_pinned_to_a_version_that_refuses_forks() {
    let mut count = 0;
    for (name, text) in workflow_texts() {
        for line in text.lines().filter_map(|line| line.split_once("uses: actions/checkout@")) {
            let (commit, version) =
                line.1.split_once(" # v").unwrap_or_else(|| panic!("{name}: no version: {line:?}"));
            assert!(
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{name}: {commit}"
            );
            let major: u64 = version.split('.').next().unwrap().parse().unwrap();
            assert!(major >= OLDEST_CHECKOUT, "{name}: actions/checkout v{version}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} were found");
}

/// What a user copies is as new as what this repository uses itself, and the same commit everywhere.
#[test]
fn an_action_is_pinned_to_one_commit() {
    let mut pins: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (name, text) in workflow_texts() {
        for (_, used) in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let Some((action, pin)) = used.split_once('@') else { continue };
            if !pin.contains(" v") || action.contains("OWNER/") {
                continue;
            }
            let first = pins.entry(action.to_owned()).or_insert_with(|| (name.clone(), pin.to_owned()));
            let version = |pin: &str| pin.rsplit(" v").next().unwrap().to_owned();
            assert_eq!(
                (&first.1[..40], version(&first.1)),
                (&pin[..40], version(pin)),
                "{action}: {} and {name}",
                first.0
            );
        }
    }
    assert!(pins.len() > 5, "{pins:?}");
}

#[test]
fn dependabot_brings_newer_actions_after_a_while() {
    let settings: Value = serde_yaml::from_str(&read(".github/dependabot.yml")).unwrap();
    let updates = settings["updates"].as_sequence().unwrap();
    let actions = updates.iter().find(|update| update["package-ecosystem"] == "github-actions");
    let actions = actions.expect("the actions of the workflows are updated");
    assert_eq!(actions["directory"], "/");
    for update in updates {
        let days = update["cooldown"]["default-days"].as_u64();
        assert!(days.is_some_and(|days| days >= 7), "{update:?}");
    }
}

/// A job that runs on pull requests and requests an OIDC token leaves out those that get none.
#[test]
fn an_audit_leaves_out_pull_requests_without_a_token() {
    let mut count = 0;
    for (name, workflow) in workflows() {
        // `on` is true in YAML 1.1
        let on = workflow.get("on").or_else(|| workflow.get(Value::Bool(true))).unwrap();
        if on.get("pull_request").is_none() {
            continue;
        }
        for (_, job) in workflow["jobs"].as_mapping().unwrap() {
            // A reusable workflow asks by itself
            let is_called = job.get("uses").is_some();
            if is_called || job["permissions"]["id-token"] != "write" {
                continue;
            }
            let condition = job["if"].as_str().unwrap_or_default();
            assert_eq!(condition.split_whitespace().collect::<Vec<_>>().join(" "), CONDITION, "{name}");
            count += 1;
        }
    }
    assert!(count >= 2, "the first workflow of the documents and that of `init`: {count}");
    let reusable = read(".github/workflows/audit.yml");
    let reusable = reusable.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(reusable.contains(CONDITION), "{reusable}");
}

/// A suite that `cargo test` leaves out is run by what a pull request must pass, and its ignored tests by the sweeps.
#[test]
fn a_suite_that_cargo_test_leaves_out_is_run() {
    let manifest = read("Cargo.toml");
    let suites = manifest.split("[[test]]\n").skip(1).map(|rest| rest.split("\n\n").next().unwrap());
    let left_out: Vec<&str> = suites
        .filter(|suite| suite.contains("test = false"))
        .map(|suite| suite.split('"').nth(1).expect("the name first"))
        .collect();
    assert_eq!(left_out, ["end_to_end"]);
    assert!(read(".ci/run").contains("\ncargo test --locked --test end_to_end\n"));
    assert!(
        read(".github/workflows/sweeps.yml").contains("cargo test --locked --lib --test '*' -- --ignored")
    );
}
