//! Defines what was found: the place of a static key, and how it is passed.

use crate::diagnostic::Position;

/// What one file passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiKeys {
    pub keys: Vec<StaticKey>,
    pub inherited: Vec<InheritedSecrets>,
}

/// A place that passes a static access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticKey {
    pub at: Position,
    pub usage: StaticKeyUse,
}

impl StaticKey {
    /// Whether a key was seen, and not a file that may have one.
    pub fn is_readable(&self) -> bool {
        !matches!(self.usage, StaticKeyUse::Unreadable(_))
    }
}

/// How a key is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticKeyUse {
    /// To an action, or a command of an orb, as the file names it.
    Action(String),
    /// As a variable of the environment.
    Variable(String),
    /// By a line of a script, to what the line names.
    Script(String),
    /// To a reusable workflow.
    Workflow(String),
    /// The file cannot be read, or not to its end, for this reason: it may pass more.
    Unreadable(String),
}

/// A job that passes all its secrets (`secrets: inherit`) to a workflow of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedSecrets {
    pub at: Position,
    /// The path of the called workflow.
    pub workflow: String,
}
