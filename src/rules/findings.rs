//! What the rules found so far, with the exemptions applied as findings come in.

use std::collections::{BTreeMap, BTreeSet};

use super::input::RuleInput;
use super::{FileLocation, Finding, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::iam::{AccessKey, IamUser};
use crate::repository::ScannedFile;

/// A rule that could not look, wholly or in part, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SkippedRule {
    pub rule: &'static str,
    pub reason: String,
}

/// Collects findings.
pub struct FindingCollector<'a> {
    input: &'a RuleInput<'a>,
    findings: Vec<Finding>,
    skipped: Vec<SkippedRule>,
    /// For each exemption of the policy, whether it covered anything.
    used_exemptions: Vec<bool>,
    /// The `keytide: allow` comments that covered something, by file and place.
    used_comments: BTreeSet<(String, Position)>,
    /// How often a finding of the same identity was made.
    occurrences: BTreeMap<String, usize>,
}

impl<'a> FindingCollector<'a> {
    pub fn new(facts: &'a RuleInput<'a>) -> Self {
        let used = vec![false; facts.policy.exemptions.len()];
        Self {
            input: facts,
            findings: Vec::new(),
            skipped: Vec::new(),
            used_exemptions: used,
            used_comments: BTreeSet::new(),
            occurrences: BTreeMap::new(),
        }
    }

    /// A finding about no one in particular.
    pub fn add_finding(&mut self, text: &'static RuleMeta, at: Position, message: String) -> &mut Finding {
        self.push_finding(text, None, at, message)
    }

    /// A finding about a user.
    pub fn add_user_finding(
        &mut self,
        text: &'static RuleMeta,
        user: &str,
        at: Position,
        message: String,
    ) -> &mut Finding {
        self.push_finding(text, Some(user), at, message)
    }

    /// A finding about one of a user's keys; `ordinal` is its place among them by creation.
    pub fn add_key_finding(
        &mut self,
        text: &'static RuleMeta,
        (user, ordinal, key): (&IamUser, usize, &AccessKey),
        at: Position,
        message: String,
    ) -> &mut Finding {
        let finding = self.push_finding(text, Some(&user.name), at, message);
        finding.access_key_id.clone_from(&key.id);
        finding.key_ordinal = Some(ordinal);
        finding
    }

    /// A finding in a file of the repository; `matched` is what stands there, redacted.
    ///
    /// A `keytide: allow` comment on the line covers it as an exemption does.
    pub fn add_line_finding(
        &mut self,
        text: &'static RuleMeta,
        (file, at): (&ScannedFile, Position),
        (user, matched): (Option<&str>, &str),
        message: String,
    ) -> &mut Finding {
        let comment = file.comments.iter().find(|comment| comment.covers_finding(text.name, at.line));
        if let Some(comment) = comment {
            self.used_comments.insert((file.file.clone(), comment.at));
        }
        let allowed = comment.and_then(|comment| comment.reason.clone());
        let place = FileLocation { file: file.file.clone(), at };
        let finding = self.add_file_finding(text, (user, matched), place, message);
        finding.exempted = finding.exempted.take().or(allowed);
        finding
    }

    /// A finding about a file as a whole, or a place in it.
    pub fn add_file_finding(
        &mut self,
        text: &'static RuleMeta,
        (user, matched): (Option<&str>, &str),
        location: FileLocation,
        message: String,
    ) -> &mut Finding {
        let identity = [text.name, &location.file, matched].join("\u{1f}");
        let occurrence = self.occurrences.entry(identity.clone()).or_default();
        *occurrence += 1;
        let identity = format!("{identity}\u{1f}{occurrence}");
        let finding = self.push_finding(text, user, location.at, message);
        finding.location = location;
        finding.identity = Some(identity);
        finding
    }

    /// Whether a comment covered a finding so far.
    pub fn is_comment_used(&self, file: &str, at: Position) -> bool {
        self.used_comments.contains(&(file.to_owned(), at))
    }

    /// Says that a rule could not look. The same reason is told once.
    pub fn skip_rule(&mut self, text: &'static RuleMeta, reason: impl Into<String>) {
        let skipped = SkippedRule { rule: text.name, reason: reason.into() };
        if !self.skipped.contains(&skipped) {
            self.skipped.push(skipped);
        }
    }

    /// Whether an exemption (by its place in the policy) covered a finding so far.
    pub fn is_exemption_used(&self, exemption: usize) -> bool {
        self.used_exemptions[exemption]
    }

    /// Whether one of these rules could not look.
    pub fn has_skipped(&self, rules: impl Fn(&str) -> bool) -> bool {
        self.skipped.iter().any(|skipped| rules(skipped.rule))
    }

    /// The findings, the worst first, then in the order of the policy file.
    pub fn into_findings(mut self) -> (Vec<Finding>, Vec<SkippedRule>) {
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

    fn push_finding(
        &mut self,
        text: &'static RuleMeta,
        user: Option<&str>,
        at: Position,
        message: String,
    ) -> &mut Finding {
        let exempted = self.apply_exemption(text.name, user.unwrap_or_default());
        self.findings.push(Finding {
            rule: text.name,
            severity: text.severity,
            user: user.map(str::to_owned),
            access_key_id: None,
            key_ordinal: None,
            message,
            excerpt: None,
            identity: None,
            help: text.remediation.to_owned(),
            location: FileLocation { file: self.input.policy.file.clone(), at },
            controls: self.input.policy.controls.get(text.name).cloned().unwrap_or_default(),
            exempted,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// The reason of the first exemption in force that covers this rule for this user. What is about no user is
    /// covered by a glob that matches the empty name as well: `*`.
    fn apply_exemption(&mut self, rule: &str, user: &str) -> Option<String> {
        let now = self.input.now;
        let covers = |exemption: &crate::policy::Exemption| {
            exemption.user.is_match(user)
                && exemption.rules.iter().any(|r| r.0 == rule)
                && !exemption.has_expired(now)
        };
        let index = self.input.policy.exemptions.iter().position(|exemption| covers(&exemption.value))?;
        self.used_exemptions[index] = true;
        Some(self.input.policy.exemptions[index].value.reason.clone())
    }
}

impl Finding {
    /// Changes the severity from the rule's usual one.
    pub fn set_severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Adds what may be shown of the line.
    pub fn set_excerpt(&mut self, excerpt: &str) -> &mut Self {
        self.excerpt = Some(excerpt.to_owned());
        self
    }

    /// Replaces the rule's general advice by a better one.
    pub fn set_help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = help.into();
        self
    }
}
