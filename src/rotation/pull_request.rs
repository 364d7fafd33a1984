//! What a pull request says: what changes, why, what happens next and when, how to go back.
//!
//! Whatever comes from outside is cleaned, so that nothing in a title or a body is taken for more than text. Access key
//! IDs are masked: they tell the account.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::policy::RotationPolicy;
use crate::rotation::{DestinationSnapshot, KeyId, Recipients, RotationParams, StorageKind, recipients};
use crate::sanitize::{escape_line, escape_markdown as clean, mask_key_id};

/// What a pull request says, and who is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullRequestText {
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
}

/// What the texts speak of.
#[derive(Debug, Clone)]
pub struct PullRequestData<'a> {
    pub user: &'a str,
    pub number: u32,
    pub old: &'a KeyId,
    pub new: Option<&'a KeyId>,
    pub places: &'a [DestinationSnapshot],
    /// Who can decrypt the new key, and who could the one before: `None` in the first rotation.
    pub recipients: &'a Recipients,
    pub before: Option<&'a Recipients>,
    pub rules: &'a RotationParams,
    /// The old key is known to others.
    pub compromised: bool,
    pub today: Date,
    pub policy: Option<&'a RotationPolicy>,
}

/// The pull request that brings the new key.
pub fn render_rotation<'p>(
    words: &PullRequestData<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> PullRequestText {
    let user = clean(words.user);
    let old = clean(&mask_key_id(words.old));
    let new = words.new.map(|key| clean(&mask_key_id(key))).unwrap_or_default();
    let mut body = if words.compromised {
        format!(
            "**The access key {old} of the IAM user {user} is known to others**: {new} replaces it. The old one works, for \
             them too, until this is merged: merge it soon.\n\n"
        )
    } else {
        format!(
            "The access key of the IAM user **{user}** is due: {old} is replaced by {new}. Both keys work until this is \
             merged and the old one is no longer used; nothing breaks while this waits.\n\n"
        )
    };
    body.push_str("### What changes\n\n");
    for path in paths {
        let _ = writeln!(body, "- {}: {}", clean(path), what_of(path));
    }
    for place in words.places.iter().filter(|frozen| frozen.kind != StorageKind::File) {
        let _ = writeln!(body, "- {}: written after the merge", clean(&place.destination));
    }
    body.push_str(
        "\nOnly ciphertext is in here: the secret was encrypted in memory and is kept nowhere else.\n\n",
    );
    body.push_str(&recipients_section(words));
    body.push_str(&next_steps_section(words));
    body.push_str(&timeline_section(words));
    body.push_str(&reviewer_checklist(words));
    let _ = write!(
        body,
        "### How to go back\n\nUntil the old key is deleted: `keytide rollback --user {}`, or run the workflow with the \
         command `rollback`. Closing this pull request without a merge takes the new key out of use again.\n",
        words.user.replace('`', "")
    );
    PullRequestText {
        title: escape_line(&format!("Rotate the access key of {}", words.user)),
        body,
        ..words.labels_and_reviewers()
    }
}

/// The pull request that brings the old key back.
pub fn render_revert<'p>(
    words: &PullRequestData<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> PullRequestText {
    let mut body = format!(
        "The rotation of the IAM user **{}** is rolled back: {} is active again, and these files get it back.\n\n",
        clean(words.user),
        clean(&mask_key_id(words.old))
    );
    for path in paths {
        let _ = writeln!(body, "- {}", clean(path));
    }
    body.push_str("\nMerge this soon: once nothing names the new key, it is taken out of use.\n");
    PullRequestText {
        title: escape_line(&format!("Roll back the access key of {}", words.user)),
        body,
        ..words.labels_and_reviewers()
    }
}

/// The message of the commit behind a pull request.
pub fn commit_message(text: &PullRequestText) -> String {
    format!("{}\n\nMade by keytide; the pull request says what happens next.\n", text.title)
}

impl PullRequestData<'_> {
    /// Labels and reviewers; title and body are still to come.
    fn labels_and_reviewers(&self) -> PullRequestText {
        let policy = self.policy;
        PullRequestText {
            labels: policy.map(|policy| policy.labels.clone()).unwrap_or_default(),
            reviewers: policy.map(|policy| policy.reviewers.clone()).unwrap_or_default(),
            ..PullRequestText::default()
        }
    }
}

fn what_of(path: &str) -> &'static str {
    if crate::repository::escaped_user_from_path(path).is_some() {
        "the index that `keytide check` compares the files with"
    } else {
        "the credential, encrypted"
    }
}

