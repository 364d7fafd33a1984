//! Renders who can decrypt the new key, and what has changed in that since the last rotation.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::data::PullRequestData;
use super::text::push_rest;
use crate::destinations::kind::describe_destination;
use crate::destinations::kind::describe_recipient;
use crate::rotation::recipients::{self, RecipientChange};
use crate::rotation::{DestinationId, StorageKind};

/// The recipients of each destination, with new ones in bold: a changed line in a file could give the key to a stranger.
pub fn recipients_section(data: &PullRequestData<'_>, longest: usize) -> String {
    let mut text = "### Who can read it\n\n".to_owned();
    let changes = data.before.map(|before| recipients::diff_recipients(before, data.recipients));
    match &changes {
        None => {
            let _ = write!(
                text,
                "First rotation: {}. Make sure that you know all who can read it.\n\n",
                describe_first_recipients(data)
            );
        }
        Some(changes) if changes.is_empty() => {
            text.push_str("The recipients have not changed since the last rotation.\n\n");
        }
        Some(_) => text.push_str(
            "**The recipients have changed since the last rotation.** Merge only if you know why.\n\n",
        ),
    }
    let mut unchanged = 0;
    for (place, names) in data.recipients {
        let change = changes.iter().flatten().find(|change| change.place == place);
        unchanged += usize::from(change.is_none());
        // Only what is unchanged is cut: a new recipient must never be hidden by the length of the list
        if change.is_none() && unchanged > longest {
            continue;
        }
        text.push_str(&destination_line(place, names, change, longest));
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

/// What the recipients of a first rotation are: those of the files, where these exist already.
fn describe_first_recipients(data: &PullRequestData<'_>) -> &'static str {
    if data.recipients.values().all(BTreeSet::is_empty) {
        return "the new key is written to these places";
    }
    let mut files = data.places.iter().filter(|place| place.kind == StorageKind::File).peekable();
    if files.peek().is_some() && files.all(|file| file.fingerprint.is_some()) {
        "these are the recipients in the files today"
    } else {
        "the new key is encrypted for these recipients"
    }
}

/// The recipients of one destination. New and removed ones are always shown, the others up to a number.
fn destination_line(
    place: &DestinationId,
    names: &BTreeSet<String>,
    change: Option<&RecipientChange<'_>>,
    longest: usize,
) -> String {
    let (mut shown, mut cut) = (Vec::new(), 0_usize);
    for name in names {
        if change.is_some_and(|change| change.added.contains(&name.as_str())) {
            shown.push(format!("**{} (new)**", describe_recipient(name)));
        } else if shown.len() < longest {
            shown.push(describe_recipient(name));
        } else {
            cut += 1;
        }
    }
    if cut > 0 {
        shown.push(format!("and {cut} more"));
    }
    let mark = if change.is_some_and(|change| change.is_new) { " **(new destination)**" } else { "" };
    let mut text = format!("- {}{mark}", describe_destination(place));
    if names.is_empty() {
        text.push_str(": everyone who may read it there");
    } else {
        let _ = write!(text, ": {}", shown.join(", "));
    }
    let removed =
        change.map(|change| change.removed.iter().map(|name| describe_recipient(name)).collect::<Vec<_>>());
    if let Some(removed) = removed.filter(|removed| !removed.is_empty()) {
        let _ = write!(text, "; **removed: {}**", removed.join(", "));
    }
    text.push('\n');
    text
}
