//! Builds a small simulation for the demo and the tests: a repository with an encrypted file, secret stores, applications
//! and one user whose key is old enough to be rotated.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::applications::Application;
use super::simulation::Simulation;
use super::state::MAIN;
use super::stores::PLACEHOLDER;
use super::versioned_secret::FIELDS;
use crate::destinations::as_sealable;
use crate::destinations::encryption::SealWorkspace;
use crate::destinations::kind::Preparation;
use crate::destinations::plaintext::CredentialFormat;
use crate::destinations::smtp_password::{SmtpPassword, WithSmtp};
use crate::engine::observe::UserRotation;
use crate::policy::file::{AgeDestination, GithubProduct, GithubSecret, SecretsManager, SsmParameter, Vault};
use crate::policy::scalar::{FilePath, Scalar};
use crate::policy::{Destination, RedeployWorkflow, RotationPolicy};
use crate::ports::FileChanges;
use crate::rotation::{RotationParams, RotationRequest};
use crate::secret::Credential;

pub const USER: &str = "ci-deployer";
pub const FILE: &str = "deploy/aws.env.age";
/// The workflow that deploys, in the sample that has one.
pub const WORKFLOW: &str = "deploy.yml";
/// The repository's numeric ID.
pub const REPOSITORY: u64 = 4711;

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// The rules of the sample rotation.
pub fn sample_params() -> RotationParams {
    RotationParams {
        may_rotate: true,
        may_retire: false,
        start_at: days(75),
        grace: days(7),
        quiet: days(3),
        soak: days(14),
        require_use: true,
        validate: false,
        redeploy: false,
    }
}

/// The stores beside the encrypted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleStores {
    None,
    /// A GitHub secret.
    Sealed,
    /// A secret in AWS Secrets Manager.
    Versioned,
    Both,
    /// A parameter of AWS Systems Manager.
    Parameter,
    /// Two of them, one for each half.
    ParameterPair,
    /// Three of them, with one for an SMTP password.
    ParameterTriple,
    /// A secret of Vault.
    Vault,
}

/// The simulation, and the rotation that a run performs in it.
pub fn sample_simulation(
    seed: u64,
    now: Timestamp,
    age: SignedDuration,
    stores: SampleStores,
) -> (Simulation, UserRotation) {
    let world = Simulation::new(now - age, seed);
    let destinations = sample_destinations(&world, stores);
    // The user is new, so this cannot fail.
    if let Ok(credential) = world.add_user(USER, Some(REPOSITORY)) {
        world.with_state(|state| {
            let user = state.body.users.get_mut(USER);
            // Else the first application would fail in the seconds in which AWS does not accept a new key yet.
            user.into_iter().flat_map(|user| &mut user.keys).for_each(|key| key.known_from = key.created);
        });
        place_credential(&world, &destinations, &credential);
    }
    let places: Vec<String> =
        destinations.iter().filter_map(Destination::identity).map(|(place, _)| place.to_string()).collect();
    world.with_state(|state| {
        let watch = state.invariant_state();
        watch.files = vec![FILE.to_owned()];
        watch.stores = places.iter().filter(|place| !place.starts_with("age")).cloned().collect();
        (watch.soak, watch.quiet, watch.repository) =
            (sample_params().soak, sample_params().quiet, REPOSITORY);
        watch.without_swap = matches!(
            stores,
            SampleStores::Parameter | SampleStores::ParameterPair | SampleStores::ParameterTriple
        );
        let start = now - SignedDuration::from_hours(6);
        state.apps.push(Application::new("deploy", FILE, false, SignedDuration::from_hours(7), start));
        for secret in state.invariant_state().stores.clone() {
            state.apps.push(Application::new(
                "workflow",
                &secret,
                true,
                SignedDuration::from_hours(11),
                start,
            ));
        }
    });
    // Last: the applications have used the key for all this time when a run begins.
    world.advance_time(age);
    let task = UserRotation {
        user: USER.into(),
        run: "1".into(),
        repository: REPOSITORY,
        name: "acme/app".to_owned(),
        account: "123456789012".to_owned(),
        params: sample_params(),
        policy: None,
        max_age: None,
        run_page: None,
        policy_file: None,
        destinations,
        asked: RotationRequest::default(),
        rollback_reason: None,
        asks_preflight: true,
    };
    (world, task)
}

