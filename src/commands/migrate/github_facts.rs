//! Asks GitHub what decides whether a migration is right and is not in the files: the secrets of environments, and a
//! rotation under way.

use std::collections::{BTreeMap, BTreeSet};

use super::files::PlannedFiles;
use crate::commands::context::Context;
use crate::error::CommandError;
use crate::iam::granted::GrantingAccount;
use crate::migrate::{KeySecrets, Subject};
use crate::policy::Policy;
#[cfg(feature = "online")]
use crate::ports::{BackendResult, JournalChain};
use crate::sentences::join_words;

/// What GitHub said. An environment can have secrets of its own under the names of the key's: its jobs read those, and the
/// policy file may not know them.
pub struct GithubFacts {
    /// The environments that have such secrets, with the names.
    pub unlisted: BTreeMap<String, BTreeSet<String>>,
    /// The environments of which that is not known, with the reason.
    pub unread: BTreeMap<String, String>,
    pub rotation: FoundRotation,
}

/// Whether a rotation of the user's key is under way.
#[cfg_attr(not(feature = "online"), expect(dead_code, reason = "without network support no one is asked"))]
pub enum FoundRotation {
    None,
    UnderWay,
    /// With the reason.
    Unknown(String),
}

/// The user that GitHub's journals are asked about.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "online"), expect(dead_code, reason = "without network support no one is asked"))]
pub struct AskedUser<'a> {
    name: &'a str,
    /// The account of its keys, twelve digits, if it is known.
    account: Option<&'a str>,
}

impl<'a> AskedUser<'a> {
    /// The user of the account of the credentials, or else of the policy file.
    pub fn of(name: &'a str, account: Option<&'a GrantingAccount>, policy: &'a Policy) -> Self {
        let own = policy.account.as_ref().map(|account| account.0.as_str());
        Self { name, account: account.map(|account| account.number.as_str()).or(own) }
    }
}

impl GithubFacts {
    /// Asks about the user, and about the environments of the jobs that would come to the role.
    pub fn find(
        context: &Context<'_>,
        user: AskedUser<'_>,
        planned: &PlannedFiles,
        secrets: &KeySecrets,
    ) -> Self {
        let mut environments = BTreeMap::new();
        for subject in &planned.subjects {
            let Subject::Environment(environment) = subject else { continue };
            let names = secrets.list_names_outside(environment);
            if !names.is_empty() {
                environments.insert(environment.clone(), names);
            }
        }
        ask_github(context, user, &environments).unwrap_or_else(|CommandError { message, .. }| Self {
            unlisted: BTreeMap::new(),
            unread: environments.into_keys().map(|name| (name, message.clone())).collect(),
            rotation: FoundRotation::Unknown(message),
        })
    }

    /// What may still use the key, and must have ended before it is retired.
    pub fn list_uses(&self, user: &str) -> Vec<String> {
        let mut uses = Vec::new();
        for (environment, names) in &self.unlisted {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            uses.push(format!(
                "the environment `{environment}` has {} of its own, which may hold it: the policy file does not name them, \
                 so the jobs that read them stay as they are",
                join_words(&names)
            ));
        }
        if matches!(self.rotation, FoundRotation::UnderWay) {
            uses.push(format!(
                "a rotation of the key is under way: end it first; `keytide plan --user {user}` says what it waits for"
            ));
        }
        uses
    }
}

#[cfg(feature = "online")]
fn ask_github(
    context: &Context<'_>,
    user: AskedUser<'_>,
    environments: &BTreeMap<String, BTreeSet<String>>,
) -> Result<GithubFacts, CommandError> {
    use crate::commands::{connection, rotation::connect_github};
    use crate::ports::JournalStore as _;
    connection::run_async(context, async {
        let backend = connect_github(context).await?.with_account_id(user.account.unwrap_or_default());
        let (mut unlisted, mut unread) = (BTreeMap::new(), BTreeMap::new());
        for (environment, names) in environments {
            match backend.list_environment_secrets(environment, names).await {
                Ok(own) if own.is_empty() => {}
                Ok(own) => drop(unlisted.insert(environment.clone(), own)),
                Err(failure) => drop(unread.insert(environment.clone(), failure.to_string())),
            }
        }
        let rotation = match user.account {
            Some(_) => find_rotation(backend.read_chain(user.name).await, user.name),
            None => FoundRotation::Unknown("the account is not known".to_owned()),
        };
        Ok(GithubFacts { unlisted, unread, rotation })
    })?
}

/// Looks for a rotation that is under way in the chain of the user's journal.
#[cfg(feature = "online")]
fn find_rotation(chain: BackendResult<JournalChain>, user: &str) -> FoundRotation {
    let journal = match chain {
        Ok(chain) => chain.to_journal(user),
        Err(failure) => return FoundRotation::Unknown(failure.to_string()),
    };
    match (journal.fault, journal.open) {
        (Some(fault), _) => FoundRotation::Unknown(format!("the journal is broken: {fault}")),
        (None, Some(rotation)) if !rotation.retires => FoundRotation::UnderWay,
        (None, _) => FoundRotation::None,
    }
}

#[cfg(not(feature = "online"))]
fn ask_github(
    _: &Context<'_>,
    _: AskedUser<'_>,
    _: &BTreeMap<String, BTreeSet<String>>,
) -> Result<GithubFacts, CommandError> {
    Err(CommandError::environment("this keytide was built without network support"))
}
