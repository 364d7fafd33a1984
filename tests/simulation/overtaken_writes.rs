//! Writes to a parameter of AWS Systems Manager, which has no compare-and-swap, and to a secret of Vault, where a write
//! names the version that it replaces, while others write them.

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
fn write_overtaken_at(stores: SampleStores, index: usize) -> (Simulation, Destination, Vec<&'static str>) {
    let (world, destination, fingerprint) = staged_credential(stores);
    let before = world.with_state(|state| {
        let before = state.calls.len();
        state.faults.at = vec![(before + index, SimFault::Overtaken)];
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
        let (_, _, undisturbed) = write_overtaken_at(stores, usize::MAX / 2);
        assert_eq!(undisturbed.iter().filter(|name| **name == request).count(), 1, "{undisturbed:?}");
        for index in 0..undisturbed.len() {
            let (world, destination, names) = write_overtaken_at(stores, index);
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
