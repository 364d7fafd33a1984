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

/// The values of the new credential.
const VALUES: [&str; 3] = [NEW, "new/secret", "new/password"];

fn new_credential(stores: SampleStores) -> Credential {
    let credential = Credential::new(NEW, VALUES[1].to_owned());
    match stores {
        SampleStores::ParameterTriple => credential.with_smtp_password(VALUES[2].to_owned()),
        _ => credential,
    }
}

/// What the parameters of a destination hold, the access key ID first.
fn held_values(world: &Simulation, destination: &Destination) -> Vec<String> {
    let (place, _) = destination.identity().unwrap();
    world.with_state(|state| {
        let secret = &state.body.vaults[&*place];
        let (id, key) = secret.current_credential().unwrap();
        [Some(id), Some(key), secret.smtp_password()]
            .into_iter()
            .flatten()
            .map(|text| text.to_string())
            .collect()
    })
}

const WITHOUT_JSON: [SampleStores; 2] = [SampleStores::ParameterPair, SampleStores::ParameterTriple];

/// A simulation whose store has a staged credential, with the destination and the credential's fingerprint.
fn staged_credential(stores: SampleStores) -> (Simulation, Destination, String) {
    let age = SignedDuration::from_hours(24 * 80);
    let (world, task) = sample_simulation(3, NOW, age, stores);
    let destination = task.destinations[1].clone();
    let credential = new_credential(stores);
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

/// The ID is written after the other values, and whichever request another writer is faster at with the former secret
/// access key, all values are the new ones in the end.
#[test]
fn a_value_that_another_writer_puts_back_is_written_again() {
    for (stores, values) in WITHOUT_JSON.into_iter().zip([2, 3]) {
        let (_, _, undisturbed) = write_overtaken_at(stores, usize::MAX / 2, SimFault::Reverted);
        // The former credential is kept first.
        let writes = undisturbed.iter().filter(|name| **name == "ssm:PutParameter").count();
        assert_eq!(writes, 1 + values, "{undisturbed:?}");
        let mut repeated = 0;
        for index in 0..undisturbed.len() {
            let (world, destination, names) = write_overtaken_at(stores, index, SimFault::Reverted);
            let held = held_values(&world, &destination);
            assert_eq!(held, VALUES[..values], "put back at {index} of {names:?}");
            repeated += usize::from(names.len() > undisturbed.len());
        }
        assert_ne!(repeated, 0);
    }
}

/// The application is never left with a new ID beside another old value, whichever request is the last of a run.
#[test]
fn a_run_that_dies_between_the_values_leaves_the_old_id() {
    for (stores, values) in WITHOUT_JSON.into_iter().zip([2, 3]) {
        let (world, destination, _) = staged_credential(stores);
        let old = held_values(&world, &destination);
        assert_eq!(old.len(), values);
        for index in 0.. {
            let (world, destination, fingerprint) = staged_credential(stores);
            let before = world.with_state(|state| {
                state.faults.at = vec![(state.calls.len() + index, SimFault::CrashAfter)];
                state.calls.len()
            });
            let delivery = StoreDelivery { payloads: &[], version: Some(&fingerprint) };
            let ended = block_on(&world, 1, async {
                world.backend_for_run(1).write_secret(&destination, &delivery).await.unwrap();
            });
            let held = held_values(&world, &destination);
            let is_complete = held == VALUES[..values];
            assert!(held[0] == old[0] || is_complete, "{held:?} after request {index}");
            // The next run finds either the old ID, and writes all, or the new one beside its own values.
            block_on(&world, 2, async {
                world.backend_for_run(2).write_secret(&destination, &delivery).await.unwrap();
            });
            assert_eq!(held_values(&world, &destination), VALUES[..values]);
            if ended.is_some() {
                assert!(index > 0 && world.with_state(|state| state.calls.len()) > before);
                break;
            }
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
