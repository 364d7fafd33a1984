//! Defines a parsed SOPS file: its values in the order of the MAC, its metadata, and the place of each in the text.

use std::collections::HashSet;

use crate::diagnostic::Position;
use crate::yaml::edit::ScalarSpot;

/// The top-level key of the metadata.
pub const METADATA: &str = "sops";

/// The most values that are read: aliases of aliases make many out of few bytes.
const MAX_LEAVES: usize = 100_000;
/// The memory that the values may take. Each holds the whole of its path, so a long key with many values below it, or an
/// alias of a long value, makes many bytes out of few.
const MAX_LEAF_BYTES: usize = 24 * 1024 * 1024;
/// The most fields of the metadata: each recipient is compared with all of them.
const MAX_METADATA: usize = 10_000;

#[derive(Debug, Default)]
pub struct SopsDocument {
    /// The values, in order.
    pub leaves: Vec<SopsLeaf>,
    /// The metadata of the first document; its paths begin below `sops`.
    pub metadata: Vec<SopsLeaf>,
    /// The metadata of the other documents, which SOPS writes and does not read.
    pub copies: Vec<SopsLeaf>,
    /// What stands after each comment sign.
    pub comments: Vec<String>,
}

#[derive(Debug)]
pub struct SopsLeaf {
    /// Keys and indexes.
    pub path: Vec<String>,
    /// The keys alone, which selectors look at and which the encryption is bound to.
    pub keys: Vec<String>,
    pub value: SopsValue,
    pub at: Position,
    pub spot: ScalarSpot,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SopsValue {
    /// The only kind that can be ciphertext.
    Text(String),
    /// What a number, a truth value or a time counts for in the MAC.
    Typed(String),
}

/// What is wrong with a file, and where.
pub type SyntaxFault = (Position, String);

/// Counts what a document holds while it is read.
#[derive(Debug, Default)]
pub struct LeafLimit {
    leaves: usize,
    bytes: usize,
}

impl LeafLimit {
    /// Counts one more value.
    ///
    /// # Errors
    /// The file is too large.
    pub fn count_leaf(&mut self, leaf: &SopsLeaf) -> Result<(), SyntaxFault> {
        self.leaves += 1;
        self.bytes += leaf.memory_size();
        if self.leaves > MAX_LEAVES || self.bytes > MAX_LEAF_BYTES {
            return Err((leaf.at, "it is too large or too deep".to_owned()));
        }
        Ok(())
    }
}

impl SopsLeaf {
    /// About how many bytes of memory it takes.
    fn memory_size(&self) -> usize {
        let parts = self.path.iter().chain(&self.keys).map(|part| size_of::<String>() + part.len() + 16);
        size_of::<Self>() + self.value_text().len() + parts.sum::<usize>()
    }

    pub fn value_text(&self) -> &str {
        match &self.value {
            SopsValue::Text(text) | SopsValue::Typed(text) => text,
        }
    }

    /// What the encryption of the value is bound to.
    pub fn additional_data(&self) -> String {
        self.keys.iter().flat_map(|key| [key, ":"]).collect()
    }

    /// As the policy file would write it.
    pub fn dotted_path(&self) -> String {
        self.path.join(".")
    }
}

impl SopsDocument {
    /// # Errors
    /// There are more fields than SOPS writes for any number of recipients that people have, or one of them twice, of which
    /// SOPS reads the last one.
    pub fn ensure_sound_metadata(self) -> Result<Self, SyntaxFault> {
        if let Some(field) = self.metadata.get(MAX_METADATA) {
            return Err((field.at, "its metadata has too many fields".to_owned()));
        }
        let mut paths = HashSet::new();
        match self.metadata.iter().find(|field| !paths.insert(&field.path)) {
            Some(field) => Err((field.at, format!("`{}` is in its metadata twice", field.dotted_path()))),
            None => Ok(self),
        }
    }

    /// The first value at a path.
    pub fn find_leaf(&self, path: &[String]) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf.path == path)
    }

    /// A field of the metadata; an empty one is none.
    pub fn metadata_field(&self, path: &[&str]) -> Option<&SopsLeaf> {
        self.metadata.iter().find(|leaf| leaf.path == path).filter(|leaf| !leaf.value_text().is_empty())
    }

    /// All places of a field of the metadata that have the same value as the first.
    pub fn repeated_fields<'a>(&'a self, field: &'a SopsLeaf) -> impl Iterator<Item = &'a SopsLeaf> {
        let all = self.metadata.iter().chain(&self.copies);
        all.filter(|leaf| leaf.path == field.path && leaf.value == field.value)
    }
}
