//! Defines what `keytide init` suggests for a file that looks like a destination, and finds the two names of a
//! credential. A person reads each suggestion before it becomes a policy file.

use std::collections::HashMap;

use crate::policy::Destination;

/// The largest file that is looked into: a file that holds a credential is smaller.
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

/// What distinguishes the credential of a suggestion from others, so that two users' credentials stay two.
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
    /// A credential in a file; `id` is the name of its access key ID.
    pub fn in_file(path: &str, id: &str, entry: SuggestedEntry) -> Self {
        let group = CredentialGroup { file: Some(path.to_owned()), environment: None, stem: find_stem(id) };
        Self { group, entry }
    }
}

/// What is known of the repository beside the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownFiles<'k> {
    /// `OWNER/NAME`: whose secrets a workflow reads.
    pub repository: Option<&'k str>,
    /// The file with the certificate of the controller of SealedSecrets, if there is exactly one that may be it.
    pub certificate: Option<&'k str>,
}

/// A file of the repository that may be a destination.
#[derive(Debug, Clone, Copy)]
pub struct CandidateFile<'f> {
    pub path: &'f str,
    pub bytes: &'f [u8],
    /// The bytes as text, if they are UTF-8 and not too many.
    pub text: Option<&'f str>,
    pub known: KnownFiles<'f>,
}

impl<'f> CandidateFile<'f> {
    pub fn new(path: &'f str, bytes: &'f [u8], known: KnownFiles<'f>) -> Self {
        let text = if bytes.len() <= MAX_BYTES { std::str::from_utf8(bytes).ok() } else { None };
        Self { path, bytes, text, known }
    }
}

/// The names of the two values of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamePair<'n> {
    pub access_key_id: &'n str,
    pub secret_access_key: &'n str,
}

/// Finds the names that belong to one credential: they are the same up to `access key ID` and `secret access key`.
pub fn pair_names<'n>(names: &[&'n str]) -> Vec<NamePair<'n>> {
    let mut secrets: HashMap<String, &'n str> = HashMap::new();
    for name in names {
        if let Some(stem) = fold_case(name).strip_suffix(SECRET) {
            secrets.entry(stem.to_owned()).or_insert(name);
        }
    }
    let mut pairs = Vec::new();
    for id in names {
        // What comes before must be equal: a file can hold the credentials of several applications.
        let secret = fold_case(id).strip_suffix(ID).and_then(|stem| secrets.get(stem).copied());
        pairs.extend(secret.map(|secret| NamePair { access_key_id: id, secret_access_key: secret }));
    }
    pairs
}

/// A name without case and punctuation, in which one way of writing it differs from another.
fn fold_case(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// What is before the access key ID's name, without `aws`.
pub fn find_stem(id: &str) -> String {
    let folded = fold_case(id);
    // Where the place says that it is an ID, its name may be short: `CI_DEPLOYER_KEY_ID`
    let stem = [ID, "keyid", "accesskey"].iter().find_map(|end| folded.strip_suffix(end));
    stem.unwrap_or(&folded).replace("aws", "")
}

/// Whether a user is called as a credential is: `ci-deployer` and `CI_DEPLOYER_AWS_ACCESS_KEY_ID`.
pub fn is_stem_of_user(stem: &str, user: &str) -> bool {
    !stem.is_empty() && fold_case(user).replace("aws", "") == stem
}

/// Whether a file is named like a certificate.
pub fn may_be_certificate(path: &str) -> bool {
    [".pem", ".crt", ".cert", ".cer"].iter().any(|ending| path.ends_with(ending))
}

/// Whether a file begins with a certificate.
pub fn is_certificate(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN CERTIFICATE-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_a_credential_find_each_other() {
        let names =
            ["AWS_ACCESS_KEY_ID", "prod.secretAccessKey", "AWS_SECRET_ACCESS_KEY", "accessKeyId", "x"];
        let pair =
            NamePair { access_key_id: "AWS_ACCESS_KEY_ID", secret_access_key: "AWS_SECRET_ACCESS_KEY" };
        assert_eq!(pair_names(&names), [pair]);
        assert_eq!(pair_names(&["a-access-key-id", "b_secret_access_key"]), []);
    }

    #[test]
    fn a_credential_is_called_like_its_user() {
        assert_eq!(find_stem("CI_DEPLOYER_AWS_ACCESS_KEY_ID"), "cideployer");
        assert_eq!(find_stem("CI_DEPLOYER_KEY_ID"), "cideployer");
        assert!(is_stem_of_user("cideployer", "ci-deployer") && !is_stem_of_user("", "aws"));
    }
}
