//! Journals that someone else has written, of a credential in Vault: nothing but the policy file's secret gets a version,
//! and only a credential of this secret or the one that keytide has staged.

use serde_json::{Value, json};

use super::{PATH, World, fields};
use crate::forged_stages::intent_places;
use crate::support::openbao::VaultProxy;
use crate::support::peers::{OLD, USER, rotation_field};
use crate::support::stores::OTHERS;

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";
/// A secret of the same server that the policy file does not name.
const FOREIGN: &str = "app/payroll";

/// What is in Vault, and the keys.
fn protected(world: &World) -> Value {
    json!([world.bao.get(PATH), world.bao.get(FOREIGN), format!("{:?}", world.stored.keys())])
}

/// What the forger writes over the entries, and a part of the reason for the quarantine.
fn forgeries(world: &World, elsewhere: &VaultProxy) -> Vec<(Vec<Value>, &'static str)> {
    let genuine = intent_places(&world.stored);
    let place = genuine[0]["place"].as_str().unwrap();
    let staged = |entry: Value, files: Value| json!({"event": "staged", "entry": entry, "files": files});
    // Under the name of the policy file's secret, and under its own
    let other = |field: &str, value: Value, target: &str| {
        let mut places = genuine.clone();
        places[0]["spec"]["vault"][field] = value;
        places[0]["place"] = target.into();
        let version = fingerprint(&world.new_key());
        vec![
            json!({"event": "intent", "entry": {"places": places}}),
            staged(json!({"files": {target: version}}), json!({})),
        ]
    };
    let other_server = place.replace(&world.proxy.url, &elsewhere.url);
    let other_destinations = "other destinations than the policy file";
    let wrong_version = "is not the new key's";
    let payload = "eyJwbGFjZSI6ImdpdGh1Yl9zZWNyZXQgYWN0aW9uczphY21lL2FwcDpYIiwicGF5bG9hZHMiOltdfQ==";
    vec![
        (other("address", json!(elsewhere.url), &other_server), other_destinations),
        (other("path", json!(FOREIGN), &place.replace(PATH, FOREIGN)), other_destinations),
        (other("path", json!(FOREIGN), place), other_destinations),
        (other("role", json!("admin"), place), other_destinations),
        (other("namespace", json!("root"), place), other_destinations),
        (vec![staged(json!({"files": {place: "0".repeat(24)}}), json!({}))], wrong_version),
        (vec![staged(json!({"files": {}}), json!({}))], wrong_version),
        (vec![staged(json!({"key": OLD}), json!({}))], "a second new key is staged"),
        (
            vec![staged(json!({}), json!({"files/src/app.py": "ZXZpbA=="}))],
            "differs in more than the credential",
        ),
        (vec![staged(json!({}), json!({"payloads/9.json": payload}))], "for other stores"),
    ]
}

/// What a journal calls the version with a key.
fn fingerprint(key: &str) -> String {
    keytide::hash::sha256_hex(key.as_bytes())[..24].to_owned()
}

impl World {
    fn new_key(&self) -> String {
        self.stored.keys().into_keys().find(|id| id != OLD).unwrap()
    }
}

