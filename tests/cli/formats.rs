//! The formats: what machines read passes its schema, and no name can make any of them do something.

use std::process::Command;

use crate::support::tools::{python_tool, sarif_schema};
use crate::support::{Keytide, Ran, folder};

/// Names that IAM would not allow and a report could still hold: each tries to leave its place.
const HOSTILE: [&str; 11] = [
    "::error::first in its line",
    "i\u{9b}31mred",
    "%0A::error::x",
    "a\n::error::forged",
    "b ##[error]forged",
    "c\u{1b}[31mred\u{1b}]0;title\u{7}",
    "d|cell|<script>alert(1)</script>",
    "e](https://evil.example) @acme #1 `code`",
    "f\u{202e}txt.exe",
    "g\"onload=\"x",
    "h\r\n::set-output name=result::pass",
];

fn hostile_report() -> String {
    let header = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date";
    let row = |name: &&str| {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        format!(
            "{quoted},\"arn:aws:iam::123456789012:user/{}\",true,true,2020-01-01T00:00:00Z,2026-03-31T00:00:00Z,{quoted},false,N/A,N/A",
            name.replace('"', "\"\"")
        )
    };
    format!("{header}\n{}", HOSTILE.iter().map(row).collect::<Vec<_>>().join("\n"))
}

fn hostile(more: &[&str]) -> Keytide {
    let arguments = ["audit", "--credential-report", "r.csv", "--now", "2026-04-01T00:00:00Z"];
    Keytide::new(&[&arguments, more].concat())
        .policy("version: 1\nusers: [{ match: \"*\", allow: { regions: [eu-west-1] } }]\n")
        .file("r.csv", hostile_report())
}

/// The lines that a runner would take for commands.
fn commands(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.trim_start().starts_with("::") || line.contains("##[")).collect()
}

#[test]
fn no_name_starts_a_workflow_command() {
    for format in ["text", "json", "sarif", "markdown", "html", "badge"] {
        let run = hostile(&["--format", format, "--color", "always"]).in_action(&[]).run().exits(1);
        assert!(commands(&run.stdout).is_empty(), "{format}: {:?}", commands(&run.stdout));
    }
    let run = hostile(&["--format", "github"]).in_action(&[]).run().exits(1);
    for line in commands(&run.stdout) {
        let ours = [
            "::error file=keytide.yml,",
            "::warning file=keytide.yml,",
            "::error title=keytide::and ",
            "::warning title=keytide::and ",
        ];
        assert!(ours.iter().any(|start| line.starts_with(start)), "{line}");
    }
    assert!(commands(&run.stderr).is_empty(), "{}", run.stderr);
}

#[test]
fn no_name_moves_the_cursor() {
    for format in ["text", "github", "markdown", "html", "sarif", "json", "badge"] {
        let run = hostile(&["--format", format]).run().exits(1);
        let bad: Vec<char> =
            run.stdout.chars().filter(|c| *c != '\n' && keytide::sanitize::is_harmful(*c)).collect();
        assert!(bad.is_empty(), "{format}: {bad:?}");
    }
}

#[test]
fn no_name_leaves_its_cell() {
    let run = hostile(&["--format", "markdown"]).run().exits(1);
    for row in run.stdout.lines().filter(|line| line.starts_with("| error ")) {
        assert_eq!(row.matches('|').count(), 7, "{row}");
    }
    let outside_of_diagram: String = run.stdout.split("```").step_by(2).collect();
    for forbidden in ["<script", "](https", " @acme", " #1"] {
        assert!(!outside_of_diagram.contains(forbidden), "{forbidden}");
    }
    let diagram: Vec<&str> =
        run.stdout.split("```mermaid").nth(1).unwrap().split("```").next().unwrap().lines().collect();
    assert!(
        diagram.iter().all(|line| line.matches(':').count() <= 1 && !line.contains(['<', '#', ';'])),
        "{diagram:?}"
    );
}

/// An account that is none is refused before it is printed anywhere.
#[test]
fn no_account_is_taken_that_is_none() {
    for account in ["\u{1b}[31mABCDEF", "<b>|@acme</b"] {
        let report = hostile_report().replace("123456789012", account);
        let run = hostile(&[]).file("r.csv", report).run().exits(3);
        let is_reported = run.stderr.contains("no user of the credential report can be read");
        assert!(is_reported && !run.stdout.contains(account), "{}", run.stderr);
    }
}

/// In SARIF a name is no link, and the JSON is the same text to the one who parses it.
#[test]
fn no_name_is_a_link_in_sarif() {
    let json = hostile(&["--format", "sarif"]).run().exits(1).json();
    let results = json["runs"][0]["results"].as_array().unwrap();
    let texts: String = results.iter().map(|r| r["message"]["text"].as_str().unwrap()).collect();
    assert!(texts.contains(r"e\](https://evil.example)") && !texts.contains("e](https"), "{texts}");
    let names = hostile(&["--format", "json"]).run().exits(1).json()["users"].to_string();
    assert!(names.contains("b ##[error]forged"), "{names}");
}

