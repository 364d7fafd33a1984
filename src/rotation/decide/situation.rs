//! [`Situation`]: an observation whose basic facts could be read, and the questions that several rows ask about it.

use jiff::{SignedDuration, Timestamp};

use super::decision::StepDecision;
use crate::rotation::journal::{DestinationSnapshot, Journal, OpenRotation, StorageKind};
use crate::rotation::timing::REQUEST_LIFETIME;
use crate::rotation::{
    DestinationId, DestinationState, Fingerprint, KeyId, Observation, Observed, ObservedKey, PullRequest,
    PullRequestState, RotationParams, RotationPhase,
};

/// What a destination holds, as far as the rotation under way is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldKey {
    /// The old key, or, of a first key, what was there before it.
    Old,
    New,
    /// Nothing, and it held nothing when the rotation began.
    Nothing,
    /// Something that keytide did not put there.
    Foreign,
    Unreadable,
}

/// An observation whose keys, journal and user could be read, with the rules of the rotation.
pub struct Situation<'a> {
    pub seen: &'a Observation,
    pub rules: &'a RotationParams,
    /// What must hold before a published key is deactivated.
    pub retire_guards: &'a [RetirementGuard],
    /// What must hold before it is deleted.
    pub delete_guards: &'a [RetirementGuard],
    /// Whether a step needs this run's claim.
    pub needs_claim: bool,
    pub journal: &'a Journal,
    pub keys: &'a [ObservedKey],
    pub now: Timestamp,
}

/// What a guard checks: the rotation, and the key to deactivate or delete.
pub struct RetireCheck<'c> {
    pub situation: &'c Situation<'c>,
    pub rotation: &'c OpenRotation,
    pub key: &'c ObservedKey,
}

/// Why a key cannot be retired yet, from when on it could be, and what a person can do meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    pub why: String,
    pub until: Option<Timestamp>,
    pub help: Option<String>,
}

/// A guard, with the name by which the tests take it out.
#[derive(Clone, Copy)]
pub struct RetirementGuard {
    pub name: &'static str,
    pub holds: fn(&RetireCheck<'_>) -> Result<(), NotReady>,
}

/// A fact that a decision needs and that is unknown: it was not read, or it allows no conclusion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownFact(String);

impl UnknownFact {
    /// The fact, and why it is unknown, in half a sentence.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

pub const FOREIGN_CREDENTIAL: &str = "a credential that keytide did not put there";

pub fn require_fact<'a, T>(what: &str, fact: &'a Observed<T>) -> Result<&'a T, UnknownFact> {
    fact.known_or_reason().map_err(|why| UnknownFact(format!("{what} could not be read: {why}")))
}

/// Whether a store that accepted the new key shows no secret now: perhaps the token lost its permission to read it.
fn is_lost(rotation: &OpenRotation, frozen: &DestinationSnapshot) -> bool {
    frozen.kind == StorageKind::Store && rotation.delivered.contains_key(&frozen.destination)
}

impl<'a> Situation<'a> {
    /// # Errors
    /// The basic fact that could not be read.
    pub fn from_observation(seen: &'a Observation, rules: &'a RotationParams) -> Result<Self, UnknownFact> {
        require_fact("the user's keys", &seen.listed)?;
        let keys = require_fact("the user's keys", &seen.keys)?;
        let journal = require_fact("the journal", &seen.journal)?;
        require_fact("the user", &seen.user_id)?;
        Ok(Self {
            seen,
            rules,
            retire_guards: &[],
            delete_guards: &[],
            needs_claim: true,
            journal,
            keys,
            now: seen.now,
        })
    }

