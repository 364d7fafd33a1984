//! What the turns came to → a report.

use super::run_users::{UserOutcome, UserRun};
use super::setup::{RunContext, SetupError};
use crate::commands::{Context, report_from_error};
use crate::engine::execute::RunOutcome;
use crate::iam::{
    self, AccessKey, AccountInventory, DataSource, IamUser, LastUse, Provenance, ReadFault, SourcedFact,
    UnknownReason,
};
use crate::ports::Clock as _;
use crate::report::{Report, RotationLine};
use crate::repository::RepositoryIdentity;
use crate::rotation::{
    DestinationState, Journal, KeyId, KeyState, Observation, Observed, ObservedKey, OwnerTag,
    PullRequestState, RotationPhase, RotationStep,
};
use crate::rules::{self, RotationStatus, RotationStatuses, RuleInput, UnusableKey, invalid_policy};

/// The report of a command that never looked at a user.
pub fn setup_failed(context: &Context<'_>, ended: SetupError) -> Report {
    let (file, error) = match ended {
        SetupError::Failed { file, error } => (file, error),
        SetupError::InvalidPolicy(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| context.eprint(&diagnostic.render()));
            let file = diagnostics.first().map(|d| d.file.clone()).unwrap_or_default();
            let findings = invalid_policy::findings_from_diagnostics(&diagnostics);
            return Report::without_account(&file, findings, Vec::new(), context.now);
        }
    };
    context.print_error(&error);
    report_from_error(context, &file, "keytide", &error)
}

/// The report of a run.
pub fn build_report(context: &Context<'_>, scene: &RunContext, turns: Vec<UserRun>) -> Report {
    let now = scene.service.now();
    let mut inventory = AccountInventory {
        account: scene.account.clone(),
        source: "iam",
        users: Vec::new(),
        missing: Vec::new(),
        root_key: SourcedFact::Unknown(UnknownReason::NotAsked),
        faults: turns.iter().filter_map(run_fault).collect(),
        limits: scene.service.take_remarks(),
    };
    let rotations: RotationStatuses = turns.iter().filter_map(rotation_status).collect();
    let mut lines = Vec::new();
    for turn in &turns {
        if let UserOutcome::Finished(ran) = &turn.outcome {
            inventory.users.push(observed_user(turn, ran));
            lines.push(rotation_line(turn, ran));
        }
    }
    let facts = RuleInput {
        policy: &scene.policy,
        inventory: None,
        files: None,
        rotations: Some(&rotations),
        repository: &RepositoryIdentity {
            name: Some(scene.service.repository_name().to_owned()),
            id: Some(scene.service.repository_id()),
        },
        now,
    };
    // What else could be said of the users is an audit's.
    let (mut findings, _) = rules::run_rules(&facts);
    findings.retain(|finding| finding.rule == "stalled-rotation");
    let verdict = (findings, Vec::new());
    Report::of_audit(&scene.policy, inventory, verdict, now, context.common.fail_on).with_rotations(lines)
}

/// What an audit could not learn of a user's rotation.
pub fn unknown_status(turn: &UserRun) -> Option<String> {
    let UserOutcome::Finished(ran) = &turn.outcome else { return None };
    let is_unknown = ran.last_decision.phase == RotationPhase::Unknown;
    is_unknown.then(|| {
        format!(
            "how the rotation of `{}` stands is not known: {}",
            turn.user_rotation.user, ran.last_decision.why
        )
    })
}

/// How a user's rotation stands; `None` when its journal could not be read.
pub fn rotation_status(turn: &UserRun) -> Option<(String, RotationStatus)> {
    let UserOutcome::Finished(ran) = &turn.outcome else { return None };
    let journal = ran.observation.journal.known()?;
    let open = journal.open.as_ref();
    let waits_since = match ran.last_decision.phase {
        RotationPhase::Proposed => {
            ran.observation.pull_request.known().cloned().flatten().map(|pull| pull.opened)
        }
        RotationPhase::Grace => {
            open.and_then(|open| open.distributed).map(|at| at + turn.user_rotation.params.grace)
        }
        RotationPhase::Soaking => {
            open.and_then(|open| open.inactive_since).map(|at| at + turn.user_rotation.params.soak)
        }
        _ => None,
    };
    let standing = RotationStatus {
        phase: ran.last_decision.phase,
        reason: ran.last_decision.why.clone(),
        help: ran.last_decision.help.clone(),
        under_way: open.is_some(),
        waiting_since: waits_since,
        last_entry_at: journal.last_entry_at,
        deactivated_key: open
            .and_then(|open| Some((open.retiring.as_deref()?.to_owned(), open.inactive_since?))),
        unusable_keys: destinations_with_unusable_key(&ran.observation, journal),
    };
    Some((turn.user_rotation.user.to_string(), standing))
}

