//! Reads the collected policy files that name one account, and the fleet's own file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, PolicyFileError};
use crate::diagnostic::Diagnostic;
use crate::error::CommandError;
use crate::fleet::collection::{self, COLLECTION_KIND, CollectedRepository, Collection, RepositoryState};
use crate::fleet::facts::RepositoryPolicy;
use crate::fleet::file::{self, FleetFile};
use crate::fleet::policy_account::find_policy_account;
use crate::policy::MAX_BYTES;
use crate::repository::FileContent;
use crate::system::files::{self, FileError, FolderListing};
use crate::system::worktree::WorkTree;

/// The largest collection that is read, in bytes: 100,000 repositories take about thirty million.
const MAX_COLLECTION_BYTES: usize = 64 * 1024 * 1024;

/// The policy files of one account.
pub struct AccountPolicies {
    pub valid: Vec<RepositoryPolicy>,
    /// The policy files with errors that name the account, or of which the account cannot be read.
    pub invalid: Vec<InvalidPolicyFile>,
    /// Policy files that could not be read at all, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Repositories of which the collection has no policy file, though it found one: of any account.
    pub uncollected: Vec<String>,
    /// Repositories whose policy file names no account: their users may be of any.
    pub unassigned: Vec<String>,
    /// Whether the collection says that policy files are missing in it.
    pub is_collection_incomplete: bool,
}

/// A policy file with errors.
pub struct InvalidPolicyFile {
    pub repository: String,
    pub diagnostics: Vec<Diagnostic>,
}

/// The fleet's file, and its name.
pub struct LoadedFleet {
    pub name: String,
    pub bytes: Vec<u8>,
    pub file: FleetFile,
}

/// Reads the fleet's file: the one that is named, else that among the policy files, else that of the working folder.
pub fn load_fleet_file(
    context: &Context<'_>,
    named: Option<&Path>,
    policies: Option<&Path>,
) -> Result<LoadedFleet, CommandFailure> {
    let collected = policies.map(|folder| folder.join(file::FILE_NAME)).filter(|path| path.is_file());
    let path = named.map(Path::to_owned).or(collected).unwrap_or_else(|| PathBuf::from(file::FILE_NAME));
    let name = path.display().to_string();
    let reason = match WorkTree::find_repository(context.environment).read_named(&path, MAX_BYTES) {
        FileContent::Bytes(bytes) => {
            let file = file::read_fleet_file(&name, &bytes).map_err(CommandFailure::InvalidPolicy)?;
            return Ok(LoadedFleet { name, bytes, file });
        }
        FileContent::Absent => "it does not exist".to_owned(),
        FileContent::Unreadable(reason) => reason,
    };
    Err(CommandError::invalid(format!("{name} cannot be read: {reason}"))
        .with_help("write the file, or name it with `--fleet FILE`; docs/fleet.md shows one")
        .into())
}

/// Reads the policy files that are for an account. One with errors does not keep the others from being read.
pub fn load_account_policies(folder: &Path, account: &str) -> Result<AccountPolicies, CommandError> {
    let collection = load_collection(folder)?;
    let mut policies = AccountPolicies {
        valid: Vec::new(),
        invalid: Vec::new(),
        unreadable: Vec::new(),
        uncollected: Vec::new(),
        unassigned: Vec::new(),
        is_collection_incomplete: collection.as_ref().is_some_and(|collection| !collection.complete),
    };
    let lines = collection.iter().flat_map(|collection| &collection.repositories);
    let mut known: HashMap<&str, &CollectedRepository> =
        lines.map(|line| (line.name.as_str(), line)).collect();
    for owner in policies.list_folders(folder, "")? {
        for name in policies.list_folders(&folder.join(&owner), &format!("{owner}/"))? {
            let repository = format!("{owner}/{name}");
            let line = known.get(repository.as_str()).copied();
            // Most files are for other accounts, and the collection knows it: a job then opens its own alone. Otherwise all jobs
            // together would open every file as often as there are accounts.
            let is_elsewhere = line.is_some_and(|line| {
                line.state == RepositoryState::Collected
                    && line.account.as_deref().is_some_and(|other| other != account)
            });
            if is_elsewhere || !has_policy_file(&folder.join(&repository)) {
                continue;
            }
            known.remove(repository.as_str());
            let id = line.and_then(|line| line.id);
            policies.add_repository(&folder.join(&owner).join(&name), repository, (account, id));
        }
    }
    policies.add_missing(known.into_values(), account);
    Ok(policies)
}

fn has_policy_file(folder: &Path) -> bool {
    policy_file::DEFAULT_PATHS.iter().any(|path| read_content(folder, Path::new(path)) != FileContent::Absent)
}

