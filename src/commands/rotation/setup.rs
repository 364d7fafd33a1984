//! Before the first look: the repository, the policy file, the account, and whose turn it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use jiff::SignedDuration;
use secrecy::SecretString;

use super::report;
use crate::commands::audit::{ensure_account_matches, own_repository};
use crate::commands::cli::{self, AwsArgs};
use crate::commands::{Context, audit::live, policy_file};
use crate::diagnostic::Diagnostic;
use crate::engine::observe::{UserRotation, destination_from_snapshot};
use crate::error::CommandError;
use crate::live::{GithubConfig, LiveBackend, ServerTime, run_name};
use crate::policy::{Destination, Policy, RotationPolicy, UserName, UserPolicy, UserSelector};
use crate::ports::{BackendError, ErrorKind, RepositoryContents as _};
use crate::repository::{FileContent, RepositoryIdentity};
use crate::rotation::{Journal, RotationParams, RotationRequest};
use crate::rules::RotationStatuses;
use crate::{aws::connect, system::files};

/// Runs that were queued before a secret of a repository or an organization changed, and wait for an approval, keep its
/// former value: GitHub lets them wait for so long.
const QUEUED_RUN_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The largest file of identities that is read.
const MAX_IDENTITIES_BYTES: usize = 64 * 1024;

/// What the command line asks for.
pub struct CommandRequest<'a> {
    pub reach: &'a AwsArgs,
    pub user: Option<&'a UserName>,
    pub request: RotationRequest,
}

/// Everything that the steps need.
pub struct RunContext {
    pub service: LiveBackend,
    pub policy: Policy,
    pub account: String,
    pub user_rotations: Vec<UserRotation>,
}

/// Why a command ends before its first look at a user.
pub enum SetupError {
    /// The policy file is wrong.
    InvalidPolicy(Vec<Diagnostic>),
    Failed {
        file: String,
        error: CommandError,
    },
}

impl SetupError {
    pub fn from_error(error: CommandError) -> Self {
        Self::Failed { file: String::new(), error }
    }
}

impl From<CommandError> for SetupError {
    fn from(error: CommandError) -> Self {
        Self::from_error(error)
    }
}

/// A plan reads the policy file that lies here, as an audit does: so a change of it can be planned with.
pub async fn open_for_plan(
    context: &Context<'_>,
    wish: &CommandRequest<'_>,
) -> Result<RunContext, SetupError> {
    let policy = policy_file::load_policy(context).map_err(SetupError::InvalidPolicy)?;
    let service = connect_github(context).await?;
    connect_account(context, wish, policy, service, true).await
}

/// What is written follows the policy file of the default branch, whatever is checked out.
pub async fn open_for_changes(
    context: &Context<'_>,
    wish: &CommandRequest<'_>,
) -> Result<RunContext, SetupError> {
    let service = connect_github(context).await?;
    if service.is_archived() {
        let what =
            format!("the repository {} is archived: nothing can be written to it", service.repository_name());
        return Err(CommandError::incomplete(what)
            .with_help("unarchive it, or let another repository own the users")
            .into());
    }
    let policy = read_committed_policy(context, &service).await?;
    connect_account(context, wish, policy, service, false).await
}

async fn connect_account(
    context: &Context<'_>,
    wish: &CommandRequest<'_>,
    policy: Policy,
    service: LiveBackend,
    trusts_environment: bool,
) -> Result<RunContext, SetupError> {
    let early = |error: CommandError| SetupError::Failed { file: policy.file.clone(), error };
    let access = live::prepare_access(context, policy.role_arn.clone(), wish.reach, trusts_environment).await;
    let config = connect::connect_aws(&access.map_err(early)?).await.map_err(early)?;
    let caller = connect::get_caller_account(&config).await.map_err(early)?;
    ensure_account_matches(&policy, &caller.account).map_err(early)?;
    let service = service.with_account(config, &caller.account);
    let mut tasks = list_user_rotations(context, &policy, &service, &caller.account).await.map_err(early)?;
    if let Some(wanted) = wish.user {
        tasks.retain(|task| *task.user == *wanted.0);
        if tasks.is_empty() {
            let what = format!("`{}` is no user that may be rotated", wanted.0);
            let help = "the policy file lists it with `rotation`, or a journal of it is open";
            return Err(early(CommandError::invalid(what).with_help(help)));
        }
    }
    tasks.iter_mut().for_each(|task| task.asked = wish.request);
    Ok(RunContext { service, account: caller.account, user_rotations: tasks, policy })
}

