//! Suggests the destinations that a file of the repository seems to be, for the policy file that `keytide init` writes.

use super::kind::SUGGESTERS;
use super::suggestion::CandidateFile;
pub use super::suggestion::{KnownFiles, SuggestedEntry, is_certificate, may_be_certificate};

/// Asks each kind of destination about one file.
pub fn suggest_destinations(path: &str, bytes: &[u8], known: KnownFiles<'_>) -> Vec<SuggestedEntry> {
    let file = CandidateFile::new(path, bytes, known);
    SUGGESTERS.iter().flat_map(|suggest| suggest(&file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let shown = |suggestion| match suggestion {
            SuggestedEntry::Destination(destination) => serde_json::to_string(&destination).unwrap(),
            SuggestedEntry::Unfinished { file, kind, .. } => format!("{kind} {file}"),
        };
        let known = KnownFiles { repository: Some("acme/app"), certificate: Some("k8s/cert.pem") };
        suggest_destinations(path, text.as_bytes(), known).into_iter().map(shown).collect()
    }

    #[test]
    fn a_file_of_sops_is_known_by_its_metadata() {
        let text =
            "aws:\n  access_key_id: ENC[AES256_GCM,data:x]\n  secret_access_key: ENC[AES256_GCM,data:y]\n";
        assert!(found("a.yaml", text).is_empty());
        let sops = found("a.yaml", &format!("{text}sops:\n  mac: ENC[AES256_GCM,data:z]\n"));
        assert_eq!(
            sops,
            [
                r#"{"sops":{"file":"a.yaml","access_key_id":"aws.access_key_id","secret_access_key":"aws.secret_access_key"}}"#
            ]
        );
        let dotenv = "AWS_ACCESS_KEY_ID=ENC[x]\nAWS_SECRET_ACCESS_KEY=ENC[y]\nsops_mac=ENC[z]\n";
        assert!(found("a.env", dotenv)[0].contains(r#""access_key_id":"AWS_ACCESS_KEY_ID""#));
    }

    #[test]
    fn sealed_secrets_workflows_and_age_files_are_known() {
        let manifest = "kind: SealedSecret\nspec:\n  encryptedData:\n    AWS_ACCESS_KEY_ID: Ag\n    AWS_SECRET_ACCESS_KEY: Ag\n";
        assert!(found("k8s/a.yaml", manifest)[0].starts_with(r#"{"sealed_secret""#));
        let workflow =
            "env:\n  A: ${{ secrets.CI_AWS_ACCESS_KEY_ID }}\n  B: ${{secrets.CI_AWS_SECRET_ACCESS_KEY}}\n";
        assert!(found(".github/workflows/a.yml", workflow)[0].contains("CI_AWS_SECRET_ACCESS_KEY"));
        assert!(found("docs/a.yml", workflow).is_empty());
        assert_eq!(found("x.age", "age-encryption.org/v1\n"), ["age x.age"]);
        assert!(found("x.age", "what").is_empty());
    }
}
