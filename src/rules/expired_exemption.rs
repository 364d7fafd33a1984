//! `expired-exemption`: an exemption's `until` has passed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::Exemption;

pub struct ExpiredExemption;

static META: RuleMeta = RuleMeta {
    name: "expired-exemption",
    severity: Severity::Error,
    required_input: RequiredInput::Policy,
    summary: "an exemption's `until` has passed",
    rationale: "An exemption is a promise with a date; when the date has passed, what it covered is a finding again.",
    remediation: "Fix what it covered and remove the exemption, or agree on a new date and write down why.",
};

impl Rule for ExpiredExemption {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for exemption in
            facts.policy.exemptions.iter().filter(|exemption| exemption.value.has_expired(facts.now))
        {
            let Exemption { user, rules, until, .. } = &exemption.value;
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} ended on {}", user.text, rules.join(", "), until.0);
            verdict.add_finding(&META, exemption.at, message);
        }
    }
}

impl Exemption {
    /// From midnight UTC of `until` on, an exemption no longer holds.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() >= self.until.0
    }
}
