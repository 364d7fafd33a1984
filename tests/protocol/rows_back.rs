//! The rows of the way back: a rollback, and a new key that is given up.

use keytide::rotation::{
    BranchTip, JournalEvent, KeyState, Observation, Observed, ObservedKey, PullRequestState, RotationPhase,
    RotationStep, StorageKind, decide,
};

use crate::rows::*;
use crate::story::*;

fn turned(story: Story) -> Story {
    story.then(days(8), JournalEvent::Rollback { why: "asked".to_owned() })
}

#[test]
fn rolling_back_begins_when_asked() {
    let mut seen = merged(&distributed(), vec![active(OLD), active(NEW)]);
    seen.request.rollback = true;
    let (phase, step) = step(&seen);
    assert!(matches!((phase, step), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
}

#[test]
fn rolling_back_brings_the_old_key_back_first() {
    let seen = merged(&turned(soaked()), vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::RollingBack, RotationStep::Activate { key: OLD.into() }));
}

#[test]
fn rolling_back_waits_for_requests_before_it_relies_on_the_old_key() {
    let story = turned(distributed())
        .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "rolled back".to_owned() })
        .then(minutes(3), JournalEvent::Activate { key: OLD.into() });
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    assert_eq!(step(&seen), (RotationPhase::RollingBack, RotationStep::Wait));
    seen.now = now() + minutes(19);
    let (phase, later) = step(&seen);
    assert_eq!(
        (phase, later),
        (RotationPhase::RollingBack, RotationStep::Claim),
        "the claim is made anew for the next step"
    );
}

#[test]
fn rolling_back_discards_a_key_that_was_never_proved() {
    let story = Story::new("staged", None).intent(days(40), false).staged(days(39));
    let story = turned(story)
        .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "back".to_owned() });
    let mut seen = seen(&story, OLD, vec![active(OLD), key(NEW, KeyState::Active, never())]);
    seen.pull_request = Observed::Known(None);
    seen.branch = Observed::Known(BranchTip::Absent);
    assert_eq!(
        step(&seen),
        (RotationPhase::RollingBack, RotationStep::Discard { key: NEW.into(), delete: false })
    );
}

#[test]
fn rolling_back_holds_where_a_store_cannot_be_read() {
    let story = Story::new("store", Some(StorageKind::Store)).intent(days(40), false).staged(days(39));
    let story = turned(story.proposed(days(39)).delivered(days(20)))
        .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "back".to_owned() });
    let mut seen = seen(&story, OLD, vec![active(OLD), active(NEW)]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    for unclear in [marker(&store(), NEW), "by hand".into()] {
        seen.destinations[1].fingerprint = Observed::Known(Some(unclear));
        assert!(matches!(step(&seen), (RotationPhase::RollingBack, RotationStep::Hold { .. })));
    }
}

#[test]
fn unverified_is_given_up_and_discarded() {
    let story = Story::new("staged", None).intent(days(40), false).staged(days(39));
    let keys = vec![active(OLD), key(NEW, KeyState::Active, never())];
    let (phase, step_) = step(&unproposed(&story, keys.clone()));
    assert!(matches!((phase, step_), (RotationPhase::Unverified, RotationStep::AbandonNewKey { .. })));
    let story =
        story.then(days(1), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "died".to_owned() });
    let discard = RotationStep::Discard { key: NEW.into(), delete: false };
    assert_eq!(step(&unproposed(&story, keys)), (RotationPhase::Unverified, discard));
}

/// What is seen before a pull request was opened.
fn unproposed(story: &Story, keys: Vec<ObservedKey>) -> Observation {
    Observation { pull_request: Observed::Known(None), ..seen(story, OLD, keys) }
}

