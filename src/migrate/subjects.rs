//! Decides which subjects the OIDC tokens of a job have: by the job's environment, else by what starts the workflow.

use std::collections::BTreeSet;

use crate::diagnostic::Position;
use crate::repository::JobEnvironment;
use crate::yaml::{NodeKind, YamlNode};

/// The part of a subject after the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Environment(String),
    DefaultBranch,
    /// A branch, or with `*` those that match.
    Branch(String),
    Tag(String),
    PullRequest,
}

/// What a workflow runs on.
#[derive(Debug, Default, Clone)]
pub struct Triggers {
    /// The subjects of jobs without an environment.
    pub subjects: BTreeSet<Subject>,
    /// Why jobs of this workflow cannot assume a role without a person's decision.
    pub obstacle: Option<(Position, String)>,
    /// Whether a person can start it on any branch, of which only the default one is trusted.
    pub is_dispatched: bool,
    /// Whether a filter is wider in IAM's language than in GitHub's.
    pub is_widened: bool,
}

impl Triggers {
    /// Adds those of another workflow that calls the same one.
    pub fn extend(&mut self, other: Self) {
        self.subjects.extend(other.subjects);
        self.is_dispatched |= other.is_dispatched;
        self.is_widened |= other.is_widened;
    }
}

/// Events whose runs are on the default branch.
const DEFAULT_BRANCH_EVENTS: [&str; 21] = [
    "schedule",
    "workflow_dispatch",
    "repository_dispatch",
    "workflow_run",
    "issues",
    "issue_comment",
    "label",
    "milestone",
    "discussion",
    "discussion_comment",
    "fork",
    "watch",
    "gollum",
    "public",
    "page_build",
    "delete",
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "project",
    "status",
];

/// Reads `on:` of a workflow.
pub fn read_triggers(root: &YamlNode) -> Triggers {
    let mut triggers = Triggers::default();
    let Some(on) = root.get("on") else {
        triggers.obstacle = Some((root.at, "the workflow has no `on:`".to_owned()));
        return triggers;
    };
    match &on.kind {
        NodeKind::Scalar { text, .. } => add_event(text, on, None, &mut triggers),
        NodeKind::List(items) => {
            for item in items {
                add_event(item.scalar_text().unwrap_or_default(), item, None, &mut triggers);
            }
        }
        NodeKind::Map(fields) => {
            for field in fields {
                add_event(field.name(), &field.key, Some(&field.value), &mut triggers);
            }
        }
        NodeKind::Alias(_) => {
            triggers.obstacle = Some((on.at, "`on:` is an alias".to_owned()));
        }
    }
    if triggers.subjects.is_empty() {
        set_obstacle(&mut triggers, on, "no branch and no tag matches, so nothing starts this workflow");
    }
    triggers
}

fn add_event(name: &str, at: &YamlNode, filters: Option<&YamlNode>, triggers: &mut Triggers) {
    let subjects = &mut triggers.subjects;
    match name {
        "push" => add_push(filters, triggers),
        "pull_request" => {
            subjects.insert(Subject::PullRequest);
        }
        "release" => {
            subjects.insert(Subject::Tag("*".to_owned()));
        }
        "merge_group" => {
            subjects.insert(Subject::Branch("gh-readonly-queue/*".to_owned()));
        }
        "create" => {
            subjects.extend([Subject::Branch("*".to_owned()), Subject::Tag("*".to_owned())]);
        }
        name if DEFAULT_BRANCH_EVENTS.contains(&name) => {
            subjects.insert(Subject::DefaultBranch);
            triggers.is_dispatched |= name == "workflow_dispatch";
        }
        "workflow_call" => set_obstacle(
            triggers,
            at,
            "other workflows call this one (`workflow_call`), and their jobs decide its permissions and its subject",
        ),
        "pull_request_target" => set_obstacle(
            triggers,
            at,
            "`pull_request_target` also runs for pull requests of forks, which should not get a role",
        ),
        name => set_obstacle(
            triggers,
            at,
            &format!("keytide does not know the OIDC subject of runs that `{name}` starts"),
        ),
    }
}

fn set_obstacle(triggers: &mut Triggers, at: &YamlNode, why: &str) {
    if triggers.obstacle.is_none() {
        triggers.obstacle = Some((at.at, why.to_owned()));
    }
}

/// Without a filter, a push to every branch and every tag starts the workflow; with one for branches only, none to a tag.
fn add_push(filters: Option<&YamlNode>, triggers: &mut Triggers) {
    let [branches, other_branches, tags, other_tags] =
        ["branches", "branches-ignore", "tags", "tags-ignore"].map(|name| filters?.get(name));
    let has_branches = branches.or(other_branches).is_some();
    let has_tags = tags.or(other_tags).is_some();
    if has_branches || !has_tags {
        for pattern in list_patterns(branches, triggers) {
            triggers.subjects.insert(Subject::Branch(pattern));
        }
    }
    if has_tags || !has_branches {
        for pattern in list_patterns(tags, triggers) {
            triggers.subjects.insert(Subject::Tag(pattern));
        }
    }
    triggers.is_widened |= other_branches.or(other_tags).is_some();
}

