//! `keytide init`: generates a starter policy file from the repository's files and, with credentials, the AWS account;
//! and the workflows and the hook that run keytide. What only the maintainer knows is left as `CHANGE-ME`.

#[cfg(feature = "online")]
mod account;
pub mod output_files;
mod pre_commit;
mod repository_scan;
mod summary;
mod workflow_files;

use std::collections::BTreeSet;
use std::path::Path;

use output_files::{
    OutputAction, OutputFile, assumed_roles, describe_files, files_with, render_files, write_files,
    written_paths,
};
use pre_commit::{HOOK_FILE, HookEdit, add_hook, hook_lines};
use repository_scan::{RepositoryScan, scan_repository};
use summary::AccountSummary;
use workflow_files::{AUDIT, PolicyPath, ROTATION, WorkflowSubject};

use super::cli::InitArgs;
use super::context::{Context, write_stdout};
use super::policy_file;
use super::standard_output::{MachineText, print_escaped};
use crate::error::{CommandError, ExitStatus};
use crate::policy::{Notify, PLACEHOLDER};
use crate::report::starter_policy::{CandidateUser, StarterFindings, render_starter_policy};
use crate::repository::{AccessKeyId, FileContent, PlaceholderKind};
use crate::system::worktree::WorkTree;

/// The workflow that rotates.
const ROTATE_FILE: &str = "keytide-rotate.yml";

/// The configuration of pre-commit and prek.
const HOOK_PATH: &str = ".pre-commit-config.yaml";

pub fn run(context: &Context<'_>, arguments: &InitArgs) -> ExitStatus {
    match write_starter_files(context, arguments) {
        Ok(exit) => exit,
        Err(error) => {
            context.print_error(&error);
            error.exit
        }
    }
}

fn write_starter_files(context: &Context<'_>, arguments: &InitArgs) -> Result<ExitStatus, CommandError> {
    let tree = WorkTree::find_repository(context.environment);
    let PlannedPolicy { file: policy_file, account, notify } = plan_policy_file(context, arguments, &tree);
    let is_default = policy_file::DEFAULT_PATHS.contains(&policy_file.path.as_str());
    let mut files = vec![policy_file];
    let policy = PolicyPath { path: files[0].path.clone(), is_default };
    let subject = WorkflowSubject { account: account.as_deref(), policy: &policy, notify: &notify };
    if arguments.workflow {
        files.push(OutputFile::new(&tree, AUDIT.path, || AUDIT.render(&subject)));
    }
    for workflow in ROTATION.iter().filter(|_| arguments.rotation) {
        files.push(OutputFile::new(&tree, workflow.path, || workflow.render(&subject)));
    }
    if arguments.hook {
        files.push(plan_hook(&tree)?);
    }
    context.progress.end();
    if arguments.stdout {
        let text = MachineText::Code(render_files(&files)).render(context)?;
        return Ok(write_stdout(&text));
    }
    write_files(&tree, &files)?;
    // Files of the repository have the names in it
    Ok(print_escaped(context, |_| describe_files(&files) + &describe_next_steps(&tree, &files)))
}

/// The policy file, and what the workflows take from it.
struct PlannedPolicy {
    file: OutputFile,
    account: Option<String>,
    notify: Notify,
}

fn plan_policy_file(context: &Context<'_>, arguments: &InitArgs, tree: &WorkTree) -> PlannedPolicy {
    let existing = find_policy_file(context, tree);
    let path = existing.clone().or_else(|| context.common.policy.clone());
    let path = path.unwrap_or_else(|| policy_file::DEFAULT_PATHS[0].to_owned());
    // `--stdout` shows what would be written into a repository without a policy file.
    if existing.is_some() && !arguments.stdout {
        let policy = policy_file::load_policy(context).ok();
        let file = OutputFile { path, action: OutputAction::Keep };
        let Some(policy) = policy else {
            return PlannedPolicy { file, account: None, notify: Notify::default() };
        };
        return PlannedPolicy {
            file,
            account: policy.account.map(|account| account.0),
            notify: policy.notify,
        };
    }
    let findings = collect_findings(context, arguments, tree);
    let action = OutputAction::Create(render_starter_policy(&findings));
    PlannedPolicy { file: OutputFile { path, action }, account: findings.account, notify: Notify::default() }
}

/// The policy file that is there already.
fn find_policy_file(context: &Context<'_>, tree: &WorkTree) -> Option<String> {
    let paths = match &context.common.policy {
        Some(named) => vec![named.as_str()],
        None => policy_file::DEFAULT_PATHS.to_vec(),
    };
    // `symlink_metadata` also finds a broken link, which must not be overwritten either.
    paths.into_iter().find(|path| tree.root.join(path).symlink_metadata().is_ok()).map(str::to_owned)
}

