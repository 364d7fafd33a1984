//! A credential in AWS Secrets Manager: the program against moto, with an application that reads AWSCURRENT.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::stores::{OTHERS, SECRET, Stored, destination, text};

const LABEL: &str = "deploy/label.txt";

fn in_secret(stored: &Stored) -> (String, String) {
    stored.in_secret()
}

/// The key is pending while the pull request is open, current after the merge, and then the old one goes; keytide may do
/// exactly what `iam-policy` prints. Beside it a file names the key in clear text.
#[test]
fn a_secret_lives_a_whole_life() {
    let mut stored = Stored::with_secret();
    let (old, old_secret) = stored.first();
    let policy = format!("{}\n      - reference: {{ files: [{LABEL}] }}", destination());
    let policies = ["rotate", "delete"].map(|purpose| stored.permissions(purpose, &[]).stdout);
    stored.limit(&policies.each_ref().map(String::as_str));
    stored.set_policy(&[&policy]);
    stored.github.push(&[(LABEL, old.as_bytes())]);
    let (first, before) = stored.version("AWSCURRENT");
    let mut texts = String::new();

    let run = stored.keytide(&["rotate", "-v"]).run().exits(0);
    texts += &(run.stdout.clone() + &run.stderr);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    assert_eq!(stored.version("AWSCURRENT"), (first.clone(), before.clone()), "nobody reads the new key yet");
    let (pending, _) = stored.version("AWSPENDING");
    assert_ne!(pending, first);

    stored.merge();
    stored.pass(1);
    let run = stored.rotate(&in_secret);
    texts += &(run.stdout + &run.stderr);
    let (new, new_secret) = stored.in_secret();
    assert_ne!(new, old);
    assert_eq!(stored.bearer("AWSCURRENT"), Some(pending));
    assert_eq!(stored.bearer("AWSPREVIOUS"), Some(first));
    assert_eq!(stored.version("AWSCURRENT").1, text(&new, &new_secret), "every other byte is as it was");
    assert_eq!(before, text(&old, &old_secret));
    let label = stored.github.state()["files"][LABEL].as_str().unwrap().to_owned();
    assert_eq!(STANDARD.decode(label).unwrap(), new.as_bytes());

    stored.until("soaking", &in_secret);
    assert_eq!(stored.keys()[&old].1, "Inactive");
    stored.until("healthy", &in_secret);
    assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [new]);

    let state = stored.github.state();
    for object in state["objects"].as_array().unwrap() {
        texts += &String::from_utf8_lossy(&STANDARD.decode(object.as_str().unwrap()).unwrap());
    }
    texts += &stored.github.control("GET", "log", &Value::Null).to_string();
    for secret in [OTHERS, &old_secret, &new_secret] {
        assert!(!texts.contains(secret) && !texts.contains(&STANDARD.encode(secret)), "{secret} was texts");
    }
    let requests: Value = serde_json::from_str(&stored.aws.control("GET", "log", "")).unwrap();
    let of = |request: &Value| format!("{}{}", request["headers"], request["body"]);
    let texts = requests.as_array().unwrap().iter().filter(|request| of(request).contains(&new_secret));
    let actions: BTreeSet<&str> = texts.map(|request| request["action"].as_str().unwrap()).collect();
    assert_eq!(actions, BTreeSet::from(["PutSecretValue"]), "AWS itself was sent it where it must be");
}

/// Each command's role gets what it does with the secret, and with no other.
#[test]
fn the_permissions_are_for_exactly_the_secrets_of_the_policy() {
    let stored = Stored::new(&[destination()]);
    let statement = |purpose: &str| {
        let run = stored.permissions(purpose, &[]);
        let own_key = run.stderr.contains("a secret that is encrypted with a KMS key of your own");
        assert_eq!(own_key, purpose != "audit", "{}", run.stderr);
        run.json()["Statement"].as_array().unwrap().last().unwrap().clone()
    };
    let arn = json!(["arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/aws-??????"]);
    let actions = |statement: &Value| -> Vec<String> {
        assert_eq!(statement["Resource"], arn);
        let actions = statement["Action"].as_array().unwrap().iter();
        actions.map(|one| one.as_str().unwrap().replace("secretsmanager:", "")).collect()
    };
    assert_eq!(actions(&statement("audit")), ["DescribeSecret"]);
    assert_eq!(actions(&statement("delete")), ["DescribeSecret", "GetSecretValue"]);
    let writes = ["DescribeSecret", "GetSecretValue", "ListSecretVersionIds", "PutSecretValue"];
    assert_eq!(actions(&statement("rotate")), [&writes[..], &["UpdateSecretVersionStage"]].concat());
    let whole = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/aws-AbCdEf";
    stored.set_policy(&[&destination().replace("prod/aws", &format!("\"{whole}\""))]);
    assert_eq!(statement("rotate")["Resource"], json!([whole]));
}

