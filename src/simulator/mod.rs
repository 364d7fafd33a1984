//! Simulates AWS, GitHub, two secret stores, applications and people in memory, with a virtual clock.
//!
//! `keytide demo` and the tests of the rotation run the production code against it. It has the delays of the real
//! services: AWS accepts a new key only after seconds, lists lag, IAM reports a last use late and rounded to fifteen
//! minutes. `faults` makes any request crash the run, lose its reply, take effect late, fail, be throttled or return an
//! old state. `invariants` checks after every change of the simulated state what must always hold.

mod applications;
mod state;
mod invariants;
mod backend;
mod executor;
mod faults;
mod github;
mod iam;
mod keyring;
mod operators;
mod rng;
pub mod sample;
mod stores;
mod versioned_secret;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

pub use applications::Application;
pub use backend::SimBackend;
pub use executor::{BoxedRun, block_on, interleave_runs};
pub use faults::{FaultPlan, FaultPoint, SimFault};
pub use keyring::Keyring;
pub use rng::SplitMix;
pub use state::{KeyRecord, SimCommit, SimPullRequest, SimState, StoredEntry, StoredSecret, UserRecord};
pub use stores::no_such_secret;
pub use versioned_secret::VersionedSecret;

/// How long a reader may see a former state: IAM and GitHub are eventually consistent.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// The simulated services, shared by all runs.
pub struct Simulation {
    state: RefCell<SimulationState>,
}

pub struct SimulationState {
    pub body: SimState,
    pub faults: FaultPlan,
    pub rng: SplitMix,
    pub apps: Vec<Application>,
    /// The private keys of the destinations. Only the applications use them, never keytide.
    pub keyring: Rc<Keyring>,
    /// Every request, in its order.
    pub calls: Vec<FaultPoint>,
    /// The invariants that were violated.
    pub violations: Vec<String>,
    /// Runs that were crashed and are not polled again.
    pub crashed: Vec<usize>,
    /// Former states, with the time of the write that ended each.
    past: Vec<(Timestamp, SimState)>,
    late: Vec<DelayedEffect>,
    watched: invariants::InvariantState,
}

/// A request that takes effect after its sender stopped waiting.
struct DelayedEffect {
    due: Timestamp,
    effect: StateEffect,
}

type StateEffect = Box<dyn FnOnce(&mut SimState)>;

impl Simulation {
    pub fn new(now: Timestamp, seed: u64) -> Self {
        let state = SimulationState {
            body: SimState::new(now, seed),
            faults: FaultPlan::default(),
            rng: SplitMix::new(seed),
            apps: Vec::new(),
            keyring: Rc::new(Keyring::generate()),
            calls: Vec::new(),
            violations: Vec::new(),
            crashed: Vec::new(),
            past: Vec::new(),
            late: Vec::new(),
            watched: invariants::InvariantState::default(),
        };
        Self { state: RefCell::new(state) }
    }

    /// A copy of this simulation without faults.
    pub fn fork(&self) -> Self {
        let state = self.state.borrow();
        let copy = SimulationState {
            body: state.body.clone(),
            faults: FaultPlan::default(),
            rng: state.rng.clone(),
            apps: state.apps.clone(),
            keyring: state.keyring.clone(),
            calls: Vec::new(),
            violations: Vec::new(),
            crashed: Vec::new(),
            past: Vec::new(),
            late: Vec::new(),
            watched: state.watched.clone(),
        };
        Self { state: RefCell::new(copy) }
    }

    /// The backend for one run.
    pub fn backend_for_run(&self, run: usize) -> SimBackend<'_> {
        SimBackend { world: self, run }
    }

    /// Reads or changes the simulated state.
    pub fn with_state<T>(&self, act: impl FnOnce(&mut SimulationState) -> T) -> T {
        act(&mut self.state.borrow_mut())
    }

    pub fn current_time(&self) -> Timestamp {
        self.state.borrow().body.now
    }

    /// Advances the clock: delayed requests take effect, applications work.
    pub fn advance_time(&self, time: SignedDuration) {
        let mut state = self.state.borrow_mut();
        let until = state.body.now + time;
        state.advance_to(until);
    }

    /// The invariants that were violated.
    pub fn invariant_violations(&self) -> Vec<String> {
        self.state.borrow().violations.clone()
    }
}

impl SimulationState {
    /// Plays what happens until a moment, in the order in which it does.
    pub fn advance_to(&mut self, until: Timestamp) {
        loop {
            let late = self.late.iter().map(|late| late.due).min();
            let app = self.apps.iter().map(|app| app.next).min();
            let next = [late, app].into_iter().flatten().min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.body.now = self.body.now.max(next);
            if late == Some(next) {
                self.apply_delayed(next);
            } else {
                self.run_applications(next);
            }
        }
        self.body.now = self.body.now.max(until);
    }

    fn apply_delayed(&mut self, due: Timestamp) {
        let (now, later): (Vec<DelayedEffect>, Vec<DelayedEffect>) =
            self.late.drain(..).partition(|late| late.due <= due);
        self.late = later;
        for late in now {
            self.apply_change(late.effect);
        }
    }

    /// Applies a change to the truth and checks what must hold.
    fn apply_change<T>(&mut self, effect: impl FnOnce(&mut SimState) -> T) -> T {
        let before = self.body.clone();
        let done = effect(&mut self.body);
        self.check_invariants(&before);
        self.past.retain(|(at, _)| before.now.duration_since(*at) <= LAG);
        self.past.push((before.now, before));
        done
    }

    /// A state that has ended, which a reader may still be shown.
    fn stale_state(&mut self) -> Option<SimState> {
        let now = self.body.now;
        self.past.retain(|(at, _)| now.duration_since(*at) <= LAG);
        let chosen = self.rng.next_below(self.past.len() as u64)?;
        let mut body = self.past.get(chosen as usize)?.1.clone();
        body.now = now;
        Some(body)
    }

    /// How many requests of each kind there were.
    pub fn request_counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.calls {
            *counts.entry(call.name).or_default() += 1;
        }
        counts
    }
}
