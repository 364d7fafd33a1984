//! `unused-key`: an active access key has not been used for `max_unused`, or was never used and is older than that.

use jiff::Timestamp;

use super::input::{describe_key, format_elapsed_over};
use super::key_age::set_rotation_help;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{AccessKey, LastUse, SourcedFact, UnknownReason};
use crate::policy::PolicyDuration;

pub struct UnusedKey;

static META: RuleMeta = RuleMeta {
    name: "unused-key",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "an active access key has not been used for `max_unused`, or was never used and is older than that",
    rationale: "A stolen key that is not in use goes unnoticed, and removing it costs nothing.",
    remediation: "Deactivate the key, wait until you are sure that nothing breaks, then delete it.",
};

impl Rule for UnusedKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_unused else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| key.status.can_sign()) {
                let used = match &key.last_used {
                    SourcedFact::Known(used, _) => used,
                    SourcedFact::Unknown(UnknownReason::NotInSource) => {
                        findings.skip_rule(
                            &META,
                            "the credential report does not hold the last use of some keys",
                        );
                        continue;
                    }
                    // Not asked: no answer could make a finding. Failed: a fault of the report already says so.
                    SourcedFact::Unknown(UnknownReason::NotAsked | UnknownReason::Failed) => continue,
                };
                // A key that was never used counts from its creation: a new key is not idle at once.
                let since = used.as_ref().map_or(key.created_at.max(LAST_USE_RECORDED_SINCE), |last| last.at);
                let idle = input.now.duration_since(since);
                if idle > max.0 {
                    let message =
                        describe_unused_key(key, used.as_ref(), &format_elapsed_over(idle, max.0), max);
                    let finding = findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                    set_rotation_help(input, &user.name, finding);
                }
            }
        }
    }
}

/// IAM records the last use of keys since 2015-04-22 (AWS, `GetAccessKeyLastUsed`): before, silence means nothing.
const LAST_USE_RECORDED_SINCE: Timestamp = Timestamp::constant(1_429_660_800, 0);

fn describe_unused_key(key: &AccessKey, used: Option<&LastUse>, idle: &str, max: PolicyDuration) -> String {
    let name = describe_key(key);
    match used {
        Some(_) => format!("{name} was last used {idle} ago; the limit is {max}"),
        None if key.created_at < LAST_USE_RECORDED_SINCE => {
            format!("{name} has no recorded use since IAM began to track it, {idle} ago; the limit is {max}")
        }
        None if key.may_be_older => {
            format!("{name} was never used and is at least {idle} old; the limit is {max}")
        }
        None => format!("{name} was never used and is {idle} old; the limit is {max}"),
    }
}
