//! Reads an account through IAM and the credential report, for `keytide audit`.
//!
//! Each user costs several requests, so the last use of a key and the owner's tag are requested only where they can
//! change a finding.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};

use futures_util::{StreamExt, stream};

use super::inventory::{AuditInput, inventory_from_report, sort_in_policy_order};
use crate::aws::connect::{self, CallerAccount};
use crate::aws::iam::IamClient;
use crate::aws::iam::report::ReportError;
use crate::commands::cli::{AuditArgs, SourceChoice};
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::policy_file::ensure_account_matches;
use crate::commands::progress::ProgressLine;
use crate::commands::rotation::{StatusError, read_rotation_statuses};
use crate::error::CommandError;
use crate::iam::credential_report::{self, CredentialReport, ReportRow};
use crate::iam::{
    AccessKey, AccountInventory, DataSource, IamUser, ListedUser, Provenance, ReadFault, SourcedFact,
    UnknownReason, merge, path_from_arn,
};
use crate::policy::Policy;
use crate::rules::last_use_decides;
use crate::system::clock;

/// How many users are read concurrently. More would only make IAM throttle the requests.
const MAX_CONCURRENT_USERS: usize = 8;
/// With more users than this, the credential report is worth its two requests and the wait for it.
const REPORT_THRESHOLD: usize = 10;

/// Reads the account and, with a GitHub token, the status of the rotations.
pub fn read_live_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
) -> Result<AuditInput, CommandError> {
    connection::run_async(read_account(context, policy, arguments))?
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
        iam: IamClient::new(connect::iam_client(&account.config)),
        policy,
        caller: account.caller,
        now: context.now,
        wants_owner: repository.id.is_some(),
        progress: context.progress,
        partial_faults: RefCell::default(),
    };
    let mut inventory = match arguments.source {
        SourceChoice::Report => audit.read_report_only().await?,
        SourceChoice::Iam => audit.read_iam_only().await?,
        SourceChoice::Auto => audit.read_auto().await?,
    };
    inventory.faults.extend(audit.partial_faults.take());
    let rotations = match statuses {
        Ok(statuses) => {
            inventory.faults.extend(statuses.faults);
            inventory.limits.extend(statuses.remarks);
            Some(statuses.known)
        }
        Err(StatusError::NoRotations) => None,
        Err(StatusError::Failed(error)) => {
            let message = format!("rotation status unknown: {}", error.message);
            inventory.faults.push(ReadFault { user: None, operation: "look".to_owned(), message });
            None
        }
        Err(error) => {
            inventory.limits.push(format!("rotation status unknown: {error}"));
            None
        }
    };
    Ok(AuditInput { inventory, repository, rotations })
}

struct LiveAudit<'a> {
    iam: IamClient,
    policy: &'a Policy,
    caller: CallerAccount,
    now: jiff::Timestamp,
    /// Whether the owner's tag can decide anything; not while this repository's ID is unknown.
    wants_owner: bool,
    progress: &'a ProgressLine,
    /// What could not be read of users that are in the report all the same.
    partial_faults: RefCell<Vec<ReadFault>>,
}

/// A user to be read, and what a listing or the credential report said about it.
struct PendingUser {
    name: String,
    arn: Option<String>,
    row: Option<ReportRow>,
}

