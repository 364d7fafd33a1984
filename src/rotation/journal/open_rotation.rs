//! Folds a journal's entries about one rotation into its state: the new key, the deliveries, the old key's retirement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::super::ids::{DestinationId, Fingerprint, KeyId};
use super::super::recipients::Recipients;
use super::super::timing::DISPATCH_SKEW;
use super::entry::{DestinationSnapshot, JournalEvent, RedeployCause};
use super::fault::JournalFault;

/// The reason of a rollback that a person asked for; the person's own follows it.
pub const ROLLBACK_REQUESTED: &str = "a rollback was requested";

/// A rotation under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenRotation {
    pub number: u32,
    pub began_at: Timestamp,
    pub user_id: Arc<str>,
    /// The key that is replaced; `None` when the rotation makes the user's first key.
    pub old: Option<KeyId>,
    pub destinations: Vec<DestinationSnapshot>,
    pub compromised: bool,
    /// The old key goes and no other takes its place: the policy file says `retire`.
    pub retires: bool,
    pub staged: Option<StagedKey>,
    pub verified: Option<Timestamp>,
    pub proposed: Option<u64>,
    /// What each store took, and when that was noted.
    pub delivered: BTreeMap<DestinationId, (Fingerprint, Timestamp)>,
    /// The stores that will not take it, and why.
    pub refused: BTreeMap<DestinationId, String>,
    pub distributed: Option<Timestamp>,
    /// The redeployment that was announced last. Whatever came before, applications have loaded what it deployed, so one for
    /// another cause replaces it.
    pub redeployment: Option<Redeployment>,
    /// The key that is to be deactivated, or is.
    pub retiring: Option<KeyId>,
    /// Of a retirement: when it was first announced. Nothing has referred to the key since then.
    pub unneeded_since: Option<Timestamp>,
    /// When that was announced: then nothing named the key any more. A retirement is announced a second time when the key
    /// was quiet, and this is of that one.
    pub announced: Option<Timestamp>,
    pub inactive_since: Option<Timestamp>,
    /// The key for which DeleteAccessKey may have been sent.
    pub deleting: Option<KeyId>,
    /// The new key was given up.
    pub abandoned_at: Option<Timestamp>,
    /// Why it was.
    pub abandon_reason: Option<Arc<str>>,
    pub rollback: Option<Timestamp>,
    /// Why the rollback began.
    pub rollback_reason: Option<Arc<str>>,
}

/// A start of the workflow of `redeploy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redeployment {
    pub cause: RedeployCause,
    /// When it was first announced: a run of the workflow that is older is not this one.
    pub announced_at: Timestamp,
    /// The number of its run, once GitHub has given it.
    pub run: Option<u64>,
}

impl Redeployment {
    /// From when on a run of the workflow can be this redeployment.
    pub fn earliest_run(&self) -> Timestamp {
        self.announced_at - DISPATCH_SKEW
    }

    /// From when on the success of another run counts: one that had begun before may have loaded the other key.
    pub fn earliest_other_run(&self) -> Timestamp {
        self.announced_at + DISPATCH_SKEW
    }
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

/// The key that a destination holds when it has this fingerprint.
type KeyFingerprints = Vec<(DestinationId, Fingerprint, KeyId)>;

impl OpenRotation {
    /// A rotation that has only begun.
    pub(super) fn new(number: u32, user_id: Arc<str>, old: Option<KeyId>, began_at: Timestamp) -> Self {
        Self {
            number,
            began_at,
            user_id,
            old,
            destinations: Vec::new(),
            compromised: false,
            retires: false,
            staged: None,
            verified: None,
            proposed: None,
            delivered: BTreeMap::new(),
            refused: BTreeMap::new(),
            distributed: None,
            redeployment: None,
            retiring: None,
            unneeded_since: None,
            announced: None,
            inactive_since: None,
            deleting: None,
            abandoned_at: None,
            abandon_reason: None,
            rollback: None,
            rollback_reason: None,
        }
    }