/// A journal that lost its entries: an open pull request brings the key, which therefore stays.
#[test]
fn unverified_leaves_a_key_alone_that_a_pull_request_brings() {
    let staged = Story::new("staged", None).intent(days(40), false).staged(days(39));
    let abandoned = staged
        .clone()
        .then(days(1), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "died".to_owned() });
    for story in [staged, abandoned] {
        let mut seen = unproposed(&story, vec![active(OLD), key(NEW, KeyState::Active, never())]);
        seen.pull_request = pull(PullRequestState::Open { conflicting: false });
        assert_eq!(step(&seen), (RotationPhase::Quarantined, RotationStep::Wait));
        seen.pull_request = Observed::unknown("502");
        assert_eq!(step(&seen), (RotationPhase::Unknown, RotationStep::Wait));
    }
}

/// A journal may be forged: a key that someone uses is none that no one has.
#[test]
fn unverified_leaves_a_key_alone_that_someone_uses() {
    let story = Story::new("staged", None).intent(days(40), false).staged(days(39));
    let story =
        story.then(days(1), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "died".to_owned() });
    let with =
        |last_used| step(&unproposed(&story, vec![active(OLD), key(NEW, KeyState::Active, last_used)]));
    let discard = RotationStep::Discard { key: NEW.into(), delete: false };
    assert_eq!(with(used(days(30) - minutes(1), "sts")), (RotationPhase::Unverified, discard));
    assert_eq!(with(used(days(30) - minutes(46), "sts")), (RotationPhase::Blocked, RotationStep::Wait));
    assert_eq!(with(used(days(30) - minutes(1), "s3")), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn closed_gives_the_new_key_up_neutralizes_and_retires_it() {
    let keys = || vec![active(OLD), key(NEW, KeyState::Active, never())];
    let mut closed = seen(&proposed(), OLD, keys());
    closed.pull_request = pull(PullRequestState::Closed);
    assert!(matches!(step(&closed), (RotationPhase::Closed, RotationStep::AbandonNewKey { .. })));
    let mut given_up = seen(&tombstoned(), OLD, keys());
    given_up.pull_request = pull(PullRequestState::Closed);
    assert_eq!(step(&given_up), (RotationPhase::Closed, RotationStep::DisarmBranch));
    given_up.branch = Observed::Known(BranchTip::Neutral);
    assert_eq!(
        step(&given_up),
        (RotationPhase::Closed, RotationStep::AnnounceRetirement { key: NEW.into() })
    );
}

/// A request to a store may still arrive: one that compares nothing takes it, and so does one that still holds the version
/// that was read.
#[test]
fn closed_waits_for_requests_to_a_store() {
    let keys = || vec![active(OLD), key(NEW, KeyState::Active, never())];
    for (kind, lag) in [(StorageKind::Store, 10), (StorageKind::Versioned, 20)] {
        let story =
            Story::new("store", Some(kind)).intent(days(40), false).staged(days(39)).proposed(days(39));
        let given_up = |ago: i64| {
            let tombstone = JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "closed".to_owned() };
            let mut seen = seen(&story.clone().then(minutes(ago), tombstone), OLD, keys());
            seen.pull_request = pull(PullRequestState::Closed);
            seen.branch = Observed::Known(BranchTip::Neutral);
            step(&seen)
        };
        assert_eq!(given_up(lag - 1), (RotationPhase::Closed, RotationStep::Wait), "{kind:?}");
        assert_eq!(
            given_up(lag),
            (RotationPhase::Closed, RotationStep::AnnounceRetirement { key: NEW.into() }),
            "{kind:?}"
        );
    }
}

