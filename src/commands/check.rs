//! `keytide check`: searches the repository's files for keys and checks the destinations, without the network.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::cli::CheckArgs;
use super::context::Context;
use super::excerpts::add_excerpts;
use super::failure::CommandFailure;
use super::policy_file::{self, PolicyFileError};
use super::terraform_files::read_managed_keys;
use crate::destinations::as_file;
use crate::diagnostic::Diagnostic;
use crate::error::{COMMAND_LINE, CommandError};
use crate::iam::ReadFault;
use crate::policy::{self, Policy};
use crate::report::{Report, ReportFormat, ScanSummary};
use crate::repository::{
    FileContent, LOCK_FOLDER, LockFile, LockFileError, RepositoryFiles, RepositoryIdentity, Scanner,
    escape_user_name, escaped_user_from_path,
};
use crate::rules::{self, RuleInput, invalid_policy};
use crate::system::git::GitError;
use crate::system::git_objects::ObjectReader;
use crate::system::listing::{FileListing, ScanItem};
use crate::system::scan_files::{ScanOutcome, scan_blobs, scan_items};
use crate::system::worktree::WorkTree;

/// Runs the check. Files are searched for keys even if the policy file is missing or invalid: a mistake in it must not
/// hide a leak.
pub fn run(context: &Context<'_>, arguments: &CheckArgs) -> Result<Report, CommandFailure> {
    let tree = WorkTree::find_repository(context.environment);
    let reader = TreeReader::open(&tree, arguments.staged)
        .map_err(|reason| CommandError::incomplete(format!("the Git index cannot be read: {reason}")))?;
    let loaded = load_policy(context, &tree, &reader);
    // A file that `--policy` names need not be one of the repository
    let expected = context.common.policy.is_none().then_some(loaded.policy.file.as_str());
    let (scan, mut remarks) = scan_selected_files(&tree, arguments, expected);
    remarks.splice(0..0, loaded.remark);
    remarks.extend(remarks_about_unread(&scan));
    let mut files = RepositoryFiles {
        is_complete: arguments.paths.is_empty() && !arguments.staged && scan.has_read_all(),
        destinations: read_destinations(&loaded.policy, &reader),
        lock_files: read_lock_files(&loaded.policy, &reader),
        managed_keys: read_managed_keys(&list_terraform_files(&scan), &tree, &|path| reader.read(path)),
        found: scan.found,
    };
    files.is_complete &= files.has_readable_destinations();
    let input = RuleInput {
        policy: &loaded.policy,
        inventory: None,
        files: Some(&files),
        rotations: None,
        repository: &RepositoryIdentity::default(),
        fleet: None,
        now: context.now,
    };
    let (mut findings, skipped) = rules::run_rules(&input);
    findings.splice(0..0, invalid_policy::findings_from_diagnostics(&loaded.diagnostics));
    add_excerpts(&mut findings, &|path| match &context.common.policy {
        Some(named) if Path::new(named) == path => tree.read_named(path, policy::MAX_BYTES),
        // A value that is not encrypted may be a secret of any form.
        _ if path.to_str().is_some_and(|name| files.destinations.contains_key(name)) => FileContent::Absent,
        _ => reader.read(path),
    });
    let mut faults: Vec<ReadFault> =
        scan.faults.into_iter().map(|(file, message)| file_fault(&file, message)).collect();
    faults.extend(unreadable_destinations(&files));
    let scanned = ScanSummary { files: scan.files, bytes: scan.bytes };
    let state = (context.now, context.common.fail_on, loaded.is_valid);
    let mut report = Report::of_check(&loaded.policy, scanned, (findings, skipped), faults, state);
    if let Some(diagnostic) = loaded.diagnostics.first() {
        report.policy.clone_from(&diagnostic.file);
    }
    // Added after the outcome is known: a policy file that is not there is exit code 2, not 3.
    report.faults.splice(0..0, loaded.fault);
    report.remarks = remarks;
    Ok(report)
}

/// The scanned Terraform files that may manage an access key.
fn list_terraform_files(scan: &ScanOutcome) -> Vec<&str> {
    let files = scan.found.iter().filter(|file| file.may_manage_keys && file.commit.is_none());
    files.map(|file| file.file.as_str()).collect()
}

/// The policy, or an empty one in its place, and what is to be reported about it.
struct LoadedPolicy {
    policy: Policy,
    is_valid: bool,
    diagnostics: Vec<Diagnostic>,
    fault: Option<ReadFault>,
    remark: Option<String>,
}

