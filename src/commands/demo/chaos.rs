//! Plays one user's key under random failures, for the simulation tests and `demo --faults`: every kind of fault, two runs
//! at once, operators who close, revert and edit by hand. The seed decides everything that keytide does not.

use jiff::SignedDuration;

use super::life::{LifePlayer, OperatorBehaviour, START, refused};
use crate::engine::execute::{self, ChangeBudget, RunOutcome};
use crate::engine::observe::UserRotation;
use crate::rotation::{RotationPhase, RotationRequest};
use crate::simulator::sample::SampleStores;
use crate::simulator::{BoxedRun, SimFault, SplitMix, block_on, interleave_runs, sample};

/// How many runs there are while things go wrong.
const TROUBLED: usize = 14;
/// How many days are given to come to rest afterwards.
const CALM: usize = 150;

/// How one life ended.
#[derive(Debug)]
pub struct LifeOutcome {
    pub seed: u64,
    pub phase: RotationPhase,
    pub why: String,
    /// The broken invariants; empty unless the protocol is wrong.
    pub violations: Vec<String>,
    /// How often `keytide rotate` ran.
    pub runs: usize,
    pub rotations: u32,
    pub faults: usize,
    pub crashes: usize,
    pub days: i64,
    pub meddled: bool,
    /// What happened, in order.
    pub lines: Vec<String>,
}

/// Plays a life.
pub fn play_life(seed: u64, operators: OperatorBehaviour) -> LifeOutcome {
    let mut rng = SplitMix::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let age = draw_key_age(&mut rng);
    let stores = sample_stores(seed);
    let (world, task) = sample::sample_simulation(seed, START, age, stores);
    LifePlayer::new(world, task, rng, (operators, stores)).play(seed)
}

/// Plays the life of a user that has no key yet: the file does not exist, and the stores hold a placeholder.
pub fn play_first_key(seed: u64, operators: OperatorBehaviour) -> LifeOutcome {
    let rng = SplitMix::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0xf125);
    let stores = sample_stores(seed);
    let (world, task) = sample::sample_first_key(seed, START, stores);
    // The sample has just lost the key that it began with; no answer from the past shows that one.
    world.advance_time(SignedDuration::from_hours(25));
    LifePlayer::new(world, task, rng, (operators, stores)).play(seed)
}

/// The age of the key at the beginning: some days before its rotation is due.
fn draw_key_age(rng: &mut SplitMix) -> SignedDuration {
    SignedDuration::from_hours(24 * 70 + rng.next_below(24 * 10).unwrap_or_default() as i64)
}

fn sample_stores(seed: u64) -> SampleStores {
    match seed % 4 {
        0 => SampleStores::Versioned,
        1 => SampleStores::Both,
        _ => SampleStores::Sealed,
    }
}

/// Plays the life of a key that goes without a successor: a person removes it from the repository on some day, and what
/// uses it stops later.
pub fn play_retirement(seed: u64, operators: OperatorBehaviour) -> LifeOutcome {
    let mut rng = SplitMix::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x0dead);
    let age = draw_key_age(&mut rng);
    let (world, task) = sample::sample_retirement(seed, START, age);
    LifePlayer::new(world, task, rng, (operators, SampleStores::None)).play(seed)
}

/// Plays the life of a key whose applications load it only when a workflow deploys them, which fails at times.
pub fn play_deployment(seed: u64, operators: OperatorBehaviour) -> LifeOutcome {
    let mut rng = SplitMix::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0xdeb1);
    let age = draw_key_age(&mut rng);
    let stores = sample_stores(seed);
    let (world, task) = sample::sample_deployment(seed, START, age, stores);
    LifePlayer::new(world, task, rng, (operators, stores)).play(seed)
}

impl LifePlayer {
    fn play(mut self, seed: u64) -> LifeOutcome {
        self.play_with_faults();
        let last = self.play_without_faults();
        self.judge_outcome(seed, last)
    }

    fn play_with_faults(&mut self) {
        let rate = [6, 20, 60][self.rng.next_below(3).unwrap_or_default() as usize];
        let most = 1 + self.rng.next_below(9).unwrap_or_default() as usize;
        self.world.with_state(|state| (state.faults.in_thousand, state.faults.most) = (rate, most));
        for _ in 0..TROUBLED {
            self.act_as_operators();
            let asked = self.next_request();
            if self.rng.one_in_thousand(250) {
                self.run_two_at_once(asked)
            } else {
                drop(self.run_alone(asked))
            }
            let wait =
                SignedDuration::from_mins(30 + self.rng.next_below(60 * 100).unwrap_or_default() as i64);
            self.world.advance_time(wait);
        }
        // Faults end here: what follows must come to rest, whatever happened before.
        self.world.with_state(|state| {
            state.faults.most = 0;
            state.body.failing_workflows.clear();
        });
    }

