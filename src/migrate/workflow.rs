//! Plans the change of one workflow file: each job by itself, the text by small edits, and a comparison of the result with
//! the original.

use std::collections::BTreeSet;

use super::callees::{find_named_fields, own_path};
use super::edit::{edit_steps, fill_placeholders, find_role, remove_all_or_some};
use super::job::{JobChange, JobContext, LeftPlace, key_scalars, plan_job};
use super::key_secrets::KeySecrets;
use super::key_uses::{
    EnvironmentKey, ReadKind, collect_reads, find_environment_key, has_alias, is_anchored, jobs_of,
    list_named_reads,
};
use super::permissions::edit_permissions;
use super::request::MigrationRequest;
use super::secret_reads::KeyContext;
use super::subjects::{Subject, Triggers, job_subjects, read_triggers};
use super::text_edit::{EditError, TextEditor};
use super::verify::{ExpectedChange, is_only_migration};
use crate::repository::{JobEnvironment, read_environment};
use crate::yaml::{NodeKind, YamlFile, YamlNode, parse_editable};

/// The change of one file.
#[derive(Debug, Default)]
pub struct WorkflowPlan {
    /// The new text, if something changes.
    pub text: Option<String>,
    /// What a person has to change.
    pub left: Vec<LeftPlace>,
    /// The subjects of the jobs that assume the role.
    pub subjects: BTreeSet<Subject>,
    /// Whether a job had no `permissions`, so that the repository's setting was written out.
    pub uses_default_token: bool,
    pub is_dispatched: bool,
    pub is_widened: bool,
    /// Whether a job that changes also runs for pull requests.
    pub runs_for_pulls: bool,
    /// Whether steps that had no key get the role's credentials.
    pub reaches_more_steps: bool,
    /// Whether the file changes and gets no key from its callers any more.
    pub is_called: bool,
    /// The first bytes of the jobs that come to the role.
    pub jobs: BTreeSet<usize>,
}

impl WorkflowPlan {
    pub fn left_alone(place: LeftPlace) -> Self {
        Self { left: vec![place], ..Self::default() }
    }

    fn add_subjects(&mut self, environment: &JobEnvironment, triggers: &Triggers) {
        self.subjects.extend(job_subjects(environment, triggers));
        if !matches!(environment, JobEnvironment::Named(_)) {
            self.is_dispatched |= triggers.is_dispatched;
            self.is_widened |= triggers.is_widened;
        }
    }
}

/// A workflow that was read.
struct Workflow<'n> {
    root: &'n YamlNode,
    triggers: Triggers,
    outer_key: Option<EnvironmentKey>,
    /// The names, in upper case, under which its callers hand it the key.
    names: Option<&'n BTreeSet<String>>,
}

impl Workflow<'_> {
    /// Whether a job's permissions are written here. In a called workflow without any, they are those of the caller.
    fn writes_permissions(&self, job: &YamlNode) -> bool {
        self.names.is_none() || job.get("permissions").or_else(|| self.root.get("permissions")).is_some()
    }
}

/// Plans the change of a workflow that is called by no other one that comes to the role.
pub fn plan_workflow(text: &str, request: &MigrationRequest<'_>) -> WorkflowPlan {
    plan_workflow_of(text, request, None)
}

