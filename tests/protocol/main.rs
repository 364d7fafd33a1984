//! The rotation protocol, shown on the production `decide` and the production journal. `docs/protocol.md` tells how.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod enumeration;
mod model;
mod mutants;
mod specification;
mod stories;
mod story;

use model::{Budget, Config, check};

#[test]
fn every_step_implies_its_guards() {
    use keytide::rotation::decide::Protocol;
    for claims in [true, false] {
        let protocol = Protocol { claims, ..Protocol::default() };
        let counted = enumeration::enumerate(&protocol, Protocol::decide, stories::stories(), false);
        println!("claims {claims}: {} points, {} destructive, {:.1} s", counted.points, counted.destructive, counted.seconds);
        for (why, b) in &counted.broken { println!("{why}\n    {b}"); }
    }
}

#[test]
fn scratch() {
    let what = std::env::var("M").unwrap_or_default();
    let claims = !what.contains("noclaims");
    let mut config = if what.contains("both") { Config::with_store("x", keytide::rotation::PlaceKind::Store) }
        else if what.contains("versioned") { Config::with_store("x", keytide::rotation::PlaceKind::Versioned) }
        else if what.contains("only") { Config::only_store("x", keytide::rotation::PlaceKind::Store) }
        else { Config::file("x") };
    config = config.claims(claims);
    if what.contains("one") { config = config.one_run(); }
    let n = |name: &str| std::env::var(name).ok().and_then(|x| x.parse().ok()).unwrap_or(0);
    config.quota = if what.contains("quota3") { 3 } else { 2 };
    let config = config.budget(Budget { faults: n("FAULTS"), closes: n("CLOSES"), reverts: n("REVERTS"), rollbacks: n("ROLLBACKS"), conflicts: n("CONFLICTS"), foreign: n("FOREIGN"), starts: n("STARTS"), blind: n("BLIND"), resumes: n("RESUMES") });
    let most = std::env::var("MOST").ok().and_then(|x| x.parse().ok()).unwrap_or(3_000_000);
    let found = check(&config, most);
    println!("{} states, {} transitions, {} journals, depth {}, {:.1} s: {:?}", found.states, found.generated, found.journals, found.depth, found.seconds, found.broken);
    // Replay.
    if found.broken.is_some() { replay(&config, &found.trace); }
}

fn replay(config: &Config, trace: &[String]) {
    use stateright::Model;
    let mut s = config.initial();
    for name in trace {
        let mut acts = Vec::new();
        config.actions(&s, &mut acts);
        let Some(act) = acts.into_iter().find(|act| format!("{act:?}") == *name) else { println!("cannot replay {name}"); return };
        let before = s.clone();
        s = config.next_state(&s, act).unwrap();
        println!("{name}\n    {:?}", brief(&before, &s));
    }
    println!("{s:#?}");
    println!("{:#?}", config.tables.journal(s.journal));
    println!("{:?}", config.completes(&s));
}

fn brief(_b: &model::State, s: &model::State) -> String {
    format!("keys {:?} main {} store {} tip {:?} pr {:?} back {:?} apps {:?} runs {:?} net {:?}", s.keys.iter().map(|k| format!("{:?}", k.life)).collect::<Vec<_>>().join(","), s.main, s.store, s.tip, s.pr, s.back, s.apps, s.runs, s.net)
}
