//! The table of the protocol, a test a row: a story, what is seen, one thing changed.

use keytide::rotation::inactive_keys::InactiveKeys;
use keytide::rotation::{
    JournalEvent, KeyState, Observation, Observed, ObservedKey, OwnerTag, PullRequestState, RotationPhase,
    RotationStep, StepDecision, StorageKind, decide,
};

use crate::story::{
    NEW, OLD, Story, THEM, THIRD, claim, days, key, marker, minutes, never, now, pull, rules, seen, store,
    used,
};

pub fn active(id: &str) -> ObservedKey {
    key(id, KeyState::Active, used(days(30), "s3"))
}

pub fn inactive(id: &str) -> ObservedKey {
    key(id, KeyState::Inactive, used(days(30), "s3"))
}

pub fn step(seen: &Observation) -> (RotationPhase, RotationStep) {
    let StepDecision { phase, step, .. } = decide(seen, &rules());
    (phase, step)
}

pub fn phase(seen: &Observation) -> RotationPhase {
    step(seen).0
}

pub fn proposed() -> Story {
    Story::new("proposed", None).intent(days(40), false).staged(days(39)).proposed(days(39))
}

pub fn distributed() -> Story {
    proposed().then(days(20), JournalEvent::Distributed)
}

pub fn retiring() -> Story {
    distributed().then(days(12), JournalEvent::Retiring { key: OLD.into() })
}

pub fn soaked() -> Story {
    retiring()
        .then(days(11), JournalEvent::Deactivate { key: OLD.into() })
        .then(days(10), JournalEvent::InactiveSince { key: OLD.into() })
}

pub fn tombstoned() -> Story {
    proposed().then(days(9), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "closed".to_owned() })
}

pub fn merged(story: &Story, keys: Vec<ObservedKey>) -> Observation {
    let mut seen = seen(story, NEW, keys);
    seen.pull_request = pull(PullRequestState::Merged { at: now() - days(30) });
    seen
}

#[test]
fn quarantined_when_the_journal_is_broken() {
    let twice = proposed().intent(days(1), false);
    assert_eq!(phase(&seen(&twice, OLD, vec![active(OLD), active(NEW)])), RotationPhase::Quarantined);
}

#[test]
fn quarantined_when_the_user_is_another_one() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.user_id = Observed::Known(Some("another".into()));
    assert_eq!(phase(&seen), RotationPhase::Quarantined);
}

#[test]
fn quarantined_when_a_step_failed_three_times() {
    let failed = JournalEvent::Failed { step: "propose".to_owned(), why: "403".to_owned() };
    let story = proposed().then(days(3), failed.clone()).then(days(2), failed.clone());
    assert_ne!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), RotationPhase::Quarantined);
    let story = story.then(days(1), failed);
    assert_eq!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), RotationPhase::Quarantined);
}

#[test]
fn held_until_a_person_resumes() {
    let held = distributed().then(days(1), JournalEvent::Held { why: "rolled back".to_owned() });
    assert_eq!(phase(&seen(&held, NEW, vec![active(OLD), active(NEW)])), RotationPhase::Held);
    let resumed =
        held.then(days(1), JournalEvent::Resumed { reason: "mended".to_owned(), user_id: "AID".into() });
    assert_ne!(phase(&merged(&resumed, vec![active(OLD), active(NEW)])), RotationPhase::Held);
}

#[test]
fn drifted_when_a_referenced_key_is_inactive() {
    let seen = seen(&proposed(), OLD, vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Drifted, RotationStep::Activate { key: OLD.into() }));
}

