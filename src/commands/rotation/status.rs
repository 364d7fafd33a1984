//! Reads how the rotations stand, for `keytide audit` and for the rules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::context::RunContext;
use super::next_step::next_step;
use super::on_call::{RepositoryPages, open_pull_request};
use super::run_users::{UserOutcome, UserRun, plan_users};
use super::setup::{connect_github, list_user_rotations, rotated_users};
use crate::aws::connect;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::destinations::json_credential::key_fingerprint;
use crate::engine::execute::RunOutcome;
use crate::error::{CommandError, READING_ROTATION};
use crate::iam::ReadFault;
use crate::policy::Policy;
use crate::ports::Clock as _;
use crate::repository::RepositoryIdentity;
use crate::rotation::waiting::{RotationWait, find_wait};
use crate::rotation::{
    DestinationState, Journal, KeyId, Observation, ObservedKey, RotationPhase, RotationStep, StorageKind,
};
use crate::rules::{RotationStatus, RotationStatuses, UnusableKey};

/// The status of each rotation.
pub struct Statuses {
    pub known: RotationStatuses,
    /// What a run would do now, by user.
    pub next_steps: BTreeMap<String, String>,
    /// The users whose rotation may wait for a person: its status could not be read.
    pub faults: Vec<ReadFault>,
    /// A sentence for each other user whose status is unknown: no rotation is under way.
    pub remarks: Vec<String>,
}

/// Why no status is known.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("no user has `rotation:`")]
    NoRotations,
    #[error("set GITHUB_TOKEN to read the journals")]
    NoToken,
    #[error("add --repository OWNER/NAME")]
    NoRepository,
    #[error("{}", .0.message)]
    Failed(#[from] CommandError),
}

/// Reads the status of all rotations, without changes.
pub async fn read_rotation_statuses(
    context: &Context<'_>,
    policy: &Policy,
    account: &connect::AwsAccount,
    repository: &RepositoryIdentity,
) -> Result<Statuses, StatusError> {
    if rotated_users(policy).next().is_none() {
        return Err(StatusError::NoRotations);
    }
    if connection::github_token(context).is_none() {
        return Err(StatusError::NoToken);
    }
    if repository.name.is_none() {
        return Err(StatusError::NoRepository);
    }
    let account_id = &account.caller.account;
    let backend = connect_github(context).await?.with_account(account.config.clone(), account_id);
    let (mut user_rotations, mut journal_users) =
        list_user_rotations(context, policy, &backend, account_id).await?;
    for rotation in &mut user_rotations {
        // The role of an audit may not read what the creation of a key depends on.
        rotation.asks_preflight = false;
    }
    journal_users.template.asks_preflight = false;
    journal_users.keep_current_share(backend.now());
    let pages = RepositoryPages::of(context, &backend)?;
    let run = RunContext {
        backend,
        policy: policy.clone(),
        account: account_id.clone(),
        user_rotations,
        journal_users,
        pages,
    };
    let user_runs = plan_users(&run).await;
    let known = rotation_statuses(&user_runs, &run.pages);
    let left_out = run.journal_users.describe_left_out();
    let remarks = left_out.into_iter().collect();
    let mut statuses = Statuses { known, next_steps: BTreeMap::new(), faults: Vec::new(), remarks };
    for user_run in &user_runs {
        statuses.add_unread(user_run);
        if let UserOutcome::Finished(ran) = &user_run.outcome
            && let Some(step) = next_step(user_run, ran)
        {
            statuses.next_steps.insert(user_run.user_rotation.user.to_string(), step);
        }
    }
    Ok(statuses)
}

/// The status of each user whose journal could be read.
pub fn rotation_statuses(user_runs: &[UserRun], pages: &RepositoryPages) -> RotationStatuses {
    user_runs.iter().filter_map(|user_run| rotation_status(user_run, pages)).collect()
}

impl Statuses {
    /// Adds what could not be read of a user. Of a destination that the role may not read, the rule speaks that looks at it.
    fn add_unread(&mut self, user_run: &UserRun) {
        let UserOutcome::Finished(ran) = &user_run.outcome else { return };
        let user = user_run.user_rotation.user.to_string();
        if ran.last_decision.phase != RotationPhase::Unknown {
            let failed = ran.observation.destinations.iter().filter(|place| place.fingerprint.has_failed());
            self.faults
                .extend(failed.filter_map(describe_unread).map(|message| reading_fault(&user, message)));
            return;
        }
        let message = format!("rotation status of `{user}` unknown: {}", ran.last_decision.why);
        // The token of an audit may not read every store, which matters to a rotation under way only
        let is_idle = ran.observation.journal.known().is_some_and(|journal| journal.open.is_none());
        if is_idle && !ran.observation.has_failed_read() {
            self.remarks.push(message);
        } else {
            self.faults.push(reading_fault(&user, message));
        }
    }
}

fn reading_fault(user: &str, message: String) -> ReadFault {
    ReadFault { user: Some(user.to_owned()), operation: READING_ROTATION.to_owned(), message }
}

