//! Holds everything that a rule may look at, and answers the questions that several rules ask about it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::fleet_facts::FleetFacts;
use super::meta::RequiredInput;
use crate::iam::{AccessKey, AccountInventory, IamUser, KeyStatus, LIST_SERVICE_CREDENTIALS, ReadFault};
use crate::policy::{KeyLimits, Policy, UserPolicy};
use crate::repository::{RepositoryFiles, RepositoryIdentity};
use crate::rotation::RotationPhase;
use crate::rotation::timing::MAX_CLOCK_SKEW;
use crate::rotation::waiting::RotationWait;

/// Why a rule was skipped that needs the credential report: `auto` reads it for many users only, and where IAM lets it.
pub const NEEDS_CREDENTIAL_REPORT: &str = "needs the IAM credential report, which this audit did not read; `keytide audit --source report` reads it (iam:GenerateCredentialReport, iam:GetCredentialReport)";

/// The facts that the rules look at. What a command did not read is `None`, and the rules that need it are skipped.
pub struct RuleInput<'a> {
    pub policy: &'a Policy,
    pub inventory: Option<&'a AccountInventory>,
    pub files: Option<&'a RepositoryFiles>,
    pub rotations: Option<&'a RotationStatuses>,
    pub repository: &'a RepositoryIdentity,
    /// Only for an account of a fleet.
    pub fleet: Option<&'a FleetFacts>,
    pub now: Timestamp,
}

/// The state of each user's rotation.
pub type RotationStatuses = BTreeMap<String, RotationStatus>;

/// The state of one user's rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationStatus {
    pub phase: RotationPhase,
    pub reason: String,
    /// What a person can do.
    pub help: Option<String>,
    /// The page of the open pull request.
    pub pull_request_url: Option<String>,
    /// Whether a rotation has begun and not ended.
    pub under_way: bool,
    /// What is under way is a retirement.
    pub retires: bool,
    /// Since when it has waited for people or applications, and how long that is normal.
    pub wait: Option<RotationWait>,
    /// When a run last wrote into the journal.
    pub last_entry_at: Option<Timestamp>,
    /// The key that was deactivated, and since when it is known to be inactive.
    pub deactivated_key: Option<(String, Timestamp)>,
    /// The destinations whose key cannot sign requests.
    pub unusable_keys: Vec<UnusableKey>,
    /// The destinations that could not be read, each with the reason.
    pub unread_destinations: Vec<String>,
}

/// A destination with a key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableKey {
    /// The destination's kind and target.
    pub destination: String,
    /// The access key ID; `None` where it holds none of the user's keys.
    pub access_key_id: Option<String>,
    /// What the key is, or without one the destination: half a sentence, such as `is inactive`.
    pub state: &'static str,
}

impl<'a> RuleInput<'a> {
    /// Whether the command has read what a rule looks at.
    pub fn has_input(&self, input: RequiredInput) -> bool {
        match input {
            RequiredInput::Policy => true,
            RequiredInput::Account => self.inventory.is_some(),
            RequiredInput::Files => self.files.is_some(),
            RequiredInput::Rotations => self.rotations.is_some(),
            RequiredInput::References => self.files.is_some() || self.rotations.is_some(),
            RequiredInput::Fleet => self.fleet.is_some(),
        }
    }

    fn account_users(&self) -> impl Iterator<Item = &'a IamUser> {
        self.inventory.into_iter().flat_map(|inventory| &inventory.users)
    }

    /// The users that the policy lists, each with the entry that applies to it.
    pub fn listed_users(&self) -> impl Iterator<Item = (&'a UserPolicy, &'a IamUser)> {
        let policy = self.policy;
        self.account_users()
            .filter_map(|user| Some((policy.find_user_policy(&user.name, user.iam_path())?, user)))
    }

    /// The users that the policy claims and does not list.
    pub fn unlisted_users(&self) -> impl Iterator<Item = &'a IamUser> {
        let policy = self.policy;
        self.account_users().filter(|user| policy.find_user_policy(&user.name, user.iam_path()).is_none())
    }

    /// Whether a user of the account has a key that can sign requests.
    pub fn has_active_key(&self, name: &str) -> bool {
        let user = self.account_users().find(|user| user.name == name);
        user.is_some_and(|user| user.keys_by_age().into_iter().any(|(_, key)| key.status.can_sign()))
    }

    /// Whether a rotation of the user's key is open.
    pub fn is_rotating(&self, user: &str) -> bool {
        self.rotations.and_then(|rotations| rotations.get(user)).is_some_and(|standing| standing.under_way)
    }

    /// Whether keytide changes the user's keys, and this command has not read how far it is.
    pub fn is_journal_unread(&self, user: &str) -> bool {
        let entry = self.policy.find_user_policy(user, None);
        let is_changed = entry.is_some_and(|entry| entry.key_changes().is_some());
        is_changed && !self.rotations.is_some_and(|rotations| rotations.contains_key(user))
    }

    /// How old something is that was created at a time; what is from the future is new.
    pub fn age_since(&self, created_at: Timestamp) -> SignedDuration {
        self.now.duration_since(created_at).max(SignedDuration::ZERO)
    }
}