/// The repository on GitHub.
async fn connect_github(context: &Context<'_>) -> Result<LiveBackend, CommandError> {
    let token = live::github_token(context).ok_or_else(|| {
        CommandError::invalid("there is no token for GitHub")
            .with_help("set GITHUB_TOKEN; in a workflow, the input `github-token`")
    })?;
    let repository = context.repository_name().ok_or_else(|| {
        CommandError::invalid("whose repository?").with_help("add `--repository OWNER/NAME`")
    })?;
    let api_url = cli::parse_url(live::github_api_url(context))
        .map_err(|why| CommandError::invalid("GITHUB_API_URL is no address").with_help(why))?;
    let forge = GithubConfig {
        api_url,
        token: SecretString::from(token),
        repository,
        identities: read_age_identities(context)?,
    };
    let time = Arc::new(ServerTime::new(context.common.now));
    let service = LiveBackend::connect_github(forge, time)
        .await
        .map_err(|why| github_read_error("the repository", &why))?;
    // A number that a workflow tells and one that GitHub tells are of the same repository, or one of them lies.
    match own_repository(context).id {
        Some(id) if id != service.repository_id() => Err(CommandError::invalid(format!(
            "GITHUB_REPOSITORY_ID is {id}, and GitHub says {}",
            service.repository_id()
        ))),
        _ => Ok(service),
    }
}

fn github_read_error(what: &str, why: &BackendError) -> CommandError {
    let error = CommandError::incomplete(format!("{what} could not be read: {why}"));
    match why.kind {
        ErrorKind::Rejected | ErrorKind::NotFound => {
            error.with_help("may the token read this repository? In a workflow: `permissions: contents: write, pull-requests: write`")
        }
        _ => error,
    }
}

/// Identities of age, which open files of SOPS.
fn read_age_identities(context: &Context<'_>) -> Result<Option<SecretString>, CommandError> {
    if let Some(keys) = context.environment.get("SOPS_AGE_KEY") {
        return Ok(Some(SecretString::from(keys)));
    }
    let Some(file) = context.environment.get("SOPS_AGE_KEY_FILE") else { return Ok(None) };
    let bytes = files::read_bounded(Path::new(file), MAX_IDENTITIES_BYTES)
        .map_err(|why| CommandError::invalid(format!("SOPS_AGE_KEY_FILE: {why}")))?;
    let text =
        String::from_utf8(bytes).map_err(|_| CommandError::invalid("SOPS_AGE_KEY_FILE: it is no text"))?;
    Ok(Some(SecretString::from(text)))
}

/// The policy file at the head of the default branch. What it extends is known only when it is read: so it is read
/// until nothing is missing.
async fn read_committed_policy(context: &Context<'_>, service: &LiveBackend) -> Result<Policy, SetupError> {
    let unread = |why: BackendError| SetupError::from_error(github_read_error("the policy file", &why));
    let head = service.read_default_head().await.map_err(unread)?;
    let known: RefCell<BTreeMap<String, FileContent>> = RefCell::default();
    loop {
        let wanted: RefCell<BTreeSet<String>> = RefCell::default();
        let read = |path: &Path| {
            let Some(path) = repository_path(path) else {
                return FileContent::Unreadable("it lies outside".to_owned());
            };
            let found = known.borrow().get(&path).cloned();
            found.unwrap_or_else(|| {
                wanted.borrow_mut().insert(path);
                FileContent::Absent
            })
        };
        let policy = policy_file::load_policy_with(context.common.policy.as_deref(), &read);
        let missing = wanted.take();
        if missing.is_empty() {
            return match policy {
                Ok(Some(policy)) => Ok(policy),
                Ok(None) => Err(SetupError::InvalidPolicy(vec![policy_file::missing_policy()])),
                Err(diagnostics) => Err(SetupError::InvalidPolicy(diagnostics)),
            };
        }
        for path in missing {
            let content = match service.read_file(&head, &path).await {
                Ok(Some(bytes)) => FileContent::Bytes(bytes),
                Ok(None) => FileContent::Absent,
                Err(BackendError { kind: ErrorKind::Rejected, message: what }) => {
                    FileContent::Unreadable(what)
                }
                Err(why) => return Err(unread(why)),
            };
            known.borrow_mut().insert(path, content);
        }
    }
}

