//! `key-age`: an active access key is older than `max_age`, or within `warn_before` of it (a warning).

use super::input::{describe_key, format_day, format_elapsed, format_elapsed_over};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
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
                let age = input.key_age(key);
                let warn_from = entry.limits.warn_before.map(|before| max.0.saturating_sub(before.0));
                if age > max.0 {
                    let message = format!(
                        "{} old; the limit is {max}",
                        describe_key_age(key, &format_elapsed_over(age, max.0))
                    );
                    findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                } else if warn_from.is_some_and(|from| age >= from) {
                    let left = max.0.saturating_sub(age);
                    let on = format_day(input.now + left);
                    let left = format_elapsed(left);
                    let message = format!(
                        "{} old; it reaches the {max} limit in {left} ({on})",
                        describe_key_age(key, &format_elapsed(age))
                    );
                    findings
                        .add_key_finding(&META, (user, ordinal, key), entry.at, message)
                        .set_severity(Severity::Warning);
                }
                if key.may_be_older {
                    findings.skip_rule(&META, REPORT_DATES);
                }
            }
        }
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
