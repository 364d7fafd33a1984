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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::Destination;

    fn found(path: &str, text: &str) -> Vec<String> {
        let shown = |suggestion: Suggestion| match suggestion.entry {
            SuggestedEntry::Destination(destination) => serde_json::to_string(&destination).unwrap(),
            SuggestedEntry::Unfinished { file, kind, .. } => format!("{kind} {file}"),
        };
        let known = KnownFiles { repository: Some("acme/app"), certificate: Some("k8s/cert.pem") };
        suggest_destinations(path, text.as_bytes(), known).into_iter().map(shown).collect()
    }

    #[test]
    fn secrets_keep_their_environment_and_two_credentials_stay_two() {
        let job = |environment: &str, id: &str| {
            format!(
                "    environment: {environment}\n    env:\n      AWS_ACCESS_KEY_ID: ${{{{ secrets.{id} }}}}\n      AWS_SECRET_ACCESS_KEY: ${{{{ secrets.{id}_SECRET }}}}\n"
            )
        };
        let text = format!(
            "jobs:\n  a:\n{}  b:\n{}  c:\n{}",
            job("production", "ID"),
            job("staging", "ID"),
            job("${{ inputs.x }}", "OTHER")
        );
        let known = KnownFiles { repository: Some("acme/app"), certificate: None };
        let found = suggest_destinations(".github/workflows/a.yml", text.as_bytes(), known);
        let groups: BTreeSet<_> = found.iter().map(|suggestion| suggestion.group.clone()).collect();
        assert_eq!((found.len(), groups.len()), (3, 3), "{found:?}");
        let SuggestedEntry::Destination(Destination::GithubSecret(secret)) = &found[0].entry else {
            panic!()
        };
        assert_eq!(secret.environment.as_deref(), Some("production"));
        assert!(matches!(found[2].entry, SuggestedEntry::Unfinished { kind: "github_secret", .. }));
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
