//! `unexpected-use`: the last use of a key lies outside `allow`.

use super::input::describe_key;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{SourcedFact, UnknownReason};

pub struct UnexpectedUse;

static META: RuleMeta = RuleMeta {
    name: "unexpected-use",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the last use of a key lies outside `allow`",
    rationale: "A key that is used in a region or for a service its application never touches may be in other hands.",
    remediation: "Find the use in CloudTrail. If it was not yours, deactivate the key at once; if it was, widen `allow`.",
};

impl Rule for UnexpectedUse {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (entry, user) in facts.listed_users() {
            let Some(allow) = &entry.allow else { continue };
            for (ordinal, key) in user.keys_by_age() {
                if key.last_used == SourcedFact::Unknown(UnknownReason::NotInSource) {
                    verdict.skip_rule(&META, "the source does not tell the last use of some keys");
                }
                let Some(Some(last)) = key.last_used.known_value() else { continue };
                let region = last.region.as_ref().filter(|region| is_outside(region, &allow.regions));
                let service = last.service.as_ref().filter(|service| is_outside(service, &allow.services));
                let outside = [
                    region.map(|region| {
                        format!("in the region `{region}` (allowed: {})", allow.regions.join(", "))
                    }),
                    service.map(|service| {
                        format!("for the service `{service}` (allowed: {})", allow.services.join(", "))
                    }),
                ];
                let outside = outside.into_iter().flatten().collect::<Vec<_>>().join(" and ");
                if !outside.is_empty() {
                    let message = format!("{} was last used {outside}, at {}", describe_key(key), last.at);
                    verdict.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}

/// An empty list allows everything; a global service has no region to be outside of.
fn is_outside(value: &str, allowed: &[String]) -> bool {
    !allowed.is_empty() && value != "aws-global" && !allowed.iter().any(|a| a.eq_ignore_ascii_case(value))
}
