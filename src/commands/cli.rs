//! The command line, as types. Nothing is done here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::policy::scalar::{Scalar, is_region, is_repository};
use crate::policy::{RoleArn, UserName};
use crate::report::{FailOn, KeyIds, ReportFormat};

/// Keeps the AWS IAM access keys of a repository young.
#[derive(Debug, Parser)]
#[command(name = "keytide", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the users' access keys, apply the rules, report
    Audit(AuditArgs),
    /// Look through the repository's files for key material and destinations that are not encrypted; reaches nothing
    Check(CheckArgs),
    /// Show the next step of each user's rotation, the reason, and the earliest time
    Plan(PlanArgs),
    /// Take the next step of each user's rotation
    Rotate(RotateArgs),
    /// Bring a user's old key back and take the new one out of use, at any time before the old one is deleted
    Rollback(RollbackArgs),
    /// Let a held, quarantined or blocked rotation go on, once a person has looked at it
    Resume(ResumeArgs),
    /// Audit and rotate a sample account that is built in, through two simulated months; reaches nothing
    Demo(DemoArgs),
    /// Write a first policy file from what the repository's files and, with credentials, the account tell
    Init(InitArgs),
    /// Say what a rule means, why, and how to fix it; without a rule, list them
    Explain {
        /// A rule's name, or `policy` for a policy file with every field
        topic: Option<String>,
    },
    /// Print the JSON Schema of the policy file
    Schema,
    /// Print the IAM permissions that a command needs, for exactly the users of the policy file
    IamPolicy(IamPolicyArgs),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// The policy file [default: .github/keytide.yml, else keytide.yml]
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<String>,
    /// What is printed [default: github in a GitHub workflow, else text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Write a report to a file as well; may be repeated
    #[arg(long = "report", global = true, value_name = "FORMAT=FILE", value_parser = parse_report_file)]
    pub reports: Vec<ReportFile>,
    /// The lowest severity that makes keytide exit with 1
    #[arg(long, global = true, default_value = "error", value_name = "SEVERITY")]
    pub fail_on: FailOn,
    /// How access key IDs are shown [default: masked in a GitHub workflow, else full]
    #[arg(long, global = true)]
    pub key_ids: Option<KeyIds>,
    /// Evaluate as of this time; commands that write take it at loopback endpoints only
    #[arg(long, global = true, value_name = "RFC3339")]
    pub now: Option<Timestamp>,
    /// The endpoint of every AWS service
    #[arg(long, global = true, value_name = "URL", value_parser = parse_url)]
    pub endpoint_url: Option<String>,
    /// GitHub's API [default: GITHUB_API_URL, else `https://api.github.com`]
    #[arg(long, global = true, value_name = "URL", value_parser = parse_url)]
    pub github_api_url: Option<String>,
    /// This repository, OWNER/NAME [default: GITHUB_REPOSITORY, else the remote `origin`]
    #[arg(long, global = true, value_name = "OWNER/NAME", value_parser = parse_repository)]
    pub repository: Option<String>,
    /// Say more on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say only what is an error on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Colours [default: on a terminal, unless NO_COLOR is set]
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
    /// Where the keys are read from
    #[arg(long, default_value = "auto")]
    pub source: SourceChoice,
    /// Read a credential report from a file and reach nothing
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub credential_report: Option<PathBuf>,
    #[command(flatten)]
    pub reach: AwsArgs,
}

