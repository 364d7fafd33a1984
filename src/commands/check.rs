//! `keytide check`: reads the repository's files, applies the offline rules, reports. Reaches nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cli::CheckArgs;
use super::{Context, policy_file};
use crate::destinations::as_file;
use crate::diagnostic::Diagnostic;
use crate::iam::ReadFault;
use crate::policy::Policy;
use crate::report::{Report, ScanSummary};
use crate::repository::{
    FileContent, LOCK_FOLDER, LockFile, LockFileError, RepositoryFiles, RepositoryIdentity, Scanner,
    escape_user_name, escaped_user_from_path,
};
use crate::rules::{self, RuleInput, invalid_policy};
use crate::system::git::{GitError, ObjectReader};
use crate::system::scan_files::{ScanOutcome, scan_blobs, scan_items};
use crate::system::worktree::{FileListing, WorkTree};

/// Runs the check. Without a policy file key material is looked for all the same; a wrong one does not hide a leak.
pub fn run(context: &Context<'_>, arguments: &CheckArgs) -> Report {
    let tree = WorkTree::find_repository(context.environment.get("GIT_INDEX_FILE"));
    let reader = match TreeReader::open(&tree, arguments.staged) {
        Ok(reader) => reader,
        Err(why) => return incomplete_report(context, why.to_string()),
    };
    let (policy, complaints, mut remarks) = load_policy_or_empty(context, &reader);
    let (looked, mut more) = scan_selected_files(&tree, arguments);
    remarks.append(&mut more);
    let files = RepositoryFiles {
        is_complete: arguments.paths.is_empty() && !arguments.staged,
        destinations: read_destinations(&policy, &reader),
        lock_files: read_lock_files(&policy, &reader),
        found: looked.found,
    };
    let facts = RuleInput {
        policy: &policy,
        inventory: None,
        files: Some(&files),
        rotations: None,
        repository: &RepositoryIdentity::default(),
        now: context.now,
    };
    let (mut findings, skipped) = rules::run_rules(&facts);
    findings.splice(0..0, invalid_policy::findings_from_diagnostics(&complaints));
    // A destination that cannot be read is never taken for a sound one.
    let unreadable = files.destinations.iter().filter_map(|(name, content)| match content {
        FileContent::Unreadable(why) => Some((name.clone(), why.clone())),
        _ => None,
    });
    let faults = looked.faults.into_iter().chain(unreadable).map(file_fault).collect();
    let scanned = ScanSummary { files: looked.files, bytes: looked.bytes };
    let state = (context.now, context.common.fail_on, complaints.is_empty());
    let mut report = Report::of_check(&policy, scanned, (findings, skipped), faults, state);
    if let Some(complaint) = complaints.first() {
        report.policy.clone_from(&complaint.file);
    }
    report.remarks = remarks;
    report
}

/// The policy, or one that speaks of nobody; what is wrong with it; what must be said.
fn load_policy_or_empty(
    context: &Context<'_>,
    reader: &TreeReader<'_>,
) -> (Policy, Vec<Diagnostic>, Vec<String>) {
    match policy_file::load_repository_policy(context, &|path| reader.read(path)) {
        Ok(Some(policy)) => (policy, Vec::new(), Vec::new()),
        Ok(None) => {
            let remark = "there is no policy file: only key material and workflows were looked at";
            (Policy::empty(), Vec::new(), vec![remark.to_owned()])
        }
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| context.eprint(&diagnostic.render()));
            (Policy::empty(), diagnostics, Vec::new())
        }
    }
}

fn incomplete_report(context: &Context<'_>, why: String) -> Report {
    context.eprint(&format!("error: {why}\n"));
    Report::without_account("", Vec::new(), vec![file_fault(("--staged".to_owned(), why))], context.now)
}

fn file_fault((file, message): (String, String)) -> ReadFault {
    ReadFault { user: None, operation: format!("reading {file}"), message }
}

/// Opens files by name: those of the working tree, or those of git's index.
struct TreeReader<'a> {
    tree: &'a WorkTree,
    staged: Option<RefCell<ObjectReader>>,
}

