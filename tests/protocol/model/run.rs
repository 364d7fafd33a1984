//! What a run does: it looks in four reads, decides by production code, sends the step's requests one after the other.

use keytide::rotation::{RedeployCause, RotationStep};

use super::config::{Bug, Config};
use super::sight::Sight;
use super::state::{Deploy, Ev, Git, Id, Life, Me, NEW, NONE, Places, Req, Run, State, Tip, Used, bad};
use super::tables::index;

impl Config {
    /// The next thing that a run does by itself: a read, or the decision and its first request.
    pub fn advance(&self, s: &mut State, i: usize, blind: bool) {
        let run = std::mem::take(&mut s.runs[i]);
        s.runs[i] = match run {
            Run::Next(me) => Run::Listed(me, s.listed()),
            Run::Listed(me, listed) if self.bug == Bug::PlacesFirst => {
                Run::ReadPlaces(me, listed, self.places(s))
            }
            Run::Listed(me, listed) => Run::Read(me, listed, git(s)),
            Run::ReadPlaces(me, listed, places) => Run::Looked(me, listed, git(s), places),
            Run::Read(me, listed, git) => Run::Looked(me, listed, git, self.places(s)),
            Run::Looked(me, listed, git, places) => {
                self.choose(s, i, me, listed, git, places, blind);
                return;
            }
            other => other,
        };
    }

    fn places(&self, s: &State) -> Places {
        Places { main: s.main, store: s.store, mark: s.mark, brings_back: s.back.is_open() }
    }

    #[expect(clippy::too_many_arguments, reason = "what a run has seen")]
    fn choose(&self, s: &mut State, i: usize, me: Me, listed: u8, git: Git, places: Places, blind: bool) {
        let listed = if self.bug == Bug::ListLate { s.listed() } else { listed };
        let sight = Sight {
            blind,
            owner: !(self.stranger && i == 1),
            ..Sight::new(i, me, listed, git, places, &s.keys)
        };
        let decision = self.decision(sight);
        if decision.step != RotationStep::Wait && !sight.owner {
            s.bad |= bad::I13;
        }
        let open = self.tables.journal(git.journal).open.clone();
        let beside = usize::from(!open.is_some_and(|open| open.makes_first_key()));
        if decision.step == RotationStep::CreateKey && s.living().count() != beside {
            s.bad |= bad::I4;
        }
        let step = &decision.step;
        if *step == RotationStep::Wait || (self.has_claims() && me.changed && step.changes_keys()) {
            self.end(s, i, me, git.fresh, git.journal);
            return;
        }
        let me = Me { changed: me.changed || step.changes_keys(), ..me };
        let mut todo = self.requests(step, &sight);
        todo.reverse();
        let Some(req) = todo.pop() else { return self.done(s, i, me) };
        self.send(s, i, me, git.fresh, req, todo, NONE);
    }

