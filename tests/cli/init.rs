//! `keytide init`: a first policy file, from the files of a repository and an account.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::Keytide;
use crate::support::emulator::Emulator;

const KEY: &str = "AKIAYVP4CIPPERUVIFXG";
const WORKFLOW: &str = "\
on: push
jobs:
  deploy:
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
";
const SOPS: &str = "\
aws:
  access_key_id: ENC[AES256_GCM,data:aaaa,iv:bbbb,tag:cccc,type:str]
  secret_access_key: ENC[AES256_GCM,data:dddd,iv:eeee,tag:ffff,type:str]
sops:
  lastmodified: \"2026-01-01T00:00:00Z\"
  mac: ENC[AES256_GCM,data:gggg,iv:hhhh,tag:iiii,type:str]
";

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// A repository with a workflow, a file of SOPS and one that names a key.
fn repository(arguments: &[&str]) -> Keytide {
    let keytide = Keytide::new(arguments)
        .file(".github/workflows/deploy.yml", WORKFLOW)
        .file("deploy/secrets.enc.yaml", SOPS)
        .file("deploy/main.tf", format!("# the deploying user's key is {KEY}\n"))
        .file("secrets/other.age", "age-encryption.org/v1\n-> X25519 abc\n");
    let folder = keytide.path("");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["remote", "add", "origin", "https://github.com/acme/app.git"]);
    git(&folder, &["add", "."]);
    keytide
}

fn account() -> Emulator {
    Emulator::with(&json!({"account": "123456789012", "users": [
        { "name": "ci-deployer", "keys": [{ "id": KEY, "created_at": "2026-01-01T00:00:00Z" }] },
        { "name": "somebody", "keys": [{ "created_at": "2025-01-01T00:00:00Z" }, { "created_at": "2025-02-01T00:00:00Z" }] },
        { "name": "keyless" },
    ]}))
}

/// Without an account: the destinations stand there as comments, since nobody knows whose they are.
#[test]
fn without_an_account_it_says_what_the_files_tell() {
    let keytide = repository(&["init", "--offline"]);
    let folder = keytide.path("");
    let run = keytide.run().exits(0);
    assert!(run.stdout.starts_with("Wrote .github/keytide.yml. Review it; next:\n"), "{}", run.stdout);
    let text = std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap();
    for line in [
        "account: \"595918472158\"",
        "  - name: CHANGE-ME ",
        "# - sops: { file: deploy/secrets.enc.yaml, access_key_id: aws.access_key_id, secret_access_key: aws.secret_access_key }",
        "# - github_secret: { repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }",
        "# - reference: { files: [deploy/main.tf] }",
        "# age: { file: secrets/other.age } needs ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let again =
        Command::new(crate::support::program()).args(["init", "--offline"]).current_dir(&folder).output();
    let again = again.unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&again.stderr)
            .contains("there is a policy file already: .github/keytide.yml")
    );
    assert_eq!(
        std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap(),
        text,
        "it stays as it was"
    );
}

/// With one: the user whose key a file names is entered, with the destinations; the others can be chosen from.
#[test]
fn with_an_account_it_names_the_user() {
    let aws = account();
    let keytide = repository(&["init", "--now", "2026-03-02T00:00:00Z"]).against(&aws.url());
    let folder = keytide.path("");
    keytide.run().exits(0);
    let text = std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap();
    assert!(text.contains("account: \"123456789012\""), "{text}");
    assert!(text.contains("  - name: ci-deployer   # a file of this repository names its access key; 1 access key, 60 days old\n"), "{text}");
    assert!(text.contains("#  - name: somebody   # 2 access keys, the oldest 425 days old\n"), "{text}");
    assert!(
        !text.contains("keyless") && text.contains("    destinations:\n      - github_secret:"),
        "{text}"
    );

    let audit = Keytide::new(&["audit", "--format", "json"]).policy(&text).against(&aws.url()).run();
    assert_eq!(audit.json()["users"][0]["name"], "ci-deployer", "{}", audit.stdout);
}

/// Where no credentials are, that is said and is no failure; nothing is written with `--stdout`.
#[test]
fn an_account_that_cannot_be_read_is_no_failure() {
    let keytide = repository(&["init", "--stdout"]);
    let folder = keytide.path("");
    let run = keytide.run().exits(0);
    assert!(run.stdout.contains("version: 1\n") && run.stdout.contains("CHANGE-ME"), "{}", run.stdout);
    assert!(run.stderr.contains("the account was not read"), "{}", run.stderr);
    assert!(!folder.join(".github/keytide.yml").exists());
}

/// What `init` leaves open is not passed over by a check.
#[test]
fn a_policy_file_with_the_placeholder_fails_the_check() {
    let check = |name: &str| {
        let policy = format!("version: 1\nusers:\n  - name: {name}\n");
        Keytide::new(&["check", "keytide.yml"]).file("keytide.yml", policy).run()
    };
    let run = check("CHANGE-ME").exits(2);
    assert!(run.stdout.contains("the user name is still `CHANGE-ME`"), "{}\n{}", run.stdout, run.stderr);
    check("ci-deployer").exits(0);
}
