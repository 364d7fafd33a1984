//! Checks that persons approve the job that deletes keys: it has an environment with required reviewers.

use super::check::Check;
use super::github_checks::is_refusal;
use crate::github::settings::EnvironmentGuard;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, RepositoryContents as _};
use crate::yaml::{YamlNode, parse_documents};

const NAME: &str = "delete-environment";
/// The environment that the documentation and the reusable workflow name.
const USUAL_NAME: &str = "delete-access-keys";
/// No repository has more workflows that concern keytide.
const MAX_WORKFLOWS: usize = 50;

/// A job of a workflow that deletes keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeleteJob {
    file: String,
    job: String,
    environment: Option<String>,
}

pub async fn check_delete_environment(backend: &LiveBackend) -> Vec<Check> {
    let jobs = match read_delete_jobs(backend).await {
        Ok(jobs) => jobs,
        Err(error) => return vec![Check::from_read_error(NAME, &error, "give the token `contents: read`")],
    };
    let mut checks = Vec::new();
    for job in jobs {
        let guard = match &job.environment {
            Some(environment) => Some(backend.read_environment_guard(environment).await),
            None => None,
        };
        checks.push(decide_job(&job, guard));
    }
    if checks.is_empty() {
        let seen = "no workflow of the default branch deletes keys (`only: delete`)";
        checks.push(Check::skip(NAME, seen, ""));
    }
    checks
}

