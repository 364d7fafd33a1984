//! Declares the values of `--format`, which most commands share and `iam-policy` has of its own.

use clap::ValueEnum;

use super::values::FleetFormat;
use crate::report::ReportFormat;

/// The value of `--format`: of the commands that report, of `iam-policy`, or of `fleet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    Report(ReportFormat),
    SetUp(SetUpFormat),
    Fleet(FleetFormat),
}

/// What `iam-policy` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetUpFormat {
    /// One policy document
    Json,
    /// A bash script that runs the AWS CLI; it can be run again
    Cli,
    /// A CloudFormation template
    Cloudformation,
    /// Terraform resources
    Terraform,
}
