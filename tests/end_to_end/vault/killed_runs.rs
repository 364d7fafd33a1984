//! Runs that are killed at each request that changes the server.

use super::World;
use crate::support::openbao::Fault;

/// A run that is killed: the one that makes the key, or the one that delivers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KilledRun {
    Make,
    Deliver,
}

impl KilledRun {
    /// A world just before the run.
    fn world_before(self) -> World {
        let mut world = World::new();
        if self == Self::Make {
            return world;
        }
        world.until("proposed");
        world.stored.merge();
        world.stored.pass(1);
        world
    }

    /// The requests of the undisturbed run that change the server.
    fn list_changes(self) -> Vec<String> {
        let world = self.world_before();
        world.proxy.take_passed();
        let run = world.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}{}", run.stdout, run.stderr);
        let passed = world.proxy.take_passed();
        passed.into_iter().filter(|passed| passed.is_change()).map(|passed| passed.what).collect()
    }

    /// Kills the run at a request, and goes on without a fault: the story ends as it does undisturbed.
    fn kill_at(self, number: usize, applied: bool) {
        let mut world = self.world_before();
        let (first, _) = world.stored.first();
        let run = world.keytide(&["rotate"]);
        let pid_file = run.path("pid");
        world.proxy.fault("", Fault::KillAtChange { number, pid_file: pid_file.clone(), applied });
        run.run_to_be_killed(&pid_file);
        world.proxy.heal();
        world.stored.uses(&world.held());
        if self == Self::Make {
            world.until("proposed");
            world.stored.merge();
            world.stored.pass(1);
        }
        world.until("healthy");
        assert_ne!(world.held().0, first);
        assert_eq!(world.stored.keys().into_keys().collect::<Vec<_>>(), [world.held().0]);
    }
}

/// Killed at every request that changes the server, before and after it took effect, and started again: the same end.
#[test]
fn a_killed_run_is_continued() {
    std::thread::scope(|scope| {
        for run in [KilledRun::Make, KilledRun::Deliver] {
            scope.spawn(move || {
                let changes = run.list_changes();
                println!("{run:?}: {changes:?}");
                assert!(!changes.is_empty(), "{run:?} changes nothing");
                std::thread::scope(|scope| {
                    for number in 0..changes.len() {
                        for applied in [false, true] {
                            scope.spawn(move || run.kill_at(number, applied));
                        }
                    }
                });
            });
        }
    });
}