    /// The store whose refusal of the new key began the rollback. `None` also where a person asked for the rollback.
    pub fn store_that_caused_rollback(&self) -> Option<&DestinationId> {
        let is_requested = self.rollback_reason.as_deref()?.starts_with(ROLLBACK_REQUESTED);
        self.refused.keys().next().filter(|_| !is_requested)
    }

    /// Applies an event. Returns the fingerprints that identify a key from now on.
    pub(super) fn apply_event(
        &mut self,
        event: &JournalEvent,
        commit: &str,
        at: Timestamp,
    ) -> Result<KeyFingerprints, JournalFault> {
        // A forged entry could otherwise give a retirement a new key, which no policy file asks for
        if self.retires && is_about_new_key(event) {
            return Err(JournalFault::NotInRetirement);
        }
        match event {
            JournalEvent::Needed { key, .. } => self.withdraw_retirement(key)?,
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
            JournalEvent::Redeploying { cause } => self.announce_redeployment(*cause, at)?,
            JournalEvent::Redeployed { cause, run } => self.record_redeployment(*cause, *run)?,
            JournalEvent::Retiring { key } => self.announce_retirement(key, at)?,
            JournalEvent::InactiveSince { key } => {
                self.ensure_own_key(key)?;
                self.inactive_since = Some(at);
            }
            JournalEvent::Activate { key } => self.record_activation(key),
            JournalEvent::Delete { key } => {
                self.deleting = Some(self.ensure_own_key(key)?);
            }
            JournalEvent::Deactivate { key } | JournalEvent::Deleted { key } => {
                drop(self.ensure_own_key(key)?)
            }
            JournalEvent::NewKeyAbandoned { key, why } => self.abandon_new_key(key, why, at)?,
            JournalEvent::Rollback { why } => self.turn_back(at, why),
            // A first key has none before it that could have leaked
            JournalEvent::Compromised if self.makes_first_key() => return Err(JournalFault::NoOldKey),
            JournalEvent::Compromised => self.compromised = true,
            JournalEvent::Completed => self.ensure_complete()?,
            _ => {}
        }
        Ok(Vec::new())
    }

    fn record_activation(&mut self, key: &KeyId) {
        if self.retiring.take_if(|retiring| retiring == key).is_some() {
            self.inactive_since = None;
            self.unneeded_since = None;
        }
        // The old key was needed again, so the grace period starts anew
        if self.is_old(key) {
            self.reopen_distribution();
        }
    }

    fn abandon_new_key(&mut self, key: &KeyId, why: &str, at: Timestamp) -> Result<(), JournalFault> {
        self.ensure_own_key(key)?;
        self.abandoned_at = Some(at);
        self.abandon_reason = Some(why.into());
        // A deployment since the last time may have loaded it
        self.redeployment.take_if(|redeployment| redeployment.cause == RedeployCause::Rollback);
        // The announced deactivation of this key no longer counts
        if self.retiring.take_if(|retiring| retiring == key).is_some() {
            self.inactive_since = None;
        }
        Ok(())
    }

    /// What the destinations hold is to be checked, and the application to be deployed, anew.
    pub(super) fn reopen_distribution(&mut self) {
        self.distributed = None;
        self.redeployment.take_if(|redeployment| redeployment.cause == RedeployCause::Delivery);
    }

    /// The last redeployment, if it was for this cause.
    pub fn redeployment_for(&self, cause: RedeployCause) -> Option<&Redeployment> {
        self.redeployment.as_ref().filter(|redeployment| redeployment.cause == cause)
    }

    /// A redeployment may be announced again until its run is recorded: the run that announced it may have ended before
    /// the request.
    fn announce_redeployment(&mut self, cause: RedeployCause, at: Timestamp) -> Result<(), JournalFault> {
        let has_cause = match cause {
            RedeployCause::Delivery => self.distributed.is_some() && self.rollback.is_none(),
            RedeployCause::Rollback => self.abandoned_at.is_some(),
        };
        if !has_cause || self.redeployment_for(cause).is_some_and(|known| known.run.is_some()) {
            return Err(JournalFault::UnexpectedRedeployment);
        }
        self.redeployment.take_if(|redeployment| redeployment.cause != cause);
        self.redeployment.get_or_insert(Redeployment { cause, announced_at: at, run: None });
        Ok(())
    }