#[test]
fn no_name_leaves_its_element() {
    let page = hostile(&["--format", "html"]).run().exits(1).stdout;
    let (before, rest) = page.split_once("<script>").unwrap();
    let (script, after) = rest.split_once("</script>").unwrap();
    for forbidden in ["<script", "\"onload", "onload=\"", "href=", "src=", "url(", "style=\""] {
        assert!(!before.contains(forbidden) && !after.contains(forbidden), "{forbidden}");
    }
    for forbidden in ["innerHTML", "eval", "write(", "fetch", "http"] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}

/// The page names the lines of the policy file on GitHub, and nothing that an environment or a name holds goes elsewhere.
#[test]
fn links_lead_to_the_commit_alone() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let page = |repository: &str, commit: &str, server: &str| {
        let run = hostile(&["--format", "html"]).in_action(&[]).env("GITHUB_REPOSITORY", repository);
        run.env("GITHUB_SHA", commit).env("GITHUB_SERVER_URL", server).run().exits(1).stdout
    };
    let known = page("acme/app", commit, "https://github.com");
    let links: Vec<&str> =
        known.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() > HOSTILE.len(), "{links:?}");
    let start = format!("https://github.com/acme/app/blob/{commit}/keytide.yml#L");
    assert!(links.iter().all(|link| link.starts_with(&start)), "{links:?}");
    assert!(known.contains("<h1>acme/app · ") && known.contains("0123456789ab</code>"));
    for (repository, commit, server) in [
        ("acme/app", "main", "https://github.com"),
        ("acme/\"onload=x", commit, "https://github.com"),
        ("acme/app", commit, "javascript:alert(1)//"),
    ] {
        assert!(!page(repository, commit, server).contains("href="), "{repository} {commit} {server}");
    }
}

/// A report with findings of every rule, and one that could not be finished.
fn samples() -> Vec<(&'static str, Ran)> {
    let cut = Keytide::new(&["audit", "--credential-report", "r.csv", "--format", "sarif"])
        .policy("version: 1\nusers: [{ name: alice }]\n")
        .file("r.csv", format!("{}\n\"cut", hostile_report()));
    let broken = Keytide::new(&["audit", "--format", "sarif"]).policy("version: 2\nuser: []\n");
    vec![
        ("demo", Keytide::new(&["demo", "--format", "sarif"]).run().exits(0)),
        ("hostile", hostile(&["--format", "sarif"]).run().exits(1)),
        ("incomplete", cut.run().exits(3)),
        ("invalid", broken.run().exits(2)),
        ("no-policy", Keytide::new(&["audit", "--format", "sarif"]).run().exits(2)),
    ]
}

#[test]
fn sarif_passes_the_official_schema() {
    let folder = folder();
    let mut files = Vec::new();
    for (name, run) in samples() {
        let path = folder.join(format!("{name}.sarif"));
        std::fs::write(&path, &run.stdout).unwrap();
        files.push(path);
    }
    let check = Command::new(python_tool("check-jsonschema"))
        .args(["--regex-variant", "python", "--schemafile"])
        .arg(sarif_schema())
        .args(&files)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&[check.stdout, check.stderr].concat()));
}

/// A token that is not there keeps a run from reading; a command line that is wrong is refused.
fn result(operation: &str) -> &'static str {
    if operation == "environment" { "incomplete" } else { "invalid" }
}

/// How a report is made, and two texts about it.
type FormatCase<'a> = (&'a dyn Fn(&str) -> Ran, &'a str, &'a str);

