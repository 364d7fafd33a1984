//! The new key: made, encrypted for every destination and kept, proved, proposed. Its secret lives here only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::{Session, pull_requests};
use crate::destinations::encryption::{Sealed, Workspace, sealable};
use crate::engine::observe::{approved, destinations, frozen, place_of, preflight, workspace};
use crate::policy::Destination;
use crate::ports::{Answer, Failure, Kept, Outcome, Outside};
use crate::repository::{LockFile, LockedDestination, lock_file_path};
use crate::rotation::{Event, Frozen, KeyId, Marker, Observation, PlaceId, Recipients, Rotation, ids};
use crate::secret::Credential;

/// AWS is asked who bears the new key until it has answered so often in a row.
const PROOFS: u32 = 3;
/// How often it is asked at most, and how long it is waited between.
const ATTEMPTS: u32 = 30;
const BETWEEN: SignedDuration = SignedDuration::from_secs(2);

/// The journal learns what the rotation starts from.
pub async fn begin(session: &mut Session<'_, impl Outside>, seen: &Observation, key: &KeyId) -> Answer<()> {
    let unknown = || Failure::new(Outcome::NotDone, "the user or its journal could not be read");
    let journal = seen.journal.known().ok_or_else(unknown)?;
    let user_id = seen.user_id.known().cloned().flatten().ok_or_else(unknown)?;
    let marker = |place: &PlaceId| {
        let found = seen.places.iter().find(|found| found.id == *place)?;
        found.marker.known().cloned().flatten()
    };
    let places: Vec<Frozen> = session
        .task
        .destinations
        .iter()
        .filter_map(|destination| frozen(destination, marker(&place_of(destination)?.0)))
        .collect();
    session.world.may_open().await?;
    let (number, compromised) =
        (number(session, journal.last).await?, seen.asked.compromised || journal.compromised);
    session.append(Event::Intent { number, user_id, key: key.clone(), places, compromised }).await
}

/// The number of the next rotation. What bears it already is of a journal that was lost, and brings another key.
async fn number(session: &Session<'_, impl Outside>, last: u32) -> Answer<u32> {
    let mut number = last + 1;
    loop {
        let branch = ids::branch(&session.task.user, number);
        if session.world.tip(&branch).await?.is_none() && session.world.find(&branch).await?.is_none() {
            return Ok(number);
        }
        number += 1;
    }
}

/// Makes the key. From its creation to the entry that keeps it nothing is waited for.
pub async fn issue(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let world = session.world;
    let destinations = destinations(session.task, Some(rotation));
    let base = world.head().await?;
    let mut workspace = workspace(world, &base, &destinations, Some(&rotation.old)).await?;
    let recipients = who_gets_it(session, &destinations, &workspace).await?;
    for destination in destinations.iter().filter(|one| matches!(one, Destination::SecretsManager(_))) {
        world.rehearse(destination).await?;
    }
    session.append(Event::Create).await?;
    let credential = world.create_key(&session.task.user).await?;
    let key: KeyId = credential.access_key_id().into();
    let before = workspace.files.clone();
    let sealed = seal(&destinations, &credential, &mut workspace)?;
    let kept = keep(session, base.to_string(), sealed, &before, workspace)?;
    let (mut files, payloads) = markers(&destinations, &kept);
    for destination in &destinations {
        if let (Destination::SecretsManager(_), Some((place, _))) = (destination, place_of(destination)) {
            files.insert(place, world.pend(destination, &credential).await?);
        }
    }
    session
        .append_with(
            Event::Staged { key: key.clone(), files, payloads, recipients: recipients.clone() },
            &kept.kept,
        )
        .await?;
    prove(session, &credential, rotation).await?;
    drop(credential);
    session.append(Event::Verified).await?;
    pull_requests::propose_kept(session, rotation, (&key, &recipients), &kept.kept).await?;
    describe(session, &key).await;
    Ok(())
}

/// Who will be able to decrypt the new key. Asked again right before it is made: since the decision somebody may have
/// changed a file or the tag.
async fn who_gets_it(
    session: &Session<'_, impl Outside>,
    destinations: &[Destination],
    workspace: &Workspace,
) -> Answer<Recipients> {
    let refused = |why| Failure::new(Outcome::Refused, why);
    let recipients = preflight(destinations, workspace).map_err(refused)?;
    let user = session.world.user(&session.task.user).await?;
    let user = user.ok_or_else(|| Failure::new(Outcome::NotDone, "the user does not exist any more"))?;
    approved(&user, &session.task.user, &recipients).map_err(refused)?;
    Ok(recipients)
}

