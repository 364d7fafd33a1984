//! Executes one step of a rotation on a session's journal.

use super::session::JournalSession;
use super::{existing_keys, new_key, pull_requests, redeploy, revert, stores};
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::timing::CLAIM_DURATION;
use crate::rotation::{JournalEvent, Observation, OpenRotation, RotationStep};

/// Executes one step.
pub async fn execute_step(
    session: &mut JournalSession<'_, impl Backend>,
    seen: &Observation,
    step: &RotationStep,
) -> BackendResult<()> {
    let done = dispatch_step(session, seen, step).await;
    session.note_result(step, &done);
    done
}

async fn dispatch_step(
    session: &mut JournalSession<'_, impl Backend>,
    seen: &Observation,
    step: &RotationStep,
) -> BackendResult<()> {
    match step {
        RotationStep::Wait => Ok(()),
        RotationStep::Heartbeat => session.append_event(JournalEvent::Heartbeat).await,
        RotationStep::Claim => {
            session.append_event(JournalEvent::Claim { until: session.backend.now() + CLAIM_DURATION }).await
        }
        RotationStep::BeginRotation { key } => new_key::begin_rotation(session, seen, Some(key)).await,
        RotationStep::BeginFirstKey => new_key::begin_rotation(session, seen, None).await,
        RotationStep::Complete => session.append_event(JournalEvent::Completed).await,
        RotationStep::BeginRetirement { key } => existing_keys::begin_retirement(session, seen, key).await,
        RotationStep::WithdrawRetirement { key, why } => {
            session.append_event(JournalEvent::Needed { key: key.clone(), why: why.to_string() }).await
        }
        RotationStep::CreateKey => new_key::create_and_stage_key(session, open_rotation(seen)?).await,
        RotationStep::Propose => pull_requests::propose_staged_key(session, open_rotation(seen)?).await,
        RotationStep::Rebase { .. } => pull_requests::rebase_proposal(session, open_rotation(seen)?).await,
        RotationStep::Deliver { destinations: places } => {
            stores::deliver_payloads(session, open_rotation(seen)?, places).await
        }
        RotationStep::NoteCompromised => {
            existing_keys::note_compromised(session, open_rotation(seen)?).await?;
            pull_requests::announce_leak(session, seen, open_rotation(seen)?).await;
            Ok(())
        }
        RotationStep::MarkDistributed => session.append_event(JournalEvent::Distributed).await,
        RotationStep::Redeploy { cause } => {
            redeploy::start_workflow(session, open_rotation(seen)?, *cause).await
        }
        RotationStep::AnnounceRetirement { key } => {
            session.append_event(JournalEvent::Retiring { key: key.clone() }).await
        }
        RotationStep::NoteInactive { key } => existing_keys::note_inactive(session, key).await,
        RotationStep::NoteDeleted { key } => existing_keys::note_deleted(session, key).await,
        RotationStep::Deactivate { key } => {
            existing_keys::deactivate_key(session, open_rotation(seen)?, key).await
        }
        RotationStep::Delete { key } => existing_keys::delete_key(session, known_rotation(seen), key).await,
        RotationStep::Activate { key } => existing_keys::activate_key(session, key).await,
        RotationStep::Discard { key, delete } => {
            existing_keys::discard_key(session, known_rotation(seen), key, *delete).await
        }
        RotationStep::AbandonNewKey { key, why } => {
            session.append_event(JournalEvent::NewKeyAbandoned { key: key.clone(), why: why.clone() }).await
        }
        RotationStep::DisarmBranch => pull_requests::disarm_branch(session, open_rotation(seen)?).await,
        RotationStep::BeginRollback { why } => {
            let why = rollback_reason(session, seen, why);
            session.append_event(JournalEvent::Rollback { why }).await
        }
        RotationStep::ProposeRevert => revert::propose_revert(session, open_rotation(seen)?).await,
        RotationStep::RestoreStores { destinations: places } => {
            stores::restore_stores(session, open_rotation(seen)?, places).await
        }
        RotationStep::Hold { why } => session.append_event(JournalEvent::Held { why: why.clone() }).await,
    }
}

/// Why a rotation is rolled back: in the words of the request, where there was one.
fn rollback_reason(session: &JournalSession<'_, impl Backend>, seen: &Observation, why: &str) -> String {
    match &session.user_rotation.rollback_reason {
        // Only where this run was asked: a revert on GitHub has no reason that a person gave
        Some(request) if seen.request.rollback => request.to_string(),
        _ => why.to_owned(),
    }
}

fn known_rotation(seen: &Observation) -> Option<&OpenRotation> {
    seen.journal.known()?.open.as_ref()
}

/// The open rotation. Without one the step does not belong to this observation.
fn open_rotation(seen: &Observation) -> BackendResult<&OpenRotation> {
    known_rotation(seen).ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "no rotation is open"))
}
