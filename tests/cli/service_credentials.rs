//! Service-specific credentials: whose are read, what is found, and that what could not be read is never "none".

use std::process::Command;

use serde_json::{Value, json};

use crate::support::emulator::Emulator;
use crate::support::tools::python;
use crate::support::{Keytide, Ran, root};

const ACCOUNT: &str = "123456789012";
pub const LIST: &str = "ListServiceSpecificCredentials";
pub const OPERATION: &str = "iam:ListServiceSpecificCredentials";
pub const ID: &str = "ACCA0GITGITGITGITGIT";
const OLD: &str = "service-credential-age error ci: service-specific credential ACCA0GITGITGITGITGIT for codecommit.amazonaws.com is 100 days old; the limit is 90 days";

/// Days before now, as a date.
fn ago(days: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days)).to_string()
}

fn git_password(id: &str, days: i64) -> Value {
    json!({"id": id, "service": "codecommit.amazonaws.com", "created_at": ago(days)})
}

fn key() -> Value {
    json!([{"created_at": ago(10), "last_used": {"at": ago(1), "service": "s3", "region": "eu-west-1"}}])
}

/// A user with a Git password of 100 days, and two others.
pub fn account() -> Emulator {
    Emulator::with(&json!({"account": ACCOUNT, "users": [
        {"name": "ci", "keys": key(), "service_credentials": [git_password(ID, 100)]},
        {"name": "bot", "keys": key(), "service_credentials": [git_password("ACCA0BOTBOTBOTBOTBOT", 1000)]},
        {"name": "bare"}]}))
}

pub fn audit(emulator: &Emulator, policy: &str, more: &[&str]) -> Ran {
    let arguments = [&["audit", "--format", "json"], more].concat();
    Keytide::new(&arguments).policy(policy).against(&emulator.url()).run()
}

/// How often the list was asked for.
fn lists(emulator: &Emulator) -> u64 {
    emulator.requests()["actions"].get(LIST).and_then(Value::as_u64).unwrap_or(0)
}

/// One request for the user with the limit, none for the others; the report says whom it did not look at.
#[test]
fn only_users_with_a_limit_are_asked_about() {
    let emulator = account();
    let policy = "version: 1\nusers:\n  - { name: ci, limits: { max_service_credential_age: 90d } }\n  - name: bot\n  - name: bare\n";
    emulator.forget_requests();
    let run = audit(&emulator, policy, &[]).exits(1);
    assert_eq!(run.findings(), [OLD]);
    assert_eq!(lists(&emulator), 1, "{}", emulator.requests());
    let json = run.json();
    let found = &json["users"][0]["service_credentials"][0];
    assert_eq!(
        (found["id"].as_str(), found["service"].as_str(), found["status"].as_str()),
        (Some(ID), Some("codecommit.amazonaws.com"), Some("active"))
    );
    assert_eq!((&found["age_days"], &found["expires_at"]), (&json!(100), &Value::Null));
    assert_eq!(json["users"][0]["sources"]["service_credentials"]["source"], "iam");
    for other in [1, 2] {
        assert_eq!(json["users"][other]["service_credentials"], Value::Null);
        assert_eq!(json["users"][other]["sources"]["service_credentials"], Value::Null);
    }
    assert_eq!(
        json["remarks"],
        json!([
            "service-specific credentials were not looked at for 2 of 3 users, whose entries set no limit for them"
        ])
    );
    assert_eq!(json["summary"]["keys"], 2, "they are no access keys");
}

/// A policy file without the limits is not about such credentials: no request, and not a word.
#[test]
fn without_a_limit_nothing_is_asked_and_nothing_is_said() {
    let emulator = account();
    emulator.forget_requests();
    for format in ["json", "text", "markdown", "html", "github"] {
        let run = Keytide::new(&["audit", "--format", format])
            .policy("version: 1\nusers: [{ name: ci }, { name: bot }]\n")
            .against(&emulator.url())
            .run()
            .exits(0);
        let text = run.stdout + &run.stderr;
        assert!(!text.contains("service-specific") && !text.contains("service-credential"), "{text}");
    }
    assert_eq!(lists(&emulator), 0);
}