/// A path from the repository's root, as git writes it.
fn repository_path(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

/// Those whom the policy file lets be rotated, and those whose rotation is under way.
async fn list_user_rotations(
    context: &Context<'_>,
    policy: &Policy,
    service: &LiveBackend,
    account: &str,
) -> Result<Vec<UserRotation>, CommandError> {
    let variable = |name: &str| context.environment.get(name);
    let run: Arc<str> = run_name(variable("GITHUB_RUN_ID"), variable("GITHUB_RUN_ATTEMPT")).into();
    let task = |user: &str, rotation: &RotationPolicy, destinations: Vec<Destination>, may_rotate: bool| {
        UserRotation {
            user: user.into(),
            run: run.clone(),
            repository: service.repository_id(),
            name: service.repository_name().to_owned(),
            account: account.to_owned(),
            params: rotation_params(rotation, &destinations, may_rotate),
            policy: Some(rotation.clone()),
            destinations,
            asked: RotationRequest::default(),
            asks_preflight: true,
        }
    };
    let mut tasks: Vec<UserRotation> = rotatable_users(policy)
        .map(|(name, entry, rotation)| task(name, rotation, entry.destinations.clone(), true))
        .collect();
    let journals =
        service.list_journal_users().await.map_err(|why| github_read_error("the journals", &why))?;
    for user in journals {
        if tasks.iter().any(|task| *task.user == *user) {
            continue;
        }
        // One that cannot be read is told of when it is this user's turn.
        let journal = read_journal(service, &user).await;
        let open = journal.as_ref().map(|journal| journal.open.as_ref());
        let Some(places) = open.map_or(Some(&[][..]), |open| Some(&*open?.destinations)) else { continue };
        let destinations = places.iter().filter_map(destination_from_snapshot).collect();
        tasks.push(task(&user, &policy.rotation, destinations, false));
    }
    Ok(tasks)
}

async fn read_journal(service: &LiveBackend, user: &str) -> Result<Journal, BackendError> {
    use crate::ports::JournalStore as _;
    let chain = service.read_chain(user).await?;
    Ok(Journal::from_chain(user, chain.entries.iter().map(|(commit, entry)| (&**commit, &**entry))))
}

fn rotatable_users(policy: &Policy) -> impl Iterator<Item = (&str, &UserPolicy, &RotationPolicy)> {
    policy.users.iter().filter_map(|entry| match (&entry.selector, &entry.rotation) {
        (UserSelector::Name(name), Some(rotation)) => Some((name.0.as_str(), entry, rotation)),
        _ => None,
    })
}

/// The rules of one user's rotation.
fn rotation_params(
    rotation: &RotationPolicy,
    destinations: &[Destination],
    may_rotate: bool,
) -> RotationParams {
    let is_queued = |destination: &Destination| matches!(destination, Destination::GithubSecret(secret) if secret.environment.is_none());
    let grace = rotation.grace.0;
    let long = !rotation.is_own_grace && destinations.iter().any(is_queued);
    RotationParams {
        may_rotate,
        start_at: rotation.start_at.0,
        grace: if long { grace.max(QUEUED_RUN_LIFETIME) } else { grace },
        quiet: rotation.quiet.0,
        soak: rotation.soak.0,
        require_use: rotation.require_use,
        validate: rotation.validate.is_some(),
    }
}

/// How the rotations stand, for an audit, and what could not be learnt of it; `None`: nobody is rotated, or there is no
/// token to ask with.
///
/// # Errors
/// Says why nothing of it is known.
pub async fn read_rotation_statuses(
    context: &Context<'_>,
    policy: &Policy,
    access: &connect::AwsAccount,
    repository: &RepositoryIdentity,
) -> Result<Option<(RotationStatuses, Vec<String>)>, String> {
    if rotatable_users(policy).next().is_none()
        || live::github_token(context).is_none()
        || repository.name.is_none()
    {
        return Ok(None);
    }
    let service = connect_github(context).await.map_err(|error| error.message)?;
    let service = service.with_account(access.config.clone(), &access.caller.account);
    let tasks = list_user_rotations(context, policy, &service, &access.caller.account).await;
    let mut tasks = tasks.map_err(|error| error.message)?;
    tasks.iter_mut().for_each(|task| task.asks_preflight = false);
    let account = access.caller.account.clone();
    let turns = super::run_users::plan_users(&RunContext {
        service,
        policy: policy.clone(),
        account,
        user_rotations: tasks,
    })
    .await;
    let doubts = turns.iter().filter_map(report::unknown_status).collect();
    Ok(Some((turns.iter().filter_map(report::rotation_status).collect(), doubts)))
}
