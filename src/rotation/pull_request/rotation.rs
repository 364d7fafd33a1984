//! Renders the pull request that brings the new key.

use std::fmt::Write;

use super::data::PullRequestData;
use super::messages::{first_key_title, rotation_title};
use super::recipients_section::recipients_section;
use super::schedule::{render_next_steps, timeline_section};
use super::text::{PullRequestText, push_rest, render_to_fit};
use crate::dates::format_moment;
use crate::destinations::kind::{describe_destination, updated_services};
use crate::policy::Destination;
use crate::rotation::changed_file::ChangedFile;
use crate::rotation::{DestinationSnapshot, StorageKind};
use crate::sanitize::{escape_issue_text as clean, markdown_code, mask_account_ids, mask_key_id};
use crate::sentences::{count_noun, describe_wait};

/// The pull request that brings the new key. Long lists are cut so that the body fits; what is new or changed is not.
pub fn render_rotation<'p>(
    data: &PullRequestData<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> PullRequestText {
    let paths: Vec<&String> = paths.collect();
    render_to_fit(|longest| render_rotation_with_lists(data, &paths, longest))
}

fn render_rotation_with_lists(
    data: &PullRequestData<'_>,
    paths: &[&String],
    longest: usize,
) -> PullRequestText {
    let mut body = introduction(data);
    body.push_str(&account_paragraph(data));
    body.push_str(&changes_section(data, paths, longest));
    body.push_str(&recipients_section(data, longest));
    body.push_str(&render_next_steps(data));
    if data.old.is_some() {
        body.push_str(&timeline_section(data));
    }
    body.push_str(&reviewer_checklist(data));
    body.push_str(&way_back_section(data));
    body.push_str(&data.run_line());
    let title = if data.old.is_some() { rotation_title(data.user) } else { first_key_title(data.user) };
    PullRequestText { title, body, ..data.labels_and_reviewers() }
}

/// The comment on a pull request that was opened before it was known that the old key has leaked.
pub fn render_leak_comment(data: &PullRequestData<'_>) -> String {
    let leak =
        leak_paragraph(&clean(data.user), &data.old.map(|key| clean(&mask_key_id(key))).unwrap_or_default());
    format!(
        "{leak} What the description says about waiting no longer holds.\n\nTo go back later: `keytide rollback --user {} \
         --reactivate-compromised-key`.\n",
        data.user.replace('`', "")
    )
}

/// What a leak asks of the reviewers.
fn leak_paragraph(user: &str, old: &str) -> String {
    format!(
        "**The access key {old} of the IAM user {user} has leaked.** This pull request replaces it. Merge it soon: the old key \
         stays active, also for anyone who has a copy, until the run after the merge."
    )
}

fn way_back_section(data: &PullRequestData<'_>) -> String {
    let until = if data.old.is_some() { "Until the old key is deleted" } else { "Until the key is in use" };
    let flag = if data.compromised { " --reactivate-compromised-key" } else { "" };
    let stores: Vec<&str> = ids_of_kind(data.places, StorageKind::Store);
    let by_hand = match stores.is_empty() || data.old.is_none() {
        true => String::new(),
        false => format!(
            " keytide cannot read {} back: after the merge you write the old key there by hand.",
            updated_services(&stores).join(" and ")
        ),
    };
    format!(
        "### How to go back\n\n{until}: `keytide rollback --user {}{flag}`, or run the workflow with the \
         command `rollback`.{by_hand} Closing this pull request unmerged deactivates and later deletes the new key.\n",
        data.user.replace('`', "")
    )
}

fn ids_of_kind(places: &[DestinationSnapshot], kind: StorageKind) -> Vec<&str> {
    places.iter().filter(|place| place.kind == kind).map(|place| &*place.destination).collect()
}

/// What this pull request does, and how urgent it is.
fn introduction(data: &PullRequestData<'_>) -> String {
    let user = clean(data.user);
    let new = data.new.map(|key| clean(&mask_key_id(key))).unwrap_or_default();
    let Some(old) = data.old.map(|key| clean(&mask_key_id(key))) else {
        return format!(
            "The IAM user **{user}** has no access key. This pull request brings its first one, {new}. Nothing can use \
             it before this is merged.\n\n"
        );
    };
    if data.compromised {
        format!("{} The new key is {new}.\n\n", leak_paragraph(&user, &old))
    } else {
        format!(
            "The access key {old} of the IAM user **{user}** is due for rotation. This pull request replaces it with {new}. \
             Both keys stay active until the old one is no longer used. Nothing breaks if you wait.\n\n"
        )
    }
}

/// The files and stores that get the new key.
fn changes_section(data: &PullRequestData<'_>, paths: &[&String], longest: usize) -> String {
    let mut text = "### What changes\n\n".to_owned();
    let mut changed = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let content = ChangedFile::of(path, data.places);
        if index < longest {
            let new = if content.is_new(path, data.places, data.before.is_none()) { " (new)" } else { "" };
            let _ = writeln!(text, "- {}{new}: {}", markdown_code(path), content.describe());
        }
        changed.push(content);
    }
    push_rest(&mut text, paths.len(), longest, "files");
    let stores: Vec<&DestinationSnapshot> =
        data.places.iter().filter(|frozen| frozen.kind != StorageKind::File).collect();
    for place in stores.iter().take(longest) {
        let _ = writeln!(text, "- {}: updated after the merge", describe_destination(&place.destination));
    }
    push_rest(&mut text, stores.len(), longest, "stores, updated after the merge");
    for is_beside_secret in [false, true] {
        text.push_str(&smtp_paragraph(data.places, is_beside_secret, longest));
    }
    text.push_str(&secrecy_paragraph(data.places, &changed));
    text
}

