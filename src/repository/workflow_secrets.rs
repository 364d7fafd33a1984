//! Lists the GitHub secrets that each job of a workflow reads, and the environment of the job, for `keytide init`.

use crate::yaml::{NodeKind, ScalarStyle, YamlNode, parse_documents};

/// The environment whose secrets a job reads before those of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobEnvironment {
    None,
    Named(String),
    /// An expression, such as an input of the workflow.
    Computed,
}

impl JobEnvironment {
    /// The environment that a text names, which may be an expression.
    pub fn of_name(name: &str) -> Self {
        match name {
            "" => Self::None,
            expression if expression.contains("${{") => Self::Computed,
            name => Self::Named(name.to_owned()),
        }
    }
}

/// The secrets of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSecrets {
    pub environment: JobEnvironment,
    /// For each `env:` and `with:` that reads secrets, the names of its fields, each with its secret.
    pub mappings: Vec<Vec<(String, String)>>,
    /// All secrets, in their order.
    pub names: Vec<String>,
}

impl JobSecrets {
    fn new(environment: JobEnvironment) -> Self {
        Self { environment, mappings: Vec::new(), names: Vec::new() }
    }
}

/// Reads a workflow or an action. What is not YAML is searched as text.
pub fn read_job_secrets(text: &str) -> Vec<JobSecrets> {
    let Ok(roots) = parse_documents(text) else {
        let names = secret_names(text);
        return vec![JobSecrets { names, ..JobSecrets::new(JobEnvironment::None) }];
    };
    let mut found = Vec::new();
    for root in &roots {
        let mut outside = JobSecrets::new(JobEnvironment::None);
        for field in root.fields().iter().filter(|field| field.name() != "jobs") {
            collect_secrets(&field.value, &mut outside);
        }
        found.push(outside);
        for job in root.get("jobs").map(YamlNode::fields).unwrap_or_default() {
            let mut secrets = JobSecrets::new(read_environment(&job.value));
            collect_secrets(&job.value, &mut secrets);
            found.push(secrets);
        }
    }
    found.retain(|job| !job.names.is_empty());
    found
}

/// Reads the environment of a job: `environment: NAME`, or `environment: { name: NAME }`.
pub fn read_environment(job: &YamlNode) -> JobEnvironment {
    let Some(environment) = job.get("environment") else { return JobEnvironment::None };
    let name = if environment.fields().is_empty() { Some(environment) } else { environment.get("name") };
    let name = name.filter(|name| !is_null(name)).and_then(YamlNode::scalar_text);
    name.map_or(JobEnvironment::None, JobEnvironment::of_name)
}

/// Whether a scalar is YAML's null, which is no name.
fn is_null(node: &YamlNode) -> bool {
    let is_plain = matches!(node.kind, NodeKind::Scalar { style: ScalarStyle::Plain, .. });
    is_plain && matches!(node.scalar_text(), Some("" | "~" | "null" | "Null" | "NULL"))
}

fn collect_secrets(node: &YamlNode, found: &mut JobSecrets) {
    match &node.kind {
        NodeKind::Scalar { text, .. } => found.names.extend(secret_names(text)),
        NodeKind::List(items) => items.iter().for_each(|item| collect_secrets(item, found)),
        NodeKind::Map(fields) => {
            let mut mapping = Vec::new();
            for field in fields {
                let names = secret_names(field.value.scalar_text().unwrap_or_default());
                // A value of several secrets is not the value of one.
                if let [name] = &names[..] {
                    mapping.push((field.name().to_owned(), name.clone()));
                }
                collect_secrets(&field.value, found);
            }
            if !mapping.is_empty() {
                found.mappings.push(mapping);
            }
        }
        NodeKind::Alias(_) => {}
    }
}

/// The names in `secrets.NAME` and `secrets['NAME']`.
fn secret_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, word) in text.match_indices("secrets") {
        let is_end = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let rest = &text[at + word.len()..];
        let Some(rest) = rest.strip_prefix('.').or_else(|| rest.strip_prefix("['")) else { continue };
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && !is_end {
            names.push(rest[..end].to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_its_environment_and_its_secrets() {
        let text = "env:\n  TOP: ${{ secrets.TOP }}\njobs:\n  a:\n    environment: production\n    steps:\n      - with:\n          key: ${{ secrets.A }}\n          both: ${{ secrets.B }}${{ secrets['C'] }}\n  b:\n    environment: { name: staging, url: x }\n    steps: [{ run: \"echo ${{ secrets.D || mysecrets.E }}\" }]\n  c:\n    environment: ${{ inputs.where }}\n    env: { X: \"${{secrets.F}}\" }\n  d: {}\n";
        let jobs = read_job_secrets(text);
        let shown: Vec<_> = jobs.iter().map(|job| (job.environment.clone(), job.names.join(" "))).collect();
        let named = |name: &str| JobEnvironment::Named(name.to_owned());
        assert_eq!(
            shown,
            [
                (JobEnvironment::None, "TOP".to_owned()),
                (named("production"), "A B C".to_owned()),
                (named("staging"), "D".to_owned()),
                (JobEnvironment::Computed, "F".to_owned()),
            ]
        );
        assert_eq!(jobs[1].mappings, [[("key".to_owned(), "A".to_owned())]]);
        assert_eq!(read_job_secrets("a: [ ${{ secrets.X }}")[0].names, ["X"]);
    }
}
