//! Where a new key goes: who can decrypt it is reported, may be pinned, and no one brings the old key back unseen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::rotations::{phase, until};
use crate::support::destinations::{SOPS_FILE, SopsFile, file};
use crate::support::peers::{FILE, OLD, USER, World};

fn newcomer() -> String {
    age::x25519::Identity::generate().to_public().to_string()
}

/// The text of the newest pull request.
fn newest(world: &World) -> String {
    let state = world.github.state();
    state["pulls"].as_array().unwrap().last().unwrap()["body"].as_str().unwrap().to_owned()
}

/// The first pull request tells all recipients; the next one what has changed since, in bold.
#[test]
fn a_new_recipient_is_named_in_bold() {
    let mut world = World::new(80);
    let report = until(&mut world, "proposed", 1);
    let body = newest(&world);
    assert!(body.contains("First rotation: these are the recipients"), "{body}");
    assert!(body.contains("- `deploy/aws.env.age` (age): age recipient `age1"), "{body}");
    world.github.control("POST", "merge", &json!({ "number": report["rotations"][0]["pull_request"] }));
    until(&mut world, "healthy", 40);

    world.pass(24 * 76);
    // Every new recipient is named, and the text of so many is longer than GitHub takes
    let crowd: String = (0..900).map(|_| format!(", {}", self::newcomer())).collect();
    world.github.push(&[(".github/keytide.yml", world.policy(&crowd).as_bytes())]);
    let run = world.keytide(&["rotate"]).run().exits(3);
    assert!(
        run.stdout.contains("the text of the pull request would be longer than GitHub permits"),
        "{}",
        run.stdout
    );
    assert_eq!((world.keys().len(), world.github.open_pulls().len()), (1, 0), "no key is made");
    let newcomer = newcomer();
    let policy = world.policy(&format!(", {newcomer}"));
    world.github.push(&[(".github/keytide.yml", policy.as_bytes())]);
    // The rotation that has begun is for the crowd
    world.pass(1);
    world.keytide(&["resume", "--user", "ci-deployer", "--reason", "fewer recipients"]).run().exits(0);
    until(&mut world, "proposed", 2);
    let body = newest(&world);
    assert!(body.contains("**The recipients have changed since the last rotation.**"), "{body}");
    assert!(body.contains(&format!("**age recipient `{newcomer}` (new)**")), "{body}");
    assert!(body.contains("`.github/keytide/ci-deployer.lock.json`: lock file"), "{body}");
    assert!(!body.contains("(new destination)") && !body.contains("removed:"), "{body}");
}

/// In a first rotation nothing is new: the list of recipients is cut, and the pull request is opened.
#[test]
fn a_long_list_of_recipients_is_cut() {
    let world = World::new(80);
    let crowd: String = (0..900).map(|_| format!(", {}", newcomer())).collect();
    world.github.push(&[(".github/keytide.yml", world.policy(&crowd).as_bytes())]);
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(phase(&run.json()), "proposed", "{}", run.stdout);
    assert_eq!((world.keys().len(), world.github.open_pulls().len()), (2, 1));
    let body = newest(&world);
    assert!(body.len() <= 65_536 && body.contains("and 601 more"), "{} bytes: {body:.2000}", body.len());
}

/// What the tag must say, worked out here by itself.
fn approval(recipient: &str) -> String {
    let recipients = json!({
        format!("age {FILE}"): [format!("age {recipient}")],
        "github_secret actions:acme/app:AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY": ["github actions:acme/app"],
    });
    digest(&recipients)
}

