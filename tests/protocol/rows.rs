//! The table of the protocol, a test a row: a story, what is seen, one thing changed.

use keytide::rotation::{
    Datum, Decision, Event, Key, Observation, Owner, Phase, PlaceKind, PullState, Status, Step, decide,
};

use crate::story::{
    NEW, OLD, Story, THEM, THIRD, claim, days, key, marker, minutes, never, now, pull, rules, seen, store,
    used,
};

pub fn active(id: &str) -> Key {
    key(id, Status::Active, used(days(30), "s3"))
}

pub fn inactive(id: &str) -> Key {
    key(id, Status::Inactive, used(days(30), "s3"))
}

pub fn step(seen: &Observation) -> (Phase, Step) {
    let Decision { phase, step, .. } = decide(seen, &rules());
    (phase, step)
}

pub fn phase(seen: &Observation) -> Phase {
    step(seen).0
}

pub fn proposed() -> Story {
    Story::new("proposed", None).intent(days(40), false).staged(days(39)).proposed(days(39))
}

pub fn distributed() -> Story {
    proposed().then(days(20), Event::Distributed)
}

pub fn retiring() -> Story {
    distributed().then(days(12), Event::Retiring { key: OLD.into() })
}

pub fn soaked() -> Story {
    retiring()
        .then(days(11), Event::Deactivate { key: OLD.into() })
        .then(days(10), Event::InactiveSince { key: OLD.into() })
}

pub fn tombstoned() -> Story {
    proposed().then(days(9), Event::Tombstone { key: NEW.into(), why: "closed".to_owned() })
}

pub fn merged(story: &Story, keys: Vec<Key>) -> Observation {
    let mut seen = seen(story, NEW, keys);
    seen.proposal = pull(PullState::Merged { at: now() - days(30) });
    seen
}

#[test]
fn quarantined_when_the_journal_is_broken() {
    let twice = proposed().intent(days(1), false);
    assert_eq!(phase(&seen(&twice, OLD, vec![active(OLD), active(NEW)])), Phase::Quarantined);
}

#[test]
fn quarantined_when_the_user_is_another_one() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.user_id = Datum::Known(Some("another".into()));
    assert_eq!(phase(&seen), Phase::Quarantined);
}

#[test]
fn quarantined_when_a_step_failed_three_times() {
    let failed = Event::Failed { step: "propose".to_owned(), why: "403".to_owned() };
    let story = proposed().then(days(3), failed.clone()).then(days(2), failed.clone());
    assert_ne!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), Phase::Quarantined);
    let story = story.then(days(1), failed);
    assert_eq!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), Phase::Quarantined);
}

#[test]
fn held_until_a_person_resumes() {
    let held = distributed().then(days(1), Event::Held { why: "rolled back".to_owned() });
    assert_eq!(phase(&seen(&held, NEW, vec![active(OLD), active(NEW)])), Phase::Held);
    let resumed = held.then(days(1), Event::Resumed { reason: "mended".to_owned(), user_id: "AID".into() });
    assert_ne!(phase(&merged(&resumed, vec![active(OLD), active(NEW)])), Phase::Held);
}

#[test]
fn drifted_when_a_referenced_key_is_inactive() {
    let seen = seen(&proposed(), OLD, vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (Phase::Drifted, Step::Activate { key: OLD.into() }));
}

#[test]
fn drifted_waits_while_a_deletion_may_be_under_way() {
    let story = soaked().then(minutes(3), Event::Delete { key: OLD.into() });
    let seen = seen(&story, OLD, vec![inactive(OLD), active(NEW)]);
    assert_eq!(step(&seen), (Phase::Drifted, Step::Wait));
}

#[test]
fn quarantined_when_a_referenced_key_is_gone() {
    assert_eq!(phase(&seen(&proposed(), OLD, vec![active(NEW)])), Phase::Quarantined);
}

fn with_orphan(status: Status, made: i64) -> Observation {
    let story = Story::new("tried", None).intent(days(2), false).then(days(1), Event::Create);
    let orphan =
        Key { id: THIRD.into(), status, created: now() - days(1) + minutes(made), last_used: never() };
    seen(&story, OLD, vec![active(OLD), orphan])
}

#[test]
fn orphan_of_a_run_that_died() {
    let discard = |delete| Step::Discard { key: THIRD.into(), delete };
    assert_eq!(step(&with_orphan(Status::Active, 1)), (Phase::Orphan, discard(false)));
    assert_eq!(step(&with_orphan(Status::Inactive, 1)), (Phase::Orphan, discard(true)));
}

#[test]
fn orphan_only_within_minutes_of_the_announcement() {
    assert_eq!(step(&with_orphan(Status::Active, 60)), (Phase::Blocked, Step::Wait));
}