    /// The rotation under way.
    pub fn open_rotation(&self) -> Option<&'a OpenRotation> {
        self.journal.open.as_ref()
    }

    /// The rotation under way, when its new key is kept.
    pub fn staged_rotation(&self) -> Option<(&'a OpenRotation, &'a KeyId)> {
        let rotation = self.open_rotation()?;
        Some((rotation, rotation.new_key()?))
    }

    pub fn find_key(&self, id: &str) -> Option<&'a ObservedKey> {
        self.keys.iter().find(|key| &*key.id == id)
    }

    /// Who could decrypt the new key and is no recipient any more, in words.
    pub fn removed_recipient(&self) -> Option<&'a str> {
        self.seen.removed_recipient.known()?.as_deref()
    }

    /// Whether a key was in the first list of keys as well.
    pub fn was_listed(&self, id: &str) -> bool {
        self.seen.listed.known().is_some_and(|listed| listed.contains(id))
    }

    /// Whether someone else than keytide deactivated a key: no run activates it then.
    pub fn was_deactivated_by_hand(&self, id: &KeyId) -> bool {
        self.seen
            .inactive_keys
            .known()
            .is_some_and(|inactive| !inactive.was_deactivated(id) && !inactive.is_compromised(id))
    }

    /// The ways out where someone else deactivated a key that destinations hold or are about to get.
    pub fn activate_by_hand(&self, id: &KeyId) -> String {
        let has_old = self.open_rotation().is_some_and(|rotation| {
            let old = rotation.old.as_ref().and_then(|old| self.find_key(old));
            rotation.new_key() == Some(id) && old.is_some_and(ObservedKey::is_active)
        });
        let back = match has_old {
            true => format!("; or go back to the old key: {}", self.command("rollback")),
            false => String::new(),
        };
        let user = &self.seen.user;
        format!("`aws iam update-access-key --user-name {user} --access-key-id {id} --status Active`{back}")
    }

    /// The key that a destination's marker stands for.
    pub fn key_at(&self, place: &DestinationState) -> Option<&'a KeyId> {
        place.key_in(self.journal)
    }

    /// What a destination of the rotation holds.
    pub fn held_key(&self, rotation: &OpenRotation, frozen: &DestinationSnapshot) -> HeldKey {
        // What was not observed is not known, which is another thing than empty
        let Some(place) = self.seen.destinations.iter().find(|place| place.id == frozen.destination) else {
            return HeldKey::Unreadable;
        };
        match (&place.fingerprint, self.key_at(place)) {
            (Observed::Unknown(_) | Observed::Denied(_) | Observed::NotAsked, _) => HeldKey::Unreadable,
            (_, Some(key)) if rotation.is_old(key) => HeldKey::Old,
            (_, Some(key)) if Some(key) == rotation.new_key() => HeldKey::New,
            // No key stands for what a person put there, so its own fingerprint is what recognises it
            (Observed::Known(Some(held)), None)
                if rotation.makes_first_key() && frozen.fingerprint.as_ref() == Some(held) =>
            {
                HeldKey::Old
            }
            (Observed::Known(None), _) if frozen.fingerprint.is_none() && !is_lost(rotation, frozen) => {
                HeldKey::Nothing
            }
            _ => HeldKey::Foreign,
        }
    }

    /// That a destination could not be read, and why.
    pub fn unreadable_reason(&self, place: &DestinationId) -> String {
        let found = self.seen.destinations.iter().find(|found| found.id == *place);
        let why =
            found.and_then(|found| found.fingerprint.known_or_reason().err()).unwrap_or("it was not read");
        format!("`{place}` could not be read: {why}")
    }

    /// The destinations of a rotation in files, or in stores, with what they hold.
    pub fn destinations_in(
        &self,
        rotation: &'a OpenRotation,
        files: bool,
    ) -> impl Iterator<Item = (&'a DestinationSnapshot, HeldKey)> {
        let destinations = rotation.destinations.iter();
        destinations
            .filter(move |frozen| (frozen.kind == StorageKind::File) == files)
            .map(|frozen| (frozen, self.held_key(rotation, frozen)))
    }

    /// Whether every file destination on the default branch holds the new key. A rotation without file destinations is
    /// merged when its pull request is.
    pub fn is_merged(&self, rotation: &'a OpenRotation) -> bool {
        let mut files = self.destinations_in(rotation, true).peekable();
        if files.peek().is_none() {
            // After the new key was discarded, a merge publishes nothing
            let given_up = rotation.abandoned_at.is_some() && rotation.delivered.is_empty();
            return self.merged_at().is_some() && !given_up;
        }
        files.all(|(_, holds)| holds == HeldKey::New)
    }

    pub fn merged_at(&self) -> Option<Timestamp> {
        match self.pull_request()?.state {
            PullRequestState::Merged { at } => Some(at),
            _ => None,
        }
    }

    pub fn pull_request(&self) -> Option<&'a PullRequest> {
        self.seen.pull_request.known()?.as_ref()
    }

    /// The first destination of the rotation that holds the new key.
    pub fn destination_with_new_key(&self, rotation: &'a OpenRotation) -> Option<&'a DestinationSnapshot> {
        rotation.destinations.iter().find(|frozen| self.held_key(rotation, frozen) == HeldKey::New)
    }

    /// Whether anything refers to a key: a destination, or a file that names it.
    ///
    /// # Errors
    /// The fact that is not known.
    pub fn is_referenced(&self, key: &KeyId) -> Result<Option<String>, UnknownFact> {
        let mut unclear = None;
        for place in &self.seen.destinations {
            match (place.fingerprint.known_or_reason(), self.key_at(place)) {
                (Err(why), _) => {
                    unclear.get_or_insert(format!("`{}` could not be read: {why}", place.id));
                }
                (_, Some(held)) if held == key => return Ok(Some(format!("{key} is in `{}`", place.id))),
                // What was there before a first key is no key of the user
                (Ok(Some(held)), None) if self.is_keyless(place, held) => {}
                (Ok(Some(_)), None) => {
                    let retires = self.open_rotation().is_some_and(|rotation| rotation.retires);
                    let what = if retires { "a credential" } else { FOREIGN_CREDENTIAL };
                    unclear.get_or_insert(format!("{what} is in `{}`", place.id));
                }
                _ => {}
            }
        }
        let mentions = self.seen.key_mentions.known_or_reason();
        let mentions =
            mentions.map_err(|why| UnknownFact(format!("the files could not be searched: {why}")))?;
        if let Some(what) = mentions.get(key) {
            return Ok(Some(what.text.to_string()));
        }
        // Last, because a destination that is known to hold the key is the better reason
        match unclear {
            Some(why) => Err(UnknownFact(why)),
            None => Ok(None),
        }
    }

    /// What is known to name a key now, and not only after the merge of a pull request; for a retirement also a destination that
    /// holds a credential, whosever it is. For what is unknown the guards wait.
    pub fn find_reader(&self, rotation: &OpenRotation, key: &KeyId) -> Option<String> {
        let mention = self.seen.key_mentions.known().and_then(|mentions| mentions.get(key));
        if let Some(mention) = mention.filter(|mention| !mention.is_proposed) {
            return Some(mention.text.to_string());
        }
        if !rotation.retires {
            return None;
        }
        let held =
            self.seen.destinations.iter().find(|place| matches!(place.fingerprint.known(), Some(Some(_))));
        held.map(|place| format!("a credential is in `{}`", place.id))
    }

    /// The key of a rotation that no run can end: the old one no longer exists, and the new key does not either or is
    /// being taken back; or a first key no longer exists. `keytide resume` then ends the rotation, with whatever key the
    /// user has.
    pub fn lost_key(&self) -> Option<&'a KeyId> {
        let (rotation, new) = self.staged_rotation()?;
        let Some(old) = &rotation.old else {
            return if self.may_exist(new) { None } else { Some(new) };
        };
        let new_is_over = rotation.rollback.is_some() || !self.may_exist(new);
        if new_is_over && !self.may_exist(old) { Some(old) } else { None }
    }

    /// Whether a fingerprint is of what a destination held before the first key that is under way. Not of an earlier
    /// one: a forged entry could then hide what a later rotation or retirement must see.
    fn is_keyless(&self, place: &DestinationState, held: &Fingerprint) -> bool {
        self.open_rotation().filter(|rotation| rotation.makes_first_key()).is_some_and(|rotation| {
            let frozen = rotation.destinations.iter().find(|frozen| frozen.destination == place.id);
            frozen.is_some_and(|frozen| frozen.fingerprint.as_ref() == Some(held))
        })
    }

    /// Whether one of the two lists of keys has a key.
    fn may_exist(&self, id: &KeyId) -> bool {
        self.find_key(id).is_some() || self.was_listed(id)
    }

    /// Until when a request of another run may still change a key. This run's own requests were answered: a run ends at
    /// the first that is not.
    pub fn request_settles_at(&self) -> Option<Timestamp> {
        let others = self.journal.in_flight_requests.iter().filter(|(run, _)| **run != self.seen.run);
        others.map(|(_, at)| *at + REQUEST_LIFETIME).filter(|until| *until > self.now).max()
    }

    /// Waits until an announced deletion has taken effect or can no longer do so: it cannot be cancelled.
    pub fn wait_for_pending_changes(&self, key: &KeyId, phase: RotationPhase) -> Option<StepDecision> {
        let deleted = self.open_rotation().is_some_and(|open| open.deleting.as_ref() == Some(key));
        let until = self.request_settles_at().filter(|_| deleted)?;
        let why = format!("a request to delete {key} may still take effect; waiting for it to settle");
        Some(StepDecision::wait(phase, why).wait_until(until))
    }

    /// Whether a key is marked as compromised, and this run was not asked to bring it back all the same.
    pub fn must_stay_out(&self, key: &KeyId) -> bool {
        !self.seen.request.reactivate_compromised
            && self.open_rotation().is_some_and(|open| open.compromised && open.is_old(key))
    }

    /// The rollback command that accepts a compromised key.
    pub fn forced_rollback(&self) -> String {
        format!("`keytide rollback --user {} --reactivate-compromised-key`", self.seen.user)
    }

    /// The first destination of the rotation that holds what keytide did not put there.
    pub fn destination_with_foreign_key(
        &self,
        rotation: &'a OpenRotation,
    ) -> Option<&'a DestinationSnapshot> {
        rotation.destinations.iter().find(|frozen| self.held_key(rotation, frozen) == HeldKey::Foreign)
    }

    /// Says what a destination holds that is neither of the rotation's keys.
    pub fn describe_foreign_key(&self, place: &DestinationId, foreign: &str) -> String {
        let found = self.seen.destinations.iter().find(|found| found.id == *place);
        if found.is_some_and(|found| found.fingerprint.known() == Some(&None)) {
            return format!("keytide no longer finds `{place}`");
        }
        format!("{foreign} is in `{place}`")
    }

    /// A command for this user, as code: `keytide VERB --user U`.
    pub fn command(&self, verb: &str) -> String {
        match verb {
            "resume" => format!("`keytide resume --user {} --reason TEXT`", self.seen.user),
            // Without the flag the command is refused
            "rollback" if self.open_rotation().is_some_and(|open| open.compromised) => self.forced_rollback(),
            verb => format!("`keytide {verb} --user {}`", self.seen.user),
        }
    }

    /// The age of something, in whole days.
    pub fn days_since(&self, then: Timestamp) -> i64 {
        self.time_since(then).as_hours() / 24
    }

    /// How long ago.
    pub fn time_since(&self, then: Timestamp) -> SignedDuration {
        self.now.duration_since(then)
    }
}