impl LoadedPolicy {
    fn empty(is_valid: bool) -> Self {
        Self { policy: Policy::empty(), is_valid, diagnostics: Vec::new(), fault: None, remark: None }
    }
}

fn load_policy(context: &Context<'_>, tree: &WorkTree, reader: &TreeReader<'_>) -> LoadedPolicy {
    match policy_file::load_repository_policy(context, tree, &|path| reader.read(path)) {
        Ok(Some(policy)) => LoadedPolicy { policy, ..LoadedPolicy::empty(true) },
        Ok(None) => {
            let remark = "there is no policy file: only plaintext keys and workflows were checked";
            LoadedPolicy { remark: Some(remark.to_owned()), ..LoadedPolicy::empty(true) }
        }
        Err(PolicyFileError::Invalid(diagnostics)) => {
            // The text report lists these as findings; other formats go to a file or a program.
            if !matches!(context.output_format(), ReportFormat::Text | ReportFormat::Github) {
                context.print_diagnostics(&diagnostics);
            }
            LoadedPolicy { diagnostics, ..LoadedPolicy::empty(false) }
        }
        Err(error) => {
            let message = error.to_string();
            let fault = ReadFault { user: None, operation: COMMAND_LINE.to_owned(), message };
            LoadedPolicy { fault: Some(fault), ..LoadedPolicy::empty(false) }
        }
    }
}

fn file_fault(file: &str, message: String) -> ReadFault {
    ReadFault { user: None, operation: format!("reading {file}"), message }
}

/// Tracked files that were not read are no fault, and are reported: a pass says nothing about them.
fn remarks_about_unread(scan: &ScanOutcome) -> Vec<String> {
    let mut remarks = Vec::new();
    if scan.left_out > 0 {
        remarks.push(format!(
            "{} tracked file(s) or folder(s) are not checked out (sparse checkout) and were not read",
            scan.left_out
        ));
    }
    if scan.absent > 0 {
        remarks.push(format!(
            "{} tracked file(s) are not in the working tree, or no regular files there, and were not read",
            scan.absent
        ));
    }
    remarks
}

/// A destination that cannot be read must not count as a correct one.
fn unreadable_destinations(files: &RepositoryFiles) -> Vec<ReadFault> {
    let mut faults = Vec::new();
    for (name, content) in &files.destinations {
        if let FileContent::Unreadable(reason) = content {
            faults.push(file_fault(name, reason.clone()));
        }
    }
    faults
}

/// Opens files by name, in the working tree or in the Git index.
struct TreeReader<'a> {
    tree: &'a WorkTree,
    staged: Option<RefCell<ObjectReader>>,
}

impl<'a> TreeReader<'a> {
    fn open(tree: &'a WorkTree, is_staged: bool) -> Result<Self, GitError> {
        if !is_staged {
            return Ok(Self { tree, staged: None });
        }
        // Before any file is read: where Git refuses to work, every file would count as absent.
        tree.ensure_git_works()?;
        Ok(Self { tree, staged: Some(RefCell::new(tree.open_objects()?)) })
    }

    fn read(&self, path: &Path) -> FileContent {
        match &self.staged {
            Some(objects) => {
                let content = self.tree.read_staged(&mut objects.borrow_mut(), path);
                content.unwrap_or_else(|error| FileContent::Unreadable(error.to_string()))
            }
            None => self.tree.read_content(path),
        }
    }
}

/// Searches the files that the arguments select; returns remarks beside the result.
fn scan_selected_files(
    tree: &WorkTree,
    arguments: &CheckArgs,
    policy_file: Option<&str>,
) -> (ScanOutcome, Vec<String>) {
    let scanner = Scanner::new();
    if arguments.staged {
        return (scan_index(&scanner, tree, &arguments.paths), Vec::new());
    }
    let FileListing { items, faults, mut remarks, absent, left_out, links: _ } = if arguments.paths.is_empty()
    {
        tree.list_tracked_files()
    } else {
        tree.list_given_paths(&arguments.paths)
    };
    if arguments.paths.is_empty() && left_out == 0 {
        remarks.extend(policy_file.and_then(|file| remark_about_untracked(&items, file)));
    }
    let mut scan = scan_items(&scanner, &items);
    scan.faults.extend(faults);
    scan.absent += absent;
    scan.left_out += left_out;
    if scan.files == 0 && scan.absent + scan.left_out > 0 {
        // Another folder was probably taken for the working tree, or nothing was checked out
        let reason = "none of the tracked files is in the working tree";
        scan.faults.push(("the tracked files".to_owned(), reason.to_owned()));
    }
    if arguments.history {
        scan.merge_outcome(scan_history(&scanner, tree, &arguments.paths));
    }
    (scan, remarks)
}

