//! Reads a user's journal: a chain of entries on a git reference, folded into the state of the rotation.
//!
//! Appending moves the reference, which GitHub allows only as a fast-forward: a compare-and-swap. Everyone who can write
//! to the repository can write journal entries, so the journal alone never justifies deleting a key; IAM must agree.

mod entry;
mod fault;
mod open_rotation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use entry::{
    DestinationSnapshot, InvalidEntry, JOURNAL_VERSION, JournalEntry, JournalEvent, RedeployCause,
    StorageKind,
};
use fault::JournalFault;
pub use open_rotation::{OpenRotation, ROLLBACK_REQUESTED, Redeployment, StagedKey};

use super::ids::{DestinationId, Fingerprint, KeyId, shorten_commit};
use super::recipients::Recipients;
use super::timing::{CLAIM_DURATION, MAX_CLOCK_SKEW, REQUEST_LIFETIME};

/// How often in a row the same step may fail before the user is quarantined.
pub const MAX_FAILURES: u32 = 3;

/// How many requests may be under way at once. A run claims the user for half an hour, so more of them are forged, and each
/// entry would take longer to read than the one before it.
const MAX_IN_FLIGHT: usize = 50;

/// How many numbers a rotation may skip. Those of branches that are left from a lost journal are skipped; a journal that
/// skips more is forged, and could leave no number for the next rotation.
pub const MAX_NUMBER_GAP: u32 = 1_000;

