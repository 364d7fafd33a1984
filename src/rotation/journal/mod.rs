//! Reads a user's journal: a chain of entries on a git reference, folded into the state of the rotation.
//!
//! Appending moves the reference, which GitHub allows only as a fast-forward: a compare-and-swap. Everyone who can write
//! to the repository can write journal entries, so the journal alone never justifies deleting a key; IAM must agree.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use entry::{
    DestinationSnapshot, JOURNAL_VERSION, JournalEntry, JournalEvent, StorageKind, is_plausible,
};

use super::ids::{DestinationId, Fingerprint, KeyId};
use super::recipients::Recipients;
use super::timing::{CLAIM_DURATION, MAX_CLOCK_SKEW, REQUEST_LIFETIME};

/// How often in a row the same step may fail before the user is quarantined.
pub const MAX_FAILURES: u32 = 3;

/// How many numbers a rotation may skip. Those of branches that are left from a lost journal are skipped; a journal that
/// skips more is forged, and could leave no number for the next rotation.
const MAX_NUMBER_GAP: u32 = 1_000;

/// Why an entry contradicts the entries before it, so that the journal cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum JournalFault {
    RotationAlreadyOpen,
    NumberReused(u32),
    NumberSkipped(u32),
    NoOpenRotation,
    NothingToDeliver,
    SecondNewKey,
    UnknownDestination,
    NoNewKey,
    ForeignKey(KeyId),
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RotationAlreadyOpen => f.write_str("a rotation begins while another is open"),
            Self::NumberReused(number) => write!(f, "rotation {number} begins a second time"),
            Self::NumberSkipped(number) => write!(f, "rotation {number} begins without those before it"),
            Self::NoOpenRotation => f.write_str("a step is recorded of a rotation that never began"),
            Self::NothingToDeliver => f.write_str("a delivery is recorded before a new key is staged"),
            Self::SecondNewKey => f.write_str("a second new key is staged"),
            Self::UnknownDestination => {
                f.write_str("a destination is staged that the rotation did not begin with")
            }
            Self::NoNewKey => f.write_str("a new key is mentioned before it is staged"),
            Self::ForeignKey(key) => write!(f, "the rotation changes {key}, which is none of its keys"),
        }
    }
}

/// The state that the entries of a journal add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Journal {
    /// The reference's commit; `None` when there is no journal.
    pub head: Option<Arc<str>>,
    pub claim: Option<RunClaim>,
    /// The rotation under way.
    pub open: Option<OpenRotation>,
    /// The number of the last rotation.
    pub last_number: u32,
    /// When CreateAccessKey was announced and no key was staged afterwards. A key created within minutes of one of these
    /// may be an orphan, whose secret is lost.
    pub unconfirmed_creations: Vec<Timestamp>,
    /// The runs that announced a change of a key and have written nothing since: their request may still arrive.
    pub in_flight_requests: BTreeMap<Arc<str>, Timestamp>,
    /// The key that a destination holds when it has this fingerprint.
    pub key_by_fingerprint: BTreeMap<(DestinationId, Fingerprint), KeyId>,
    /// Who could decrypt the key of the last merged rotation.
    pub recipients: Option<Recipients>,
    pub hold_reason: Option<String>,
    /// A key was reported as compromised, and the rotation that was to replace it ended without doing so.
    pub compromised: bool,
    /// The step that failed last.
    pub failures: Option<FailedStep>,
    /// Why the chain cannot be trusted.
    pub fault: Option<String>,
    /// An event of a later version.
    pub unknown_event: Option<String>,
    /// The time of the last entry.
    pub last_entry_at: Option<Timestamp>,
}

/// A step that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FailedStep {
    pub step: String,
    /// How often in a row.
    pub times: u32,
    /// Why, the last time.
    pub why: String,
}

/// A run at work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunClaim {
    pub run: Arc<str>,
    pub until: Timestamp,
}

impl RunClaim {
    /// Whether another run than this one must wait. A claim that ends later than any that keytide writes is not one of
    /// keytide's: it would stop the user for as long as its author likes.
    pub fn excludes(&self, run: &str, now: Timestamp) -> bool {
        *self.run != *run && self.until > now && self.until <= now + CLAIM_DURATION + MAX_CLOCK_SKEW
    }
}

