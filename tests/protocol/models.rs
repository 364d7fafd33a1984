//! The models that are checked: small ones with every test run, larger ones on request.

use keytide::rotation::StorageKind;

use crate::model::{Budget, Config, check, replay};

const NONE: Budget = Budget {
    faults: 0,
    closes: 0,
    reverts: 0,
    rollbacks: 0,
    conflicts: 0,
    foreign: 0,
    starts: 0,
    blind: 0,
    resumes: 0,
    failures: 0,
};

/// One run at a time: requests that are lost or late, and all that people do.
fn one_run() -> Vec<Config> {
    let store = |name| Config::with_store(name, StorageKind::Store);
    let versioned = |name| Config::with_store(name, StorageKind::Versioned);
    let all = vec![
        Config::file("a file").budget(Budget { faults: 2, closes: 1, blind: 1, ..NONE }),
        Config::file("a file, reverted").budget(Budget { faults: 1, reverts: 1, conflicts: 1, ..NONE }),
        Config::file("a file, rolled back").budget(Budget { faults: 1, rollbacks: 1, closes: 1, ..NONE }),
        Config::file("two rotations").budget(Budget { faults: 1, starts: 1, ..NONE }),
        Config {
            quota: 3,
            ..Config::file("a person's key").budget(Budget { faults: 1, foreign: 1, ..NONE })
        },
        store("a file and a store").budget(Budget { faults: 2, closes: 1, ..NONE }),
        store("a file and a store, reverted").budget(Budget { faults: 1, reverts: 1, ..NONE }),
        store("a file and a store, rolled back").budget(Budget {
            faults: 1,
            rollbacks: 1,
            resumes: 1,
            ..NONE
        }),
        versioned("a store with versions, rolled back").budget(Budget { faults: 1, rollbacks: 1, ..NONE }),
        Config::only_store("a store alone", StorageKind::Store).budget(Budget {
            faults: 1,
            closes: 1,
            ..NONE
        }),
    ];
    all.into_iter().map(Config::one_run).collect()
}

/// Two runs at once. Without claims the models are larger than can be seen through: they are cut off.
fn two_runs() -> Vec<(Config, usize)> {
    let faults = Budget { faults: 1, ..NONE };
    let stranger = Config { stranger: true, ..Config::file("a run of another repository").budget(faults) };
    vec![
        (Config::file("two runs").budget(Budget { closes: 1, ..faults }), 0),
        (Config::file("two runs, a conflict").budget(Budget { conflicts: 1, ..NONE }), 0),
        (Config::with_store("two runs, a store", StorageKind::Store).budget(faults), 0),
        (stranger, 0),
        (Config::file("two runs").claims(false), 200_000),
        (Config::with_store("two runs, a store", StorageKind::Store).claims(false), 200_000),
    ]
}

/// A key that goes without a successor, while people name it again, take it back, or make another by hand. `claims` as in
/// the models of a rotation.
fn retirements() -> Vec<(Config, usize)> {
    let faults = Budget { faults: 1, ..NONE };
    let one = |name, budget| Config::retirement(name).one_run().budget(budget);
    let back = Budget { rollbacks: 1, resumes: 1, ..faults };
    let foreign = |claims| {
        Config { quota: 2, ..one("a retirement, a person's key", Budget { foreign: 1, ..faults }) }
            .claims(claims)
    };
    let mut models = Vec::new();
    for claims in [true, false] {
        models.extend([
            one("a retirement", Budget { faults: 2, blind: 1, ..NONE }).claims(claims),
            one("a retirement, named again", Budget { reverts: 1, ..faults }).claims(claims),
            one("a retirement, rolled back", back).claims(claims),
            foreign(claims),
        ]);
    }
    models.push(Config::retirement("a retirement, two runs").budget(faults));
    models.push(
        Config::retirement("a retirement, two runs, named again").budget(Budget { reverts: 1, ..NONE }),
    );
    let mut models: Vec<(Config, usize)> = models.into_iter().map(|config| (config, 0)).collect();
    models.push((Config::retirement("a retirement, two runs").budget(faults).claims(false), 200_000));
    models
}

