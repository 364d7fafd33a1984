//! Builds the report of a run from what it did about each user.

use super::context::RunContext;
use super::on_call::{RepositoryPages, describe_keys, open_pull_request};
use super::run_users::{UserOutcome, UserRun};
use super::status::{find_error_time, rotation_statuses, unread_destinations};
use crate::commands::context::Context;
use crate::destinations::kind::describe_destination;
use crate::engine::execute::RunOutcome;
use crate::error::READING_ROTATION;
use crate::iam::{
    self, AccessKey, AccountInventory, DataSource, IamUser, LastUse, Provenance, ReadFault, SourcedFact,
    UnknownReason,
};
use crate::policy::Destination;
use crate::ports::Clock as _;
use crate::report::{PerformedStep, Report, RotationLine};
use crate::repository::{ManagedKeys, RepositoryFiles, RepositoryIdentity, lock_file_path};
use crate::rotation::{
    KeyState, Observation, Observed, ObservedKey, OpenRotation, OwnerTag, RedeployCause, RotationPhase,
    RotationStep, StorageKind,
};
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
    // All other findings are for `audit` and `check`.
    findings.retain(|finding| match finding.rule {
        "terraform-managed-key" => finding.severity == Severity::Error,
        rule => rule == "stalled-rotation",
    });
    let found = (findings, Vec::new());
    Report::of_audit(&run.policy, inventory, found, now, context.common.fail_on).with_rotations(lines)
}

/// The journals that had no turn.
fn unread_journals(run: &RunContext) -> Option<ReadFault> {
    let message = run.journal_users.describe_left_out(&run.account)?;
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
                let step = ran.steps_taken.last().map_or(READING_ROTATION, |decision| decision.step.name());
                (step, error.message.clone())
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
        ("the run of the workflow of `redeploy`", seen.redeploy_run.read_failure()),
        ("the workflow of `validate`", seen.validated_at.read_failure()),
    ];
    facts.into_iter().find_map(|(what, why)| Some(format!("{what} could not be read: {}", why?)))
}

fn rotation_line(user_run: &UserRun, ran: &RunOutcome, pages: &RepositoryPages) -> RotationLine {
    let pull_request = open_pull_request(&ran.observation);
    let last = &ran.last_decision;
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

/// Describes what a run would do now; `None` if it would only wait.
fn next_step(user_run: &UserRun, ran: &RunOutcome) -> Option<String> {
    let last = &ran.last_decision;
    match (&last.step, last.phase) {
        (RotationStep::Wait | RotationStep::Heartbeat, _) => None,
        (
            RotationStep::Claim | RotationStep::BeginRotation { .. } | RotationStep::BeginFirstKey,
            RotationPhase::Due,
        ) => {
            let has_none = ran.observation.keys.known().is_some_and(Vec::is_empty);
            let which = if has_none { "the first key" } else { "a second key" };
            Some(describe_rotation(user_run, &ran.observation, which))
        }
        // A claim only keeps other runs away, so the phase says what the run claims the user for.
        (RotationStep::Claim, RotationPhase::Grace) if awaits_deployment(user_run, &ran.observation) => {
            Some(RotationStep::Redeploy { cause: RedeployCause::Delivery }.to_string())
        }
        (RotationStep::Claim, phase) => Some(describe_claim(phase, &ran.observation).to_owned()),
        (step, _) => Some(step.to_string()),
    }
}

/// Describes what a run does in a phase after it has claimed the user.
fn describe_claim(phase: RotationPhase, seen: &Observation) -> &'static str {
    match phase {
        RotationPhase::Claimed => "create the new key and open the pull request",
        RotationPhase::Conflicting => "update the pull request",
        RotationPhase::Merged if has_stores(seen) => "write the new key to the stores",
        RotationPhase::Merged => "record that every destination holds the new key",
        RotationPhase::Grace if is_first_key(seen) => "end the rotation of the first key",
        RotationPhase::Grace => "continue towards the deactivation of the old key",
        RotationPhase::Soaking => "continue towards the deletion of the old key",
        RotationPhase::Retiring => "continue to retire the key",
        RotationPhase::Closed => "continue to discard the new key",
        RotationPhase::RollingBack => "continue the rollback",
        _ => "continue the rotation",
    }
}

/// Whether the workflow of `redeploy` was not started with the new key yet.
fn awaits_deployment(user_run: &UserRun, seen: &Observation) -> bool {
    let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
    let started = open.and_then(|open| open.redeployment_for(RedeployCause::Delivery)?.run);
    user_run.user_rotation.redeploy_workflow().is_some() && started.is_none()
}

/// Whether the open rotation makes the user's first key.
fn is_first_key(seen: &Observation) -> bool {
    let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
    open.is_some_and(OpenRotation::makes_first_key)
}

/// Whether the open rotation has a destination that no merge writes.
fn has_stores(seen: &Observation) -> bool {
    let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
    open.is_some_and(|open| open.destinations.iter().any(|place| place.kind != StorageKind::File))
}

/// Describes what a rotation that begins will change: files by a pull request, then the stores.
fn describe_rotation(user_run: &UserRun, seen: &Observation, which: &str) -> String {
    let task = &user_run.user_rotation;
    let (mut changed, mut added, mut stores) = (Vec::new(), Vec::new(), Vec::new());
    for destination in &task.destinations {
        let Some((id, kind)) = destination.identity() else { continue };
        let mut name = describe_destination(&id);
        if destination.smtp_password().is_some() {
            name.push_str(" (the SMTP password of Amazon SES)");
        }
        let place = seen.destinations.iter().find(|place| place.id == id);
        match kind {
            StorageKind::File if place.is_some_and(|place| place.fingerprint == Observed::Known(None)) => {
                added.push(name);
            }
            StorageKind::File => changed.push(name),
            _ => stores.push(name),
        }
    }
    // A first key replaces none that a file could name
    let replaces = seen.keys.known().is_some_and(|keys| !keys.is_empty());
    let reference = task.destinations.iter().find_map(Destination::as_reference);
    if let Some(reference) = reference.filter(|_| replaces) {
        let globs: Vec<String> = reference.files.iter().map(|glob| format!("`{glob}`")).collect();
        changed.push(format!("the old access key ID in {}", globs.join(", ")));
    }
    let lock = format!("`{}` (lock file)", lock_file_path(&task.user));
    let is_first = seen.journal.known().is_none_or(|journal| journal.recipients.is_none());
    if is_first {
        added.push(lock)
    } else {
        changed.push(lock)
    }
    let parts = [("changes", changed), ("adds", added)].into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect();
    let mut text = format!("create {which} and open a pull request that {}", parts.join(" and "));
    if !stores.is_empty() {
        text.push_str(&format!("; after the merge, update {}", stores.join(", ")));
    }
    if let Some(redeploy) = user_run.user_rotation.redeploy_workflow() {
        text.push_str(&format!("; then start the workflow `{}`", redeploy.workflow.0));
    }
    text
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
        Observed::Unknown(_) | Observed::NotAsked => SourcedFact::Unknown(UnknownReason::Failed),
        Observed::Known(OwnerTag::Missing { .. }) => SourcedFact::Known(None, listed),
        Observed::Known(OwnerTag::ThisRepository) => SourcedFact::Known(Some(ours.to_owned()), listed),
        Observed::Known(OwnerTag::OtherRepository(id)) => SourcedFact::Known(Some(id.clone()), listed),
    }
}

fn access_key(key: &ObservedKey, listed: Provenance) -> AccessKey {
    let last_used = match &key.last_used {
        Observed::Unknown(_) | Observed::NotAsked => SourcedFact::Unknown(UnknownReason::Failed),
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
