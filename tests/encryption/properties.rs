//! Sealing under files that no one thought of: nothing panics, and what is written, upstream reads.

use std::sync::OnceLock;

use crate::support::encryption::{NEW, OLD, ask, credential, destination, no_canary, secret, workspace};
use crate::support::sops::Upstream;
use keytide::destinations::as_file;
use keytide::destinations::as_sealable;
use keytide::destinations::encryption::SealWorkspace;
use keytide::destinations::sops::encrypt::unwrap_data_key;
use keytide::policy::Destination;
use keytide::secret::DataKey;
use proptest::prelude::*;
use serde_json::json;

fn upstream() -> &'static Upstream {
    static UPSTREAM: OnceLock<Upstream> = OnceLock::new();
    UPSTREAM.get_or_init(Upstream::new)
}

fn sops(file: &str, [id, secret]: [&str; 2]) -> Destination {
    destination(json!({"sops": {"file": file, "access_key_id": id, "secret_access_key": secret}}))
}

const AWS: [&str; 2] = ["aws.id", "aws.secret"];

/// Sound files of every kind, each with its destination; what is random is made out of them.
fn sound() -> &'static [(Destination, String, Vec<u8>)] {
    static SOUND: OnceLock<Vec<(Destination, String, Vec<u8>)>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let fill = |text: &str| text.replace("$ID", OLD).replace("$SECRET", &secret(0));
        let tree = "# c\nx: [1.50, ~, é, 0x1F]\naws:\n  id: $ID\n  secret: $SECRET\ny: {z: w}\n";
        let json = "{\"x\": [1.5, null], \"aws\": {\"id\": \"$ID\", \"secret\": \"$SECRET\"}}";
        let mut files: Vec<(Destination, String, Vec<u8>)> = [
            ("a.yaml", tree, AWS, "encrypted_regex: ^aws$"),
            ("b.json", json, AWS, ""),
            ("c.env", "# c\nX=\nID=$ID\nSECRET=$SECRET\n", ["ID", "SECRET"], ""),
            ("d.ini", "; c\n[aws]\nid = $ID\nsecret = $SECRET\n[x]\ny = `z`\n", AWS, ""),
        ]
        .map(|(name, plain, paths, rule)| {
            (sops(name, paths), name.to_owned(), upstream().encrypt(name, &fill(plain), rule))
        })
        .into();
        let key: age::x25519::Recipient = upstream().recipient.parse().unwrap();
        let spec = json!({"age": {"file": "e.age", "format": "ini", "recipients_file": "r"}});
        files.push((
            destination(spec),
            "e.age".to_owned(),
            age::encrypt_and_armor(&key, b"x").unwrap().into(),
        ));
        files.push((sealed_secret(), "s.yaml".to_owned(), manifest().into_bytes()));
        let spec = json!({"reference": {"files": ["f.txt"]}});
        files.push((destination(spec), "f.txt".to_owned(), format!("a {OLD}\n").into_bytes()));
        files
    })
}

fn sealed_secret() -> Destination {
    destination(json!({"sealed_secret": {"file": "s.yaml", "certificate": "c.pem",
        "access_key_id": "ID", "secret_access_key": "SECRET"}}))
}

fn manifest() -> String {
    use base64::Engine as _;
    let item = base64::engine::general_purpose::STANDARD.encode([&[1, 0][..], &[7; 256 + 16 + 20]].concat());
    format!(
        "kind: SealedSecret\nmetadata: {{name: a, namespace: b}}\nspec:\n  encryptedData:\n    ID: {item}\n    SECRET: {item}\n"
    )
}

fn certificate() -> &'static str {
    static CERTIFICATE: OnceLock<String> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let question =
            json!({"do": "certificate", "from": "2026-01-01T00:00:00", "until": "2036-01-01T00:00:00"});
        ask(question).unwrap()[1].as_str().unwrap().to_owned()
    })
}

