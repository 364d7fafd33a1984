//! Writes to a parameter of AWS Systems Manager, which has no compare-and-swap, and to a secret of Vault, where a write
//! names the version that it replaces, while others write them; and to a pair of parameters, which no request writes at
//! once.

use jiff::{SignedDuration, Timestamp};
use keytide::policy::Destination;
use keytide::ports::{ErrorKind, SecretStore as _, StagedSecretStore as _, StoreDelivery};
use keytide::secret::Credential;
use keytide::simulator::sample::{SampleStores, sample_simulation};
use keytide::simulator::{SimFault, Simulation, block_on};

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
const NEW: &str = "AKIAZZZZZZZZZZ234567";

/// A simulation whose store has a staged credential, with the destination and the credential's fingerprint.
fn staged_credential(stores: SampleStores) -> (Simulation, Destination, String) {
    let age = SignedDuration::from_hours(24 * 80);
    let (world, task) = sample_simulation(3, NOW, age, stores);
    let destination = task.destinations[1].clone();
    let credential = Credential::new(NEW, "new/secret".to_owned());
    let staged = block_on(&world, 1, async {
        world.backend_for_run(1).stage_secret(&destination, &credential).await.unwrap().to_string()
    });
    (world, destination, staged.unwrap())
}

/// Writes the staged credential while another writer is faster at one of the requests; the names of the requests.
fn write_overtaken_at(
    stores: SampleStores,
    index: usize,
    fault: SimFault,
) -> (Simulation, Destination, Vec<&'static str>) {
    let (world, destination, fingerprint) = staged_credential(stores);
    let before = world.with_state(|state| {
        let before = state.calls.len();
        state.faults.at = vec![(before + index, fault)];
        before
    });
    block_on(&world, 1, async {
        let delivery = StoreDelivery { payloads: &[], version: Some(&fingerprint) };
        world.backend_for_run(1).write_secret(&destination, &delivery).await.unwrap();
    });
    let names = world.with_state(|state| state.calls[before..].iter().map(|call| call.name).collect());
    (world, destination, names)
}

/// Whichever request the other writer is faster at, the other field and the credential are both there in the end.
#[test]
fn what_others_write_during_a_write_is_kept() {
    for (stores, request) in
        [(SampleStores::Parameter, "ssm:PutParameter"), (SampleStores::Vault, "vault:write")]
    {
        let (_, _, undisturbed) = write_overtaken_at(stores, usize::MAX / 2, SimFault::Overtaken);
        assert_eq!(undisturbed.iter().filter(|name| **name == request).count(), 1, "{undisturbed:?}");
        for index in 0..undisturbed.len() {
            let (world, destination, names) = write_overtaken_at(stores, index, SimFault::Overtaken);
            let (place, _) = destination.identity().unwrap();
            let (field, wanted, credential) = world.with_state(|state| {
                let wanted = state.invariant_state().foreign_field.clone();
                let secret = &state.body.vaults[&*place];
                let credential = secret.current_credential().map(|(id, _)| id.to_string());
                (secret.foreign_field().map(|field| field.to_string()), wanted, credential)
            });
            assert_ne!(wanted, "", "{names:?}");
            assert_eq!(field.as_deref(), Some(wanted.as_str()), "overtaken at {index} of {names:?}");
            assert_eq!(credential.as_deref(), Some(NEW), "overtaken at {index} of {names:?}");
        }
    }
}

/// The ID is written after the secret access key, and whichever request another writer is faster at with the former secret
/// access key, both halves are the new ones in the end.
#[test]
fn a_half_that_another_writer_puts_back_is_written_again() {
    let pair = SampleStores::ParameterPair;
    let (_, _, undisturbed) = write_overtaken_at(pair, usize::MAX / 2, SimFault::Reverted);
    // The former pair is kept first.
    assert_eq!(undisturbed.iter().filter(|name| **name == "ssm:PutParameter").count(), 3, "{undisturbed:?}");
    let mut repeated = 0;
    for index in 0..undisturbed.len() {
        let (world, destination, names) = write_overtaken_at(pair, index, SimFault::Reverted);
        let (place, _) = destination.identity().unwrap();
        let held = world.with_state(|state| state.body.vaults[&*place].current_credential().unwrap());
        assert_eq!((&*held.0, &*held.1), (NEW, "new/secret"), "put back at {index} of {names:?}");
        repeated += usize::from(names.len() > undisturbed.len());
    }
    assert_ne!(repeated, 0);
}

/// The application is never left with a new ID beside the old secret access key, whichever request is the last of a run.
#[test]
fn a_run_that_dies_between_the_halves_leaves_the_old_id() {
    let pair = SampleStores::ParameterPair;
    for index in 0.. {
        let (world, destination, fingerprint) = staged_credential(pair);
        let before = world.with_state(|state| {
            state.faults.at = vec![(state.calls.len() + index, SimFault::CrashAfter)];
            state.calls.len()
        });
        let (place, _) = destination.identity().unwrap();
        let (old_id, old_secret) =
            world.with_state(|state| state.body.vaults[&*place].current_credential().unwrap());
        let delivery = StoreDelivery { payloads: &[], version: Some(&fingerprint) };
        let ended = block_on(&world, 1, async {
            world.backend_for_run(1).write_secret(&destination, &delivery).await.unwrap();
        });
        let held = world.with_state(|state| state.body.vaults[&*place].current_credential().unwrap());
        let pairs = [(&*old_id, &*old_secret), (&*old_id, "new/secret"), (NEW, "new/secret")];
        assert!(pairs.contains(&(&*held.0, &*held.1)), "{held:?} after request {index}");
        // The next run finds either the old ID, and writes both, or the new one beside its own secret access key.
        block_on(&world, 2, async {
            world.backend_for_run(2).write_secret(&destination, &delivery).await.unwrap();
        });
        let held = world.with_state(|state| state.body.vaults[&*place].current_credential().unwrap());
        assert_eq!((&*held.0, &*held.1), (NEW, "new/secret"));
        if ended.is_some() {
            assert!(index > 0 && world.with_state(|state| state.calls.len()) > before);
            return;
        }
    }
}

/// To restore a credential that no version holds is refused.
#[test]
fn a_credential_that_no_version_holds_is_not_restored() {
    let (world, vault, _) = staged_credential(SampleStores::Vault);
    let error = block_on(&world, 1, async {
        world.backend_for_run(1).restore_secret(&vault, Some("000000000000000000000000")).await.unwrap_err()
    });
    let error = error.unwrap();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("none of its versions holds the key"), "{error}");
}
