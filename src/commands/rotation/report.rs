//! Builds the report of a run from what it did about each user.

use super::context::RunContext;
use super::run_users::{UserOutcome, UserRun};
use super::status::rotation_statuses;
use crate::commands::context::Context;
use crate::engine::execute::RunOutcome;
use crate::iam::{
    self, AccessKey, AccountInventory, DataSource, IamUser, LastUse, Provenance, ReadFault, SourcedFact,
    UnknownReason,
};
use crate::ports::Clock as _;
use crate::report::{Report, RotationLine};
use crate::repository::RepositoryIdentity;
use crate::rotation::{
    KeyState, Observation, Observed, ObservedKey, OwnerTag, PullRequestState, RotationPhase, RotationStep,
};
use crate::rules::{self, RuleInput};

/// Builds the report of a run.
pub fn build_report(context: &Context<'_>, run: &RunContext, user_runs: &[UserRun]) -> Report {
    let now = run.backend.now();
    let mut inventory = AccountInventory {
        account: run.account.clone(),
        source: "iam",
        users: Vec::new(),
        missing: Vec::new(),
        root_key: SourcedFact::Unknown(UnknownReason::NotAsked),
        faults: user_runs.iter().filter_map(run_fault).collect(),
        limits: run.backend.take_remarks(),
    };
    let mut lines = Vec::new();
    for user_run in user_runs {
        if let UserOutcome::Finished(ran) = &user_run.outcome {
            inventory.users.push(observed_user(user_run, ran));
            lines.push(rotation_line(user_run, ran));
        }
    }
    let rotations = rotation_statuses(user_runs);
    let repository = RepositoryIdentity {
        name: Some(run.backend.repository_name().to_owned()),
        id: Some(run.backend.repository_id()),
    };
    let input = RuleInput {
        policy: &run.policy,
        inventory: None,
        files: None,
        rotations: Some(&rotations),
        repository: &repository,
        now,
    };
    let (mut findings, _) = rules::run_rules(&input);
    // All other findings are for an audit to report.
    findings.retain(|finding| finding.rule == "stalled-rotation");
    let found = (findings, Vec::new());
    Report::of_audit(&run.policy, inventory, found, now, context.common.fail_on).with_rotations(lines)
}

/// What went wrong for a user.
fn run_fault(user_run: &UserRun) -> Option<ReadFault> {
    let (operation, message) = match &user_run.outcome {
        UserOutcome::NotStarted => {
            ("rotate", "the run was asked to end before it came to this user".to_owned())
        }
        UserOutcome::Interrupted => (
            "rotate",
            "the run was asked to end during a step; the next run checks what became of it".to_owned(),
        ),
        UserOutcome::Finished(ran) => match &ran.error {
            Some(error) => {
                let step = ran.steps_taken.last().map_or("look", |decision| decision.step.name());
                (step, error.message.clone())
            }
            None if ran.last_decision.phase == RotationPhase::Unknown => {
                ("look", ran.last_decision.why.clone())
            }
            None => return None,
        },
    };
    let user = Some(user_run.user_rotation.user.to_string());
    Some(ReadFault { user, operation: operation.to_owned(), message })
}

fn rotation_line(user_run: &UserRun, ran: &RunOutcome) -> RotationLine {
    let last = &ran.last_decision;
    RotationLine {
        user: user_run.user_rotation.user.to_string(),
        phase: last.phase,
        done: performed_steps(ran),
        next: if last.step == RotationStep::Wait { None } else { Some(last.step.to_string()) },
        why: last.why.clone(),
        help: last.help.clone(),
        not_before: last.until,
        pull_request: open_pull_request(&ran.observation),
    }
}

/// The steps that succeeded.
fn performed_steps(ran: &RunOutcome) -> Vec<String> {
    let mut steps: Vec<String> = ran.steps_taken.iter().map(|decision| decision.step.to_string()).collect();
    if ran.error.is_some() {
        // The last step is the one that failed.
        steps.pop();
    }
    steps
}

/// The newest open pull request of the rotation.
fn open_pull_request(seen: &Observation) -> Option<u64> {
    let mut newest = None;
    for pull in [&seen.pull_request, &seen.revert_pull_request] {
        let Some(Some(pull)) = pull.known() else { continue };
        if matches!(pull.state, PullRequestState::Open { .. }) {
            newest = newest.max(Some(pull.number));
        }
    }
    newest
}

/// The user as it was last observed.
fn observed_user(user_run: &UserRun, ran: &RunOutcome) -> IamUser {
    let listed = Provenance { source: DataSource::Iam, as_of: ran.observation.now };
    let keys = ran.observation.keys.known();
    IamUser {
        name: user_run.user_rotation.user.to_string(),
        arn: None,
        keys: keys.into_iter().flatten().map(|key| access_key(key, listed)).collect(),
        listed,
        console_password: SourcedFact::Unknown(UnknownReason::NotAsked),
        owner: observed_owner(&ran.observation, &user_run.user_rotation.repository.to_string(), listed),
        quarantined: SourcedFact::Unknown(UnknownReason::NotAsked),
    }
}

fn observed_owner(seen: &Observation, ours: &str, listed: Provenance) -> SourcedFact<Option<String>> {
    match &seen.owner {
        Observed::Unknown(_) => SourcedFact::Unknown(UnknownReason::Failed),
        Observed::Known(OwnerTag::Missing) => SourcedFact::Known(None, listed),
        Observed::Known(OwnerTag::ThisRepository) => SourcedFact::Known(Some(ours.to_owned()), listed),
        Observed::Known(OwnerTag::OtherRepository(id)) => SourcedFact::Known(Some(id.clone()), listed),
    }
}

fn access_key(key: &ObservedKey, listed: Provenance) -> AccessKey {
    let last_used = match &key.last_used {
        Observed::Unknown(_) => SourcedFact::Unknown(UnknownReason::Failed),
        Observed::Known(used) => SourcedFact::Known(
            used.as_ref().map(|used| LastUse {
                at: used.at,
                region: None,
                service: iam::non_empty(&used.service),
            }),
            listed,
        ),
    };
    AccessKey {
        id: Some(key.id.to_string()),
        slot: None,
        status: match key.status {
            KeyState::Active => iam::KeyStatus::Active,
            KeyState::Inactive => iam::KeyStatus::Inactive,
            KeyState::Other => iam::KeyStatus::Other("unknown".to_owned()),
        },
        created_at: key.created,
        may_be_older: false,
        last_used,
    }
}
