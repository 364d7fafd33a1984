//! What is wrong: one rule a file, each a pure function of the input.
//!
//! To add a rule, write its file, add it to [`ALL_RULES`], and give it a folder in `tests/fixtures/rules`.

mod active_key_count;
mod console_user_key;
mod exposed_key_id;
mod expired_exemption;
mod input;
mod finding;
mod idle_exemption;
mod inactive_key;
pub mod invalid_policy;
mod key_age;
mod missing_destination;
mod missing_user;
mod owner_mismatch;
mod plaintext_key;
mod prefer_role;
mod report_problems;
mod quarantined_user;
mod key_references;
mod root_key;
mod stalled_rotation;
mod stale_reference;
mod static_key_workflow;
mod unclaimed_user;
mod unencrypted_destination;
mod unexpected_use;
mod unused_key;
mod findings;

pub use finding::{FileLocation, Finding, Severity};
pub use findings::{FindingCollector, SkippedRule};
pub use input::{
    RotationStatus, RotationStatuses, RuleInput, UnusableKey, future_key_faults, last_use_decides, next_due,
};

/// What a rule says of itself; the command line, the README and SARIF show the same words.
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

/// What a rule looks at. A command that does not have it does not ask the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredInput {
    /// The policy file alone.
    Policy,
    /// What AWS says: `keytide audit`.
    Account,
    /// What the files of the repository say: `keytide check`.
    Files,
    /// How the rotations stand, which the journals tell.
    Rotations,
    /// What refers to keys: the files, or the destinations of which the journals tell.
    References,
}

impl RequiredInput {
    /// The commands that ask such a rule.
    pub fn command_names(self) -> &'static str {
        match self {
            Self::Policy | Self::References => "audit and check",
            Self::Account => "audit",
            Self::Files => "check",
            Self::Rotations => "audit, plan and rotate",
        }
    }
}

/// One rule. `check` adds what it finds, or says why it could not look; it never sees a clock or a network.
pub trait Rule: Sync {
    fn rule_meta(&self) -> &'static RuleMeta;
    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>);
}

/// Every rule. Those that judge exemptions come last: they look at what the others found.
pub const ALL_RULES: &[&dyn Rule] = &[
    &key_age::KeyAge,
    &active_key_count::ActiveKeyCount,
    &unused_key::UnusedKey,
    &inactive_key::InactiveKey,
    &missing_user::MissingUser,
    &unclaimed_user::UnclaimedUser,
    &root_key::RootKey,
    &console_user_key::ConsoleUserKey,
    &unexpected_use::UnexpectedUse,
    &owner_mismatch::OwnerMismatch,
    &quarantined_user::QuarantinedUser,
    &stalled_rotation::StalledRotation,
    &prefer_role::PreferRole,
    &plaintext_key::PlaintextKey,
    &exposed_key_id::ExposedKeyId,
    &missing_destination::MissingDestination,
    &unencrypted_destination::UnencryptedDestination,
    &stale_reference::StaleReference,
    &static_key_workflow::StaticKeyWorkflow,
    &invalid_policy::InvalidPolicy,
    &expired_exemption::ExpiredExemption,
    &idle_exemption::IdleExemption,
];

/// The rule of a name.
pub fn find_rule(name: &str) -> Option<&'static dyn Rule> {
    ALL_RULES.iter().find(|rule| rule.rule_meta().name == name).copied()
}

/// The rules that an exemption may name: an exemption is of a user, so all whose findings are about one.
pub fn exemptible_rules() -> Vec<&'static str> {
    let about_no_user = ["root-key", "invalid-policy", "expired-exemption", "idle-exemption"];
    ALL_RULES.iter().map(|rule| rule.rule_meta().name).filter(|name| !about_no_user.contains(name)).collect()
}

/// Applies every rule that has its input, and the policy's exemptions to what they find. The worst comes first.
pub fn run_rules(input: &RuleInput<'_>) -> (Vec<Finding>, Vec<SkippedRule>) {
    let mut findings = FindingCollector::new(input);
    ALL_RULES
        .iter()
        .filter(|rule| input.has_input(rule.rule_meta().required_input))
        .for_each(|rule| rule.collect_findings(input, &mut findings));
    findings.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_texts_are_whole_sentences() {
        let mut seen = std::collections::HashSet::new();
        for rule in ALL_RULES {
            let text = rule.rule_meta();
            assert!(seen.insert(text.name), "{} stands twice", text.name);
            assert!(text.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", text.name);
            assert!(
                !text.summary.ends_with('.') && !text.summary.is_empty(),
                "{}: half a sentence",
                text.name
            );
            for sentence in [text.rationale, text.remediation] {
                assert!(sentence.ends_with('.') && sentence.len() > 20, "{}: {sentence}", text.name);
            }
        }
    }
}
