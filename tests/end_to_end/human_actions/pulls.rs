//! Pull requests, branches and the files of the default branch.

use std::process::Command;

use serde_json::{Value, json};

use super::{BRANCH, LOCK, begins_anew, ends_well, has_done, is_due_again, proposed, says, shared_file};
use crate::support::Keytide;
use crate::support::destinations::{
    AGE_FILE, AgeFile, GithubSecrets, REFERENCE, Reference, SOPS_FILE, SopsFile, file,
};
use crate::support::peers::{OLD, POLICY, World, rotation_field};

fn close(world: &World, number: u64, open: bool) {
    world.github.control("POST", "close", &json!({ "number": number, "open": open }));
}

/// Closed by mistake and opened again before a run has looked, nothing has happened.
#[test]
fn a_pull_request_that_is_closed_and_opened_at_once_goes_on() {
    let mut world = proposed();
    let number = world.github.open_pulls()[0];
    close(&world, number, false);
    close(&world, number, true);
    world.pass(24);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
    assert_eq!(world.merge(), number);
    ends_well(&mut world);
}

/// Opened again and merged after a run has given its key up, it brings nothing.
#[test]
fn a_closed_pull_request_that_is_opened_again_brings_nothing() {
    let mut world = proposed();
    let number = world.github.open_pulls()[0];
    close(&world, number, false);
    world.pass(24);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "closed");
    has_done(&report, "as discarded; it stays active until a later step");
    close(&world, number, true);
    assert_eq!(world.merge(), number);
    assert_eq!(world.in_file().0, OLD);
    world.work();
    begins_anew(&mut world);
}

/// Changes another value of the shared file, as a person does with SOPS.
fn edit_shared_file(world: &World, home: &SopsFile) {
    let bytes = file(&world.github.state(), SOPS_FILE).unwrap();
    let edited =
        home.upstream.set("secrets.enc.yaml", &bytes, "database.password", "battery-staple").unwrap();
    world.github.push(&[(SOPS_FILE, &edited)]);
}

/// The two values of the shared file on a branch, as they are encrypted.
fn ciphertexts(world: &World, reference: &str) -> Vec<String> {
    let files = json!({"files": world.github.control("POST", "files", &json!({ "ref": reference }))});
    let text = String::from_utf8(file(&files, SOPS_FILE).unwrap()).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| line.contains("access_key"));
    lines.map(str::to_owned).collect()
}

/// Someone changes another value of the shared file while the pull request is open: it gets the same ciphertext in
/// today's file, and SOPS finds both changes and a right MAC.
#[test]
fn a_conflict_in_a_shared_file_is_mended_with_the_same_ciphertext() {
    let (mut world, home) = shared_file();
    world.until("proposed");
    let branch = format!("refs/heads/{BRANCH}");
    let staged = ciphertexts(&world, &branch);
    edit_shared_file(&world, &home);
    world.pass(24);
    let report = world.rotate();
    has_done(&report, "update the pull request");
    assert_eq!(rotation_field(&report, "phase"), "proposed");
    assert_eq!(ciphertexts(&world, &branch), staged);
    world.merge();
    let text = home.decrypted(&world.github.state());
    assert!(text.contains("battery-staple") && !text.contains(OLD), "{text}");
    ends_well(&mut world);
}

