//! `keytide demo`: the audit of a sample account that is compiled in. Reaches nothing.

#[cfg(feature = "seal")]
pub mod chaos;

use jiff::Timestamp;

use super::{Context, audit, deliver, tell};
use crate::error::Exit;
use crate::inventory::sample::Account;
use crate::policy::{Policy, Source, read};
use crate::repo::Repository;
use crate::report::{Outcome, Report};
use crate::rules::{self, Input};

const POLICY: &str = include_str!("policy.yml");
const ACCOUNT: &str = include_str!("account.yml");
/// The day on which the sample account is looked at: noon, 21 November 2026, UTC.
const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
/// The sample repository's numeric ID.
const REPOSITORY_ID: u64 = 4711;

/// Shows the audit; 0 when every rule found what the sample holds for it.
pub fn run(context: &Context<'_>) -> Exit {
    let context = Context { now: context.common.now.unwrap_or(NOW), ..*context };
    let report = match report(&context) {
        Ok(report) => report,
        Err(why) => {
            tell(&format!("error: the sample account cannot be read: {why}\n"));
            return Exit::Incomplete;
        }
    };
    let silent: Vec<&str> = silent_rules(&report);
    let breach = report.outcome == Outcome::Breach;
    let delivered = deliver::deliver(&context, report);
    if !silent.is_empty() || !breach || delivered != Exit::Findings {
        tell(&format!("error: the demo did not go as told; silent rules: {}\n", silent.join(", ")));
        return Exit::Incomplete;
    }
    if !context.common.quiet {
        tell("\nThis was the audit of a sample account that is built into keytide; nothing was reached.\n");
        tell("In earnest the exit code would be 1. `keytide explain RULE` says more about a rule.\n");
    }
    Exit::Done
}

fn report(context: &Context<'_>) -> Result<Report, String> {
    let policy = policy()?;
    let inventory = Account::parse(ACCOUNT)?.inventory(policy.names(), context.now);
    let repository = Repository { name: Some("acme/app".to_owned()), id: Some(REPOSITORY_ID) };
    Ok(audit::judge(context, &policy, inventory, &repository, None))
}

fn policy() -> Result<Policy, String> {
    let source = Source {
        file: "keytide.yml",
        bytes: POLICY.as_bytes(),
        open: &|_| Err("nothing is read".to_owned()),
    };
    read(&source, &rules::exemptible())
        .map_err(|diagnostics| diagnostics.iter().map(|d| d.render()).collect())
}

/// The rules that found nothing: the sample holds something for each that looks at an account.
fn silent_rules(report: &Report) -> Vec<&'static str> {
    let looks = rules::ALL.iter().map(|rule| rule.text());
    let looks =
        looks.filter(|text| !matches!(text.input, Input::Files | Input::Rotations)).map(|text| text.name);
    let looks = looks.filter(|name| *name != "invalid-policy");
    looks.filter(|name| !report.findings.iter().any(|finding| finding.rule == *name)).collect()
}
