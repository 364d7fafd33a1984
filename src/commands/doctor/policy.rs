//! Checks the policy file: the one of the working folder, and whether the default branch, which a rotation follows, has
//! the same.

use super::check::Check;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, PolicyFileError};
use crate::commands::rotation::{read_committed_policy, read_committed_text, read_local_text};
use crate::live::LiveBackend;
use crate::policy::{PLACEHOLDER, Policy};
use crate::ports::BackendResult;

const NAME: &str = "policy-file";
/// The policy that the other checks use, and the check of it.
pub struct PolicyRead {
    pub policy: Option<Policy>,
    pub check: Check,
}

pub async fn read_policy(context: &Context<'_>, backend: Option<&LiveBackend>) -> PolicyRead {
    match policy_file::load_policy(context) {
        Ok(policy) => {
            let local = read_local_text(context, &policy.file);
            let committed = match backend {
                Some(backend) => read_committed_text(backend, &policy.file).await,
                None => Ok(None),
            };
            let texts = PolicyTexts { local: Some(local), committed, is_committed_known: backend.is_some() };
            PolicyRead { check: decide_policy(&policy.file, &texts), policy: Some(policy) }
        }
        Err(PolicyFileError::NotFound) => match backend {
            Some(backend) => read_from_default_branch(context, backend).await,
            None => {
                let why = format!("{}; the default branch could not be read", PolicyFileError::NotFound);
                PolicyRead { policy: None, check: Check::unknown(NAME, why) }
            }
        },
        Err(error) => PolicyRead { policy: None, check: explain_failure(&error.into()) },
    }
}

async fn read_from_default_branch(context: &Context<'_>, backend: &LiveBackend) -> PolicyRead {
    let policy = match read_committed_policy(context, backend).await {
        Ok(policy) => policy,
        Err(failure) => return PolicyRead { policy: None, check: explain_failure(&failure) },
    };
    let committed = read_committed_text(backend, &policy.file).await;
    let texts = PolicyTexts { local: None, committed, is_committed_known: true };
    PolicyRead { check: decide_policy(&policy.file, &texts), policy: Some(policy) }
}

fn explain_failure(failure: &CommandFailure) -> Check {
    match failure {
        CommandFailure::InvalidPolicy(diagnostics) => {
            let first = diagnostics.first();
            let place = first.map_or_else(String::new, |one| {
                format!(": {}:{}:{}: {}", one.file, one.at.line, one.at.column, one.message)
            });
            let seen = format!("invalid, errors: {}{place}", diagnostics.len());
            Check::fail(NAME, seen, "correct it; `keytide check` shows every error")
        }
        CommandFailure::Failed { error, .. } if error.exit == crate::error::ExitStatus::Incomplete => {
            Check::unknown(NAME, error.message.clone())
        }
        CommandFailure::Failed { error, .. } => {
            Check::fail(NAME, error.message.clone(), error.help.clone().unwrap_or_default())
        }
    }
}

struct PolicyTexts {
    /// The file of the working folder; `None` if it has none.
    local: Option<Vec<u8>>,
    /// The file of the default branch.
    committed: BackendResult<Option<Vec<u8>>>,
    is_committed_known: bool,
}

fn decide_policy(file: &str, texts: &PolicyTexts) -> Check {
    let committed = texts.committed.as_ref().ok().and_then(Option::as_ref);
    let text = texts.local.as_ref().or(committed).map(|bytes| String::from_utf8_lossy(bytes));
    if text.is_some_and(|text| text.contains(PLACEHOLDER)) {
        let seen = format!("{file} still contains {PLACEHOLDER}");
        return Check::fail(
            NAME,
            seen,
            "write the name of the IAM user whose access key this repository uses",
        );
    }
    let Some(local) = &texts.local else {
        return Check::ok(NAME, format!("{file} of the default branch is valid"));
    };
    match &texts.committed {
        _ if !texts.is_committed_known => Check::ok(NAME, format!("{file} is valid")),
        Err(error) => {
            Check::unknown(NAME, format!("{file} is valid; the default branch's: {}", error.message))
        }
        Ok(None) => Check::warn(
            NAME,
            format!("{file} is valid, and the default branch does not have it"),
            "commit, push and merge it: until then `keytide rotate` refuses to run",
        ),
        Ok(Some(committed)) if committed != local => Check::warn(
            NAME,
            format!("{file} is valid, and differs from the default branch's"),
            "commit, push and merge it: `keytide rotate` follows the default branch",
        ),
        Ok(Some(_)) => Check::ok(NAME, format!("{file} is valid, and the default branch has the same")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Warn};

    #[test]
    fn the_policy_file_must_be_that_of_the_default_branch() {
        let decide = |local: Option<&str>, committed: Option<&str>, is_committed_known| {
            let bytes = |text: &str| text.as_bytes().to_vec();
            let texts = PolicyTexts {
                local: local.map(bytes),
                committed: Ok(committed.map(bytes)),
                is_committed_known,
            };
            decide_policy("keytide.yml", &texts).status
        };
        assert_eq!(decide(Some("a"), Some("a"), true), Good);
        assert_eq!(decide(None, Some("a"), true), Good);
        assert_eq!(decide(Some("a"), None, false), Good);
        assert_eq!(decide(Some("a"), Some("b"), true), Warn);
        assert_eq!(decide(Some("a"), None, true), Warn);
        assert_eq!(decide(Some("- name: CHANGE-ME"), None, true), Fail);
        assert_eq!(decide(None, Some("- name: CHANGE-ME"), true), Fail);
    }
}