impl LiveAudit<'_> {
    async fn read_report_only(&self) -> Result<AccountInventory, CommandError> {
        let report = self.read_credential_report().await.map_err(|error| fatal_error(&error.into_fault()))?;
        Ok(inventory_from_report(self.policy, report))
    }

    async fn read_auto(&self) -> Result<AccountInventory, CommandError> {
        if !self.policy.needs_listing() && self.policy.user_names().count() <= REPORT_THRESHOLD {
            return self.read_iam_only().await;
        }
        match self.read_credential_report().await {
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
            let listed =
                self.iam.list_users(self.policy.listing_path()).await.map_err(|fault| fatal_error(&fault))?;
            for user in listed {
                if self.is_in_policy(&user.name, Some(&user.arn)) {
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
        let quarantined = self.quarantined_users(&mut faults).await;
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
            let user = PendingUser { name: row.user.clone(), arn: Some(row.arn.clone()), row: Some(row) };
            if !self.is_in_policy(&user.name, user.arn.as_deref()) {
                continue;
            }
            match &user.row {
                Some(row) if row.keys.is_empty() && !row.more_keys => keyless.push(user),
                _ => pending.push(user),
            }
        }
        let quarantined = self.quarantined_users(&mut report.faults).await;
        let mut inventory = self.read_users("auto", pending, quarantined.as_ref()).await;
        inventory.root_key = report.root_key;
        inventory.faults.splice(0..0, report.faults);
        inventory.limits.push(format!(
            "users without keys, console passwords and the root key are as of the credential report, {}",
            report.as_of
        ));
        for user in keyless {
            inventory.users.push(user.into_keyless_user(stamp, quarantined.as_ref()));
        }
        sort_in_policy_order(self.policy, &mut inventory.users);
        inventory
    }

    /// The users that AWS quarantined; `None` if that cannot be read, which adds a fault.
    async fn quarantined_users(&self, faults: &mut Vec<ReadFault>) -> Option<BTreeSet<String>> {
        match self.iam.list_quarantined_users(&self.caller.partition).await {
            Ok(users) => Some(users),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }

    /// Reads each user. A user that cannot be read becomes a fault; the others are still read.
    async fn read_users(
        &self,
        source: &'static str,
        pending: Vec<PendingUser>,
        quarantined: Option<&BTreeSet<String>>,
    ) -> AccountInventory {
        let (total, done) = (pending.len(), Cell::new(0));
        let done = &done;
        // `buffered` keeps the order, so that reports of the same account are equal.
        let results: Vec<(String, Result<Option<IamUser>, ReadFault>)> = stream::iter(pending)
            .map(|user| async move {
                let name = user.name.clone();
                let result = self.read_user(user, quarantined).await;
                done.set(done.get() + 1);
                self.progress.set_text(&format!("reading users: {} of {total}", done.get()));
                (name, result)
            })
            .buffered(MAX_CONCURRENT_USERS)
            .collect()
            .await;
        let (mut users, mut missing, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (name, result) in results {
            match result {
                Ok(Some(user)) => users.push(user),
                Ok(None) => missing.push(name),
                Err(fault) => faults.push(fault),
            }
        }
        // A user that was listed and has been deleted since is not a misspelt name in the policy.
        let named: BTreeSet<&str> = self.policy.user_names().collect();
        missing.retain(|name| named.contains(name.as_str()));
        sort_in_policy_order(self.policy, &mut users);
        let account = self.caller.account.clone();
        let root_key = SourcedFact::Unknown(UnknownReason::NotAsked);
        AccountInventory { account, source, users, missing, root_key, faults, limits: Vec::new() }
    }

    async fn read_user(
        &self,
        pending: PendingUser,
        quarantined: Option<&BTreeSet<String>>,
    ) -> Result<Option<IamUser>, ReadFault> {
        let Some(keys) = self.iam.access_keys(&pending.name).await? else { return Ok(None) };
        let listed = self.stamp_now();
        let details = if pending.arn.is_none() || self.wants_owner {
            let Some(details) = self.iam.get_user_details(&pending.name).await? else { return Ok(None) };
            Some(details)
        } else {
            None
        };
        let arn = pending.arn.or(details.as_ref().map(|details| details.arn.clone()));
        let owner = details.map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |details| {
            SourcedFact::Known(details.owner_tag().map(str::to_owned), listed)
        });
        let keys = match &pending.row {
            Some(row) => merge::with_last_use(keys, &row.keys),
            None => keys,
        };
        let keys = self.with_last_use(&pending.name, arn.as_deref(), keys, pending.row.is_some()).await;
        Ok(Some(IamUser {
            quarantined: is_quarantined(quarantined, &pending.name, listed),
            console_password: console_password(pending.row),
            name: pending.name,
            arn,
            keys,
            listed,
            owner,
        }))
    }

    /// Reads the last use of the keys from IAM. `only_if_decisive`: the report has said it already, so it is read again
    /// only where it decides a finding.
    async fn with_last_use(
        &self,
        user: &str,
        arn: Option<&str>,
        mut keys: Vec<AccessKey>,
        only_if_decisive: bool,
    ) -> Vec<AccessKey> {
        let entry = self.policy.find_user_policy(user, arn.and_then(path_from_arn));
        for key in &mut keys {
            let Some(id) = key.id.clone() else { continue };
            let last_use = key.last_used.known_value().and_then(Option::as_ref);
            let used_at = last_use.map(|last_use| last_use.at);
            let is_decisive = entry.is_some_and(|entry| last_use_decides(entry, key, used_at, self.now));
            if is_decisive || !only_if_decisive {
                key.last_used = match self.iam.last_used(user, &id).await {
                    Ok(used) => SourcedFact::Known(used, self.stamp_now()),
                    Err(fault) => {
                        // The age of the key is known, so the user stays in the report
                        self.partial_faults.borrow_mut().push(fault);
                        SourcedFact::Unknown(UnknownReason::Failed)
                    }
                };
            }
        }
        keys
    }

    async fn read_credential_report(&self) -> Result<CredentialReport, ReportError> {
        let read = self
            .iam
            .credential_report(&|| {
                self.progress.set_text("waiting for AWS to generate the credential report")
            })
            .await;
        let (bytes, made_at) = read?;
        let report = credential_report::parse_report(&bytes, Some(made_at))
            .map_err(|error| invalid_report(error.to_string()))?;
        if report.account != self.caller.account {
            return Err(invalid_report(format!("the report is of account {}", report.account)));
        }
        Ok(report)
    }

    fn is_in_policy(&self, name: &str, arn: Option<&str>) -> bool {
        self.policy.find_user_policy(name, arn.and_then(path_from_arn)).is_some()
            || self.policy.matching_claim(name).is_some()
    }

    fn stamp_now(&self) -> Provenance {
        Provenance { source: DataSource::Iam, as_of: clock::system_time() }
    }
}

impl PendingUser {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), arn: None, row: None }
    }

    fn from_listed(user: ListedUser) -> Self {
        Self { name: user.name, arn: Some(user.arn), row: None }
    }

    /// A user without keys according to the report, which makes all other requests needless.
    fn into_keyless_user(self, listed: Provenance, quarantined: Option<&BTreeSet<String>>) -> IamUser {
        IamUser {
            quarantined: is_quarantined(quarantined, &self.name, listed),
            name: self.name,
            arn: self.arn,
            keys: Vec::new(),
            listed,
            console_password: console_password(self.row),
            owner: SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }
}

fn console_password(row: Option<ReportRow>) -> SourcedFact<bool> {
    row.map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |row| row.console_password)
}

fn is_quarantined(users: Option<&BTreeSet<String>>, name: &str, as_of: Provenance) -> SourcedFact<bool> {
    match users {
        Some(users) => SourcedFact::Known(users.contains(name), as_of),
        None => SourcedFact::Unknown(UnknownReason::Failed),
    }
}

fn invalid_report(message: String) -> ReportError {
    let operation = credential_report::OPERATION.to_owned();
    ReportError::Failed(ReadFault { user: None, operation, message })
}

/// A fault after which nothing can be reported about any user.
fn fatal_error(fault: &ReadFault) -> CommandError {
    CommandError::incomplete(format!("{} failed: {}", fault.operation, fault.message))
}
