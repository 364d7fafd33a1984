//! `idle-exemption`: an exemption matches no finding.

use super::{FileLocation, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::Exemption;

pub struct IdleExemption;

static META: RuleMeta = RuleMeta {
    name: "idle-exemption",
    severity: Severity::Warning,
    required_input: RequiredInput::Policy,
    summary: "an exemption matches no finding",
    rationale: "An unused exemption would silently hide a future finding.",
    remediation: "Remove the exemption.",
};

impl Rule for IdleExemption {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        check_comments(input, findings);
        for (index, exemption) in input.policy.exemptions.iter().enumerate() {
            let Exemption { user, rules, .. } = &exemption.value;
            let named = |rule: &str| rules.iter().any(|r| r.0 == rule);
            // What was not looked at may well be what it exempts.
            let unsure =
                !is_input_complete(input, &rules.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>())
                    || findings.has_skipped(named);
            if findings.is_exemption_used(index) || exemption.value.has_expired(input.now) || unsure {
                continue;
            }
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            let message =
                format!("the exemption of `{}` from {} matches no finding", user.text, rules.join(", "));
            findings.add_finding(&META, exemption.at, message);
        }
    }
}

/// Whether every one of these rules looked at everything that it could.
fn is_input_complete(input: &RuleInput<'_>, rules: &[&str]) -> bool {
    let complete = |required: RequiredInput| match required {
        RequiredInput::Policy => true,
        RequiredInput::Account => input.inventory.is_some_and(|inventory| inventory.faults.is_empty()),
        RequiredInput::Files => input.files.is_some_and(|files| files.is_complete),
        RequiredInput::Rotations => input.rotations.is_some(),
        RequiredInput::References => {
            input.files.is_some_and(|files| files.is_complete) && input.rotations.is_some()
        }
    };
    rules
        .iter()
        .filter_map(|name| super::find_rule(name))
        .all(|rule| complete(rule.rule_meta().required_input))
}

/// A `keytide: allow` comment without a reason, for an unknown rule, or on a line without a finding.
fn check_comments(input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
    let Some(files) = input.files else { return };
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
                format!("a `keytide: allow` comment names `{rule}`, which cannot be exempted")
            }
            None if comment.reason.is_none() => {
                "a `keytide: allow` comment without a reason has no effect".to_owned()
            }
            None if !findings.is_comment_used(&file.file, comment.at) => {
                format!(
                    "a `keytide: allow` comment matches no finding of {} on line {}",
                    comment.rules.join(", "),
                    comment.target_line
                )
            }
            None => continue,
        };
        findings
            .add_file_finding(&META, (None, &comment.rules.join(",")), FileLocation { file: file.file.clone(), at: comment.at }, message)
            .set_help("Write `keytide: allow RULE -- REASON` in a comment on the line of the finding, or remove it.");
    }
}
