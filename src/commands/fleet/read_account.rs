//! Reads one account for all policy files that name it: the credential report once, and each of their users once.
//!
//! The audit of one repository reads a few users by name and may do without the report. Here the report is always worth it: it
//! also names the users that no policy file lists, which need no request of their own.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::aws::connect::CallerAccount;
use crate::aws::iam::IamClient;
use crate::aws::iam::report::ReportError;
use crate::commands::audit::read_users::{PendingUser, UserNeeds, UserReader};
use crate::commands::progress::ProgressLine;
use crate::dates::format_moment;
use crate::fleet::facts::RepositoryPolicy;
use crate::fleet::part::Part;
use crate::iam::credential_report::CredentialReport;
use crate::iam::{AccessKey, AccountInventory, DataSource, Provenance, ReadFault};
use crate::policy::UserPolicy;
use crate::rules::last_use_decides;

/// How many users that the credential report does not have are looked up one by one.
const MAX_SINGLE_LOOKUPS: usize = 20;

/// Reads one account.
pub struct AccountReader<'a> {
    reader: UserReader<'a>,
    request: ReadRequest<'a>,
    started_at: tokio::time::Instant,
}

/// What is read.
pub struct ReadRequest<'a> {
    pub policies: &'a [RepositoryPolicy],
    pub part: Part,
    pub now: Timestamp,
    /// How long users are read.
    pub time_limit: Duration,
    pub progress: &'a ProgressLine,
}

impl<'a> AccountReader<'a> {
    pub fn new(iam: IamClient, caller: CallerAccount, request: ReadRequest<'a>) -> Self {
        let reader = UserReader::new(iam, caller, request.progress);
        Self { reader, request, started_at: tokio::time::Instant::now() }
    }

    /// Reads the users of the part. What could not be read is a fault of the inventory.
    pub async fn read(&self) -> AccountInventory {
        let mut inventory = match self.reader.read_credential_report().await {
            Ok(report) => self.read_by_report(report).await,
            Err(error) => self.read_by_listing(error).await,
        };
        inventory.faults.extend(self.reader.take_partial_faults());
        inventory.users.sort_by_cached_key(|user| (user.name.to_lowercase(), user.name.clone()));
        inventory
    }

    async fn read_by_report(&self, mut report: CredentialReport) -> AccountInventory {
        let listed = Provenance { source: DataSource::Report, as_of: report.as_of };
        let known = lower_case(report.rows.iter().map(|row| row.user.as_str()));
        let mut faults = std::mem::take(&mut report.faults);
        let (mut pending, missing) = self.users_not_in_report(&known, &mut faults).await;
        let mut users = Vec::new();
        let quarantined = self.reader.quarantined_users(&mut faults).await;
        for row in std::mem::take(&mut report.rows) {
            if !self.request.part.has_user(&row.user) {
                continue;
            }
            let user = PendingUser::from_row(row);
            if self.is_wanted(&user) {
                pending.push(user);
            } else {
                users.push(user.into_reported_user(listed, quarantined.as_ref()));
            }
        }
        let mut inventory = self.reader.read_users("auto", pending, quarantined.as_ref(), self).await;
        self.reader.add_reported_users(&mut inventory, users, self).await;
        inventory.missing.extend(missing);
        inventory.root_key = report.root_key;
        inventory.faults.extend(faults);
        inventory.limits.push(format!(
            "users without keys or without a policy file, console passwords and the root key are as of the credential report, {}",
            format_moment(report.as_of)
        ));
        inventory
    }

    /// The listed users that the report does not have: they may be newer, or the names are wrong. Returns those to ask for,
    /// and those that do not exist. Many of them are looked up in one list, and not one by one.
    async fn users_not_in_report(
        &self,
        known: &HashSet<String>,
        faults: &mut Vec<ReadFault>,
    ) -> (Vec<PendingUser>, Vec<String>) {
        let mut names = self.listed_names();
        names.retain(|name| !known.contains(&name.to_lowercase()));
        if names.len() > MAX_SINGLE_LOOKUPS {
            match self.reader.iam.list_users("/").await {
                Ok(users) => {
                    let listed = lower_case(users.iter().map(|user| user.name.as_str()));
                    let (found, missing): (Vec<&str>, Vec<&str>) =
                        names.into_iter().partition(|name| listed.contains(&name.to_lowercase()));
                    let pending = found.into_iter().map(PendingUser::named).collect();
                    return (pending, missing.into_iter().map(str::to_owned).collect());
                }
                // Each is asked for all the same: the role may not list users.
                Err(fault) => faults.push(fault),
            }
        }
        (names.into_iter().map(PendingUser::named).collect(), Vec::new())
    }

