//! `keytide fleet audit`: one account for many policy files.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::emulator::Emulator;
use crate::support::{Keytide, Ran, folder};

pub const ACCOUNT: &str = "123456789012";
pub const FLEET: &str = "version: 1\norganizations: [acme]\naccounts:\n  - { id: \"123456789012\" }\n  - { id: \"222222222222\", role_arn: arn:aws:iam::222222222222:role/keytide-audit }\n";

/// Days before now, as a date.
fn ago(days: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days)).to_string()
}

fn user(name: &str, days: i64) -> Value {
    let used = json!({"at": ago(1), "service": "s3", "region": "eu-west-1"});
    json!({"name": name, "keys": [{"created_at": ago(days), "last_used": used}]})
}

/// A policy file for the account, with these users.
pub fn policy(users: &str) -> String {
    format!("version: 1\naccount: \"{ACCOUNT}\"\nusers:\n{users}")
}

/// `keytide fleet audit` of the account, with policy files below `policies`.
fn audit(emulator: &Emulator, flags: &[&str], files: &[(&str, &str)]) -> Ran {
    let mut run =
        Keytide::new(&["fleet", "audit", "--account", ACCOUNT, "--policies", "policies", "--format", "json"])
            .file("fleet.yml", FLEET)
            .file("policies/.keep", "");
    for flag in flags {
        run = run.arg(flag);
    }
    for (repository, text) in files {
        run = run.file(&format!("policies/{repository}/.github/keytide.yml"), text);
    }
    run.against(&emulator.url()).run()
}

/// The text of the report of an audit.
fn reported(emulator: &Emulator, files: &[(&str, &str)]) -> String {
    let result = folder().join("result.json");
    audit(emulator, &["--json", result.to_str().unwrap()], files);
    Keytide::new(&["fleet", "report", result.to_str().unwrap()]).run().stdout
}

/// `rule user` of each finding in a part of a report.
fn rules(part: &Value) -> Vec<String> {
    let line = |finding: &Value| {
        format!("{} {}", finding["rule"].as_str().unwrap(), finding["user"].as_str().unwrap_or("-"))
    };
    part["findings"].as_array().unwrap().iter().map(line).collect()
}

