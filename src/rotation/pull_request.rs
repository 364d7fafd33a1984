//! Renders the pull requests of a rotation: what changes and why, who can decrypt it, what happens next, how to go back.
//!
//! All text from outside is escaped, so that a title or body never contains its markup, links or mentions. Access key IDs
//! are masked, because a full ID reveals the AWS account.

use std::fmt::Write;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::policy::RotationPolicy;
use crate::rotation::changed_file::ChangedFile;
use crate::rotation::destination_names::code;
pub use crate::rotation::destination_names::describe_destination;
use crate::rotation::{
    DestinationSnapshot, KeyId, ObservedKey, Recipients, RotationParams, StorageKind, recipients,
};
use crate::sanitize::{escape_line, escape_markdown as clean, mask_key_id};

/// A pull request's title and body, its labels and its reviewers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullRequestText {
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
}

impl PullRequestText {
    /// Whether GitHub takes the body. Its bytes are counted: they are at least as many as its characters.
    pub fn fits(&self) -> bool {
        self.body.len() <= MAX_BODY_CHARS
    }
}

/// GitHub's limit for the body of a pull request.
pub const MAX_BODY_CHARS: usize = 65_536;
/// How many items of each list are shown, from the most to the fewest, until the body fits.
const LIST_LENGTHS: [usize; 8] = [usize::MAX, 300, 100, 50, 20, 10, 5, 2];

/// The facts that the texts are made from.
#[derive(Debug, Clone)]
pub struct PullRequestData<'a> {
    pub user: &'a str,
    pub number: u32,
    pub account: &'a str,
    pub old: &'a KeyId,
    /// The old key as it was last observed, if it could be read.
    pub old_key: Option<&'a ObservedKey>,
    pub new: Option<&'a KeyId>,
    pub places: &'a [DestinationSnapshot],
    /// Who can decrypt the new key, and who could the one before: `None` in the first rotation.
    pub recipients: &'a Recipients,
    pub before: Option<&'a Recipients>,
    pub rules: &'a RotationParams,
    /// The old key has leaked.
    pub compromised: bool,
    /// Why the rotation is rolled back.
    pub rollback_reason: Option<&'a str>,
    /// The stores that have taken the new key.
    pub delivered: Vec<&'a str>,
    pub now: Timestamp,
    pub policy: Option<&'a RotationPolicy>,
}

/// The pull request that brings the new key. Long lists are cut so that the body fits; what is new or changed is not.
pub fn render_rotation<'p>(
    data: &PullRequestData<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> PullRequestText {
    let paths: Vec<&String> = paths.collect();
    render_to_fit(|longest| render_rotation_with_lists(data, &paths, longest))
}

/// Renders with shorter and shorter lists until the body fits.
fn render_to_fit(render: impl Fn(usize) -> PullRequestText) -> PullRequestText {
    let mut text = PullRequestText::default();
    for longest in LIST_LENGTHS {
        text = render(longest);
        if text.fits() {
            break;
        }
    }
    text
}

/// The last line of a list that is cut.
fn push_rest(text: &mut String, total: usize, shown: usize, what: &str) {
    if total > shown {
        let _ = writeln!(text, "- and {} more {what}", total - shown);
    }
}

fn render_rotation_with_lists(
    data: &PullRequestData<'_>,
    paths: &[&String],
    longest: usize,
) -> PullRequestText {
    let user = clean(data.user);
    let old = clean(&mask_key_id(data.old));
    let new = data.new.map(|key| clean(&mask_key_id(key))).unwrap_or_default();
    let mut body = if data.compromised {
        format!(
            "**The access key {old} of the IAM user {user} has leaked.** This pull request replaces it with {new}. Merge it \
             soon: the old key stays active, also for anyone who has a copy, until the run after the merge.\n\n"
        )
    } else {
        format!(
            "The access key {old} of the IAM user **{user}** is due for rotation. This pull request replaces it with {new}. \
             Both keys stay active until the old one is no longer used. Nothing breaks if you wait.\n\n"
        )
    };
    body.push_str(&old_key_paragraph(data));
    body.push_str("### What changes\n\n");
    let mut has_clear_text = false;
    for (index, path) in paths.iter().enumerate() {
        let content = ChangedFile::of(path, data.places);
        has_clear_text |= content == ChangedFile::Reference;
        if index < longest {
            let _ = writeln!(body, "- {}: {}", code(path), content.describe());
        }
    }
    push_rest(&mut body, paths.len(), longest, "files");
    let stores: Vec<&DestinationSnapshot> =
        data.places.iter().filter(|frozen| frozen.kind != StorageKind::File).collect();
    for place in stores.iter().take(longest) {
        let _ = writeln!(body, "- {}: updated after the merge", describe_destination(&place.destination));
    }
    push_rest(&mut body, stores.len(), longest, "stores, updated after the merge");
    body.push_str(if has_clear_text {
        "\nThe files marked as clear text contain the new access key ID, which is not a secret. The secret access key is in \
         this pull request only as ciphertext: it was encrypted in memory and is stored nowhere else.\n\n"
    } else {
        "\nThe new credential is in this pull request only as ciphertext: it was encrypted in memory and is stored nowhere \
         else.\n\n"
    });
    body.push_str(&recipients_section(data, longest));
    body.push_str(&next_steps_section(data));
    body.push_str(&timeline_section(data));
    body.push_str(&reviewer_checklist(data));
    let _ = write!(
        body,
        "### How to go back\n\nUntil the old key is deleted: `keytide rollback --user {}{}`, or run the workflow with the \
         command `rollback`. Closing it unmerged deactivates and later deletes the new key.\n",
        data.user.replace('`', ""),
        if data.compromised { " --reactivate-compromised-key" } else { "" }
    );
    PullRequestText { title: rotation_title(data.user), body, ..data.labels_and_reviewers() }
}

