//! The sentences that all formats of a fleet's report share.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::fleet::collection::RepositoryState;
use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::{FleetReport, LineDetails};
use crate::iam::ReadFault;
use crate::report::{ReportOutcome, ReportSummary};
use crate::rules::{UNREAD_JOURNAL, find_rule, rank_urgency};
use crate::sentences::count_noun;

/// How many repositories a fault names beside the first.
const SHOWN_NAMES: usize = 4;

/// What the list of the accounts has, and what it has not.
pub const OF_ACCOUNTS: &str =
    "The results and findings here are of the accounts themselves; those of their repositories are above.";

/// The result in one sentence: `failed: 9 errors, 4 warnings`.
pub fn verdict(report: &FleetReport) -> String {
    match report.outcome {
        ReportOutcome::Incomplete => {
            "incomplete: some data could not be read, so this run does not pass".to_owned()
        }
        ReportOutcome::Pass if report.summary.errors + report.summary.warnings == 0 => {
            "passed: no findings".to_owned()
        }
        ReportOutcome::Pass => format!("passed: {}", problems(&report.summary)),
        ReportOutcome::Breach | ReportOutcome::Invalid => format!("failed: {}", problems(&report.summary)),
    }
}

/// What was looked at: `3 repositories, 2 accounts, 40 users, 51 keys`.
pub fn scope(report: &FleetReport) -> String {
    let repositories = match report.repositories.len() {
        1 => "1 repository".to_owned(),
        number => format!("{number} repositories"),
    };
    [
        repositories,
        noun(report.accounts.len(), "account"),
        noun(report.summary.users, "user"),
        noun(report.summary.keys, "key"),
    ]
    .join(", ")
}

/// `2 errors, 1 warning`, or `no findings`.
pub fn problems(summary: &ReportSummary) -> String {
    let mut parts = Vec::new();
    for (number, word) in [(summary.errors, "error"), (summary.warnings, "warning"), (summary.notes, "note")]
    {
        if number > 0 {
            parts.push(noun(number, word));
        }
    }
    if summary.exempted > 0 {
        parts.push(format!("{} exempted", summary.exempted));
    }
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// What was found for a line: `2 errors, 1 warning`. Where nothing was looked at, nothing was found either.
pub fn found(details: &LineDetails) -> String {
    if is_unread(details) && details.findings.is_empty() {
        "not audited".to_owned()
    } else {
        problems(&details.summary)
    }
}

/// Whether not everything of a line was read, so that a count of 0 may be wrong.
fn is_unread(details: &LineDetails) -> bool {
    matches!(details.outcome, ReportOutcome::Incomplete | ReportOutcome::Invalid)
}

/// Whether the users and keys of a line are known.
pub fn knows_users(details: &LineDetails) -> bool {
    !is_unread(details) || details.summary.users > 0
}

/// The errors, warnings, users and keys of a line, each as a number, or as a dash where it is not known.
pub fn figures(details: &LineDetails) -> [String; 4] {
    let ReportSummary { errors, warnings, users, keys, .. } = details.summary;
    let (has_findings, has_users) =
        (!is_unread(details) || !details.findings.is_empty(), knows_users(details));
    [(errors, has_findings), (warnings, has_findings), (users, has_users), (keys, has_users)]
        .map(|(number, is_known)| if is_known { number.to_string() } else { "–".to_owned() })
}

/// The worst finding of a line, in a few words: `key-age svc-00, 333 d`, and how many others there are.
pub fn worst_finding(details: &LineDetails) -> Option<String> {
    let counted: Vec<&FleetFinding> =
        worst_first(&details.findings).into_iter().filter(|finding| !finding.exempted).collect();
    let (first, rest) = counted.split_first()?;
    let mut text = first.rule.clone();
    if let Some(user) = &first.user {
        text.push_str(&format!(" {user}"));
    }
    if let Some(days) = age_in_days(&first.message) {
        text.push_str(&format!(", {days} d"));
    }
    if !rest.is_empty() {
        text.push_str(&format!(" and {} more", rest.len()));
    }
    Some(text)
}

/// The age that a message names, `is 333 days old`.
fn age_in_days(message: &str) -> Option<u32> {
    message.split_once(" days old")?.0.rsplit(' ').next()?.parse().ok()
}

/// How often a rule has found something that counts, and what to do about it. A rule of which some findings have another
/// advice is there once for each.
pub struct RuleCount<'a> {
    pub rule: &'a str,
    pub summary: ReportSummary,
    pub help: &'a str,
}

