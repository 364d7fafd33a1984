//! What the rules found so far, with the exemptions applied as findings come in.

use super::facts::Facts;
use super::{Finding, Location, Severity, Text};
use crate::diagnostic::Position;
use crate::inventory::{AccessKey, User};

/// A rule that could not look, wholly or in part, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    pub rule: &'static str,
    pub reason: String,
}

/// Collects findings.
pub struct Verdict<'a> {
    facts: &'a Facts<'a>,
    findings: Vec<Finding>,
    skipped: Vec<Skipped>,
    /// For each exemption of the policy, whether it covered anything.
    used: Vec<bool>,
}

impl<'a> Verdict<'a> {
    pub fn new(facts: &'a Facts<'a>) -> Self {
        let used = vec![false; facts.policy.exemptions.len()];
        Self { facts, findings: Vec::new(), skipped: Vec::new(), used }
    }

    /// A finding about no one in particular.
    pub fn add(&mut self, text: &'static Text, at: Position, message: String) -> &mut Finding {
        self.push(text, None, at, message)
    }

    /// A finding about a user.
    pub fn add_user(
        &mut self,
        text: &'static Text,
        user: &str,
        at: Position,
        message: String,
    ) -> &mut Finding {
        self.push(text, Some(user), at, message)
    }

    /// A finding about one of a user's keys; `ordinal` is its place among them by creation.
    pub fn add_key(
        &mut self,
        text: &'static Text,
        (user, ordinal, key): (&User, usize, &AccessKey),
        at: Position,
        message: String,
    ) -> &mut Finding {
        let finding = self.push(text, Some(&user.name), at, message);
        finding.access_key_id.clone_from(&key.id);
        finding.key_ordinal = Some(ordinal);
        finding
    }

    /// Says that a rule could not look. The same reason is told once.
    pub fn skip(&mut self, text: &'static Text, reason: impl Into<String>) {
        let skipped = Skipped { rule: text.name, reason: reason.into() };
        if !self.skipped.contains(&skipped) {
            self.skipped.push(skipped);
        }
    }

    /// Whether an exemption (by its place in the policy) covered a finding so far.
    pub fn was_used(&self, exemption: usize) -> bool {
        self.used[exemption]
    }

    /// Whether one of these rules could not look.
    pub fn was_skipped(&self, rules: impl Fn(&str) -> bool) -> bool {
        self.skipped.iter().any(|skipped| rules(skipped.rule))
    }

    /// The findings, the worst first, then in the order of the policy file.
    pub fn close(mut self) -> (Vec<Finding>, Vec<Skipped>) {
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| {
                (std::cmp::Reverse(f.severity), f.location.at, f.user.clone(), f.rule, f.key_ordinal)
            };
            key(a).cmp(&key(b))
        });
        (self.findings, self.skipped)
    }

    fn push(
        &mut self,
        text: &'static Text,
        user: Option<&str>,
        at: Position,
        message: String,
    ) -> &mut Finding {
        let exempted = user.and_then(|user| self.exempt(text.name, user));
        self.findings.push(Finding {
            rule: text.name,
            severity: text.severity,
            user: user.map(str::to_owned),
            access_key_id: None,
            key_ordinal: None,
            message,
            help: text.fix.to_owned(),
            location: Location { file: self.facts.policy.file.clone(), at },
            controls: self.facts.policy.controls.get(text.name).cloned().unwrap_or_default(),
            exempted,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// The reason of the first exemption in force that covers this rule for this user.
    fn exempt(&mut self, rule: &str, user: &str) -> Option<String> {
        let now = self.facts.now;
        let covers = |exemption: &crate::policy::Exemption| {
            exemption.user.matches(user)
                && exemption.rules.iter().any(|r| r.0 == rule)
                && !exemption.has_ended(now)
        };
        let index = self.facts.policy.exemptions.iter().position(|exemption| covers(&exemption.value))?;
        self.used[index] = true;
        Some(self.facts.policy.exemptions[index].value.reason.clone())
    }
}

impl Finding {
    /// Changes the severity from the rule's usual one.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Replaces the rule's general advice by a better one.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = help.into();
        self
    }
}
