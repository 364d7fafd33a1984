//! Connects a run to GitHub and AWS, reads its policy file, and lists the users to rotate.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::committed_policy::{read_committed_policy, repository_path};
use super::context::{CommandRequest, JournalUsers, KeyChange, RunContext, rotation_params};
use super::on_call::{RepositoryPages, find_run};
use crate::aws::connect;
use crate::commands::connection::{self, github_read_error};
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, ensure_account_matches};
use crate::engine::observe::UserRotation;
use crate::error::CommandError;
use crate::live::{GithubConfig, LiveBackend, ServerTime, run_name};
use crate::policy::{Destination, Policy, RotationPolicy, UserPolicy, UserSelector};
use crate::ports::Clock as _;
use crate::rotation::RotationRequest;
use crate::system::files;

/// The largest file of age identities that is read.
const MAX_IDENTITIES_BYTES: usize = 64 * 1024;

/// Opens a run that changes nothing. It reads the policy file of the working tree, as an audit does, so that a change of
/// it can be tried.
pub async fn open_for_plan(
    context: &Context<'_>,
    request: &CommandRequest<'_>,
) -> Result<RunContext, CommandFailure> {
    let policy = policy_file::load_policy(context)?;
    let backend = connect_github(context).await?;
    connect_account(context, request, policy, backend, true).await
}

/// Opens a run that writes. It follows the policy file of the default branch, whatever is checked out.
pub async fn open_for_changes(
    context: &Context<'_>,
    request: &CommandRequest<'_>,
) -> Result<RunContext, CommandFailure> {
    let backend = connect_github(context).await?;
    if backend.is_archived() {
        let message = format!(
            "the repository {} is archived, so nothing can be written to it",
            backend.repository_name()
        );
        return Err(CommandError::incomplete(message)
            .with_help("unarchive it, or let another repository own the users")
            .into());
    }
    let policy = read_committed_policy(context, &backend).await?;
    connect_account(context, request, policy, backend, false).await
}

async fn connect_account(
    context: &Context<'_>,
    request: &CommandRequest<'_>,
    policy: Policy,
    backend: LiveBackend,
    trusts_environment: bool,
) -> Result<RunContext, CommandFailure> {
    let file = policy.file.clone();
    let run = connect_aws(context, request, policy, backend, trusts_environment).await;
    run.map_err(|error| CommandFailure::after_policy(&file, error))
}

async fn connect_aws(
    context: &Context<'_>,
    request: &CommandRequest<'_>,
    policy: Policy,
    backend: LiveBackend,
    trusts_environment: bool,
) -> Result<RunContext, CommandError> {
    let role = policy.role_arn.clone();
    let access = connection::prepare_access(context, role, request.aws, trusts_environment).await?;
    let connect::AwsAccount { config, caller } = connect::connect_account(&access).await?;
    // Before any other request: the credentials may belong to an account that the policy is not for.
    ensure_account_matches(&policy, &caller.account)?;
    let backend = backend.with_account(config, &caller.account);
    let (mut user_rotations, mut journal_users) =
        list_user_rotations(context, &policy, &backend, &caller.account).await?;
    if let Some(wanted) = request.user {
        user_rotations.retain(|rotation| *rotation.user == *wanted.0);
        journal_users.names.retain(|user| **user == *wanted.0);
        if user_rotations.is_empty() && journal_users.names.is_empty() {
            return Err(no_rotation_error(&policy, &wanted.0));
        }
    }
    for rotation in &mut user_rotations {
        rotation.asked = request.asked;
        rotation.rollback_reason = request.rollback_reason.map(Into::into);
    }
    journal_users.template.asked = request.asked;
    journal_users.template.rollback_reason = request.rollback_reason.map(Into::into);
    // After the selection: a user that is named always has its turn
    journal_users.keep_current_share(backend.now());
    let pages = RepositoryPages::of(context, &backend)?;
    Ok(RunContext { backend, account: caller.account, user_rotations, journal_users, policy, pages })
}

fn no_rotation_error(policy: &Policy, user: &str) -> CommandError {
    let names: Vec<&str> = rotated_users(policy).map(|(name, ..)| name).collect();
    let message = if names.is_empty() {
        format!("no rotation is configured for `{user}`; no user has `rotation:`")
    } else {
        format!("no rotation is configured for `{user}`; users with `rotation:` are: {}", names.join(", "))
    };
    CommandError::invalid(message)
}