/// The patterns in IAM's language, in which `*` also matches slashes.
fn list_patterns(filter: Option<&YamlNode>, triggers: &mut Triggers) -> Vec<String> {
    let Some(filter) = filter else { return vec!["*".to_owned()] };
    let texts = match &filter.kind {
        NodeKind::List(items) => items.iter().filter_map(YamlNode::scalar_text).collect(),
        _ => filter.scalar_text().into_iter().collect::<Vec<_>>(),
    };
    let mut patterns = Vec::new();
    for text in texts {
        // IAM has no exceptions: what is excluded stays trusted.
        if text.starts_with('!') {
            triggers.is_widened = true;
            continue;
        }
        let pattern = translate_pattern(text);
        triggers.is_widened |= pattern != text;
        patterns.push(pattern);
    }
    patterns
}

/// `*`, `**` and what follows a special character become `*`.
fn translate_pattern(text: &str) -> String {
    let special = text.find(['?', '+', '[', '\\']);
    let literal = match special {
        // `?` and `+` are about the character before them.
        Some(at) => {
            let kept = &text[..at];
            let kept = if text[at..].starts_with(['?', '+']) {
                kept.char_indices().next_back().map_or("", |(last, _)| &kept[..last])
            } else {
                kept
            };
            format!("{kept}*")
        }
        None => text.to_owned(),
    };
    let mut pattern = String::new();
    for character in literal.chars() {
        if character != '*' || !pattern.ends_with('*') {
            pattern.push(character);
        }
    }
    pattern
}

/// The subjects of a job.
pub fn job_subjects(environment: &JobEnvironment, triggers: &Triggers) -> BTreeSet<Subject> {
    match environment {
        JobEnvironment::Named(name) => BTreeSet::from([Subject::Environment(name.clone())]),
        JobEnvironment::None | JobEnvironment::Computed => triggers.subjects.clone(),
    }
}

impl Subject {
    /// The text in a token, or a pattern for it in IAM's language.
    pub fn text(&self, default_branch: &str) -> String {
        match self {
            // GitHub escapes a colon in a name ("OpenID Connect reference").
            Self::Environment(name) => format!("environment:{}", name.replace(':', "%3A")),
            Self::DefaultBranch => format!("ref:refs/heads/{default_branch}"),
            Self::Branch(name) => format!("ref:refs/heads/{name}"),
            Self::Tag(name) => format!("ref:refs/tags/{name}"),
            Self::PullRequest => "pull_request".to_owned(),
        }
    }

    /// Whether IAM has to match it as a pattern. Git allows no `*` in the name of a branch.
    pub fn is_pattern(&self) -> bool {
        matches!(self, Self::Branch(name) | Self::Tag(name) if name.contains('*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_documents;

    fn subjects(on: &str) -> (String, Triggers) {
        let root = parse_documents(on).unwrap().remove(0);
        let triggers = read_triggers(&root);
        let texts: Vec<String> = triggers.subjects.iter().map(|subject| subject.text("main")).collect();
        (texts.join(" "), triggers)
    }

    #[test]
    fn each_event_has_its_subjects() {
        for (on, expected) in [
            ("on: push", "ref:refs/heads/* ref:refs/tags/*"),
            ("on: [push, pull_request]", "ref:refs/heads/* ref:refs/tags/* pull_request"),
            (
                "on: { push: { branches: [main, 'release/**'] } }",
                "ref:refs/heads/main ref:refs/heads/release/*",
            ),
            ("on: { push: { tags: 'v*' } }", "ref:refs/tags/v*"),
            ("'on': { schedule: [{ cron: '0 0 * * *' }], workflow_dispatch: }", "ref:refs/heads/main"),
            ("on: { push: { branches: ['v[0-9]+.x', '!old'] } }", "ref:refs/heads/v*"),
            ("on: { push: { branches: ['ab?c'] } }", "ref:refs/heads/a*"),
            ("on: release", "ref:refs/tags/*"),
        ] {
            let (found, triggers) = subjects(on);
            assert_eq!(found, expected, "{on}");
            assert_eq!(triggers.obstacle, None, "{on}");
        }
        assert!(subjects("on: workflow_dispatch").1.is_dispatched);
        assert!(subjects("on: { push: { branches: ['!a', 'b'] } }").1.is_widened);
    }

    #[test]
    fn what_needs_a_decision_is_an_obstacle() {
        for on in
            ["on: workflow_call", "on: [push, pull_request_target]", "on: { future_event: }", "jobs: {}"]
        {
            assert!(subjects(on).1.obstacle.is_some(), "{on}");
        }
    }
}
