//! The rotation on the real code, in the world in memory.

use jiff::{SignedDuration, Timestamp};
use keytide::commands::demo::chaos::{
    LifeOutcome, play_deployment, play_first_key, play_life, play_retirement,
};
use keytide::commands::demo::life::OperatorBehaviour;
use keytide::engine::execute::{ChangeBudget, RunOutcome, run_user};
use keytide::engine::observe::UserRotation;
use keytide::rotation::RotationPhase;
use keytide::simulator::{Simulation, block_on, sample};

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn once(world: &Simulation, task: &UserRotation, number: usize) -> Option<RunOutcome> {
    let task = UserRotation { run: number.to_string().into(), ..task.clone() };
    let door = world.backend_for_run(number);
    block_on(world, number, async { run_user(&door, &task, &mut ChangeBudget::default(), &|| false).await })
}

#[test]
fn a_rotation_without_faults_takes_its_course() {
    let (world, task) = sample::sample_simulation(1, NOW, hours(24 * 80), sample::SampleStores::Both);
    let mut phases = Vec::new();
    for day in 0..60 {
        let ran = once(&world, &task, day + 1).unwrap();
        if phases.last() != Some(&ran.last_decision.phase) {
            phases.push(ran.last_decision.phase);
        }
        if day == 3 {
            for pull in world.open_pulls() {
                world.merge_pull_request(pull).unwrap();
            }
        }
        world.advance_time(hours(24));
    }
    assert_eq!(world.invariant_violations(), Vec::<String>::new());
    assert_eq!(
        phases,
        [
            RotationPhase::Proposed,
            RotationPhase::Merged,
            RotationPhase::Grace,
            RotationPhase::Soaking,
            RotationPhase::Healthy
        ]
    );
}

/// What many lives came to.
#[derive(Default)]
struct Sum {
    runs: u64,
    rotations: u64,
    days: u64,
    faults: u64,
    crashes: u64,
    wrong: Vec<LifeOutcome>,
}

/// Plays many lives on all cores; a failure tells the shortest one that went wrong, with its seed.
fn lives(from: u64, count: u64, people: OperatorBehaviour) {
    play_all(from, count, people, play_life);
}

fn play_all(
    from: u64,
    count: u64,
    people: OperatorBehaviour,
    play: fn(u64, OperatorBehaviour) -> LifeOutcome,
) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let worker = |first: u64| {
        let mut sum = Sum::default();
        for life in (from + first..from + count).step_by(threads as usize).map(|seed| play(seed, people)) {
            sum.runs += life.runs as u64;
            sum.rotations += u64::from(life.rotations);
            sum.days += life.days as u64;
            sum.faults += life.faults as u64;
            sum.crashes += life.crashes as u64;
            if !life.violations.is_empty() {
                sum.wrong.push(life);
            }
        }
        sum
    };
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || worker(first))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a life panicked")).collect()
    });
    let total = |of: fn(&Sum) -> u64| sums.iter().map(of).sum::<u64>();
    println!(
        "{count} lives ({people:?}): {} runs, {} rotations, {} years, {} faults, {} of them crashes",
        total(|sum| sum.runs),
        total(|sum| sum.rotations),
        total(|sum| sum.days) / 365,
        total(|sum| sum.faults),
        total(|sum| sum.crashes)
    );
    let mut wrong: Vec<&LifeOutcome> = sums.iter().flat_map(|sum| &sum.wrong).collect();
    wrong.sort_by_key(|life| life.lines.len());
    for life in wrong.iter().take(20) {
        println!("seed {}: {}", life.seed, life.violations.join("; "));
    }
    if let Some(life) = wrong.first() {
        let lines = life.lines.join("\n");
        panic!(
            "{} of {count} lives went wrong ({people:?}); seed {}: {:#?}\n{lines}\nplay it again: keytide demo --faults --seed {}",
            wrong.len(),
            life.seed,
            life.violations,
            life.seed
        );
    }
}

#[test]
fn lives_with_faults_come_to_rest() {
    lives(0, amount(150), OperatorBehaviour::Kind);
}

#[test]
fn lives_with_faults_and_meddling_people_break_nothing() {
    lives(0, amount(150), OperatorBehaviour::Meddling);
}

#[test]
fn lives_of_a_key_without_a_successor_come_to_rest() {
    play_all(0, amount(150), OperatorBehaviour::Kind, play_retirement);
    play_all(0, amount(150), OperatorBehaviour::Meddling, play_retirement);
}

#[test]
fn lives_of_a_first_key_come_to_rest() {
    play_all(0, amount(150), OperatorBehaviour::Kind, play_first_key);
    play_all(0, amount(150), OperatorBehaviour::Meddling, play_first_key);
}

#[test]
fn lives_of_applications_that_are_deployed_come_to_rest() {
    play_all(0, amount(100), OperatorBehaviour::Kind, play_deployment);
    play_all(0, amount(100), OperatorBehaviour::Meddling, play_deployment);
}

/// As many as docs/rotation.md names.
#[test]
#[ignore = "takes long: cargo test --test simulation -- --ignored --nocapture"]
fn many_lives_with_faults_break_nothing() {
    lives(0, amount(8_000), OperatorBehaviour::Kind);
    lives(0, amount(8_000), OperatorBehaviour::Meddling);
    play_all(0, amount(8_000), OperatorBehaviour::Kind, play_retirement);
    play_all(0, amount(8_000), OperatorBehaviour::Meddling, play_retirement);
    play_all(0, amount(8_000), OperatorBehaviour::Kind, play_first_key);
    play_all(0, amount(8_000), OperatorBehaviour::Meddling, play_first_key);
    play_all(0, amount(8_000), OperatorBehaviour::Kind, play_deployment);
    play_all(0, amount(8_000), OperatorBehaviour::Meddling, play_deployment);
}

/// How many lives are played: `KEYTIDE_LIVES` says otherwise.
fn amount(usual: u64) -> u64 {
    std::env::var("KEYTIDE_LIVES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// `KEYTIDE_SEED` plays one life and tells all of it: for a seed that went wrong.
#[test]
#[ignore = "for the seed that `KEYTIDE_SEED` names"]
fn one_life() {
    let Ok(seed) = std::env::var("KEYTIDE_SEED") else { return };
    let seed = seed.parse().unwrap();
    let people = if std::env::var("KEYTIDE_KIND").is_ok() {
        OperatorBehaviour::Kind
    } else {
        OperatorBehaviour::Meddling
    };
    let life = play_life(seed, people);
    println!("{}\n{:#?}", life.lines.join("\n"), life.violations);
}
