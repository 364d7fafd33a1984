//! What `audit` and `plan` say of stores that hold no key of the user, or that could not be read. The user is not due, and no
//! journal knows what the stores hold.

use serde_json::{Value, json};

use crate::support::Ran;
use crate::support::peers::OLD;
use crate::support::stores::{SECRET, Stored, destination, text};

const PARAMETER: &str = "/app/aws";
const POLICY: &str = ".github/keytide.yml";
/// Another user's.
const THEIRS: &str = concat!("AKIA", "QNZGKIQY56JQ7WML");

/// A secret and a parameter that both hold the user's only key.
fn in_two_stores() -> Stored {
    let stored =
        Stored::new(&[destination(), &format!("ssm_parameter: {{ json: {PARAMETER}, region: eu-west-1 }}")]);
    let (id, secret) = stored.first();
    stored.create(&text(&id, &secret));
    put_parameter(&stored, &id);
    stored
}

fn put_secret(stored: &Stored, id: &str, secret: &str) {
    stored.secrets("PutSecretValue", &json!({"SecretId": SECRET, "SecretString": text(id, secret)}));
}

fn put_parameter(stored: &Stored, id: &str) {
    let value = json!({"AccessKeyId": id, "SecretAccessKey": "x"}).to_string();
    stored.ssm(
        "PutParameter",
        &json!({"Name": PARAMETER, "Type": "SecureString", "Value": value, "Overwrite": true}),
    );
}

/// A command with a policy under which the key of 80 days is not due.
fn run(stored: &Stored, command: &str) -> Ran {
    let policy = String::from_utf8(stored.policy_text()).unwrap();
    let policy = policy.replace("users:\n", "limits: { max_age: 200d }\nusers:\n");
    let policy = policy.replace("grace: 7d", "start_at: 100d, grace: 7d");
    stored.keytide(&[command]).file(POLICY, policy).run()
}

/// The messages of the findings that a destination is not as it should be, of `audit` and of `plan`.
#[track_caller]
fn findings_of_both(stored: &Stored, exit: i32) -> Vec<String> {
    let [audit, plan] = ["audit", "plan"].map(|command| {
        let report = run(stored, command).exits(exit).json();
        let mut messages = Vec::new();
        for finding in report["findings"].as_array().unwrap() {
            if finding["rule"] == "stale-reference" {
                assert_eq!(finding["severity"], "error", "{finding:#}");
                messages.push(finding["message"].as_str().unwrap().to_owned());
            }
        }
        messages
    });
    assert_eq!(audit, plan);
    audit
}

const IN_SECRET: &str = "AWS Secrets Manager secret `prod/aws` in eu-west-1";
const IN_PARAMETER: &str = "AWS Systems Manager parameter `/app/aws` in eu-west-1";

#[test]
fn a_store_without_a_key_of_the_user_is_a_finding() {
    let stored = in_two_stores();
    let (id, secret) = stored.first();
    assert_eq!(findings_of_both(&stored, 0), [""; 0]);
    assert_eq!(run(&stored, "plan").json()["rotations"][0]["phase"], "healthy");
    // Which secret access key is right cannot be known without trying it.
    put_secret(&stored, &id, "another");
    assert_eq!(findings_of_both(&stored, 0), [""; 0]);

    let session = id.replace("AKIA", "ASIA");
    let with_line_break = format!("{id}\\n");
    for held in [THEIRS, "", &session, &with_line_break] {
        put_secret(&stored, held, "x");
        assert_eq!(
            findings_of_both(&stored, 1),
            [format!("{IN_SECRET} holds no access key of this user")],
            "{held}"
        );
    }
    put_parameter(&stored, THEIRS);
    assert_eq!(findings_of_both(&stored, 1).len(), 2);
    put_secret(&stored, &id, &secret);
    assert_eq!(findings_of_both(&stored, 1), [format!("{IN_PARAMETER} holds no access key of this user")]);
    put_parameter(&stored, &id);
    stored.secrets("DeleteSecret", &json!({"SecretId": SECRET, "ForceDeleteWithoutRecovery": true}));
    assert_eq!(findings_of_both(&stored, 1), [format!("{IN_SECRET} does not exist, or is empty")]);
}