    /// The requests of a step, in their order.
    fn requests(&self, step: &RotationStep, sight: &Sight) -> Vec<Req> {
        let append = |ev| vec![Req::append(ev)];
        match step {
            RotationStep::Wait => Vec::new(),
            // No one in the models says that a key is in wrong hands.
            RotationStep::Heartbeat | RotationStep::NoteCompromised => append(Ev::Touch),
            RotationStep::Claim => append(Ev::Claim),
            RotationStep::BeginRotation { key } => {
                append(Ev::Begin { key: index(key), main: sight.places.main, mark: sight.places.mark })
            }
            RotationStep::BeginFirstKey => append(Ev::BeginFirst { mark: sight.places.mark }),
            RotationStep::Complete => append(Ev::Completed),
            RotationStep::BeginRetirement { key } => append(Ev::Retire(index(key))),
            RotationStep::WithdrawRetirement { key, .. } => append(Ev::Needed(index(key))),
            RotationStep::CreateKey => self.issue(),
            RotationStep::Propose => self.fill_branch(),
            RotationStep::Rebase { .. } if self.bug == Bug::RebaseUnannounced => {
                vec![Req::Tip, Req::Commit { staged: true, fresh: true }]
            }
            RotationStep::Rebase { .. } => {
                vec![Req::Tip, Req::append(Ev::Touch), Req::Commit { staged: true, fresh: true }]
            }
            RotationStep::Deliver { .. } => self.deliver(sight),
            RotationStep::MarkDistributed => append(Ev::Distributed),
            RotationStep::Redeploy { cause } => self.redeploy(*cause, sight),
            RotationStep::AnnounceRetirement { key } => append(Ev::Retiring(index(key))),
            RotationStep::NoteInactive { key } => append(Ev::InactiveSince(index(key))),
            RotationStep::NoteDeleted { key } => append(Ev::Deleted(index(key))),
            RotationStep::Deactivate { key } => {
                self.announced(Ev::Deactivate(index(key)), Req::Deactivate(index(key)))
            }
            RotationStep::Activate { key } => {
                self.announced(Ev::Activate(index(key)), Req::Activate(index(key)))
            }
            RotationStep::Delete { key } => {
                let mut requests = self.announced(Ev::Delete(index(key)), Req::Delete(index(key)));
                requests.push(Req::append(Ev::Deleted(index(key))));
                requests
            }
            RotationStep::Discard { key, delete } => {
                let id = index(key);
                let last = if *delete { Req::Delete(id) } else { Req::Deactivate(id) };
                self.announced(Ev::Discard(id), last)
            }
            RotationStep::AbandonNewKey { key, .. } => append(Ev::Tombstone(index(key))),
            RotationStep::DisarmBranch if self.bug == Bug::LeaveBranch => vec![Req::Close],
            RotationStep::DisarmBranch => {
                vec![Req::Tip, Req::Commit { staged: false, fresh: true }, Req::Close]
            }
            RotationStep::BeginRollback { .. } => append(Ev::Rollback),
            RotationStep::ProposeRevert => vec![Req::MakeBack, Req::OpenBack],
            RotationStep::RestoreStores { .. } => {
                vec![Req::PutBack { over: self.staged_in(sight), old: self.old_key(sight) }]
            }
            RotationStep::Hold { .. } => append(Ev::Held),
        }
    }

    fn deliver(&self, sight: &Sight) -> Vec<Req> {
        let put = Req::Put { key: self.staged_in(sight), over: sight.places.store };
        let mut requests = vec![Req::append(Ev::Touch), put, Req::append(Ev::Delivered(NEW))];
        if self.bug == Bug::DeliverUnannounced {
            requests.remove(0);
        }
        requests
    }

    /// A workflow whose start was announced is looked for before it is started.
    fn redeploy(&self, cause: RedeployCause, sight: &Sight) -> Vec<Req> {
        let journal = self.tables.journal(sight.git.journal);
        let is_announced = journal.open.as_ref().is_some_and(|open| open.redeployment_for(cause).is_some());
        let mut requests =
            vec![Req::append(Ev::Redeploying(cause)), Req::Dispatch, Req::append(Ev::Redeployed(cause))];
        if self.bug == Bug::DispatchUnannounced {
            requests.swap(0, 1);
        }
        if is_announced && !matches!(self.bug, Bug::DispatchUnannounced | Bug::DispatchUnread) {
            requests.insert(0, Req::FindRun);
        }
        requests
    }

    /// A staged key is proposed in a later run: the branch's tip is read before the entry.
    fn fill_branch(&self) -> Vec<Req> {
        let mut requests = vec![Req::Tip, Req::append(Ev::Touch)];
        requests.extend(propose());
        if self.bug == Bug::FillUnread {
            requests.remove(0);
        }
        requests
    }

    fn announced(&self, ev: Ev, req: Req) -> Vec<Req> {
        if self.bug == Bug::Unannounced { vec![req] } else { vec![Req::append(ev), req] }
    }

