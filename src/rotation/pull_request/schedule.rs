//! Renders what happens after the merge of a rotation's pull request, and when.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::data::PullRequestData;
use crate::dates::format_day;
use crate::destinations::kind::updated_services;
use crate::rotation::{DestinationSnapshot, StorageKind};
use crate::sentences::describe_wait;

/// The table of what happens when, under the names of the things it waits for.
pub fn render_next_steps(data: &PullRequestData<'_>) -> String {
    let rules = data.rules;
    let grace = describe_wait(rules.grace);
    let used = if rules.require_use { " and the new key is in use" } else { "" };
    let quiet = describe_wait(rules.quiet);
    let soak = describe_wait(rules.soak);
    let stores = data.places.iter().any(|frozen| frozen.kind != StorageKind::File);
    let stores =
        if stores { stores_update(data.places) } else { "the next run records the merge".to_owned() };
    let mut text = "### What happens next\n\n| when | what |\n|---|---|\n".to_owned();
    let _ = writeln!(text, "| this is merged | {stores} |");
    if rules.redeploy {
        let what = "the workflow of `redeploy` is started; nothing is deactivated before it has succeeded";
        let _ = writeln!(text, "| every destination holds the new key | {what} |");
    }
    if data.old.is_none() {
        let validated = if rules.validate { ", once the workflow of `validate` has succeeded" } else { "" };
        let when = if rules.require_use { "the key is in use" } else { "every destination holds the key" };
        let _ = writeln!(text, "| {when}{validated} | the rotation ends |\n");
        return text;
    }
    let validated = if rules.validate { " and the workflow of `validate` has succeeded" } else { "" };
    let wait = match (data.compromised, rules.validate) {
        (true, true) => "right after that, once the workflow of `validate` has succeeded".to_owned(),
        (true, false) => "right after that".to_owned(),
        (false, _) => format!("{grace} later, once the old key was not used for {quiet}{used}{validated}"),
    };
    let _ = writeln!(text, "| {wait} | the old key is deactivated |");
    let _ = writeln!(text, "| {soak} after that, if it was not used | the old key is deleted |");
    text.push('\n');
    text
}

/// The table of what happens after the merge of a rollback's pull request, where the new key is active.
pub fn render_rollback_steps(data: &PullRequestData<'_>) -> String {
    let [quiet, soak] = [data.rules.quiet, data.rules.soak].map(describe_wait);
    let new = if data.old.is_some() { "the new key" } else { "the key" };
    let mut text = "\n### What happens next\n\n| when | what |\n|---|---|\n".to_owned();
    let _ =
        writeln!(text, "| no destination holds {new}, and it was not used for {quiet} | it is deactivated |");
    let _ =
        writeln!(text, "| {soak} after that, if it was not used | it is deleted, and the rollback ends |");
    text
}

/// Names what the next run updates after the merge.
fn stores_update(places: &[DestinationSnapshot]) -> String {
    let ids: Vec<&str> = places.iter().map(|place| &*place.destination).collect();
    format!("the next run updates {}", updated_services(&ids).join(" and "))
}

/// The same as a diagram, for a merge today.
pub fn timeline_section(data: &PullRequestData<'_>) -> String {
    let rules = data.rules;
    let both = if data.compromised { 1 } else { days_up(rules.grace).max(days_up(rules.quiet)).max(1) };
    let soak = days_up(rules.soak).max(1);
    let today = data.now.to_zoned_datetime(TimeZone::UTC).date();
    let title = format_day(data.now);
    format!(
        "```mermaid\ngantt\n  title if merged on {title}\n  dateFormat YYYY-MM-DD\n  axisFormat %-d %b\n  tickInterval 1week\n  section old key\n  \
         active :both, {today}, {both}d\n  inactive :after both, {soak}d\n  section new key\n  active \
         :{today}, {}d\n```\n\n",
        both + soak
    )
}

/// The whole days of a time, rounded up.
fn days_up(time: SignedDuration) -> i64 {
    (time.as_hours() + 23) / 24
}
