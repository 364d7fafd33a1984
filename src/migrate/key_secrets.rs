//! Lists the GitHub secrets that hold a user's key, as the policy file's destinations name them, and decides whose key a
//! job reads.

use std::collections::{BTreeMap, BTreeSet};

use super::secret_reads::{KeyContext, SecretReads, find_sole_secret, read_secrets};
use crate::policy::file::{GithubProduct, GithubSecret};
use crate::policy::{Destination, Policy, UserSelector};
use crate::repository::JobEnvironment;

/// The names by which a file reads the key: those of secrets of this repository's workflows, or those that callers use.
#[derive(Debug, Default, Clone)]
pub struct KeySecrets {
    context: KeyContext,
    own: Vec<NamedSecret>,
    others: Vec<NamedSecret>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedSecret {
    /// In upper case.
    name: String,
    /// `None`: a secret of the repository or of the organization.
    environment: Option<String>,
}

/// Whose key a secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretOwner {
    User,
    Other,
    /// The environment of the job, which decides it, is computed.
    Undecided,
}

impl KeySecrets {
    /// Collects the secrets of a user, and those of other users that may have the same names.
    pub fn collect(policy: &Policy, user: &str, repository: &str) -> Self {
        let mut secrets = Self::default();
        for entry in &policy.users {
            let is_own = matches!(&entry.selector, UserSelector::Name(name) if name.0 == user);
            for destination in &entry.destinations {
                if let Some(found) = as_workflow_secret(destination, repository) {
                    secrets.add(found, is_own);
                }
            }
        }
        secrets
    }

    /// The names, in upper case, under which callers hand the key to a file.
    pub fn of_callee(&self, context: KeyContext, names: impl Iterator<Item = String>) -> Self {
        let mut own = secrets_of_environments(&self.own, context);
        own.extend(names.map(|name| NamedSecret { name, environment: None }));
        Self { context, own, others: secrets_of_environments(&self.others, context) }
    }

    /// The names of the secrets of the repository, which a workflow can inherit.
    pub fn list_inherited(&self) -> impl Iterator<Item = String> {
        let inherited = self.own.iter().filter(|secret| secret.environment.is_none());
        inherited.map(|secret| secret.name.clone())
    }

    /// What a text reads in the context of these names.
    pub fn read(&self, text: &str) -> SecretReads {
        read_secrets(text, self.context)
    }

    /// The name whose value a text is; see `find_sole_secret`.
    pub fn find_sole(&self, text: &str) -> Option<String> {
        find_sole_secret(text, self.context)
    }

    fn add(&mut self, secret: &GithubSecret, is_own: bool) {
        for name in secret.secret_names() {
            let named =
                NamedSecret { name: name.to_ascii_uppercase(), environment: secret.environment.clone() };
            if is_own {
                self.own.push(named);
            } else {
                self.others.push(named);
            }
        }
    }

    /// The same, with secrets of environments of which the policy file says nothing: their owner is not known.
    pub fn with_unlisted(&self, unlisted: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let mut secrets = self.clone();
        for (environment, names) in unlisted {
            for name in names {
                secrets
                    .others
                    .push(NamedSecret { name: name.clone(), environment: Some(environment.clone()) });
            }
        }
        secrets
    }

    /// The names of the user's secrets of the repository of which the policy file says nothing in an environment.
    pub fn list_names_outside(&self, environment: &str) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.list_inherited().collect();
        for secret in self.own.iter().chain(&self.others) {
            if is_same(secret.environment.as_deref(), Some(environment)) {
                names.remove(&secret.name);
            }
        }
        names
    }

    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether an environment has secrets of its own that hold the user's key.
    pub fn is_in_environment(&self, environment: &str) -> bool {
        self.own.iter().any(|secret| is_same(secret.environment.as_deref(), Some(environment)))
    }

    /// Whether a secret of this name, in upper case, holds the user's key anywhere.
    pub fn has_name(&self, name: &str) -> bool {
        self.own.iter().any(|secret| secret.name == name)
    }

    /// Whose key a job reads by a name. A secret of the job's environment comes before one of the repository.
    pub fn find_owner(&self, name: &str, environment: &JobEnvironment) -> SecretOwner {
        if !self.has_name(name) {
            return SecretOwner::Other;
        }
        let lists = [(&self.own, SecretOwner::User), (&self.others, SecretOwner::Other)];
        let named = match environment {
            JobEnvironment::Computed => {
                let mut same = self.own.iter().chain(&self.others).filter(|secret| secret.name == name);
                return if same.any(|secret| secret.environment.is_some()) {
                    SecretOwner::Undecided
                } else {
                    SecretOwner::User
                };
            }
            JobEnvironment::Named(named) => Some(named.as_str()),
            JobEnvironment::None => None,
        };
        for wanted in [named, None] {
            for (secrets, owner) in lists {
                for secret in secrets {
                    if secret.name == name && is_same(secret.environment.as_deref(), wanted) {
                        return owner;
                    }
                }
            }
        }
        SecretOwner::Other
    }
}

/// What a called file still reads of its caller's secrets: a called workflow reads those of an environment by itself.
fn secrets_of_environments(secrets: &[NamedSecret], context: KeyContext) -> Vec<NamedSecret> {
    let mut kept = secrets.to_vec();
    kept.retain(|secret| context == KeyContext::Secrets && secret.environment.is_some());
    kept
}

/// GitHub ignores the case of an environment's name.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

/// The secret, if workflows of this repository read it.
pub fn as_workflow_secret<'d>(destination: &'d Destination, repository: &str) -> Option<&'d GithubSecret> {
    let Destination::GithubSecret(secret) = destination else { return None };
    let owner = repository.split('/').next().unwrap_or_default();
    let is_here = match (&secret.repository, &secret.organization) {
        (Some(name), _) => name.eq_ignore_ascii_case(repository),
        (None, Some(name)) => name.eq_ignore_ascii_case(owner),
        (None, None) => false,
    };
    if is_here && secret.product == GithubProduct::Actions { Some(secret) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, environment: Option<&str>) -> NamedSecret {
        NamedSecret { name: name.to_owned(), environment: environment.map(str::to_owned) }
    }

    #[test]
    fn the_environment_decides_whose_key_it_is() {
        let secrets = KeySecrets {
            context: KeyContext::Secrets,
            own: vec![named("ID", None), named("E", Some("production"))],
            others: vec![named("ID", Some("staging"))],
        };
        let owner = |name: &str, environment: JobEnvironment| secrets.find_owner(name, &environment);
        let job = |name: &str| JobEnvironment::Named(name.to_owned());
        assert_eq!(owner("ID", JobEnvironment::None), SecretOwner::User);
        assert_eq!(owner("ID", job("production")), SecretOwner::User);
        assert_eq!(owner("ID", job("Staging")), SecretOwner::Other);
        assert_eq!(owner("ID", JobEnvironment::Computed), SecretOwner::Undecided);
        assert_eq!(owner("E", job("production")), SecretOwner::User);
        assert_eq!(owner("E", JobEnvironment::None), SecretOwner::Other);
        assert_eq!(owner("OTHER", JobEnvironment::None), SecretOwner::Other);
    }
}
