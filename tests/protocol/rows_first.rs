//! The rows of a user's first key.

use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{
    JournalEvent, KeyState, Observation, Observed, ObservedKey, PullRequestState, RotationPhase,
    RotationStep, StepDecision, StorageKind,
};

use crate::rows::{active, inactive};
use crate::story::{
    NEW, OLD, Policy, Story, THEM, THIRD, days, key, marker, minutes, never, pull, seen, store, used,
};

fn decide(seen: &Observation) -> StepDecision {
    DecisionTable::default().decide(seen, &Policy::Rotate.rules())
}

fn step(seen: &Observation) -> (RotationPhase, RotationStep) {
    let StepDecision { phase, step, .. } = decide(seen);
    (phase, step)
}

fn begun(filled: bool) -> Story {
    Story::new("begun", None).first_key(days(40), filled)
}

fn proposed() -> Story {
    begun(false).staged(days(39)).proposed(days(39))
}

fn distributed() -> Story {
    proposed().then(days(20), JournalEvent::Distributed)
}

/// Nothing holds a credential.
fn bare(story: &Story, keys: Vec<ObservedKey>) -> Observation {
    let mut seen = seen(story, OLD, keys);
    seen.destinations.iter_mut().for_each(|place| place.fingerprint = Observed::Known(None));
    seen.pull_request = Observed::Known(None);
    seen
}

const WAIT: RotationStep = RotationStep::Wait;

#[test]
fn a_first_key_begins_without_a_key_only() {
    let story = Story::new("new", None);
    let begin = (RotationPhase::Due, RotationStep::BeginFirstKey);
    assert_eq!(step(&bare(&story, vec![])), begin);
    // A file may hold something: its merge shows what is replaced.
    assert_eq!(step(&seen(&story, OLD, vec![])), begin);
    assert_eq!(step(&bare(&story, vec![inactive(OLD)])), (RotationPhase::Blocked, WAIT));
    let mut late = bare(&story, vec![]);
    late.listed = Observed::Known([OLD.into()].into());
    assert_eq!(step(&late), (RotationPhase::Unknown, WAIT));
    let mut unread = bare(&story, vec![]);
    unread.destinations[0].fingerprint = Observed::unknown("502");
    assert_eq!(step(&unread), (RotationPhase::Unknown, WAIT));
    let mut refused = bare(&story, vec![]);
    refused.preflight = Observed::Known(Err("no recipient".to_owned()));
    assert_eq!(step(&refused), (RotationPhase::Blocked, WAIT));
}

#[test]
fn a_store_that_shows_no_value_must_not_exist() {
    let story = Story::new("new", Some(StorageKind::Store));
    assert_eq!(step(&bare(&story, vec![])).1, RotationStep::BeginFirstKey);
    let filled = decide(&seen(&story, OLD, vec![]));
    assert_eq!((filled.phase, filled.step), (RotationPhase::Blocked, WAIT));
    assert!(filled.why.contains("another user's key"), "{}", filled.why);
    let versioned = Story::new("new", Some(StorageKind::Versioned));
    assert_eq!(step(&seen(&versioned, OLD, vec![])).1, RotationStep::BeginFirstKey);
    let story = Story::new("merged", Some(StorageKind::Store)).first_key(days(40), false).staged(days(39));
    let mut merged = seen(&story.proposed(days(39)), NEW, vec![active(NEW)]);
    merged.pull_request = pull(PullRequestState::Merged { at: merged.now - days(1) });
    merged.destinations[1].fingerprint = Observed::Known(None);
    let deliver = RotationStep::Deliver { destinations: vec![store()] };
    assert_eq!(step(&merged), (RotationPhase::Merged, deliver));
}

#[test]
fn the_key_is_made_when_nothing_has_changed() {
    assert_eq!(step(&bare(&begun(false), vec![])), (RotationPhase::Claimed, RotationStep::CreateKey));
    assert_eq!(step(&seen(&begun(true), OLD, vec![])).1, RotationStep::CreateKey);
    // What the journal says of a destination is not what is there.
    assert_eq!(step(&seen(&begun(true), NEW, vec![])), (RotationPhase::Blocked, WAIT));
    assert_eq!(step(&seen(&begun(false), OLD, vec![])), (RotationPhase::Blocked, WAIT));
    // Another run's request may still make one.
    let tried = begun(false).then(minutes(3), JournalEvent::Create);
    assert_eq!(tried.events.last().unwrap().1, THEM);
    assert_eq!(step(&bare(&tried, vec![])), (RotationPhase::Claimed, WAIT));
    // Beside any key none is made.
    assert_eq!(step(&bare(&begun(false), vec![active(OLD)])), (RotationPhase::Blocked, WAIT));
}

