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

    /// Whether a glob may match a path below a folder, such as a link or a submodule, whose files are not listed.
    pub fn may_match_below(&self, folder: &str) -> bool {
        self.files.iter().any(|glob| may_match_below(glob, folder))
    }
}

/// Compares the parts of a glob one by one with the names of the folder. A glob that cannot be compared in this way may match.
fn may_match_below(glob: &str, folder: &str) -> bool {
    let mut parts = glob.split('/');
    for name in folder.split('/') {
        // All of its paths are shorter
        let Some(part) = parts.next() else { return false };
        if part == "**" {
            return true;
        }
        match GlobBuilder::new(part).literal_separator(true).build() {
            // A brace, a bracket or a backslash goes on behind the slash
            Err(_) => return true,
            Ok(part) if !part.compile_matcher().is_match(name) => return false,
            Ok(_) => {}
        }
    }
    parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_may_match_below_a_folder_that_its_parts_match() {
        for (glob, folder, expected) in [
            ("deploy/*", "deploy", true),
            ("deploy/*.env", "deploy", true),
            ("deploy/**/*.env", "deploy", true),
            ("deploy/**/*.env", "deploy/a/b", true),
            ("**/*.env", "deploy", true),
            ("**", "deploy/a", true),
            ("deploy/**", "deploy/a", true),
            ("*/b/*.tf", "a/b", true),
            ("d?ploy/[a-c]/x.tf", "deploy/b", true),
            ("{deploy,infra}/*.tf", "infra", true),
            ("deploy/*.tf", "infra", false),
            ("deploy/*.tf", "deploy/a", false),
            ("deploy/*.{tf,env}", "deploy/a", false),
            ("{deploy,infra}/*.tf", "docs", false),
            ("d?ploy/[a-c]/x.tf", "deploy/d", false),
            ("deploy/a/x.tf", "deploy/b", false),
            ("*.tf", "deploy", false),
            ("deploy", "deploy", false),
            ("deploy/**/*.env", "docs", false),
        ] {
            let reference = KeyReference { files: vec!["z.tf".to_owned(), glob.to_owned()] };
            assert_eq!(reference.may_match_below(folder), expected, "{glob} below {folder}");
        }
    }

    /// A part of such a glob means something else alone than in the whole.
    #[test]
    fn a_glob_whose_parts_cannot_be_separated_may_match() {
        for (glob, path) in
            [("{a,b/c}/x.tf", "b/c/x.tf"), ("{a,**/c}/x.tf", "b/c/x.tf"), ("{a/**,c}/x.tf", "a/b/x.tf")]
        {
            let reference = KeyReference { files: vec![glob.to_owned()] };
            assert!(reference.compile_globs().unwrap().is_match(path), "{glob} matches {path}");
            let (folder, _) = path.rsplit_once('/').unwrap();
            assert!(reference.may_match_below(folder), "{glob} below {folder}");
        }
    }
}
