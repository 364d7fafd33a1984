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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::suggestion::KnownFiles;

    #[test]
    fn a_file_is_recognised_by_its_first_line() {
        let suggest = |text: &str| {
            suggest_age_file(&CandidateFile::new("x.age", text.as_bytes(), KnownFiles::default()))
        };
        let found = suggest("age-encryption.org/v1\n");
        assert!(
            matches!(&found[0].entry, SuggestedEntry::Unfinished { file, kind: "age", .. } if file == "x.age")
        );
        assert!(suggest("what").is_empty());
    }
}
