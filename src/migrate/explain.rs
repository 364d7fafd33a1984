//! Explains to people why a place that reads the key keeps its job as it is.

use super::action_steps::is_configure_step;
use super::callees::own_path;
use super::key_secrets::{KeySecrets, SecretOwner};
use super::key_uses::{KEY_VARIABLES, KeyRead, ReadKind, has_scalar};
use crate::repository::JobEnvironment;
use crate::yaml::{YamlField, YamlNode};

/// A job that reads the key, and by which names.
pub struct JobReader<'n> {
    pub secrets: &'n KeySecrets,
    pub environment: &'n JobEnvironment,
    pub job: &'n YamlNode,
}

/// Why a read of the key, which no edit replaces, keeps its job as it is.
pub fn explain_read(reader: &JobReader<'_>, field: &YamlField, read: KeyRead) -> String {
    match read.kind {
        ReadKind::ComputedName => {
            return "the name of the secret is computed, so keytide cannot tell whether it is this key"
                .to_owned();
        }
        ReadKind::UndecidedEnvironment => {
            return "the environment of the job, which decides whose key it is, is computed".to_owned();
        }
        ReadKind::Key => {}
    }
    match field.name() {
        "secrets" => {
            "the job passes the key to a reusable workflow, which has to assume the role itself".to_owned()
        }
        "container" | "services" => {
            "a container gets the key when the job starts, before any step".to_owned()
        }
        "env" => explain_half(reader, reader.job.get("env"), KEY_VARIABLES).unwrap_or_else(|| {
            "the job has the key under another name, alone or beside other values".to_owned()
        }),
        "steps" => explain_step_read(reader, &field.value, read.start),
        _ => "keytide cannot replace the key here".to_owned(),
    }
}

/// The half of a credential whose value is not known to be of the user: the other half alone is no reason to remove both.
fn explain_half(reader: &JobReader<'_>, fields: Option<&YamlNode>, names: [&str; 2]) -> Option<String> {
    let fields = fields?;
    // With a session token it is not the key alone that is passed
    if fields.get("AWS_SESSION_TOKEN").is_some() {
        return None;
    }
    let values = names.map(|name| fields.get(name).map(|value| (name, value)));
    let [Some(first), Some(second)] = values else { return None };
    let is_own = |value: &YamlNode| {
        let secret = value.scalar_text().and_then(|text| reader.secrets.find_sole(text));
        secret.is_some_and(|name| reader.secrets.find_owner(&name, reader.environment) == SecretOwner::User)
    };
    let (name, _) = [first, second].into_iter().find(|(_, value)| !is_own(value))?;
    Some(format!(
        "`{name}` is not exactly the secret that the policy file names, so keytide cannot tell whether it is this key"
    ))
}

fn explain_step_read(reader: &JobReader<'_>, steps: &YamlNode, start: usize) -> String {
    let Some(step) = steps.items().iter().find(|step| has_scalar(step, start)) else {
        return "keytide cannot replace the key here".to_owned();
    };
    let field = step.fields().iter().find(|field| has_scalar(&field.value, start));
    let action = step.get("uses").and_then(YamlNode::scalar_text).unwrap_or_default();
    match field.map(|field| field.name()) {
        Some("run") => "a script gets the key itself; with a role it also needs the session token".to_owned(),
        Some("with") if own_path(action).is_some() => {
            format!("the action `{action}` of this repository gets the key; it has to assume the role itself")
        }
        Some("with") if is_configure_step(step) => {
            explain_half(reader, step.get("with"), ["aws-access-key-id", "aws-secret-access-key"])
                .unwrap_or_else(|| "the step has the key under another name, or only a half of it".to_owned())
        }
        Some("with") => format!("keytide does not know how `{action}` would use a role"),
        Some("env") => explain_half(reader, step.get("env"), KEY_VARIABLES).unwrap_or_else(|| {
            "the step has the key under another name, alone or beside other values".to_owned()
        }),
        _ => "keytide cannot replace the key here".to_owned(),
    }
}
