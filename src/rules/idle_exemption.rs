//! `idle-exemption`: an exemption exempts nothing.

use super::{Facts, Rule, Severity, Text, Verdict};
use crate::policy::Exemption;

pub struct IdleExemption;

static TEXT: Text = Text {
    name: "idle-exemption",
    severity: Severity::Warning,
    finds: "an exemption exempts nothing",
    why: "An exemption that covers nothing today hides the finding that somebody makes tomorrow.",
    fix: "Remove the exemption.",
};

impl Rule for IdleExemption {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (index, exemption) in facts.policy.exemptions.iter().enumerate() {
            let Exemption { user, rules, .. } = &exemption.value;
            let named = |rule: &str| rules.iter().any(|r| r.0 == rule);
            // What was not looked at may well be what it exempts.
            let unsure = !facts.inventory.faults.is_empty() || verdict.was_skipped(named);
            if verdict.was_used(index) || exemption.value.has_ended(facts.now) || unsure {
                continue;
            }
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} covers no finding", user.text, rules.join(", "));
            verdict.add(&TEXT, exemption.at, message);
        }
    }
}
