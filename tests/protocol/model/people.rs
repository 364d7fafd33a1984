//! What people, applications, the network and time do.

use super::config::Config;
use super::run::own;
use super::state::{Deploy, Ev, Id, KEYS, Life, Me, NONE, Pr, Req, Run, State, Tip, bit};
use super::tables::index;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Start(usize, Me),
    /// The run reads, or decides and sends.
    Advance(usize),
    /// It decides without the last uses.
    AdvanceBlind(usize),
    /// Its request is applied and answered.
    Answer(usize),
    /// It dies, or gives up waiting.
    Lose(usize),
    /// A request of no one's is applied.
    Late(usize),
    Drop(usize),
    Merge,
    Close,
    Reopen,
    MergeBack,
    CloseBack,
    ReopenBack,
    Revert,
    /// Takes the key out of the file.
    Remove,
    Conflict,
    Foreign,
    Resume,
    Adopt(usize),
    /// The workflow's run succeeds: the applications have loaded what the places hold.
    Deploy,
    /// It fails, or is run again.
    FailDeploy,
    RerunDeploy,
    Tick,
}

impl Config {
    pub fn acts(&self, s: &State, acts: &mut Vec<Act>) {
        for i in 0..self.runs {
            self.run_acts(s, i, acts);
        }
        for n in 0..s.net.len() {
            if n == 0 || s.net[n] != s.net[n - 1] {
                acts.extend([Act::Late(n), Act::Drop(n)]);
            }
        }
        reviewers(s, acts);
        self.persons(s, acts);
        self.deployments(s, acts);
        for app in (0..2).filter(|_| !self.redeploys) {
            // What no longer had a key to read takes one that a person names again
            let reads = s.apps[app] != NONE || (self.retires && app == 0) || self.may_read(app);
            if reads && s.apps[app] != self.feeds(s, app) {
                acts.push(Act::Adopt(app));
            }
        }
        if s.runs.iter().all(|run| *run == Run::Idle) && !s.net.iter().any(|req| req.dies()) {
            acts.push(Act::Tick);
        }
    }

    fn run_acts(&self, s: &State, i: usize, acts: &mut Vec<Act>) {
        if s.left.faults > 0
            && (self.has_claims() || matches!(s.runs[i], Run::Wait { .. }))
            && s.runs[i] != Run::Idle
        {
            acts.push(Act::Lose(i));
        }
        match &s.runs[i] {
            Run::Idle => {
                acts.push(Act::Start(i, Me::default()));
                if s.left.rollbacks > 0 {
                    acts.push(Act::Start(i, Me { rollback: true, ..Me::default() }));
                }
                if s.left.starts > 0 && self.tables.journal(s.journal).open.is_none() {
                    acts.push(Act::Start(i, Me { start: true, ..Me::default() }));
                }
            }
            Run::Wait { .. } => acts.push(Act::Answer(i)),
            Run::Looked(..) if s.left.blind > 0 => acts.extend([Act::Advance(i), Act::AdvanceBlind(i)]),
            _ => acts.push(Act::Advance(i)),
        }
    }

    fn persons(&self, s: &State, acts: &mut Vec<Act>) {
        if s.left.reverts > 0 && s.prev != NONE {
            acts.push(Act::Revert);
        }
        if self.retires && s.main != NONE {
            acts.push(Act::Remove);
        }
        if s.left.conflicts > 0 && s.pr == (Pr::Open { conflict: false }) {
            acts.push(Act::Conflict);
        }
        if s.left.foreign > 0 && s.living().count() < self.quota {
            acts.push(Act::Foreign);
        }
        let journal = self.tables.journal(s.journal);
        if s.left.resumes > 0 && journal.hold_reason.is_some() {
            acts.push(Act::Resume);
        }
    }

    fn deployments(&self, s: &State, acts: &mut Vec<Act>) {
        match s.deploy {
            Deploy::Running => acts.push(Act::Deploy),
            Deploy::Failed => acts.push(Act::RerunDeploy),
            _ => {}
        }
        if s.deploy == Deploy::Running && s.left.failures > 0 {
            acts.push(Act::FailDeploy);
        }
    }

    fn deploy(&self, s: &mut State) {
        s.deploy = Deploy::Done;
        for app in 0..2 {
            if s.apps[app] != NONE || self.may_read(app) {
                let key = self.feeds(s, app);
                s.apps[app] = key;
                use_key(s, key);
            }
        }
    }

