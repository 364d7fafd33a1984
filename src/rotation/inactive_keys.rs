//! What IAM itself records about inactive keys: a tag on the user, which cannot be written through Git.
//!
//! Everyone who can push to the repository can write a journal. So a journal alone re-activates no key and deletes none:
//! the tag must say that keytide deactivated the key, or since when keytide has seen it inactive.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::ids::KeyId;

/// The name of the tag.
pub const INACTIVE_KEYS_TAG: &str = "keytide:inactive-keys";

/// A user has at most two access keys.
const MAX_ENTRIES: usize = 2;

/// Who made a key inactive. Ordered: a later cause replaces an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InactiveCause {
    /// Someone else: keytide found the key inactive.
    Found,
    /// keytide did, right after it wrote the tag.
    Deactivated,
    /// keytide did, and the key is marked as compromised: no journal can bring it back.
    Compromised,
}

/// The inactive keys of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InactiveKeys {
    /// The newest last.
    entries: Vec<(KeyId, InactiveCause, Timestamp)>,
}

impl InactiveKeys {
    /// Reads the tag's value. What is not understood permits nothing, so it is left out.
    pub fn parse(value: &str) -> Self {
        Self { entries: value.split(' ').filter_map(parse_entry).collect() }
    }

    /// Records a key. The entry of a key that is recorded already is kept, so that a repeated request does not begin the
    /// soak anew; only a deactivation by keytide replaces that by someone else.
    pub fn record(&mut self, key: &KeyId, cause: InactiveCause, at: Timestamp) {
        let mut since = at;
        if let Some((before, recorded_at)) = self.find_entry(key) {
            // `record` runs again when a request is repeated; the first time is the one that the soak counts from
            if before >= cause {
                return;
            }
            // The key stays inactive when it is marked as compromised, so its soak goes on
            if before == InactiveCause::Deactivated {
                since = recorded_at;
            }
        }
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
        keys.record(&"AKIA1".into(), InactiveCause::Deactivated, at("2026-11-28T09:00:00Z"));
        keys.record(&"AKIA2".into(), InactiveCause::Found, at("2026-11-28T10:00:00Z"));
        assert_eq!(keys.render(), "AKIA1=deactivated@2026-11-28T09:00:00Z AKIA2=found@2026-11-28T10:00:00Z");
        assert_eq!(InactiveKeys::parse(&keys.render()), keys);
        keys.record(&"AKIA3".into(), InactiveCause::Deactivated, at("2026-11-28T11:00:00Z"));
        assert!(!keys.was_deactivated(&"AKIA1".into()) && keys.was_deactivated(&"AKIA3".into()));
        assert!(keys.render().len() <= 256, "IAM takes no longer value");
    }

    #[test]
    fn a_second_request_for_the_same_key_keeps_the_first_time() {
        let mut keys = InactiveKeys::default();
        keys.record(&"AKIA1".into(), InactiveCause::Deactivated, at("2026-11-28T09:00:00Z"));
        keys.record(&"AKIA1".into(), InactiveCause::Deactivated, at("2026-11-29T09:00:00Z"));
        assert_eq!(keys.inactive_since(&"AKIA1".into()), Some(at("2026-11-28T09:00:00Z")));
        keys.remove(&"AKIA1".into());
        assert_eq!(keys, InactiveKeys::default());
    }

    #[test]
    fn a_compromised_key_keeps_its_time_and_stays_compromised() {
        let mut keys = InactiveKeys::default();
        keys.record(&"AKIA1".into(), InactiveCause::Deactivated, at("2026-11-28T09:00:00Z"));
        keys.record(&"AKIA1".into(), InactiveCause::Compromised, at("2026-11-29T09:00:00Z"));
        keys.record(&"AKIA1".into(), InactiveCause::Deactivated, at("2026-11-30T09:00:00Z"));
        assert_eq!(keys.render(), "AKIA1=compromised@2026-11-28T09:00:00Z");
        assert!(keys.is_compromised(&"AKIA1".into()) && !keys.was_deactivated(&"AKIA1".into()));
        assert_eq!(InactiveKeys::parse(&keys.render()), keys);
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
