//! GitHub refuses a branch: no key is made, and once the rule is gone the rotation goes on.

use jiff::{SignedDuration, Timestamp};
use keytide::engine::execute::{ChangeBudget, RunOutcome, run_user};
use keytide::engine::observe::{UserRotation, observe_user};
use keytide::ports::FileChanges;
use keytide::rotation::{Observation, Observed, RedeployRun, RotationPhase, RotationRequest, RunState};
use keytide::simulator::sample::{self, SampleStores};
use keytide::simulator::{SimFault, Simulation, block_on};

use crate::stories::{Story, Telling};

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
const DAY: SignedDuration = SignedDuration::from_hours(25);

fn run(world: &Simulation, task: &UserRotation, number: usize) -> RunOutcome {
    let task = UserRotation { run: number.to_string().into(), ..task.clone() };
    let door = world.backend_for_run(number);
    let ran = block_on(world, number, async {
        run_user(&door, &task, &mut ChangeBudget::default(), &|| false).await
    });
    world.advance_time(DAY);
    ran.unwrap()
}

fn count_keys(world: &Simulation) -> usize {
    world.with_state(|state| state.body.users[sample::USER].keys.len())
}

/// A rule that refuses all branches, and one that refuses only the commit.
#[test]
fn no_key_is_made_while_a_rule_refuses_the_branch() {
    for refused in ["", "Rotate the access key"] {
        let (world, task) = sample::sample_simulation(7, NOW, DAY * 80, SampleStores::Sealed);
        world.refuse_commits(Some(refused));
        for number in 1..6 {
            let ran = run(&world, &task, number);
            let error = ran.error.unwrap().message;
            assert!(error.starts_with("no key was created: GitHub refuses the branch"), "{error}");
            assert_eq!(count_keys(&world), 1, "{refused}");
            assert_eq!(ran.last_decision.phase, RotationPhase::Claimed);
        }
        world.refuse_commits(None);
        let ran = run(&world, &task, 6);
        assert_eq!(ran.last_decision.phase, RotationPhase::Proposed, "{:?}", ran.error);
        assert_eq!((count_keys(&world), world.open_pulls().len()), (2, 1));
    }
}

/// A workflow file changes while the pull request is open: the branch cannot take in the default branch, and is given up
/// without it.
#[test]
fn a_workflow_that_changes_under_a_conflict_begins_anew() {
    let (world, task) = sample::sample_simulation(7, NOW, DAY * 80, SampleStores::Sealed);
    run(&world, &task, 1);
    let lock = keytide::repository::lock_file_path(sample::USER);
    let workflow = ".github/workflows/deploy.yml".to_owned();
    let edit =
        FileChanges::from([(lock, Some(b"{}\n".to_vec())), (workflow.clone(), Some(b"on: push\n".to_vec()))]);
    world.push_files(&edit, "edit");
    for number in 2..40 {
        run(&world, &task, number);
        if world.with_state(|state| state.body.pulls.len()) == 2 {
            break;
        }
    }
    let first = keytide::rotation::ids::branch_name(sample::USER, 1);
    world.with_state(|state| {
        assert_eq!(state.body.pulls.len(), 2);
        assert!(!state.body.files_at(&first).unwrap().contains_key(&workflow));
    });
    assert_eq!((count_keys(&world), world.open_pulls().len()), (2, 1));
}

/// What a run sees, in a copy of the world.
fn observe(world: &Simulation, task: &UserRotation) -> Observation {
    let door = world.backend_for_run(99);
    block_on(world, 99, async { observe_user(&door, task).await }).unwrap()
}

/// A deployment counts if it is not from before the merge. When that was is not known if the pull request is not.
#[test]
fn a_deployment_is_unknown_while_its_pull_request_is() {
    let mut telling = Telling::new(Story::Deploy);
    let is_deployed = |seen: &Observation| {
        matches!(
            seen.redeploy_run,
            Observed::Known(Some(RedeployRun { state: RunState::Succeeded { .. }, .. }))
        )
    };
    let has_come = (0..20).any(|_| {
        telling.go_on();
        is_deployed(&observe(&telling.world.fork(), &telling.task))
    });
    assert!(has_come, "the deployment succeeds");
    let plain = telling.world.fork();
    observe(&plain, &telling.task);
    let number = plain.with_state(|state| state.calls.iter().position(|call| call.name == "pull:find"));
    let refused = telling.world.fork();
    refused.with_state(|state| state.faults.at = vec![(number.unwrap(), SimFault::Throttled)]);
    let seen = observe(&refused, &telling.task);
    let why = seen.redeploy_run.read_failure().unwrap_or_default();
    assert!(why.contains("the pull request that it follows could not be read"), "{:?}", seen.redeploy_run);
}

/// Runs until what is wanted has happened, and returns the last run.
fn run_until(
    world: &Simulation,
    task: &UserRotation,
    from: usize,
    is_over: impl Fn(&RunOutcome) -> bool,
) -> RunOutcome {
    for number in from..from + 60 {
        let ran = run(world, task, number);
        if is_over(&ran) {
            return ran;
        }
    }
    panic!("it never happens");
}

/// GitHub does not open the pull request of a rollback, and a person edits a file that its branch brings: the next run
/// knows the branch for keytide's own.
#[test]
fn a_rollback_goes_on_after_an_edit_under_its_branch() {
    let (world, task) = sample::sample_simulation(7, NOW, DAY * 80, SampleStores::None);
    run_until(&world, &task, 1, |ran| ran.last_decision.phase == RotationPhase::Proposed);
    world.merge_pull_request(100).unwrap();
    run_until(&world, &task, 100, |ran| ran.last_decision.phase == RotationPhase::Grace);
    let asked = RotationRequest { rollback: true, ..RotationRequest::default() };
    let back = UserRotation { asked, ..task.clone() };
    let copy = world.fork();
    run_until(&copy, &back, 200, |_| !copy.open_pulls().is_empty());
    let opened =
        copy.with_state(|state| state.calls.iter().position(|call| call.name == "pull:open")).unwrap();
    world.with_state(|state| {
        state.faults.at = vec![(state.calls.len() + opened, SimFault::FailedNotApplied)];
    });
    let failed = run_until(&world, &back, 200, |ran| ran.error.is_some());
    let error = failed.error.unwrap().message;
    assert!(error.contains("the server answered 500"), "{error}");
    assert!(world.open_pulls().is_empty());

    let before = world.default_head();
    let lock = keytide::repository::lock_file_path(sample::USER);
    world.push_files(&FileChanges::from([(lock.clone(), Some(b"{}\n".to_vec()))]), "edit");
    let ran = run(&world, &task, 300);
    assert!(ran.error.is_none(), "{:?}", ran.error);
    let [number] = world.open_pulls()[..] else { panic!("not one pull request is open") };
    world.restore_files(&before, &[&lock]);
    world.merge_pull_request(number).unwrap();
    run_until(&world, &task, 400, |ran| ran.last_decision.phase == RotationPhase::Held);
    assert_eq!((count_keys(&world), world.invariant_violations()), (1, Vec::new()));
}
