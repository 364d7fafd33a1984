//! What to do about a key in a file: in a commit of the past, in a file that has no comments, or in the files of the next
//! commit, which the advice names.

use std::collections::BTreeSet;

use super::RuleInput;
use crate::repository::{ScannedFile, has_comments};

/// So many files are named in a command.
const NAMED_FILES: usize = 3;

/// What to do about a secret access key, which is `owner`'s if that is known. `unstage` takes it out of the next commit.
pub fn advise_on_secret(
    input: &RuleInput<'_>,
    file: &ScannedFile,
    owner: Option<&str>,
    unstage: &str,
) -> String {
    let replace = replace_leaked_key(input, owner);
    if file.commit.is_some() {
        return format!(
            "It is in that commit, and a later commit does not take it back: {replace}. If this is a false positive, add an \
             exemption of `plaintext-key` with `user: \"*\"` to the policy file."
        );
    }
    format!(
        "Before a commit: take it out ({unstage}; then edit). If it was ever pushed: {replace}. If this is a false positive, {}.",
        accept_finding("plaintext-key", &file.file)
    )
}

/// How a key that others may have is replaced: by keytide, where it rotates the owner's.
fn replace_leaked_key(input: &RuleInput<'_>, owner: Option<&str>) -> String {
    let entry = owner.and_then(|user| input.policy.find_user_policy(user, None));
    match entry.filter(|entry| entry.rotation.is_some()).and(owner) {
        Some(user) => format!("replace the key by `keytide rotate --user {user} --compromised`"),
        None => "replace the key and deactivate it (`keytide explain leaked-key`)".to_owned(),
    }
}

/// What to do about an access key ID.
pub fn advise_on_key_id(file: &ScannedFile) -> String {
    if file.commit.is_some() {
        return "It is in that commit, and a later commit does not take it back. If its secret is in the history too, replace \
                the key; else add an exemption of `exposed-key-id` with `user: \"*\"` to the policy file."
            .to_owned();
    }
    format!(
        "Remove it, or list the file under a `reference` destination so that rotations update it. If this is a false positive, {}.",
        accept_finding("exposed-key-id", &file.file)
    )
}

/// The commands that take the files with a secret out of the next commit.
pub fn unstage_command(input: &RuleInput<'_>) -> String {
    let mut names = BTreeSet::new();
    for file in input.files.into_iter().flat_map(|files| &files.found).filter(|file| file.commit.is_none()) {
        if file.matches.iter().any(|found| found.material.is_secret()) {
            names.insert(file.file.as_str());
        }
    }
    unstage_files(&names)
}

/// `git restore` knows nothing to restore before the first commit.
fn unstage_files(files: &BTreeSet<&str>) -> String {
    let quoted: Option<Vec<String>> = files.iter().map(|file| quote_for_shell(file)).collect();
    let names =
        quoted.filter(|names| names.len() <= NAMED_FILES).map_or("FILE".to_owned(), |names| names.join(" "));
    format!("`git restore --staged {names}`, before the first commit `git rm --cached {names}`")
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
fn accept_finding(rule: &str, file: &str) -> String {
    if has_comments(file) {
        return format!("add `keytide: allow {rule} -- REASON` in a comment on the line");
    }
    format!(
        "name the file under `exemptions` of the policy file, because JSON has no comments: `rule: {rule}`, `user: \"*\"`, `files:`, `reason:`, `until:`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_name_the_files_as_a_shell_takes_them() {
        let names = "'a b.env' deploy/x.env";
        assert_eq!(
            unstage_files(&BTreeSet::from(["a b.env", "deploy/x.env"])),
            format!("`git restore --staged {names}`, before the first commit `git rm --cached {names}`")
        );
        for names in [&["it's"][..], &["-r"], &["a`b"], &["a\nb"], &["1", "2", "3", "4"]] {
            let command = unstage_files(&names.iter().copied().collect());
            assert!(command.starts_with("`git restore --staged FILE`, "), "{names:?}: {command}");
        }
    }
}