impl AccountPolicies {
    /// The folders in a folder. What keytide does not look into may hold policy files, so it counts as unreadable.
    fn list_folders(&mut self, folder: &Path, prefix: &str) -> Result<Vec<String>, CommandError> {
        let FolderListing { names, refused } = files::list_folders(folder).map_err(|reason| {
            CommandError::invalid(format!("{} cannot be read: {reason}", folder.display()))
                .with_help("name the folder that `keytide fleet collect --out DIR` wrote")
        })?;
        self.unreadable.extend(refused.into_iter().map(|(name, reason)| (format!("{prefix}{name}"), reason)));
        Ok(names)
    }

    /// Why more users may be listed than are known, as half a sentence.
    pub fn unread(&self) -> Option<String> {
        if self.is_collection_incomplete {
            return Some("the policy files of some repositories could not be collected".to_owned());
        }
        let mut names: Vec<&str> = self.invalid.iter().map(|entry| entry.repository.as_str()).collect();
        names.extend(self.unreadable.iter().map(|(repository, _)| repository.as_str()));
        names.extend(self.uncollected.iter().map(String::as_str));
        let unassigned: Vec<&str> = self.unassigned.iter().map(String::as_str).collect();
        let reasons = [(names, "has errors"), (unassigned, "names no account")];
        let mut texts = Vec::new();
        for (names, reason) in reasons {
            let Some((first, rest)) = names.split_first() else { continue };
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            texts.push(format!("the policy file of {first}{more} {reason}, and may list users"));
        }
        if texts.is_empty() { None } else { Some(texts.join("; ")) }
    }

    /// What the collection lists, and the folder does not contain.
    fn add_missing<'c>(&mut self, lines: impl Iterator<Item = &'c CollectedRepository>, account: &str) {
        for line in lines {
            match line.state {
                RepositoryState::Collected if line.account.as_deref() == Some(account) => {
                    let reason = "the collection lists it, and the folder does not contain it";
                    self.unreadable.push((line.name.clone(), reason.to_owned()));
                }
                RepositoryState::Invalid => self.uncollected.push(line.name.clone()),
                _ => {}
            }
        }
        self.unreadable.sort();
        self.uncollected.sort();
    }

    fn add_repository(&mut self, folder: &Path, repository: String, (account, id): (&str, Option<u64>)) {
        let read = |path: &Path| read_content(folder, path);
        let Some(path) =
            policy_file::DEFAULT_PATHS.into_iter().find(|path| read(Path::new(path)) != FileContent::Absent)
        else {
            return;
        };
        // A folder without a collection: of a file for another account only this much is read.
        let named = match read(Path::new(path)) {
            FileContent::Bytes(bytes) => find_policy_account(&bytes),
            FileContent::Absent | FileContent::Unreadable(_) => None,
        };
        if named.as_deref().is_some_and(|named| named != account) {
            return;
        }
        match policy_file::load_policy_with(Some(path), &read) {
            Ok(Some(policy)) if named.is_some() => {
                self.valid.push(RepositoryPolicy { repository, id, policy });
            }
            Ok(Some(policy)) if !policy.has_users() => {}
            // It names no account: the collection reports that once.
            Ok(Some(_)) => self.unassigned.push(repository),
            Ok(None)
            | Err(
                PolicyFileError::NotFound | PolicyFileError::NotCommitted | PolicyFileError::NoUsers { .. },
            ) => {}
            Err(PolicyFileError::Invalid(diagnostics)) => {
                self.invalid.push(InvalidPolicyFile { repository, diagnostics });
            }
            Err(PolicyFileError::Unreadable { reason, .. }) => self.unreadable.push((repository, reason)),
        }
    }
}

fn load_collection(folder: &Path) -> Result<Option<Collection>, CommandError> {
    let path = folder.join(collection::FILE_NAME);
    let bytes = match files::read_plain(&path, MAX_COLLECTION_BYTES) {
        Ok(bytes) => bytes,
        Err(reason) if reason.is_absent() => return Ok(None),
        Err(reason) => return Err(unreadable(&path, &reason.to_string())),
    };
    match serde_json::from_slice::<Collection>(&bytes) {
        Ok(collection) if collection.kind == COLLECTION_KIND => Ok(Some(collection)),
        Ok(_) => Err(unreadable(&path, "it is not written by `keytide fleet collect`")),
        Err(reason) => Err(unreadable(&path, &reason.to_string())),
    }
}

/// Reads a file of a repository. As on GitHub, a link in its path leads nowhere.
fn read_content(folder: &Path, path: &Path) -> FileContent {
    let above = path.ancestors().skip(1).filter(|part| !part.as_os_str().is_empty());
    for part in above {
        if folder.join(part).is_symlink() {
            return FileContent::Unreadable(FileError::IsLink.to_string());
        }
    }
    match files::read_plain(&folder.join(path), MAX_BYTES) {
        Ok(bytes) => FileContent::Bytes(bytes),
        Err(reason) if reason.is_absent() => FileContent::Absent,
        Err(reason) => FileContent::Unreadable(reason.to_string()),
    }
}

fn unreadable(path: &Path, reason: &str) -> CommandError {
    CommandError::incomplete(format!("{} cannot be read: {reason}", path.display()))
        .with_help("collect the policy files again")
}
