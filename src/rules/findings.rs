//! Collects the findings of the rules, and applies the policy's exemptions and `keytide: allow` comments to them.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Acceptance, FileLocation, Finding, Severity};
use super::input::RuleInput;
use super::meta::RuleMeta;
use crate::diagnostic::Position;
use crate::excerpt::LineExcerpt;
use crate::iam::{AccessKey, IamUser, ServiceCredential};
use crate::policy::Exemption;
use crate::repository::ScannedFile;

/// A rule that could not look, or not at everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SkippedRule {
    pub rule: &'static str,
    pub reason: String,
}

/// The findings so far, and what has covered them.
pub struct FindingCollector<'a> {
    input: &'a RuleInput<'a>,
    /// Every rule that exists, for the rules that judge exemptions.
    metas: Vec<&'static RuleMeta>,
    findings: Vec<Finding>,
    skipped: Vec<SkippedRule>,
    /// For each exemption of the policy, whether it covered anything.
    used_exemptions: Vec<bool>,
    /// The exemption of each rule and user that was looked for: there can be very many findings of one.
    known_exemptions: BTreeMap<(&'static str, String, Option<String>), Option<usize>>,
    /// The `keytide: allow` comments that covered something, by file and place.
    used_comments: BTreeSet<(String, Position)>,
    /// How often a finding of the same identity was made.
    occurrences: BTreeMap<String, usize>,
}

impl<'a> FindingCollector<'a> {
    pub fn new(input: &'a RuleInput<'a>, metas: Vec<&'static RuleMeta>) -> Self {
        Self {
            input,
            metas,
            findings: Vec::new(),
            skipped: Vec::new(),
            used_exemptions: vec![false; input.policy.exemptions.len()],
            known_exemptions: BTreeMap::new(),
            used_comments: BTreeSet::new(),
            occurrences: BTreeMap::new(),
        }
    }

    /// A finding that is not about a user.
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

    /// A finding about one of a user's service-specific credentials. Its ID identifies it, and no key has a part in it.
    pub fn add_credential_finding(
        &mut self,
        text: &'static RuleMeta,
        (user, credential): (&IamUser, &ServiceCredential),
        at: Position,
        message: String,
    ) -> &mut Finding {
        let finding = self.push_finding(text, Some(&user.name), at, message);
        finding.identity = Some([text.name, &user.name, &credential.id].join("\u{1f}"));
        finding
    }

    /// A finding in a file of the repository; `matched` is the text that was found, redacted.
    ///
    /// A `keytide: allow` comment on the line covers it as an exemption does.
    pub fn add_line_finding(
        &mut self,
        text: &'static RuleMeta,
        (file, at): (&ScannedFile, Position),
        (user, matched): (Option<&str>, &str),
        message: String,
    ) -> &mut Finding {
        let comment = file.find_allow_comment(text.name, at.line);
        if let Some(comment) = comment {
            self.used_comments.insert((file.file.clone(), comment.at));
        }
        let allowed = comment.and_then(|comment| comment.reason.as_deref()).map(Acceptance::by_comment);
        let place = FileLocation { file: file.file.clone(), at };
        let finding = self.add_file_finding(text, (user, matched), place, message);
        // The policy comes first: its exemption has an end date, a comment has none.
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
        // The same text can occur twice in a file, and each needs an identity of its own.
        let identity = format!("{identity}\u{1f}{occurrence}");
        let finding = self.push_finding_at(text, user, location, message);
        finding.identity = Some(identity);
        finding
    }

    /// Whether a comment covered a finding so far.
    pub fn is_comment_used(&self, file: &str, at: Position) -> bool {
        self.used_comments.contains(&(file.to_owned(), at))
    }

    /// The description of a rule, by its name.
    pub fn find_meta(&self, rule: &str) -> Option<&'static RuleMeta> {
        self.metas.iter().find(|meta| meta.name == rule).copied()
    }

    /// Records that a rule could not look. The same reason is recorded once.
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
        self.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        (self.findings, self.skipped)
    }

    /// Adds a finding at a place of the policy file.
    fn push_finding(
        &mut self,
        text: &'static RuleMeta,
        user: Option<&str>,
        at: Position,
        message: String,
    ) -> &mut Finding {
        let exemption = self.apply_exemption(text.name, user.unwrap_or_default(), None);
        let location = FileLocation { file: self.input.policy.file.clone(), at };
        self.add_to_findings(text, user, location, message, exemption)
    }

    /// Adds a finding in a file of the repository.
    fn push_finding_at(
        &mut self,
        text: &'static RuleMeta,
        user: Option<&str>,
        location: FileLocation,
        message: String,
    ) -> &mut Finding {
        let exemption = self.apply_exemption(text.name, user.unwrap_or_default(), Some(&location.file));
        self.add_to_findings(text, user, location, message, exemption)
    }

    fn add_to_findings(
        &mut self,
        text: &'static RuleMeta,
        user: Option<&str>,
        location: FileLocation,
        message: String,
        exemption: Option<&Exemption>,
    ) -> &mut Finding {
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
            page: None,
            short_help: None,
            subject: None,
            location,
            controls: self.input.policy.controls.get(text.name).cloned().unwrap_or_default(),
            exempted: exemption.map(Acceptance::by_exemption),
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// The first exemption in force that covers this rule for this user. A finding that is not about a user has the empty
    /// name, which only a glob such as `*` matches.
    fn apply_exemption(
        &mut self,
        rule: &'static str,
        user: &str,
        file: Option<&str>,
    ) -> Option<&'a Exemption> {
        let RuleInput { policy, now, .. } = self.input;
        let key = (rule, user.to_owned(), file.map(str::to_owned));
        let known = self.known_exemptions.entry(key).or_insert_with(|| {
            let mut exemptions = policy.exemptions.iter().map(|exemption| &exemption.value);
            exemptions
                .position(|exemption| exemption.covers(rule, user, file) && !exemption.has_expired(*now))
        });
        let index = (*known)?;
        // Also for a finding that a comment covers: the exemption is not idle.
        self.used_exemptions[index] = true;
        Some(&policy.exemptions[index].value)
    }
}

impl Finding {
    fn sort_key(&self) -> impl Ord + '_ {
        let Self { severity, location, user, rule, key_ordinal, .. } = self;
        // The whole order is fixed, so that two runs over the same data print the same report.
        (std::cmp::Reverse(*severity), &location.file, location.at, user, rule, key_ordinal)
    }

    /// Changes the severity from the rule's usual one.
    pub fn set_severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Adds what may be shown of the line.
    pub fn set_excerpt(&mut self, excerpt: &LineExcerpt) -> &mut Self {
        self.excerpt = Some(excerpt.clone());
        self
    }

    /// Names whom it is about, for the column of users.
    pub fn set_subject(&mut self, subject: impl Into<String>) -> &mut Self {
        self.subject = Some(subject.into());
        self
    }

    /// Replaces the rule's general advice by a better one.
    pub fn set_help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = help.into();
        self
    }
}
