//! The strings of a policy file that have a format: durations, dates, user names, globs, paths and ARNs.
//!
//! Each type is parsed in one place, [`Scalar::parse`]. The JSON Schema's `format` names the type, so that the shape
//! check (which sees only the schema) and serde (which sees only the type) use the same parser.

mod format;
mod time;
#[cfg(test)]
mod tests;

use format::scalar;
pub use format::{Scalar, ScalarError};
pub use time::{CalendarDate, LongDuration, PolicyDuration};

/// Parses a string as the type that a `format` names. Returns `None` when the format is not one of these types.
pub fn check_format(format: &str, text: &str) -> Option<Result<(), ScalarError>> {
    fn check_as<T: Scalar>(format: &str, text: &str) -> Option<Result<(), ScalarError>> {
        if format == T::FORMAT { Some(T::parse(text).map(drop)) } else { None }
    }
    check_as::<PolicyDuration>(format, text)
        .or_else(|| check_as::<LongDuration>(format, text))
        .or_else(|| check_as::<CalendarDate>(format, text))
        .or_else(|| check_as::<UserName>(format, text))
        .or_else(|| check_as::<UserGlob>(format, text))
        .or_else(|| check_as::<FileGlob>(format, text))
        .or_else(|| check_as::<RepositoryGlob>(format, text))
        .or_else(|| check_as::<UserPath>(format, text))
        .or_else(|| check_as::<AccountId>(format, text))
        .or_else(|| check_as::<RoleArn>(format, text))
        .or_else(|| check_as::<FilePath>(format, text))
        .or_else(|| check_as::<VariableName>(format, text))
}

/// The name of an IAM user: 1 to 128 of IAM's characters (botocore `iam/2010-05-08`, `existingUserNameType`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(pub String);
scalar!(UserName, "UserName");

impl Scalar for UserName {
    const FORMAT: &'static str = "keytide-user-name";
    const PATTERN: &'static str = r"^[\w+=,.@-]{1,128}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        // The check of the characters would refuse a glob too, but could not say what to write.
        if text.contains(['*', '?']) {
            return Err(ScalarError::invalid(
                "user name",
                "for a pattern, use `match: \"...\"` in place of `name`",
            ));
        }
        check_iam_characters(text)?;
        Ok(Self(text.to_owned()))
    }
}

fn check_iam_characters(text: &str) -> Result<(), ScalarError> {
    if text.is_empty() || text.chars().count() > 128 {
        return Err(ScalarError::invalid("user name", "a user name has 1 to 128 characters"));
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"_+=,.@-".contains(*c)) {
        Some(c) => {
            let help = format!("`{c}` is not allowed: IAM allows letters, digits and `_+=,.@-`");
            Err(ScalarError::invalid("user name", help))
        }
        None => Ok(()),
    }
}

/// A glob over user names: `svc-*`, `{ci,cd}-?`, `team[0-9]`.
#[derive(Debug, Clone)]
pub struct UserGlob {
    pub text: String,
    matcher: globset::GlobMatcher,
}
scalar!(UserGlob, "UserGlob");

impl UserGlob {
    pub fn as_glob(&self) -> &globset::Glob {
        self.matcher.glob()
    }

    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

impl Scalar for UserGlob {
    const FORMAT: &'static str = "keytide-user-glob";
    const PATTERN: &'static str = "^.{1,256}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.is_empty() || text.chars().count() > 256 {
            return Err(ScalarError::invalid("glob", "a glob has 1 to 256 characters"));
        }
        let glob = globset::Glob::new(text)
            .map_err(|error| ScalarError::invalid("glob", error.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }
}

/// A glob over the files of the repository: `*` does not cross a slash, `**` does.
#[derive(Debug, Clone)]
pub struct FileGlob {
    pub text: String,
    matcher: globset::GlobMatcher,
}
scalar!(FileGlob, "FileGlob");

impl FileGlob {
    pub fn is_match(&self, file: &str) -> bool {
        self.matcher.is_match(file)
    }
}

impl Scalar for FileGlob {
    const FORMAT: &'static str = "keytide-file-glob";
    const PATTERN: &'static str = "^[^/].{0,255}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let help = "a glob has 1 to 256 characters and begins at the root of the repository: `docs/**`";
        Ok(Self { text: text.to_owned(), matcher: compile_path_glob(text, false, help)? })
    }
}

/// A glob over GitHub's repositories, `OWNER/NAME`. Their names are unique regardless of case.
#[derive(Debug, Clone)]
pub struct RepositoryGlob {
    matcher: globset::GlobMatcher,
}
scalar!(RepositoryGlob, "RepositoryGlob");

impl RepositoryGlob {
    pub fn is_match(&self, repository: &str) -> bool {
        self.matcher.is_match(repository)
    }
}

impl Scalar for RepositoryGlob {
    const FORMAT: &'static str = "keytide-repository-glob";
    const PATTERN: &'static str = "^[^/].{0,255}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let help = "a glob has 1 to 256 characters and begins with the owner: `acme/sandbox-*`";
        Ok(Self { matcher: compile_path_glob(text, true, help)? })
    }
}

/// Compiles a glob whose `*` does not cross a slash. `help` says what a glob of the wrong form should be.
fn compile_path_glob(
    text: &str,
    ignores_case: bool,
    help: &str,
) -> Result<globset::GlobMatcher, ScalarError> {
    if text.is_empty() || text.chars().count() > 256 || text.starts_with('/') || text.starts_with("./") {
        return Err(ScalarError::invalid("glob", help));
    }
    let glob = globset::GlobBuilder::new(text).literal_separator(true).case_insensitive(ignores_case).build();
    let glob = glob.map_err(|error| ScalarError::invalid("glob", error.kind().to_string()))?;
    Ok(glob.compile_matcher())
}

