//! Decides whether GitHub's rules about files refuse a commit: the paths, names and sizes that a push may not have.
//!
//! A rehearsal of a branch changes no file, so these rules are compared with what a rotation is going to write.

use std::collections::BTreeMap;

use globset::GlobBuilder;
use serde_json::Value;

use super::api::{list_at, unexpected_reply};
use crate::ports::BackendResult;

/// GitHub's megabyte, by the smaller of the two meanings of the word.
const MEGABYTE: u64 = 1_000_000;
/// A journal keeps the files in a folder of this name, so its paths are longer.
const JOURNAL_FOLDER: &str = "files/";

/// What a rule says against files, by their paths and sizes; `None` when it lets them pass, or is about something else.
///
/// # Errors
/// The rule has no parameters, so what it refuses is not known.
pub fn find_refused_file(rule: &Value, files: &BTreeMap<String, usize>) -> BackendResult<Option<String>> {
    let refused = match rule["type"].as_str() {
        Some("file_path_restriction") => {
            let patterns = texts_at(rule, "/parameters/restricted_file_paths")?;
            find_match(files, &patterns, is_in_path)
        }
        Some("file_extension_restriction") => {
            let extensions = texts_at(rule, "/parameters/restricted_file_extensions")?;
            find_match(files, &extensions, has_extension)
        }
        Some("max_file_path_length") => {
            let limit = number_at(rule, "/parameters/max_file_path_length")?;
            let mut paths = files.keys();
            paths.find(|path| path_length(path) > limit).map(|path| (path, format!("{limit} characters")))
        }
        Some("max_file_size") => {
            let limit = number_at(rule, "/parameters/max_file_size")?;
            let bytes = limit.saturating_mul(MEGABYTE);
            let large = files.iter().find(|(_, size)| **size as u64 > bytes);
            large.map(|(path, _)| (path, format!("{limit} MB")))
        }
        _ => None,
    };
    let kind = rule["type"].as_str().unwrap_or_default();
    Ok(refused.map(|(path, limit)| format!("refuses changes of the file `{path}` ({kind}: {limit})")))
}

/// The characters of the longest path at which a file is kept, that of the journal.
fn path_length(path: &str) -> u64 {
    (JOURNAL_FOLDER.len() + path.chars().count()) as u64
}

/// The first file that a pattern matches, with the pattern.
fn find_match<'f>(
    files: &'f BTreeMap<String, usize>,
    patterns: &[&str],
    is_match: fn(&str, &str) -> bool,
) -> Option<(&'f String, String)> {
    for path in files.keys() {
        if let Some(pattern) = patterns.iter().find(|pattern| is_match(path, pattern)) {
            return Some((path, format!("`{pattern}`")));
        }
    }
    None
}

/// Whether a pattern names a path or a folder above it: `fnmatch` of Ruby, where `*` ends at a slash and `**/` is any
/// number of folders. Whether a `*` includes names with a leading dot is not documented; here it does, since a refusal
/// before a key is made costs least. A broken pattern matches nothing, as in Ruby.
fn is_in_path(path: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_start_matches('/').trim_end_matches('/');
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let Ok(matcher) = glob.map(|glob| glob.compile_matcher()) else { return false };
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    folders.chain([path]).any(|part| matcher.is_match(part))
}

/// `jar`, `.jar` and `*.jar` are one extension; upper and lower case too, as a refusal before a key is made costs least.
fn has_extension(path: &str, extension: &str) -> bool {
    let extension = extension.trim_start_matches('*').trim_start_matches('.').to_lowercase();
    path.to_lowercase().ends_with(&format!(".{extension}"))
}

fn texts_at<'r>(rule: &'r Value, pointer: &str) -> BackendResult<Vec<&'r str>> {
    Ok(list_at(rule, pointer)?.iter().filter_map(Value::as_str).collect())
}

fn number_at(rule: &Value, pointer: &str) -> BackendResult<u64> {
    rule.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| unexpected_reply(&format!("`{pointer}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(kind: &str, parameters: Value) -> Option<String> {
        let files = BTreeMap::from([
            ("deploy/prod/aws.enc.yaml".to_owned(), 2_000_001),
            (".github/keytide/ci.lock.json".to_owned(), 500),
        ]);
        find_refused_file(&json!({"type": kind, "parameters": parameters}), &files).unwrap()
    }

    #[test]
    fn a_path_is_refused_by_its_pattern_or_that_of_its_folder() {
        for (pattern, is_refused) in [
            ("deploy/prod/aws.enc.yaml", true),
            ("/deploy/**/*", true),
            ("deploy/**/*.yaml", true),
            ("**/*.lock.json", true),
            ("deploy", true),
            ("deploy/", true),
            (".github/**/*", true),
            ("deploy/*.yaml", false),
            ("*.yaml", false),
            ("aws.enc.yaml", false),
            ("prod", false),
            ("deploy/[", false),
            ("Deploy", false),
        ] {
            let found = refused("file_path_restriction", json!({"restricted_file_paths": ["x", pattern]}));
            assert_eq!(found.is_some(), is_refused, "{pattern}: {found:?}");
            assert!(found.is_none_or(|words| words.contains(&format!("`{pattern}`"))), "{pattern}");
        }
    }

    #[test]
    fn an_extension_a_length_and_a_size_refuse() {
        for (extension, is_refused) in [
            ("yaml", true),
            (".json", true),
            ("*.YAML", true),
            ("enc.yaml", true),
            ("aml", false),
            ("jar", false),
        ] {
            let parameters = json!({"restricted_file_extensions": [extension]});
            assert_eq!(
                refused("file_extension_restriction", parameters).is_some(),
                is_refused,
                "{extension}"
            );
        }
        // The longest path has 28 characters, and 34 in the journal
        for (limit, is_refused) in [(33, true), (34, false)] {
            let parameters = json!({"max_file_path_length": limit});
            assert_eq!(refused("max_file_path_length", parameters).is_some(), is_refused, "{limit}");
        }
        assert!(
            refused("max_file_size", json!({"max_file_size": 2})).unwrap().contains("max_file_size: 2 MB")
        );
        assert_eq!(refused("max_file_size", json!({"max_file_size": 3})), None);
        assert_eq!(refused("creation", Value::Null), None);
    }

    #[test]
    fn a_rule_without_parameters_is_not_known() {
        for kind in
            ["file_path_restriction", "file_extension_restriction", "max_file_path_length", "max_file_size"]
        {
            assert!(find_refused_file(&json!({"type": kind}), &BTreeMap::new()).is_err(), "{kind}");
        }
    }
}
