use super::*;
use crate::destinations::ProblemKind;
use crate::policy::scalar::{FilePath, Scalar};

const ENC: &str = "ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]";

/// The messages about a file whose values are `a.id` and `a.secret`, each with its place.
fn inspect(file: &str, paths: (&str, &str), text: &str) -> Vec<String> {
    let inspection =
        destination(file, paths).inspect_file(with_metadata(text).replace("ENC!", ENC).as_bytes());
    assert_eq!(inspection.credential_sha256.is_some(), inspection.problems.is_empty());
    let line = |p: &crate::destinations::FileProblem| format!("{}:{} {}", p.at.line, p.at.column, p.message);
    inspection.problems.iter().map(line).collect()
}

fn destination(file: &str, (id, secret): (&str, &str)) -> SopsDestination {
    SopsDestination {
        file: FilePath::parse(file).unwrap(),
        access_key_id: id.to_owned(),
        secret_access_key: secret.to_owned(),
        ses_smtp_password: None,
    }
}

/// Adds to each MAC the rest of what SOPS needs.
fn with_metadata(text: &str) -> String {
    let fields = [("lastmodified", "2026-01-01T00:00:00Z"), ("version", "3.11.0")];
    let lines = |begin: &str, sign: &str| {
        let fields = fields.iter().chain(&[("kms__list_0__map_enc", "YQ==")]);
        fields.map(|(name, value)| format!("{begin}{name}{sign}{value}\n")).collect::<String>()
    };
    let yaml = fields.map(|(name, value)| format!("    {name}: \"{value}\"\n")).concat();
    let json = fields.map(|(name, value)| format!(", \"{name}\": \"{value}\"")).concat();
    text.replace("    mac: ENC!\n", &format!("    mac: ENC!\n{yaml}    kms:\n        - enc: YQ==\n"))
        .replace("\"mac\": \"ENC!\"", &format!("\"mac\": \"ENC!\"{json}, \"kms\": [{{\"enc\": \"YQ==\"}}]"))
        .replace("sops_mac=ENC!\n", &format!("sops_mac=ENC!\n{}", lines("sops_", "=")))
        .replace("\nmac = ENC!\n", &format!("\nmac = ENC!\n{}", lines("", " = ")))
}

const PATHS: (&str, &str) = ("a.id", "a.secret");
const NONE: [String; 0] = [];

#[test]
fn a_sound_file_of_each_format_is_accepted() {
    assert_eq!(inspect("x.yaml", PATHS, "a:\n    id: ENC!\n    secret: ENC!\nsops:\n    mac: ENC!\n"), NONE);
    assert_eq!(
        inspect(
            "x.json",
            PATHS,
            "{\n\t\"a\": {\n\t\t\"id\": \"ENC!\",\n\t\t\"secret\": \"ENC!\"\n\t},\n\t\"sops\": {\n\t\t\"mac\": \"ENC!\"\n\t}\n}\n"
        ),
        NONE
    );
    assert_eq!(inspect("x.env", ("ID", "SECRET"), "ID=ENC!\nSECRET=ENC!\nsops_mac=ENC!\n"), NONE);
    assert_eq!(inspect("x.ini", PATHS, "[a]\nid     = ENC!\nsecret = ENC!\n[sops]\nmac = ENC!\n"), NONE);
    assert_eq!(inspect("x.txt", PATHS, "{\"data\": \"ENC!\", \"sops\": {\"mac\": \"ENC!\"}}"), NONE);
}

#[test]
fn a_name_of_another_ending_is_read_by_its_metadata() {
    let dotenv = "ID=ENC!\nSECRET=ENC!\nsops_mac=ENC!\n";
    for name in [".env.production", "drone.env.sops", "x.env.enc", "x"] {
        assert_eq!(inspect(name, ("ID", "SECRET"), dotenv), NONE, "{name}");
        assert_eq!(inspect(name, ("ID", "SECRET"), "ID=a\nSECRET=b\n").len(), 1, "{name}");
    }
    let json = "{\"a\": {\"id\": \"ENC!\", \"secret\": \"ENC!\"}, \"sops\": {\"mac\": \"ENC!\"}}";
    for name in ["x.json.enc", "config.sops"] {
        assert_eq!(inspect(name, PATHS, json), NONE, "{name}");
    }
    let ini = "[a]\nid = ENC!\nsecret = ENC!\n[sops]\nmac = ENC!\n";
    assert_eq!(inspect("credentials", PATHS, ini), NONE);
    assert_eq!(
        inspect("x.yaml.enc", PATHS, "a:\n    id: ENC!\n    secret: ENC!\nsops:\n    mac: ENC!\n"),
        NONE
    );
}