/// Who can decrypt it, with what is new in bold: a changed line of a file would else send the key to somebody else.
fn recipients_section(words: &PullRequestData<'_>) -> String {
    let mut text = "### Who can decrypt it\n\n".to_owned();
    let changes = words.before.map(|before| recipients::diff_recipients(before, words.recipients));
    match &changes {
        None => text.push_str(
            "There is no rotation before this one to compare with: make sure that you know all of them.\n\n",
        ),
        Some(changes) if changes.is_empty() => {
            text.push_str("Nothing has changed since the last rotation.\n\n");
        }
        Some(_) => {
            text.push_str("**This is not who could decrypt the last key.** Merge only if you know why.\n\n")
        }
    }
    for (place, names) in words.recipients {
        let change = changes.iter().flatten().find(|change| change.place == place);
        let is_new = |name: &&String| change.is_some_and(|change| change.added.contains(&name.as_str()));
        let bold = |name: &String| match is_new(&name) {
            true => format!("**{} (new)**", clean(name)),
            false => clean(name),
        };
        let mark = if change.is_some_and(|change| change.is_new) { " **(a new destination)**" } else { "" };
        let _ = write!(text, "- {}{mark}", clean(place));
        if !names.is_empty() {
            let _ = write!(text, ": {}", names.iter().map(bold).collect::<Vec<_>>().join(", "));
        }
        let removed = change.map(|change| change.removed.iter().map(|name| clean(name)).collect::<Vec<_>>());
        if let Some(removed) = removed.filter(|removed| !removed.is_empty()) {
            let _ = write!(text, "; **no longer: {}**", removed.join(", "));
        }
        text.push('\n');
    }
    let _ = write!(
        text,
        "\nAn administrator can pin this list, so that no other is ever used: `aws iam tag-user --user-name {} --tags \
         Key=keytide:destinations,Value={}`\n\n",
        words.user.replace('`', ""),
        recipients::approval_digest(words.recipients)
    );
    text
}

fn next_steps_section(words: &PullRequestData<'_>) -> String {
    let rules = words.rules;
    let grace = format_duration(rules.grace);
    let used = if rules.require_use { " and the new key has been seen in use" } else { "" };
    let quiet = format_duration(rules.quiet);
    let soak = format_duration(rules.soak);
    let stores = words.places.iter().any(|frozen| frozen.kind != StorageKind::File);
    let stores = if stores { "the next run writes the stores" } else { "the next run notes it" };
    let mut text = "### What happens next\n\n| when | what |\n|---|---|\n".to_owned();
    let _ = writeln!(text, "| this is merged | {stores} |");
    let wait = match words.compromised {
        true => "that is done".to_owned(),
        false => format!("{grace} later, if nobody has used the old key for {quiet}{used}"),
    };
    let _ = writeln!(text, "| {wait} | the old key is deactivated |");
    let _ = writeln!(text, "| {soak} after that, if nothing missed it | the old key is deleted |");
    text.push('\n');
    text
}

/// The same as a picture, for a merge today.
fn timeline_section(words: &PullRequestData<'_>) -> String {
    let days = |time: SignedDuration| (time.as_hours() + 23) / 24;
    let rules = words.rules;
    let both = if words.compromised { 1 } else { days(rules.grace).max(days(rules.quiet)).max(1) };
    let soak = days(rules.soak).max(1);
    let today = words.today;
    format!(
        "```mermaid\ngantt\n  title merged on {today}\n  dateFormat YYYY-MM-DD\n  axisFormat %m-%d\n  section old key\n  \
         active :both, {today}, {both}d\n  inactive, can be brought back :after both, {soak}d\n  section new key\n  active \
         :{today}, {}d\n```\n\n",
        both + soak
    )
}

fn reviewer_checklist(words: &PullRequestData<'_>) -> String {
    let mut text = "### Before you merge\n\n".to_owned();
    text.push_str("- [ ] the files above are the ones that the application reads\n");
    text.push_str("- [ ] the application takes a changed credential without help, or somebody restarts it\n");
    if words.rules.validate {
        text.push_str("- [ ] the workflow of `validate` runs on the default branch\n");
    }
    text.push('\n');
    text
}

fn format_duration(time: SignedDuration) -> String {
    match time.as_hours() {
        hours if hours % 24 == 0 => match hours / 24 {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
        hours => format!("{hours} hours"),
    }
}