impl<'a> TreeReader<'a> {
    fn open(tree: &'a WorkTree, staged: bool) -> Result<Self, GitError> {
        let staged = if staged { Some(RefCell::new(tree.open_objects()?)) } else { None };
        Ok(Self { tree, staged })
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

/// Looks through the files that were asked for.
fn scan_selected_files(tree: &WorkTree, arguments: &CheckArgs) -> (ScanOutcome, Vec<String>) {
    let scanner = Scanner::new();
    if arguments.staged {
        return match tree.staged_blobs(&arguments.paths) {
            Ok(blobs) => {
                let mut looked = scan_blobs(&scanner, tree, &blobs);
                looked.found.iter_mut().for_each(|file| file.commit = None);
                (looked, Vec::new())
            }
            Err(why) => (failed_scan("the index", why), Vec::new()),
        };
    }
    let FileListing { items, faults, remarks } = if arguments.paths.is_empty() {
        tree.list_tracked_files()
    } else {
        tree.list_given_paths(&arguments.paths)
    };
    let mut looked = scan_items(&scanner, &items);
    looked.faults.extend(faults);
    if arguments.history {
        looked.merge_outcome(scan_history(&scanner, tree, &arguments.paths));
    }
    (looked, remarks)
}

/// Looks through all commits' blobs, and names the commits that brought what was found.
fn scan_history(scanner: &Scanner, tree: &WorkTree, paths: &[PathBuf]) -> ScanOutcome {
    let blobs = match tree.history_blobs(paths) {
        Ok(blobs) => blobs,
        Err(why) => return failed_scan("the history", why),
    };
    let mut looked = scan_blobs(scanner, tree, &blobs);
    looked.found.retain(|file| !file.matches.is_empty());
    if tree.is_shallow() {
        let why = "this is a shallow clone: fetch the rest (`git fetch --unshallow`, or `fetch-depth: 0`)";
        looked.faults.push(("the history".to_owned(), why.to_owned()));
    }
    let wanted: Vec<String> = looked.found.iter().filter_map(|file| file.commit.clone()).collect();
    let commits = if wanted.is_empty() {
        Ok(BTreeMap::new())
    } else {
        tree.first_commits(&wanted.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let commits = commits.unwrap_or_default();
    for file in &mut looked.found {
        file.static_keys.clear();
        let named = file.commit.as_ref().and_then(|blob| commits.get(blob)).cloned();
        file.commit = Some(named.unwrap_or_else(|| "unknown".to_owned()));
    }
    looked
}

fn failed_scan(what: &str, why: GitError) -> ScanOutcome {
    ScanOutcome { faults: vec![(what.to_owned(), why.to_string())], ..ScanOutcome::default() }
}

/// The content of every file that a destination of the policy names.
fn read_destinations(policy: &Policy, reader: &TreeReader<'_>) -> BTreeMap<String, FileContent> {
    let destinations = policy.users.iter().flat_map(|entry| &entry.destinations).filter_map(as_file);
    let names = destinations.flat_map(|destination| {
        destination.required_files().into_iter().map(str::to_owned).collect::<Vec<_>>()
    });
    names.map(|name| (name.clone(), reader.read(Path::new(&name)))).collect()
}

/// The lock files of the policy's users.
fn read_lock_files(
    policy: &Policy,
    reader: &TreeReader<'_>,
) -> BTreeMap<String, Result<LockFile, LockFileError>> {
    let paths = policy.user_names().map(|user| format!("{LOCK_FOLDER}/{}.lock.json", escape_user_name(user)));
    let read = |path: String| match reader.read(Path::new(&path)) {
        FileContent::Absent => None,
        FileContent::Unreadable(why) => Some((path, Err(LockFileError::Unreadable(why)))),
        FileContent::Bytes(bytes) => Some((path, LockFile::parse(&bytes))),
    };
    paths.filter(|path| escaped_user_from_path(path).is_some()).filter_map(read).collect()
}
