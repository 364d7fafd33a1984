//! Keys, users, secrets and journals that people change by hand.

use serde_json::json;

use super::{BRANCH, JOURNAL, ends_well, file_alone, has_done, is_due_again, proposed, says};
use crate::support::destinations::AGE_FILE;
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

fn named(user: &str) -> [(&str, &str); 1] {
    [("UserName", user)]
}

/// Deletes a key, as its user's administrator.
fn delete(world: &World, id: &str) {
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", id)]);
}

/// The key that is not the old one.
fn new_key(world: &World) -> String {
    world.keys().into_keys().find(|id| id != OLD).unwrap()
}

/// Does what a report's advice says: a command of AWS's.
#[track_caller]
fn follow(world: &World, report: &serde_json::Value) {
    let help = rotation_field(report, "help");
    let command =
        help.split('`').find(|part| part.starts_with("aws iam ")).unwrap_or_else(|| panic!("{help}"));
    let words: Vec<&str> = command.split(' ').collect();
    let flag = |name: &str| words[words.iter().position(|word| *word == name).unwrap() + 1];
    let mut fields = vec![("UserName", flag("--user-name")), ("AccessKeyId", flag("--access-key-id"))];
    let action = match words[2] {
        "update-access-key" => {
            fields.push(("Status", flag("--status")));
            "UpdateAccessKey"
        }
        "delete-access-key" => "DeleteAccessKey",
        other => panic!("{other}"),
    };
    world.aws.iam(action, &fields);
}

/// Deletes the user and makes another of the same name, with a key of its own that lies in the file.
fn make_again(world: &World) {
    let policy = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    world.keys().keys().for_each(|id| delete(world, id));
    world.aws.iam("DetachUserPolicy", &[("UserName", USER), policy]);
    world.aws.iam("DeleteUser", &named(USER));
    let tag = [("Tags.member.1.Key", "keytide:owner"), ("Tags.member.1.Value", "4711")];
    world.aws.iam("CreateUser", &[&named(USER)[..], &tag].concat());
    world.aws.iam("AttachUserPolicy", &[("UserName", USER), policy]);
    world.aws.iam("CreateAccessKey", &named(USER));
}

/// The pull request of a key that was deleted is not one to merge, and no report asks for it.
#[test]
fn a_pull_request_whose_key_was_deleted_is_not_to_be_merged() {
    let mut world = proposed();
    let number = world.github.open_pulls()[0];
    delete(&world, &new_key(&world));
    world.pass(24);
    let policy = world.policy_with("{}");
    let plan = world.keytide(&["plan"]).file(POLICY, policy.clone()).run().exits(0);
    let warning = format!("do not merge pull request #{number}: nothing can sign in with its key");
    says(&plan.json(), &[&warning]);
    let text = world.keytide_text(&["plan"]).file(POLICY, policy).run().exits(0);
    assert!(!text.stdout.contains("waiting for your merge"), "{}", text.stdout);
    world.rotate();
    assert!(!world.github.open_pulls().contains(&number));
}

/// The value of the last pull request is the key that is gone: the audit does not say to restore it.
#[test]
fn an_audit_beside_a_deleted_new_key_has_the_advice_of_the_rotation() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    delete(&world, &new_key(&world));
    world.pass(24);
    world.rotate();
    let audit = world.keytide(&["audit"]).file(POLICY, world.policy_with("{}")).run().exits(1).json();
    let findings = audit["findings"].as_array().unwrap();
    let stale = findings.iter().find(|finding| finding["rule"] == "stale-reference").unwrap();
    let help = stale["help"].as_str().unwrap();
    assert!(help.starts_with("A rotation of this key is under way ("), "{help}");
}

