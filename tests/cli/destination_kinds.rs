//! What each kind of destination answers about itself, in one snapshot: a new kind adds its part here.

use std::fmt::Write as _;

use keytide::destinations::kind::{Storage, describe_destination, describe_removal, find_journal_kind};
use keytide::destinations::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest};
use keytide::destinations::{StoreDestination, as_store};
use keytide::policy::Destination;
use keytide::rotation::StorageKind;
use serde_json::{Value, json};

/// One destination of each kind, as the policy file has it.
fn samples() -> Vec<Destination> {
    let specs = [
        json!({"sops": {"file": "a.yaml", "access_key_id": "aws.id", "secret_access_key": "aws.secret"}}),
        json!({"age": {"file": "a.env.age", "format": "dotenv", "recipients_file": "recipients.txt"}}),
        json!({"sealed_secret": {
            "file": "a.yaml", "certificate": "cert.pem", "access_key_id": "ID", "secret_access_key": "SECRET",
        }}),
        json!({"github_secret": {"repository": "acme/app", "access_key_id": "ID", "secret_access_key": "SECRET"}}),
        json!({"secrets_manager": {
            "secret_id": "prod/aws", "region": "eu-west-1", "access_key_id": "id", "secret_access_key": "secret",
        }}),
        json!({"ssm_parameter": {"json": "/app/aws", "region": "eu-west-1"}}),
        json!({"vault": {
            "address": "https://vault.example.com", "path": "app/aws", "access_key_id": "id",
            "secret_access_key": "secret", "role": "keytide",
        }}),
        json!({"reference": {"files": ["deploy/*.yaml"]}}),
    ];
    specs.into_iter().map(|spec| serde_json::from_value(spec).unwrap()).collect()
}

/// The kinds that the policy's schema has.
fn kinds_of_schema() -> Vec<String> {
    let schema = keytide::policy::schema::published_schema(&[]);
    let variants = schema["$defs"]["Destination"]["oneOf"]
        .as_array()
        .or_else(|| schema["$defs"]["UserEntry"]["properties"]["destinations"]["items"]["oneOf"].as_array());
    let name = |variant: &Value| variant["required"][0].as_str().unwrap().to_owned();
    variants.expect("the schema lists the kinds").iter().map(name).collect()
}

#[test]
fn every_kind_answers_for_itself() {
    let mut text = String::new();
    for destination in samples() {
        describe(&destination, &mut text);
    }
    insta::assert_snapshot!(text);
    let names: Vec<String> = samples().iter().map(|one| one.kind().kind_name().to_owned()).collect();
    assert_eq!(names, kinds_of_schema(), "each kind of the policy file has its part in the snapshot");
}

fn describe(destination: &Destination, text: &mut String) {
    let kind = destination.kind();
    let identity = destination.identity();
    writeln!(text, "{}: {}", kind.kind_name(), kind.summary()).unwrap();
    writeln!(text, "  identity: {identity:?}").unwrap();
    let journal_kind =
        find_journal_kind(kind.kind_name()).expect("the journal's kinds are those of the policy file");
    if let Some((id, _)) = &identity {
        writeln!(text, "  shown as: {}", describe_destination(id)).unwrap();
        writeln!(text, "  removed by: {}", describe_removal(id)).unwrap();
    }
    writeln!(text, "  updated service: {:?}", journal_kind.updated_service).unwrap();
    let capabilities = kind.capabilities();
    writeln!(text, "  {capabilities:?}").unwrap();
    if let Some((_, storage)) = identity {
        assert_eq!(capabilities.restorable, storage != StorageKind::Store, "what the protocol takes it for");
    }
    writeln!(text, "  writes: {}", kind.written_values().join("; ")).unwrap();
    let is_read_by_queued_runs = as_store(destination).is_some_and(StoreDestination::is_read_by_queued_runs);
    writeln!(text, "  is read by queued runs: {is_read_by_queued_runs}").unwrap();
    if let Storage::File(file) = kind.storage() {
        writeln!(text, "  files: {}", file.required_files().join(", ")).unwrap();
        for problem in file.inspect_file(b"AWS_SECRET_ACCESS_KEY=plain\n").problems {
            let at = problem.at;
            writeln!(text, "  {:?} at {}:{}: {}", problem.kind, at.line, at.column, problem.message).unwrap();
        }
    }
    for access in [DestinationAccess::Audit, DestinationAccess::Rotate, DestinationAccess::Delete] {
        let scope = ArnScope { partition: "aws", account: "123456789012" };
        let request = PermissionRequest {
            access,
            scope: &scope,
            now: jiff::Timestamp::UNIX_EPOCH,
            read_file: &|_| None,
        };
        let mut needed = NeededPermissions::default();
        kind.add_permissions(&request, &mut needed);
        for statement in needed.statements() {
            writeln!(text, "  {access:?}: {}", serde_json::to_value(&statement).unwrap()).unwrap();
        }
        for note in needed.notes() {
            writeln!(text, "  {access:?}, note: {note}").unwrap();
        }
    }
    text.push('\n');
}
