//! Declares the command line as types, with the texts of `--help`.

mod aws;
mod fleet;
mod hints;
mod iam_policy;
mod migrate;
mod output_format;
mod styles;
pub mod values;

use std::path::PathBuf;

use clap::builder::{EnumValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

pub use aws::AwsArgs;
pub use fleet::{FleetArgs, FleetCommand, FleetOutputArgs, FleetReportArgs};
#[cfg(feature = "online")]
pub use fleet::{FleetAuditArgs, FleetCollectArgs};
pub use hints::{add_hint, render_usage_error};
pub use iam_policy::{IamPolicyArgs, Purpose, PurposeChoice, SubjectForm};
pub use migrate::MigrateArgs;
pub use output_format::{OutputFormat, SetUpFormat};

use crate::policy::UserName;
use crate::policy::scalar::Scalar;
use crate::report::{FailOn, KeyIds, ReportFormat};
use values::{ReportFile, parse_report_file, parse_repository, parse_time, parse_url};

/// Audit and rotate the AWS IAM access keys that a repository uses
///
/// keytide reads a policy file of the repository (.github/keytide.yml). `audit` and `check` report what does not
/// conform to it. `rotate` replaces old access keys, one safe step per run, in the files and secrets that the policy
/// file names.
#[derive(Debug, Parser)]
#[command(
    name = "keytide",
    version,
    max_term_width = 100,
    styles = styles::STYLES,
    after_help = styles::exit_codes_help()
)]
pub struct Cli {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the access keys in AWS against the policy file
    ///
    /// Reads the IAM users that the policy file names and their access keys, and reports each one that does not conform
    /// to it. Changes nothing in AWS; if the policy file has `notify`, keeps the issue and sends to the webhook.
    Audit(AuditArgs),
    /// Check the repository's files for plaintext keys and unencrypted destinations
    ///
    /// Searches the files for access keys, and checks that the files that the policy file names as destinations are
    /// encrypted. Makes no network requests.
    Check(CheckArgs),
    /// Show the next step of each user's rotation
    ///
    /// Shows the phase, the next step, the reason, and the earliest time of the step. Makes no changes.
    Plan(PlanArgs),
    /// Perform the next step of each user's rotation
    ///
    /// A rotation takes several runs: create a key, deliver it, wait until the old key is no longer used, deactivate it,
    /// delete it. Run this command on a schedule. It follows the policy file on the default branch.
    Rotate(RotateArgs),
    /// Undo a user's rotation, until the old key is deleted
    ///
    /// Re-activates the old key, restores it in its destinations, and then deactivates and deletes the new key. Like
    /// `rotate`, this takes several runs.
    Rollback(RollbackArgs),
    /// Continue a rotation that stopped for manual review
    ///
    /// A rotation stops in the phase `held`, `quarantined` or `blocked` when continuing could break something. Find the
    /// cause first; `keytide plan` shows it.
    Resume(ResumeArgs),
    /// Audit and rotate a built-in sample account through five simulated weeks
    ///
    /// Runs in memory and makes no network requests.
    Demo(DemoArgs),
    /// Generate a starter policy file
    ///
    /// Generates it from this repository and, with credentials, the AWS account. Does not overwrite an existing policy
    /// file.
    Init(InitArgs),
    /// Change workflows that use a user's key so that they assume a role
    ///
    /// Shows, or with --write makes, the changes of the workflows that read the user's key from GitHub secrets: they get
    /// short-lived credentials by OIDC, and the key can be retired. Reads the user's permissions from AWS for the role, which
    /// --format cli, cloudformation or terraform prints. Makes no changes in AWS or GitHub.
    Migrate(MigrateArgs),
    /// Check whether everything that a rotation needs is there
    ///
    /// Asks GitHub and AWS about tokens, permissions, settings and destinations, and makes no changes. The output contains
    /// no secrets, and masks access key IDs and account IDs.
    Doctor(DoctorArgs),
    /// Audit the repositories and accounts of an organization as one
    ///
    /// Collects the policy files of all repositories, audits each account once for all of them, and merges the results.
    /// The jobs of a workflow do the work; nothing is kept but their files.
    Fleet(FleetArgs),
    /// Explain a rule, a phase of a rotation, or what to do on call; without a name, list all names
    Explain {
        /// The name of a rule, of a phase or of a topic for the person on call; or `policy` for a policy file with all fields
        #[arg(value_name = "NAME")]
        topic: Option<String>,
    },
    /// Print the JSON Schema of the policy file
    Schema,
    /// Print the IAM policies and roles that keytide needs
    ///
    /// The policies cover exactly the users of the policy file. --format cli, cloudformation and terraform print the
    /// OIDC provider and the roles as well, ready to run or apply; with a GitHub token keytide asks for the repository's
    /// numeric ID. With --trust, prints the trust policy of a role that GitHub workflows assume.
    IamPolicy(IamPolicyArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// The name as it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Audit(_) => "audit",
            Self::Check(_) => "check",
            Self::Plan(_) => "plan",
            Self::Rotate(_) => "rotate",
            Self::Rollback(_) => "rollback",
            Self::Resume(_) => "resume",
            Self::Demo(_) => "demo",
            Self::Init(_) => "init",
            Self::Migrate(_) => "migrate",
            Self::Doctor(_) => "doctor",
            Self::Fleet(_) => "fleet",
            Self::Explain { .. } => "explain",
            Self::Schema => "schema",
            Self::IamPolicy(_) => "iam-policy",
            Self::Completions { .. } => "completions",
        }
    }
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Policy file [default: .github/keytide.yml, else keytide.yml]
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<String>,
    /// Output format [default: github in a GitHub workflow, else text]
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_parser = EnumValueParser::<ReportFormat>::new().map(OutputFormat::Report)
    )]
    pub format: Option<OutputFormat>,
    /// Also write a report to a file; may be repeated
    #[arg(long = "report", global = true, value_name = "FORMAT=FILE", value_parser = parse_report_file)]
    pub reports: Vec<ReportFile>,
    /// Lowest severity that makes keytide exit with 1
    #[arg(long, global = true, default_value = "error", value_name = "SEVERITY")]
    pub fail_on: FailOn,
    /// How to show access key IDs and account IDs [default: masked in a GitHub workflow, else full]
    #[arg(long, global = true, value_name = "STYLE")]
    pub key_ids: Option<KeyIds>,
    /// Evaluate as of this time; commands that write accept it only with loopback endpoints
    #[arg(long, global = true, value_name = "RFC3339", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Endpoint of all AWS services
    #[arg(long, global = true, value_name = "URL", value_parser = parse_url)]
    pub endpoint_url: Option<String>,
    /// GitHub API [default: GITHUB_API_URL, else `https://api.github.com`]
    #[arg(long, global = true, value_name = "URL", value_parser = parse_url)]
    pub github_api_url: Option<String>,
    /// This repository [default: GITHUB_REPOSITORY, else the remote `origin`]
    #[arg(long, global = true, value_name = "OWNER/NAME", value_parser = parse_repository)]
    pub repository: Option<String>,
    /// Print more on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Print no notes on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to colour text output; auto means on a terminal, unless NO_COLOR is set or TERM is dumb; CLICOLOR_FORCE means always
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Where to read the keys from
    #[arg(long, default_value = "auto", value_name = "SOURCE")]
    pub source: SourceChoice,
    /// Read an IAM credential report from a file and make no network requests
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub credential_report: Option<PathBuf>,
    /// Do not use the issue and the webhook of `notify`
    #[arg(long)]
    pub no_notify: bool,
    #[command(flatten)]
    pub aws: AwsArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceChoice {
    /// With many users the credential report, and IAM for what it does not contain
    Auto,
    /// Query IAM directly; data is current
    Iam,
    /// Credential report only: three requests, no access key IDs, up to four hours old
    Report,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Only this user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse, allow_hyphen_values = true)]
    pub user: Option<UserName>,
    /// Also list the journal entries of each user's last rotation: time, event, reason
    #[arg(long)]
    pub history: bool,
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Only this user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse, allow_hyphen_values = true)]
    pub user: Option<UserName>,
    /// The key has leaked: rotate now, skip the grace and quiet periods
    #[arg(long, requires = "user")]
    pub compromised: bool,
    /// Perform only this kind of step
    #[arg(long, value_name = "STEP", conflicts_with = "no_delete")]
    pub only: Option<OnlyStep>,
    /// Do not delete keys; another role does that
    #[arg(long)]
    pub no_delete: bool,
    /// Maximum number of keys that this run may deactivate
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    pub max_deactivations: u32,
    /// Maximum number of keys that this run may delete
    #[arg(long, value_name = "NUMBER", default_value = "3")]
    pub max_deletions: u32,
    /// Do not use the issue and the webhook of `notify`
    #[arg(long)]
    pub no_notify: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnlyStep {
    Delete,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// IAM user of the rotation
    #[arg(long, value_name = "NAME", value_parser = UserName::parse, allow_hyphen_values = true)]
    pub user: UserName,
    /// Why the rotation is undone; recorded in the journal and shown in reports and in the pull request
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
    /// Go back although the old key is marked as compromised: everyone who has a copy can use it again
    #[arg(long)]
    pub reactivate_compromised_key: bool,
    /// Do not delete keys; another role does that
    #[arg(long)]
    pub no_delete: bool,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// IAM user of the rotation
    #[arg(long, value_name = "NAME", value_parser = UserName::parse, allow_hyphen_values = true)]
    pub user: UserName,
    /// Why it is safe to continue; recorded in the journal
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check what the next commit changes, as staged in the Git index
    #[arg(long, conflicts_with = "history")]
    pub staged: bool,
    /// Also check every version of every file in all commits; messages and authors are not read
    #[arg(long)]
    pub history: bool,
    /// Files and directories [default: all files that Git tracks]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Do not contact AWS
    #[arg(long)]
    pub offline: bool,
    /// Also write a workflow that audits the keys every day
    #[arg(long)]
    pub workflow: bool,
    /// Also add keytide to .pre-commit-config.yaml
    #[arg(long)]
    pub hook: bool,
    /// Also write the workflows that rotate and delete keys
    #[arg(long)]
    pub rotation: bool,
    /// Print the files instead of writing them
    #[arg(long)]
    pub stdout: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Also create, move and delete Git references below refs/keytide/doctor/, to try what rotations rely on
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Random seed [default: 1]
    // With --faults another one: its life has a story to show.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulate one user under random failures and concurrent manual changes (for work on keytide itself)
    // Hidden: for the tests and for people who work on keytide.
    #[arg(long, hide = true)]
    pub faults: bool,
    /// With --faults: simulate no manual changes except merging and closing pull requests
    #[arg(long, requires = "faults", hide = true)]
    pub kind: bool,
}
