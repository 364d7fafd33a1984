//! What must hold for every input: nothing panics, the work is linear, and no report tells a secret.

use std::collections::BTreeMap;

use crate::support::check::{id, secret};
use keytide::destinations::as_file;
use keytide::policy::{Destination, Policy, file, scalar::FilePath, scalar::Scalar};
use keytide::report::{FailOn, Report, ReportFormat, ScanSummary};
use keytide::repository::{
    KeyMaterial, LockFile, ManagedKeys, RepositoryFiles, RepositoryIdentity, Scanner, parse_index, scan_file,
};
use keytide::rules::{RuleInput, run_rules};
use keytide::text_style::TextStyle;
use proptest::prelude::*;

const FORMATS: [ReportFormat; 7] = [
    ReportFormat::Text,
    ReportFormat::Json,
    ReportFormat::Sarif,
    ReportFormat::Github,
    ReportFormat::Markdown,
    ReportFormat::Html,
    ReportFormat::Badge,
];

/// Every report about one file.
fn reports(name: &str, text: &[u8]) -> Vec<String> {
    let found = vec![scan_file(&Scanner::new(), name, text)];
    let files = RepositoryFiles {
        is_complete: true,
        found,
        managed_keys: ManagedKeys::default(),
        destinations: BTreeMap::new(),
        lock_files: BTreeMap::new(),
    };
    let (policy, repository) = (Policy::empty(), RepositoryIdentity::default());
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let facts = RuleInput {
        policy: &policy,
        inventory: None,
        files: Some(&files),
        rotations: None,
        repository: &repository,
        fleet: None,
        now,
    };
    let report = Report::of_check(
        &policy,
        ScanSummary::default(),
        run_rules(&facts),
        Vec::new(),
        (now, FailOn::Error, true),
    );
    let masked = report.clone().mask_key_ids();
    let plain = TextStyle::default();
    let coloured = TextStyle { colour: true, width: Some(60) };
    FORMATS
        .iter()
        .flat_map(|format| [report.render(*format, plain), masked.render(*format, coloured)])
        .collect()
}

/// A secret access key as AWS makes them: forty characters of Base64, each as likely as any other.
///
/// A regular expression would draw one of its five ranges first, and with it two characters in five would be `+` or `/`.
fn any_secret() -> impl Strategy<Value = String> {
    let characters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect::<Vec<_>>();
    prop::collection::vec(prop::sample::select(characters), 40).prop_map(String::from_iter)
}

/// Ways in which people leave a key pair behind; `{id}` and `{secret}` stand for its parts.
fn any_place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "aws_access_key_id = {id}\naws_secret_access_key = {secret}\n",
        "{\"SecretAccessKey\":\"{secret}\",\"AccessKeyId\":\"{id}\"}",
        "new Credentials('{id}', '{secret}') // {secret}",
        "s3://{id}:{secret}@bucket/{secret}",
        "{id} {secret} {secret} {id}",
        "AWS_SECRET_ACCESS_KEY={secret} AWS_ACCESS_KEY_ID={id} ./run --secret-key {secret}",
        "x=\"{secret}{secret}\" secret_key=\"{secret}\" {id}",
        "secretKey={secret}={secret}%{secret}\\{secret}\"{id}",
        "# {id}\n{secret}\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_report_tells_a_secret(secret in any_secret(), place in any_place(), before in "[ -~]{0,60}") {
        let text = format!("{before}{}", place.replace("{secret}", &secret).replace("{id}", &id()));
        for report in reports("a.txt", text.as_bytes()) {
            // Eight characters in a row would be a piece of it; escapes of a format could hide them in two.
            for piece in secret.as_bytes().windows(8) {
                let piece = std::str::from_utf8(piece).unwrap();
                prop_assert!(!report.contains(piece), "{piece} of {secret} in {report}");
            }
        }
    }

    #[test]
    fn masked_reports_tell_no_key_id(before in "[ -~]{0,60}", after in "[ -~]{0,20}") {
        let text = format!("{before} {}{after}\\n{} {}", id(), id(), secret());
        for masked in reports("a.txt", text.as_bytes()).iter().skip(1).step_by(2) {
            prop_assert!(!masked.contains(&id()), "{masked}");
        }
    }

    #[test]
    fn a_random_secret_behind_its_name_is_found(secrets in prop::collection::vec(any_secret(), 20)) {
        let found = |secret: &&String| {
            let text = format!("aws_secret_access_key = {secret}\n");
            scan_file(&Scanner::new(), "a", text.as_bytes()).matches.len() == 1
        };
        // A few in a million are let go, those that hardly differ from a name or an example: never two of twenty.
        let lost = secrets.iter().filter(|secret| !found(secret)).collect::<Vec<_>>();
        prop_assert!(lost.len() <= 1, "{lost:?}");
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in any_bytes()) {
        let _ = scan_file(&Scanner::new(), ".github/workflows/x.yml", &bytes);
        let _ = LockFile::parse(&bytes);
        let _ = (parse_index(&bytes, 20).is_ok(), parse_index(&bytes, 32).is_ok());
        for destination in destinations() {
            let _ = as_file(&destination).unwrap().inspect_file(&bytes);
        }
        let source = keytide::policy::PolicySource { file: "x", bytes: &bytes, read_base: &|_| keytide::repository::FileContent::Absent };
        let _ = keytide::policy::read_policy(&source, &[]).is_ok();
    }

    #[test]
    fn twice_the_input_is_at_most_about_twice_the_work(piece in any_bytes(), times in 1_usize..40) {
        let scanner = Scanner::new();
        let once = piece.repeat(times);
        let twice = once.repeat(2);
        let (few, many) = (scanner.scan(&once).steps, scanner.scan(&twice).steps);
        prop_assert!(many <= 3 * few + 100_000, "{few} steps for {}, {many} for {}", once.len(), twice.len());
    }
}

