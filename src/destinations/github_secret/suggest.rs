//! Recognises the GitHub secrets that a workflow reads.

use std::collections::BTreeSet;

use crate::destinations::suggestion::{
    CandidateFile, CredentialGroup, SuggestedEntry, Suggestion, find_stem, pair_names,
};
use crate::policy::Destination;
use crate::policy::file::{GithubProduct, GithubSecret};
use crate::repository::{JobEnvironment, JobSecrets, is_workflow, read_job_secrets};

/// The two secrets of a credential, as a job reads them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SecretPair {
    environment: JobEnvironment,
    access_key_id: String,
    secret_access_key: String,
}

/// Suggests the secrets whose names are those of a credential, by job: the environment decides which secret a name means.
pub fn suggest_secrets(file: &CandidateFile<'_>) -> Vec<Suggestion> {
    let (Some(text), Some(repository)) = (file.text, file.known.repository) else { return Vec::new() };
    if !is_workflow(file.path) {
        return Vec::new();
    }
    let mut pairs = BTreeSet::new();
    for job in read_job_secrets(text) {
        collect_pairs(&job, &mut pairs);
    }
    pairs.into_iter().map(|pair| suggest_pair(file.path, repository, pair)).collect()
}

fn collect_pairs(job: &JobSecrets, pairs: &mut BTreeSet<SecretPair>) {
    for mapping in &job.mappings {
        // The names of inputs and variables say which half it is, whatever the secrets are called.
        let fields: Vec<&str> = mapping.iter().map(|(field, _)| field.as_str()).collect();
        for names in pair_names(&fields) {
            let id = secret_of_field(mapping, names.access_key_id);
            let secret = secret_of_field(mapping, names.secret_access_key);
            if let (Some(id), Some(secret)) = (id, secret) {
                add_pair(job, id, secret, pairs);
            }
        }
    }
    let names: Vec<&str> = job.names.iter().map(String::as_str).collect();
    for names in pair_names(&names) {
        add_pair(job, names.access_key_id, names.secret_access_key, pairs);
    }
}

fn secret_of_field<'m>(mapping: &'m [(String, String)], wanted: &str) -> Option<&'m str> {
    mapping.iter().find(|(field, _)| field == wanted).map(|(_, secret)| secret.as_str())
}

fn add_pair(job: &JobSecrets, id: &str, secret: &str, pairs: &mut BTreeSet<SecretPair>) {
    pairs.insert(SecretPair {
        environment: job.environment.clone(),
        access_key_id: id.to_owned(),
        secret_access_key: secret.to_owned(),
    });
}

fn suggest_pair(path: &str, repository: &str, pair: SecretPair) -> Suggestion {
    let stem = find_stem(&pair.access_key_id);
    let environment = match pair.environment {
        JobEnvironment::None => None,
        JobEnvironment::Named(name) => Some(name),
        JobEnvironment::Computed => {
            let missing = "the environment, which the workflow computes";
            let entry = SuggestedEntry::Unfinished { file: path.to_owned(), kind: "github_secret", missing };
            let group = CredentialGroup { file: Some(path.to_owned()), environment: None, stem };
            return Suggestion { group, entry };
        }
    };
    let group = CredentialGroup { file: None, environment: environment.clone(), stem };
    let entry = SuggestedEntry::Destination(Destination::GithubSecret(
        GithubSecret {
            repository: Some(repository.to_owned()),
            organization: None,
            environment,
            product: GithubProduct::Actions,
            access_key_id: Some(pair.access_key_id),
            secret_access_key: Some(pair.secret_access_key),
            ses_smtp_password: None,
            json: None,
        }
        .into(),
    ));
    Suggestion { group, entry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::suggestion::KnownFiles;

    fn suggest(path: &str, text: &str) -> Vec<Suggestion> {
        let known = KnownFiles { repository: Some("acme/app"), certificate: None };
        suggest_secrets(&CandidateFile::new(path, text.as_bytes(), known))
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
        let found = suggest(".github/workflows/a.yml", &text);
        let groups: BTreeSet<_> = found.iter().map(|suggestion| suggestion.group.clone()).collect();
        assert_eq!((found.len(), groups.len()), (3, 3), "{found:?}");
        let SuggestedEntry::Destination(Destination::GithubSecret(secret)) = &found[0].entry else {
            panic!()
        };
        assert_eq!(secret.environment.as_deref(), Some("production"));
        assert!(matches!(found[2].entry, SuggestedEntry::Unfinished { kind: "github_secret", .. }));
    }

    #[test]
    fn only_workflows_name_secrets() {
        let text =
            "env:\n  A: ${{ secrets.CI_AWS_ACCESS_KEY_ID }}\n  B: ${{secrets.CI_AWS_SECRET_ACCESS_KEY}}\n";
        let found = suggest(".github/workflows/a.yml", text);
        let SuggestedEntry::Destination(Destination::GithubSecret(secret)) = &found[0].entry else {
            panic!()
        };
        assert_eq!(secret.secret_access_key.as_deref(), Some("CI_AWS_SECRET_ACCESS_KEY"));
        assert!(suggest("docs/a.yml", text).is_empty());
    }
}