/// The account, and the age and the last use of the old key: what stops working when it goes.
fn old_key_paragraph(data: &PullRequestData<'_>) -> String {
    let mut text = format!("Account {}. ", code(data.account));
    let Some(key) = data.old_key else {
        return text + "The age and the last use of the old key are unknown.\n\n";
    };
    let days = data.now.duration_since(key.created).as_hours() / 24;
    let limit = format_duration(data.rules.start_at);
    let _ = write!(text, "The old key is {} old (rotates from {limit})", format_days(days));
    let used = match key.last_used.known() {
        None => "; its last use is unknown.".to_owned(),
        Some(None) => " and was never used.".to_owned(),
        Some(Some(used)) => {
            let at = used.at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y, %H:%M UTC");
            format!(
                " and was last used on {at} for {}. Make sure that what used it reads one of the destinations below.",
                code(&used.service)
            )
        }
    };
    text + &used + "\n\n"
}

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
    let mut body = format!(
        "The rotation of the IAM user **{}** is being rolled back. The old key {} is active again; this pull request \
         restores it in these files:\n\n",
        clean(data.user),
        clean(&mask_key_id(data.old))
    );
    for path in paths.iter().take(longest) {
        let _ = writeln!(body, "- {}", code(path));
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
    let _ = writeln!(text, "- [ ] restart what does not reload its credential after the merge");
    let _ = writeln!(
        text,
        "- [ ] when the rollback has ended (`keytide plan` says `held`): `keytide resume --user {} --reason TEXT`, else nothing \
         rotates this user again",
        data.user.replace('`', "")
    );
    text
}

/// The message of the commit behind a pull request.
pub fn commit_message(text: &PullRequestText) -> String {
    message_below_title(&text.title)
}

/// The message of the commit with the new key of a user. It does not depend on the key.
pub fn rotation_message(user: &str) -> String {
    message_below_title(&rotation_title(user))
}

/// The message of the commit that takes the new key out of a branch.
pub const DISARM_MESSAGE: &str = "Take the new access key out of this branch again\n";

/// Whether a branch's commit is the one with which keytide tries a user's branch before it creates a key.
pub fn is_rehearsal(user: &str, message: &str, is_empty: bool) -> bool {
    is_empty && message.trim_end() == rotation_message(user).trim_end()
}

fn rotation_title(user: &str) -> String {
    escape_line(&format!("Rotate the access key of {user}"))
}

