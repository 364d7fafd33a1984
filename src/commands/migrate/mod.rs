//! `keytide migrate`: changes the workflows that use a user's key as GitHub secrets so that they assume a role, and prints
//! that role.

mod diff;
mod facts;
mod files;
mod github_facts;
#[cfg(feature = "online")]
mod key_files;
mod notes;
mod outcome;
#[cfg(feature = "online")]
mod proposal;
#[cfg(feature = "online")]
mod pull_request;
#[cfg(feature = "online")]
mod remote;
mod render;
mod role;

use facts::RemoteFacts;
use files::{PolicyFileChange, plan_policy_file, plan_workflows};
use github_facts::{AskedUser, GithubFacts};
use notes::list_notes;
use outcome::ChangesOutcome;
use render::Migration;
use role::{RoleRequest, build_role, default_role_name, list_events, render_script_command, role_arn};

use super::cli::{IamPolicyArgs, MigrateArgs, PurposeChoice, SetUpFormat, SubjectForm};
use super::context::{Context, write_stdout};
use super::failure::CommandFailure;
use super::iam_policy::repository::{TokenRepository, find_repository};
use super::iam_policy::set_up::SetUp;
use super::iam_policy::{cli, cloudformation, terraform};
use super::init::output_files::{OutputAction, OutputFile, write_files};
use super::standard_output::{MachineText, print_escaped};
use super::{output, policy_file};
use crate::destinations::kind::describe_removal;
use crate::error::{CommandError, ExitStatus};
use crate::migrate::{Callees, DefaultToken, KeySecrets, MigrationRequest, as_workflow_secret};
use crate::policy::scalar::is_repository;
use crate::policy::{Policy, RETIREMENT_QUIET, RETIREMENT_SOAK, RotationPolicy, UserPolicy, UserSelector};
use crate::report::FailOn;
use crate::system::worktree::WorkTree;

pub fn run(context: &Context<'_>, arguments: &MigrateArgs) -> ExitStatus {
    match migrate(context, arguments) {
        Ok(exit) => exit,
        Err(failure) => {
            output::print_failure(context, &failure);
            match failure {
                CommandFailure::InvalidPolicy(_) => ExitStatus::Invalid,
                CommandFailure::Failed { error, .. } => error.exit,
            }
        }
    }
}

fn migrate(context: &Context<'_>, arguments: &MigrateArgs) -> Result<ExitStatus, CommandFailure> {
    let policy = policy_file::load_policy_with_users(context)?;
    let entry = find_entry(&policy, &arguments.user.0)?;
    let repository = find_token_repository(context, arguments)?;
    let secrets = KeySecrets::collect(&policy, &arguments.user.0, &repository.name);
    if secrets.is_empty() {
        return Err(no_secrets(&arguments.user.0, &repository.name).into());
    }
    let facts = read_remote(context, arguments, &policy, &repository.name)?;
    let account = facts.account.as_ref().ok();
    let role_name = arguments.role_name.clone().unwrap_or_else(|| default_role_name(&arguments.user.0));
    let arn = role_arn(account, &policy, &role_name);
    let request = MigrationRequest {
        secrets: &secrets,
        role_arn: &arn,
        role_name: &role_name,
        region: arguments.aws.aws_region.as_deref(),
        default_token: *facts.default_token.as_ref().unwrap_or(&DefaultToken::Restricted),
        callees: &Callees::default(),
    };
    let tree = WorkTree::find_repository(context.environment);
    let planned = plan_workflows(&tree, &request);
    let asked = AskedUser::of(&arguments.user.0, account, &policy);
    let github = GithubFacts::find(context, asked, &planned, &secrets);
    let secrets = secrets.with_unlisted(&github.unlisted);
    let planned = plan_workflows(&tree, &MigrationRequest { secrets: &secrets, ..request });
    let role_request = RoleRequest {
        user: &arguments.user.0,
        role_name: &role_name,
        policy: &policy,
        account,
        repository: &repository,
        subjects: &planned.subjects,
    };
    let events = list_events(&role_request);
    let (set_up, mut notes) = build_role(&role_request);
    // Before anything is written: a name in the role can be refused
    let role = render_role(context, arguments, &set_up)?;
    notes.extend(list_notes(&planned, &facts, &secrets, &github));
    let mut others = list_other_users(entry, &repository.name);
    others.extend(github.list_uses(&arguments.user.0));
    others.extend(list_files_with_key(&tree, &arguments.user.0, &facts, &secrets));
    let mut migration = Migration {
        user: arguments.user.0.clone(),
        planned,
        others,
        notes,
        failures: list_failures(&facts, &repository),
        role_arn: arn.clone(),
        script_command: render_script_command(context.common, arguments),
        events,
        policy_file: policy.file.clone(),
        retires: false,
        removals: list_removals(entry, &repository.name),
        quiet: entry.retire.as_ref().map_or(RETIREMENT_QUIET, |retire| retire.quiet),
        soak: entry.retire.as_ref().map_or(RETIREMENT_SOAK, |retire| retire.soak),
        outcome: ChangesOutcome::Shown,
    };
    plan_retirement(&mut migration, &tree);
    let settings = entry.rotation.as_ref().unwrap_or(&policy.rotation);
    propose_or_write(context, arguments, settings, &tree, &mut migration)?;
    Ok(deliver(context, role, &migration))
}

