//! Every request of every scenario goes wrong in every way, one at a time (with every test run in one way of four, and the
//! next request in another); in two scenarios every two of them do (with every test run a part of these pairs). After each
//! fault the rotation must come to rest where the story ends, and nothing may break on the way.
//!
//! Faults that no one can tell apart are played once: to a reader every failed read is the same, and a run that dies
//! between two writes dies the same death wherever it is.

use jiff::SignedDuration;
use keytide::destinations::smtp_password::SmtpPassword;
use keytide::rotation::RotationPhase;
use keytide::secret::Credential;
use keytide::simulator::{FaultPoint, SimFault, Simulation, sample};

use crate::stories::{Story, Telling};

/// The faults that differ at a call, given the calls before it.
fn faults(story: Story, calls: &[FaultPoint], index: usize) -> Vec<SimFault> {
    let late = SimFault::Late(SignedDuration::from_mins(4));
    let mut faults = Vec::new();
    // Of the requests of a delivery, any may be overtaken by someone who writes the same secret.
    faults.extend(
        ["store:put", "store:promote", "vault:write", "ssm:PutParameter"]
            .contains(&calls[index].name)
            .then_some(SimFault::Overtaken),
    );
    // The other writer of a pair may put back one half.
    if story.is_pair() && calls[index].name == "ssm:PutParameter" {
        faults.push(SimFault::Reverted);
    }
    if calls[index].writes {
        faults.extend([
            SimFault::CrashBefore,
            SimFault::CrashAfter,
            SimFault::LostReply,
            late,
            SimFault::FailedNotApplied,
            SimFault::Throttled,
        ]);
        return faults;
    }
    let first = index == 0 || calls[index - 1].writes || calls[index - 1].run != calls[index].run;
    faults.extend([SimFault::FailedNotApplied, SimFault::Stale]);
    faults.extend(first.then_some(SimFault::CrashBefore));
    faults
}

/// What a store without compare-and-swap may show during a run only: halves that do not fit, and another writer's field
/// that a write hid.
fn wrong_at_rest(world: &Simulation) -> Vec<String> {
    world.with_state(|state| {
        let wanted = state.invariant_state().foreign_field.clone();
        let begins_bare = state.invariant_state().begins_bare;
        let mut found = Vec::new();
        for (place, stored) in &state.body.vaults {
            let (id, secret) = stored.current_credential().unwrap();
            if let Some(password) = stored.smtp_password()
                && *password != *derive_password(&secret)
            {
                found.push(format!("the SMTP password in `{place}` does not fit"));
            }
            let is_placeholder = begins_bare && &*id == "CHANGE-ME";
            if !is_placeholder && state.body.find_key(&id).is_none_or(|key| *key.secret != *secret) {
                found.push(format!("the halves in `{place}` do not fit"));
            }
            if stored.foreign_field().as_deref() != Some(&*wanted) {
                found.push(format!("`{place}` lost what another writer wrote"));
            }
        }
        found
    })
}

/// The SMTP password of a secret access key, in the region of the sample.
fn derive_password(secret: &str) -> String {
    let smtp = SmtpPassword { name: String::new(), region: "eu-west-1".to_owned(), is_beside_secret: false };
    smtp.derive_credential(&Credential::new("", secret.to_owned())).expose_secret().to_owned()
}

/// Tells a story with faults and says what went wrong.
fn wrong(mut telling: Telling, planned: &[(usize, SimFault)]) -> (Option<String>, Vec<FaultPoint>) {
    telling.world.with_state(|state| state.faults.at = planned.to_vec());
    let story = telling.story;
    let end = telling.tell();
    let calls = telling.world.with_state(|state| state.calls.clone());
    let mut found = telling.world.invariant_violations();
    let keys = telling.world.with_state(|state| state.body.users[sample::USER].keys.len());
    match end {
        None => found.push("I5: it does not come to rest".to_owned()),
        Some(ran) if ran.last_decision.phase == RotationPhase::Healthy && keys != 1 => {
            found.push(format!("I6: {keys} keys are left"))
        }
        Some(ran) if story.is_first_key() && ran.last_decision.phase == RotationPhase::Held => {
            found.extend((keys != 0).then(|| format!("I6: {keys} keys are left: {}", ran.last_decision.why)));
        }
        Some(ran) if (ran.last_decision.phase == RotationPhase::Retired) != (keys == 0) => {
            found.push(format!("I6: {keys} keys are left in {}", ran.last_decision.phase))
        }
        Some(ran) if ran.last_decision.phase == RotationPhase::Held && story.rollback().is_none() => {
            found.push(format!("I5: it ends in {}: {}", ran.last_decision.phase, ran.last_decision.why));
        }
        Some(_) => {}
    }
    found.extend(wrong_at_rest(&telling.world));
    let torn = telling.world.with_state(|state| state.invariant_state().torn_uses);
    if planned.is_empty() && torn > 0 {
        found.push(format!("an application read halves that do not fit {torn} times without a fault"));
    }
    let describe_fault = |(index, fault): &(usize, SimFault)| {
        let name = calls.get(*index).map_or("nothing", |call| call.name);
        format!("at request {index}, {name}, {}", fault.describe())
    };
    let described: Vec<String> = planned.iter().map(describe_fault).collect();
    let wrong =
        (!found.is_empty()).then(|| format!("{story:?}: {}: {}", described.join("; "), found.join("; ")));
    (wrong, calls)
}

