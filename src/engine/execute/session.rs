//! One run's hold of one journal: appends on the head that it knows, and carries out steps.

use super::{existing_keys, new_key, pull_requests, revert, stores};
use crate::engine::observe::Task;
use crate::ports::{Answer, Commit, Failure, Kept, Outcome, Outside};
use crate::rotation::decide::CLAIM;
use crate::rotation::{Entry, Event, Observation, Recipients, Rotation, Step};

/// The version of the entries that are written.
const VERSION: u64 = crate::rotation::journal::VERSION;

pub struct Session<'a, W> {
    pub world: &'a W,
    pub task: &'a Task,
    head: Option<Commit>,
    /// Who could decrypt the last key.
    pub before: Option<Recipients>,
    /// Whether every request was answered: only then may the claim be given back early.
    settled: bool,
    claimed: bool,
}

impl<'a, W: Outside> Session<'a, W> {
    pub fn new(world: &'a W, task: &'a Task, seen: &Observation) -> Self {
        let mut session = Self { world, task, head: None, before: None, settled: true, claimed: false };
        session.look(seen);
        session
    }

    /// The head that the next decision is made on.
    pub fn look(&mut self, seen: &Observation) {
        let journal = seen.journal.known();
        self.head = journal.and_then(|journal| journal.head.clone());
        self.before = journal.and_then(|journal| journal.recipients.clone());
    }

    /// Does one step.
    pub async fn take(&mut self, seen: &Observation, step: &Step) -> Answer<()> {
        let done = self.dispatch(seen, step).await;
        if done.as_ref().is_err_and(|failure| failure.outcome == Outcome::Unknown) {
            self.settled = false;
        }
        self.claimed |= *step == Step::Claim;
        done
    }

    async fn dispatch(&mut self, seen: &Observation, step: &Step) -> Answer<()> {
        match step {
            Step::Wait => Ok(()),
            Step::Touch => self.append(Event::Touch).await,
            Step::Claim => self.append(Event::Claim { until: self.world.now() + CLAIM }).await,
            Step::Begin { key } => new_key::begin(self, seen, key).await,
            Step::Issue => new_key::issue(self, open(seen)?).await,
            Step::Propose => pull_requests::propose(self, open(seen)?).await,
            Step::Rebase { .. } => pull_requests::rebase(self, open(seen)?).await,
            Step::Deliver { places } => stores::deliver(self, open(seen)?, places).await,
            Step::NoteCompromised => self.append(Event::Compromised).await,
            Step::Distribute => self.append(Event::Distributed).await,
            Step::Retire { key } => self.append(Event::Retiring { key: key.clone() }).await,
            Step::NoteInactive { key } => self.append(Event::InactiveSince { key: key.clone() }).await,
            Step::NoteDeleted { key } => existing_keys::note_deleted(self, key).await,
            Step::Deactivate { key } => existing_keys::deactivate(self, key).await,
            Step::Delete { key } => existing_keys::delete(self, key).await,
            Step::Activate { key } => existing_keys::activate(self, key).await,
            Step::Discard { key, delete } => existing_keys::discard(self, key, *delete).await,
            Step::Tombstone { key, why } => {
                self.append(Event::Tombstone { key: key.clone(), why: why.clone() }).await
            }
            Step::Neutralize => pull_requests::neutralize(self, open(seen)?).await,
            Step::BeginRollback { why } => self.append(Event::Rollback { why: why.clone() }).await,
            Step::ProposeRevert => revert::revert(self, open(seen)?).await,
            Step::MoveBack { places } => stores::back(self, open(seen)?, places).await,
            Step::Hold { why } => self.append(Event::Held { why: why.clone() }).await,
        }
    }

    /// Appends an entry: it fails when the journal has moved since it was read.
    pub async fn append(&mut self, event: Event) -> Answer<()> {
        self.append_with(event, &Kept::default()).await
    }

    /// Appends an entry with what is kept beside it.
    pub async fn append_with(&mut self, event: Event, kept: &Kept) -> Answer<()> {
        let entry = Entry {
            version: VERSION,
            user: self.task.user.clone(),
            at: self.world.now(),
            run: self.task.run.clone(),
            event,
        };
        let head = self.world.append(&self.task.user, self.head.as_deref(), &entry, kept).await?;
        self.head = Some(head);
        Ok(())
    }

    /// What will fail however often it is tried counts, so that a person hears of it.
    pub async fn note_failure(&mut self, step: &Step, failure: &Failure) {
        if failure.outcome == Outcome::Refused {
            let event = Event::Failed { step: step.name().to_owned(), why: failure.what.clone() };
            self.settled &= self.append(event).await.is_ok();
        }
    }

    /// Gives the claim back, if nothing of this run's can still be under way.
    pub async fn release(&mut self, seen: &Observation) {
        let claim = seen.journal.known().and_then(|journal| journal.claim.as_ref());
        let ours = self.claimed || claim.is_some_and(|claim| claim.run == self.task.run);
        if ours && self.settled {
            // Whether it is heard or not, the claim ends by itself.
            let _ = self.append(Event::Release).await;
        }
    }
}

/// The rotation under way. Without one the step was not decided on this observation.
fn open(seen: &Observation) -> Answer<&Rotation> {
    let rotation = seen.journal.known().and_then(|journal| journal.open.as_ref());
    rotation.ok_or_else(|| Failure::new(Outcome::NotDone, "no rotation is under way"))
}
