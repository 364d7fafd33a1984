//! Repositories with called workflows and composite actions, before and after: a called file and its callers come to the
//! role together, or stay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use keytide::migrate::{Callees, DefaultToken, KeySecrets, MigrationRequest, WorkflowPlan, plan_repository};

use super::corpus::{ROLE, policy};
use crate::support::check::World;
use crate::support::tools::python_tool;
use crate::support::{blessing, matches_file, root};

type Files = BTreeMap<String, String>;
type Plans = BTreeMap<String, WorkflowPlan>;

fn folder() -> PathBuf {
    root().join("tests/fixtures/migrate/repositories")
}

/// The files below a folder, by their paths from there.
fn read_files(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

/// The repositories before a migration, by the name of the case.
fn cases() -> BTreeMap<String, Files> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        cases.insert(name, read_files(&entry.path().join("before")));
    }
    assert!(cases.len() >= 16, "{} cases", cases.len());
    cases
}

fn plan(files: &Files, role_arn: &str) -> Plans {
    let secrets = KeySecrets::collect(&policy(), "ci", "acme/app");
    let request = MigrationRequest {
        secrets: &secrets,
        role_arn,
        role_name: "deploy",
        region: None,
        default_token: DefaultToken::Restricted,
        callees: &Callees::default(),
    };
    plan_repository(files, &request)
}

fn apply(files: &Files, plans: &Plans) -> Files {
    let text = |path: &String, before: &String| plans[path].text.clone().unwrap_or_else(|| before.clone());
    files.iter().map(|(path, before)| (path.clone(), text(path, before))).collect()
}

fn describe_left(plans: &Plans) -> String {
    let mut text = String::new();
    for (path, plan) in plans {
        for place in &plan.left {
            text.push_str(&format!("{path}:{}:{} {}\n", place.at.line, place.at.column, place.reason));
        }
    }
    text
}

fn subjects(plans: &Plans) -> Vec<String> {
    let all = plans.values().flat_map(|plan| &plan.subjects);
    let mut texts: Vec<String> = all.map(|subject| subject.text("main")).collect();
    texts.sort();
    texts.dedup();
    texts
}

#[test]
fn called_files_and_their_callers_come_to_the_role_together() {
    for (case, files) in cases() {
        let plans = plan(&files, ROLE);
        let after = folder().join(&case).join("after");
        for (path, plan) in &plans {
            let file = after.join(path);
            match &plan.text {
                Some(text) => {
                    if blessing() {
                        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    }
                    matches_file(&file, text);
                }
                None => assert!(!file.exists(), "{case}: {path} does not change"),
            }
        }
        let left = describe_left(&plans);
        if case.starts_with("left-") {
            assert!(plans.values().all(|plan| plan.text.is_none()), "{case}");
            matches_file(&folder().join(&case).join("left"), &left);
        } else {
            assert_eq!(left, "", "{case}");
            assert!(plans.values().all(|plan| plan.text.is_some()), "{case}");
            matches_file(&folder().join(&case).join("subjects"), &(subjects(&plans).join("\n") + "\n"));
        }
    }
}

#[test]
fn a_second_run_changes_nothing_and_trusts_the_same() {
    for (case, files) in cases().into_iter().filter(|(case, _)| !case.starts_with("left-")) {
        let first = plan(&files, ROLE);
        let changed = apply(&files, &first);
        let second = plan(&changed, ROLE);
        assert!(second.values().all(|plan| plan.text.is_none() && plan.left.is_empty()), "{case}");
        assert_eq!(subjects(&second), subjects(&first), "{case}");
        let open = apply(&files, &plan(&files, "arn:aws:iam::CHANGE-ME:role/deploy"));
        assert_eq!(apply(&open, &plan(&open, ROLE)), changed, "{case}: the account is filled in");
    }
}

/// What a called file declares and gets, and what its job asks of its caller, fits: the linters read all files together.
#[test]
fn linters_find_nothing_in_the_results() {
    for (case, files) in cases().into_iter().filter(|(case, _)| !case.starts_with("left-")) {
        let changed = apply(&files, &plan(&files, ROLE));
        let files: Vec<(&str, &str)> =
            changed.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let world = World::with(&files);
        // How the repository names its own files is not what a migration changes.
        world.write("zizmor.yml", b"rules: { self-repository: { disable: true } }\n");
        for (tool, arguments) in
            [("actionlint", &["-shellcheck="][..]), ("zizmor", &["--offline", "--no-progress", "."][..])]
        {
            let output =
                Command::new(python_tool(tool)).args(arguments).current_dir(&world.root).output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{case}: {tool}: {text}");
        }
    }
}
