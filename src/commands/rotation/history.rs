//! Lists the journal entries of the last rotation, for `keytide plan --history`.

use super::context::RunContext;
use crate::destinations::kind::describe_destination;
use crate::destinations::wording::name_destinations;
use crate::ports::JournalStore as _;
use crate::report::{HistoryLine, Report};
use crate::rotation::journal::ROLLBACK_REQUESTED;
use crate::rotation::{JournalEntry, JournalEvent, RedeployCause, RotationPhase};

/// Adds the history of each user to its line of a report.
pub async fn add_histories(run: &RunContext, report: &mut Report) {
    for user in run.user_names() {
        match run.backend.read_chain(user).await {
            Ok(chain) => {
                let entries: Vec<(&str, &JournalEntry)> =
                    chain.entries.iter().map(|(commit, entry)| (&**commit, &**entry)).collect();
                let mut history = last_rotation(&entries);
                // The wrong entry may be one of those that are left out otherwise
                if chain_is_broken(report, user) {
                    history.iter_mut().for_each(|line| line.is_bookkeeping = false);
                }
                report.set_history(user, history);
            }
            Err(error) => report.add_fault("reading the journal".to_owned(), error.to_string()),
        }
    }
}

/// Whether the report names a fault of the user's journal.
fn chain_is_broken(report: &Report, user: &str) -> bool {
    let line = report.rotations.iter().flatten().find(|line| line.user == user);
    line.is_some_and(|line| line.phase == RotationPhase::Quarantined)
}

/// The entries of the last rotation, or all where none has begun.
fn last_rotation(entries: &[(&str, &JournalEntry)]) -> Vec<HistoryLine> {
    let first = entries.iter().rposition(|(_, entry)| {
        matches!(
            entry.event,
            JournalEvent::Intent { .. } | JournalEvent::FirstKey { .. } | JournalEvent::Retirement { .. }
        )
    });
    let entries = &entries[first.unwrap_or(0)..];
    let places: Vec<&str> = entries.iter().flat_map(|(_, entry)| destinations(&entry.event)).collect();
    entries.iter().map(|(commit, entry)| history_line(commit, entry, &places)).collect()
}

/// The destinations that an entry records.
fn destinations(event: &JournalEvent) -> Vec<&str> {
    match event {
        JournalEvent::Intent { places, .. } | JournalEvent::FirstKey { places, .. } => {
            places.iter().map(|place| &*place.destination).collect()
        }
        _ => Vec::new(),
    }
}

fn history_line(commit: &str, entry: &JournalEntry, places: &[&str]) -> HistoryLine {
    HistoryLine {
        commit: commit.to_owned(),
        text: name_destinations(&describe_for_people(&entry.event), places.iter().copied()),
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

/// An entry in a sentence.
fn describe_for_people(event: &JournalEvent) -> String {
    match event {
        JournalEvent::Intent { number, key, compromised, .. } => {
            let leaked = if *compromised { ", which has leaked" } else { "" };
            format!("rotation {number} begun; it replaces {key}{leaked}")
        }
        JournalEvent::FirstKey { number, .. } => {
            format!("rotation {number} begun; it makes the user's first key")
        }
        JournalEvent::Retirement { number, key, .. } => {
            format!("rotation {number} begun; {key} goes without a successor")
        }
        JournalEvent::Verified => "AWS accepted the new key".to_owned(),
        JournalEvent::Proposed { pull_request } => format!("pull request #{pull_request} opened"),
        JournalEvent::Delivered { place, .. } => {
            format!("new key written to {}", describe_destination(place))
        }
        JournalEvent::Refused { place, why } => {
            format!("new key not accepted by {}: {why}", describe_destination(place))
        }
        JournalEvent::Distributed => "every destination holds the new key".to_owned(),
        JournalEvent::Redeploying { cause } => {
            format!("redeployment {} requested", describe_cause(*cause))
        }
        JournalEvent::Redeployed { cause, run } => {
            format!("redeployment {} started (run {run})", describe_cause(*cause))
        }
        JournalEvent::Completed => "the new key is in use; the rotation has ended".to_owned(),
        JournalEvent::Rollback { why } => {
            // Who asked for it, and why
            match why.strip_prefix(ROLLBACK_REQUESTED) {
                Some(request) => format!("rollback begun{request}"),
                None => format!("rollback begun: {why}"),
            }
        }
        JournalEvent::Compromised => "old key reported as compromised".to_owned(),
        JournalEvent::Held { why } => format!("stopped for a review: {why}"),
        JournalEvent::Resumed { reason, .. } => format!("resumed after a review: {reason}"),
        JournalEvent::Failed { step, why } => format!("step `{step}` failed: {why}"),
        JournalEvent::Claim { .. } => "a run began; it keeps other runs out".to_owned(),
        JournalEvent::Release => "the run has ended".to_owned(),
        JournalEvent::Heartbeat => "a run looked, and had no step to take".to_owned(),
        JournalEvent::Other { event } => {
            format!("`{event}`: not an entry that this version of keytide writes")
        }
        event => describe_key_event(event).unwrap_or_else(|| event.name()),
    }
}

/// An entry about what becomes of one key. `None` for one that only coordinates runs or that another version wrote.
fn describe_key_event(event: &JournalEvent) -> Option<String> {
    Some(match event {
        JournalEvent::Create => "new key requested".to_owned(),
        JournalEvent::Staged { key, .. } => format!("new key {key} created and stored encrypted"),
        JournalEvent::Needed { key, why } => format!("{key} is needed again: {why}"),
        JournalEvent::Retiring { key } => {
            format!("deactivation of {key} announced; no run publishes it any more")
        }
        JournalEvent::Deactivate { key } => format!("deactivation of {key} requested"),
        JournalEvent::InactiveSince { key } => format!("{key} seen inactive"),
        JournalEvent::Activate { key } => format!("re-activation of {key} requested"),
        JournalEvent::Delete { key } => format!("deletion of {key} requested"),
        JournalEvent::Deleted { key } => format!("{key} deleted; the rotation has ended"),
        JournalEvent::Discard { key } => format!("removal of {key} requested, whose secret is lost"),
        JournalEvent::NewKeyAbandoned { key, why } => format!("new key {key} given up: {why}"),
        _ => return None,
    })
}

/// The reason of an entry, or what it is about: for programs.
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