#[test]
fn a_key_that_someone_else_deactivated_is_not_activated() {
    let mut seen = merged(&distributed(), vec![active(OLD), inactive(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Drifted, RotationStep::Activate { key: NEW.into() }));
    seen.inactive_keys = Observed::Known(InactiveKeys::default());
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    // A rollback takes it back
    seen.request.rollback = true;
    assert!(matches!(step(&seen), (RotationPhase::RollingBack, RotationStep::BeginRollback { .. })));
    // The old key is the only other one, and no rollback could go back to it
    let mut alone = merged(&distributed(), vec![inactive(NEW)]);
    (alone.inactive_keys, alone.request.rollback) = (Observed::Known(InactiveKeys::default()), true);
    assert_eq!(step(&alone), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn drifted_waits_while_a_deletion_may_be_under_way() {
    let story = soaked().then(minutes(3), JournalEvent::Delete { key: OLD.into() });
    let seen = seen(&story, OLD, vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Drifted, RotationStep::Wait));
}

#[test]
fn quarantined_when_a_referenced_key_is_gone() {
    assert_eq!(phase(&seen(&proposed(), OLD, vec![active(NEW)])), RotationPhase::Quarantined);
}

fn with_orphan(status: KeyState, made: i64) -> Observation {
    let story = Story::new("tried", None).intent(days(2), false).then(days(1), JournalEvent::Create);
    let orphan = ObservedKey {
        id: THIRD.into(),
        status,
        created: now() - days(1) + minutes(made),
        last_used: never(),
    };
    seen(&story, OLD, vec![active(OLD), orphan])
}

#[test]
fn orphan_of_a_run_that_died() {
    let discard = |delete| RotationStep::Discard { key: THIRD.into(), delete };
    assert_eq!(step(&with_orphan(KeyState::Active, 1)), (RotationPhase::Orphan, discard(false)));
    assert_eq!(step(&with_orphan(KeyState::Inactive, 1)), (RotationPhase::Orphan, discard(true)));
}

#[test]
fn orphan_only_within_minutes_of_the_announcement() {
    assert_eq!(step(&with_orphan(KeyState::Active, 60)), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn orphan_only_when_never_used() {
    let mut seen = with_orphan(KeyState::Active, 1);
    let Observed::Known(keys) = &mut seen.keys else { panic!() };
    keys[1].last_used = Observed::unknown("throttled");
    assert_eq!(phase(&seen), RotationPhase::Blocked);
}

#[test]
fn orphan_is_left_alone_while_a_use_may_not_be_known_yet() {
    let story = Story::new("tried", None).intent(days(2), false).then(minutes(30), JournalEvent::Create);
    let orphan = ObservedKey {
        id: THIRD.into(),
        status: KeyState::Active,
        created: now() - minutes(30),
        last_used: never(),
    };
    assert_eq!(
        step(&seen(&story, OLD, vec![active(OLD), orphan])),
        (RotationPhase::Orphan, RotationStep::Wait)
    );
}

#[test]
fn a_key_made_after_the_new_one_was_kept_is_a_persons() {
    let stranger = ObservedKey {
        id: THIRD.into(),
        created: now() - days(39) + minutes(3),
        ..key(THIRD, KeyState::Active, never())
    };
    let seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW), stranger]);
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn blocked_by_two_keys_and_no_rotation() {
    let seen = seen(&Story::new("none", None), OLD, vec![active(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
}

/// The advice names the key that is inactive, else the one that is idle, if that can be told: a use by STS may be
/// keytide's own. What the destinations hold comes first, where they hold anything.
#[test]
fn two_keys_are_advised_on_by_what_is_known() {
    let help = |keys: Vec<ObservedKey>| {
        decide(&seen(&Story::new("none", None), OLD, keys), &rules()).help.unwrap().text
    };
    let by = |ago, service| key(NEW, KeyState::Active, used(days(ago), service));
    assert!(help(vec![active(OLD), by(3, "s3")]).contains("--access-key-id OLD --status Inactive"));
    assert!(help(vec![active(OLD), by(40, "sts")]).contains("--access-key-id NEW --status Inactive"));
    assert!(help(vec![active(OLD), by(3, "sts")]).starts_with("find out which key"));
    let unknown = key(NEW, KeyState::Active, Observed::unknown("throttled"));
    assert!(help(vec![active(OLD), unknown]).starts_with("find out which key"));
    let never = key(NEW, KeyState::Active, never());
    assert!(help(vec![active(OLD), never]).contains("--access-key-id NEW --status Inactive"));
    assert!(
        help(vec![active(NEW), inactive(OLD)])
            .contains("delete-access-key --user-name ci --access-key-id OLD")
    );
    let first = help(vec![active(OLD), by(40, "sts")]);
    assert!(first.starts_with("if `") && first.contains(" has the other key (decrypt to see): "), "{first}");
    let mut without = seen(&Story::new("none", None), OLD, vec![active(OLD), by(3, "sts")]);
    for place in &mut without.destinations {
        place.fingerprint = Observed::Known(None);
    }
    let text = decide(&without, &rules()).help.unwrap().text;
    assert!(text.starts_with("keep the one that the application uses"), "{text}");
}

#[test]
fn blocked_by_an_event_of_a_later_version() {
    let story = proposed().then(days(1), JournalEvent::Other { event: "reseal".to_owned() });
    assert_eq!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), RotationPhase::Blocked);
    // A review does not say what the event was
    let resumed = JournalEvent::Resumed { reason: "looked".to_owned(), user_id: "AID".into() };
    let story = story.then(minutes(30), resumed);
    assert_eq!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), RotationPhase::Blocked);
}

#[test]
fn claimed_makes_a_key_beside_exactly_one() {
    let story = Story::new("intended", None).intent(minutes(5), false);
    assert_eq!(
        step(&seen(&story, OLD, vec![active(OLD)])),
        (RotationPhase::Claimed, RotationStep::CreateKey)
    );
    assert_eq!(
        step(&seen(&story, OLD, vec![active(OLD), active(THIRD)])),
        (RotationPhase::Blocked, RotationStep::Wait)
    );
}

/// What a person says in the middle of a rotation is noted before anything else goes on.
#[test]
fn compromised_is_noted_once() {
    let mut requested = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    requested.request.compromised = true;
    assert_eq!(step(&requested), (RotationPhase::Proposed, RotationStep::NoteCompromised));
    let mut noted =
        seen(&proposed().then(minutes(5), JournalEvent::Compromised), OLD, vec![active(OLD), active(NEW)]);
    noted.request.compromised = true;
    assert_eq!(step(&noted), (RotationPhase::Proposed, RotationStep::Wait));
}

#[test]
fn merged_delivers_an_active_key_only() {
    let mut story = Story::new("a store alone", Some(StorageKind::Store));
    story.places.remove(0);
    let story = story.intent(days(40), false).staged(days(39)).proposed(days(39));
    let mut gone = merged(&story, vec![active(OLD)]);
    gone.destinations[0].fingerprint = Observed::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&gone), (RotationPhase::Quarantined, RotationStep::Wait));
    let mut idle = merged(&story, vec![active(OLD), inactive(NEW)]);
    idle.destinations[0].fingerprint = Observed::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&idle), (RotationPhase::Merged, RotationStep::Activate { key: NEW.into() }));
    idle.inactive_keys = Observed::Known(InactiveKeys::default());
    assert_eq!(step(&idle), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn conflicting_is_brought_up_to_date() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.pull_request = pull(PullRequestState::Open { conflicting: true });
    assert_eq!(step(&seen), (RotationPhase::Conflicting, RotationStep::Rebase { pull_request: 5 }));
}