fn message_below_title(title: &str) -> String {
    format!("{title}\n\nMade by keytide; the pull request says what happens next.\n")
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

/// The recipients of each destination, with new ones in bold: a changed line in a file could give the key to a stranger.
fn recipients_section(data: &PullRequestData<'_>, longest: usize) -> String {
    let mut text = "### Who can decrypt it\n\n".to_owned();
    let changes = data.before.map(|before| recipients::diff_recipients(before, data.recipients));
    match &changes {
        None => text.push_str(
            "First rotation: these are the recipients in the files today. Make sure that you know all of them.\n\n",
        ),
        Some(changes) if changes.is_empty() => {
            text.push_str("The recipients have not changed since the last rotation.\n\n");
        }
        Some(_) => {
            text.push_str("**The recipients have changed since the last rotation.** Merge only if you know why.\n\n")
        }
    }
    let mut unchanged = 0;
    for (place, names) in data.recipients {
        let change = changes.iter().flatten().find(|change| change.place == place);
        unchanged += usize::from(change.is_none());
        if change.is_none() && unchanged > longest {
            continue;
        }
        let (mut shown, mut cut) = (Vec::new(), 0_usize);
        for name in names {
            if change.is_some_and(|change| change.added.contains(&name.as_str())) {
                shown.push(format!("**{} (new)**", clean(name)));
            } else if shown.len() < longest {
                shown.push(clean(name));
            } else {
                cut += 1;
            }
        }
        if cut > 0 {
            shown.push(format!("and {cut} more"));
        }
        let mark = if change.is_some_and(|change| change.is_new) { " **(new destination)**" } else { "" };
        let _ = write!(text, "- {}{mark}", describe_destination(place));
        if !names.is_empty() {
            let _ = write!(text, ": {}", shown.join(", "));
        }
        let removed = change.map(|change| change.removed.iter().map(|name| clean(name)).collect::<Vec<_>>());
        if let Some(removed) = removed.filter(|removed| !removed.is_empty()) {
            let _ = write!(text, "; **removed: {}**", removed.join(", "));
        }
        text.push('\n');
    }
    push_rest(&mut text, unchanged, longest, "destinations");
    let _ = write!(
        text,
        "\nAn administrator can pin this list, so that keytide refuses any other: `aws iam tag-user --user-name {} --tags \
         Key=keytide:destinations,Value={}`\n\n",
        data.user.replace('`', ""),
        recipients::approval_digest(data.recipients)
    );
    text
}

fn next_steps_section(data: &PullRequestData<'_>) -> String {
    let rules = data.rules;
    let grace = format_duration(rules.grace);
    let used = if rules.require_use { " and the new key is in use" } else { "" };
    let quiet = format_duration(rules.quiet);
    let soak = format_duration(rules.soak);
    let stores = data.places.iter().any(|frozen| frozen.kind != StorageKind::File);
    let stores =
        if stores { stores_update(data.places) } else { "the next run records the merge".to_owned() };
    let mut text = "### What happens next\n\n| when | what |\n|---|---|\n".to_owned();
    let _ = writeln!(text, "| this is merged | {stores} |");
    let wait = match data.compromised {
        true => "right after that".to_owned(),
        false => format!("{grace} later, once the old key was not used for {quiet}{used}"),
    };
    let _ = writeln!(text, "| {wait} | the old key is deactivated |");
    let _ = writeln!(text, "| {soak} after that, if it was not used | the old key is deleted |");
    text.push('\n');
    text
}

/// Names what the next run updates after the merge.
fn stores_update(places: &[DestinationSnapshot]) -> String {
    let has = |kind| places.iter().any(|place| place.destination.split(' ').next() == Some(kind));
    let services = [
        ("github_secret", "the GitHub secrets"),
        ("secrets_manager", "AWS Secrets Manager"),
        ("ssm_parameter", "AWS Systems Manager"),
    ];
    let updated: Vec<&str> =
        services.iter().filter(|(kind, _)| has(*kind)).map(|(_, service)| *service).collect();
    format!("the next run updates {}", updated.join(" and "))
}

/// The same as a diagram, for a merge today.
fn timeline_section(data: &PullRequestData<'_>) -> String {
    let rules = data.rules;
    let both = if data.compromised { 1 } else { days_up(rules.grace).max(days_up(rules.quiet)).max(1) };
    let soak = days_up(rules.soak).max(1);
    let today = data.now.to_zoned(TimeZone::UTC).date();
    format!(
        "```mermaid\ngantt\n  title merged on {today}\n  dateFormat YYYY-MM-DD\n  axisFormat %m-%d\n  section old key\n  \
         active :both, {today}, {both}d\n  inactive, rollback possible :after both, {soak}d\n  section new key\n  active \
         :{today}, {}d\n```\n\n",
        both + soak
    )
}

/// The whole days of a time, rounded up.
fn days_up(time: SignedDuration) -> i64 {
    (time.as_hours() + 23) / 24
}

fn reviewer_checklist(data: &PullRequestData<'_>) -> String {
    let mut text = "### Before you merge\n\n".to_owned();
    text.push_str("- [ ] the application reads the files and secrets above\n");
    text.push_str("- [ ] the application reloads the credential, or someone will restart it\n");
    if data.rules.validate {
        text.push_str("- [ ] the workflow of `validate` runs on the default branch\n");
    }
    text.push('\n');
    text
}

fn format_duration(time: SignedDuration) -> String {
    match time.as_hours() {
        hours if hours % 24 == 0 => format_days(hours / 24),
        1 => "1 hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}

fn format_days(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}
