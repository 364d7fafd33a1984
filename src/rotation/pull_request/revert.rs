//! Renders the pull request that brings the old key back.

use std::fmt::Write;

use super::data::PullRequestData;
use super::text::{PullRequestText, push_rest, render_to_fit};
use crate::destinations::kind::describe_destination;
use crate::rotation::StorageKind;
use crate::sanitize::{escape_issue_text as clean, escape_line, markdown_code, mask_key_id};

/// The pull request that brings the old key back.
pub fn render_revert<'p>(
    data: &PullRequestData<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> PullRequestText {
    let paths: Vec<&String> = paths.collect();
    render_to_fit(|longest| render_revert_with_lists(data, &paths, longest))
}

fn render_revert_with_lists(
    data: &PullRequestData<'_>,
    paths: &[&String],
    longest: usize,
) -> PullRequestText {
    let mut body = introduction(data);
    for path in paths.iter().take(longest) {
        let _ = writeln!(body, "- {}", markdown_code(path));
    }
    push_rest(&mut body, paths.len(), longest, "files");
    if let Some(reason) = data.rollback_reason {
        let _ = write!(body, "\n**Why:** {}\n", clean(reason));
    }
    body.push_str(&left_by_hand_section(data, longest));
    body.push_str("\nMerge this soon. The new key is deactivated once no destination holds it.\n");
    PullRequestText {
        title: escape_line(&format!("Roll back the access key of {}", data.user)),
        body,
        ..data.labels_and_reviewers()
    }
}

fn introduction(data: &PullRequestData<'_>) -> String {
    let user = clean(data.user);
    match data.old.map(|key| clean(&mask_key_id(key))) {
        Some(old) => format!(
            "The rotation of the IAM user **{user}** is being rolled back. The old key {old} is active again; this pull \
             request restores it in these files:\n\n"
        ),
        None => format!(
            "The first access key of the IAM user **{user}** is taken back. This pull request restores these files as they \
             were without it:\n\n"
        ),
    }
}

/// What the merge of the revert does not do.
fn left_by_hand_section(data: &PullRequestData<'_>, longest: usize) -> String {
    let mut text = "\n### Left to do by hand\n\n".to_owned();
    if data.compromised {
        text.push_str(
            "- [ ] the old key is marked as compromised, and everyone who has a copy can use it again: rotate it as soon as you can\n",
        );
    }
    let stores: Vec<_> = data.places.iter().filter(|place| place.kind == StorageKind::Store).collect();
    for place in stores.iter().take(longest) {
        let Some(_) = data.old else {
            let _ = writeln!(
                text,
                "- [ ] {} did not exist before: if it holds the new key, delete it",
                describe_destination(&place.destination)
            );
            continue;
        };
        let state = if data.delivered.contains(&&*place.destination) {
            "holds the new key and cannot be read back: write the old key to it"
        } else {
            "cannot be read back: if it holds the new key, write the old key to it"
        };
        let _ = writeln!(
            text,
            "- [ ] {} {state}. AWS shows a secret access key only once: take it from a file above, or from your own copy",
            describe_destination(&place.destination)
        );
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
        "- [ ] when the rollback has ended (`keytide plan` says `held`): `keytide resume --user {} --reason TEXT`, else nothing \
         rotates this user again",
        data.user.replace('`', "")
    );
    text
}
