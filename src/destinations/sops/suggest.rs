//! Recognises files that SOPS encrypted.

use super::store_format::ParsedSopsFile;
use crate::destinations::suggestion::{CandidateFile, SuggestedEntry, Suggestion, pair_names};
use crate::policy::Destination;
use crate::policy::file::SopsDestination;
use crate::policy::scalar::FilePath;
use crate::yaml::{NodeKind, YamlField, YamlNode};

/// The longest path that is suggested; what is below a longer one is not searched.
const MAX_PATH: usize = 500;

/// The paths of the two values of a credential.
struct PathPair {
    access_key_id: String,
    secret_access_key: String,
}

/// Suggests the values of a SOPS file whose names are those of a credential.
pub fn suggest_values(file: &CandidateFile<'_>) -> Vec<Suggestion> {
    let has_known_ending =
        [".yaml", ".yml", ".json", ".env", ".ini"].iter().any(|ending| file.path.ends_with(ending));
    if file.text.is_none() || !has_known_ending {
        return Vec::new();
    }
    let Ok(store) = ParsedSopsFile::parse_file(file.path, file.bytes) else { return Vec::new() };
    // Every file that SOPS has encrypted has a MAC, and few others have a field of this name there.
    if store.metadata_field("mac").is_none() {
        return Vec::new();
    }
    let mut suggested = Vec::new();
    for PathPair { access_key_id, secret_access_key } in find_pairs(&store) {
        let id = access_key_id.clone();
        let sops = SopsDestination {
            file: FilePath(file.path.to_owned()),
            access_key_id,
            secret_access_key,
            ses_smtp_password: None,
        };
        let entry = SuggestedEntry::Destination(Destination::Sops(sops.into()));
        suggested.push(Suggestion::in_file(file.path, &id, entry));
    }
    suggested
}

fn find_pairs(store: &ParsedSopsFile) -> Vec<PathPair> {
    let mut found = Vec::new();
    match store {
        ParsedSopsFile::Tree { roots, .. } => {
            for root in roots {
                collect_pairs(root, "", &mut found);
            }
        }
        ParsedSopsFile::Lines { values, .. } => {
            let short = values.iter().filter(|(path, _)| path.iter().all(|part| part.len() <= MAX_PATH));
            let names: Vec<String> = short.map(|(path, _)| path.join(".")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            add_pairs(&names, "", &mut found);
        }
    }
    found
}

/// Adds the pairs in a tree, as dotted paths. A key that has a dot itself cannot be named.
fn collect_pairs(node: &YamlNode, prefix: &str, found: &mut Vec<PathPair>) {
    if prefix.len() > MAX_PATH {
        return;
    }
    let names: Vec<&str> =
        node.fields().iter().map(YamlField::name).filter(|name| is_nameable(name)).collect();
    add_pairs(&names, prefix, found);
    for field in node.fields().iter().filter(|field| is_nameable(field.name()) && field.name() != "sops") {
        collect_pairs(&field.value, &format!("{prefix}{}.", field.name()), found);
    }
    if let NodeKind::List(items) = &node.kind {
        for (index, item) in items.iter().enumerate() {
            collect_pairs(item, &format!("{prefix}{index}."), found);
        }
    }
}

fn is_nameable(key: &str) -> bool {
    !key.contains('.') && key.len() <= MAX_PATH
}

fn add_pairs(names: &[&str], prefix: &str, found: &mut Vec<PathPair>) {
    for pair in pair_names(names) {
        found.push(PathPair {
            access_key_id: format!("{prefix}{}", pair.access_key_id),
            secret_access_key: format!("{prefix}{}", pair.secret_access_key),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::suggestion::KnownFiles;

    fn suggest(path: &str, text: &str) -> Vec<String> {
        let file = CandidateFile::new(path, text.as_bytes(), KnownFiles::default());
        let mut found = Vec::new();
        for suggestion in suggest_values(&file) {
            let SuggestedEntry::Destination(destination) = suggestion.entry else { panic!() };
            found.push(serde_json::to_string(&destination).unwrap());
        }
        found
    }

    #[test]
    fn a_file_is_recognised_by_its_metadata() {
        let text =
            "aws:\n  access_key_id: ENC[AES256_GCM,data:x]\n  secret_access_key: ENC[AES256_GCM,data:y]\n";
        assert!(suggest("a.yaml", text).is_empty());
        assert_eq!(
            suggest("a.yaml", &format!("{text}sops:\n  mac: ENC[AES256_GCM,data:z]\n")),
            [
                r#"{"sops":{"file":"a.yaml","access_key_id":"aws.access_key_id","secret_access_key":"aws.secret_access_key"}}"#
            ]
        );
        let dotenv = "AWS_ACCESS_KEY_ID=ENC[x]\nAWS_SECRET_ACCESS_KEY=ENC[y]\nsops_mac=ENC[z]\n";
        assert!(suggest("a.env", dotenv)[0].contains(r#""access_key_id":"AWS_ACCESS_KEY_ID""#));
    }
}
