//! What was sealed, carried over to a file of SOPS that has changed since: to the same recipients only, and known again
//! whichever run has done it.

use keytide::destinations::as_sealable;
use keytide::destinations::encryption::{SealError, SealWorkspace};
use keytide::destinations::sops::encrypt::unwrap_data_key;
use keytide::policy::Destination;
use serde_json::json;

use crate::styles::CASES;
use crate::support::encryption::{NEW, OLD, destination, seal, secret, workspace};
use crate::support::sops::Upstream;

const FILE: &str = "a.yaml";
const PLAIN: &str = "port: 1\naws: {id: $ID, secret: $SECRET}\nmore: [x]\n";

fn fill(plain: &str) -> String {
    plain.replace("$ID", OLD).replace("$SECRET", &secret(0))
}

fn sops(file: &str, [id, secret]: [&str; 2]) -> Destination {
    destination(json!({"sops": {"file": file, "access_key_id": id, "secret_access_key": secret}}))
}

/// A file and its data key.
fn with_key(up: &Upstream, name: &str, bytes: &[u8]) -> SealWorkspace {
    let mut workspace = workspace(&[(name, bytes)]);
    let key = unwrap_data_key(name, bytes, &up.identity).unwrap();
    workspace.data_keys.insert(name.to_owned(), key);
    workspace
}

/// The file with what was staged, as a run at this time writes it.
fn carry(
    destination: &Destination,
    staged: &SealWorkspace,
    mut today: SealWorkspace,
    now: &str,
) -> Result<SealWorkspace, SealError> {
    today.now = now.parse().unwrap();
    as_sealable(destination).unwrap().carry_sealed(NEW, staged, &mut today).map(|_| today)
}

const ONE: &str = "2026-11-22T12:00:00Z";
const OTHER: &str = "2026-11-23T12:00:00Z";

/// `sops updatekeys` keeps the data key, so that the ciphertext would fit: it is not carried to anyone else, and the text
/// of the pull request names no one who cannot decrypt it.
#[test]
fn a_credential_is_carried_to_no_other_recipients() {
    let up = Upstream::new();
    let newcomer = Upstream::new().recipient;
    let (own, both) = ([&*up.recipient], [&*up.recipient, &*newcomer]);
    let aws = sops(FILE, ["aws.id", "aws.secret"]);
    for (before, after) in [(&own[..], &both[..]), (&both[..], &own[..])] {
        let rule = format!("{{age: '{}'}}", before.join(","));
        let old = up.encrypt_by(FILE, &fill(PLAIN), &rule);
        let mut staged = with_key(&up, FILE, &old);
        seal(&aws, &mut staged);
        let head = up.update_keys(FILE, &old, after).unwrap();
        let today = with_key(&up, FILE, &head);
        assert_eq!(today.data_keys[FILE].expose_secret(), staged.data_keys[FILE].expose_secret());
        // The credential of before comes back in a rollback: it is in the history for everyone who has the data key
        let mut restored = with_key(&up, FILE, &head);
        as_sealable(&aws).unwrap().restore_sealed(NEW, &staged, &mut restored).unwrap();
        assert!(up.decrypt(FILE, &restored.files[FILE]).unwrap().contains(NEW));
        let error = carry(&aws, &staged, today, ONE).unwrap_err();
        assert_eq!(error.message, "its recipients have changed since the new key was encrypted for them");
        assert!(error.help.contains("with another key"), "{error}");
        // What else changes in the file is no reason
        let head = up.set(FILE, &old, "port", "2").unwrap();
        carry(&aws, &staged, with_key(&up, FILE, &head), ONE).unwrap();
    }
}

/// Two runs write the same ciphertext with other times and other MACs. Nothing else may differ.
#[test]
fn what_another_run_has_carried_is_known_again() {
    let up = Upstream::new();
    let aws = sops(FILE, ["aws.id", "aws.secret"]);
    let old = up.encrypt(FILE, &fill(PLAIN), "");
    let mut staged = with_key(&up, FILE, &old);
    seal(&aws, &mut staged);
    let head = up.set(FILE, &old, "port", "2").unwrap();
    let carried = |now: &str| carry(&aws, &staged, with_key(&up, FILE, &head), now).unwrap();
    let (one, other) = (carried(ONE), carried(OTHER).files.remove(FILE).unwrap());
    assert_ne!(one.files[FILE], other);
    let is_alike = |found: &[u8]| as_sealable(&aws).unwrap().is_carried_alike(found, &one);
    assert!(is_alike(&other) && is_alike(&one.files[FILE]));

    let text = String::from_utf8(other.clone()).unwrap();
    let mac = |text: &str| text.lines().find(|line| line.starts_with("    mac: ")).unwrap().to_owned();
    let wrong_mac = text.replace(&mac(&text), &mac(std::str::from_utf8(&head).unwrap()));
    let newcomer = Upstream::new().recipient;
    let wider = up.update_keys(FILE, &other, &[&up.recipient, &newcomer]).unwrap();
    let rewrapped = up.update_keys(FILE, &wider, &[&up.recipient]).unwrap();
    assert_eq!(
        up.decrypt(FILE, &rewrapped),
        up.decrypt(FILE, &other),
        "a sound file, with another wrapped key"
    );
    for (what, forged) in [
        ("another value", up.set(FILE, &other, "port", "3").unwrap()),
        ("the credential of before", head.clone()),
        ("clear text that no MAC covers", format!("{text}# more\n").into_bytes()),
        ("the MAC of another file", wrong_mac.into_bytes()),
        ("another time", text.replace(OTHER, "2026-11-23T12:00:01Z").into_bytes()),
        ("another recipient", wider),
        ("another wrapped key", rewrapped),
        ("another version", text.replace("    version: ", "    version: 9").into_bytes()),
        ("no file of SOPS", b"aws: {}\n".to_vec()),
    ] {
        assert!(!is_alike(&forged), "{what}");
    }
    let mut blind = one;
    blind.data_keys.clear();
    assert!(!as_sealable(&aws).unwrap().is_carried_alike(&other, &blind), "nothing proves the MAC");
}

/// However people style a file.
#[test]
fn what_was_carried_is_known_in_every_style() {
    let up = Upstream::new();
    for case in CASES {
        let written = up.encrypt(case.name, &fill(case.plain), case.rule);
        let styled = (case.style)(std::str::from_utf8(&written).unwrap());
        let destination = sops(case.name, case.paths);
        let fresh = || with_key(&up, case.name, styled.as_bytes());
        let mut staged = fresh();
        seal(&destination, &mut staged);
        let [one, other] = [ONE, OTHER].map(|now| {
            carry(&destination, &staged, fresh(), now).unwrap_or_else(|why| panic!("{}: {why}", case.what))
        });
        let found = &other.files[case.name];
        assert_ne!(found, &one.files[case.name], "{}", case.what);
        assert!(as_sealable(&destination).unwrap().is_carried_alike(found, &one), "{}", case.what);
    }
}
