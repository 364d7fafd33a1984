//! Declares the command line of `keytide migrate`.

use clap::Args;
use clap::builder::TypedValueParser as _;

use super::aws::AwsArgs;
use super::iam_policy::SubjectForm;
use super::output_format::{OutputFormat, SetUpFormat};
use super::values::{parse_role_name, parse_url};
use crate::policy::UserName;
use crate::policy::scalar::Scalar as _;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    pub aws: AwsArgs,
    /// IAM user whose key the workflows use
    #[arg(long, value_name = "NAME", value_parser = UserName::parse, allow_hyphen_values = true)]
    pub user: UserName,
    /// Write the files; without it they are only shown
    #[arg(long)]
    pub write: bool,
    /// Open a pull request with the changes; the token needs the right to change workflows
    #[arg(long, conflicts_with_all = ["write", "format"])]
    pub pull_request: bool,
    /// Print the role instead of the changes: its trust and the permissions that the user has
    // The same name as the option of all commands, with the values of `iam-policy`.
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = clap::builder::EnumValueParser::<SetUpFormat>::new().map(OutputFormat::SetUp)
    )]
    pub format: Option<OutputFormat>,
    /// Name of the role [default: github- and the name of the user]
    #[arg(long, value_name = "NAME", value_parser = parse_role_name)]
    pub role_name: Option<String>,
    /// How the tokens name the repository [default: as GitHub says with a token, else both]
    #[arg(long, value_name = "FORM")]
    pub subject: Option<SubjectForm>,
    /// Issuer of the tokens [default: that of GITHUB_SERVER_URL, else of github.com]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub issuer: Option<String>,
}

impl MigrateArgs {
    /// The format of the role, if that is what is to be printed.
    pub fn set_up_format(&self) -> Option<SetUpFormat> {
        match self.format {
            Some(OutputFormat::SetUp(format)) => Some(format),
            Some(OutputFormat::Report(_) | OutputFormat::Fleet(_)) | None => None,
        }
    }
}
