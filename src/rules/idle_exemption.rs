//! `idle-exemption`: an exemption exempts nothing.

use super::{Facts, Input, Location, Rule, Severity, Text, Verdict};
use crate::policy::Exemption;

pub struct IdleExemption;

static TEXT: Text = Text {
    name: "idle-exemption",
    severity: Severity::Warning,
    input: Input::Policy,
    finds: "an exemption exempts nothing",
    why: "An exemption that covers nothing today hides the finding that somebody makes tomorrow.",
    fix: "Remove the exemption.",
};

impl Rule for IdleExemption {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        comments(facts, verdict);
        for (index, exemption) in facts.policy.exemptions.iter().enumerate() {
            let Exemption { user, rules, .. } = &exemption.value;
            let named = |rule: &str| rules.iter().any(|r| r.0 == rule);
            // What was not looked at may well be what it exempts.
            let unsure = !all_asked(facts, &rules.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>())
                || verdict.was_skipped(named);
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

/// Whether every one of these rules looked at everything that it could.
fn all_asked(facts: &Facts<'_>, rules: &[&str]) -> bool {
    let complete = |input: Input| match input {
        Input::Policy => true,
        Input::Account => facts.inventory.is_some_and(|inventory| inventory.faults.is_empty()),
        Input::Files => facts.files.is_some_and(|files| files.whole),
        Input::Rotations => facts.rotations.is_some(),
        Input::References => facts.files.is_some_and(|files| files.whole) && facts.rotations.is_some(),
    };
    rules.iter().filter_map(|name| super::find(name)).all(|rule| complete(rule.text().input))
}

/// A `keytide: allow` comment without a reason, for an unknown rule, or on a line without a finding.
fn comments(facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
    let Some(files) = facts.files else { return };
    let exemptible = super::exemptible();
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
            None if !verdict.was_comment_used(&file.file, comment.at) => {
                format!(
                    "a `keytide: allow` comment covers no finding of {} in line {}",
                    comment.rules.join(", "),
                    comment.line
                )
            }
            None => continue,
        };
        verdict
            .add_file(&TEXT, (None, &comment.rules.join(",")), Location { file: file.file.clone(), at: comment.at }, message)
            .help("Write `keytide: allow RULE -- REASON` in a comment on the line of the finding, or remove it.");
    }
}