/// Plans the change of a workflow. `path`: where it is, if others call it.
pub fn plan_workflow_of(text: &str, request: &MigrationRequest<'_>, path: Option<&str>) -> WorkflowPlan {
    let file = match parse_editable(text) {
        Ok(file) => file,
        Err(error) => {
            if !mentions_secret(text, request.secrets) {
                return WorkflowPlan::default();
            }
            return WorkflowPlan::left_alone(LeftPlace::new(
                error.at,
                format!("it is not valid YAML: {error}"),
            ));
        }
    };
    let obstacle = match &file.roots[..] {
        [root] => find_obstacle(root),
        roots => roots.get(1).map(|second| LeftPlace::new(second.at, "a second YAML document begins here")),
    };
    if let Some(place) = obstacle {
        let is_about_key = mentions_secret(text, request.secrets);
        return if is_about_key { WorkflowPlan::left_alone(place) } else { WorkflowPlan::default() };
    }
    let [root] = &file.roots[..] else { return WorkflowPlan::default() };
    let mut plan = WorkflowPlan::default();
    let names = path.and_then(|path| request.callees.workflows.get(path));
    let secrets = names.map(|names| request.secrets.of_callee(KeyContext::Secrets, names.iter().cloned()));
    let request = &MigrationRequest { secrets: secrets.as_ref().unwrap_or(request.secrets), ..*request };
    let triggers = called_triggers(root, request, path).unwrap_or_else(|| read_triggers(root));
    add_jobs_with_role(root, request, &triggers, &mut plan);
    if let Some(place) = find_shared_read(&file, root, request.secrets) {
        plan.left.push(place);
        return plan;
    }
    let outer_key = find_environment_key(root, request.secrets, &JobEnvironment::None);
    let workflow = Workflow { root, triggers, outer_key, names };
    plan_jobs(text, &workflow, request, &mut plan);
    plan
}

/// What keeps keytide from knowing what a workflow means, as it keeps GitHub from running it.
fn find_obstacle(root: &YamlNode) -> Option<LeftPlace> {
    if let Some(key) = find_duplicate_key(root) {
        let name = key.scalar_text().unwrap_or_default();
        return Some(LeftPlace::new(key.at, format!("`{name}` is here a second time")));
    }
    let jobs = root.get("jobs").filter(|jobs| !matches!(jobs.kind, NodeKind::Map(_)))?;
    Some(LeftPlace::new(jobs.at, "`jobs` is not a mapping of jobs by their names"))
}

/// What starts a workflow that is only ever called: its callers. While they stay as they are, it does as well.
fn called_triggers(root: &YamlNode, request: &MigrationRequest<'_>, path: Option<&str>) -> Option<Triggers> {
    let mut triggers = request.callees.triggers.get(path?)?.clone();
    let own = read_triggers(root);
    if !is_only_called(root) || !request.callees.workflows.contains_key(path?) {
        triggers.obstacle = own.obstacle;
    }
    triggers.subjects.extend(own.subjects);
    Some(triggers)
}

/// Whether nothing but other workflows starts this one.
fn is_only_called(root: &YamlNode) -> bool {
    let Some(on) = root.get("on") else { return false };
    let names = on
        .fields()
        .iter()
        .map(|field| field.name())
        .chain(on.items().iter().filter_map(YamlNode::scalar_text));
    names.chain(on.scalar_text()).eq(["workflow_call"])
}

fn mentions_secret(text: &str, secrets: &KeySecrets) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| secrets.has_name(&word.to_ascii_uppercase()))
}

/// The second of two fields with the same name: GitHub refuses such a workflow, and it is not known which one is meant.
pub fn find_duplicate_key(node: &YamlNode) -> Option<&YamlNode> {
    let mut names = BTreeSet::new();
    for field in node.fields() {
        if !names.insert(field.name()) {
            return Some(&field.key);
        }
    }
    let values = node.fields().iter().map(|field| &field.value);
    values.chain(node.items()).find_map(find_duplicate_key)
}

/// A read below an anchor that an alias may repeat elsewhere.
fn find_shared_read(file: &YamlFile, root: &YamlNode, secrets: &KeySecrets) -> Option<LeftPlace> {
    if !file.roots.iter().any(has_alias) {
        return None;
    }
    let mut reads = Vec::new();
    collect_reads(root, secrets, &JobEnvironment::None, &mut reads);
    for field in jobs_of(root) {
        collect_reads(&field.value, secrets, &read_environment(&field.value), &mut reads);
    }
    let shared = reads.iter().find(|read| read.kind == ReadKind::Key && is_anchored(root, read.start))?;
    Some(LeftPlace::new(shared.at, "the key is below an anchor, and an alias repeats it elsewhere"))
}

