//! `owner-mismatch`: the user's tag `keytide:owner` names another repository.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{SourcedFact, UnknownReason};

pub struct OwnerMismatch;

static META: RuleMeta = RuleMeta {
    name: "owner-mismatch",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the user's tag `keytide:owner` names another repository",
    rationale: "Two repositories that rotate one user lock each other out; the tag says which one may.",
    remediation: "Remove the entry here, or let the account's administrator correct the tag.",
};

impl Rule for OwnerMismatch {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let Some(own) = facts.repository.id else {
            verdict.skip_rule(
                &META,
                "the numeric ID of this repository is unknown (`GITHUB_REPOSITORY_ID`, or a GitHub token)",
            );
            return;
        };
        for (entry, user) in facts.listed_users() {
            match &user.owner {
                SourcedFact::Known(Some(owner), _) if *owner != own.to_string() => {
                    let message =
                        format!("this user belongs to repository {owner}; this is repository {own}");
                    verdict.add_user_finding(&META, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    verdict.skip_rule(&META, "the credential report has no tags")
                }
                SourcedFact::Unknown(UnknownReason::NotAsked) => {
                    verdict.skip_rule(&META, "users without keys were not asked for their tags")
                }
                _ => {}
            }
        }
    }
}