    fn issue(&self) -> Vec<Req> {
        let mut requests = match self.bug {
            Bug::CreateUnannounced => vec![Req::Rehearse, Req::Create, Req::append(Ev::Create)],
            _ => vec![Req::Rehearse, Req::append(Ev::Create), Req::Create],
        };
        requests.extend([Req::append(Ev::Staged(NEW)), Req::append(Ev::Verified)]);
        if self.bug == Bug::DeliverEarly {
            requests.extend([Req::Put { key: NEW, over: NONE }, Req::append(Ev::Delivered(NEW))]);
        }
        requests.extend(propose());
        requests
    }

    fn staged_in(&self, sight: &Sight) -> Id {
        let journal = self.tables.journal(sight.git.journal);
        journal.open.as_ref().and_then(|open| open.new_key()).map_or(NONE, |key| index(key))
    }

    fn old_key(&self, sight: &Sight) -> Id {
        let journal = self.tables.journal(sight.git.journal);
        journal.open.as_ref().and_then(|open| open.old.as_deref()).map_or(NONE, index)
    }

    #[expect(clippy::too_many_arguments, reason = "what a run is at")]
    fn send(&self, s: &mut State, i: usize, me: Me, fresh: bool, req: Req, todo: Vec<Req>, key: Id) {
        let req = match req {
            Req::Append { ev, .. } => {
                Req::Append { ev: fill(ev, key, s.mark), fresh: fresh || self.forces(), age: 0 }
            }
            Req::Put { key: NEW, over } => Req::Put { key, over: if over == NONE { s.store } else { over } },
            Req::Delete(NEW) => Req::Delete(key),
            req => req,
        };
        // The key is asked for by STS right before this entry.
        if matches!(req, Req::Append { ev: Ev::Verified, .. }) {
            let proved = &mut s.keys[key as usize];
            if proved.life != Life::Active {
                return self.fail(s, i, me, fresh);
            }
            proved.hidden = Some(proved.hidden.unwrap_or(true));
        }
        s.runs[i] = Run::Wait { me, fresh, req, todo, key };
    }

    fn forces(&self) -> bool {
        self.bug == Bug::Force
    }

    /// A run's request is applied, and the run hears of it.
    pub fn answered(&self, s: &mut State, i: usize) {
        let Run::Wait { me, fresh, req, mut todo, key } = std::mem::take(&mut s.runs[i]) else { return };
        let reply = self.serve(s, req, i);
        let appended = matches!(req, Req::Append { .. });
        let fresh = fresh && (!appended || reply.is_some());
        let Some(value) = reply else {
            if self.bug == Bug::IgnoreConflict && appended {
                return self.follow(s, i, me, true, todo, key);
            }
            return self.fail(s, i, me, fresh && !appended);
        };
        let key = if req == Req::Create { value } else { key };
        // A run that was started before is not started again.
        if req == Req::FindRun && s.deploy != Deploy::None {
            todo.truncate(1);
        }
        if req == Req::Tip {
            let is_proposal = todo.contains(&Req::Open);
            let commit = todo.iter().rposition(|next| matches!(next, Req::Commit { .. }));
            match (commit, s.tip) {
                (Some(commit), Tip::Absent) => todo[commit] = Req::MakeBranch { staged: is_proposal },
                // An earlier run filled the branch.
                (Some(commit), Tip::Staged) if is_proposal => drop(todo.remove(commit)),
                _ => {}
            }
        }
        if let (Req::Put { .. }, Some(Req::Append { ev, .. })) = (req, todo.last_mut()) {
            *ev = Ev::Delivered(value);
        }
        if matches!(req, Req::Append { ev: Ev::Release, .. }) {
            return self.bury(s, i);
        }
        self.follow(s, i, me, fresh, todo, key);
    }

    fn follow(&self, s: &mut State, i: usize, me: Me, fresh: bool, mut todo: Vec<Req>, key: Id) {
        match todo.pop() {
            Some(req) => self.send(s, i, me, fresh, req, todo, key),
            None => self.done(s, i, me),
        }
    }

    /// A step is done. Without claims nothing tells the next round from another run.
    fn done(&self, s: &mut State, i: usize, me: Me) {
        if self.has_claims() {
            s.runs[i] = Run::Next(me);
        } else {
            self.bury(s, i);
        }
    }

