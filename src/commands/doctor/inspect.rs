//! Connects to GitHub and AWS, and makes all checks. A check that needs what could not be connected is left out here, and
//! is in the report all the same, with the reason.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use super::account::{Account, AccountRequest, connect_account};
use super::check::{Check, Need, WRITE_CHECKS};
use super::clock::{ClockFacts, decide_clock};
use super::github_checks::{self, RotationBranch, TokenKind};
use super::policy::read_policy;
use super::trial::Trials;
use super::users::{self, NamedUsers};
use super::{delete_environment, destinations, issues, oidc, redeploy, terraform};
use crate::commands::cli::DoctorArgs;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::rotation::{connect_github, rotated_users};
use crate::destinations::as_file;
use crate::error::{CommandError, ExitStatus};
use crate::live::{LiveBackend, TimeSource, run_name};
use crate::policy::Policy;
use crate::repository::lock_file_path;
use crate::rotation::ids;
use crate::system::shutdown::ShutdownSignals;

/// How long a request under way may continue, and the references may be removed, after the run was asked to end. GitHub
/// kills a cancelled job's processes after 10 seconds.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);
/// For so many users the rules of their branches are read.
const MAX_BRANCHES: usize = 20;

/// What the checks found, and what could not be connected.
pub struct Inspection {
    pub checks: Vec<Check>,
    pub missing: Vec<Need>,
}

/// Makes all checks.
pub async fn inspect(context: &Context<'_>, arguments: &DoctorArgs) -> Result<Inspection, CommandError> {
    let kind = TokenKind::of(connection::github_token(context).unwrap_or_default());
    let mut checks = Vec::new();
    let backend = match connect_github(context).await {
        Ok(backend) => Some(backend),
        Err(error) => {
            checks.push(explain_github(&error));
            None
        }
    };
    let read = read_policy(context, backend.as_ref()).await;
    checks.push(read.check);
    let policy = read.policy;
    let request =
        AccountRequest { aws: &arguments.aws, policy: policy.as_ref(), trusts_environment: !arguments.write };
    let (account, found) = connect_account(context, &request).await;
    checks.extend(found);
    let backend = match (backend, &account) {
        (Some(backend), Some(account)) => Some(account.add_to(backend)),
        (backend, _) => backend,
    };
    let subject = Subject {
        context,
        arguments,
        kind,
        backend: backend.as_ref(),
        account: account.as_ref(),
        policy: policy.as_ref(),
    };
    checks.extend(subject.check_github().await);
    checks.extend(subject.check_aws().await);
    checks.extend(subject.check_repository().await);
    checks.extend(subject.check_writes().await?);
    checks.push(subject.check_clock());
    Ok(Inspection { checks, missing: subject.list_missing() })
}

/// A refusal has a help: with the token or the name something is wrong. Without one there was no answer.
fn explain_github(error: &CommandError) -> Check {
    const NAME: &str = "github-token";
    match &error.help {
        Some(help) => Check::fail(NAME, error.message.clone(), help.clone()),
        None if error.exit == ExitStatus::Invalid => Check::fail(NAME, error.message.clone(), ""),
        None => Check::unknown(NAME, error.message.clone()),
    }
}

/// What is connected, and asked for.
struct Subject<'a> {
    context: &'a Context<'a>,
    arguments: &'a DoctorArgs,
    kind: TokenKind,
    backend: Option<&'a LiveBackend>,
    account: Option<&'a Account>,
    policy: Option<&'a Policy>,
}