fn around(name: &str, bytes: &[u8], beside: &[u8]) -> SealWorkspace {
    let recipients = format!("{}\n", upstream().recipient);
    let mut workspace =
        workspace(&[("r", recipients.as_bytes()), ("c.pem", certificate().as_bytes()), (name, bytes)]);
    if !beside.is_empty() {
        workspace.files.insert("r".to_owned(), beside.to_vec());
        workspace.files.insert("c.pem".to_owned(), beside.to_vec());
    }
    workspace
}

/// Seals if it can; whatever comes of it, nothing tells the secret, and a file says of itself what was said of it.
fn try_seal(destination: &Destination, workspace: &mut SealWorkspace, name: &str) -> bool {
    let before = workspace.files[name].clone();
    let sealable = as_sealable(destination).unwrap();
    let preflight = sealable.check_sealable(workspace);
    let sealed = sealable.seal_credential(&credential(), workspace);
    match &sealed {
        Err(why) => {
            assert_eq!(workspace.files[name], before);
            assert_eq!(preflight.as_ref().unwrap_err(), why, "what goes wrong is known before");
        }
        Ok(sealed) => {
            preflight.unwrap();
            if let Some(kept) = as_file(destination) {
                assert_eq!(
                    kept.inspect_file(&workspace.files[name]).credential_sha256,
                    sealed[0].credential_sha256
                );
            }
        }
    }
    no_canary("the file", &workspace.files[name], &secret(1));
    no_canary("what was said", format!("{sealed:?}").as_bytes(), &secret(1));
    sealed.is_ok()
}

#[derive(Debug, Clone)]
enum Change {
    Insert(usize, &'static str),
    Remove(usize, usize),
    Repeat(usize, usize),
    Swap(usize, usize),
}

/// What editors, merges and people leave behind.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    const BITS: [&str; 24] = [
        "\n", "\r\n", " ", "  ", "\t", "# c\n", "#", ";", "'", "\"", ":", "=", "- ", "x: 1\n", "&a ", "*a",
        "\n---\n", "\u{feff}", "é", "\u{0}", "{", "]", ",", "\\",
    ];
    let change = prop_oneof![
        3 => (any::<usize>(), prop::sample::select(&BITS[..])).prop_map(|(at, bit)| Change::Insert(at, bit)),
        1 => (any::<usize>(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<usize>(), 1..80_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Change::Swap(a, b)),
    ];
    prop::collection::vec(change, 1..4)
}

