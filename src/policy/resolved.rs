//! The policy as the rest of keytide uses it: base files are merged in, and every limit and default is filled in.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use super::file::{
    AllowedUse, Destination, Exemption, KeyLimits, Located, Notify, RedeployWorkflow, ValidationWorkflow,
};
use super::glob_index::GlobIndex;
use super::scalar::{AccountId, PolicyDuration, RoleArn, UserGlob};
use super::selector::SelectorIndex;
pub use super::selector::UserSelector;
use crate::diagnostic::Position;

/// A policy file with its base files merged in.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The path of the file as the command line gave it; findings point into it.
    pub file: String,
    pub account: Option<AccountId>,
    pub role_arn: Option<RoleArn>,
    pub users: Vec<UserPolicy>,
    /// The defaults, for a rotation under way whose user is no longer in the policy.
    pub rotation: RotationPolicy,
    pub claim: Vec<Located<UserGlob>>,
    pub exemptions: Vec<Located<Exemption>>,
    /// For each rule, the controls of standards that it covers.
    pub controls: BTreeMap<String, Vec<String>>,
    pub notify: Notify,
    /// The selectors of `users`, once one was looked for.
    pub(super) selectors: OnceLock<SelectorIndex>,
    /// The globs of `claim`, once one was looked for.
    pub(super) claims: OnceLock<GlobIndex>,
}

/// One entry of `users`, with every limit filled in.
#[derive(Debug, Clone)]
pub struct UserPolicy {
    pub at: Position,
    pub selector: UserSelector,
    pub limits: KeyLimits,
    pub allow: Option<AllowedUse>,
    /// `None`: these users are audited only.
    pub rotation: Option<RotationPolicy>,
    /// The keys of this user are retired: the defaults of a rotation with the waits of `retire`. Never with `rotation`.
    pub retire: Option<RotationPolicy>,
    pub destinations: Vec<Destination>,
    /// Where each of the destinations is in the policy file.
    pub destination_positions: Vec<Position>,
}

/// How long a key must be unused before it is retired, where `retire` does not say it.
pub const RETIREMENT_QUIET: PolicyDuration = PolicyDuration::from_days(14);
/// How long it then stays inactive.
pub const RETIREMENT_SOAK: PolicyDuration = PolicyDuration::from_days(30);

/// How a user's key is rotated, with every default filled in.
#[derive(Debug, Clone)]
pub struct RotationPolicy {
    /// Never later than the day on which `key-age` begins to warn.
    pub start_at: PolicyDuration,
    pub grace: PolicyDuration,
    /// Whether the user's own entry sets `grace`; then the kinds of its destinations do not shorten it.
    pub is_own_grace: bool,
    pub quiet: PolicyDuration,
    pub soak: PolicyDuration,
    pub describe_keys: bool,
    pub require_use: bool,
    pub validate: Option<ValidationWorkflow>,
    pub redeploy: Option<RedeployWorkflow>,
    pub reviewers: Vec<String>,
    pub labels: Vec<String>,
}

impl Policy {
    /// Returns the policy of a repository without a policy file: it has no users.
    pub fn empty() -> Self {
        Self {
            file: String::new(),
            account: None,
            role_arn: None,
            users: Vec::new(),
            rotation: RotationPolicy::default(),
            claim: Vec::new(),
            exemptions: Vec::new(),
            controls: BTreeMap::new(),
            notify: Notify::default(),
            selectors: OnceLock::new(),
            claims: OnceLock::new(),
        }
    }

    /// Returns the entry that applies to a user: a name comes before a glob, an earlier glob before a later one.
    ///
    /// `path` is the user's IAM path; while it is unknown, entries with a `path` do not match.
    pub fn find_user_policy(&self, name: &str, path: Option<&str>) -> Option<&UserPolicy> {
        self.selector_index().find(name, path, |at| &self.users[at].selector).map(|at| &self.users[at])
    }

    /// Returns the entries that may apply to a user whose IAM path is not known.
    pub fn find_possible_entries<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p UserPolicy> {
        self.selector_index().find_possible(name).map(|at| &self.users[at])
    }

    fn selector_index(&self) -> &SelectorIndex {
        self.selectors.get_or_init(|| SelectorIndex::new(self.users.iter().map(|entry| &entry.selector)))
    }

    /// Whether the policy lists or claims a user.
    pub fn is_about_user(&self, name: &str, path: Option<&str>) -> bool {
        self.find_user_policy(name, path).is_some() || self.matching_claim(name).is_some()
    }

    /// Returns a message for each glob that applies to none of these users, given by name and IAM path.
    pub fn idle_globs<'u>(&self, users: impl Iterator<Item = (&'u str, Option<&'u str>)>) -> Vec<String> {
        // By address: two entries can be equal.
        let applied: HashSet<*const UserPolicy> = users
            .filter_map(|(name, path)| self.find_user_policy(name, path))
            .map(std::ptr::from_ref)
            .collect();
        let mut messages = Vec::new();
        for entry in &self.users {
            if let UserSelector::Match { glob, .. } = &entry.selector
                && !applied.contains(&std::ptr::from_ref(entry))
            {
                messages.push(format!("`{}` matches no user of the account", glob.text));
            }
        }
        messages
    }

    /// Returns the user names in the policy, in the order of the file.
    pub fn user_names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|entry| match &entry.selector {
            UserSelector::Name(name) => Some(name.0.as_str()),
            UserSelector::Match { .. } => None,
        })
    }

    /// Whether the policy is about users of an account. One without them is for `keytide check` alone.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty() || !self.claim.is_empty()
    }

    /// Whether the users of the account must be listed to know which of them this policy is about.
    pub fn needs_listing(&self) -> bool {
        !self.claim.is_empty()
            || self.users.iter().any(|entry| matches!(entry.selector, UserSelector::Match { .. }))
    }

    /// Returns the IAM path below which users are listed: `/` unless all globs share a narrower one.
    pub fn listing_path(&self) -> &str {
        let mut paths = self.users.iter().filter_map(|entry| match &entry.selector {
            UserSelector::Match { path, .. } => Some(path.as_ref().map_or("/", |path| path.0.as_str())),
            UserSelector::Name(_) => None,
        });
        match paths.next() {
            // A claim is about all users of the account, wherever they are.
            Some(first) if self.claim.is_empty() && paths.all(|path| path == first) => first,
            _ => "/",
        }
    }

    /// Returns the first `claim` that matches a user name.
    pub fn matching_claim(&self, name: &str) -> Option<&Located<UserGlob>> {
        let index =
            self.claims.get_or_init(|| GlobIndex::new(self.claim.iter().map(|claim| claim.value.as_glob())));
        index.find_matches(name).next().map(|at| &self.claim[at])
    }
}

impl UserPolicy {
    /// The settings of `rotation` or of `retire`: whether, and how, keytide changes the keys of these users.
    pub fn key_changes(&self) -> Option<&RotationPolicy> {
        self.rotation.as_ref().or(self.retire.as_ref())
    }

    /// Whether the service-specific credentials of these users have a limit, so that they must be read.
    pub fn limits_service_credentials(&self) -> bool {
        let KeyLimits { max_service_credential_age, max_active_service_credentials, .. } = self.limits;
        max_service_credential_age.is_some() || max_active_service_credentials.is_some()
    }
}
