//! What the rules found so far, with the exemptions applied as findings come in.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::{Finding, Location, Severity, Text};
use crate::diagnostic::Position;
use crate::inventory::{AccessKey, IamUser};
use crate::repo::FileFacts;

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
    /// The `keytide: allow` comments that covered something, by file and place.
    used_comments: BTreeSet<(String, Position)>,
    /// How often a finding of the same identity was made.
    occurrences: BTreeMap<String, usize>,
}

impl<'a> Verdict<'a> {
    pub fn new(facts: &'a Facts<'a>) -> Self {
        let used = vec![false; facts.policy.exemptions.len()];
        Self {
            facts,
            findings: Vec::new(),
            skipped: Vec::new(),
            used,
            used_comments: BTreeSet::new(),
            occurrences: BTreeMap::new(),
        }
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
        (user, ordinal, key): (&IamUser, usize, &AccessKey),
        at: Position,
        message: String,
    ) -> &mut Finding {
        let finding = self.push(text, Some(&user.name), at, message);
        finding.access_key_id.clone_from(&key.id);
        finding.key_ordinal = Some(ordinal);
        finding
    }

    /// A finding in a file of the repository; `matched` is what stands there, redacted.
    ///
    /// A `keytide: allow` comment on the line covers it as an exemption does.
    pub fn add_in(
        &mut self,
        text: &'static Text,
        (file, at): (&FileFacts, Position),
        (user, matched): (Option<&str>, &str),
        message: String,
    ) -> &mut Finding {
        let comment = file.comments.iter().find(|comment| comment.covers(text.name, at.line));
        if let Some(comment) = comment {
            self.used_comments.insert((file.file.clone(), comment.at));
        }
        let allowed = comment.and_then(|comment| comment.reason.clone());
        let place = Location { file: file.file.clone(), at };
        let finding = self.add_file(text, (user, matched), place, message);
        finding.exempted = finding.exempted.take().or(allowed);
        finding
    }

    /// A finding about a file as a whole, or a place in it.
    pub fn add_file(
        &mut self,
        text: &'static Text,
        (user, matched): (Option<&str>, &str),
        location: Location,
        message: String,
    ) -> &mut Finding {
        let identity = [text.name, &location.file, matched].join("\u{1f}");
        let occurrence = self.occurrences.entry(identity.clone()).or_default();
        *occurrence += 1;
        let identity = format!("{identity}\u{1f}{occurrence}");
        let finding = self.push(text, user, location.at, message);
        finding.location = location;
        finding.identity = Some(identity);
        finding
    }

    /// Whether a comment covered a finding so far.
    pub fn was_comment_used(&self, file: &str, at: Position) -> bool {
        self.used_comments.contains(&(file.to_owned(), at))
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
                (
                    std::cmp::Reverse(f.severity),
                    f.location.file.clone(),
                    f.location.at,
                    f.user.clone(),
                    f.rule,
                    f.key_ordinal,
                )
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
        let exempted = self.exempt(text.name, user.unwrap_or_default());
        self.findings.push(Finding {
            rule: text.name,
            severity: text.severity,
            user: user.map(str::to_owned),
            access_key_id: None,
            key_ordinal: None,
            message,
            excerpt: None,
            identity: None,
            help: text.fix.to_owned(),
            location: Location { file: self.facts.policy.file.clone(), at },
            controls: self.facts.policy.controls.get(text.name).cloned().unwrap_or_default(),
            exempted,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// The reason of the first exemption in force that covers this rule for this user. What is about no user is
    /// covered by a glob that matches the empty name as well: `*`.
    fn exempt(&mut self, rule: &str, user: &str) -> Option<String> {
        let now = self.facts.now;
        let covers = |exemption: &crate::policy::Exemption| {
            exemption.user.is_match(user)
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

    /// Adds what may be shown of the line.
    pub fn excerpt(&mut self, excerpt: &str) -> &mut Self {
        self.excerpt = Some(excerpt.to_owned());
        self
    }

    /// Replaces the rule's general advice by a better one.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = help.into();
        self
    }
}
