//! The rows of a rotation that goes forward, in their order: from the second key to the deletion of the first.

use super::decision::StepDecision;
use super::discard::{describe_write_wait, stop_proposed_key};
use super::first_key;
use super::retirement::{restore_new_key_help, retire_key};
use super::situation::{HeldKey, Situation};
use super::start::create_key_or_wait;
use crate::rotation::journal::{OpenRotation, StorageKind};
use crate::rotation::timing::{MERGE_LAG, STORE_LAG};
use crate::rotation::{DestinationId, KeyId, PullRequestState, RotationPhase, RotationStep};

/// Records that `--compromised` was given for an open rotation: later runs must know it too.
pub fn note_compromised_key(case: &Situation<'_>) -> Option<StepDecision> {
    let rotation = case.open_rotation()?;
    // No key comes before a first key that could have leaked. A retirement has no wait that a leak could shorten: it waits
    // for references and uses only
    if rotation.retires
        || rotation.makes_first_key()
        || rotation.compromised
        || !case.seen.request.compromised
    {
        return None;
    }
    let phase = if rotation.staged.is_some() { RotationPhase::Proposed } else { RotationPhase::Claimed };
    let why = "the old key was reported as compromised";
    Some(StepDecision::take_step(phase, RotationStep::NoteCompromised, why))
}

/// The rotation has begun and no new key exists.
pub fn create_second_key(case: &Situation<'_>) -> Option<StepDecision> {
    let rotation = case.open_rotation().filter(|rotation| rotation.staged.is_none() && !rotation.retires)?;
    if !case.rules.may_rotate {
        // No new key exists yet, so the rollback takes nothing back and only ends the rotation
        let why = "the policy file no longer has `rotation:` for this user".to_owned();
        return Some(StepDecision::take_step(
            RotationPhase::Claimed,
            RotationStep::BeginRollback { why: why.clone() },
            why,
        ));
    }
    let listed = case.seen.listed.known()?;
    let Some(old) = &rotation.old else { return Some(first_key::create_first_key(case, rotation)) };
    // Both lists must show the old key alone; a second key would be another run's, or a person's
    let only = listed.len() == 1 && listed.contains(old);
    match case.keys {
        [key] if only && key.id == *old && key.is_active() => Some(create_key_or_wait(
            case,
            "one key exists, and every destination can take a new one",
        )),
        [] => Some(
            StepDecision::wait(RotationPhase::Blocked, format!("{old} was deleted by hand"))
                .with_help(format!(
                    "create a key by hand, write it to the destinations, then {}",
                    case.command("resume")
                )),
        ),
        [key] if key.id == *old && only => Some(
            StepDecision::wait(RotationPhase::Blocked, format!("{} was deactivated by hand", key.id)).with_help(format!(
                "activate it: `aws iam update-access-key --user-name {} --access-key-id {} --status Active`",
                case.seen.user, key.id
            )),
        ),
        // The lists may lag behind each other; a second new key would be the result of a guess
        _ => Some(StepDecision::wait(RotationPhase::Unknown, "two lists of the user's keys differ; reading them again in the next run")),
    }
}

/// The new key is stored, and the run ended before AWS was seen to accept it.
pub fn discard_unverified_key(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    if rotation.verified.is_some() || rotation.abandoned_at.is_some() {
        return None;
    }
    if let Some(proposed) = stop_proposed_key(case, new) {
        return Some(proposed);
    }
    let why = "the run ended before AWS accepted the new key";
    let step = RotationStep::AbandonNewKey { key: new.clone(), why: why.to_owned() };
    Some(StepDecision::take_step(RotationPhase::Unverified, step, why))
}

/// The pull request is due, open, in conflict, or merged without the default branch showing it.
pub fn await_merge(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    if case.is_merged(rotation) {
        return None;
    }
    // A key that is missing from the latest list may be deleted, and must not be published
    if case.find_key(new).is_none() {
        let why =
            format!("two lists of the user's keys differ about {new}; reading them again in the next run");
        return Some(StepDecision::wait(RotationPhase::Unknown, why));
    }
    let proposal = match case.seen.pull_request.known_or_reason() {
        Err(why) => {
            return Some(StepDecision::wait(
                RotationPhase::Unknown,
                format!("the pull request could not be read: {why}"),
            ));
        }
        Ok(None) => {
            return Some(StepDecision::take_step(
                RotationPhase::Proposed,
                RotationStep::Propose,
                "the new key is stored, and no pull request exists",
            ));
        }
        Ok(Some(proposal)) => proposal,
    };
    let number = proposal.number;
    // The merge would put a key into use that a former recipient can read
    if let Some(why) = case.removed_recipient().filter(|_| proposal.is_open()) {
        let step = RotationStep::AbandonNewKey { key: new.clone(), why: why.to_owned() };
        return Some(StepDecision::take_step(RotationPhase::Proposed, step, why));
    }
    match proposal.state {
        PullRequestState::Open { conflicting: true } => {
            let why = format!("pull request #{number} has conflicts");
            Some(StepDecision::take_step(
                RotationPhase::Conflicting,
                RotationStep::Rebase { pull_request: number },
                why,
            ))
        }
        PullRequestState::Open { conflicting: false } => Some(StepDecision::wait(
            RotationPhase::Proposed,
            format!("pull request #{number} waits for your merge"),
        )
        .with_help(if rotation.makes_first_key() {
            "review and merge it; closing it unmerged deactivates and later deletes the key"
        } else if rotation.compromised {
            "review and merge it; closing it unmerged deactivates and later deletes the new key, and another one is proposed"
        } else {
            "review and merge it; closing it unmerged deactivates and later deletes the new key. Both keys stay active meanwhile"
        })),
        PullRequestState::Closed => None,
        PullRequestState::Merged { at } => Some(merged_without_new_key(case, rotation, number, at)),
    }
}