#[test]
fn orphan_only_when_never_used() {
    let mut seen = with_orphan(Status::Active, 1);
    let Datum::Known(keys) = &mut seen.keys else { panic!() };
    keys[1].last_used = Datum::unknown("throttled");
    assert_eq!(phase(&seen), Phase::Blocked);
}

#[test]
fn orphan_is_left_alone_while_a_use_may_not_be_known_yet() {
    let story = Story::new("tried", None).intent(days(2), false).then(minutes(30), Event::Create);
    let orphan =
        Key { id: THIRD.into(), status: Status::Active, created: now() - minutes(30), last_used: never() };
    assert_eq!(step(&seen(&story, OLD, vec![active(OLD), orphan])), (Phase::Orphan, Step::Wait));
}

#[test]
fn a_key_made_after_the_new_one_was_kept_is_a_persons() {
    let stranger = Key {
        id: THIRD.into(),
        created: now() - days(39) + minutes(3),
        ..key(THIRD, Status::Active, never())
    };
    let seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW), stranger]);
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
}

#[test]
fn blocked_by_two_keys_and_no_rotation() {
    let seen = seen(&Story::new("none", None), OLD, vec![active(OLD), active(NEW)]);
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
}

/// The advice names the key that is inactive, else the one that is idle, if that can be told: a use by STS may be
/// keytide's own.
#[test]
fn two_keys_are_advised_on_by_what_is_known() {
    let help = |keys: Vec<Key>| decide(&seen(&Story::new("none", None), OLD, keys), &rules()).help.unwrap();
    let by = |ago, service| key(NEW, Status::Active, used(days(ago), service));
    assert!(help(vec![active(OLD), by(3, "s3")]).contains("--access-key-id OLD --status Inactive"));
    assert!(help(vec![active(OLD), by(40, "sts")]).contains("--access-key-id NEW --status Inactive"));
    assert!(help(vec![active(OLD), by(3, "sts")]).starts_with("keep the one that the application uses"));
    let unknown = key(NEW, Status::Active, Datum::unknown("throttled"));
    assert!(help(vec![active(OLD), unknown]).starts_with("keep the one"));
    let never = key(NEW, Status::Active, never());
    assert!(help(vec![active(OLD), never]).contains("--access-key-id NEW --status Inactive"));
    assert!(
        help(vec![active(NEW), inactive(OLD)])
            .contains("delete-access-key --user-name ci --access-key-id OLD")
    );
}

#[test]
fn blocked_by_an_event_of_a_later_version() {
    let story = proposed().then(days(1), Event::Other { event: "reseal".to_owned() });
    assert_eq!(phase(&seen(&story, OLD, vec![active(OLD), active(NEW)])), Phase::Blocked);
}

#[test]
fn claimed_makes_a_key_beside_exactly_one() {
    let story = Story::new("intended", None).intent(minutes(5), false);
    assert_eq!(step(&seen(&story, OLD, vec![active(OLD)])), (Phase::Claimed, Step::Issue));
    assert_eq!(step(&seen(&story, OLD, vec![active(OLD), active(THIRD)])), (Phase::Blocked, Step::Wait));
}

/// What a person says in the middle of a rotation is noted before anything else goes on.
#[test]
fn compromised_is_noted_once() {
    let mut told = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    told.asked.compromised = true;
    assert_eq!(step(&told), (Phase::Proposed, Step::NoteCompromised));
    let mut noted =
        seen(&proposed().then(minutes(5), Event::Compromised), OLD, vec![active(OLD), active(NEW)]);
    noted.asked.compromised = true;
    assert_eq!(step(&noted), (Phase::Proposed, Step::Wait));
}

#[test]
fn merged_delivers_an_active_key_only() {
    let mut story = Story::new("a store alone", Some(PlaceKind::Store));
    story.places.remove(0);
    let story = story.intent(days(40), false).staged(days(39)).proposed(days(39));
    let mut gone = merged(&story, vec![active(OLD)]);
    gone.places[0].marker = Datum::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&gone), (Phase::Quarantined, Step::Wait));
    let mut idle = merged(&story, vec![active(OLD), inactive(NEW)]);
    idle.places[0].marker = Datum::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&idle), (Phase::Merged, Step::Activate { key: NEW.into() }));
}

#[test]
fn conflicting_is_brought_up_to_date() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.proposal = pull(PullState::Open { conflicting: true });
    assert_eq!(step(&seen), (Phase::Conflicting, Step::Rebase { pull_request: 5 }));
}

#[test]
fn proposed_waits_and_proposes_what_is_not() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    assert_eq!(step(&seen), (Phase::Proposed, Step::Wait));
    seen.proposal = Datum::Known(None);
    assert_eq!(step(&seen), (Phase::Proposed, Step::Propose));
}

