//! The SMTP password of Amazon SES beside the secret access key, in each kind of file and secret: three values in one place,
//! opened by the programs of others, which derive the password themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keytide::destinations::encryption::{PublicKey, SealWorkspace};
use keytide::destinations::sops::encrypt::unwrap_data_key;
use keytide::destinations::{as_file, as_sealable};
use keytide::policy::Destination;
use serde_json::{Value, json};

use crate::support::encryption::{NEW, OLD, ask, ask_all, destination, seal, secret, workspace};
use crate::support::sops::Upstream;

const REGION: &str = "eu-west-1";

/// The password of the new key, by an implementation that is not keytide's.
fn password() -> String {
    let question = json!({"do": "smtp_password", "secret": secret(1), "region": REGION});
    ask(question).unwrap().as_str().unwrap().to_owned()
}

/// A destination of a kind, with an SMTP password of this name.
fn with_password(kind: &str, mut fields: Value, name: &str) -> Destination {
    fields["ses_smtp_password"] = name.into();
    fields["ses_region"] = REGION.into();
    destination(json!({ kind: fields }))
}

fn workspace_with_key(upstream: &Upstream, name: &str, bytes: &[u8]) -> SealWorkspace {
    let mut workspace = workspace(&[(name, bytes)]);
    let key = unwrap_data_key(name, bytes, &upstream.identity).unwrap();
    workspace.data_keys.insert(name.to_owned(), key);
    workspace
}

/// With the data key, and without it where the three values are all that is encrypted; then carried over into a file that
/// has changed since.
#[test]
fn three_values_of_a_sops_file_are_replaced_in_one_edit() {
    let upstream = Upstream::new();
    let password = password();
    for (name, plain, paths) in [
        ("a.yaml", "a: {smtp: old, id: $ID}\nb: {key: $SECRET}\n", ["a.id", "b.key", "a.smtp"]),
        (
            "a.json",
            "{\"a\": {\"id\": \"$ID\", \"key\": \"$SECRET\", \"smtp\": \"old\"}}",
            ["a.id", "a.key", "a.smtp"],
        ),
        ("a.env", "SMTP=old\nID=$ID\nSECRET=$SECRET\n", ["ID", "SECRET", "SMTP"]),
        ("a.ini", "[a]\nid = $ID\nkey = $SECRET\n[b]\nsmtp = old\n", ["a.id", "a.key", "b.smtp"]),
    ] {
        let [id, key, smtp] = paths;
        let fields = json!({"file": name, "access_key_id": id, "secret_access_key": key});
        let sops = with_password("sops", fields, smtp);
        let plain = plain.replace("$ID", OLD).replace("$SECRET", &secret(0));
        let old = upstream.encrypt(name, &plain, "");
        let before = upstream.decrypt(name, &old).unwrap();
        let expected = before.replace("old", &password).replace(OLD, NEW).replace(&secret(0), &secret(1));
        let mut staged = workspace_with_key(&upstream, name, &old);
        let sealed = seal(&sops, &mut staged);
        for mut workspace in [staged, workspace(&[(name, &old)])] {
            seal(&sops, &mut workspace);
            assert_eq!(upstream.decrypt(name, &workspace.files[name]).as_ref(), Ok(&expected), "{name}");
        }
        let mut staged = workspace_with_key(&upstream, name, &old);
        assert_ne!(seal(&sops, &mut staged), sealed);
        let mut today = workspace_with_key(&upstream, name, &old);
        as_sealable(&sops).unwrap().carry_sealed(NEW, &staged, &mut today).unwrap();
        assert_eq!(upstream.decrypt(name, &today.files[name]).as_ref(), Ok(&expected), "{name}");
        as_sealable(&sops).unwrap().replay_sealed(NEW, &staged, &mut today).unwrap();
        assert_eq!(upstream.decrypt(name, &today.files[name]), Ok(expected), "{name}");
    }
}

/// The third value must be there and encrypted, as the other two.
#[test]
fn a_password_that_is_missing_or_in_clear_text_is_reported() {
    let upstream = Upstream::new();
    let fields = json!({"file": "a.yaml", "access_key_id": "a.id", "secret_access_key": "a.key"});
    let sops = with_password("sops", fields, "a.smtp");
    let inspect = |plain: &str, rule: &str| {
        let encrypted = upstream.encrypt("a.yaml", plain, rule);
        as_file(&sops).unwrap().inspect_file(&encrypted).problems.remove(0).message
    };
    assert_eq!(inspect("a: {id: x, key: y}\n", ""), "this file has no value `a.smtp`");
    let in_clear = inspect("a: {id: x, key: y, smtp: z}\n", "encrypted_regex: ^(id|key)$");
    assert_eq!(in_clear, "the value `a.smtp` is in plaintext");
    let fields =
        json!({"file": "s.yaml", "certificate": "c", "access_key_id": "ID", "secret_access_key": "KEY"});
    let sealed = with_password("sealed_secret", fields, "SMTP");
    let inspection = as_file(&sealed).unwrap().inspect_file(b"kind: Secret\nstringData:\n  SMTP: x\n");
    assert!(inspection.problems[0].message.contains("the item `SMTP` stands in a plain Secret"));
}

