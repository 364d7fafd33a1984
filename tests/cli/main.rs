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
mod fleet_age;
mod fleet_collect;
mod fleet_notify;
mod fleet_places;
mod fleet_report;
/// AWS credentials that are missing or cannot be loaded.
mod credentials;
/// Files that variables and arguments name.
mod named_files;
/// Names in the log of a workflow.
mod workflow_log;
/// Whole lives with several destinations, opened by other people's tools.
mod whole_life;
/// A server in the place of GitHub that floods or says nothing.
mod hostile_github;
/// Files that were made to fill the memory.
mod limits;
/// What Terraform and the configuration of CI services do with keys.
mod guards;
/// A first policy file.
mod init;
/// What each kind of destination answers about itself.
mod destination_kinds;
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
/// The command line: help, exit codes, small commands.
mod command_line;
mod unused_options;
mod explain;
