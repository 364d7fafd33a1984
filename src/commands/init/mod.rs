//! `keytide init`: writes a first policy file from what the repository's files and, where there are credentials, the
//! account tell. What only a person knows is left to a person, as comments.

#[cfg(feature = "online")]
mod account;

use std::collections::BTreeSet;

use super::cli::InitArgs;
use super::{Context, policy_file, write_stdout};
use crate::destinations::suggest::{
    KnownFiles, SuggestedEntry, is_certificate, may_be_certificate, suggest_destinations,
};
use crate::error::{CommandError, ExitStatus};
use crate::report::starter_policy::{CandidateUser, StarterFindings, render_starter_policy};
use crate::repository::{AccessKeyId, KeyMaterial, Scanner};
use crate::system::files;
use crate::system::scan_files::scan_items;
use crate::system::worktree::{ScanItem, WorkTree};

/// Files larger than this hold no destination.
const MAX_BYTES: usize = 1024 * 1024;

/// What the files tell.
struct RepositoryScan {
    suggestions: Vec<SuggestedEntry>,
    files_with_key_ids: Vec<String>,
    keys: BTreeSet<AccessKeyId>,
}

/// What the account tells.
#[derive(Default)]
pub struct AccountSummary {
    pub account: Option<String>,
    pub users: Vec<CandidateUser>,
}

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
    let tree = WorkTree::find_repository(context.environment.get("GIT_INDEX_FILE"));
    let file = context.common.policy.clone().unwrap_or_else(|| policy_file::DEFAULT_PATHS[0].to_owned());
    let taken = [file.as_str()]
        .into_iter()
        .chain(policy_file::DEFAULT_PATHS)
        .find(|place| tree.root.join(place).symlink_metadata().is_ok());
    if let Some(taken) = taken.filter(|_| !arguments.stdout) {
        let what = format!("there is a policy file already: {taken}");
        return Err(CommandError::invalid(what).with_help("`--stdout` prints what would be written"));
    }
    let seen = scan_repository(context, &tree);
    let told = if arguments.offline {
        AccountSummary::default()
    } else {
        read_account(context, arguments, &seen.keys)
    };
    let of_keys: BTreeSet<String> = seen.keys.iter().filter_map(AccessKeyId::account_id).collect();
    let lone = of_keys.into_iter().next().filter(|_| seen.keys.len() == 1);
    let findings = StarterFindings {
        account: told.account.or(lone),
        users: told.users,
        suggestions: seen.suggestions,
        naming: seen.files_with_key_ids,
    };
    let text = render_starter_policy(&findings);
    if arguments.stdout {
        return Ok(write_stdout(&text));
    }
    let path = tree.root.join(&file);
    files::create_file(&path, &text).map_err(|why| CommandError::invalid(format!("{file}: {why}")))?;
    Ok(write_stdout(&next_steps(&file, &findings)))
}

/// What is to be done with it.
fn next_steps(file: &str, findings: &StarterFindings) -> String {
    let ours = findings.users.iter().filter(|user| user.why.is_some()).count();
    let mut text = format!("{file} is written. Read it; then:\n");
    if ours == 0 {
        text.push_str("  name the IAM users in it whose access keys this repository uses\n");
    }
    if !findings.suggestions.is_empty() || !findings.naming.is_empty() {
        text.push_str("  look at the destinations: they are guesses\n");
    }
    text.push_str("  keytide check                     what is wrong with the repository's files, offline\n");
    text.push_str("  keytide iam-policy --for audit    the permissions that an audit needs\n");
    text.push_str("  keytide audit\n");
    text
}

/// Looks through the repository's files.
fn scan_repository(context: &Context<'_>, tree: &WorkTree) -> RepositoryScan {
    let items = tree.list_tracked_files().items;
    let small = |item: &ScanItem| files::read_bounded(&item.path, MAX_BYTES).ok();
    let is_certificate = |item: &&ScanItem| {
        may_be_certificate(&item.shown) && small(item).is_some_and(|bytes| is_certificate(&bytes))
    };
    let certificates: Vec<&ScanItem> = items.iter().filter(is_certificate).collect();
    let certificate = match certificates[..] {
        [one] => Some(one.shown.as_str()),
        _ => None,
    };
    let repository = context.repository_name();
    let known = KnownFiles { repository: repository.as_deref(), certificate };
    let of_item = |item: &ScanItem| {
        small(item).map(|bytes| suggest_destinations(&item.shown, &bytes, known)).unwrap_or_default()
    };
    let suggestions = items.iter().flat_map(of_item).collect();
    let (mut naming, mut keys) = (Vec::new(), BTreeSet::new());
    for file in scan_items(&Scanner::new(), &items).found {
        let named = file.matches.iter().filter_map(|hit| match &hit.material {
            KeyMaterial::KeyId(id) if !hit.encoded && !id.is_temporary() => Some(id.clone()),
            _ => None,
        });
        let named: BTreeSet<AccessKeyId> = named.collect();
        if !named.is_empty() {
            naming.push(file.file);
        }
        keys.extend(named);
    }
    RepositoryScan { suggestions, files_with_key_ids: naming, keys }
}

#[cfg(feature = "online")]
fn read_account(context: &Context<'_>, arguments: &InitArgs, keys: &BTreeSet<AccessKeyId>) -> AccountSummary {
    account::read_account(context, &arguments.reach, keys).unwrap_or_else(|error| {
        context.warn(&format!("the account was not read: {}", error.message));
        AccountSummary::default()
    })
}

#[cfg(not(feature = "online"))]
fn read_account(_: &Context<'_>, _: &InitArgs, _: &BTreeSet<AccessKeyId>) -> AccountSummary {
    AccountSummary::default()
}
