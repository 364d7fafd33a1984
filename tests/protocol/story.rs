//! Journals as stories, told in events and ages, and what a run sees when everything else fits them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use keytide::rotation::journal::VERSION;
use keytide::rotation::{
    Asked, BranchTip, Datum, Entry, Event, Frozen, Journal, Key, KeyId, Marker, Observation, Owner,
    PlaceFacts, PlaceId, PlaceKind, Proposal, PullState, Rules, Status, Use,
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

pub fn file() -> PlaceId {
    "sops creds.yaml".into()
}

pub fn store() -> PlaceId {
    "github_secret CREDS".into()
}

/// The marker of a destination that holds a key.
pub fn marker(place: &PlaceId, key: &str) -> Marker {
    format!("{place} with {key}").into()
}

pub fn rules() -> Rules {
    Rules {
        may_rotate: true,
        start_at: days(60),
        grace: days(7),
        quiet: days(3),
        soak: days(7),
        require_use: true,
        validate: false,
    }
}

/// What happened so far, oldest first: how long ago, by whom, what.
#[derive(Debug, Clone)]
pub struct Story {
    /// For whoever reads a failure.
    #[expect(dead_code, reason = "shown by Debug")]
    pub name: &'static str,
    pub places: Vec<(PlaceId, PlaceKind)>,
    pub events: Vec<(SignedDuration, &'static str, Event)>,
}

impl Story {
    pub fn new(name: &'static str, store_kind: Option<PlaceKind>) -> Self {
        let mut places = vec![(file(), PlaceKind::File)];
        places.extend(store_kind.map(|kind| (store(), kind)));
        Self { name, places, events: Vec::new() }
    }

    #[must_use]
    pub fn then(mut self, ago: SignedDuration, event: Event) -> Self {
        self.events.push((ago, THEM, event));
        self
    }

    #[must_use]
    pub fn intent(self, ago: SignedDuration, compromised: bool) -> Self {
        let frozen = |(place, kind): &(PlaceId, PlaceKind)| Frozen {
            place: place.clone(),
            kind: *kind,
            marker: Some(marker(place, OLD)),
            spec: serde_json::Value::Null,
        };
        let places = self.places.iter().map(frozen).collect();
        self.then(
            ago,
            Event::Intent { number: 1, user_id: "AID".into(), key: OLD.into(), places, compromised },
        )
    }

    #[must_use]
    pub fn staged(self, ago: SignedDuration) -> Self {
        let known = |kind: PlaceKind| kind != PlaceKind::Store;
        let files: BTreeMap<PlaceId, Marker> = self
            .places
            .iter()
            .filter(|(_, kind)| known(*kind))
            .map(|(place, _)| (place.clone(), marker(place, NEW)))
            .collect();
        let payloads: BTreeSet<PlaceId> =
            self.places.iter().filter(|(_, kind)| !known(*kind)).map(|(place, _)| place.clone()).collect();
        self.then(ago, Event::Create)
            .then(ago, Event::Staged { key: NEW.into(), files, payloads, recipients: BTreeMap::new() })
    }

    #[must_use]
    pub fn proposed(self, ago: SignedDuration) -> Self {
        self.then(ago, Event::Verified).then(ago, Event::Proposed { pull_request: 5 })
    }

    #[must_use]
    pub fn delivered(self, ago: SignedDuration) -> Self {
        let has_store = self.places.len() > 1;
        let event = Event::Delivered { place: store(), marker: marker(&store(), NEW) };
        if has_store { self.then(ago, event) } else { self }
    }

    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(ago, run, event): &(SignedDuration, &'static str, Event)| Entry {
            version: VERSION,
            user: "ci".into(),
            at: now() - *ago,
            run: (*run).into(),
            event: event.clone(),
        };
        self.events.iter().map(entry).collect()
    }

    pub fn journal(&self) -> Journal {
        let entries = self.entries();
        Journal::read("ci", entries.iter().map(|entry| ("commit", entry)))
    }

    /// Whether something happened, and how long ago the last time.
    pub fn last(&self, what: impl Fn(&Event) -> bool) -> Option<SignedDuration> {
        self.events.iter().rev().find(|(_, _, event)| what(event)).map(|(ago, _, _)| *ago)
    }
}

pub fn key(id: &str, status: Status, used: Datum<Option<Use>>) -> Key {
    let created = now() - if id == OLD { days(400) } else { days(30) };
    Key { id: id.into(), status, created, last_used: used }
}

pub fn used(ago: SignedDuration, service: &str) -> Datum<Option<Use>> {
    Datum::Known(Some(Use { at: now() - ago, service: service.into() }))
}

pub fn never() -> Datum<Option<Use>> {
    Datum::Known(None)
}

pub fn claim(run: &'static str, until: SignedDuration) -> (SignedDuration, &'static str, Event) {
    (minutes(1), run, Event::Claim { until: now() + until })
}

pub fn pull(state: PullState) -> Datum<Option<Proposal>> {
    Datum::Known(Some(Proposal { number: 5, opened: now() - days(40), state }))
}

/// What is seen when this run has the claim, nobody minds, and each destination holds the key that is told.
pub fn seen(story: &Story, holds: &str, keys: Vec<Key>) -> Observation {
    let mut story = story.clone();
    story.events.push((minutes(0), US, Event::Claim { until: now() + minutes(30) }));
    let listed: BTreeSet<KeyId> = keys.iter().map(|key| key.id.clone()).collect();
    let facts = |(place, kind): &(PlaceId, PlaceKind)| PlaceFacts {
        id: place.clone(),
        kind: *kind,
        marker: Datum::Known(Some(marker(place, holds))),
    };
    Observation {
        user: "ci".into(),
        run: US.into(),
        now: now(),
        listed: Datum::Known(listed),
        journal: Datum::Known(story.journal()),
        branch: Datum::Known(BranchTip::Staged),
        proposal: pull(PullState::Open { conflicting: false }),
        revert: Datum::Known(None),
        places: story.places.iter().map(facts).collect(),
        mentions: Datum::Known(BTreeMap::new()),
        stopped: Datum::Known(false),
        validated: Datum::Known(None),
        preflight: Datum::Known(Ok(())),
        user_id: Datum::Known(Some("AID".into())),
        owner: Datum::Known(Owner::Us),
        keys: Datum::Known(keys),
        asked: Asked::default(),
    }
}