#[test]
fn a_key_whose_secret_is_lost_goes_also_beside_a_placeholder() {
    let tried = begun(true).then(days(1), JournalEvent::Create);
    let mut orphan = key(THIRD, KeyState::Active, never());
    orphan.created = crate::story::now() - days(1);
    let discard = RotationStep::Discard { key: THIRD.into(), delete: false };
    let lost = seen(&tried, OLD, vec![orphan.clone()]);
    assert_eq!(step(&lost), (RotationPhase::Orphan, discard));
    // A key that was used is a person's.
    orphan.last_used = used(minutes(60), "s3");
    assert_eq!(step(&seen(&tried, OLD, vec![orphan])), (RotationPhase::Blocked, WAIT));
}

#[test]
fn it_ends_when_every_destination_holds_it_and_it_is_used() {
    let complete = (RotationPhase::Grace, RotationStep::Complete);
    let in_use = key(NEW, KeyState::Active, used(days(1), "s3"));
    assert_eq!(step(&seen(&distributed(), NEW, vec![in_use.clone()])), complete);
    let unused = decide(&seen(&distributed(), NEW, vec![key(NEW, KeyState::Active, never())]));
    assert_eq!((unused.phase, unused.step), (RotationPhase::Grace, WAIT));
    assert!(!unused.why.contains("old key") && unused.help.unwrap().text.contains("keytide rollback"));
    let over = distributed().then(days(1), JournalEvent::Completed);
    assert_eq!(step(&seen(&over, NEW, vec![in_use])), (RotationPhase::Healthy, WAIT));
    assert!(over.journal().fault.is_none() && over.journal().open.is_none());
    for story in [begun(false), proposed(), Story::new("of a rotation", None).intent(days(40), false)] {
        assert!(story.then(days(1), JournalEvent::Completed).journal().fault.is_some());
    }
    assert!(proposed().then(days(1), JournalEvent::Compromised).journal().fault.is_some());
}

#[test]
fn a_rollback_needs_no_old_key() {
    let back = || JournalEvent::Rollback { why: "because".to_owned() };
    let mut asked = seen(&distributed(), NEW, vec![active(NEW)]);
    asked.request.rollback = true;
    assert!(matches!(step(&asked), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
    let early = step(&bare(&begun(false).then(days(1), back()), vec![]));
    assert!(matches!(early, (RotationPhase::RollingBack, RotationStep::Hold { .. })), "{early:?}");
    // A merge that was reverted, to nothing.
    let mut reverted = bare(&proposed(), vec![active(NEW)]);
    reverted.pull_request = pull(PullRequestState::Merged { at: reverted.now - days(1) });
    assert!(matches!(step(&reverted).1, RotationStep::BeginRollback { .. }));
    let over = distributed().then(days(9), back()).then(days(1), JournalEvent::Deleted { key: NEW.into() });
    assert_eq!(step(&bare(&over, vec![])), (RotationPhase::Held, WAIT));
}

/// The key that is deleted by hand: `resume` ends the rotation, with whatever key there is.
#[test]
fn a_first_key_that_was_deleted_by_hand_is_a_persons_to_replace() {
    let gone = decide(&seen(&distributed(), NEW, vec![]));
    assert_eq!((gone.phase, gone.step), (RotationPhase::Quarantined, WAIT));
    let other = decide(&bare(&distributed(), vec![active(THIRD)]));
    assert_eq!((other.phase, other.step), (RotationPhase::Blocked, WAIT));
    assert!(other.help.unwrap().text.contains("which ends the rotation"));
    let marker = marker(&crate::story::file(), OLD);
    assert!(!begun(true).journal().key_by_fingerprint.values().any(|key| **key == *OLD), "{marker}");
}
