//! Reads IAM users one by one, several at a time: for the audit of a repository, and for an account of a fleet.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};

use crate::aws::connect::CallerAccount;
use crate::aws::iam::IamClient;
use crate::aws::iam::report::ReportError;
use crate::commands::progress::ProgressLine;
use crate::iam::credential_report::{self, CredentialReport, ReportRow};
use crate::iam::{
    AccessKey, AccountInventory, DataSource, IamUser, ListedUser, Provenance, ReadFault, ServiceCredential,
    SourcedFact, UnknownReason, merge, path_from_arn,
};
use crate::system::clock;

/// How many users are read concurrently. More would only make IAM throttle the requests.
const MAX_CONCURRENT_USERS: usize = 8;

/// Reads the users of one account.
pub struct UserReader<'a> {
    pub iam: IamClient,
    pub caller: CallerAccount,
    pub progress: &'a ProgressLine,
    /// What could not be read of users that are in the inventory all the same.
    partial_faults: RefCell<Vec<ReadFault>>,
}

/// Which requests a user is worth: each costs time, and is sent only where it can change a finding.
pub trait UserNeeds {
    /// Whether the owner's tag can decide anything.
    fn wants_owner(&self, user: &PendingUser) -> bool;

    /// Whether the last use of a key is to be asked for.
    fn wants_last_use(&self, user: &PendingUser, key: &AccessKey) -> bool;

    /// Whether the service-specific credentials of a user have a limit; `path` is the user's IAM path, if it is known.
    fn wants_service_credentials(&self, user: &str, path: Option<&str>) -> bool;

    /// Whether there is time for another user.
    ///
    /// # Errors
    /// There is none; the fault says so.
    fn ensure_time(&self, _user: &str) -> Result<(), ReadFault> {
        Ok(())
    }
}

/// A user to be read, and what a listing or the credential report said about it.
pub struct PendingUser {
    pub name: String,
    pub arn: Option<String>,
    pub row: Option<ReportRow>,
}

impl<'a> UserReader<'a> {
    pub fn new(iam: IamClient, caller: CallerAccount, progress: &'a ProgressLine) -> Self {
        Self { iam, caller, progress, partial_faults: RefCell::default() }
    }

    /// What could not be read of users that were read otherwise, since the last call.
    pub fn take_partial_faults(&self) -> Vec<ReadFault> {
        self.partial_faults.take()
    }

