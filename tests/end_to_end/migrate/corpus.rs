use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use keytide::migrate::{Callees, DefaultToken, KeySecrets, MigrationRequest, WorkflowPlan, plan_workflow};
use keytide::policy::{Policy, PolicySource, read_policy};
use keytide::repository::FileContent;

use crate::support::root;
use crate::support::tools::python_tool;

pub const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

fn folder() -> PathBuf {
    root().join("tests/fixtures/migrate")
}

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(folder().join(name)).ok()
}

pub fn policy() -> Policy {
    let text = read("policy.yaml").unwrap();
    let source =
        PolicySource { file: "policy.yaml", bytes: text.as_bytes(), read_base: &|_| FileContent::Absent };
    read_policy(&source, &[]).unwrap()
}

fn plan(text: &str, secrets: &KeySecrets, role_arn: &str) -> WorkflowPlan {
    let request = MigrationRequest {
        secrets,
        role_arn,
        role_name: "deploy",
        region: None,
        default_token: DefaultToken::Restricted,
        callees: &Callees::default(),
    };
    plan_workflow(text, &request)
}

fn describe_left(plan: &WorkflowPlan) -> String {
    let line = |place: &keytide::migrate::LeftPlace| {
        format!("{}:{} {}\n", place.at.line, place.at.column, place.reason)
    };
    plan.left.iter().map(line).collect()
}

/// The cases: the text before by the name of the case.
fn cases() -> BTreeMap<String, String> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if let Some(case) = name.strip_suffix(".yml").filter(|case| !case.ends_with(".after")) {
            cases.insert(case.to_owned(), read(&name).unwrap());
        }
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    cases
}

/// Each result is what was written by hand, byte for byte, and what stays is said with its place.
#[test]
fn each_workflow_becomes_what_was_written_by_hand() {
    let secrets = KeySecrets::collect(&policy(), "ci", "acme/app");
    let mut wrong = String::new();
    for (case, before) in cases() {
        let plan = plan(&before, &secrets, ROLE);
        let expected = read(&format!("{case}.after.yml"));
        let left = read(&format!("{case}.left")).unwrap_or_default();
        if plan.text != expected || describe_left(&plan) != left {
            let text = plan.text.as_deref().unwrap_or("(no change)\n");
            wrong.push_str(&format!("===== {case}\n{text}left:\n{}", describe_left(&plan)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A second run changes nothing, still knows whom the role has to trust, and fills in an account that was not known.
#[test]
fn a_second_run_changes_nothing() {
    let secrets = KeySecrets::collect(&policy(), "ci", "acme/app");
    for (case, before) in cases() {
        let first = plan(&before, &secrets, ROLE);
        let Some(changed) = &first.text else { continue };
        let second = plan(changed, &secrets, ROLE);
        assert_eq!((second.text, second.left), (None, Vec::new()), "{case}");
        assert_eq!(second.subjects, first.subjects, "{case}");
        let open = plan(&before, &secrets, "arn:aws:iam::CHANGE-ME:role/deploy").text.unwrap();
        assert_eq!(plan(&open, &secrets, ROLE).text.as_ref(), Some(changed), "{case}");
    }
}

/// The linters that people run find nothing in the results.
#[test]
fn linters_find_nothing_in_the_results() {
    let results: Vec<String> = cases()
        .keys()
        .map(|case| folder().join(format!("{case}.after.yml")))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    assert!(results.len() >= 25);
    for (tool, options) in
        [("actionlint", &["-shellcheck="][..]), ("zizmor", &["--offline", "--no-progress"][..])]
    {
        let output = Command::new(python_tool(tool)).args(options).args(&results).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{tool}: {text}");
    }
}
