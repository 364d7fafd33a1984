//! Recognises files that age encrypted.

use crate::destinations::suggestion::{CandidateFile, SuggestedEntry, Suggestion};

/// Suggests a file of age. Its recipients cannot be read from it.
pub fn suggest_age_file(file: &CandidateFile<'_>) -> Vec<Suggestion> {
    // Both: other programs use the ending `.age` as well.
    let begins_well = file.bytes.starts_with(b"age-encryption.org/")
        || file.bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE");
    if !file.path.ends_with(".age") || !begins_well {
        return Vec::new();
    }
    let missing = "the format, and the recipients";
    let entry = SuggestedEntry::Unfinished { file: file.path.to_owned(), kind: "age", missing };
    vec![Suggestion::in_file(file.path, "", entry)]
}
