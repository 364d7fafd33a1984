//! Reads an account through IAM and the credential report, for `keytide audit`.
//!
//! Each user costs several requests, so the last use of a key and the owner's tag are requested only where they can
//! change a finding.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::inventory::{AuditInput, inventory_from_report, sort_in_policy_order};
use super::read_users::{PendingUser, UserNeeds, UserReader};
use crate::aws::connect;
use crate::aws::iam::IamClient;
use crate::aws::iam::report::ReportError;
use crate::commands::cli::{AuditArgs, SourceChoice};
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::policy_file::ensure_account_matches;
use crate::commands::rotation::{StatusError, read_rotation_statuses};
use crate::dates::format_moment;
use crate::error::{CommandError, READING_ROTATION};
use crate::iam::credential_report::CredentialReport;
use crate::iam::{AccessKey, AccountInventory, DataSource, Provenance, ReadFault, path_from_arn};
use crate::policy::{Policy, UserPolicy};
use crate::rules::last_use_decides;

/// With more users than this, the credential report is worth its two requests and the wait for it.
const REPORT_THRESHOLD: usize = 10;

/// Reads the account and, with a GitHub token, the status of the rotations.
pub fn read_live_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
) -> Result<AuditInput, CommandError> {
    connection::run_async(context, read_account(context, policy, arguments))?
}

async fn read_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
) -> Result<AuditInput, CommandError> {
    let access = connection::prepare_access(context, policy.role_arn.clone(), &arguments.aws, true).await?;
    let account = connect::connect_account(&access).await?;
    // Before any other request: the credentials may belong to an account that the policy is not for.
    ensure_account_matches(policy, &account.caller.account)?;
    context.print_verbose(&format!(
        "policy {}, account {}, partition {}",
        policy.file, account.caller.account, account.caller.partition
    ));
    let repository = connection::resolve_repository_id(context, context.repository_identity()).await;
    let statuses = read_rotation_statuses(context, policy, &account, &repository).await;
    context.print_verbose(&format!("repository {repository}"));
    let audit = LiveAudit {
        reader: UserReader::new(
            IamClient::new(connect::iam_client(&account.config)),
            account.caller,
            context.progress,
        ),
        policy,
        now: context.now,
        wants_owner: repository.id.is_some(),
    };
    let mut inventory = match arguments.source {
        SourceChoice::Report => audit.read_report_only().await?,
        SourceChoice::Iam => audit.read_iam_only().await?,
        SourceChoice::Auto => audit.read_auto().await?,
    };
    inventory.faults.extend(audit.reader.take_partial_faults());
    let mut next_steps = BTreeMap::new();
    let rotations = match statuses {
        Ok(statuses) => {
            next_steps = statuses.next_steps;
            inventory.faults.extend(statuses.faults);
            inventory.limits.extend(statuses.remarks);
            Some(statuses.known)
        }
        Err(StatusError::NoRotations) => None,
        // Only a failure is a fault: not to give a token or a repository is a choice
        Err(StatusError::Failed(error)) => {
            let message = format!("rotation status unknown: {}", error.message);
            inventory.faults.push(ReadFault { user: None, operation: READING_ROTATION.to_owned(), message });
            None
        }
        Err(error) => {
            inventory.limits.push(format!("rotation status unknown: {error}"));
            None
        }
    };
    Ok(AuditInput { inventory, repository, rotations, next_steps })
}

struct LiveAudit<'a> {
    reader: UserReader<'a>,
    policy: &'a Policy,
    now: jiff::Timestamp,
    /// Whether the owner's tag can decide anything; not while this repository's ID is unknown.
    wants_owner: bool,
}