    fn record_redeployment(&mut self, cause: RedeployCause, run: u64) -> Result<(), JournalFault> {
        match &mut self.redeployment {
            Some(begun) if begun.cause == cause && begun.run.is_none() => begun.run = Some(run),
            _ => return Err(JournalFault::UnexpectedRedeployment),
        }
        Ok(())
    }

    fn announce_retirement(&mut self, key: &KeyId, at: Timestamp) -> Result<(), JournalFault> {
        self.retiring = Some(self.ensure_own_key(key)?);
        // The first of a retirement begins the quiet time
        if self.retires && self.unneeded_since.is_none() {
            self.unneeded_since = Some(at);
            self.announced = None;
        } else {
            self.announced = Some(at);
        }
        Ok(())
    }

    /// Something refers again to the key of a retirement.
    fn withdraw_retirement(&mut self, key: &KeyId) -> Result<(), JournalFault> {
        self.ensure_own_key(key)?;
        if !self.retires {
            return Err(JournalFault::NoRetirement);
        }
        self.retiring = None;
        self.unneeded_since = None;
        self.announced = None;
        self.inactive_since = None;
        Ok(())
    }

    /// Begins the rollback. An announced retirement of the old key no longer counts.
    fn turn_back(&mut self, at: Timestamp, why: &str) {
        self.rollback = Some(at);
        self.rollback_reason = Some(why.into());
        // The old key comes back, so the guards of its retirement must hold anew
        self.retiring = None;
        self.unneeded_since = None;
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
        // A forged entry could otherwise make the old key the new one, and have it published again
        if self.is_old(key) || self.staged.is_some() {
            return Err(JournalFault::SecondNewKey);
        }
        // A set: a forged entry can name very many
        let known: BTreeSet<&DestinationId> =
            self.destinations.iter().map(|frozen| &frozen.destination).collect();
        if !files.keys().chain(payloads).all(|place| known.contains(place)) {
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

    /// Only a first key leaves nothing behind that must be deleted before the rotation ends.
    fn ensure_complete(&self) -> Result<(), JournalFault> {
        let is_complete = self.makes_first_key() && self.distributed.is_some();
        if is_complete { Ok(()) } else { Err(JournalFault::NotDistributedFirstKey) }
    }

    fn ensure_new_key(&self) -> Result<(), JournalFault> {
        if self.staged.is_some() { Ok(()) } else { Err(JournalFault::NoNewKey) }
    }

    /// Returns the key if it is one of the two that this rotation may change.
    fn ensure_own_key(&self, key: &KeyId) -> Result<KeyId, JournalFault> {
        if self.is_own_key(key) { Ok(key.clone()) } else { Err(JournalFault::ForeignKey(key.clone())) }
    }

    /// Whether a key is the old or the new one of this rotation.
    pub fn is_own_key(&self, key: &KeyId) -> bool {
        self.is_old(key) || self.new_key() == Some(key)
    }

    /// Whether the rotation makes the first key of a user that has none.
    pub fn makes_first_key(&self) -> bool {
        self.old.is_none()
    }

    /// Whether a key is the one that is replaced, or retired.
    pub fn is_old(&self, key: &str) -> bool {
        self.old.as_deref() == Some(key)
    }

    /// The new key.
    pub fn new_key(&self) -> Option<&KeyId> {
        self.staged.as_ref().map(|staged| &staged.key)
    }
}

/// Whether an event is one of a rotation alone: it makes, publishes or gives up a new key.
fn is_about_new_key(event: &JournalEvent) -> bool {
    matches!(
        event,
        JournalEvent::Staged { .. }
            | JournalEvent::Verified
            | JournalEvent::Proposed { .. }
            | JournalEvent::Delivered { .. }
            | JournalEvent::Refused { .. }
            | JournalEvent::Distributed
            | JournalEvent::Redeploying { .. }
            | JournalEvent::Redeployed { .. }
            | JournalEvent::Completed
            | JournalEvent::NewKeyAbandoned { .. }
            | JournalEvent::Compromised
    )
}
