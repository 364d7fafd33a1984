//! Decides how one job comes to its role: which inputs and variables go, where the role is assumed, or why a person has to
//! change the job.

use std::collections::BTreeSet;

use super::action_steps::{
    ActionUse, find_action_use, is_configure_step, is_known_action, may_ignore_session_token,
};
use super::callees::{Callees, find_named_fields, is_inherited};
use super::explain::{JobReader, explain_read};
use super::key_secrets::KeySecrets;
use super::key_uses::{EnvironmentKey, collect_reads, find_environment_key, find_partial_credential};
use super::text_edit::TextEditor;
use crate::diagnostic::Position;
use crate::repository::JobEnvironment;
use crate::yaml::{NodeKind, YamlNode};

/// A place that a person has to change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftPlace {
    pub at: Position,
    pub reason: String,
}

impl LeftPlace {
    pub fn new(at: Position, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// A job, and what is known from outside of it.
pub struct JobContext<'n> {
    pub editor: &'n TextEditor<'n>,
    pub secrets: &'n KeySecrets,
    pub callees: &'n Callees,
    pub root: &'n YamlNode,
    pub job: &'n YamlNode,
    pub environment: JobEnvironment,
    /// The key in the `env:` of the workflow, which the job's steps see.
    pub outer_key: Option<&'n EnvironmentKey>,
    /// The region of the command line.
    pub region: Option<&'n str>,
}

/// The change of one job.
#[derive(Debug, Default)]
pub struct JobChange<'n> {
    /// The scalars that go, by their first bytes.
    pub handled: Vec<usize>,
    /// The owners of an `env:`, with the indexes of the variables that go.
    pub variables: Vec<(&'n YamlNode, Vec<usize>)>,
    /// The steps whose first input becomes the role, with the indexes of the inputs that go.
    pub roles: Vec<(&'n YamlNode, Vec<usize>)>,
    /// The owners of mappings that lose fields: the mapping's name and the indexes of the fields.
    pub inputs: Vec<(&'n YamlNode, &'static str, Vec<usize>)>,
    /// Whether a file that the job calls assumes the role.
    pub calls_role: bool,
    /// Whether only some steps had the key, and steps after them get the role's credentials as well.
    pub reaches_more_steps: bool,
    pub insertion: Option<StepInsertion<'n>>,
}

impl JobChange<'_> {
    /// Whether the job assumes the role. One that only saw the key in variables of the workflow may not need it.
    pub fn has_role(&self) -> bool {
        self.insertion.is_some() || !self.roles.is_empty() || self.calls_role
    }
}

/// The step that assumes the role.
#[derive(Debug)]
pub struct StepInsertion<'n> {
    /// The step before which it comes.
    pub before: &'n YamlNode,
    /// As the file writes it.
    pub region: String,
    pub condition: Option<&'n str>,
}

/// A step that needs the credential in its environment.
struct NeedingStep<'n> {
    index: usize,
    step: &'n YamlNode,
    /// A region that its inputs name.
    region: Option<&'n str>,
    /// Whether it had the key in its own `env:` or inputs, so that it alone decides about the condition.
    is_own: bool,
}

/// Decides the change of a job.
///
/// # Errors
/// The places that keep the job as it is.
pub fn plan_job<'n>(context: &JobContext<'n>) -> Result<JobChange<'n>, Vec<LeftPlace>> {
    let mut change = JobChange::default();
    let mut left = Vec::new();
    let mut needing = Vec::new();
    let job_key = find_environment_key(context.job, context.secrets, &context.environment);
    if let Some(key) = &job_key {
        take_variables(context.job, key, &mut change);
    }
    hand_on_no_key(context, context.job, "secrets", &mut change);
    let steps = context.job.get("steps").map(YamlNode::items).unwrap_or_default();
    for (index, step) in steps.iter().enumerate() {
        plan_step(context, (index, step), &mut change, &mut needing, &mut left);
    }
    if job_key.is_some() || context.outer_key.is_some() {
        add_first_user(steps, &mut needing);
    }
    explain_other_reads(context, &change, &mut left);
    if left.is_empty() {
        check_steps(context, steps, &change, &mut left);
    }
    if left.is_empty() {
        match plan_insertion(context, steps, &needing, &change) {
            Ok(insertion) => {
                change.reaches_more_steps = insertion.is_some() && has_later_step(steps, &needing);
                change.insertion = insertion;
            }
            Err(place) => left.push(place),
        }
    }
    if left.is_empty() { Ok(change) } else { Err(left) }
}

