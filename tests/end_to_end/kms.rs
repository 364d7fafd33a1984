//! Files of SOPS whose data key AWS KMS has wrapped: the program against moto, upstream's program as the judge.

use std::collections::BTreeMap;

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::replies::{Server, error};
use crate::support::stores::{OTHERS, Proxy, Stored, Upstream, destination, text};

const FILE: &str = "deploy/secrets.enc.yaml";
const DESTINATION: &str =
    "sops: { file: deploy/secrets.enc.yaml, access_key_id: aws.id, secret_access_key: aws.secret }";

/// A world with a file for a key of KMS, and for more recipients.
fn with_file(plain: &str, more: &[&str]) -> (Stored, String) {
    let stored = Stored::new(&[DESTINATION]);
    let arn = stored.kms("CreateKey", &json!({}))["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let (id, secret) = stored.first();
    let plain = plain.replace("$ID", &id).replace("$SECRET", &secret).replace("$OTHERS", OTHERS);
    let recipients = [&["--kms", &arn, "--encryption-context", "app:keytide,stage:prod"], more].concat();
    let upstream = Upstream { aws: &stored.aws.url(), age: None };
    let file = upstream.encrypt(FILE.rsplit('/').next().unwrap(), &plain, &recipients);
    stored.github.push(&[(FILE, &file)]);
    (stored, arn)
}

/// The file on the default branch.
fn bytes(stored: &Stored) -> Vec<u8> {
    STANDARD.decode(stored.github.state()["files"][FILE].as_str().unwrap()).unwrap()
}

fn decrypted(stored: &Stored, age: Option<&str>) -> String {
    let upstream = Upstream { aws: &stored.aws.url(), age };
    upstream.decrypt("secrets.enc.yaml", &bytes(stored)).unwrap()
}

/// What the application reads, as `sops` decrypts it by KMS.
fn in_file(stored: &Stored) -> (String, String) {
    let text = decrypted(stored, None);
    let values: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.trim().split_once(": ")).collect();
    (values["id"].to_owned(), values["secret"].to_owned())
}

const SHARED: &str = "db: $OTHERS\naws:\n    id: $ID\n    secret: $SECRET\n";
const ALONE: &str = "aws:\n    id: $ID\n    secret: $SECRET\nsome_unencrypted: plain\n";

/// Other encrypted values stand in the file: only the two change, and keytide may do what `iam-policy` prints.
#[test]
fn a_shared_file_lives_a_whole_life() {
    let (mut stored, arn) = with_file(SHARED, &[]);
    let file = bytes(&stored);
    let policies = ["rotate", "delete"].map(|purpose| stored.permissions(purpose, &[(FILE, &file)]).stdout);
    assert!(policies[0].contains("\"kms:Decrypt\"") && policies[0].contains(&arn), "{}", policies[0]);
    assert!(!policies[0].contains("kms:Encrypt") && !policies[1].contains("kms:"), "{policies:?}");
    stored.limit(&policies.each_ref().map(String::as_str));
    let old = in_file(&stored).0;
    stored.until("proposed", &in_file);
    assert_eq!(in_file(&stored).0, old);
    stored.merge();
    stored.pass(1);
    let new = in_file(&stored);
    assert_ne!(new.0, old);
    assert!(decrypted(&stored, None).contains(OTHERS));
    let (before, after) = (String::from_utf8(file).unwrap(), String::from_utf8(bytes(&stored)).unwrap());
    let changed = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    let names: Vec<&str> = changed.map(|(line, _)| line.trim().split(':').next().unwrap()).collect();
    assert_eq!(names, ["id", "secret", "lastmodified", "mac"]);
    stored.until("healthy", &in_file);
    assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [new.0]);
}

/// Someone merges another change of the file while the pull request is open: KMS unwraps the same data key again, and the
/// ciphertext moves over.
#[test]
fn a_change_of_the_file_is_followed() {
    let (mut stored, _) = with_file(SHARED, &[]);
    let old = in_file(&stored).0;
    stored.until("proposed", &in_file);
    let url = stored.aws.url();
    let file = bytes(&stored);
    let changed =
        Upstream { aws: &url, age: None }.set("secrets.enc.yaml", &file, "[\"db\"]", "changed meanwhile");
    stored.github.push(&[(FILE, &changed)]);
    stored.pass(1);
    stored.until("proposed", &in_file);
    stored.merge();
    assert_ne!(in_file(&stored).0, old);
    assert!(decrypted(&stored, None).contains("changed meanwhile"));
    assert_eq!(stored.keys().len(), 2, "the rotation did not begin anew");
}

