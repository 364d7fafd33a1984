//! The rows of a key that goes without a successor.

use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{
    JournalEvent, KeyMention, KeyState, Observation, Observed, ObservedKey, RotationPhase, RotationStep,
    StepDecision,
};

use crate::rows::{active, inactive};
use crate::story::{NEW, OLD, Policy, Story, days, key, minutes, never, seen, used};

fn decide(seen: &Observation, policy: Policy) -> StepDecision {
    DecisionTable::default().decide(seen, &policy.rules())
}

fn step(seen: &Observation) -> (RotationPhase, RotationStep) {
    let StepDecision { phase, step, .. } = decide(seen, Policy::Retire);
    (phase, step)
}

fn begun() -> Story {
    Story::new("begun", None).asks(Policy::Retire).retirement(days(40))
}

/// Announced once: the quiet time has begun.
fn unneeded(ago: jiff::SignedDuration) -> Story {
    begun().then(ago, JournalEvent::Retiring { key: OLD.into() })
}

/// Announced again, this long ago.
fn announced(ago: jiff::SignedDuration) -> Story {
    unneeded(days(30)).then(ago, JournalEvent::Retiring { key: OLD.into() })
}

fn soaked() -> Story {
    announced(days(20))
        .then(days(11), JournalEvent::Deactivate { key: OLD.into() })
        .then(days(10), JournalEvent::InactiveSince { key: OLD.into() })
}

/// Nothing in the repository holds a credential.
fn bare(story: &Story, keys: Vec<ObservedKey>) -> Observation {
    let mut seen = seen(story, OLD, keys);
    seen.destinations.iter_mut().for_each(|place| place.fingerprint = Observed::Known(None));
    seen.pull_request = Observed::Known(None);
    seen
}

fn named(mut seen: Observation) -> Observation {
    seen.key_mentions = Observed::Known([(OLD.into(), "`deploy.yml` names it".into())].into());
    seen
}

fn announce() -> RotationStep {
    RotationStep::AnnounceRetirement { key: OLD.into() }
}

#[test]
fn a_retirement_begins_whatever_the_key_is_used_for() {
    let story = Story::new("new", None);
    let begin = |id: &str| (RotationPhase::Retiring, RotationStep::BeginRetirement { key: id.into() });
    assert_eq!(step(&bare(&story, vec![active(OLD)])), begin(OLD));
    assert_eq!(step(&named(bare(&story, vec![inactive(OLD)]))), begin(OLD));
    assert_eq!(step(&bare(&story, vec![])), (RotationPhase::Retired, RotationStep::Wait));
    assert_eq!(decide(&bare(&story, vec![active(OLD)]), Policy::Rotate).phase, RotationPhase::Due);
}

#[test]
fn of_two_keys_the_idle_one_goes_first() {
    let story = Story::new("new", None);
    let begin = |id: &str| (RotationPhase::Retiring, RotationStep::BeginRetirement { key: id.into() });
    assert_eq!(step(&bare(&story, vec![active(OLD), inactive(NEW)])), begin(NEW));
    let fresh = key(NEW, KeyState::Active, used(days(1), "s3"));
    assert_eq!(step(&bare(&story, vec![fresh, active(OLD)])), begin(OLD));
    assert_eq!(step(&bare(&story, vec![active(OLD), key(NEW, KeyState::Active, never())])), begin(NEW));
    let unknown = key(NEW, KeyState::Active, Observed::unknown("throttled"));
    let unclear = bare(&story, vec![active(OLD), unknown]);
    assert_eq!(step(&unclear), (RotationPhase::Unknown, RotationStep::Wait));
    // The other key stops no retirement
    assert_eq!(step(&bare(&begun(), vec![active(OLD), active(NEW)])), (RotationPhase::Retiring, announce()));
}

#[test]
fn it_is_announced_once_nothing_refers_to_the_key() {
    let waits = (RotationPhase::Retiring, RotationStep::Wait);
    assert_eq!(step(&bare(&begun(), vec![active(OLD)])), (RotationPhase::Retiring, announce()));
    assert_eq!(step(&named(bare(&begun(), vec![active(OLD)]))), waits);
    assert_eq!(step(&seen(&begun(), OLD, vec![active(OLD)])), waits, "the file holds a credential");
    let mut unread = bare(&begun(), vec![active(OLD)]);
    unread.key_mentions = Observed::unknown("too large");
    assert_eq!(step(&unread), waits);
    let mut unread = bare(&begun(), vec![active(OLD)]);
    unread.destinations[0].fingerprint = Observed::unknown("502");
    assert_eq!(step(&unread), waits);
}

#[test]
fn it_is_announced_again_and_deactivated_when_it_was_quiet() {
    let waits = (RotationPhase::Retiring, RotationStep::Wait);
    let again = (RotationPhase::Retiring, announce());
    let quiet = unneeded(days(3) + minutes(240));
    assert_eq!(step(&bare(&quiet, vec![active(OLD)])), again);
    assert_eq!(step(&bare(&quiet, vec![key(OLD, KeyState::Active, never())])), again);
    assert_eq!(step(&bare(&unneeded(days(3) + minutes(239)), vec![active(OLD)])), waits);
    let recent = || key(OLD, KeyState::Active, used(days(3), "s3"));
    assert_eq!(step(&bare(&quiet, vec![recent()])), waits);
    let unknown = || key(OLD, KeyState::Active, Observed::unknown("throttled"));
    assert_eq!(step(&bare(&quiet, vec![unknown()])), waits);

    let gone = (RotationPhase::Retiring, RotationStep::Deactivate { key: OLD.into() });
    let due = announced(minutes(240));
    assert_eq!(step(&bare(&due, vec![active(OLD)])), gone);
    assert_eq!(step(&bare(&announced(minutes(239)), vec![active(OLD)])), waits);
    assert_eq!(step(&bare(&due, vec![recent()])), waits);
    assert_eq!(step(&bare(&due, vec![unknown()])), waits);
    let early = unneeded(days(3)).then(minutes(240), JournalEvent::Retiring { key: OLD.into() });
    assert_eq!(step(&bare(&early, vec![active(OLD)])), waits);
}