fn rotation_status(user_run: &UserRun, pages: &RepositoryPages) -> Option<(String, RotationStatus)> {
    let UserOutcome::Finished(ran) = &user_run.outcome else { return None };
    let journal = ran.observation.journal.known()?;
    let open = journal.open.as_ref();
    let phase = ran.last_decision.phase;
    let status = RotationStatus {
        phase,
        reason: ran.last_decision.why.clone(),
        help: ran.last_decision.help.as_ref().map(|help| help.text.to_string()),
        pull_request_url: open_pull_request(&ran.observation, phase).map(|number| pages.pull_request(number)),
        under_way: open.is_some(),
        retires: open.is_some_and(|open| open.retires),
        wait: person_wait(user_run, ran, journal),
        last_entry_at: journal.last_entry_at,
        deactivated_key: open
            .and_then(|open| Some((open.retiring.as_deref()?.to_owned(), open.inactive_since?))),
        unusable_keys: destinations_with_unusable_key(user_run, &ran.observation, journal),
        unread_destinations: unread_destinations(&ran.observation).collect(),
    };
    Some((user_run.user_rotation.user.to_string(), status))
}

/// From when on it is an error that a person has not done what the help asks. `None` where the rotation goes on by itself,
/// and before a configured wait has ended.
pub fn find_error_time(user_run: &UserRun, ran: &RunOutcome) -> Option<Timestamp> {
    let wait = person_wait(user_run, ran, ran.observation.journal.known()?)?;
    let asks = ran.last_decision.help.as_ref().is_some_and(|help| help.asks_person);
    if asks && wait.since <= ran.observation.now { Some(wait.error_from()) } else { None }
}

/// The wait for a person. Where keytide itself can go on, the next run does, unless that step has failed before.
fn person_wait(user_run: &UserRun, ran: &RunOutcome, journal: &Journal) -> Option<RotationWait> {
    let last = &ran.last_decision;
    let wait = find_wait(last.phase, &ran.observation, &user_run.user_rotation.params)?;
    let has_failed = journal.failures.is_some();
    // A heartbeat only notes that a run took place
    let goes_on = !matches!(last.step, RotationStep::Wait | RotationStep::Heartbeat);
    // What is reported at once cannot wait for a schedule, and a deletion may be left to a run that someone has to approve
    let waits = has_failed || wait.is_urgent() || wait.is_for_deletion();
    if goes_on && !waits { None } else { Some(wait) }
}

/// The destinations that could not be read, each with the reason.
pub fn unread_destinations(seen: &Observation) -> impl Iterator<Item = String> {
    seen.destinations.iter().filter_map(describe_unread)
}

fn describe_unread(place: &DestinationState) -> Option<String> {
    Some(format!("`{}` could not be read: {}", place.id, place.fingerprint.read_failure()?))
}

/// The destinations that hold a key with which nothing can sign in, or none of the user's where the user has an active one.
fn destinations_with_unusable_key(
    user_run: &UserRun,
    seen: &Observation,
    journal: &Journal,
) -> Vec<UnusableKey> {
    // A forged journal could name any key
    if journal.fault.is_some() {
        return Vec::new();
    }
    let (Some(keys), Some(listed)) = (seen.keys.known(), seen.listed.known()) else { return Vec::new() };
    let must_hold_key = user_run.user_rotation.params.may_rotate
        // A key that retires leaves its destinations, and a first key comes to them after the merge
        && journal.open.as_ref().is_none_or(|open| !open.retires && !open.makes_first_key())
        && keys.iter().any(ObservedKey::is_active);
    let mut unusable = Vec::new();
    for place in &seen.destinations {
        let Some(held) = place.fingerprint.known() else { continue };
        let mut candidates = listed.iter().chain(keys.iter().map(|key| &key.id));
        let id = place
            .key_in(journal)
            .or_else(|| candidates.find(|id| held.as_deref() == Some(&*key_fingerprint(id))));
        let state = match (id, held) {
            (Some(id), _) => describe_unusable_key(id, keys, listed),
            // Of other kinds nothing shows which key they hold, and GitHub hides secrets from some tokens
            _ if !must_hold_key || place.kind != StorageKind::Versioned => None,
            (None, Some(_)) => Some("holds no access key of this user"),
            (None, None) => Some("does not exist, or is empty"),
        };
        let access_key_id = id.map(KeyId::to_string);
        unusable.extend(state.map(|state| UnusableKey {
            destination: place.id.to_string(),
            access_key_id,
            state,
        }));
    }
    unusable
}

/// Why nothing can sign in with a key. IAM is eventually consistent: only what two lists of the keys agree on is certain.
fn describe_unusable_key(id: &KeyId, keys: &[ObservedKey], listed: &BTreeSet<KeyId>) -> Option<&'static str> {
    match keys.iter().find(|key| key.id == *id) {
        Some(key) if key.is_inactive() => Some("is inactive"),
        None if !listed.contains(id) => Some("does not exist"),
        _ => None,
    }
}