/// The credential is all that is encrypted: `kms:Encrypt` suffices, and each recipient can decrypt the result.
#[test]
fn a_file_of_its_own_is_written_for_kms_and_age() {
    let identity = age::x25519::Identity::generate();
    let (recipient, opens) = (identity.to_public().to_string(), identity.to_string());
    for more in [[].as_slice(), &["--age", &recipient]] {
        let (mut stored, _) = with_file(ALONE, more);
        let file = bytes(&stored);
        let policy = stored.permissions("rotate", &[(FILE, &file)]).stdout;
        assert!(policy.contains("\"kms:Encrypt\"") && !policy.contains("kms:Decrypt"), "{policy}");
        stored.limit(&[&policy]);
        let old = in_file(&stored).0;
        stored.until("proposed", &in_file);
        stored.merge();
        stored.pass(1);
        assert_ne!(in_file(&stored).0, old);
        stored.until("grace", &in_file);
        if !more.is_empty() {
            let upstream = Upstream { aws: "http://127.0.0.1:9", age: Some(opens.expose_secret()) };
            let text = upstream.decrypt("secrets.enc.yaml", &bytes(&stored)).unwrap();
            assert!(text.contains(&in_file(&stored).0) && text.contains("plain"), "{text}");
        }
    }
}

/// What KMS refuses is reported with file, key and what to do, before a key is made.
#[test]
fn what_kms_refuses_is_reported_before_a_key_is_made() {
    let refused = |stored: &Stored, exit: i32, arn: &str, words: &[&str]| {
        let run = stored.keytide(&["rotate"]).run().exits(exit);
        for words in [FILE, arn].iter().chain(words) {
            assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
        }
        assert_eq!(stored.keys().len(), 1);
    };
    let (mut denied, arn) = with_file(SHARED, &[]);
    let policy = denied.permissions("rotate", &[]);
    assert!(policy.stderr.contains(&format!("note: {FILE} is not here")), "{}", policy.stderr);
    denied.limit(&[&policy.stdout]);
    refused(&denied, 3, &arn, &["kms:Decrypt", "AccessDeniedException", "allow `kms:Decrypt` on that key"]);

    let (mut alone, arn) = with_file(ALONE, &[]);
    alone.limit(&[&policy.stdout]);
    refused(&alone, 3, &arn, &["kms:Decrypt", "kms:Encrypt", "allow `kms:Encrypt` on that key"]);

    let (disabled, arn) = with_file(SHARED, &[]);
    let fault = json!([{"action": "Decrypt", "status": 400, "code": "DisabledException", "times": 9}]);
    disabled.aws.control("POST", "faults", &fault.to_string());
    refused(&disabled, 1, &arn, &["DisabledException", "enable the key"]);

    let (busy, _) = with_file(SHARED, &[]);
    let fault = json!([{"action": "Decrypt", "status": 500, "code": "KMSInternalException", "times": 99}]);
    busy.aws.control("POST", "faults", &fault.to_string());
    let run = busy.keytide(&["rotate"]).run().exits(3);
    assert!(run.stdout.contains("KMSInternalException"), "{}", run.stdout);
    assert_eq!(busy.keys().len(), 1);
}

/// A refusal that quotes the request shows no data key.
#[test]
fn a_refusal_of_kms_shows_no_data_key() {
    let (stored, _) = with_file(ALONE, &[]);
    let refused = |action: &str| json!({"action": action, "status": 400, "code": "AccessDeniedException", "times": 9, "quotes": true});
    // What upstream's program has sent.
    stored.aws.control("DELETE", "log", "");
    stored.aws.control("POST", "faults", &json!(["Decrypt", "Encrypt"].map(refused)).to_string());
    let run = stored.keytide(&["rotate"]).run().exits(3);
    let said = "AccessDeniedException; allow `kms:Encrypt` on that key";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    let state = stored.github.state().to_string();
    let log: Value = serde_json::from_str(&stored.aws.control("GET", "log", "")).unwrap();
    let mut sent = 0;
    for asked in log.as_array().unwrap().iter().filter(|asked| asked["action"] == "Encrypt") {
        let body: Value = serde_json::from_str(asked["body"].as_str().unwrap()).unwrap();
        let key = body["Plaintext"].as_str().unwrap();
        assert!(key.len() > 40 && !format!("{}{}{state}", run.stdout, run.stderr).contains(&key[..16]));
        sent += 1;
    }
    assert!(sent > 0, "no key was to be wrapped: {log:#}");
    assert_eq!(stored.keys().len(), 1);
}

