//! Files that look like a destination: what a first policy file would name. A guess, which a person reads.

use std::collections::BTreeSet;

use super::sops::store_format::ParsedSopsFile;
use crate::policy::Destination;
use crate::policy::file::{GithubProduct, GithubSecret, SealedSecret, SopsDestination};
use crate::policy::scalar::FilePath;
use crate::repository::{JobEnvironment, is_workflow, read_job_secrets};
use crate::yaml::{NodeKind, YamlField, YamlNode, parse_documents};

/// The largest file that is looked into: nobody keeps a credential in a larger one.
const MAX_BYTES: usize = 1024 * 1024;
/// How the names of the two halves of a credential end, without case and punctuation.
const ID: &str = "accesskeyid";
const SECRET: &str = "secretaccesskey";

/// What a file seems to be.
#[derive(Debug, Clone)]
pub enum SuggestedEntry {
    Destination(Destination),
    /// A destination of this kind, of which a field only a person knows: the file, and what is missing.
    Unfinished {
        file: String,
        kind: &'static str,
        missing: &'static str,
    },
}

/// What tells the credential of a suggestion from others: two users' credentials are never taken for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialGroup {
    /// The file; `None` for a GitHub secret.
    pub file: Option<String>,
    /// The environment of a GitHub secret.
    pub environment: Option<String>,
    /// What the names of its two halves have in common, without `aws`, case and punctuation: `deploy` for
    /// `DEPLOY_AWS_ACCESS_KEY_ID`.
    pub stem: String,
}

/// A place in which a credential seems to be.
#[derive(Debug, Clone)]
pub struct Suggestion {
    pub group: CredentialGroup,
    pub entry: SuggestedEntry,
}

impl Suggestion {
    fn in_file(path: &str, id: &str, entry: SuggestedEntry) -> Self {
        let group = CredentialGroup { file: Some(path.to_owned()), environment: None, stem: find_stem(id) };
        Self { group, entry }
    }
}

/// What a file does not tell of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownFiles<'k> {
    /// `OWNER/NAME`: whose secrets a workflow reads.
    pub repository: Option<&'k str>,
    /// The file with the certificate of the controller of SealedSecrets, if there is exactly one that may be it.
    pub certificate: Option<&'k str>,
}

/// Whether a file is called like a certificate.
pub fn may_be_certificate(path: &str) -> bool {
    [".pem", ".crt", ".cert", ".cer"].iter().any(|ending| path.ends_with(ending))
}

/// Whether a file begins with a certificate.
pub fn is_certificate(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN CERTIFICATE-----")
}

/// Looks into one file.
pub fn suggest_destinations(path: &str, bytes: &[u8], known: KnownFiles<'_>) -> Vec<Suggestion> {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= MAX_BYTES) else {
        let unfinished = is_age(path, bytes).then(|| suggest_age(path));
        return unfinished.into_iter().collect();
    };
    if is_age(path, bytes) {
        return vec![suggest_age(path)];
    }
    if is_workflow(path) {
        return known
            .repository
            .map(|repository| suggest_github_secrets(path, text, repository))
            .unwrap_or_default();
    }
    let mut found = suggest_sops(path, bytes);
    if text.contains("SealedSecret") {
        found.extend(sealed_secrets(path, text, known.certificate));
    }
    found
}

fn is_age(path: &str, bytes: &[u8]) -> bool {
    path.ends_with(".age")
        && (bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE"))
}

fn suggest_age(path: &str) -> Suggestion {
    let missing = "the format, and the recipients";
    let entry = SuggestedEntry::Unfinished { file: path.to_owned(), kind: "age", missing };
    Suggestion::in_file(path, "", entry)
}

/// Names without what differs between one way of writing them and another.
fn fold_case(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// What is before the access key ID's name, without `aws`.
fn find_stem(id: &str) -> String {
    let folded = fold_case(id);
    folded.strip_suffix(ID).unwrap_or(&folded).replace("aws", "")
}

/// Whether a user is called as a credential is: `ci-deployer` and `CI_DEPLOYER_AWS_ACCESS_KEY_ID`.
pub fn is_stem_of_user(stem: &str, user: &str) -> bool {
    !stem.is_empty() && fold_case(user).replace("aws", "") == stem
}

/// The pairs of names that are the two halves of one credential: the same before `access key ID` and `secret access key`.
fn pair_names<'n>(names: &[&'n str]) -> Vec<(&'n str, &'n str)> {
    let mut pairs = Vec::new();
    for id in names {
        let folded_id = fold_case(id);
        let Some(stem) = folded_id.strip_suffix(ID) else { continue };
        let secret = names.iter().find(|name| fold_case(name).strip_suffix(SECRET) == Some(stem));
        pairs.extend(secret.map(|secret| (*id, *secret)));
    }
    pairs
}

