//! The stories of a rotation: what people do in it, when, and how it ends.

use jiff::{SignedDuration, Timestamp};
use keytide::engine::execute::{ChangeBudget, RunOutcome, run_user};
use keytide::engine::observe::UserRotation;
use keytide::ports::FileChanges;
use keytide::rotation::{RotationPhase, RotationRequest};
use keytide::simulator::sample::SampleStores;
use keytide::simulator::{Simulation, block_on, sample};

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
/// More runs than any story takes, with faults.
const RUNS: usize = 60;

/// What people do in a story, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// The pull request is merged.
    Merge,
    /// It is closed; the next one is merged.
    Close,
    /// Someone edits a file under it.
    Conflict,
    /// A person rolls back before the merge, in the grace period, in the soak.
    RollbackProposed,
    RollbackGrace,
    RollbackSoak,
    /// The key is known to others.
    Compromised,
    /// The store keeps versions, and other people write another field of the same secret all the time; it is merged, or
    /// rolled back in the grace period.
    Versioned,
    VersionedBack,
    /// The store's newest version is always the current one, as in Parameter Store; it is merged, or rolled back in the
    /// grace period.
    Parameter,
    ParameterBack,
    /// The same with a parameter for each half, which no request writes at once.
    Pair,
    PairBack,
    /// The same with the SMTP password as a third parameter.
    TripleBack,
    /// The same in Vault, where a write names the version that it replaces.
    Vault,
    VaultBack,
    /// The key goes without a successor; a person rolls that back in the soak.
    Retire,
    RetireBack,
    /// The application reads its key when a workflow deploys it; it is merged, or rolled back in the grace period.
    Deploy,
    DeployBack,
    /// The user has no key: its first is merged; closed, and the next one merged; rolled back in the grace period.
    First,
    FirstClose,
    FirstBack,
    /// The same into a store with versions that holds a placeholder.
    FirstVersioned,
    FirstVersionedBack,
}

impl Story {
    pub const ALL: [Self; 20] = [
        Self::Merge,
        Self::Close,
        Self::Conflict,
        Self::RollbackProposed,
        Self::RollbackGrace,
        Self::RollbackSoak,
        Self::Compromised,
        Self::Versioned,
        Self::VersionedBack,
        Self::Parameter,
        Self::ParameterBack,
        Self::Pair,
        Self::PairBack,
        Self::TripleBack,
        Self::Vault,
        Self::VaultBack,
        Self::Retire,
        Self::RetireBack,
        Self::Deploy,
        Self::DeployBack,
    ];

    pub const FIRST_KEYS: [Self; 5] =
        [Self::First, Self::FirstClose, Self::FirstBack, Self::FirstVersioned, Self::FirstVersionedBack];

    pub fn is_first_key(self) -> bool {
        Self::FIRST_KEYS.contains(&self)
    }

    pub fn retires(self) -> bool {
        matches!(self, Self::Retire | Self::RetireBack)
    }

    pub fn is_versioned(self) -> bool {
        matches!(self, Self::Versioned | Self::VersionedBack | Self::Vault | Self::VaultBack)
    }

    pub fn is_pair(self) -> bool {
        matches!(self, Self::Pair | Self::PairBack | Self::TripleBack)
    }

    /// The phase in which a person asks for a rollback.
    pub fn rollback(self) -> Option<RotationPhase> {
        match self {
            Self::RollbackProposed => Some(RotationPhase::Proposed),
            Self::RollbackGrace
            | Self::VersionedBack
            | Self::ParameterBack
            | Self::PairBack
            | Self::TripleBack
            | Self::VaultBack
            | Self::DeployBack
            | Self::FirstBack
            | Self::FirstVersionedBack => Some(RotationPhase::Grace),
            Self::RollbackSoak | Self::RetireBack => Some(RotationPhase::Soaking),
            _ => None,
        }
    }
}

/// One telling of a story.
pub struct Telling {
    pub world: Simulation,
    pub task: UserRotation,
    pub story: Story,
    pub runs: usize,
    /// What people do once.
    pub done: bool,
    pub asked: RotationRequest,
}

