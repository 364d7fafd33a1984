//! `expired-exemption`: an exemption's `until` has passed.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::Exemption;

pub struct ExpiredExemption;

static META: RuleMeta = RuleMeta {
    name: "expired-exemption",
    severity: Severity::Error,
    required_input: RequiredInput::Policy,
    summary: "an exemption's `until` has passed",
    rationale: "An exemption ends on its date; after that the findings that it covered count again.",
    remediation: "Fix what it covered and remove the exemption, or set a new date and update the reason.",
};

impl Rule for ExpiredExemption {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for exemption in
            input.policy.exemptions.iter().filter(|exemption| exemption.value.has_expired(input.now))
        {
            let Exemption { user, rules, until, .. } = &exemption.value;
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} expired on {}", user.text, rules.join(", "), until.0);
            findings.add_finding(&META, exemption.at, message).set_subject(user.text.clone());
        }
    }
}
