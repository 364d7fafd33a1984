//! `keytide iam-policy`: prints the IAM policies of the commands for exactly the users of the policy file, alone or as the
//! set-up of an account.

pub mod cli;
pub mod cloudformation;
mod fleet;
mod permissions;
pub mod repository;
pub mod set_up;
mod shared;
mod stores;
pub mod terraform;
pub mod trust;

#[cfg(feature = "online")]
pub use permissions::actions_on_user;
use serde_json::Value;

use repository::TokenRepository;
use set_up::{Role, RoleRequest, SetUp, decide_set_up, environment_of};
use shared::{ROLE_PREFIX, print_notes, to_value, unknown_numbers};
use trust::{TrustedJobs, trust_policy};

use super::cli::{IamPolicyArgs, Purpose, PurposeChoice, SetUpFormat, SubjectForm};
use super::context::{Context, write_stdout};
use super::failure::CommandFailure;
use super::standard_output::MachineText;
use super::{output, policy_file};
use crate::destinations::permissions::ArnScope;
use crate::error::{CommandError, ExitStatus};
use crate::iam::policy_document::PolicyDocument;
use crate::policy::scalar::is_repository;
use crate::policy::{Policy, RoleArn};

/// The largest managed policy in characters; AWS does not count white space (IAM quotas).
const MAX_MANAGED_POLICY: usize = 6_144;
/// The largest inline policies of a role together, counted in the same way.
const MAX_INLINE_POLICIES: usize = 10_240;

pub fn run(context: &Context<'_>, arguments: &IamPolicyArgs) -> ExitStatus {
    match render_policies(context, arguments) {
        Ok(text) => {
            context.progress.end();
            write_stdout(&text)
        }
        Err(failure) => {
            output::print_failure(context, &failure);
            // A shell has made the file of `>` before keytide ran, and an empty script ends well.
            if !context.environment.stdout_is_terminal {
                context.print_note(
                    "nothing was printed; a file that standard output was redirected to is empty",
                );
            }
            match failure {
                CommandFailure::InvalidPolicy(_) => ExitStatus::Invalid,
                CommandFailure::Failed { error, .. } => error.exit,
            }
        }
    }
}

/// What is asked for, once the policy file is read.
struct PolicyRequest<'a> {
    context: &'a Context<'a>,
    arguments: &'a IamPolicyArgs,
    policy: &'a Policy,
    scope: &'a ArnScope<'a>,
    purposes: Vec<Purpose>,
}

fn render_policies(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<String, CommandFailure> {
    Ok(build_text(context, arguments)?.render(context)?)
}

fn build_text(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<MachineText, CommandFailure> {
    refuse_idle_options(arguments)?;
    if arguments.purpose == PurposeChoice::Fleet {
        return Ok(MachineText::Code(fleet::build_template(context, arguments)?));
    }
    let policy = policy_file::load_policy_with_users(context)?;
    let Some(account) = &policy.account else {
        let message = format!("`account` is missing in {}", policy.file);
        return Err(CommandError::invalid(message).with_help("add `account: \"123456789012\"`").into());
    };
    let own_partition = policy.role_arn.as_ref().map_or("aws", RoleArn::partition);
    let scope =
        ArnScope { partition: arguments.partition.as_deref().unwrap_or(own_partition), account: &account.0 };
    let purposes = choose_purposes(context, arguments, &policy, &scope)?;
    let request = PolicyRequest { context, arguments, policy: &policy, scope: &scope, purposes };
    let render = match arguments.set_up_format() {
        SetUpFormat::Json => return Ok(MachineText::Json(build_documents(&request)?)),
        SetUpFormat::Cli => cli::render_script,
        SetUpFormat::Cloudformation => cloudformation::render_template,
        SetUpFormat::Terraform => terraform::render_terraform,
    };
    Ok(MachineText::Code(render(&build_set_up(&request)?)?))
}

/// Refuses options that would change nothing: their giver expects them to.
fn refuse_idle_options(arguments: &IamPolicyArgs) -> Result<(), CommandError> {
    const SET_UP: &str = "`--format cli`, `cloudformation` or `terraform`";
    let is_set_up = arguments.set_up_format() != SetUpFormat::Json;
    if is_set_up && arguments.trust {
        return Err(CommandError::invalid("`--trust` prints JSON")
            .with_help("leave it out: the other formats contain the trust policies"));
    }
    if !is_set_up && arguments.role_prefix.is_some() {
        return Err(CommandError::invalid(format!("`--role-prefix` needs {SET_UP}")));
    }
    for (option, is_given) in [
        ("--branch", arguments.branch.is_some()),
        ("--environment", arguments.environment.is_some()),
        ("--subject", arguments.subject.is_some()),
        ("--issuer", arguments.issuer.is_some()),
    ] {
        if is_given && !is_set_up && !arguments.trust {
            return Err(CommandError::invalid(format!("`{option}` needs `--trust`, or {SET_UP}")));
        }
    }
    Ok(())
}

/// The roles that are wanted. A policy file without `rotation` needs only that of the audit.
fn choose_purposes(
    context: &Context<'_>,
    arguments: &IamPolicyArgs,
    policy: &Policy,
    scope: &ArnScope<'_>,
) -> Result<Vec<Purpose>, CommandError> {
    let mut purposes = arguments.purpose.purposes().to_vec();
    if purposes == [Purpose::Audit] || !permissions::rotated_user_arns(policy, scope).is_empty() {
        return Ok(purposes);
    }
    let message = format!("no user has `rotation:` in {}", policy.file);
    purposes.retain(|purpose| *purpose == Purpose::Audit);
    if purposes.is_empty() {
        let help = "add `rotation: {}` and `destinations` to an entry with a `name`";
        return Err(CommandError::invalid(message).with_help(help));
    }
    context.print_note(&format!("{message}, so the roles that rotate and delete keys are left out"));
    Ok(purposes)
}

/// The policy of one command, or with `--for all` an object with that of each.
fn build_documents(request: &PolicyRequest<'_>) -> Result<Value, CommandError> {
    let PolicyRequest { context, arguments, policy, scope, purposes } = request;
    let repository =
        if arguments.trust { Some(repository::find_repository(context, arguments, false)?) } else { None };
    let mut documents = Vec::new();
    for purpose in purposes {
        let document = if let Some(repository) = &repository {
            let trust = trust_policy(scope, trusted_jobs(arguments, *purpose, repository));
            print_notes(context, trust.notes.iter().copied());
            trust.document
        } else {
            let destinations = stores::destination_permissions(context, *purpose, policy, scope);
            print_notes(context, destinations.notes());
            permissions::permissions_policy(*purpose, policy, scope, &destinations)
        };
        note_if_too_long(context, &document);
        documents.push((purpose.word().to_owned(), to_value(&document)?));
    }
    if arguments.purpose == PurposeChoice::All {
        return Ok(Value::Object(documents.into_iter().collect()));
    }
    Ok(documents.pop().map_or(Value::Null, |(_, document)| document))
}

/// The jobs that a trust policy alone is for: their environment has no default, as it always was.
fn trusted_jobs<'a>(
    arguments: &'a IamPolicyArgs,
    purpose: Purpose,
    repository: &'a TokenRepository,
) -> TrustedJobs<'a> {
    let given = arguments.environment.as_deref();
    let environment = match arguments.purpose {
        PurposeChoice::All => environment_of(purpose, given, true),
        _ => given.filter(|name| !name.is_empty()),
    };
    TrustedJobs { purpose, repository, branch: arguments.branch.as_deref().unwrap_or("main"), environment }
}