fn digest(recipients: &Value) -> String {
    Sha256::digest(recipients.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// With the tag a key goes to what the tag says, or is not made.
#[test]
fn a_pinned_list_lets_no_other_recipient_in() {
    let mut world = World::tagged(80, |recipient| Some(approval(recipient)));
    let newcomer = newcomer();
    let policy = world.policy(&format!(", {newcomer}"));
    world.github.push(&[(".github/keytide.yml", policy.as_bytes())]);
    let run = world.keytide(&["rotate"]).run().exits(1);
    assert_eq!(phase(&run.json()), "blocked", "{}", run.stdout);
    let why = run.json()["rotations"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("`keytide:destinations` is for other destinations or recipients"), "{why}");
    assert!(why.contains(&newcomer) && why.contains("aws iam tag-user --user-name ci-deployer"), "{why}");
    assert_eq!(world.keys().len(), 1);

    world.github.push(&[(".github/keytide.yml", world.policy("").as_bytes())]);
    world.pass(24);
    until(&mut world, "proposed", 2);
}

/// Someone is taken out of the recipients while the pull request is open, in another file, so that it can be merged: the new
/// key, which that person can read, is given up.
#[test]
fn a_recipient_who_is_removed_meanwhile_gets_no_live_key() {
    let mut world = World::new(80);
    let former = newcomer();
    world.github.push(&[(".github/keytide.yml", world.policy(&format!(", {former}")).as_bytes())]);
    until(&mut world, "proposed", 1);
    world.pass(24);
    // One who is added is no reason: the file is encrypted for the others
    let policy = world.policy(&format!(", {former}, {}", newcomer()));
    world.github.push(&[(".github/keytide.yml", policy.as_bytes())]);
    assert_eq!(phase(&world.keytide(&["rotate"]).run().exits(0).json()), "proposed");
    world.pass(24);
    world.github.push(&[(".github/keytide.yml", world.policy("").as_bytes())]);
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(phase(&run.json()), "closed", "{}", run.stdout);
    assert!(world.github.open_pulls().is_empty());
    assert!(
        run.stdout.contains(&format!("age recipient `{former}` could decrypt the new key")),
        "{}",
        run.stdout
    );
    assert_eq!(world.keys()[OLD].1, "Active");

    // The help says how the next rotation begins at once
    let help = run.json()["rotations"][0]["help"].as_str().unwrap().to_owned();
    let new = world.keys().into_keys().find(|id| id != OLD).unwrap();
    let command = format!("`aws iam delete-access-key --user-name {USER} --access-key-id {new}`");
    assert!(help.contains(&command), "{help}");
    world.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", &new)]);
    world.pass(1);
    until(&mut world, "proposed", 2);
    assert!(!newest(&world).contains(&former), "the next key is for the others");
}

/// A list of recipients that is broken is a fault, and no reason to take the key back.
#[test]
fn recipients_that_cannot_be_read_are_a_fault() {
    let mut world = World::new(80);
    let policy =
        world.policy("").replace("\"recipients\":", "\"recipients_file\":\"keys.txt\",\"recipients\":");
    assert!(policy.contains("keys.txt"), "{policy}");
    let more = newcomer();
    world.github.push(&[(".github/keytide.yml", policy.as_bytes()), ("keys.txt", more.as_bytes())]);
    until(&mut world, "proposed", 1);
    world.pass(24);
    world.github.push(&[("keys.txt", b"no key")]);
    let run = world.keytide(&["rotate"]).run().exits(3);
    assert_eq!(phase(&run.json()), "proposed", "{}", run.stdout);
    assert!(run.json()["faults"].to_string().contains("the recipients could not be read"), "{}", run.stdout);
}

/// An administrator pins these recipients of the file of SOPS.
fn pin_sops(world: &World, recipients: &[&str]) {
    let mut names: Vec<String> = recipients.iter().map(|name| format!("age {name}")).collect();
    names.sort();
    let approval = digest(&json!({ format!("sops {SOPS_FILE}"): names }));
    let tag = [("Tags.member.1.Key", "keytide:destinations"), ("Tags.member.1.Value", &*approval)];
    world.aws.iam("TagUser", &[&[("UserName", USER)], &tag[..]].concat());
}

/// Someone adds a recipient to the file of SOPS while the pull request is open, and the data key stays the same: the key is
/// given up, and the next one goes where the tag says.
#[test]
fn a_recipient_who_is_added_meanwhile_does_not_get_the_key() {
    let home = SopsFile::new();
    let mut world = World::with(80, vec![Box::new(home.clone())]);
    let own = home.upstream.recipient.as_str();
    pin_sops(&world, &[own]);
    world.until("proposed");
    let newcomer = newcomer();
    let before = file(&world.github.state(), SOPS_FILE).unwrap();
    let after = home.upstream.update_keys("secrets.enc.yaml", &before, &[own, &newcomer]).unwrap();
    world.github.push(&[(SOPS_FILE, &after)]);
    world.pass(24);
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(phase(&run.json()), "closed", "{}", run.stdout);
    assert!(world.github.open_pulls().is_empty());
    let journal = world.github.state()["journals"][format!("refs/keytide/123456789012/{USER}")].to_string();
    assert!(
        journal.contains("its recipients have changed since the new key was encrypted for them"),
        "{journal}"
    );
    let branch = json!({"ref": "refs/heads/keytide/ci-deployer/1"});
    let branch = json!({"files": world.github.control("POST", "files", &branch)});
    assert_eq!(file(&branch, SOPS_FILE), Some(before), "the branch brings nothing");

    let report = world.until("blocked");
    let why = report["rotations"][0]["why"].as_str().unwrap();
    assert!(why.contains("`keytide:destinations` is for other destinations or recipients"), "{why}");
    assert!(why.contains(&newcomer), "{why}");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    pin_sops(&world, &[own, &newcomer]);
    world.pass(24);
    world.until("proposed");
    assert!(newest(&world).contains(&newcomer), "{}", newest(&world));
}

/// A slip after the merge: no one can decrypt the file any more, and the old key stays until it is mended.
#[test]
fn a_file_that_sops_cannot_decrypt_keeps_the_old_key() {
    let home = SopsFile::new();
    let mut world = World::with(80, vec![Box::new(home.clone())]);
    world.until("proposed");
    world.merge();
    world.until("grace");
    let sound = file(&world.github.state(), SOPS_FILE).unwrap();
    let text = String::from_utf8(sound.clone()).unwrap();
    let (_, metadata) = text.split_once("\nsops:\n").unwrap();
    let field = |name: &str| metadata.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    let values = text.strip_suffix(metadata).unwrap();
    for damaged in [
        text.replacen(field("lastmodified"), "    lastmodified: \"\"", 1),
        // As an example in a page, which a check only warns of
        format!("{values}{}\n{}\n", field("mac"), field("version")),
    ] {
        world.github.push(&[(SOPS_FILE, damaged.as_bytes())]);
        for _ in 0..10 {
            let run = world.keytide(&["rotate"]).run().exits(3);
            assert_eq!(phase(&run.json()), "unknown", "{}", run.stdout);
            world.pass(24);
        }
        assert_eq!(world.keys()[OLD].1, "Active");
    }
    world.github.push(&[(SOPS_FILE, &sound)]);
    world.work();
    world.until("healthy");
    assert!(!world.keys().contains_key(OLD));
}

/// Someone's open pull request that would bring the old key back keeps it alive until it is closed.
#[test]
fn an_open_pull_request_with_the_old_key_is_waited_for() {
    let mut world = World::new(80);
    let old_file = world.github.state()["files"][FILE].as_str().unwrap().to_owned();
    let old = world.in_file().0;
    let before = world.github.control("POST", "propose", &unrelated("before"));
    let report = until(&mut world, "proposed", 1);
    world.github.control("POST", "merge", &json!({ "number": report["rotations"][0]["pull_request"] }));
    until(&mut world, "grace", 3);
    world.github.control("POST", "propose", &unrelated("after"));
    let revert = json!({ "branch": "stranger", "files": { (FILE): old_file }, "fork": true });
    let stranger = world.github.control("POST", "propose", &revert);
    let revert = json!({ "branch": "revert", "files": { (FILE): old_file } });
    let revert = world.github.control("POST", "propose", &revert);

    let mut last = Value::Null;
    for _ in 0..50 {
        let run = world.keytide(&["rotate"]).run();
        // It is reported, once it has waited for longer than it should.
        assert!([0, 1].contains(&run.exit), "{}", run.stdout);
        last = run.json();
        world.work();
        world.pass(24);
    }
    assert_eq!(phase(&last), "grace", "{last:#}");
    let why = last["rotations"][0]["why"].as_str().unwrap();
    assert!(why.contains(&format!("pull request #{revert} would bring it back")), "{why}");
    assert_eq!(world.keys()[&old].1, "Active");
    assert!(before.is_u64() && stranger.is_u64());

    world.github.control("POST", "close", &json!({ "number": revert }));
    until(&mut world, "soaking", 3);
}

fn unrelated(branch: &str) -> Value {
    json!({ "branch": branch, "files": { "README.md": STANDARD.encode(format!("words of {branch}\n")) } })
}
