//! Credential reports, as AWS writes them, from a file: nothing is reached.

use crate::support::Keytide;

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const ROOT: &str = "<root_account>,arn:aws:iam::123456789012:root,2012-01-01T00:00:00+00:00,not_supported,2026-01-05T10:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: alice\n  - match: \"svc-*\"\n    path: /services/\n";

/// The row of a user with one key in slot 1.
fn row(name: &str, path: &str, password: &str, active: &str, rotated: &str, used: &str) -> String {
    let region = if used.starts_with("20") { "eu-west-1,s3" } else { "N/A,N/A" };
    format!(
        "{name},arn:aws:iam::123456789012:user{path}{name},2026-01-01T00:00:00Z,{password},no_information,N/A,N/A,false,\
         {active},{rotated},{used},{region},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
    )
}

fn audit(policy: &str, rows: &[String], more: &[&str]) -> crate::support::Ran {
    let report = format!("{HEADER}\n{ROOT}\n{}", rows.join("\n"));
    let arguments =
        ["audit", "--credential-report", "report.csv", "--format", "json", "--now", "2026-04-01T00:00:00Z"];
    Keytide::new(&[&arguments, more].concat()).policy(policy).file("report.csv", report).run()
}

#[test]
fn the_worked_example_of_the_aws_security_blog() {
    let alice = "Alice,arn:aws:iam::123456789012:user/Alice,2013-01-01T00:00:00+00:00,false,N/A,N/A,N/A,false,\
                 true,2013-04-03T18:49:57+00:00,N/A,N/A,N/A,true,2013-09-06T17:09:10+00:00,N/A,N/A,N/A,false,N/A,false,N/A";
    let report = format!("{HEADER}\n{ROOT}\n{alice}");
    let run = Keytide::new(&[
        "audit",
        "--credential-report",
        "r.csv",
        "--format",
        "json",
        "--now",
        "2013-09-06T18:00:00Z",
    ])
    .policy("version: 1\nusers:\n  - name: Alice\n")
    .file("r.csv", report)
    .run()
    .exits(1);
    assert_eq!(
        run.findings(),
        [
            "active-key-count error Alice: 2 active access keys (access key 1, access key 2); the limit is 1",
            "key-age error Alice: access key 1 is at least 155 days old; the limit is 90 days",
        ]
    );
}