/// A rotation under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenRotation {
    pub number: u32,
    pub began_at: Timestamp,
    pub user_id: Arc<str>,
    /// The key that is replaced.
    pub old: KeyId,
    pub destinations: Vec<DestinationSnapshot>,
    pub compromised: bool,
    pub staged: Option<StagedKey>,
    pub verified: Option<Timestamp>,
    pub proposed: Option<u64>,
    /// What each store took, and when that was noted.
    pub delivered: BTreeMap<DestinationId, (Fingerprint, Timestamp)>,
    /// The stores that will not take it, and why.
    pub refused: BTreeMap<DestinationId, String>,
    pub distributed: Option<Timestamp>,
    /// The key that is to be deactivated, or is.
    pub retiring: Option<KeyId>,
    /// When that was announced: then nothing named the key any more.
    pub announced: Option<Timestamp>,
    pub inactive_since: Option<Timestamp>,
    /// The key for which DeleteAccessKey may have been sent.
    pub deleting: Option<KeyId>,
    /// The new key was given up.
    pub abandoned_at: Option<Timestamp>,
    pub rollback: Option<Timestamp>,
    /// Why the rollback began.
    pub rollback_reason: Option<Arc<str>>,
}

/// The new key, and where its ciphertext is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StagedKey {
    pub key: KeyId,
    pub files: BTreeMap<DestinationId, Fingerprint>,
    pub payloads: BTreeSet<DestinationId>,
    pub recipients: Recipients,
    /// The journal's commit that holds them.
    pub commit: Option<Arc<str>>,
}

