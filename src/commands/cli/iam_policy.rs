//! Declares the command line of `keytide iam-policy`.

use clap::builder::TypedValueParser as _;
use clap::{Args, ValueEnum};

use super::output_format::{OutputFormat, SetUpFormat};
use super::values::{parse_partition, parse_role_prefix, parse_url};

#[derive(Debug, Args)]
pub struct IamPolicyArgs {
    /// Command that needs the permissions
    #[arg(long = "for", value_name = "COMMAND")]
    pub purpose: PurposeChoice,
    /// What to print: the policy alone, or the set-up: OIDC provider, roles, trust and permissions [default: json]
    // The same name as the option of all commands, with values of its own.
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = clap::builder::EnumValueParser::<SetUpFormat>::new().map(OutputFormat::SetUp)
    )]
    pub format: Option<OutputFormat>,
    /// Print the trust policy of a role for GitHub OIDC instead; JSON only, the set-up contains it
    #[arg(long)]
    pub trust: bool,
    /// Branch whose workflows may assume the role [default: main; in a set-up the default branch, if GitHub says it]
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Environment whose jobs may assume the role; for rotate and delete, on the branch only [default in a set-up:
    /// delete-access-keys for the role that deletes; an empty name for none]
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// How the tokens name the repository [default: as GitHub says with a token, else both]
    #[arg(long, value_name = "FORM")]
    pub subject: Option<SubjectForm>,
    /// Issuer of the tokens [default: that of GITHUB_SERVER_URL, else of github.com]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub issuer: Option<String>,
    /// AWS partition [default: the partition of `role_arn`, else aws]
    #[arg(long, value_name = "PARTITION", value_parser = parse_partition)]
    pub partition: Option<String>,
    /// In a set-up: what the names of the roles begin with, as in keytide-audit [default: keytide]
    #[arg(long, value_name = "PREFIX", value_parser = parse_role_prefix)]
    pub role_prefix: Option<String>,
}

impl IamPolicyArgs {
    /// What to print. A format of reports, given before the command's name, means JSON.
    pub fn set_up_format(&self) -> SetUpFormat {
        match self.format {
            Some(OutputFormat::SetUp(format)) => format,
            Some(OutputFormat::Report(_) | OutputFormat::Fleet(_)) | None => SetUpFormat::Json,
        }
    }
}

/// Which roles a call of `iam-policy` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PurposeChoice {
    /// Reads only
    Audit,
    /// Reads, creates and deactivates keys; deletes none
    Rotate,
    /// Reads, and deletes keys
    Delete,
    /// The three, each a role of its own
    All,
    /// The roles of `keytide fleet`, as a template for a StackSet; needs --format cloudformation
    Fleet,
}

impl PurposeChoice {
    pub fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Audit => &[Purpose::Audit],
            Self::Rotate => &[Purpose::Rotate],
            Self::Delete => &[Purpose::Delete],
            Self::All => &Purpose::ALL,
            Self::Fleet => &[],
        }
    }
}

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Audit,
    Rotate,
    Delete,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::Audit, Self::Rotate, Self::Delete];

    /// The word on the command line and at the end of a role's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
        }
    }
}

/// How the subject of an OIDC token names the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SubjectForm {
    /// With the numeric IDs, which are never given to another repository
    Immutable,
    /// By the names alone
    Classic,
    /// Either
    Both,
}