/// Whether a step that had no key comes after one that had it alone.
fn has_later_step(steps: &[YamlNode], needing: &[NeedingStep<'_>]) -> bool {
    let Some(first) = needing.iter().map(|needed| needed.index).min() else { return false };
    let had_key: BTreeSet<usize> = needing.iter().map(|needed| needed.index).collect();
    needing.iter().all(|needed| needed.is_own) && (first..steps.len()).any(|index| !had_key.contains(&index))
}

/// A called file that assumes the role gets no key: from a job as secrets, from a step as inputs.
fn hand_on_no_key<'n>(
    context: &JobContext<'n>,
    caller: &'n YamlNode,
    field: &'static str,
    change: &mut JobChange<'n>,
) {
    let Some(path) = context.callees.find_called(caller) else { return };
    let names = context.callees.workflows.get(path).or_else(|| context.callees.actions.get(path));
    let (Some(names), handed) = (names, caller.get(field)) else { return };
    change.calls_role = true;
    let Some(handed) = handed.filter(|_| !is_inherited(caller)) else { return };
    let indexes = find_named_fields(handed, names);
    change.handled.extend(indexes.iter().map(|index| handed.fields()[*index].value.range.start));
    change.inputs.push((caller, field, indexes));
}

fn plan_step<'n>(
    context: &JobContext<'n>,
    (index, step): (usize, &'n YamlNode),
    change: &mut JobChange<'n>,
    needing: &mut Vec<NeedingStep<'n>>,
    left: &mut Vec<LeftPlace>,
) {
    let uses = step.get("uses");
    if let Some(key) = find_environment_key(step, context.secrets, &context.environment) {
        let action = uses.and_then(YamlNode::scalar_text);
        match action.filter(|action| !is_known_action(action)) {
            None => {
                take_variables(step, &key, change);
                needing.push(NeedingStep { index, step, region: None, is_own: true });
            }
            Some(action) => {
                let reason =
                    format!("keytide does not know whether `{action}` takes a session token as well");
                left.push(LeftPlace::new(uses.map_or(step.at, |uses| uses.at), reason));
                change.handled.extend(key_scalars(step, &key));
            }
        }
    }
    hand_on_no_key(context, step, "with", change);
    let Some(with) = step.get("with") else { return };
    let mut take = |indexes: &[usize]| {
        change.handled.extend(indexes.iter().map(|index| with.fields()[*index].value.range.start));
    };
    match find_action_use(step, context.secrets, &context.environment) {
        ActionUse::None => {}
        ActionUse::Configure { indexes } => {
            take(&indexes);
            change.roles.push((step, indexes));
        }
        ActionUse::Login { indexes, region } => {
            take(&indexes);
            change.inputs.push((step, "with", indexes));
            needing.push(NeedingStep { index, step, region, is_own: true });
        }
        ActionUse::Refused { reason } => {
            left.push(LeftPlace::new(with.at, reason));
            let all: Vec<usize> = (0..with.fields().len()).collect();
            take(&all);
        }
    }
}

fn take_variables<'n>(owner: &'n YamlNode, key: &EnvironmentKey, change: &mut JobChange<'n>) {
    change.handled.extend(key_scalars(owner, key));
    change.variables.push((owner, key.indexes.clone()));
}

/// The first bytes of the values of a key's variables.
pub fn key_scalars(owner: &YamlNode, key: &EnvironmentKey) -> Vec<usize> {
    let fields = owner.get("env").map(YamlNode::fields).unwrap_or_default();
    key.indexes.iter().filter_map(|index| fields.get(*index)).map(|field| field.value.range.start).collect()
}

/// Variables of the whole job: the first step that is not one of GitHub's own actions may use them.
fn add_first_user<'n>(steps: &'n [YamlNode], needing: &mut Vec<NeedingStep<'n>>) {
    if let Some(index) = steps.iter().position(may_use_aws) {
        needing.insert(0, NeedingStep { index, step: &steps[index], region: None, is_own: false });
    }
}

fn may_use_aws(step: &YamlNode) -> bool {
    let uses = step.get("uses").and_then(YamlNode::scalar_text).unwrap_or_default();
    // `github-script` runs a script, which may use AWS.
    !uses.starts_with("actions/") || uses.starts_with("actions/github-script")
}

/// Every read that the change does not cover keeps the job as it is.
fn explain_other_reads(context: &JobContext<'_>, change: &JobChange<'_>, left: &mut Vec<LeftPlace>) {
    let reader = JobReader { secrets: context.secrets, environment: &context.environment, job: context.job };
    for field in context.job.fields() {
        let mut reads = Vec::new();
        collect_reads(&field.value, context.secrets, &context.environment, &mut reads);
        for read in reads.iter().filter(|read| !change.handled.contains(&read.start)) {
            left.push(LeftPlace::new(read.at, explain_read(&reader, field, *read)));
        }
    }
}