    /// Without the report every user of the account must be read to know who has keys.
    async fn read_by_listing(&self, error: ReportError) -> AccountInventory {
        let (mut pending, mut faults) = (Vec::new(), Vec::new());
        match self.reader.iam.list_users("/").await {
            Ok(users) => {
                for user in users.into_iter().filter(|user| self.request.part.has_user(&user.name)) {
                    pending.push(PendingUser::from_listed(user));
                }
            }
            Err(fault) => faults.push(fault),
        }
        let known = lower_case(pending.iter().map(|user| user.name.as_str()));
        for name in self.listed_names() {
            if !known.contains(&name.to_lowercase()) {
                pending.push(PendingUser::named(name));
            }
        }
        let quarantined = self.reader.quarantined_users(&mut faults).await;
        let mut inventory = self.reader.read_users("iam", pending, quarantined.as_ref(), self).await;
        inventory.limits.push(format!("the credential report was not read ({error}); used IAM only"));
        // Not granting the report is a choice, and the rules that need it report that they were skipped.
        if let ReportError::Failed(fault) = error {
            faults.push(fault);
        }
        inventory.faults.extend(faults);
        inventory
    }

    /// The names that the policy files list, each once.
    fn listed_names(&self) -> Vec<&'a str> {
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for name in self.request.policies.iter().flat_map(|entry| entry.policy.user_names()) {
            if self.request.part.has_user(name) {
                names.entry(name.to_owned()).or_insert(name);
            }
        }
        names.into_values().collect()
    }

    /// Whether a user must be read from IAM: it has keys, and a policy file is about it.
    fn is_wanted(&self, user: &PendingUser) -> bool {
        let mut policies = self.request.policies.iter();
        user.may_have_keys() && policies.any(|entry| entry.policy.is_about_user(&user.name, user.iam_path()))
    }
}

impl UserNeeds for AccountReader<'_> {
    /// A repository with a known ID lists the user.
    fn wants_owner(&self, user: &PendingUser) -> bool {
        let mut known = self.request.policies.iter().filter(|entry| entry.id.is_some());
        known.any(|entry| entry.policy.find_user_policy(&user.name, user.iam_path()).is_some())
    }

    /// It can decide a finding of any of the policy files.
    fn wants_last_use(&self, user: &PendingUser, key: &AccessKey) -> bool {
        let policies = self.request.policies.iter();
        policies
            .filter_map(|entry| entry.policy.find_user_policy(&user.name, user.iam_path()))
            .any(|entry| last_use_decides(entry, key, self.request.now))
    }

    /// A limit of any of the policy files.
    fn wants_service_credentials(&self, user: &str, path: Option<&str>) -> bool {
        let mut policies = self.request.policies.iter();
        policies.any(|entry| {
            entry.policy.find_user_policy(user, path).is_some_and(UserPolicy::limits_service_credentials)
        })
    }

    /// The credentials of an assumed role, and the job, end at a fixed time: what is read by then must be written.
    fn ensure_time(&self, user: &str) -> Result<(), ReadFault> {
        if self.started_at.elapsed() <= self.request.time_limit {
            return Ok(());
        }
        let minutes = self.request.time_limit.as_secs() / 60;
        let message = format!(
            "not read: the {minutes} minutes of `--minutes` are over; divide the account with `--part`"
        );
        let operation = "iam:ListAccessKeys".to_owned();
        Err(ReadFault { user: Some(user.to_owned()), operation, message })
    }
}

fn lower_case<'n>(names: impl Iterator<Item = &'n str>) -> HashSet<String> {
    names.map(str::to_lowercase).collect()
}