#[test]
fn a_new_reference_makes_the_announcement_void() {
    let long = announced(days(20));
    let (phase, withdrawn) = step(&named(bare(&long, vec![active(OLD)])));
    assert_eq!(phase, RotationPhase::Retiring);
    assert!(matches!(withdrawn, RotationStep::WithdrawRetirement { .. }), "{withdrawn:?}");
    let void = long.then(days(1), JournalEvent::Needed { key: OLD.into(), why: "named".to_owned() });
    assert_eq!(step(&bare(&void, vec![active(OLD)])), (RotationPhase::Retiring, announce()));
    let anew = void.then(minutes(60), JournalEvent::Retiring { key: OLD.into() });
    assert_eq!(step(&bare(&anew, vec![active(OLD)])), (RotationPhase::Retiring, RotationStep::Wait));
}

#[test]
fn it_soaks_and_is_deleted() {
    let note = RotationStep::NoteInactive { key: OLD.into() };
    assert_eq!(step(&bare(&announced(days(20)), vec![inactive(OLD)])), (RotationPhase::Soaking, note));
    let delete = RotationStep::Delete { key: OLD.into() };
    assert_eq!(step(&bare(&soaked(), vec![inactive(OLD)])), (RotationPhase::Soaking, delete));
    let waits = (RotationPhase::Soaking, RotationStep::Wait);
    let used = key(OLD, KeyState::Inactive, used(days(2), "s3"));
    assert_eq!(step(&bare(&soaked(), vec![used])), waits);
    let early = announced(days(20)).then(days(6), JournalEvent::InactiveSince { key: OLD.into() });
    assert_eq!(step(&bare(&early, vec![inactive(OLD)])), waits);
    // What reads the key does not work, so that is said at once; a pull request only keeps the key
    for story in [early, soaked()] {
        let named = step(&named(bare(&story, vec![inactive(OLD)])));
        assert_eq!(named, (RotationPhase::Blocked, RotationStep::Wait));
        let mut proposed = bare(&story, vec![inactive(OLD)]);
        let mention = KeyMention::proposed("pull request #1 would bring it back");
        proposed.key_mentions = Observed::Known([(OLD.into(), mention)].into());
        assert_eq!(step(&proposed), waits);
    }
    let over = RotationStep::NoteDeleted { key: OLD.into() };
    assert_eq!(step(&bare(&soaked(), vec![])), (RotationPhase::Soaking, over));
    let done = soaked().then(days(1), JournalEvent::Deleted { key: OLD.into() });
    assert_eq!(step(&bare(&done, vec![])), (RotationPhase::Retired, RotationStep::Wait));
}

#[test]
fn a_key_that_is_active_again_in_its_soak_holds_the_user() {
    let (phase, held) = step(&bare(&soaked(), vec![active(OLD)]));
    assert_eq!(phase, RotationPhase::Blocked);
    assert!(matches!(held, RotationStep::Hold { .. }), "{held:?}");
}

#[test]
fn a_rollback_brings_the_key_back() {
    let mut asked = bare(&soaked(), vec![inactive(OLD)]);
    asked.request.rollback = true;
    let (phase, begins) = step(&asked);
    assert_eq!(phase, RotationPhase::RollingBack);
    assert!(matches!(begins, RotationStep::BeginRollback { .. }), "{begins:?}");
    let back = soaked().then(minutes(9), JournalEvent::Rollback { why: "asked".to_owned() });
    let activate = RotationStep::Activate { key: OLD.into() };
    assert_eq!(step(&bare(&back, vec![inactive(OLD)])), (RotationPhase::RollingBack, activate));
    let (_, held) = step(&bare(&back, vec![active(OLD)]));
    assert!(matches!(held, RotationStep::Hold { .. }), "{held:?}");
    let held = back.then(minutes(5), JournalEvent::Held { why: "rolled back".to_owned() });
    assert_eq!(step(&bare(&held, vec![active(OLD)])), (RotationPhase::Held, RotationStep::Wait));
    let resumed = held.then(
        minutes(4),
        JournalEvent::Resumed { reason: "no one needs it".to_owned(), user_id: "AID".into() },
    );
    let again = RotationStep::BeginRetirement { key: OLD.into() };
    assert_eq!(step(&bare(&resumed, vec![active(OLD)])), (RotationPhase::Retiring, again));
}

#[test]
fn a_policy_file_that_does_not_ask_for_it_stops_it() {
    for policy in [Policy::Rotate, Policy::Unlisted] {
        let long = bare(&announced(days(20)), vec![active(OLD)]);
        let decision = decide(&long, policy);
        assert!(matches!(decision.step, RotationStep::BeginRollback { .. }), "{decision:?}");
        let soaking = decide(&bare(&soaked(), vec![inactive(OLD)]), policy);
        assert_eq!((soaking.phase, soaking.step), (RotationPhase::Blocked, RotationStep::Wait));
    }
}

#[test]
fn a_leak_does_not_hurry_a_retirement() {
    let mut leaked = bare(&announced(minutes(60)), vec![active(OLD)]);
    leaked.request.compromised = true;
    let decision = decide(&leaked, Policy::Retire);
    assert_eq!((decision.phase, decision.step), (RotationPhase::Retiring, RotationStep::Wait));
    let help = decision.help.unwrap().text;
    assert!(help.contains("update-access-key"), "{help}");
}