/// An error of the command line or the environment is a fault, in no format a finding in a file, and printed once.
#[test]
fn an_error_before_the_run_is_no_finding() {
    let policy = "version: 1\nusers: [{ name: alice }]\n";
    let no_token = |format: &str| {
        Keytide::new(&["plan", "--repository", "acme/app", "--format", format]).policy(policy).run().exits(3)
    };
    let no_policy = |format: &str| Keytide::new(&["audit", "--format", format]).run().exits(2);
    let cases: [FormatCase<'_>; 2] = [
        (&no_token, "environment", "no GitHub token: export GITHUB_TOKEN=$(gh auth token)"),
        (&no_policy, "command-line", "there is no policy file: looked for .github/keytide.yml"),
    ];
    for (run, operation, message) in cases {
        let text = run("text");
        assert_eq!((text.stdout.as_str(), text.stderr.matches(message).count()), ("", 1), "{}", text.stderr);
        let log = run("github");
        let start = format!("::error title=keytide could not finish::{message}");
        assert!(log.stdout.starts_with(&start) && log.stdout.lines().count() == 1, "{}", log.stdout);
        assert_eq!(log.stderr, "");
        for format in ["markdown", "html"] {
            let page = run(format).stdout;
            assert!(page.contains(operation) && !page.contains("invalid-policy"), "{page}");
        }
        let json = run("json").json();
        assert_eq!((&json["findings"], &json["result"]), (&serde_json::json!([]), &result(operation).into()));
        let fault = &json["faults"][0];
        assert!(fault["user"].is_null() && fault["operation"] == operation, "{fault}");
        assert!(fault["message"].as_str().unwrap().starts_with(message), "{fault}");
        let sarif = run("sarif").json();
        assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
        let invocation = &sarif["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let notification = invocation["toolExecutionNotifications"][0]["message"]["text"].to_string();
        assert!(notification.contains(message), "{notification}");
    }
}

/// GitHub refuses a whole file for one result without a place.
#[test]
fn every_sarif_result_has_a_place_and_a_known_rule() {
    for (name, run) in samples() {
        let json = run.json();
        let tool = &json["runs"][0]["tool"]["driver"];
        for result in json["runs"][0]["results"].as_array().unwrap() {
            let region = &result["locations"][0]["physicalLocation"]["region"];
            assert!(region["startLine"].as_u64().unwrap() >= 1, "{name}: {result}");
            let index = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(tool["rules"][index]["id"], result["ruleId"], "{name}");
        }
    }
}

/// An alert stays the same alert while its key grows older and the policy file changes around it.
#[test]
fn fingerprints_outlive_days_and_lines() {
    let report = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date\n\
                  alice,arn:aws:iam::123456789012:user/alice,false,true,2020-01-01T00:00:00Z,2026-03-31T00:00:00Z,true,2021-01-01T00:00:00Z,2026-03-31T00:00:00Z";
    let prints = |now: &str, policy: &str| {
        let run = Keytide::new(&["audit", "--credential-report", "r.csv", "--format", "sarif", "--now", now])
            .policy(policy)
            .file("r.csv", report)
            .run()
            .exits(1);
        let json = run.json();
        let results = json["runs"][0]["results"].as_array().unwrap();
        let print = |r: &serde_json::Value| {
            format!("{} {}", r["ruleId"], r["partialFingerprints"]["primaryLocationLineHash"])
        };
        let mut all: Vec<String> = results.iter().map(print).collect();
        all.sort();
        all
    };
    let first = prints("2026-04-01T00:00:00Z", "version: 1\nusers: [{ name: alice }]\n");
    let later = prints("2026-04-03T00:00:00Z", "# moved\n\nversion: 1\nusers:\n  - name: alice\n");
    assert_eq!(first, later);
    assert_eq!(first.len(), 3, "two keys are two alerts: {first:?}");
    assert_eq!(first.iter().collect::<std::collections::HashSet<_>>().len(), 3);
}

fn many(users: usize) -> Keytide {
    let header = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date";
    let row = |i: usize| {
        format!(
            "u{i:05},arn:aws:iam::123456789012:user/u{i:05},false,true,2020-01-01T00:00:00Z,N/A,false,N/A,N/A"
        )
    };
    Keytide::new(&["audit", "--credential-report", "r.csv", "--now", "2026-04-01T00:00:00Z"])
        .policy("version: 1\nusers: [{ match: \"*\" }]\n")
        .file("r.csv", format!("{header}\n{}", (0..users).map(row).collect::<Vec<_>>().join("\n")))
}

#[test]
fn annotations_and_summary_keep_to_the_limits_of_github() {
    let run = many(5000).in_action(&[]);
    let summary = run.path("summary.md");
    let run = run.run().exits(1);
    let errors: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 10);
    assert_eq!(errors[9], "::error title=keytide::and 9991 more: see the step summary");
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.len() <= 1_048_576 && summary.ends_with("the JSON report has everything.\n"),
        "{}",
        summary.len()
    );
    assert!(
        summary.lines().filter(|line| line.starts_with("| error")).all(|line| line.ends_with(" |")),
        "whole rows only"
    );
}

#[test]
fn key_ids_are_masked_in_every_format() {
    for format in ["text", "json", "sarif", "github", "markdown", "html"] {
        let run = Keytide::new(&["demo", "--format", format, "--key-ids", "masked"]).run().exits(0);
        assert!(
            !run.stdout.contains("AKIAQ3EG") && run.stdout.contains("AKIA…CE01"),
            "{format}: {}",
            run.stdout
        );
        let run = Keytide::new(&["demo", "--format", format]).run().exits(0);
        assert!(run.stdout.contains("AKIAQ3EGSKZGTALICE01"), "{format}");
    }
}