/// An entry of a later version, or of someone else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownEvent {
    pub name: String,
    /// The commit of the entry.
    pub commit: String,
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
    /// `keytide resume` does not clear the fault, since the next look finds it again: it is in what the open rotation would
    /// publish, or in the time of an entry.
    pub fault_outlasts_resume: bool,
    /// The first entry that this version cannot read.
    pub unknown_event: Option<UnknownEvent>,
    /// The time of the latest entry, and its commit.
    pub last_entry_at: Option<Timestamp>,
    pub latest_commit: Option<Arc<str>>,
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

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts a step of a loop within one entry, for the test that their number grows with the entries and no faster.
fn count_step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
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
            let before = self.latest_commit.as_deref().unwrap_or_default();
            self.mark_untrusted(format!(
                "the entry {} is older than the entry {} before it: one of them has a wrong time",
                shorten_commit(commit),
                shorten_commit(before)
            ));
        } else if let Err(why) = self.apply_event(commit, entry) {
            self.mark_untrusted(why.to_string());
        }
        self.note_sent(entry);
        // The latest and not the last: an entry may be some seconds older than the one before it
        if self.last_entry_at.is_none_or(|latest| latest <= entry.at) {
            (self.last_entry_at, self.latest_commit) = (Some(entry.at), self.head.clone());
        }
    }

    /// Distrusts a journal of which an entry has a time after the servers' own: keytide wrote none, and all that it writes
    /// would seem to be older.
    pub fn distrust_future(&mut self, now: Timestamp) {
        let Some(at) = self.last_entry_at.filter(|at| *at > now + MAX_CLOCK_SKEW) else { return };
        let commit = shorten_commit(self.latest_commit.as_deref().unwrap_or_default());
        // In place of what the entries behind it seem to have: they are right
        self.fault = Some(format!("the entry {commit} has the time {at}, which is still to come"));
        self.fault_outlasts_resume = true;
    }

    /// Updates the requests that may still take effect. A run whose request was not answered writes nothing more, so an
    /// entry of a run shows that all its earlier requests were answered.
    fn note_sent(&mut self, entry: &JournalEntry) {
        self.in_flight_requests.remove(&entry.run);
        if entry.event.is_announcement() {
            // An older request has taken effect by now, or never will
            self.in_flight_requests.retain(|_, at| {
                count_step();
                *at + REQUEST_LIFETIME >= entry.at
            });
            if self.in_flight_requests.len() >= MAX_IN_FLIGHT {
                return self.mark_untrusted(format!("more than {MAX_IN_FLIGHT} runs changed keys at once"));
            }
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
            // The last one counts: its run appended it after it had seen the others
            JournalEvent::Claim { until } => {
                self.claim = Some(RunClaim { run: entry.run.clone(), until: *until })
            }
            JournalEvent::Release => {
                self.claim.take_if(|claim| claim.run == entry.run);
            }
            JournalEvent::Heartbeat => {}
            JournalEvent::Create if self.open.as_ref().is_some_and(|open| open.retires) => {
                return Err(JournalFault::NotInRetirement);
            }
            JournalEvent::Create => self.note_creation(at),
            JournalEvent::Intent { .. } => self.begin_rotation(entry)?,
            JournalEvent::FirstKey { number, user_id, places } => {
                self.begin_first_key(*number, user_id, places, at)?;
            }
            JournalEvent::Retirement { number, user_id, key } => {
                self.take_number(*number)?;
                let mut retirement = OpenRotation::new(*number, user_id.clone(), Some(key.clone()), at);
                retirement.retires = true;
                self.open = Some(retirement);
            }
            JournalEvent::Held { why } => self.hold_user(why),
            JournalEvent::Resumed { user_id, .. } => self.resume_user(user_id),
            JournalEvent::Failed { step, why } => {
                let same = self.failures.take().filter(|before| before.step == *step);
                let times = same.map_or(0, |before| before.times) + 1;
                self.failures = Some(FailedStep { step: step.clone(), times, why: why.clone() });
            }
            // The first one is enough: from it on nothing is decided until a newer version reads the journal
            JournalEvent::Other { event } => {
                if self.unknown_event.is_none() {
                    self.unknown_event =
                        Some(UnknownEvent { name: event.clone(), commit: commit.to_owned() });
                }
            }
            event => self.advance_rotation(event, commit, at)?,
        }
        Ok(())
    }

    fn begin_rotation(&mut self, entry: &JournalEntry) -> Result<(), JournalFault> {
        let JournalEvent::Intent { number, user_id, key, places, compromised } = &entry.event else {
            return Ok(());
        };
        self.take_number(*number)?;
        for frozen in places {
            if let Some(marker) = &frozen.fingerprint {
                self.key_by_fingerprint.insert((frozen.destination.clone(), marker.clone()), key.clone());
            }
        }
        // From here on the rotation itself carries the mark
        self.compromised = false;
        // A rotation begins with exactly one key, so older attempts created none that still exists
        self.forget_creations_before(entry.at);
        let mut rotation = OpenRotation::new(*number, user_id.clone(), Some(key.clone()), entry.at);
        rotation.destinations.clone_from(places);
        rotation.compromised = *compromised;
        self.open = Some(rotation);
        Ok(())
    }

    fn begin_first_key(
        &mut self,
        number: u32,
        user_id: &Arc<str>,
        places: &[DestinationSnapshot],
        at: Timestamp,
    ) -> Result<(), JournalFault> {
        self.take_number(number)?;
        // The key that had leaked is gone
        self.compromised = false;
        self.forget_creations_before(at);
        let mut rotation = OpenRotation::new(number, user_id.clone(), None, at);
        rotation.destinations = places.to_vec();
        self.open = Some(rotation);
        Ok(())
    }

    fn note_creation(&mut self, at: Timestamp) {
        let earlier = self.unconfirmed_creations.iter().rev().nth(MAX_IN_FLIGHT - 1);
        if earlier.is_some_and(|earlier| *earlier + REQUEST_LIFETIME >= at) {
            return self.mark_untrusted(format!("more than {MAX_IN_FLIGHT} keys were created at once"));
        }
        self.unconfirmed_creations.push(at);
    }

    /// An older request to create a key has taken effect by now, or never will.
    fn forget_creations_before(&mut self, at: Timestamp) {
        self.unconfirmed_creations.retain(|tried| {
            count_step();
            *tried + REQUEST_LIFETIME >= at
        });
    }

    /// The next rotation or retirement takes its number.
    fn take_number(&mut self, number: u32) -> Result<(), JournalFault> {
        if self.open.is_some() {
            return Err(JournalFault::RotationAlreadyOpen);
        }
        if number <= self.last_number {
            return Err(JournalFault::NumberReused(number));
        }
        if number - self.last_number > MAX_NUMBER_GAP {
            return Err(JournalFault::NumberSkipped(number));
        }
        self.last_number = number;
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
        // Last: it takes the rotation that the lines above still read
        match event {
            JournalEvent::Deleted { key } => self.close_rotation(key),
            JournalEvent::Completed => self.open = None,
            _ => {}
        }
        Ok(())
    }

    /// Stops the user. A rotation that has created no key ends here.
    fn hold_user(&mut self, why: &str) {
        self.hold_reason = Some(why.to_owned());
        let is_over = self.open.take_if(|rotation| rotation.staged.is_none());
        self.compromised |= is_over.is_some_and(|rotation| rotation.compromised);
        if let Some(rotation) = &mut self.open {
            // The hold interrupts the soak, which begins anew
            rotation.inactive_since = None;
        }
    }

    /// The rotation ends with the deletion of one of its keys.
    fn close_rotation(&mut self, key: &KeyId) {
        let Some(rotation) = self.open.take() else { return };
        // The leak ends only with the deletion of the key that leaked
        self.compromised = rotation.compromised && !rotation.is_old(key);
        if rotation.rollback.is_some() && !rotation.is_old(key) {
            let why = rotation.rollback_reason.as_deref().unwrap_or("no reason is recorded");
            self.hold_reason = Some(format!("rotation {} was rolled back ({why})", rotation.number));
        }
    }

    /// Continues after a manual review: faults are dropped, and failed steps may be tried again.
    fn resume_user(&mut self, user_id: &str) {
        self.hold_reason = None;
        self.failures = None;
        // An unknown event stays: this version cannot know what it would take back
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
            rotation.reopen_distribution();
            // What a person has looked into is deployed again
            rotation.redeployment = None;
            // A key that was re-activated while soaking must pass all guards again
            rotation.retiring = None;
            rotation.inactive_since = None;
        }
    }
}
