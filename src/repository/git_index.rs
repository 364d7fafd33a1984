//! Parses the Git index, which lists the tracked files, so that `check` needs no Git program and no second process.
//!
//! The format is documented in Git's `Documentation/gitformat-index.txt`; versions 2 to 4 are read. A split index, which
//! keeps entries in another file, and any other mandatory extension is [`InvalidIndex::Unsupported`].

/// One tracked path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    pub path: Vec<u8>,
    mode: u32,
    /// Whether a sparse checkout leaves it out of the working tree.
    pub is_left_out: bool,
}

impl IndexEntry {
    /// Whether it is a regular file: not a symbolic link, a submodule or a folder of a sparse index.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    pub fn is_submodule(&self) -> bool {
        self.mode & 0o170_000 == 0o160_000
    }

    /// Whether it stands for all files of a folder, which a sparse checkout leaves out.
    pub fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    /// Whether the path is one below the root, and not of Git's own files. Git writes no other, but an index can be
    /// forged.
    pub fn is_inside(&self) -> bool {
        let path =
            if self.is_folder() { self.path.strip_suffix(b"/").unwrap_or(&self.path) } else { &self.path };
        path.split(|byte| *byte == b'/').all(is_plain_name)
    }
}

/// Whether a part of a path names a file or a folder in the one before it, on this system too.
fn is_plain_name(part: &[u8]) -> bool {
    let is_reserved = matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git");
    let has_separator = cfg!(windows) && part.iter().any(|byte| matches!(byte, b'\\' | b':'));
    !is_reserved && !has_separator
}

/// Why an index cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIndex {
    #[error("the index is split or from a newer version of Git")]
    Unsupported,
    #[error("the file is not an index")]
    NoIndex,
    #[error("the file is truncated")]
    Truncated,
    #[error("its paths are too long")]
    TooLong,
}

/// The longest path, the longest that any system opens.
const MAX_PATH_BYTES: usize = 32 * 1024;
/// How much longer all paths together may be than the file. Version 4 writes only the difference to the path before, so
/// a small file could fill the memory.
const MAX_EXPANSION: usize = 16;
/// The longest that all paths together may be: those of two million files. Each is kept three times.
const MAX_TOTAL_BYTES: usize = 160 * 1024 * 1024;

/// Parses what `git ls-files -z -s -t` prints: `TAG MODE ID STAGE`, a tab and the path. `None` when a line has another
/// form.
pub fn parse_listed_entries(listed: &[u8]) -> Option<Vec<IndexEntry>> {
    let mut entries: Vec<IndexEntry> = Vec::new();
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = memchr::memchr(b'\t', line)?;
        let words: Vec<&str> = std::str::from_utf8(&line[..tab]).ok()?.split(' ').collect();
        let [tag, mode, _, _] = words[..] else { return None };
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let path = line[tab + 1..].to_vec();
        // A path with a merge conflict has one line for each side.
        if entries.last().is_none_or(|last| last.path != path) {
            entries.push(IndexEntry { path, mode, is_left_out: tag.eq_ignore_ascii_case("S") });
        }
    }
    Some(entries)
}

/// The fields of an entry before its object name, in bytes.
const FIXED_FIELDS_LENGTH: usize = 40;
const EXTENDED_FLAG: u16 = 0x4000;
/// Of the extended flags.
const SKIP_WORKTREE_FLAG: u16 = 0x4000;

/// Returns the entries of an index in its order; a path with a merge conflict is returned once. `hash` is the length of
/// an object ID: 20 bytes for SHA-1, 32 for SHA-256.
///
/// # Errors
/// The bytes are not an index, or one of an unsupported format.
pub fn parse_index(bytes: &[u8], hash: usize) -> Result<Vec<IndexEntry>, InvalidIndex> {
    let mut reader = IndexReader { bytes, at: 0 };
    if reader.read_bytes(4) != Some(b"DIRC") {
        return Err(InvalidIndex::NoIndex);
    }
    let version = reader.read_u32().ok_or(InvalidIndex::Truncated)?;
    let count = reader.read_u32().ok_or(InvalidIndex::Truncated)?;
    if !(2..=4).contains(&version) {
        return Err(InvalidIndex::Unsupported);
    }
    let mut entries: Vec<IndexEntry> = Vec::new();
    let mut path = Vec::new();
    let mut total = 0;
    for _ in 0..count {
        let (mode, is_left_out) =
            reader.read_entry(version, hash, &mut path).ok_or(InvalidIndex::Truncated)?;
        total += path.len();
        if path.len() > MAX_PATH_BYTES || total / MAX_EXPANSION > bytes.len() || total > MAX_TOTAL_BYTES {
            return Err(InvalidIndex::TooLong);
        }
        if entries.last().is_none_or(|last| last.path != path) {
            entries.push(IndexEntry { path: path.clone(), mode, is_left_out });
        }
    }
    reader.check_extensions(hash)?;
    Ok(entries)
}