/// In the soak a person encrypts the old key anew. keytide cannot see that it is the old one; the advice leads out all the same.
#[test]
fn a_rollback_to_a_file_that_was_encrypted_anew_ends_by_its_advice() {
    let mut world = proposed();
    world.merge();
    world.until("soaking");
    let old = (OLD.to_owned(), world.keys()[OLD].0.clone());
    let files = world.homes[0].files(&old);
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
    world.github.push(&files);
    world.pass(1);
    world.keytide(&["rollback", "--user", USER, "--reason", "the app fails"]).run();
    world.pass(1);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "blocked", "{report:#}");
    says(
        &report,
        &[
            "a credential that keytide did not put there",
            "see which key it holds, which keytide cannot",
            "`git log`",
        ],
    );
    follow(&world, &report);
    let held = world.until("held");
    says(&held, &["see that `deploy/aws.env.age` (age), which is not as keytide left it, holds AKIA0OLD"]);
    assert_eq!(
        world.keys().into_iter().map(|(id, key)| (id, key.1)).collect::<Vec<_>>(),
        [(OLD.into(), "Active".into())]
    );
    world.keytide(&["resume", "--user", USER, "--reason", "the file is right"]).run().exits(0);
    world.work();
}

/// A rotation goes on for the user that it began with, and for no other of that name.
#[test]
fn a_user_that_is_made_again_is_quarantined() {
    let mut world = proposed();
    make_again(&world);
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(1);
    let report = run.json();
    assert_eq!(rotation_field(&report, "phase"), "quarantined");
    let words = ["was deleted and created again", "pull request #100", "keytide resume --user ci-deployer"];
    says(&report, &words);
    assert_eq!(world.keys().len(), 1);

    world.github.control("POST", "close", &json!({"number": 100}));
    let only = world.keys().into_iter().next().map(|(id, (secret, _))| (id, secret)).unwrap();
    let file = world.homes[0].files(&only).remove(0).1;
    world.github.push(&[(AGE_FILE, &file)]);
    world.keytide(&["resume", "--user", USER, "--reason", "it is ours as well"]).run().exits(0);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "healthy", "{report:#}");
    world.work();
}

/// A key that a person deactivated stays so, and no report passes while an application fails by it. Both ways out work.
#[test]
fn a_new_key_that_someone_deactivates_is_left_to_them() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let new = new_key(&world);
    let set = |world: &World, status: &str| {
        let fields = [("UserName", USER), ("AccessKeyId", &*new), ("Status", status)];
        world.aws.iam("UpdateAccessKey", &fields);
    };
    set(&world, "Inactive");
    let plan = world.keytide(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(1);
    let reason =
        format!("{new} is in `{AGE_FILE}` (age), and someone deactivated it: what reads it there fails");
    says(&plan.json(), &[&reason, "or go back to the old key: `keytide rollback --user ci-deployer"]);
    let report = world.keytide(&["rotate"]).run().exits(1).json();
    assert_eq!(rotation_field(&report, "phase"), "blocked", "{report:#}");
    follow(&world, &report);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "grace");
    set(&world, "Inactive");
    let back = world.keytide(&["rollback", "--user", USER]).run().exits(1).json();
    assert_eq!(rotation_field(&back, "phase"), "rolling-back", "{back:#}");
}

/// A secret that someone wrote to is not believed to hold the new key, and gets it again when a person says so.
#[test]
fn a_secret_that_is_changed_by_hand_gets_the_new_key_again() {
    let mut world = World::new(80);
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);
    let secret = world.keys()[OLD].0.clone();
    for (name, value) in [("AWS_ACCESS_KEY_ID", OLD), ("AWS_SECRET_ACCESS_KEY", &*secret)] {
        let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": value});
        world.github.control("POST", "secret", &secret);
    }
    world.pass(24 * 30);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(
        &run.json(),
        &[
            "a credential that keytide did not put there is in GitHub Actions secrets `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of `acme/app`",
            "`keytide resume --user ci-deployer --reason TEXT` makes the next run write the new key there, over what it holds",
            "to go back to the old key: `keytide rollback --user ci-deployer`",
        ],
    );
    assert_eq!(world.keys()[OLD].1, "Active");
    world.keytide(&["resume", "--user", USER, "--reason", "a mistake"]).run().exits(0);
    world.until("grace");
    assert_eq!(world.in_store(), Some(world.in_file()));
    ends_well(&mut world);
}

