//! Decides what becomes of each repository of a page: reads its policy file with the files that it extends, and writes them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::commands::policy_file::{self, DEFAULT_PATHS, PolicyFileError};
use crate::diagnostic::{Diagnostic, Position};
use crate::error::CommandError;
use crate::fleet::collection::{CollectedRepository, RepositoryState};
use crate::fleet::finding::FleetFinding;
use crate::fleet::places::{WrittenValue, list_written_values};
use crate::fleet::policy_account::find_policy_account;
use crate::github::policy_files::{FoundFile, FoundRepository, PolicyFileReader};
use crate::iam::ReadFault;
use crate::policy::Policy;
use crate::repository::FileContent;
use crate::rules::invalid_policy;
use crate::rules::{FileLocation, Severity};
use crate::system::files;

/// How often base files are asked for: a file may extend one that extends another.
const MAX_ROUNDS: usize = 8;
/// The rule about policy files that no job audits.
const UNCOVERED: &str = "uncovered-account";

/// A repository of a page whose policy file is being read.
pub struct PendingPolicy {
    repository: FoundRepository,
    path: &'static str,
    /// The files by their paths from the root.
    files: BTreeMap<String, FoundFile>,
}

/// What is known of a repository before its policy file is read.
pub enum FirstLook {
    Decided(DecidedRepository),
    Pending(PendingPolicy),
}

/// A repository, how many users its policy file lists, and what it writes.
pub struct DecidedRepository {
    pub line: CollectedRepository,
    pub users: usize,
    pub written: Vec<WrittenValue>,
    pub faults: Vec<ReadFault>,
}

/// Decides about a repository, unless it has a policy file.
pub fn decide_at_once(repository: FoundRepository, left_out: Option<RepositoryState>) -> FirstLook {
    if let Some(state) = left_out {
        return FirstLook::Decided(decide(&repository, state));
    }
    if !repository.errors.is_empty() {
        let mut decided = decide(&repository, RepositoryState::Unreadable);
        for message in &repository.errors {
            decided.faults.push(fault(&repository.name, message));
        }
        return FirstLook::Decided(decided);
    }
    let mut found = repository.files.iter().zip(DEFAULT_PATHS);
    match found.find(|(file, _)| **file != FoundFile::Absent) {
        None => FirstLook::Decided(decide(&repository, RepositoryState::NoPolicy)),
        Some((file, path)) => {
            let files = BTreeMap::from([(path.to_owned(), file.clone())]);
            FirstLook::Pending(PendingPolicy { path, files, repository })
        }
    }
}

/// Reads the policies of a page. The files that they extend are read together, a hundred in one request.
pub async fn read_policies(
    reader: &PolicyFileReader,
    mut pending: Vec<PendingPolicy>,
) -> (Vec<PendingPolicy>, Vec<ReadFault>) {
    let mut faults = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for policy in &pending {
            let (_, missing) = policy.read();
            wanted.extend(missing.into_iter().map(|path| (policy.repository.name.clone(), path)));
        }
        if wanted.is_empty() {
            break;
        }
        let replies = match reader.read_files(&wanted).await {
            Ok(replies) => replies,
            Err(error) => {
                let names: BTreeSet<&String> = wanted.iter().map(|(name, _)| name).collect();
                faults.extend(
                    names.into_iter().map(|name| fault(name, &format!("a base file: {}", error.what))),
                );
                break;
            }
        };
        for ((name, path), file) in wanted.into_iter().zip(replies) {
            if let FoundFile::NotShown(reason) = &file {
                faults.push(fault(&name, &format!("{path}: {reason}")));
            }
            if let Some(policy) = pending.iter_mut().find(|policy| policy.repository.name == name) {
                policy.files.insert(path, file);
            }
        }
    }
    (pending, faults)
}

