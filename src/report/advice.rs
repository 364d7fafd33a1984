//! What to do about a finding, as people read it: a text that several findings of a rule share is shown once.

use std::collections::BTreeMap;

use crate::rules::{Finding, find_rule};

/// What to do about a finding, or why it is accepted; without the [`shown_page`].
pub fn shown_advice(finding: &Finding) -> &str {
    let texts = [&finding.exempted, &finding.short_help];
    texts.into_iter().flatten().next().map_or_else(|| finding.help_without_page(), String::as_str)
}

/// The advice that is shown once for findings of one rule: what all of them share, or what the rule says to some of them.
/// Never that of a few of them, which would be read as that of all.
pub fn common_advice<'a>(findings: &[&'a Finding]) -> Option<&'a str> {
    let first = shown_advice(findings.first()?);
    if findings.iter().all(|finding| shown_advice(finding) == first) {
        return Some(first);
    }
    findings.iter().find(|finding| has_advice_of_rule(finding)).map(|finding| shown_advice(finding))
}

/// Whether the advice of a finding is that of its rule.
fn has_advice_of_rule(finding: &Finding) -> bool {
    find_rule(finding.rule).is_some_and(|rule| rule.rule_meta().remediation == shown_advice(finding))
}

/// The rules whose advice so many findings of a report share that it is shown once, with the advice.
pub fn repeated_advice(findings: &[Finding], most: usize) -> BTreeMap<&'static str, &str> {
    let mut shared: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| has_advice_of_rule(finding)) {
        shared.entry(finding.rule).or_default().push(finding);
    }
    let mut repeated = BTreeMap::new();
    for findings in shared.into_values().filter(|findings| findings.len() > most) {
        repeated.extend(findings.first().map(|finding| (finding.rule, shown_advice(finding))));
    }
    repeated
}

/// The page of the pull request that the advice is about, if it is shown.
pub fn shown_page(finding: &Finding) -> Option<&str> {
    finding.page.as_deref().filter(|_| finding.exempted.is_none())
}

/// Whom a finding is about, for a column of users; empty for one that is about the policy or a file.
pub fn subject(finding: &Finding) -> &str {
    finding.user.as_ref().or(finding.subject.as_ref()).map_or("", String::as_str)
}
