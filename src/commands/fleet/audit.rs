//! `keytide fleet audit`: audits one account once for all policy files that name it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output;
use super::policies::{self, AccountPolicies, LoadedFleet};
use super::read_account::{AccountReader, ReadRequest};
use crate::aws::connect;
use crate::aws::iam::IamClient;
use crate::commands::audit::apply_rules;
use crate::commands::audit::inventory::sort_in_policy_order;
use crate::commands::cli::FleetAuditArgs;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::error::{CommandError, ExitStatus};
use crate::fleet::facts::{RepositoryPolicy, collect_facts, users_of_policy};
use crate::fleet::merge::FleetMerger;
use crate::fleet::render::json::render_document;
use crate::fleet::result::AccountResult;
use crate::iam::{AccountInventory, LIST_SERVICE_CREDENTIALS, ReadFault, SourcedFact, UnknownReason};
use crate::policy::{Policy, UserPolicy};
use crate::report::{KeyIds, Report};
use crate::repository::RepositoryIdentity;
use crate::rules::{self, RuleInput};

/// Runs the subcommand.
pub fn run(context: &Context<'_>, arguments: &FleetAuditArgs) -> ExitStatus {
    let fleet = match load_fleet(context, arguments) {
        Ok(fleet) => fleet,
        Err(failure) => return output::print_failure(context, &failure),
    };
    let mut exit = ExitStatus::Done;
    let mut merger = FleetMerger::of_one_job();
    for account in &arguments.accounts {
        let result = match audit(context, arguments, &fleet, &account.0) {
            Ok(result) => result,
            Err(failure) => return exit.max(output::print_failure(context, &failure)),
        };
        if let Some(path) = &arguments.json {
            let path = result_path(path, &result, arguments.accounts.len());
            exit = exit.max(output::write_file(context, &path, &render_document(&result)));
        }
        merger.add_result(&account.0, result);
    }
    let report = merger.merge(context.now, context.common.fail_on);
    exit.max(output::deliver_report(context, &arguments.output, &report))
}

/// Reads the fleet's file, which must list every account.
fn load_fleet(context: &Context<'_>, arguments: &FleetAuditArgs) -> Result<LoadedFleet, CommandFailure> {
    let fleet = policies::load_fleet_file(context, arguments.fleet.as_deref(), Some(&arguments.policies))?;
    for account in &arguments.accounts {
        if fleet.file.find_account(&account.0).is_none() {
            let message = format!("account {} is not listed in {}", account.0, fleet.name);
            return Err(CommandError::invalid(message).with_help("add it to `accounts`").into());
        }
    }
    Ok(fleet)
}

/// The file of a result: the one that is named, or one of its own in a folder.
fn result_path(named: &Path, result: &AccountResult, accounts: usize) -> PathBuf {
    let is_folder = accounts > 1 || named.is_dir() || named.to_string_lossy().ends_with('/');
    if is_folder {
        let part = result.part.to_string().replace('/', "-");
        named.join(format!("{}-{part}.json", result.account))
    } else {
        named.to_owned()
    }
}

fn audit(
    context: &Context<'_>,
    arguments: &FleetAuditArgs,
    fleet: &LoadedFleet,
    account: &str,
) -> Result<AccountResult, CommandFailure> {
    let policies = policies::load_account_policies(&arguments.policies, account)?;
    context.progress.set_text("reading the account from AWS");
    let read =
        connection::run_async(context, read_account(context, arguments, (fleet, account), &policies.valid))?;
    // An account that refuses is a result as well: the report shows that nothing was read.
    let inventory = read.unwrap_or_else(|error| unread_account(account, error));
    let users = inventory.users.len();
    let keys = inventory.users.iter().map(|user| user.keys.len()).sum();
    let own = report_account(context, fleet, &policies, &inventory);
    let mut reports = report_policies(context, &policies, &inventory);
    reports.sort_by(|a, b| a.0.cmp(&b.0));
    let mut result = AccountResult::new(account, arguments.part, (own, reports));
    (result.users, result.keys) = (users, keys);
    Ok(result)
}

async fn read_account(
    context: &Context<'_>,
    arguments: &FleetAuditArgs,
    (fleet, account): (&LoadedFleet, &str),
    policies: &[RepositoryPolicy],
) -> Result<AccountInventory, CommandError> {
    let role = fleet.file.find_account(account).and_then(|entry| entry.value.role_arn.clone());
    let access = connection::prepare_access(context, role, &arguments.aws, true).await?;
    let connected = connect::connect_account(&access).await?;
    // Before any other request: the credentials may belong to another account.
    if connected.caller.account != account {
        let message = format!("this is account {}, and not {account}", connected.caller.account);
        return Err(CommandError::environment(message).with_help(format!(
            "use credentials of that account, or give it a `role_arn` in {}",
            fleet.name
        )));
    }
    let request = ReadRequest {
        policies,
        part: arguments.part,
        now: context.now,
        time_limit: Duration::from_secs(arguments.minutes * 60),
        progress: context.progress,
    };
    let iam = IamClient::new(connect::iam_client(&connected.config));
    Ok(AccountReader::new(iam, connected.caller, request).read().await)
}