/// Without the journal no one knows which of two keys is which: a person is reported what IAM knows of them. Everyone who does
/// what the message says ends with one key, and the next rotation does not take the old branch for its own.
#[test]
fn a_journal_that_is_deleted_beside_two_keys_blocks() {
    let mut world = file_alone();
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
    let new = new_key(&world);
    world.github.control("POST", "delete", &json!({ "ref": JOURNAL }));
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(1);
    assert_eq!(rotation_field(&run.json(), "phase"), "blocked");
    says(
        &run.json(),
        &[
            "the user has 2 keys and no rotation",
            &format!("{OLD} (active, last used at 2026-"),
            &format!("{new} (active, last used at 2026-"),
            "by sts",
        ],
    );
    // Keytide's own use of the new key is the later one, and makes the key in use no idle one.
    says(&run.json(), &["find out which key", "keep that one: a use by sts may be keytide's own test"]);
    world.github.control("POST", "close", &json!({"number": 100}));
    delete(&world, &new);
    world.until("proposed");
    let state = world.github.state();
    assert_ne!(state["pulls"][1]["head"], BRANCH, "{state:#}");
    world.merge();
    ends_well(&mut world);
}

/// A user that has two keys before its first rotation: what is idle, since when, and the commands, one after the other.
#[test]
fn two_keys_are_led_to_one() {
    let mut world = file_alone();
    world.aws.iam("CreateAccessKey", &named(USER));
    let other = new_key(&world);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(
        &run.json(),
        &["the user has 2 keys and no rotation", &format!("{other} (active, never used)"), " by s3"],
    );
    says(&run.json(), &[&format!("--access-key-id {other} --status Inactive")]);
    follow(&world, &run.json());
    assert_eq!(world.keys()[&other].1, "Inactive");
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(&run.json(), &[&format!("{other} (inactive, never used)"), "aws iam delete-access-key"]);
    follow(&world, &run.json());
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    world.until("proposed");
    world.merge();
    ends_well(&mut world);
}

/// The new key is deleted while its pull request waits: there is nothing to merge any more.
#[test]
fn a_new_key_that_is_deleted_by_hand_is_given_up() {
    let mut world = proposed();
    let deleted = new_key(&world);
    delete(&world, &deleted);
    world.pass(24);
    let report = world.rotate();
    has_done(&report, "as discarded; it stays active until a later step");
    assert_eq!(world.github.open_pulls(), [101], "{report:#}");
    assert!(world.keys().len() == 2 && new_key(&world) != deleted);
    world.merge();
    ends_well(&mut world);
}

/// The old key is deleted by someone who could not wait: the new one is everywhere, and that is all.
#[test]
fn an_old_key_that_is_deleted_by_hand_ends_the_rotation() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    delete(&world, OLD);
    world.pass(24);
    ends_well(&mut world);
}

/// The new key is deleted after the merge: the application has lost it, and the way back is reported, and open.
#[test]
fn a_new_key_that_is_deleted_after_the_merge_can_be_rolled_back() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let new = new_key(&world);
    delete(&world, &new);
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(
        &run.json(),
        &[&format!("{new}, which no longer exists, is in "), "keytide rollback --user ci-deployer"],
    );
    // What reads the file fails until the merge: that is an error, and the pull request says so first
    let report = world.keytide(&["rollback", "--user", USER]).run().exits(1).json();
    has_done(&report, "open the pull request that restores the old key");
    says(&report, &[&format!(" now: {new}, which `deploy/aws.env.age` (age) holds, is inactive or gone")]);
    let body = world.github.state()["pulls"][1]["body"].as_str().unwrap().to_owned();
    assert!(body.starts_with("**Merge this now.** The new key was deleted or deactivated"), "{body}");
    world.merge();
    world.work();
    assert_eq!(world.in_file().0, OLD);
    world.until("held");
    world.keytide(&["resume", "--user", USER, "--reason", "who was that"]).run().exits(0);
    is_due_again(&world);
}

