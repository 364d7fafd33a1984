//! Declares the command line of `keytide fleet`.

use std::path::PathBuf;

use clap::builder::{EnumValueParser, TypedValueParser as _};
use clap::{Args, Subcommand};

use super::aws::AwsArgs;
use super::output_format::OutputFormat;
use super::values::{FleetFormat, ReportFile, parse_fleet_report_file};
use crate::fleet::part::Part;
use crate::policy::AccountId;
use crate::policy::scalar::Scalar;

#[derive(Debug, Args)]
pub struct FleetArgs {
    #[command(subcommand)]
    pub command: FleetCommand,
}

#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Collect the policy files of all repositories, and print the jobs that audit the accounts
    ///
    /// Reads the repositories of fleet.yml in pages of a hundred. Prints a matrix for a GitHub workflow.
    Collect(FleetCollectArgs),
    /// Audit one account once for all policy files that name it
    ///
    /// Reads the account's credential report and each user once, applies every policy file, and compares them with each
    /// other. Changes nothing in AWS.
    Audit(FleetAuditArgs),
    /// Merge the results of all jobs into one report
    ///
    /// A result that is missing or cut off makes the report incomplete (exit code 3).
    Report(FleetReportArgs),
}

#[derive(Debug, Args)]
pub struct FleetAuditArgs {
    /// The AWS account; several with commas between them
    #[arg(long = "account", value_name = "ID", required = true, value_delimiter = ',', value_parser = AccountId::parse)]
    pub accounts: Vec<AccountId>,
    /// Folder with the policy files of the repositories: DIR/OWNER/NAME/.github/keytide.yml
    #[arg(long, value_name = "DIR")]
    pub policies: PathBuf,
    /// The fleet's file [default: DIR/fleet.yml, else fleet.yml]
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// Write the result to this file, or into this folder, for `keytide fleet report`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Audit only this part of the users
    #[arg(long, value_name = "NUMBER/PARTS", default_value = "1/1")]
    pub part: Part,
    /// How long to read; users that are not read by then make the result incomplete
    #[arg(long, value_name = "MINUTES", default_value = "50", value_parser = clap::value_parser!(u64).range(1..=350))]
    pub minutes: u64,
    #[command(flatten)]
    pub output: FleetOutputArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
}

#[derive(Debug, Args)]
pub struct FleetCollectArgs {
    /// Folder for the policy files and collection.json; it must be empty or absent
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The fleet's file [default: fleet.yml]
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// Divide an account of which the policy files list more users than this
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub users_per_job: u32,
    /// Put several accounts into one job when there are more jobs than this
    #[arg(long, value_name = "NUMBER", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_jobs: u32,
}

#[derive(Debug, Args)]
pub struct FleetReportArgs {
    /// Results of `keytide fleet audit`, the collection.json of `keytide fleet collect`, and folders that contain them
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Keep an issue in each repository that has problems; the token needs `issues: write` there
    ///
    /// Only repositories that fleet.yml and collection.json both name get one.
    #[arg(long)]
    pub notify: bool,
    /// The fleet's file, for `--notify` [default: fleet.yml]
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    #[command(flatten)]
    pub output: FleetOutputArgs,
}

/// The formats of a fleet's report: options of all commands, with values of their own.
#[derive(Debug, Args)]
pub struct FleetOutputArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", value_parser = EnumValueParser::<FleetFormat>::new().map(OutputFormat::Fleet))]
    pub format: Option<OutputFormat>,
    /// Also write a report to a file; may be repeated
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = parse_fleet_report_file)]
    pub reports: Vec<ReportFile>,
}

impl FleetOutputArgs {
    /// The format of standard output. A format of other commands, given before the command's name, means text.
    pub fn output_format(&self) -> FleetFormat {
        match self.format {
            Some(OutputFormat::Fleet(format)) => format,
            _ => FleetFormat::Text,
        }
    }
}
