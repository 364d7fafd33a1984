//! `unexpected-use`: the last use of a key lies outside `allow`.

use super::facts::name;
use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::{Fact, Why};

pub struct UnexpectedUse;

static TEXT: Text = Text {
    name: "unexpected-use",
    severity: Severity::Error,
    input: Input::Account,
    finds: "the last use of a key lies outside `allow`",
    why: "A key that is used in a region or for a service its application never touches may be in other hands.",
    fix: "Find the use in CloudTrail. If it was not yours, deactivate the key at once; if it was, widen `allow`.",
};

impl Rule for UnexpectedUse {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let Some(allow) = &entry.allow else { continue };
            for (ordinal, key) in user.by_age() {
                if key.last_used == Fact::Unknown(Why::NotInSource) {
                    verdict.skip(&TEXT, "the source does not tell the last use of some keys");
                }
                let Some(Some(last)) = key.last_used.known() else { continue };
                for (what, value, allowed) in
                    [("region", &last.region, &allow.regions), ("service", &last.service, &allow.services)]
                {
                    if let Some(value) = value.as_ref().filter(|value| is_outside(value, allowed)) {
                        let list = allowed.join(", ");
                        let message = format!(
                            "{} was last used in the {what} `{value}` at {}; allowed: {list}",
                            name(key),
                            last.at
                        );
                        verdict.add_key(&TEXT, (user, ordinal, key), entry.at, message);
                    }
                }
            }
        }
    }
}

/// An empty list allows everything; a global service has no region to be outside of.
fn is_outside(value: &str, allowed: &[String]) -> bool {
    !allowed.is_empty() && value != "aws-global" && !allowed.iter().any(|a| a.eq_ignore_ascii_case(value))
}
