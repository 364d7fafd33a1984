//! Recognises SealedSecrets.

use crate::destinations::suggestion::{CandidateFile, SuggestedEntry, Suggestion, pair_names};
use crate::policy::Destination;
use crate::policy::file::SealedSecret;
use crate::policy::scalar::FilePath;
use crate::yaml::{YamlField, YamlNode, parse_documents};

/// Suggests the items of each SealedSecret whose names are those of a credential.
pub fn suggest_items(file: &CandidateFile<'_>) -> Vec<Suggestion> {
    let Some(text) = file.text.filter(|text| text.contains("SealedSecret")) else { return Vec::new() };
    let mut suggested = Vec::new();
    for root in parse_documents(text).unwrap_or_default() {
        if root.get("kind").and_then(YamlNode::scalar_text) != Some("SealedSecret") {
            continue;
        }
        let items = root.get("spec").and_then(|spec| spec.get("encryptedData"));
        let names: Vec<&str> = items.into_iter().flat_map(YamlNode::fields).map(YamlField::name).collect();
        for pair in pair_names(&names) {
            let entry = match file.known.certificate {
                Some(certificate) => SuggestedEntry::Destination(Destination::SealedSecret(SealedSecret {
                    file: FilePath(file.path.to_owned()),
                    certificate: FilePath(certificate.to_owned()),
                    access_key_id: pair.access_key_id.to_owned(),
                    secret_access_key: pair.secret_access_key.to_owned(),
                })),
                None => SuggestedEntry::Unfinished {
                    file: file.path.to_owned(),
                    kind: "sealed_secret",
                    missing: "the controller's certificate (`kubeseal --fetch-cert`)",
                },
            };
            suggested.push(Suggestion::in_file(file.path, pair.access_key_id, entry));
        }
    }
    suggested
}