/// Jobs that assume the role already: the role has to trust them as well.
fn add_jobs_with_role(
    root: &YamlNode,
    request: &MigrationRequest<'_>,
    triggers: &Triggers,
    plan: &mut WorkflowPlan,
) {
    for field in jobs_of(root) {
        let steps = field.value.get("steps").map(YamlNode::items).unwrap_or_default();
        let has_role =
            |step: &YamlNode| find_role(step, request).is_some() || request.callees.calls_role(step);
        if steps.iter().any(has_role) {
            plan.add_subjects(&read_environment(&field.value), triggers);
        }
    }
}

fn plan_jobs(text: &str, workflow: &Workflow<'_>, request: &MigrationRequest<'_>, plan: &mut WorkflowPlan) {
    let lookup = TextEditor::new(text);
    let mut changes = Vec::new();
    let mut outer_left = explain_outer_reads(workflow, request);
    for field in jobs_of(workflow.root) {
        let job = &field.value;
        let environment = read_environment(job);
        outer_left.extend(explain_other_owner(job, &environment, workflow, request));
        if let Some(place) = explain_inherit(job) {
            plan.left.push(place);
        }
        if !uses_key(job, &environment, workflow, request) {
            continue;
        }
        let context = JobContext {
            editor: &lookup,
            secrets: request.secrets,
            callees: request.callees,
            root: workflow.root,
            job,
            environment: environment.clone(),
            outer_key: workflow.outer_key.as_ref(),
            region: request.region,
        };
        match plan_job(&context) {
            Ok(change) => changes.push((job, environment, change)),
            Err(left) => {
                // The variables of the workflow stay for this job, so they stay for all.
                if workflow.outer_key.is_some() {
                    outer_left.extend(left);
                } else {
                    plan.left.extend(left);
                }
            }
        }
    }
    if !outer_left.is_empty() && (workflow.outer_key.is_some() || changes.is_empty()) {
        plan.left.extend(outer_left);
        changes.clear();
    }
    if !changes.is_empty()
        && let Some((at, reason)) = &workflow.triggers.obstacle
    {
        plan.left.push(LeftPlace::new(*at, reason.clone()));
        changes.clear();
    }
    apply_changes(text, workflow, request, &changes, plan);
}

/// A job that passes all its secrets to a workflow of another repository. Of this one, that workflow is read itself.
fn explain_inherit(job: &YamlNode) -> Option<LeftPlace> {
    let secrets = job.get("secrets").filter(|secrets| secrets.scalar_text() == Some("inherit"))?;
    let workflow = job.get("uses").and_then(YamlNode::scalar_text).filter(|uses| own_path(uses).is_none())?;
    let reason = format!("all secrets are passed to `{workflow}`, which keytide cannot read");
    Some(LeftPlace::new(secrets.at, reason))
}

/// A job's way from its key to its role.
type PlannedJob<'n> = (&'n YamlNode, JobEnvironment, JobChange<'n>);

/// Whether the job reads the key, or its steps see it in the `env:` of the workflow.
fn uses_key(
    job: &YamlNode,
    environment: &JobEnvironment,
    workflow: &Workflow<'_>,
    request: &MigrationRequest<'_>,
) -> bool {
    if request.callees.find_called(job).is_some() {
        return true;
    }
    let mut reads = Vec::new();
    collect_reads(job, request.secrets, environment, &mut reads);
    !reads.is_empty() || (workflow.outer_key.is_some() && job.get("steps").is_some())
}

/// Reads outside of jobs, other than the two variables of the workflow. Each job has an environment of its own, so that
/// any secret of this name may be the key.
fn explain_outer_reads(workflow: &Workflow<'_>, request: &MigrationRequest<'_>) -> Vec<LeftPlace> {
    let handled = workflow.outer_key.as_ref().map(|key| key_scalars(workflow.root, key)).unwrap_or_default();
    let mut left = Vec::new();
    for field in workflow.root.fields().iter().filter(|field| field.name() != "jobs") {
        for (at, start) in list_named_reads(&field.value, request.secrets) {
            if !handled.contains(&start) {
                let reason = "the workflow has the key under another name, alone or beside other values";
                left.push(LeftPlace::new(at, reason));
            }
        }
    }
    left
}

