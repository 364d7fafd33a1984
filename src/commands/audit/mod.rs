//! `keytide audit`: reads the users' keys, applies the rules, reports.

#[cfg(feature = "online")]
pub mod live;

use std::path::Path;

use super::cli::AuditArgs;
use super::{Context, policy_file, report_from_error};
use crate::error::CommandError;
use crate::iam::{
    AccountInventory, DataSource, IamUser, Provenance, ReadFault, SourcedFact, UnknownReason,
    credential_report,
};
use crate::policy::Policy;
use crate::report::Report;
use crate::repository::RepositoryIdentity;
use crate::rules::{self, RotationStatuses, RuleInput, future_key_faults, invalid_policy};
use crate::system::files;

/// The largest credential report that is read, in bytes: five thousand users take about two million.
const MAX_REPORT_BYTES: usize = 64 * 1024 * 1024;

/// Runs the audit. Whatever happens, there is a report.
pub fn run(context: &Context<'_>, arguments: &AuditArgs) -> Report {
    let policy = match policy_file::load_policy(context) {
        Ok(policy) => policy,
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| context.eprint(&diagnostic.render()));
            let file = diagnostics.first().map(|d| d.file.clone()).unwrap_or_default();
            let findings = invalid_policy::findings_from_diagnostics(&diagnostics);
            return Report::without_account(&file, findings, Vec::new(), context.now);
        }
    };
    let gathered = match &arguments.credential_report {
        Some(path) => {
            inventory_from_file(&policy, path).map(|inventory| (inventory, own_repository(context), None))
        }
        None => read_account(context, &policy, arguments),
    };
    match gathered {
        Ok((inventory, repository, rotations)) => {
            apply_rules(context, &policy, inventory, &repository, rotations.as_ref())
        }
        Err(error) => {
            context.print_error(&error);
            report_from_error(context, &policy.file, "audit", &error)
        }
    }
}

/// Rules → report. A clock in doubt makes the audit incomplete.
pub fn apply_rules(
    context: &Context<'_>,
    policy: &Policy,
    mut inventory: AccountInventory,
    repository: &RepositoryIdentity,
    rotations: Option<&RotationStatuses>,
) -> Report {
    inventory.faults.extend(future_key_faults(&inventory, context.now));
    let idle = policy.idle_globs(inventory.users.iter().map(|user| (user.name.as_str(), user.iam_path())));
    inventory.limits.extend(idle);
    if rotations.is_none() && policy.users.iter().any(|entry| entry.rotation.is_some()) {
        inventory.limits.push("the phases of rotations are not known: no journal was read".to_owned());
    }
    let facts = RuleInput {
        policy,
        inventory: Some(&inventory),
        files: None,
        rotations,
        repository,
        now: context.now,
    };
    let verdict = rules::run_rules(&facts);
    let report = Report::of_audit(policy, inventory, verdict, context.now, context.common.fail_on);
    match rotations {
        Some(rotations) => report.with_phases(rotations),
        None => report,
    }
}

/// The repository as the environment and the flags name it, nothing asked.
pub fn own_repository(context: &Context<'_>) -> RepositoryIdentity {
    // The environment's number is of the environment's repository, not of one that a flag names.
    let named = context.common.repository.as_deref();
    let same = named.is_none() || named == context.environment.get("GITHUB_REPOSITORY");
    let id = context.environment.get("GITHUB_REPOSITORY_ID").filter(|_| same).and_then(|id| id.parse().ok());
    RepositoryIdentity { name: context.repository_name(), id }
}

