//! Lists the journal entries of the last rotation, for `keytide plan --history`.

use super::context::RunContext;
use crate::destinations::kind::describe_destination;
use crate::ports::JournalStore as _;
use crate::report::{HistoryLine, Report};
use crate::rotation::{JournalEntry, JournalEvent, RedeployCause};

/// Adds the history of each user to its line of a report.
pub async fn add_histories(run: &RunContext, report: &mut Report) {
    for user in run.user_names() {
        match run.backend.read_chain(user).await {
            Ok(chain) => {
                let entries: Vec<&JournalEntry> = chain.entries.iter().map(|(_, entry)| &**entry).collect();
                report.set_history(user, last_rotation(&entries));
            }
            Err(error) => report.add_fault("reading the journal".to_owned(), error.to_string()),
        }
    }
}

/// The entries of the last rotation, or all where none has begun.
fn last_rotation(entries: &[&JournalEntry]) -> Vec<HistoryLine> {
    let first = entries.iter().rposition(|entry| {
        matches!(
            entry.event,
            JournalEvent::Intent { .. } | JournalEvent::FirstKey { .. } | JournalEvent::Retirement { .. }
        )
    });
    entries[first.unwrap_or(0)..].iter().map(|entry| history_line(entry)).collect()
}

fn history_line(entry: &JournalEntry) -> HistoryLine {
    HistoryLine {
        at: entry.at,
        event: entry.event.name(),
        reason: describe_event(&entry.event),
        run: entry.run.to_string(),
        is_bookkeeping: matches!(
            entry.event,
            JournalEvent::Claim { .. } | JournalEvent::Release | JournalEvent::Heartbeat
        ),
    }
}

/// The reason of an entry, or what it is about.
fn describe_event(event: &JournalEvent) -> Option<String> {
    Some(match event {
        JournalEvent::Rollback { why } | JournalEvent::Held { why } => why.clone(),
        JournalEvent::Resumed { reason, .. } => reason.clone(),
        JournalEvent::NewKeyAbandoned { key, why } | JournalEvent::Needed { key, why } => {
            format!("{key}: {why}")
        }
        JournalEvent::Refused { place, why } => format!("{}: {why}", describe_destination(place)),
        JournalEvent::Failed { step, why } => format!("{step}: {why}"),
        JournalEvent::Delivered { place, .. } => describe_destination(place),
        JournalEvent::Redeploying { cause } => describe_cause(*cause).to_owned(),
        JournalEvent::Redeployed { cause, run } => format!("{}: run {run}", describe_cause(*cause)),
        JournalEvent::Proposed { pull_request } => format!("pull request #{pull_request}"),
        JournalEvent::Claim { until } => format!("until {until}"),
        JournalEvent::Retirement { number, key, .. } => {
            format!("rotation {number}: {key} goes without a successor")
        }
        JournalEvent::FirstKey { number, .. } => format!("rotation {number}: the user's first key"),
        JournalEvent::Intent { number, key, compromised, .. } => {
            let leaked = if *compromised { ", compromised" } else { "" };
            format!("rotation {number} of {key}{leaked}")
        }
        JournalEvent::Staged { key, .. }
        | JournalEvent::Retiring { key }
        | JournalEvent::Deactivate { key }
        | JournalEvent::InactiveSince { key }
        | JournalEvent::Activate { key }
        | JournalEvent::Delete { key }
        | JournalEvent::Deleted { key }
        | JournalEvent::Discard { key } => key.to_string(),
        _ => return None,
    })
}

fn describe_cause(cause: RedeployCause) -> &'static str {
    match cause {
        RedeployCause::Delivery => "with the new key",
        RedeployCause::Rollback => "with the old key again",
    }
}
