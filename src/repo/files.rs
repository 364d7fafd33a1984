//! All that was learnt from the repository's files, as the rules are given it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Comment, Hit, Lock, Scan, Scanner, StaticKey, is_workflow, static_keys};

/// All that was learnt from the files of the repository.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Whether every file that git tracks was looked at, and not only some.
    pub whole: bool,
    /// The files in which there was something, in the order of their names.
    pub found: Vec<FileFacts>,
    /// The content of each file that a destination of the policy names.
    pub destinations: BTreeMap<String, Content>,
    /// The lock files, by their path; the error says in half a sentence why one cannot be read.
    pub locks: BTreeMap<String, Result<Lock, String>>,
}

/// What one file says.
#[derive(Debug, Clone, Default)]
pub struct FileFacts {
    /// From the root of the repository, with forward slashes.
    pub file: String,
    /// The commit that brought it, where it was found in the history.
    pub commit: Option<String>,
    pub hits: Vec<Hit>,
    pub static_keys: Vec<StaticKey>,
    pub comments: Vec<Comment>,
}

impl FileFacts {
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty() && self.static_keys.is_empty() && self.comments.is_empty()
    }

    /// The end of a sentence about something that was found in the history.
    pub fn past(&self) -> String {
        self.commit.as_ref().map_or_else(String::new, |commit| format!(", in the history (commit {commit})"))
    }
}

/// The content of a file that somebody asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
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
pub fn look(scanner: &Scanner, file: &str, bytes: &[u8]) -> FileFacts {
    let text = text(bytes);
    let Scan { hits, comments, .. } = scanner.scan(&text);
    let static_keys = if is_workflow(file) { static_keys(&text) } else { Vec::new() };
    FileFacts { file: file.to_owned(), commit: None, hits, static_keys, comments }
}

/// UTF-16 with a byte order mark, as Windows tools write it, becomes UTF-8; all else stays as it is.
fn text(bytes: &[u8]) -> Cow<'_, [u8]> {
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