/// Connects to the repository on GitHub.
pub async fn connect_github(context: &Context<'_>) -> Result<LiveBackend, CommandError> {
    let token = connection::require_github_token(context)?;
    let repository = connection::require_repository_name(context)?;
    let forge = GithubConfig {
        api_url: connection::github_api_url(context)?,
        token: SecretString::from(token),
        repository,
        identities: read_age_identities(context)?,
        environment: context.environment.clone(),
    };
    let time = Arc::new(ServerTime::new(context.common.now));
    let backend = LiveBackend::connect_github(forge, time)
        .await
        .map_err(|failure| github_read_error("the repository", &failure))?;
    // The ID decides who owns a user. Two IDs for one repository mean that one of the sources is wrong.
    match context.repository_identity().id {
        Some(id) if id != backend.repository_id() => Err(CommandError::environment(format!(
            "GITHUB_REPOSITORY_ID is {id}, but the ID of {} on GitHub is {}",
            backend.repository_name(),
            backend.repository_id()
        ))),
        _ => Ok(backend),
    }
}

/// Reads the age identities that decrypt SOPS files.
fn read_age_identities(context: &Context<'_>) -> Result<Option<SecretString>, CommandError> {
    if let Some(keys) = context.environment.get("SOPS_AGE_KEY") {
        return Ok(Some(SecretString::from(keys)));
    }
    let Some(file) = context.environment.get("SOPS_AGE_KEY_FILE") else { return Ok(None) };
    let bytes = files::read_bounded(Path::new(file), MAX_IDENTITIES_BYTES, files::PIPE_WAIT)
        .map_err(|reason| CommandError::environment(format!("SOPS_AGE_KEY_FILE: {reason}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CommandError::environment("SOPS_AGE_KEY_FILE: the file is not UTF-8 text"))?;
    Ok(Some(SecretString::from(text)))
}

/// Lists the users that the policy file rotates, and those that only have a journal.
pub async fn list_user_rotations(
    context: &Context<'_>,
    policy: &Policy,
    backend: &LiveBackend,
    account: &str,
) -> Result<(Vec<UserRotation>, JournalUsers), CommandError> {
    let run_id = context.environment.get("GITHUB_RUN_ID");
    let run = run_name(run_id, context.environment.get("GITHUB_RUN_ATTEMPT"));
    let policy_file = repository_path(Path::new(&policy.file));
    let run_page = find_run(context).map(|run| run.page());
    let template = RotationTemplate { run: run.into(), run_page, backend, account, policy_file };
    let rotations: Vec<UserRotation> = rotated_users(policy)
        .map(|(name, entry, settings)| {
            let change = if entry.retire.is_some() { KeyChange::Retire } else { KeyChange::Rotate };
            let mut rotation = template.build(name, settings, entry.destinations.clone(), change);
            rotation.max_age = entry.limits.max_age.map(|max| max.0);
            rotation
        })
        .collect();
    let mut names =
        backend.list_journal_users().await.map_err(|failure| github_read_error("the journals", &failure))?;
    names.retain(|user| !rotations.iter().any(|rotation| *rotation.user == **user));
    let template = template.build("", &policy.rotation, Vec::new(), KeyChange::None);
    Ok((rotations, JournalUsers { names, left_out: 0, template }))
}

/// What the rotations of all users of a run have in common.
struct RotationTemplate<'a> {
    run: Arc<str>,
    run_page: Option<String>,
    backend: &'a LiveBackend,
    account: &'a str,
    policy_file: Option<String>,
}

impl RotationTemplate<'_> {
    fn build(
        &self,
        user: &str,
        rotation: &RotationPolicy,
        destinations: Vec<Destination>,
        change: KeyChange,
    ) -> UserRotation {
        UserRotation {
            user: user.into(),
            run: self.run.clone(),
            repository: self.backend.repository_id(),
            name: self.backend.repository_name().to_owned(),
            account: self.account.to_owned(),
            params: rotation_params(rotation, &destinations, change),
            policy: Some(rotation.clone()),
            max_age: None,
            run_page: self.run_page.clone(),
            policy_file: self.policy_file.clone(),
            destinations,
            asked: RotationRequest::default(),
            rollback_reason: None,
            asks_preflight: true,
        }
    }
}

/// The users whose keys the policy file rotates or retires: entries with a name and with `rotation` or `retire`.
pub fn rotated_users(policy: &Policy) -> impl Iterator<Item = (&str, &UserPolicy, &RotationPolicy)> {
    policy.users.iter().filter_map(|entry| match (&entry.selector, entry.key_changes()) {
        (UserSelector::Name(name), Some(rotation)) => Some((name.0.as_str(), entry, rotation)),
        _ => None,
    })
}
