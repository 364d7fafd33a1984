//! A credential in a parameter of AWS Systems Manager: the program against moto, with an application that reads the newest
//! version.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::secret_leaks::live_without_leaks;
use crate::support::run_at_once;
use crate::support::stores::{OTHERS, Stored, text};

mod killed_runs;
pub mod smtp_passwords;

const PARAMETER: &str = "/app/aws";
const DESTINATION: &str =
    "ssm_parameter: { json: /app/aws, region: eu-west-1, access_key_id: key_id, secret_access_key: secret }";

/// A user whose credential is in a parameter of the advanced tier, encrypted with a key of its owner.
pub fn with_parameter() -> Stored {
    let stored = Stored::new(&[DESTINATION]);
    let (id, secret) = stored.first();
    stored.ssm(
        "PutParameter",
        &json!({
            "Name": PARAMETER, "Value": text(&id, &secret), "Type": "SecureString", "KeyId": "alias/app",
            "Tier": "Advanced", "Description": "the app", "Tags": [{"Key": "team", "Value": "a"}],
        }),
    );
    stored
}

const HALVES: [&str; 2] = ["/app/aws/id", "/app/aws/secret"];
const PAIR: &str =
    "ssm_parameter: { access_key_id: /app/aws/id, secret_access_key: /app/aws/secret, region: eu-west-1 }";

/// A user whose credential is in two parameters, the access key ID in plaintext.
fn with_pair() -> Stored {
    let stored = Stored::new(&[PAIR]);
    let (id, secret) = stored.first();
    let tags = json!([{"Key": "team", "Value": "a"}]);
    stored.ssm("PutParameter", &json!({"Name": HALVES[0], "Value": id, "Type": "String", "Tags": tags}));
    let body = json!({"Name": HALVES[1], "Value": secret, "Type": "SecureString", "KeyId": "alias/app"});
    stored.ssm("PutParameter", &body);
    stored
}

/// The two halves, as an application reads them.
fn in_pair(stored: &Stored) -> (String, String) {
    let [id, secret] = HALVES.map(|name| parameter_text(stored, name));
    (id, secret)
}

fn parameter_text(stored: &Stored, name: &str) -> String {
    let reply = stored.ssm("GetParameter", &json!({"Name": name, "WithDecryption": true}));
    reply["Parameter"]["Value"].as_str().unwrap().to_owned()
}

/// The credential, as an application reads it.
pub fn in_parameter(stored: &Stored) -> (String, String) {
    let fields: Value = serde_json::from_str(&parameter_text(stored, PARAMETER)).unwrap();
    (fields["key_id"].as_str().unwrap().to_owned(), fields["secret"].as_str().unwrap().to_owned())
}

/// Another writer changes the text, all at once.
fn edit(stored: &Stored, change: impl FnOnce(String) -> String) {
    let text = change(parameter_text(stored, PARAMETER));
    let body = json!({"Name": PARAMETER, "Value": text, "Type": "SecureString", "Overwrite": true});
    stored.ssm("PutParameter", &body);
}

fn parameters(stored: &Stored) -> Vec<Value> {
    stored.ssm("DescribeParameters", &json!({}))["Parameters"].as_array().unwrap().clone()
}

/// The newest version without its text and number.
fn settings(stored: &Stored) -> Value {
    let found = parameters(stored).into_iter().find(|one| one["Name"] == PARAMETER).unwrap();
    let tags =
        stored.ssm("ListTagsForResource", &json!({"ResourceType": "Parameter", "ResourceId": PARAMETER}));
    json!([found["Type"], found["KeyId"], found["Tier"], found["Description"], tags["TagList"]])
}

