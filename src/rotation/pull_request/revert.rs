//! Renders the pull request that brings the old key back.

use std::fmt::Write;

use super::data::PullRequestData;
use super::schedule::render_rollback_steps;
use super::text::{PullRequestText, push_rest, render_to_fit};
use crate::destinations::kind::describe_destination;
use crate::destinations::wording::name_destinations;
use crate::rotation::changed_file::ChangedFile;
use crate::rotation::{DestinationSnapshot, StorageKind};
use crate::sanitize::{escape_issue_text as clean, escape_line, markdown_code, mask_key_id, mask_key_ids};

/// A file that the pull request changes.
#[derive(Debug, Clone, Copy)]
pub struct RevertedFile<'a> {
    pub path: &'a str,
    /// The rotation has created the file, so it is deleted.
    pub is_removed: bool,
}

/// The pull request that brings the old key back.
pub fn render_revert<'p>(
    data: &PullRequestData<'_>,
    files: impl Iterator<Item = RevertedFile<'p>>,
) -> PullRequestText {
    let files: Vec<RevertedFile<'_>> = files.collect();
    render_to_fit(|longest| render_revert_with_lists(data, &files, longest))
}

fn render_revert_with_lists(
    data: &PullRequestData<'_>,
    files: &[RevertedFile<'_>],
    longest: usize,
) -> PullRequestText {
    let mut body = introduction(data);
    if !data.new_is_active {
        body = format!(
            "**Merge this now.** The new key was deleted or deactivated: what reads the files below fails until this is merged.\n\n{body}"
        );
    }
    for file in files.iter().take(longest) {
        let what = if file.is_removed { "removed (did not exist before)" } else { "restored" };
        let _ = writeln!(body, "- {}: {what}", markdown_code(file.path));
    }
    push_rest(&mut body, files.len(), longest, "files");
    body.push_str(&restored_stores(data, longest));
    if let Some(reason) = data.rollback_reason {
        let places = data.places.iter().map(|place| &*place.destination);
        let _ = write!(body, "\n**Why:** {}\n", clean(&name_destinations(reason, places)));
    }
    if data.new_is_active {
        body.push_str("\nMerge this soon: until then files hold the new key, and what reads them uses it.\n");
        body.push_str(&render_rollback_steps(data));
    }
    body.push_str(&left_by_hand_section(data, files, longest));
    body.push_str(&data.run_line());
    PullRequestText {
        title: escape_line(&format!("Roll back the access key of {}", data.user)),
        body,
        ..data.labels_and_reviewers()
    }
}

fn introduction(data: &PullRequestData<'_>) -> String {
    let user = clean(data.user);
    let new = data.new.map(|key| format!(" {}", clean(&mask_key_id(key)))).unwrap_or_default();
    match data.old.map(|key| clean(&mask_key_id(key))) {
        Some(old) => format!(
            "The rotation of the IAM user **{user}** is being rolled back. The old key {old} is active; this pull request \
             takes the new key{new} out of these files:\n\n"
        ),
        None => format!(
            "The first access key of the IAM user **{user}** is taken back. This pull request takes it out of these \
             files:\n\n"
        ),
    }
}

/// The stores that keytide restores itself, which no file of the pull request shows.
fn restored_stores(data: &PullRequestData<'_>, longest: usize) -> String {
    let versioned = data.places.iter().filter(|place| place.kind == StorageKind::Versioned);
    let stores: Vec<_> = versioned.filter(|place| data.delivered.contains(&&*place.destination)).collect();
    let mut text = String::new();
    if !stores.is_empty() {
        text.push_str(
            "\nThe first run after the merge restores these, which hold the new key until then:\n\n",
        );
    }
    for place in stores.iter().take(longest) {
        let _ = writeln!(text, "- {}", describe_destination(&place.destination));
    }
    push_rest(&mut text, stores.len(), longest, "stores");
    text
}

/// What the merge of the revert does not do.
fn left_by_hand_section(data: &PullRequestData<'_>, files: &[RevertedFile<'_>], longest: usize) -> String {
    let mut text = "\n### Left to do by hand\n\n".to_owned();
    if data.compromised {
        text.push_str(
            "- [ ] the old key is marked as compromised, and everyone who has a copy can use it again: rotate it as soon as you can\n",
        );
    }
    let stores: Vec<_> = data.places.iter().filter(|place| place.kind == StorageKind::Store).collect();
    for place in stores.iter().take(longest) {
        let _ = writeln!(text, "- [ ] {}", restore_store(data, place, files));
    }
    push_rest(&mut text, stores.len(), longest, "stores");
    let restart = if data.rules.redeploy {
        "restart what neither reloads its credential after the merge nor is deployed by the workflow of `redeploy`, which is \
         started then"
    } else {
        "restart what does not reload its credential after the merge"
    };
    let _ = writeln!(text, "- [ ] {restart}");
    let _ = writeln!(
        text,
        "- [ ] do what `keytide plan --user {0}` lists, step by step. The last step is `keytide resume --user {0} --reason TEXT`: \
         until then nothing rotates this user",
        data.user.replace('`', "")
    );
    text
}

/// What to do about a store that shows no values.
fn restore_store(
    data: &PullRequestData<'_>,
    place: &DestinationSnapshot,
    files: &[RevertedFile<'_>],
) -> String {
    let id = &*place.destination;
    if data.old.is_none() {
        return format!(
            "{} did not exist before: if it holds the new key, delete it",
            describe_destination(id)
        );
    }
    let is_delivered = data.delivered.contains(&id);
    let state = if is_delivered {
        format!("the new key is in {}, which cannot be read back", describe_destination(id))
    } else {
        format!("{} cannot be read back. If the new key is there", describe_destination(id))
    };
    let write = if is_delivered { ": write the old key there" } else { ", write the old key there" };
    format!(
        "{state}{write}. AWS shows a secret access key only once: {}",
        find_old_secret(data, files, is_delivered)
    )
}

/// Where a person finds the old secret access key, and the way out without it.
fn find_old_secret(data: &PullRequestData<'_>, files: &[RevertedFile<'_>], is_delivered: bool) -> String {
    let mut kept = files
        .iter()
        .filter(|file| !file.is_removed && ChangedFile::of(file.path, data.places) == ChangedFile::Encrypted);
    if let Some(file) = kept.next() {
        return format!(
            "after the merge decrypt {}, or take it from your own copy",
            markdown_code(file.path)
        );
    }
    let mut text = "no file of this repository holds it, so take it from your own copy".to_owned();
    if let Some(old) = data.old.filter(|_| is_delivered) {
        let user = data.user.replace('`', "");
        let delete = format!("`aws iam delete-access-key --user-name {user} --access-key-id {old}`");
        let _ = write!(
            text,
            ". Without a copy keep the new key: close this pull request, delete the old key with {}, then `keytide \
             resume --user {user} --reason TEXT`, which ends the rotation",
            mask_key_ids(&delete)
        );
    }
    text
}