/// shields.io takes these fields, and the page is public.
#[test]
fn a_badge_has_the_result_and_no_name() {
    let badge = |policy: &str, report: &str, code: i32| {
        let arguments =
            ["audit", "--credential-report", "r.csv", "--now", "2026-04-01T00:00:00Z", "--format", "badge"];
        Keytide::new(&arguments).policy(policy).file("r.csv", report).run().exits(code).json()
    };
    let policy = "version: 1\nusers: [{ match: \"*\" }]\n";
    let found = badge(policy, &hostile_report(), 1);
    assert_eq!((&found["schemaVersion"], &found["label"]), (&1.into(), &"access keys".into()));
    assert_eq!((&found["color"], &found["isError"]), (&"red".into(), &false.into()));
    assert!(found["message"].as_str().unwrap().ends_with(" errors"), "{found}");
    assert_eq!(found.as_object().unwrap().len(), 5);
    let invalid = badge("version: 1\n", &hostile_report(), 2);
    assert_eq!(invalid["message"], "invalid policy");
    assert_eq!((&invalid["color"], &invalid["isError"]), (&"red".into(), &true.into()));
    let header = hostile_report().lines().next().unwrap().to_owned();
    let root = "<root_account>,arn:aws:iam::123456789012:root,not_supported,false,N/A,N/A,N/A,false,N/A,N/A";
    let passing = badge(policy, &format!("{header}\n{root}\n"), 0);
    assert_eq!((&passing["message"], &passing["color"]), (&"passing".into(), &"brightgreen".into()));
}

/// The fields that the JSON report promises are there, with these names and types.
#[test]
fn json_keeps_its_contract() {
    let json = Keytide::new(&["demo", "--format", "json"]).run().exits(0).json();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["tool"]["name"], "keytide");
    for name in ["policy", "account", "generated_at", "source"] {
        assert!(json[name].is_string(), "{name}");
    }
    assert_eq!(json["complete"], true);
    for name in ["users", "keys", "errors", "warnings", "notes", "exempted"] {
        assert!(json["summary"][name].is_u64(), "{name}");
    }
    assert!(json["users"][0]["next_due"].is_null(), "alice's key is overdue");
    let user = &json["users"][1];
    assert!(
        user["name"].is_string()
            && user["arn"].is_string()
            && user["phase"].is_null()
            && user["next_due"].is_string()
    );
    let key = &user["keys"][0];
    for name in ["id", "status", "created_at", "last_used_at", "last_used_region", "last_used_service"] {
        assert!(key[name].is_string(), "{name}");
    }
    assert!(key["age_days"].is_u64() && key.get("slot").is_none());
    let finding = json["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "key-age").unwrap();
    for name in ["rule", "severity", "user", "access_key_id", "message", "help"] {
        assert!(finding[name].is_string(), "{name}");
    }
    assert_eq!(
        finding["controls"],
        serde_json::json!(["CIS AWS 7.0 2.12", "CIS AWS Database Services 1.0 2.7"])
    );
    assert!(finding["exempted"].is_boolean());
    assert!(
        finding["location"]["file"].is_string()
            && finding["location"]["line"].is_u64()
            && finding["location"]["column"].is_u64()
    );
    assert!(json["faults"].is_array());
}

#[test]
fn one_run_writes_several_reports() {
    let run = Keytide::new(&[
        "demo",
        "--report",
        "json=a.json",
        "--report",
        "sarif=b.sarif",
        "--report",
        "html=c.html",
    ]);
    let paths = ["a.json", "b.sarif", "c.html"].map(|name| run.path(name));
    let run = run.run().exits(0);
    assert!(run.stdout.contains("OLDEST ACTIVE KEY"));
    for path in paths {
        assert!(std::fs::read_to_string(&path).unwrap().contains("alice"), "{}", path.display());
    }
}

/// A folder that does not exist is created. What cannot be written is said before the command begins, once.
#[test]
fn a_report_is_refused_before_the_command_begins() {
    let run = Keytide::new(&["demo", "--report", "json=new/folder/a.json"]);
    let path = run.path("new/folder/a.json");
    run.run().exits(0);
    assert!(std::fs::read_to_string(path).unwrap().contains("alice"));
    let unwritable = |format: &str| {
        let arguments =
            ["demo", "--format", format, "--report", "json=a.json", "--report", "json=file/a.json"];
        let run = Keytide::new(&arguments).file("file", "");
        let other = run.path("a.json");
        let run = run.run().exits(2);
        assert!(!other.exists(), "nothing is written");
        run
    };
    let message = "the report file/a.json cannot be written: ";
    let text = unwritable("text");
    assert_eq!((text.stdout.as_str(), text.stderr.matches(message).count()), ("", 1), "{}", text.stderr);
    let json = unwritable("json");
    assert!(json.json()["faults"][0]["message"].as_str().unwrap().starts_with(message), "{}", json.stdout);
}