/// The new key is deleted by hand, and a secret that cannot be read back still holds it after the rollback: the steps of
/// the help end that, in both ways.
#[test]
fn a_hold_beside_a_secret_with_a_deleted_key_is_left_by_its_steps() {
    for has_copy in [true, false] {
        let mut world = World::new(80);
        world.until("proposed");
        world.merge();
        world.until("grace");
        let (old_secret, new) = (world.keys()[OLD].0.clone(), new_key(&world));
        delete(&world, &new);
        world.pass(24);
        world.keytide(&["rollback", "--user", USER]).run().exits(1);
        let report = rotate_until_held(&mut world);
        says(
            &report,
            &[
                &format!("1. {new}, which is deleted, is in GitHub Actions secrets `AWS_ACCESS_KEY_ID` and "),
                &format!("of `acme/app`: write {OLD} there"),
                "`gh secret delete AWS_ACCESS_KEY_ID --repo acme/app` and",
                "2. `keytide resume --user ci-deployer --reason TEXT`",
                "3. where you removed a credential",
            ],
        );
        let name = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        for (name, value) in name.into_iter().zip([OLD, &*old_secret]) {
            // Without a value the secret is deleted
            let value = if has_copy { Some(value) } else { None };
            let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": value});
            world.github.control("POST", "secret", &secret);
        }
        world.keytide(&["resume", "--user", USER, "--reason", "seen to"]).run().exits(0);
        if has_copy {
            is_due_again(&world);
        } else {
            let fresh = world.keytide(&["rotate", "--user", USER, "--compromised"]).run().exits(0);
            assert_eq!(rotation_field(&fresh.json(), "phase"), "proposed", "{}", fresh.stdout);
        }
    }
}

/// Runs until a rollback has ended. Its pull request is merged; what reads the deleted key does not work meanwhile.
#[track_caller]
fn rotate_until_held(world: &mut World) -> serde_json::Value {
    for _ in 0..6 {
        let report = world.rotate();
        if rotation_field(&report, "phase") == "held" {
            return report;
        }
        if !world.github.open_pulls().is_empty() {
            world.merge();
        }
        world.pass(2);
    }
    panic!("never held: {:#}", world.rotate());
}

/// The old key is deleted by hand in the middle of a rollback: what the advice says ends the rotation, and the next begins.
#[test]
fn a_rollback_whose_old_key_is_deleted_can_be_ended() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let new = new_key(&world);
    world.keytide(&["rollback", "--user", USER]).run().exits(0);
    world.pass(1);
    world.rotate();
    let [revert] = world.github.open_pulls()[..] else { panic!("the old key is proposed") };
    delete(&world, OLD);
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(1);
    assert_eq!(rotation_field(&run.json(), "phase"), "quarantined", "{}", run.stdout);
    let close = format!("close pull request #{revert}");
    let hold = format!("every destination holds {new}");
    says(
        &run.json(),
        &[&close, &hold, "keytide resume --user ci-deployer --reason TEXT`, which ends the rotation"],
    );
    world.github.control("POST", "close", &json!({ "number": revert, "open": false }));
    world.keytide(&["resume", "--user", USER, "--reason", "the new key stays"]).run().exits(0);
    world.pass(1);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "healthy", "{report:#}");
    assert!(world.keys().into_keys().eq([new.clone()]));
    assert_eq!(world.keys()[&new].1, "Active");
    // The next rotation is none of the former's.
    world.pass(24 * 80);
    world.work();
    world.until("proposed");
    world.merge();
    ends_well(&mut world);
}

/// Both keys are deleted by hand, and the application has a third one: the rotation ends when a person says so.
#[test]
fn a_rotation_whose_keys_are_both_deleted_can_be_ended() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let new = new_key(&world);
    [OLD, &new].iter().for_each(|id| delete(&world, id));
    world.aws.iam("CreateAccessKey", &named(USER));
    world.pass(24);
    let only = world.keys().into_iter().next().map(|(id, (secret, _))| (id, secret)).unwrap();
    let file = world.homes[0].files(&only).remove(0).1;
    world.github.push(&[(AGE_FILE, &file)]);
    let run = world.keytide(&["rotate"]).run().exits(1);
    says(
        &run.json(),
        &[&only.0, "keytide resume --user ci-deployer --reason TEXT`, which ends the rotation"],
    );
    world.keytide(&["resume", "--user", USER, "--reason", "a third one"]).run().exits(0);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "healthy", "{report:#}");
}
