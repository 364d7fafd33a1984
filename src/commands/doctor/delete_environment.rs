//! Checks that persons approve the job that deletes keys: it has an environment with required reviewers.

use super::check::Check;
use super::github_checks::is_refusal;
use crate::github::settings::EnvironmentGuard;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, RepositoryContents};
use crate::repository::{JobEnvironment, WORKFLOW_FOLDER, read_environment};
use crate::sentences::join_words;
use crate::yaml::{NodeKind, YamlFile, YamlNode, parse_editable};

const NAME: &str = "delete-environment";
/// The environment that the documentation and the reusable workflow name.
const USUAL_NAME: &str = "delete-access-keys";
/// More workflows than this are not read: each is a request.
const MAX_WORKFLOWS: usize = 200;
/// So many of the workflows that could not be read are named.
const MAX_NAMED: usize = 3;

/// A job of a workflow that deletes keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeleteJob {
    file: String,
    job: String,
    environment: JobEnvironment,
}

/// What the workflows of the default branch say.
#[derive(Debug, Default, PartialEq, Eq)]
struct WorkflowFacts {
    jobs: Vec<DeleteJob>,
    /// The workflows that could not be read, each with the reason.
    unread: Vec<(String, String)>,
    /// How many others were not looked at.
    left_out: usize,
}

pub async fn check_delete_environment(backend: &LiveBackend) -> Vec<Check> {
    let facts = match read_workflows(backend).await {
        Ok(facts) => facts,
        Err(error) => return vec![Check::from_read_error(NAME, &error, "give the token `contents: read`")],
    };
    let mut checks = Vec::new();
    for job in &facts.jobs {
        let guard = match &job.environment {
            JobEnvironment::Named(environment) => Some(backend.read_environment_guard(environment).await),
            JobEnvironment::None | JobEnvironment::Computed => None,
        };
        checks.push(decide_job(job, guard));
    }
    checks.extend(decide_rest(&facts));
    checks
}

async fn read_workflows(contents: &impl RepositoryContents) -> BackendResult<WorkflowFacts> {
    let head = contents.read_default_head().await?;
    let mut paths = contents.list_paths(&head).await?;
    paths.retain(|path| is_workflow_file(path));
    let mut facts = WorkflowFacts { left_out: paths.len(), ..WorkflowFacts::default() };
    for path in paths.into_iter().take(MAX_WORKFLOWS) {
        facts.left_out -= 1;
        match contents.read_file(&head, &path).await {
            Ok(Some(bytes)) => facts.jobs.extend(find_delete_jobs(&path, &String::from_utf8_lossy(&bytes))),
            Ok(None) => facts.unread.push((path, "it is not there".to_owned())),
            Err(error) => {
                let is_about_file = is_refusal(&error);
                facts.unread.push((path, error.message));
                // GitHub does not answer: the others would wait as long
                if !is_about_file {
                    break;
                }
            }
        }
    }
    Ok(facts)
}

