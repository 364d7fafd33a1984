//! `key-age`: an active access key is older than `max_age`, or within `warn_before` of it (a warning).

use super::age_limit::AgeLimit;
use super::input::{describe_key, describe_status_doubt};
use super::{Finding, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::AccessKey;
use crate::rotation::RotationPhase;
use crate::sentences::begin_sentence;

pub struct KeyAge;

static META: RuleMeta = RuleMeta {
    name: "key-age",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "an active access key is older than `max_age`, or within `warn_before` of it (a warning)",
    rationale: "A leaked key works until it is replaced, and the older a key is, the more copies of it exist.",
    remediation: "Rotate the key: `keytide rotate` where the policy file has `rotation` for the user; by hand, create a second key, deploy it, deactivate the old one, wait, delete it.",
};

impl Rule for KeyAge {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_age else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| key.status.can_sign()) {
                // The credential report has the date of the last change of status, which is at best the creation.
                if key.may_be_older {
                    findings.skip_rule(&META, REPORT_DATES);
                }
                let limit = AgeLimit { max, warn_before: entry.limits.warn_before };
                let Some(problem) = limit.find_problem(input, input.age_since(key.created_at)) else {
                    continue;
                };
                let message = format!("{} old; {}", describe_key_age(key, &problem.age), problem.limit);
                let finding = findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                finding.set_severity(problem.severity);
                set_rotation_help(input, &user.name, finding);
            }
        }
    }
}

/// Replaces the advice of a finding while a rotation or a retirement of the key is under way, or may be, and where the
/// policy file asks for a retirement: a key that seems idle may be the new one, or the one that applications still use.
pub fn set_rotation_help(input: &RuleInput<'_>, user: &str, finding: &mut Finding) {
    if input.is_journal_unread(user) {
        finding.set_help(UNREAD_JOURNAL.to_owned());
        return;
    }
    let Some(status) = input.rotations.and_then(|rotations| rotations.get(user)) else { return };
    let retires = input.policy.find_user_policy(user, None).is_some_and(|entry| entry.retire.is_some());
    if status.under_way {
        let what = if retires { "The retirement of this key" } else { "A rotation of this key" };
        let what = format!("{what} is under way ({})", status.phase);
        let mut help = format!("{what}: {}", status.reason);
        if let Some(next) = &status.help {
            help.push_str(&format!(". {}", begin_sentence(next)));
        }
        finding.set_help(help).short_help = Some(format!("{what}: see the rotation of this user"));
    } else if status.phase == RotationPhase::Held {
        let next =
            status.help.as_deref().map(|help| format!(". {}", begin_sentence(help))).unwrap_or_default();
        let held = "No rotation of this user begins (held)";
        finding.set_help(format!("{held}: {}{next}", status.reason)).short_help =
            Some(format!("{held}: see the rotation of this user"));
    } else if retires {
        finding.set_help(format!("`keytide rotate --user {user}` retires this key: nothing takes its place"));
    }
}

/// The advice for a user whose keys keytide changes, where the journal was not read. A key that seems idle may be the new
/// one, or the one that applications still use.
pub const UNREAD_JOURNAL: &str = "A rotation of this user may be under way, and its journal was not read: deactivate and delete nothing. Set GITHUB_TOKEN (`contents: read`) and run `keytide audit` in the repository of the user.";

const REPORT_DATES: &str =
    "ages are from the credential report, which has the date of the last change: a key may be older";

fn describe_key_age(key: &AccessKey, age: &str) -> String {
    let (name, unknown) = (describe_key(key), describe_status_doubt(&key.status));
    let least = if key.may_be_older { "at least " } else { "" };
    format!("{name}{unknown} is {least}{age}")
}