fn collect_findings(context: &Context<'_>, arguments: &InitArgs, tree: &WorkTree) -> StarterFindings {
    let scan = scan_repository(context, tree);
    let summary = if arguments.offline {
        AccountSummary::default()
    } else {
        read_account(context, arguments, &scan.keys)
    };
    let account = summary.account.or(scan.sole_account());
    let users = merge_users(summary.users, &scan);
    let RepositoryScan { suggestions, files_with_key_ids, undecided, .. } = scan;
    StarterFindings { account, users, suggestions, files_with_key_ids, undecided }
}

/// Joins the users of the account with those that Terraform creates here.
fn merge_users(mut users: Vec<CandidateUser>, scan: &RepositoryScan) -> Vec<CandidateUser> {
    for (name, place) in &scan.terraform_users {
        let reason = format!("created by Terraform in {place}");
        match users.iter_mut().find(|user| user.name.eq_ignore_ascii_case(name)) {
            Some(user) => user.reason = user.reason.take().or(Some(reason)),
            None => {
                users.push(CandidateUser { name: name.clone(), reason: Some(reason), keys: String::new() })
            }
        }
    }
    users
}

fn plan_hook(tree: &WorkTree) -> Result<OutputFile, CommandError> {
    let action = match tree.read_content(Path::new(HOOK_PATH)) {
        FileContent::Absent => OutputAction::Create(HOOK_FILE.to_owned()),
        FileContent::Unreadable(reason) => {
            return Err(CommandError::invalid(format!("{HOOK_PATH} cannot be read: {reason}")));
        }
        FileContent::Bytes(bytes) => match std::str::from_utf8(&bytes).map_or(HookEdit::Refused, add_hook) {
            HookEdit::Present => OutputAction::Keep,
            HookEdit::Changed(text) => OutputAction::Extend(text),
            HookEdit::Refused => OutputAction::Refuse { lines: hook_lines().join("\n") },
        },
    };
    Ok(OutputFile { path: HOOK_PATH.to_owned(), action })
}

/// What the maintainer does next; the last lines are the next commands.
fn describe_next_steps(tree: &WorkTree, files: &[OutputFile]) -> String {
    let written = written_paths(files);
    let mut text = String::new();
    if written.is_empty() {
        text.push_str("Nothing was written: `init` adds missing files (--workflow, --rotation, --hook) and changes no other\n");
    }
    let open = files_with(tree, files, PLACEHOLDER);
    if !open.is_empty() {
        text.push_str(&format!("Replace each CHANGE-ME in {}\n", open.join(", ")));
    }
    let open = files_with(tree, files, PlaceholderKind::Repository.text());
    if !open.is_empty() {
        text.push_str(&format!(
            "Replace OWNER by the owner of keytide's repository in {}\n",
            open.join(", ")
        ));
    }
    let roles = assumed_roles(files);
    if !roles.is_empty() {
        text.push_str(&format!(
            "The workflows assume {}, which the script of `iam-policy` makes; for a role of another name, change `role-to-assume`\n",
            roles.join(", ")
        ));
    }
    if writes_file(files, ROTATE_FILE) {
        text.push_str(
            "Give each user whose key is to be rotated `rotation: {}` and `destinations` in the policy file, and the tag `keytide:owner`: \
             `keytide doctor` prints its command\n",
        );
    }
    if writes_file(files, HOOK_PATH) {
        text.push_str("Install the hook in each clone: pre-commit install, or prek install\n");
    }
    text.push_str(if written.is_empty() { "Next:\n" } else { "Review the files, then run:\n" });
    if !written.is_empty() {
        text.push_str(&format!("  git add {}\n", written.join(" ")));
    }
    text.push_str(
        "  keytide check                                  checks the repository's files, offline\n",
    );
    let rotates = files.iter().any(|file| file.path.ends_with(ROTATE_FILE));
    text.push_str(match rotates {
        true => {
            "  keytide iam-policy --for all --format cli      prints a script that makes the roles in AWS\n"
        }
        false => {
            "  keytide iam-policy --for audit --format cli    prints a script that makes the role in AWS\n"
        }
    });
    text.push_str("  keytide audit                                  checks the access keys in AWS\n");
    if !written.is_empty() {
        text.push_str("  git commit -m \"Check AWS access keys with keytide\" && git push\n");
    }
    if rotates {
        text.push_str(
            "  keytide doctor                                 checks all that a rotation needs, and changes nothing\n",
        );
    }
    text
}

fn writes_file(files: &[OutputFile], path: &str) -> bool {
    files.iter().any(|file| file.path.ends_with(path) && file.new_text().is_some())
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