#[test]
fn merged_delivers_then_waits_then_notes_it() {
    let story = |delivered: Option<i64>| {
        let story = Story::new("store", Some(PlaceKind::Store)).intent(days(40), false).staged(days(39));
        let story = story.proposed(days(39));
        delivered.map_or(story.clone(), |ago| story.delivered(minutes(ago)))
    };
    let keys = || vec![active(OLD), active(NEW)];
    let mut fresh = merged(&story(None), keys());
    fresh.places[1].marker = Datum::Known(Some(marker(&store(), OLD)));
    assert_eq!(step(&fresh), (Phase::Merged, Step::Deliver { places: vec![store()] }));
    assert_eq!(step(&merged(&story(Some(2)), keys())), (Phase::Merged, Step::Wait));
    assert_eq!(step(&merged(&story(Some(11)), keys())), (Phase::Merged, Step::Distribute));
}

#[test]
fn grace_announces_then_deactivates() {
    let keys = || vec![active(OLD), key(NEW, Status::Active, used(minutes(60), "s3"))];
    assert_eq!(step(&merged(&distributed(), keys())), (Phase::Grace, Step::Retire { key: OLD.into() }));
    assert_eq!(step(&merged(&retiring(), keys())), (Phase::Grace, Step::Deactivate { key: OLD.into() }));
    let hasty = distributed().then(minutes(60), Event::Retiring { key: OLD.into() });
    assert_eq!(step(&merged(&hasty, keys())), (Phase::Grace, Step::Wait));
    let early = proposed().then(days(5), Event::Distributed);
    assert_eq!(step(&merged(&early, keys())), (Phase::Grace, Step::Wait));
}

#[test]
fn grace_waits_for_a_use_of_the_new_key_that_is_not_keytides() {
    let proved = key(NEW, Status::Active, used(days(39) - minutes(1), "sts"));
    assert_eq!(step(&merged(&distributed(), vec![active(OLD), proved])), (Phase::Grace, Step::Wait));
}

#[test]
fn grace_stops_where_somebody_else_wrote() {
    let story = Story::new("store", Some(PlaceKind::Store)).intent(days(40), false).staged(days(39));
    let story = story.proposed(days(39)).delivered(days(20)).then(days(20), Event::Distributed);
    let mut seen = merged(&story, vec![active(OLD), active(NEW)]);
    seen.places[1].marker = Datum::Known(Some("by hand".into()));
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
}

#[test]
fn soaking_notes_then_deletes() {
    let keys = || vec![inactive(OLD), active(NEW)];
    assert_eq!(step(&merged(&retiring(), keys())), (Phase::Soaking, Step::NoteInactive { key: OLD.into() }));
    assert_eq!(step(&merged(&soaked(), keys())), (Phase::Soaking, Step::Delete { key: OLD.into() }));
    assert_eq!(
        step(&merged(&soaked(), vec![active(NEW)])),
        (Phase::Soaking, Step::NoteDeleted { key: OLD.into() })
    );
}

#[test]
fn soaking_stops_when_a_person_activates_the_key() {
    let seen = merged(&soaked(), vec![active(OLD), active(NEW)]);
    let (phase, step) = step(&seen);
    assert_eq!((phase, step.name()), (Phase::Blocked, "hold"));
}

#[test]
fn due_begins_and_healthy_does_not() {
    let mut seen = seen(&Story::new("none", None), OLD, vec![active(OLD)]);
    assert_eq!(step(&seen), (Phase::Due, Step::Begin { key: OLD.into() }));
    seen.preflight = Datum::Known(Err("no recipient".to_owned()));
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
    let Datum::Known(keys) = &mut seen.keys else { panic!() };
    keys[0].created = now() - days(2);
    assert_eq!(step(&seen), (Phase::Healthy, Step::Wait));
}

#[test]
fn the_gate_asks_for_the_owner_the_stop_file_and_the_claim() {
    let due = || seen(&Story::new("none", None), OLD, vec![active(OLD)]);
    let mut seen = due();
    seen.owner = Datum::Known(Owner::Nobody);
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
    let mut seen = due();
    seen.stopped = Datum::Known(true);
    assert_eq!(step(&seen), (Phase::Blocked, Step::Wait));
    let mut seen = due();
    let mut story = Story::new("claimed", None);
    story.events.push(claim(THEM, minutes(20)));
    seen.journal = Datum::Known(story.journal());
    assert_eq!(step(&seen), (Phase::Due, Step::Wait));
    seen.now = now() + minutes(21);
    assert_eq!(step(&seen), (Phase::Due, Step::Claim));
}

#[test]
fn unknown_basics_are_told() {
    let mut seen = seen(&proposed(), OLD, vec![active(OLD), active(NEW)]);
    seen.listed = Datum::unknown("throttled");
    assert_eq!(step(&seen), (Phase::Unknown, Step::Wait));
}
