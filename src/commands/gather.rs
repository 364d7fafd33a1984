//! Reads an account live: who it is, whom the policy speaks of, their keys, and only then what decides a finding.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use secrecy::SecretString;

use super::Context;
use super::audit::{Gathered, in_policy_order, of_report, refuse_account};
use super::cli::{self, Audit, Reach, SourceChoice};
use super::rotation;
use crate::clients::aws::{self, Access, Caller};
use crate::clients::iam::{Iam, Listed};
use crate::clients::{clock, github};
use crate::error::CommandError;
use crate::inventory::credential_report::{self, CredentialReport, ReportRow};
use crate::inventory::{
    AccessKey, AccountInventory, DataSource, IamUser, Provenance, ReadFault, SourcedFact, UnknownReason,
    join, path_from_arn,
};
use crate::policy::{Policy, RoleArn};
use crate::repo::Repository;
use crate::rules::last_use_decides;

/// How many users are asked about at once: more only brings IAM's throttling nearer.
const AT_ONCE: usize = 8;
/// With more users than this, the credential report is worth its two requests and the wait for it.
const MANY: usize = 10;

/// Reads the account.
///
/// # Errors
/// There are no credentials, the account is the wrong one, or nothing at all could be read.
pub fn live(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &Audit,
    repository: Repository,
) -> Result<Gathered, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::incomplete(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let config =
            aws::connect(&access(context, policy.role_arn.clone(), &arguments.reach, true).await?).await?;
        let caller = aws::caller(&config).await?;
        refuse_account(policy, &caller.account)?;
        context.say(&format!(
            "policy {}, account {}, partition {}",
            policy.file, caller.account, caller.partition
        ));
        let repository = identify(context, repository).await;
        let account = aws::Account { config, caller };
        let rotations = rotation::standings(context, policy, &account, &repository).await;
        let audit = LiveAudit {
            iam: Iam::new(aws::iam(&account.config)),
            policy,
            caller: account.caller,
            now: context.now,
            wants_owner: repository.id.is_some(),
            progress: Progress::new(context),
        };
        context.say(&format!("repository {repository}"));
        let inventory = match arguments.source {
            SourceChoice::Report => audit.report_only().await,
            SourceChoice::Iam => audit.iam_only().await,
            SourceChoice::Auto => audit.auto().await,
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
pub async fn access(
    context: &Context<'_>,
    role: Option<RoleArn>,
    reach: &Reach,
    trusts_environment: bool,
) -> Result<Access, CommandError> {
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
            Some((role.clone(), github::oidc_token(url, &SecretString::from(token), audience).await?))
        }
    };
    Ok(Access {
        endpoint_url: context.common.endpoint_url.clone(),
        trusts_environment,
        region: reach.aws_region.clone(),
        web_identity,
        role,
        timeout: reach.timeout(),
    })
}

/// Fills in the repository's numeric ID from GitHub, if there is a token. That it fails is told, and no fault:
/// the rule that needs the ID says that it could not look.
pub async fn identify(context: &Context<'_>, repository: Repository) -> Repository {
    let token = token(context);
    let (None, Some(name), Some(token)) = (repository.id, &repository.name, token) else { return repository };
    let id = match cli::url(api_url(context)) {
        Ok(url) => github::repository_id(&url, &SecretString::from(token), name).await,
        Err(why) => Err(why),
    };
    match id {
        Ok(id) => Repository { id: Some(id), ..repository },
        Err(why) => {
            context.warn(&format!("GitHub did not tell the ID of `{name}`: {why}"));
            repository
        }
    }
}

/// The token for GitHub, if there is one.
pub fn token<'c>(context: &'c Context<'_>) -> Option<&'c str> {
    let names = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN", "GH_TOKEN"];
    names.iter().find_map(|name| context.environment.get(name))
}

/// GitHub's API.
pub fn api_url<'c>(context: &'c Context<'_>) -> &'c str {
    let own = context.common.github_api_url.as_deref().or(context.environment.get("GITHUB_API_URL"));
    own.unwrap_or("https://api.github.com")
}

struct LiveAudit<'a> {
    iam: Iam,
    policy: &'a Policy,
    caller: Caller,
    now: jiff::Timestamp,
    /// Whether the owner tag can decide anything: not while our own ID is unknown.
    wants_owner: bool,
    progress: Progress,
}

/// A user to be read, and what is known of it beforehand.
struct Known {
    name: String,
    arn: Option<String>,
    row: Option<ReportRow>,
}

