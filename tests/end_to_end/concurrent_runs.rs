//! Two at once on one user: two runs of a repository, and two repositories.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::peers::{Github, World};
use crate::support::run_at_once;
use crate::support::scenarios::{Life, Recorded, Story, is_change, record};

const WORKERS: usize = 4;

/// The actions that AWS was asked for since the world was restored.
fn actions(world: &World) -> Vec<String> {
    let log: Value = serde_json::from_str(&world.aws.control("GET", "log", "")).unwrap();
    log.as_array().unwrap().iter().map(|asked| asked["action"].as_str().unwrap().to_owned()).collect()
}

/// So much later, in milliseconds, the second run starts: mostly while the first one looks, before it has claimed the
/// user.
const LATE: [u64; 10] = [0, 0, 5, 10, 20, 40, 80, 160, 320, 640];

/// One of the first writes to a reference, of whichever run, is late by so many seconds: meanwhile the other run goes on.
const HELD: u64 = 6;
const HOLD: f64 = 1.5;

/// Two runs of one command. One of them does the work, and the life goes on to its end. Whether both meant to do it is
/// told: then GitHub refused one of them, since the journal had moved.
fn clash(
    world: &mut World,
    command: &Recorded,
    (late, skip): (u64, u64),
    seen: &Mutex<BTreeSet<String>>,
) -> bool {
    world.restore(&command.picture);
    let held = json!([{ "match": "(POST|PATCH) .*/git/refs.*", "skip": skip, "hold": HOLD }]);
    world.github.control("POST", "faults", &held);
    let mut life = Life { world, story: command.story, progress: command.progress };
    let runs = [(life.command(), Duration::ZERO), (life.command(), Duration::from_millis(late))];
    run_at_once(runs);
    life.world.work();
    life.world.keeps_its_journal();
    let log = life.world.github.control("GET", "log", &Value::Null);
    let refused = |asked: &Value| asked["status"] == 422 && asked.to_string().contains("git/refs");
    let both = log.as_array().unwrap().iter().any(refused);
    let shape = life.world.shape();
    if seen.lock().unwrap().insert(format!("{:?} {shape}", command.progress)) {
        life.world.pass(1);
        life.live_on(|_| false);
    }
    let made = actions(life.world).iter().filter(|action| *action == "CreateAccessKey").count();
    assert_eq!(made, usize::from(command.phase == "proposed"), "{shape}");
    assert_eq!(life.world.github.state()["pulls"].as_array().unwrap().len(), 1, "{shape}");
    both
}

/// So many clashes, spread over the commands of a life.
fn clashes(times: usize) {
    let begun = Instant::now();
    let commands = record(Story::Merged);
    let (next, both, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut world = World::new(80);
                loop {
                    let time = next.fetch_add(1, Ordering::Relaxed);
                    if time >= times {
                        return;
                    }
                    let command = &commands[time % commands.len()];
                    let round = time / commands.len();
                    let when = (LATE[round % LATE.len()], (round as u64 * 7 + 1) % HELD);
                    if clash(&mut world, command, when, &seen) {
                        both.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let worlds = seen.into_inner().unwrap().len();
    let both = both.into_inner();
    assert!(both > 0, "no two runs ever met");
    println!(
        "{times} clashes, {both} of them lost at the journal, {worlds} worlds continued, {} s",
        begun.elapsed().as_secs()
    );
}

#[test]
fn two_runs_do_the_work_of_one() {
    clashes(20);
}

/// `cargo test --test end_to_end -- concurrent_runs --ignored --nocapture`
#[test]
#[ignore = "two hundred take long; `two_runs_do_the_work_of_one` is twenty of them"]
fn two_runs_do_the_work_of_one_two_hundred_times() {
    clashes(200);
}

/// Only the repository that the user's tag names writes, to whatever it is that there is to write to.
#[test]
fn two_repositories_claim_one_user() {
    let commands = record(Story::Merged);
    let mut world = World::new(80);
    let other = Github::with_id(4712);
    for command in &commands {
        world.restore(&command.picture);
        other.control("POST", "restore", &world.github.control("GET", "snapshot", &Value::Null));
        other.control("POST", "clock", &json!({ "now": world.now.to_string() }));
        let alone = world.keytide_at(&other, &["rotate"]).run().exits(1);
        assert!(alone.stdout.contains("the tag `keytide:owner` names repository 4711"), "{}", alone.stdout);
        let changes = actions(&world).into_iter().filter(|action| is_change(action));
        assert_eq!(changes.collect::<Vec<_>>(), [""; 0]);

        let (ours, theirs) = (world.keytide(&["rotate"]), world.keytide_at(&other, &["rotate"]));
        std::thread::scope(|scope| {
            scope.spawn(move || theirs.run().exits(1));
            assert_eq!(ours.run().exits(0).json()["rotations"][0]["phase"], *command.phase);
        });
        world.work();
        let asked = other.control("GET", "log", &Value::Null);
        assert!(asked.as_array().unwrap().iter().all(|asked| asked["method"] == "GET"), "{asked:#}");
    }
}