impl Journal {
    /// Reads a chain, oldest entry first, each with its commit.
    pub fn from_chain<'e>(user: &str, chain: impl IntoIterator<Item = (&'e str, &'e JournalEntry)>) -> Self {
        let mut journal = Self::default();
        for (commit, entry) in chain {
            journal.apply_entry(user, commit, entry);
        }
        journal
    }

    /// Takes in the next entry.
    pub fn apply_entry(&mut self, user: &str, commit: &str, entry: &JournalEntry) {
        self.head = Some(commit.into());
        if *entry.user != *user {
            self.mark_untrusted(format!("an entry belongs to `{}`", entry.user));
        } else if self.last_entry_at.is_some_and(|before| entry.at + MAX_CLOCK_SKEW < before) {
            self.mark_untrusted("an entry is older than the one before it".to_owned());
        } else if let Err(why) = self.apply_event(commit, entry) {
            self.mark_untrusted(why.to_string());
        }
        self.note_sent(entry);
        self.last_entry_at = self.last_entry_at.max(Some(entry.at));
    }

    /// Updates the requests that may still take effect. A run whose request was not answered writes nothing more, so an
    /// entry of a run shows that all its earlier requests were answered.
    fn note_sent(&mut self, entry: &JournalEntry) {
        self.in_flight_requests.remove(&entry.run);
        if entry.event.is_announcement() {
            self.in_flight_requests.retain(|_, at| *at + REQUEST_LIFETIME >= entry.at);
            self.in_flight_requests.insert(entry.run.clone(), entry.at);
        }
    }

    /// Keeps the first fault: later ones may be its consequences.
    fn mark_untrusted(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }

    fn apply_event(&mut self, commit: &str, entry: &JournalEntry) -> Result<(), JournalFault> {
        let at = entry.at;
        match &entry.event {
            JournalEvent::Claim { until } => {
                self.claim = Some(RunClaim { run: entry.run.clone(), until: *until })
            }
            JournalEvent::Release => {
                self.claim.take_if(|claim| claim.run == entry.run);
            }
            JournalEvent::Heartbeat => {}
            JournalEvent::Create => self.unconfirmed_creations.push(at),
            JournalEvent::Intent { .. } => self.begin_rotation(entry)?,
            JournalEvent::Held { why } => self.hold_user(why),
            JournalEvent::Resumed { user_id, .. } => self.resume_user(user_id),
            JournalEvent::Failed { step, why } => {
                let same = self.failures.take().filter(|before| before.step == *step);
                let times = same.map_or(0, |before| before.times) + 1;
                self.failures = Some(FailedStep { step: step.clone(), times, why: why.clone() });
            }
            JournalEvent::Other { event } => drop(self.unknown_event.get_or_insert(event.clone())),
            event => self.advance_rotation(event, commit, at)?,
        }
        Ok(())
    }

    fn begin_rotation(&mut self, entry: &JournalEntry) -> Result<(), JournalFault> {
        let JournalEvent::Intent { number, user_id, key, places, compromised } = &entry.event else {
            return Ok(());
        };
        if self.open.is_some() {
            return Err(JournalFault::RotationAlreadyOpen);
        }
        if *number <= self.last_number {
            return Err(JournalFault::NumberReused(*number));
        }
        if *number - self.last_number > MAX_NUMBER_GAP {
            return Err(JournalFault::NumberSkipped(*number));
        }
        for frozen in places {
            if let Some(marker) = &frozen.fingerprint {
                self.key_by_fingerprint.insert((frozen.destination.clone(), marker.clone()), key.clone());
            }
        }
        self.last_number = *number;
        self.compromised = false;
        // A rotation begins with exactly one key, so older attempts created none that still exists
        self.unconfirmed_creations.retain(|tried| *tried + REQUEST_LIFETIME >= entry.at);
        self.open = Some(OpenRotation {
            number: *number,
            began_at: entry.at,
            user_id: user_id.clone(),
            old: key.clone(),
            destinations: places.clone(),
            compromised: *compromised,
            staged: None,
            verified: None,
            proposed: None,
            delivered: BTreeMap::new(),
            refused: BTreeMap::new(),
            distributed: None,
            retiring: None,
            announced: None,
            inactive_since: None,
            deleting: None,
            abandoned_at: None,
            rollback: None,
            rollback_reason: None,
        });
        Ok(())
    }

    /// An event that belongs to a rotation under way.
    fn advance_rotation(
        &mut self,
        event: &JournalEvent,
        commit: &str,
        at: Timestamp,
    ) -> Result<(), JournalFault> {
        // An orphan may be found after its rotation has ended
        if matches!(event, JournalEvent::Discard { .. }) {
            return Ok(());
        }
        let Some(rotation) = &mut self.open else {
            return match event {
                // A destination may hold the key of an earlier rotation
                JournalEvent::Activate { .. } => Ok(()),
                _ => Err(JournalFault::NoOpenRotation),
            };
        };
        for (place, marker, key) in rotation.apply_event(event, commit, at)? {
            self.key_by_fingerprint.insert((place, marker), key);
        }
        // An event shows progress, so the failure count starts anew. A deactivation or deletion is only announced by its
        // event and may still fail. A re-activation is retried without limit
        if !matches!(event, JournalEvent::Deactivate { .. } | JournalEvent::Delete { .. }) {
            self.failures = None;
        }
        if matches!(event, JournalEvent::Rollback { .. }) {
            self.hold_reason = None;
        }
        if matches!(event, JournalEvent::Distributed) {
            self.recipients = rotation.staged.as_ref().map(|staged| staged.recipients.clone());
        }
        if matches!(event, JournalEvent::Staged { .. }) {
            // The staged key is the one that the last announcement created
            self.unconfirmed_creations.pop();
        }
        if let JournalEvent::Deleted { key } = event {
            self.close_rotation(key);
        }
        Ok(())
    }

    /// Stops the user. A rotation that has created no key ends here.
    fn hold_user(&mut self, why: &str) {
        self.hold_reason = Some(why.to_owned());
        let is_over = self.open.take_if(|rotation| rotation.staged.is_none());
        self.compromised |= is_over.is_some_and(|rotation| rotation.compromised);
        if let Some(rotation) = &mut self.open {
            rotation.inactive_since = None;
        }
    }

    /// The rotation ends with the deletion of one of its keys.
    fn close_rotation(&mut self, key: &KeyId) {
        let Some(rotation) = self.open.take() else { return };
        self.compromised = rotation.compromised && *key != rotation.old;
        if rotation.rollback.is_some() && *key != rotation.old {
            let why = rotation.rollback_reason.as_deref().unwrap_or("no reason is recorded");
            self.hold_reason = Some(format!("rotation {} was rolled back: {why}", rotation.number));
        }
    }

    /// Continues after a manual review: faults are dropped, and failed steps may be tried again.
    fn resume_user(&mut self, user_id: &str) {
        self.hold_reason = None;
        self.failures = None;
        self.unknown_event = None;
        let distrusted = self.fault.take().is_some();
        let is_over = |rotation: &mut OpenRotation| {
            // A rotation without a new key can be dropped; another begins when the key is due
            distrusted || *rotation.user_id != *user_id || rotation.staged.is_none()
        };
        // An untrusted journal may be forged, and a user that was created again has other keys
        let dropped =
            self.open.take_if(is_over).filter(|rotation| !distrusted && *rotation.user_id == *user_id);
        self.compromised |= dropped.is_some_and(|rotation| rotation.compromised);
        if let Some(rotation) = &mut self.open {
            rotation.refused.clear();
            // A store that another writer changed gets the new key again
            rotation.distributed = None;
            // A key that was re-activated while soaking must pass all guards again
            rotation.retiring = None;
            rotation.inactive_since = None;
        }
    }
}

