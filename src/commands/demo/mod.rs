//! `keytide demo`: the audit of a sample account that is compiled in, and rotations in a world in memory. Reaches
//! nothing.

#[cfg(feature = "seal")]
pub mod chaos;
#[cfg(feature = "seal")]
pub mod story;

use jiff::Timestamp;

use super::cli::DemoArgs;
#[cfg(feature = "seal")]
use super::context::write_stdout;
use super::context::{Context, write_stderr};
use super::output;
use crate::error::ExitStatus;
use crate::iam::sample::SampleAccount;
use crate::policy::{Policy, PolicySource, read_policy};
#[cfg(feature = "seal")]
use crate::report::ReportFormat;
use crate::report::{Report, ReportOutcome};
use crate::repository::RepositoryIdentity;
use crate::rules::{self, RequiredInput};

const POLICY: &str = include_str!("policy.yml");
const ACCOUNT: &str = include_str!("account.yml");
/// The day on which the sample account is looked at: noon, 21 November 2026, UTC.
const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
/// The sample repository's numeric ID.
const REPOSITORY_ID: u64 = 4711;

/// Shows the audit, then two rotations; 0 when everything went as told.
pub fn run_demo(context: &Context<'_>, arguments: &DemoArgs) -> ExitStatus {
    let context = Context { now: context.common.now.unwrap_or(NOW), ..*context };
    if arguments.faults {
        return print_faulty_life(arguments);
    }
    print_sample_audit(&context).max(print_stories(&context, arguments.seed))
}

fn print_sample_audit(context: &Context<'_>) -> ExitStatus {
    let report = match sample_report(context) {
        Ok(report) => report,
        Err(why) => {
            write_stderr(&format!("error: the sample account cannot be read: {why}\n"));
            return ExitStatus::Incomplete;
        }
    };
    let silent: Vec<&str> = silent_rules(&report);
    let breach = report.outcome == ReportOutcome::Breach;
    let delivered = output::deliver_report(context, report);
    if !silent.is_empty() || !breach || delivered != ExitStatus::Findings {
        write_stderr(&format!("error: the demo did not go as told; silent rules: {}\n", silent.join(", ")));
        return ExitStatus::Incomplete;
    }
    if !context.common.quiet {
        write_stderr(
            "\nThis was the audit of a sample account that is built into keytide; nothing was reached.\n",
        );
        write_stderr("In earnest the exit code would be 1. `keytide explain RULE` says more about a rule.\n");
    }
    ExitStatus::Done
}

/// The stories are for people: another format than text has the audit alone.
#[cfg(feature = "seal")]
fn print_stories(context: &Context<'_>, seed: u64) -> ExitStatus {
    if context.output_format() != ReportFormat::Text {
        return ExitStatus::Done;
    }
    [story::tell_rotation_story(context.now, seed), story::tell_rollback_story(context.now, seed)]
        .into_iter()
        .map(|told| {
            let written = write_stdout(&told.text);
            if told.as_told {
                return written;
            }
            write_stderr("error: the story did not end as it should\n");
            ExitStatus::Incomplete
        })
        .fold(ExitStatus::Done, ExitStatus::max)
}

/// One life under faults: what happened, and whether anything broke.
#[cfg(feature = "seal")]
fn print_faulty_life(arguments: &DemoArgs) -> ExitStatus {
    let people =
        if arguments.kind { chaos::OperatorBehaviour::Kind } else { chaos::OperatorBehaviour::Meddling };
    let life = chaos::play_life(arguments.seed, people);
    let mut text = life.told.join("\n");
    text.push_str(&format!(
        "\n\nDays: {}, rotations: {}, faults: {}, of them crashes: {}; ",
        life.days, life.rotations, life.faults, life.crashes
    ));
    if life.violations.is_empty() {
        text.push_str("nothing broke\n");
        return write_stdout(&text);
    }
    text.push_str(&format!("what must never be:\n{}\n", life.violations.join("\n")));
    write_stdout(&text).max(ExitStatus::Incomplete)
}

#[cfg(not(feature = "seal"))]
fn print_stories(_: &Context<'_>, _: u64) -> ExitStatus {
    ExitStatus::Done
}

#[cfg(not(feature = "seal"))]
fn print_faulty_life(_: &DemoArgs) -> ExitStatus {
    write_stderr("error: this keytide was built without encryption, which a rotation needs\n");
    ExitStatus::Invalid
}

fn sample_report(context: &Context<'_>) -> Result<Report, String> {
    let policy = sample_policy()?;
    let inventory = SampleAccount::parse(ACCOUNT)?.into_inventory(policy.user_names(), context.now);
    let repository = RepositoryIdentity { name: Some("acme/app".to_owned()), id: Some(REPOSITORY_ID) };
    Ok(super::audit::apply_rules(context, &policy, inventory, &repository, None))
}

fn sample_policy() -> Result<Policy, String> {
    let source = PolicySource {
        file: "keytide.yml",
        bytes: POLICY.as_bytes(),
        read_base: &|_| Err("nothing is read".to_owned()),
    };
    read_policy(&source, &rules::exemptible_rules())
        .map_err(|diagnostics| diagnostics.iter().map(|d| d.render()).collect())
}

/// The rules that found nothing: the sample holds something for each that looks at an account.
fn silent_rules(report: &Report) -> Vec<&'static str> {
    let looks = rules::ALL_RULES.iter().map(|rule| rule.rule_meta());
    let looks = looks
        .filter(|text| {
            !matches!(
                text.required_input,
                RequiredInput::Files | RequiredInput::Rotations | RequiredInput::References
            )
        })
        .map(|text| text.name);
    let looks = looks.filter(|name| *name != "invalid-policy");
    looks.filter(|name| !report.findings.iter().any(|finding| finding.rule == *name)).collect()
}
