//! Plans the changes of all workflows and actions of a repository. A called file and all that call it come to the role
//! together, or stay as they are: after the merge a caller hands on no key, and the called file waits for none.

use std::collections::{BTreeMap, BTreeSet};

use super::action_file::{fill_action, plan_action};
use super::callees::{Call, Callees, is_action_at, is_action_file, list_calls, list_handed_names, own_path};
use super::edit::find_role;
use super::job::LeftPlace;
use super::key_secrets::KeySecrets;
use super::key_uses::{collect_reads, jobs_of, list_named_reads};
use super::request::MigrationRequest;
use super::secret_reads::KeyContext;
use super::subjects::{Triggers, read_triggers};
use super::workflow::{WorkflowPlan, plan_workflow_of};
use crate::diagnostic::Position;
use crate::repository::read_environment;
use crate::yaml::{YamlNode, parse_documents};

/// The plans of files, by their paths.
pub type FilePlans = BTreeMap<String, WorkflowPlan>;

/// The files that could be parsed. Of what is no YAML, nothing is known but its text.
type ParsedFiles<'f> = BTreeMap<&'f str, YamlNode>;

/// Plans the changes of workflows and actions, which are given by their paths from the root of the repository.
pub fn plan_repository(files: &BTreeMap<String, String>, request: &MigrationRequest<'_>) -> FilePlans {
    let mut parsed = ParsedFiles::new();
    for (path, text) in files {
        if let Some(root) = parse_documents(text).ok().and_then(|roots| roots.into_iter().next()) {
            parsed.insert(path, root);
        }
    }
    let mut callees = collect_callees(&parsed, request);
    let mut refused: BTreeMap<String, Vec<LeftPlace>> = BTreeMap::new();
    loop {
        let plans = plan_files(files, &MigrationRequest { callees: &callees, ..*request });
        let broken = find_broken(&parsed, &callees, &plans);
        if broken.is_empty() {
            return explain_refused(plans, refused);
        }
        for (path, left) in broken {
            callees.workflows.remove(&path);
            callees.actions.remove(&path);
            refused.insert(path, left);
        }
    }
}

fn plan_files(files: &BTreeMap<String, String>, request: &MigrationRequest<'_>) -> FilePlans {
    let mut plans = FilePlans::new();
    for (path, text) in files {
        let mut plan = match request.callees.actions.get(path) {
            Some(names) => plan_action(text, request, names),
            None if is_action_file(path) => {
                WorkflowPlan { text: fill_action(text, request), ..WorkflowPlan::default() }
            }
            None => plan_workflow_of(text, request, Some(path)),
        };
        let is_callee =
            request.callees.actions.contains_key(path) || request.callees.workflows.contains_key(path);
        plan.is_called = plan.text.is_some() && is_callee;
        plans.insert(path.clone(), plan);
    }
    plans
}

/// Collects the called files that could come to the role: those that every caller hands the key in the same way.
fn collect_callees(parsed: &ParsedFiles<'_>, request: &MigrationRequest<'_>) -> Callees {
    let mut callees = Callees::default();
    let workflows = || parsed.iter().filter(|(path, _)| !is_action_file(path));
    for (path, root) in parsed.iter().filter(|(path, _)| is_action_file(path)) {
        let steps = root.get("runs").and_then(|runs| runs.get("steps")).map(YamlNode::items);
        if steps.unwrap_or_default().iter().any(|step| find_role(step, request).is_some()) {
            callees.with_role.insert((*path).to_owned());
        }
    }
    for (_, root) in workflows() {
        for call in list_calls(root) {
            if let Some((called, _)) = parsed.get_key_value(call.path) {
                let triggers = callees.triggers.entry((*called).to_owned()).or_insert_with(Triggers::default);
                triggers.extend(read_triggers(root));
            }
        }
    }
    // Before the actions: a called workflow may hand the key on to one.
    let called =
        collect_names(workflows(), parsed, |path, call| *path == call.path, |_| None, request.secrets);
    callees.workflows = called;
    callees.workflows.retain(|path, names| reads_key(&parsed[path.as_str()], names, request.secrets));
    let names_of = |path: &str| callees.workflows.get(path).cloned();
    let is_called = |path: &&str, call: &Call<'_>| is_action_at(path, call.path);
    callees.actions = collect_names(workflows(), parsed, is_called, names_of, request.secrets);
    drop_files_called_otherwise(&mut callees, parsed);
    callees
}

