//! The rules that audits and checks apply: one rule per file, each a pure function of the input.
//!
//! `.github/CONTRIBUTING.md` has the steps to add one.

mod active_key_count;
mod age_limit;
mod console_user_key;
mod contested_destination;
mod contested_user;
mod exposed_key_id;
mod expired_exemption;
mod input;
mod finding;
mod fleet_facts;
mod idle_exemption;
mod inactive_key;
mod invalid_destination;
pub mod invalid_policy;
mod key_age;
mod meta;
mod missing_destination;
mod missing_user;
mod orphan_user;
mod owner_mismatch;
mod plaintext_key;
mod prefer_role;
mod report_problems;
mod quarantined_user;
mod key_file_advice;
mod key_references;
mod root_key;
mod rule;
mod service_credential_age;
mod service_credential_count;
mod stalled_rotation;
mod stale_reference;
mod static_key_workflow;
mod terraform_managed_key;
mod unclaimed_user;
mod uncovered_account;
mod unencrypted_destination;
mod unexpected_use;
mod unfilled_placeholder;
mod unused_key;
mod findings;

pub use finding::{FileLocation, Finding, Severity};
pub use findings::{FindingCollector, SkippedRule};
pub use fleet_facts::{ContestedPlace, FleetFacts, FleetUser, PlaceWriter, UserListing};
pub use input::{
    RotationStatus, RotationStatuses, RuleInput, UnusableKey, future_creation_faults, last_use_decides,
    next_due,
};
pub use key_age::UNREAD_JOURNAL;
pub use meta::{RequiredInput, RuleMeta};
pub use rule::Rule;

/// Every rule, in the order in which they run. Those that judge exemptions come last: they look at the findings of the
/// others.
pub const ALL_RULES: &[&dyn Rule] = &[
    &key_age::KeyAge,
    &active_key_count::ActiveKeyCount,
    &unused_key::UnusedKey,
    &inactive_key::InactiveKey,
    &service_credential_age::ServiceCredentialAge,
    &service_credential_count::ServiceCredentialCount,
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
    &invalid_destination::InvalidDestination,
    &stale_reference::StaleReference,
    &static_key_workflow::StaticKeyWorkflow,
    &unfilled_placeholder::UnfilledPlaceholder,
    &terraform_managed_key::TerraformManagedKey,
    &contested_user::ContestedUser,
    &contested_destination::ContestedDestination,
    &orphan_user::OrphanUser,
    &uncovered_account::UncoveredAccount,
    &invalid_policy::InvalidPolicy,
    &expired_exemption::ExpiredExemption,
    &idle_exemption::IdleExemption,
];

/// The rules whose findings cannot wait, the most urgent first: someone else has a key, or may have it; then a rotation
/// that does not go on without a person.
const URGENT_RULES: [&str; 5] =
    ["quarantined-user", "plaintext-key", "unexpected-use", "root-key", "stalled-rotation"];

/// The place of a rule among findings of one severity, for reports that show only some of them.
pub fn rank_urgency(rule: &str) -> usize {
    URGENT_RULES.iter().position(|urgent| *urgent == rule).unwrap_or(URGENT_RULES.len())
}

/// The rule with this name.
pub fn find_rule(name: &str) -> Option<&'static dyn Rule> {
    ALL_RULES.iter().find(|rule| rule.rule_meta().name == name).copied()
}

/// The names of the rules that an exemption may list.
pub fn exemptible_rules() -> Vec<&'static str> {
    list_metas().filter(|meta| meta.is_exemptible()).map(|meta| meta.name).collect()
}

/// The names of the rules that an exemption of `fleet.yml` may list.
pub fn exemptible_fleet_rules() -> Vec<&'static str> {
    list_metas().filter(|meta| meta.is_exemptible_in_fleet()).map(|meta| meta.name).collect()
}

fn list_metas() -> impl Iterator<Item = &'static RuleMeta> {
    ALL_RULES.iter().map(|rule| rule.rule_meta())
}

/// Applies every rule that has its input, and the policy's exemptions to the findings. The worst finding comes first.
pub fn run_rules(input: &RuleInput<'_>) -> (Vec<Finding>, Vec<SkippedRule>) {
    let mut findings = FindingCollector::new(input, list_metas().collect());
    for rule in ALL_RULES {
        if input.has_input(rule.rule_meta().required_input) {
            rule.collect_findings(input, &mut findings);
        }
    }
    findings.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FILE_RULES;

    /// `files` of an exemption may go with each rule that has findings in files, and with no other.
    #[test]
    fn the_rules_about_files_are_those_that_read_them() {
        for meta in list_metas() {
            let reads_files = matches!(meta.required_input, RequiredInput::Files | RequiredInput::References);
            assert_eq!(FILE_RULES.contains(&meta.name), reads_files, "{}", meta.name);
        }
    }

    #[test]
    fn urgent_rules_come_before_the_others() {
        for name in URGENT_RULES {
            assert!(find_rule(name).is_some() && rank_urgency(name) < rank_urgency("key-age"), "{name}");
        }
    }

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
