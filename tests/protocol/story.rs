//! Journals as stories, told in events and ages, and what a run sees when everything else fits them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use keytide::rotation::inactive_keys::InactiveKeys;
use keytide::rotation::journal::JOURNAL_VERSION;
use keytide::rotation::{
    BranchTip, DestinationId, DestinationSnapshot, DestinationState, Fingerprint, Journal, JournalEntry,
    JournalEvent, KeyId, KeyState, KeyUse, Observation, Observed, ObservedKey, OwnerTag, PullRequest,
    PullRequestState, RedeployCause, RotationParams, RotationRequest, StorageKind,
};

pub const OLD: &str = "OLD";
pub const NEW: &str = "NEW";
pub const THIRD: &str = "THIRD";
/// Who looks.
pub const US: &str = "run-1";
pub const THEM: &str = "run-0";

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

pub fn file() -> DestinationId {
    "sops creds.yaml".into()
}

pub fn store() -> DestinationId {
    "github_secret CREDS".into()
}

/// The marker of a destination that holds a key.
pub fn marker(place: &DestinationId, key: &str) -> Fingerprint {
    format!("{place} with {key}").into()
}

pub fn rules() -> RotationParams {
    RotationParams {
        may_rotate: true,
        may_retire: false,
        start_at: days(60),
        grace: days(7),
        quiet: days(3),
        soak: days(7),
        require_use: true,
        validate: false,
        redeploy: false,
    }
}

/// What the policy file asks for the user's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Rotate,
    Retire,
    /// It does not list the user.
    Unlisted,
}

impl Policy {
    pub fn rules(self) -> RotationParams {
        RotationParams { may_rotate: self == Self::Rotate, may_retire: self == Self::Retire, ..rules() }
    }
}

/// What happened so far, oldest first: how long ago, by whom, what.
#[derive(Debug, Clone)]
pub struct Story {
    /// For the one who reads a failure.
    #[expect(dead_code, reason = "shown by Debug")]
    pub name: &'static str,
    pub policy: Policy,
    pub places: Vec<(DestinationId, StorageKind)>,
    pub events: Vec<(SignedDuration, &'static str, JournalEvent)>,
}

impl Story {
    pub fn new(name: &'static str, store_kind: Option<StorageKind>) -> Self {
        let mut places = vec![(file(), StorageKind::File)];
        places.extend(store_kind.map(|kind| (store(), kind)));
        Self { name, policy: Policy::Rotate, places, events: Vec::new() }
    }

    #[must_use]
    pub fn then(mut self, ago: SignedDuration, event: JournalEvent) -> Self {
        self.events.push((ago, THEM, event));
        self
    }

    #[must_use]
    pub fn intent(self, ago: SignedDuration, compromised: bool) -> Self {
        let frozen = |(place, kind): &(DestinationId, StorageKind)| DestinationSnapshot {
            destination: place.clone(),
            kind: *kind,
            fingerprint: Some(marker(place, OLD)),
            spec: serde_json::Value::Null,
        };
        let places = self.places.iter().map(frozen).collect();
        self.then(
            ago,
            JournalEvent::Intent { number: 1, user_id: "AID".into(), key: OLD.into(), places, compromised },
        )
    }

    /// A user without a key. `filled`: what shows its value holds something, of no key.
    #[must_use]
    pub fn first_key(self, ago: SignedDuration, filled: bool) -> Self {
        let frozen = |(place, kind): &(DestinationId, StorageKind)| DestinationSnapshot {
            destination: place.clone(),
            kind: *kind,
            fingerprint: (filled && *kind != StorageKind::Store).then(|| marker(place, OLD)),
            spec: serde_json::Value::Null,
        };
        let places = self.places.iter().map(frozen).collect();
        let number = 1 + self.events.iter().filter(|(_, _, event)| begins(event)).count() as u32;
        self.then(ago, JournalEvent::FirstKey { number, user_id: "AID".into(), places })
    }

    /// Whether the last that began is of a first key.
    pub fn is_first_key(&self) -> bool {
        let last = self.events.iter().rev().find(|(_, _, event)| begins(event));
        last.is_some_and(|(_, _, event)| matches!(event, JournalEvent::FirstKey { .. }))
    }

