//! The one YAML (and JSON) reader of keytide: it parses text into a tree in which every node knows its position, its
//! byte range and its style. The grammar is `granit-parser`'s.
//!
//! | who reads | what | [`ReadMode`] |
//! |---|---|---|
//! | `policy` | the policy file and its base files; [`strict`] then rejects duplicate keys, aliases, tags and control characters | `Policy` |
//! | `repository`, and the inspection and suggestion of destinations | workflows and manifests, of which only the syntax can be wrong | `Inspect` |
//! | the encryption of destinations | files of which one or two scalars are replaced and all other bytes stay ([`edit`]) | `Edit` |

pub mod edit;
mod reader;
pub mod strict;
mod tree;

pub use reader::{MAX_DEPTH, ReadMode, SyntaxError, parse_documents, parse_editable, read_file};
#[cfg(test)]
pub use tree::NAMES_READ;
pub use tree::{NodeKind, ScalarStyle, YamlField, YamlFile, YamlNode};