/// Does with the changes what the options ask for.
fn propose_or_write(
    context: &Context<'_>,
    arguments: &MigrateArgs,
    settings: &RotationPolicy,
    tree: &WorkTree,
    migration: &mut Migration,
) -> Result<(), CommandError> {
    if arguments.pull_request && !migration.planned.changed.is_empty() {
        propose(context, tree, settings, migration);
    }
    context.progress.end();
    if arguments.write {
        write_changes(tree, migration)?;
        migration.outcome = ChangesOutcome::Written;
    }
    Ok(())
}

fn find_entry<'p>(policy: &'p Policy, user: &str) -> Result<&'p UserPolicy, CommandError> {
    let is_named =
        |entry: &&UserPolicy| matches!(&entry.selector, UserSelector::Name(name) if name.0 == user);
    policy.users.iter().find(is_named).ok_or_else(|| {
        CommandError::invalid(format!("{} has no entry with the name `{user}`", policy.file))
            .with_help("add the user with its `destinations`; `keytide init` finds them")
    })
}

fn no_secrets(user: &str, repository: &str) -> CommandError {
    CommandError::invalid(format!(
        "no workflow of {repository} reads the key of `{user}`, as the policy file says"
    ))
    .with_help("name its secrets as `github_secret` in `destinations`; `keytide init` finds them")
}

/// The repository, as the set-up of the roles of keytide finds it.
fn find_token_repository(
    context: &Context<'_>,
    arguments: &MigrateArgs,
) -> Result<TokenRepository, CommandError> {
    if context.repository_name().is_none_or(|name| !is_repository(&name)) {
        return Err(CommandError::invalid("the repository is not known: add --repository OWNER/NAME"));
    }
    let arguments = IamPolicyArgs {
        purpose: PurposeChoice::All,
        format: None,
        trust: false,
        branch: None,
        environment: None,
        subject: arguments.subject,
        issuer: arguments.issuer.clone(),
        partition: None,
        role_prefix: None,
    };
    find_repository(context, &arguments, true)
}

#[cfg(feature = "online")]
fn read_remote(
    context: &Context<'_>,
    arguments: &MigrateArgs,
    policy: &Policy,
    repository: &str,
) -> Result<RemoteFacts, CommandError> {
    remote::read_remote(context, arguments, policy, repository)
}

#[cfg(not(feature = "online"))]
fn read_remote(_: &Context<'_>, _: &MigrateArgs, _: &Policy, _: &str) -> Result<RemoteFacts, CommandError> {
    const REASON: &str = "this keytide was built without network support";
    Ok(RemoteFacts {
        account: Err(CommandError::environment(REASON)),
        key_ids: Err(CommandError::environment(REASON)),
        default_token: Err(CommandError::environment(REASON)),
    })
}

/// The files that use the key beside the workflows. Without the IDs of the keys those that name one are not known, which is a
/// failure of its own.
#[cfg(feature = "online")]
fn list_files_with_key(
    tree: &WorkTree,
    user: &str,
    facts: &RemoteFacts,
    secrets: &KeySecrets,
) -> Vec<String> {
    let mut files = key_files::list_files_with_key(tree, user, facts.key_ids.as_ref().ok());
    files.extend(key_files::list_dependabot_files(tree, secrets));
    files
}

#[cfg(not(feature = "online"))]
fn list_files_with_key(_: &WorkTree, _: &str, _: &RemoteFacts, _: &KeySecrets) -> Vec<String> {
    Vec::new()
}

/// What could not be asked, and is needed for a complete role.
fn list_failures(facts: &RemoteFacts, repository: &TokenRepository) -> Vec<String> {
    let mut failures = Vec::new();
    if let Err(CommandError { message: reason, .. }) = &facts.account {
        let reason = reason.trim_end_matches('.');
        failures.push(format!(
            "AWS could not be asked for the user's permissions: {reason}. The role has CHANGE-ME in their place; run \
             this again with credentials that may read them"
        ));
    }
    if let (Ok(_), Err(CommandError { message: reason, .. })) = (&facts.account, &facts.key_ids) {
        failures.push(format!(
            "AWS could not be asked for the user's access keys, so files that name one of them were not found: {reason}. \
             Grant iam:ListAccessKeys and run this again"
        ));
    }
    if repository.form != SubjectForm::Classic && repository.ids().is_none() {
        failures.push(
            "GitHub could not be asked for the repository's numeric IDs, which the role's trust needs: export \
             GITHUB_TOKEN=$(gh auth token)"
                .to_owned(),
        );
    }
    failures
}

/// The destinations that are read elsewhere than in this repository's workflows.
fn list_other_users(entry: &UserPolicy, repository: &str) -> Vec<String> {
    let mut others = Vec::new();
    for destination in &entry.destinations {
        let secret = as_workflow_secret(destination, repository);
        if secret.is_some_and(|secret| secret.organization.is_none()) {
            continue;
        }
        let note = if secret.is_some() { " (other repositories may read it)" } else { "" };
        // Files of a `reference` name the key only, and hold no secret.
        if let Some((id, _)) = destination.identity() {
            others.push(format!("{id}{note}"));
        }
    }
    others
}