#[test]
fn proposed_waits_and_proposes_what_is_not() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    assert_eq!(step(&seen), (RotationPhase::Proposed, RotationStep::Wait));
    seen.pull_request = Observed::Known(None);
    assert_eq!(step(&seen), (RotationPhase::Proposed, RotationStep::Propose));
}

#[test]
fn proposed_gives_up_a_key_that_a_removed_recipient_can_read() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.removed_recipient = Observed::Known(None);
    assert_eq!(step(&seen), (RotationPhase::Proposed, RotationStep::Wait));
    seen.removed_recipient = Observed::unknown("no answer");
    assert_eq!(step(&seen), (RotationPhase::Proposed, RotationStep::Wait));
    let why = "age1x was removed".to_owned();
    seen.removed_recipient = Observed::Known(Some(why.clone()));
    for conflicting in [false, true] {
        seen.pull_request = pull(PullRequestState::Open { conflicting });
        let step_taken = RotationStep::AbandonNewKey { key: NEW.into(), why: why.clone() };
        assert_eq!(step(&seen), (RotationPhase::Proposed, step_taken));
    }
}

#[test]
fn merged_delivers_then_waits_then_notes_it() {
    let story = |delivered: Option<i64>| {
        let story = Story::new("store", Some(StorageKind::Store)).intent(days(40), false).staged(days(39));
        let story = story.proposed(days(39));
        delivered.map_or(story.clone(), |ago| story.delivered(minutes(ago)))
    };
    let keys = || vec![active(OLD), active(NEW)];
    let mut fresh = merged(&story(None), keys());
    fresh.destinations[1].fingerprint = Observed::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&fresh), (RotationPhase::Merged, RotationStep::Deliver { destinations: vec![store()] }));
    assert_eq!(step(&merged(&story(Some(2)), keys())), (RotationPhase::Merged, RotationStep::Wait));
    assert_eq!(
        step(&merged(&story(Some(11)), keys())),
        (RotationPhase::Merged, RotationStep::MarkDistributed)
    );
}

#[test]
fn grace_announces_then_deactivates() {
    let keys = || vec![active(OLD), key(NEW, KeyState::Active, used(minutes(60), "s3"))];
    assert_eq!(
        step(&merged(&distributed(), keys())),
        (RotationPhase::Grace, RotationStep::AnnounceRetirement { key: OLD.into() })
    );
    assert_eq!(
        step(&merged(&retiring(), keys())),
        (RotationPhase::Grace, RotationStep::Deactivate { key: OLD.into() })
    );
    let hasty = distributed().then(minutes(60), JournalEvent::Retiring { key: OLD.into() });
    assert_eq!(step(&merged(&hasty, keys())), (RotationPhase::Grace, RotationStep::Wait));
    let early = proposed().then(days(5), JournalEvent::Distributed);
    assert_eq!(step(&merged(&early, keys())), (RotationPhase::Grace, RotationStep::Wait));
}