/// A role that the file names for its key is assumed, as `sops` does it.
#[test]
fn a_role_that_the_file_names_is_assumed() {
    let mut stored = Stored::new(&[DESTINATION]);
    let arn = stored.kms("CreateKey", &json!({}))["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]});
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": arn}]});
    stored.iam("CreateRole", &[("RoleName", "sops"), ("AssumeRolePolicyDocument", &trust.to_string())]);
    let name = [("RoleName", "sops"), ("PolicyName", "keys"), ("PolicyDocument", &may.to_string())];
    stored.iam("PutRolePolicy", &name);
    let role = "arn:aws:iam::123456789012:role/sops";
    let (id, secret) = stored.first();
    let plain = SHARED.replace("$ID", &id).replace("$SECRET", &secret).replace("$OTHERS", OTHERS);
    let url = stored.aws.url();
    let upstream = Upstream { aws: &url, age: None };
    let file = upstream.encrypt("secrets.enc.yaml", &plain, &["--kms", &format!("{arn}+{role}")]);
    assert!(String::from_utf8_lossy(&file).contains(role));
    stored.github.push(&[(FILE, &file)]);

    let policy = stored.permissions("rotate", &[(FILE, &file)]).stdout;
    let document: Value = serde_json::from_str(&policy).unwrap();
    let last = document["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["Action"], &last["Resource"]), (&json!(["sts:AssumeRole"]), &json!([role])));
    let before = document["Statement"].as_array().unwrap().len() - 1;
    let without =
        json!({"Version": "2012-10-17", "Statement": document["Statement"].as_array().unwrap()[..before]});
    stored.limit(&[&without.to_string()]);
    let run = stored.keytide(&["rotate"]).run();
    assert!([1, 3].contains(&run.exit) && run.stdout.contains(role), "{}", run.stdout);
    assert_eq!(stored.keys().len(), 1);
    let more = json!({"Version": "2012-10-17", "Statement": [last]}).to_string();
    stored
        .iam("PutUserPolicy", &[("UserName", "keytide"), ("PolicyName", "role"), ("PolicyDocument", &more)]);
    stored.until("proposed", &in_file);
}

/// What the environment says of endpoints does not move a writing command: each service is asked under AWS's own name, KMS
/// in the region of the key.
#[test]
fn the_environment_sends_no_secret_elsewhere() {
    let (stored, _) = with_file(SHARED, &[]);
    let (id, secret) = stored.first();
    stored.create(&text(&id, &secret));
    stored.set_policy(&[DESTINATION, destination()]);
    let proxy = Proxy::before(&stored.aws.url());
    stored.aws.control("POST", "clock", "{\"now\": null}");
    stored.github.control("POST", "clock", &json!({ "now": null }));
    let names = ["", "_IAM", "_STS", "_KMS", "_SECRETS_MANAGER"].map(|end| format!("AWS_ENDPOINT_URL{end}"));
    let run = stored.keytide_on_aws(&["rotate"], &proxy);
    let run = names.iter().fold(run, |run, name| run.env(name, "http://127.0.0.1:9")).run().exits(0);
    for name in &names {
        assert!(run.stderr.contains(&format!("{name} is ignored")), "{}", run.stderr);
    }
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    let asked = ["iam", "kms.eu-west-1", "secretsmanager.eu-west-1", "sts.us-east-1"];
    assert_eq!(proxy.hosts(), asked.map(|name| format!("{name}.amazonaws.com")));
}

/// A web identity token goes to no server that the environment names.
#[test]
fn the_environment_gets_no_token_of_a_writing_command() {
    let (stored, _) = with_file(SHARED, &[]);
    let elsewhere = Server::start(|_| error(403, "AccessDenied", "no"));
    let token = crate::support::folder().join("token");
    std::fs::write(&token, "a.b.c").unwrap();
    let run = stored.keytide(&["rotate"]).env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let run = run
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/keytide")
        .env("AWS_ENDPOINT_URL_STS", &elsewhere.url())
        .run()
        .exits(2);
    assert!(
        run.stdout.contains("AWS_ENDPOINT_URL_STS would send the request for credentials"),
        "{}",
        run.stdout
    );
    assert_eq!(elsewhere.count("AssumeRoleWithWebIdentity"), 0);
}

/// Nor does an AWS profile: a role is assumed where AWS is, or not at all.
#[test]
fn a_profile_sends_no_request_for_credentials_elsewhere() {
    let (stored, _) = with_file(SHARED, &[]);
    let elsewhere = Server::start(|_| error(403, "AccessDenied", "no"));
    let role = "[default]\nrole_arn = arn:aws:iam::123456789012:role/keytide\nsource_profile = base\n";
    let base = "[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n";
    let of_all = format!("{role}endpoint_url = {}\n{base}", elsewhere.url());
    let of_one = format!(
        "{role}services = here\n{base}[services here]\nsts =\n  endpoint_url = {}\n",
        elsewhere.url()
    );
    for (setting, config) in [("endpoint_url", of_all), ("services", of_one)] {
        let run = stored.keytide(&["rotate"]).env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
        let run = run.file(".aws/config", config).run().exits(2);
        let words =
            format!("`{setting}` of the AWS profile `default` would send the request for credentials");
        assert!(run.stdout.contains(&words), "{}", run.stdout);
        assert_eq!(elsewhere.count("AssumeRole"), 0);
    }
}
