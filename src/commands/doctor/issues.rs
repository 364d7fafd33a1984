//! Checks whether the token may keep the issue of `notify`, by an attempt that opens none.

use super::check::Check;
use crate::live::LiveBackend;
use crate::policy::Policy;
use crate::ports::BackendResult;

pub async fn check_issues(backend: &LiveBackend, policy: &Policy) -> Check {
    if policy.notify.issue.is_none() {
        return decide_issues(None);
    }
    decide_issues(Some(backend.ensure_may_write_issues().await))
}

/// `attempt`: `None` if the policy file has no issue.
fn decide_issues(attempt: Option<BackendResult<()>>) -> Check {
    const NAME: &str = "issues";
    match attempt {
        None => Check::skip(NAME, "the policy file has no `notify: { issue: {} }`", ""),
        Some(Ok(())) => Check::ok(NAME, "GitHub did not refuse an attempt that opens no issue"),
        // A rotation does not need it.
        Some(Err(error)) => Check::warn(
            NAME,
            error.message,
            "give the token `issues: write`, and enable issues under Settings, General, Features",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Ok as Good, Skip, Warn};
    use crate::ports::{BackendError, ErrorKind};

    #[test]
    fn a_refusal_is_a_warning() {
        let refused = || BackendError::new(ErrorKind::Rejected, "no");
        for (attempt, status) in [(None, Skip), (Some(Ok(())), Good), (Some(Err(refused())), Warn)] {
            let check = decide_issues(attempt);
            assert!(check.status == status && !check.is_incomplete, "{check:?}");
        }
    }
}
