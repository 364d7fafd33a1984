//! Git's index: which files git tracks, without the git program.
//!
//! Format: git, `Documentation/gitformat-index.txt`, versions 2 to 4. A split index keeps entries in another file;
//! that and any extension that git calls necessary is [`UnsupportedIndex`].

/// One tracked path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    pub path: Vec<u8>,
    mode: u32,
}

impl IndexEntry {
    /// A regular file: no symbolic link, no submodule, no folder of a sparse index.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    pub fn is_submodule(&self) -> bool {
        self.mode & 0o170_000 == 0o160_000
    }
}

/// Why an index cannot be read, in half a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedIndex(pub &'static str);

/// The fields of an entry before its object name, in bytes.
const FIXED_FIELDS_LENGTH: usize = 40;
const EXTENDED_FLAG: u16 = 0x4000;

/// The entries of an index, in its order; a path in conflict stands there once. `hash` is the length of an object
/// name: 20 bytes for SHA-1, 32 for SHA-256.
///
/// # Errors
/// The bytes are no index that is understood.
pub fn parse_index(bytes: &[u8], hash: usize) -> Result<Vec<IndexEntry>, UnsupportedIndex> {
    let mut reader = IndexReader { bytes, at: 0 };
    if reader.read_bytes(4) != Some(b"DIRC") {
        return Err(UnsupportedIndex("it does not begin as an index"));
    }
    let version = reader.read_u32().ok_or(TRUNCATED)?;
    let count = reader.read_u32().ok_or(TRUNCATED)?;
    if !(2..=4).contains(&version) {
        return Err(UnsupportedIndex("its version is unknown"));
    }
    let mut entries: Vec<IndexEntry> = Vec::new();
    let mut path = Vec::new();
    for _ in 0..count {
        let mode = reader.read_entry(version, hash, &mut path).ok_or(TRUNCATED)?;
        if entries.last().is_none_or(|last| last.path != path) {
            entries.push(IndexEntry { path: path.clone(), mode });
        }
    }
    reader.check_extensions(hash)?;
    Ok(entries)
}

const TRUNCATED: UnsupportedIndex = UnsupportedIndex("it ends too early");

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

    /// Reads one entry: its path replaces the one before it, its mode is told.
    fn read_entry(&mut self, version: u32, hash: usize, path: &mut Vec<u8>) -> Option<u32> {
        let start = self.at;
        let fixed = self.read_bytes(FIXED_FIELDS_LENGTH)?;
        let mode = u32::from_be_bytes(fixed[24..28].try_into().ok()?);
        self.read_bytes(hash)?;
        let flags = self.read_u16()?;
        if version >= 3 && flags & EXTENDED_FLAG != 0 {
            self.read_bytes(2)?;
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
        Some(mode)
    }

    /// Git's variable-length offset: seven bits a byte, each continuation adds one (`varint.c`).
    fn read_varint(&mut self) -> Option<usize> {
        let mut byte = self.read_bytes(1)?[0];
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.read_bytes(1)?[0];
            value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        }
        Some(value)
    }

    /// After the entries: a name of four letters, a length, the content. A small first letter means: necessary.
    fn check_extensions(&mut self, hash: usize) -> Result<(), UnsupportedIndex> {
        while self.bytes.len().saturating_sub(self.at) > hash + 8 {
            let name = self.read_bytes(4).ok_or(TRUNCATED)?;
            let length = self.read_u32().ok_or(TRUNCATED)? as usize;
            self.read_bytes(length).ok_or(TRUNCATED)?;
            // A sparse index ("sdir") only adds folders, which are no files.
            if name[0].is_ascii_lowercase() && name != b"sdir" {
                return Err(UnsupportedIndex("it is split, or of a newer git"));
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
    fn files_links_and_submodules_are_told_apart() {
        let bytes =
            index(&[(0o100_644, "a"), (0o120_000, "link"), (0o160_000, "sub"), (0o100_755, "sub2/tool")]);
        let entries = parse_index(&bytes, 20).unwrap();
        let files: Vec<&[u8]> = entries.iter().filter(|e| e.is_file()).map(|e| e.path.as_slice()).collect();
        assert_eq!(files, [b"a".as_slice(), b"sub2/tool"]);
        assert!(entries[2].is_submodule());
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let bytes = index(&[(0o100_644, "a"), (0o100_644, "b")]);
        for length in 0..bytes.len() - 21 {
            assert!(parse_index(&bytes[..length], 20).is_err(), "{length}");
        }
    }
}
