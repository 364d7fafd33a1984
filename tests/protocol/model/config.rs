//! One model: its protocol, its faults, and the bug that was put into it.

use std::sync::Arc;

use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{Observation, RotationParams, StepDecision, StorageKind};

use super::sight::Sight;
use super::state::Budget;
use super::tables::{Shape, Tables};

/// What decides. A mutant looks through a lens, or decides otherwise.
pub type Decide = fn(&DecisionTable, &Observation, &RotationParams) -> StepDecision;

/// A bug of the one who carries out the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    None,
    /// The default branch is read before the journal.
    PlacesFirst,
    /// The keys are listed once, at the end.
    ListLate,
    /// CreateAccessKey is sent again when no answer comes.
    CreateTwice,
    /// A key is made before the journal hears of it.
    CreateUnannounced,
    /// A run whose entry with the new key is not answered deletes the key.
    DeleteOwnOnTimeout,
    /// No announcement before a key is deactivated or deleted.
    Unannounced,
    /// The stores get the new key with the pull request.
    DeliverEarly,
    /// The branch is left as it is.
    LeaveBranch,
    /// The journal is written without a compare-and-swap.
    Force,
    /// A run whose request was not answered gives its claim back.
    ReleaseAnyway,
    /// The new key's commit builds on whatever tip is there when it is made.
    RebaseUnannounced,
    /// The branch is filled without a look at its tip, whatever is on it by then.
    FillUnread,
    /// A store is written to without an entry before it.
    DeliverUnannounced,
    /// The workflow is started before the journal hears of it.
    DispatchUnannounced,
    /// A workflow whose start was announced is started without a look at its runs.
    DispatchUnread,
    /// The run goes on after an entry was refused.
    IgnoreConflict,
}

#[derive(Clone)]
pub struct Config {
    pub name: &'static str,
    pub protocol: DecisionTable,
    pub decide: Decide,
    pub bug: Bug,
    pub shape: Shape,
    /// How many keys IAM lets the user have.
    pub quota: usize,
    /// One run at a time, or two.
    pub runs: usize,
    /// The second run is of a repository that the owner tag does not name.
    pub stranger: bool,
    /// The policy file says `retire`: a file names the key in clear text, until people take it out.
    pub retires: bool,
    /// The user has no key at first, and nothing holds one.
    pub first: bool,
    /// A workflow deploys the applications, which read a key at no other time.
    pub redeploys: bool,
    pub budget: Budget,
    pub tables: Arc<Tables<Sight>>,
}

impl Config {
    pub fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            protocol: DecisionTable::default(),
            decide: DecisionTable::decide_step,
            bug: Bug::None,
            shape,
            quota: 2,
            runs: 2,
            stranger: false,
            retires: false,
            first: false,
            redeploys: false,
            budget: Budget::default(),
            tables: Arc::new(Tables::new(shape)),
        }
    }

    pub fn file(name: &'static str) -> Self {
        Self::new(name, Shape { file: true, store: None })
    }

    pub fn with_store(name: &'static str, kind: StorageKind) -> Self {
        Self::new(name, Shape { file: true, store: Some(kind) })
    }

    pub fn only_store(name: &'static str, kind: StorageKind) -> Self {
        Self::new(name, Shape { file: false, store: Some(kind) })
    }

    /// A user whose keys go.
    pub fn retirement(name: &'static str) -> Self {
        Self { retires: true, ..Self::file(name) }
    }

    /// A user that is to get its first key.
    #[must_use]
    pub fn first_key(mut self) -> Self {
        self.first = true;
        self
    }

    /// Applications that are deployed by a workflow.
    #[must_use]
    pub fn deployed(mut self) -> Self {
        self.redeploys = true;
        self
    }

    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    #[must_use]
    pub fn one_run(mut self) -> Self {
        self.runs = 1;
        self
    }

    #[must_use]
    pub fn claims(mut self, claims: bool) -> Self {
        self.protocol.claims = claims;
        self
    }

    pub fn has_claims(&self) -> bool {
        self.protocol.claims
    }
}