    /// A user whose keys go.
    #[must_use]
    pub fn asks(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    #[must_use]
    pub fn retirement(self, ago: SignedDuration) -> Self {
        let number = 1 + self.events.iter().filter(|(_, _, event)| begins(event)).count() as u32;
        self.then(ago, JournalEvent::Retirement { number, user_id: "AID".into(), key: OLD.into() })
    }

    #[must_use]
    pub fn staged(self, ago: SignedDuration) -> Self {
        let known = |kind: StorageKind| kind != StorageKind::Store;
        let files: BTreeMap<DestinationId, Fingerprint> = self
            .places
            .iter()
            .filter(|(_, kind)| known(*kind))
            .map(|(place, _)| (place.clone(), marker(place, NEW)))
            .collect();
        let payloads: BTreeSet<DestinationId> =
            self.places.iter().filter(|(_, kind)| !known(*kind)).map(|(place, _)| place.clone()).collect();
        self.then(ago, JournalEvent::Create)
            .then(ago, JournalEvent::Staged { key: NEW.into(), files, payloads, recipients: BTreeMap::new() })
    }

    #[must_use]
    pub fn proposed(self, ago: SignedDuration) -> Self {
        self.then(ago, JournalEvent::Verified).then(ago, JournalEvent::Proposed { pull_request: 5 })
    }

    #[must_use]
    pub fn delivered(self, ago: SignedDuration) -> Self {
        let has_store = self.places.len() > 1;
        let event = JournalEvent::Delivered { place: store(), marker: marker(&store(), NEW) };
        if has_store { self.then(ago, event) } else { self }
    }

    /// After which event a redeployment belongs, and why; `None` before its time.
    pub fn redeployment_due(&self) -> Option<(usize, RedeployCause)> {
        let position =
            |what: fn(&JournalEvent) -> bool| self.events.iter().rposition(|(_, _, event)| what(event));
        if position(|event| matches!(event, JournalEvent::Rollback { .. })).is_some() {
            let given_up = position(|event| matches!(event, JournalEvent::NewKeyAbandoned { .. }))?;
            return Some((given_up, RedeployCause::Rollback));
        }
        let done = position(|event| matches!(event, JournalEvent::Distributed))?;
        Some((done, RedeployCause::Delivery))
    }

    /// Tells that the workflow was about to be started, or was, right after an event.
    pub fn redeploy(&mut self, after: usize, cause: RedeployCause, is_started: bool) {
        let ago = self.events[after].0;
        self.events.insert(after + 1, (ago, THEM, JournalEvent::Redeploying { cause }));
        if is_started {
            self.events.insert(after + 2, (ago, THEM, JournalEvent::Redeployed { cause, run: 7 }));
        }
    }

    pub fn entries(&self) -> Vec<JournalEntry> {
        let entry = |(ago, run, event): &(SignedDuration, &'static str, JournalEvent)| JournalEntry {
            version: JOURNAL_VERSION,
            user: "ci".into(),
            at: now() - *ago,
            run: (*run).into(),
            event: event.clone(),
        };
        self.events.iter().map(entry).collect()
    }

    pub fn journal(&self) -> Journal {
        let entries = self.entries();
        Journal::from_chain("ci", entries.iter().map(|entry| ("commit", entry)))
    }

    /// Whether something happened, and how long ago the last time.
    pub fn last(&self, what: impl Fn(&JournalEvent) -> bool) -> Option<SignedDuration> {
        self.events.iter().rev().find(|(_, _, event)| what(event)).map(|(ago, _, _)| *ago)
    }
}

pub fn begins(event: &JournalEvent) -> bool {
    matches!(
        event,
        JournalEvent::Intent { .. } | JournalEvent::FirstKey { .. } | JournalEvent::Retirement { .. }
    )
}

pub fn key(id: &str, status: KeyState, used: Observed<Option<KeyUse>>) -> ObservedKey {
    let created = now() - if id == OLD { days(400) } else { days(30) };
    ObservedKey { id: id.into(), status, created, last_used: used }
}

pub fn used(ago: SignedDuration, service: &str) -> Observed<Option<KeyUse>> {
    Observed::Known(Some(KeyUse { at: now() - ago, service: service.into(), region: None }))
}

pub fn never() -> Observed<Option<KeyUse>> {
    Observed::Known(None)
}

pub fn claim(run: &'static str, until: SignedDuration) -> (SignedDuration, &'static str, JournalEvent) {
    (minutes(1), run, JournalEvent::Claim { until: now() + until })
}

pub fn pull(state: PullRequestState) -> Observed<Option<PullRequest>> {
    Observed::Known(Some(PullRequest { number: 5, opened: now() - days(40), state }))
}

/// What is seen when this run has the claim, no one minds, and each destination holds the key that is reported.
pub fn seen(story: &Story, holds: &str, keys: Vec<ObservedKey>) -> Observation {
    let mut story = story.clone();
    story.events.push((minutes(0), US, JournalEvent::Claim { until: now() + minutes(30) }));
    let listed: BTreeSet<KeyId> = keys.iter().map(|key| key.id.clone()).collect();
    // In these stories only keytide deactivates keys
    let mut inactive = InactiveKeys::default();
    for key in keys.iter().filter(|key| key.is_inactive()) {
        inactive.record_deactivation(&key.id, false, now());
    }
    let facts = |(place, kind): &(DestinationId, StorageKind)| DestinationState {
        id: place.clone(),
        kind: *kind,
        fingerprint: Observed::Known(Some(marker(place, holds))),
    };
    Observation {
        user: "ci".into(),
        run: US.into(),
        now: now(),
        listed: Observed::Known(listed),
        journal: Observed::Known(story.journal()),
        branch: Observed::Known(BranchTip::Staged),
        pull_request: pull(PullRequestState::Open { conflicting: false }),
        revert_pull_request: Observed::Known(None),
        destinations: story.places.iter().map(facts).collect(),
        key_mentions: Observed::Known(BTreeMap::new()),
        is_stopped: Observed::Known(false),
        validated_at: Observed::Known(None),
        redeploy_run: Observed::Known(None),
        preflight: Observed::Known(Ok(())),
        removed_recipient: Observed::NotAsked,
        user_id: Observed::Known(Some("AID".into())),
        owner: Observed::Known(OwnerTag::ThisRepository),
        inactive_keys: Observed::Known(inactive),
        keys: Observed::Known(keys),
        request: RotationRequest::default(),
    }
}
