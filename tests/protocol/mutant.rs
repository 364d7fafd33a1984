//! A mutant of the protocol: a bug that is put in, and where it must be seen.

use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{Observation, Observed};

use crate::model::config::Decide;
use crate::model::{Bug, Config};

/// Where to look for the mutant's effect.
#[derive(Clone, Copy)]
pub enum Where {
    /// The enumeration, then the models of one run.
    Decision,
    /// The models of one run.
    One,
    /// Models of two runs, with this much of the network's faults and of what people do.
    Two(fn() -> Config),
}

pub struct Mutant {
    pub name: &'static str,
    /// Whose bug it is.
    pub source: &'static str,
    pub edit: fn(&mut DecisionTable),
    pub decide: Decide,
    pub bug: Bug,
    pub at: Where,
    /// The model of one run that is looked at first: its name.
    pub shown_in: Option<&'static str>,
    /// Why nothing breaks, where nothing does: with claims, and without.
    pub survives: [Option<&'static str>; 2],
}

pub fn mutant(name: &'static str, source: &'static str) -> Mutant {
    Mutant {
        name,
        source,
        edit: |_| {},
        decide: DecisionTable::decide_step,
        bug: Bug::None,
        at: Where::Decision,
        shown_in: None,
        survives: [None, None],
    }
}

impl Mutant {
    pub fn edit(self, edit: fn(&mut DecisionTable)) -> Self {
        Self { edit, ..self }
    }

    pub fn decide(self, decide: Decide) -> Self {
        Self { decide, ..self }
    }

    pub fn bug(self, bug: Bug) -> Self {
        Self { bug, at: Where::One, ..self }
    }

    pub fn two(self, config: fn() -> Config) -> Self {
        Self { at: Where::Two(config), ..self }
    }

    /// Seen in a rotation's course only.
    pub fn model(self) -> Self {
        Self { at: Where::One, ..self }
    }

    /// One model shows it, which need not wait for those before it.
    pub fn shown_in(self, model: &'static str) -> Self {
        Self { shown_in: Some(model), ..self }
    }

    pub fn protocol(&self, claims: bool) -> DecisionTable {
        let mut protocol = DecisionTable { claims, ..DecisionTable::default() };
        (self.edit)(&mut protocol);
        protocol
    }

    pub fn survives(self, with: Option<&'static str>, without: Option<&'static str>) -> Self {
        Self { survives: [with, without], ..self }
    }
}

/// No one's bug: what is taken out is keytide's.
pub const OWN: &str = "a part of keytide's";

pub fn without_row(protocol: &mut DecisionTable, name: &str) {
    assert!(protocol.rows.iter().any(|(row, _)| *row == name), "{name}");
    protocol.rows.retain(|(row, _)| *row != name);
}

pub fn without_guards(protocol: &mut DecisionTable, names: &[&str]) {
    for name in names {
        let known = protocol.retire.iter().chain(&protocol.delete).any(|guard| guard.name == *name);
        assert!(known, "{name}");
    }
    protocol.retire.retain(|guard| !names.contains(&guard.name));
    protocol.delete.retain(|guard| !names.contains(&guard.name));
}

pub fn each_key(seen: &mut Observation, change: fn(&mut keytide::rotation::ObservedKey)) {
    if let Observed::Known(keys) = &mut seen.keys {
        keys.iter_mut().for_each(change);
    }
}

pub fn journal(seen: &mut Observation, change: fn(&mut keytide::rotation::Journal)) {
    if let Observed::Known(journal) = &mut seen.journal {
        change(journal);
    }
}
