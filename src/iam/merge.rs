//! Matches the slots of the credential report with access keys, to take the last use from the report.
//!
//! The report has no access key IDs, and its slots are not in the order of age. A slot is matched with a key only if no
//! other match is possible.

use super::{AccessKey, SourcedFact};

/// Returns for each key the slot that must be this key. A key created after the report has none.
pub fn match_keys_to_slots<'a>(keys: &[AccessKey], slots: &'a [AccessKey]) -> Vec<Option<&'a AccessKey>> {
    let mut joined: Vec<Option<&AccessKey>> = keys
        .iter()
        .map(|key| {
            let mut candidates = slots.iter().filter(|slot| slot.created_at == key.created_at);
            // Two keys of the same second cannot be distinguished, and a wrong last use would hide an idle key.
            let rivals = keys.iter().filter(|other| other.created_at == key.created_at).count();
            candidates.next().filter(|_| candidates.next().is_none() && rivals == 1)
        })
        .collect();
    let left: Vec<usize> = (0..keys.len()).filter(|&i| joined[i].is_none()).collect();
    let free: Vec<&AccessKey> = slots
        .iter()
        .filter(|slot| !joined.iter().flatten().any(|taken| std::ptr::eq(*taken, *slot)))
        .collect();
    // The slot's date is that of the last change of status. So the one key and the one slot that are left are the same,
    // unless the key was created after that date.
    if let ([only], [slot]) = (left.as_slice(), free.as_slice())
        && keys.len() == slots.len()
        && keys[*only].created_at <= slot.created_at
    {
        joined[*only] = Some(slot);
    }
    joined
}

/// Adds the last use from the report to the keys whose last use is unknown.
pub fn with_last_use(mut keys: Vec<AccessKey>, slots: &[AccessKey]) -> Vec<AccessKey> {
    let joined: Vec<Option<AccessKey>> =
        match_keys_to_slots(&keys, slots).into_iter().map(Option::<&AccessKey>::cloned).collect();
    for (key, slot) in keys.iter_mut().zip(joined) {
        // A live reply is newer than any report.
        if let (SourcedFact::Unknown(_), Some(slot)) = (&key.last_used, slot) {
            key.last_used = slot.last_used;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::{KeyStatus, UnknownReason};

    fn key(created_at: &str) -> AccessKey {
        AccessKey {
            id: None,
            slot: None,
            status: KeyStatus::Active,
            created_at: created_at.parse().unwrap(),
            may_be_older: false,
            last_used: SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }

    fn joins(keys: &[&str], slots: &[&str]) -> Vec<Option<usize>> {
        let keys: Vec<AccessKey> = keys.iter().map(|at| key(at)).collect();
        let slots: Vec<AccessKey> = slots.iter().map(|at| key(at)).collect();
        let place = |slot: &AccessKey| slots.iter().position(|s| std::ptr::eq(s, slot));
        match_keys_to_slots(&keys, &slots).into_iter().map(|slot| slot.and_then(place)).collect()
    }

    const A: &str = "2026-01-01T00:00:00Z";
    const B: &str = "2026-02-01T00:00:00Z";
    const C: &str = "2026-03-01T00:00:00Z";

    #[test]
    fn equal_dates_join_whatever_the_order() {
        assert_eq!(joins(&[A, B], &[B, A]), [Some(1), Some(0)]);
    }

    #[test]
    fn a_key_whose_status_changed_is_the_one_that_is_left() {
        assert_eq!(joins(&[A, B], &[C, B]), [Some(0), Some(1)]);
        assert_eq!(joins(&[A], &[C]), [Some(0)]);
    }

    #[test]
    fn what_could_be_either_is_neither() {
        assert_eq!(joins(&[A, A], &[A, A]), [None, None]);
        assert_eq!(joins(&[A, B], &[C, C]), [None, None]);
    }

    #[test]
    fn a_key_younger_than_the_report_has_no_slot() {
        assert_eq!(joins(&[C], &[A]), [None]);
        assert_eq!(joins(&[A, C], &[A]), [Some(0), None]);
        assert_eq!(joins(&[C], &[A, B]), [None]);
    }
}