/// A run that cannot open the shared file gives the new key up, and does not begin another that it could not write.
#[test]
fn a_conflict_that_cannot_be_mended_ends_cleanly() {
    let (mut world, home) = shared_file();
    world.until("proposed");
    edit_shared_file(&world, &home);
    world.pass(24);
    let plan = world.keytide_text(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(0).stdout;
    assert!(plan.contains("has conflicts") && !plan.contains("waiting for your merge"), "{plan}");
    let run = world.keytide(&["rotate"]).env("SOPS_AGE_KEY", "").run().exits(0);
    assert_eq!(rotation_field(&run.json(), "phase"), "closed", "{}", run.stdout);
    says(&run.json(), &["the new key was given up on 2 Mar 2026 ("]);
    assert!(world.github.open_pulls().is_empty());
    assert_eq!(world.in_file().0, OLD);
    begins_anew(&mut world);
    assert!(home.decrypted(&world.github.state()).contains("battery-staple"));
}

/// A rollback after the shared file has changed: the old ciphertext comes back into today's file.
#[test]
fn a_rollback_keeps_what_others_have_written_since() {
    let (mut world, home) = shared_file();
    let before = ciphertexts(&world, "refs/heads/main");
    world.until("proposed");
    world.merge();
    world.until("grace");
    edit_shared_file(&world, &home);
    world.keytide(&["rollback", "--user", "ci-deployer"]).run().exits(0);
    world.merge();
    assert_eq!(ciphertexts(&world, "refs/heads/main"), before);
    assert_eq!(world.in_file().0, OLD);
    assert!(home.decrypted(&world.github.state()).contains("battery-staple"));
    world.work();
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}

/// The access key ID in a file that has changed since goes back with the credential.
#[test]
fn a_rollback_takes_the_id_back_everywhere() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    world.until("proposed");
    world.merge();
    world.until("grace");
    let edited = [file(&world.github.state(), REFERENCE).unwrap(), b"# more\n".to_vec()].concat();
    world.github.push(&[(REFERENCE, &edited)]);
    world.keytide(&["rollback", "--user", "ci-deployer"]).run().exits(0);
    world.merge();
    let text = String::from_utf8(file(&world.github.state(), REFERENCE).unwrap()).unwrap();
    assert!(text.contains(OLD) && text.ends_with("# more\n"), "{text}");
    assert_eq!(world.in_file().0, OLD);
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}

/// Without the key of the shared file nothing is proposed that would bring half of it back.
#[test]
fn a_rollback_that_cannot_be_whole_says_so() {
    let (mut world, home) = shared_file();
    world.until("proposed");
    world.merge();
    world.until("grace");
    edit_shared_file(&world, &home);
    let rollback = world.keytide(&["rollback", "--user", "ci-deployer"]).env("SOPS_AGE_KEY", "");
    let run = rollback.run().exits(3);
    for word in ["deploy/secrets.enc.yaml: it has changed since", "restore the old credential by hand"] {
        assert!(run.stdout.contains(word), "{word}: {}", run.stdout);
    }
    assert!(world.github.open_pulls().is_empty());
    world.work();
}

/// Puts the files of the default branch back to what they were, as a revert of the merge does.
pub fn revert(world: &World, before: &Value) {
    let old = file(before, AGE_FILE).unwrap();
    world.github.push(&[(AGE_FILE, &old)]);
    world.github.control("POST", "push", &json!({"files": { LOCK: null }}));
}

/// A person reverts the merge while the old key is inactive: it is active again with the next run, and the rotation
/// goes back.
#[test]
fn a_revert_during_the_soak_brings_the_old_key_back() {
    let mut world = proposed();
    let before = world.github.state();
    world.merge();
    world.until("soaking");
    world.pass(24);
    revert(&world, &before);
    // The application fails until the next run: that is an error, and the help does not wait for a schedule
    for command in ["plan", "audit"] {
        let run = world.keytide(&[command]).file(POLICY, world.policy_with("{}")).run().exits(1);
        assert!(run.stdout.contains("what reads it there fails"), "{command}: {}", run.stdout);
        assert!(run.stdout.contains("activates the key: run it now"), "{command}: {}", run.stdout);
    }
    let report = world.rotate();
    has_done(&report, "re-activate the key");
    assert_eq!(world.keys()[OLD].1, "Active");
    world.work();
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    let report = world.rotate();
    says(&report, &["was rolled back", "keytide resume --user ci-deployer"]);
    world
        .keytide(&["resume", "--user", "ci-deployer", "--reason", "the application was not ready"])
        .run()
        .exits(0);
    is_due_again(&world);
}

