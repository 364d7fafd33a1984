//! A pull request's text stays within GitHub's limit: long lists are cut, what is new is not.

use jiff::{SignedDuration, Timestamp};
use keytide::rotation::pull_request::{
    MAX_BODY_CHARS, PullRequestData, PullRequestText, RevertedFile, render_revert, render_rotation,
};
use keytide::rotation::{DestinationSnapshot, KeyId, Recipients, StorageKind};
use keytide::simulator::sample::{self, SampleStores};

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);

fn recipients(places: usize, names: usize, last: &str) -> Recipients {
    let mut found = Recipients::new();
    for place in 0..places {
        let mut list: std::collections::BTreeSet<String> =
            (0..names).map(|name| format!("age age1{name:059}")).collect();
        list.insert(last.to_owned());
        found.insert(format!("age deploy/{place}/aws.env.age").into(), list);
    }
    found
}

fn render(paths: &[String], before: Option<&Recipients>, now: &Recipients) -> [PullRequestText; 2] {
    let age = SignedDuration::from_hours(24 * 80);
    let (_, task) = sample::sample_simulation(7, NOW, age, SampleStores::Sealed);
    let old: KeyId = "AKIA0OLDOLDOLDOLDOLD".into();
    let places: Vec<DestinationSnapshot> = now
        .keys()
        .map(|place| DestinationSnapshot {
            destination: place.clone(),
            kind: StorageKind::File,
            fingerprint: None,
            spec: serde_json::Value::Null,
        })
        .collect();
    let data = PullRequestData {
        user: sample::USER,
        number: 1,
        account: "123456789012",
        old: Some(&old),
        old_key: None,
        new: Some(&old),
        new_is_active: true,
        places: &places,
        recipients: now,
        before,
        rules: &task.params,
        compromised: false,
        rollback_reason: None,
        delivered: Vec::new(),
        now: NOW,
        max_age: None,
        run_page: None,
        policy: None,
    };
    let files = paths.iter().map(|path| RevertedFile { path, is_removed: false });
    [render_rotation(&data, paths.iter()), render_revert(&data, files)]
}

fn paths(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("terraform/environments/of/a/team/{number:04}/providers/aws/main.tf"))
        .collect()
}

#[test]
fn a_short_list_is_shown_whole() {
    let now = recipients(2, 3, "age age1last");
    let [rotation, _] = render(&paths(5), None, &now);
    assert!(rotation.fits() && !rotation.body.contains("more"), "{}", rotation.body);
}

#[test]
fn hundreds_of_references_are_cut() {
    let now = recipients(1, 1, "age age1last");
    for text in render(&paths(1200), None, &now) {
        assert!(text.fits() && text.body.chars().count() <= MAX_BODY_CHARS, "{}", text.body.len());
        assert!(text.body.contains("- and 900 more files"), "{}", text.body);
    }
}

/// The warning of a new recipient stays, however long the lists are.
#[test]
fn a_new_recipient_among_thousands_is_named() {
    let before = recipients(40, 300, "age age1before");
    let mut now = before.clone();
    now.values_mut().last().unwrap().insert("age age1zzznew".to_owned());
    let [rotation, _] = render(&paths(10), Some(&before), &now);
    assert!(rotation.fits(), "{}", rotation.body.len());
    assert!(rotation.body.contains("**The recipients have changed since the last rotation.**"));
    assert!(rotation.body.contains("**age recipient `age1zzznew` (new)**"), "{}", rotation.body);
    assert!(
        rotation.body.contains(" more destinations") && rotation.body.contains("and 281 more"),
        "{}",
        rotation.body
    );
}

/// Warnings alone are too long: that is known before a key is made.
#[test]
fn warnings_are_never_cut() {
    let before = recipients(1, 0, "age age1before");
    let now = recipients(40, 300, "age age1last");
    let [rotation, _] = render(&paths(10), Some(&before), &now);
    assert!(!rotation.fits());
}

/// The rotation has created the only file, and the secret that got the new key cannot be read back: no file holds the old
/// secret, and the text says what is left.
#[test]
fn a_rollback_without_a_copy_of_the_old_secret_has_a_way_out() {
    let (_, task) =
        sample::sample_simulation(7, NOW, SignedDuration::from_hours(24 * 80), SampleStores::None);
    let (old, store) = ("AKIA0OLDOLDOLDOLDOLD".into(), "github_secret actions:acme/app:X+Y");
    let place = |id: &str, kind| DestinationSnapshot {
        destination: id.into(),
        kind,
        fingerprint: None,
        spec: serde_json::Value::Null,
    };
    let places = [place("age a.age", StorageKind::File), place(store, StorageKind::Store)];
    let data = PullRequestData {
        user: sample::USER,
        number: 1,
        account: "123456789012",
        old: Some(&old),
        old_key: None,
        new: None,
        new_is_active: true,
        places: &places,
        recipients: &Recipients::new(),
        before: None,
        rules: &task.params,
        compromised: false,
        rollback_reason: Some("nonsense is in `github_secret actions:acme/app:X+Y`"),
        delivered: vec![store],
        now: NOW,
        max_age: None,
        run_page: None,
        policy: None,
    };
    let render = |is_removed| {
        let files = [RevertedFile { path: "a.age", is_removed }];
        render_revert(&data, files.into_iter()).body
    };
    let created = render(true);
    for words in [
        "- `a.age`: removed (did not exist before)",
        "**Why:** nonsense is in GitHub Actions secrets `X` and `Y` of `acme/app`",
        "the new key is in GitHub Actions secrets `X` and `Y` of `acme/app`, which cannot be read back",
        "no file of this repository holds it",
        "ends_with(AccessKeyId,'DOLD')",
        "which ends the rotation",
    ] {
        assert!(created.contains(words), "{words}: {created}");
    }
    assert!(!created.contains(&*old) && !created.contains("decrypt"), "{created}");
    let restored = render(false);
    assert!(restored.contains("after the merge decrypt `a.age`"), "{restored}");
    // A store that keytide restores itself is named where it has taken the new key, and only there
    let versioned = "secrets_manager eu-west-1:arn:aws:secretsmanager:eu-west-1:1:secret:app:id+secret";
    let places = [place("age a.age", StorageKind::File), place(versioned, StorageKind::Versioned)];
    for delivered in [vec![], vec![versioned]] {
        let has_it = !delivered.is_empty();
        let data = PullRequestData { places: &places, delivered, ..data.clone() };
        let files = [RevertedFile { path: "a.age", is_removed: false }];
        let body = render_revert(&data, files.into_iter()).body;
        let named = "The first run after the merge restores these, which hold the new key until then:\n\n- AWS Secrets Manager";
        assert_eq!(body.contains(named), has_it, "{body}");
    }
}
