//! What IAM itself records about inactive keys: a tag on the user, which cannot be written through Git.
//!
//! Everyone who can push to the repository can write a journal. So a journal alone re-activates no key and deletes none:
//! the tag must say that keytide deactivated the key, or since when keytide has seen it inactive. A user's first key is
//! deactivated or deleted only if the tag says that the user had none before it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::ids::KeyId;
use super::timing::{LIST_LAG, MAX_CLOCK_SKEW, REQUEST_LIFETIME};

/// The name of the tag.
pub const INACTIVE_KEYS_TAG: &str = "keytide:inactive-keys";

/// What begins the entry of a user without keys; a version that does not know it leaves it out.
const KEYLESS: &str = "none@";
/// A user has at most two access keys.
const MAX_ENTRIES: usize = 2;

/// Who made a key inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InactiveCause {
    /// Someone else: keytide found the key inactive.
    Found,
    /// keytide did, right after it wrote the tag.
    Deactivated,
    /// keytide did, and the key is marked as compromised: no journal can bring it back.
    Compromised,
}

/// The inactive keys of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct InactiveKeys {
    /// The newest last.
    entries: Vec<(KeyId, InactiveCause, Timestamp)>,
    /// When keytide was about to make the user's first key: no key was there.
    keyless_at: Option<Timestamp>,
}

impl InactiveKeys {
    /// Reads the tag among a user's tags.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Self {
        tags.get(INACTIVE_KEYS_TAG).map(|value| Self::parse(value)).unwrap_or_default()
    }

    /// Reads the tag's value. What is not understood permits nothing, so it is left out.
    pub fn parse(value: &str) -> Self {
        let keyless = value.split(' ').find_map(|entry| entry.strip_prefix(KEYLESS));
        Self {
            entries: value.split(' ').filter_map(parse_entry).collect(),
            keyless_at: keyless.and_then(|at| at.parse().ok()),
        }
    }

    /// Records that keytide is about to deactivate a key. A mark as compromised stays.
    pub fn record_deactivation(&mut self, key: &KeyId, is_compromised: bool, at: Timestamp) {
        let cause = if is_compromised || self.is_compromised(key) {
            InactiveCause::Compromised
        } else {
            InactiveCause::Deactivated
        };
        // The time of an earlier deactivation would let the key be deleted before its soak is over
        self.put_entry(key, cause, at);
    }

    /// Records that keytide found a key inactive. What is recorded already is kept: the key has been inactive since then.
    pub fn record_found(&mut self, key: &KeyId, at: Timestamp) {
        if self.find_entry(key).is_none() {
            self.put_entry(key, InactiveCause::Found, at);
        }
    }

    /// Marks a key that keytide deactivated as compromised.
    pub fn mark_compromised(&mut self, key: &KeyId) {
        if let Some((_, since)) = self.find_entry(key) {
            // With the time that it had: the mark does not make the soak begin anew
            self.put_entry(key, InactiveCause::Compromised, since);
        }
    }

    /// Forgets a key that is active: someone has activated it since it was recorded, and a later deactivation by hand
    /// must not count as one by keytide. A compromised key stays marked, inactive since now at the earliest. Returns
    /// whether anything changed.
    pub fn forget_active_key(&mut self, key: &KeyId, now: Timestamp) -> bool {
        let Some((cause, since)) = self.find_entry(key) else { return false };
        // Before that, the deactivation may still be under way, or the list of keys may be older than it
        if now.duration_since(since) <= REQUEST_LIFETIME + LIST_LAG {
            return false;
        }
        if cause == InactiveCause::Compromised {
            self.put_entry(key, cause, now);
        } else {
            self.remove(key);
        }
        true
    }

    /// Records that the user has no key, right before its first one is made. A time since the rotation began is kept: a
    /// key that was made after it, by a run that died, is still known to be one of keytide's.
    pub fn record_keyless(&mut self, began_at: Timestamp, now: Timestamp) {
        if self.keyless_at.is_none_or(|at| at < began_at) {
            self.keyless_at = Some(now);
        }
    }

    /// Whether a key was made after keytide found the user without one.
    pub fn was_made_as_first(&self, created: Timestamp) -> bool {
        // The key's date is AWS's, and the tag's time is GitHub's
        self.keyless_at.is_some_and(|at| created + MAX_CLOCK_SKEW >= at)
    }

    fn put_entry(&mut self, key: &KeyId, cause: InactiveCause, since: Timestamp) {
        self.remove(key);
        self.entries.push((key.clone(), cause, since));
        // The oldest goes first: it is of a key that was deleted by hand, since a user has two at most
        let surplus = self.entries.len().saturating_sub(MAX_ENTRIES);
        self.entries.drain(..surplus);
    }

    /// Forgets a key that is active again or deleted.
    pub fn remove(&mut self, key: &KeyId) {
        self.entries.retain(|(known, ..)| known != key);
    }

    /// Whether keytide deactivated a key that no one marked as compromised, so that it may activate it again.
    pub fn was_deactivated(&self, key: &KeyId) -> bool {
        self.find_entry(key).is_some_and(|(cause, _)| cause == InactiveCause::Deactivated)
    }

    /// Whether keytide deactivated a key that is marked as compromised.
    pub fn is_compromised(&self, key: &KeyId) -> bool {
        self.find_entry(key).is_some_and(|(cause, _)| cause == InactiveCause::Compromised)
    }

    /// Since when a key has been inactive, at least as long as that.
    pub fn inactive_since(&self, key: &KeyId) -> Option<Timestamp> {
        self.find_entry(key).map(|(_, since)| since)
    }

    fn find_entry(&self, key: &KeyId) -> Option<(InactiveCause, Timestamp)> {
        self.entries.iter().find(|(known, ..)| known == key).map(|(_, cause, since)| (*cause, *since))
    }

    /// The tag's value.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Some(at) = self.keyless_at {
            let _ = write!(text, "{KEYLESS}{}", at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        }
        for (key, cause, at) in &self.entries {
            let cause = match cause {
                InactiveCause::Deactivated => "deactivated",
                InactiveCause::Compromised => "compromised",
                InactiveCause::Found => "found",
            };
            let separator = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{separator}{key}={cause}@{}", at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        }
        text
    }
}