/// A person restores the file under the rollback's pull request: nothing waits for its merge any more, and the help says so.
#[test]
fn a_file_that_is_restored_by_hand_waits_for_no_merge() {
    let mut world = proposed();
    let before = world.github.state();
    world.merge();
    world.until("grace");
    world.keytide(&["rollback", "--user", "ci-deployer"]).run().exits(0);
    revert(&world, &before);
    world.pass(1);
    let plan = world.keytide(&["plan"]).file(POLICY, world.policy_with("{}")).run().exits(0).json();
    says(&plan, &["no file holds the new key any more: merge or close pull request #101"]);
}

/// With a secret that holds the new key and cannot be read back both keys stay; who does what the message says is done.
#[test]
fn a_revert_beside_a_store_says_what_a_person_must_write() {
    let mut world = World::new(80);
    let before = world.github.state();
    world.until("proposed");
    world.merge();
    world.until("soaking");
    let (new, _) = world.in_file();
    revert(&world, &before);
    world.rotate();
    let report = world.until("held");
    let expected = &[
        "GitHub Actions secrets `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of `acme/app` may hold the new key",
        "write the old key there by hand",
        &format!("1. write {OLD} to GitHub Actions secrets "),
        &format!(
            "2. `aws iam delete-access-key --user-name ci-deployer --access-key-id {new}`; 3. `keytide resume"
        ),
        "4. `keytide rotate --user ci-deployer` ends the rollback, and the user is held once more; 5. `keytide resume",
    ];
    says(&report, expected);
    assert!(world.keys().values().all(|(_, status)| status == "Active"));

    let secret = world.keys()[OLD].0.clone();
    for (name, value) in [("AWS_ACCESS_KEY_ID", OLD), ("AWS_SECRET_ACCESS_KEY", &*secret)] {
        write_secret(&world, name, value);
    }
    world.aws.iam("DeleteAccessKey", &[("UserName", "ci-deployer"), ("AccessKeyId", &new)]);
    world.keytide(&["resume", "--user", "ci-deployer", "--reason", "written by hand"]).run().exits(0);
    let report = world.until("held");
    says(&report, &["rotation 1 was rolled back"]);
    world.keytide(&["resume", "--user", "ci-deployer", "--reason", "it is over"]).run().exits(0);
    is_due_again(&world);
}

fn write_secret(world: &World, name: &str, value: &str) {
    let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": value});
    world.github.control("POST", "secret", &secret);
}

/// The lock file is an index: who edits it neither stops a rotation nor leads it astray, and the check says so.
#[test]
fn an_edited_lock_file_is_written_anew() {
    let mut world = proposed();
    world.github.push(&[(LOCK, b"{}\n")]);
    world.pass(24);
    has_done(&world.rotate(), "update the pull request");
    world.merge();
    let state = world.github.state();
    let lock: Value = serde_json::from_slice(&file(&state, LOCK).unwrap()).unwrap();
    assert_eq!(lock["destinations"][0]["target"], AGE_FILE, "{lock:#}");

    let forged = lock
        .to_string()
        .replace(lock["destinations"][0]["credential_sha256"].as_str().unwrap(), &"0".repeat(64));
    world.github.push(&[(LOCK, forged.as_bytes())]);
    let state = world.github.state();
    let mut check = Keytide::new(&["check", "--format", "json", "--fail-on", "warning"]);
    for path in [LOCK, POLICY, AGE_FILE] {
        check = check.file(path, file(&state, path).unwrap());
    }
    for arguments in [["init", "-q"], ["add", "-A"]] {
        Command::new("git").args(arguments).current_dir(check.path("")).status().unwrap();
    }
    let findings = check.run().exits(1).findings();
    assert!(findings.iter().any(|finding| finding.starts_with("stale-reference warning")), "{findings:?}");
    ends_well(&mut world);
}

/// GitHub closes the pull request of a branch that is deleted; who deletes it after the merge does what is usual.
#[test]
fn a_deleted_branch_gives_the_key_up_before_the_merge_and_changes_nothing_after_it() {
    let mut world = proposed();
    world.github.control("POST", "branch", &json!({ "name": BRANCH }));
    assert!(world.github.open_pulls().is_empty());
    world.pass(24);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "closed", "{report:#}");
    world.until("proposed");
    world.merge();
    world.github.control("POST", "branch", &json!({ "name": "keytide/ci-deployer/2" }));
    ends_well(&mut world);
}