/// Other people write other fields: before the promotion, after it, and before it goes back. None of it is lost.
#[test]
fn what_others_write_is_kept() {
    let mut stored = Stored::with_secret();
    let (old, old_secret) = stored.first();
    let of_others = |stored: &Stored| {
        let text = stored.version("AWSCURRENT").1;
        (text.matches("\"b\": 1").count(), text.matches("\"c\": 2").count())
    };
    stored.until("proposed", &in_secret);
    let pending = stored.bearer("AWSPENDING");
    stored.write(|text| text.replace("\"a\": [ ]", "\"b\": 1"));
    assert_eq!(stored.in_secret().0, old);
    stored.merge();
    stored.pass(1);
    stored.rotate(&in_secret);
    let (new, new_secret) = stored.in_secret();
    assert_ne!(new, old);
    assert_eq!(of_others(&stored), (1, 0));
    assert_ne!(stored.bearer("AWSCURRENT"), pending, "the version that was staged lacks it");
    stored.until("grace", &in_secret);

    stored.write(|text| text.replace(" }", ", \"c\": 2 }"));
    stored.pass(24);
    let run = stored.rotate(&in_secret).exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "grace", "it is none of keytide's business");
    stored.keytide(&["rollback", "--user", "ci-deployer"]).run();
    stored.until("held", &in_secret);
    assert_eq!(stored.in_secret(), (old.clone(), old_secret));
    assert_eq!(of_others(&stored), (1, 1));
    let keys = stored.keys();
    assert!(!keys.contains_key(&new) || keys[&old].1 == "Active", "{keys:?} {new_secret}");
}

/// No one else wrote: the very version that was current before is current again.
#[test]
fn a_rollback_moves_the_label_back() {
    let mut stored = Stored::with_secret();
    let first = stored.bearer("AWSCURRENT");
    stored.until("proposed", &in_secret);
    stored.merge();
    stored.until("grace", &in_secret);
    assert_ne!(stored.bearer("AWSCURRENT"), first);
    let (new, _) = stored.in_secret();
    stored.pass(1);
    stored.keytide(&["rollback", "--user", "ci-deployer"]).run();
    stored.pass(1);
    let help = format!("restart what has read {new} from");
    let run = stored.rotate(&in_secret);
    assert!(run.stdout.contains(&help), "{}", run.stdout);
    stored.until("held", &in_secret);
    assert_eq!(stored.bearer("AWSCURRENT"), first);
    assert_eq!(stored.keys().len(), 1, "the new key was taken out of use");
}

/// Closing the pull request leaves a version that no one reads; the next rotation takes its label.
#[test]
fn a_version_that_is_given_up_is_replaced_by_the_next() {
    let mut stored = Stored::with_secret();
    let first = stored.bearer("AWSCURRENT");
    let report = stored.until("proposed", &in_secret);
    let given_up = stored.bearer("AWSPENDING");
    stored.github.control("POST", "close", &json!({ "number": report["rotations"][0]["pull_request"] }));
    while stored.keys().len() > 1 {
        stored.pass(24);
        stored.rotate(&in_secret);
    }
    assert_eq!(stored.bearer("AWSPENDING"), given_up);
    stored.until("proposed", &in_secret);
    assert_ne!(stored.bearer("AWSPENDING"), given_up);
    assert_eq!(stored.bearer("AWSCURRENT"), first);
}

/// Killed at the requests that write, before and after they took effect, and asked again: the same end.
#[test]
fn a_killed_run_is_continued() {
    std::thread::scope(|scope| {
        // The first put is the rehearsal.
        for (action, skip) in [("PutSecretValue", 1), ("UpdateSecretVersionStage", 0)] {
            for applied in [false, true] {
                scope.spawn(move || killed_at(action, skip, applied));
            }
        }
    });
}

fn killed_at(action: &str, skip: u64, applied: bool) {
    let mut stored = Stored::with_secret();
    let old = stored.first().0;
    if action == "UpdateSecretVersionStage" {
        stored.until("proposed", &in_secret);
        stored.merge();
        stored.pass(1);
    }
    let run = stored.keytide(&["rotate"]);
    let pid = run.path("pid");
    let kill = json!([{"action": action, "skip": skip, "kill": pid.to_str().unwrap(), "applied": applied}]);
    stored.aws.control("POST", "faults", &kill.to_string());
    run.run_to_be_killed(&pid);
    stored.uses(&stored.in_secret());
    let texts = format!("{action} {applied}");
    assert_eq!(stored.in_secret().0 == old, action == "PutSecretValue" || !applied, "{texts}");
    stored.pass(24);
    if action == "PutSecretValue" {
        stored.until("proposed", &in_secret);
        stored.merge();
    }
    stored.until("grace", &in_secret);
    assert_ne!(stored.in_secret().0, old, "{texts}");
    stored.until("healthy", &in_secret);
    assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [stored.in_secret().0], "{texts}");
}

