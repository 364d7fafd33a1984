//! Builds the inventory of an account from a credential report, and orders users as the policy file does.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::dates::format_moment;
use crate::iam::credential_report::{self, CredentialReport};
use crate::iam::{
    AccountInventory, DataSource, IamUser, Provenance, ReadFault, SourcedFact, UnknownReason, path_from_arn,
};
use crate::policy::{Policy, UserPolicy};
use crate::repository::RepositoryIdentity;
use crate::rotation::timing::MAX_CLOCK_SKEW;
use crate::rules::RotationStatuses;

/// Everything that an audit reads.
pub struct AuditInput {
    pub inventory: AccountInventory,
    pub repository: RepositoryIdentity,
    /// `None` if the journals could not be read.
    pub rotations: Option<RotationStatuses>,
    /// What a run of `keytide rotate` would do now, by user.
    pub next_steps: BTreeMap<String, String>,
}

/// Builds an inventory from the rows of a report. What the report does not contain stays unknown.
pub fn inventory_from_report(policy: &Policy, report: CredentialReport) -> AccountInventory {
    let listed = Provenance { source: DataSource::Report, as_of: report.as_of };
    let missing = missing_users(policy, &report);
    let mut faults = report.faults;
    let limits = vec![format!(
        "the credential report is from {}; later changes are not included",
        format_moment(report.as_of)
    )];
    let mut users: Vec<IamUser> = Vec::new();
    for row in report.rows {
        if !policy.is_about_user(&row.user, path_from_arn(&row.arn)) {
            continue;
        }
        if row.more_keys {
            let message = "this user has more keys than the credential report shows".to_owned();
            let operation = credential_report::OPERATION.to_owned();
            faults.push(ReadFault { user: Some(row.user.clone()), operation, message });
        }
        users.push(IamUser {
            name: row.user,
            arn: Some(row.arn),
            keys: row.keys,
            listed,
            console_password: row.console_password,
            owner: SourcedFact::Unknown(UnknownReason::NotInSource),
            quarantined: SourcedFact::Unknown(UnknownReason::NotInSource),
            service_credentials: SourcedFact::Unknown(UnknownReason::NotInSource),
        });
    }
    sort_in_policy_order(policy, &mut users);
    let root_key = report.root_key;
    AccountInventory { account: report.account, source: "report", users, missing, root_key, faults, limits }
}

/// Returns a fault for each key that was last used after the time of this run: a clock or the source is wrong, and how
/// long the key is unused is not known.
pub fn future_use_faults(inventory: &AccountInventory, now: Timestamp) -> Vec<ReadFault> {
    let mut faults = Vec::new();
    for user in &inventory.users {
        for key in &user.keys {
            let Some(Some(used)) = key.last_used.known_value() else { continue };
            if used.at.duration_since(now) > MAX_CLOCK_SKEW {
                let name = key.id.clone().or(key.slot.map(|slot| slot.to_string())).unwrap_or_default();
                let message = format!(
                    "access key {name} was last used at {}, after the time of this run ({now}): how long it is unused is not known; check the clock or --now",
                    used.at
                );
                let operation = "iam:GetAccessKeyLastUsed".to_owned();
                faults.push(ReadFault { user: Some(user.name.clone()), operation, message });
            }
        }
    }
    faults
}

/// Says for how many users service-specific credentials were not asked for, where the policy limits those of others. A
/// policy without such a limit is not about them.
pub fn unasked_credentials_remark(policy: &Policy, inventory: &AccountInventory) -> Option<String> {
    if !policy.users.iter().any(UserPolicy::limits_service_credentials) {
        return None;
    }
    let (mut listed, mut unasked) = (0, 0);
    for user in &inventory.users {
        if policy.find_user_policy(&user.name, user.iam_path()).is_some() {
            listed += 1;
            let is_unasked = user.service_credentials == SourcedFact::Unknown(UnknownReason::NotAsked);
            unasked += usize::from(is_unasked);
        }
    }
    if unasked == 0 {
        return None;
    }
    Some(format!(
        "service-specific credentials were not looked at for {unasked} of {listed} users, whose entries set no limit for them"
    ))
}

/// The users that the policy names and the report does not contain.
fn missing_users(policy: &Policy, report: &CredentialReport) -> Vec<String> {
    // A row that cannot be read may be the row of any user.
    if report.faults.iter().any(|fault| fault.user.is_none()) {
        return Vec::new();
    }
    let mut known = report.user_names();
    known.extend(report.faults.iter().filter_map(|fault| fault.user.as_deref()));
    policy.user_names().filter(|name| !known.contains(name)).map(str::to_owned).collect()
}

/// Sorts users in the order of the policy entries that match them, then by name; users without an entry come last.
pub fn sort_in_policy_order(policy: &Policy, users: &mut [IamUser]) {
    users.sort_by_cached_key(|user| {
        let place = policy.find_user_policy(&user.name, user.iam_path()).map(|entry| entry.at);
        // Users without an entry come last.
        (place.is_none(), place, user.name.to_lowercase(), user.name.clone())
    });
}