/// SOPS encrypts every document, and reads its metadata from the first one.
#[test]
fn a_value_in_clear_text_in_another_document_is_reported() {
    let sound = "a:\n    id: ENC!\n    secret: ENC!\nsops:\n    mac: ENC!\n";
    assert_eq!(inspect("x.yaml", PATHS, &format!("{sound}---\n{sound}")), NONE);
    let found = inspect("x.yaml", PATHS, &format!("{sound}---\na:\n    secret: hush\n"));
    assert_eq!(found, ["12:13 the value `a.secret` is in plaintext"]);
    let found = inspect("x.yaml", PATHS, &format!("b: hush\n---\n{sound}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("without valid `sops` metadata"), "{found:?}");
}

#[test]
fn a_key_can_contain_dots() {
    let paths = ("cloud.aws.access-key", "cloud.aws.secret-key");
    let sops = "sops:\n    mac: ENC!\n";
    for text in [
        "cloud.aws.access-key: ENC!\ncloud.aws.secret-key: ENC!\n",
        "cloud:\n    aws.access-key: ENC!\n    aws.secret-key: ENC!\n",
        "cloud.aws:\n    access-key: ENC!\n    secret-key: ENC!\ncloud:\n    aws: ENC!\n",
    ] {
        assert_eq!(inspect("x.yaml", paths, &format!("{text}{sops}")), NONE, "{text}");
    }
    let clear = format!("cloud.aws.access-key: ENC!\ncloud.aws.secret-key: hunter2\n{sops}");
    assert_eq!(inspect("x.yaml", paths, &clear), ["2:23 the value `cloud.aws.secret-key` is in plaintext"]);
    let ini = "[profile.ci]\nid = ENC!\nsecret = ENC!\n[sops]\nmac = ENC!\n";
    assert_eq!(inspect("x.ini", ("profile.ci.id", "profile.ci.secret"), ini), NONE);
}

#[test]
fn a_value_in_clear_text_is_reported_where_it_stands() {
    let text = "a:\n    id: ENC!\n    secret: hunter2\nsops:\n    mac: ENC!\n";
    assert_eq!(inspect("x.yaml", PATHS, text), ["3:13 the value `a.secret` is in plaintext"]);
    let text = "ID=ENC!\nSECRET=hunter2\nsops_mac=ENC!\n";
    assert_eq!(inspect("x.env", ("ID", "SECRET"), text), ["2:8 the value `SECRET` is in plaintext"]);
    let text = "ID=a\nSECRET=hunter2\n";
    assert_eq!(
        inspect(".env", ("ID", "SECRET"), text),
        ["2:8 this file is not SOPS-encrypted: it has no `sops` metadata"]
    );
    let broken = "a:\n    id: ENC!\n    secret: ENC[AES256_GCM,data:x]\nsops:\n    mac: ENC!\n";
    assert_eq!(inspect("x.yaml", PATHS, broken), ["3:13 the value `a.secret` is not valid SOPS ciphertext"]);
}

#[test]
fn a_selector_that_misses_a_value_is_reported() {
    let text = |selector: &str| {
        format!("a:\n    id: ENC!\n    secret: ENC!\nsops:\n    {selector}\n    mac: ENC!\n")
    };
    assert_eq!(inspect("x.yaml", PATHS, &text("encrypted_regex: ^(id|secret)$")), NONE);
    assert_eq!(inspect("x.yaml", PATHS, &text("encrypted_regex: ^a$")), NONE);
    assert_eq!(
        inspect("x.yaml", PATHS, &text("encrypted_regex: ^(data|secret)$")),
        [
            "2:9 `encrypted_regex: ^(data|secret)$` leaves `a.id` out: the next edit with SOPS writes it in clear text"
        ]
    );
    assert_eq!(inspect("x.yaml", PATHS, &text("unencrypted_suffix: cret")).len(), 1);
    assert_eq!(
        inspect("x.yaml", PATHS, &text("unencrypted_regex: ^secret$\n    encrypted_suffix: t")),
        [
            "2:9 `encrypted_suffix: t` leaves `a.id` out: the next edit with SOPS writes it in clear text",
            "3:13 `unencrypted_regex: ^secret$` leaves `a.secret` out: the next edit with SOPS writes it in clear text"
        ]
    );
    // The index in a list is no key
    let list = "l:\n    - id: ENC!\n      secret: ENC!\nsops:\n    unencrypted_regex: ^0$\n    mac: ENC!\n";
    assert_eq!(inspect("x.yaml", ("l.0.id", "l.0.secret"), list), NONE);
}

/// It holds what its lock file says, and yet a rotation does not take it.
#[test]
fn a_sample_is_incomplete_and_not_called_damaged() {
    let inspect = |fields: &str| {
        let text = format!("a:\n    id: ENC!\n    secret: ENC!\nb: x\nsops: {{mac: \"ENC!\"{fields}}}\n");
        let inspection = destination("x.yaml", PATHS).inspect_file(text.replace("ENC!", ENC).as_bytes());
        let kinds: Vec<ProblemKind> = inspection.problems.iter().map(|problem| problem.kind).collect();
        (kinds, inspection.credential_sha256.is_some())
    };
    assert_eq!(inspect(""), (vec![ProblemKind::Incomplete], true));
    assert_eq!(inspect(", version: 3.11.0"), (vec![ProblemKind::Incomplete], true));
    let fields = ", version: 3.11.0, age: [{recipient: a}]";
    // The time, the data key of the recipient, and `b` in clear text
    assert_eq!(inspect(fields), (vec![ProblemKind::Invalid; 3], false));
}

#[test]
fn a_value_that_is_not_there_is_reported() {
    let text = "a:\n    id: ENC!\nsops:\n    mac: ENC!\n";
    assert_eq!(inspect("x.yaml", PATHS, text), ["1:1 this file has no value `a.secret`"]);
}
