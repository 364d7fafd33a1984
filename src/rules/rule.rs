//! The interface that every rule implements.

use super::findings::FindingCollector;
use super::input::RuleInput;
use super::meta::RuleMeta;

/// One rule. It adds its findings, or the reason why it could not look; it never sees a clock or a network.
pub trait Rule: Sync {
    fn rule_meta(&self) -> &'static RuleMeta;
    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>);
}
