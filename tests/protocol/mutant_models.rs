//! The models that check mutants.

use keytide::rotation::StorageKind;

use crate::model::{Budget, Config};

pub fn plain() -> Config {
    Config::file("two runs")
}

/// One run after another is enough.
pub fn late_store() -> Config {
    let budget = Budget { faults: 2, ..Budget::default() };
    Config::with_store("a store, two faults", StorageKind::Store).one_run().budget(budget)
}

pub fn lost() -> Config {
    Config::file("two runs").budget(Budget { faults: 1, ..Budget::default() })
}

pub fn rolled_back() -> Config {
    Config::file("two runs, rolled back").budget(Budget { faults: 1, rollbacks: 1, ..Budget::default() })
}

pub fn conflict() -> Config {
    let budget = Budget { conflicts: 1, closes: 1, ..Budget::default() };
    Config::file("two runs, a conflict").budget(budget)
}

/// The models of one run at a time.
pub fn singles() -> Vec<Config> {
    let none = Budget::default();
    vec![
        Config::file("blind").budget(Budget { blind: 1, ..none }),
        Config::file("faults").budget(Budget { faults: 2, ..none }),
        Config { quota: 3, ..Config::file("foreign").budget(Budget { faults: 1, foreign: 1, ..none }) },
        Config::file("closed").budget(Budget { faults: 1, closes: 1, reverts: 1, ..none }),
        Config::file("back").budget(Budget { faults: 1, rollbacks: 1, ..none }),
        Config::file("first key").first_key().budget(Budget { faults: 1, closes: 1, rollbacks: 1, ..none }),
        Config::retirement("retired").budget(Budget { faults: 1, reverts: 1, rollbacks: 1, ..none }),
        Config::with_store("store", StorageKind::Store).budget(Budget { faults: 1, closes: 1, ..none }),
        Config::with_store("store, back", StorageKind::Store).budget(Budget {
            faults: 1,
            reverts: 1,
            ..none
        }),
        // The largest one is the last one
        Config::file("deployed").deployed().budget(Budget { faults: 2, rollbacks: 1, ..none }),
    ]
}
