//! The rotation on the real code, in the world in memory.
#![cfg(feature = "seal")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests")]

use jiff::{SignedDuration, Timestamp};
use keytide::apply::{Budget, Ran, run};
use keytide::clients::observe::Task;
use keytide::clients::world::{World, block_on, sample};
use keytide::rotation::Phase;

const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn once(world: &World, task: &Task, number: usize) -> Option<Ran> {
    let task = Task { run: number.to_string().into(), ..task.clone() };
    let door = world.door(number);
    block_on(world, number, async { run(&door, &task, &mut Budget::default(), &|| false).await })
}

#[test]
fn a_rotation_without_faults_takes_its_course() {
    let (world, task) = sample::world(1, NOW, hours(24 * 80));
    let mut phases = Vec::new();
    for day in 0..60 {
        let ran = once(&world, &task, day + 1).unwrap();
        println!(
            "{day}: {:?} {:?} {:?} {:?}",
            ran.last.phase,
            ran.last.why,
            ran.taken.iter().map(|d| d.step.name()).collect::<Vec<_>>(),
            ran.failure
        );
        if phases.last() != Some(&ran.last.phase) {
            phases.push(ran.last.phase);
        }
        if day == 3 {
            for pull in world.open_pulls() {
                world.merge(pull).unwrap();
            }
        }
        world.advance(hours(24));
    }
    assert_eq!(world.violations(), Vec::<String>::new());
    assert_eq!(phases, [Phase::Proposed, Phase::Merged, Phase::Grace, Phase::Soaking, Phase::Healthy]);
}
