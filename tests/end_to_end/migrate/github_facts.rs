//! What `keytide migrate` asks GitHub: the secrets of environments, and whether a rotation is under way.

use serde_json::json;

use super::command::{USERS, read};
use super::life::{DEPLOY, Life, WORKFLOW};
use crate::forged_journals::{entry, write_journal};
use crate::support::peers::{POLICY, USER, rotation_field};

const MIGRATE: [&str; 4] = ["migrate", "--user", USER, "--write"];

fn begin(workflow: &str) -> Life {
    let life = Life::begin();
    life.world.github.push(&[(POLICY, USERS.as_bytes()), (WORKFLOW, workflow.as_bytes())]);
    life
}

/// A job reads the secrets of its environment first, and those may hold the key of another user.
#[test]
fn an_environment_with_secrets_of_its_own_keeps_its_jobs() {
    let workflow = DEPLOY.replace("    steps:", "    environment: production\n    steps:");
    let life = begin(&workflow);
    let github = &life.world.github;
    let said = life.command(&life.check_out(), &MIGRATE).stdout;
    let unknown = "Whether the environment has secrets of these names itself, which they would read instead, is not known \
                   (GitHub shows no `repos/acme/app/environments/production` to this token";
    assert!(said.contains(unknown), "{said}");

    github.control("POST", "environment", &json!({ "name": "production" }));
    let checkout = life.check_out();
    let said = life.command(&checkout, &MIGRATE).stdout;
    assert!(said.contains("read the key from the repository's secrets. The role trusts"), "{said}");
    assert!(read(&checkout, WORKFLOW).contains("role-to-assume"), "{said}");

    let folder = "/repos/acme/app/environments/production/secrets";
    github.control("POST", "secret", &json!({ "folder": folder, "name": "AWS_ACCESS_KEY_ID", "value": "x" }));
    let checkout = life.check_out();
    let said = life.command(&checkout, &MIGRATE).stdout;
    let own = "the environment `production` has `AWS_ACCESS_KEY_ID` of its own, which may hold it";
    assert!(said.contains(own), "{said}");
    assert_eq!((read(&checkout, WORKFLOW), read(&checkout, POLICY)), (workflow, USERS.to_owned()), "{said}");
}

/// A rotation under way delivers a key to the secrets that a retirement wants gone.
#[test]
fn a_rotation_under_way_ends_before_the_key_is_retired() {
    let life = begin(DEPLOY);
    let rotated = life.world.rotate();
    assert_eq!(rotation_field(&rotated, "phase"), "proposed", "{rotated:#}");
    let checkout = life.check_out();
    let said = life.command(&checkout, &MIGRATE).stdout;
    let under_way = format!("a rotation of the key is under way: end it first; `keytide plan --user {USER}`");
    assert!(said.contains(&under_way), "{said}");
    assert_eq!(read(&checkout, POLICY), USERS, "{said}");
    assert!(read(&checkout, WORKFLOW).contains("role-to-assume"), "{said}");
}

/// A journal that is no journal of keytide's says nothing of a rotation.
#[test]
fn a_broken_journal_is_said() {
    let life = begin(DEPLOY);
    let heartbeat = |minute| entry(minute, json!({ "event": "heartbeat" }));
    write_journal(&life.world, USER, &[heartbeat(30), heartbeat(1)]);
    let said = life.command(&life.check_out(), &MIGRATE).stdout;
    let unknown = "whether a rotation of the key is under way is not known (the journal is broken: ";
    assert!(said.contains(unknown), "{said}");
}
