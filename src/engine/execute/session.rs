//! [`JournalSession`]: appends to one user's journal on the head that this run has read.

use crate::engine::observe::UserRotation;
use crate::ports::{Backend, BackendError, BackendResult, CommitId, ErrorKind, StagedFiles};
use crate::rotation::{
    JournalEntry, JournalEvent, KeyId, Observation, ObservedKey, Recipients, RotationStep,
};

/// The version of the entries that are written.
const VERSION: u64 = crate::rotation::journal::JOURNAL_VERSION;

pub struct JournalSession<'a, W> {
    pub backend: &'a W,
    pub user_rotation: &'a UserRotation,
    head: Option<CommitId>,
    /// Who could decrypt the last key.
    pub previous_recipients: Option<Recipients>,
    /// The user's keys as the last observation found them; empty if they are unknown.
    pub observed_keys: Vec<ObservedKey>,
    /// The key that this run has recorded in the user's tag as deactivated. IAM may still show the tag as it was before.
    pub deactivated_key: Option<KeyId>,
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
            observed_keys: Vec::new(),
            deactivated_key: None,
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
        self.observed_keys = seen.keys.known().cloned().unwrap_or_default();
    }

    /// Notes the result of a step: whether a request may still take effect, and whether this run holds the claim now.
    pub fn note_result(&mut self, step: &RotationStep, done: &BackendResult<()>) {
        // Only an indeterminate request may arrive later; a refused one is over
        if done.as_ref().is_err_and(|failure| failure.kind == ErrorKind::Indeterminate) {
            self.all_requests_answered = false;
        }
        self.holds_claim |= *step == RotationStep::Claim;
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
            // An append that failed may still arrive, so the claim is kept until it expires
            self.all_requests_answered &= self.append_event(event).await.is_ok();
        }
    }

    /// Releases the claim, unless a request of this run may still take effect.
    pub async fn release_claim(&mut self, seen: &Observation) {
        let claim = seen.journal.known().and_then(|journal| journal.claim.as_ref());
        let ours = self.holds_claim || claim.is_some_and(|claim| claim.run == self.user_rotation.run);
        if ours && self.all_requests_answered {
            // The result does not matter, since the claim also expires
            let _ = self.append_event(JournalEvent::Release).await;
        }
    }
}