/// A user's first key: the same faults and people, and a rollback that ends without a key.
fn first_keys() -> Vec<(Config, usize)> {
    let faults = Budget { faults: 1, ..NONE };
    let file = |name, budget| Config::file(name).first_key().one_run().budget(budget);
    let store = |name, kind, budget| Config::with_store(name, kind).first_key().one_run().budget(budget);
    let back = Budget { rollbacks: 1, closes: 1, ..faults };
    let mut models = Vec::new();
    for claims in [true, false] {
        models.extend([
            file("a first key", Budget { faults: 2, closes: 1, blind: 1, ..NONE }).claims(claims),
            file("a first key, reverted", Budget { reverts: 1, conflicts: 1, ..faults }).claims(claims),
            file("a first key, rolled back", Budget { resumes: 1, ..back }).claims(claims),
            store("a first key, a store", StorageKind::Store, Budget { closes: 1, ..faults }).claims(claims),
            store("a first key, a store with versions, rolled back", StorageKind::Versioned, back)
                .claims(claims),
        ]);
    }
    models.push(Config::file("a first key, two runs").first_key().budget(Budget { closes: 1, ..faults }));
    let mut models: Vec<(Config, usize)> = models.into_iter().map(|config| (config, 0)).collect();
    models.push((Config::file("a first key, two runs").first_key().budget(faults).claims(false), 200_000));
    models
}

/// Applications that read a key only when a workflow deploys them: what starts it dies, is late, or is rolled back, and
/// its run fails.
fn deployments() -> Vec<(Config, usize)> {
    let faults = Budget { faults: 1, ..NONE };
    let one = |config: Config, budget| config.deployed().one_run().budget(budget);
    let back = Budget { rollbacks: 1, ..faults };
    let mut models = Vec::new();
    for claims in [true, false] {
        models.extend([
            one(Config::file("a deployment"), Budget { faults: 2, failures: 1, ..NONE }).claims(claims),
            one(Config::file("a deployment, rolled back"), Budget { failures: 1, ..back }).claims(claims),
            one(Config::file("a deployment, reverted"), Budget { reverts: 1, ..faults }).claims(claims),
            one(Config::file("a deployment of a first key").first_key(), Budget { failures: 1, ..back })
                .claims(claims),
            one(
                Config::with_store("a deployment from a store, rolled back", StorageKind::Versioned),
                Budget { failures: 1, ..back },
            )
            .claims(claims),
        ]);
    }
    models.push(Config::file("a deployment, two runs").deployed().budget(faults));
    models.into_iter().map(|config| (config, 0)).collect()
}

/// As much as fits into a quarter of an hour.
fn large() -> Vec<(Config, usize)> {
    let faults = Budget { faults: 2, ..NONE };
    let people = Budget { closes: 1, reverts: 1, rollbacks: 1, ..faults };
    let store = |name| Config::with_store(name, StorageKind::Store);
    vec![
        (
            Config::file("two runs, closed and in conflict").budget(Budget {
                closes: 1,
                conflicts: 1,
                faults: 1,
                ..NONE
            }),
            0,
        ),
        (Config::file("a file, everything").one_run().budget(people), 0),
        (Config::file("a file, everything").one_run().budget(people).claims(false), 0),
        (store("a store, everything").one_run().budget(people).claims(false), 8_000_000),
        (Config::file("two runs, rolled back").budget(Budget { faults: 1, rollbacks: 1, ..NONE }), 0),
        (store("two runs, a store, reverted").budget(Budget { faults: 1, reverts: 1, ..NONE }), 0),
        (Config::file("two runs, everything").budget(people), 8_000_000),
        (Config::file("two runs").claims(false).budget(Budget { faults: 1, closes: 1, ..NONE }), 8_000_000),
        (store("two runs, a store").claims(false).budget(Budget { faults: 1, closes: 1, ..NONE }), 8_000_000),
    ]
}

/// Checks each model, tells its size, and shows how the first property breaks.
fn hold(models: Vec<(Config, usize)>) {
    println!(
        "| model | claims | states | transitions | journals | depth | seconds |\n|---|---|---|---|---|---|---|"
    );
    for (config, most) in models {
        let found = check(&config, most);
        let cut = if most > 0 && found.generated >= most { " (cut off)" } else { "" };
        println!(
            "| {} | {} | {}{cut} | {} | {} | {} | {:.1} |",
            config.name,
            if config.has_claims() { "yes" } else { "no" },
            found.states,
            found.generated,
            found.journals,
            found.depth,
            found.seconds
        );
        if let Some(why) = &found.broken {
            replay(&config, &found.trace);
            panic!("model `{}`: {why}", config.name);
        }
    }
}

#[test]
fn one_run_holds() {
    let both = |config: Config| {
        [config.clone(), Config { tables: Config::new("", config.shape).tables, ..config }.claims(false)]
    };
    hold(one_run().into_iter().flat_map(both).map(|config| (config, 0)).collect());
}

#[test]
fn retirements_hold() {
    hold(retirements());
}

#[test]
fn first_keys_hold() {
    hold(first_keys());
}

#[test]
fn deployments_hold() {
    hold(deployments());
}

#[test]
fn two_runs_hold() {
    hold(two_runs());
}

#[test]
#[ignore = "takes a quarter of an hour: cargo test --test protocol -- --ignored --nocapture"]
fn the_large_models_hold() {
    hold(large());
}
