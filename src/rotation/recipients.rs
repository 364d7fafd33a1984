//! The recipients that can decrypt a new key. Each rotation records them, so that the next one can show what changed.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::DestinationId;
use crate::hash::sha256_hex;

/// The recipients of each destination, in their own words.
pub type Recipients = BTreeMap<DestinationId, BTreeSet<String>>;

/// The change of one destination since the last rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientChange<'a> {
    pub place: &'a DestinationId,
    /// The last rotation did not have the destination.
    pub is_new: bool,
    pub added: Vec<&'a str>,
    pub removed: Vec<&'a str>,
}

/// SHA-256 over destinations and recipients, as the tag `keytide:destinations` holds it: of the JSON object whose names
/// are the destinations and whose values are the lists of recipients, both in order, without white space.
pub fn approval_digest(recipients: &Recipients) -> String {
    let json = serde_json::to_string(recipients).unwrap_or_default();
    sha256_hex(json.as_bytes())
}

/// The changes of the destinations that there are now; empty if nothing changed.
pub fn diff_recipients<'a>(before: &'a Recipients, now: &'a Recipients) -> Vec<RecipientChange<'a>> {
    let mut changes = Vec::new();
    for (place, names) in now {
        let former = before.get(place);
        let is_new = former.is_none();
        let mut added = Vec::new();
        for name in names {
            if !former.is_some_and(|former| former.contains(name)) {
                added.push(name.as_str());
            }
        }
        let removed = former.into_iter().flatten().filter(|name| !names.contains(*name));
        let removed: Vec<&str> = removed.map(String::as_str).collect();
        if is_new || !added.is_empty() || !removed.is_empty() {
            changes.push(RecipientChange { place, is_new, added, removed });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(places: &[(&str, &[&str])]) -> Recipients {
        let mut recipients = Recipients::new();
        for (place, names) in places {
            recipients.insert((*place).into(), names.iter().map(|name| (*name).to_owned()).collect());
        }
        recipients
    }

    #[test]
    fn a_change_is_reported_by_destination() {
        let before = of(&[("age a", &["age1x", "age1y"]), ("age gone", &["age1x"])]);
        let now = of(&[("age a", &["age1x", "age1z"]), ("age b", &[]), ("age same", &["age1q"])]);
        assert!(diff_recipients(&now, &now).is_empty());
        let changes = diff_recipients(&before, &now);
        assert_eq!(changes.len(), 3);
        assert_eq!((&**changes[0].place, changes[0].is_new), ("age a", false));
        assert_eq!((&changes[0].added, &changes[0].removed), (&vec!["age1z"], &vec!["age1y"]));
        assert!(changes[1].is_new && changes[2].is_new);
    }

    /// To move a name to another destination, or to write it as a destination, changes the digest.
    #[test]
    fn an_approval_is_for_exactly_one_list() {
        let one = of(&[("age a", &["age1x"]), ("age b", &["age1y"])]);
        assert_eq!(approval_digest(&one), approval_digest(&one.clone()));
        assert_ne!(
            approval_digest(&one),
            approval_digest(&of(&[("age a", &["age1y"]), ("age b", &["age1x"])]))
        );
        assert_ne!(
            approval_digest(&one),
            approval_digest(&of(&[("age a", &["age1x"]), ("age b", &["age1y", "age1z"])]))
        );
        assert_ne!(approval_digest(&of(&[("a", &[]), ("b", &[])])), approval_digest(&of(&[("a", &["b"])])));
    }
}
