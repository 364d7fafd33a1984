//! [`Simulation`]: the simulated services with their clock, the applications, the planned faults and the checks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::applications::Application;
use super::faults::{FaultPlan, FaultPoint};
use super::invariants::{InvariantCheck, InvariantState};
use super::keyring::Keyring;
use super::rng::SplitMix;
use super::state::SimState;
use crate::rotation::KeyId;

/// The longest time, in seconds, until IAM reports a use.
const MAX_REPORT_LAG: u64 = 3 * 3600 + 1800;
/// How long a reader may see a former state: IAM and GitHub are eventually consistent.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// The simulated services, shared by all runs.
pub struct Simulation {
    state: RefCell<SimulationState>,
}

/// Everything that a simulation consists of.
pub struct SimulationState {
    pub body: SimState,
    pub faults: FaultPlan,
    pub rng: SplitMix,
    pub apps: Vec<Application>,
    /// The private keys of the destinations. Only the applications use them, never keytide.
    pub keyring: Rc<Keyring>,
    /// Every request, in order.
    pub calls: Vec<FaultPoint>,
    /// The invariants that were violated.
    pub violations: Vec<String>,
    /// Runs that were crashed and are not polled again.
    pub crashed: Vec<usize>,
    /// Former states, with the time of the write that ended each.
    past: Vec<(Timestamp, SimState)>,
    pub(super) late: Vec<DelayedEffect>,
    watched: InvariantState,
}

/// A request that takes effect after its sender stopped waiting.
pub(super) struct DelayedEffect {
    pub(super) due: Timestamp,
    pub(super) effect: StateEffect,
}

pub(super) type StateEffect = Box<dyn FnOnce(&mut SimState)>;

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
            watched: InvariantState::default(),
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
    /// Lets everything happen that is due until a time, in the order of its times.
    pub fn advance_to(&mut self, until: Timestamp) {
        loop {
            let late = self.late.iter().map(|late| late.due).min();
            let app = self.apps.iter().map(|app| app.next).min();
            // One event at a time: each can cause the next, at a time before `until`.
            let next = [late, app].into_iter().flatten().min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.body.now = self.body.now.max(next);
            // If both are due at the same time, the request comes first: it was sent earlier.
            if late == Some(next) {
                self.apply_delayed(next);
            } else {
                self.run_application(next);
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

    /// The application that is due works.
    fn run_application(&mut self, at: Timestamp) {
        let Some(index) = self.apps.iter().position(|app| app.next <= at) else { return };
        let lag = self.rng.next_below(MAX_REPORT_LAG).unwrap_or_default();
        let app = &mut self.apps[index];
        let refusal = app.work(at, SignedDuration::from_secs(lag as i64), &mut self.body, &self.keyring);
        let Some(refusal) = refusal else { return };
        if refusal.is_torn && self.watched.without_swap {
            self.watched.torn_uses += 1;
            return;
        }
        if !self.watched.is_excused(&refusal.access_key_id) {
            let (now, name, key) = (self.body.now, app.name, &refusal.access_key_id);
            self.violations.push(format!("I1b at {now}: {name} uses {key} and is refused: {}", refusal.why));
        }
    }

    /// What the checks know and remember.
    pub fn invariant_state(&mut self) -> &mut InvariantState {
        &mut self.watched
    }

    /// The keys that destinations hold, each with the destination.
    pub fn referenced_keys(&self) -> Vec<(KeyId, String)> {
        self.watched.referenced_keys(&self.body, &self.keyring)
    }

    /// Applies a change to the state and checks the invariants.
    pub(super) fn apply_change<T>(&mut self, effect: impl FnOnce(&mut SimState) -> T) -> T {
        // A check compares two states, and a stale reply shows the former one.
        let before = self.body.clone();
        let done = effect(&mut self.body);
        let mut check = InvariantCheck {
            watched: &mut self.watched,
            before: &before,
            body: &self.body,
            keyring: &self.keyring,
            violations: &mut self.violations,
        };
        check.check_all();
        // Older states than the lag are never shown again, and each is a whole copy.
        self.past.retain(|(at, _)| before.now.duration_since(*at) <= LAG);
        self.past.push((before.now, before));
        done
    }

    /// A former state, which IAM or GitHub may still show to a reader.
    pub(super) fn stale_state(&mut self) -> Option<SimState> {
        let now = self.body.now;
        self.past.retain(|(at, _)| now.duration_since(*at) <= LAG);
        let chosen = self.rng.next_below(self.past.len() as u64)?;
        let mut body = self.past.get(chosen as usize)?.1.clone();
        // Only the content is old: the reply itself is from now.
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
