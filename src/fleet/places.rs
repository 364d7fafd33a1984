//! Finds the places that the policy files of several repositories write. Within one policy file two users with the same place
//! are an error; here each file is right by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::destinations::kind::Storage;
use crate::policy::{Policy, UserPolicy};
use crate::rules::{ContestedPlace, PlaceWriter};

/// A value that a policy file writes outside of its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenValue {
    /// In the same words for every repository that writes it.
    pub value: String,
    pub writer: PlaceWriter,
    /// Whether keytide rotates the user: otherwise it only looks at the place.
    pub is_rotated: bool,
}

/// The values that a policy file writes to services. A file is in its repository, and never that of another.
pub fn list_written_values(repository: &str, policy: &Policy, account: Option<&str>) -> Vec<WrittenValue> {
    policy.users.iter().flat_map(|entry| values_of_user(repository, policy, (entry, account))).collect()
}

fn values_of_user(
    repository: &str,
    policy: &Policy,
    (entry, account): (&UserPolicy, Option<&str>),
) -> Vec<WrittenValue> {
    let mut written = Vec::new();
    for (destination, at) in entry.destinations.iter().zip(&entry.destination_positions) {
        let Storage::Store(store) = destination.kind().storage() else { continue };
        let writer =
            PlaceWriter { repository: repository.to_owned(), file: policy.file.clone(), line: at.line };
        written.extend(store.values_in_fleet(account).into_iter().map(|value| WrittenValue {
            value,
            writer: writer.clone(),
            is_rotated: entry.rotation.is_some(),
        }));
    }
    written
}

/// The places that several repositories write, at least one of them by rotations. The values of a place that have the same
/// writers are together.
pub fn find_contested_places(written: &[WrittenValue]) -> Vec<ContestedPlace> {
    let mut writers_of: BTreeMap<&str, BTreeMap<&str, &WrittenValue>> = BTreeMap::new();
    for one in written {
        let of_repository = writers_of.entry(&one.value).or_default();
        let known = of_repository.entry(&one.writer.repository).or_insert(one);
        if one.is_rotated && !known.is_rotated {
            *known = one;
        }
    }
    let mut places: BTreeMap<Vec<&PlaceWriter>, BTreeSet<&str>> = BTreeMap::new();
    for (value, writers) in writers_of {
        if writers.len() > 1 && writers.values().any(|one| one.is_rotated) {
            let writers = writers.into_values().map(|one| &one.writer).collect();
            places.entry(writers).or_default().insert(value);
        }
    }
    let mut contested = Vec::new();
    for (writers, values) in places {
        contested.push(ContestedPlace {
            values: values.into_iter().map(str::to_owned).collect(),
            writers: writers.into_iter().cloned().collect(),
        });
    }
    contested
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str, repository: &str, line: u32, is_rotated: bool) -> WrittenValue {
        let (repository, file) = (repository.to_owned(), "keytide.yml".to_owned());
        WrittenValue { value: value.to_owned(), writer: PlaceWriter { repository, file, line }, is_rotated }
    }

    /// Values with their writers, as the places hold them.
    fn contested(written: &[WrittenValue]) -> Vec<(String, String)> {
        let line = |place: ContestedPlace| {
            let writers: Vec<String> =
                place.writers.iter().map(|one| format!("{}:{}", one.repository, one.line)).collect();
            (place.values.join(" "), writers.join(" "))
        };
        find_contested_places(written).into_iter().map(line).collect()
    }

    #[test]
    fn values_with_the_same_writers_are_one_place() {
        let all = [
            written("id", "a/b", 4, true),
            written("secret", "a/b", 4, true),
            written("secret", "a/c", 7, false),
            written("id", "a/c", 7, false),
            written("other", "a/c", 9, true),
            written("other", "a/d", 2, true),
        ];
        let pair = |values: &str, writers: &str| (values.to_owned(), writers.to_owned());
        assert_eq!(contested(&all), [pair("id secret", "a/b:4 a/c:7"), pair("other", "a/c:9 a/d:2")]);
    }

    #[test]
    fn a_place_of_one_repository_or_without_a_rotation_is_not_contested() {
        assert_eq!(contested(&[written("id", "a/b", 4, true), written("id", "a/b", 9, true)]), []);
        assert_eq!(contested(&[written("id", "a/b", 4, false), written("id", "a/c", 9, false)]), []);
        let rotated =
            [written("id", "a/b", 4, false), written("id", "a/c", 9, false), written("id", "a/b", 6, true)];
        assert_eq!(contested(&rotated), [("id".to_owned(), "a/b:6 a/c:9".to_owned())]);
    }
}