    /// Whether an application waits for the first key.
    fn may_read(&self, app: usize) -> bool {
        self.first && (app == 0 || (self.shape.file && self.shape.store.is_some()))
    }

    /// The key that an application reads: the first one's in the file, the second one's in the store.
    fn feeds(&self, s: &State, app: usize) -> Id {
        let from_file = self.shape.file && (app == 0 || self.shape.store.is_none());
        if from_file { s.main } else { s.store }
    }

    /// The state after an act. `None`: nothing changes.
    pub fn act(&self, before: &State, act: Act) -> Option<State> {
        let mut s = before.clone();
        match act {
            Act::Start(i, me) => {
                s.left.rollbacks -= u8::from(me.rollback);
                s.left.starts -= u8::from(me.start);
                s.runs[i] = Run::Next(me);
                self.advance(&mut s, i, false);
            }
            Act::Advance(i) => self.advance(&mut s, i, false),
            Act::AdvanceBlind(i) => {
                s.left.blind -= 1;
                self.advance(&mut s, i, true);
            }
            Act::Answer(i) => self.answered(&mut s, i),
            Act::Lose(i) => {
                s.left.faults -= 1;
                self.lose(&mut s, i);
            }
            Act::Late(n) => {
                let req = s.net.remove(n);
                self.serve(&mut s, req, super::state::DEAD);
            }
            Act::Drop(n) => drop(s.net.remove(n)),
            Act::Tick => self.tick(&mut s),
            other => self.person(&mut s, other),
        }
        self.settle(&mut s);
        (s != *before).then_some(s)
    }

    fn person(&self, s: &mut State, act: Act) {
        match act {
            Act::Merge => self.merge(s),
            Act::Close => {
                s.left.closes -= 1;
                s.pr = Pr::Closed;
            }
            Act::Reopen => s.pr = Pr::Open { conflict: false },
            Act::MergeBack => {
                s.back = Pr::Merged { age: 0 };
                self.bring_back(s);
            }
            Act::CloseBack => {
                s.left.closes -= 1;
                s.back = Pr::Closed;
            }
            Act::ReopenBack => s.back = Pr::Open { conflict: false },
            Act::Revert => self.revert(s),
            Act::Remove => (s.prev, s.main) = (s.main, NONE),
            Act::Conflict => {
                s.left.conflicts -= 1;
                s.pr = Pr::Open { conflict: true };
            }
            Act::Foreign => {
                s.left.foreign -= 1;
                let id = self.make_key(s, true);
                s.keys[id as usize].hidden = Some(false);
            }
            Act::Resume => {
                s.left.resumes -= 1;
                self.serve(s, Req::append(Ev::Resumed), super::state::DEAD);
            }
            Act::Deploy => self.deploy(s),
            Act::FailDeploy => {
                s.left.failures -= 1;
                s.deploy = Deploy::Failed;
            }
            Act::RerunDeploy => s.deploy = Deploy::Running,
            Act::Adopt(app) => {
                let key = self.feeds(s, app);
                s.apps[app] = key;
                use_key(s, key);
            }
            _ => {}
        }
    }

    fn merge(&self, s: &mut State) {
        s.pr = Pr::Merged { age: 0 };
        let new = self.staged(s);
        if s.tip == Tip::Staged && new != NONE && s.main != new {
            self.publish(s, new);
        }
    }

    /// The new key of the rotation under way.
    fn staged(&self, s: &State) -> Id {
        let journal = self.tables.journal(s.journal);
        journal.open.as_ref().and_then(|open| open.new_key()).map_or(NONE, |key| index(key))
    }

    fn publish(&self, s: &mut State, key: Id) {
        s.prev = s.main;
        s.main = key;
        s.keys[key as usize].public |= s.key(key).life != Life::Gone;
    }

    /// keytide's own pull request: the old key, if the file still holds the new one.
    fn bring_back(&self, s: &mut State) {
        let journal = self.tables.journal(s.journal);
        let Some(open) = &journal.open else { return };
        if open.new_key().is_some_and(|new| index(new) == s.main) {
            match &open.old {
                Some(old) => self.publish(s, index(old)),
                None => (s.prev, s.main) = (s.main, NONE),
            }
        }
    }

    /// A person puts back what was there before. Everyone who names a key that is on its way out is helped, not protected.
    fn revert(&self, s: &mut State) {
        s.left.reverts -= 1;
        s.meddled = true;
        let key = s.prev;
        if s.key(key).life != Life::Active || self.leaves(s, key) {
            s.amnesty |= bit(key);
        }
        self.publish(s, key);
    }