/// An account of which nothing could be read.
fn unread_account(account: &str, error: CommandError) -> AccountInventory {
    let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
    let operation = error.operation.unwrap_or("connect").to_owned();
    let fault = ReadFault { user: None, operation, message: format!("{}{help}", error.message) };
    AccountInventory {
        account: account.to_owned(),
        source: "iam",
        users: Vec::new(),
        missing: Vec::new(),
        root_key: SourcedFact::Unknown(UnknownReason::Failed),
        faults: vec![fault],
        limits: Vec::new(),
    }
}

/// The report of the account as a whole: the rules of a fleet, and what no single repository answers for.
fn report_account(
    context: &Context<'_>,
    fleet: &LoadedFleet,
    policies: &AccountPolicies,
    inventory: &AccountInventory,
) -> Report {
    let policy = fleet.file.to_policy(&fleet.name);
    let facts = collect_facts(inventory, &policies.valid, &fleet.file, policies.unread());
    let own = AccountInventory {
        users: Vec::new(),
        missing: Vec::new(),
        faults: inventory
            .faults
            .iter()
            .filter(|fault| !belongs_to_policy(fault, policies))
            .cloned()
            .collect(),
        ..inventory.clone()
    };
    let input = RuleInput {
        policy: &policy,
        inventory: Some(&own),
        files: None,
        rotations: None,
        repository: &RepositoryIdentity::default(),
        fleet: Some(&facts),
        now: context.now,
    };
    let findings = rules::run_rules(&input);
    let mut own = own;
    own.faults.extend(unreadable_policies(policies));
    mask_if_needed(context, Report::of_audit(&policy, own, findings, context.now, context.common.fail_on))
}

fn unreadable_policies(policies: &AccountPolicies) -> impl Iterator<Item = ReadFault> {
    policies.unreadable.iter().map(|(repository, reason)| ReadFault {
        user: None,
        operation: format!("policy file of {repository}"),
        message: reason.clone(),
    })
}

/// Whether a fault is about a user that a policy file lists; then it is a fault of that repository.
fn belongs_to_policy(fault: &ReadFault, policies: &AccountPolicies) -> bool {
    let Some(user) = &fault.user else { return false };
    policies.valid.iter().any(|entry| may_list(&entry.policy, user))
}

/// Whether a policy file may list a user whose IAM path is not known.
fn may_list(policy: &Policy, user: &str) -> bool {
    policy.find_possible_entries(user).next().is_some() || policy.matching_claim(user).is_some()
}

/// Whether an audit of one repository alone would have met a fault of a user. Service-specific credentials are asked for only
/// where a policy file limits them.
fn concerns_policy(policy: &Policy, user: &str, fault: &ReadFault) -> bool {
    if fault.operation == LIST_SERVICE_CREDENTIALS {
        return policy.find_possible_entries(user).any(UserPolicy::limits_service_credentials);
    }
    may_list(policy, user)
}

/// The report of each policy file, by its repository.
fn report_policies(
    context: &Context<'_>,
    policies: &AccountPolicies,
    inventory: &AccountInventory,
) -> Vec<(String, Report)> {
    let mut reports = Vec::new();
    for entry in &policies.valid {
        let repository = RepositoryIdentity { name: Some(entry.repository.clone()), id: entry.id };
        let own = inventory_of_policy(inventory, &entry.policy);
        let is_read = own.faults.is_empty();
        let mut report = apply_rules(context, &entry.policy, own, &repository, None);
        if !is_read {
            // Which globs match no user is not known.
            report.remarks.clear();
        }
        reports.push((entry.repository.clone(), mask_if_needed(context, report)));
    }
    for invalid in &policies.invalid {
        let report = Report::from_invalid_policy(&invalid.diagnostics, context.now);
        reports.push((invalid.repository.clone(), report));
    }
    reports
}

/// What an audit of one repository alone would see of the account.
fn inventory_of_policy(inventory: &AccountInventory, policy: &Policy) -> AccountInventory {
    let mut users = users_of_policy(inventory, policy);
    sort_in_policy_order(policy, &mut users);
    AccountInventory {
        account: inventory.account.clone(),
        source: inventory.source,
        users,
        missing: policy
            .user_names()
            .map(str::to_owned)
            .filter(|name| inventory.missing.contains(name))
            .collect(),
        // The account's own report has it, once.
        root_key: SourcedFact::Unknown(UnknownReason::NotAsked),
        // What was not read of the account was not read for any repository of it.
        faults: inventory
            .faults
            .iter()
            .filter(|fault| fault.user.as_deref().is_none_or(|user| concerns_policy(policy, user, fault)))
            .cloned()
            .collect(),
        limits: Vec::new(),
    }
}

fn mask_if_needed(context: &Context<'_>, report: Report) -> Report {
    if context.key_ids() == KeyIds::Masked { report.mask_key_ids() } else { report }
}