/// The sample with a user whose keys are to go: an application reads a file, which a person will remove.
pub fn sample_retirement(seed: u64, now: Timestamp, age: SignedDuration) -> (Simulation, UserRotation) {
    let (world, mut task) = sample_simulation(seed, now, age, SampleStores::None);
    task.params.may_rotate = false;
    task.params.may_retire = true;
    world.with_state(|state| state.invariant_state().retires = true);
    (world, task)
}

/// The sample with an application that a workflow deploys, which keytide starts: it reads the file at no other time.
pub fn sample_deployment(
    seed: u64,
    now: Timestamp,
    age: SignedDuration,
    stores: SampleStores,
) -> (Simulation, UserRotation) {
    let (world, mut task) = sample_simulation(seed, now, age, stores);
    let workflow = FilePath(WORKFLOW.to_owned());
    task.params.redeploy = true;
    task.policy =
        Some(RotationPolicy { redeploy: Some(RedeployWorkflow { workflow }), ..RotationPolicy::default() });
    let path = format!(".github/workflows/{WORKFLOW}");
    let bytes = Some(b"on: workflow_dispatch\n".to_vec());
    world.push_files(&FileChanges::from([(path, bytes)]), "The workflow that deploys");
    world.with_state(|state| {
        for app in &mut state.apps {
            (app.deployed_by, app.loaded_at) = (Some(WORKFLOW.to_owned()), now);
        }
    });
    (world, task)
}

/// The sample with a user that has no key: the file does not exist, and the stores hold a placeholder.
pub fn sample_first_key(seed: u64, now: Timestamp, stores: SampleStores) -> (Simulation, UserRotation) {
    let (world, task) = sample_simulation(seed, now, days(1), stores);
    remove_credential_file(&world);
    world.with_state(|state| {
        state.invariant_state().begins_bare = true;
        let places = state.invariant_state().stores.clone();
        state.apps.iter_mut().for_each(|app| app.held = None);
        state.body.users.values_mut().for_each(|user| user.keys.clear());
        state.body.secrets.clear();
        let placeholder = Credential::new(PLACEHOLDER, PLACEHOLDER.to_owned());
        for place in &places {
            if state.body.vaults.remove(place).is_some() {
                state.body.fill_store(place, &placeholder);
            }
        }
    });
    (world, task)
}

/// A person removes the file with the credential from the default branch, if it is there.
pub fn remove_credential_file(world: &Simulation) {
    let is_there =
        world.with_state(|state| state.body.files_at(MAIN).is_some_and(|files| files.contains_key(FILE)));
    if !is_there {
        return;
    }
    world.push_files(&FileChanges::from([(FILE.to_owned(), None)]), "The application needs no key");
}

fn sample_destinations(world: &Simulation, stores: SampleStores) -> Vec<Destination> {
    let recipient = world.with_state(|state| state.keyring.age_recipient());
    let age = FilePath::parse(FILE).map(|file| AgeDestination {
        file,
        format: CredentialFormat::Dotenv,
        secret_access_key: None,
        ses_smtp_password: None,
        recipients: vec![recipient],
        recipients_file: None,
    });
    let stores = match stores {
        SampleStores::None => Vec::new(),
        SampleStores::Sealed => vec![sample_github_secret()],
        SampleStores::Versioned => vec![sample_secret()],
        SampleStores::Both => vec![sample_github_secret(), sample_secret()],
        SampleStores::Parameter => {
            vec![Destination::SsmParameter(sample_parameter(Some("/app/aws"), FIELDS).into())]
        }
        SampleStores::ParameterPair => vec![Destination::SsmParameter(sample_parameter(None, PAIR).into())],
        SampleStores::ParameterTriple => vec![sample_triple()],
        SampleStores::Vault => vec![sample_vault()],
    };
    age.into_iter().map(|age| Destination::Age(age.into())).chain(stores).collect()
}

