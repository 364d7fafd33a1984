//! Declares the values of `--format`, which most commands share and `iam-policy` has of its own.

use clap::ValueEnum;

use crate::report::ReportFormat;

/// The value of `--format`: of the commands that report, or of `iam-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    Report(ReportFormat),
    SetUp(SetUpFormat),
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
