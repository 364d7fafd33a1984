//! What to do about a finding, as people read it: a text that several findings of a rule share is shown once.

use std::collections::BTreeMap;

use crate::rules::{Finding, find_rule};

/// What to do about a finding, or why it is accepted; without the [`shown_page`].
pub fn shown_advice(finding: &Finding) -> &str {
    let texts = [finding.exempted.as_ref().map(|accepted| &accepted.text), finding.short_help.as_ref()];
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

/// The rules with an advice that so many findings of a report share that it is shown once, with that advice: of several the
/// one that most share.
pub fn repeated_advice(findings: &[Finding], most: usize) -> BTreeMap<&'static str, &str> {
    let mut shared: BTreeMap<(&'static str, &str), usize> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.exempted.is_none()) {
        // Some have none, because a page or the list of the rotations says it
        if shown_advice(finding).is_empty() {
            continue;
        }
        *shared.entry((finding.rule, shown_advice(finding))).or_default() += 1;
    }
    let mut repeated: BTreeMap<&'static str, (usize, &str)> = BTreeMap::new();
    for ((rule, advice), count) in shared.into_iter().filter(|(_, count)| *count > most) {
        let known = repeated.entry(rule).or_insert((count, advice));
        *known = (*known).max((count, advice));
    }
    repeated.into_iter().map(|(rule, (_, advice))| (rule, advice)).collect()
}

/// The page of the pull request that the advice is about, if it is shown.
pub fn shown_page(finding: &Finding) -> Option<&str> {
    finding.page.as_deref().filter(|_| finding.exempted.is_none())
}

/// Whom a finding is about, for a column of users; empty for one that is about the policy or a file.
pub fn subject(finding: &Finding) -> &str {
    finding.user.as_ref().or(finding.subject.as_ref()).map_or("", String::as_str)
}