/// A destination that is deleted in the middle of a rotation keeps both keys until it is back.
#[test]
fn a_destination_that_is_deleted_is_missed() {
    let mut world = proposed();
    world.merge();
    world.until("grace");
    let merged = file(&world.github.state(), AGE_FILE).unwrap();
    world.github.control("POST", "push", &json!({"files": { AGE_FILE: null }}));
    for _ in 0..3 {
        world.pass(24 * 15);
        let run = world.keytide(&["rotate"]).run().exits(1);
        says(
            &run.json(),
            &[
                "keytide no longer finds `deploy/aws.env.age` (age)",
                "restore the file as keytide committed it for pull request #100",
            ],
        );
    }
    assert!(world.keys().len() == 2 && world.keys().values().all(|(_, status)| status == "Active"));
    world.github.push(&[(AGE_FILE, &merged)]);
    ends_well(&mut world);
}

/// A commit of someone else's on keytide's branch is merged with it.
#[test]
fn a_commit_of_someone_elses_on_the_branch_does_no_harm() {
    let mut world = proposed();
    let readme = json!({"branch": BRANCH, "files": {"README.md": "bW9yZQo="}});
    world.github.control("POST", "push", &readme);
    world.pass(24);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
    world.merge();
    assert_eq!(file(&world.github.state(), "README.md").unwrap(), b"more\n");
    ends_well(&mut world);
}

/// Forced back to where it began, the branch brings nothing, GitHub closes the pull request, and the key is given up.
#[test]
fn a_branch_that_is_forced_back_gives_the_key_up() {
    let mut world = proposed();
    world.github.control("POST", "branch", &json!({"name": BRANCH, "to": "refs/heads/main"}));
    world.pass(24);
    assert_eq!(rotation_field(&world.rotate(), "phase"), "closed");
    assert_eq!(world.in_file().0, OLD);
    world.work();
}

/// Another credential on the branch, merged: keytide does not know whose it is, keeps both keys and says so.
#[test]
fn another_credential_on_the_branch_is_not_taken_for_the_new_one() {
    let mut world = proposed();
    let staged = world.github.control("POST", "files", &json!({"ref": format!("refs/heads/{BRANCH}")}));
    let old = ("AKIA0FOREIGN0FOREIGN".to_owned(), "x".repeat(40));
    let forged = world.homes[0].files(&old).remove(0).1;
    let push = json!({"branch": BRANCH, "files": {AGE_FILE: encoded(&forged)}});
    world.github.control("POST", "push", &push);
    world.merge();
    world.pass(24);
    let report = world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "blocked");
    says(
        &report,
        &[
            "is merged, and another credential, or the same one encrypted anew, is in `deploy/aws.env.age` (age)",
            "restore the file as keytide committed it",
        ],
    );
    assert!(world.keys().len() == 2 && world.keys().values().all(|(_, status)| status == "Active"));
    world.github.control("POST", "push", &json!({"files": {AGE_FILE: staged[AGE_FILE]}}));
    ends_well(&mut world);
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A user whose entry is removed in the middle is seen through to the end, with a finding, and not rotated again.
#[test]
fn a_policy_entry_that_is_removed_ends_with_its_rotation() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())]);
    world.until("proposed");
    let empty = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: somebody-else\n";
    world.github.push(&[(POLICY, empty.as_bytes())]);
    world.merge();
    let run = world.keytide(&["rotate"]).run().exits(0);
    let finding =
        "stalled-rotation warning ci-deployer: the policy file no longer has `rotation` for this user";
    assert!(run.findings().iter().any(|found| found.starts_with(finding)), "{}", run.stdout);
    world.until("soaking");
    assert!(world.in_store().is_some());
    world.until("");
    assert_eq!(world.keys().len(), 1);
    world.pass(24 * 200);
    world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(world.keys().len(), 1, "nothing new begins");
    assert!(world.github.open_pulls().is_empty());
}
