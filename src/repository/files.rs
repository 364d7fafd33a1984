//! All that was learnt from the repository's files, as the rules are given it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{
    AllowComment, KeyMatch, LockFile, ScanResult, Scanner, StaticKey, find_static_keys, is_workflow,
};

/// All that was learnt from the files of the repository.
#[derive(Debug, Clone, Default)]
pub struct RepositoryFiles {
    /// Whether every file that git tracks was looked at, and not only some.
    pub is_complete: bool,
    /// The files in which there was something, in the order of their names.
    pub found: Vec<ScannedFile>,
    /// The content of each file that a destination of the policy names.
    pub destinations: BTreeMap<String, FileContent>,
    /// The lock files, by their path; the error says in half a sentence why one cannot be read.
    pub lock_files: BTreeMap<String, Result<LockFile, String>>,
}

/// What one file says.
#[derive(Debug, Clone, Default)]
pub struct ScannedFile {
    /// From the root of the repository, with forward slashes.
    pub file: String,
    /// The commit that brought it, where it was found in the history.
    pub commit: Option<String>,
    pub matches: Vec<KeyMatch>,
    pub static_keys: Vec<StaticKey>,
    pub comments: Vec<AllowComment>,
}

impl ScannedFile {
    pub fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.static_keys.is_empty() && self.comments.is_empty()
    }

    /// The end of a sentence about something that was found in the history.
    pub fn history_suffix(&self) -> String {
        self.commit.as_ref().map_or_else(String::new, |commit| format!(", in the history (commit {commit})"))
    }
}

/// The content of a file that somebody asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    Bytes(Vec<u8>),
    Absent,
    /// Why it cannot be read, in half a sentence.
    Unreadable(String),
}

/// The first line of a Git LFS pointer (git-lfs, `docs/spec.md`): the content itself is kept elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// Whether these bytes only point to a file that Git LFS keeps.
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(LFS_POINTER)
}

/// What the bytes of a file say.
pub fn scan_file(scanner: &Scanner, file: &str, bytes: &[u8]) -> ScannedFile {
    let text = utf16_to_utf8(bytes);
    let ScanResult { matches: hits, comments, .. } = scanner.scan(&text);
    let static_keys = if is_workflow(file) { find_static_keys(&text) } else { Vec::new() };
    ScannedFile { file: file.to_owned(), commit: None, matches: hits, static_keys, comments }
}

/// UTF-16 with a byte order mark, as Windows tools write it, becomes UTF-8; all else stays as it is.
fn utf16_to_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let decode = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    match bytes {
        [0xff, 0xfe, ..] => decode(u16::from_le_bytes),
        [0xfe, 0xff, ..] => decode(u16::from_be_bytes),
        _ => Cow::Borrowed(bytes),
    }
}