fn apply(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let place = |at: usize| at % (bytes.len() + 1);
        match *change {
            // At the begin of a line, where it has a chance to mean something, or anywhere.
            Change::Insert(at, bit) => {
                let mut at = place(at);
                if at % 2 == 0 {
                    at = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                }
                bytes.splice(at..at, bit.bytes());
            }
            Change::Remove(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Repeat(at, length) => {
                let at = place(at);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Swap(a, b) => {
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                if !lines.is_empty() {
                    let count = lines.len();
                    lines.swap(a % count, b % count);
                }
                bytes = lines.concat();
            }
        }
    }
    bytes
}

/// Clear text of every kind that YAML knows, with what upstream's parser and ours might read apart.
fn scalar() -> impl Strategy<Value = String> {
    const ODD: [&str; 40] = [
        "1",
        "017",
        "08",
        "0x1F",
        "-0x1",
        "0b11",
        "0o17",
        "1_000",
        "+5",
        "1.50",
        "1.",
        ".5",
        "1e3",
        "-1E-7",
        "1e21",
        "123456789012345678",
        "yes",
        "No",
        "~",
        "null",
        "NULL",
        "true",
        "FALSE",
        ".inf",
        "2001-12-14",
        "2001-12-14T21:59:43Z",
        "2001-12-14 21:59:43",
        "12:30:45",
        "0.1.2",
        "'quo''ted'",
        "\"es\\tc\\u00e9\\n\"",
        "!!str 12",
        "a#b",
        "x: y",
        "- 1",
        "''",
        "[]",
        "{}",
        "[1, [2, {a: b}]]",
        "\"\\U0001F600\"",
    ];
    prop_oneof![
        prop::sample::select(&ODD[..]).prop_map(|text| if text == "x: y" || text == "- 1" {
            format!("\"{text}\"")
        } else {
            text.to_owned()
        }),
        "-?[0-9]{1,6}(\\.[0-9]{1,6})?([eE][+-]?[0-9])?",
        "-?(0[xob])?[0-9_]{1,8}",
        "[12][0-9]{3}-[01]?[0-9]-[0-3]?[0-9]([T ][0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,4})?(Z|[+-]0[0-9]:00)?)?",
        "[a-z]{1,8}( [a-zé]{1,4})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_sealed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), beside in prop::collection::vec(any::<u8>(), 0..60)) {
        for (destination, name, _) in sound() {
            let mut workspace = around(name, &bytes, &beside);
            workspace.data_keys.insert(name.clone(), DataKey::take_from_slice(&mut [7; 32]).unwrap());
            try_seal(destination, &mut workspace, name);
            workspace.data_keys.clear();
            try_seal(destination, &mut workspace, name);
        }
    }

    #[test]
    fn any_text_is_read_as_certificate_and_recipients(text in "\\PC{0,80}|-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\n]{0,60}-----END CERTIFICATE-----|(age1[a-z0-9]{0,80}\n){0,3}") {
        for (destination, name, sound) in sound() {
            try_seal(destination, &mut around(name, sound, text.as_bytes()), name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever a file has been through: when keytide takes it, upstream takes the result.
    #[test]
    fn what_is_accepted_upstream_decrypts(which in 0..4_usize, changes in changes()) {
        let (destination, name, sound) = &sound()[which];
        let bytes = apply(sound, &changes);
        let mut workspace = around(name, &bytes, b"");
        let Ok(key) = unwrap_data_key(name, &bytes, &upstream().identity) else { return Ok(()) };
        workspace.data_keys.insert(name.clone(), key);
        if try_seal(destination, &mut workspace, name) {
            let new = upstream().decrypt(name, &workspace.files[name.as_str()]);
            let old = upstream().decrypt(name, &bytes);
            prop_assert!(old.is_err() || new.is_ok_and(|new| new.contains(NEW)), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    /// Values in clear text count in the MAC as Go reads them: what upstream takes, keytide takes.
    #[test]
    fn clear_text_is_read_as_upstream_reads_it(values in prop::collection::vec(scalar(), 1..12)) {
        let lines: String = values.iter().enumerate().map(|(number, value)| format!("k{number}: {value}\n")).collect();
        let plain = format!("{lines}aws: {{id: {OLD}, secret: {}}}\n", secret(0));
        let bytes = upstream().encrypt("a.yaml", &plain, "encrypted_regex: ^aws$");
        // SOPS writes some values so that it reads them as others.
        if upstream().decrypt("a.yaml", &bytes).is_err() {
            return Ok(());
        }
        // The text as it was written, in the place of SOPS' own, where that means the same.
        let (_, encrypted) = std::str::from_utf8(&bytes).unwrap().split_once("\naws:").unwrap();
        for text in [bytes.clone(), format!("{lines}aws:{encrypted}").into_bytes()] {
            let Ok(before) = upstream().decrypt("a.yaml", &text) else { continue };
            let mut workspace = around("a.yaml", &text, b"");
            workspace.data_keys.insert("a.yaml".to_owned(), unwrap_data_key("a.yaml", &text, &upstream().identity).unwrap());
            let accepted = try_seal(&sops("a.yaml", AWS), &mut workspace, "a.yaml");
            prop_assert!(accepted, "{}", String::from_utf8_lossy(&text));
            let after = upstream().decrypt("a.yaml", &workspace.files["a.yaml"]).unwrap();
            prop_assert_eq!(after, before.replace(OLD, NEW).replace(&secret(0), &secret(1)));
        }
    }
}