/// Arbitrary bytes, mixed with what the readers look for.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        id(),
        secret(),
        ["QUtJQVFO", "WkdLSVFZNTZKUTdXTUw="].concat(),
        ["UVV0SlFWRk9X", "a2RMU1ZGWk5UWktVVGRYVFV3PQ=="].concat(),
        "aws_secret_access_key".to_owned(),
        "Secret".to_owned(),
        " = \"".to_owned(),
        "\n".to_owned(),
        ["# keytide", ": allow plaintext-key -- x\n"].concat(),
        "ENC[AES256_GCM,data:".to_owned(),
        "sops:\n    mac: x\n".to_owned(),
        "age-encryption.org/v1\n-> X25519 a\n".to_owned(),
        "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned(),
        "kind: SealedSecret\nspec: {encryptedData: {a: AgA=}}\n".to_owned(),
        "jobs: {a: {steps: [{uses: x, with: {aws-access-key-id: y}}]}}\n".to_owned(),
        "DIRC\0\0\0\u{4}\0\0\0\u{2}".to_owned(),
        "%2F\\/\\n\\u003d".to_owned(),
    ]);
    let piece = prop_oneof![known.prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..24)];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn destinations() -> Vec<Destination> {
    let path = |text: &str| FilePath::parse(text).unwrap();
    let (access_key_id, secret_access_key) = ("a".to_owned(), "b.c".to_owned());
    let sops = |file: &str| file::SopsDestination {
        file: path(file),
        access_key_id: access_key_id.clone(),
        secret_access_key: secret_access_key.clone(),
        ses_smtp_password: None,
    };
    let mut all: Vec<Destination> =
        ["x.yaml", "x.json", "x.env", "x.ini", "x"].map(|file| Destination::Sops(sops(file).into())).into();
    let format = keytide::destinations::plaintext::CredentialFormat::Dotenv;
    let age = file::AgeDestination {
        file: path("x"),
        format,
        secret_access_key: None,
        ses_smtp_password: None,
        recipients: vec![],
        recipients_file: None,
    };
    all.push(Destination::Age(age.into()));
    let sealed = file::SealedSecret {
        file: path("x"),
        certificate: path("y"),
        access_key_id,
        secret_access_key,
        ses_smtp_password: None,
    };
    all.push(Destination::SealedSecret(sealed.into()));
    all
}

#[test]
fn the_worst_inputs_that_were_thought_of_are_linear() {
    let scanner = Scanner::new();
    let id = id();
    let encoded = ["QUtJQVFO", "WkdLSVFZNTZKUTdXTUw"].concat();
    for piece in [
        id.clone(),
        format!("{id} "),
        format!("{id}\n"),
        "aws_secret_access_key ".to_owned(),
        "secret_key=".to_owned(),
        encoded.clone(),
        format!("{encoded}\n"),
        format!("{encoded} "),
        "FLSU".to_owned(),
        "AKIA".to_owned(),
        format!("{} {id}", "a".repeat(3_000)),
        format!("{id}{}", "a".repeat(3_000)),
        ["# keytide", ": allow a -- b "].concat(),
    ] {
        let steps = |size: usize| scanner.scan(piece.repeat(size / piece.len() + 1).as_bytes()).steps;
        let (few, many) = (steps(50_000), steps(100_000));
        assert!(many * 10 <= few * 22, "{piece:.40}: {few}, then {many}");
        assert!(few <= 50_000 * 300, "{piece:.40}: {few} steps");
    }
}

#[test]
fn a_finding_keeps_its_fingerprint_when_the_line_moves() {
    let print = |text: String| {
        let sarif: serde_json::Value = serde_json::from_str(&reports("a.txt", text.as_bytes())[4]).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|r| r["partialFingerprints"].to_string()).collect::<Vec<_>>()
    };
    let line = format!("aws_secret_access_key = {}\n", secret());
    assert_eq!(print(line.clone()), print(format!("\n\n# more\n{line}")));
    let two = print(line.repeat(2));
    assert_eq!(two.len(), 2);
    assert_ne!(two[0], two[1]);
    let hits = scan_file(&Scanner::new(), "a", line.as_bytes()).matches;
    assert!(matches!(hits[0].material, KeyMaterial::Secret { .. }));
}
