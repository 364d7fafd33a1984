//! The program, killed at its requests and run again: the same end, no key lost, nothing broken on the way.
//!
//! A life is lived once, with a picture of both peers before each command. Then each request of each command is its
//! last, before it takes effect and, where it changes something, after it too. Where two of the lives that follow come to
//! worlds of one shape, one of them is continued.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::support::peers::World;
use crate::support::scenarios::{Life, Recorded, Request, Story, record};

/// Peers and a program that mostly wait for each other: more than there are processors.
const WORKERS: usize = 4;
/// With every test run one death in so many is died. `tests/simulation/crash_points.rs` dies at each request, in memory.
const ONE_IN: usize = 3;

/// Where a run dies.
#[derive(Debug)]
struct Point {
    command: usize,
    request: Request,
    applied: bool,
}

/// Which deaths of a life are died.
#[derive(Debug, Clone, Copy)]
enum Deaths {
    /// Before and after every request.
    All,
    /// One in three of these: after each request whose change others can see, before the first of them in a command, and
    /// before one that reads in each phase; from this command on, since those before it are as in another story. A death
    /// before another change leaves the world that a death after the change before it leaves.
    AtChanges { from: usize },
}

/// Whether a request makes an object of git, which no one sees before a reference names it.
fn makes_object(request: &Request) -> bool {
    ["/git/blobs", "/git/trees", "/git/commits"].iter().any(|end| request.what.ends_with(end))
}

fn points(commands: &[Recorded], deaths: Deaths) -> Vec<Point> {
    let mut points = Vec::new();
    let mut phases = BTreeSet::new();
    let (all, from) = match deaths {
        Deaths::All => (true, 0),
        Deaths::AtChanges { from } => (false, from),
    };
    for (command, recorded) in commands.iter().enumerate().skip(from) {
        let first_change = recorded.requests.iter().position(|request| request.changes);
        for (index, request) in recorded.requests.iter().enumerate() {
            let first_read = !request.changes && phases.insert(&recorded.phase);
            if all || first_read || first_change == Some(index) {
                points.push(Point { command, request: request.clone(), applied: false });
            }
            if request.changes && (all || !makes_object(request)) {
                points.push(Point { command, request: request.clone(), applied: true });
            }
        }
    }
    points.into_iter().step_by(if all { 1 } else { ONE_IN }).collect()
}

/// The worlds of a story that were continued, and the commands that this took.
#[derive(Default)]
struct Continued {
    shapes: Mutex<BTreeSet<String>>,
    commands: AtomicUsize,
}

impl Continued {
    /// Whether a world of this shape is continued elsewhere; else it is continued here.
    fn has(&self, life: &Life) -> bool {
        let shape = format!("{:?} {}", life.progress, life.world.shape());
        let is_known = !self.shapes.lock().unwrap().insert(shape);
        self.commands.fetch_add(usize::from(!is_known), Ordering::Relaxed);
        is_known
    }
}

/// Dies there, and lives on.
fn die(world: &mut World, commands: &[Recorded], point: &Point, continued: &Continued) {
    let command = &commands[point.command];
    world.restore(&command.picture);
    let mut life = Life { world, story: command.story, progress: command.progress };
    let run = life.command();
    let pid = run.path("pid");
    let fault = json!({ "kill": pid.to_str().unwrap(), "applied": point.applied });
    point.request.meets(life.world, fault);
    run.run_to_be_killed(&pid);
    life.world.work();
    life.world.pass(1);
    life.live_on(|life| continued.has(life));
}

/// Every death of a story.
fn sweep(story: Story, deaths: Deaths) {
    let begun = Instant::now();
    let commands = record(story);
    let points = points(&commands, deaths);
    let (next, continued) = (AtomicUsize::new(0), Continued::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut world = World::new(80);
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _telling = Telling(point);
                    die(&mut world, &commands, point, &continued);
                }
            });
        }
    });
    println!(
        "{story:?}: {} commands, {} requests, killed {} times, {} commands to continue, {} s",
        commands.len(),
        commands.iter().map(|command| command.requests.len()).sum::<usize>(),
        points.len(),
        continued.commands.into_inner(),
        begun.elapsed().as_secs()
    );
}

/// Says where it was when a test fails.
struct Telling<'p>(&'p Point);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let Point { command, request, applied } = self.0;
        if std::thread::panicking() {
            println!("killed in command {command} at {}, applied: {applied}", request.what);
        }
    }
}

#[test]
fn killed_at_what_it_changes() {
    sweep(Story::Merged, Deaths::AtChanges { from: 0 });
}

/// A workflow is started exactly once, wherever the run that starts it dies; the key is made as above.
#[test]
fn a_deployment_killed_at_what_it_changes() {
    sweep(Story::Deployed, Deaths::AtChanges { from: 1 });
}

#[test]
fn a_retirement_killed_at_what_it_changes() {
    sweep(Story::Retired, Deaths::AtChanges { from: 0 });
}

#[test]
fn a_first_key_killed_at_what_it_changes() {
    sweep(Story::First, Deaths::AtChanges { from: 0 });
}

/// Its pull request is closed; the key is made as above.
#[test]
fn a_first_key_that_is_not_wanted_killed_at_what_it_changes() {
    sweep(Story::FirstClosed, Deaths::AtChanges { from: 1 });
}

/// All requests of all stories: `cargo test --test end_to_end -- crash_recovery --ignored --nocapture`.
#[test]
#[ignore = "the whole sweep takes long; `killed_at_what_it_changes` is a part of it"]
fn killed_anywhere() {
    let first = [Story::First, Story::FirstClosed];
    for story in [Story::Merged, Story::Deployed, Story::Closed, Story::RolledBack, Story::Retired]
        .into_iter()
        .chain(first)
    {
        sweep(story, Deaths::All);
    }
}
