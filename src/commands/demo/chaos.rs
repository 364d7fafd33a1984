//! One life of a user's key under random misfortune: faults of every kind, two runs at once, people who close, revert
//! and meddle. The seed decides everything that keytide does not.

use jiff::{SignedDuration, Timestamp};

use crate::engine::execute::{self, Budget, Ran};
use crate::engine::observe::Task;
use crate::ports::Files;
use crate::repository::lock_file_path;
use crate::rotation::{Asked, Event, Phase, Status};
use crate::simulator::sample::Stores;
use crate::simulator::{Boxed, Fault, Rng, World, block_on, sample, together};

/// The day on which a life begins.
const START: Timestamp = Timestamp::constant(1_795_262_400, 0);
/// How many runs there are while things go wrong.
const TROUBLED: usize = 14;
/// How many days are given to come to rest afterwards.
const CALM: usize = 150;

/// What people do beside merging and closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// Nothing.
    Kind,
    /// Whatever people do.
    Meddling,
}

/// What one life came to.
#[derive(Debug)]
pub struct Life {
    pub seed: u64,
    pub phase: Phase,
    pub why: String,
    /// What must never be, and was. Empty is the point of it all.
    pub violations: Vec<String>,
    /// How often `keytide rotate` ran.
    pub runs: usize,
    pub rotations: u32,
    pub faults: usize,
    pub crashes: usize,
    pub days: i64,
    pub meddled: bool,
    /// What happened, in order.
    pub told: Vec<String>,
}

/// Plays a life.
pub fn play(seed: u64, people: People) -> Life {
    let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let age = SignedDuration::from_hours(24 * 70 + rng.below(24 * 10).unwrap_or_default() as i64);
    let stores = match seed % 4 {
        0 => Stores::Versioned,
        1 => Stores::Both,
        _ => Stores::Sealed,
    };
    let (world, task) = sample::world(seed, START, age, stores);
    let mut player = Player { world, task, rng, runs: 0, told: Vec::new(), meddled: false, people, stores };
    player.trouble();
    let last = player.calm();
    player.judge(seed, last)
}

struct Player {
    world: World,
    task: Task,
    rng: Rng,
    runs: usize,
    told: Vec<String>,
    meddled: bool,
    people: People,
    stores: Stores,
}

impl Player {
    fn trouble(&mut self) {
        let rate = [6, 20, 60][self.rng.below(3).unwrap_or_default() as usize];
        let most = 1 + self.rng.below(9).unwrap_or_default() as usize;
        self.world.with(|state| (state.faults.in_thousand, state.faults.most) = (rate, most));
        for _ in 0..TROUBLED {
            self.people();
            let asked = self.asked();
            if self.rng.chance(250) {
                self.two(asked)
            } else {
                drop(self.one(asked))
            }
            let wait = SignedDuration::from_mins(30 + self.rng.below(60 * 100).unwrap_or_default() as i64);
            self.world.advance(wait);
        }
        self.world.with(|state| state.faults.most = 0);
    }

    /// No more faults; people merge what is open, and resume what is held.
    fn calm(&mut self) -> Ran {
        let mut rest = 0;
        let mut last = None;
        for _ in 0..CALM {
            for number in self.world.open_pulls() {
                let merged = self.world.merge(number).is_ok();
                self.tell(format!("people merge #{number}: {merged}"));
            }
            let ran = self.one(Asked::default());
            if let Some(ran) = &ran
                && ran.last.phase == Phase::Held
                && rest == 0
            {
                self.resume();
            }
            let quiet = ran.as_ref().is_some_and(|ran| {
                let idle = ran.taken.iter().all(|decision| decision.step.name() == "touch");
                idle && (ran.last.phase == Phase::Healthy || ran.last.phase.needs_person())
            });
            rest = if quiet { rest + 1 } else { 0 };
            last = ran.or(last);
            if rest >= 4 {
                break;
            }
            self.world.advance(self.patience(last.as_ref()));
        }
        match last {
            Some(ran) => ran,
            // The first calm run always ends: nothing crashes it.
            None => self.calm(),
        }
    }