/// The new key waits in a second parameter while the pull request is open, is the newest version after the merge, and then
/// the old one goes. keytide may do exactly what `iam-policy` prints.
#[test]
fn a_parameter_has_a_whole_rotation() {
    let mut stored = with_parameter();
    let (old, old_secret) = stored.first();
    let policies = ["rotate", "delete"].map(|purpose| stored.permissions(purpose, &[]).stdout);
    stored.limit(&policies.each_ref().map(String::as_str));
    let before = settings(&stored);
    assert_eq!(before[1], "alias/app");

    let run = stored.keytide(&["rotate", "-v"]).run().exits(0);
    let mut shown = run.stdout.clone() + &run.stderr;
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    assert_eq!(
        in_parameter(&stored),
        (old.clone(), old_secret.clone()),
        "no application reads the new key yet"
    );
    let names: Vec<Value> = parameters(&stored).iter().map(|one| one["Name"].clone()).collect();
    let [_, pending] = &names[..] else { panic!("{names:?}") };
    assert!(pending.as_str().unwrap().starts_with("/app/aws.keytide-"), "{pending}");
    assert_eq!(parameters(&stored)[1]["KeyId"], "alias/app", "it is encrypted with the same key");
    let waiting = parameter_text(&stored, pending.as_str().unwrap());
    assert!(!waiting.contains(OTHERS) && !waiting.contains(&old), "it holds the new credential alone");

    stored.merge();
    stored.pass(1);
    let run = stored.rotate(&in_parameter);
    shown += &(run.stdout + &run.stderr);
    let (new, new_secret) = in_parameter(&stored);
    assert_ne!(new, old);
    assert_eq!(parameter_text(&stored, PARAMETER), text(&new, &new_secret), "every other byte is as it was");
    assert_eq!(settings(&stored), before, "the key, the tier, the description and the tags stay");
    assert_eq!(parameters(&stored).len(), 1, "the second parameter is deleted");

    stored.until("soaking", &in_parameter);
    assert_eq!(stored.keys()[&old].1, "Inactive");
    stored.until("healthy", &in_parameter);
    assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [new]);

    shown += &stored.github.control("GET", "log", &Value::Null).to_string();
    for object in stored.github.state()["objects"].as_array().unwrap() {
        shown += &String::from_utf8_lossy(&STANDARD.decode(object.as_str().unwrap()).unwrap());
    }
    for secret in [OTHERS, &old_secret, &new_secret] {
        assert!(!shown.contains(secret) && !shown.contains(&STANDARD.encode(secret)), "{secret} was shown");
    }
    let requests: Value = serde_json::from_str(&stored.aws.control("GET", "log", "")).unwrap();
    let with_secret = requests
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| format!("{}{}", request["headers"], request["body"]).contains(&new_secret));
    let actions: BTreeSet<&str> = with_secret.map(|request| request["action"].as_str().unwrap()).collect();
    assert_eq!(actions, BTreeSet::from(["PutParameter"]), "AWS itself got it where it must");
}

/// Each command's role may do what it does with the parameter, and nothing with any other.
#[test]
fn the_permissions_are_for_exactly_the_parameters_of_the_policy() {
    let stored = Stored::new(&[DESTINATION]);
    let statements = |purpose: &str| -> Vec<(String, Value, Value)> {
        let run = stored.permissions(purpose, &[]);
        assert!(run.stderr.contains("encrypted with a KMS key of your own"), "{}", run.stderr);
        let statements = run.json()["Statement"].as_array().unwrap().clone();
        let of_ssm = statements
            .into_iter()
            .filter(|one| one["Action"][0].as_str().is_some_and(|a| a.starts_with("ssm:")));
        of_ssm
            .map(|one| {
                (one["Sid"].as_str().unwrap().to_owned(), one["Action"].clone(), one["Resource"].clone())
            })
            .collect()
    };
    let parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/app/aws";
    for purpose in ["audit", "delete"] {
        let expected = ("KeytideReadsParameters".to_owned(), json!(["ssm:GetParameter"]), json!([parameter]));
        assert_eq!(statements(purpose), [expected]);
    }
    let [(first, removes, pending), (second, writes, both)] = &statements("rotate")[..] else { panic!() };
    assert_eq!(
        (first.as_str(), removes),
        ("KeytideRemovesPendingParameters", &json!(["ssm:DeleteParameter"]))
    );
    assert_eq!(second, "KeytideWritesParameters");
    assert_eq!(*writes, json!(["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"]));
    assert_eq!(*both, json!([parameter, pending[0]]));
    assert!(pending[0].as_str().unwrap().starts_with(&format!("{parameter}.keytide-")), "{pending}");
}

/// Others write other fields: before the merge, after it, and before a rollback takes the old credential from an earlier
/// version. None of it is lost.
#[test]
fn a_rollback_restores_the_credential_and_keeps_what_others_wrote() {
    let mut stored = with_parameter();
    let first = stored.first();
    stored.until("proposed", &in_parameter);
    edit(&stored, |text| text.replace("\"a\": [ ]", "\"b\": 1"));
    stored.merge();
    stored.until("grace", &in_parameter);
    let new = in_parameter(&stored).0;
    assert_ne!(new, first.0);
    edit(&stored, |text| text.replace(" }", ", \"c\": 2 }"));
    stored.pass(1);
    stored.keytide(&["rollback", "--user", "ci-deployer"]).run();
    stored.until("held", &in_parameter);
    assert_eq!(in_parameter(&stored), first);
    let text = parameter_text(&stored, PARAMETER);
    assert!(text.contains("\"b\": 1") && text.contains("\"c\": 2"), "both edits are in it");
    assert!(!stored.keys().contains_key(&new) || stored.keys()[&first.0].1 == "Active");
}

