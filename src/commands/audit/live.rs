//! Reads an account live: who it is, whom the policy speaks of, their keys, and only then what decides a finding.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use secrecy::SecretString;

use super::{AuditInput, ensure_account_matches, inventory_from_report, sort_in_policy_order};
use crate::aws::connect::{self, AwsAccess, CallerAccount};
use crate::aws::iam::{IamClient, ListedUser};
use crate::commands::Context;
use crate::commands::cli::{self, AuditArgs, AwsArgs, SourceChoice};
use crate::commands::rotation;
use crate::error::CommandError;
use crate::iam::credential_report::{self, CredentialReport, ReportRow};
use crate::iam::{
    AccessKey, AccountInventory, DataSource, IamUser, Provenance, ReadFault, SourcedFact, UnknownReason,
    merge, path_from_arn,
};
use crate::policy::{Policy, RoleArn};
use crate::repository::RepositoryIdentity;
use crate::rules::last_use_decides;
use crate::{github::oidc, system::clock};

/// How many users are asked about at once: more only brings IAM's throttling nearer.
const MAX_CONCURRENT_USERS: usize = 8;
/// With more users than this, the credential report is worth its two requests and the wait for it.
const REPORT_THRESHOLD: usize = 10;

/// Reads the account.
///
/// # Errors
/// There are no credentials, the account is the wrong one, or nothing at all could be read.
pub fn read_live_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
    repository: RepositoryIdentity,
) -> Result<AuditInput, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::incomplete(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let config = connect::connect_aws(
            &prepare_access(context, policy.role_arn.clone(), &arguments.reach, true).await?,
        )
        .await?;
        let caller = connect::get_caller_account(&config).await?;
        ensure_account_matches(policy, &caller.account)?;
        context.print_verbose(&format!(
            "policy {}, account {}, partition {}",
            policy.file, caller.account, caller.partition
        ));
        let repository = resolve_repository_id(context, repository).await;
        let account = connect::AwsAccount { config, caller };
        let rotations = rotation::read_rotation_statuses(context, policy, &account, &repository).await;
        let audit = LiveAudit {
            iam: IamClient::new(connect::iam_client(&account.config)),
            policy,
            caller: account.caller,
            now: context.now,
            wants_owner: repository.id.is_some(),
            progress: ProgressCounter::new(context),
        };
        context.print_verbose(&format!("repository {repository}"));
        let inventory = match arguments.source {
            SourceChoice::Report => audit.read_report_only().await,
            SourceChoice::Iam => audit.read_iam_only().await,
            SourceChoice::Auto => audit.read_auto().await,
        };
        let mut inventory = inventory?;
        let rotations = rotations.unwrap_or_else(|why| {
            inventory.limits.push(format!("the phases of rotations are not known: {why}"));
            None
        });
        let rotations = rotations.map(|(rotations, doubts)| {
            inventory.limits.extend(doubts);
            rotations
        });
        Ok((inventory, repository, rotations))
    })
}

/// How the account is reached. `trusts_environment`: whether its variables may name AWS's endpoints.
pub async fn prepare_access(
    context: &Context<'_>,
    role: Option<RoleArn>,
    reach: &AwsArgs,
    trusts_environment: bool,
) -> Result<AwsAccess, CommandError> {
    let web_identity = match &reach.role_to_assume {
        None => None,
        Some(role) => {
            let variable = |name: &str| {
                context.environment.get(name).ok_or_else(|| {
                    CommandError::invalid(format!(
                        "`role-to-assume` needs {name}, which only a GitHub workflow has"
                    ))
                    .with_help("give the job `permissions: id-token: write`")
                })
            };
            let (url, token) =
                (variable("ACTIONS_ID_TOKEN_REQUEST_URL")?, variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?);
            let audience =
                if role.partition() == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" };
            Some((role.clone(), oidc::oidc_token(url, &SecretString::from(token), audience).await?))
        }
    };
    Ok(AwsAccess {
        endpoint_url: context.common.endpoint_url.clone(),
        trusts_environment,
        region: reach.aws_region.clone(),
        web_identity,
        role,
        timeout: reach.call_timeout(),
    })
}

