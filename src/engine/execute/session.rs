//! [`JournalSession`]: appends to one user's journal on the head that this run has read, and executes steps.

use super::{existing_keys, new_key, pull_requests, revert, stores};
use crate::engine::observe::UserRotation;
use crate::ports::{Backend, BackendError, BackendResult, CommitId, ErrorKind, StagedFiles};
use crate::rotation::timing::CLAIM_DURATION;
use crate::rotation::{JournalEntry, JournalEvent, Observation, OpenRotation, Recipients, RotationStep};

/// The version of the entries that are written.
const VERSION: u64 = crate::rotation::journal::JOURNAL_VERSION;

pub struct JournalSession<'a, W> {
    pub backend: &'a W,
    pub user_rotation: &'a UserRotation,
    head: Option<CommitId>,
    /// Who could decrypt the last key.
    pub previous_recipients: Option<Recipients>,
    /// Whether every request was answered. Only then may the claim be released early.
    all_requests_answered: bool,
    holds_claim: bool,
}

impl<'a, W: Backend> JournalSession<'a, W> {
    pub fn new(world: &'a W, task: &'a UserRotation, seen: &Observation) -> Self {
        let mut session = Self {
            backend: world,
            user_rotation: task,
            head: None,
            previous_recipients: None,
            all_requests_answered: true,
            holds_claim: false,
        };
        session.follow_observation(seen);
        session
    }

    /// Takes over the journal's head of an observation; the next decision is made on it.
    pub fn follow_observation(&mut self, seen: &Observation) {
        let journal = seen.journal.known();
        self.head = journal.and_then(|journal| journal.head.clone());
        self.previous_recipients = journal.and_then(|journal| journal.recipients.clone());
    }

    /// Executes one step.
    pub async fn execute_step(&mut self, seen: &Observation, step: &RotationStep) -> BackendResult<()> {
        let done = self.dispatch_step(seen, step).await;
        if done.as_ref().is_err_and(|failure| failure.kind == ErrorKind::Indeterminate) {
            self.all_requests_answered = false;
        }
        self.holds_claim |= *step == RotationStep::Claim;
        done
    }

    async fn dispatch_step(&mut self, seen: &Observation, step: &RotationStep) -> BackendResult<()> {
        match step {
            RotationStep::Wait => Ok(()),
            RotationStep::Heartbeat => self.append_event(JournalEvent::Heartbeat).await,
            RotationStep::Claim => {
                self.append_event(JournalEvent::Claim { until: self.backend.now() + CLAIM_DURATION }).await
            }
            RotationStep::BeginRotation { key } => new_key::begin_rotation(self, seen, key).await,
            RotationStep::CreateKey => new_key::create_and_stage_key(self, open_rotation(seen)?).await,
            RotationStep::Propose => pull_requests::propose_staged_key(self, open_rotation(seen)?).await,
            RotationStep::Rebase { .. } => pull_requests::rebase_proposal(self, open_rotation(seen)?).await,
            RotationStep::Deliver { destinations: places } => {
                stores::deliver_payloads(self, open_rotation(seen)?, places).await
            }
            RotationStep::NoteCompromised => self.append_event(JournalEvent::Compromised).await,
            RotationStep::MarkDistributed => self.append_event(JournalEvent::Distributed).await,
            RotationStep::AnnounceRetirement { key } => {
                self.append_event(JournalEvent::Retiring { key: key.clone() }).await
            }
            RotationStep::NoteInactive { key } => {
                self.append_event(JournalEvent::InactiveSince { key: key.clone() }).await
            }
            RotationStep::NoteDeleted { key } => existing_keys::note_deleted(self, key).await,
            RotationStep::Deactivate { key } => existing_keys::deactivate_key(self, key).await,
            RotationStep::Delete { key } => existing_keys::delete_key(self, key).await,
            RotationStep::Activate { key } => existing_keys::activate_key(self, key).await,
            RotationStep::Discard { key, delete } => existing_keys::discard_key(self, key, *delete).await,
            RotationStep::AbandonNewKey { key, why } => {
                self.append_event(JournalEvent::NewKeyAbandoned { key: key.clone(), why: why.clone() }).await
            }
            RotationStep::DisarmBranch => pull_requests::disarm_branch(self, open_rotation(seen)?).await,
            RotationStep::BeginRollback { why } => {
                self.append_event(JournalEvent::Rollback { why: why.clone() }).await
            }
            RotationStep::ProposeRevert => revert::propose_revert(self, open_rotation(seen)?).await,
            RotationStep::RestoreStores { destinations: places } => {
                stores::restore_stores(self, open_rotation(seen)?, places).await
            }
            RotationStep::Hold { why } => self.append_event(JournalEvent::Held { why: why.clone() }).await,
        }
    }

    /// Appends an entry. Fails when the journal has moved since it was read.
    pub async fn append_event(&mut self, event: JournalEvent) -> BackendResult<()> {
        self.append_with(event, &StagedFiles::default()).await
    }

    /// Appends an entry with the files that are stored in its commit.
    pub async fn append_with(&mut self, event: JournalEvent, kept: &StagedFiles) -> BackendResult<()> {
        let entry = JournalEntry {
            version: VERSION,
            user: self.user_rotation.user.clone(),
            at: self.backend.now(),
            run: self.user_rotation.run.clone(),
            event,
        };
        let head =
            self.backend.append_entry(&self.user_rotation.user, self.head.as_deref(), &entry, kept).await?;
        self.head = Some(head);
        Ok(())
    }

    /// Records a permanent failure. Repeated ones quarantine the user.
    pub async fn note_failure(&mut self, step: &RotationStep, failure: &BackendError) {
        if failure.kind == ErrorKind::Rejected {
            let event = JournalEvent::Failed { step: step.name().to_owned(), why: failure.message.clone() };
            self.all_requests_answered &= self.append_event(event).await.is_ok();
        }
    }

    /// Releases the claim, unless a request of this run may still take effect.
    pub async fn release_claim(&mut self, seen: &Observation) {
        let claim = seen.journal.known().and_then(|journal| journal.claim.as_ref());
        let ours = self.holds_claim || claim.is_some_and(|claim| claim.run == self.user_rotation.run);
        if ours && self.all_requests_answered {
            // why: the result does not matter, since the claim also expires
            let _ = self.append_event(JournalEvent::Release).await;
        }
    }
}

/// The open rotation. Without one the step does not belong to this observation.
fn open_rotation(seen: &Observation) -> BackendResult<&OpenRotation> {
    let rotation = seen.journal.known().and_then(|journal| journal.open.as_ref());
    rotation.ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "no rotation is open"))
}