    /// Without faults: operators merge what is open and resume what is held.
    fn play_without_faults(&mut self) -> RunOutcome {
        let mut rest = 0;
        let mut last = None;
        if self.retires() {
            sample::remove_credential_file(&self.world);
            self.world.with_state(|state| state.apps.clear());
        }
        for _ in 0..CALM {
            for number in self.world.open_pulls() {
                let merged = self.world.merge_pull_request(number).is_ok();
                self.record_line(format!("operator: merge #{number}{}", refused(merged)));
            }
            let ran = self.run_alone(RotationRequest::default());
            if ran.as_ref().is_some_and(|ran| ran.last_decision.phase == RotationPhase::RollingBack) {
                self.restart_after_first_key();
            }
            if let Some(ran) = &ran
                && ran.last_decision.phase == RotationPhase::Held
                && rest == 0
            {
                self.resume_rotation();
            }
            if self.redeploys()
                && ran.as_ref().is_some_and(|ran| ran.last_decision.phase == RotationPhase::Blocked)
            {
                self.deploy_by_hand();
            }
            let quiet = ran.as_ref().is_some_and(|ran| {
                let idle = ran.steps_taken.iter().all(|decision| decision.step.name() == "touch");
                idle && (matches!(ran.last_decision.phase, RotationPhase::Healthy | RotationPhase::Retired)
                    || ran.last_decision.phase.needs_person())
            });
            rest = if quiet { rest + 1 } else { 0 };
            last = ran.or(last);
            // One quiet run proves nothing: a delayed request can still take effect.
            if rest >= 4 {
                break;
            }
            self.world.advance_time(self.waiting_time(last.as_ref()));
        }
        match last {
            Some(ran) => ran,
            // The first calm run always ends: nothing crashes it.
            None => self.play_without_faults(),
        }
    }

    /// After a first key there is no key to go back to: an application that goes on with it in its memory would keep it active
    /// for ever.
    fn restart_after_first_key(&self) {
        self.world.with_state(|state| {
            if state.invariant_state().begins_bare {
                state.apps.iter_mut().for_each(|app| app.held = None);
            }
        });
    }

    /// A day and an hour, or more where nothing can happen before.
    fn waiting_time(&self, last: Option<&RunOutcome>) -> SignedDuration {
        let until = last
            .and_then(|ran| ran.last_decision.until)
            .map(|until| until.duration_since(self.world.current_time()));
        let day = SignedDuration::from_hours(25);
        until.unwrap_or(day).clamp(day, 5 * day)
    }

    fn next_request(&mut self) -> RotationRequest {
        let meddling = self.operators == OperatorBehaviour::Meddling;
        let asked = RotationRequest {
            start: false,
            compromised: meddling && self.rng.one_in_thousand(10),
            rollback: meddling && self.rng.one_in_thousand(12),
            reactivate_compromised: false,
        };
        if asked.rollback || asked.compromised {
            self.meddled = true;
            // Set before the run: it retires a key that is in use, which is a violation otherwise.
            self.world.with_state(|state| state.invariant_state().compromised |= asked.compromised);
            self.record_line(format!(
                "operator: keytide {}",
                if asked.rollback { "rollback" } else { "rotate --compromised" }
            ));
        }
        asked
    }

    fn run_alone(&mut self, asked: RotationRequest) -> Option<RunOutcome> {
        self.runs += 1;
        let (run, task) = (self.runs, self.task_of(asked, self.runs));
        let door = self.world.backend_for_run(run);
        let ran = block_on(&self.world, run, async {
            execute::run_user(&door, &task, &mut ChangeBudget::default(), &|| false).await
        });
        self.tell_run(run, ran.as_ref());
        ran
    }

