//! Checks whether the workflows of `redeploy` can be started, by an attempt that starts none.

use std::collections::BTreeSet;

use super::check::Check;
use crate::commands::rotation::rotated_users;
use crate::engine::observe::find_workflow_fault;
use crate::live::LiveBackend;
use crate::policy::Policy;
use crate::ports::{BackendResult, RepositoryContents as _, WorkflowRuns as _};

const NAME: &str = "redeploy";
const HELP: &str =
    "give the token `actions: write`: in the workflow's `permissions:`, or as a permission of the app";

pub async fn check_redeploy(backend: &LiveBackend, policy: &Policy) -> Check {
    let mut workflows = BTreeSet::new();
    for (_, entry, rotation) in rotated_users(policy) {
        let redeploy = rotation.redeploy.as_ref().filter(|_| entry.retire.is_none());
        workflows.extend(redeploy.map(|redeploy| redeploy.workflow.0.as_str()));
    }
    let mut found = Vec::new();
    for workflow in workflows {
        found.push(WorkflowFacts {
            workflow,
            fault: find_fault(backend, workflow).await,
            attempt: backend.ensure_may_dispatch(workflow).await,
        });
    }
    decide_redeploy(&found)
}

async fn find_fault(backend: &LiveBackend, workflow: &str) -> BackendResult<Option<String>> {
    let head = backend.read_default_head().await?;
    find_workflow_fault(backend, workflow, &head).await
}

/// What is known of a workflow.
struct WorkflowFacts<'a> {
    workflow: &'a str,
    /// Why it could not be started, as far as reading shows.
    fault: BackendResult<Option<String>>,
    /// The refusal of an attempt that can start nothing.
    attempt: BackendResult<()>,
}

fn decide_redeploy(found: &[WorkflowFacts<'_>]) -> Check {
    if found.is_empty() {
        return Check::skip(NAME, "no user that may be rotated has `redeploy`", "");
    }
    for facts in found {
        match &facts.fault {
            Err(error) => return Check::from_read_error(NAME, error, "give the token `actions: read`"),
            Ok(Some(fault)) => {
                let fix = "correct the workflow on the default branch, or `redeploy` in the policy file";
                return Check::fail(NAME, fault.clone(), fix);
            }
            Ok(None) => {}
        }
        if let Err(error) = &facts.attempt {
            return Check::fail(NAME, error.message.clone(), HELP);
        }
    }
    let names: Vec<String> = found.iter().map(|facts| format!("`{}`", facts.workflow)).collect();
    let names = names.join(", ");
    Check::ok(NAME, format!("GitHub did not refuse an attempt that starts nothing: {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Skip};
    use crate::ports::{BackendError, ErrorKind};

    #[test]
    fn a_workflow_that_cannot_be_started_fails() {
        let refused = || BackendError::new(ErrorKind::NotApplied, "Resource not accessible by integration");
        let facts = |fault, attempt| WorkflowFacts { workflow: "deploy.yml", fault, attempt };
        let fault = || Ok(Some("the default branch does not have this file".to_owned()));
        for (found, status, words) in [
            (vec![], Skip, "no user"),
            (vec![facts(Ok(None), Ok(()))], Good, "`deploy.yml`"),
            (vec![facts(Ok(None), Ok(())), facts(fault(), Ok(()))], Fail, "does not have this file"),
            (vec![facts(Ok(None), Err(refused()))], Fail, "not accessible"),
        ] {
            let check = decide_redeploy(&found);
            assert!(check.status == status && check.seen.contains(words), "{check:?}");
        }
    }
}
