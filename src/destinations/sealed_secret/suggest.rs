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
                Some(certificate) => SuggestedEntry::Destination(Destination::SealedSecret(
                    SealedSecret {
                        file: FilePath(file.path.to_owned()),
                        certificate: FilePath(certificate.to_owned()),
                        access_key_id: pair.access_key_id.to_owned(),
                        secret_access_key: pair.secret_access_key.to_owned(),
                        ses_smtp_password: None,
                    }
                    .into(),
                )),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::suggestion::KnownFiles;

    #[test]
    fn a_manifest_is_recognised_by_its_kind() {
        let manifest = "kind: SealedSecret\nspec:\n  encryptedData:\n    AWS_ACCESS_KEY_ID: Ag\n    AWS_SECRET_ACCESS_KEY: Ag\n";
        let known = KnownFiles { repository: None, certificate: Some("k8s/cert.pem") };
        let suggest = |text: &str| suggest_items(&CandidateFile::new("k8s/a.yaml", text.as_bytes(), known));
        let found = suggest(manifest);
        let SuggestedEntry::Destination(destination) = &found[0].entry else { panic!() };
        let text = serde_json::to_string(destination).unwrap();
        assert!(text.starts_with(r#"{"sealed_secret""#) && text.contains("k8s/cert.pem"), "{text}");
        assert!(suggest(&manifest.replace("SealedSecret", "Secret")).is_empty());
    }
}