#[test]
fn grace_waits_for_a_use_of_the_new_key_that_is_not_keytides() {
    let proved = key(NEW, KeyState::Active, used(days(39) - minutes(1), "sts"));
    assert_eq!(
        step(&merged(&distributed(), vec![active(OLD), proved])),
        (RotationPhase::Grace, RotationStep::Wait)
    );
}

#[test]
fn grace_stops_where_the_old_key_is_back() {
    let story = Story::new("store", Some(StorageKind::Versioned)).intent(days(40), false).staged(days(39));
    let story = story.proposed(days(39)).delivered(days(20)).then(days(20), JournalEvent::Distributed);
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    assert_eq!(phase(&seen), RotationPhase::Grace);
    seen.destinations[1].fingerprint = Observed::Known(Some(marker(&store(), OLD)));
    let mut early = seen.clone();
    early.now = now() - days(20) + minutes(5);
    let decision = decide(&early, &rules());
    assert_eq!(decision.phase, RotationPhase::Grace);
    assert!(decision.why.contains("may be an old answer") && decision.until.is_some(), "{}", decision.why);
    let decision = decide(&seen, &rules());
    assert_eq!((decision.phase, &decision.step), (RotationPhase::Blocked, &RotationStep::Wait));
    let help = decision.help.unwrap().text;
    assert!(help.contains("keytide resume") && help.contains("keytide rollback"), "{help}");
    // Someone has deleted the new key: no destination may get it again
    seen.keys = Observed::Known(vec![active(OLD)]);
    seen.listed = Observed::Known([OLD.into()].into());
    let help = decide(&seen, &rules()).help.unwrap().text;
    assert!(!help.contains("keytide resume") && help.contains("keytide rollback"), "{help}");
}

#[test]
fn grace_stops_where_someone_else_wrote() {
    let story = Story::new("store", Some(StorageKind::Store)).intent(days(40), false).staged(days(39));
    let story = story.proposed(days(39)).delivered(days(20)).then(days(20), JournalEvent::Distributed);
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    seen.destinations[1].fingerprint = Observed::Known(Some("by hand".into()));
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
}

#[test]
fn soaking_notes_then_deletes() {
    let keys = || vec![inactive(OLD), active(NEW)];
    assert_eq!(
        step(&merged(&retiring(), keys())),
        (RotationPhase::Soaking, RotationStep::NoteInactive { key: OLD.into() })
    );
    assert_eq!(
        step(&merged(&soaked(), keys())),
        (RotationPhase::Soaking, RotationStep::Delete { key: OLD.into() })
    );
    assert_eq!(
        step(&merged(&soaked(), vec![active(NEW)])),
        (RotationPhase::Soaking, RotationStep::NoteDeleted { key: OLD.into() })
    );
}

#[test]
fn soaking_stops_when_a_person_activates_the_key() {
    let seen = merged(&soaked(), vec![active(OLD), active(NEW)]);
    let (phase, step) = step(&seen);
    assert_eq!((phase, step.name()), (RotationPhase::Blocked, "hold"));
}

#[test]
fn due_begins_and_healthy_does_not() {
    let mut seen = seen(&Story::new("none", None), OLD, vec![active(OLD)]);
    assert_eq!(step(&seen), (RotationPhase::Due, RotationStep::BeginRotation { key: OLD.into() }));
    seen.preflight = Observed::Known(Err("no recipient".to_owned()));
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    let Observed::Known(keys) = &mut seen.keys else { panic!() };
    keys[0].created = now() - days(2);
    assert_eq!(step(&seen), (RotationPhase::Healthy, RotationStep::Wait));
}

#[test]
fn the_gate_asks_for_the_owner_the_stop_file_and_the_claim() {
    let due = || seen(&Story::new("none", None), OLD, vec![active(OLD)]);
    let mut seen = due();
    seen.owner = Observed::Known(OwnerTag::Missing { repository: 4711 });
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    let mut seen = due();
    seen.is_stopped = Observed::Known(true);
    assert_eq!(step(&seen), (RotationPhase::Blocked, RotationStep::Wait));
    let mut seen = due();
    let mut story = Story::new("claimed", None);
    story.events.push(claim(THEM, minutes(20)));
    seen.journal = Observed::Known(story.journal());
    assert_eq!(step(&seen), (RotationPhase::Due, RotationStep::Wait));
    seen.now = now() + minutes(21);
    assert_eq!(step(&seen), (RotationPhase::Due, RotationStep::Claim));
}

#[test]
fn unknown_basics_are_reported() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.listed = Observed::unknown("throttled");
    assert_eq!(step(&seen), (RotationPhase::Unknown, RotationStep::Wait));
}
