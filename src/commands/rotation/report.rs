//! Builds the report of a run from what it did about each user.

use super::context::RunContext;
use super::run_users::{UserOutcome, UserRun};
use super::status::rotation_statuses;
use crate::commands::context::Context;
use crate::engine::execute::Ran;
use crate::iam::{
    self, AccessKey, AccountInventory, DataSource, IamUser, LastUse, Provenance, ReadFault, SourcedFact,
    UnknownReason,
};
use crate::ports::Clock as _;
use crate::report::{Report, RotationLine};
use crate::repository::RepositoryIdentity;
use crate::rotation::{Datum, Key, Observation, Owner, Phase, PullState, Status, Step};
use crate::rules::{self, RuleInput};

/// Builds the report of a run.
pub fn build_report(context: &Context<'_>, run: &RunContext, user_runs: &[UserRun]) -> Report {
    let now = run.service.now();
    let mut inventory = AccountInventory {
        account: run.account.clone(),
        source: "iam",
        users: Vec::new(),
        missing: Vec::new(),
        root_key: SourcedFact::Unknown(UnknownReason::NotAsked),
        faults: user_runs.iter().filter_map(run_fault).collect(),
        limits: run.service.remarks(),
    };
    let mut lines = Vec::new();
    for user_run in user_runs {
        if let UserOutcome::Finished(ran) = &user_run.outcome {
            inventory.users.push(observed_user(user_run, ran));
            lines.push(rotation_line(user_run, ran));
        }
    }
    let rotations = rotation_statuses(user_runs);
    let repository =
        RepositoryIdentity { name: Some(run.service.name().to_owned()), id: Some(run.service.id()) };
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
        UserOutcome::Finished(ran) => match &ran.failure {
            Some(failure) => {
                let step = ran.taken.last().map_or("look", |decision| decision.step.name());
                (step, failure.what.clone())
            }
            None if ran.last.phase == Phase::Unknown => ("look", ran.last.why.clone()),
            None => return None,
        },
    };
    let user = Some(user_run.user_rotation.user.to_string());
    Some(ReadFault { user, operation: operation.to_owned(), message })
}

fn rotation_line(user_run: &UserRun, ran: &Ran) -> RotationLine {
    let last = &ran.last;
    RotationLine {
        user: user_run.user_rotation.user.to_string(),
        phase: last.phase,
        done: performed_steps(ran),
        next: if last.step == Step::Wait { None } else { Some(last.step.to_string()) },
        why: last.why.clone(),
        help: last.help.clone(),
        not_before: last.until,
        pull_request: open_pull_request(&ran.seen),
    }
}

/// The steps that succeeded.
fn performed_steps(ran: &Ran) -> Vec<String> {
    let mut steps: Vec<String> = ran.taken.iter().map(|decision| decision.step.to_string()).collect();
    if ran.failure.is_some() {
        // The last step is the one that failed.
        steps.pop();
    }
    steps
}

/// The newest open pull request of the rotation.
fn open_pull_request(seen: &Observation) -> Option<u64> {
    let mut newest = None;
    for pull in [&seen.proposal, &seen.revert] {
        let Some(Some(pull)) = pull.known() else { continue };
        if matches!(pull.state, PullState::Open { .. }) {
            newest = newest.max(Some(pull.number));
        }
    }
    newest
}

/// The user as it was last observed.
fn observed_user(user_run: &UserRun, ran: &Ran) -> IamUser {
    let listed = Provenance { source: DataSource::Iam, as_of: ran.seen.now };
    let keys = ran.seen.keys.known();
    IamUser {
        name: user_run.user_rotation.user.to_string(),
        arn: None,
        keys: keys.into_iter().flatten().map(|key| access_key(key, listed)).collect(),
        listed,
        console_password: SourcedFact::Unknown(UnknownReason::NotAsked),
        owner: observed_owner(&ran.seen, &user_run.user_rotation.repository.to_string(), listed),
        quarantined: SourcedFact::Unknown(UnknownReason::NotAsked),
    }
}

fn observed_owner(seen: &Observation, ours: &str, listed: Provenance) -> SourcedFact<Option<String>> {
    match &seen.owner {
        Datum::Unknown(_) => SourcedFact::Unknown(UnknownReason::Failed),
        Datum::Known(Owner::Nobody) => SourcedFact::Known(None, listed),
        Datum::Known(Owner::Us) => SourcedFact::Known(Some(ours.to_owned()), listed),
        Datum::Known(Owner::Other(id)) => SourcedFact::Known(Some(id.clone()), listed),
    }
}

fn access_key(key: &Key, listed: Provenance) -> AccessKey {
    let last_used = match &key.last_used {
        Datum::Unknown(_) => SourcedFact::Unknown(UnknownReason::Failed),
        Datum::Known(used) => SourcedFact::Known(
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
            Status::Active => iam::KeyStatus::Active,
            Status::Inactive => iam::KeyStatus::Inactive,
            Status::Other => iam::KeyStatus::Other("unknown".to_owned()),
        },
        created_at: key.created,
        may_be_older: false,
        last_used,
    }
}