/// What is kept, and what each destination was given.
struct Keeping {
    kept: Kept,
    sealed: Vec<Sealed>,
}

fn seal(
    destinations: &[Destination],
    credential: &Credential,
    workspace: &mut Workspace,
) -> Answer<Vec<Sealed>> {
    let mut sealed = Vec::new();
    for destination in destinations.iter().filter_map(sealable) {
        let one = destination.seal(credential, workspace);
        sealed.extend(one.map_err(|why| Failure::new(Outcome::Refused, why.to_string()))?);
    }
    Ok(sealed)
}

/// The files that changed, the lock file, and the payloads of the stores.
fn keep(
    session: &Session<'_, impl Outside>,
    base: String,
    sealed: Vec<Sealed>,
    before: &BTreeMap<String, Vec<u8>>,
    workspace: Workspace,
) -> Answer<Keeping> {
    let changed = |(path, bytes): &(String, Vec<u8>)| before.get(path) != Some(bytes);
    let mut files: BTreeMap<String, Vec<u8>> = workspace.files.into_iter().filter(changed).collect();
    let locked = |one: &Sealed| LockedDestination {
        kind: one.kind.to_owned(),
        target: one.target.clone(),
        key_sha256: Some(one.key_sha256.clone()),
        credential_sha256: one.credential_sha256.clone(),
    };
    let user = &session.task.user;
    let lock = LockFile::new(user, session.world.now(), sealed.iter().map(locked).collect());
    files.insert(lock_file_path(user), lock.to_json().into_bytes());
    let payload = |one: &Sealed| (format!("{} {}", one.kind, one.target), one.payloads.clone());
    let payloads = sealed.iter().filter(|one| !one.payloads.is_empty()).map(payload).collect();
    Ok(Keeping { kept: Kept { base, files, payloads }, sealed })
}

/// What the journal notes of the destinations: the digest for a file, that there is a payload for a store.
fn markers(
    destinations: &[Destination],
    keeping: &Keeping,
) -> (BTreeMap<PlaceId, Marker>, BTreeSet<PlaceId>) {
    let mut files = BTreeMap::new();
    let mut payloads = BTreeSet::new();
    for (place, _) in destinations.iter().filter_map(place_of) {
        let Some(sealed) = keeping.sealed.iter().find(|one| format!("{} {}", one.kind, one.target) == *place)
        else {
            continue;
        };
        match &sealed.credential_sha256 {
            Some(digest) => drop(files.insert(place, digest.as_str().into())),
            None => drop(payloads.insert(place)),
        }
    }
    (files, payloads)
}

/// Asks AWS who bears the key until it has said the right user three times in a row: a new key is known late, and not
/// everywhere at once.
async fn prove(
    session: &Session<'_, impl Outside>,
    credential: &Credential,
    rotation: &Rotation,
) -> Answer<()> {
    let mut row = 0;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match session.world.caller(credential).await {
            Ok(user) if user == rotation.user_id => row += 1,
            Ok(user) => {
                let what = format!("AWS takes the new key for one of another user, {user}");
                return Err(Failure::new(Outcome::Refused, what));
            }
            Err(failure) => {
                row = 0;
                last = Some(failure.what);
            }
        }
        if row == PROOFS {
            return Ok(());
        }
        session.world.sleep(BETWEEN).await;
    }
    let why = last.unwrap_or_else(|| "its answers change".to_owned());
    Err(Failure::new(Outcome::NotDone, format!("AWS does not accept the new key: {why}")))
}

/// What the console shows beside the key. A tag that is missing breaks nothing.
async fn describe(session: &Session<'_, impl Outside>, key: &KeyId) {
    if session.task.policy.as_ref().is_some_and(|policy| policy.describe_keys) {
        let day = session.world.now().strftime("%Y-%m-%d");
        let text = format!("keytide {} {day}", session.task.name);
        let _ = session.world.describe(&session.task.user, key, Some(&text)).await;
    }
}