/// Does a piece of work for each index, on all cores.
fn each(count: usize, work: impl Fn(usize) -> Vec<String> + Sync) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || (first..count).step_by(threads).flat_map(work).collect::<Vec<String>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a telling panicked")).collect()
    })
}

fn show(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

#[test]
fn every_request_of_every_story_may_fail() {
    every_request(&Story::ALL, 4);
}

#[test]
fn every_request_of_a_first_key_may_fail() {
    every_request(&Story::FIRST_KEYS, 4);
}

#[test]
#[ignore = "all ways take long: cargo test --test simulation -- --ignored --nocapture"]
fn every_request_of_every_story_may_fail_in_every_way() {
    every_request(&Story::ALL, 1);
}

#[test]
#[ignore = "all ways take long: cargo test --test simulation -- --ignored --nocapture"]
fn every_request_of_a_first_key_may_fail_in_every_way() {
    every_request(&Story::FIRST_KEYS, 1);
}

/// Of the ways in which a request can fail, one in `part`.
fn every_request(stories: &[Story], part: usize) {
    for &story in stories {
        let (failure, calls) = wrong(Telling::new(story), &[]);
        assert_eq!(failure, None);
        let count = std::sync::atomic::AtomicUsize::new(0);
        let runs = calls.last().map_or(0, |call| call.run);
        let found = each(runs, |before| {
            // What comes before the run with the fault is reported once.
            let mut start = Telling::new(story);
            for _ in 0..before {
                start.go_on();
            }
            let of_earlier = calls.iter().take_while(|call| call.run <= before).count();
            let (failure, continued) = wrong(start.copy(), &[]);
            let names = |calls: &[FaultPoint]| calls.iter().map(|call| call.name).collect::<Vec<_>>();
            assert_eq!(names(&continued), names(&calls[of_earlier..]), "a copy goes on as its original");
            let mut found: Vec<String> = failure.into_iter().collect();
            for index in (of_earlier..calls.len()).take_while(|index| calls[*index].run == before + 1) {
                let ways = faults(story, &calls, index);
                // A request that can fail in fewer ways than `part` fails in one of them
                let first = index % part.min(ways.len());
                for fault in ways.into_iter().skip(first).step_by(part) {
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    found.extend(wrong(start.copy(), &[(index - of_earlier, fault)]).0);
                }
            }
            found
        });
        println!("{story:?}: {} requests, {} faults", calls.len(), count.into_inner());
        show(&found);
    }
}

/// The telling just before the run that makes the key, and just before the one that retires the old one.
fn before(phase: RotationPhase) -> Telling {
    let mut telling = Telling::new(Story::Merge);
    if phase == RotationPhase::Due {
        return telling;
    }
    loop {
        let ran = telling.once().unwrap();
        if ran.last_decision.phase == phase {
            let wait =
                ran.last_decision.until.map(|until| until.duration_since(telling.world.current_time()));
            telling.world.advance_time(wait.unwrap_or_default() + SignedDuration::from_hours(25));
            return telling;
        }
        telling.people(&ran);
        telling.world.advance_time(SignedDuration::from_hours(25));
    }
}

/// Of so many pairs one is played every day; the ignored tests play all of them.
const PART: usize = 64;

/// Every two faults of one run, or one pair in `part`: the second may hit whatever the first one led to.
fn pairs(phase: RotationPhase, part: usize) {
    let (failure, calls) = wrong(before(phase), &[]);
    assert_eq!(failure, None);
    let of_first_run = calls.iter().take_while(|call| call.run == calls[0].run).count();
    let plans: Vec<(usize, SimFault)> = (0..of_first_run)
        .flat_map(|index| faults(Story::Merge, &calls, index).into_iter().map(move |fault| (index, fault)))
        .collect();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let found = each(plans.len(), |plan| {
        let first = plans[plan];
        let start = before(phase);
        let (failure, calls) = wrong(start.copy(), &[first]);
        let mut found: Vec<String> = failure.into_iter().collect();
        let run = calls[first.0].run;
        let horizon = calls.iter().filter(|call| call.run <= run + 1).count();
        for index in first.0 + 1..horizon {
            // Every fault is a first one, and over the first ones every request is hit by a second.
            for (number, second) in faults(Story::Merge, &calls, index).into_iter().enumerate() {
                if (plan + index + number) % part != 0 {
                    continue;
                }
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                found.extend(wrong(start.copy(), &[first, (index, second)]).0);
            }
        }
        found
    });
    println!("{phase}: {} single faults, {} pairs", plans.len(), count.into_inner());
    show(&found);
}

#[test]
fn any_two_faults_may_hit_the_making_of_a_key() {
    pairs(RotationPhase::Due, PART);
}

#[test]
fn any_two_faults_may_hit_the_retirement_of_a_key() {
    pairs(RotationPhase::Grace, PART);
}

#[test]
#[ignore = "all pairs take long: cargo test --test simulation -- --ignored --nocapture"]
fn every_two_faults_may_hit_the_making_of_a_key() {
    pairs(RotationPhase::Due, 1);
}

#[test]
#[ignore = "all pairs take long: cargo test --test simulation -- --ignored --nocapture"]
fn every_two_faults_may_hit_the_retirement_of_a_key() {
    pairs(RotationPhase::Grace, 1);
}