fn merged_without_new_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    number: u64,
    at: jiff::Timestamp,
) -> StepDecision {
    let lacking = case.destinations_in(rotation, true).find(|(_, holds)| *holds != HeldKey::New);
    let place = lacking.map_or_else(|| "the default branch".into(), |(frozen, _)| frozen.destination.clone());
    // Before the wait and the revert: a file that cannot be read may hold the new key
    if let Some((unread, _)) =
        case.destinations_in(rotation, true).find(|(_, holds)| *holds == HeldKey::Unreadable)
    {
        return StepDecision::wait(RotationPhase::Unknown, case.unreadable_reason(&unread.destination));
    }
    if case.time_since(at) < MERGE_LAG {
        return StepDecision::wait(
            RotationPhase::Merged,
            format!("pull request #{number} is merged; the new key is not in `{place}` yet"),
        )
        .wait_until(at + MERGE_LAG);
    }
    // Only after the lag; before it, old files may be a stale read rather than a revert
    if case.destinations_in(rotation, true).all(|(_, holds)| is_before(rotation, holds)) {
        let why = format!("pull request #{number} was reverted on the default branch");
        if rotation.compromised {
            return StepDecision::wait(
                RotationPhase::Blocked,
                format!("{why}, and the old key in it is compromised"),
            )
            .with_help(format!(
                "merge the new key again; to go back to the compromised key: {}",
                case.forced_rollback()
            ));
        }
        return StepDecision::take_step(
            RotationPhase::RollingBack,
            RotationStep::BeginRollback { why: why.clone() },
            why,
        );
    }
    let found = case.describe_foreign_key(&place, "another credential, or the same one encrypted anew,");
    StepDecision::wait(RotationPhase::Blocked, format!("pull request #{number} is merged, and {found}"))
        .with_help(restore_merged_file(case, rotation, number))
}

/// A file is not as its pull request left it. keytide compares what is encrypted, and cannot see which key that is.
fn restore_merged_file(case: &Situation<'_>, rotation: &OpenRotation, number: u64) -> String {
    let restore = format!("restore the file as keytide committed it for pull request #{number} (`git log`)");
    let mut files = case.seen.destinations.iter().filter(|place| place.kind == StorageKind::File);
    let is_gone = files.any(|place| place.fingerprint.known() == Some(&None));
    let Some(old) = rotation.old.as_ref().filter(|_| !is_gone) else {
        return format!("{restore}, or {}", case.command("rollback"));
    };
    format!(
        "decrypt the file: if the key in it is not {old}, {restore}; if it is, restore the file as it was before the pull request, then {}",
        case.command("rollback")
    )
}

/// Whether a file holds what it held before the pull request. Before a first key that may be nothing.
fn is_before(rotation: &OpenRotation, held: HeldKey) -> bool {
    held == HeldKey::Old || (rotation.makes_first_key() && held == HeldKey::Nothing)
}

/// The files are on the default branch: now the stores.
pub fn deliver_to_stores(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    if rotation.distributed.is_some() {
        return None;
    }
    if let Some(decision) = check_key_usable(case, new) {
        return Some(decision);
    }
    let stores: Vec<(DestinationId, HeldKey)> = case
        .destinations_in(rotation, false)
        .map(|(frozen, holds)| (frozen.destination.clone(), holds))
        .collect();
    // Nothing is written while it is unknown which stores hold the new key already
    if let Some((place, _)) = stores.iter().find(|(_, holds)| *holds == HeldKey::Unreadable) {
        return Some(StepDecision::wait(RotationPhase::Unknown, case.unreadable_reason(place)));
    }
    let lacking: Vec<DestinationId> =
        stores.iter().filter(|(_, holds)| *holds != HeldKey::New).map(|(place, _)| place.clone()).collect();
    // All stores that can still accept are written first; a rollback is possible only while none has accepted
    let (refused, open): (Vec<DestinationId>, Vec<DestinationId>) =
        lacking.into_iter().partition(|place| rotation.refused.contains_key(place));
    if !open.is_empty() {
        return Some(StepDecision::take_step(
            RotationPhase::Merged,
            RotationStep::Deliver { destinations: open },
            "the pull request is merged",
        ));
    }
    if let Some(place) = refused.first() {
        return Some(store_rejection(case, rotation, place));
    }
    Some(mark_distributed(case, rotation))
}

