//! `idle-exemption`: an exemption exempts nothing.

use super::{FileLocation, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::Exemption;

pub struct IdleExemption;

static META: RuleMeta = RuleMeta {
    name: "idle-exemption",
    severity: Severity::Warning,
    required_input: RequiredInput::Policy,
    summary: "an exemption exempts nothing",
    rationale: "An exemption that covers nothing today hides the finding that somebody makes tomorrow.",
    remediation: "Remove the exemption.",
};

impl Rule for IdleExemption {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        check_comments(facts, verdict);
        for (index, exemption) in facts.policy.exemptions.iter().enumerate() {
            let Exemption { user, rules, .. } = &exemption.value;
            let named = |rule: &str| rules.iter().any(|r| r.0 == rule);
            // What was not looked at may well be what it exempts.
            let unsure =
                !is_input_complete(facts, &rules.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>())
                    || verdict.has_skipped(named);
            if verdict.is_exemption_used(index) || exemption.value.has_expired(facts.now) || unsure {
                continue;
            }
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} covers no finding", user.text, rules.join(", "));
            verdict.add_finding(&META, exemption.at, message);
        }
    }
}

/// Whether every one of these rules looked at everything that it could.
fn is_input_complete(facts: &RuleInput<'_>, rules: &[&str]) -> bool {
    let complete = |input: RequiredInput| match input {
        RequiredInput::Policy => true,
        RequiredInput::Account => facts.inventory.is_some_and(|inventory| inventory.faults.is_empty()),
        RequiredInput::Files => facts.files.is_some_and(|files| files.is_complete),
        RequiredInput::Rotations => facts.rotations.is_some(),
        RequiredInput::References => {
            facts.files.is_some_and(|files| files.is_complete) && facts.rotations.is_some()
        }
    };
    rules
        .iter()
        .filter_map(|name| super::find_rule(name))
        .all(|rule| complete(rule.rule_meta().required_input))
}

/// A `keytide: allow` comment without a reason, for an unknown rule, or on a line without a finding.
fn check_comments(facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
    let Some(files) = facts.files else { return };
    let exemptible = super::exemptible_rules();
    for (file, comment) in files
        .found
        .iter()
        .filter(|file| file.commit.is_none())
        .flat_map(|file| file.comments.iter().map(move |c| (file, c)))
    {
        let unknown = comment.rules.iter().find(|rule| !exemptible.contains(&rule.as_str()));
        let message = match unknown {
            _ if comment.rules.is_empty() => "a `keytide: allow` comment names no rule".to_owned(),
            Some(rule) => {
                format!("a `keytide: allow` comment names `{rule}`, which is no rule to exempt from")
            }
            None if comment.reason.is_none() => {
                "a `keytide: allow` comment has no reason and so exempts nothing".to_owned()
            }
            None if !verdict.is_comment_used(&file.file, comment.at) => {
                format!(
                    "a `keytide: allow` comment covers no finding of {} in line {}",
                    comment.rules.join(", "),
                    comment.target_line
                )
            }
            None => continue,
        };
        verdict
            .add_file_finding(&META, (None, &comment.rules.join(",")), FileLocation { file: file.file.clone(), at: comment.at }, message)
            .set_help("Write `keytide: allow RULE -- REASON` in a comment on the line of the finding, or remove it.");
    }
}