struct IndexReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> IndexReader<'a> {
    fn read_bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn read_u32(&mut self) -> Option<u32> {
        self.read_bytes(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    }

    fn read_u16(&mut self) -> Option<u16> {
        self.read_bytes(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    /// Reads one entry; returns its mode, and whether a sparse checkout leaves it out. `path` is the path of the entry
    /// before it, and becomes this one's.
    fn read_entry(&mut self, version: u32, hash: usize, path: &mut Vec<u8>) -> Option<(u32, bool)> {
        let start = self.at;
        let fixed = self.read_bytes(FIXED_FIELDS_LENGTH)?;
        let mode = u32::from_be_bytes(fixed[24..28].try_into().ok()?);
        // The object ID is not needed: `check` reads the working tree.
        self.read_bytes(hash)?;
        let flags = self.read_u16()?;
        let mut is_left_out = false;
        if version >= 3 && flags & EXTENDED_FLAG != 0 {
            is_left_out = self.read_u16()? & SKIP_WORKTREE_FLAG != 0;
        }
        if version == 4 {
            let dropped = self.read_varint()?;
            path.truncate(path.len().checked_sub(dropped)?);
        } else {
            path.clear();
        }
        let rest = self.bytes.get(self.at..)?;
        let length = memchr::memchr(0, rest)?;
        path.extend_from_slice(&rest[..length]);
        self.at += length + 1;
        if version < 4 {
            // Padded with one to eight zeros to a multiple of eight.
            self.at = start + (self.at - start).div_ceil(8) * 8;
        }
        Some((mode, is_left_out))
    }

    /// Reads a variable-length offset: seven bits per byte, and each continuation adds one (Git's `varint.c`).
    fn read_varint(&mut self) -> Option<usize> {
        let mut byte = self.read_bytes(1)?[0];
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.read_bytes(1)?[0];
            value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        }
        Some(value)
    }

    /// Checks the extensions after the entries: a name of four letters, a length, the content. A lower-case first letter
    /// marks a mandatory one.
    fn check_extensions(&mut self, hash: usize) -> Result<(), InvalidIndex> {
        // The index ends with a checksum of this length, and an extension has a header of eight bytes.
        while self.bytes.len().saturating_sub(self.at) > hash + 8 {
            let name = self.read_bytes(4).ok_or(InvalidIndex::Truncated)?;
            let length = self.read_u32().ok_or(InvalidIndex::Truncated)? as usize;
            self.read_bytes(length).ok_or(InvalidIndex::Truncated)?;
            // A sparse index ("sdir") only adds folders, which are skipped.
            if name[0].is_ascii_lowercase() && name != b"sdir" {
                return Err(InvalidIndex::Unsupported);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of version 2 with these modes and paths.
    fn index(entries: &[(u32, &str)]) -> Vec<u8> {
        let mut bytes = b"DIRC\0\0\0\x02".to_vec();
        bytes.extend((entries.len() as u32).to_be_bytes());
        for (mode, path) in entries {
            let start = bytes.len();
            bytes.extend([0; 24]);
            bytes.extend(mode.to_be_bytes());
            bytes.extend([0; 12 + 20]);
            bytes.extend((path.len() as u16).to_be_bytes());
            bytes.extend(path.as_bytes());
            bytes.push(0);
            while !(bytes.len() - start).is_multiple_of(8) {
                bytes.push(0);
            }
        }
        bytes.extend([0; 20]);
        bytes
    }

    #[test]
    fn files_links_and_submodules_are_distinguished() {
        let bytes =
            index(&[(0o100_644, "a"), (0o120_000, "link"), (0o160_000, "sub"), (0o100_755, "sub2/tool")]);
        let entries = parse_index(&bytes, 20).unwrap();
        let files: Vec<&[u8]> = entries.iter().filter(|e| e.is_file()).map(|e| e.path.as_slice()).collect();
        assert_eq!(files, [b"a".as_slice(), b"sub2/tool"]);
        assert!(entries[1].is_link() && entries[2].is_submodule());
    }

    #[test]
    fn a_path_that_leaves_the_repository_is_not_inside() {
        let bytes = index(&[
            (0o100_644, "../../x"),
            (0o100_644, "/etc/passwd"),
            (0o100_644, "a/./b"),
            (0o100_644, "a//b"),
            (0o100_644, "a/.GIT/config"),
            (0o040_000, "a/"),
            (0o100_644, "a/..b"),
        ]);
        let entries = parse_index(&bytes, 20).unwrap();
        let inside: Vec<bool> = entries.iter().map(IndexEntry::is_inside).collect();
        assert_eq!(inside, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn a_small_index_does_not_fill_the_memory() {
        let count = 20_000_u32;
        let mut bytes = [b"DIRC\0\0\0\x04".as_slice(), &count.to_be_bytes()].concat();
        for number in 0..count {
            bytes.extend([0; 24]);
            bytes.extend(0o100_644_u32.to_be_bytes());
            bytes.extend([0; 12 + 20 + 2]);
            // Nothing of the path before is dropped, and one character is added.
            bytes.extend([0, b'a' + (number % 26) as u8, 0]);
        }
        bytes.extend([0; 20]);
        assert_eq!(parse_index(&bytes, 20), Err(InvalidIndex::TooLong));
    }

    #[test]
    fn the_lines_of_git_are_read_whole_or_not_at_all() {
        let listed = b"H 100644 1234 0\ta b\xff\0S 100755 1234 0\tc\0M 100644 1 1\td\0M 100644 2 2\td\0";
        let entries = parse_listed_entries(listed).unwrap();
        let paths: Vec<&[u8]> = entries.iter().map(|entry| entry.path.as_slice()).collect();
        assert_eq!(paths, [b"a b\xff".as_slice(), b"c", b"d"]);
        assert!(entries[1].is_left_out && !entries[0].is_left_out);
        assert_eq!(parse_listed_entries(b"H 100644 1234\ta\0"), None);
        assert_eq!(parse_listed_entries(b"nonsense\0"), None);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let bytes = index(&[(0o100_644, "a"), (0o100_644, "b")]);
        for length in 0..bytes.len() - 21 {
            assert!(parse_index(&bytes[..length], 20).is_err(), "{length}");
        }
    }
}
