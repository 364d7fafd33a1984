//! `unused-key`: an active access key was not used for `max_unused`, or never and is older than that.

use jiff::Timestamp;

use super::facts::{elapsed_over, name};
use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::{AccessKey, LastUse, SourcedFact, UnknownReason};
use crate::policy::PolicyDuration;

pub struct UnusedKey;

static TEXT: Text = Text {
    name: "unused-key",
    severity: Severity::Error,
    input: Input::Account,
    finds: "an active access key was not used for `max_unused`, or never and is older than that",
    why: "A key that nobody uses is missed by nobody when it is stolen, and costs nothing to take away.",
    fix: "Deactivate the key, wait until you are sure that nothing breaks, then delete it.",
};

impl Rule for UnusedKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let Some(max) = entry.limits.max_unused else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| key.status.can_sign()) {
                let used = match &key.last_used {
                    SourcedFact::Known(used, _) => used,
                    SourcedFact::Unknown(UnknownReason::NotInSource) => {
                        verdict.skip(&TEXT, "the credential report does not tell the last use of some keys");
                        continue;
                    }
                    SourcedFact::Unknown(UnknownReason::NotAsked | UnknownReason::Failed) => continue,
                };
                let since = used.as_ref().map_or(key.created_at.max(RECORDED_SINCE), |last| last.at);
                let idle = facts.now.duration_since(since);
                if idle > max.0 {
                    let message = describe(key, used.as_ref(), &elapsed_over(idle, max.0), max);
                    verdict.add_key(&TEXT, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}

/// IAM records the last use of keys since 2015-04-22 (AWS, `GetAccessKeyLastUsed`): before, silence means nothing.
const RECORDED_SINCE: Timestamp = Timestamp::constant(1_429_660_800, 0);

fn describe(key: &AccessKey, used: Option<&LastUse>, idle: &str, max: PolicyDuration) -> String {
    let name = name(key);
    match used {
        Some(_) => format!("{name} was last used {idle} ago; the limit is {max}"),
        None if key.created_at < RECORDED_SINCE => {
            format!("{name} has no use on record since IAM began to keep one, {idle} ago; the limit is {max}")
        }
        None if key.may_be_older => {
            format!("{name} was never used and is at least {idle} old; the limit is {max}")
        }
        None => format!("{name} was never used and is {idle} old; the limit is {max}"),
    }
}