/// Both limits together cost one request. Zero allows none, and an exemption accepts one rule of one user.
#[test]
fn age_and_count_are_one_request() {
    let emulator = Emulator::with(&json!({"account": ACCOUNT, "users": [
        {"name": "ci", "service_credentials": [
            git_password(ID, 80),
            {"id": "ACCA0BEDROCKBEDROCKB", "service": "bedrock.amazonaws.com", "created_at": ago(81), "expires_at": ago(-8)},
            {"id": "ACCA0ENDEDENDEDENDED", "service": "bedrock.amazonaws.com", "created_at": ago(400), "expires_at": ago(1)},
            {"id": "ACCA0INACTIVEINACTIV", "service": "cassandra.amazonaws.com", "created_at": ago(400), "status": "Inactive"}]}]}));
    let policy = "version: 1\nlimits: { max_service_credential_age: 90d, max_active_service_credentials: 1 }\nusers: [{ name: ci }]\n";
    emulator.forget_requests();
    let run = audit(&emulator, policy, &[]).exits(1);
    let found = run.findings();
    assert_eq!(
        found[0],
        "service-credential-count error ci: 2 active service-specific credentials; the limit is 1: ACCA0BEDROCKBEDROCKB (bedrock.amazonaws.com), ACCA0GITGITGITGITGIT (codecommit.amazonaws.com)"
    );
    let warning = "service-credential-age warning ci: service-specific credential ACCA0GITGITGITGITGIT for codecommit.amazonaws.com is 80 days old; it reaches the 90-day limit in ";
    assert!(
        found.len() == 2 && found[1].starts_with(warning),
        "an API key that ends in time is no warning: {found:?}"
    );
    assert_eq!(lists(&emulator), 1);
    assert_eq!(run.json()["remarks"], json!([]), "all users were looked at");
    let exempted = format!(
        "{policy}exemptions: [{{ user: ci, rules: [service-credential-count], until: 2999-01-01, reason: moving }}]\n"
    );
    let run = audit(&emulator, &exempted, &[]).exits(0);
    assert_eq!(
        (&run.json()["summary"]["exempted"], &run.json()["summary"]["errors"]),
        (&json!(1), &json!(0))
    );
    let idle = format!(
        "{}exemptions: [{{ user: ci, rules: [service-credential-age], until: 2999-01-01, reason: moving }}]\n",
        policy.replace("90d", "500d")
    );
    let run = audit(&emulator, &idle, &[]).exits(1);
    assert!(run.findings().iter().any(|found| found.starts_with("idle-exemption")), "{:?}", run.findings());
}

/// With the credential report a user without access keys costs one request, and only with a limit: it may have an API key
/// all the same.
#[test]
fn users_without_access_keys_are_looked_at() {
    let user = |number: usize| json!({"name": format!("svc-{number:02}"), "service_credentials": [git_password(&format!("ACCA00000000000000{number:02}"), 100)]});
    let mut users: Vec<Value> = (0..20).map(user).collect();
    users.push(json!({"name": "ci", "keys": key(), "service_credentials": [git_password(ID, 100)]}));
    let emulator = Emulator::with(&json!({"account": ACCOUNT, "users": users}));
    let policy = "version: 1\nusers:\n  - { name: ci, limits: { max_service_credential_age: 90d } }\n  - { match: \"svc-0*\", limits: { max_service_credential_age: 90d } }\n  - match: \"svc-*\"\n";
    for source in ["auto", "iam"] {
        emulator.forget_requests();
        let run = audit(&emulator, policy, &["--source", source]).exits(1);
        assert_eq!(run.findings().len(), 11, "{source}: {:?}", run.findings());
        assert_eq!(run.findings()[0], OLD, "{source}");
        assert_eq!(lists(&emulator), 11, "{source}");
        let users = run.json()["users"].as_array().unwrap().len();
        assert_eq!(users, 21, "{source}");
        let expected = if source == "auto" { 1 } else { 21 };
        assert_eq!(emulator.requests()["actions"]["ListAccessKeys"], expected, "{source}");
    }
}

