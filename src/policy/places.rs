//! Checks that every destination of a policy file is in a place of its own: a second credential in the same place would
//! overwrite the first, or could not be written beside it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::file::{Destination, PolicyFile, UserEntry};
use crate::destinations::kind::Storage;
use crate::diagnostic::SourceFault;
use crate::repository::{LOCK_FOLDER, STOP_FILE};

/// Returns every destination that is in the place of another one, or of one of keytide's own files.
pub fn check_places(file: &PolicyFile) -> Vec<SourceFault> {
    let mut faults = find_repeated_places(file);
    faults.extend(find_shared_values(file));
    faults.extend(find_impossible_files(file));
    faults
}

/// A journal identifies a destination by its place, so two of one user must differ in that.
fn find_repeated_places(file: &PolicyFile) -> Vec<SourceFault> {
    let mut faults = Vec::new();
    for entry in &file.users {
        let mut seen = HashSet::new();
        for destination in &entry.value.destinations {
            let places = places_of(&destination.value);
            if let Some(place) = places.iter().find(|place| seen.contains(*place)) {
                let message = format!("two destinations of this user are {place}");
                let help = "keep one; the globs of all references stand in one `reference`";
                faults.push(SourceFault::at_character(destination.at, message, help));
            }
            seen.extend(places);
        }
    }
    faults
}

/// What the destination is, as far as another of the same user may not be the same.
fn places_of(destination: &Destination) -> Vec<String> {
    let kind = destination.kind();
    match kind.storage() {
        Storage::File(file) => vec![format!("in `{}`", file.credential_file())],
        Storage::Store(_) => kind.written_values(),
        Storage::References(_) => vec!["references".to_owned()],
    }
}

/// Two users may share a file or a secret, each with values of its own. A value that both write holds the key of the user
/// who was rotated last, and the applications of the other lose theirs.
fn find_shared_values(file: &PolicyFile) -> Vec<SourceFault> {
    let mut owners: HashMap<String, &UserEntry> = HashMap::new();
    let mut faults = Vec::new();
    for entry in &file.users {
        for destination in &entry.value.destinations {
            let values = destination.value.kind().written_values();
            let shared = values.iter().find_map(|value| Some((value, owners.get(value)?)));
            if let Some((value, owner)) = shared
                && (entry.value.rotation.is_some() || owner.rotation.is_some())
            {
                let message = format!("{value} is a destination of `{}` as well", selector_text(owner));
                let help = "give each user a place of its own: the rotation of one would overwrite the key of the other";
                faults.push(SourceFault::at_character(destination.at, message, help));
            }
        }
        // After all of this user's: two of one user are another error
        for value in entry.value.destinations.iter().flat_map(|each| each.value.kind().written_values()) {
            owners.entry(value).or_insert(&entry.value);
        }
    }
    faults
}

fn selector_text(entry: &UserEntry) -> &str {
    match (&entry.name, &entry.matches) {
        (Some(name), _) => &name.0,
        (None, Some(glob)) => &glob.text,
        (None, None) => "another entry",
    }
}

/// The files that Git cannot have beside another of the policy file's, and keytide's own.
fn find_impossible_files(file: &PolicyFile) -> Vec<SourceFault> {
    let destinations = file.users.iter().flat_map(|entry| &entry.value.destinations);
    let files: BTreeMap<&str, _> = destinations
        .filter_map(|destination| match destination.value.kind().storage() {
            Storage::File(kept) => Some((kept.credential_file(), destination.at)),
            Storage::Store(_) | Storage::References(_) => None,
        })
        .collect();
    let mut faults = Vec::new();
    for (path, at) in &files {
        if *path == STOP_FILE || path.strip_prefix(LOCK_FOLDER).is_some_and(|rest| rest.starts_with('/')) {
            let message = format!("`{path}` is one of keytide's own files");
            faults.push(SourceFault::at_character(*at, message, "keep the credential in another file"));
        }
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        if let Some(folder) = folders.into_iter().find(|folder| files.contains_key(folder)) {
            let message =
                format!("`{folder}` is the file of another destination, and the folder of this one");
            faults.push(SourceFault::at_character(*at, message, "correct one of the two paths"));
        }
    }
    faults
}