/// The destinations whose key does not let anybody in, as both lists of the user's keys tell.
fn destinations_with_unusable_key(seen: &Observation, journal: &Journal) -> Vec<UnusableKey> {
    let (Some(keys), Some(listed)) = (seen.keys.known(), seen.listed.known()) else { return Vec::new() };
    let held = seen.destinations.iter().filter_map(|place| Some((place, place.key_in(journal)?)));
    let state = |id: &KeyId| match keys.iter().find(|key| key.id == *id) {
        Some(key) if key.is_inactive() => Some("is inactive"),
        None if !listed.contains(id) => Some("does not exist"),
        _ => None,
    };
    let told = |(place, id): (&DestinationState, &KeyId)| {
        Some(UnusableKey {
            destination: place.id.to_string(),
            access_key_id: id.to_string(),
            state: state(id)?,
        })
    };
    held.filter_map(told).collect()
}

/// What went wrong for a user.
fn run_fault(turn: &UserRun) -> Option<ReadFault> {
    let fault = |operation: &str, message: String| {
        Some(ReadFault {
            user: Some(turn.user_rotation.user.to_string()),
            operation: operation.to_owned(),
            message,
        })
    };
    match &turn.outcome {
        UserOutcome::NotStarted => {
            fault("rotate", "the run was asked to end before this user's turn".to_owned())
        }
        UserOutcome::Interrupted => fault(
            "rotate",
            "the run was asked to end in the middle of a step; the next run looks what became of it"
                .to_owned(),
        ),
        UserOutcome::Finished(ran) => match &ran.error {
            Some(failure) => {
                let step = ran.steps_taken.last().map_or("look", |decision| decision.step.name());
                fault(step, failure.message.clone())
            }
            None if ran.last_decision.phase == RotationPhase::Unknown => {
                fault("look", ran.last_decision.why.clone())
            }
            None => None,
        },
    }
}

fn rotation_line(turn: &UserRun, ran: &RunOutcome) -> RotationLine {
    let last = &ran.last_decision;
    // A step that failed is the last one, and no step that was done.
    let done = ran.steps_taken.len() - usize::from(ran.error.is_some() && !ran.steps_taken.is_empty());
    let open = [&ran.observation.pull_request, &ran.observation.revert_pull_request]
        .into_iter()
        .filter_map(|pull| pull.known()?.as_ref());
    let open =
        open.filter(|pull| matches!(pull.state, PullRequestState::Open { .. })).map(|pull| pull.number);
    RotationLine {
        user: turn.user_rotation.user.to_string(),
        phase: last.phase,
        done: ran.steps_taken.iter().take(done).map(|decision| decision.step.to_string()).collect(),
        next: (last.step != RotationStep::Wait).then(|| last.step.to_string()),
        why: last.why.clone(),
        help: last.help.clone(),
        not_before: last.until,
        pull_request: open.max(),
    }
}

/// The user as the last look saw it.
fn observed_user(turn: &UserRun, ran: &RunOutcome) -> IamUser {
    let listed = Provenance { source: DataSource::Iam, as_of: ran.observation.now };
    let keys = ran.observation.keys.known();
    IamUser {
        name: turn.user_rotation.user.to_string(),
        arn: None,
        keys: keys.into_iter().flatten().map(|key| access_key(key, listed)).collect(),
        listed,
        console_password: SourcedFact::Unknown(UnknownReason::NotAsked),
        owner: observed_owner(&ran.observation, &turn.user_rotation.repository.to_string(), listed),
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