/// The report alone does not contain them: the rules say that they could not look, and an exemption is not idle.
#[test]
fn the_credential_report_does_not_hold_them() {
    let emulator = account();
    let policy = "version: 1\nlimits: { max_service_credential_age: 90d, max_active_service_credentials: 1 }\nusers: [{ name: ci }, { name: bot }]\n\
                  exemptions: [{ user: bot, rules: [service-credential-age], until: 2999-01-01, reason: moving }]\n";
    emulator.forget_requests();
    let run = audit(&emulator, policy, &["--source", "report"]).exits(0);
    assert_eq!(lists(&emulator), 0);
    let skipped = run.json()["not_checked"].to_string();
    for rule in ["service-credential-age", "service-credential-count"] {
        assert_eq!(skipped.matches(&format!("\"rule\":\"{rule}\"")).count(), 1, "{skipped}");
    }
    assert!(
        skipped.contains("the credential report does not hold service-specific credentials"),
        "{skipped}"
    );
    assert_eq!(run.json()["users"][0]["service_credentials"], Value::Null);
    assert!(!run.findings().iter().any(|found| found.starts_with("idle-exemption")));
}

/// A hundred are a page.
#[test]
fn every_page_is_read() {
    let many: Vec<Value> =
        (0..150).map(|number| git_password(&format!("ACCA0000000000000{number:03}"), 100)).collect();
    let emulator =
        Emulator::with(&json!({"account": ACCOUNT, "users": [{"name": "ci", "service_credentials": many}]}));
    let policy = "version: 1\nusers: [{ name: ci, limits: { max_service_credential_age: 90d } }]\n";
    emulator.forget_requests();
    let run = audit(&emulator, policy, &[]).exits(1);
    assert_eq!(run.findings().len(), 150);
    assert_eq!(lists(&emulator), 2);
}

/// In every format the finding is there, and the ID is masked where IDs are.
#[test]
fn every_format_shows_the_finding() {
    let emulator = account();
    let policy = "version: 1\nusers: [{ name: ci, limits: { max_service_credential_age: 90d, max_active_service_credentials: 0 } }]\n";
    for format in ["text", "json", "sarif", "github", "markdown", "html"] {
        for (key_ids, shown, hidden) in [("full", ID, "ACCA…TGIT"), ("masked", "ACCA…TGIT", ID)] {
            let run = Keytide::new(&["audit", "--format", format, "--key-ids", key_ids])
                .policy(policy)
                .against(&emulator.url())
                .run()
                .exits(1);
            let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            for rule in ["service-credential-age", "service-credential-count"] {
                assert!(text.contains(rule), "{format}: {text}");
            }
            assert!(text.contains(shown) && !text.contains(hidden), "{format} {key_ids}: {text}");
            assert!(
                !text.contains("ci-at-123456789012"),
                "{format}: the generated user name tells the account"
            );
        }
    }
    // The bar of the access key stays as it is: the finding is about another credential
    let page =
        Keytide::new(&["audit", "--format", "html"]).policy(policy).against(&emulator.url()).run().stdout;
    let bars = page.split("Active keys by age").nth(1).unwrap();
    let bars = bars.split("</ol>").next().unwrap();
    assert!(bars.contains("bar-fine") && !bars.contains("bar-failed"), "{bars}");
}

