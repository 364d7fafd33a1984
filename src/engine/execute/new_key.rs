//! Creates the new key of a rotation: encrypts it for every destination, stores the ciphertext in the journal, checks that
//! AWS accepts the key, and proposes it. The secret is in memory in this module only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::pull_requests::{BranchFound, Proposal};
use super::{JournalSession, existing_keys, pull_requests, redeploy, rehearsal};
use crate::dates::format_sortable_day;
use crate::destinations::as_sealable;
use crate::destinations::encryption::{EXAMPLE, SealWorkspace, SealedDestination, SealedPayload};
use crate::engine::observe::{
    ensure_destinations_approved, load_workspace, preflight_destinations, rotation_destinations,
    snapshot_destination,
};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, StagedFiles};
use crate::repository::{LockFile, LockedDestination, lock_file_path};
use crate::rotation::journal::MAX_NUMBER_GAP;
use crate::rotation::pull_request::{self, PullRequestData};
use crate::rotation::{
    DestinationId, DestinationSnapshot, Fingerprint, JournalEvent, KeyId, Observation, OpenRotation,
    Recipients, ids,
};
use crate::sanitize;
use crate::secret::Credential;

/// STS must accept the new key so often in a row.
const REQUIRED_PROOFS: u32 = 3;
/// How far behind the last number the next one is looked for: one after another, and further away where a lost journal has
/// taken many.
const NUMBER_STEPS: [u32; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256, 512];
/// How often STS is called at most, and the pause between two calls.
const MAX_ATTEMPTS: u32 = 30;
const ATTEMPT_INTERVAL: SignedDuration = SignedDuration::from_secs(2);

/// Records in the journal what the rotation starts from: the key that is replaced, `None` for a first key.
pub async fn begin_rotation(
    session: &mut JournalSession<'_, impl Backend>,
    seen: &Observation,
    key: Option<&KeyId>,
) -> BackendResult<()> {
    let journal = seen.journal.known().ok_or_else(existing_keys::unread_user)?;
    let user_id = seen.user_id.known().cloned().flatten().ok_or_else(existing_keys::unread_user)?;
    let mut places: Vec<DestinationSnapshot> = Vec::new();
    for destination in &session.user_rotation.destinations {
        if let Some((place, _)) = destination.identity() {
            places.extend(snapshot_destination(destination, held_fingerprint(seen, &place)));
        }
    }
    // Before the rotation is in the journal: after it, a refusal would leave an open rotation behind
    session.backend.ensure_may_open().await?;
    redeploy::ensure_may_redeploy(session).await?;
    if journal.last_number > 0 {
        rehearsal::remove_leftover_branch(session, journal.last_number).await?;
    }
    let number = next_rotation_number(session, journal.last_number).await?;
    let compromised = seen.request.compromised || journal.compromised;
    let event = match key.cloned() {
        Some(key) => JournalEvent::Intent { number, user_id, key, places, compromised },
        None => JournalEvent::FirstKey { number, user_id, places },
    };
    session.append_event(event).await
}

/// What a destination holds as the rotation begins; `None` if that is nothing, or not known.
fn held_fingerprint(seen: &Observation, place: &DestinationId) -> Option<Fingerprint> {
    let found = seen.destinations.iter().find(|found| found.id == *place)?;
    found.fingerprint.known().cloned().flatten()
}

/// The number of the next rotation. A branch or pull request that has the number already is of a journal that was lost, and
/// brings another key.
async fn next_rotation_number(session: &JournalSession<'_, impl Backend>, last: u32) -> BackendResult<u32> {
    let mut taken = Vec::new();
    for number in candidate_numbers(last, session.backend.now()) {
        let branch = ids::branch_name(&session.user_rotation.user, number);
        if session.backend.read_branch_tip(&branch).await?.is_some() {
            taken.push(format!("`{branch}`"));
        // Closed pull requests count too: GitHub finds a pull request by its branch, so a new one would be taken for
        // the old
        } else if session.backend.find_pull_request(&branch).await?.is_none() {
            return Ok(number);
        }
    }
    let what = format!(
        "no key was created: the numbers that were tried for the next rotation are taken, by branches or by pull requests \
         from such branches; delete these branches, and run again: {}",
        taken.join(", ")
    );
    Err(BackendError::new(ErrorKind::NotApplied, what))
}