#[test]
fn closed_leaves_a_key_active_that_was_published_a_moment_ago() {
    let story = tombstoned().then(minutes(30), JournalEvent::Retiring { key: NEW.into() });
    let mut seen = seen(&story, OLD, vec![active(OLD), key(NEW, KeyState::Active, never())]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    seen.pull_request = pull(PullRequestState::Merged { at: now() - days(1) });
    assert_eq!(step(&seen), (RotationPhase::Closed, RotationStep::Wait));
    seen.pull_request = pull(PullRequestState::Closed);
    assert_eq!(step(&seen), (RotationPhase::Closed, RotationStep::Deactivate { key: NEW.into() }));
}

#[test]
fn closed_announces_anew_when_the_key_was_named_again() {
    let mut story = tombstoned();
    story.places.push((store(), StorageKind::Store));
    let JournalEvent::Intent { places, .. } = &mut story.events[0].2 else { panic!() };
    let mut second = places[0].clone();
    (second.destination, second.kind, second.fingerprint) =
        (store(), StorageKind::Store, Some(marker(&store(), OLD)));
    places.push(second);
    let story = story.delivered(days(8)).then(days(7), JournalEvent::Retiring { key: NEW.into() });
    let mut seen = seen(&story, OLD, vec![active(OLD), active(NEW)]);
    seen.destinations[1].fingerprint = Observed::Known(Some(marker(&store(), NEW)));
    assert!(matches!(step(&seen), (RotationPhase::Closed, RotationStep::AbandonNewKey { .. })));
}

#[test]
fn closed_delivers_nothing_when_its_neutral_branch_is_merged() {
    let mut story = Story::new("a store alone", Some(StorageKind::Store));
    story.places.remove(0);
    let story = story.intent(days(40), false).staged(days(39)).proposed(days(39));
    let story =
        story.then(days(9), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "closed".to_owned() });
    let mut seen = seen(&story, OLD, vec![active(OLD), active(NEW)]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    seen.pull_request = pull(PullRequestState::Merged { at: now() - days(1) });
    assert_eq!(step(&seen), (RotationPhase::Closed, RotationStep::AnnounceRetirement { key: NEW.into() }));
}

/// A new key that someone deleted is taken out of the destinations again when a person asks, not before.
#[test]
fn rolling_back_a_key_that_is_gone() {
    let mut seen = merged(&distributed(), vec![active(OLD)]);
    let decision = decide(&seen, &rules());
    assert_eq!((decision.phase, decision.step), (RotationPhase::Quarantined, RotationStep::Wait));
    assert!(
        decision
            .help
            .unwrap()
            .text
            .starts_with("go back to OLD, which still exists: `keytide rollback --user ci`")
    );
    seen.request.rollback = true;
    assert!(matches!(step(&seen), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
    seen.keys = Observed::Known(Vec::new());
    seen.listed = Observed::Known([].into());
    assert_eq!(step(&seen), (RotationPhase::Quarantined, RotationStep::Wait));
}

/// The old key is deleted by hand in the middle of a rollback: a person decides, once both lists agree.
#[test]
fn rolling_back_stops_when_the_old_key_is_gone() {
    let mut seen = merged(&turned(distributed()), vec![active(NEW)]);
    seen.listed = Observed::Known([OLD.into(), NEW.into()].into());
    assert_eq!(step(&seen), (RotationPhase::Unknown, RotationStep::Wait));
    seen.listed = Observed::Known([NEW.into()].into());
    let decision = decide(&seen, &rules());
    assert_eq!((decision.phase, decision.step), (RotationPhase::Quarantined, RotationStep::Wait));
    let help = decision.help.unwrap().text;
    assert!(
        help.contains("every destination holds NEW") && help.contains("keytide resume --user ci"),
        "{help}"
    );
}

/// A store that may hold the new key is no one's concern any more once that key is gone.
#[test]
fn rolling_back_ends_when_the_new_key_is_gone() {
    let mut story = Story::new("a store", Some(StorageKind::Store));
    story = story.intent(days(40), false).staged(days(39)).proposed(days(39)).delivered(days(21));
    story = turned(story)
        .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "back".to_owned() });
    let mut seen = seen(&story, OLD, vec![active(OLD), active(NEW)]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    seen.destinations[1].fingerprint = Observed::Known(Some("someone's".into()));
    assert!(matches!(step(&seen), (RotationPhase::RollingBack, RotationStep::Hold { .. })));
    seen.keys = Observed::Known(vec![active(OLD)]);
    seen.listed = Observed::Known([OLD.into()].into());
    assert_eq!(step(&seen), (RotationPhase::RollingBack, RotationStep::NoteDeleted { key: NEW.into() }));
}

#[test]
fn rolling_back_is_refused_when_the_old_key_is_gone_or_may_be() {
    let gone = soaked().then(minutes(3), JournalEvent::Delete { key: OLD.into() });
    for keys in [vec![active(NEW)], vec![inactive(OLD), active(NEW)]] {
        let mut seen = merged(&gone, keys);
        seen.request.rollback = true;
        assert_eq!(step(&seen).1, RotationStep::Wait);
    }
}

#[test]
fn rolling_back_is_blocked_when_the_way_back_was_undone() {
    let story = turned(distributed())
        .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "back".to_owned() });
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    seen.branch = Observed::Known(BranchTip::Neutral);
    seen.revert_pull_request = pull(PullRequestState::Merged { at: now() - minutes(30) });
    assert_eq!(step(&seen), (RotationPhase::RollingBack, RotationStep::Wait));
    seen.revert_pull_request = pull(PullRequestState::Merged { at: now() - minutes(61) });
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn merged_and_reverted_turns_back() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.pull_request = pull(PullRequestState::Merged { at: now() - minutes(30) });
    assert_eq!(step(&seen), (RotationPhase::Merged, RotationStep::Wait));
    seen.now = now() + minutes(31);
    seen.journal = Observed::Known({
        let mut story = proposed();
        story.events.push((minutes(-31), US, JournalEvent::Claim { until: now() + days(1) }));
        story.journal()
    });
    assert!(matches!(step(&seen), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
}

fn leaked(story: Story) -> Story {
    story.then(days(9), JournalEvent::Compromised)
}

#[test]
fn a_rollback_to_a_compromised_key_needs_a_flag() {
    let mut seen = merged(&leaked(distributed()), vec![active(OLD), active(NEW)]);
    seen.request.rollback = true;
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    seen.request.reactivate_compromised = true;
    let (phase, begun) = step(&seen);
    assert!(matches!((phase, begun), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
}

#[test]
fn a_rollback_under_way_activates_no_compromised_key() {
    let mut seen = merged(&turned(leaked(soaked())), vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    seen.request.reactivate_compromised = true;
    assert_eq!(step(&seen), (RotationPhase::RollingBack, RotationStep::Activate { key: OLD.into() }));
}

#[test]
fn a_reverted_merge_activates_no_compromised_key() {
    let mut seen = merged(&leaked(soaked()), vec![inactive(OLD), active(NEW)]);
    seen.destinations[0].fingerprint = Observed::Known(Some(marker(&file(), OLD)));
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    let mut early = merged(&leaked(proposed()), vec![active(OLD), active(NEW)]);
    early.destinations[0].fingerprint = Observed::Known(Some(marker(&file(), OLD)));
    assert_eq!(step(&early), (RotationPhase::Blocked, RotationStep::Wait), "nothing goes back by itself");
}

#[test]
fn a_store_that_refuses_brings_no_compromised_key_back() {
    let refused = JournalEvent::Refused { place: store(), why: "403".to_owned() };
    let story = Story::new("store", Some(StorageKind::Store)).intent(days(40), true).staged(days(39));
    let story = story.proposed(days(39)).then(days(1), refused);
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    seen.destinations[1].fingerprint = Observed::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
}

/// The reason is in the journal, and every phase of a rollback shows it.
#[test]
fn the_reason_of_a_rollback_is_reported() {
    let mut seen = merged(&turned(distributed()), vec![active(OLD), active(NEW)]);
    seen.now = now();
    let decision = decide(&seen, &rules());
    assert!(
        decision.why.contains("rolling back since ") && decision.why.ends_with(" (asked)"),
        "{}",
        decision.why
    );
}