/// Whether GitHub takes the file for a workflow; it runs none of a folder below.
fn is_workflow_file(path: &str) -> bool {
    let name = path.strip_prefix(WORKFLOW_FOLDER);
    name.is_some_and(|name| !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml")))
}

/// The check for the workflows in which no job was found.
fn decide_rest(facts: &WorkflowFacts) -> Option<Check> {
    let named = facts.unread.iter().take(MAX_NAMED);
    let mut unread: Vec<String> = named.map(|(path, why)| format!("{path} ({why})")).collect();
    let others = facts.unread.len() - unread.len() + facts.left_out;
    if others > 0 {
        unread.push(format!("{others} other {}", if others == 1 { "workflow" } else { "workflows" }));
    }
    if !unread.is_empty() {
        let unread = join_words(&unread);
        let seen = format!("not known whether these delete keys, because they were not read: {unread}");
        return Some(Check::unknown(NAME, seen));
    }
    let seen = "no workflow of the default branch deletes keys (`only: delete`)";
    if facts.jobs.is_empty() { Some(Check::skip(NAME, seen, "")) } else { None }
}

/// The jobs that delete keys. A file that is not YAML has none.
fn find_delete_jobs(path: &str, text: &str) -> Vec<DeleteJob> {
    let Ok(file) = parse_editable(text) else { return Vec::new() };
    let mut found = Vec::new();
    for root in &file.roots {
        for field in file.get_field(root, "jobs").map(YamlNode::fields).unwrap_or_default() {
            let Some(job) = file.follow_alias(&field.value) else { continue };
            let Some(environment) = environment_of_delete_job(&file, job) else { continue };
            found.push(DeleteJob { file: path.to_owned(), job: field.name().to_owned(), environment });
        }
    }
    found
}

/// `None`: the job deletes no keys.
fn environment_of_delete_job(file: &YamlFile, job: &YamlNode) -> Option<JobEnvironment> {
    if let Some(called) = file.get_field(job, "uses").and_then(YamlNode::scalar_text) {
        // Of any owner, since an organization may have a copy, and with either ending
        let is_delete = called.contains("keytide/.github/workflows/delete.y");
        let given = file.text_at(job, &["with", "environment"]);
        return is_delete.then(|| JobEnvironment::of_name(given.unwrap_or(USUAL_NAME)));
    }
    let steps = file.get_field(job, "steps").map(YamlNode::items).unwrap_or_default();
    let mut steps = steps.iter().filter_map(|step| file.follow_alias(step));
    if !steps.any(|step| is_delete_step(file, step)) {
        return None;
    }
    let environment = job.get("environment");
    if environment.is_some_and(|value| matches!(value.kind, NodeKind::Alias(_))) {
        return Some(JobEnvironment::Computed);
    }
    Some(read_environment(job))
}

fn is_delete_step(file: &YamlFile, step: &YamlNode) -> bool {
    let text = |name| file.get_field(step, name).and_then(YamlNode::scalar_text).unwrap_or_default();
    if text("uses").contains("keytide") {
        return file.get_field(step, "with").is_some_and(|with| is_delete_input(file, with));
    }
    // As the shell reads it: a line that goes on, and quotes
    let script = text("run").replace("\\\n", " ").replace(['"', '\''], "");
    script.lines().any(is_delete_command)
}

/// Whether a step of the action deletes keys. GitHub takes the names of inputs in any case.
fn is_delete_input(file: &YamlFile, with: &YamlNode) -> bool {
    let given = |name: &str| {
        let mut named = with.fields().iter().filter(|field| field.name().eq_ignore_ascii_case(name));
        named.find_map(|field| file.follow_alias(&field.value)?.scalar_text()).unwrap_or_default()
    };
    match given("only") {
        "" => given("command").contains("rotate") && matches!(given("no-delete"), "" | "false"),
        // An expression may give it
        only => only == "delete" || only.contains("${{"),
    }
}

/// Whether a line of a script calls a `rotate` that deletes. What it prints, and a comment, is no call.
fn is_delete_command(line: &str) -> bool {
    line.split(['&', '|', ';']).any(|command| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let is_text =
            words.first().is_some_and(|word| ["echo", "printf"].contains(word) || word.starts_with('#'));
        let start = words.iter().position(|word| is_program(word)).filter(|_| !is_text);
        start.is_some_and(|at| deletes_keys(&words[at + 1..]))
    })
}

/// Whether a word names the program, or an image of it with its tag or digest.
fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    name.split([':', '@']).next() == Some("keytide")
}

fn deletes_keys(arguments: &[&str]) -> bool {
    if !arguments.contains(&"rotate") || arguments.contains(&"--no-delete") {
        return false;
    }
    let mut only = arguments.iter().skip_while(|word| !word.starts_with("--only"));
    match only.next().map(|word| word.strip_prefix("--only=")) {
        None => true,
        Some(Some(value)) => value == "delete" || value.contains('$'),
        Some(None) => only.next().is_none_or(|value| *value == "delete" || value.contains('$')),
    }
}