/// Fills in the repository's numeric ID from GitHub, if there is a token. That it fails is told, and no fault:
/// the rule that needs the ID says that it could not look.
pub async fn resolve_repository_id(
    context: &Context<'_>,
    repository: RepositoryIdentity,
) -> RepositoryIdentity {
    let token = github_token(context);
    let (None, Some(name), Some(token)) = (repository.id, &repository.name, token) else { return repository };
    let id = match cli::parse_url(github_api_url(context)) {
        Ok(url) => oidc::repository_id(&url, &SecretString::from(token), name).await,
        Err(why) => Err(why),
    };
    match id {
        Ok(id) => RepositoryIdentity { id: Some(id), ..repository },
        Err(why) => {
            context.warn(&format!("GitHub did not tell the ID of `{name}`: {why}"));
            repository
        }
    }
}

/// The token for GitHub, if there is one.
pub fn github_token<'c>(context: &'c Context<'_>) -> Option<&'c str> {
    let names = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN", "GH_TOKEN"];
    names.iter().find_map(|name| context.environment.get(name))
}

/// GitHub's API.
pub fn github_api_url<'c>(context: &'c Context<'_>) -> &'c str {
    let own = context.common.github_api_url.as_deref().or(context.environment.get("GITHUB_API_URL"));
    own.unwrap_or("https://api.github.com")
}

struct LiveAudit<'a> {
    iam: IamClient,
    policy: &'a Policy,
    caller: CallerAccount,
    now: jiff::Timestamp,
    /// Whether the owner tag can decide anything: not while our own ID is unknown.
    wants_owner: bool,
    progress: ProgressCounter,
}

/// A user to be read, and what is known of it beforehand.
struct PendingUser {
    name: String,
    arn: Option<String>,
    row: Option<ReportRow>,
}