/// The alert stays the same while the credential grows older, and each credential has one of its own.
#[test]
fn each_credential_has_a_fingerprint_of_its_own() {
    let emulator =
        Emulator::with(&json!({"account": ACCOUNT, "users": [{"name": "ci", "service_credentials": [
        git_password(ID, 100), git_password("ACCA0BOTBOTBOTBOTBOT", 200)]}]}));
    let prints = |days: i64, flags: &[&str]| -> Vec<String> {
        let now = ago(-days);
        let arguments = [&["audit", "--format", "sarif", "--now", &now, "--source", "iam"], flags].concat();
        let run = Keytide::new(&arguments)
            .policy("version: 1\nusers: [{ name: ci, limits: { max_service_credential_age: 90d } }]\n")
            .against(&emulator.url())
            .run()
            .exits(1);
        let results = run.json()["runs"][0]["results"].as_array().unwrap().clone();
        let print =
            |one: &Value| one["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().to_owned();
        results.iter().map(print).collect()
    };
    let now = prints(0, &[]);
    assert_eq!(now.len(), 2);
    assert_ne!(now[0], now[1]);
    assert_eq!(prints(30, &["--key-ids", "masked"]), now);
}

/// A fleet asks about each user once, for all policy files, and each policy file has the findings of its own limit.
#[test]
fn a_fleet_asks_once_for_all_policy_files() {
    let emulator = account();
    let fleet = |flags: &[&str]| {
        let arguments = ["fleet", "audit", "--account", ACCOUNT, "--policies", "p", "--format", "json"];
        let policy = |users: &str| format!("version: 1\naccount: \"{ACCOUNT}\"\nusers:\n{users}");
        Keytide::new(&[&arguments, flags].concat())
            .file("fleet.yml", format!("version: 1\norganizations: [acme]\naccounts: [{{ id: \"{ACCOUNT}\" }}]\n"))
            .file(
                "p/acme/app/.github/keytide.yml",
                policy("  - { name: ci, limits: { max_service_credential_age: 90d } }\n  - name: bot\n"),
            )
            .file(
                "p/acme/bare/.github/keytide.yml",
                policy("  - { name: bare, limits: { max_active_service_credentials: 0 } }\n  - { name: ci, limits: { max_active_service_credentials: 1 } }\n"),
            )
            .file("p/acme/plain/.github/keytide.yml", policy("  - name: ci\n"))
            .against(&emulator.url())
            .run()
    };
    emulator.forget_requests();
    let run = fleet(&[]).exits(1);
    assert_eq!(lists(&emulator), 2, "ci, and bare, which has no access key: {}", emulator.requests());
    let repository = |report: &Value, name: &str| {
        let lines = report["repositories"].as_array().unwrap();
        lines.iter().find(|line| line["repository"] == name).unwrap().clone()
    };
    let app = repository(&run.json(), "acme/app");
    assert_eq!(app["findings"].as_array().unwrap().len(), 1, "{app:#}");
    assert_eq!(app["findings"][0]["rule"], "service-credential-age");
    assert!(app.to_string().contains("not looked at for 1 of 2 users"), "{app:#}");
    assert_eq!(repository(&run.json(), "acme/bare")["result"], "pass");
    let plain = repository(&run.json(), "acme/plain").to_string();
    assert!(!plain.contains("service-"), "{plain}");

    let refused = json!([{"action": LIST, "status": 403, "code": "AccessDenied", "times": 99}]);
    emulator.control("POST", "faults", &refused.to_string());
    let report = fleet(&[]).exits(3).json();
    for name in ["acme/app", "acme/bare"] {
        let line = repository(&report, name);
        assert_eq!((&line["result"], &line["findings"]), (&json!("incomplete"), &json!([])), "{line:#}");
        assert!(line["faults"].to_string().contains(OPERATION), "{line:#}");
    }
    assert_eq!(repository(&report, "acme/plain")["result"], "pass", "it did not ask: {report:#}");
}

/// The permission is granted for exactly the users with a limit, and only if there are any.
#[test]
fn the_policy_of_an_audit_grants_what_is_asked() {
    let print = |users: &str| {
        let policy = format!("version: 1\naccount: \"{ACCOUNT}\"\nusers:\n{users}");
        Keytide::new(&["iam-policy", "--for", "audit"]).policy(&policy).run().exits(0).json()
    };
    let without = print("  - name: ci\n  - match: \"svc-*\"\n");
    assert!(!without.to_string().contains(LIST), "{without:#}");
    let with = print(
        "  - { name: ci, limits: { max_service_credential_age: 90d } }\n  - name: bot\n  - { match: \"svc-*\", path: /services/, limits: { max_active_service_credentials: 0 } }\n",
    );
    let statements = with["Statement"].as_array().unwrap();
    let granting: Vec<&Value> =
        statements.iter().filter(|one| one["Action"].to_string().contains(LIST)).collect();
    assert_eq!(granting.len(), 1, "{with:#}");
    assert_eq!(
        granting[0]["Resource"],
        json!([
            "arn:aws:iam::123456789012:user/ci",
            "arn:aws:iam::123456789012:user/*/ci",
            "arn:aws:iam::123456789012:user/services/svc-*",
            "arn:aws:iam::123456789012:user/services/*/svc-*",
        ])
    );
    let template = Keytide::new(&["iam-policy", "--for", "fleet", "--format", "cloudformation"])
        .arg("--repository")
        .arg("acme/app")
        .env("GITHUB_REPOSITORY_ID", "42")
        .env("GITHUB_REPOSITORY_OWNER_ID", "7")
        .run()
        .exits(0)
        .stdout;
    assert!(template.contains(OPERATION), "any policy file of a fleet may limit them: {template}");
}

/// An auditor with the printed policy reads everything; with that of another policy file it is refused, and `doctor` says
/// so beforehand.
#[test]
fn the_printed_policy_is_enough_and_needed() {
    let limited = format!(
        "version: 1\naccount: \"{ACCOUNT}\"\nusers: [{{ name: ci, limits: {{ max_service_credential_age: 9000d }} }}]\n"
    );
    let plain = format!("version: 1\naccount: \"{ACCOUNT}\"\nusers: [{{ name: ci }}]\n");
    for (granted, exit) in [(&limited, 0), (&plain, 3)] {
        let document = Keytide::new(&["iam-policy", "--for", "audit"]).policy(granted).run().exits(0).stdout;
        let emulator = Emulator::with_auth(&json!({"account": ACCOUNT, "users": [
            {"name": "ci", "keys": key(), "service_credentials": [git_password(ID, 100)]}, {"name": "auditor"}]}));
        let fields =
            [("UserName", "auditor"), ("PolicyName", "audit"), ("PolicyDocument", document.as_str())];
        emulator.iam("PutUserPolicy", &fields);
        emulator.iam("CreateAccessKey", &[("UserName", "auditor")]);
        let keys: Value = serde_json::from_str(&emulator.control("GET", "keys", "")).unwrap();
        let key = |field: &str| keys["auditor"][0][field].as_str().unwrap().to_owned();
        let as_auditor = |arguments: &[&str]| {
            Keytide::new(arguments)
                .policy(&limited)
                .arg("--endpoint-url")
                .arg(&emulator.url())
                .env("AWS_ACCESS_KEY_ID", &key("id"))
                .env("AWS_SECRET_ACCESS_KEY", &key("secret"))
                .run()
        };
        let run = as_auditor(&["audit", "--format", "json"]).exits(exit);
        let faults = run.json()["faults"].clone();
        assert_eq!(faults.to_string().contains(OPERATION), exit == 3, "{faults}");
        let checks = as_auditor(&["doctor", "--format", "json"]).json()["checks"].clone();
        let check =
            checks.as_array().unwrap().iter().find(|check| check["name"] == "iam-permissions").unwrap();
        let expected = if exit == 0 { "ok" } else { "fail" };
        assert_eq!(check["status"], expected, "{check}");
        assert_eq!(check["seen"].as_str().unwrap().contains(OPERATION), exit == 3, "{check}");
    }
}

/// What the emulator answers is what botocore's model of IAM says, read by botocore's own parser.
#[test]
fn the_emulator_answers_as_the_model_says() {
    let emulator = Emulator::with(
        &json!({"account": ACCOUNT, "users": [{"name": "bare"}, {"name": "ci", "service_credentials": [
        {"id": ID, "service": "codecommit.amazonaws.com", "created_at": "2026-01-01T00:00:00Z", "status": "Inactive"},
        {"id": "ACCA0BEDROCKBEDROCKB", "service": "bedrock.amazonaws.com", "created_at": "2026-01-01T00:00:00Z",
         "status": "Expired", "expires_at": "2026-02-01T00:00:00Z"},
        {"id": "ACCA0CASSANDRACASSAN", "service": "cassandra.amazonaws.com", "created_at": "2026-01-01T00:00:00Z"}]}]}),
    );
    let read = |user: &str| -> Value {
        let mut command: Command = python();
        let script = root().join("tests/emulators/aws/service_credentials_contract.py");
        let output = command.arg(script).args([&emulator.url(), user, "2"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(read("bare"), json!([[]]));
    let pages = read("ci");
    assert_eq!((pages[0].as_array().unwrap().len(), pages[1].as_array().unwrap().len()), (2, 1), "{pages:#}");
    assert_eq!(pages[0][1]["ExpirationDate"], "2026-02-01 00:00:00+00:00");
    assert_eq!(pages[0][0]["Status"], "Inactive");
    assert_eq!(pages[1][0]["ServiceName"], "cassandra.amazonaws.com");
}
