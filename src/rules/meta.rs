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
    /// One account and the policy files of all repositories that name it: `keytide fleet`.
    Fleet,
}

/// The rules whose findings are about no user. An exemption is for a user, so it cannot list these.
const NOT_ABOUT_USERS: [&str; 6] = [
    "root-key",
    "invalid-policy",
    "expired-exemption",
    "idle-exemption",
    "uncovered-account",
    "contested-destination",
];

impl RuleMeta {
    /// Whether an exemption of a policy file may list the rule. Those of a fleet are exempted in `fleet.yml`.
    pub fn is_exemptible(&self) -> bool {
        self.required_input != RequiredInput::Fleet && !NOT_ABOUT_USERS.contains(&self.name)
    }

    /// Whether an exemption of `fleet.yml` may list the rule.
    pub fn is_exemptible_in_fleet(&self) -> bool {
        self.required_input == RequiredInput::Fleet && !NOT_ABOUT_USERS.contains(&self.name)
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
            Self::Fleet => "fleet",
        }
    }
}