type KeyFingerprints = Vec<(DestinationId, Fingerprint, KeyId)>;

impl OpenRotation {
    /// Applies an event. Returns the fingerprints that identify a key from now on.
    fn apply_event(
        &mut self,
        event: &JournalEvent,
        commit: &str,
        at: Timestamp,
    ) -> Result<KeyFingerprints, JournalFault> {
        match event {
            JournalEvent::Staged { .. } => return self.record_staged_key(event, commit),
            JournalEvent::Delivered { place, marker } => {
                let key = self.staged.as_ref().ok_or(JournalFault::NothingToDeliver)?.key.clone();
                self.delivered.insert(place.clone(), (marker.clone(), at));
                return Ok(vec![(place.clone(), marker.clone(), key)]);
            }
            JournalEvent::Verified => {
                self.ensure_new_key()?;
                self.verified = Some(at);
            }
            JournalEvent::Proposed { pull_request } => self.proposed = Some(*pull_request),
            JournalEvent::Refused { place, why } => drop(self.refused.insert(place.clone(), why.clone())),
            JournalEvent::Distributed => {
                self.ensure_new_key()?;
                self.distributed = Some(at);
            }
            JournalEvent::Retiring { key } => {
                self.retiring = Some(self.ensure_own_key(key)?);
                self.announced = Some(at);
            }
            JournalEvent::InactiveSince { key } => {
                self.ensure_own_key(key)?;
                self.inactive_since = Some(at);
            }
            JournalEvent::Activate { key } => {
                if self.retiring.take_if(|retiring| retiring == key).is_some() {
                    self.inactive_since = None;
                }
                // The old key was needed again, so the grace period starts anew
                self.distributed.take_if(|_| *key == self.old);
            }
            JournalEvent::Delete { key } => {
                self.deleting = Some(self.ensure_own_key(key)?);
            }
            JournalEvent::Deactivate { key } | JournalEvent::Deleted { key } => {
                drop(self.ensure_own_key(key)?)
            }
            JournalEvent::NewKeyAbandoned { key, .. } => {
                self.ensure_own_key(key)?;
                self.abandoned_at = Some(at);
                // The announced deactivation of this key no longer counts
                if self.retiring.take_if(|retiring| retiring == key).is_some() {
                    self.inactive_since = None;
                }
            }
            JournalEvent::Rollback { why } => self.turn_back(at, why),
            JournalEvent::Compromised => self.compromised = true,
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Begins the rollback. An announced retirement of the old key no longer counts.
    fn turn_back(&mut self, at: Timestamp, why: &str) {
        self.rollback = Some(at);
        self.rollback_reason = Some(why.into());
        self.retiring = None;
        self.inactive_since = None;
    }

    fn record_staged_key(
        &mut self,
        event: &JournalEvent,
        commit: &str,
    ) -> Result<KeyFingerprints, JournalFault> {
        let JournalEvent::Staged { key, files, payloads, recipients } = event else {
            return Ok(KeyFingerprints::new());
        };
        if *key == self.old || self.staged.is_some() {
            return Err(JournalFault::SecondNewKey);
        }
        let known =
            |place: &DestinationId| self.destinations.iter().any(|frozen| frozen.destination == *place);
        if !files.keys().chain(payloads).all(known) {
            return Err(JournalFault::UnknownDestination);
        }
        let staged = StagedKey {
            key: key.clone(),
            files: files.clone(),
            payloads: payloads.clone(),
            recipients: recipients.clone(),
            commit: Some(commit.into()),
        };
        self.staged = Some(staged);
        Ok(files.iter().map(|(place, marker)| (place.clone(), marker.clone(), key.clone())).collect())
    }

    fn ensure_new_key(&self) -> Result<(), JournalFault> {
        if self.staged.is_some() { Ok(()) } else { Err(JournalFault::NoNewKey) }
    }

    /// Returns the key if it is one of the two that this rotation may change.
    fn ensure_own_key(&self, key: &KeyId) -> Result<KeyId, JournalFault> {
        let new = self.staged.as_ref().is_some_and(|staged| staged.key == *key);
        if new || *key == self.old {
            return Ok(key.clone());
        }
        Err(JournalFault::ForeignKey(key.clone()))
    }

    /// The new key.
    pub fn new_key(&self) -> Option<&KeyId> {
        self.staged.as_ref().map(|staged| &staged.key)
    }
}
