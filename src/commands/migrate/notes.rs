//! Notes about what a migration changes beyond the text of the workflows.

use super::facts::RemoteFacts;
use super::files::PlannedFiles;
use super::github_facts::{FoundRotation, GithubFacts};
use crate::error::CommandError;
use crate::migrate::{KeySecrets, Subject};

/// What the reader of the changes must know.
pub fn list_notes(
    planned: &PlannedFiles,
    facts: &RemoteFacts,
    secrets: &KeySecrets,
    github: &GithubFacts,
) -> Vec<String> {
    let mut notes = note_workflows(planned, facts);
    notes.extend(note_environments(planned, secrets, github));
    if let FoundRotation::Unknown(reason) = &github.rotation {
        notes.push(format!(
            "whether a rotation of the key is under way is not known ({reason}): if there is one, end it before the key is \
             retired"
        ));
    }
    notes
}

fn note_workflows(planned: &PlannedFiles, facts: &RemoteFacts) -> Vec<String> {
    let mut notes = Vec::new();
    if let (true, Err(CommandError { message: reason, .. })) =
        (planned.uses_default_token, &facts.default_token)
    {
        notes.push(format!(
            "jobs without `permissions` got those of GitHub's restricted default, because the repository's setting is \
             not known: {reason}"
        ));
    }
    if planned.is_dispatched {
        notes.push(
            "a person can start a workflow (`workflow_dispatch`) on any branch; the role trusts the default branch only"
                .to_owned(),
        );
    }
    if planned.is_widened {
        notes.push(
            "IAM's patterns are wider than some of the workflows' filters of branches or tags".to_owned(),
        );
    }
    if planned.is_called {
        notes.push(
            "a called workflow or an action takes no key any more: if another repository calls it, that one needs a role of its \
             own first"
                .to_owned(),
        );
    }
    if !planned.for_pulls.is_empty() {
        notes.push(format!(
            "{} also runs for pull requests: those of forks and of Dependabot get no OIDC token, so the step that assumes the \
             role fails there. Where such a job is to pass without AWS, give the step `if: \
             github.event.pull_request.head.repo.fork != true && github.actor != 'dependabot[bot]'`, and those that need the role",
            planned.for_pulls.join(", ")
        ));
    }
    if !planned.with_more_steps.is_empty() {
        notes.push(format!(
            "{}: single steps had the key, and now all later steps of the job have the role's credentials, also those of \
             actions of others; move what does not need them before the step that assumes the role, or into a job of its own",
            planned.with_more_steps.join(", ")
        ));
    }
    if !planned.changed.is_empty() {
        notes.push(
            "a role's credentials last one hour: a longer job needs `role-duration-seconds`, and the role a longer \
             maximum session"
                .to_owned(),
        );
    }
    notes
}

/// The environments that a role trusts in place of branches though the key was none of their secrets.
fn note_environments(planned: &PlannedFiles, secrets: &KeySecrets, github: &GithubFacts) -> Vec<String> {
    let mut notes = Vec::new();
    for subject in &planned.subjects {
        let Subject::Environment(name) = subject else { continue };
        if !secrets.is_in_environment(name) {
            let own = github.unread.get(name).map_or_else(String::new, |reason| {
                format!(
                    " Whether the environment has secrets of these names itself, which they would read instead, is not known \
                     ({reason}): look there before you merge the change."
                )
            });
            notes.push(format!(
                "jobs of the environment `{name}` read the key from the repository's secrets.{own} The role trusts \
                 `environment:{name}` and no branch, so limit the branches of that environment; a job of another \
                 environment gets no role"
            ));
        }
    }
    notes
}
