//! `owner-mismatch`: the user's tag `keytide:owner` names another repository.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{SourcedFact, UnknownReason};

pub struct OwnerMismatch;

static META: RuleMeta = RuleMeta {
    name: "owner-mismatch",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the user's tag `keytide:owner` names another repository",
    rationale: "Only one repository may rotate a user; the tag says which.",
    remediation: "Remove the entry here, or have the account administrator correct the tag.",
};

impl Rule for OwnerMismatch {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        // The tag holds the numeric ID, because a repository can be renamed.
        let Some(own) = input.repository.id else {
            findings.skip_rule(
                &META,
                "the numeric ID of this repository is unknown (`GITHUB_REPOSITORY_ID`, or a GitHub token)",
            );
            return;
        };
        for (entry, user) in input.listed_users() {
            match &user.owner {
                SourcedFact::Known(Some(owner), _) if *owner != own.to_string() => {
                    let here = match &input.repository.name {
                        Some(name) => format!("{name}, repository {own}"),
                        None => format!("repository {own}"),
                    };
                    let message = format!("this user belongs to repository {owner}; this is {here}");
                    let finding = findings.add_user_finding(&META, &user.name, entry.at, message);
                    // Anyone who may tag the user wrote the value, and it is put into a command
                    if !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit()) {
                        finding.set_help(format!(
                            "{} `gh api repositories/{owner} --jq .full_name` names that repository.",
                            META.remediation
                        ));
                    }
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    findings.skip_rule(&META, "the credential report has no tags")
                }
                SourcedFact::Unknown(UnknownReason::NotAsked) => {
                    findings.skip_rule(&META, "the tags of users without keys were not read")
                }
                _ => {}
            }
        }
    }
}
