//! `keytide init`: generates a starter policy file from the repository's files and, with credentials, the AWS account.
//! What only the maintainer knows is left as comments.

#[cfg(feature = "online")]
mod account;
mod repository_scan;
mod summary;

use std::collections::BTreeSet;
use std::path::Path;

use repository_scan::scan_repository;
use summary::AccountSummary;

use super::cli::InitArgs;
use super::context::{Context, write_stdout};
use super::policy_file;
use crate::error::{CommandError, ExitStatus};
use crate::report::starter_policy::{StarterFindings, render_starter_policy};
use crate::repository::AccessKeyId;
use crate::sanitize;
use crate::system::worktree::WorkTree;

pub fn run(context: &Context<'_>, arguments: &InitArgs) -> ExitStatus {
    match create_policy_file(context, arguments) {
        Ok(exit) => exit,
        Err(error) => {
            context.print_error(&error);
            error.exit
        }
    }
}

fn create_policy_file(context: &Context<'_>, arguments: &InitArgs) -> Result<ExitStatus, CommandError> {
    let tree = WorkTree::find_repository(context.environment);
    let file = context.common.policy.clone().unwrap_or_else(|| policy_file::DEFAULT_PATHS[0].to_owned());
    if !arguments.stdout {
        ensure_no_policy_file(&tree, &file)?;
    }
    let scan = scan_repository(context, &tree);
    let summary = if arguments.offline {
        AccountSummary::default()
    } else {
        read_account(context, arguments, &scan.keys)
    };
    let findings = StarterFindings {
        account: summary.account.or(scan.sole_account()),
        users: summary.users,
        suggestions: scan.suggestions,
        naming: scan.files_with_key_ids,
    };
    let text = render_starter_policy(&findings);
    if arguments.stdout {
        return Ok(write_stdout(&text));
    }
    tree.create_file(Path::new(&file), &text)
        .map_err(|reason| CommandError::invalid(format!("{file} cannot be written: {reason}")))?;
    Ok(write_stdout(&next_steps(&file, &findings)))
}

fn ensure_no_policy_file(tree: &WorkTree, file: &str) -> Result<(), CommandError> {
    for path in [file].into_iter().chain(policy_file::DEFAULT_PATHS) {
        // `symlink_metadata` also finds a broken link, which must not be overwritten either.
        if tree.root.join(path).symlink_metadata().is_ok() {
            let message = format!("there is a policy file already: {path}");
            return Err(CommandError::invalid(message)
                .with_help("`keytide init --stdout` prints the starter policy file instead"));
        }
    }
    Ok(())
}

/// What the maintainer does next.
fn next_steps(file: &str, findings: &StarterFindings) -> String {
    let mut text = format!("Wrote {}. Review it; next:\n", sanitize::escape_line(file));
    if !findings.users.iter().any(|user| user.why.is_some()) {
        text.push_str("  add the IAM users whose access keys this repository uses\n");
    }
    if !findings.suggestions.is_empty() || !findings.naming.is_empty() {
        text.push_str("  confirm the destinations: keytide guessed them\n");
    }
    text.push_str("  keytide check                     checks the repository's files, offline\n");
    text.push_str("  keytide iam-policy --for audit    prints the permissions that an audit needs\n");
    text.push_str("  keytide audit                     checks the access keys in AWS\n");
    text
}

#[cfg(feature = "online")]
fn read_account(context: &Context<'_>, arguments: &InitArgs, keys: &BTreeSet<AccessKeyId>) -> AccountSummary {
    match account::read_account(context, &arguments.aws, keys) {
        Ok(summary) => summary,
        // Without credentials the files alone make a useful start.
        Err(error) => {
            context.warn(&format!("the account was not read: {}", error.message));
            AccountSummary::default()
        }
    }
}

#[cfg(not(feature = "online"))]
fn read_account(_: &Context<'_>, _: &InitArgs, _: &BTreeSet<AccessKeyId>) -> AccountSummary {
    AccountSummary::default()
}