fn decide_job(job: &DeleteJob, guard: Option<BackendResult<EnvironmentGuard>>) -> Check {
    let place = format!("the job `{}` of {}", job.job, job.file);
    let (environment, guard) = match (&job.environment, guard) {
        (JobEnvironment::Named(environment), Some(guard)) => (environment, guard),
        (JobEnvironment::Computed, _) => {
            return Check::warn(
                NAME,
                format!("{place} names its environment by an expression, so it is not known which"),
                "see that each environment that it can name has required reviewers, under Settings, Environments",
            );
        }
        (JobEnvironment::None | JobEnvironment::Named(_), _) => {
            let fix = format!(
                "add `environment: {USUAL_NAME}` with required reviewers, and let only it assume the role \
                 (`keytide iam-policy --for delete --trust --environment {USUAL_NAME}`)"
            );
            return Check::fail(NAME, format!("{place} deletes keys without an environment"), fix);
        }
    };
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
    use std::collections::{BTreeMap, BTreeSet};

    use crate::commands::doctor::check::CheckStatus::{self, Fail, Ok as Good, Skip, Warn};
    use crate::ports::CommitId;

    #[test]
    fn jobs_that_delete_keys_are_found() {
        let text = "jobs:\n  a:\n    environment: gate\n    steps:\n      - uses: o/keytide@v1\n        with: { only: delete }\n  \
                    b:\n    environment: { name: other }\n    steps:\n      - run: keytide rotate --only delete\n  \
                    c:\n    steps:\n      - uses: o/keytide@v1\n        with: { only: delete }\n  \
                    d:\n    steps:\n      - uses: o/keytide@v1\n        with: { command: rotate }\n  \
                    e:\n    uses: o/keytide/.github/workflows/delete.yml@v0\n  \
                    f:\n    uses: o/keytide/.github/workflows/delete.yml@v0\n    with: { environment: \"${{ vars.X }}\" }\n  \
                    g:\n    environment: null\n    steps:\n      - run: keytide rotate --only=delete\n";
        let more = "jobs:\n  a: &job\n    environment: gate\n    steps: &steps\n      - run: |\n          keytide rotate \\\n            --only \\\n            'delete'\n  \
                    b: *job\n  c:\n    steps: *steps\n  \
                    d:\n    steps:\n      - run: ./keytide rotate --user ci\n  \
                    e:\n    steps:\n      - run: keytide rotate --no-delete && keytide plan\n  \
                    f:\n    steps:\n      - uses: o/keytide@v1\n        with: { command: rotate, Only: \"${{ matrix.x }}\" }\n  \
                    g:\n    steps:\n      - uses: o/keytide@v1\n        with: { command: \"${{ inputs.x || 'rotate' }}\", no-delete: true }\n  \
                    h:\n    steps:\n      - run: keytide rotate --only $WHAT\n  \
                    i:\n    steps:\n      - run: docker run ghcr.io/o/keytide:v1 rotate; date\n  \
                    j:\n    steps:\n      - run: |\n          echo 'see keytide rotate'\n          # keytide rotate\n          keytide plan && rotate\n";
        let found: Vec<(String, JobEnvironment)> =
            find_delete_jobs("x.yml", text).into_iter().map(|job| (job.job, job.environment)).collect();
        let named = |job: &str, name: &str| (job.to_owned(), JobEnvironment::Named(name.to_owned()));
        assert_eq!(
            found,
            [
                named("a", "gate"),
                named("b", "other"),
                ("c".to_owned(), JobEnvironment::None),
                ("d".to_owned(), JobEnvironment::None),
                named("e", USUAL_NAME),
                ("f".to_owned(), JobEnvironment::Computed),
                ("g".to_owned(), JobEnvironment::None),
            ]
        );
        let found: Vec<String> = find_delete_jobs("x.yml", more).into_iter().map(|job| job.job).collect();
        assert_eq!(found, ["a", "b", "c", "d", "f", "h", "i"]);
        assert_eq!(find_delete_jobs("x.yml", "jobs: ["), []);
    }

    #[test]
    fn a_workflow_lies_in_the_one_folder() {
        assert!(is_workflow_file(".github/workflows/a.yml") && is_workflow_file(".github/workflows/a.yaml"));
        for other in [".github/workflows/a.json", ".github/workflows/old/a.yml", "workflows/a.yml"] {
            assert!(!is_workflow_file(other), "{other}");
        }
    }

    /// A repository that lists workflows, of which only the last deletes keys.
    struct Workflows {
        count: usize,
        /// The numbers of those that are not read, each with the error.
        faults: Vec<(usize, ErrorKind)>,
    }

    impl RepositoryContents for Workflows {
        async fn read_default_head(&self) -> BackendResult<CommitId> {
            Ok("head".into())
        }

        async fn read_file(&self, _: &str, path: &str) -> BackendResult<Option<Vec<u8>>> {
            let number: usize = path.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            if let Some((_, kind)) = self.faults.iter().find(|(at, _)| *at == number) {
                return Err(BackendError::new(*kind, "no"));
            }
            let text = "jobs:\n  delete:\n    steps:\n      - run: keytide rotate --only delete\n";
            Ok(Some(if number + 1 == self.count { text.as_bytes().to_vec() } else { Vec::new() }))
        }

        async fn list_paths(&self, _: &str) -> BackendResult<Vec<String>> {
            let own = (0..self.count).map(|number| format!(".github/workflows/{number:03}.yml"));
            Ok(own.chain(["README.md".to_owned()]).collect())
        }

        async fn list_links(&self, _: &str) -> BackendResult<Vec<String>> {
            Ok(Vec::new())
        }

        async fn find_named_keys(
            &self,
            _: &str,
            _: &[&str],
        ) -> BackendResult<BTreeMap<String, BTreeSet<String>>> {
            Ok(BTreeMap::new())
        }

        async fn is_ancestor(&self, _: &str, _: &str) -> BackendResult<bool> {
            Ok(false)
        }
    }

    #[test]
    fn what_was_not_read_is_unknown() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |count, faults: &[(usize, ErrorKind)]| {
            let workflows = Workflows { count, faults: faults.to_vec() };
            let facts = runtime.block_on(read_workflows(&workflows)).unwrap();
            (facts.jobs.len(), decide_rest(&facts))
        };
        assert_eq!(read(MAX_WORKFLOWS, &[]), (1, None));
        let none = read(0, &[]).1.unwrap();
        assert!(none.status == Skip && !none.is_incomplete, "{none:?}");
        let (lost, refused) = (ErrorKind::NotApplied, ErrorKind::Rejected);
        let file = |number: usize| format!(".github/workflows/{number:03}.yml (no)");
        for (count, faults, jobs, words) in [
            (MAX_WORKFLOWS + 1, vec![], 0, "not read: 1 other workflow".to_owned()),
            (3, vec![(2, lost)], 0, file(2)),
            // Of a damaged file the others say nothing
            (3, vec![(0, refused)], 1, file(0)),
            (3, vec![(0, refused), (1, refused)], 1, format!("{} and {}", file(0), file(1))),
            (9, vec![(1, lost)], 0, format!("{} and 7 other workflows", file(1))),
            (9, (0..5).map(|at| (at, refused)).collect(), 1, format!("{} and 2 other workflows", file(2))),
        ] {
            let (found, check) = read(count, &faults);
            let check = check.unwrap();
            assert!(check.status == Skip && check.is_incomplete, "{check:?}");
            assert!(found == jobs && check.seen.ends_with(&words), "{words}: {check:?}");
        }
    }

    #[test]
    fn an_environment_without_reviewers_guards_nothing() {
        let job = |name: Option<&str>| DeleteJob {
            file: "f".into(),
            job: "j".into(),
            environment: name.map_or(JobEnvironment::None, JobEnvironment::of_name),
        };
        let guard =
            |reviewers, restricts_branches| Some(Ok(EnvironmentGuard { reviewers, restricts_branches }));
        let error = |kind| Some(Err(BackendError::new(kind, "no")));
        let cases: [(DeleteJob, Option<BackendResult<EnvironmentGuard>>, CheckStatus, bool); 8] = [
            (job(Some("e")), guard(1, true), Good, false),
            (job(Some("e")), guard(1, false), Warn, false),
            (job(Some("e")), guard(0, true), Fail, false),
            (job(None), None, Fail, false),
            (job(Some("${{ x }}")), None, Warn, false),
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