/// An IAM path, `/services/`: starts and ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPath(pub String);
scalar!(UserPath, "UserPath");

impl Scalar for UserPath {
    const FORMAT: &'static str = "keytide-user-path";
    const PATTERN: &'static str = "^/([!-~]{1,510}/)?$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let shaped = text.starts_with('/') && text.ends_with('/') && text.len() <= 512;
        if !shaped || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let help = "an IAM path starts and ends with a slash: `/services/`";
            return Err(ScalarError::invalid("IAM path", help));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The twelve digits of an AWS account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountId(pub String);
scalar!(AccountId, "AccountId");

impl Scalar for AccountId {
    const FORMAT: &'static str = "keytide-account-id";
    const PATTERN: &'static str = "^[0-9]{12}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            let help = "write the twelve digits in quotes: `\"123456789012\"`";
            Err(ScalarError::invalid("account ID", help))
        }
    }
}

/// The ARN of an IAM role, in any partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn(pub String);
scalar!(RoleArn, "RoleArn");

impl RoleArn {
    /// The role's partition: `aws`, `aws-cn`, `aws-us-gov`, ...
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or("aws")
    }

    /// The account that the role belongs to.
    pub fn account_id(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl Scalar for RoleArn {
    const FORMAT: &'static str = "keytide-role-arn";
    const PATTERN: &'static str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let malformed = ScalarError::invalid("role ARN", "write `arn:aws:iam::123456789012:role/keytide`");
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts[..] else {
            return Err(malformed);
        };
        let known = scheme == "arn" && partition.starts_with("aws") && service == "iam" && region.is_empty();
        let named = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        if !known
            || !named
            || AccountId::parse(account).is_err()
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(malformed);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a rule. The shape check compares it with the rules that its caller passes: this module knows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName(pub String);
scalar!(RuleName, "RuleName");

impl Scalar for RuleName {
    const FORMAT: &'static str = "keytide-rule";
    const PATTERN: &'static str = "^[a-z-]+$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        Ok(Self(text.to_owned()))
    }
}

/// A file of this repository, relative to its root. The path cannot leave the repository.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FilePath(pub String);
scalar!(FilePath, "FilePath");

/// The longest path of a file. Git's own limit is 4,096 bytes, with the folder of the checkout.
const MAX_PATH_BYTES: usize = 1024;
/// What no part of a path may be: the same folder, and Git's own, also by its short name on Windows.
const RESERVED_NAMES: [&str; 3] = [".", ".git", "git~1"];

impl Scalar for FilePath {
    const FORMAT: &'static str = "keytide-file-path";
    const PATTERN: &'static str = "^[^/\\\\].*$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.is_empty() {
            return invalid_path("write the path of a file");
        }
        if text.starts_with('/') || text.contains('\\') {
            return invalid_path(
                "write the path relative to the root of the repository, with forward slashes",
            );
        }
        if text.len() > MAX_PATH_BYTES || text.contains(char::is_control) {
            return invalid_path(
                "write a shorter path without control characters: GitHub would refuse the commit",
            );
        }
        if text.split('/').any(|part| part == "..") {
            return invalid_path("the path must stay inside the repository: remove `..`");
        }
        // Git writes paths without these parts; two spellings of one file would pass for two destinations.
        let is_reserved = |part: &str| RESERVED_NAMES.iter().any(|name| part.eq_ignore_ascii_case(name));
        if text.split('/').any(|part| part.is_empty() || is_reserved(part)) {
            return invalid_path("write the path as Git prints it, without empty parts, `.` and `.git`");
        }
        Ok(Self(text.to_owned()))
    }
}

fn invalid_path(help: &str) -> Result<FilePath, ScalarError> {
    Err(ScalarError::invalid("path", help))
}

/// The name of an environment variable whose value is a secret of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(pub String);
scalar!(VariableName, "VariableName");

/// What the variables of AWS, GitHub, SOPS and the system begin with: none of them holds a webhook's URL.
const FOREIGN_VARIABLES: [&str; 8] =
    ["ACTIONS_", "AWS_", "GH_", "GITHUB_", "INPUT_", "RUNNER_", "SOPS_", "VAULT_"];

impl Scalar for VariableName {
    const FORMAT: &'static str = "keytide-variable-name";
    const PATTERN: &'static str = "^[A-Z][A-Z0-9_]{0,99}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let is_name = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let noun = "name of an environment variable";
        if !is_name {
            return Err(ScalarError::invalid(noun, "use capital letters, digits and underscores"));
        }
        // The value would be sent requests, so it must not be a credential by mistake.
        if FOREIGN_VARIABLES.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(ScalarError::invalid(noun, "use a variable of its own, such as KEYTIDE_WEBHOOK_URL"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a string has the form of a GitHub repository, `OWNER/NAME`.
pub fn is_repository(text: &str) -> bool {
    text.split_once('/').is_some_and(|(owner, name)| is_repository_part(owner) && is_repository_part(name))
}

fn is_repository_part(name: &str) -> bool {
    // GitHub's limit; and these two are folders of a path
    (1..=100).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The keyword, which only keytide knows, for fields of which one is required. The first is named when all are missing.
pub const ONE_OF: &str = "keytide-one-of";

/// Whether a string has the form of an AWS region.
pub fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