/// Says that the policy file itself was not searched: Git does not know it yet.
fn remark_about_untracked(items: &[ScanItem], policy_file: &str) -> Option<String> {
    if policy_file.is_empty() || items.iter().any(|item| item.path.ends_with(policy_file)) {
        return None;
    }
    Some(format!(
        "Git does not track {policy_file} yet, and only tracked files are searched: run `git add` for your files first"
    ))
}

fn scan_index(scanner: &Scanner, tree: &WorkTree, paths: &[PathBuf]) -> ScanOutcome {
    let staged = match tree.staged_blobs(paths) {
        Ok(staged) => staged,
        Err(reason) => return failed_scan("the index", &reason),
    };
    let mut scan = scan_blobs(scanner, tree, &staged.blobs);
    for path in staged.conflicts {
        scan.faults.push((path, "it has a merge conflict: add the resolved file".to_owned()));
    }
    for file in &mut scan.found {
        // What is staged is not part of a commit yet.
        file.commit = None;
    }
    scan
}

/// Searches the blobs of all commits, and names the commit that added each match.
fn scan_history(scanner: &Scanner, tree: &WorkTree, paths: &[PathBuf]) -> ScanOutcome {
    let blobs = match tree.history_blobs(paths) {
        Ok(blobs) => blobs,
        Err(reason) => return failed_scan("the history", &reason),
    };
    let mut scan = scan_blobs(scanner, tree, &blobs);
    scan.found.retain(|file| !file.matches.is_empty());
    if tree.is_shallow() {
        let reason = "this is a shallow clone: fetch the rest (`git fetch --unshallow`, or `fetch-depth: 0`)";
        scan.faults.push(("the history".to_owned(), reason.to_owned()));
    }
    let wanted: Vec<&str> = scan.found.iter().filter_map(|file| file.commit.as_deref()).collect();
    // Without the commits the matches still count; only their origin is unknown.
    let commits = if wanted.is_empty() { Ok(HashMap::new()) } else { tree.first_commits(&wanted) };
    let commits = commits.unwrap_or_else(|reason| {
        scan.faults.push(("the history".to_owned(), reason.to_string()));
        HashMap::new()
    });
    for file in &mut scan.found {
        file.static_keys.clear();
        file.placeholders.clear();
        file.inherited_secrets.clear();
        file.may_manage_keys = false;
        let commit = file.commit.as_ref().and_then(|blob| commits.get(blob)).cloned();
        file.commit = Some(commit.unwrap_or_else(|| "unknown".to_owned()));
    }
    scan
}

fn failed_scan(what: &str, reason: &GitError) -> ScanOutcome {
    let mut scan = ScanOutcome::default();
    scan.faults.push((what.to_owned(), reason.to_string()));
    scan
}

/// Reads every file that a destination of the policy names.
fn read_destinations(policy: &Policy, reader: &TreeReader<'_>) -> BTreeMap<String, FileContent> {
    let mut contents = BTreeMap::new();
    for destination in policy.users.iter().flat_map(|entry| &entry.destinations).filter_map(as_file) {
        for name in destination.required_files() {
            contents.insert(name.to_owned(), reader.read(Path::new(name)));
        }
    }
    contents
}

/// Reads the lock files of the policy's users.
fn read_lock_files(
    policy: &Policy,
    reader: &TreeReader<'_>,
) -> BTreeMap<String, Result<LockFile, LockFileError>> {
    let mut lock_files = BTreeMap::new();
    for user in policy.user_names() {
        let path = format!("{LOCK_FOLDER}/{}.lock.json", escape_user_name(user));
        if escaped_user_from_path(&path).is_none() {
            continue;
        }
        let lock_file = match reader.read(Path::new(&path)) {
            FileContent::Absent => continue,
            FileContent::Unreadable(reason) => Err(LockFileError::Unreadable(reason)),
            FileContent::Bytes(bytes) => LockFile::parse(&bytes),
        };
        lock_files.insert(path, lock_file);
    }
    lock_files
}