impl PendingPolicy {
    /// The policy as far as its files are known, and the paths of those that are not.
    fn read(&self) -> (Result<Option<Policy>, PolicyFileError>, BTreeSet<String>) {
        let missing = RefCell::new(BTreeSet::new());
        let read = |path: &Path| {
            let path = plain_path(path);
            match self.files.get(&path) {
                Some(FoundFile::Text(text)) => FileContent::Bytes(text.clone().into_bytes()),
                Some(FoundFile::NotText(reason) | FoundFile::NotShown(reason)) => {
                    FileContent::Unreadable(reason.clone())
                }
                Some(FoundFile::Absent) => FileContent::Absent,
                None => {
                    missing.borrow_mut().insert(path);
                    FileContent::Absent
                }
            }
        };
        let policy = policy_file::load_policy_with(Some(self.path), &read);
        (policy, missing.into_inner())
    }

    /// Decides, and writes the files below a folder.
    pub fn write(self, folder: &Path) -> Result<DecidedRepository, CommandError> {
        let (policy, _) = self.read();
        let mut decided = decide(&self.repository, RepositoryState::Collected);
        decided.line.policy = Some(self.path.to_owned());
        if let Some(FoundFile::Text(text)) = self.files.get(self.path) {
            decided.line.account = find_policy_account(text.as_bytes());
        }
        // A policy file for `keytide check` alone belongs to no account
        let has_users = !matches!(&policy, Ok(Some(policy)) if !policy.has_users());
        match policy {
            Ok(Some(policy)) => {
                decided.users = policy.user_names().count();
                let line = &decided.line;
                decided.written = list_written_values(&line.name, &policy, line.account.as_deref());
            }
            Ok(None) => {}
            Err(PolicyFileError::Invalid(diagnostics)) => decided.set_invalid(&diagnostics),
            Err(other) => decided.set_invalid(&[diagnostic(self.path, other.to_string())]),
        }
        let needs_account = decided.line.state == RepositoryState::Collected && has_users;
        if needs_account && decided.line.account.is_none() {
            decided.line.findings.push(no_account(self.path));
        }
        let folder = folder.join(&self.repository.name);
        for (path, file) in &self.files {
            if let FoundFile::Text(text) = file {
                let path = folder.join(path);
                files::create_folder_of(&path).and_then(|()| files::create_file(&path, text)).map_err(
                    |reason| {
                        CommandError::incomplete(format!("{} cannot be written: {reason}", path.display()))
                    },
                )?;
            }
        }
        Ok(decided)
    }
}

impl DecidedRepository {
    fn set_invalid(&mut self, diagnostics: &[Diagnostic]) {
        self.line.state = RepositoryState::Invalid;
        let findings = invalid_policy::findings_from_diagnostics(diagnostics);
        self.line.findings = findings.into_iter().map(FleetFinding::from).collect();
    }
}

fn decide(repository: &FoundRepository, state: RepositoryState) -> DecidedRepository {
    let line = CollectedRepository {
        name: repository.name.clone(),
        id: repository.id,
        state,
        policy: None,
        account: None,
        findings: Vec::new(),
    };
    DecidedRepository { line, users: 0, written: Vec::new(), faults: Vec::new() }
}

fn diagnostic(file: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        at: Position::START,
        width: 1,
        message,
        help: None,
        line: String::new(),
    }
}

/// The finding about a policy file that is for no account.
fn no_account(file: &str) -> FleetFinding {
    FleetFinding {
        severity: Severity::Warning,
        rule: UNCOVERED.to_owned(),
        user: None,
        access_key_id: None,
        message: "the policy file names no account, so that no job audits its users".to_owned(),
        help: "Add `account: \"123456789012\"` to the policy file.".to_owned(),
        location: FileLocation { file: file.to_owned(), at: Position::START },
        exempted: false,
        exemption_reason: None,
        fingerprint: None,
    }
}

fn fault(repository: &str, message: &str) -> ReadFault {
    ReadFault { user: None, operation: format!("policy file of {repository}"), message: message.to_owned() }
}

/// A path without `./`, as GitHub takes it.
fn plain_path(path: &Path) -> String {
    let parts: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    parts.to_string_lossy().replace('\\', "/")
}
