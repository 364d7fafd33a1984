//! `keytide iam-policy`: prints the IAM policy of a command for exactly the users of the policy file, or a trust policy.

mod permissions;
mod stores;
mod trust;

#[cfg(feature = "online")]
pub use permissions::actions_on_user;
use serde_json::Value;

use super::cli::{IamPolicyArgs, Purpose};
use super::context::{Context, write_stdout};
use super::failure::CommandFailure;
use super::{output, policy_file};
use crate::destinations::permissions::ArnScope;
use crate::error::{CommandError, ExitStatus};
use crate::policy::RoleArn;

/// The largest managed policy in characters; AWS does not count white space (IAM quotas).
const MAX_POLICY_CHARACTERS: usize = 6_144;

pub fn run(context: &Context<'_>, arguments: &IamPolicyArgs) -> ExitStatus {
    match build_document(context, arguments) {
        Ok(document) => write_stdout(&format!("{document:#}\n")),
        Err(failure) => {
            output::print_failure(context, &failure);
            ExitStatus::Invalid
        }
    }
}

fn build_document(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<Value, CommandFailure> {
    let policy = policy_file::load_policy(context)?;
    let Some(account) = &policy.account else {
        let message = format!("`account` is missing in {}", policy.file);
        return Err(CommandError::invalid(message).with_help("add `account: \"123456789012\"`").into());
    };
    let own_partition = policy.role_arn.as_ref().map_or("aws", RoleArn::partition);
    let scope =
        ArnScope { partition: arguments.partition.as_deref().unwrap_or(own_partition), account: &account.0 };
    if arguments.purpose != Purpose::Audit && permissions::rotated_user_arns(&policy, &scope).is_empty() {
        let message = format!("no user has `rotation:` in {}", policy.file);
        let help = "add `rotation: {}` and `destinations` to an entry with a `name`";
        return Err(CommandError::invalid(message).with_help(help).into());
    }
    let document = if arguments.trust {
        trust::trust_policy(context, &scope, arguments)?
    } else {
        permissions::permissions_policy(context, arguments.purpose, &policy, &scope)
    };
    note_if_too_long(context, &document);
    Ok(document)
}

fn note_if_too_long(context: &Context<'_>, document: &Value) {
    let size = document.to_string().len();
    if size > MAX_POLICY_CHARACTERS {
        context.eprint(&format!(
            "note: this policy has {size} characters; a managed policy can have {MAX_POLICY_CHARACTERS}. \
             Use globs or a common IAM path in the policy file, or split the statement\n"
        ));
    }
}
