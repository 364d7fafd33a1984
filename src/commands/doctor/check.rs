//! Defines the result of a check, and lists the names of all checks. The names are stable.

use crate::ports::{BackendError, ErrorKind};

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    /// It may break a rotation, or it is not known whether it will.
    Warn,
    /// It breaks a rotation.
    Fail,
    /// Nothing was looked at; the text says why.
    Skip,
}

impl CheckStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub status: CheckStatus,
    pub seen: String,
    /// What to do; empty where there is nothing to do.
    pub fix: String,
    /// It could not look at what a rotation needs, so the report is incomplete.
    pub is_incomplete: bool,
}

impl Check {
    fn new(name: &str, status: CheckStatus, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, seen: seen.into(), fix: fix.into(), is_incomplete: false }
    }

    pub fn ok(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Ok, seen, "")
    }

    pub fn warn(name: &str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Warn, seen, fix)
    }

    pub fn fail(name: &str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Fail, seen, fix)
    }

    /// There is nothing to look at, or the caller may not see something that a rotation does not need to see.
    pub fn skip(name: &str, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Skip, why, fix)
    }

    /// It could not look, although a rotation depends on it.
    pub fn unknown(name: &str, why: impl Into<String>) -> Self {
        Self { is_incomplete: true, ..Self::new(name, CheckStatus::Skip, why, "") }
    }

    /// A read that a rotation sends as well did not succeed: a refusal is a failure, no answer is unknown.
    pub fn from_read_error(name: &str, error: &BackendError, fix: &str) -> Self {
        match error.kind {
            ErrorKind::Rejected | ErrorKind::NotFound => Self::fail(name, error.message.clone(), fix),
            _ => Self::unknown(name, error.message.clone()),
        }
    }
}

/// What a check needs before it can look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Github,
    Account,
    Policy,
}

impl Need {
    /// Why a check without it could not look.
    pub fn describe_missing(self) -> &'static str {
        match self {
            Self::Github => "the repository on GitHub could not be read (see `github-token`)",
            Self::Account => {
                "the AWS account could not be read (see `policy-file`, `aws-credentials` and `aws-account`)"
            }
            Self::Policy => "no policy file could be read (see `policy-file`)",
        }
    }
}

/// A check that every report lists.
pub struct CheckEntry {
    pub name: &'static str,
    pub needs: &'static [Need],
}

/// The check for destinations. Each destination has a result of its own, `destination-KIND`; this name is in the report if
/// there is none.
pub const DESTINATIONS: &str = "destinations";

/// The checks that are made with `--write` only.
pub const WRITE_CHECKS: [&str; 3] = ["custom-reference", "compare-and-swap", "commit-without-workflows"];

/// All checks, in the order of the report.
pub const ALL_CHECKS: [CheckEntry; 20] = [
    CheckEntry { name: "policy-file", needs: &[] },
    CheckEntry { name: "clock", needs: &[] },
    CheckEntry { name: "github-token", needs: &[] },
    CheckEntry { name: "journal-reference", needs: &[Need::Github] },
    CheckEntry { name: "pull-requests", needs: &[Need::Github] },
    CheckEntry { name: "branch-rules", needs: &[Need::Github] },
    CheckEntry { name: "delete-environment", needs: &[Need::Github] },
    CheckEntry { name: "redeploy", needs: &[Need::Github, Need::Policy] },
    CheckEntry { name: "issues", needs: &[Need::Github, Need::Policy] },
    CheckEntry { name: "aws-credentials", needs: &[] },
    CheckEntry { name: "aws-account", needs: &[Need::Account] },
    CheckEntry { name: "oidc-subject", needs: &[Need::Github, Need::Account] },
    CheckEntry { name: "iam-permissions", needs: &[Need::Policy, Need::Account] },
    CheckEntry { name: "owner-tag", needs: &[Need::Policy, Need::Github, Need::Account] },
    CheckEntry { name: "credential-report", needs: &[Need::Account] },
    CheckEntry { name: DESTINATIONS, needs: &[Need::Policy, Need::Github] },
    CheckEntry { name: "terraform", needs: &[Need::Policy, Need::Github] },
    CheckEntry { name: WRITE_CHECKS[0], needs: &[Need::Github] },
    CheckEntry { name: WRITE_CHECKS[1], needs: &[Need::Github] },
    CheckEntry { name: WRITE_CHECKS[2], needs: &[Need::Github] },
];

impl CheckEntry {
    fn is_for(&self, check: &Check) -> bool {
        check.name == self.name || self.name == DESTINATIONS && check.name.starts_with("destination-")
    }
}

/// The name of the check of a destination of this kind.
pub fn destination_check(kind: &str) -> String {
    format!("destination-{}", kind.replace('_', "-"))
}

/// Orders the results as [`ALL_CHECKS`], and adds a result for each check that has none.
pub fn complete_checks(mut found: Vec<Check>, missing: &[Need]) -> Vec<Check> {
    let mut all = Vec::new();
    for entry in &ALL_CHECKS {
        let own: Vec<Check> = found.extract_if(.., |check| entry.is_for(check)).collect();
        if own.is_empty() {
            let unmet = entry.needs.iter().find(|need| missing.contains(need));
            all.push(Check::unknown(
                entry.name,
                unmet.map_or("not looked at", |need| need.describe_missing()),
            ));
        }
        all.extend(own);
    }
    all.extend(found);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_check_is_missing_from_a_report() {
        let all = complete_checks(vec![Check::ok("clock", "right")], &[Need::Account]);
        assert_eq!(
            all.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(),
            ALL_CHECKS.map(|entry| entry.name)
        );
        assert!(all.iter().all(|check| check.is_incomplete || check.name == "clock"));
        let tag = all.iter().find(|check| check.name == "owner-tag").unwrap();
        assert_eq!(tag.seen, Need::Account.describe_missing());
        let of_kind =
            complete_checks(vec![Check::ok("destination-a", "x"), Check::ok("destination-b", "y")], &[]);
        assert!(of_kind.iter().all(|check| check.name != DESTINATIONS));
        assert_eq!(of_kind.len(), ALL_CHECKS.len() + 1);
    }

    #[test]
    fn names_are_kebab_case_and_differ() {
        let mut names: Vec<&str> = ALL_CHECKS.iter().map(|entry| entry.name).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL_CHECKS.len());
        assert_eq!(destination_check("some_kind"), "destination-some-kind");
    }
}