impl LiveAudit<'_> {
    async fn read_report_only(&self) -> Result<AccountInventory, CommandError> {
        let report =
            self.reader.read_credential_report().await.map_err(|error| fatal_error(&error.into_fault()))?;
        Ok(inventory_from_report(self.policy, report))
    }

    async fn read_auto(&self) -> Result<AccountInventory, CommandError> {
        if !self.policy.needs_listing() && self.policy.user_names().count() <= REPORT_THRESHOLD {
            return self.read_iam_only().await;
        }
        match self.reader.read_credential_report().await {
            Ok(report) => Ok(self.read_report_first(report).await),
            Err(error) => {
                let mut inventory = self.read_iam_only().await?;
                inventory.limits.push(format!("the credential report was not read ({error}); used IAM only"));
                // Not granting the report is a choice, and the rules that need it report that they were skipped.
                if let ReportError::Failed(fault) = error {
                    inventory.faults.push(fault);
                }
                Ok(inventory)
            }
        }
    }

    /// Reads the users that the policy names, and those that its globs match, from IAM.
    async fn read_iam_only(&self) -> Result<AccountInventory, CommandError> {
        let mut pending: Vec<PendingUser> = Vec::new();
        if self.policy.needs_listing() {
            let listed = self
                .reader
                .iam
                .list_users(self.policy.listing_path())
                .await
                .map_err(|fault| fatal_error(&fault))?;
            for user in listed {
                if self.policy.is_about_user(&user.name, path_from_arn(&user.arn)) {
                    pending.push(PendingUser::from_listed(user));
                }
            }
        }
        let listed: HashSet<String> = pending.iter().map(|user| user.name.clone()).collect();
        for name in self.policy.user_names() {
            if !listed.contains(name) {
                pending.push(PendingUser::named(name));
            }
        }
        let mut faults = Vec::new();
        let quarantined = self.reader.quarantined_users(&mut faults).await;
        let mut inventory = self.read_users("iam", pending, quarantined.as_ref()).await;
        inventory.faults.splice(0..0, faults);
        Ok(inventory)
    }

    /// Takes from the report who has keys and when they were used, and reads the rest from IAM, user by user.
    async fn read_report_first(&self, mut report: CredentialReport) -> AccountInventory {
        let stamp = Provenance { source: DataSource::Report, as_of: report.as_of };
        // A user may be newer than the report.
        let known = report.user_names();
        let newer = self.policy.user_names().filter(|name| !known.contains(name));
        let mut pending: Vec<PendingUser> = newer.map(PendingUser::named).collect();
        let mut keyless = Vec::new();
        for row in std::mem::take(&mut report.rows) {
            let user = PendingUser::from_row(row);
            if !self.policy.is_about_user(&user.name, user.iam_path()) {
                continue;
            }
            if user.may_have_keys() {
                pending.push(user);
            } else {
                keyless.push(user);
            }
        }
        let quarantined = self.reader.quarantined_users(&mut report.faults).await;
        let mut inventory = self.read_users("auto", pending, quarantined.as_ref()).await;
        inventory.root_key = report.root_key;
        inventory.faults.splice(0..0, report.faults);
        inventory.limits.push(format!(
            "users without keys, console passwords and the root key are as of the credential report, {}",
            format_moment(report.as_of)
        ));
        let keyless =
            keyless.into_iter().map(|user| user.into_reported_user(stamp, quarantined.as_ref())).collect();
        self.reader.add_reported_users(&mut inventory, keyless, self).await;
        self.put_in_order(&mut inventory);
        inventory
    }

    /// Reads users of the policy, in its order.
    async fn read_users(
        &self,
        source: &'static str,
        pending: Vec<PendingUser>,
        quarantined: Option<&BTreeSet<String>>,
    ) -> AccountInventory {
        let mut inventory = self.reader.read_users(source, pending, quarantined, self).await;
        self.put_in_order(&mut inventory);
        inventory
    }

    fn put_in_order(&self, inventory: &mut AccountInventory) {
        // A user that was listed and has been deleted since is not a misspelt name in the policy.
        let named: BTreeSet<&str> = self.policy.user_names().collect();
        inventory.missing.retain(|name| named.contains(name.as_str()));
        sort_in_policy_order(self.policy, &mut inventory.users);
    }
}

/// Where the report has said the last use of a key already, it is read again only where it decides a finding.
impl UserNeeds for LiveAudit<'_> {
    fn wants_owner(&self, _: &PendingUser) -> bool {
        self.wants_owner
    }

    fn wants_last_use(&self, user: &PendingUser, key: &AccessKey) -> bool {
        user.row.is_none()
            || self
                .policy
                .find_user_policy(&user.name, user.iam_path())
                .is_some_and(|entry| last_use_decides(entry, key, self.now))
    }

    fn wants_service_credentials(&self, user: &str, path: Option<&str>) -> bool {
        self.policy.find_user_policy(user, path).is_some_and(UserPolicy::limits_service_credentials)
    }
}

/// A fault after which nothing can be reported about any user.
fn fatal_error(fault: &ReadFault) -> CommandError {
    CommandError::incomplete(format!("{} failed: {}", fault.operation, fault.message))
}