#[test]
fn an_age_file_holds_the_password_beside_the_secret() {
    let identity = age::x25519::Identity::generate();
    let [id, key, password] = [NEW.to_owned(), secret(1), password()];
    for (format, expected) in [
        ("dotenv", format!("AWS_ACCESS_KEY_ID={id}\nKEY={key}\nSMTP={password}\n")),
        ("json", format!("{{\"AccessKeyId\":\"{id}\",\"KEY\":\"{key}\",\"SMTP\":\"{password}\"}}\n")),
        ("ini", format!("[default]\naws_access_key_id = {id}\nKEY = {key}\nSMTP = {password}\n")),
    ] {
        let recipient = identity.to_public().to_string();
        let fields =
            json!({"file": "a", "format": format, "recipients": [recipient], "secret_access_key": "KEY"});
        let mut workspace = workspace(&[]);
        seal(&with_password("age", fields, "SMTP"), &mut workspace);
        let encrypted = &workspace.files["a"];
        let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(&encrypted[..])).unwrap();
        let mut shown = String::new();
        let identities = std::iter::once(&identity as &dyn age::Identity);
        std::io::Read::read_to_string(&mut decryptor.decrypt(identities).unwrap(), &mut shown).unwrap();
        assert_eq!(shown, expected);
    }
}

#[test]
fn three_items_of_a_sealed_secret_are_unsealed() {
    let certificate =
        ask(json!({"do": "certificate", "from": "2026-11-01T00:00:00", "until": "2036-11-01T00:00:00"}))
            .unwrap();
    let [key, certificate] = [0, 1].map(|part| certificate[part].as_str().unwrap().to_owned());
    let item = STANDARD.encode([&[1, 0][..], &[7; 256 + 16 + 20]].concat());
    let manifest = |head: &str| {
        let items = format!("    SMTP: {item}\n    KEY: {item}\n    ID: {item}\n");
        format!(
            "{head}kind: SealedSecret\nmetadata: {{name: a, namespace: b}}\nspec:\n  encryptedData:\n{items}"
        )
    };
    let fields =
        json!({"file": "s.yaml", "certificate": "c.pem", "access_key_id": "ID", "secret_access_key": "KEY"});
    let sealed = with_password("sealed_secret", fields, "SMTP");
    let with_head =
        |head: &str| workspace(&[("s.yaml", manifest(head).as_bytes()), ("c.pem", certificate.as_bytes())]);
    let unseal = |workspace: &SealWorkspace| {
        let text = String::from_utf8(workspace.files["s.yaml"].clone()).unwrap();
        ask(json!({"do": "unseal", "key": key, "manifest": text}))
    };
    let expected = json!({"ID": NEW, "KEY": secret(1), "SMTP": password()});
    let mut staged = with_head("");
    seal(&sealed, &mut staged);
    assert_eq!(unseal(&staged), Ok(expected.clone()));
    let mut today = with_head("# of today\n");
    as_sealable(&sealed).unwrap().carry_sealed(NEW, &staged, &mut today).unwrap();
    assert_eq!(unseal(&today), Ok(expected));
}

/// A secret for each value, or one with JSON, where the password may also be in place of the secret access key.
#[test]
fn secrets_of_github_hold_the_password() {
    let keys = ask(json!({"do": "box_key"})).unwrap();
    let [secret_key, public] = [0, 1].map(|part| keys[part].as_str().unwrap().to_owned());
    let [id, key, password] = [NEW.to_owned(), secret(1), password()];
    for (fields, expected) in [
        (
            json!({"access_key_id": "A", "secret_access_key": "B"}),
            vec![("A", id.clone()), ("B", key.clone()), ("SMTP", password.clone())],
        ),
        (
            json!({"json": "C", "secret_access_key": "KEY"}),
            vec![("C", format!("{{\"AccessKeyId\":\"{id}\",\"KEY\":\"{key}\",\"SMTP\":\"{password}\"}}\n"))],
        ),
        (
            json!({"json": "D"}),
            vec![("D", format!("{{\"AccessKeyId\":\"{id}\",\"SMTP\":\"{password}\"}}\n"))],
        ),
    ] {
        let mut all = json!({"repository": "acme/app"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let destination = with_password("github_secret", all, "SMTP");
        let mut faults = Vec::new();
        destination.kind().check_fields(&mut |message, _| faults.push(message));
        assert_eq!(faults, [""; 0]);
        let mut workspace = workspace(&[]);
        let public = PublicKey { key_id: "1".to_owned(), key: public.clone() };
        workspace.public_keys.insert("actions:acme/app".to_owned(), public);
        let sealed = seal(&destination, &mut workspace).remove(0);
        let names: Vec<&str> = sealed.payloads.iter().map(|payload| payload.name.as_str()).collect();
        assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(sealed.target, format!("actions:acme/app:{}", names.join("+")));
        let questions = sealed
            .payloads
            .iter()
            .map(|payload| json!({"do": "box", "secret_key": secret_key, "data": payload.encrypted_value}));
        for (answer, (_, text)) in ask_all(questions.collect()).into_iter().zip(expected) {
            assert_eq!(answer, Ok(json!(text)));
        }
    }
}
