//! Fits the advice about keys in files to where they were found: in a commit of the past, in a file that has no comments, or
//! in the files of the next commit, which it names.

use std::collections::BTreeSet;

use crate::repository::ScannedFile;
use crate::rules::Finding;

const PLAINTEXT_KEY: &str = "plaintext-key";
const EXPOSED_KEY_ID: &str = "exposed-key-id";
/// So many files are named in a command.
const NAMED_FILES: usize = 3;

/// Replaces the advice of the rules about keys in files. `has_commits` is asked only where it is needed; `None`: unknown.
pub fn fit_key_help(
    findings: &mut [Finding],
    found: &[ScannedFile],
    has_commits: impl FnOnce() -> Option<bool>,
) {
    let mut past: BTreeSet<(&str, String)> = BTreeSet::new();
    for file in found.iter().filter(|file| file.commit.is_some()) {
        past.insert((&file.file, file.history_suffix()));
    }
    let is_past = |finding: &Finding| {
        let of_file = past.iter().filter(|(file, _)| *file == finding.location.file);
        of_file.into_iter().any(|(_, suffix)| finding.message.ends_with(suffix.as_str()))
    };
    let mut present = BTreeSet::new();
    for finding in findings.iter().filter(|finding| finding.rule == PLAINTEXT_KEY && !is_past(finding)) {
        present.insert(finding.location.file.clone());
    }
    let command = if present.is_empty() { String::new() } else { unstage_command(&present, has_commits()) };
    for finding in findings.iter_mut() {
        let text = match (finding.rule, is_past(finding)) {
            (PLAINTEXT_KEY, true) => {
                "It is in that commit, and a later commit does not take it back: deactivate and replace the key. If this is a \
                 false positive, add an exemption of `plaintext-key` with `user: \"*\"` to the policy file."
                    .to_owned()
            }
            (EXPOSED_KEY_ID, true) => {
                "It is in that commit, and a later commit does not take it back. If its secret is in the history too, replace \
                 the key; else add an exemption of `exposed-key-id` with `user: \"*\"` to the policy file."
                    .to_owned()
            }
            (PLAINTEXT_KEY, false) => format!(
                "Before a commit: take it out ({command}, then edit). If it was ever pushed: deactivate and replace the key. If \
                 this is a false positive, {}.",
                accept(finding)
            ),
            (EXPOSED_KEY_ID, false) if !has_comments(&finding.location.file) => format!(
                "Remove it, or list the file under a `reference` destination so that rotations update it. If this is a false \
                 positive, {}.",
                accept(finding)
            ),
            _ => continue,
        };
        finding.set_help(text);
    }
}

/// The command that takes files out of the next commit. `git restore` knows nothing to restore before the first one.
fn unstage_command(files: &BTreeSet<String>, has_commits: Option<bool>) -> String {
    let quoted: Option<Vec<String>> = files.iter().map(|file| quote_for_shell(file)).collect();
    let names =
        quoted.filter(|names| names.len() <= NAMED_FILES).map_or("FILE".to_owned(), |names| names.join(" "));
    let (restore, remove) = (format!("`git restore --staged {names}`"), format!("`git rm --cached {names}`"));
    match has_commits {
        Some(true) => restore,
        Some(false) => remove,
        None => format!("{restore}, or before the first commit {remove}"),
    }
}

/// A path as a shell takes it; `None` if it has characters that cannot be shown in a command.
fn quote_for_shell(path: &str) -> Option<String> {
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+@%=:,".contains(c)) && !path.starts_with('-') {
        return Some(path.to_owned());
    }
    let is_shown = path.chars().all(|c| !c.is_control() && !"'`\\".contains(c)) && !path.starts_with('-');
    is_shown.then(|| format!("'{path}'"))
}

/// How a false positive is accepted.
fn accept(finding: &Finding) -> String {
    let rule = finding.rule;
    if has_comments(&finding.location.file) {
        return format!("add `keytide: allow {rule} -- REASON` in a comment on the line");
    }
    format!(
        "name the file in an exemption of `{rule}` (`user: \"*\"`, `files:`), because JSON has no comments"
    )
}

/// Whether a file of this name can have a comment: JSON has none.
fn has_comments(file: &str) -> bool {
    !file.to_ascii_lowercase().ends_with(".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_files_as_a_shell_takes_them() {
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let command = unstage_command(&files(&["a b.env", "deploy/x.env"]), Some(true));
        assert_eq!(command, "`git restore --staged 'a b.env' deploy/x.env`");
        assert_eq!(unstage_command(&files(&["x"]), Some(false)), "`git rm --cached x`");
        assert_eq!(
            unstage_command(&files(&["x"]), None),
            "`git restore --staged x`, or before the first commit `git rm --cached x`"
        );
        for names in [&["it's"][..], &["-r"], &["a`b"], &["a\nb"], &["1", "2", "3", "4"]] {
            assert_eq!(unstage_command(&files(names), Some(false)), "`git rm --cached FILE`", "{names:?}");
        }
    }
}