impl Subject<'_> {
    fn list_missing(&self) -> Vec<Need> {
        let mut missing = Vec::new();
        if self.policy.is_none() {
            missing.push(Need::Policy);
        }
        if self.backend.is_none() {
            missing.push(Need::Github);
        }
        if self.account.is_none() {
            missing.push(Need::Account);
        }
        missing
    }

    async fn check_github(&self) -> Vec<Check> {
        let Some(backend) = self.backend else { return Vec::new() };
        let mut checks = vec![
            github_checks::check_token(backend, self.kind).await,
            github_checks::check_journals(backend).await,
            github_checks::check_pull_requests(backend, self.kind).await,
            github_checks::check_branch_rules(backend, &self.list_branches()).await,
        ];
        checks.extend(delete_environment::check_delete_environment(backend).await);
        if let Some(policy) = self.policy {
            checks.push(redeploy::check_redeploy(backend, policy).await);
            checks.push(issues::check_issues(backend, policy).await);
        }
        checks
    }

    /// The branches that the next rotations would have.
    fn list_branches(&self) -> Vec<RotationBranch> {
        let mut branches = Vec::new();
        for (user, entry, _) in self.policy.into_iter().flat_map(rotated_users).take(MAX_BRANCHES) {
            let paths =
                entry.destinations.iter().filter_map(as_file).map(|file| file.credential_file().to_owned());
            let files = paths.chain([lock_file_path(user)]).map(|path| (path, 0)).collect();
            branches.push(RotationBranch { name: ids::branch_name(user, 1), files });
        }
        if branches.is_empty() {
            branches.push(RotationBranch { name: ids::branch_name("doctor", 1), files: BTreeMap::new() });
        }
        branches
    }

    async fn check_aws(&self) -> Vec<Check> {
        let Some(account) = self.account else { return Vec::new() };
        let mut checks = Vec::new();
        let own_role = self.policy.and_then(|policy| policy.role_arn.as_ref());
        let role = own_role.or(self.arguments.aws.role_to_assume.as_ref());
        // The client of the backend gives the dates of AWS's replies to the clock.
        let iam = match self.backend.map(LiveBackend::aws_clients) {
            Some(Ok(clients)) => clients.iam(),
            _ => account.iam(),
        };
        checks.push(users::check_credential_report(iam).await);
        if let Some(policy) = self.policy {
            let named = NamedUsers::of_policy(policy);
            checks.push(users::check_permissions(account, &named, role).await);
            if let Some(backend) = self.backend {
                checks.push(users::check_owner_tags(iam, &named, backend.repository_id()).await);
            }
        }
        if let Some(backend) = self.backend {
            checks.push(oidc::check_subject(self.context, backend, account, role).await);
        }
        checks
    }

    async fn check_repository(&self) -> Vec<Check> {
        let (Some(policy), Some(backend)) = (self.policy, self.backend) else { return Vec::new() };
        let mut checks = destinations::check_destinations(backend, policy).await;
        let rotated: Vec<&str> = rotated_users(policy).map(|(user, ..)| user).collect();
        checks.push(terraform::check_terraform(backend, &rotated).await);
        checks
    }

    fn check_clock(&self) -> Check {
        decide_clock(ClockFacts {
            github: self.seconds_ahead(TimeSource::Github),
            aws: self.seconds_ahead(TimeSource::Aws),
            is_given: self.context.common.now.is_some(),
        })
    }

    fn seconds_ahead(&self, source: TimeSource) -> Option<i64> {
        self.backend.and_then(|backend| backend.server_time.seconds_ahead(source))
    }

    async fn check_writes(&self) -> Result<Vec<Check>, CommandError> {
        if !self.arguments.write {
            let why = "not tried; `keytide doctor --write` tries it on references of its own";
            return Ok(WRITE_CHECKS.map(|name| Check::skip(name, why, "")).into());
        }
        let Some(backend) = self.backend else { return Ok(Vec::new()) };
        if self.context.environment.stderr_is_terminal && !self.context.common.quiet {
            self.context
                .eprint("trying what keytide relies on, on references below refs/keytide/doctor/ ...\n");
        }
        let run_id = self.context.environment.get("GITHUB_RUN_ID");
        let run = run_name(run_id, self.context.environment.get("GITHUB_RUN_ATTEMPT"));
        make_trials(backend, run).await
    }
}

/// Makes the trials between two removals: of what a killed run left, and of what this one leaves.
async fn make_trials(backend: &LiveBackend, run: String) -> Result<Vec<Check>, CommandError> {
    let mut signals = ShutdownSignals::start_listening()
        .map_err(|error| CommandError::incomplete(format!("cannot listen for signals: {error}")))?;
    let is_ending = Cell::new(false);
    let trials = Trials { backend, run, should_stop: &|| is_ending.get() };
    let outcome = {
        let mut work = pin!(async {
            if let Err(error) = backend.remove_trial_references().await {
                return WRITE_CHECKS.map(|name| Check::from_read_error(name, &error, REMOVAL_HELP)).into();
            }
            trials.run_all().await
        });
        tokio::select! {
            checks = &mut work => Some(checks),
            () = signals.wait_for_signal() => {
                is_ending.set(true);
                // A request that is cut off could be applied after the removal.
                tokio::time::timeout(LAST_REQUEST_TIMEOUT, work).await.ok()
            }
        }
    };
    let mut checks = match outcome {
        Some(checks) => checks,
        None => WRITE_CHECKS.map(|name| Check::unknown(name, "interrupted")).into(),
    };
    let removed = tokio::time::timeout(REMOVAL_TIMEOUT, backend.remove_trial_references()).await;
    let why = match removed {
        Ok(Ok(_)) => return Ok(checks),
        Ok(Err(error)) => error.message,
        Err(_) => "no answer in time".to_owned(),
    };
    if let Some(first) = checks.first_mut() {
        let seen = format!("{}; references below refs/keytide/doctor/ are left: {why}", first.seen);
        *first = Check::fail(WRITE_CHECKS[0], seen, REMOVAL_HELP);
    }
    Ok(checks)
}

const REMOVAL_HELP: &str = "the next `keytide doctor --write` removes the references below refs/keytide/doctor/; by hand: \
                            `git push origin --delete NAME`";
