//! Reads one account for all policy files that name it: the credential report once, and each of their users once.
//!
//! The audit of one repository reads a few users by name and may do without the report. Here the report is always worth it: it
//! also names the users that no policy file lists, which need no request of their own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::aws::connect::CallerAccount;
use crate::aws::iam::IamClient;
use crate::aws::iam::report::ReportError;
use crate::commands::progress::ProgressLine;
use crate::fleet::facts::{RepositoryPolicy, is_in_policy};
use crate::fleet::part::Part;
use crate::iam::credential_report::{self, CredentialReport, ReportRow};
use crate::iam::{
    AccessKey, AccountInventory, DataSource, IamUser, Provenance, ReadFault, SourcedFact, UnknownReason,
    merge, path_from_arn,
};
use crate::rules::last_use_decides;
use crate::system::clock;

/// How many users are read concurrently. More would only make IAM throttle the requests.
const MAX_CONCURRENT_USERS: usize = 8;

/// How many users that the credential report does not have are looked up one by one.
const MAX_SINGLE_LOOKUPS: usize = 20;

/// Reads one account.
pub struct AccountReader<'a> {
    pub iam: IamClient,
    pub caller: CallerAccount,
    pub policies: &'a [RepositoryPolicy],
    pub part: Part,
    pub now: Timestamp,
    pub time_limit: Duration,
    pub progress: &'a ProgressLine,
    faults: RefCell<Vec<ReadFault>>,
    started_at: tokio::time::Instant,
}

/// What is read, and by which role.
pub struct ReadRequest<'a> {
    pub policies: &'a [RepositoryPolicy],
    pub part: Part,
    pub now: Timestamp,
    /// How long users are read.
    pub time_limit: Duration,
    pub progress: &'a ProgressLine,
}

/// A user to be read, and what a listing or the credential report said about it.
struct PendingUser {
    name: String,
    arn: Option<String>,
    row: Option<ReportRow>,
}

impl<'a> AccountReader<'a> {
    pub fn new(iam: IamClient, caller: CallerAccount, request: ReadRequest<'a>) -> Self {
        let ReadRequest { policies, part, now, time_limit, progress } = request;
        let started_at = tokio::time::Instant::now();
        Self {
            iam,
            caller,
            policies,
            part,
            now,
            time_limit,
            progress,
            faults: RefCell::default(),
            started_at,
        }
    }

    /// Reads the users of the part. What could not be read is a fault of the inventory.
    pub async fn read(&self) -> AccountInventory {
        let mut inventory = match self.read_credential_report().await {
            Ok(report) => self.read_by_report(report).await,
            Err(error) => self.read_by_listing(error).await,
        };
        inventory.faults.extend(self.faults.take());
        inventory.users.sort_by_cached_key(|user| (user.name.to_lowercase(), user.name.clone()));
        inventory
    }

    async fn read_credential_report(&self) -> Result<CredentialReport, ReportError> {
        let wait = || self.progress.set_text("waiting for AWS to generate the credential report");
        let (bytes, made_at) = self.iam.credential_report(&wait).await?;
        let report = credential_report::parse_report(&bytes, Some(made_at))
            .map_err(|error| invalid_report(error.to_string()))?;
        if report.account != self.caller.account {
            return Err(invalid_report(format!("the report is of account {}", report.account)));
        }
        Ok(report)
    }

    async fn read_by_report(&self, mut report: CredentialReport) -> AccountInventory {
        let listed = Provenance { source: DataSource::Report, as_of: report.as_of };
        let known = lower_case(report.rows.iter().map(|row| row.user.as_str()));
        let (mut pending, missing) = self.users_not_in_report(&known).await;
        let mut users = Vec::new();
        let quarantined = self.quarantined_users().await;
        for row in std::mem::take(&mut report.rows) {
            if !self.part.has_user(&row.user) {
                continue;
            }
            let user = PendingUser { name: row.user.clone(), arn: Some(row.arn.clone()), row: Some(row) };
            if self.is_wanted(&user) {
                pending.push(user);
            } else {
                users.push(user.into_reported_user(listed, quarantined.as_ref()));
            }
        }
        let mut inventory = self.read_users("auto", pending, quarantined.as_ref()).await;
        inventory.users.extend(users);
        inventory.missing.extend(missing);
        inventory.root_key = report.root_key;
        inventory.faults.extend(report.faults);
        inventory.limits.push(format!(
            "users without keys or without a policy file, console passwords and the root key are as of the credential report, {}",
            report.as_of
        ));
        inventory
    }

