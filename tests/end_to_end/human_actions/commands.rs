//! What people ask for: to stop, to hurry, to go in two roles, to wait for a workflow.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{ends_well, file_alone, proposed, says};
use crate::support::Keytide;
use crate::support::destinations::Pair;
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

/// While the file is on the default branch nothing is written, whatever is due.
#[test]
fn the_stop_file_stops_everything() {
    let mut world = file_alone();
    let stop = |world: &World, content: Value| {
        world.github.control("POST", "push", &json!({"files": {".github/keytide.stop": content}}));
    };
    let stopped = |world: &World| {
        let before = world.github.state();
        let run = world.keytide(&["rotate"]).run().exits(1);
        says(&run.json(), &["`.github/keytide.stop` is on the default branch", "remove the file"]);
        assert_eq!(world.github.state(), before);
    };
    stop(&world, json!(""));
    stopped(&world);
    assert_eq!(world.keys().len(), 1);
    stop(&world, Value::Null);
    world.until("proposed");
    world.merge();
    world.until("soaking");
    stop(&world, json!(""));
    world.pass(24 * 60);
    stopped(&world);
    assert_eq!(world.keys()[OLD].1, "Inactive");
    stop(&world, Value::Null);
    ends_well(&mut world);
}

/// The workflow must have succeeded after the merge, and again after the deactivation.
#[test]
fn a_workflow_must_succeed_twice() {
    let mut world = proposed();
    let rules = "{ grace: 7d, quiet: 3d, soak: 14d, validate: { workflow: smoke.yml } }";
    world.github.push(&[(POLICY, world.policy_with(rules).as_bytes())]);
    let run = |world: &World, fork: bool| {
        let run = json!({"file": "smoke.yml", "at": world.now.to_string(), "fork": fork});
        world.github.control("POST", "workflow", &run);
    };
    let succeeds = |world: &World| run(world, false);
    let waits = |world: &mut World, why: &str| {
        for _ in 0..3 {
            world.pass(24 * 15);
            world.work();
            // What a stranger's pull request has run from a branch of the same name proves nothing.
            run(world, true);
            says(&world.rotate(), &["the workflow of `validate`", why]);
        }
    };
    succeeds(&world);
    world.merge();
    world.until("grace");
    // The application is seen to use the new key first.
    world.pass(24);
    waits(&mut world, "has not succeeded since every destination holds the new key");
    assert_eq!(world.keys()[OLD].1, "Active");
    succeeds(&world);
    world.until("soaking");
    waits(&mut world, "has not succeeded since the old key became inactive");
    assert_eq!(world.keys()[OLD].1, "Inactive");
    succeeds(&world);
    world.rotate();
    assert!(!world.keys().contains_key(OLD));
}

/// Merged, the pull request is followed by the old key's deactivation within the hour.
#[track_caller]
fn retires_at_once(world: &mut World) {
    world.merge();
    let merged = world.now;
    world.until("soaking");
    assert!(world.now.duration_since(merged) <= SignedDuration::from_hours(1), "{}", world.now);
    assert_eq!(world.keys()[OLD].1, "Inactive");
}

/// A key that others know is replaced at once, and nothing waits but for the merge and the soak.
#[test]
fn a_compromised_key_does_not_wait() {
    let mut world = World::with(5, vec![Box::new(crate::support::destinations::AgeFile::new())]);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "healthy");
    let begun = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    assert_eq!(rotation_field(&begun.json(), "phase"), "proposed", "{}", begun.stdout);
    retires_at_once(&mut world);
    let inactive: Timestamp = world.now;
    ends_well(&mut world);
    assert!(world.now.duration_since(inactive) >= SignedDuration::from_hours(14 * 24));
}

/// The same is said while the rotation is under way: the runs after that one know it as well.
#[test]
fn a_key_that_is_compromised_in_the_middle_does_not_wait_either() {
    let mut world = proposed();
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    assert_eq!(rotation_field(&run.json(), "phase"), "proposed", "{}", run.stdout);
    // Its reviewers have read that nothing breaks if they wait. They are asked once, however often it is said
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    let pulls = &world.github.state()["pulls"];
    assert!(pulls[0]["body"].as_str().unwrap().contains("Nothing breaks if you wait"), "{pulls:#}");
    let [comment] = &**pulls[0]["comments"].as_array().unwrap() else { panic!("{pulls:#}") };
    for words in
        ["has leaked.** This pull request replaces it. Merge it soon", "--reactivate-compromised-key`"]
    {
        assert!(comment.as_str().unwrap().contains(words), "{comment}");
    }
    retires_at_once(&mut world);
    ends_well(&mut world);
}