fn sample_github_secret() -> Destination {
    let secret = GithubSecret {
        repository: Some("acme/app".to_owned()),
        organization: None,
        environment: Some("production".to_owned()),
        product: GithubProduct::Actions,
        access_key_id: Some("AWS_ACCESS_KEY_ID".to_owned()),
        secret_access_key: Some("AWS_SECRET_ACCESS_KEY".to_owned()),
        ses_smtp_password: None,
        json: None,
    };
    Destination::GithubSecret(secret.into())
}

fn sample_secret() -> Destination {
    let [access_key_id, secret_access_key] = FIELDS.map(str::to_owned);
    let secret = SecretsManager {
        secret_id: "prod/aws".to_owned(),
        region: "eu-west-1".to_owned(),
        access_key_id,
        secret_access_key,
        ses_smtp_password: None,
    };
    Destination::SecretsManager(secret.into())
}

/// The names of two parameters.
const PAIR: [&str; 2] = ["/app/aws/id", "/app/aws/secret"];

/// A parameter for each half, and one for the SMTP password.
fn sample_triple() -> Destination {
    let password = SmtpPassword {
        name: "/app/smtp/password".to_owned(),
        region: "eu-west-1".to_owned(),
        is_beside_secret: true,
    };
    let mut parameter = sample_parameter(None, PAIR);
    parameter.ses_smtp_password = Some(password.name.clone());
    Destination::SsmParameter(WithSmtp::with_password(parameter, password))
}

/// The fields of the parameter that holds JSON, or the names of two parameters.
fn sample_parameter(json: Option<&str>, names: [&str; 2]) -> SsmParameter {
    let [access_key_id, secret_access_key] = names.map(str::to_owned);
    SsmParameter {
        json: json.map(str::to_owned),
        region: "eu-west-1".to_owned(),
        access_key_id,
        secret_access_key,
        ses_smtp_password: None,
    }
}

fn sample_vault() -> Destination {
    let [access_key_id, secret_access_key] = FIELDS.map(str::to_owned);
    let vault = Vault {
        address: "https://vault.example.com".to_owned(),
        mount: "secret".to_owned(),
        path: "app/aws".to_owned(),
        access_key_id,
        secret_access_key,
        ses_smtp_password: None,
        role: Some("keytide".to_owned()),
        auth: "jwt".to_owned(),
        audience: None,
        namespace: None,
        ca_certificate: None,
    };
    Destination::Vault(vault.into())
}

/// Writes the first credential to every destination, as a person does.
fn place_credential(world: &Simulation, destinations: &[Destination], credential: &Credential) {
    let mut workspace = SealWorkspace::new(world.current_time());
    let key = world.with_state(|state| state.keyring.public_key());
    for destination in destinations {
        let Some((place, _)) = destination.identity() else { continue };
        let derived = destination.smtp_password().map(|smtp| smtp.derive_credential(credential));
        let credential = derived.as_ref().unwrap_or(credential);
        match destination.kind().preparation() {
            Preparation::PublicKey { location } => {
                workspace.public_keys.insert(location, key.clone());
            }
            Preparation::WritableStore => {
                world.with_state(|state| state.body.fill_store(&place, credential));
            }
            Preparation::FilesOnly | Preparation::DataKey(_) => {}
        }
        let Some(sealable) = as_sealable(destination) else { continue };
        let Ok(sealed) = sealable.seal_credential(credential, &mut workspace) else { continue };
        let payloads: Vec<_> = sealed.into_iter().flat_map(|one| one.payloads).collect();
        if !payloads.is_empty() {
            world.with_state(|state| drop(state.body.store_payloads(&place, payloads)));
        }
    }
    let files: FileChanges =
        workspace.files.into_iter().map(|(path, bytes)| (path, Some(bytes))).collect::<BTreeMap<_, _>>();
    world.with_state(|state| state.body.push_to_default(&files, "The first credential"));
}