/// A job in whose environment the variables of the workflow hold another key.
fn explain_other_owner(
    job: &YamlNode,
    environment: &JobEnvironment,
    workflow: &Workflow<'_>,
    request: &MigrationRequest<'_>,
) -> Option<LeftPlace> {
    workflow.outer_key.as_ref()?;
    job.get("steps")?;
    if find_environment_key(workflow.root, request.secrets, environment).is_some() {
        return None;
    }
    let at = job.get("environment").map_or(job.at, |node| node.at);
    Some(LeftPlace::new(at, "in this environment the variables of the workflow may hold another key"))
}

fn apply_changes(
    text: &str,
    workflow: &Workflow<'_>,
    request: &MigrationRequest<'_>,
    changes: &[PlannedJob<'_>],
    plan: &mut WorkflowPlan,
) {
    let mut editor = TextEditor::new(text);
    if let Err(error) = edit_workflow(&mut editor, workflow, request, changes) {
        plan.left.push(LeftPlace::new(error.at, error.reason));
        return;
    }
    let Some(changed) = editor.finish() else { return refuse_result(workflow, plan) };
    if changed == text {
        return;
    }
    let with_role = changes.iter().filter(|(_, _, change)| change.has_role());
    let granted = with_role.clone().filter(|(job, ..)| workflow.writes_permissions(job));
    let migrated: Vec<usize> = granted.map(|(job, ..)| job.range.start).collect();
    let mut removed = changes.iter().map(|(_, _, change)| change.handled.len()).sum();
    if let Some(key) = workflow.outer_key.as_ref().filter(|_| !changes.is_empty()) {
        removed += key.indexes.len();
    }
    let expected = ExpectedChange { jobs: &migrated, removed };
    if !is_only_migration(workflow.root, &changed, request, &expected) {
        return refuse_result(workflow, plan);
    }
    plan.jobs = changes.iter().map(|(job, ..)| job.range.start).collect();
    plan.runs_for_pulls =
        workflow.triggers.subjects.contains(&Subject::PullRequest) && with_role.clone().count() > 0;
    plan.reaches_more_steps = changes.iter().any(|(_, _, change)| change.reaches_more_steps);
    for (job, environment, _) in with_role {
        // The tokens of a called workflow are those of its own jobs.
        if job.get("steps").is_some() {
            plan.add_subjects(environment, &workflow.triggers);
        }
        plan.uses_default_token |= workflow.names.is_none()
            && job.get("permissions").is_none()
            && workflow.root.get("permissions").is_none();
    }
    plan.text = Some(changed);
}

fn refuse_result(workflow: &Workflow<'_>, plan: &mut WorkflowPlan) {
    let reason = "keytide cannot edit this file without a change of something else";
    plan.left.push(LeftPlace::new(workflow.root.at, reason));
}

fn edit_workflow(
    editor: &mut TextEditor<'_>,
    workflow: &Workflow<'_>,
    request: &MigrationRequest<'_>,
    changes: &[PlannedJob<'_>],
) -> Result<(), EditError> {
    for field in jobs_of(workflow.root) {
        fill_placeholders(editor, &field.value, request);
    }
    if changes.is_empty() {
        return Ok(());
    }
    if let Some(key) = workflow.outer_key.as_ref() {
        remove_all_or_some(editor, workflow.root, "env", &key.indexes)?;
    }
    if let (Some(names), Some(called)) = (workflow.names, called_settings(workflow.root)) {
        let declared = called.get("secrets").map(|secrets| find_named_fields(secrets, names));
        remove_all_or_some(editor, called, "secrets", &declared.unwrap_or_default())?;
    }
    for (job, _, change) in changes {
        edit_steps(editor, job, change, request)?;
        if change.has_role() && workflow.writes_permissions(job) {
            edit_permissions(editor, workflow.root, job, request.default_token)?;
        }
    }
    Ok(())
}

/// What a workflow says about its callers.
fn called_settings(root: &YamlNode) -> Option<&YamlNode> {
    root.get("on")?.get("workflow_call")
}