/// The comment is no part of the rotation: where GitHub refuses it, the report says so and the leak is recorded.
#[test]
fn a_leak_is_recorded_where_no_comment_can_be_made() {
    let mut world = proposed();
    let refused =
        json!([{"match": "POST /repos/acme/app/issues/[0-9]+/comments", "status": 403, "times": 9}]);
    world.github.control("POST", "faults", &refused);
    let run = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    assert!(run.stdout.contains("keytide could not comment on the pull request: "), "{}", run.stdout);
    retires_at_once(&mut world);
}

/// A closed pull request gives up the new key, and not what a person said of the old one: the next one is proposed at once.
#[test]
fn a_compromised_key_is_replaced_though_its_pull_request_is_closed() {
    let mut world = World::with(5, vec![Box::new(crate::support::destinations::AgeFile::new())]);
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    let number = world.github.open_pulls()[0];
    world.github.control("POST", "close", &json!({ "number": number, "open": false }));
    // Until then nothing replaces the leaked key, and no report passes, not even that of the run that gives up
    assert_eq!(rotation_field(&world.keytide(&["rotate"]).run().exits(1).json(), "phase"), "closed");
    let policy = world.policy_with("{}");
    let plan = world.keytide_text(&["plan"]).file(POLICY, policy).run().exits(1);
    for words in [
        &*format!("the leaked key {OLD} stays active: this rotation was given up"),
        &*format!("aws iam update-access-key --user-name {USER} --access-key-id {OLD} --status Inactive"),
        "aws iam delete-access-key",
        "action needed",
    ] {
        assert!(plan.stdout.replace("\n  ", " ").contains(words), "{words}: {}", plan.stdout);
    }
    let audit = world.keytide(&["audit"]).file(POLICY, world.policy_with("{}")).run().exits(1);
    let stalled = "stalled-rotation error ci-deployer: closed: ";
    assert!(audit.findings().iter().any(|finding| finding.starts_with(stalled)), "{:?}", audit.findings());
    // What the help says: without it the key that was given up is waited for
    let unused = world.keys().into_keys().find(|id| id != OLD).unwrap();
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", &unused)]);
    world.pass(1);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
    retires_at_once(&mut world);
}

/// The same, where a person does nothing: the next one is proposed in time.
#[test]
fn a_compromised_key_is_replaced_once_the_key_that_was_given_up_is_gone() {
    let mut world = World::with(5, vec![Box::new(crate::support::destinations::AgeFile::new())]);
    world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
    let number = world.github.open_pulls()[0];
    world.github.control("POST", "close", &json!({ "number": number, "open": false }));
    world.until("closed");
    world.until("proposed");
    retires_at_once(&mut world);
}

/// GitHub refuses these requests from now on, as with a token that may not read so much.
fn forbid(world: &World, request: &str) {
    let fault = json!([{"match": request, "status": 403, "times": 9999, "message": "Resource not accessible by integration"}]);
    world.github.control("POST", "faults", &fault);
}

/// An audit whose token may not read pull requests still knows that two keys are keytide's own doing. Whether a person must
/// act it cannot know, so it is no pass.
#[test]
fn an_audit_that_may_not_read_pull_requests_is_incomplete() {
    let world = proposed();
    forbid(&world, "GET .*/pulls.*");
    let run = world.keytide(&["audit"]).file(POLICY, world.policy_with("{}")).run().exits(3);
    assert!(run.findings().iter().all(|finding| !finding.starts_with("active-key-count")), "{}", run.stdout);
    let faults = run.json()["faults"].to_string();
    assert!(faults.contains("rotation status of `ci-deployer` unknown: "), "{faults}");
}

/// A journal that cannot be read may be of a rotation that waits for a person.
#[test]
fn an_audit_that_cannot_read_the_journals_is_incomplete() {
    for request in ["GET .*/git/matching-refs/.*", "GET .*/git/(commits|trees|blobs)/.*"] {
        let world = proposed();
        forbid(&world, request);
        let run = world.keytide(&["audit"]).file(POLICY, world.policy_with("{}")).run().exits(3);
        let faults = run.json()["faults"].to_string();
        assert!(faults.contains("rotation status ") && faults.contains("unknown: "), "{request}: {faults}");
    }
}