    /// The listed users that the report does not have: they may be newer, or the names are wrong. Returns those to ask for,
    /// and those that do not exist. Many of them are looked up in one list, and not one by one.
    async fn users_not_in_report(&self, known: &HashSet<String>) -> (Vec<PendingUser>, Vec<String>) {
        let mut names = self.listed_names();
        names.retain(|name| !known.contains(&name.to_lowercase()));
        if names.len() > MAX_SINGLE_LOOKUPS {
            match self.iam.list_users("/").await {
                Ok(users) => {
                    let listed = lower_case(users.iter().map(|user| user.name.as_str()));
                    let (found, missing): (Vec<&str>, Vec<&str>) =
                        names.into_iter().partition(|name| listed.contains(&name.to_lowercase()));
                    let pending = found.into_iter().map(PendingUser::named).collect();
                    return (pending, missing.into_iter().map(str::to_owned).collect());
                }
                // Each is asked for all the same: the role may not list users.
                Err(fault) => self.faults.borrow_mut().push(fault),
            }
        }
        (names.into_iter().map(PendingUser::named).collect(), Vec::new())
    }

    /// Without the report every user of the account must be read to know who has keys.
    async fn read_by_listing(&self, error: ReportError) -> AccountInventory {
        let mut pending = Vec::new();
        match self.iam.list_users("/").await {
            Ok(users) => {
                for user in users.into_iter().filter(|user| self.part.has_user(&user.name)) {
                    pending.push(PendingUser { name: user.name, arn: Some(user.arn), row: None });
                }
            }
            Err(fault) => self.faults.borrow_mut().push(fault),
        }
        let known = lower_case(pending.iter().map(|user| user.name.as_str()));
        for name in self.listed_names() {
            if !known.contains(&name.to_lowercase()) {
                pending.push(PendingUser::named(name));
            }
        }
        let quarantined = self.quarantined_users().await;
        let mut inventory = self.read_users("iam", pending, quarantined.as_ref()).await;
        inventory.limits.push(format!("the credential report was not read ({error}); used IAM only"));
        // Not granting the report is a choice, and the rules that need it report that they were skipped.
        if let ReportError::Failed(fault) = error {
            inventory.faults.push(fault);
        }
        inventory
    }

    /// Reads each user. A user that cannot be read becomes a fault; the others are still read.
    async fn read_users(
        &self,
        source: &'static str,
        pending: Vec<PendingUser>,
        quarantined: Option<&BTreeSet<String>>,
    ) -> AccountInventory {
        let (total, done) = (pending.len(), &Cell::new(0));
        let mut results = stream::iter(pending)
            .map(|user| async move {
                let name = user.name.clone();
                let result = self.read_user(user, quarantined).await;
                done.set(done.get() + 1);
                self.progress.set_text(&format!("reading users: {} of {total}", done.get()));
                (name, result)
            })
            .buffer_unordered(MAX_CONCURRENT_USERS);
        let (mut users, mut missing) = (Vec::new(), Vec::new());
        while let Some((name, result)) = results.next().await {
            match result {
                Ok(Some(user)) => users.push(user),
                Ok(None) => missing.push(name),
                Err(fault) => self.faults.borrow_mut().push(fault),
            }
        }
        let account = self.caller.account.clone();
        let root_key = SourcedFact::Unknown(UnknownReason::NotAsked);
        AccountInventory { account, source, users, missing, root_key, faults: Vec::new(), limits: Vec::new() }
    }

