//! Suggests the destinations that a file of the repository seems to be, for the policy file that `keytide init` writes.

use super::kind::SUGGESTERS;
use super::suggestion::CandidateFile;
pub use super::suggestion::{
    CredentialGroup, KnownFiles, SuggestedEntry, Suggestion, is_certificate, is_stem_of_user,
    may_be_certificate,
};

/// Asks each kind of destination about one file.
pub fn suggest_destinations(path: &str, bytes: &[u8], known: KnownFiles<'_>) -> Vec<Suggestion> {
    let file = CandidateFile::new(path, bytes, known);
    SUGGESTERS.iter().flat_map(|suggest| suggest(&file)).collect()
}
