//! The tests of the program as a user runs it, and of the promises that no compiler holds.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use keytide_test_support as support;

/// Values that reports and errors quote.
mod quoted_values;
/// Broken policy files and their diagnostics.
mod policy_files;
/// What reports show, and JSON byte for byte.
mod report_page;
mod reports;
/// Every rule on small accounts.
mod rules;
/// Credential reports, offline.
mod credential_reports;
/// Live audits against moto.
mod live;
/// Credentials for one service, audited where a limit is set.
mod service_credential_faults;
mod service_credentials;
/// Many repositories and accounts as one.
mod fleet;
mod fleet_collect;
mod fleet_notify;
mod fleet_places;
mod fleet_report;
mod fleet_set_up;
/// AWS credentials that are missing or cannot be loaded.
mod credentials;
/// Files that variables and arguments name.
mod named_files;
/// Names in the log of a workflow.
mod workflow_log;
/// Whole rotations against AWS and GitHub.
mod rotations;
/// The first key of a user that has none.
mod first_keys;
/// A workflow that is started once the key is delivered.
mod redeployments;
/// A key that goes without a successor.
mod retirements;
/// Whole lives with several destinations, opened by other people's tools.
mod whole_life;
/// What people do in the middle of a rotation.
mod human_actions;
/// A server in the place of GitHub that floods or says nothing.
mod hostile_github;
/// Files that were made to fill the memory.
mod limits;
/// What is wrong before one begins.
mod bad_input;
/// What someone who may push can do by writing a journal.
mod forged_journals;
/// The same, entry by entry.
mod forged_references;
mod forged_rollbacks;
mod forged_stages;
/// One entry more, of each kind at each stage.
mod forged_events;
/// Where a new key goes: recipients, pinned lists, other people's pull requests.
mod recipients;
/// What `doctor` says of a repository and an account, and what its trials leave.
mod doctor;
/// The issue and the webhook of `notify`.
mod notify;
/// What Terraform and the configuration of CI services do with keys.
mod guards;
/// A first policy file.
mod init;
/// From a key in workflows to a role.
mod migrate;
/// A rotation whose credential lies in Secrets Manager.
mod stores;
/// What audits say of what the stores hold.
mod store_contents;
/// What each kind of destination answers about itself.
mod destination_kinds;
/// The page about a key for a third party.
mod outside;
/// A rotation whose credential is in a parameter of AWS Systems Manager.
mod parameters;
/// A credential in Vault, against OpenBao.
mod vault;
/// A rotation whose files of SOPS are wrapped by KMS.
mod kms;
/// What GitHub's own description of its API says of every request.
mod openapi_contract;
/// Secrets, looked for in everything that leaves.
mod secret_leaks;
/// Two at once.
mod concurrent_runs;
/// The program, killed at its requests.
mod crash_recovery;
/// Pages, throttling, faults and hangs, as recorded.
mod far_dates;
mod malformed_replies;
/// Formats: schemas, hostile names, limits.
mod formats;
/// The GitHub action: inputs, outputs, summary, linters.
mod action;
/// Which files a check reads.
mod check_files;
/// Which files a check reads when Git is reported by variables, or keeps its state in an uncommon way.
mod check_git_state;
/// Repositories that were made to mislead or to stop a check.
mod check_hostile;
/// What a check finds in a repository with a policy file.
mod check_rules;
/// The hook, run by pre-commit and by prek.
mod check_hooks;
/// What must hold of a check for every input.
mod check_properties;
/// The offline scanner on a corpus that it was not written for.
mod corpus;
/// The set-up of an account, as `iam-policy` prints it.
mod set_up;
mod set_up_roles;
/// The command line: help, exit codes, small commands.
mod command_line;
mod unused_options;
mod explain;