    fn run_two_at_once(&mut self, asked: RotationRequest) {
        let runs = [self.runs + 1, self.runs + 2];
        self.runs += 2;
        let tasks = runs.map(|run| self.task_of(asked, run));
        let doors = runs.map(|run| self.world.backend_for_run(run));
        let futures = (0..2).map(|index| {
            let (door, task) = (doors[index], &tasks[index]);
            let future =
                async move { execute::run_user(&door, task, &mut ChangeBudget::default(), &|| false).await };
            (runs[index], Box::pin(future) as BoxedRun<'_, RunOutcome>)
        });
        let done = interleave_runs(&self.world, futures.collect());
        for (run, ran) in runs.into_iter().zip(&done) {
            self.tell_run(run, ran.as_ref());
        }
    }

    fn task_of(&self, asked: RotationRequest, run: usize) -> UserRotation {
        UserRotation { run: run.to_string().into(), asked, ..self.task.clone() }
    }

    fn resume_rotation(&mut self) {
        self.runs += 1;
        let door = self.world.backend_for_run(self.runs);
        let task = self.task_of(RotationRequest::default(), self.runs);
        let done = block_on(&self.world, self.runs, async {
            execute::resume_user(&door, &task, "it was looked at").await
        });
        self.record_line(format!(
            "operator: keytide resume{}",
            refused(matches!(done, Some(Ok(execute::Resumption::Recorded))))
        ));
    }

    fn judge_outcome(mut self, seed: u64, last: RunOutcome) -> LifeOutcome {
        let mut violations = self.world.invariant_violations();
        let referenced = self.world.with_state(|state| state.referenced_keys());
        let keys = self.world.with_state(|state| {
            state.body.users.get(sample::USER).map(|user| user.keys.clone()).unwrap_or_default()
        });
        let phase = last.last_decision.phase;
        if phase == RotationPhase::Retired {
            if !keys.is_empty() || !referenced.is_empty() {
                violations.push(format!(
                    "I6: {} keys and {} references are left",
                    keys.len(),
                    referenced.len()
                ));
            }
        } else if phase == RotationPhase::Healthy {
            if keys.len() != 1 {
                violations.push(format!("I6: {} keys are left", keys.len()));
            }
            if let Some((key, place)) =
                referenced.iter().find(|(held, _)| keys.iter().all(|key| key.id != *held))
            {
                violations.push(format!("I1: at rest `{place}` holds {key}, which does not exist"));
            }
        } else if !phase.needs_person() || !self.meddled {
            violations.push(format!("I5: it does not come to rest: {phase}, {}", last.last_decision.why));
        }
        self.record_line(format!("end: {phase}: {}", last.last_decision.why));
        let days = self.world.current_time().duration_since(START).as_hours() / 24;
        let journal = last.observation.journal.known();
        self.world.with_state(|state| LifeOutcome {
            seed,
            phase,
            why: last.last_decision.why.clone(),
            violations,
            runs: self.runs,
            rotations: journal.map_or(0, |journal| journal.last_number),
            faults: state.faults.happened,
            crashes: state
                .calls
                .iter()
                .filter(|call| matches!(call.fault, Some(SimFault::CrashBefore | SimFault::CrashAfter)))
                .count(),
            days,
            meddled: self.meddled,
            lines: std::mem::take(&mut self.lines),
        })
    }

    fn tell_run(&mut self, run: usize, ran: Option<&RunOutcome>) {
        let faults: Vec<String> = self.world.with_state(|state| {
            let of_run = state.calls.iter().filter(|call| call.run == run);
            of_run.filter_map(|call| Some(format!("{}: {}", call.name, call.fault?.describe()))).collect()
        });
        let Some(ran) = ran else {
            self.record_line(format!("run {run} crashed: {}", faults.join("; ")));
            return;
        };
        let steps: Vec<&str> = ran.steps_taken.iter().map(|decision| decision.step.name()).collect();
        if steps == ["touch"] || (steps.is_empty() && faults.is_empty()) {
            return;
        }
        let failure =
            ran.error.as_ref().map(|why| format!(", then {}: {why}", last_step(ran))).unwrap_or_default();
        let faults =
            if faults.is_empty() { String::new() } else { format!("; failures: {}", faults.join("; ")) };
        self.record_line(format!(
            "run {run}: {}{failure}; {}: {}{faults}",
            if steps.is_empty() { "no step".to_owned() } else { steps.join(", ") },
            ran.last_decision.phase,
            ran.last_decision.why
        ));
    }
}

fn last_step(ran: &RunOutcome) -> &'static str {
    ran.steps_taken.last().map_or("nothing", |decision| decision.step.name())
}