impl LiveAudit<'_> {
    async fn read_report_only(&self) -> Result<AccountInventory, CommandError> {
        let report = self.read_credential_report().await.map_err(|fault| fatal_error(&fault))?;
        Ok(inventory_from_report(self.policy, report))
    }

    async fn read_auto(&self) -> Result<AccountInventory, CommandError> {
        if !self.policy.needs_listing() && self.policy.user_names().count() <= REPORT_THRESHOLD {
            return self.read_iam_only().await;
        }
        match self.read_credential_report().await {
            Ok(report) => Ok(self.read_report_first(report).await),
            Err(fault) => {
                let mut inventory = self.read_iam_only().await?;
                let why =
                    format!("the credential report was not read ({}); IAM was asked alone", fault.message);
                inventory.limits.push(why);
                // Not to allow the report is a choice, and the rules that need it say that they could not look.
                if !fault.message.starts_with("AccessDenied") {
                    inventory.faults.push(fault);
                }
                Ok(inventory)
            }
        }
    }

    /// IAM alone: the users that the policy names, and those that its globs find.
    async fn read_iam_only(&self) -> Result<AccountInventory, CommandError> {
        let mut known: Vec<PendingUser> = Vec::new();
        if self.policy.needs_listing() {
            let listed =
                self.iam.list_users(self.policy.listing_path()).await.map_err(|fault| fatal_error(&fault))?;
            known.extend(
                listed
                    .into_iter()
                    .filter(|user| self.is_in_policy(&user.name, Some(&user.arn)))
                    .map(PendingUser::from_listed),
            );
        }
        let seen: HashSet<String> = known.iter().map(|user| user.name.clone()).collect();
        let named = self.policy.user_names().filter(|name| !seen.contains(*name));
        known.extend(named.map(|name| PendingUser { name: name.to_owned(), arn: None, row: None }));
        let mut faults = Vec::new();
        let quarantined = self.quarantined_users(&mut faults).await;
        Ok(self
            .read_users(
                "iam",
                known,
                SourcedFact::Unknown(UnknownReason::NotAsked),
                faults,
                quarantined.as_ref(),
            )
            .await)
    }

    /// The report tells who has keys and when they were used; IAM is asked for the rest, user by user.
    async fn read_report_first(&self, mut report: CredentialReport) -> AccountInventory {
        let stamp = Provenance { source: DataSource::Report, as_of: report.as_of };
        let remark = format!(
            "users without keys, console passwords and the root key are as of the credential report, {}",
            report.as_of
        );
        let mut known: Vec<PendingUser> = self
            .policy
            .user_names()
            .filter(|name| report.find_row(name).is_none())
            .map(|name| PendingUser { name: name.to_owned(), arn: None, row: None })
            .collect();
        let mut keyless = Vec::new();
        for row in std::mem::take(&mut report.rows) {
            let user = PendingUser { name: row.user.clone(), arn: Some(row.arn.clone()), row: Some(row) };
            if !self.is_in_policy(&user.name, user.arn.as_deref()) {
                continue;
            }
            match &user.row {
                Some(row) if row.keys.is_empty() && !row.more_keys => keyless.push(user),
                _ => known.push(user),
            }
        }
        let quarantined = self.quarantined_users(&mut report.faults).await;
        let (root_key, faults) = (report.root_key, report.faults);
        let mut inventory = self.read_users("auto", known, root_key, faults, quarantined.as_ref()).await;
        inventory.limits.push(remark);
        inventory
            .users
            .extend(keyless.into_iter().map(|user| user.into_keyless_user(stamp, quarantined.as_ref())));
        sort_in_policy_order(self.policy, &mut inventory.users);
        inventory
    }

    /// The users that AWS quarantined; `None` after telling why nobody knows.
    async fn quarantined_users(&self, faults: &mut Vec<ReadFault>) -> Option<BTreeSet<String>> {
        self.iam.list_quarantined_users(&self.caller.partition).await.map_err(|fault| faults.push(fault)).ok()
    }

    /// Reads each user; one that fails is a fault of that user, and the others go on.
    async fn read_users(
        &self,
        source: &'static str,
        known: Vec<PendingUser>,
        root_key: SourcedFact<bool>,
        mut faults: Vec<ReadFault>,
        quarantined: Option<&BTreeSet<String>>,
    ) -> AccountInventory {
        self.progress.set_total(known.len());
        let answers: Vec<(String, Result<Option<IamUser>, ReadFault>)> = stream::iter(known)
            .map(|user| async move {
                let name = user.name.clone();
                let answer = self.read_user(user, quarantined).await;
                self.progress.count_user();
                (name, answer)
            })
            .buffered(MAX_CONCURRENT_USERS)
            .collect()
            .await;
        self.progress.clear_line();
        let (mut users, mut missing) = (Vec::new(), Vec::new());
        for (name, answer) in answers {
            match answer {
                Ok(Some(user)) => users.push(user),
                Ok(None) => missing.push(name),
                Err(fault) => faults.push(fault),
            }
        }
        // A user that was there when the account was listed and is gone now is no misspelt name.
        missing.retain(|name| self.policy.user_names().any(|named| named == name));
        sort_in_policy_order(self.policy, &mut users);
        let account = self.caller.account.clone();
        AccountInventory { account, source, users, missing, root_key, faults, limits: Vec::new() }
    }

    async fn read_user(
        &self,
        known: PendingUser,
        quarantined: Option<&BTreeSet<String>>,
    ) -> Result<Option<IamUser>, ReadFault> {
        let Some(keys) = self.iam.access_keys(&known.name).await? else { return Ok(None) };
        let listed = self.stamp_now();
        let details = if known.arn.is_none() || self.wants_owner {
            let Some(details) = self.iam.get_user_details(&known.name).await? else { return Ok(None) };
            Some(details)
        } else {
            None
        };
        let arn = known.arn.or(details.as_ref().map(|details| details.arn.clone()));
        let owner = details.map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |details| {
            SourcedFact::Known(details.owner, listed)
        });
        let keys = match &known.row {
            Some(row) => merge::with_last_use(keys, &row.keys),
            None => keys,
        };
        let keys = self.with_last_use(&known.name, arn.as_deref(), keys, known.row.is_some()).await?;
        let quarantined = quarantined.map(|users| SourcedFact::Known(users.contains(&known.name), listed));
        Ok(Some(IamUser {
            console_password: known
                .row
                .map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |row| row.console_password),
            name: known.name,
            arn,
            keys,
            listed,
            owner,
            quarantined: quarantined.unwrap_or(SourcedFact::Unknown(UnknownReason::Failed)),
        }))
    }

    /// Asks for the last use of the keys: of all where IAM is the only source, else where it decides a finding.
    async fn with_last_use(
        &self,
        user: &str,
        arn: Option<&str>,
        mut keys: Vec<AccessKey>,
        sparingly: bool,
    ) -> Result<Vec<AccessKey>, ReadFault> {
        let entry = self.policy.find_user_policy(user, arn.and_then(path_from_arn));
        for key in &mut keys {
            let told = key.last_used.known_value().cloned();
            let used = told.flatten().map(|used| used.at);
            let decides = entry.is_some_and(|entry| last_use_decides(entry, key, used, self.now));
            if let Some(id) = key.id.clone().filter(|_| decides || !sparingly) {
                key.last_used = SourcedFact::Known(self.iam.last_used(user, &id).await?, self.stamp_now());
            }
        }
        Ok(keys)
    }

    async fn read_credential_report(&self) -> Result<CredentialReport, ReadFault> {
        let (bytes, made_at) = self.iam.credential_report().await?;
        let broken =
            |message| ReadFault { user: None, operation: credential_report::OPERATION.to_owned(), message };
        let report = credential_report::parse_report(&bytes, Some(made_at))
            .map_err(|error| broken(error.to_string()))?;
        if report.account == self.caller.account {
            Ok(report)
        } else {
            Err(broken(format!("the report is of account {}", report.account)))
        }
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
    fn from_listed(user: ListedUser) -> Self {
        Self { name: user.name, arn: Some(user.arn), row: None }
    }

    /// A user that the report says has no key: nothing more is asked.
    fn into_keyless_user(self, listed: Provenance, quarantined: Option<&BTreeSet<String>>) -> IamUser {
        let quarantined = quarantined.map(|users| SourcedFact::Known(users.contains(&self.name), listed));
        IamUser {
            name: self.name,
            arn: self.arn,
            keys: Vec::new(),
            listed,
            console_password: self
                .row
                .map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |row| row.console_password),
            owner: SourcedFact::Unknown(UnknownReason::NotAsked),
            quarantined: quarantined.unwrap_or(SourcedFact::Unknown(UnknownReason::Failed)),
        }
    }
}

/// A fault without which nothing can be said about anybody.
fn fatal_error(fault: &ReadFault) -> CommandError {
    CommandError::incomplete(format!("{} failed: {}", fault.operation, fault.message))
}

/// A counter on a person's terminal; nothing in a pipe.
struct ProgressCounter {
    is_shown: bool,
    total: AtomicUsize,
    done: AtomicUsize,
}

impl ProgressCounter {
    fn new(context: &Context<'_>) -> Self {
        let shown = context.environment.stderr_is_terminal && !context.common.quiet;
        Self { is_shown: shown, total: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    fn set_total(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    fn count_user(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.write_status(&format!("\rreading users: {done} of {}", self.total.load(Ordering::Relaxed)));
    }

    fn clear_line(&self) {
        self.write_status("\r\u{1b}[K");
    }

    fn write_status(&self, text: &str) {
        if self.is_shown {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}