/// What in the job would fail, or use another credential, after the role was assumed.
fn check_steps(
    context: &JobContext<'_>,
    steps: &[YamlNode],
    change: &JobChange<'_>,
    left: &mut Vec<LeftPlace>,
) {
    if matches!(context.environment, JobEnvironment::Computed) {
        let at = context.job.get("environment").map_or(context.job.at, |node| node.at);
        let reason =
            "the environment is computed, so keytide cannot tell the subject that the role has to trust";
        left.push(LeftPlace::new(at, reason));
    }
    if let Some(at) = find_partial_credential(context.job, &change.handled) {
        let reason = "the key's variables are used or set here without `AWS_SESSION_TOKEN`, which a role's \
                      credential needs";
        left.push(LeftPlace::new(at, reason));
    }
    for step in steps {
        let Some(uses) = step.get("uses") else { continue };
        let action = uses.scalar_text().unwrap_or_default();
        if may_ignore_session_token(action) {
            let reason = format!("keytide does not know whether `{action}` takes a session token as well");
            left.push(LeftPlace::new(uses.at, reason));
        }
        let is_chained = step.get("with").is_some_and(|with| with.get("role-chaining").is_some());
        if is_configure_step(step) && is_chained {
            let reason = "this step assumes another role with the key; that role's trust would have to name the new one";
            left.push(LeftPlace::new(uses.at, reason));
        }
    }
}

/// Decides where the step goes that assumes the role; `None` if a step of the job already does before it is needed.
fn plan_insertion<'n>(
    context: &JobContext<'n>,
    steps: &'n [YamlNode],
    needing: &[NeedingStep<'n>],
    change: &JobChange<'n>,
) -> Result<Option<StepInsertion<'n>>, LeftPlace> {
    let Some(first) = needing.iter().min_by_key(|needed| needed.index) else { return Ok(None) };
    let configured = steps.iter().take(first.index + 1).any(|step| {
        let is_changed = change.roles.iter().any(|(changed, _)| std::ptr::eq(*changed, step));
        is_changed && step.get("if").is_none()
    });
    if configured {
        return Ok(None);
    }
    let before = first.step;
    let dash = context.editor.line_before(before.range.start).trim();
    let steps_node = context.job.get("steps").filter(|steps| !context.editor.is_flow(steps));
    if dash != "-" || steps_node.is_none() {
        let reason = "write the steps one below the other, so that one can be added";
        return Err(LeftPlace::new(before.at, reason));
    }
    let condition = common_condition(context, needing)?;
    let Some(region) = find_region(context, steps, needing) else {
        let reason = "keytide finds no region for the step that assumes the role: set `AWS_REGION` in `env:`, or give \
                      `--aws-region`";
        return Err(LeftPlace::new(before.at, reason));
    };
    Ok(Some(StepInsertion { before, region, condition }))
}

/// The condition of the steps that had the key: under another one, a run without secrets would fail now.
fn common_condition<'n>(
    context: &JobContext<'n>,
    needing: &[NeedingStep<'n>],
) -> Result<Option<&'n str>, LeftPlace> {
    if needing.iter().any(|needed| !needed.is_own) {
        return Ok(None);
    }
    let mut common: Option<Option<&str>> = None;
    for needed in needing {
        let condition = needed.step.get("if");
        let raw = match condition {
            None => None,
            Some(node) => match context.editor.raw_scalar(node) {
                Some(raw) => Some(raw),
                None => return Err(LeftPlace::new(node.at, "the condition of the step is not on one line")),
            },
        };
        if *common.get_or_insert(raw) != raw {
            let reason = "the steps that use the key run under different conditions";
            return Err(LeftPlace::new(condition.map_or(needed.step.at, |node| node.at), reason));
        }
    }
    Ok(common.flatten())
}

fn find_region(context: &JobContext<'_>, steps: &[YamlNode], needing: &[NeedingStep<'_>]) -> Option<String> {
    if let Some(region) = needing.iter().find_map(|needed| needed.region) {
        return Some(region.to_owned());
    }
    let owners = needing.iter().map(|needed| needed.step).chain([context.job, context.root]);
    for owner in owners {
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            let value = owner.get("env").and_then(|env| env.get(name));
            let raw = value.filter(|value| !matches!(value.kind, NodeKind::Alias(_)));
            if let Some(raw) =
                raw.and_then(|value| context.editor.raw_scalar(value)).filter(|raw| !raw.is_empty())
            {
                return Some(raw.to_owned());
            }
        }
    }
    let inputs = steps.iter().filter_map(|step| step.get("with")?.get("aws-region"));
    let mut written = inputs.filter_map(|value| context.editor.raw_scalar(value));
    written.next().or(context.region).map(str::to_owned)
}
