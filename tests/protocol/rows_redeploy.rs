//! The rows of a workflow that is started after the delivery and after a rollback.

use keytide::rotation::{
    BranchTip, JournalEvent, KeyState, Observation, Observed, ObservedKey, RedeployCause, RedeployRun,
    RotationParams, RotationPhase, RotationStep, RunState, StepDecision, decide,
};

use crate::rows::{active, distributed, inactive, merged, proposed};
use crate::story::{NEW, OLD, Story, days, key, marker, minutes, now, rules, used};

const WAIT: RotationStep = RotationStep::Wait;
const DELIVERY: RotationStep = RotationStep::Redeploy { cause: RedeployCause::Delivery };
const ROLLBACK: RotationStep = RotationStep::Redeploy { cause: RedeployCause::Rollback };

fn decided(seen: &Observation) -> StepDecision {
    decide(seen, &RotationParams { redeploy: true, ..rules() })
}

fn step(seen: &Observation) -> (RotationPhase, RotationStep) {
    let StepDecision { phase, step, .. } = decided(seen);
    (phase, step)
}

fn keys() -> Vec<ObservedKey> {
    vec![active(OLD), key(NEW, KeyState::Active, used(minutes(60), "s3"))]
}

/// The workflow was started right after that event.
fn started(mut story: Story) -> Story {
    let (index, cause) = story.redeployment_due().unwrap();
    story.redeploy(index, cause, true);
    story
}

fn with_run(mut seen: Observation, state: RunState) -> Observation {
    seen.redeploy_run = Observed::Known(Some(RedeployRun { number: 7, state }));
    seen
}

fn failed() -> RunState {
    RunState::Failed { conclusion: "failure".into() }
}

#[test]
fn it_is_started_once_every_destination_holds_the_new_key() {
    assert_eq!(step(&merged(&proposed(), keys())), (RotationPhase::Merged, RotationStep::MarkDistributed));
    assert_eq!(step(&merged(&distributed(), keys())), (RotationPhase::Grace, DELIVERY));
    let mut announced = distributed();
    let (index, cause) = announced.redeployment_due().unwrap();
    announced.redeploy(index, cause, false);
    assert_eq!(step(&merged(&announced, keys())), (RotationPhase::Grace, DELIVERY), "a run died in between");
    let going = with_run(merged(&started(distributed()), keys()), RunState::Running);
    let decision = decided(&going);
    assert_eq!((decision.phase, decision.step), (RotationPhase::Grace, WAIT));
    assert!(
        decision.why.contains("run 7 of the workflow of `redeploy` has not ended yet"),
        "{}",
        decision.why
    );
    let done = with_run(going, RunState::Succeeded { at: now() - days(19) });
    assert_eq!(step(&done), (RotationPhase::Grace, RotationStep::AnnounceRetirement { key: OLD.into() }));
}

/// What a destination holds now is what would be deployed.
#[test]
fn nothing_is_deployed_that_is_not_in_order() {
    let mut foreign = merged(&distributed(), keys());
    foreign.destinations[0].fingerprint = Observed::Known(Some("by hand".into()));
    let mut unread = merged(&distributed(), keys());
    unread.destinations[0].fingerprint = Observed::unknown("502");
    let gone = merged(&distributed(), vec![active(NEW)]);
    for seen in [foreign, unread, gone] {
        assert!(!matches!(step(&seen).1, RotationStep::Redeploy { .. }), "{:?}", step(&seen));
    }
}

/// A person who deactivates the old key stops what has loaded it: the deployment is needed the more, and the key stays until
/// it has succeeded.
#[test]
fn a_key_that_a_person_deactivated_does_not_end_the_deployment() {
    let idle = || vec![inactive(OLD), active(NEW)];
    assert_eq!(step(&merged(&distributed(), idle())).1, DELIVERY);
    let seen = with_run(merged(&started(distributed()), idle()), failed());
    assert_eq!((step(&seen).0, step(&seen).1), (RotationPhase::Blocked, WAIT));
    let seen = with_run(merged(&started(distributed()), idle()), RunState::Running);
    assert!(!matches!(step(&seen).1, RotationStep::Delete { .. }), "{:?}", step(&seen));
}

#[test]
fn a_failed_run_waits_for_a_person() {
    for state in [failed(), RunState::Missing] {
        let seen = with_run(merged(&started(distributed()), keys()), state);
        let decision = decided(&seen);
        assert_eq!((decision.phase, decision.step), (RotationPhase::Blocked, WAIT));
        let help = decision.help.unwrap().text;
        assert!(help.contains("re-run it") && help.contains("keytide resume"), "{help}");
    }
    let mut unread = merged(&started(distributed()), keys());
    unread.redeploy_run = Observed::unknown("502");
    assert_eq!(step(&unread), (RotationPhase::Grace, WAIT));
}

/// A key that is marked as compromised skips the waits, and not the deployment.
#[test]
fn a_leak_does_not_skip_the_deployment() {
    let leaked = Story::new("leaked", None).intent(days(1), true).staged(days(1)).proposed(days(1));
    let leaked = leaked.then(minutes(60), JournalEvent::Distributed);
    assert_eq!(step(&merged(&leaked, keys())), (RotationPhase::Grace, DELIVERY));
    let going = with_run(merged(&started(leaked.clone()), keys()), RunState::Running);
    assert_eq!(step(&going), (RotationPhase::Grace, WAIT));
    let done = with_run(going, RunState::Succeeded { at: now() });
    assert_eq!(step(&done).1, RotationStep::AnnounceRetirement { key: OLD.into() });
}

