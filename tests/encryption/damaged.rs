//! Files of SOPS that a merge or a hand has damaged: what upstream cannot decrypt is found without any key.

use keytide::destinations::as_file;
use serde_json::json;

use crate::support::encryption::{OLD, destination, secret};
use crate::support::sops::Upstream;

const YAML: &str = "aws:\n    id: $ID\n    secret: $SECRET\nother:\n    n: 5\n    d: x\n";
const JSON: &str = "{\"aws\": {\"id\": \"$ID\", \"secret\": \"$SECRET\"}, \"other\": {\"n\": 5}}";
const DOTENV: &str = "ID=$ID\nSECRET=$SECRET\nOTHER=x\n";
const INI: &str = "[aws]\nid = $ID\nsecret = $SECRET\n";

/// Whether upstream and keytide take a file.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Sound,
    Damaged,
    /// Upstream takes the last of two fields, and other readers may take the first.
    OurselvesOnly,
}
use Verdict::{Damaged, OurselvesOnly, Sound};

/// The text without the lines that begin so, indented or not.
fn without_line(text: &str, begin: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(begin))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The text with another end of the line that begins so.
fn with_line(text: &str, begin: &str, end: &str) -> String {
    let change = |line: &str| match line.trim_start().starts_with(begin) {
        true => format!("{}{end}\n", &line[..line.len() - line.trim_start().len()]),
        false => format!("{line}\n"),
    };
    text.lines().map(change).collect()
}

/// The text with another wrapped key: what is between the first line of armor and the last.
fn with_armor(text: &str, armor: &str) -> String {
    let (before, rest) = text.split_once("-----BEGIN AGE ENCRYPTED FILE-----").unwrap();
    let (_, after) = rest.split_once("-----END AGE ENCRYPTED FILE-----").unwrap();
    format!("{before}{armor}{after}")
}

/// A field more at the start of the metadata, which is at the end of the file.
fn with_metadata(text: &str, field: &str) -> String {
    text.replacen("sops:\n", &format!("sops:\n    {field}\n"), 1)
}

type Case = (&'static str, Verdict, fn(&str) -> String);

const YAML_CASES: [Case; 22] = [
    ("as it was", Sound, |text| text.to_owned()),
    ("no recipient", Damaged, |text| {
        let (before, rest) = text.split_once("    age:\n").unwrap();
        let (_, after) = rest.split_once("-----END AGE ENCRYPTED FILE-----\n").unwrap();
        format!("{before}    age: []\n{after}")
    }),
    ("an empty data key", Damaged, |text| with_armor(text, "")),
    ("another data key", Damaged, |text| with_armor(text, "garbage")),
    ("the name of the recipient", Sound, |text| with_line(text, "- recipient:", "- recipient: nonsense")),
    ("no lastmodified", Damaged, |text| without_line(text, "lastmodified")),
    ("a wrong lastmodified", Damaged, |text| with_line(text, "lastmodified", "lastmodified: today")),
    ("no version", Damaged, |text| without_line(text, "version")),
    ("sops twice", Damaged, |text| format!("{text}sops:\n    age: []\n")),
    ("mac twice", Damaged, |text| with_metadata(text, "mac: x")),
    ("version twice", Damaged, |text| with_metadata(text, "version: 3.9.0")),
    ("a field twice", Damaged, |text| format!("x_unencrypted: 1\nx_unencrypted: 2\n{text}")),
    ("a text in clear", Damaged, |text| text.replace("other:\n", "other:\n    new: hello\n")),
    ("a number in clear", Damaged, |text| text.replace("other:\n", "other:\n    new: 5\n")),
    ("a truth value in clear", Damaged, |text| text.replace("other:\n", "other:\n    new: true\n")),
    ("half a ciphertext", Damaged, |text| text.replace("other:\n", "other:\n    new: ENC[AES256\n")),
    ("an empty text", Sound, |text| text.replace("other:\n", "other:\n    new: \"\"\n")),
    ("nothing", Sound, |text| text.replace("other:\n", "other:\n    new:\n")),
    ("an item in clear", Damaged, |text| text.replace("other:\n", "other:\n    new: [hello]\n")),
    ("a comment", Sound, |text| format!("# hello\n{text}")),
    ("a tag for bytes", Damaged, |text| text.replace("id: ENC", "id: !!binary ENC")),
    ("a tag for texts", Sound, |text| text.replace("id: ENC", "id: !!str ENC")),
];

const JSON_CASES: [Case; 7] = [
    ("as it was", Sound, |text| text.to_owned()),
    ("sops twice", Damaged, |text| text.replacen('{', "{\"sops\": {\"age\": []},", 1)),
    ("mac twice", OurselvesOnly, |text| text.replacen("\"mac\":", "\"mac\": \"x\", \"mac\":", 1)),
    ("an empty text", Sound, |text| text.replacen("\"n\":", "\"z\": \"\", \"n\":", 1)),
    ("a text in clear", Damaged, |text| text.replacen("\"n\":", "\"z\": \"hello\", \"n\":", 1)),
    ("no lastmodified", Damaged, |text| without_line(text, "\"lastmodified\"")),
    ("an empty data key", Damaged, |text| with_armor(text, "")),
];

const LINE_CASES: [Case; 6] = [
    ("as it was", Sound, |text| text.to_owned()),
    ("a text in clear", Damaged, |text| {
        text.replacen("=", "=hello\nZ=", 1).replacen("[aws]\n", "[aws]\nz = hello\n", 1)
    }),
    ("mac twice", OurselvesOnly, |text| {
        text.replace("\nsops_mac", "\nsops_mac=x\nsops_mac").replace("\nmac ", "\nmac = x\nmac ")
    }),
    ("a wrong lastmodified", Damaged, |text| {
        with_line(&with_line(text, "sops_last", "sops_lastmodified=today"), "lastmod", "lastmodified = today")
    }),
    ("an empty data key", Damaged, |text| with_armor(text, "")),
    ("no version", Damaged, |text| without_line(&without_line(text, "sops_version"), "version")),
];

#[test]
fn what_upstream_cannot_decrypt_is_found_without_a_key() {
    let up = Upstream::new();
    for (name, plain, paths, cases) in [
        ("a.yaml", YAML, ["aws.id", "aws.secret"], &YAML_CASES[..]),
        ("a.json", JSON, ["aws.id", "aws.secret"], &JSON_CASES),
        ("a.env", DOTENV, ["ID", "SECRET"], &LINE_CASES),
        ("a.ini", INI, ["aws.id", "aws.secret"], &LINE_CASES),
    ] {
        let plain = plain.replace("$ID", OLD).replace("$SECRET", &secret(0));
        let written = String::from_utf8(up.encrypt(name, &plain, "")).unwrap();
        let [id, key] = paths;
        let sops =
            destination(json!({"sops": {"file": name, "access_key_id": id, "secret_access_key": key}}));
        for (what, expected, change) in cases {
            let file = change(&written);
            let is_changed = file != written || *what == "as it was";
            assert!(is_changed, "{name}: {what}\n{file}");
            let theirs = up.decrypt(name, file.as_bytes()).is_ok();
            let inspected = as_file(&sops).unwrap().inspect_file(file.as_bytes());
            let ours = inspected.problems.is_empty();
            let found = match (theirs, ours) {
                (true, true) => Sound,
                (false, false) => Damaged,
                (true, false) => OurselvesOnly,
                (false, true) => panic!("{name}: {what}: only upstream finds it\n{file}"),
            };
            assert_eq!(found, *expected, "{name}: {what}: {:?}\n{file}", inspected.problems);
        }
    }
}