impl Telling {
    pub fn new(story: Story) -> Self {
        let stores = match story {
            Story::Versioned | Story::VersionedBack | Story::FirstVersioned | Story::FirstVersionedBack => {
                SampleStores::Versioned
            }
            Story::First => SampleStores::Sealed,
            Story::FirstClose | Story::FirstBack => SampleStores::None,
            Story::Parameter | Story::ParameterBack => SampleStores::Parameter,
            Story::Pair | Story::PairBack => SampleStores::ParameterPair,
            Story::TripleBack => SampleStores::ParameterTriple,
            Story::Vault | Story::VaultBack => SampleStores::Vault,
            _ => SampleStores::Sealed,
        };
        let age = SignedDuration::from_hours(24 * 80);
        let (world, task) = if story.retires() {
            sample::sample_retirement(7, NOW, age)
        } else if matches!(story, Story::Deploy | Story::DeployBack) {
            sample::sample_deployment(7, NOW, age, sample::SampleStores::None)
        } else if story.is_first_key() {
            sample::sample_first_key(7, NOW, stores)
        } else {
            sample::sample_simulation(7, NOW, age, stores)
        };
        // A key that is in use at once ends its rotation before anyone can take it back
        if story == Story::FirstVersionedBack {
            world.with_state(|state| state.apps.clear());
        }
        let asked =
            RotationRequest { compromised: story == Story::Compromised, ..RotationRequest::default() };
        world.with_state(|state| state.invariant_state().compromised = asked.compromised);
        Self { world, task, story, runs: 0, done: false, asked }
    }

    pub fn copy(&self) -> Self {
        let world = self.world.fork();
        Self {
            world,
            task: self.task.clone(),
            story: self.story,
            runs: self.runs,
            done: self.done,
            asked: self.asked,
        }
    }

    pub fn once(&mut self) -> Option<RunOutcome> {
        self.runs += 1;
        let task = UserRotation { run: self.runs.to_string().into(), asked: self.asked, ..self.task.clone() };
        let door = self.world.backend_for_run(self.runs);
        block_on(&self.world, self.runs, async {
            run_user(&door, &task, &mut ChangeBudget::default(), &|| false).await
        })
    }

    /// Tells it to its end.
    pub fn tell(&mut self) -> Option<RunOutcome> {
        (0..RUNS).find_map(|_| self.go_on())
    }

    /// One run, and what people and time do after it; the run, when it is the last.
    pub fn go_on(&mut self) -> Option<RunOutcome> {
        let ran = self.once();
        let until = ran.as_ref().and_then(|ran| ran.last_decision.until);
        if let Some(ran) = ran {
            if self.is_over(&ran) {
                return Some(ran);
            }
            self.people(&ran);
        }
        if self.story.is_versioned() {
            self.world.write_beside();
        }
        let until = until.map(|until| until.duration_since(self.world.current_time()));
        let day = SignedDuration::from_hours(25);
        self.world.advance_time(until.unwrap_or(day).clamp(day, 16 * day));
        None
    }

    pub fn is_over(&self, ran: &RunOutcome) -> bool {
        let idle = ran.steps_taken.iter().all(|decision| decision.step.name() == "touch");
        let rested = ran
            .observation
            .journal
            .known()
            .is_some_and(|journal| journal.open.is_none() && journal.last_number > 0);
        idle && (ran.last_decision.phase == RotationPhase::Held
            || (rested && ran.last_decision.phase == RotationPhase::Retired)
            || (rested && ran.last_decision.phase == RotationPhase::Healthy))
    }

    pub fn people(&mut self, ran: &RunOutcome) {
        if self.story.rollback() == Some(ran.last_decision.phase) && !self.done {
            self.done = true;
            self.asked.rollback = true;
            return;
        }
        let rolling = ran.observation.journal.known().and_then(|journal| journal.open.as_ref()?.rollback);
        // The command is refused where nothing is under way: a first key may be in use by then
        let is_open = ran.observation.journal.known().is_none_or(|journal| journal.open.is_some());
        self.asked.rollback &= rolling.is_none() && is_open;
        // Asked once: the journal remembers it.
        self.asked.compromised &=
            ran.observation.journal.known().is_some_and(|journal| journal.last_number == 0);
        if self.story.rollback() == Some(RotationPhase::Proposed)
            && rolling.is_none()
            && ran.last_decision.phase == RotationPhase::Proposed
        {
            return;
        }
        if self.story.retires() {
            self.end_use();
        }
        // What goes on with the key in its memory would keep it active for ever
        if self.story.is_first_key() && rolling.is_some() {
            self.world.with_state(|state| state.apps.clear());
        }
        for number in self.world.open_pulls() {
            match self.story {
                Story::Close | Story::FirstClose if number == 100 => {
                    self.world.close_pull_request(number).unwrap()
                }
                Story::Conflict if !self.done => {
                    let path = keytide::repository::lock_file_path(sample::USER);
                    self.world.push_files(&FileChanges::from([(path, Some(b"{}\n".to_vec()))]), "edit");
                    self.done = true;
                }
                // A conflict is resolved by the next run.
                _ => drop(self.world.merge_pull_request(number)),
            }
        }
    }

    /// People remove the credential from the repository after two runs, and the application's copy after four.
    pub fn end_use(&mut self) {
        if self.runs >= 2 {
            sample::remove_credential_file(&self.world);
        }
        if self.runs >= 4 {
            self.world.with_state(|state| state.apps.clear());
        }
    }
}
