//! The program, killed at its requests and run again: the same end, no key lost, nothing broken on the way.
//!
//! A life is lived once, with a picture of both peers before each command. Then each request of each command is its
//! last, before it takes effect and, where it changes something, after it too. Where two deaths leave worlds of one
//! shape, one of them is continued.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::support::peers::World;
use crate::support::scenarios::{Life, Recorded, Request, Story, record};

/// Peers and a program that mostly wait for each other: more than there are processors.
const WORKERS: usize = 4;
/// Where a run dies.
#[derive(Debug)]
struct Point {
    command: usize,
    request: Request,
    applied: bool,
}

/// The deaths of a life: before and after every request; in everyday tests after each that changes something, before the
/// first of them in a command, and before one that reads in each phase. A death before another change leaves the world
/// that a death after the change before it leaves.
fn points(commands: &[Recorded], all: bool) -> Vec<Point> {
    let mut points = Vec::new();
    let mut phases = BTreeSet::new();
    for (command, recorded) in commands.iter().enumerate() {
        let first_change = recorded.requests.iter().position(|request| request.changes);
        for (index, request) in recorded.requests.iter().enumerate() {
            let first_read = !request.changes && phases.insert(&recorded.phase);
            if all || first_read || first_change == Some(index) {
                points.push(Point { command, request: request.clone(), applied: false });
            }
            if request.changes {
                points.push(Point { command, request: request.clone(), applied: true });
            }
        }
    }
    points
}

/// Dies there, and lives on; `false` when a world of this shape was continued before.
fn die(world: &mut World, commands: &[Recorded], point: &Point, seen: &Mutex<BTreeSet<String>>) -> bool {
    let command = &commands[point.command];
    world.restore(&command.picture);
    let mut life = Life { world, story: command.story, progress: command.progress };
    let run = life.command();
    let pid = run.path("pid");
    let fault = json!({ "kill": pid.to_str().unwrap(), "applied": point.applied });
    point.request.meets(life.world, fault);
    run.run_to_be_killed(&pid);
    life.world.work();
    let shape = format!("{:?} {}", life.progress, life.world.shape());
    if !seen.lock().unwrap().insert(shape) {
        return false;
    }
    life.world.pass(1);
    life.live_on();
    true
}

/// Every death of a story.
fn sweep(story: Story, all: bool) {
    let begun = Instant::now();
    let commands = record(story);
    let points = points(&commands, all);
    let (next, continued, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut world = World::new(80);
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _telling = Telling(point);
                    if die(&mut world, &commands, point, &seen) {
                        continued.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!(
        "{story:?}: {} commands, {} requests, killed {} times, {} worlds continued, {} s",
        commands.len(),
        commands.iter().map(|command| command.requests.len()).sum::<usize>(),
        points.len(),
        continued.into_inner(),
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
    sweep(Story::Merged, false);
}

/// A workflow is started exactly once, wherever the run that starts it dies.
#[test]
fn a_deployment_killed_at_what_it_changes() {
    sweep(Story::Deployed, false);
}

#[test]
fn a_retirement_killed_at_what_it_changes() {
    sweep(Story::Retired, false);
}

#[test]
fn a_first_key_killed_at_what_it_changes() {
    sweep(Story::First, false);
}

#[test]
fn a_first_key_that_is_not_wanted_killed_at_what_it_changes() {
    sweep(Story::FirstClosed, false);
}

/// All requests of all stories: `cargo test --test cli -- crash_recovery --ignored --nocapture`.
#[test]
#[ignore = "the whole sweep takes long; `killed_at_what_it_changes` is a part of it"]
fn killed_anywhere() {
    let first = [Story::First, Story::FirstClosed];
    for story in [Story::Merged, Story::Deployed, Story::Closed, Story::RolledBack, Story::Retired]
        .into_iter()
        .chain(first)
    {
        sweep(story, true);
    }
}