    /// The account's credential report; waits while AWS generates it.
    pub async fn read_credential_report(&self) -> Result<CredentialReport, ReportError> {
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

    /// The users that AWS quarantined; `None` if that cannot be read, which adds a fault.
    pub async fn quarantined_users(&self, faults: &mut Vec<ReadFault>) -> Option<BTreeSet<String>> {
        match self.iam.list_quarantined_users(&self.caller.partition).await {
            Ok(users) => Some(users),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }

    /// Reads each user. A user that cannot be read becomes a fault; the others are still read.
    pub async fn read_users(
        &self,
        source: &'static str,
        pending: Vec<PendingUser>,
        quarantined: Option<&BTreeSet<String>>,
        needs: &impl UserNeeds,
    ) -> AccountInventory {
        let (total, done) = (pending.len(), &Cell::new(0));
        // `buffered` keeps the order, so that reports of the same account are equal.
        let results: Vec<(String, Result<Option<IamUser>, ReadFault>)> = stream::iter(pending)
            .map(|user| async move {
                let name = user.name.clone();
                let result = self.read_user(user, quarantined, needs).await;
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
        let account = self.caller.account.clone();
        let root_key = SourcedFact::Unknown(UnknownReason::NotAsked);
        AccountInventory { account, source, users, missing, root_key, faults, limits: Vec::new() }
    }

    async fn read_user(
        &self,
        mut user: PendingUser,
        quarantined: Option<&BTreeSet<String>>,
        needs: &impl UserNeeds,
    ) -> Result<Option<IamUser>, ReadFault> {
        needs.ensure_time(&user.name)?;
        let Some(keys) = self.iam.access_keys(&user.name).await? else { return Ok(None) };
        let listed = stamp_now();
        let mut owner = SourcedFact::Unknown(UnknownReason::NotAsked);
        // The ARN has the path, by which entries of the policy file match
        if user.arn.is_none() || needs.wants_owner(&user) {
            let Some(details) = self.iam.get_user_details(&user.name).await? else { return Ok(None) };
            owner = SourcedFact::Known(details.owner_tag().map(str::to_owned), listed);
            user.arn.get_or_insert(details.arn);
        }
        let keys = match &user.row {
            Some(row) => merge::with_last_use(keys, &row.keys),
            None => keys,
        };
        let keys = self.with_last_use(&user, keys, needs).await;
        let credentials = self.read_service_credentials(&user.name, user.iam_path(), needs).await;
        let Some(service_credentials) = credentials else { return Ok(None) };
        Ok(Some(IamUser {
            quarantined: is_quarantined(quarantined, &user.name, listed),
            console_password: user.console_password(),
            service_credentials,
            name: user.name,
            arn: user.arn,
            keys,
            listed,
            owner,
        }))
    }

    /// Adds users as the credential report has them. It does not contain service-specific credentials, so those that have
    /// a limit are asked for.
    pub async fn add_reported_users(
        &self,
        inventory: &mut AccountInventory,
        users: Vec<IamUser>,
        needs: &impl UserNeeds,
    ) {
        let results: Vec<(String, Option<IamUser>)> = stream::iter(users)
            .map(|user| async move { (user.name.clone(), self.complete_reported_user(user, needs).await) })
            .buffered(MAX_CONCURRENT_USERS)
            .collect()
            .await;
        for (name, user) in results {
            match user {
                Some(user) => inventory.users.push(user),
                None => inventory.missing.push(name),
            }
        }
    }

    /// `None`: the user has been deleted since the report.
    async fn complete_reported_user(&self, mut user: IamUser, needs: &impl UserNeeds) -> Option<IamUser> {
        if !needs.wants_service_credentials(&user.name, user.iam_path()) {
            return Some(user);
        }
        user.service_credentials = match needs.ensure_time(&user.name) {
            Ok(()) => self.read_service_credentials(&user.name, user.iam_path(), needs).await?,
            Err(fault) => self.note_partial_fault(fault),
        };
        Some(user)
    }

    /// `None`: there is no such user.
    async fn read_service_credentials(
        &self,
        user: &str,
        path: Option<&str>,
        needs: &impl UserNeeds,
    ) -> Option<SourcedFact<Vec<ServiceCredential>>> {
        if !needs.wants_service_credentials(user, path) {
            return Some(SourcedFact::Unknown(UnknownReason::NotAsked));
        }
        match self.iam.service_credentials(user).await {
            Ok(credentials) => Some(SourcedFact::Known(credentials?, stamp_now())),
            Err(fault) => Some(self.note_partial_fault(fault)),
        }
    }

    /// Keeps the fault of one fact: the user stays in the report with the facts that were read.
    fn note_partial_fault<T>(&self, fault: ReadFault) -> SourcedFact<T> {
        self.partial_faults.borrow_mut().push(fault);
        SourcedFact::Unknown(UnknownReason::Failed)
    }

    async fn with_last_use(
        &self,
        user: &PendingUser,
        mut keys: Vec<AccessKey>,
        needs: &impl UserNeeds,
    ) -> Vec<AccessKey> {
        for key in &mut keys {
            let Some(id) = key.id.clone() else { continue };
            if !needs.wants_last_use(user, key) {
                continue;
            }
            key.last_used = match self.iam.last_used(&user.name, &id).await {
                Ok(used) => SourcedFact::Known(used, stamp_now()),
                Err(fault) => self.note_partial_fault(fault),
            };
        }
        keys
    }
}

impl PendingUser {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), arn: None, row: None }
    }

    pub fn from_listed(user: ListedUser) -> Self {
        Self { name: user.name, arn: Some(user.arn), row: None }
    }

    pub fn from_row(row: ReportRow) -> Self {
        Self { name: row.user.clone(), arn: Some(row.arn.clone()), row: Some(row) }
    }

    /// The IAM path, if it is known.
    pub fn iam_path(&self) -> Option<&str> {
        self.arn.as_deref().and_then(path_from_arn)
    }

    /// Whether the user may have keys: only the credential report can say that it has none.
    pub fn may_have_keys(&self) -> bool {
        self.row.as_ref().is_none_or(|row| !row.keys.is_empty() || row.more_keys)
    }

    /// The user as the credential report has it, without a request.
    pub fn into_reported_user(self, listed: Provenance, quarantined: Option<&BTreeSet<String>>) -> IamUser {
        IamUser {
            quarantined: is_quarantined(quarantined, &self.name, listed),
            console_password: self.console_password(),
            name: self.name,
            arn: self.arn,
            keys: self.row.map(|row| row.keys).unwrap_or_default(),
            listed,
            owner: SourcedFact::Unknown(UnknownReason::NotAsked),
            service_credentials: SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }

    fn console_password(&self) -> SourcedFact<bool> {
        match &self.row {
            Some(row) => row.console_password.clone(),
            None => SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }
}

fn is_quarantined(users: Option<&BTreeSet<String>>, name: &str, as_of: Provenance) -> SourcedFact<bool> {
    match users {
        Some(users) => SourcedFact::Known(users.contains(name), as_of),
        None => SourcedFact::Unknown(UnknownReason::Failed),
    }
}

fn stamp_now() -> Provenance {
    Provenance { source: DataSource::Iam, as_of: clock::system_time() }
}

fn invalid_report(message: String) -> ReportError {
    let operation = credential_report::OPERATION.to_owned();
    ReportError::Failed(ReadFault { user: None, operation, message })
}
