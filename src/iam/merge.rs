//! Which slot of the credential report is which access key.
//!
//! The report has no access key IDs, and the order of its slots is not the order of the keys' age. A slot is
//! taken for a key only where nothing else is possible.

use super::{AccessKey, SourcedFact};

/// For each key, the slot of the report that must be it. A key made after the report has none.
pub fn match_keys_to_slots<'a>(keys: &[AccessKey], slots: &'a [AccessKey]) -> Vec<Option<&'a AccessKey>> {
    let same_date = |key: &AccessKey, slot: &AccessKey| key.created_at == slot.created_at;
    let mut joined: Vec<Option<&AccessKey>> = keys
        .iter()
        .map(|key| {
            let mut candidates = slots.iter().filter(|slot| same_date(key, slot));
            let rivals = keys.iter().filter(|other| other.created_at == key.created_at).count();
            candidates.next().filter(|_| candidates.next().is_none() && rivals == 1)
        })
        .collect();
    let left: Vec<usize> = (0..keys.len()).filter(|&i| joined[i].is_none()).collect();
    let free: Vec<&AccessKey> = slots
        .iter()
        .filter(|slot| !joined.iter().flatten().any(|taken| std::ptr::eq(*taken, *slot)))
        .collect();
    // One key and one slot left: they are the same unless the key is younger than the slot's date.
    if let ([only], [slot]) = (left.as_slice(), free.as_slice())
        && keys.len() == slots.len()
        && keys[*only].created_at <= slot.created_at
    {
        joined[*only] = Some(slot);
    }
    joined
}

/// The keys with the last use that the report knows of.
pub fn with_last_use(mut keys: Vec<AccessKey>, slots: &[AccessKey]) -> Vec<AccessKey> {
    let joined: Vec<Option<AccessKey>> =
        match_keys_to_slots(&keys, slots).into_iter().map(Option::<&AccessKey>::cloned).collect();
    for (key, slot) in keys.iter_mut().zip(joined) {
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
