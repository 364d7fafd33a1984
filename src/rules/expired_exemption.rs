//! `expired-exemption`: an exemption's `until` has passed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::policy::Exemption;

pub struct ExpiredExemption;

static TEXT: Text = Text {
    name: "expired-exemption",
    severity: Severity::Error,
    input: Input::Policy,
    finds: "an exemption's `until` has passed",
    why: "An exemption is a promise with a date; when the date has passed, what it covered is a finding again.",
    fix: "Fix what it covered and remove the exemption, or agree on a new date and write down why.",
};

impl Rule for ExpiredExemption {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for exemption in
            facts.policy.exemptions.iter().filter(|exemption| exemption.value.has_ended(facts.now))
        {
            let Exemption { user, rules, until, .. } = &exemption.value;
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} ended on {}", user.text, rules.join(", "), until.0);
            verdict.add(&TEXT, exemption.at, message);
        }
    }
}

impl Exemption {
    /// From midnight UTC of `until` on, an exemption no longer holds.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() >= self.until.0
    }
}
