//! `idle-exemption`: an exemption matches no finding.

use super::{FileLocation, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::Exemption;
use crate::repository::{MAX_COMMENT_RULES, has_comments};

pub struct IdleExemption;

static META: RuleMeta = RuleMeta {
    name: "idle-exemption",
    severity: Severity::Warning,
    required_input: RequiredInput::Policy,
    summary: "an exemption matches no finding",
    rationale: "An unused exemption would silently hide a future finding.",
    remediation: "Remove the exemption.",
};

const FILE_HELP: &str =
    "For a finding in a file that is about no user, write `user: \"*\"`. Else remove the exemption.";

const COMMENT_HELP: &str =
    "Write `keytide: allow RULE -- REASON` in a comment on the line of the finding, or remove it.";
const JSON_COMMENT: &str = "a `keytide: allow` text has no effect in JSON, which has no comments";
const DIVIDED_COMMENT: &str =
    "a `keytide: allow` comment has no effect in a line that holds another line break than a line feed";
const VOID_HELP: &str = "Name the file in an exemption (`files:`), or remove the text.";

impl Rule for IdleExemption {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        check_comments(input, findings);
        for (index, exemption) in input.policy.exemptions.iter().enumerate() {
            let Exemption { user, rules, files, .. } = &exemption.value;
            let rules: Vec<&str> = rules.iter().map(|rule| rule.0.as_str()).collect();
            if findings.is_exemption_used(index) || exemption.value.has_expired(input.now) {
                continue;
            }
            // A rule that could not look at everything may have missed the finding that is exempted.
            if findings.has_skipped(|rule| rules.contains(&rule))
                || !have_complete_input(input, findings, &rules)
            {
                continue;
            }
            let place = match &files.iter().map(|glob| format!("`{}`", glob.text)).collect::<Vec<_>>()[..] {
                [] => String::new(),
                globs => format!(" in {}", globs.join(", ")),
            };
            let message = format!(
                "the exemption of `{}` from {}{place} matches no finding",
                user.text,
                rules.join(", ")
            );
            let is_about_files = rules
                .iter()
                .filter_map(|name| findings.find_meta(name))
                .all(|meta| matches!(meta.required_input, RequiredInput::Files));
            let finding = findings.add_finding(&META, exemption.at, message);
            finding.set_subject(user.text.clone());
            if is_about_files && user.text != "*" {
                finding.set_help(FILE_HELP.to_owned());
            }
        }
    }
}

/// Whether all of these rules looked at everything that they could.
fn have_complete_input(input: &RuleInput<'_>, findings: &FindingCollector<'_>, rules: &[&str]) -> bool {
    let mut metas = rules.iter().filter_map(|name| findings.find_meta(name));
    metas.all(|meta| is_complete(input, meta.required_input))
}

fn is_complete(input: &RuleInput<'_>, required: RequiredInput) -> bool {
    match required {
        RequiredInput::Policy => true,
        RequiredInput::Account => input.inventory.is_some_and(|inventory| inventory.faults.is_empty()),
        RequiredInput::Files => input.files.is_some_and(|files| files.is_complete),
        RequiredInput::Rotations => input.rotations.is_some(),
        RequiredInput::References => {
            input.files.is_some_and(|files| files.is_complete) && input.rotations.is_some()
        }
        RequiredInput::Fleet => {
            input.fleet.is_some() && input.inventory.is_some_and(|inventory| inventory.faults.is_empty())
        }
    }
}

/// Reports each `keytide: allow` comment without a reason, for an unknown rule, or on a line without a finding.
fn check_comments(input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
    let Some(files) = input.files else { return };
    for (file, comment) in files
        .found
        .iter()
        // A comment in an old commit can no longer be changed.
        .filter(|file| file.commit.is_none())
        .flat_map(|file| file.comments.iter().map(move |c| (file, c)))
    {
        let unknown =
            comment.rules.iter().find(|rule| !findings.find_meta(rule).is_some_and(RuleMeta::is_exemptible));
        let in_json = !has_comments(&file.file);
        let is_void = in_json || comment.has_divided_line;
        let message = match unknown {
            _ if in_json => JSON_COMMENT.to_owned(),
            _ if is_void => DIVIDED_COMMENT.to_owned(),
            _ if comment.rules.is_empty() => "a `keytide: allow` comment names no rule".to_owned(),
            Some(rule) => {
                format!("a `keytide: allow` comment names `{rule}`, which cannot be exempted")
            }
            None if comment.has_more_rules => {
                format!(
                    "a `keytide: allow` comment names more than {MAX_COMMENT_RULES} rules; the others have no effect"
                )
            }
            None if comment.reason.is_none() => {
                "a `keytide: allow` comment without a reason has no effect".to_owned()
            }
            // Its finding may be one of those that are too many to be listed
            None if file.omitted == 0 && !findings.is_comment_used(&file.file, comment.at) => {
                format!(
                    "a `keytide: allow` comment matches no finding of {} on line {}",
                    comment.rules.join(", "),
                    comment.target_line
                )
            }
            None => continue,
        };
        findings
            .add_file_finding(
                &META,
                (None, &comment.rules.join(",")),
                FileLocation { file: file.file.clone(), at: comment.at },
                message,
            )
            .set_help(if is_void { VOID_HELP } else { COMMENT_HELP });
    }
}