fn parse_entry(entry: &str) -> Option<(KeyId, InactiveCause, Timestamp)> {
    let (key, rest) = entry.split_once('=')?;
    let (cause, at) = rest.split_once('@')?;
    let cause = match cause {
        "deactivated" => InactiveCause::Deactivated,
        "compromised" => InactiveCause::Compromised,
        "found" => InactiveCause::Found,
        _ => return None,
    };
    Some((key.into(), cause, at.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_tag_is_read_back_and_holds_two_keys() {
        let mut keys = InactiveKeys::default();
        assert_eq!(keys.render(), "");
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-28T09:00:00Z"));
        keys.record_found(&"AKIA2".into(), at("2026-11-28T10:00:00Z"));
        assert_eq!(keys.render(), "AKIA1=deactivated@2026-11-28T09:00:00Z AKIA2=found@2026-11-28T10:00:00Z");
        assert_eq!(InactiveKeys::parse(&keys.render()), keys);
        keys.record_deactivation(&"AKIA3".into(), false, at("2026-11-28T11:00:00Z"));
        assert!(!keys.was_deactivated(&"AKIA1".into()) && keys.was_deactivated(&"AKIA3".into()));
        assert!(keys.render().len() <= 256, "IAM takes no longer value");
    }

    #[test]
    fn a_first_key_is_one_that_was_made_after_none_was_there() {
        let mut keys = InactiveKeys::parse("AKIA1=deactivated@2026-11-28T09:00:00Z");
        assert!(!keys.was_made_as_first(at("2026-11-29T09:00:00Z")));
        keys.record_keyless(at("2026-11-29T08:00:00Z"), at("2026-11-29T08:01:00Z"));
        assert_eq!(keys.render(), "none@2026-11-29T08:01:00Z AKIA1=deactivated@2026-11-28T09:00:00Z");
        assert_eq!(InactiveKeys::parse(&keys.render()), keys);
        keys.record_keyless(at("2026-11-29T08:00:00Z"), at("2026-11-29T09:00:00Z"));
        assert!(keys.was_made_as_first(at("2026-11-29T08:01:01Z")), "the first of two attempts");
        assert!(!keys.was_made_as_first(at("2026-11-29T07:50:00Z")));
        keys.record_keyless(at("2026-11-30T08:00:00Z"), at("2026-11-30T08:01:00Z"));
        assert!(!keys.was_made_as_first(at("2026-11-29T08:01:01Z")), "another rotation");
        keys.record_deactivation(&"A".repeat(20).as_str().into(), true, at("2026-11-28T09:00:00Z"));
        keys.record_deactivation(&"B".repeat(20).as_str().into(), true, at("2026-11-28T09:00:00Z"));
        assert!(keys.render().len() <= 256, "IAM takes no longer value");
    }

    #[test]
    fn a_key_that_is_found_inactive_keeps_its_time_and_a_deactivation_begins_anew() {
        let mut keys = InactiveKeys::default();
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-28T09:00:00Z"));
        keys.record_found(&"AKIA1".into(), at("2026-11-29T09:00:00Z"));
        assert_eq!(keys.render(), "AKIA1=deactivated@2026-11-28T09:00:00Z");
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-30T09:00:00Z"));
        assert_eq!(keys.inactive_since(&"AKIA1".into()), Some(at("2026-11-30T09:00:00Z")));
        keys.remove(&"AKIA1".into());
        assert_eq!(keys, InactiveKeys::default());
    }

    #[test]
    fn a_compromised_key_keeps_its_time_and_stays_compromised() {
        let mut keys = InactiveKeys::default();
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-28T09:00:00Z"));
        keys.mark_compromised(&"AKIA1".into());
        assert_eq!(keys.render(), "AKIA1=compromised@2026-11-28T09:00:00Z");
        assert!(keys.is_compromised(&"AKIA1".into()) && !keys.was_deactivated(&"AKIA1".into()));
        assert_eq!(InactiveKeys::parse(&keys.render()), keys);
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-30T09:00:00Z"));
        assert_eq!(keys.render(), "AKIA1=compromised@2026-11-30T09:00:00Z");
    }

    #[test]
    fn a_key_that_is_active_again_is_forgotten_once_no_deactivation_is_under_way() {
        let mut keys = InactiveKeys::default();
        keys.record_deactivation(&"AKIA1".into(), false, at("2026-11-28T09:00:00Z"));
        keys.record_deactivation(&"AKIA2".into(), true, at("2026-11-28T09:00:00Z"));
        let recorded = keys.clone();
        for now in ["2026-11-28T10:20:00Z", "2026-11-27T09:00:00Z"] {
            assert!(!keys.forget_active_key(&"AKIA1".into(), at(now)), "{now}");
            assert!(!keys.forget_active_key(&"AKIA2".into(), at(now)), "{now}");
            assert_eq!(keys, recorded);
        }
        let later = at("2026-11-28T10:20:01Z");
        assert!(!keys.forget_active_key(&"AKIA3".into(), later));
        assert!(
            keys.forget_active_key(&"AKIA1".into(), later) && keys.forget_active_key(&"AKIA2".into(), later)
        );
        assert_eq!(keys.render(), "AKIA2=compromised@2026-11-28T10:20:01Z");
    }

    #[test]
    fn what_is_not_understood_permits_nothing() {
        for value in
            ["AKIA1", "AKIA1=deactivated", "AKIA1=active@2026-11-28T09:00:00Z", "AKIA1=found@soon", "=@"]
        {
            assert_eq!(InactiveKeys::parse(value), InactiveKeys::default(), "{value}");
        }
    }
}
