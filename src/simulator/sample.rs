//! A small world to play in: a repository with an encrypted file, a secret of GitHub's, two applications and one
//! user whose key is old enough to be rotated.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{App, World};
use crate::destinations::encryption::{Workspace, sealable};
use crate::engine::observe::{Task, place_of};
use crate::policy::Destination;
use crate::policy::file::{AgeDestination, AgeFormat, GithubProduct, GithubSecret, SecretsManager};
use crate::policy::scalar::{FilePath, Scalar};
use crate::ports::Files;
use crate::rotation::{Asked, Rules};
use crate::secret::Credential;

pub const USER: &str = "ci-deployer";
pub const FILE: &str = "deploy/aws.env.age";
/// The repository's numeric ID.
pub const REPOSITORY: u64 = 4711;

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// What is played with: the rules of the sample policy.
pub fn rules() -> Rules {
    Rules {
        may_rotate: true,
        start_at: days(75),
        grace: days(7),
        quiet: days(3),
        soak: days(14),
        require_use: true,
        validate: false,
    }
}

/// The stores beside the encrypted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    None,
    /// A secret of GitHub's.
    Sealed,
    /// A secret of Secrets Manager's.
    Versioned,
    Both,
}

/// The world, and what a run is to do in it.
pub fn world(seed: u64, now: Timestamp, age: SignedDuration, stores: Stores) -> (World, Task) {
    let world = World::new(now - age, seed);
    let destinations = destinations(&world, stores);
    // The names are fixed above, so that this cannot fail.
    if let Ok(credential) = world.add_user(USER, Some(REPOSITORY)) {
        world.with(|state| {
            let user = state.body.users.get_mut(USER);
            user.into_iter().flat_map(|user| &mut user.keys).for_each(|key| key.known_from = key.created);
        });
        put(&world, &destinations, &credential);
    }
    let places: Vec<String> =
        destinations.iter().filter_map(place_of).map(|(place, _)| place.to_string()).collect();
    world.with(|state| {
        let watch = state.watch();
        watch.files = vec![FILE.to_owned()];
        watch.stores = places.iter().filter(|place| !place.starts_with("age")).cloned().collect();
        (watch.soak, watch.quiet, watch.repository) = (rules().soak, rules().quiet, REPOSITORY);
        let start = now - SignedDuration::from_hours(6);
        state.apps.push(App::new("deploy", FILE, false, SignedDuration::from_hours(7), start));
        for secret in state.watch().stores.clone() {
            state.apps.push(App::new("workflow", &secret, true, SignedDuration::from_hours(11), start));
        }
    });
    world.advance(age);
    let task = Task {
        user: USER.into(),
        run: "1".into(),
        repository: REPOSITORY,
        name: "acme/app".to_owned(),
        account: "123456789012".to_owned(),
        rules: rules(),
        policy: None,
        destinations,
        asked: Asked::default(),
        asks_preflight: true,
    };
    (world, task)
}

fn destinations(world: &World, stores: Stores) -> Vec<Destination> {
    let recipient = world.with(|state| state.keyring.recipient());
    let age = FilePath::parse(FILE).map(|file| {
        Destination::Age(AgeDestination {
            file,
            format: AgeFormat::Dotenv,
            recipients: vec![recipient],
            recipients_file: None,
        })
    });
    let secret = Destination::GithubSecret(GithubSecret {
        repository: Some("acme/app".to_owned()),
        organization: None,
        environment: Some("production".to_owned()),
        product: GithubProduct::Actions,
        access_key_id: Some("AWS_ACCESS_KEY_ID".to_owned()),
        secret_access_key: Some("AWS_SECRET_ACCESS_KEY".to_owned()),
        json: None,
    });
    let [access_key_id, secret_access_key] = super::stores::FIELDS.map(str::to_owned);
    let versioned = Destination::SecretsManager(SecretsManager {
        secret_id: "prod/aws".to_owned(),
        region: "eu-west-1".to_owned(),
        access_key_id,
        secret_access_key,
    });
    let stores = match stores {
        Stores::None => Vec::new(),
        Stores::Sealed => vec![secret],
        Stores::Versioned => vec![versioned],
        Stores::Both => vec![secret, versioned],
    };
    age.into_iter().chain(stores).collect()
}

/// The first credential, as a person put it there.
fn put(world: &World, destinations: &[Destination], credential: &Credential) {
    let mut workspace = Workspace::new(world.now());
    let key = world.with(|state| state.keyring.public_key());
    for destination in destinations {
        if let Destination::GithubSecret(secret) = destination {
            workspace.public_keys.insert(secret.place(), key.clone());
        }
        if let (Destination::SecretsManager(_), Some((place, _))) = (destination, place_of(destination)) {
            world.with(|state| state.body.fill(&place, credential));
        }
        let Some(sealable) = sealable(destination) else { continue };
        let Ok(sealed) = sealable.seal(credential, &mut workspace) else { continue };
        let Some((place, _)) = place_of(destination) else { continue };
        let payloads: Vec<_> = sealed.into_iter().flat_map(|one| one.payloads).collect();
        if !payloads.is_empty() {
            world.with(|state| drop(state.body.deliver(&place, payloads)));
        }
    }
    let files: Files =
        workspace.files.into_iter().map(|(path, bytes)| (path, Some(bytes))).collect::<BTreeMap<_, _>>();
    world.with(|state| state.body.push(&files, "The first credential"));
}