fn repository<'r>(report: &'r Value, name: &str) -> &'r Value {
    let mut lines = report["repositories"].as_array().unwrap().iter();
    lines.find(|line| line["repository"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

pub fn small_account() -> Emulator {
    Emulator::with(&json!({"account": ACCOUNT, "users": [
        user("app", 10), user("old", 200), user("shared", 10), user("stray", 10), {"name": "person"}]}))
}

/// One report, each listed user once, and no request for a user that no policy file lists.
#[test]
fn an_account_is_read_once_for_all_policy_files() {
    let emulator = small_account();
    emulator.forget_requests();
    let run = audit(
        &emulator,
        &[],
        &[
            ("acme/api", &policy("  - name: shared\n  - name: old\n")),
            ("acme/app", &policy("  - name: app\n  - name: shared\n  - name: gone\n")),
            ("acme/other", "version: 1\naccount: \"222222222222\"\nusers: [{ name: app }]\n"),
        ],
    )
    .exits(1);
    let report = run.json();
    assert_eq!(rules(repository(&report, "acme/api")), ["key-age old"]);
    assert_eq!(rules(repository(&report, "acme/app")), ["missing-user gone"]);
    assert_eq!(report["repositories"].as_array().unwrap().len(), 2, "{report:#}");
    let account = &report["accounts"][0];
    assert_eq!(rules(account), ["orphan-user stray", "contested-user shared"]);
    assert_eq!(
        account["findings"][1]["message"],
        "this user is listed by acme/api (.github/keytide.yml:4) and acme/app (.github/keytide.yml:5)"
    );
    assert_eq!(account["findings"][0]["location"], json!({"file": "fleet.yml", "line": 4, "column": 5}));
    assert_eq!(account["summary"]["users"], 5);
    assert_eq!(account["summary"]["keys"], 4);
    let requests = emulator.requests();
    // `gone` may be newer than the report, so it is asked for; `stray` is in the report, which is enough.
    assert_eq!(requests["actions"]["ListAccessKeys"], 4, "{requests}");
    assert_eq!(requests["actions"].get("ListUsers"), None, "{requests}");
    assert_eq!(requests["actions"]["GetCredentialReport"], 2, "{requests}");
}

/// A user that a policy file may list which was not audited is not said to be in none.
#[test]
fn a_user_that_an_unread_policy_file_may_list_is_said_so() {
    let emulator = small_account();
    for (text, why) in [
        ("version: 1\nusers: [{ name: stray }]\n", "names no account"),
        ("version: 1\naccount: \"123456789012\"\nusres: [{ name: stray }]\n", "has errors"),
    ] {
        let files = [
            ("acme/api", &*policy("  - name: app\n  - name: old\n  - name: shared\n")),
            ("acme/other", text),
        ];
        let account = &audit(&emulator, &[], &files).json()["accounts"][0];
        let message = "this user has an access key, and no policy file that was audited lists it";
        assert_eq!(account["findings"][0]["message"], message, "{account:#}");
        let reason = format!("the policy file of acme/other {why}, and may list users");
        assert!(account["not_checked"].to_string().contains(&reason), "{account:#}");
    }
}

/// The same findings as audits of the repositories one by one.
#[test]
fn a_repository_has_the_findings_of_its_own_audit() {
    let emulator = small_account();
    let text = policy("  - { name: old, limits: { max_unused: 1h } }\n  - match: \"s*\"\n  - name: gone\n");
    let fleet = audit(&emulator, &[], &[("acme/app", &text)]).exits(1).json();
    let alone = Keytide::new(&["audit", "--format", "json"])
        .file(".github/keytide.yml", &text)
        .against(&emulator.url())
        .run()
        .exits(1);
    let shown = |findings: &Value| -> std::collections::BTreeSet<String> {
        let line = |f: &Value| format!("{} {} {} {}", f["rule"], f["user"], f["message"], f["location"]);
        findings.as_array().unwrap().iter().map(line).collect()
    };
    assert_eq!(shown(&repository(&fleet, "acme/app")["findings"]), shown(&alone.json()["findings"]));
}

#[test]
fn a_wrong_policy_file_is_a_finding_of_its_repository_and_stops_nobody() {
    let emulator = small_account();
    let run = audit(
        &emulator,
        &[],
        &[
            ("acme/app", &policy("  - name: app\n")),
            ("acme/broken", &policy("  - nam: shared\n")),
            ("acme/unreadable", "users: [\n"),
            ("acme/elsewhere", "account: \"222222222222\"\nuser: []\n"),
        ],
    )
    .exits(1);
    let report = run.json();
    assert_eq!(repository(&report, "acme/app")["result"], "pass");
    let broken = repository(&report, "acme/broken");
    assert_eq!(
        (broken["result"].as_str(), rules(broken).first().map(String::as_str)),
        (Some("invalid"), Some("invalid-policy -"))
    );
    assert_eq!(broken["findings"][0]["location"]["line"], 4);
    let shown = reported(&emulator, &[("acme/broken", &policy("  - nam: shared\n"))]);
    let line = "  error     unknown field `nam` [invalid-policy] (.github/keytide.yml:4:5)\n";
    assert!(shown.contains(line), "{shown}");
    assert_eq!(repository(&report, "acme/unreadable")["result"], "invalid");
    assert_eq!(report["repositories"].as_array().unwrap().len(), 3, "the third is another account's");
    let skipped = &report["accounts"][0]["not_checked"];
    assert!(
        skipped.to_string().contains("the policy file of acme/broken and 1 more has errors"),
        "{skipped}"
    );
}

/// The tag of the owner is compared with the repository that lists the user, by the numeric ID.
#[test]
fn the_owner_is_compared_with_who_lists_the_user() {
    let mut tagged = user("app", 10);
    tagged["tags"] = json!({"keytide:owner": "43"});
    let emulator = Emulator::with(&json!({"account": ACCOUNT, "users": [tagged]}));
    let collection = json!({"schema_version": 1, "kind": "fleet-collection", "tool": {"name": "keytide", "version": "0"},
        "generated_at": "2026-01-01T00:00:00Z", "complete": true, "jobs": [], "findings": [], "faults": [],
        "repositories": [{"name": "acme/app", "id": 42, "state": "collected", "policy": null, "account": null},
                         {"name": "acme/api", "id": 43, "state": "collected", "policy": null, "account": null}]});
    let run =
        Keytide::new(&["fleet", "audit", "--account", ACCOUNT, "--policies", "policies", "--format", "json"])
            .file("policies/fleet.yml", FLEET)
            .file("policies/collection.json", collection.to_string())
            .file("policies/acme/app/keytide.yml", policy("  - name: app\n"))
            .file("policies/acme/api/keytide.yml", policy("  - name: app\n"))
            .against(&emulator.url())
            .run()
            .exits(1);
    let report = run.json();
    assert_eq!(rules(repository(&report, "acme/app")), ["owner-mismatch app"]);
    assert_eq!(rules(repository(&report, "acme/api")), [""; 0]);
    let help = report["accounts"][0]["findings"][0]["help"].as_str().unwrap();
    assert!(help.contains("names acme/api"), "{help}");
}

#[test]
fn an_account_that_is_not_of_the_fleet_is_refused_before_anything_is_read() {
    let emulator = small_account();
    emulator.forget_requests();
    let run = Keytide::new(&["fleet", "audit", "--account", "999999999999", "--policies", "policies"])
        .file("fleet.yml", FLEET)
        .file("policies/acme/app/keytide.yml", policy("  - name: app\n"))
        .against(&emulator.url())
        .run()
        .exits(2);
    assert!(run.stderr.contains("account 999999999999 is not listed in fleet.yml"), "{}", run.stderr);
    let run = Keytide::new(&["fleet", "audit", "--account", ACCOUNT, "--policies", "policies"])
        .file("fleet.yml", FLEET.replace("accounts", "accountz"))
        .file("policies/acme/app/keytide.yml", policy("  - name: app\n"))
        .against(&emulator.url())
        .run()
        .exits(2);
    assert!(run.stderr.contains("fleet.yml:3:1: error: unknown field `accountz`"), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean `accounts`?"), "{}", run.stderr);
    assert_eq!(emulator.requests()["actions"], json!({}));
}

/// Accounts that refuse, throttle or do not answer are results that say so.
#[test]
fn an_account_that_cannot_be_read_is_incomplete() {
    let denied = json!([{"action": "AssumeRole", "status": 403, "code": "AccessDenied", "times": 99}]);
    let throttled = json!([{"action": "ListAccessKeys", "status": 400, "code": "Throttling", "times": 99}]);
    let held = json!([{"action": "ListAccessKeys", "status": 200, "times": 99, "hold": 5}]);
    for (faults, operation) in
        [(denied, "AssumeRole"), (throttled, "iam:ListAccessKeys"), (held, "iam:ListAccessKeys")]
    {
        let emulator = Emulator::with(&json!({"account": "222222222222", "users": [user("app", 10)]}));
        emulator.control("POST", "faults", &faults.to_string());
        let run = Keytide::new(&["fleet", "audit", "--account", "222222222222", "--policies", "policies"])
            .arg("--timeout")
            .arg("2")
            .arg("--json")
            .arg("results/222222222222.json")
            .file("fleet.yml", FLEET)
            .file(
                "policies/acme/app/keytide.yml",
                policy("  - name: app\n").replace(ACCOUNT, "222222222222"),
            );
        let written = run.path("results/222222222222.json");
        let run = run.against(&emulator.url()).run().exits(3);
        assert!(run.stdout.contains("acme/app: incomplete"), "{operation}: {}", run.stdout);
        assert!(run.stdout.contains(operation), "{operation}: {}", run.stdout);
        let result: Value = serde_json::from_slice(&std::fs::read(written).unwrap()).unwrap();
        assert_eq!((&result["complete"], &result["kind"]), (&json!(false), &json!("fleet-account")));
        assert!(!rules(&result).iter().any(|rule| rule.starts_with("missing-user")), "{result:#}");
    }
}

/// A throttled request is repeated, and the result is whole.
#[test]
fn throttling_that_ends_is_waited_for() {
    let emulator = small_account();
    let faults = json!([{"action": "ListAccessKeys", "status": 400, "code": "Throttling", "times": 3}]);
    emulator.control("POST", "faults", &faults.to_string());
    let report = audit(&emulator, &[], &[("acme/app", &policy("  - match: \"*\"\n"))]).exits(1).json();
    assert_eq!(
        (&report["complete"], &repository(&report, "acme/app")["summary"]["users"]),
        (&json!(true), &json!(5))
    );
}

/// The parts of an account see every user once; together they are what one job would have seen.
#[test]
fn a_policy_file_with_five_thousand_users_is_audited_in_parts() {
    // None is exactly as old as the limit: one moment later it would be too old.
    let days = (80..90).chain(91..121).enumerate();
    let users: Vec<Value> = days.map(|(i, days)| user(&format!("svc-{i:04}"), days)).collect();
    let emulator = Emulator::with(&json!({"account": ACCOUNT, "users": users}));
    let names: String = (0..5000).map(|i| format!("  - name: svc-{i:04}\n")).collect();
    let text = policy(&names);
    let files = [("acme/app", text.as_str())];
    let whole = audit(&emulator, &[], &files).exits(1).json();
    assert_eq!(whole["summary"]["users"], 40);
    let mut merge = Keytide::new(&["fleet", "report", "--format", "json", "results"]);
    for number in 1..=3 {
        let part = format!("{number}/3");
        let run = Keytide::new(&[
            "fleet",
            "audit",
            "--account",
            ACCOUNT,
            "--policies",
            "policies",
            "--part",
            &part,
        ])
        .arg("--json")
        .arg("result.json")
        .file("fleet.yml", FLEET)
        .file("policies/acme/app/keytide.yml", &text);
        let written = run.path("result.json");
        run.against(&emulator.url()).run().exits(1);
        merge = merge.file(&format!("results/{number}.json"), std::fs::read(written).unwrap());
    }
    let merged = merge.run().exits(1).json();
    assert_eq!(merged["summary"], whole["summary"]);
    assert_eq!(rules(repository(&merged, "acme/app")).len(), rules(repository(&whole, "acme/app")).len());
}

/// A pipe, to which nothing ever writes, in the place of any file: each command says so and ends.
#[test]
fn nothing_of_a_fleet_waits_for_a_pipe() {
    let pipe = |path: std::path::PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    for arguments in [
        &["collect", "--out", "out"][..],
        &["audit", "--account", ACCOUNT, "--policies", "policies"],
        &["report", "results", "--notify"],
    ] {
        let run = Keytide::new(&[&["fleet"], arguments].concat()).file("results/1.json", "{}");
        pipe(run.path("fleet.yml"));
        let run = run.file("policies/.keep", "").run().exits(2);
        let said = "fleet.yml cannot be read: it is not a regular file";
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    let emulator = small_account();
    let run = Keytide::new(&["fleet", "audit", "--account", ACCOUNT, "--policies", "policies"])
        .file("fleet.yml", FLEET)
        .file("policies/acme/app/keytide.yml", policy("  - name: app\n"));
    pipe(run.path("policies/acme/api/.github/keytide.yml"));
    let run = run.against(&emulator.url()).run().exits(3);
    let said = "policy file of acme/api: it is not a regular file";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    let run = Keytide::new(&["fleet", "report", "results"]);
    pipe(run.path("results/1.json"));
    let run = run.run().exits(3);
    assert!(run.stdout.contains("results/1.json: it is not a regular file"), "{}", run.stdout);
    let run = Keytide::new(&["fleet", "report", "pipe"]);
    pipe(run.path("pipe"));
    let run = run.run().exits(3);
    assert!(run.stdout.contains("pipe: it is not a regular file"), "{}", run.stdout);
}

/// What is not looked into may hold policy files: it is said, and the audit is not complete.
#[test]
fn a_folder_that_is_not_looked_into_is_unreadable() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    let emulator = small_account();
    let audit = |make: &dyn Fn(&std::path::Path)| {
        let result = folder().join("result.json");
        let run = Keytide::new(&["fleet", "audit", "--account", ACCOUNT, "--policies", "policies", "--json"])
            .arg(result.to_str().unwrap())
            .file("fleet.yml", FLEET)
            .file("policies/acme/app/keytide.yml", policy("  - name: app\n"))
            .file("other/keytide.yml", policy("  - name: gone\n"));
        make(&run.path(""));
        let run = run.against(&emulator.url()).run();
        let result: Value = serde_json::from_str(&std::fs::read_to_string(result).unwrap()).unwrap();
        (run, result)
    };
    let is_said = |name: &str, reason: &str, make: &dyn Fn(&std::path::Path)| {
        let (run, result) = audit(make);
        let run = run.exits(3);
        assert!(run.stdout.contains(&format!("policy file of {name}: {reason}")), "{name}: {}", run.stdout);
        assert_eq!(result["complete"], false, "{name}");
    };
    let link = "it is a link, or in a folder that is one";
    is_said("acme/api", link, &|root| symlink("../../other", root.join("policies/acme/api")).unwrap());
    is_said("acme/api", link, &|root| symlink("nowhere", root.join("policies/acme/api")).unwrap());
    is_said("umbrella", link, &|root| symlink("../other", root.join("policies/umbrella")).unwrap());
    is_said("acme/\u{fffd}", "its name is not UTF-8", &|root| {
        let name = std::ffi::OsStr::from_bytes(b"\xff");
        std::fs::create_dir(root.join("policies/acme").join(name)).unwrap();
    });
    is_said("acme/api", "it is a folder", &|root| {
        std::fs::create_dir_all(root.join("policies/acme/api/.github/keytide.yml")).unwrap();
    });
    is_said("acme/api", link, &|root| {
        std::fs::create_dir(root.join("policies/acme/api")).unwrap();
        symlink("../../../other", root.join("policies/acme/api/.github")).unwrap();
    });
    // A link to a file hides no folder.
    let (_, result) = audit(&|root| symlink("../fleet.yml", root.join("policies/fleet.yml")).unwrap());
    assert_eq!(result["complete"], true, "{result:#}");
}

/// A policy file in which each user meets thousands of globs. As one set of globs they took gigabytes.
#[test]
fn a_policy_file_with_thousands_of_globs_is_audited() {
    let users: Vec<Value> = (0..1_500).map(|number| user(&format!("svc-{number:04}"), 10)).collect();
    let emulator = Emulator::with(&json!({"account": ACCOUNT, "users": users}));
    let globs = |indent: &str| -> String {
        (0..9_000).map(|number| format!("{indent}\"*{number:04}*\"\n")).collect()
    };
    let lists = policy(&globs("  - match: "));
    let claims = policy("  - name: gone\n") + "claim:\n" + &globs("  - ");
    let run = audit(&emulator, &[], &[("acme/app", &lists), ("acme/api", &claims)]);
    let report = run.exits(1).json();
    assert_eq!(repository(&report, "acme/app")["summary"]["users"], 1_500);
    assert_eq!(rules(repository(&report, "acme/app")), [""; 0]);
    assert_eq!(
        repository(&report, "acme/api")["summary"]["warnings"],
        1_500,
        "each is claimed and not listed"
    );
}

/// A link out of the repository is not followed, and nothing of what it leads to is shown.
#[test]
fn the_file_of_a_fleet_is_no_link_out_of_the_repository() {
    let outside = folder().join("secret");
    std::fs::write(&outside, "password = hush").unwrap();
    let run = Keytide::new(&["fleet", "collect", "--out", "out"]);
    assert!(Command::new("git").args(["init", "--quiet"]).arg(run.path("")).status().unwrap().success());
    std::os::unix::fs::symlink(outside, run.path("fleet.yml")).unwrap();
    let run = run.run().exits(2);
    assert!(run.stderr.contains("link") && !run.stderr.contains("hush"), "{}", run.stderr);
}
