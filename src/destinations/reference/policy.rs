//! The fields of a `reference` in the policy file.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files that name the access key ID in clear text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Reference")]
pub struct KeyReference {
    /// Globs over the repository's files; `*` does not cross a slash, `**` does.
    #[schemars(length(min = 1))]
    pub files: Vec<String>,
}

impl KeyReference {
    /// What its globs match.
    ///
    /// # Errors
    /// The first glob that is broken.
    pub fn compile_globs(&self) -> Result<GlobSet, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in &self.files {
            set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
        }
        set.build()
    }
}