/// The numbers that the next rotation may have, in the order in which they are tried. They are few, because each costs a
/// request or two, and everyone who can push can make branches.
fn candidate_numbers(last: u32, now: Timestamp) -> impl Iterator<Item = u32> {
    // Another one in each run: what is at the others can be a closed pull request, which no one can delete
    let varying = now.as_second().unsigned_abs() % u64::from(MAX_NUMBER_GAP) + 1;
    let varying = u32::try_from(varying).unwrap_or(MAX_NUMBER_GAP);
    NUMBER_STEPS.into_iter().chain([varying]).filter_map(move |step| last.checked_add(step))
}

/// Creates the key and stores its ciphertext. Between these two the run waits for nothing.
pub async fn create_and_stage_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let world = session.backend;
    let destinations = rotation_destinations(session.user_rotation, Some(rotation))?;
    // The recipients, the files and the branch must belong to one commit, so all are read at this one
    let base = world.read_default_head().await?;
    let workspace = load_workspace(world, &base, &destinations, rotation.old.as_deref()).await?;
    // Every check that can refuse comes before CreateAccessKey: a key that cannot be published is of no use
    let recipients = verify_recipients(session, &destinations, &workspace).await?;
    for destination in destinations.iter().filter(|one| one.kind().capabilities().staged) {
        world.dry_run_write(destination).await?;
    }
    if rotation.makes_first_key() {
        existing_keys::record_keyless_user(session, rotation).await?;
    } else {
        existing_keys::ensure_tag_writable(session).await?;
    }
    ensure_text_fits(session, rotation, &recipients, &workspace)?;
    // The last: what the others refuse leaves no branch.
    let tip = rehearsal::rehearse_branch(session, rotation, &base).await?;
    // By this entry a later run knows that a key of these minutes may be an orphan, should this run end before it
    // stores the secret
    session.append_event(JournalEvent::Create).await?;
    let credential = world.create_access_key(&session.user_rotation.user).await?;
    let key: KeyId = credential.access_key_id().into();
    let places =
        NewKeyPlaces { destinations: &destinations, recipients: &recipients, base: &base, workspace };
    let staged = stage_key(session, rotation, &credential, places).await;
    let kept = staged.map_err(|failure| hide_values(failure, &credential, &destinations))?;
    // Wiped as soon as no step needs it: the branch is filled from the ciphertext
    drop(credential);
    // Before the branch: if another run has given the key up meanwhile, this entry fails and nothing is published
    session.append_event(JournalEvent::Verified).await?;
    let proposal = Proposal { key: &key, recipients: &recipients, kept: &kept };
    pull_requests::fill_branch(session, rotation, &proposal, BranchFound::Rehearsed(&tip)).await?;
    describe_new_key(session, &key).await;
    Ok(())
}

/// Where a new key goes, as it was read before the key was made.
struct NewKeyPlaces<'a> {
    destinations: &'a [Destination],
    recipients: &'a Recipients,
    /// The commit that the workspace was read at.
    base: &'a str,
    workspace: SealWorkspace,
}

/// Encrypts a new key for every destination, stores the ciphertext in the journal, and waits until AWS accepts the key.
async fn stage_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    credential: &Credential,
    places: NewKeyPlaces<'_>,
) -> BackendResult<StagedFiles> {
    let NewKeyPlaces { destinations, recipients, base, mut workspace } = places;
    // Nothing is sent between CreateAccessKey and the entry `Staged` but what the stores need: a failure here loses
    // the secret
    let before = workspace.files.clone();
    let sealed = seal_for_destinations(destinations, credential, &mut workspace)?;
    let kept = bundle_staged_files(session, base.to_owned(), sealed, &before, workspace)?;
    let (mut files, payloads) = staged_fingerprints(destinations, &kept);
    for destination in destinations.iter().filter(|one| one.kind().capabilities().staged) {
        if let Some((place, _)) = destination.identity() {
            let derived = destination.smtp_password().map(|smtp| smtp.derive_credential(credential));
            let credential = derived.as_ref().unwrap_or(credential);
            files.insert(place, session.backend.stage_secret(destination, credential).await?);
        }
    }
    let key = credential.access_key_id().into();
    let event = JournalEvent::Staged { key, files, payloads, recipients: recipients.clone() };
    session.append_with(event, &kept.kept).await?;
    // After the ciphertext is stored: AWS may need a minute, and a run that ends meanwhile loses no secret
    verify_new_key(session, credential, rotation).await?;
    Ok(kept.kept)
}