/// The rules with findings that count: those with errors first, of them the urgent ones, then the most frequent.
pub fn count_rules(report: &FleetReport) -> Vec<RuleCount<'_>> {
    let of_accounts = report.accounts.iter().map(|line| &line.details);
    let details = of_accounts.chain(report.repositories.iter().map(|line| &line.details));
    let all = details.flat_map(|details| &details.findings).chain(&report.findings);
    let mut rules: BTreeMap<(&str, &str), RuleCount<'_>> = BTreeMap::new();
    for finding in all.filter(|finding| !finding.exempted) {
        let help = shared_help(finding);
        let count = rules.entry((&finding.rule, help)).or_insert_with(|| RuleCount {
            rule: &finding.rule,
            summary: ReportSummary::default(),
            help,
        });
        count.summary.add_finding(finding.severity, false);
    }
    let mut counts: Vec<RuleCount<'_>> = rules.into_values().collect();
    counts.sort_by_key(|count| {
        let ReportSummary { errors, warnings, notes, .. } = count.summary;
        (errors == 0, rank_urgency(count.rule), Reverse((errors, warnings, notes)))
    });
    counts
}

/// What to do about all such findings of the rule: the own help of a finding about a user names its key, that of one in a policy
/// file its word. Where a rotation may
/// be under way the advice of the rule would break it. A rule of another version is not known here.
pub fn shared_help(finding: &FleetFinding) -> &str {
    match find_rule(&finding.rule) {
        Some(rule)
            if (finding.user.is_some() || finding.rule == "invalid-policy")
                && finding.help != UNREAD_JOURNAL =>
        {
            rule.rule_meta().remediation
        }
        _ => &finding.help,
    }
}

/// The repositories that were left out: `12 archived, 3 forked`.
pub fn left_out(report: &FleetReport) -> String {
    let mut parts = Vec::new();
    for (state, words) in RepositoryState::LEFT_OUT {
        if let Some(names) = report.left_out.get(&state) {
            parts.push(format!("{} {words}", names.len()));
        }
    }
    parts.join(", ")
}

/// A fault in one sentence.
pub fn fault(fault: &ReadFault) -> String {
    let user = fault.user.as_deref().map(|user| format!(" for `{user}`")).unwrap_or_default();
    format!("{}{user}: {}", fault.operation, fault.message)
}

/// Everything that could not be read: of the fleet, of accounts and of repositories, and the repositories whose policy file
/// has errors, so that their users were not audited.
pub fn unread(report: &FleetReport) -> Vec<String> {
    let mut lines = faults_by_reason(&report.faults);
    for account in &report.accounts {
        let of_account = account.details.faults.iter();
        lines.extend(of_account.map(|entry| format!("account {}: {}", account.id, fault(entry))));
    }
    let mut invalid = Vec::new();
    for repository in &report.repositories {
        let details = &repository.details;
        lines.extend(details.faults.iter().map(|entry| format!("{}: {}", repository.name, fault(entry))));
        if details.outcome == ReportOutcome::Invalid {
            let policy = &repository.policy;
            invalid.push(format!("{}: {policy} has errors, so its users were not audited", repository.name));
        }
    }
    // The list of the repositories names them all
    match invalid.len() {
        number if number > SHOWN_NAMES => lines
            .push(format!("{number} policy files have errors, so the users that they list were not audited")),
        _ => lines.extend(invalid),
    }
    lines
}

/// The faults in sentences; those of a kind that have one reason, such as the repositories of an account, share one.
fn faults_by_reason<'a>(faults: impl IntoIterator<Item = &'a ReadFault>) -> Vec<String> {
    let mut reasons: Vec<(&ReadFault, Vec<&str>)> = Vec::new();
    let mut index_of_message = HashMap::new();
    for entry in faults {
        if let Some(name) = entry.operation.strip_prefix("repository ") {
            let index = *index_of_message.entry(entry.message.as_str()).or_insert(reasons.len());
            if let Some((_, names)) = reasons.get_mut(index) {
                names.push(name);
                continue;
            }
        }
        reasons.push((entry, Vec::new()));
    }
    let mut lines = Vec::new();
    for (first, names) in reasons {
        let shown = names.iter().take(SHOWN_NAMES).map(|name| format!(", {name}")).collect::<String>();
        let more = match names.len().saturating_sub(SHOWN_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = ReadFault { operation: format!("{}{shown}{more}", first.operation), ..first.clone() };
        lines.push(fault(&what));
    }
    lines
}

/// A finding in one sentence, with its user.
pub fn finding(finding: &FleetFinding) -> String {
    match &finding.user {
        Some(user) => format!("{user}: {}", finding.message),
        None => finding.message.clone(),
    }
}

/// Findings in the order in which people read them: those that count, the worst first.
pub fn worst_first<'a>(findings: impl IntoIterator<Item = &'a FleetFinding>) -> Vec<&'a FleetFinding> {
    let mut sorted: Vec<&FleetFinding> = findings.into_iter().collect();
    sorted.sort_by_key(|finding| (finding.exempted, Reverse(finding.severity), rank_urgency(&finding.rule)));
    sorted
}

pub fn noun(number: usize, noun: &str) -> String {
    count_noun(i64::try_from(number).unwrap_or(i64::MAX), noun)
}