    /// The run has nothing more to do.
    fn end(&self, s: &mut State, i: usize, me: Me, fresh: bool, journal: u32) {
        let claim = self.tables.journal(journal).claim.clone();
        if fresh && self.has_claims() && claim.is_some_and(|claim| *claim.run == *super::tables::RUNS[i]) {
            return self.send(s, i, me, fresh, Req::append(Ev::Release), Vec::new(), NONE);
        }
        self.bury(s, i);
    }

    /// A request was refused: the run ends, and says so if it can.
    fn fail(&self, s: &mut State, i: usize, me: Me, fresh: bool) {
        let journal = s.journal;
        self.end(s, i, me, fresh, journal);
    }

    /// The run is no more. What it left in the air may still arrive.
    pub fn bury(&self, s: &mut State, i: usize) {
        s.runs[i] = Run::Idle;
        if self.bug != Bug::ReleaseAnyway {
            s.journal = self.tables.bury(s.journal, i);
        } else {
            let claim = self.tables.journal(s.journal).claim.clone();
            if claim.is_some_and(|claim| *claim.run == *super::tables::RUNS[i]) {
                s.journal = self.tables.take(s.journal, Ev::Release, i, 0);
            }
            s.journal = self.tables.bury(s.journal, i);
        }
    }

    /// The run dies, or waits no longer for an answer: its request is on its own.
    pub fn lose(&self, s: &mut State, i: usize) {
        let run = std::mem::take(&mut s.runs[i]);
        if let Run::Wait { me, fresh, req, mut todo, key } = run {
            s.net.push(req);
            if self.bug == Bug::CreateTwice && req == Req::Create {
                s.runs[i] = Run::Wait { me, fresh, req, todo, key };
                return;
            }
            if self.bug == Bug::DeleteOwnOnTimeout && matches!(req, Req::Append { ev: Ev::Staged(_), .. }) {
                todo.clear();
                s.runs[i] = Run::Wait { me, fresh, req: Req::Delete(key), todo, key };
                return;
            }
        }
        self.bury(s, i);
    }

    /// Whether a run that is behind the journal can still do anything: only steps on the branch, the pull requests and
    /// the stores begin without an entry.
    pub fn is_spent(&self, run: &Run, i: usize) -> bool {
        let (git, decided) = match run {
            Run::Read(_, _, git) | Run::Looked(_, _, git, _) => (git, false),
            Run::Wait { req: Req::Append { fresh: false, .. }, .. } => {
                return !matches!(self.bug, Bug::Force | Bug::IgnoreConflict);
            }
            _ => return false,
        };
        if git.fresh
            || decided
            || matches!(
                self.bug,
                Bug::Force | Bug::IgnoreConflict | Bug::Unannounced | Bug::CreateUnannounced
            )
        {
            return false;
        }
        let journal = self.tables.journal(git.journal);
        let ours = journal.claim.as_ref().is_some_and(|claim| *claim.run == *super::tables::RUNS[i]);
        // A key that is to be made begins with the branch.
        let has_branch =
            journal.open.as_ref().is_some_and(|open| open.verified.is_some() || open.staged.is_none());
        !has_branch || (self.has_claims() && !ours)
    }
}

fn git(s: &State) -> Git {
    Git { journal: s.journal, fresh: true, tip: s.tip, pr: s.pr, back: s.back, deploy: s.deploy }
}

fn propose() -> Vec<Req> {
    vec![Req::Commit { staged: true, fresh: true }, Req::Open, Req::append(Ev::Proposed)]
}

fn fill(ev: Ev, key: Id, mark: u8) -> Ev {
    match ev {
        Ev::Staged(NEW) => Ev::Staged(key),
        Ev::Delivered(NEW) => Ev::Delivered(mark),
        ev => ev,
    }
}

/// A use by keytide itself, for [`super::people`].
pub fn own(hidden: Option<bool>) -> Option<Used> {
    hidden.map(|own| Used { age: 1, own })
}