    /// A day and an hour, or more where nothing can happen before.
    fn patience(&self, last: Option<&Ran>) -> SignedDuration {
        let until = last.and_then(|ran| ran.last.until).map(|until| until.duration_since(self.world.now()));
        let day = SignedDuration::from_hours(25);
        until.unwrap_or(day).clamp(day, 5 * day)
    }

    fn asked(&mut self) -> Asked {
        let meddling = self.people == People::Meddling;
        let asked = Asked {
            start: false,
            compromised: meddling && self.rng.chance(10),
            rollback: meddling && self.rng.chance(12),
        };
        if asked.rollback || asked.compromised {
            self.meddled = true;
            self.world.with(|state| state.watch().compromised |= asked.compromised);
            self.tell(format!("people ask: {asked:?}"));
        }
        asked
    }

    fn one(&mut self, asked: Asked) -> Option<Ran> {
        self.runs += 1;
        let (run, task) = (self.runs, self.task_of(asked, self.runs));
        let door = self.world.door(run);
        let ran = block_on(&self.world, run, async {
            execute::run(&door, &task, &mut Budget::default(), &|| false).await
        });
        self.tell_run(run, ran.as_ref());
        ran
    }

    fn two(&mut self, asked: Asked) {
        let runs = [self.runs + 1, self.runs + 2];
        self.runs += 2;
        let tasks = runs.map(|run| self.task_of(asked, run));
        let doors = runs.map(|run| self.world.door(run));
        let futures = (0..2).map(|index| {
            let (door, task) = (doors[index], &tasks[index]);
            let future = async move { execute::run(&door, task, &mut Budget::default(), &|| false).await };
            (runs[index], Box::pin(future) as Boxed<'_, Ran>)
        });
        let done = together(&self.world, futures.collect());
        for (run, ran) in runs.into_iter().zip(&done) {
            self.tell_run(run, ran.as_ref());
        }
    }

    fn task_of(&self, asked: Asked, run: usize) -> Task {
        Task { run: run.to_string().into(), asked, ..self.task.clone() }
    }

    fn resume(&mut self) {
        self.runs += 1;
        let door = self.world.door(self.runs);
        let task = self.task_of(Asked::default(), self.runs);
        let done = block_on(&self.world, self.runs, async {
            execute::resume(&door, &task, "it was looked at").await
        });
        self.tell(format!("people resume: {done:?}"));
    }

    /// People do something, or not.
    fn people(&mut self) {
        let open = self.world.open_pulls();
        if let Some(&number) = open.first() {
            if self.rng.chance(220) {
                let merged = self.world.merge(number).is_ok();
                self.tell(format!("people merge #{number}: {merged}"));
            } else if self.rng.chance(40) {
                let closed = self.world.close(number).is_ok();
                self.tell(format!("people close #{number}: {closed}"));
            }
        }
        // Nothing of keytide's business: what others keep in the same secret.
        if matches!(self.stores, Stores::Versioned | Stores::Both) && self.rng.chance(60) {
            let wait = self.rng.below(60).unwrap_or_default() as usize;
            self.world.with(|state| state.faults.at.push((state.calls.len() + wait, Fault::Overtaken)));
            self.tell(format!("people write another field of the versioned secret, {wait} requests on"));
        }
        if self.people == People::Meddling && self.rng.chance(60) {
            self.meddle();
        }
    }

    fn meddle(&mut self) {
        let pulls = self.world.with(|state| state.body.pulls.len() as u64);
        match self.rng.below(6) {
            Some(0) if pulls > 0 => {
                let number = 100 + self.rng.below(pulls).unwrap_or_default();
                let done = self.world.reopen(number).is_ok();
                self.tell(format!("people re-open #{number}: {done}"));
            }
            Some(1) => self.revert(),
            Some(2) => {
                let path = lock_file_path(sample::USER);
                self.world.push(&Files::from([(path, Some(b"{}".to_vec()))]), "edit");
                self.tell("people edit the lock file".to_owned());
            }
            Some(3) => {
                let done = self.world.key_by_hand(sample::USER).is_ok();
                self.tell(format!("people make a key: {done}"));
            }
            Some(choice @ (4 | 5)) => self.switch(choice == 4),
            _ => return,
        }
        self.meddled = true;
    }

    /// The file gets back what it held before the last rotation.
    fn revert(&mut self) {
        let base = self.world.with(|state| {
            let staged = state
                .body
                .journals
                .values()
                .flatten()
                .rfind(|one| matches!(one.entry.event, Event::Staged { .. }));
            staged.map(|one| one.kept.base.clone())
        });
        if let Some(base) = base {
            self.world.restore(&base, &[sample::FILE]);
            self.tell(format!("people restore the file of {base}"));
        }
    }

    /// Somebody switches a key in the console.
    fn switch(&mut self, newest: bool) {
        let key = self.world.with(|state| {
            let keys = &state.body.users.get(sample::USER)?.keys;
            let key = if newest { keys.last() } else { keys.first() }?;
            Some((key.id.clone(), key.status))
        });
        let Some((id, status)) = key else { return };
        let other = if status == Status::Active { Status::Inactive } else { Status::Active };
        let done = self.world.switch_by_hand(sample::USER, &id, other).is_ok();
        self.tell(format!("people set {id} {other:?}: {done}"));
    }

    fn judge(mut self, seed: u64, last: Ran) -> Life {
        let mut violations = self.world.violations();
        let referenced = self.world.with(|state| state.referenced());
        let keys = self.world.with(|state| {
            state.body.users.get(sample::USER).map(|user| user.keys.clone()).unwrap_or_default()
        });
        let phase = last.last.phase;
        if phase == Phase::Healthy {
            if keys.len() != 1 {
                violations.push(format!("I6: {} keys are left", keys.len()));
            }
            if let Some((key, place)) =
                referenced.iter().find(|(held, _)| keys.iter().all(|key| key.id != *held))
            {
                violations.push(format!("I1: at rest `{place}` holds {key}, which does not exist"));
            }
        } else if !phase.needs_person() || !self.meddled {
            violations.push(format!("I5: it does not come to rest: {phase}, {}", last.last.why));
        }
        self.tell(format!("in the end: {phase}, {}", last.last.why));
        let days = self.world.now().duration_since(START).as_hours() / 24;
        let journal = last.seen.journal.known();
        self.world.with(|state| Life {
            seed,
            phase,
            why: last.last.why.clone(),
            violations,
            runs: self.runs,
            rotations: journal.map_or(0, |journal| journal.last),
            faults: state.faults.happened,
            crashes: state
                .calls
                .iter()
                .filter(|call| matches!(call.fault, Some(Fault::CrashBefore | Fault::CrashAfter)))
                .count(),
            days,
            meddled: self.meddled,
            told: std::mem::take(&mut self.told),
        })
    }

    fn tell_run(&mut self, run: usize, ran: Option<&Ran>) {
        let faults: Vec<String> = self.world.with(|state| {
            let of_run = state.calls.iter().filter(|call| call.run == run);
            of_run.filter_map(|call| Some(format!("{}: {}", call.name, call.fault?.sentence()))).collect()
        });
        let Some(ran) = ran else {
            self.tell(format!("run {run} died ({})", faults.join("; ")));
            return;
        };
        let steps: Vec<&str> = ran.taken.iter().map(|decision| decision.step.name()).collect();
        if steps == ["touch"] || (steps.is_empty() && faults.is_empty()) {
            return;
        }
        let failure =
            ran.failure.as_ref().map(|why| format!(", then {}: {why}", last_step(ran))).unwrap_or_default();
        let faults = if faults.is_empty() { String::new() } else { format!(" [{}]", faults.join("; ")) };
        self.tell(format!(
            "run {run}: {}{failure}; now {}: {}{faults}",
            if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") },
            ran.last.phase,
            ran.last.why
        ));
    }

    fn tell(&mut self, text: String) {
        let day = self.world.now().duration_since(START).as_hours() / 24;
        self.told.push(format!("day {day:>3}  {text}"));
    }
}

fn last_step(ran: &Ran) -> &'static str {
    ran.taken.last().map_or("nothing", |decision| decision.step.name())
}