/// Without a rotation nothing waits for a person: that a destination cannot be read is a remark.
#[test]
fn an_audit_that_may_not_read_a_destination_of_an_idle_user_says_so() {
    let world = file_alone();
    forbid(&world, "GET .*/git/blobs/.*");
    let run = world.keytide(&["audit"]).file(POLICY, world.policy_with("{}")).run().exits(0);
    let remarks = run.json()["remarks"].to_string();
    assert!(remarks.contains("rotation status of `ci-deployer` unknown: "), "{remarks}");
}

/// A deletion that waits for what it may not read is reported of, two weeks after the soak.
#[test]
fn a_deletion_that_waits_for_ever_is_reported_of() {
    let mut world = proposed();
    world.merge();
    world.until("soaking");
    forbid(&world, "GET .*/pulls.*");
    let mut last = Value::Null;
    for _ in 0..30 {
        world.pass(24);
        last = world.keytide(&["rotate", "--only", "delete"]).run().json();
    }
    says(&last, &["could not be"]);
    assert!(last["findings"].to_string().contains("\"stalled-rotation\""), "{last:#}");
    assert_eq!(world.keys()[OLD].1, "Inactive");
}

/// One who may do what `keytide iam-policy` prints, and no more.
fn role(world: &World, purpose: &str) -> Pair {
    let printed =
        Keytide::new(&["iam-policy", "--for", purpose]).policy(&world.policy_with("{}")).run().exits(0);
    let mut document = printed.json();
    let statements = document["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        // moto knows of no resource but `*` here, and asks for a permission that AWS asks no one for.
        statement["Resource"] = "*".into();
    }
    statements.push(json!({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}));
    let name = ("UserName", purpose);
    world.aws.iam("CreateUser", &[name]);
    let document = document.to_string();
    world.aws.iam("PutUserPolicy", &[name, ("PolicyName", "keytide"), ("PolicyDocument", &document)]);
    let answer = world.aws.iam("CreateAccessKey", &[name]);
    let field = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    (field("AccessKeyId"), field("SecretAccessKey"))
}

/// Who may rotate cannot delete, and who may delete does nothing else: with the permissions that are printed.
#[test]
fn two_roles_share_a_rotation() {
    let mut world = file_alone();
    let [rotating, deleting] = ["rotate", "delete"].map(|purpose| role(&world, purpose));
    let as_role = |world: &World, (id, secret): &Pair, arguments: &[&str]| {
        let run = world.keytide(&[&["rotate"], arguments].concat());
        run.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).run()
    };
    let first = as_role(&world, &deleting, &["--only", "delete"]).exits(0).json();
    says(&first, &["this run may only delete; next: "]);
    assert_eq!(world.keys().len(), 1);
    for round in 0..40 {
        let run = as_role(&world, &rotating, &["--no-delete"]).exits(0).json();
        world.work();
        if rotation_field(&run, "why").contains("may not delete") {
            break;
        }
        if round == 0 {
            world.merge();
        }
        world.pass(24);
    }
    assert_eq!(world.keys()[OLD].1, "Inactive");
    // Were it to try, it would not be allowed to.
    world.pass(1);
    let refused = as_role(&world, &rotating, &[]).exits(3);
    assert!(refused.stdout.contains("iam:DeleteAccessKey: AccessDenied"), "{}", refused.stdout);
    world.pass(1);
    as_role(&world, &deleting, &["--only", "delete"]).exits(0);
    assert_eq!(world.keys().len(), 1);
    ends_well(&mut world);
}

/// A plan follows the policy file of the working folder, so that a change can be tried; a rotation that of the default
/// branch.
#[test]
fn a_plan_says_that_the_default_branch_has_another_policy_file() {
    let world = file_alone();
    let own = world.policy("");
    let remarks = |text: &str| {
        let run = world.keytide(&["plan"]).file(POLICY, text).run().exits(0);
        run.json()["remarks"].to_string()
    };
    assert_eq!(remarks(&own), "[]");
    let differs = "that of the default branch differs, which `keytide rotate` follows";
    assert!(remarks(&format!("# tried\n{own}")).contains(differs));
    world.github.control("POST", "push", &json!({"files": {POLICY: Value::Null}}));
    assert!(remarks(&own).contains("the default branch does not have it: commit, push and merge it"));
}