/// What a case is called, what a person does to the secret, and what keytide says of that.
type Case<'a> = (&'a str, &'a dyn Fn(&Stored), &'a str);

/// The secret as a person left it, and what keytide says of it. No key is made.
#[test]
fn a_secret_that_does_not_fit_is_refused_before_a_key_is_made() {
    let put = |body: Value| {
        move |stored: &Stored| {
            let mut body = body.clone();
            body["SecretId"] = SECRET.into();
            drop(stored.secrets("PutSecretValue", &body));
        }
    };
    let pending = put(json!({"SecretString": "{}", "VersionStages": ["AWSPENDING"]}));
    let cases: [Case<'_>; 7] = [
        ("no JSON", &put(json!({ "SecretString": OTHERS })), "it is no JSON object"),
        ("a list", &put(json!({ "SecretString": "[]" })), "it is no JSON object"),
        ("binary", &put(json!({ "SecretBinary": "AAEC" })), "it holds binary data"),
        ("a field is missing", &put(json!({"SecretString": "{\"key_id\": \"x\"}"})), "no field `secret`"),
        (
            "of another user",
            &put(json!({"SecretString": text(concat!("AKIA", "QNZGKIQY56JQ7WML"), "x")})),
            "none of this user's",
        ),
        ("somebody rotates it", &pending, "has the label AWSPENDING"),
        (
            "absent",
            &|stored| {
                drop(stored.secrets(
                    "DeleteSecret",
                    &json!({"SecretId": SECRET, "ForceDeleteWithoutRecovery": true}),
                ))
            },
            "there is no such secret",
        ),
    ];
    std::thread::scope(|scope| {
        for (name, spoil, words) in cases {
            let stored = Stored::with_secret();
            spoil(&stored);
            scope.spawn(move || {
                let run = stored.keytide(&["rotate"]).run();
                assert!([1, 3].contains(&run.exit), "{name}: {}\n{}", run.stdout, run.stderr);
                assert!(run.stdout.contains(words), "{name}: {}", run.stdout);
                assert!(!run.stdout.contains(OTHERS) && !run.stderr.contains(OTHERS), "{name}");
                assert!(run.stdout.contains("secret `prod/aws` in eu-west-1"), "{name}: {}", run.stdout);
                assert_eq!(stored.keys().len(), 1, "{name}");
            });
        }
    });
}

/// A permission that is missing shows before a key is made, whichever it is.
#[test]
fn a_missing_permission_shows_before_a_key_is_made() {
    std::thread::scope(|scope| {
        for action in ["DescribeSecret", "GetSecretValue", "PutSecretValue"] {
            scope.spawn(move || {
                let mut stored = Stored::with_secret();
                let policy = stored.permissions("rotate", &[]).stdout;
                let without =
                    policy.replace(&format!("secretsmanager:{action}"), "secretsmanager:TagResource");
                assert_ne!(without, policy);
                stored.limit(&[&without]);
                let run = stored.keytide(&["rotate"]).run().exits(3);
                assert!(run.stdout.contains(&format!("secretsmanager:{action}")), "{}", run.stdout);
                assert!(run.stdout.contains("AccessDeniedException"), "{}", run.stdout);
                assert!(run.stdout.contains("keytide iam-policy --for rotate"), "{}", run.stdout);
                assert_eq!(stored.keys().len(), 1);
            });
        }
    });
}

/// What a rotation waits for does not depend on the store in every phase: that the store cannot be read is said in each.
#[test]
fn a_store_that_cannot_be_read_is_a_fault_in_every_phase() {
    let mut stored = Stored::with_secret();
    stored.rotate(&in_secret);
    stored.merge();
    for phase in ["grace", "soaking", "healthy"] {
        stored.until(phase, &in_secret);
        for command in ["rotate", "plan", "audit"] {
            let actions = ["GetSecretValue", "DescribeSecret", "ListSecretVersionIds"];
            let denied = actions.map(|action| json!({"action": action, "status": 400, "code": "AccessDeniedException", "times": 99}));
            stored.aws.control("POST", "faults", &json!(denied).to_string());
            let run = stored.keytide(&[command]).file(".github/keytide.yml", stored.policy_text()).run();
            stored.aws.control("DELETE", "faults", "");
            let report = run.json();
            if command == "audit" {
                // The role of an audit may read no store: the rule says that it could not look there.
                let skipped = report["not_checked"].to_string();
                assert!(
                    skipped.contains("stale-reference") && skipped.contains("could not be read"),
                    "{phase}: {report:#}"
                );
            } else {
                assert_eq!(
                    (run.exit, &report["result"]),
                    (3, &json!("incomplete")),
                    "{command} {phase}: {report:#}"
                );
                assert!(report["faults"].to_string().contains("could not be read"), "{report:#}");
            }
        }
    }
}
