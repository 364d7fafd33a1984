//! `unexpected-use`: the last use of a key is outside `allow`.

use super::input::describe_key;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::dates::format_moment;
use crate::iam::{SourcedFact, UnknownReason};

pub struct UnexpectedUse;

static META: RuleMeta = RuleMeta {
    name: "unexpected-use",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the last use of a key is outside `allow`",
    rationale: "A key used in a region or for a service that its application does not use may be stolen.",
    remediation: "Find the use in CloudTrail. If it was not yours, deactivate the key now; otherwise extend `allow`.",
};

impl Rule for UnexpectedUse {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(allow) = &entry.allow else { continue };
            for (ordinal, key) in user.keys_by_age() {
                if key.last_used == SourcedFact::Unknown(UnknownReason::NotInSource) {
                    findings.skip_rule(&META, "the last use of some keys is not in the source");
                }
                let Some(Some(last)) = key.last_used.known_value() else { continue };
                // IAM keeps only the last use, so an earlier use elsewhere is not visible.
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
                    let at = format_moment(last.at);
                    let message = format!("{} was last used {outside}, on {at}", describe_key(key));
                    findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}

/// An empty list allows everything; a global service has no region to be outside of.
fn is_outside(value: &str, allowed: &[String]) -> bool {
    !allowed.is_empty() && value != "aws-global" && !allowed.iter().any(|a| a.eq_ignore_ascii_case(value))
}
