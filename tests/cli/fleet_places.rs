//! Places that the policy files of two repositories write: each file is right by itself, and the fleet's report shows both.

use serde_json::{Value, json};

use crate::support::Keytide;
use crate::support::peers::Github;

const FLEET: &str =
    "version: 1\norganizations: [acme]\naccounts:\n  - id: \"123456789012\"\n  - id: \"222222222222\"\n";
const ACCOUNT: &str = "123456789012";
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/aws-AbCdEf";

/// A policy file with one rotated user, and a destination on line 7.
fn policy(account: &str, destination: &str) -> String {
    format!(
        "version: 1\naccount: \"{account}\"\nusers:\n  - name: app\n    rotation: {{}}\n    destinations:\n      - {destination}\n"
    )
}

fn secret(place: &str) -> String {
    format!("github_secret: {{ {place}, access_key_id: KEY_ID, secret_access_key: SECRET }}")
}

fn parameters(region: &str) -> String {
    format!("ssm_parameter: {{ region: {region}, access_key_id: /app/id, secret_access_key: /app/secret }}")
}

fn managed(id: &str, region: &str) -> String {
    format!(
        "secrets_manager: {{ region: {region}, secret_id: \"{id}\", access_key_id: id, secret_access_key: secret }}"
    )
}

fn vault(address: &str) -> String {
    format!(
        "vault: {{ address: \"{address}\", mount: kv, path: app/aws, role: keytide, access_key_id: id, secret_access_key: secret }}"
    )
}

/// The report of a collection of two repositories, without results of jobs.
fn report(files: [String; 2]) -> Value {
    let github = Github::start();
    let repository =
        |name: &str, file: &String| json!({"name": name, "id": 1, "files": {"keytide.yml": file}});
    let repositories = [repository("acme/app", &files[0]), repository("acme/web", &files[1])];
    github.control("POST", "fleet", &json!({"repositories": repositories}));
    let run = Keytide::new(&["fleet", "collect", "--out", "out", "--github-api-url", &github.url()]);
    let out = run.path("out");
    run.file("fleet.yml", FLEET).env("GITHUB_TOKEN", "token").run().exits(0);
    let collection = out.join("collection.json");
    let text = std::fs::read_to_string(&collection).unwrap();
    assert!(!text.contains("invalid"), "{text}");
    // There is no result of a job, so that the report is incomplete
    Keytide::new(&["fleet", "report", "--format", "json", collection.to_str().unwrap()]).run().exits(3).json()
}

fn contested(files: [String; 2]) -> Vec<String> {
    let report = report(files);
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().filter(|finding| finding["rule"] == "contested-destination");
    found.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_place_of_two_repositories_is_a_finding() {
    let writers = "are written by acme/app (keytide.yml:7) and acme/web (keytide.yml:7)";
    let environment = secret("repository: acme/shared, environment: production");
    for (first, second, place) in [
        (
            secret("organization: acme"),
            secret("organization: Acme"),
            "the secret `KEY_ID` of acme, actions and the secret `SECRET` of acme, actions",
        ),
        (
            environment.clone(),
            environment,
            "the secret `KEY_ID` of acme/shared, production, actions and the secret `SECRET` of acme/shared, production, actions",
        ),
        (
            parameters("eu-west-1"),
            parameters("eu-west-1"),
            "the parameter `/app/id` in eu-west-1 of account 123456789012 and the parameter `/app/secret` in eu-west-1 of account 123456789012",
        ),
        (
            managed("prod/aws", "eu-west-1"),
            managed(ARN, "eu-west-1"),
            "the field `id` of the secret `prod/aws` in eu-west-1 of account 123456789012 and the field `secret` of the secret `prod/aws` in eu-west-1 of account 123456789012",
        ),
        (
            vault("https://vault.example.com"),
            vault("https://vault.example.com/"),
            "the field `id` of the Vault secret `https://vault.example.com/kv/app/aws` and the field `secret` of the Vault secret `https://vault.example.com/kv/app/aws`",
        ),
    ] {
        let found = contested([policy(ACCOUNT, &first), policy(ACCOUNT, &second)]);
        assert_eq!(found, [format!("{place} {writers}")]);
    }
}

/// The same name in another account, region, server, owner or environment is another place, and so is a file.
#[test]
fn the_same_name_elsewhere_is_another_place() {
    let other = "222222222222";
    let sops = "sops: { file: a.yaml, access_key_id: id, secret_access_key: secret }".to_owned();
    for (account, first, second) in [
        (ACCOUNT, secret("organization: acme"), secret("organization: partner")),
        (ACCOUNT, secret("organization: acme"), secret("organization: acme, product: dependabot")),
        (
            ACCOUNT,
            secret("repository: acme/app, environment: a"),
            secret("repository: acme/app, environment: b"),
        ),
        (ACCOUNT, secret("repository: acme/app"), secret("repository: acme/web")),
        (other, parameters("eu-west-1"), parameters("eu-west-1")),
        (ACCOUNT, parameters("eu-west-1"), parameters("us-east-1")),
        (other, managed("prod/aws", "eu-west-1"), managed("prod/aws", "eu-west-1")),
        (ACCOUNT, managed("prod/aws", "eu-west-1"), managed("prod/aws", "us-east-1")),
        (ACCOUNT, vault("https://a.example.com"), vault("https://b.example.com")),
        (ACCOUNT, sops.clone(), sops),
    ] {
        let found = contested([policy(ACCOUNT, &first), policy(account, &second)]);
        assert_eq!(found, [""; 0], "{first} {second}");
    }
}

/// Only a rotation writes; what the report says is to be done.
#[test]
fn a_place_that_no_rotation_writes_is_not_contested() {
    let rotated = policy(ACCOUNT, &secret("organization: acme"));
    let audited = rotated.replace("    rotation: {}\n", "");
    assert_eq!(contested([audited.clone(), audited.clone()]), [""; 0]);
    let report = report([rotated, audited]);
    let finding = &report["findings"][0];
    assert_eq!((&finding["rule"], &finding["severity"]), (&json!("contested-destination"), &json!("error")));
    assert!(finding["help"].as_str().unwrap().contains("in one of the repositories"), "{finding}");
    assert_eq!(finding["location"], json!({"file": "fleet.yml", "line": 1, "column": 1}));
}
