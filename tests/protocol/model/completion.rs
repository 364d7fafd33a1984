//! From any state, a fair completion without faults: one run after another, people merge what is open, applications
//! take what they are given, time passes. It must come to rest, and only where the table allows it.

use ahash::RandomState;
use keytide::rotation::{RotationPhase, StepDecision};

use super::config::Config;
use super::sight::Sight;
use super::state::{Deploy, Git, KEYS, Life, Me, Places, Pr, Run, State};
use super::tables::index;

/// So many fault-free rounds are enough.
pub const ROUNDS: u8 = 40;

impl Config {
    /// How many fault-free rounds a state needs until it rests where it may.
    ///
    /// # Errors
    /// Where it rests instead, or that it does not.
    pub fn completes(&self, state: &State) -> Result<u8, String> {
        let mut s = self.at_rest(state);
        let mut trail = Vec::new();
        let left = loop {
            let print = fingerprint(&s);
            if let Some(known) = self.tables.rounds.read().unwrap().get(&print) {
                break known.clone();
            }
            if trail.len() > ROUNDS as usize {
                break Err(format!("no rest after {ROUNDS} rounds: {:?}", self.stand(&s)));
            }
            trail.push(print);
            let next = self.round(&s);
            if next == s {
                break self.judge(&s).map(|()| 0);
            }
            s = next;
        };
        let mut rounds = self.tables.rounds.write().unwrap();
        for (steps, print) in trail.iter().rev().enumerate() {
            rounds.insert(*print, left.clone().map(|left| left + steps as u8));
        }
        left.map(|left| left + trail.len() as u8)
    }

    /// The same state without any run and with nothing under way.
    fn at_rest(&self, state: &State) -> State {
        let mut s = state.clone();
        s.net.clear();
        s.left = Default::default();
        s.bad = 0;
        for i in 0..2 {
            self.bury(&mut s, i);
        }
        self.settle(&mut s);
        s
    }

    fn round(&self, before: &State) -> State {
        let mut s = before.clone();
        self.whole_run(&mut s);
        if s.pr == (Pr::Open { conflict: false }) {
            s = self.act(&s, super::people::Act::Merge).unwrap_or(s);
        }
        if s.back.is_open() {
            s = self.act(&s, super::people::Act::MergeBack).unwrap_or(s);
        }
        if self.retires && s.main != super::state::NONE {
            s = self.act(&s, super::people::Act::Remove).unwrap_or(s);
        }
        if s.deploy == Deploy::Failed {
            s = self.act(&s, super::people::Act::RerunDeploy).unwrap_or(s);
        }
        if s.deploy == Deploy::Running {
            s = self.act(&s, super::people::Act::Deploy).unwrap_or(s);
        }
        for app in (0..2).filter(|_| !self.redeploys) {
            if s.apps[app] != super::state::NONE || self.first {
                s = self.act(&s, super::people::Act::Adopt(app)).unwrap_or(s);
            }
        }
        self.tick(&mut s);
        self.settle(&mut s);
        s
    }

    /// One run from its first read to its last answer. Without claims it is as many as are needed.
    pub fn whole_run(&self, s: &mut State) {
        let mut looks = 0;
        s.runs[0] = Run::Next(Me::default());
        while looks < 12 {
            match &s.runs[0] {
                Run::Idle if self.has_claims() => break,
                Run::Idle => {
                    if matches!(self.stand(s).step, keytide::rotation::RotationStep::Wait) {
                        break;
                    }
                    looks += 1;
                    s.runs[0] = Run::Next(Me::default());
                }
                Run::Wait { .. } => self.answered(s, 0),
                Run::Looked(..) => {
                    looks += 1;
                    self.advance(s, 0, false);
                }
                _ => self.advance(s, 0, false),
            }
            self.settle(s);
        }
        self.bury(s, 0);
        self.settle(s);
    }

    /// What a run would decide that looks at a state at rest.
    pub fn stand(&self, s: &State) -> StepDecision {
        let git =
            Git { journal: s.journal, fresh: false, tip: s.tip, pr: s.pr, back: s.back, deploy: s.deploy };
        let places = Places { main: s.main, store: s.store, mark: s.mark, brings_back: s.back.is_open() };
        (*self.decision(Sight::new(0, Me::default(), s.listed(), git, places, &s.keys))).clone()
    }

    /// Whether a state may be the last one.
    fn judge(&self, s: &State) -> Result<(), String> {
        let stand = self.stand(s);
        let allowed = match stand.phase {
            RotationPhase::Healthy => self.is_healthy(s),
            RotationPhase::Retired => self.retires && s.living().count() == 0,
            // A retirement makes no key: what is left after its rollback is what was there
            RotationPhase::Held => self.retires || self.owns_all(s),
            RotationPhase::Blocked => self.may_block(s, &stand.why),
            RotationPhase::Quarantined => s.meddled && s.key(s.main).life == Life::Gone,
            _ => false,
        };
        if allowed { Ok(()) } else { Err(format!("rests in {}: {}", stand.phase, stand.why)) }
    }

    /// A person made a key, wrote to the default branch, or closed the way back; and that is what is reported.
    fn may_block(&self, s: &State, why: &str) -> bool {
        let foreign = s.keys.iter().any(|key| key.foreign && key.life != Life::Gone);
        let keys = why.contains("did not make") || why.contains("no rotation");
        let files = why.contains("which was discarded")
            || why.contains("re-activated")
            || why.contains("new key again")
            || why.contains("did not put there");
        (foreign && keys) || (s.meddled && files) || (s.back == Pr::Closed && why.contains("was closed"))
    }

    fn is_healthy(&self, s: &State) -> bool {
        let only = s.living().next();
        s.living().count() == 1
            && (!self.shape.file || Some(s.main) == only)
            && (self.shape.store.is_none() || Some(s.store) == only)
    }

    /// No key is left that no one has: each is named somewhere, or is one of the rotation's.
    fn owns_all(&self, s: &State) -> bool {
        let journal = self.tables.journal(s.journal);
        let known = |id: u8| journal.key_by_fingerprint.values().any(|key| index(key) == id);
        (0..KEYS as u8)
            .filter(|id| s.key(*id).life != Life::Gone)
            .all(|id| known(id) || s.main == id || s.key(id).foreign)
    }
}

/// The same for the same state, in every thread.
fn fingerprint(s: &State) -> u64 {
    RandomState::with_seeds(1, 2, 3, 4).hash_one(s)
}