impl LiveAudit<'_> {
    async fn report_only(&self) -> Result<AccountInventory, CommandError> {
        let report = self.report().await.map_err(|fault| in_vain(&fault))?;
        Ok(of_report(self.policy, report))
    }

    async fn auto(&self) -> Result<AccountInventory, CommandError> {
        if !self.policy.needs_listing() && self.policy.user_names().count() <= MANY {
            return self.iam_only().await;
        }
        match self.report().await {
            Ok(report) => Ok(self.report_first(report).await),
            Err(fault) => {
                let mut inventory = self.iam_only().await?;
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
    async fn iam_only(&self) -> Result<AccountInventory, CommandError> {
        let mut known: Vec<Known> = Vec::new();
        if self.policy.needs_listing() {
            let listed = self.iam.users(self.policy.listing_path()).await.map_err(|fault| in_vain(&fault))?;
            known.extend(
                listed
                    .into_iter()
                    .filter(|user| self.speaks_of(&user.name, Some(&user.arn)))
                    .map(Known::listed),
            );
        }
        let seen: HashSet<String> = known.iter().map(|user| user.name.clone()).collect();
        let named = self.policy.user_names().filter(|name| !seen.contains(*name));
        known.extend(named.map(|name| Known { name: name.to_owned(), arn: None, row: None }));
        let mut faults = Vec::new();
        let quarantined = self.quarantined(&mut faults).await;
        Ok(self
            .read("iam", known, SourcedFact::Unknown(UnknownReason::NotAsked), faults, quarantined.as_ref())
            .await)
    }

    /// The report tells who has keys and when they were used; IAM is asked for the rest, user by user.
    async fn report_first(&self, mut report: CredentialReport) -> AccountInventory {
        let stamp = Provenance { source: DataSource::Report, as_of: report.as_of };
        let remark = format!(
            "users without keys, console passwords and the root key are as of the credential report, {}",
            report.as_of
        );
        let mut known: Vec<Known> = self
            .policy
            .user_names()
            .filter(|name| report.find_row(name).is_none())
            .map(|name| Known { name: name.to_owned(), arn: None, row: None })
            .collect();
        let mut keyless = Vec::new();
        for row in std::mem::take(&mut report.rows) {
            let user = Known { name: row.user.clone(), arn: Some(row.arn.clone()), row: Some(row) };
            if !self.speaks_of(&user.name, user.arn.as_deref()) {
                continue;
            }
            match &user.row {
                Some(row) if row.keys.is_empty() && !row.more_keys => keyless.push(user),
                _ => known.push(user),
            }
        }
        let quarantined = self.quarantined(&mut report.faults).await;
        let (root_key, faults) = (report.root_key, report.faults);
        let mut inventory = self.read("auto", known, root_key, faults, quarantined.as_ref()).await;
        inventory.limits.push(remark);
        inventory
            .users
            .extend(keyless.into_iter().map(|user| user.without_keys(stamp, quarantined.as_ref())));
        in_policy_order(self.policy, &mut inventory.users);
        inventory
    }

    /// The users that AWS quarantined; `None` after telling why nobody knows.
    async fn quarantined(&self, faults: &mut Vec<ReadFault>) -> Option<BTreeSet<String>> {
        self.iam.quarantined(&self.caller.partition).await.map_err(|fault| faults.push(fault)).ok()
    }

    /// Reads each user; one that fails is a fault of that user, and the others go on.
    async fn read(
        &self,
        source: &'static str,
        known: Vec<Known>,
        root_key: SourcedFact<bool>,
        mut faults: Vec<ReadFault>,
        quarantined: Option<&BTreeSet<String>>,
    ) -> AccountInventory {
        self.progress.expect(known.len());
        let answers: Vec<(String, Result<Option<IamUser>, ReadFault>)> = stream::iter(known)
            .map(|user| async move {
                let name = user.name.clone();
                let answer = self.user(user, quarantined).await;
                self.progress.step();
                (name, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        self.progress.end();
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
        in_policy_order(self.policy, &mut users);
        let account = self.caller.account.clone();
        AccountInventory { account, source, users, missing, root_key, faults, limits: Vec::new() }
    }

    async fn user(
        &self,
        known: Known,
        quarantined: Option<&BTreeSet<String>>,
    ) -> Result<Option<IamUser>, ReadFault> {
        let Some(keys) = self.iam.access_keys(&known.name).await? else { return Ok(None) };
        let listed = self.stamp();
        let details = if known.arn.is_none() || self.wants_owner {
            let Some(details) = self.iam.details(&known.name).await? else { return Ok(None) };
            Some(details)
        } else {
            None
        };
        let arn = known.arn.or(details.as_ref().map(|details| details.arn.clone()));
        let owner = details.map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |details| {
            SourcedFact::Known(details.owner, listed)
        });
        let keys = match &known.row {
            Some(row) => join::with_last_use(keys, &row.keys),
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
                key.last_used = SourcedFact::Known(self.iam.last_used(user, &id).await?, self.stamp());
            }
        }
        Ok(keys)
    }

    async fn report(&self) -> Result<CredentialReport, ReadFault> {
        let (bytes, made_at) = self.iam.credential_report().await?;
        let broken =
            |message| ReadFault { user: None, operation: credential_report::OPERATION.to_owned(), message };
        let report = credential_report::parse_report(&bytes, Some(made_at)).map_err(broken)?;
        if report.account == self.caller.account {
            Ok(report)
        } else {
            Err(broken(format!("the report is of account {}", report.account)))
        }
    }

    fn speaks_of(&self, name: &str, arn: Option<&str>) -> bool {
        self.policy.find_user_policy(name, arn.and_then(path_from_arn)).is_some()
            || self.policy.matching_claim(name).is_some()
    }

    fn stamp(&self) -> Provenance {
        Provenance { source: DataSource::Iam, as_of: clock::now() }
    }
}

impl Known {
    fn listed(user: Listed) -> Self {
        Self { name: user.name, arn: Some(user.arn), row: None }
    }

    /// A user that the report says has no key: nothing more is asked.
    fn without_keys(self, listed: Provenance, quarantined: Option<&BTreeSet<String>>) -> IamUser {
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
fn in_vain(fault: &ReadFault) -> CommandError {
    CommandError::incomplete(format!("{} failed: {}", fault.operation, fault.message))
}

/// A counter on a person's terminal; nothing in a pipe.
struct Progress {
    shown: bool,
    total: AtomicUsize,
    done: AtomicUsize,
}

impl Progress {
    fn new(context: &Context<'_>) -> Self {
        let shown = context.environment.stderr_is_terminal && !context.common.quiet;
        Self { shown, total: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    fn expect(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(&format!("\rreading users: {done} of {}", self.total.load(Ordering::Relaxed)));
    }

    fn end(&self) {
        self.show("\r\u{1b}[K");
    }

    fn show(&self, text: &str) {
        if self.shown {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}