/// How a person deletes the secrets of this repository that hold the key.
fn list_removals(entry: &UserPolicy, repository: &str) -> Vec<String> {
    let own = entry.destinations.iter().filter(|destination| {
        as_workflow_secret(destination, repository).is_some_and(|secret| secret.organization.is_none())
    });
    own.filter_map(|destination| Some(describe_removal(destination.identity()?.0.as_ref()))).collect()
}

/// The key is not retired while anything still uses it, nor while the role that replaces it cannot be made: the workflows
/// name no role yet, and whoever merged them by mistake would have to bring the key back.
fn plan_retirement(migration: &mut Migration, tree: &WorkTree) {
    let path = &migration.policy_file;
    if !migration.failures.is_empty() {
        migration
            .notes
            .push(format!("{path} stays as it is until the role, and what else uses the key, are known"));
        return;
    }
    if !migration.others.is_empty() || !migration.planned.left.is_empty() {
        migration.notes.push(format!(
            "{path} stays as it is: `retire: {{}}` is for a key that nothing else uses any more. Once that is so, write it there \
             in place of `rotation`"
        ));
        return;
    }
    let change = plan_policy_file(tree, path, &migration.user);
    migration.retires = !matches!(change, PolicyFileChange::ByHand(_));
    match change {
        PolicyFileChange::None => {}
        PolicyFileChange::Changed(file) => migration.planned.changed.push(file),
        PolicyFileChange::ByHand(note) => migration.notes.push(note),
    }
}

fn write_changes(tree: &WorkTree, migration: &Migration) -> Result<(), CommandError> {
    let mut files = Vec::new();
    for file in &migration.planned.changed {
        files.push(OutputFile { path: file.path.clone(), action: OutputAction::Extend(file.after.clone()) });
    }
    write_files(tree, &files)
}

/// Opens the pull request. What prevents it is said after the changes, which are right all the same.
fn propose(context: &Context<'_>, tree: &WorkTree, settings: &RotationPolicy, migration: &mut Migration) {
    if !migration.failures.is_empty() {
        migration.outcome = ChangesOutcome::NotProposed;
        let reason =
            "no pull request was opened, because the role or the files that use the key are not known";
        migration.failures.push(reason.to_owned());
        return;
    }
    match open_pull_request(context, tree, settings, migration) {
        Ok(proposal) => migration.outcome = ChangesOutcome::Proposed(proposal),
        Err(CommandError { message, help, .. }) => {
            let help = help.map(|help| format!(": {help}")).unwrap_or_default();
            migration.outcome = ChangesOutcome::NotProposed;
            migration.failures.push(message + &help);
        }
    }
}

#[cfg(feature = "online")]
fn open_pull_request(
    context: &Context<'_>,
    tree: &WorkTree,
    settings: &RotationPolicy,
    migration: &Migration,
) -> Result<outcome::Proposal, CommandError> {
    let change = pull_request::ProposedChange {
        user: &migration.user,
        planned: &migration.planned,
        policy_file: &migration.policy_file,
        text: proposal::render_proposal(migration, settings),
    };
    pull_request::propose_change(context, tree, &change)
}

#[cfg(not(feature = "online"))]
fn open_pull_request(
    _: &Context<'_>,
    _: &WorkTree,
    _: &RotationPolicy,
    _: &Migration,
) -> Result<outcome::Proposal, CommandError> {
    Err(CommandError::environment("this keytide was built without network support"))
}

/// Prints the role and, on standard error, the rest; without a role everything is for people.
fn deliver(context: &Context<'_>, role: Option<String>, migration: &Migration) -> ExitStatus {
    let written = match role {
        None => print_escaped(context, |_| migration.render_changes()),
        Some(role) => {
            context.eprint(&migration.render_rest());
            write_stdout(&role)
        }
    };
    let found = if !migration.failures.is_empty() || migration.outcome.is_blocked() {
        ExitStatus::Incomplete
    } else if !migration.planned.left.is_empty() && context.common.fail_on != FailOn::Never {
        ExitStatus::Findings
    } else {
        ExitStatus::Done
    };
    found.max(written)
}

/// The role in the format that was asked for, if any was.
fn render_role(
    context: &Context<'_>,
    arguments: &MigrateArgs,
    set_up: &SetUp,
) -> Result<Option<String>, CommandError> {
    let Some(format) = arguments.set_up_format() else { return Ok(None) };
    let role = match format {
        SetUpFormat::Json => MachineText::Json(role::describe_role(set_up)),
        SetUpFormat::Cli => MachineText::Code(cli::render_script(set_up)?),
        SetUpFormat::Cloudformation => MachineText::Code(cloudformation::render_template(set_up)?),
        SetUpFormat::Terraform => MachineText::Code(terraform::render_terraform(set_up)?),
    };
    role.render(context).map(Some)
}