#[test]
fn a_report_is_read_as_aws_writes_it() {
    let rows = [
        row("alice", "/", "TRUE", "true", "2026-03-30T00:00:00+00:00", "N/A"),
        row("svc-b", "/services/deep/", "false", "true", "2025-01-01T00:00:00Z", "2026-03-31T12:00:00+00:00"),
        row("svc-a", "/services/", "FALSE", "false", "2025-01-01T00:00:00Z", "no_information"),
        row("svc-elsewhere", "/", "false", "true", "2020-01-01T00:00:00Z", "N/A"),
    ];
    let run = audit(POLICY, &rows, &[]).exits(1);
    assert_eq!(
        run.findings(),
        [
            "key-age error svc-b: access key 1 is at least 455 days old; the limit is 90 days",
            "console-user-key warning alice: this user has a console password and active access keys",
        ]
    );
    let json = run.json();
    let names: Vec<&str> =
        json["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "svc-a", "svc-b"], "the policy's order, then by name");
    let key = &json["users"][2]["keys"][0];
    assert_eq!((&key["id"], &key["slot"]), (&serde_json::Value::Null, &1.into()));
    assert_eq!(key["last_used_region"], "eu-west-1");
    assert_eq!(key["sources"]["key"]["source"], "report");
    assert_eq!(key["sources"]["key"]["as_of"], "2026-03-31T12:00:00Z", "the latest date in the report");
    assert_eq!(json["users"][1]["keys"][0]["last_used_known"], false, "no_information is no answer");
    let skipped: Vec<&str> =
        json["not_checked"].as_array().unwrap().iter().map(|s| s["rule"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["key-age", "owner-mismatch", "quarantined-user"]);
}

#[test]
fn columns_are_found_by_name_and_later_ones_passed_over() {
    let header = format!("new_column,{HEADER},additional_credentials_info");
    let alice = format!("x,{},2 more", row("alice", "/", "false", "true", "2025-01-01T00:00:00Z", "N/A"));
    let run = Keytide::new(&[
        "audit",
        "--credential-report",
        "r.csv",
        "--format",
        "json",
        "--now",
        "2026-04-01T00:00:00Z",
    ])
    .policy("version: 1\nusers: [{ name: alice }]\n")
    .file("r.csv", format!("{header}\nx,{ROOT},N/A\n{alice}\n"))
    .run()
    .exits(3);
    let faults = run.json()["faults"].to_string();
    assert!(faults.contains("more keys than the credential report shows"), "{faults}");
}

#[test]
fn the_root_user_with_a_key_is_a_finding() {
    let root = ROOT.replacen("true,false,N/A", "true,true,2020-01-01T00:00:00+00:00", 1);
    let alice = row("alice", "/", "false", "true", "2026-03-30T00:00:00Z", "N/A");
    let run = Keytide::new(&[
        "audit",
        "--credential-report",
        "r.csv",
        "--format",
        "json",
        "--now",
        "2026-04-01T00:00:00Z",
    ])
    .policy("version: 1\nusers: [{ name: alice }]\n")
    .file("r.csv", format!("{HEADER}\n{root}\n{alice}"))
    .run()
    .exits(1);
    assert_eq!(
        run.findings(),
        ["root-key error -: the root user of account 123456789012 has an active access key"]
    );
}

/// What is whole is judged, what is not is a fault, and the audit is no pass.
#[test]
fn a_report_cut_in_half_is_incomplete() {
    let cut = row("svc-a", "/services/", "false", "true", "2025-01-01T00:00:00Z", "N/A");
    let rows = [row("alice", "/", "false", "true", "2025-01-01T00:00:00Z", "N/A"), cut[..90].to_owned()];
    let run = audit(POLICY, &rows, &[]).exits(3);
    assert!(
        run.findings().iter().any(|finding| finding.starts_with("key-age error alice")),
        "{:?}",
        run.findings()
    );
    let json = run.json();
    assert_eq!((&json["complete"], &json["result"]), (&false.into(), &"incomplete".into()));
    assert!(
        json["faults"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("line 4 of the report has only 5 of 22 columns"),
        "{json}"
    );
}

#[test]
fn a_line_that_makes_no_sense_is_a_fault_of_its_user() {
    for (broken, message) in [
        (
            row("alice", "/", "false", "maybe", "2025-01-01T00:00:00Z", "N/A"),
            "`maybe` is neither true nor false",
        ),
        (row("alice", "/", "false", "true", "yesterday", "N/A"), "`yesterday` is not a date"),
        (row("alice", "/", "false", "true", "N/A", "N/A"), "access key 1 has no date of its last rotation"),
        (row("alice", "/", "false", "false", "N/A", "2026-03-31T00:00:00Z"), "access key 1 has no date"),
        (row("alice", "/", "false", "N/A", "2019-01-01T00:00:00Z", "N/A"), "neither active nor inactive"),
        (row("alice", "/", "false", "", "N/A", "2026-03-31T00:00:00Z"), "neither active nor inactive"),
        (
            row("alice", "/", "false", "true", "2026-03-30T00:00:00Z", "N/A")
                .replace("123456789012", "999999999999"),
            "about another account, 999999999999",
        ),
    ] {
        let run = audit(POLICY, &[broken], &[]).exits(3);
        let fault = &run.json()["faults"][0];
        assert_eq!(fault["user"], "alice");
        assert!(fault["message"].as_str().unwrap().contains(message), "{fault}");
        assert!(
            !run.findings().iter().any(|finding| finding.contains("missing-user")),
            "unread is not missing"
        );
    }
}

#[test]
fn what_is_no_report_is_refused() {
    for (bytes, message) in [
        (&b"<html>Sign in</html>"[..], "not an IAM credential report: the column `user` is missing"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "report.csv:1:1"),
        (b"", "not an IAM credential report"),
        (HEADER.as_bytes(), "the credential report has no row of a user"),
    ] {
        let run = Keytide::new(&["audit", "--credential-report", "report.csv"])
            .policy(POLICY)
            .file("report.csv", bytes)
            .run()
            .exits(2);
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
    let run = Keytide::new(&["audit", "--credential-report", "gone.csv"]).policy(POLICY).run().exits(2);
    assert!(
        run.stderr.contains("gone.csv:1:1: this credential report cannot be read: it does not exist"),
        "{}",
        run.stderr
    );
}

/// A report whose only row cannot be read is incomplete, as one with some such rows is.
#[test]
fn a_report_of_impossible_dates_is_incomplete() {
    for date in ["2026-02-30T00:00:00Z", "99999-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "tomorrow"] {
        let report = format!("{HEADER}\n{}", row("alice", "/", "false", "true", date, "N/A"));
        let run =
            Keytide::new(&["audit", "--credential-report", "r.csv"]).policy(POLICY).file("r.csv", report);
        let run = run.run().exits(3);
        let words = format!(
            "no user of the credential report can be read: line 2 of the report: `{date}` is not a date"
        );
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
}

#[test]
fn another_account_is_refused() {
    let rows = [row("alice", "/", "false", "true", "2025-01-01T00:00:00Z", "N/A")];
    let run = audit(&POLICY.replace("123456789012", "999999999999"), &rows, &[]).exits(2);
    assert!(
        run.stderr.contains("this is account 123456789012, and the policy is for account 999999999999"),
        "{}",
        run.stderr
    );
    assert_eq!(run.json()["result"], "invalid");
}

/// A date that is still to come says nothing about the age of the report.
#[test]
fn the_next_change_of_a_password_is_no_date_of_the_report() {
    let alice = row("alice", "/", "true", "true", "2026-03-30T00:00:00Z", "N/A");
    let alice = alice.replacen("no_information,N/A,N/A,", "no_information,N/A,2026-06-30T00:00:00Z,", 1);
    assert!(alice.contains("2026-06-30"));
    let run = audit(POLICY, &[alice], &[]).exits(0);
    assert_eq!(run.json()["users"][0]["sources"]["keys"]["as_of"], "2026-03-30T00:00:00Z", "{}", run.stdout);
}

/// A glob that finds no one is no finding, and is reported.
#[test]
fn a_glob_that_matches_no_one_is_reported() {
    let rows = [row("alice", "/", "false", "true", "2026-03-30T00:00:00Z", "N/A")];
    let run = audit(POLICY, &rows, &[]).exits(0);
    assert!(
        run.json()["remarks"].to_string().contains("`svc-*` matches no user of the account"),
        "{}",
        run.stdout
    );
}

/// A clock that is behind makes every age a guess.
#[test]
fn a_key_from_the_future_is_a_fault() {
    let rows = [row("alice", "/", "false", "true", "2026-04-01T00:05:01Z", "N/A")];
    let run = audit(POLICY, &rows, &[]).exits(3);
    assert!(
        run.json()["faults"][0]["message"].as_str().unwrap().contains("after the time of this run"),
        "{}",
        run.stdout
    );
    let rows = [row("alice", "/", "false", "true", "2026-04-01T00:05:00Z", "N/A")];
    audit(POLICY, &rows, &[]).exits(0);
}

#[test]
fn fail_on_decides_the_exit_code_and_nothing_else() {
    let old = [row("alice", "/", "false", "true", "2025-01-01T00:00:00Z", "2026-03-31T00:00:00Z")];
    let aging = [row("alice", "/", "false", "true", "2026-01-10T00:00:00Z", "2026-03-31T00:00:00Z")];
    audit(POLICY, &old, &["--fail-on", "never"]).exits(0);
    audit(POLICY, &aging, &[]).exits(0);
    let run = audit(POLICY, &aging, &["--fail-on", "warning"]).exits(1);
    assert_eq!(run.json()["summary"]["warnings"], 1);
}

/// The report is there, and lacks one line: another source is no help.
#[test]
fn a_report_without_the_root_user_says_so() {
    let alice = row("alice", "/", "false", "true", "2026-03-30T00:00:00+00:00", "N/A");
    let arguments = ["audit", "--credential-report", "report.csv", "--now", "2026-04-01T00:00:00Z"];
    let run = Keytide::new(&arguments).policy(POLICY).file("report.csv", format!("{HEADER}\n{alice}")).run();
    let shown = run.stdout + &run.stderr;
    assert!(shown.contains("no readable line of the root user (`<root_account>`)"), "{shown}");
    assert!(!shown.contains("--source report"), "{shown}");
}