/// Decides the set-up, and refuses one that AWS would refuse, or that would trust a placeholder.
fn build_set_up(request: &PolicyRequest<'_>) -> Result<SetUp, CommandError> {
    let PolicyRequest { context, arguments, policy, scope, purposes } = request;
    let repository = repository::find_repository(context, arguments, arguments.branch.is_none())?;
    // The name is also in comments and in tags, where nothing escapes it.
    if !is_repository(&repository.name) {
        return Err(CommandError::environment(format!("`{}` is not OWNER/NAME", repository.name)));
    }
    if repository.form != SubjectForm::Classic && repository.ids().is_none() {
        return Err(unknown_numbers(&repository.name, repository.failure.as_deref()));
    }
    let mut permissions = Vec::new();
    for purpose in purposes {
        permissions.push((*purpose, stores::destination_permissions(context, *purpose, policy, scope)));
    }
    let roles = RoleRequest {
        policy,
        scope,
        repository: &repository,
        role_prefix: arguments.role_prefix.as_deref().unwrap_or(ROLE_PREFIX),
        branch: arguments.branch.as_deref(),
        environment: arguments.environment.as_deref(),
        is_for_all: arguments.purpose == PurposeChoice::All,
    };
    let (set_up, notes) = decide_set_up(&roles, permissions);
    for role in &set_up.roles {
        refuse_too_long(role)?;
    }
    print_notes(context, notes.iter().map(String::as_str));
    Ok(set_up)
}

fn refuse_too_long(role: &Role) -> Result<(), CommandError> {
    let size = role.permissions.as_ref().map_or(0, character_count);
    if size <= MAX_INLINE_POLICIES {
        return Ok(());
    }
    let message = format!(
        "the policy of {} has {size} characters; the inline policies of a role can have {MAX_INLINE_POLICIES}",
        role.name
    );
    Err(CommandError::invalid(message)
        .with_help("use globs or a common IAM path in the policy file, or several policy files"))
}

fn character_count(document: &impl serde::Serialize) -> usize {
    serde_json::to_string(document).map_or(0, |text| text.chars().count())
}

fn note_if_too_long(context: &Context<'_>, document: &PolicyDocument) {
    let size = character_count(document);
    if size > MAX_MANAGED_POLICY {
        context.print_note(&format!(
            "this policy has {size} characters; a managed policy can have {MAX_MANAGED_POLICY}. \
             Use globs or a common IAM path in the policy file, or split the statement"
        ));
    }
}