/// Where the journal is.
const JOURNAL: &str = "the journal on `refs/keytide/`";

/// Where the new secret access key is stored before the merge: of files in the pull request and the journal, of stores that
/// show no value in the journal alone, and the others hold it themselves beside the current value.
fn secrecy_paragraph(places: &[DestinationSnapshot], changed: &[ChangedFile]) -> String {
    let stores = ids_of_kind(places, StorageKind::Store);
    let versioned = ids_of_kind(places, StorageKind::Versioned);
    let mut parts = Vec::new();
    let services = updated_services(&stores).join(" and ");
    match (changed.contains(&ChangedFile::Encrypted), stores.is_empty()) {
        (true, true) => parts.push(format!("as ciphertext in the files above and in {JOURNAL}")),
        (true, false) => parts.push(format!(
            "as ciphertext in the files above and in {JOURNAL}, which also holds that for {services}"
        )),
        (false, false) => parts.push(format!("as ciphertext for {services} in {JOURNAL}")),
        (false, true) => {}
    }
    if !versioned.is_empty() {
        parts.push(format!("in {} beside the current value", updated_services(&versioned).join(" and ")));
    }
    let clear_text = if changed.contains(&ChangedFile::Reference) {
        "The files marked as clear text contain the new access key ID, which is not a secret. "
    } else {
        ""
    };
    let places = parts.join(", and ");
    format!(
        "\n{clear_text}Before the merge the new secret access key is stored {places}. It is stored nowhere else.\n\n"
    )
}

/// The destinations that get an SMTP password beside the secret access key, or in its place.
fn smtp_paragraph(places: &[DestinationSnapshot], is_beside_secret: bool, longest: usize) -> String {
    let mut lines = Vec::new();
    for place in places {
        let destination = serde_json::from_value::<Destination>(place.spec.clone()).ok();
        let smtp = destination.as_ref().and_then(Destination::smtp_password);
        let Some(smtp) = smtp.filter(|smtp| smtp.is_beside_secret == is_beside_secret) else { continue };
        lines.push(format!(
            "- {}, for {}",
            describe_destination(&place.destination),
            markdown_code(&smtp.region)
        ));
    }
    if lines.is_empty() {
        return String::new();
    }
    let count = lines.len();
    lines.truncate(longest);
    let place = if is_beside_secret { "Beside" } else { "In place of" };
    let mut text = format!(
        "\n{place} the secret access key these get the SMTP password of Amazon SES:\n\n{}\n",
        lines.join("\n")
    );
    push_rest(&mut text, count, longest, "destinations");
    text
}

/// The account, and what is known of the key before.
fn account_paragraph(data: &PullRequestData<'_>) -> String {
    if data.old.is_some() {
        return old_key_paragraph(data);
    }
    let mut text = format!("Account {}.", markdown_code(&mask_account_ids(data.account)));
    let filled = data.places.iter().filter(|frozen| frozen.fingerprint.is_some());
    let places: Vec<_> = filled.map(|frozen| describe_destination(&frozen.destination)).collect();
    if !places.is_empty() {
        let _ = write!(
            text,
            " **What stands today in {} is replaced:** make sure that no one needs it.",
            places.join(", ")
        );
    }
    text + "\n\n"
}

/// The account, and the age and the last use of the old key: what stops working when it goes.
fn old_key_paragraph(data: &PullRequestData<'_>) -> String {
    let mut text = format!("Account {}. ", markdown_code(&mask_account_ids(data.account)));
    let Some(key) = data.old_key else {
        return text + "The age and the last use of the old key are unknown.\n\n";
    };
    let days = data.now.duration_since(key.created).as_hours() / 24;
    let start = describe_wait(data.rules.start_at);
    let limit = data.max_age.map(|max| format!(", limit {}", describe_wait(max))).unwrap_or_default();
    let _ = write!(text, "The old key is {} old (rotates from {start}{limit})", count_noun(days, "day"));
    let used = match key.last_used.known() {
        None => "; its last use is unknown.".to_owned(),
        Some(None) => " and was never used.".to_owned(),
        Some(Some(used)) => {
            let at = format_moment(used.at);
            format!(
                " and was last used on {at} for {}. Make sure that what used it reads one of the destinations below.",
                markdown_code(&used.service)
            )
        }
    };
    text + &used + "\n\n"
}

fn reviewer_checklist(data: &PullRequestData<'_>) -> String {
    let mut text = "### Before you merge\n\n".to_owned();
    text.push_str("- [ ] the application reads the files and secrets above\n");
    if data.rules.redeploy {
        text.push_str(
            "- [ ] the workflow of `redeploy` deploys what reads the credential, from the default branch\n",
        );
    } else if data.old.is_some() {
        text.push_str("- [ ] the application reloads the credential, or someone will restart it\n");
    }
    if data.rules.validate {
        text.push_str("- [ ] the workflow of `validate` runs on the default branch\n");
    }
    text.push('\n');
    text
}