/// An error without what a destination gets of a new key: it ends in a report and in the journal, and a service may quote
/// what it was sent. Long tokens are left out too, which may be the secret in another form; the key's ID is none.
fn hide_values(failure: BackendError, credential: &Credential, destinations: &[Destination]) -> BackendError {
    let mut message = credential.hide_values(&failure.message);
    for smtp in destinations.iter().filter_map(Destination::smtp_password) {
        message = smtp.derive_credential(credential).hide_values(&message);
    }
    let id = credential.access_key_id();
    let parts: Vec<String> = message.split(id).map(sanitize::hide_possible_secrets).collect();
    BackendError { message: parts.join(id), ..failure }
}

/// Checks that GitHub takes the pull request's text, whatever key it will name.
fn ensure_text_fits(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    recipients: &Recipients,
    workspace: &SealWorkspace,
) -> BackendResult<()> {
    let lock = lock_file_path(&session.user_rotation.user);
    // Every access key ID that IAM makes is as long as this one
    let key: KeyId = EXAMPLE.0.into();
    let words = PullRequestData {
        new: Some(&key),
        recipients,
        ..pull_requests::pull_request_data(session, rotation)
    };
    // At most all files that were read are changed.
    let text = pull_request::render_rotation(&words, workspace.files.keys().chain([&lock]));
    if text.fits() {
        return Ok(());
    }
    // Not a rejection, of which three in a row quarantine the user: no key exists, and the policy file can be mended
    let what = "no key was created: the text of the pull request would be longer than GitHub permits; name fewer \
                destinations or recipients";
    Err(BackendError::new(ErrorKind::NotApplied, what))
}

/// Who will be able to decrypt the new key. Asked again right before it is made: since the decision someone may have
/// changed a file or the tag.
async fn verify_recipients(
    session: &JournalSession<'_, impl Backend>,
    destinations: &[Destination],
    workspace: &SealWorkspace,
) -> BackendResult<Recipients> {
    let recipients = preflight_destinations(destinations, workspace).map_err(rejected)?;
    // The approval is a tag of IAM, which cannot be changed through Git as the recipients can
    let user = session.backend.get_user(&session.user_rotation.user).await?;
    let user =
        user.ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "the user does not exist any more"))?;
    ensure_destinations_approved(&user, &session.user_rotation.user, &recipients).map_err(rejected)?;
    Ok(recipients)
}

fn rejected(why: String) -> BackendError {
    BackendError::new(ErrorKind::Rejected, why)
}

/// What is kept, and what each destination was given.
struct SealedBundle {
    kept: StagedFiles,
    sealed: Vec<SealedDestination>,
}

fn seal_for_destinations(
    destinations: &[Destination],
    credential: &Credential,
    workspace: &mut SealWorkspace,
) -> BackendResult<Vec<SealedDestination>> {
    let mut sealed = Vec::new();
    for destination in destinations {
        let Some(sealable) = as_sealable(destination) else { continue };
        let derived = destination.smtp_password().map(|smtp| smtp.derive_credential(credential));
        let one = sealable.seal_credential(derived.as_ref().unwrap_or(credential), workspace);
        sealed.extend(one.map_err(|why| rejected(why.to_string()))?);
    }
    Ok(sealed)
}

/// The files that changed, the lock file, and the payloads of the stores.
fn bundle_staged_files(
    session: &JournalSession<'_, impl Backend>,
    base: String,
    sealed: Vec<SealedDestination>,
    before: &BTreeMap<String, Vec<u8>>,
    workspace: SealWorkspace,
) -> BackendResult<SealedBundle> {
    let mut files = workspace.files;
    files.retain(|path, bytes| before.get(path) != Some(&*bytes));
    let user = &session.user_rotation.user;
    let lock = LockFile::new(user, session.backend.now(), sealed.iter().map(lock_destination).collect());
    files.insert(lock_file_path(user), lock.to_json().into_bytes());
    let mut payloads = BTreeMap::new();
    for one in sealed.iter().filter(|one| !one.payloads.is_empty()) {
        payloads.insert(format!("{} {}", one.kind, one.target), one.payloads.clone());
    }
    Ok(SealedBundle { kept: StagedFiles { base, files, payloads }, sealed })
}

