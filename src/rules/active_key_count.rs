//! `active-key-count`: a user has more active access keys than `max_active_keys`.

use super::facts::name;
use super::{Facts, Input, Rule, Severity, Text, Verdict};

pub struct ActiveKeyCount;

static TEXT: Text = Text {
    name: "active-key-count",
    severity: Severity::Error,
    input: Input::Account,
    finds: "a user has more active access keys than `max_active_keys`",
    why: "Every active key is a door of its own; a second one that nobody retires doubles what can leak.",
    fix: "Find out by the last use which key is idle, deactivate that one, wait until nothing breaks, then delete it.",
};

impl Rule for ActiveKeyCount {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let Some(max) = entry.limits.max_active_keys else { continue };
            // A rotation has two active keys by its nature.
            let max = max.saturating_add(u32::from(facts.is_rotating(&user.name)));
            let active: Vec<String> = user
                .keys_by_age()
                .into_iter()
                .filter(|(_, key)| key.status.can_sign())
                .map(|(_, key)| name(key))
                .collect();
            if active.len() > max as usize {
                let (count, list) = (active.len(), active.join(", "));
                let message = format!("{count} active access keys; the limit is {max}: {list}");
                verdict.add_user(&TEXT, &user.name, entry.at, message);
            }
        }
    }
}
