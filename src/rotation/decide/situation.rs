//! One observation with its basics known, and the questions that rows ask of it.

use jiff::{SignedDuration, Timestamp};

use super::{Decision, Protocol};
use crate::rotation::journal::{Frozen, Journal, PlaceKind, REQUEST_LIFE, Rotation};
use crate::rotation::{
    Datum, Key, KeyId, Observation, Phase, PlaceFacts, PlaceId, Proposal, PullState, Rules,
};

/// What a destination holds, as far as the rotation under way is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Old,
    New,
    /// Nothing, and it held nothing when the rotation began.
    Nothing,
    /// Something that keytide did not put there.
    Foreign,
    Unread,
}

/// What is needed to say anything at all.
pub struct Case<'a> {
    pub seen: &'a Observation,
    pub rules: &'a Rules,
    pub protocol: &'a Protocol,
    pub journal: &'a Journal,
    pub keys: &'a [Key],
    pub now: Timestamp,
}

/// A store that took the new key and shows nothing: perhaps the token may not see it any more.
fn is_lost(rotation: &Rotation, frozen: &Frozen) -> bool {
    frozen.kind == PlaceKind::Store && rotation.delivered.contains_key(&frozen.place)
}

impl<'a> Case<'a> {
    /// # Errors
    /// Says which of the basics could not be read.
    pub fn of(seen: &'a Observation, rules: &'a Rules, protocol: &'a Protocol) -> Result<Self, String> {
        let unread = |what: &str, why: &str| format!("{what} could not be read: {why}");
        seen.listed.read().map_err(|why| unread("the user's keys", why))?;
        let keys = seen.keys.read().map_err(|why| unread("the user's keys", why))?;
        let journal = seen.journal.read().map_err(|why| unread("the journal", why))?;
        seen.user_id.read().map_err(|why| unread("the user", why))?;
        Ok(Self { seen, rules, protocol, journal, keys, now: seen.now })
    }

