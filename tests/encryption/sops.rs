//! Files of SOPS: edited in place or written for the recipients that stand in them; upstream's program is the judge.

use crate::styles::{CASES, Case};
use crate::support::encryption::{NEW, OLD, credential, destination, root, seal, secret, workspace};
use crate::support::matches_file;
use crate::support::sops::{Kms, Upstream};
use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keytide::destinations::encryption::{SealError, SealWorkspace};
use keytide::destinations::sops::encrypt::{kms_keys, unwrap_data_key};
use keytide::destinations::{as_file, as_sealable};
use keytide::policy::Destination;
use keytide::secret::DataKey;
use serde_json::json;

fn upstream() -> &'static Upstream {
    static UPSTREAM: std::sync::OnceLock<Upstream> = std::sync::OnceLock::new();
    UPSTREAM.get_or_init(Upstream::new)
}

fn sops(file: &str, [id, secret]: [&str; 2]) -> Destination {
    destination(json!({"sops": {"file": file, "access_key_id": id, "secret_access_key": secret}}))
}

fn fill(plain: &str) -> String {
    plain.replace("$ID", OLD).replace("$SECRET", &secret(0))
}

/// How many lines a diff would remove and add.
fn diff(old: &str, new: &str) -> (usize, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate() {
        for (j, b) in new.iter().enumerate() {
            common[i + 1][j + 1] =
                if a == b { common[i][j] + 1 } else { common[i][j + 1].max(common[i + 1][j]) };
        }
    }
    let common = common[old.len()][new.len()];
    (old.len() - common, new.len() - common)
}

fn frames(text: &str) -> Vec<String> {
    text.split('\n').map(frame).collect()
}

/// A text without what age has encrypted, which has stanzas of no use in it, some or none.
fn without_armor(text: &str) -> String {
    let mut parts = text.split("-----BEGIN AGE ENCRYPTED FILE-----");
    let first = parts.next().unwrap().to_owned();
    let rest = parts.map(|part| part.split_once("-----END AGE ENCRYPTED FILE-----").unwrap().1);
    first + &rest.collect::<String>()
}