/// Drops the files that an action calls, or a job by the name of a repository and a commit, which may be this one: what
/// they hand on is not what these names say.
fn drop_files_called_otherwise(callees: &mut Callees, parsed: &ParsedFiles<'_>) {
    for (file, root) in parsed {
        let jobs = jobs_of(root).iter().map(|field| &field.value).chain(root.get("runs"));
        for job in jobs {
            let steps = job.get("steps").map(YamlNode::items).unwrap_or_default();
            for uses in
                std::iter::once(job).chain(steps).filter_map(|caller| caller.get("uses")?.scalar_text())
            {
                let own = own_path(uses);
                if let Some((named, _)) = uses.split_once('@').filter(|_| own.is_none()) {
                    callees.workflows.retain(|path, _| !named.ends_with(&format!("/{path}")));
                    callees.actions.retain(|path, _| !is_below_repository(named, path));
                } else if is_action_file(file) {
                    callees.actions.retain(|path, _| !own.is_some_and(|folder| is_action_at(path, folder)));
                }
            }
        }
    }
}

/// Whether `OWNER/NAME/FOLDER` is the folder of an action.
fn is_below_repository(named: &str, action: &str) -> bool {
    let folder = action.rsplit_once('/').map_or("", |(folder, _)| folder);
    named.splitn(3, '/').nth(2).unwrap_or_default() == folder && named.contains('/')
}

/// The names under which files are handed the key, by path; without those whose callers differ.
fn collect_names<'f>(
    workflows: impl Iterator<Item = (&'f &'f str, &'f YamlNode)>,
    parsed: &ParsedFiles<'_>,
    is_called: impl Fn(&&str, &Call<'_>) -> bool,
    names_of: impl Fn(&str) -> Option<BTreeSet<String>>,
    secrets: &KeySecrets,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut differing = BTreeSet::new();
    for (path, root) in workflows {
        let own = names_of(path).map(|names| secrets.of_callee(KeyContext::Secrets, names.into_iter()));
        for call in list_calls(root) {
            let Some(called) = parsed.keys().find(|path| is_called(path, &call)) else { continue };
            let names = list_handed_names(&call, own.as_ref().unwrap_or(secrets));
            if found.entry((*called).to_owned()).or_insert_with(|| names.clone()) != &names {
                differing.insert((*called).to_owned());
            }
        }
    }
    found.retain(|path, names| !names.is_empty() && !differing.contains(path));
    found
}

/// Whether a called workflow reads the key under these names.
fn reads_key(root: &YamlNode, names: &BTreeSet<String>, secrets: &KeySecrets) -> bool {
    let secrets = secrets.of_callee(KeyContext::Secrets, names.iter().cloned());
    let mut reads = Vec::new();
    for field in jobs_of(root) {
        collect_reads(&field.value, &secrets, &read_environment(&field.value), &mut reads);
    }
    let outer = root.get("env").map(|env| list_named_reads(env, &secrets)).unwrap_or_default();
    !reads.is_empty() || !outer.is_empty()
}

/// The called files that cannot come to the role, with the reasons.
fn find_broken(
    parsed: &ParsedFiles<'_>,
    callees: &Callees,
    plans: &FilePlans,
) -> BTreeMap<String, Vec<LeftPlace>> {
    let mut broken = BTreeMap::new();
    for path in callees.workflows.keys().chain(callees.actions.keys()) {
        let plan = &plans[path];
        if !plan.left.is_empty() || plan.text.is_none() {
            broken.insert(path.clone(), plan.left.clone());
        }
    }
    if !broken.is_empty() {
        // Their callers are told of this, and not of each other.
        return broken;
    }
    for (file, root) in parsed.iter().filter(|(path, _)| !is_action_file(path)) {
        for call in list_calls(root) {
            let Some(path) = callees.find_called(call.caller) else { continue };
            if !plans[*file].jobs.contains(&call.job) {
                let line = call.caller.get("uses").map_or(call.caller.at, |uses| uses.at).line;
                let reason = format!("{file}:{line} calls this file and stays as it is");
                broken.insert(path.to_owned(), vec![LeftPlace::new(Position::START, reason)]);
            }
        }
    }
    broken
}

/// What is known of a called file that stays says more than that others call it.
fn explain_refused(mut plans: FilePlans, refused: BTreeMap<String, Vec<LeftPlace>>) -> FilePlans {
    for (path, left) in refused {
        if let Some(plan) = plans.get_mut(&path).filter(|_| !left.is_empty()) {
            plan.left = left;
        }
    }
    plans
}
