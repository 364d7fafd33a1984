//! Runs that are killed at each request that changes a parameter or a key.

use serde_json::{Value, json};

use super::{in_parameter, with_parameter};
use crate::support::stores::Stored;

/// A run that is killed: the one that makes the key, or the one that delivers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KilledRun {
    Make,
    Deliver,
}

impl KilledRun {
    /// The parameter just before the run.
    fn before(self) -> Stored {
        let mut stored = with_parameter();
        if self == Self::Deliver {
            stored.until("proposed", &in_parameter);
            stored.merge();
            stored.pass(1);
        }
        stored
    }

    /// The requests of the undisturbed run that change a parameter or a key.
    fn list_changes(self) -> Vec<String> {
        let stored = self.before();
        stored.aws.control("DELETE", "log", "");
        stored.rotate(&in_parameter);
        let log: Value = serde_json::from_str(&stored.aws.control("GET", "log", "")).unwrap();
        let actions = log.as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap().to_owned());
        actions
            .filter(|action| {
                ["PutParameter", "DeleteParameter", "CreateAccessKey"].contains(&action.as_str())
            })
            .collect()
    }

    /// Kills the run at the request of this place among those of its action, and goes on: the same end.
    fn kill_at(self, action: &str, skip: usize, applied: bool) {
        let mut stored = self.before();
        let old = stored.first().0;
        let run = stored.keytide(&["rotate"]);
        let pid = run.path("pid");
        let fault = json!([{
            "action": action, "skip": skip, "kill": pid.to_str().unwrap(), "applied": applied,
        }]);
        stored.aws.control("POST", "faults", &fault.to_string());
        run.run_to_be_killed(&pid);
        stored.uses(&in_parameter(&stored));
        if self == Self::Make {
            stored.until("proposed", &in_parameter);
            stored.merge();
            stored.pass(1);
        }
        stored.until("healthy", &in_parameter);
        assert_ne!(in_parameter(&stored).0, old);
        assert_eq!(stored.keys().into_keys().collect::<Vec<_>>(), [in_parameter(&stored).0]);
    }
}

/// Killed at every request that changes a parameter, and at that which makes the key, before and after it took effect, and
/// started again: the same end.
#[test]
fn a_killed_run_is_continued() {
    std::thread::scope(|scope| {
        for run in [KilledRun::Make, KilledRun::Deliver] {
            scope.spawn(move || {
                let changes = run.list_changes();
                println!("{run:?}: {changes:?}");
                let last = if run == KilledRun::Make { "CreateAccessKey" } else { "DeleteParameter" };
                assert!(changes.iter().any(|action| action == last), "{run:?}: {changes:?}");
                assert!(changes.iter().any(|action| action == "PutParameter"), "{run:?}: {changes:?}");
                std::thread::scope(|scope| {
                    for (number, action) in changes.iter().enumerate() {
                        let skip = changes[..number].iter().filter(|earlier| *earlier == action).count();
                        for applied in [false, true] {
                            scope.spawn(move || run.kill_at(action, skip, applied));
                        }
                    }
                });
            });
        }
    });
}