/// What a run prints and writes, what it asks GitHub for, its arguments and its environment hold no secret access key: AWS
/// alone is given it.
#[test]
fn a_life_with_a_parameter_leaks_no_secret() {
    live_without_leaks(with_parameter(), &in_parameter);
}

/// Two runs at once after the merge: one of them writes, and the parameter has one more version.
#[test]
fn two_runs_write_once() {
    let mut stored = with_parameter();
    let old = stored.first().0;
    stored.until("proposed", &in_parameter);
    stored.merge();
    stored.pass(1);
    let runs = [stored.keytide(&["rotate"]), stored.keytide(&["rotate"])];
    run_at_once(runs.map(|run| (run, Duration::ZERO)));
    stored.until("grace", &in_parameter);
    assert_ne!(in_parameter(&stored).0, old);
    let found = parameters(&stored).into_iter().find(|one| one["Name"] == PARAMETER).unwrap();
    assert_eq!(found["Version"], 2, "{found:#}");
    stored.until("healthy", &in_parameter);
}

/// A reply without the number of the version is no answer, whether the write was done or not: what the parameter holds shows
/// it, in the next run.
#[test]
fn a_write_without_a_version_in_its_reply_is_not_known_to_be_done() {
    for (fault, is_done) in [
        (json!([{"action": "PutParameter", "status": 200}]), false),
        (json!([{"action": "PutParameter", "spoil": "empty"}]), true),
    ] {
        let mut stored = with_parameter();
        let old = stored.first().0;
        stored.until("proposed", &in_parameter);
        stored.merge();
        stored.pass(1);
        stored.aws.control("POST", "faults", &fault.to_string());
        let run = stored.keytide(&["rotate"]).run().exits(3);
        assert!(run.stdout.contains("ssm:PutParameter: the reply has no version"), "{}", run.stdout);
        assert_eq!(in_parameter(&stored).0 != old, is_done, "{fault}");
        let journal = stored.github.state()["journals"].to_string();
        assert!(!journal.contains("keytide: delivered"), "{journal}");
        stored.pass(1);
        stored.until("grace", &in_parameter);
        assert_ne!(in_parameter(&stored).0, old, "{fault}");
        stored.until("healthy", &in_parameter);
    }
}

/// A parameter that does not fit, or a permission that is missing, shows before a key is made.
#[test]
fn what_does_not_fit_is_refused_before_a_key_is_made() {
    let plain = json!({"Name": PARAMETER, "Type": "String", "Value": text("x", "y"), "Overwrite": true});
    let no_json = json!({"Name": PARAMETER, "Type": "SecureString", "Value": OTHERS, "Overwrite": true});
    let cases = [
        ("PutParameter", plain, "it is not encrypted"),
        ("PutParameter", no_json, "it is no JSON object"),
        ("DeleteParameter", json!({ "Name": PARAMETER }), "there is no such parameter"),
    ];
    for (action, body, words) in cases {
        let stored = with_parameter();
        stored.ssm(action, &body);
        let run = stored.keytide(&["rotate"]).run();
        assert!(
            run.stdout.contains(words) && run.stdout.contains("parameter `/app/aws` in eu-west-1"),
            "{}",
            run.stdout
        );
        assert!(!(run.stdout + &run.stderr).contains(OTHERS));
        assert_eq!(stored.keys().len(), 1);
    }
    for action in ["GetParameter\"", "GetParameterHistory", "PutParameter"] {
        let mut stored = with_parameter();
        let policy = stored.permissions("rotate", &[]).stdout;
        let without =
            policy.replace(&format!("ssm:{action}"), &format!("ssm:{}", action.replace("Parameter", "X")));
        assert_ne!(without, policy);
        stored.limit(&[&without]);
        let run = stored.keytide(&["rotate"]).run().exits(3);
        assert!(run.stdout.contains("AccessDeniedException"), "{}", run.stdout);
        assert!(run.stdout.contains("keytide iam-policy --for rotate"), "{}", run.stdout);
        assert_eq!(stored.keys().len(), 1);
    }
}

