//! Builds the report of a run from what it did about each user.

use super::context::RunContext;
use super::next_step::next_step;
use super::on_call::{RepositoryPages, describe_keys, open_pull_request};
use super::run_users::{UserOutcome, UserRun};
use super::status::{find_error_time, rotation_statuses, unread_destinations};
use crate::commands::context::Context;
use crate::engine::execute::RunOutcome;
use crate::error::READING_ROTATION;
use crate::iam::{
    self, AccessKey, AccountInventory, DataSource, IamUser, LastUse, Provenance, ReadFault, SourcedFact,
    UnknownReason,
};
use crate::ports::Clock as _;
use crate::report::{PerformedStep, Report, RotationLine};
use crate::repository::{ManagedKeys, RepositoryFiles, RepositoryIdentity};
use crate::rotation::{KeyState, Observation, Observed, ObservedKey, OwnerTag, RotationPhase, RotationStep};
use crate::rules::{self, RuleInput, Severity};

/// Builds the report of a run. `managed_keys` are those of Terraform, where the command has looked.
pub fn build_report(
    context: &Context<'_>,
    run: &RunContext,
    user_runs: &[UserRun],
    managed_keys: ManagedKeys,
) -> Report {
    let now = run.backend.now();
    let mut inventory = AccountInventory {
        account: run.account.clone(),
        source: "iam",
        users: Vec::new(),
        missing: Vec::new(),
        root_key: SourcedFact::Unknown(UnknownReason::NotAsked),
        faults: user_runs.iter().filter_map(run_fault).chain(unread_journals(run)).collect(),
        limits: run.backend.take_remarks(),
    };
    let mut lines = Vec::new();
    for user_run in user_runs {
        if let UserOutcome::Finished(ran) = &user_run.outcome {
            inventory.users.push(observed_user(user_run, ran));
            lines.push(rotation_line(user_run, ran, &run.pages));
        }
    }
    let rotations = rotation_statuses(user_runs, &run.pages);
    let repository = RepositoryIdentity {
        name: Some(run.backend.repository_name().to_owned()),
        id: Some(run.backend.repository_id()),
    };
    let files = RepositoryFiles { managed_keys, ..RepositoryFiles::default() };
    let input = RuleInput {
        policy: &run.policy,
        inventory: None,
        files: Some(&files),
        rotations: Some(&rotations),
        repository: &repository,
        fleet: None,
        now,
    };
    let (mut findings, _) = rules::run_rules(&input);
    // All other findings are for `audit` and `check`. A stale one is of a destination here: no file was read
    findings.retain(|finding| match finding.rule {
        "terraform-managed-key" => finding.severity == Severity::Error,
        rule => matches!(rule, "stalled-rotation" | "stale-reference"),
    });
    let found = (findings, Vec::new());
    Report::of_audit(&run.policy, inventory, found, now, context.common.fail_on).with_rotations(lines)
}

/// The journals that had no turn.
fn unread_journals(run: &RunContext) -> Option<ReadFault> {
    let message = run.journal_users.describe_left_out()?;
    Some(ReadFault { user: None, operation: READING_ROTATION.to_owned(), message })
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
                let request = &ran.observation.request;
                let operation = match ran.steps_taken.last() {
                    Some(decision) => decision.step.name(),
                    None if request.rollback => "rollback",
                    None if request.compromised => "rotate",
                    None => READING_ROTATION,
                };
                (operation, error.message.clone())
            }
            None if ran.last_decision.phase == RotationPhase::Unknown => {
                (READING_ROTATION, ran.last_decision.why.clone())
            }
            // A blocked rotation says itself what is wrong with a destination
            None if ran.last_decision.phase == RotationPhase::Blocked => return None,
            None => (READING_ROTATION, find_unread_fact(&ran.observation)?),
        },
    };
    let user = Some(user_run.user_rotation.user.to_string());
    Some(ReadFault { user, operation: operation.to_owned(), message })
}

/// What could not be read of a rotation that is only waiting, so that its phase says nothing of it.
fn find_unread_fact(seen: &Observation) -> Option<String> {
    if let Some(unread) = unread_destinations(seen).next() {
        return Some(unread);
    }
    let facts = [
        ("the files and pull requests that name a key", seen.key_mentions.read_failure()),
        ("the pull request", seen.pull_request.read_failure()),
        ("the pull request of the rollback", seen.revert_pull_request.read_failure()),
        ("the branch", seen.branch.read_failure()),
        ("the recipients", seen.removed_recipient.read_failure()),
        ("the run of the workflow of `redeploy`", seen.redeploy_run.read_failure()),
        ("the workflow of `validate`", seen.validated_at.read_failure()),
    ];
    let unread =
        facts.into_iter().find_map(|(what, why)| Some(format!("{what} could not be read: {}", why?)));
    unread.or_else(|| find_unread_use(seen))
}

/// Why a last use could not be read, on which the deactivation of a key depends.
fn find_unread_use(seen: &Observation) -> Option<String> {
    let mut keys = seen.keys.known()?.iter();
    keys.find_map(|key| {
        Some(format!("the last use of {} could not be read: {}", key.id, key.last_used.read_failure()?))
    })
}

fn rotation_line(user_run: &UserRun, ran: &RunOutcome, pages: &RepositoryPages) -> RotationLine {
    let last = &ran.last_decision;
    let pull_request = open_pull_request(&ran.observation, last.phase);
    RotationLine {
        user: user_run.user_rotation.user.to_string(),
        phase: last.phase,
        done: performed_steps(ran),
        next: next_step(user_run, ran),
        why: last.why.clone(),
        help: last.help.as_ref().map(|help| help.text.to_string()),
        not_before: last.until,
        error_from: find_error_time(user_run, ran),
        pull_request,
        pull_request_url: pull_request.map(|number| pages.pull_request(number)),
        keys: describe_keys(&ran.observation),
        history: None,
    }
}

/// The steps that succeeded.
fn performed_steps(ran: &RunOutcome) -> Vec<PerformedStep> {
    let mut steps = Vec::new();
    for decision in &ran.steps_taken {
        steps.push(PerformedStep {
            text: decision.step.to_string(),
            is_bookkeeping: matches!(decision.step, RotationStep::Claim | RotationStep::Heartbeat),
        });
    }
    if ran.error.is_some() {
        // The last step is the one that failed.
        steps.pop();
    }
    steps
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
        service_credentials: SourcedFact::Unknown(UnknownReason::NotAsked),
    }
}

fn observed_owner(seen: &Observation, ours: &str, listed: Provenance) -> SourcedFact<Option<String>> {
    match &seen.owner {
        Observed::Unknown(_) | Observed::Denied(_) | Observed::NotAsked => {
            SourcedFact::Unknown(UnknownReason::Failed)
        }
        Observed::Known(OwnerTag::Missing { .. }) => SourcedFact::Known(None, listed),
        Observed::Known(OwnerTag::ThisRepository) => SourcedFact::Known(Some(ours.to_owned()), listed),
        Observed::Known(OwnerTag::OtherRepository(id)) => SourcedFact::Known(Some(id.clone()), listed),
    }
}

fn access_key(key: &ObservedKey, listed: Provenance) -> AccessKey {
    let last_used = match &key.last_used {
        Observed::Unknown(_) | Observed::Denied(_) | Observed::NotAsked => {
            SourcedFact::Unknown(UnknownReason::Failed)
        }
        Observed::Known(used) => SourcedFact::Known(
            used.as_ref().map(|used| LastUse {
                at: used.at,
                region: used.region.as_deref().map(str::to_owned),
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
