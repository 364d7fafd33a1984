//! Plans the changes of all workflows of the repository and of the policy file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::diagnostic::Position;
use crate::migrate::{
    LeftPlace, MigrationRequest, PolicyEdit, Subject, WorkflowPlan, add_retire, is_action_file,
    plan_repository,
};
use crate::repository::{FileContent, is_workflow};
use crate::system::files::FileError;
use crate::system::worktree::WorkTree;

/// A file that changes.
pub struct ChangedFile {
    /// From the root of the repository.
    pub path: String,
    pub before: String,
    pub after: String,
}

/// The changes of all files.
#[derive(Default)]
pub struct PlannedFiles {
    pub changed: Vec<ChangedFile>,
    /// What a person has to change, with the file.
    pub left: Vec<(String, LeftPlace)>,
    pub subjects: BTreeSet<Subject>,
    pub uses_default_token: bool,
    pub is_dispatched: bool,
    pub is_widened: bool,
    /// The workflows with a job that changes and also runs for pull requests.
    pub for_pulls: Vec<String>,
    /// The files in which steps that had no key get the role's credentials.
    pub with_more_steps: Vec<String>,
    /// Whether a file changes that others call.
    pub is_called: bool,
}

const WORKFLOW_FOLDER: &str = ".github/workflows";

/// Plans the changes of the workflows that Git tracks, and of the actions that they call.
pub fn plan_workflows(tree: &WorkTree, request: &MigrationRequest<'_>) -> PlannedFiles {
    let mut planned = PlannedFiles::default();
    let listing = tree.list_tracked_files();
    for (path, reason) in &listing.faults {
        planned.leave(path, reason);
    }
    for folder in [".github", WORKFLOW_FOLDER] {
        // Neither Git nor keytide follows it, and what it hides may read the key.
        if let Err(FileError::IsLink) = tree.ensure_not_linked(Path::new(folder)) {
            planned.leave(folder, "it is a link: name the workflows themselves");
            break;
        }
    }
    for link in listing.links.iter().filter(|link| is_read_file(link)) {
        planned.leave(link, "it is a link, which keytide does not follow: what it leads to may read the key");
    }
    let mut texts = BTreeMap::new();
    for item in &listing.items {
        let path = &item.shown;
        if !is_read_file(path) {
            continue;
        }
        match read_text(tree, &item.path) {
            // A call of an action that keytide cannot read hands on the key, which is said where it does.
            Err(_) if is_action_file(path) => {}
            // Its changes would be written to a file of another name.
            Ok(Some(_)) if item.path.to_str().is_none() => {
                planned.leave(path, "the name of the file is not UTF-8: rename it");
            }
            Ok(Some(text)) => drop(texts.insert(path.clone(), text)),
            Ok(None) => planned.leave(path, "Git tracks it, and it is not in the working tree: check it out"),
            Err(error) => planned.leave(path, &error.to_string()),
        }
    }
    for (path, plan) in plan_repository(&texts, request) {
        let before = texts.remove(&path).unwrap_or_default();
        add_plan(&mut planned, &path, before, plan);
    }
    planned
}

impl PlannedFiles {
    fn leave(&mut self, path: &str, reason: &str) {
        self.left.push((path.to_owned(), LeftPlace::new(Position::START, reason)));
    }
}

/// Whether a migration reads a file of this path. GitHub runs workflows of this folder only; they call actions of any.
pub fn is_read_file(path: &str) -> bool {
    let below = path.strip_prefix(WORKFLOW_FOLDER).is_some_and(|rest| rest.starts_with('/'));
    (is_workflow(path) && below) || is_action_file(path)
}

/// Why a file has no text that could be changed.
#[derive(Debug, thiserror::Error)]
enum UnreadableText {
    #[error("the file is not UTF-8")]
    NotUtf8,
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

fn read_text(tree: &WorkTree, path: &Path) -> Result<Option<String>, UnreadableText> {
    match tree.read_content(path) {
        FileContent::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(UnreadableText::NotUtf8),
        },
        FileContent::Absent => Ok(None),
        FileContent::Unreadable(reason) => Err(UnreadableText::Unreadable(reason)),
    }
}

fn add_plan(planned: &mut PlannedFiles, path: &str, before: String, plan: WorkflowPlan) {
    planned.left.extend(plan.left.into_iter().map(|place| (path.to_owned(), place)));
    planned.subjects.extend(plan.subjects);
    planned.uses_default_token |= plan.uses_default_token;
    planned.is_dispatched |= plan.is_dispatched;
    planned.is_widened |= plan.is_widened;
    planned.is_called |= plan.is_called;
    if plan.runs_for_pulls {
        planned.for_pulls.push(path.to_owned());
    }
    if plan.reaches_more_steps {
        planned.with_more_steps.push(path.to_owned());
    }
    if let Some(after) = plan.text {
        planned.changed.push(ChangedFile { path: path.to_owned(), before, after });
    }
}

/// What a migration does to the policy file.
pub enum PolicyFileChange {
    /// The user's entry has `retire` already.
    None,
    Changed(ChangedFile),
    /// A person has to change it, as this says.
    ByHand(String),
}

/// Plans `retire: {}` for the user's entry of the policy file.
pub fn plan_policy_file(tree: &WorkTree, path: &str, user: &str) -> PolicyFileChange {
    let by_hand = format!("write `retire: {{}}` in place of `rotation` into the entry of `{user}` in {path}");
    let Ok(Some(before)) = read_text(tree, Path::new(path)) else { return PolicyFileChange::ByHand(by_hand) };
    match add_retire(&before, user) {
        PolicyEdit::Present => PolicyFileChange::None,
        PolicyEdit::Changed(after) => {
            PolicyFileChange::Changed(ChangedFile { path: path.to_owned(), before, after })
        }
        PolicyEdit::Refused => PolicyFileChange::ByHand(by_hand),
    }
}
