//! What IAM, git, the pull requests and the store do with a request.

use keytide::rotation::StorageKind;

use super::config::{Bug, Config};
use super::state::{Deploy, Ev, Id, KEYS, Key, Life, Pr, Req, Run, State, Tip, bad, bit};

impl Config {
    /// Applies a request. `None`: it is refused, and nothing has happened.
    pub fn serve(&self, s: &mut State, req: Req, by: usize) -> Option<u8> {
        match req {
            Req::Append { ev, fresh, age } => self.append(s, ev, fresh, age, by)?,
            Req::Create => return self.create(s),
            Req::Activate(k) => set(s, k, Life::Active),
            Req::Deactivate(k) => set(s, k, Life::Inactive),
            Req::Delete(k) => self.delete(s, k),
            Req::Rehearse if matches!(s.tip, Tip::Absent | Tip::Rehearsed) => self.commit(s, Tip::Rehearsed),
            Req::Rehearse => return None,
            Req::Tip | Req::FindRun => {}
            Req::Dispatch => self.dispatch(s),
            Req::MakeBranch { staged } if s.tip == Tip::Absent => self.commit(s, Tip::of(staged)),
            Req::MakeBranch { .. } => return None,
            Req::Commit { fresh: false, staged } if !self.overwrites(staged) => return None,
            Req::Commit { staged, .. } => {
                // Its pull request may be open still, and the key in it was given up.
                if staged && s.tip == Tip::Neutral {
                    s.bad |= bad::REFILLED;
                }
                self.commit(s, Tip::of(staged));
            }
            Req::Open => open(s)?,
            Req::Close if s.pr.is_open() => s.pr = Pr::Closed,
            Req::Close => {}
            Req::MakeBack => s.back_branch = true,
            Req::OpenBack if !s.back_branch => return None,
            Req::OpenBack if matches!(s.back, Pr::None | Pr::Closed) => s.back = Pr::Open { conflict: false },
            Req::OpenBack => {}
            Req::Put { key, over } => return self.put(s, key, over),
            Req::PutBack { over, old } if s.store == over => {
                s.store = old;
                s.mark = old;
            }
            Req::PutBack { old, .. } if s.store == old => {}
            Req::PutBack { .. } => return None,
        }
        Some(0)
    }

    /// Whether a commit takes any tip.
    pub fn overwrites(&self, staged: bool) -> bool {
        staged && self.bug == Bug::FillUnread
    }

    fn append(&self, s: &mut State, ev: Ev, fresh: bool, age: u8, by: usize) -> Option<()> {
        if !fresh && self.bug != Bug::Force {
            return None;
        }
        let begins = matches!(ev, Ev::Begin { .. } | Ev::BeginFirst { .. });
        if self.is_first_announcement(s, ev) {
            s.deploy = Deploy::None;
        }
        s.journal = self.tables.take(s.journal, ev, by, age);
        for (i, run) in s.runs.iter_mut().enumerate() {
            match run {
                Run::Read(_, _, git) | Run::Looked(_, _, git, _) => git.fresh = false,
                Run::Wait { fresh, req, .. } if i != by => {
                    *fresh = false;
                    stale(req);
                }
                _ => {}
            }
        }
        s.net.iter_mut().for_each(stale);
        if begins {
            s.deploy = Deploy::None;
            (s.tip, s.pr, s.back_branch, s.back) = (Tip::Absent, Pr::None, false, Pr::None);
            let of_another = |req: &Req| {
                matches!(
                    req,
                    Req::Rehearse
                        | Req::MakeBranch { .. }
                        | Req::Commit { .. }
                        | Req::Open
                        | Req::Close
                        | Req::MakeBack
                        | Req::OpenBack
                )
            };
            s.net.retain(|req| !of_another(req));
        }
        Some(())
    }

    /// Whether another redeployment is announced than any before.
    fn is_first_announcement(&self, s: &State, ev: Ev) -> bool {
        let Ev::Redeploying(cause) = ev else { return false };
        let journal = self.tables.journal(s.journal);
        journal.open.as_ref().is_none_or(|open| open.redeployment_for(cause).is_none())
    }

    fn dispatch(&self, s: &mut State) {
        if s.deploy != Deploy::None {
            s.bad |= bad::TWICE;
        }
        s.deploy = Deploy::Running;
    }

    fn create(&self, s: &mut State) -> Option<u8> {
        if s.living().count() >= self.quota {
            return None;
        }
        Some(self.new_key(s, false))
    }

    pub fn make_key(&self, s: &mut State, foreign: bool) -> Id {
        self.new_key(s, foreign)
    }

    fn new_key(&self, s: &mut State, foreign: bool) -> Id {
        let used = self.spoken_of(s) | self.tables.knows(s.journal);
        let id = (0..KEYS as u8).find(|id| used & bit(*id) == 0);
        assert!(id.is_some() || self.bug != Bug::None, "the model has more keys than it has names for");
        let id = id.unwrap_or_else(|| {
            s.bad |= bad::I4;
            KEYS as u8 - 1
        });
        s.keys[id as usize] = Key { life: Life::Active, foreign, ..Key::default() };
        id
    }

