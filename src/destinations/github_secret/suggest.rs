//! Recognises the GitHub secrets that a workflow reads.

use crate::destinations::suggestion::{CandidateFile, SuggestedEntry, pair_names};
use crate::policy::Destination;
use crate::policy::file::{GithubProduct, GithubSecret};
use crate::repository::is_workflow;

/// Suggests the secrets whose names are those of a credential.
pub fn suggest_secrets(file: &CandidateFile<'_>) -> Vec<SuggestedEntry> {
    let (Some(text), Some(repository)) = (file.text, file.known.repository) else { return Vec::new() };
    if !is_workflow(file.path) {
        return Vec::new();
    }
    let mut suggested = Vec::new();
    for pair in pair_names(&secret_names(text)) {
        suggested.push(SuggestedEntry::Destination(Destination::GithubSecret(GithubSecret {
            repository: Some(repository.to_owned()),
            organization: None,
            environment: None,
            product: GithubProduct::Actions,
            access_key_id: Some(pair.access_key_id.to_owned()),
            secret_access_key: Some(pair.secret_access_key.to_owned()),
            json: None,
        })));
    }
    suggested
}

/// The names in `secrets.NAME`, in the order of the text.
fn secret_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for rest in text.split("secrets.").skip(1) {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        names.push(&rest[..end]);
    }
    names
}