/// Of several keys keytide rotates none, and says all the same that what reads a destination fails.
#[test]
fn a_store_with_an_inactive_key_of_two_is_a_finding() {
    let stored = in_two_stores();
    stored.iam("CreateAccessKey", &[("UserName", "ci-deployer")]);
    assert_eq!(findings_of_both(&stored, 1), [""; 0], "it holds one of the two");
    stored
        .iam("UpdateAccessKey", &[("UserName", "ci-deployer"), ("AccessKeyId", OLD), ("Status", "Inactive")]);
    let places = [IN_SECRET, IN_PARAMETER];
    let expected = places.map(|place| format!("{OLD}, which is inactive, is in {place}"));
    assert_eq!(findings_of_both(&stored, 1), expected);
    put_secret(&stored, THEIRS, "x");
    put_parameter(&stored, THEIRS);
    let expected = places.map(|place| format!("{place} holds no access key of this user"));
    assert_eq!(findings_of_both(&stored, 1), expected);
}

/// Before the first key is merged, a placeholder is what belongs there.
#[test]
fn a_placeholder_for_a_first_key_is_no_finding() {
    let stored = Stored::new(&[destination()]);
    stored.iam("DeleteAccessKey", &[("UserName", "ci-deployer"), ("AccessKeyId", OLD)]);
    stored.create(&text("CHANGE-ME", "CHANGE-ME"));
    assert_eq!(findings_of_both(&stored, 0), [""; 0]);
    let report = stored.keytide(&["rotate"]).run().exits(0).json();
    assert_eq!(report["rotations"][0]["phase"], "proposed", "{report:#}");
    assert_eq!(findings_of_both(&stored, 0), [""; 0]);
}

/// The exit code and the text of the faults, of `audit` and of `plan`, while a request has a fault.
fn with_fault(stored: &Stored, fault: &Value) -> [(i32, String); 2] {
    ["audit", "plan"].map(|command| {
        stored.aws.control("POST", "faults", &json!([fault]).to_string());
        let run = run(stored, command);
        stored.aws.control("DELETE", "faults", "");
        (run.exit, run.json().to_string())
    })
}

#[test]
fn a_store_that_does_not_answer_is_no_pass() {
    let stored = in_two_stores();
    let code = |action: &str, status: u16, code: &str| json!({"action": action, "status": status, "code": code, "times": 99});
    let spoil = |action: &str, how: &str| json!({"action": action, "spoil": how, "times": 99});
    for fault in [
        code("DescribeSecret", 500, "InternalServiceError"),
        code("DescribeSecret", 400, "ThrottlingException"),
        code("DescribeSecret", 400, "ExpiredTokenException"),
        spoil("DescribeSecret", "empty"),
        spoil("DescribeSecret", "page"),
        code("GetSecretValue", 400, "DecryptionFailure"),
        spoil("GetSecretValue", "empty"),
        code("GetParameter", 400, "InvalidKeyId"),
        spoil("GetParameter", "empty"),
    ] {
        for (exit, faults) in with_fault(&stored, &fault) {
            assert_eq!(exit, 3, "{fault}: {faults}");
            assert!(faults.contains("could not be read"), "{fault}: {faults}");
        }
    }
    // The role of an audit may read no store: the rule says that it could not look there.
    for action in ["DescribeSecret", "GetSecretValue", "GetParameter"] {
        let [(audit, _), (plan, _)] = with_fault(&stored, &code(action, 400, "AccessDeniedException"));
        assert_eq!((audit, plan), (0, 3), "{action}");
    }
}

/// GitHub shows no secret to the token of a workflow, which is no failure; a server that fails is one.
#[test]
fn a_secret_of_github_that_cannot_be_read_is_no_pass() {
    for (status, exit) in [(403, 0), (401, 3), (500, 3)] {
        let stored = Stored::new(&["github_secret: { repository: acme/app, json: KEY }"]);
        let fault =
            json!([{"match": "GET .*/actions/secrets/.*", "status": status, "times": 99, "message": "no"}]);
        stored.github.control("POST", "faults", &fault);
        let audit = run(&stored, "audit").exits(exit);
        assert!(audit.stdout.contains("could not be read"), "{status}: {}", audit.stdout);
    }
}
