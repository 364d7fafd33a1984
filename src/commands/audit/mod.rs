//! `keytide audit`: reads the users' access keys, applies the rules, and reports.

pub mod inventory;
#[cfg(feature = "online")]
mod live;
#[cfg(feature = "online")]
pub mod read_users;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use inventory::{AuditInput, future_use_faults, inventory_from_report, unasked_credentials_remark};

use super::cli::AuditArgs;
use super::context::Context;
use super::failure::CommandFailure;
use super::policy_file::{self, ensure_account_matches};
use crate::error::CommandError;
use crate::iam::AccountInventory;
use crate::iam::credential_report::{self, ReportError};
use crate::policy::Policy;
use crate::report::Report;
use crate::repository::RepositoryIdentity;
use crate::rules::{self, RotationStatuses, RuleInput, future_creation_faults};
use crate::system::files;

/// The largest credential report that is read, in bytes: five thousand users, IAM's own limit, take about two million.
const MAX_REPORT_BYTES: usize = 16 * 1024 * 1024;

/// Runs the audit.
pub fn run(context: &Context<'_>, arguments: &AuditArgs) -> Result<Report, CommandFailure> {
    let policy = policy_file::load_policy_with_users(context)?;
    let input = match &arguments.credential_report {
        Some(path) => read_report_file(context, &policy, path, arguments.aws.call_timeout()),
        None => read_account(context, &policy, arguments),
    };
    let input = input.map_err(|error| CommandFailure::after_policy(&policy.file, error))?;
    let rotations = input.rotations.as_ref();
    let mut report = apply_rules(context, &policy, input.inventory, &input.repository, rotations);
    report.add_next_steps(&input.next_steps);
    // A credential report from a file is read without the network.
    if arguments.credential_report.is_none() && !arguments.no_notify {
        notify(context, &policy, &mut report);
    }
    Ok(report)
}

/// Applies the rules and builds the report.
pub fn apply_rules(
    context: &Context<'_>,
    policy: &Policy,
    mut inventory: AccountInventory,
    repository: &RepositoryIdentity,
    rotations: Option<&RotationStatuses>,
) -> Report {
    // A key from the future means that a clock is wrong, so no age can be trusted.
    inventory.faults.extend(future_creation_faults(&inventory, context.now));
    inventory.faults.extend(future_use_faults(&inventory, context.now));
    let users = inventory.users.iter().map(|user| (user.name.as_str(), user.iam_path()));
    let idle_globs = policy.idle_globs(users);
    inventory.limits.extend(idle_globs);
    inventory.limits.extend(unasked_credentials_remark(policy, &inventory));
    let input = RuleInput {
        policy,
        inventory: Some(&inventory),
        files: None,
        rotations,
        repository,
        fleet: None,
        now: context.now,
    };
    let findings = rules::run_rules(&input);
    let report = Report::of_audit(policy, inventory, findings, context.now, context.common.fail_on);
    match rotations {
        Some(rotations) => report.with_phases(rotations),
        None => report,
    }
}

/// Reads a credential report from a file; makes no network requests.
fn read_report_file(
    context: &Context<'_>,
    policy: &Policy,
    path: &Path,
    wait: Duration,
) -> Result<AuditInput, CommandError> {
    let shown = path.display();
    let bytes = files::read_bounded(path, MAX_REPORT_BYTES, wait).map_err(|reason| {
        CommandError::invalid(format!("{shown}:1:1: this credential report cannot be read: {reason}"))
    })?;
    let report = credential_report::parse_report(&bytes, None).map_err(|reason| {
        let message = format!("{shown}:1:1: {reason}");
        let error = match reason {
            // As where some rows cannot be read: it is a report, and what it says is not known
            ReportError::NoReadableUser(_) => CommandError::incomplete(message),
            _ => CommandError::invalid(message),
        };
        error.with_help("download one: `aws iam get-credential-report --query Content --output text | base64 -d > report.csv`")
    })?;
    ensure_account_matches(policy, &report.account)?;
    let mut inventory = inventory_from_report(policy, report);
    if policy.users.iter().any(|entry| entry.key_changes().is_some()) {
        let remark = "rotation status unknown: a credential report does not include the journals";
        inventory.limits.push(remark.to_owned());
    }
    Ok(AuditInput {
        inventory,
        repository: context.repository_identity(),
        rotations: None,
        next_steps: BTreeMap::new(),
    })
}

#[cfg(feature = "online")]
fn read_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
) -> Result<AuditInput, CommandError> {
    live::read_live_account(context, policy, arguments)
}

#[cfg(not(feature = "online"))]
fn read_account(_: &Context<'_>, _: &Policy, _: &AuditArgs) -> Result<AuditInput, CommandError> {
    Err(CommandError::invalid("this keytide was built without network support")
        .with_help("use `--credential-report FILE`"))
}

#[cfg(feature = "online")]
fn notify(context: &Context<'_>, policy: &Policy, report: &mut Report) {
    super::notify::notify_of_audit(context, policy, report);
}

#[cfg(not(feature = "online"))]
fn notify(_: &Context<'_>, _: &Policy, _: &mut Report) {}