    async fn read_user(
        &self,
        pending: PendingUser,
        quarantined: Option<&BTreeSet<String>>,
    ) -> Result<Option<IamUser>, ReadFault> {
        // The credentials of an assumed role, and the job, end at a fixed time: what is read by then must be written.
        if self.started_at.elapsed() > self.time_limit {
            let minutes = self.time_limit.as_secs() / 60;
            let message = format!(
                "not read: the {minutes} minutes of `--minutes` are over; divide the account with `--part`"
            );
            let operation = "iam:ListAccessKeys".to_owned();
            return Err(ReadFault { user: Some(pending.name), operation, message });
        }
        let Some(keys) = self.iam.access_keys(&pending.name).await? else { return Ok(None) };
        let listed = Provenance { source: DataSource::Iam, as_of: clock::system_time() };
        let details = if pending.arn.is_none() || self.wants_owner(&pending) {
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
        let keys = self.with_last_use(&pending.name, arn.as_deref(), keys).await;
        Ok(Some(IamUser {
            quarantined: is_quarantined(quarantined, &pending.name, listed),
            console_password: console_password(pending.row.as_ref()),
            name: pending.name,
            arn,
            keys,
            listed,
            owner,
        }))
    }

    /// Reads the last use of a key where it can decide a finding of any of the policy files.
    async fn with_last_use(&self, user: &str, arn: Option<&str>, mut keys: Vec<AccessKey>) -> Vec<AccessKey> {
        let path = arn.and_then(path_from_arn);
        for key in &mut keys {
            let Some(id) = key.id.clone() else { continue };
            let used_at = key.last_used.known_value().and_then(Option::as_ref).map(|last_use| last_use.at);
            let mut entries =
                self.policies.iter().filter_map(|entry| entry.policy.find_user_policy(user, path));
            if !entries.any(|entry| last_use_decides(entry, key, used_at, self.now)) {
                continue;
            }
            key.last_used = match self.iam.last_used(user, &id).await {
                Ok(used) => SourcedFact::Known(
                    used,
                    Provenance { source: DataSource::Iam, as_of: clock::system_time() },
                ),
                Err(fault) => {
                    // The age of the key is known, so the user stays in the report
                    self.faults.borrow_mut().push(fault);
                    SourcedFact::Unknown(UnknownReason::Failed)
                }
            };
        }
        keys
    }

    /// The users that AWS quarantined; `None` if that cannot be read, which adds a fault.
    async fn quarantined_users(&self) -> Option<BTreeSet<String>> {
        match self.iam.list_quarantined_users(&self.caller.partition).await {
            Ok(users) => Some(users),
            Err(fault) => {
                self.faults.borrow_mut().push(fault);
                None
            }
        }
    }

    /// The names that the policy files list, each once.
    fn listed_names(&self) -> Vec<&'a str> {
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for name in self.policies.iter().flat_map(|entry| entry.policy.user_names()) {
            if self.part.has_user(name) {
                names.entry(name.to_owned()).or_insert(name);
            }
        }
        names.into_values().collect()
    }

    /// Whether a user must be read from IAM: it has keys, and a policy file is about it.
    fn is_wanted(&self, user: &PendingUser) -> bool {
        let has_keys = user.row.as_ref().is_none_or(|row| !row.keys.is_empty() || row.more_keys);
        let path = user.arn.as_deref().and_then(path_from_arn);
        has_keys && self.policies.iter().any(|entry| is_in_policy(&entry.policy, &user.name, path))
    }

    /// Whether the owner's tag can decide anything: a repository with a known ID lists the user.
    fn wants_owner(&self, user: &PendingUser) -> bool {
        let path = user.arn.as_deref().and_then(path_from_arn);
        self.policies
            .iter()
            .any(|entry| entry.id.is_some() && entry.policy.find_user_policy(&user.name, path).is_some())
    }
}

impl PendingUser {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), arn: None, row: None }
    }

    /// The user as the report has it.
    fn into_reported_user(self, listed: Provenance, quarantined: Option<&BTreeSet<String>>) -> IamUser {
        IamUser {
            quarantined: is_quarantined(quarantined, &self.name, listed),
            console_password: console_password(self.row.as_ref()),
            name: self.name,
            arn: self.arn,
            keys: self.row.map(|row| row.keys).unwrap_or_default(),
            listed,
            owner: SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }
}

fn lower_case<'n>(names: impl Iterator<Item = &'n str>) -> HashSet<String> {
    names.map(str::to_lowercase).collect()
}

fn console_password(row: Option<&ReportRow>) -> SourcedFact<bool> {
    row.map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |row| row.console_password.clone())
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