async fn read_delete_jobs(backend: &LiveBackend) -> BackendResult<Vec<DeleteJob>> {
    let head = backend.read_default_head().await?;
    let mut jobs = Vec::new();
    let paths = backend.list_paths(&head).await?;
    for path in paths.iter().filter(|path| is_workflow_file(path)).take(MAX_WORKFLOWS) {
        // One that cannot be read is left out: this check advises, and permits nothing
        if let Ok(Some(bytes)) = backend.read_file(&head, path).await {
            jobs.extend(find_delete_jobs(path, &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(jobs)
}

fn is_workflow_file(path: &str) -> bool {
    path.starts_with(".github/workflows/") && (path.ends_with(".yml") || path.ends_with(".yaml"))
}

/// The jobs that delete keys. A file that is not YAML has none.
fn find_delete_jobs(file: &str, text: &str) -> Vec<DeleteJob> {
    let mut found = Vec::new();
    for root in parse_documents(text).unwrap_or_default() {
        for field in root.get("jobs").map(YamlNode::fields).unwrap_or_default() {
            let Some(environment) = environment_of_delete_job(&field.value) else { continue };
            found.push(DeleteJob { file: file.to_owned(), job: field.name().to_owned(), environment });
        }
    }
    found
}

/// `None`: the job deletes no keys. `Some(None)`: it does, without an environment.
fn environment_of_delete_job(job: &YamlNode) -> Option<Option<String>> {
    if let Some(called) = job.get("uses").and_then(YamlNode::scalar_text) {
        // Of any owner, since an organization may have a copy, and with either ending
        let is_delete = called.contains("keytide/.github/workflows/delete.y");
        let given = job.get("with").and_then(|with| with.get("environment")).and_then(YamlNode::scalar_text);
        return if is_delete { Some(Some(given.unwrap_or(USUAL_NAME).to_owned())) } else { None };
    }
    let steps = job.get("steps").map(YamlNode::items).unwrap_or_default();
    if !steps.iter().any(is_delete_step) {
        return None;
    }
    let environment = job.get("environment");
    let name = environment.and_then(|node| node.scalar_text().or_else(|| node.get("name")?.scalar_text()));
    Some(name.filter(|name| !name.is_empty()).map(str::to_owned))
}

fn is_delete_step(step: &YamlNode) -> bool {
    let only = step.get("with").and_then(|with| with.get("only")).and_then(YamlNode::scalar_text);
    let run = field_text(step, "run");
    field_text(step, "uses").contains("keytide") && only == Some("delete")
        || run.contains("keytide") && (run.contains("--only delete") || run.contains("--only=delete"))
}

fn field_text<'n>(step: &'n YamlNode, name: &str) -> &'n str {
    step.get(name).and_then(YamlNode::scalar_text).unwrap_or_default()
}

fn decide_job(job: &DeleteJob, guard: Option<BackendResult<EnvironmentGuard>>) -> Check {
    let place = format!("the job `{}` of {}", job.job, job.file);
    let (Some(environment), Some(guard)) = (&job.environment, guard) else {
        let fix = format!(
            "add `environment: {USUAL_NAME}` with required reviewers, and let only it assume the role \
             (`keytide iam-policy --for delete --trust --environment {USUAL_NAME}`)"
        );
        return Check::fail(NAME, format!("{place} deletes keys without an environment"), fix);
    };
    if environment.contains("${{") {
        return Check::warn(
            NAME,
            format!("{place} names its environment by an expression, so it is not known which"),
            "",
        );
    }
    let settings = format!("Settings, Environments, {environment}");
    match guard {
        Err(BackendError { kind: ErrorKind::NotFound, .. }) => Check::fail(
            NAME,
            format!(
                "{place} uses the environment `{environment}`, which does not exist or is not visible to the token"
            ),
            format!("create it under {settings}, with required reviewers"),
        ),
        Err(error) if is_refusal(&error) => {
            Check::skip(NAME, error.message, "give the token `actions: read` to check the environment")
        }
        Err(error) => Check::unknown(NAME, error.message),
        Ok(guard) if guard.reviewers == 0 => Check::fail(
            NAME,
            format!(
                "the environment `{environment}` has no required reviewers, so keys are deleted without an approval"
            ),
            format!("add them under {settings} (private repositories need GitHub Enterprise for that)"),
        ),
        Ok(guard) if !guard.restricts_branches => Check::warn(
            NAME,
            format!(
                "any branch may use the environment `{environment}`; required reviewers: {}",
                guard.reviewers
            ),
            format!("allow only the default branch under {settings}, Deployment branches and tags"),
        ),
        Ok(guard) => Check::ok(
            NAME,
            format!("`{environment}` has required reviewers: {}; branches are restricted", guard.reviewers),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{self, Fail, Ok as Good, Skip, Warn};

    #[test]
    fn jobs_that_delete_keys_are_found() {
        let text = "jobs:\n  a:\n    environment: gate\n    steps:\n      - uses: o/keytide@v1\n        with: { only: delete }\n  \
                    b:\n    environment: { name: other }\n    steps:\n      - run: keytide rotate --only delete\n  \
                    c:\n    steps:\n      - uses: o/keytide@v1\n        with: { only: delete }\n  \
                    d:\n    steps:\n      - uses: o/keytide@v1\n        with: { command: rotate }\n  \
                    e:\n    uses: o/keytide/.github/workflows/delete.yml@v0\n";
        let found: Vec<(String, Option<String>)> =
            find_delete_jobs("x.yml", text).into_iter().map(|job| (job.job, job.environment)).collect();
        let named = |job: &str, name: &str| (job.to_owned(), Some(name.to_owned()));
        assert_eq!(
            found,
            [named("a", "gate"), named("b", "other"), ("c".to_owned(), None), named("e", USUAL_NAME)]
        );
        assert_eq!(find_delete_jobs("x.yml", "jobs: ["), []);
    }

    #[test]
    fn an_environment_without_reviewers_guards_nothing() {
        let job = |name: Option<&str>| DeleteJob {
            file: "f".into(),
            job: "j".into(),
            environment: name.map(str::to_owned),
        };
        let guard =
            |reviewers, restricts_branches| Some(Ok(EnvironmentGuard { reviewers, restricts_branches }));
        let error = |kind| Some(Err(BackendError::new(kind, "no")));
        let cases: [(DeleteJob, Option<BackendResult<EnvironmentGuard>>, CheckStatus, bool); 8] = [
            (job(Some("e")), guard(1, true), Good, false),
            (job(Some("e")), guard(1, false), Warn, false),
            (job(Some("e")), guard(0, true), Fail, false),
            (job(None), None, Fail, false),
            (job(Some("${{ x }}")), guard(1, true), Warn, false),
            (job(Some("e")), error(ErrorKind::NotFound), Fail, false),
            (job(Some("e")), error(ErrorKind::Rejected), Skip, false),
            (job(Some("e")), error(ErrorKind::NotApplied), Skip, true),
        ];
        for (job, guard, status, is_incomplete) in cases {
            let check = decide_job(&job, guard);
            assert_eq!((check.status, check.is_incomplete), (status, is_incomplete), "{check:?}");
        }
    }
}