/// Each half is in a parameter of its own: both are the former ones after a rollback.
#[test]
fn a_rollback_restores_both_halves_of_a_pair() {
    let mut stored = with_pair();
    let first = stored.first();
    stored.until("proposed", &in_pair);
    stored.merge();
    stored.until("grace", &in_pair);
    assert_ne!(in_pair(&stored), first);
    stored.pass(1);
    stored.keytide(&["rollback", "--user", "ci-deployer"]).run();
    stored.until("held", &in_pair);
    assert_eq!(in_pair(&stored), first);
}

/// Both halves are new after the merge, and everything else about the two parameters stays. keytide may do exactly what
/// `iam-policy` prints.
#[test]
fn a_pair_of_parameters_has_a_whole_rotation() {
    let mut stored = with_pair();
    let first = stored.first();
    let policies = ["rotate", "delete"].map(|purpose| stored.permissions(purpose, &[]).stdout);
    stored.limit(&policies.each_ref().map(String::as_str));
    stored.until("proposed", &in_pair);
    assert_eq!(in_pair(&stored), first, "no application reads the new key yet");
    stored.merge();
    stored.until("healthy", &in_pair);
    let last = in_pair(&stored);
    assert_eq!(stored.keys()[&last.0].0, last.1);
    assert_eq!(stored.keys().len(), 1);
    let found = parameters(&stored);
    let kinds: Vec<[&Value; 3]> =
        found.iter().map(|one| [&one["Name"], &one["Type"], &one["KeyId"]]).collect();
    assert_eq!(kinds[0][..2], [&json!(HALVES[0]), &json!("String")], "it stays in plaintext, and tagged");
    assert_eq!(kinds[1], [&json!(HALVES[1]), &json!("SecureString"), &json!("alias/app")]);
    assert_eq!(kinds[2][1..], [&json!("SecureString"), &json!("alias/app")]);
    let tags =
        stored.ssm("ListTagsForResource", &json!({"ResourceType": "Parameter", "ResourceId": HALVES[0]}));
    assert_eq!(tags["TagList"][0]["Key"], "team");
}

/// Killed at the writes of either half, before and after they took effect, and started again: the same end. Between the two
/// the halves do not fit, which the next run ends.
#[test]
fn a_run_that_was_killed_between_the_halves_is_continued() {
    std::thread::scope(|scope| {
        for (skip, applied) in [(1, false), (1, true), (2, false), (2, true)] {
            scope.spawn(move || {
                let mut stored = with_pair();
                let old = stored.first();
                stored.until("proposed", &in_pair);
                stored.merge();
                stored.pass(1);
                let run = stored.keytide(&["rotate"]);
                let pid = run.path("pid");
                let fault = json!([{
                    "action": "PutParameter", "skip": skip, "kill": pid.to_str().unwrap(), "applied": applied,
                }]);
                stored.aws.control("POST", "faults", &fault.to_string());
                run.run_to_be_killed(&pid);
                assert_eq!(in_pair(&stored) == old, (skip, applied) == (1, false), "{skip} {applied}");
                // A run that died has claimed the user for some minutes.
                stored.pass(1);
                stored.keytide(&["rotate"]).run();
                let new = in_pair(&stored);
                assert_eq!(stored.keys()[&new.0].0, new.1, "both halves fit again");
                stored.until("healthy", &in_pair);
                assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [new.0]);
            });
        }
    });
}

/// Half of a pair that is missing, is in plaintext or is another user's shows before a key is made.
#[test]
fn a_pair_that_does_not_fit_is_refused_before_a_key_is_made() {
    let put = |name: &str, kind: &str, value: &str| json!({"Name": name, "Type": kind, "Value": value, "Overwrite": true});
    let cases = [
        ("PutParameter", put(HALVES[1], "String", OTHERS), "`/app/aws/secret` is not encrypted"),
        (
            "PutParameter",
            put(HALVES[0], "String", concat!("AKIA", "QNZGKIQY56JQ7WML")),
            "which is none of this user's",
        ),
        ("DeleteParameter", json!({ "Name": HALVES[1] }), "there is no parameter `/app/aws/secret`"),
        ("DeleteParameter", json!({ "Name": HALVES[0] }), "there is no parameter `/app/aws/id`"),
    ];
    for (action, body, words) in cases {
        let stored = with_pair();
        stored.ssm(action, &body);
        let run = stored.keytide(&["rotate"]).run();
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
        assert!(!(run.stdout + &run.stderr).contains(OTHERS));
        assert_eq!(stored.keys().len(), 1);
    }
}
