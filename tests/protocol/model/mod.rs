//! The protocol's model: production `decide` and the production journal, in a world of lost, late and doubled requests.

pub mod completion;
pub mod config;
pub mod people;
pub mod run;
pub mod server;
pub mod sight;
pub mod state;
pub mod tables;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

pub use config::{Bug, Config};
pub use people::Act;
pub use state::{Budget, State};

use state::{Deploy, Key, Life, NONE, Pr, Run, Tip, Used, bad, bit};

impl Model for Config {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        self.acts(state, acts);
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        self.act(state, act)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I1 a referenced key is active", |m: &Self, s| m.referenced_is_active(s)),
            Property::always("I1b a key in use is active", |_, s: &State| used_is_active(s)),
            Property::always(
                "I2 nothing referenced, proposed, used or foreign is deleted",
                |_, s: &State| s.bad & bad::I2 == 0,
            ),
            Property::always("I4 a key is made only beside one", |_, s: &State| s.bad & bad::I4 == 0),
            Property::always("I7 no one deletes another run's key", |_, s: &State| s.bad & bad::I7 == 0),
            Property::always("I8 no delete without a soak", |_, s: &State| s.bad & bad::I8 == 0),
            Property::always("I13 a stranger writes nothing", |_, s: &State| s.bad & bad::I13 == 0),
            Property::always("a branch that was taken back is not filled again", |_, s: &State| {
                s.bad & bad::REFILLED == 0
            }),
            // Nothing but a claim keeps a second run from a start that is on its way
            Property::always("a workflow is started once for each announcement", |m: &Self, s: &State| {
                s.bad & bad::TWICE == 0 || !m.has_claims()
            }),
            Property::always("the journal is sound", |m: &Self, s| m.is_sound(s)),
            Property::always("I5, I6 every state completes", |m: &Self, s| m.completes(s).is_ok()),
            Property::sometimes("a rotation ends well", |m: &Self, s| m.has_rotated(s)),
        ]
    }
}

impl Config {
    pub fn initial(&self) -> State {
        let mut keys = [Key::default(); state::KEYS];
        let seen = Some(Used { age: 1, own: false });
        keys[0] =
            Key { life: Life::Active, age: 9, seen, hidden: Some(false), public: true, ..Key::default() };
        if self.first {
            keys[0] = Key::default();
        }
        let main = if self.shape.file && !self.first { 0 } else { NONE };
        let store = if self.shape.store.is_some() && !self.first { 0 } else { NONE };
        State {
            keys,
            journal: 0,
            main,
            prev: NONE,
            tip: Tip::Absent,
            pr: Pr::None,
            back_branch: false,
            back: Pr::None,
            store,
            mark: if self.first { NONE } else { 0 },
            deploy: Deploy::None,
            apps: [main.min(store), if self.shape.file && self.shape.store.is_some() { store } else { NONE }],
            runs: [Run::Idle, Run::Idle],
            net: Vec::new(),
            left: self.budget,
            amnesty: 0,
            bad: 0,
            meddled: false,
        }
    }

    fn referenced_is_active(&self, s: &State) -> bool {
        let fine = |id: u8| s.key(id).life == Life::Active || s.amnesty & bit(id) != 0;
        (!self.shape.file || s.main == NONE || fine(s.main))
            && (self.shape.store.is_none() || (self.first && s.store == NONE) || fine(s.store))
    }

    fn is_sound(&self, s: &State) -> bool {
        let journal = self.tables.journal(s.journal);
        journal.fault.is_none() && journal.unknown_event.is_none()
    }

    fn has_rotated(&self, s: &State) -> bool {
        let journal = self.tables.journal(s.journal);
        journal.last_number > 0
            && journal.open.is_none()
            && journal.hold_reason.is_none()
            && (s.key(0).life == Life::Gone || self.first)
    }
}

fn used_is_active(s: &State) -> bool {
    s.apps.iter().all(|id| *id == NONE || s.key(*id).life == Life::Active || s.amnesty & bit(*id) != 0)
}

/// What a check found.
pub struct Found {
    pub states: usize,
    pub generated: usize,
    pub journals: usize,
    pub depth: usize,
    pub seconds: f64,
    /// The first property that does not hold.
    pub broken: Option<String>,
    pub trace: Vec<String>,
}

/// Explores a model until a property breaks or everything was seen. `most`: states, 0 for all.
pub fn check(config: &Config, most: usize) -> Found {
    let begun = Instant::now();
    let mut builder = config.clone().checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    if most > 0 {
        builder = builder.target_state_count(most);
    }
    let checker = builder.spawn_bfs().join();
    let mut broken = None;
    let mut trace = Vec::new();
    for (name, path) in checker.discoveries() {
        if !name.starts_with("a rotation") {
            let last = path.last_state().clone();
            broken = Some(match config.completes(&last) {
                Err(why) if name.starts_with("I5") => format!("{name}: {why}"),
                _ => name.to_owned(),
            });
            trace = path.into_actions().iter().map(|act| format!("{act:?}")).collect();
        }
    }
    if broken.is_none() && most == 0 && checker.discovery("a rotation ends well").is_none() {
        broken = Some("no rotation ever ends well".to_owned());
    }
    Found {
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        journals: config.tables.journals(),
        depth: checker.max_depth(),
        seconds: begun.elapsed().as_secs_f64(),
        broken,
        trace,
    }
}

/// Tells a trace, state by state.
pub fn replay(config: &Config, trace: &[String]) {
    let mut s = config.initial();
    for named in trace {
        let mut acts = Vec::new();
        config.acts(&s, &mut acts);
        let act = acts.into_iter().find(|act| format!("{act:?}") == *named);
        let Some(next) = act.and_then(|act| config.act(&s, act)) else { break };
        s = next;
        let lives: Vec<_> = s.keys.iter().map(|key| key.life).filter(|life| *life != Life::Gone).collect();
        println!(
            "{named}\n    {lives:?} file {} store {} {:?} {:?} {:?} apps {:?} runs {:?} air {:?}",
            s.main, s.store, s.tip, s.pr, s.back, s.apps, s.runs, s.net
        );
    }
    println!("{:#?}\n{:?}", config.tables.journal(s.journal), config.completes(&s));
}
