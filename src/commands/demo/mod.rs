//! `keytide demo`: audits a sample account that is built in, then plays two rotations in the simulator. It makes no network
//! requests.

#[cfg(feature = "seal")]
pub mod chaos;
#[cfg(feature = "seal")]
pub mod life;
#[cfg(feature = "seal")]
mod operators;
mod sample_policy;
#[cfg(feature = "seal")]
pub mod story;

use jiff::Timestamp;

use self::sample_policy::{SampleError, read_sample_policy};
use super::cli::DemoArgs;
#[cfg(feature = "seal")]
use super::context::write_stdout;
use super::context::{Context, write_stderr};
use super::output;
use crate::error::ExitStatus;
use crate::iam::sample::SampleAccount;
#[cfg(feature = "seal")]
use crate::report::ReportFormat;
use crate::report::{Report, ReportOutcome};
use crate::repository::RepositoryIdentity;
use crate::rules::{self, RequiredInput};
#[cfg(feature = "seal")]
use crate::sentences::count_noun;

const POLICY: &str = include_str!("policy.yml");
const ACCOUNT: &str = include_str!("account.yml");
/// The time of the sample audit: noon, 21 November 2026, UTC.
const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);
/// The sample repository's numeric ID.
const REPOSITORY_ID: u64 = 4711;
/// The seed of the two stories.
const STORY_SEED: u64 = 1;
/// The seed of a life with rotations, failures and crashes.
#[cfg(feature = "seal")]
const FAULTS_SEED: u64 = 23;

/// Shows the audit, then two rotations and a retirement. The exit code is 0 when all end as they should.
pub fn run_demo(context: &Context<'_>, arguments: &DemoArgs) -> ExitStatus {
    let context = Context { now: context.common.now.unwrap_or(NOW), ..*context };
    if arguments.faults {
        return print_faulty_life(arguments);
    }
    print_sample_audit(&context).max(print_stories(&context, arguments.seed.unwrap_or(STORY_SEED)))
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
    // The demo is also a test of the program that was installed: each rule must find something in the sample.
    if !silent.is_empty() || !breach || delivered != ExitStatus::Findings {
        write_stderr(&format!("error: the demo is broken; rules without a finding: {}\n", silent.join(", ")));
        return ExitStatus::Incomplete;
    }
    if !context.common.quiet {
        write_stderr(
            "\nThis is the audit of a sample account that is built into keytide; no network request was made.\n",
        );
        write_stderr("A real run would exit with 1. `keytide explain RULE` explains a rule.\n");
    }
    ExitStatus::Done
}

/// Shows the two rotations and the retirement. Formats other than text hold only the audit.
#[cfg(feature = "seal")]
fn print_stories(context: &Context<'_>, seed: u64) -> ExitStatus {
    if context.output_format() != ReportFormat::Text {
        return ExitStatus::Done;
    }
    let mut exit = ExitStatus::Done;
    for outcome in [
        story::play_rotation(context.now, seed),
        story::play_rollback(context.now, seed),
        story::play_retirement(context.now, seed),
    ] {
        exit = exit.max(write_stdout(&story::wrap_quotes(&outcome.text, context.text_style())));
        if !outcome.is_success {
            write_stderr("error: a story of the demo did not end as it should\n");
            exit = ExitStatus::Incomplete;
        }
    }
    exit
}

/// Plays one user under random failures: what happened, and whether an invariant broke.
#[cfg(feature = "seal")]
fn print_faulty_life(arguments: &DemoArgs) -> ExitStatus {
    let people =
        if arguments.kind { life::OperatorBehaviour::Kind } else { life::OperatorBehaviour::Meddling };
    let life = chaos::play_life(arguments.seed.unwrap_or(FAULTS_SEED), people);
    let mut text = life.lines.join("\n");
    text.push_str(&format!(
        "\n\n{}, {}, {}, of them {}; ",
        count_noun(life.days, "day"),
        count_noun(life.rotations.into(), "rotation"),
        count_noun(life.faults as i64, "failure"),
        describe_crashes(life.crashes)
    ));
    if life.violations.is_empty() {
        text.push_str("every invariant held\n");
        return write_stdout(&text);
    }
    text.push_str(&format!("broken invariants:\n{}\n", life.violations.join("\n")));
    write_stdout(&text).max(ExitStatus::Incomplete)
}

#[cfg(feature = "seal")]
fn describe_crashes(crashes: usize) -> String {
    if crashes == 1 { "1 crash".to_owned() } else { format!("{crashes} crashes") }
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

fn sample_report(context: &Context<'_>) -> Result<Report, SampleError> {
    let policy = read_sample_policy(POLICY)?;
    let inventory = SampleAccount::parse(ACCOUNT)?.into_inventory(policy.user_names(), context.now);
    let repository = RepositoryIdentity { name: Some("acme/app".to_owned()), id: Some(REPOSITORY_ID) };
    Ok(super::audit::apply_rules(context, &policy, inventory, &repository, None))
}

/// The rules about an account that found nothing: the sample account has a finding for each.
fn silent_rules(report: &Report) -> Vec<&'static str> {
    let mut silent = Vec::new();
    for meta in rules::ALL_RULES.iter().map(|rule| rule.rule_meta()) {
        let reads_account = matches!(meta.required_input, RequiredInput::Policy | RequiredInput::Account);
        let has_finding = report.findings.iter().any(|finding| finding.rule == meta.name);
        if reads_account && !has_finding && meta.name != "invalid-policy" {
            silent.push(meta.name);
        }
    }
    silent
}