/// Requires the new key to exist and to be active before a store gets it.
fn check_key_usable(case: &Situation<'_>, new: &KeyId) -> Option<StepDecision> {
    let Some(key) = case.find_key(new) else {
        let why = format!("the new key {new} no longer exists, so it cannot be written to the stores");
        return Some(
            StepDecision::wait(RotationPhase::Quarantined, why)
                .with_help(format!("go back to the old key: {}", case.command("rollback"))),
        );
    };
    if key.is_active() {
        return None;
    }
    if case.was_deactivated_by_hand(new) {
        let why = format!("someone deactivated the new key {new}, and the stores are to get it");
        return Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(case.activate_by_hand(new)));
    }
    let step = RotationStep::Activate { key: new.clone() };
    let why = format!("the new key {new} is inactive; it must be active before a store holds it");
    Some(StepDecision::take_step(RotationPhase::Merged, step, why))
}

/// A store rejected the new key permanently: roll back if no store has accepted it yet, else wait for a fix.
fn store_rejection(case: &Situation<'_>, rotation: &OpenRotation, place: &DestinationId) -> StepDecision {
    let said = rotation.refused.get(place).map_or("", String::as_str);
    // Not for a compromised key: the pull request that restores it would bring it back into use
    if rotation.delivered.is_empty() && !rotation.compromised {
        let why = format!("`{place}` rejected the new key ({said}), and no store has accepted it");
        return StepDecision::take_step(
            RotationPhase::Merged,
            RotationStep::BeginRollback { why: why.clone() },
            why,
        );
    }
    StepDecision::wait(
        RotationPhase::Blocked,
        if rotation.delivered.is_empty() {
            format!(
                "`{place}` rejected the new key ({said}); the old key is compromised, so nothing goes back"
            )
        } else {
            format!("`{place}` rejected the new key ({said}); the other destinations hold it")
        },
    )
    .with_help(match &rotation.old {
        Some(old) => format!(
            "fix the permission or the public key, then {}; the old key {old} stays active until then",
            case.command("resume")
        ),
        None => format!("fix the permission or the public key, then {}", case.command("resume")),
    })
}

/// Every destination holds the new key; waits while a late request could still change a store.
fn mark_distributed(case: &Situation<'_>, rotation: &OpenRotation) -> StepDecision {
    // Only stores without versions: in the others a late write is recognised by its version
    let late = rotation.destinations.iter().filter(|frozen| frozen.kind == StorageKind::Store);
    let last = late.filter_map(|frozen| rotation.delivered.get(&frozen.destination)).map(|(_, at)| *at).max();
    match last {
        Some(at) if case.time_since(at) < STORE_LAG => {
            StepDecision::wait(RotationPhase::Merged, describe_write_wait(STORE_LAG))
                .wait_until(at + STORE_LAG)
        }
        _ => StepDecision::take_step(
            RotationPhase::Merged,
            RotationStep::MarkDistributed,
            "every destination holds the new key",
        ),
    }
}

/// Both keys are active; the old one is deactivated when nothing needs it.
pub fn await_retirement(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    let Some(old) = &rotation.old else {
        return Some(first_key::await_first_use(case, rotation, new));
    };
    if !case.find_key(old)?.is_active() {
        return None;
    }
    if let Some(decision) = hold_returned_key(case, rotation, old) {
        return Some(decision);
    }
    Some(retire_key(case, (RotationPhase::Grace, RotationPhase::Soaking), rotation, old))
}

/// A destination that held the new key has the old one again, or nothing: a person decides which of the two is meant.
fn hold_returned_key(case: &Situation<'_>, rotation: &OpenRotation, old: &KeyId) -> Option<StepDecision> {
    // Right after the delivery an old answer is more likely
    if case.time_since(rotation.distributed?) < MERGE_LAG {
        return None;
    }
    let mut places = case.destinations_in(rotation, true).chain(case.destinations_in(rotation, false));
    let (frozen, held) = places.find(|(_, held)| matches!(held, HeldKey::Old | HeldKey::Nothing))?;
    let what = if held == HeldKey::Old { format!("old key {old} is") } else { "nothing is".to_owned() };
    let why = format!(
        "{what} in `{}`, though the journal says that every destination holds the new key",
        frozen.destination
    );
    Some(
        StepDecision::wait(RotationPhase::Blocked, why)
            .with_help(restore_new_key_help(case, rotation, frozen)),
    )
}

/// The old key is inactive or deleted.
pub fn await_deletion(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, _) = case.staged_rotation()?;
    let old = rotation.old.as_ref()?;
    Some(retire_key(case, (RotationPhase::Grace, RotationPhase::Soaking), rotation, old))
}
