//! `key-age`: an active access key is older than `max_age`, or within `warn_before` of it (a warning).

use jiff::SignedDuration;

use super::input::{describe_key, format_day, format_elapsed, format_elapsed_over};
use super::{Finding, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{AccessKey, KeyStatus};

pub struct KeyAge;

static META: RuleMeta = RuleMeta {
    name: "key-age",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "an active access key is older than `max_age`, or within `warn_before` of it (a warning)",
    rationale: "A leaked key works until it is replaced, and the older a key is, the more copies of it exist.",
    remediation: "Rotate the key: `keytide rotate`, or by hand: create a second key, deploy it, deactivate the old one, wait, delete it.",
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
                let age = input.key_age(key);
                let warn_from = entry.limits.warn_before.map(|before| max.0.saturating_sub(before.0));
                let (message, severity) = if age > max.0 {
                    let age = describe_key_age(key, &format_elapsed_over(age, max.0));
                    (format!("{age} old; the limit is {max}"), Severity::Error)
                } else if warn_from.is_some_and(|from| age >= from) {
                    let left = describe_time_left(input, max.0.saturating_sub(age));
                    // `90 days` as an adjective: `90-day`.
                    let limit = max.to_string().trim_end_matches('s').replace(' ', "-");
                    let age = describe_key_age(key, &format_elapsed(age));
                    (format!("{age} old; it reaches the {limit} limit {left}"), Severity::Warning)
                } else {
                    continue;
                };
                let finding = findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                finding.set_severity(severity);
                set_rotation_help(input, &user.name, finding);
            }
        }
    }
}

/// `in 9 days (7 Dec 2026)`, or `now`.
fn describe_time_left(input: &RuleInput<'_>, left: SignedDuration) -> String {
    if left.as_mins() == 0 {
        return "now".to_owned();
    }
    format!("in {} ({})", format_elapsed(left), format_day(input.now + left))
}

/// Replaces the advice of a finding while a rotation or a retirement of the key is under way.
pub fn set_rotation_help(input: &RuleInput<'_>, user: &str, finding: &mut Finding) {
    let Some(status) = input.rotations.and_then(|rotations| rotations.get(user)) else { return };
    if status.under_way {
        let retires = input.policy.find_user_policy(user, None).is_some_and(|entry| entry.retire.is_some());
        let what = if retires { "The retirement of this key" } else { "A rotation of this key" };
        let mut help = format!("{what} is under way: {}: {}", status.phase, status.reason);
        if let Some(next) = &status.help {
            help.push_str(&format!(". {next}"));
        }
        finding.set_help(help);
    }
}

const REPORT_DATES: &str =
    "ages are from the credential report, which has the date of the last change: a key may be older";

fn describe_key_age(key: &AccessKey, age: &str) -> String {
    let (name, status) = (describe_key(key), &key.status);
    let unknown = match status {
        KeyStatus::Other(_) => format!(" (unknown status `{status}`, counted as active)"),
        _ => String::new(),
    };
    let least = if key.may_be_older { "at least " } else { "" };
    format!("{name}{unknown} is {least}{age}")
}