/// `validate` tests what was deployed: a success of before counts only where the deployment ended in the same minute.
#[test]
fn validation_counts_from_the_end_of_the_deployment() {
    let params = RotationParams { redeploy: true, validate: true, ..rules() };
    let ended = now() - minutes(20);
    for (validated, is_enough) in
        [(minutes(30), false), (minutes(22), false), (minutes(20), true), (minutes(5), true)]
    {
        let mut seen = with_run(merged(&started(distributed()), keys()), RunState::Succeeded { at: ended });
        seen.validated_at = Observed::Known(Some(now() - validated));
        let decision = decide(&seen, &params);
        assert_eq!(decision.step != WAIT, is_enough, "{validated:?}: {}", decision.why);
    }
}

#[test]
fn it_is_started_again_after_a_rollback() {
    let turned = |story: Story| {
        story
            .then(days(8), JournalEvent::Rollback { why: "asked".to_owned() })
            .then(days(7), JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "rolled back".to_owned() })
    };
    let back = |story: &Story| {
        let mut seen = merged(story, keys());
        seen.branch = Observed::Known(BranchTip::Neutral);
        for place in &mut seen.destinations {
            place.fingerprint = Observed::Known(Some(marker(&place.id, OLD)));
        }
        seen
    };
    let story = turned(started(distributed()));
    assert_eq!(step(&back(&story)), (RotationPhase::RollingBack, ROLLBACK));
    let mut published = back(&story);
    published.destinations[0].fingerprint = Observed::Known(Some(marker(&published.destinations[0].id, NEW)));
    assert_eq!(step(&published).1, RotationStep::ProposeRevert, "the file first");
    let story = started(story);
    let going = with_run(back(&story), RunState::Running);
    assert_eq!(step(&going), (RotationPhase::RollingBack, WAIT));
    assert_eq!(step(&with_run(going.clone(), failed())), (RotationPhase::Blocked, WAIT));
    let mut done = with_run(going, RunState::Succeeded { at: now() - days(6) });
    assert_eq!(step(&done), (RotationPhase::RollingBack, WAIT), "the new key was used an hour ago");
    done.keys = Observed::Known(vec![active(OLD), active(NEW)]);
    assert_eq!(
        step(&done),
        (RotationPhase::RollingBack, RotationStep::AnnounceRetirement { key: NEW.into() })
    );
    // Nothing was delivered, so there is nothing to deploy; what is not known is waited for.
    let mut early = back(&turned(proposed()));
    early.pull_request = crate::story::pull(keytide::rotation::PullRequestState::Closed);
    assert!(!matches!(step(&early).1, RotationStep::Redeploy { .. }), "{:?}", step(&early));
    early.pull_request = Observed::unknown("502");
    assert_eq!(step(&early), (RotationPhase::Unknown, WAIT));
}

fn abandoned() -> JournalEvent {
    JournalEvent::NewKeyAbandoned { key: NEW.into(), why: "its pull request was closed".to_owned() }
}

/// A person merges a pull request whose key keytide had just given up: what is delivered all the same is deployed, and no key
/// goes before that.
#[test]
fn a_delivery_after_the_key_was_given_up_is_deployed_like_any_other() {
    let story = proposed().then(days(21), abandoned()).then(days(20), JournalEvent::Distributed);
    assert_eq!(step(&merged(&story, keys())), (RotationPhase::Grace, DELIVERY));
    let going = with_run(merged(&started(story), keys()), RunState::Running);
    assert_eq!(step(&going), (RotationPhase::Grace, WAIT));
    assert_eq!(step(&with_run(going.clone(), failed())), (RotationPhase::Blocked, WAIT));
    let done = with_run(going, RunState::Succeeded { at: now() - days(19) });
    assert_eq!(step(&done).1, RotationStep::AnnounceRetirement { key: OLD.into() });
}

/// A person takes the merge back by hand: applications have loaded the new key, which stays until the old one is deployed.
#[test]
fn a_merge_that_a_person_takes_back_deploys_the_old_key() {
    let story = started(distributed()).then(days(10), abandoned());
    let back = |story: &Story| {
        let mut seen = merged(story, vec![active(OLD), active(NEW)]);
        seen.branch = Observed::Known(BranchTip::Neutral);
        for place in &mut seen.destinations {
            place.fingerprint = Observed::Known(Some(marker(&place.id, OLD)));
        }
        with_run(seen, RunState::Succeeded { at: now() - days(19) })
    };
    assert_eq!(step(&back(&story)), (RotationPhase::Closed, ROLLBACK));
    let cause = RedeployCause::Rollback;
    let story = story.then(days(9), JournalEvent::Redeploying { cause });
    let story = story.then(days(9), JournalEvent::Redeployed { cause, run: 7 });
    let going = with_run(back(&story), RunState::Running);
    assert_eq!(step(&going), (RotationPhase::Closed, WAIT));
    let done = with_run(going, RunState::Succeeded { at: now() - days(9) });
    assert_eq!(step(&done).1, RotationStep::AnnounceRetirement { key: NEW.into() });
    // The merge again: what was deployed meanwhile is the old key
    let again = merged(&story, keys());
    assert_eq!(step(&again), (RotationPhase::Grace, DELIVERY));
}