/// Before the merge, after it, and in the grace period: Vault keeps what it has, and no other server is asked anything.
#[test]
fn forged_entries_write_no_secret_of_vault() {
    let mut world = World::new();
    world.bao.put(FOREIGN, &fields(OLD, OTHERS));
    let elsewhere = VaultProxy::before(&world.bao);
    for (at, stage) in ["proposed", "merged", "grace"].into_iter().enumerate() {
        match stage {
            "merged" => {
                world.stored.merge();
                world.stored.pass(1);
            }
            phase => drop(world.until(phase)),
        }
        let genuine = world.stored.github_moment();
        for (number, (forged, why)) in forgeries(&world, &elsewhere).into_iter().enumerate() {
            // Each of them after the merge, where the next step is the write; every third before it and later.
            if stage != "merged" && number % 3 != at % 2 {
                continue;
            }
            let before = protected(&world);
            for mut entry in forged.iter().cloned() {
                entry["ref"] = JOURNAL.into();
                world.stored.github.control("POST", "forge", &entry);
            }
            let run = world.keytide(&["rotate"]).run();
            assert_eq!(protected(&world), before, "{stage}, {forged:?}: {}\n{}", run.stdout, run.stderr);
            let report = run.exits(1).json();
            assert_eq!(rotation_field(&report, "phase"), "quarantined", "{stage}, {forged:?}: {report:#}");
            assert!(rotation_field(&report, "why").contains(why), "{stage}, {why}: {report:#}");
            world.stored.return_to(&genuine);
        }
    }
    assert!(elsewhere.take_passed().is_empty(), "another server was asked");
}

/// An entry that says that Vault has the new key, which it has not: Vault is read again, so the old key stays active while
/// Vault holds it, and every report says so.
#[test]
fn a_forged_delivery_to_vault_is_compared_with_vault() {
    let mut world = World::new();
    let first = world.stored.first();
    world.until("proposed");
    world.stored.merge();
    world.stored.pass(1);
    let place = intent_places(&world.stored)[0]["place"].clone();
    let marker = fingerprint(&world.new_key());
    world.stored.append_entry(&json!({"event": "delivered", "place": place, "marker": marker}));
    world.stored.append_entry(&json!({"event": "distributed"}));
    let mut run = world.rotate();
    for _ in 0..4 {
        world.stored.pass(24 * 4);
        run = world.rotate();
        assert_eq!(world.held(), first, "{}", run.stdout);
        assert_eq!(world.stored.keys()[&first.0].1, "Active", "{}", run.stdout);
    }
    let report = run.exits(1).json();
    assert!(
        rotation_field(&report, "why")
            .contains("though the journal says that every destination holds the new key"),
        "{report:#}"
    );
}

/// A forged rollback makes the credential of an earlier version the newest one, as `SECURITY.md` says. It is one of the same
/// secret, and no other field goes back with it; a version that the secret never had changes nothing.
#[test]
fn a_forged_rollback_takes_a_version_of_the_same_secret() {
    const EARLIER: &str = "AKIA0EARLIEREARLIER0";
    let mut world = World::new();
    let (old, secret) = world.stored.first();
    let mut earlier = fields(EARLIER, "an earlier secret");
    earlier["password"] = json!("an earlier password");
    world.bao.put(PATH, &earlier);
    world.bao.put(PATH, &fields(&old, &secret));
    world.until("proposed");
    world.stored.merge();
    world.until("grace");
    world.stored.pass(1);
    let picture = world.stored.github_moment();
    let mut places = intent_places(&world.stored);
    let before = protected(&world);
    for (marker, is_one_of_its_own) in [("AKIA0NEVERNEVERNEVER", false), (EARLIER, true)] {
        places[0]["marker"] = fingerprint(marker).into();
        let forged = json!({"ref": JOURNAL, "event": "intent", "entry": {"places": places}});
        world.stored.github.control("POST", "forge", &forged);
        world.stored.append_entry(&json!({"event": "rollback", "why": "forged"}));
        let mut last = String::new();
        for _ in 0..3 {
            let run = world.keytide(&["rotate"]).run();
            last = run.stdout;
            world.stored.pass(1);
        }
        if is_one_of_its_own {
            let (held, _) = world.bao.get(PATH).unwrap();
            assert_eq!(held["key_id"], EARLIER, "SECURITY.md says that this is possible: {last}");
            assert_eq!(held, fields(EARLIER, "an earlier secret"), "no other field went back");
        } else {
            assert_eq!(protected(&world), before, "{last}");
            assert!(last.contains("none of its versions holds the key any more"), "{last}");
            world.stored.return_to(&picture);
        }
    }
    assert_eq!(world.stored.keys().len(), 2, "{USER} keeps both keys");
}
