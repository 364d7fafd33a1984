//! What is sealed as a whole: age files, GitHub's secrets, references. Opened by pyrage and PyNaCl.

use crate::support::encryption::{NEW, ask, ask_all, credential, destination, seal, secret, workspace};
use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keytide::destinations::as_sealable;
use keytide::destinations::encryption::{PublicKey, SealWorkspace};
use serde_json::{Value, json};

/// An identity of age and its recipient.
fn identity() -> (String, String) {
    let identity = age::x25519::Identity::generate();
    (identity.to_string().expose_secret().to_owned(), identity.to_public().to_string())
}

fn open(identity: &str, bytes: &[u8]) -> Result<Value, String> {
    ask(json!({"do": "age", "identity": identity, "data": STANDARD.encode(bytes)}))
}

fn refusal(value: Value, workspace: &SealWorkspace) -> String {
    as_sealable(&destination(value)).unwrap().check_sealable(workspace).unwrap_err().to_string()
}

#[test]
fn an_age_file_of_each_format_is_opened_by_each_recipient() {
    let people = [identity(), identity(), identity()];
    let file = format!("# the platform team\n{}\r\n\n  {}  \n{}\n", people[1].1, people[2].1, people[0].1);
    for (format, expected) in [
        ("dotenv", format!("AWS_ACCESS_KEY_ID={NEW}\nAWS_SECRET_ACCESS_KEY={}\n", secret(1))),
        ("json", format!("{{\"AccessKeyId\":\"{NEW}\",\"SecretAccessKey\":\"{}\"}}\n", secret(1))),
        ("ini", format!("[default]\naws_access_key_id = {NEW}\naws_secret_access_key = {}\n", secret(1))),
    ] {
        let age = json!({"age": {"file": "x.age", "format": format, "recipients": [people[0].1],
            "recipients_file": ".recipients"}});
        let age = destination(age);
        let mut workspace = workspace(&[(".recipients", file.as_bytes())]);
        let recipients = as_sealable(&age).unwrap().check_sealable(&workspace).unwrap();
        let names: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        assert_eq!(names, people.each_ref().map(|(_, recipient)| format!("age {recipient}")));
        seal(&age, &mut workspace);
        let bytes = &workspace.files["x.age"];
        assert!(bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"), "a new file is armored");
        for (identity, _) in &people {
            assert_eq!(open(identity, bytes), Ok(json!(expected)));
        }
        assert!(open(&identity().0, bytes).is_err());
    }
}

#[test]
fn an_age_file_stays_binary_or_armored() {
    let (identity, recipient) = identity();
    let key: age::x25519::Recipient = recipient.parse().unwrap();
    let age = destination(json!({"age": {"file": "x.age", "format": "json", "recipients": [recipient]}}));
    let binary = age::encrypt(&key, b"old").unwrap();
    let armored = age::encrypt_and_armor(&key, b"old").unwrap().replace('\n', "\r\n");
    for (old, start) in [(binary, "age-encryption.org/v1\n"), (armored.into_bytes(), "-----BEGIN AGE")] {
        let mut workspace = workspace(&[("x.age", &old)]);
        seal(&age, &mut workspace);
        let bytes = &workspace.files["x.age"];
        assert!(bytes.starts_with(start.as_bytes()));
        assert!(open(&identity, bytes).unwrap().as_str().unwrap().contains(NEW));
    }
}

#[test]
fn an_age_file_is_carried_over_unless_its_recipients_have_changed() {
    let [(_, one), (_, two)] = [identity(), identity()];
    let age = destination(json!({"age": {"file": "x.age", "format": "json", "recipients_file": "r"}}));
    let mut staged = workspace(&[("r", format!("{one}\n{two}\n").as_bytes())]);
    let sealed = seal(&age, &mut staged);
    let mut today = workspace(&[("r", format!("# new\n{two}\n{one}\n").as_bytes()), ("x.age", b"changed")]);
    assert_eq!(as_sealable(&age).unwrap().carry_sealed(NEW, &staged, &mut today), Ok(sealed));
    assert_eq!(today.files["x.age"], staged.files["x.age"]);
    let mut other = workspace(&[("r", one.as_bytes())]);
    assert!(
        as_sealable(&age)
            .unwrap()
            .carry_sealed(NEW, &staged, &mut other)
            .unwrap_err()
            .message
            .contains("recipients have changed")
    );
}

#[test]
fn what_age_cannot_be_given_is_reported_with_its_place() {
    let (identity, recipient) = identity();
    let with =
        |recipients: &[&str]| json!({"age": {"file": "x.age", "format": "json", "recipients": recipients}});
    let none = workspace(&[]);
    let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
    assert!(refusal(with(&[plugin]), &none).contains("needs a plugin"));
    assert!(refusal(with(&[]), &none).contains("has no recipients"));
    assert!(refusal(with(&["ssh-ed25519 AAAA x"]), &none).contains("no recipient of age"));
    let mistyped = recipient.replace(&recipient[9..11], "22");
    assert!(refusal(with(&[&mistyped]), &none).contains("mistyped"));
    let message = refusal(with(&[&identity]), &none);
    assert!(message.contains("is a secret") && !message.contains(&identity[20..]), "{message}");
    assert!(refusal(with(&[&recipient, TAG_PQ]), &none).contains("do not go together"));

    let file = json!({"age": {"file": "x.age", "format": "json", "recipients_file": "r"}});
    assert_eq!(
        refusal(file.clone(), &none),
        "r: this file is not on the default branch, which a rotation reads; push it there, or correct the path in the policy file"
    );
    let message = refusal(file, &workspace(&[("r", format!("{recipient}\n\n{plugin}\n").as_bytes())]));
    assert!(message.starts_with("r:3:1: in this line `age1yubikey1"), "{message}");
    let message = refusal(with(&[&recipient]), &workspace(&[("x.age", b"AWS_SECRET_ACCESS_KEY=abc\n")]));
    assert!(message.starts_with("x.age:1:1: this file is not encrypted with age"), "{message}");
}

/// The test vector of the specification of tagged recipients.
const TAG: &str = "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e";
const TAG_PQ: &str = include_str!("../fixtures/encryption/tagpq.txt");

/// No library opens these without the hardware that holds the identity: the header must name them.
#[test]
fn tagged_recipients_are_encrypted_to_natively() {
    for (recipient, stanza) in [(TAG, "\n-> p256tag "), (TAG_PQ, "\n-> mlkem768p256tag ")] {
        let age = json!({"age": {"file": "x.age", "format": "json", "recipients": [recipient]}});
        let (_, classic) = identity();
        let classic: age::x25519::Recipient = classic.parse().unwrap();
        let mut workspace = workspace(&[("x.age", &age::encrypt(&classic, b"old").unwrap())]);
        seal(&destination(age), &mut workspace);
        let header = String::from_utf8_lossy(&workspace.files["x.age"]).into_owned();
        assert!(header.contains(stanza), "{header}");
    }
}

#[test]
fn sealed_boxes_are_opened_by_libsodium() {
    let Value::Array(keys) = ask(json!({"do": "box_key"})).unwrap() else { panic!() };
    let [secret_key, key] = [0, 1].map(|i| keys[i].as_str().unwrap().to_owned());
    let place = |environment: &str| format!("actions:acme/app{environment}");
    for (fields, environment, expected) in [
        (
            json!({"access_key_id": "A", "secret_access_key": "B"}),
            "",
            vec![("A", NEW.to_owned()), ("B", secret(1))],
        ),
        (
            json!({"environment": "prod", "json": "C"}),
            ":prod",
            vec![("C", format!("{{\"AccessKeyId\":\"{NEW}\",\"SecretAccessKey\":\"{}\"}}\n", secret(1)))],
        ),
    ] {
        let mut value = json!({"github_secret": {"repository": "acme/app"}});
        value["github_secret"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut workspace = workspace(&[]);
        assert!(refusal(value.clone(), &workspace).contains("is not known"));
        let public = PublicKey { key_id: "568250167242549743".to_owned(), key: key.clone() };
        workspace.public_keys.insert(place(environment), public);
        let sealed = seal(&destination(value), &mut workspace).remove(0);
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(sealed.target, format!("{}:{}", place(environment), names.join("+")));
        let questions = sealed.payloads.iter().map(|payload| {
            assert_eq!(payload.key_id, "568250167242549743");
            json!({"do": "box", "secret_key": secret_key, "data": payload.encrypted_value})
        });
        for (answer, (_, text)) in ask_all(questions.collect()).into_iter().zip(expected) {
            assert_eq!(answer, Ok(json!(text)));
        }
    }
}

#[test]
fn a_public_key_that_is_none_is_refused() {
    let value = json!({"github_secret": {"organization": "acme", "product": "dependabot", "json": "X"}});
    for key in ["", "AAAA", "%", &STANDARD.encode([0; 32])] {
        let mut workspace = workspace(&[]);
        let public = PublicKey { key_id: "1".to_owned(), key: key.to_owned() };
        workspace.public_keys.insert("dependabot:acme".to_owned(), public);
        assert!(refusal(value.clone(), &workspace).contains("is no key"), "{key}");
    }
}

#[test]
fn a_secret_that_no_format_can_hold_is_not_reported() {
    let (_, recipient) = identity();
    let age = destination(json!({"age": {"file": "x", "format": "ini", "recipients": [recipient]}}));
    let odd = keytide::secret::Credential::new(NEW, format!("{} ", secret(2)));
    let refusal = as_sealable(&age).unwrap().seal_credential(&odd, &mut workspace(&[])).unwrap_err();
    crate::support::encryption::no_canary(
        "a refusal",
        format!("{refusal} {refusal:?}").as_bytes(),
        &secret(2),
    );
    assert!(format!("{:?}", credential()).contains(NEW));
}
