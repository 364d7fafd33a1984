//! Holds what the rules read about the files of the repository, and scans the bytes of one file.

use std::collections::BTreeMap;

use super::file_content::FileContent;
use super::text_encoding::decode_text;
use super::{
    AllowComment, InheritedSecrets, KeyMatch, LockFile, LockFileError, MAX_COMMENTS, MAX_MATCHES,
    ManagedKeys, Placeholder, ScanResult, Scanner, StaticKey, find_in_part, find_placeholders,
    find_static_keys, has_comments, is_set_up_file, is_terraform, mentions_access_key,
};

/// The files of the repository, as far as rules need them.
#[derive(Debug, Clone, Default)]
pub struct RepositoryFiles {
    /// Whether every tracked file and every file of a destination was read, and not only some.
    pub is_complete: bool,
    /// The files with matches, static keys, placeholders or allow comments, sorted by name.
    pub found: Vec<ScannedFile>,
    /// The content of each file that a destination of the policy names.
    pub destinations: BTreeMap<String, FileContent>,
    /// The access keys that Terraform manages.
    pub managed_keys: ManagedKeys,
    /// The lock files, by their path.
    pub lock_files: BTreeMap<String, Result<LockFile, LockFileError>>,
}

impl RepositoryFiles {
    /// Whether no file of a destination, and no lock file, is there and cannot be read.
    pub fn has_readable_destinations(&self) -> bool {
        let mut destinations = self.destinations.values();
        let is_one_unreadable = destinations.any(|content| matches!(content, FileContent::Unreadable(_)));
        !is_one_unreadable && self.lock_files.values().all(Result::is_ok)
    }

    /// The files with findings that are there now, and not in the history alone, by their path.
    pub fn present_files(&self) -> BTreeMap<&str, &ScannedFile> {
        let present = self.found.iter().filter(|file| file.commit.is_none());
        present.map(|file| (file.file.as_str(), file)).collect()
    }
}

/// What the scan of one file found.
#[derive(Debug, Clone, Default)]
pub struct ScannedFile {
    /// From the root of the repository, with forward slashes.
    pub file: String,
    /// The commit that added it, if it was found in the history.
    pub commit: Option<String>,
    pub matches: Vec<KeyMatch>,
    pub static_keys: Vec<StaticKey>,
    pub placeholders: Vec<Placeholder>,
    pub inherited_secrets: Vec<InheritedSecrets>,
    /// Whether it is a Terraform file that may manage an access key.
    pub may_manage_keys: bool,
    pub comments: Vec<AllowComment>,
    /// The number of matches that are not listed, because there are too many.
    pub omitted: usize,
    /// The number of comments that are not listed, and accept nothing.
    pub omitted_comments: usize,
}

impl ScannedFile {
    /// Adds what was found in a window of the file.
    pub fn add_window(&mut self, scan: ScanResult) {
        self.omitted += scan.omitted;
        self.comments.extend(scan.comments);
        self.omitted_comments += scan.omitted_comments + self.comments.len().saturating_sub(MAX_COMMENTS);
        self.comments.truncate(MAX_COMMENTS);
        for found in scan.matches {
            let is_secret = found.material.is_secret();
            let listed = self.matches.iter().filter(|known| known.material.is_secret() == is_secret).count();
            if listed < MAX_MATCHES {
                self.matches.push(found);
            } else {
                self.omitted += 1;
            }
        }
    }

    /// Looks at a window of a file that is too large to be parsed.
    pub fn note_unparsed(&mut self, window: &[u8]) {
        self.may_manage_keys |= is_terraform(&self.file) && mentions_access_key(window);
        if self.static_keys.is_empty() {
            self.static_keys.extend(find_in_part(&self.file, window));
        }
    }

    /// The comment that accepts findings of a rule on a line.
    pub fn find_allow_comment(&self, rule: &str, line: u32) -> Option<&AllowComment> {
        let mut comments = self.comments.iter().filter(|_| has_comments(&self.file));
        comments.find(|comment| comment.covers_finding(rule, line))
    }

    pub fn is_empty(&self) -> bool {
        let has_static_keys = !self.static_keys.is_empty() || !self.inherited_secrets.is_empty();
        self.matches.is_empty()
            && !has_static_keys
            && !self.may_manage_keys
            && self.placeholders.is_empty()
            && self.comments.is_empty()
    }

    /// Returns the end of a message about a match in the history.
    pub fn history_suffix(&self) -> String {
        self.commit.as_ref().map_or_else(String::new, |commit| format!(", in the history (commit {commit})"))
    }
}

/// The first line of a Git LFS pointer (git-lfs, `docs/spec.md`), which stands for a file on another server.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// Whether the bytes are a Git LFS pointer in place of the file.
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(LFS_POINTER)
}

/// Scans the bytes of a file.
pub fn scan_file(scanner: &Scanner, file: &str, bytes: &[u8]) -> ScannedFile {
    let text = decode_text(bytes);
    let ScanResult { matches, comments, omitted, omitted_comments, .. } = scanner.scan(&text);
    let passed = find_static_keys(file, &text);
    ScannedFile {
        file: file.to_owned(),
        commit: None,
        matches,
        static_keys: passed.keys,
        inherited_secrets: passed.inherited,
        may_manage_keys: is_terraform(file) && mentions_access_key(&text),
        placeholders: if is_set_up_file(file) { find_placeholders(&text) } else { Vec::new() },
        comments,
        omitted,
        omitted_comments,
    }
}