/// The inventory of a credential report in a file: nothing else is reached.
fn inventory_from_file(policy: &Policy, path: &Path) -> Result<AccountInventory, CommandError> {
    let shown = path.display();
    let bytes = files::read_bounded(path, MAX_REPORT_BYTES).map_err(|why| {
        CommandError::invalid(format!("{shown}:1:1: this credential report cannot be read: {why}"))
    })?;
    let report = credential_report::parse_report(&bytes, None).map_err(|why| {
        CommandError::invalid(format!("{shown}:1:1: {why}"))
            .with_help("fetch one with `aws iam get-credential-report --query Content --output text | base64 -d > report.csv`")
    })?;
    ensure_account_matches(policy, &report.account)?;
    Ok(inventory_from_report(policy, report))
}

/// A policy that names an account is for that account only.
pub fn ensure_account_matches(policy: &Policy, account: &str) -> Result<(), CommandError> {
    match &policy.account {
        Some(wanted) if wanted.0 != account => {
            let message = format!("this is account {account}, and the policy is for account {}", wanted.0);
            Err(CommandError::invalid(message)
                .with_help("use credentials of that account, or correct `account`"))
        }
        _ => Ok(()),
    }
}

/// A report's rows as an inventory: what the report does not hold stays unknown.
pub fn inventory_from_report(
    policy: &Policy,
    report: credential_report::CredentialReport,
) -> AccountInventory {
    let listed = Provenance { source: DataSource::Report, as_of: report.as_of };
    let missing = policy
        .user_names()
        .filter(|name| report.find_row(name).is_none() && !is_row_unreadable(&report, name));
    let missing = missing.map(str::to_owned).collect();
    let mut faults = report.faults;
    let limits =
        vec![format!("the credential report is of {}; what changed since is not in it", report.as_of)];
    let mut users: Vec<IamUser> = Vec::new();
    for row in report.rows {
        let path = crate::iam::path_from_arn(&row.arn);
        if policy.find_user_policy(&row.user, path).is_none() && policy.matching_claim(&row.user).is_none() {
            continue;
        }
        if row.more_keys {
            let message = "this user has more keys than the credential report shows".to_owned();
            let operation = credential_report::OPERATION.to_owned();
            faults.push(ReadFault { user: Some(row.user.clone()), operation, message });
        }
        users.push(IamUser {
            name: row.user,
            arn: Some(row.arn),
            keys: row.keys,
            listed,
            console_password: row.console_password,
            owner: SourcedFact::Unknown(UnknownReason::NotInSource),
            quarantined: SourcedFact::Unknown(UnknownReason::NotInSource),
        });
    }
    sort_in_policy_order(policy, &mut users);
    let root_key = report.root_key;
    AccountInventory { account: report.account, source: "report", users, missing, root_key, faults, limits }
}

fn is_row_unreadable(report: &credential_report::CredentialReport, name: &str) -> bool {
    report.faults.iter().any(|fault| fault.user.as_deref().is_none_or(|user| user == name))
}

/// Users in the order of the entries that list them, then by name; claimed ones last.
pub fn sort_in_policy_order(policy: &Policy, users: &mut [IamUser]) {
    let place = |user: &IamUser| {
        let entry = policy.find_user_policy(&user.name, user.iam_path());
        entry.map_or(usize::MAX, |entry| {
            policy.users.iter().position(|e| std::ptr::eq(e, entry)).unwrap_or(usize::MAX)
        })
    };
    users.sort_by_cached_key(|user| (place(user), user.name.to_lowercase(), user.name.clone()));
}

/// The account, the repository, and how the rotations stand where that could be read.
pub type AuditInput = (AccountInventory, RepositoryIdentity, Option<RotationStatuses>);

#[cfg(feature = "online")]
fn read_account(
    context: &Context<'_>,
    policy: &Policy,
    arguments: &AuditArgs,
) -> Result<AuditInput, CommandError> {
    live::read_live_account(context, policy, arguments, own_repository(context))
}

#[cfg(not(feature = "online"))]
fn read_account(_: &Context<'_>, _: &Policy, _: &AuditArgs) -> Result<AuditInput, CommandError> {
    Err(CommandError::invalid("this keytide was built without the network")
        .with_help("give `--credential-report FILE`"))
}
