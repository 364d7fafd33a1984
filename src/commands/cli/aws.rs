//! Declares the options of every command that connects to AWS.

use clap::Args;

use super::values::parse_region;
use crate::policy::RoleArn;
use crate::policy::scalar::Scalar as _;

/// The options for the connection to AWS.
#[derive(Debug, Args)]
pub struct AwsArgs {
    /// IAM role to assume with the OIDC token of the GitHub workflow
    #[arg(long, value_name = "ARN", value_parser = RoleArn::parse)]
    pub role_to_assume: Option<RoleArn>,
    /// AWS region [default: from the environment, else the main region of the partition]
    #[arg(long, value_name = "REGION", value_parser = parse_region)]
    pub aws_region: Option<String>,
    /// Time limit for one AWS call including its retries, in seconds
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

impl AwsArgs {
    /// The value of `--timeout`.
    pub fn call_timeout(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.timeout)
    }
}
