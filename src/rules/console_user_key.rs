//! `console-user-key`: a user with a console password has access keys.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::SourcedFact;

pub struct ConsoleUserKey;

static META: RuleMeta = RuleMeta {
    name: "console-user-key",
    severity: Severity::Warning,
    required_input: RequiredInput::Account,
    summary: "a user with a console password has access keys",
    rationale: "A person's password and a program's key in one user cannot be limited, watched or taken away apart.",
    remediation: "Give the program a user or a role of its own, and the person short-lived credentials.",
};

impl Rule for ConsoleUserKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (entry, user) in facts.listed_users() {
            let has_keys = user.keys.iter().any(|key| key.status.can_sign());
            match &user.console_password {
                SourcedFact::Known(true, _) if has_keys => {
                    let message =
                        "this user can sign in to the console and has active access keys".to_owned();
                    verdict.add_user_finding(&META, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(_) if has_keys => {
                    verdict.skip_rule(&META, "only the credential report tells; audit with `--source report` or allow it to be read");
                }
                _ => {}
            }
        }
    }
}