/// How AWS is reached.
#[derive(Debug, Args)]
pub struct AwsArgs {
    /// In a GitHub workflow: a role to assume with the workflow's own OIDC token
    #[arg(long, value_name = "ARN", value_parser = RoleArn::parse)]
    pub role_to_assume: Option<RoleArn>,
    /// The AWS region [default: the environment's, else the home of the partition]
    #[arg(long, value_name = "REGION", value_parser = parse_region)]
    pub aws_region: Option<String>,
    /// The longest that one AWS call may take, its retries included, in seconds
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceChoice {
    /// The credential report first where there are many users, IAM for what it does not tell
    Auto,
    /// IAM alone: every fact is of now
    Iam,
    /// The credential report alone: three requests, no access key IDs, up to four hours old
    Report,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub reach: AwsArgs,
    /// Only this user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
    pub user: Option<UserName>,
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    pub reach: AwsArgs,
    /// Only this user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
    pub user: Option<UserName>,
    /// The user's key is known to others: begin now, and do not wait for grace, quiet and use
    #[arg(long, requires = "user")]
    pub compromised: bool,
    /// Take no other kind of step
    #[arg(long, value_name = "STEP", conflicts_with = "no_delete")]
    pub only: Option<OnlyStep>,
    /// Delete no key: that is left to another role
    #[arg(long)]
    pub no_delete: bool,
    /// How many keys this run may deactivate
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    pub max_deactivations: u32,
    /// How many keys this run may delete
    #[arg(long, value_name = "NUMBER", default_value = "3")]
    pub max_deletions: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnlyStep {
    Delete,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub reach: AwsArgs,
    /// The user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
    pub user: UserName,
    /// Delete no key: that is left to another role
    #[arg(long)]
    pub no_delete: bool,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    pub reach: AwsArgs,
    /// The user
    #[arg(long, value_name = "NAME", value_parser = UserName::parse)]
    pub user: UserName,
    /// What the person who looked has found; it is kept in the journal
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Look at what the next commit changes, as it stands in git's index
    #[arg(long, conflicts_with = "history")]
    pub staged: bool,
    /// Look at every version of every file in every commit as well
    #[arg(long)]
    pub history: bool,
    /// Files and folders [default: all files that git tracks]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub reach: AwsArgs,
    /// Ask no account
    #[arg(long)]
    pub offline: bool,
    /// Print the file instead of writing it
    #[arg(long)]
    pub stdout: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What is left to chance
    #[arg(long, default_value = "1", value_name = "N")]
    pub seed: u64,
    /// Instead of the two stories: one life of a key under random faults and meddling people
    #[arg(long)]
    pub faults: bool,
    /// With --faults: people merge and close pull requests, and do nothing else
    #[arg(long, requires = "faults")]
    pub kind: bool,
}

#[derive(Debug, Args)]
pub struct IamPolicyArgs {
    /// The command that needs the permissions
    #[arg(long = "for", value_name = "COMMAND")]
    pub purpose: Purpose,
    /// Print the trust policy of a role for GitHub's OIDC instead
    #[arg(long)]
    pub trust: bool,
    /// With --trust: the branch whose workflows may assume the role
    #[arg(long, default_value = "main", requires = "trust")]
    pub branch: String,
    /// With --trust: the environment whose jobs may assume the role, instead of a branch's
    #[arg(long, requires = "trust", conflicts_with = "branch", value_name = "NAME")]
    pub environment: Option<String>,
    /// The partition [default: that of `role_arn`, else aws]
    #[arg(long, value_parser = parse_partition)]
    pub partition: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Reads
    Audit,
    /// Reads, makes and deactivates keys; deletes none
    Rotate,
    /// Reads, and deletes keys
    Delete,
}

/// One `--report FORMAT=FILE`.
#[derive(Debug, Clone)]
pub struct ReportFile {
    pub format: ReportFormat,
    pub path: PathBuf,
}

fn parse_report_file(text: &str) -> Result<ReportFile, String> {
    let (format, path) = text.split_once('=').ok_or("write FORMAT=FILE, as in sarif=keytide.sarif")?;
    let format = ReportFormat::from_str(format, true).map_err(|_| {
        let names: Vec<String> = ReportFormat::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|v| v.get_name().into())
            .collect();
        format!("`{format}` is no format; there are {}", names.join(", "))
    })?;
    if path.is_empty() {
        return Err("the file name is missing".to_owned());
    }
    Ok(ReportFile { format, path: path.into() })
}

/// `http` or `https`, and a host.
pub fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.unwrap_or_default().split('/').next().unwrap_or_default();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !host.contains(['@', '?', '#']);
    if host.is_empty() || !plain {
        return Err("write a URL such as https://api.github.com, without a user name".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_repository(text: &str) -> Result<String, String> {
    parse_matching(text, is_repository, "write OWNER/NAME")
}

fn parse_region(text: &str) -> Result<String, String> {
    parse_matching(text, is_region, "write a region such as eu-west-1")
}

fn parse_partition(text: &str) -> Result<String, String> {
    let known = |text: &str| text == "aws" || text.strip_prefix("aws-").is_some_and(is_region);
    parse_matching(text, known, "write a partition such as aws, aws-cn or aws-us-gov")
}

fn parse_matching(text: &str, is_right: impl Fn(&str) -> bool, help: &str) -> Result<String, String> {
    if is_right(text) { Ok(text.to_owned()) } else { Err(help.to_owned()) }
}

impl AwsArgs {
    pub fn call_timeout(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.timeout)
    }
}