/// Reports credentials that were created in the future: a clock is wrong, and no age can be trusted.
pub fn future_creation_faults(inventory: &AccountInventory, now: Timestamp) -> Vec<ReadFault> {
    let mut faults = Vec::new();
    for user in &inventory.users {
        for key in &user.keys {
            let created = (describe_key(key), key.created_at);
            faults.extend(future_fault(user, "iam:ListAccessKeys", created, now));
        }
        for credential in user.service_credentials_by_age() {
            let created = (format!("service-specific credential {}", credential.id), credential.created_at);
            faults.extend(future_fault(user, LIST_SERVICE_CREDENTIALS, created, now));
        }
    }
    faults
}

fn future_fault(
    user: &IamUser,
    operation: &str,
    (what, created_at): (String, Timestamp),
    now: Timestamp,
) -> Option<ReadFault> {
    // AWS and this machine may differ by minutes; the age of such a credential is zero.
    if created_at.duration_since(now) <= MAX_CLOCK_SKEW {
        return None;
    }
    let message = format!(
        "{what} was created at {created_at}, after the time of this run ({now}): its age is unknown; check the clock or --now"
    );
    Some(ReadFault { user: Some(user.name.clone()), operation: operation.to_owned(), message })
}

/// Whether knowing a key's last use better could add or remove a finding.
///
/// The key may have a last use that another source has reported: a later use can only make a key less idle.
pub fn last_use_decides(entry: &UserPolicy, key: &AccessKey, now: Timestamp) -> bool {
    let KeyLimits { max_unused, max_inactive, .. } = entry.limits;
    let limit = if key.status.can_sign() { max_unused } else { max_inactive };
    // A request per key is the slowest part of an audit, so it is sent only if its answer can change the result.
    let known = key.last_used.known_value().and_then(Option::as_ref);
    let since = known.map_or(key.created_at, |used| used.at.max(key.created_at));
    let overdue = limit.is_some_and(|limit| now.duration_since(since) > limit.0);
    // Where a key was used last may have changed since, whatever an older source says.
    overdue || entry.allow.is_some()
}

/// When the next of a user's active keys is due: to be rotated if the user has `rotation`, else to exceed `max_age`.
pub fn next_due(entry: &UserPolicy, user: &IamUser) -> Option<Timestamp> {
    // A key that goes without a successor is due once nothing needs it, whatever its age
    if entry.retire.is_some() {
        return None;
    }
    let after = entry.rotation.as_ref().map(|rotation| rotation.start_at).or(entry.limits.max_age)?;
    let oldest = user.keys.iter().filter(|key| key.status.can_sign()).map(|key| key.created_at).min()?;
    oldest.checked_add(after.0).ok()
}

/// A key in a sentence: its ID, or its place in the credential report.
pub fn describe_key(key: &AccessKey) -> String {
    match (&key.id, key.slot) {
        (Some(id), _) => format!("access key {id}"),
        (None, Some(slot)) => format!("access key {slot}"),
        (None, None) => "an access key".to_owned(),
    }
}

/// What is to be said of a status that IAM has added since, after the name of a credential.
pub fn describe_status_doubt(status: &KeyStatus) -> String {
    match status {
        KeyStatus::Other(_) => format!(" (unknown status `{status}`, counted as active)"),
        _ => String::new(),
    }
}

/// A length of time in a sentence, cut down to whole days, or hours below two days.
pub fn format_elapsed(duration: SignedDuration) -> String {
    let (number, unit) = match duration.as_hours() {
        hours if hours >= 48 => (hours / 24, "day"),
        hours if hours >= 1 => (hours, "hour"),
        _ => (duration.as_mins(), "minute"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// The same next to a limit that it exceeds: "just over" if the number, cut down, would equal the limit.
pub fn format_elapsed_over(duration: SignedDuration, limit: SignedDuration) -> String {
    let (text, limit) = (format_elapsed(duration), format_elapsed(limit));
    if text == limit { format!("just over {text}") } else { text }
}