/// A line without the ciphertexts and the time, which must be all that differs.
fn frame(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("ENC[") {
        out.push_str(&rest[..start]);
        out.push_str("ENC");
        rest = rest[start..].split_once(']').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    let words: Vec<&str> = out.split(['"', '=', ' ', ',', '\r']).filter(|word| time(word)).collect();
    words.iter().fold(out.clone(), |out, word| out.replace(word, "TIME"))
}

/// The lines of a file, and those that a diff has with keytide and with `sops set`.
struct Row {
    lines: usize,
    ours: (usize, usize),
    theirs: String,
}

/// What one case comes to.
fn run(case: &Case) -> Row {
    let what = case.what;
    let up = upstream();
    let written = up.encrypt(case.name, &fill(case.plain), case.rule);
    let styled = (case.style)(std::str::from_utf8(&written).unwrap());
    let before = up
        .decrypt(case.name, styled.as_bytes())
        .unwrap_or_else(|why| panic!("{what}: the style: {why}\n{styled}"));
    let mut workspace = workspace(&[(case.name, styled.as_bytes())]);
    let key = unwrap_data_key(case.name, styled.as_bytes(), &up.identity)
        .unwrap_or_else(|why| panic!("{what}: {why}"));
    workspace.data_keys.insert(case.name.to_owned(), key);
    let destination = sops(case.name, case.paths);
    if let Err(why) = as_sealable(&destination).unwrap().check_sealable(&workspace) {
        panic!("{what}: {why}\n{styled}");
    }
    seal(&destination, &mut workspace);
    let new = String::from_utf8(workspace.files[case.name].clone()).unwrap();
    let after = up.decrypt(case.name, new.as_bytes()).unwrap_or_else(|why| panic!("{what}: {why}\n{new}"));
    assert_eq!(after, before.replace(OLD, NEW).replace(&secret(0), &secret(1)), "{what}");

    let ours = diff(&styled, &new);
    assert_eq!(frames(&styled), frames(&new), "{what}: more than ciphertexts and the time changed");
    let documents = styled.matches("lastmodified").count();
    assert!(ours.0 <= 2 + 2 * documents && ours.0 == ours.1, "{what}: {ours:?} lines");

    let first = up.set(case.name, styled.as_bytes(), case.paths[0], NEW);
    let theirs = first.and_then(|bytes| up.set(case.name, &bytes, case.paths[1], &secret(1)));
    let theirs = theirs.unwrap_or_else(|why| panic!("{what}: {why}"));
    let is_right = up.decrypt(case.name, &theirs).unwrap() == after;
    // They may have been as quick as to write the same second again.
    let theirs = String::from_utf8(theirs).unwrap();
    let (_, rest) = theirs.split_once("lastmodified").unwrap();
    let start = theirs.len() - rest.len() + rest.find("20").unwrap();
    let time = &theirs[start..start + 20];
    let (removed, added) = diff(&styled, &theirs.replace(time, "2000-01-01T00:00:00Z"));
    let theirs = format!("-{removed} +{added}{}", if is_right { "" } else { ", in the wrong document" });
    Row { lines: styled.split('\n').count(), ours, theirs }
}

#[test]
fn only_the_credential_lines_change_and_upstream_decrypts() {
    assert!(CASES.len() >= 30);
    let mut table =
        "| style | file | lines | keytide | `sops set`, twice |\n|---|---|---|---|---|\n".to_owned();
    for case in CASES {
        let Row { lines, ours, theirs } = run(case);
        table +=
            &format!("| {} | {} | {lines} | -{} +{} | {theirs} |\n", case.what, case.name, ours.0, ours.1);
    }
    println!("{table}");
    let path = root().join("tests/encryption/README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    // What upstream changes beside the credential is not the same each time: a row whose own part is as it was stays.
    let committed = |row: &str| {
        let rows = readme.lines().filter(|line| line.starts_with('|'));
        rows.into_iter().find(|line| own_columns(line) == own_columns(row)).unwrap_or(row).to_owned() + "\n"
    };
    let table: String = table.lines().map(committed).collect();
    let before = readme.split("| style |").next().unwrap();
    matches_file(&path, &format!("{before}{table}"));
}

/// A row of the table without its last column.
fn own_columns(row: &str) -> Option<&str> {
    row.trim_end_matches(" |").rsplit_once('|').map(|(own, _)| own)
}

/// The bytes after sealing without a data key.
fn written_anew(name: &str, paths: [&str; 2], old: &[u8]) -> String {
    let mut workspace = workspace(&[(name, old)]);
    seal(&sops(name, paths), &mut workspace);
    String::from_utf8(workspace.files[name].clone()).unwrap()
}

fn refusal(name: &str, paths: [&str; 2], bytes: &[u8], key: Option<DataKey>) -> SealError {
    let mut workspace = workspace(&[(name, bytes)]);
    workspace.data_keys.extend(key.map(|key| (name.to_owned(), key)));
    let destination = sops(name, paths);
    let sealable = as_sealable(&destination).unwrap();
    let refusal = sealable.check_sealable(&workspace).unwrap_err();
    let again = sealable.seal_credential(&credential(), &mut workspace).unwrap_err();
    assert_eq!(refusal, again, "what sealing would say is known before");
    assert_eq!(workspace.files[name], bytes, "a refusal changes nothing");
    crate::support::encryption::no_canary(
        "a refusal",
        format!("{refusal} {refusal:?}").as_bytes(),
        &secret(0),
    );
    refusal
}

fn key(name: &str, bytes: &[u8]) -> Option<DataKey> {
    Some(unwrap_data_key(name, bytes, &upstream().identity).unwrap())
}

const AWS: [&str; 2] = ["aws.id", "aws.secret"];

/// Files that hold nothing encrypted but the credential.
const ALONE: [(&str, &str, [&str; 2], &str); 6] = [
    ("a.yaml", "aws:\n    id: $ID\n    secret: $SECRET\n    empty: ''\n", AWS, ""),
    (
        "a.yaml",
        "# clear\nx: [1.50, ~, é]\n---\naws:\n    id: $ID\n    secret: $SECRET\n",
        AWS,
        "encrypted_regex: ^aws$",
    ),
    (
        "b.json",
        "{\"x\": [1.5, null], \"aws\": {\"id\": \"$ID\", \"secret\": \"$SECRET\"}}",
        AWS,
        "encrypted_regex: ^aws$",
    ),
    ("c.env", "ID=$ID\nSECRET=$SECRET\n", ["ID", "SECRET"], ""),
    ("d.ini", "[aws]\nid = $ID\nsecret = $SECRET\n", AWS, ""),
    (
        "e.yml",
        "x: 1.50\naws: {id: $ID, secret: $SECRET}\n",
        AWS,
        "mac_only_encrypted: true, encrypted_regex: ^aws$",
    ),
];

#[test]
fn a_file_of_its_own_is_written_anew_for_the_recipients_that_stand_in_it() {
    let [one, two] = [upstream(), &Upstream::new()];
    for (name, plain, paths, rule) in ALONE {
        for style in [|text: &str| text.to_owned(), |text: &str| text.replace('\n', "\r\n")] {
            let rule = format!("{{age: [{}, {}], {rule}}}", one.recipient, two.recipient);
            let old = one.encrypt_by(name, &fill(plain), &rule);
            let old = style(std::str::from_utf8(&old).unwrap());
            let Ok(before) = one.decrypt(name, old.as_bytes()) else {
                assert_eq!(name, "c.env", "SOPS reads no dotenv file with CRLF, and so does keytide");
                assert!(refusal(name, paths, old.as_bytes(), None).message.contains("`lastmodified`"));
                continue;
            };
            let new = written_anew(name, paths, old.as_bytes());
            let expected = before.replace(OLD, NEW).replace(&secret(0), &secret(1));
            assert_eq!(one.decrypt(name, new.as_bytes()).as_ref(), Ok(&expected), "{new}");
            assert_eq!(two.decrypt(name, new.as_bytes()), Ok(expected));
            let keys =
                [&old, &new].map(|text| unwrap_data_key(name, text.as_bytes(), &one.identity).unwrap());
            assert_ne!(keys[0].expose_secret(), keys[1].expose_secret(), "the data key is a new one");
            assert!(Upstream::new().decrypt(name, new.as_bytes()).is_err());
            assert_eq!(frames(&without_armor(&old)), frames(&without_armor(&new)));
            assert_eq!(
                new.matches("\r\n").count(),
                if old.contains('\r') { new.matches('\n').count() } else { 0 }
            );
        }
    }
}

#[test]
fn a_file_that_holds_more_needs_its_data_key() {
    for (plain, what) in [
        (
            "aws:\n    id: $ID\n    secret: $SECRET\n    region: x\n",
            "has other encrypted values than the credential (`aws.region`)",
        ),
        ("# a comment\naws:\n    id: $ID\n    secret: $SECRET\n", "has encrypted comments"),
    ] {
        let old = upstream().encrypt("a.yaml", &fill(plain), "");
        let refusal = refusal("a.yaml", AWS, &old, None);
        assert!(refusal.message.contains(what) && refusal.help.contains("SOPS_AGE_KEY"), "{refusal}");
    }
}

#[test]
fn a_file_whose_mac_does_not_match_is_left_alone() {
    let plain = "port: 8080\naws:\n    id: $ID\n    secret: $SECRET\n    other: 5\n    more: 6\n";
    let old = upstream().encrypt("a.yaml", &fill(plain), "encrypted_regex: ^aws$");
    let text = String::from_utf8(old.clone()).unwrap();
    let refusal_text = |text: &str| {
        assert!(upstream().decrypt("a.yaml", text.as_bytes()).is_err(), "upstream refuses it as well");
        refusal("a.yaml", AWS, text.as_bytes(), key("a.yaml", &old)).to_string()
    };
    assert!(refusal_text(&text.replace("8080", "8081")).contains("its MAC does not match"));
    assert!(refusal_text(&text.replace("port: 8080\n", "")).contains("its MAC does not match"));
    let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).unwrap();
    let swapped = text.replace(line("other"), &line("more").replace("more", "other"));
    assert!(
        refusal_text(&swapped).starts_with("a.yaml:5:12: the value `aws.other` cannot be decrypted"),
        "{}",
        refusal_text(&swapped)
    );
    assert!(
        refusal_text(&text.replace(line("other"), "    other: 5"))
            .contains("the value `aws.other` is no ciphertext")
    );
    assert!(
        refusal_text(&text.replace(line("lastmodified"), "    lastmodified: \"2026-01-01T00:00:00Z\""))
            .contains("its MAC cannot be decrypted")
    );
    let wrong = DataKey::take_from_slice(&mut [7; 32]);
    assert!(refusal("a.yaml", AWS, &old, wrong).message.contains("its MAC cannot be decrypted"));
}

#[test]
fn what_cannot_be_edited_is_reported() {
    let old = upstream().encrypt("a.yaml", &fill("aws: {id: $ID, secret: $SECRET}\n"), "");
    let refusal_text =
        |name: &str, paths: [&str; 2], bytes: &[u8]| refusal(name, paths, bytes, None).to_string();
    assert!(refusal_text("a.yaml", ["aws.id", "aws.nothing"], &old).contains("has no value `aws.nothing`"));
    assert!(refusal_text("a.yaml", ["aws.id", "aws.id"], &old).contains("two paths name one value"));
    assert!(refusal_text("a.txt", AWS, &upstream().encrypt("a.txt", "x", "")).contains("binary file"));
    assert!(refusal_text("a.yaml", AWS, b"a: [").starts_with("a.yaml:"));
    assert!(refusal_text("a.yaml", AWS, b"aws: {id: a, secret: b}\n").contains("no `sops` metadata"));
    assert!(refusal_text("a.json", AWS, b"{'a': 1}").contains("it is not JSON"));
    let text = String::from_utf8(old).unwrap();
    let plugin = text.replace(
        &upstream().recipient,
        "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
    );
    assert!(refusal_text("a.yaml", AWS, plugin.as_bytes()).contains("needs a plugin"));
}

/// Another recipient than age's stands in the file: with the data key nothing of it is touched.
#[test]
fn a_foreign_recipient_is_no_obstacle_when_the_data_key_is_given() {
    let foreign = [
        (
            "kms",
            "arn: arn:aws:kms:eu-west-1:123456789012:key/1",
            "kms arn:aws:kms:eu-west-1:123456789012:key/1",
        ),
        (
            "pgp",
            "fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
            "pgp FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
        ),
        ("azure_kv", "vault_url: https://v, name: k, version: v1", "azure_kv https://v/k"),
        ("hc_vault", "vault_address: https://v, engine_path: sops, key_name: k", "hc_vault https://v/sops/k"),
        ("gcp_kms", "resource_id: projects/p", "gcp_kms projects/p"),
    ];
    let old = upstream().encrypt("a.yaml", &fill("aws: {id: $ID, secret: $SECRET}\n"), "");
    for (kind, fields, shown) in foreign {
        let entry = format!(
            "sops:\n    {kind}: [{{{fields}, created_at: \"2026-01-01T00:00:00Z\", enc: \"eA==\"}}]\n"
        );
        let text = String::from_utf8(old.clone()).unwrap().replace("sops:\n", &entry);
        let needs = refusal("a.yaml", AWS, text.as_bytes(), None);
        assert!(needs.message.contains(&format!("of the kind `{kind}`")), "{needs}");
        assert_eq!(needs.help.contains("kms:Decrypt"), kind == "kms");
        let mut workspace = workspace(&[("a.yaml", text.as_bytes())]);
        workspace.data_keys.extend(key("a.yaml", text.as_bytes()).map(|key| ("a.yaml".to_owned(), key)));
        let destination = sops("a.yaml", AWS);
        let recipients = as_sealable(&destination).unwrap().check_sealable(&workspace).unwrap();
        let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        assert_eq!(recipients, [shown.to_owned(), format!("age {}", upstream().recipient)]);
        seal(&destination, &mut workspace);
        let new = String::from_utf8(workspace.files["a.yaml"].clone()).unwrap();
        assert!(new.contains(&entry) && upstream().decrypt("a.yaml", new.as_bytes()).unwrap().contains(NEW));
    }
}

/// Two destinations in one file, the second on top of the first.
#[test]
fn two_destinations_of_one_file_add_up() {
    let plain = "a: {id: $ID, secret: $SECRET}\nb: {id: $ID, secret: $SECRET}\n";
    let old = upstream().encrypt("a.yaml", &fill(plain), "");
    let mut workspace = workspace(&[("a.yaml", &old)]);
    workspace.data_keys.extend(key("a.yaml", &old).map(|key| ("a.yaml".to_owned(), key)));
    let first = seal(&sops("a.yaml", ["a.id", "a.secret"]), &mut workspace);
    let second = seal(&sops("a.yaml", ["b.id", "b.secret"]), &mut workspace);
    assert_ne!(first[0].credential_sha256, second[0].credential_sha256);
    let after = upstream().decrypt("a.yaml", &workspace.files["a.yaml"]).unwrap();
    assert_eq!((after.matches(NEW).count(), after.matches(OLD).count()), (2, 0));
}

/// A key that is in a file twice: upstream refuses the file, or reads the last one of an INI file. Keytide finds the value
/// in plaintext, and also two ciphertexts.
#[test]
fn a_repeated_key_is_an_error() {
    let (yaml, json, ini) = (
        "aws:\n  id: $ID\n  secret: $SECRET\n",
        r#"{"aws": {"id": "$ID", "secret": "$SECRET"}}"#,
        "[aws]\nid = $ID\nsecret = $SECRET\n",
    );
    // The file, the lines before which another one is put, that line, and whether upstream reads the file.
    let cases = [
        ("a.yaml", yaml, "sops:", "aws:\n    secret: SECOND", false),
        ("a.yaml", yaml, "    id: ", "    secret: SECOND", false),
        ("a.yaml", yaml, "    id: ", "    \"s\\x65cret\": SECOND", false),
        ("a.json", json, "\t\t\"id\"", "\t\t\"secret\": \"SECOND\",", false),
        ("a.json", json, "\t\"sops\"", "\t\"aws\": {\"secret\": \"SECOND\"},", false),
        ("a.env", "id=$ID\nsecret=$SECRET\n", "sops_mac", "secret=SECOND", false),
        ("a.env", "id=$ID\nsecret=$SECRET\n", "sops_mac", "export secret=SECOND", false),
        ("a.env", "id=$ID\nsecret=$SECRET\n", "id=", " export  secret =SECOND", false),
        ("a.ini", ini, "secret ", "secret = SECOND", true),
        ("a.ini", ini, "secret ", "\"secret\" = SECOND", true),
        ("a.ini", ini, "[sops]", "[aws]\nsecret = SECOND", false),
    ];
    for (name, plain, before, line, is_read) in cases {
        let paths = if name == "a.env" { ["id", "secret"] } else { ["aws.id", "aws.secret"] };
        let old = String::from_utf8(upstream().encrypt(name, &fill(plain), "")).unwrap();
        let destination = sops(name, paths);
        let inspect = |text: &str| {
            let inspection = as_file(&destination).unwrap().inspect_file(text.as_bytes());
            inspection.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert_eq!(inspect(&old), [""; 0], "{name}");
        let at = old.lines().find(|line| line.starts_with(before)).unwrap();
        let ciphertext = &old[old.find("ENC[").unwrap()..];
        let ciphertext = &ciphertext[..=ciphertext.find(']').unwrap()];
        for (second, words) in [("hush", "is in plaintext"), (ciphertext, "is in this file twice")] {
            let text = old.replacen(at, &format!("{}\n{at}", line.replace("SECOND", second)), 1);
            let found = inspect(&text);
            assert!(found.iter().any(|message| message.contains(words)), "{line}: {found:?}\n{text}");
            let read = upstream().decrypt(name, text.as_bytes());
            assert_eq!(read.is_ok(), is_read, "{line}: {read:?}");
        }
    }
}

/// One place that is two values: no one could say what an edit of it means.
#[test]
fn a_credential_behind_an_alias_is_refused() {
    let plain = "aws: [{id: $ID, secret: $SECRET}, {id: $ID, secret: $SECRET}]\n";
    let old = upstream().encrypt("a.yaml", &fill(plain), "");
    let text = String::from_utf8(old).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let first = format!("    - &one\n      {}\n{}\n", lines[1].trim_start_matches(['-', ' ']), lines[2]);
    let rest = text.split_once("sops:\n").unwrap().1;
    // Both items are bound to the same path, so upstream reads this.
    let text = format!("aws:\n{first}    - *one\nsops:\n{rest}");
    assert!(upstream().decrypt("a.yaml", text.as_bytes()).is_ok());
    let refusal =
        refusal("a.yaml", ["aws.0.id", "aws.0.secret"], text.as_bytes(), key("a.yaml", text.as_bytes()));
    assert!(refusal.message.contains("(an alias)"), "{refusal}");
}

#[test]
fn a_data_key_is_unwrapped_with_one_of_several_identities() {
    let old = upstream().encrypt("a.env", "A=b\n", "");
    let other = Upstream::new().identity;
    let lines =
        format!("# created: x\n{}\r\n\n{}\n", other.expose_secret(), upstream().identity.expose_secret());
    let found = unwrap_data_key("a.env", &old, &lines.into()).unwrap();
    assert_eq!(found.expose_secret(), key("a.env", &old).unwrap().expose_secret());
    assert!(
        unwrap_data_key("a.env", &old, &other).unwrap_err().message.contains("none of the age identities")
    );
    let odd = "AGE-SECRET-KEY-1HUSHHUSH".to_owned();
    let message = unwrap_data_key("a.env", &old, &odd.into()).unwrap_err().to_string();
    assert!(message.contains("is none that keytide reads") && !message.contains("HUSH"));
    let shared = format!(
        "{{key_groups: [{{age: [{}]}}, {{age: [{}]}}]}}",
        upstream().recipient,
        Upstream::new().recipient
    );
    let old = upstream().encrypt_by("a.yaml", "a: b\n", &shared);
    assert!(
        unwrap_data_key("a.yaml", &old, &upstream().identity)
            .unwrap_err()
            .message
            .contains("split between key groups")
    );
    assert!(kms_keys("a.yaml", &old).unwrap_err().message.contains("split between key groups"));
}

/// A file whose only recipient is a key of AWS KMS: a client unwraps the data key, with the context that stands there.
#[test]
fn a_file_for_kms_is_edited_with_the_data_key_that_kms_unwraps() {
    let mut kms = Kms::start();
    let up = Upstream { kms: Some(kms.url.clone()), ..Upstream::new() };
    let rule = format!("{{kms: [{{arn: '{}', context: {{app: keytide, stage: prod}}}}]}}", kms.arn);
    let rule = format!("{{key_groups: [{rule}]}}");
    for (name, plain, paths) in [
        ("a.yaml", "x: 1\naws: {id: $ID, secret: $SECRET}\n", AWS),
        ("a.json", "{\"aws\": {\"id\": \"$ID\", \"secret\": \"$SECRET\"}}", AWS),
        ("a.env", "ID=$ID\nSECRET=$SECRET\n", ["ID", "SECRET"]),
        ("a.ini", "[aws]\nid = $ID\nsecret = $SECRET\n", AWS),
    ] {
        let old = up.encrypt_by(name, &fill(plain), &rule);
        let keys = kms_keys(name, &old).unwrap();
        let [key] = keys.as_slice() else { panic!("{keys:?}") };
        assert_eq!((key.arn.as_str(), key.role.as_deref()), (kms.arn.as_str(), None));
        let ciphertext = STANDARD.encode(&key.ciphertext);
        assert_ne!(kms.decrypt(&json!({"ciphertext": ciphertext, "context": {}})).len(), 44);
        let plaintext = kms.decrypt(&json!({"ciphertext": ciphertext, "context": key.context}));
        let data_key = DataKey::take_from_slice(&mut STANDARD.decode(&plaintext).unwrap()).unwrap();
        let mut workspace = workspace(&[(name, &old)]);
        workspace.data_keys.insert(name.to_owned(), data_key);
        seal(&sops(name, paths), &mut workspace);
        let expected = up.decrypt(name, &old).unwrap().replace(OLD, NEW).replace(&secret(0), &secret(1));
        assert_eq!(up.decrypt(name, &workspace.files[name]), Ok(expected));
    }
}

/// Someone merged a change of the same file while the rotation was under way: the ciphertext moves over.
#[test]
fn what_was_sealed_is_carried_over_to_a_file_that_has_changed_since() {
    let up = upstream();
    let plain = "port: 1\naws: {id: $ID, secret: $SECRET}\nmore: [x]\n";
    let old = up.encrypt("a.yaml", &fill(plain), "");
    let destination = sops("a.yaml", AWS);
    let with_key = |bytes: &[u8]| {
        let mut workspace = workspace(&[("a.yaml", bytes)]);
        workspace.data_keys.extend(key("a.yaml", bytes).map(|key| ("a.yaml".to_owned(), key)));
        workspace
    };
    let mut staged = with_key(&old);
    let sealed = seal(&destination, &mut staged);
    let head = up.set("a.yaml", &old, "port", "2").unwrap();
    let mut today = with_key(&head);
    let carry = |today: &mut SealWorkspace, id: &str| {
        as_sealable(&destination).unwrap().carry_sealed(id, &staged, today)
    };
    assert!(carry(&mut today, OLD).unwrap_err().message.contains("another access key"));
    assert_eq!(carry(&mut today, NEW).as_ref(), Ok(&sealed), "the same ciphertext");
    let after = up.decrypt("a.yaml", &today.files["a.yaml"]).unwrap();
    assert!(after.contains("port: \"2\"") && after.contains(NEW) && after.contains(&secret(1)), "{after}");

    today.data_keys.clear();
    assert!(carry(&mut today, NEW).unwrap_err().message.contains("no key to decrypt it with"));
    let rewritten = up.encrypt("a.yaml", &fill(plain), "");
    let error = carry(&mut with_key(&rewritten), NEW).unwrap_err();
    assert!(error.message.contains("cannot be decrypted"), "another data key: {error}");
}