/// What the lock file says of a destination.
fn lock_destination(sealed: &SealedDestination) -> LockedDestination {
    LockedDestination {
        kind: sealed.kind.to_owned(),
        target: sealed.target.clone(),
        key_sha256: Some(sealed.key_sha256.clone()),
        // For a store the digest of its payloads: with the lock file a reviewer accepts exactly these.
        credential_sha256: sealed.credential_sha256.clone().or_else(|| payload_digest(&sealed.payloads)),
    }
}

fn payload_digest(payloads: &[SealedPayload]) -> Option<String> {
    if payloads.is_empty() { None } else { Some(SealedPayload::digest(payloads)) }
}

/// What the journal notes of the destinations: the digest for a file, that there is a payload for a store.
fn staged_fingerprints(
    destinations: &[Destination],
    keeping: &SealedBundle,
) -> (BTreeMap<DestinationId, Fingerprint>, BTreeSet<DestinationId>) {
    let mut files = BTreeMap::new();
    let mut payloads = BTreeSet::new();
    for (place, _) in destinations.iter().filter_map(Destination::identity) {
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

/// Calls STS with the new key until it has named the right user three times in a row: a new key is known late, and not
/// everywhere at once.
async fn verify_new_key(
    session: &JournalSession<'_, impl Backend>,
    credential: &Credential,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let mut row = 0;
    let mut last = None;
    for _ in 0..MAX_ATTEMPTS {
        match session.backend.get_caller_user_id(credential).await {
            Ok(user) if user == rotation.user_id => row += 1,
            // No lag explains this answer, so it is not asked for again
            Ok(user) => {
                let what = format!("AWS takes the new key for one of another user, {user}");
                return Err(BackendError::new(ErrorKind::Rejected, what));
            }
            Err(failure) => {
                // Answers of several servers alternate while the key spreads; one refusal among them starts the count
                // anew
                row = 0;
                last = Some(failure.message);
            }
        }
        if row == REQUIRED_PROOFS {
            return Ok(());
        }
        session.backend.sleep(ATTEMPT_INTERVAL).await;
    }
    let why = last.unwrap_or_else(|| "its answers change".to_owned());
    Err(BackendError::new(ErrorKind::NotApplied, format!("AWS does not accept the new key: {why}")))
}

/// What the console shows beside the key. A tag that is missing breaks nothing.
async fn describe_new_key(session: &JournalSession<'_, impl Backend>, key: &KeyId) {
    if session.user_rotation.policy.as_ref().is_some_and(|policy| policy.describe_keys) {
        let day = format_sortable_day(session.backend.now());
        let text = format!("keytide {} {day}", session.user_rotation.name);
        // Only a note for people: its failure must not end a run whose key is published
        let _ = session.backend.set_key_description(&session.user_rotation.user, key, Some(&text)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_without_what_destinations_get() {
        let spec = serde_json::json!({ "secrets_manager": {
            "secret_id": "smtp", "region": "eu-west-1", "access_key_id": "user", "ses_smtp_password": "password",
            "ses_region": "eu-central-1",
        } });
        let destinations: [Destination; 1] = [serde_json::from_value(spec).unwrap()];
        let credential = Credential::new("AKIAQRSTUVWXYZ234567", "some+secret+key".to_owned());
        let said = "denied: some+secret+key, BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2 (403)";
        let failure = BackendError::new(ErrorKind::Rejected, said);
        let shown = hide_values(failure, &credential, &destinations);
        assert_eq!(shown, BackendError::new(ErrorKind::Rejected, "denied: …, … (403)"));
        let said =
            "AKIAQRSTUVWXYZ234567: 736f6d652b7365637265742b6b6579, %73%6f%6d%65%2b%73, SOME+SECRET+KEY2";
        let shown = hide_values(BackendError::new(ErrorKind::Rejected, said), &credential, &destinations);
        assert_eq!(shown, BackendError::new(ErrorKind::Rejected, "AKIAQRSTUVWXYZ234567: …, …, …"));
    }

    #[test]
    fn few_numbers_are_tried_and_a_journal_takes_each_of_them() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for second in [0, 999, 1_000, 1_795_262_400, -1] {
            let numbers: Vec<u32> = candidate_numbers(7, at(second)).collect();
            assert_eq!((numbers[0], numbers.len()), (8, 15));
            assert!(numbers.iter().all(|number| (8..=7 + MAX_NUMBER_GAP).contains(number)), "{numbers:?}");
        }
        assert_ne!(candidate_numbers(7, at(1)).last(), candidate_numbers(7, at(2)).last());
        assert_eq!(candidate_numbers(u32::MAX, at(0)).next(), None);
    }
}
