//! In the log of a workflow no name starts a command: the runner takes `##[` anywhere in a line, and `::` at the start of
//! one, also behind blanks.

use serde_json::{Value, json};

use crate::support::{Keytide, Ran};

const NAME: &str = "a ##[stop-commands]b";
const POLICY: &str = "\
version: 1
account: \"123456789012\"
users:
  - name: ci
    rotation: {}
    destinations:
      - github_secret: { repository: acme/app, access_key_id: A, secret_access_key: B }
";
const WORKFLOW: &str = "\
on: push
jobs:
  a:
    environment: 'NAME'
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with: { aws-access-key-id: '${{ secrets.A }}', aws-secret-access-key: '${{ secrets.B }}', aws-region: eu-west-1 }
";
const CODE: [&str; 3] = ["cli", "terraform", "cloudformation"];

/// Runs a command outside of a workflow, or in one.
fn run(arguments: &[&str], workflow: &str, in_workflow: bool) -> Ran {
    let run = Keytide::new(arguments)
        .file(".github/workflows/a.yml", workflow.replace("NAME", NAME))
        .env("GITHUB_REPOSITORY", "acme/app")
        .env("GITHUB_REPOSITORY_ID", "42")
        .env("GITHUB_REPOSITORY_OWNER_ID", "7");
    let run = if arguments[0] == "init" { run } else { run.policy(POLICY) };
    if in_workflow { run.env("GITHUB_ACTIONS", "true") } else { run }.run()
}

fn starts_command(ran: &Ran) -> bool {
    let mut lines = ran.stdout.lines().chain(ran.stderr.lines());
    lines.any(|line| line.trim_start().starts_with("::") || line.contains("##["))
}

/// An escape would change the meaning of a script or a template.
#[test]
fn code_with_such_a_name_is_refused() {
    let mut commands: Vec<Vec<&str>> = vec![vec!["init", "--offline", "--stdout"]];
    for format in CODE {
        commands.push(vec!["iam-policy", "--for", "all", "--environment", NAME, "--format", format]);
        // Without AWS the script makes no role, and so names no environment
        if format != "cli" {
            commands.push(vec!["migrate", "--user", "ci", "--write", "--format", format]);
        }
    }
    // What `init` finds are the usual names of secrets
    let usual = WORKFLOW.replace("secrets.A", "secrets.AWS_ACCESS_KEY_ID");
    let usual = usual.replace("secrets.B", "secrets.AWS_SECRET_ACCESS_KEY");
    for arguments in commands {
        let workflow = if arguments[0] == "init" { &usual } else { WORKFLOW };
        let refused = run(&arguments, workflow, true).exits(2);
        assert!(
            refused.stderr.contains("would start a command in the log"),
            "{arguments:?}: {}",
            refused.stderr
        );
        assert!(refused.stdout.is_empty() && !starts_command(&refused), "{arguments:?}: {refused:?}");
        let printed = run(&arguments, workflow, false);
        assert!(printed.stdout.contains(NAME), "{arguments:?}: {}", printed.stdout);
    }
}

/// JSON has another spelling for a character.
#[test]
fn json_says_the_same_in_a_workflow() {
    for arguments in [
        vec!["iam-policy", "--for", "delete", "--trust", "--environment", NAME],
        vec!["migrate", "--user", "ci", "--format", "json"],
    ] {
        let printed = run(&arguments, WORKFLOW, true);
        assert!(!starts_command(&printed), "{arguments:?}: {printed:?}");
        assert!(printed.json().to_string().contains(NAME), "{arguments:?}: {}", printed.stdout);
    }
}

/// A spreadsheet and a person read the same in spite of a blank more.
#[test]
fn tables_and_texts_are_escaped() {
    let counts = json!({"users": 1, "keys": 1, "errors": 0, "warnings": 0, "notes": 0, "exempted": 0});
    let finding = json!({"rule": "key-age", "severity": "error", "user": NAME, "access_key_id": null, "message": NAME,
        "help": "::error::x", "exempted": false, "exemption_reason": null,
        "location": {"file": "\u{a0}::error::x", "line": 4, "column": 5}});
    let result = json!({"schema_version": 1, "kind": "fleet-account", "tool": {"name": "keytide", "version": "0.1.0"},
        "account": "123456789012", "part": "1/1", "generated_at": "2026-11-28T00:00:00Z", "complete": true, "findings": [],
        "faults": [], "not_checked": [], "remarks": [], "users": 1, "keys": 1, "repositories": [{"repository": "acme/app",
        "policy": "keytide.yml", "result": "breach", "summary": counts, "findings": [finding], "faults": [],
        "not_checked": [], "remarks": []}]});
    for format in ["csv", "text", "json", "markdown", "html"] {
        let report = |value: &Value| {
            Keytide::new(&["fleet", "report", "r.json", "--format", format]).file("r.json", value.to_string())
        };
        let ran = report(&result).env("GITHUB_ACTIONS", "true").run();
        assert!(!starts_command(&ran) && ran.stdout.contains("stop-commands"), "{format}: {}", ran.stdout);
        assert!(!ran.stdout.contains('\u{1b}'), "{format}: {}", ran.stdout);
        let ran = report(&result).run();
        assert!(format != "csv" || ran.stdout.contains(NAME), "{}", ran.stdout);
    }
}