/// Two values side by side in a file of SOPS.
fn suggest_sops(path: &str, bytes: &[u8]) -> Vec<Suggestion> {
    let known = [".yaml", ".yml", ".json", ".env", ".ini"].iter().any(|ending| path.ends_with(ending));
    let Some(store) = ParsedSopsFile::parse_file(path, bytes).ok().filter(|_| known) else {
        return Vec::new();
    };
    if store.metadata_field("mac").is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    match &store {
        ParsedSopsFile::Tree { roots, .. } => {
            roots.iter().for_each(|root| collect_paths(root, "", &mut found))
        }
        ParsedSopsFile::Lines { values, .. } => {
            let names: Vec<String> = values.iter().map(|(path, _)| path.join(".")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for (id, secret) in pair_names(&names) {
                found.push((id.to_owned(), secret.to_owned()));
            }
        }
    }
    let mut suggested = Vec::new();
    for (access_key_id, secret_access_key) in found {
        let file = FilePath(path.to_owned());
        let id = access_key_id.clone();
        let sops = SopsDestination { file, access_key_id, secret_access_key };
        let entry = SuggestedEntry::Destination(Destination::Sops(sops));
        suggested.push(Suggestion::in_file(path, &id, entry));
    }
    suggested
}

/// The pairs in a tree, as dotted paths. A key with a dot in it cannot be named.
fn collect_paths(node: &YamlNode, prefix: &str, found: &mut Vec<(String, String)>) {
    let names: Vec<&str> = node.fields().iter().map(YamlField::name).collect();
    for (id, secret) in
        pair_names(&names).into_iter().filter(|(id, secret)| !id.contains('.') && !secret.contains('.'))
    {
        found.push((format!("{prefix}{id}"), format!("{prefix}{secret}")));
    }
    for field in node.fields().iter().filter(|field| !field.name().contains('.') && field.name() != "sops") {
        collect_paths(&field.value, &format!("{prefix}{}.", field.name()), found);
    }
    if let NodeKind::List(items) = &node.kind {
        for (index, item) in items.iter().enumerate() {
            collect_paths(item, &format!("{prefix}{index}."), found);
        }
    }
}

/// Two items of a SealedSecret.
fn sealed_secrets(path: &str, text: &str, certificate: Option<&str>) -> Vec<Suggestion> {
    let mut found = Vec::new();
    for root in parse_documents(text).unwrap_or_default() {
        let items = root.get("spec").and_then(|spec| spec.get("encryptedData"));
        let Some(items) =
            items.filter(|_| root.get("kind").and_then(YamlNode::scalar_text) == Some("SealedSecret"))
        else {
            continue;
        };
        let names: Vec<&str> = items.fields().iter().map(YamlField::name).collect();
        for (id, secret) in pair_names(&names) {
            let entry = suggest_sealed_secret(path, (id, secret), certificate);
            found.push(Suggestion::in_file(path, id, entry));
        }
    }
    found
}

fn suggest_sealed_secret(
    path: &str,
    (id, secret): (&str, &str),
    certificate: Option<&str>,
) -> SuggestedEntry {
    let Some(certificate) = certificate else {
        let missing = "the controller's certificate (`kubeseal --fetch-cert`)";
        return SuggestedEntry::Unfinished { file: path.to_owned(), kind: "sealed_secret", missing };
    };
    SuggestedEntry::Destination(Destination::SealedSecret(SealedSecret {
        file: FilePath(path.to_owned()),
        certificate: FilePath(certificate.to_owned()),
        access_key_id: id.to_owned(),
        secret_access_key: secret.to_owned(),
    }))
}

/// The secrets that a workflow reads, by job: the environment decides which secret a name means.
fn suggest_github_secrets(path: &str, text: &str, repository: &str) -> Vec<Suggestion> {
    let mut pairs = BTreeSet::new();
    for job in read_job_secrets(text) {
        for mapping in &job.mappings {
            // The names of inputs and variables say which half it is, whatever the secrets are called.
            let fields: Vec<&str> = mapping.iter().map(|(field, _)| field.as_str()).collect();
            let secret_of = |field: &str| {
                mapping.iter().find(|(name, _)| name == field).map(|(_, secret)| secret.clone())
            };
            for (id, secret) in pair_names(&fields) {
                let pair = secret_of(id).zip(secret_of(secret));
                pairs.extend(pair.map(|(id, secret)| (job.environment.clone(), id, secret)));
            }
        }
        let names: Vec<&str> = job.names.iter().map(String::as_str).collect();
        for (id, secret) in pair_names(&names) {
            pairs.insert((job.environment.clone(), id.to_owned(), secret.to_owned()));
        }
    }
    pairs.into_iter().map(|pair| suggest_github_secret(path, repository, pair)).collect()
}

fn suggest_github_secret(
    path: &str,
    repository: &str,
    (environment, id, secret): (JobEnvironment, String, String),
) -> Suggestion {
    let stem = find_stem(&id);
    let environment = match environment {
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
    let entry = SuggestedEntry::Destination(Destination::GithubSecret(GithubSecret {
        repository: Some(repository.to_owned()),
        organization: None,
        environment,
        product: GithubProduct::Actions,
        access_key_id: Some(id),
        secret_access_key: Some(secret),
        json: None,
    }));
    Suggestion { group, entry }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(find_stem("CI_DEPLOYER_AWS_ACCESS_KEY_ID"), "cideployer");
        assert!(is_stem_of_user("cideployer", "ci-deployer") && !is_stem_of_user("", "aws"));
    }

    #[test]
    fn the_halves_of_a_credential_find_each_other() {
        let names =
            ["AWS_ACCESS_KEY_ID", "prod.secretAccessKey", "AWS_SECRET_ACCESS_KEY", "accessKeyId", "x"];
        assert_eq!(pair_names(&names), [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]);
        assert_eq!(pair_names(&["a-access-key-id", "b_secret_access_key"]), []);
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