    /// The rotation under way.
    pub fn open(&self) -> Option<&'a Rotation> {
        self.journal.open.as_ref()
    }

    /// The rotation under way, when its new key is kept.
    pub fn staged(&self) -> Option<(&'a Rotation, &'a KeyId)> {
        let rotation = self.open()?;
        Some((rotation, rotation.new_key()?))
    }

    pub fn key(&self, id: &str) -> Option<&'a Key> {
        self.keys.iter().find(|key| &*key.id == id)
    }

    /// Whether a key was in the first list of keys as well.
    pub fn was_listed(&self, id: &str) -> bool {
        self.seen.listed.known().is_some_and(|listed| listed.contains(id))
    }

    /// The key that a destination's marker stands for.
    pub fn key_at(&self, place: &PlaceFacts) -> Option<&'a KeyId> {
        self.journal.key_at(place)
    }

    /// What a destination of the rotation holds.
    pub fn holds(&self, rotation: &Rotation, frozen: &Frozen) -> Holds {
        let Some(place) = self.seen.places.iter().find(|place| place.id == frozen.place) else {
            return Holds::Unread;
        };
        match (&place.marker, self.key_at(place)) {
            (Datum::Unknown(_), _) => Holds::Unread,
            (_, Some(key)) if *key == rotation.old => Holds::Old,
            (_, Some(key)) if Some(key) == rotation.new_key() => Holds::New,
            (Datum::Known(None), _) if frozen.marker.is_none() && !is_lost(rotation, frozen) => {
                Holds::Nothing
            }
            _ => Holds::Foreign,
        }
    }

    /// That a destination could not be read, and why.
    pub fn unread(&self, place: &PlaceId) -> String {
        let found = self.seen.places.iter().find(|found| found.id == *place);
        let why = found.and_then(|found| found.marker.read().err()).unwrap_or("nobody looked");
        format!("`{place}` could not be read: {why}")
    }

    /// The destinations of a rotation in files, or in stores, with what they hold.
    pub fn places(&self, rotation: &'a Rotation, files: bool) -> impl Iterator<Item = (&'a Frozen, Holds)> {
        let wanted = move |frozen: &&Frozen| (frozen.kind == PlaceKind::File) == files;
        rotation.places.iter().filter(wanted).map(|frozen| (frozen, self.holds(rotation, frozen)))
    }

    /// Whether every file destination on the default branch holds the new key. Without one, the merge tells.
    pub fn is_merged(&self, rotation: &'a Rotation) -> bool {
        let mut files = self.places(rotation, true).peekable();
        if files.peek().is_none() {
            // After the new key was given up a merge brings nothing.
            let given_up = rotation.tombstone.is_some() && rotation.delivered.is_empty();
            return self.merged_at().is_some() && !given_up;
        }
        files.all(|(_, holds)| holds == Holds::New)
    }

    pub fn merged_at(&self) -> Option<Timestamp> {
        match self.proposal()?.state {
            PullState::Merged { at } => Some(at),
            _ => None,
        }
    }

    pub fn proposal(&self) -> Option<&'a Proposal> {
        self.seen.proposal.known()?.as_ref()
    }

    /// The first destination of the rotation that holds the new key.
    pub fn somewhere_new(&self, rotation: &'a Rotation) -> Option<&'a Frozen> {
        rotation.places.iter().find(|frozen| self.holds(rotation, frozen) == Holds::New)
    }

    /// Whether anything refers to a key: a destination, or a file that names it.
    ///
    /// # Errors
    /// Says what is not known.
    pub fn is_referenced(&self, key: &KeyId) -> Result<Option<String>, String> {
        let mut unclear = None;
        for place in &self.seen.places {
            match (&place.marker, self.key_at(place)) {
                (Datum::Unknown(why), _) => {
                    unclear.get_or_insert(format!("`{}` could not be read: {why}", place.id));
                }
                (_, Some(held)) if held == key => return Ok(Some(format!("`{}` holds it", place.id))),
                (Datum::Known(Some(_)), None) => {
                    unclear.get_or_insert(format!(
                        "`{}` holds a credential that keytide did not put there",
                        place.id
                    ));
                }
                _ => {}
            }
        }
        let mentions =
            self.seen.mentions.read().map_err(|why| format!("the files could not be searched: {why}"))?;
        if let Some(what) = mentions.get(key) {
            return Ok(Some(what.to_string()));
        }
        unclear.map_or(Ok(None), Err)
    }

    /// Until when a request of another run may still change a key. This run's own were answered, or it would have ended.
    pub fn pending(&self) -> Option<Timestamp> {
        let others = self.journal.sent.iter().filter(|(run, _)| **run != self.seen.run);
        others.map(|(_, at)| *at + REQUEST_LIFE).filter(|until| *until > self.now).max()
    }

    /// A deletion that was announced cannot be called back: whether the key survives it must be seen first.
    pub fn may_vanish(&self, key: &KeyId, phase: Phase) -> Option<Decision> {
        let deleted = self.open().is_some_and(|open| open.deleting.as_ref() == Some(key));
        let until = self.pending().filter(|_| deleted)?;
        let why = format!("a request to delete {key} may still be on its way");
        Some(Decision::wait(phase, why).until(until))
    }

    /// The first destination of the rotation that holds what keytide did not put there.
    pub fn somewhere_foreign(&self, rotation: &'a Rotation) -> Option<&'a Frozen> {
        rotation.places.iter().find(|frozen| self.holds(rotation, frozen) == Holds::Foreign)
    }

    /// What a destination holds that is neither of the keys, in words.
    pub fn told(&self, place: &PlaceId, foreign: &str) -> String {
        let found = self.seen.places.iter().find(|found| found.id == *place);
        if found.is_some_and(|found| found.marker.known() == Some(&None)) {
            return format!("`{place}` is not there any more");
        }
        format!("`{place}` holds {foreign}")
    }

    /// How long ago.
    pub fn since(&self, then: Timestamp) -> SignedDuration {
        self.now.duration_since(then)
    }
}