    /// Whether a key was announced to go, or a request to that effect is under way.
    fn leaves(&self, s: &State, key: Id) -> bool {
        let journal = self.tables.journal(s.journal);
        let announced =
            journal.open.as_ref().and_then(|open| open.retiring.as_ref()).is_some_and(|id| index(id) == key);
        announced || s.air().any(|req| matches!(req, Req::Deactivate(k) | Req::Delete(k) if k == key))
    }

    /// A tick passes: what was used is known, applications use their keys, times grow older.
    pub fn tick(&self, s: &mut State) {
        let announced = self.tables.journal(s.journal).unconfirmed_creations.contains(&super::tables::now());
        let mut tries = false;
        for key in s.keys.iter_mut().filter(|key| key.life != Life::Gone) {
            if key.age == 0 {
                key.tried = announced;
                key.age = 1;
            }
            tries |= key.tried;
            key.seen = key.seen.map(|used| super::state::Used { age: (used.age + 1).min(2), ..used });
            key.seen = own(key.hidden.take()).or(key.seen);
            key.idle = if key.life == Life::Inactive { (key.idle + 1).min(1) } else { 0 };
        }
        for app in s.apps {
            use_key(s, app);
        }
        s.journal = self.tables.age(s.journal, tries);
        for req in &mut s.net {
            if let Req::Append { age, .. } = req {
                *age = (*age + 1).min(2);
            }
        }
        for pr in [&mut s.pr, &mut s.back] {
            if let Pr::Merged { age } = pr {
                *age = 1;
            }
        }
    }

    /// One way to write each state: what can have no effect any more is forgotten.
    pub fn settle(&self, s: &mut State) {
        let inert = |s: &State, req: &Req| match req {
            Req::Append { fresh, .. } => !fresh && !matches!(self.bug, super::config::Bug::Force),
            Req::Commit { fresh, staged } => !fresh && !self.overwrites(*staged),
            Req::Activate(k) | Req::Deactivate(k) | Req::Delete(k) => s.key(*k).life == Life::Gone,
            Req::MakeBranch { .. } => s.tip != Tip::Absent,
            Req::Rehearse => !matches!(s.tip, Tip::Absent | Tip::Rehearsed),
            Req::Open => matches!(s.pr, Pr::Merged { .. } | Pr::Open { .. }),
            Req::Close => !s.pr.is_open(),
            Req::MakeBack => s.back_branch,
            Req::OpenBack => matches!(s.back, Pr::Merged { .. } | Pr::Open { .. }),
            Req::Tip | Req::FindRun => true,
            _ => false,
        };
        let mut net = std::mem::take(&mut s.net);
        net.retain(|req| !inert(s, req));
        net.sort_unstable();
        s.net = net;
        for i in 0..2 {
            if self.is_spent(&s.runs[i], i) {
                self.bury(s, i);
            }
        }
        for id in 0..KEYS as u8 {
            if s.amnesty & bit(id) != 0 && self.is_pardoned(s, id) {
                s.amnesty &= !bit(id);
            }
        }
        let forgotten = !self.spoken_of(s) & self.tables.knows(s.journal);
        if forgotten != 0 {
            s.journal = self.tables.prune(s.journal, forgotten);
        }
    }

    /// The person's mistake is mended.
    fn is_pardoned(&self, s: &State, id: Id) -> bool {
        match s.key(id).life {
            Life::Active => !self.leaves(s, id),
            Life::Inactive => false,
            Life::Gone => s.main != id && s.store != id && !s.apps.contains(&id),
        }
    }
}

fn reviewers(s: &State, acts: &mut Vec<Act>) {
    match s.pr {
        Pr::Open { conflict: false } => acts.push(Act::Merge),
        Pr::Closed => acts.push(Act::Reopen),
        _ => {}
    }
    if s.pr.is_open() && s.left.closes > 0 {
        acts.push(Act::Close);
    }
    match s.back {
        Pr::Open { .. } => acts.push(Act::MergeBack),
        Pr::Closed => acts.push(Act::ReopenBack),
        _ => {}
    }
    if s.back.is_open() && s.left.closes > 0 {
        acts.push(Act::CloseBack);
    }
}

fn use_key(s: &mut State, id: Id) {
    if let Some(key) = s.keys.get_mut(id as usize).filter(|key| key.life == Life::Active) {
        key.hidden = Some(false);
    }
}