    /// The keys that exist or are named anywhere but in what the journal merely knows.
    pub fn spoken_of(&self, s: &State) -> u8 {
        let mut bits = s.listed() | s.amnesty | self.tables.names(s.journal);
        for id in [s.main, s.prev, s.store, s.apps[0], s.apps[1]] {
            bits |= bit(id);
        }
        bits = s.net.iter().fold(bits, |bits, req| bits | req.keys());
        for run in &s.runs {
            bits |= match run {
                Run::Idle | Run::Next(_) => 0,
                Run::Listed(_, listed) => *listed,
                Run::Read(_, listed, git) => listed | self.known(git.journal),
                Run::ReadPlaces(_, listed, places) => listed | bit(places.main) | bit(places.store),
                Run::Looked(_, listed, git, places) => {
                    listed | self.known(git.journal) | bit(places.main) | bit(places.store)
                }
                Run::Wait { req, todo, key, .. } => {
                    todo.iter().fold(req.keys() | bit(*key), |bits, req| bits | req.keys())
                }
            };
        }
        bits
    }

    fn known(&self, journal: u32) -> u8 {
        self.tables.names(journal) | self.tables.knows(journal)
    }

    fn delete(&self, s: &mut State, k: Id) {
        let key = s.key(k);
        if key.life == Life::Gone {
            return;
        }
        let excused = s.amnesty & bit(k) != 0;
        let file = self.shape.file && s.main == k;
        let in_store = self.shape.store.is_some() && s.store == k;
        let used = s.apps.contains(&k)
            || key.hidden == Some(false)
            || key.seen.is_some_and(|used| !used.own && used.age < 2);
        let journal = self.tables.journal(s.journal);
        let staged = journal
            .open
            .as_ref()
            .filter(|open| open.new_key().is_some_and(|new| super::tables::index(new) == k));
        let proposed = staged.is_some() && s.tip == Tip::Staged && s.pr.is_open();
        if ((file || in_store || used) && !excused) || (key.foreign && !self.retires) || proposed {
            s.bad |= bad::I2;
        }
        if staged.is_some_and(|open| open.abandoned_at.is_none()) {
            s.bad |= bad::I7;
        }
        if key.public && (key.life == Life::Active || key.idle < 1) {
            s.bad |= bad::I8;
        }
        s.keys[k as usize] = Key::default();
    }

    fn commit(&self, s: &mut State, tip: Tip) {
        s.tip = tip;
        if let Pr::Open { conflict } = &mut s.pr {
            *conflict = false;
        }
        let outdated = |req: &mut Req| {
            if let Req::Commit { fresh, .. } = req {
                *fresh = false;
            }
        };
        s.net.iter_mut().for_each(outdated);
        for run in &mut s.runs {
            if let Run::Wait { req, todo, .. } = run {
                outdated(req);
                // A commit that waits for its tip to be read is not yet built on any.
                if !matches!(req, Req::Tip | Req::Rehearse) {
                    todo.iter_mut().for_each(outdated);
                }
            }
        }
    }

    fn put(&self, s: &mut State, key: Id, over: Id) -> Option<u8> {
        if self.shape.store == Some(StorageKind::Versioned) {
            if s.store != over && s.store != key {
                return None;
            }
            (s.store, s.mark) = (key, key);
        } else {
            s.mark = self.free_mark(s);
            s.store = key;
        }
        s.keys[key as usize].public |= s.key(key).life != Life::Gone;
        Some(s.mark)
    }

    fn free_mark(&self, s: &State) -> u8 {
        let snapshots = s.runs.iter().filter_map(|run| match run {
            Run::Read(_, _, git) | Run::Looked(_, _, git, _) => Some(git.journal),
            _ => None,
        });
        let marks: Vec<u8> = s
            .runs
            .iter()
            .flat_map(|run| match run {
                Run::Looked(_, _, _, places) | Run::ReadPlaces(_, _, places) => vec![places.mark],
                Run::Wait { req, todo, .. } => todo.iter().chain([req]).filter_map(mark).collect(),
                _ => Vec::new(),
            })
            .chain(s.net.iter().filter_map(mark))
            .chain([s.mark])
            .collect();
        self.tables.free_mark(snapshots.chain([s.journal]), |mark| marks.contains(&mark))
    }
}

fn mark(req: &Req) -> Option<u8> {
    match req {
        Req::Append {
            ev: Ev::Delivered(mark) | Ev::Begin { mark, .. } | Ev::BeginFirst { mark }, ..
        } => Some(*mark),
        _ => None,
    }
}

fn stale(req: &mut Req) {
    if let Req::Append { fresh, .. } = req {
        *fresh = false;
    }
}

fn set(s: &mut State, k: Id, life: Life) {
    let key = &mut s.keys[k as usize];
    if key.life != Life::Gone && key.life != life {
        key.life = life;
        key.idle = 0;
    }
}

fn open(s: &mut State) -> Option<()> {
    if s.tip == Tip::Absent {
        return None;
    }
    if matches!(s.pr, Pr::None | Pr::Closed) {
        s.pr = Pr::Open { conflict: false };
    }
    Some(())
}
