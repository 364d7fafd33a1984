//! Describes a rule: its name, its usual severity, the input that it needs, and the texts that users read about it.

use super::finding::Severity;

/// The description of a rule. The command line, the README and SARIF show these texts.
#[derive(Debug, Clone, Copy)]
pub struct RuleMeta {
    /// Kebab-case; the file has the same name in snake case.
    pub name: &'static str,
    /// The severity of most of its findings.
    pub severity: Severity,
    pub required_input: RequiredInput,
    /// When there is a finding, as half a sentence.
    pub summary: &'static str,
    /// Why that is bad.
    pub rationale: &'static str,
    /// What to do about it.
    pub remediation: &'static str,
}

/// What a rule looks at. A command that has not read it skips the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredInput {
    /// The policy file alone.
    Policy,
    /// The account's users and keys: `keytide audit`.
    Account,
    /// The files of the repository: `keytide check`.
    Files,
    /// The states of the rotations, from the journals.
    Rotations,
    /// What refers to keys: the files, or the destinations that the journals name.
    References,
}

/// The rules whose findings are about no user. An exemption is for a user, so it cannot list these.
const NOT_ABOUT_USERS: [&str; 4] = ["root-key", "invalid-policy", "expired-exemption", "idle-exemption"];

impl RuleMeta {
    /// Whether an exemption may list the rule.
    pub fn is_exemptible(&self) -> bool {
        !NOT_ABOUT_USERS.contains(&self.name)
    }
}

impl RequiredInput {
    /// The commands that apply such a rule.
    pub fn command_names(self) -> &'static str {
        match self {
            Self::Policy | Self::References => "audit and check",
            Self::Account => "audit",
            Self::Files => "check",
            Self::Rotations => "audit, plan and rotate",
        }
    }
}
