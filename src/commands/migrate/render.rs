//! Renders what a migration changes, what it leaves alone, and what is to be done next.

use std::fmt::Write;

use super::diff::render_diff;
use super::files::PlannedFiles;
use super::outcome::{ChangesOutcome, Proposal};
use crate::policy::PolicyDuration;
use crate::sanitize::{escape_line, escape_lines};

/// The outcome of a migration.
pub struct Migration {
    /// Whose access keys the workflows use.
    pub user: String,
    pub planned: PlannedFiles,
    /// Where else the key is used.
    pub others: Vec<String>,
    pub notes: Vec<String>,
    /// What could not be asked.
    pub failures: Vec<String>,
    pub role_arn: String,
    /// The command that prints the script for this role.
    pub script_command: String,
    /// Whom the role trusts: the parts of the subjects after the repository.
    pub events: Vec<String>,
    /// The policy file, from the root of the repository.
    pub policy_file: String,
    /// The policy file lets keytide retire the key, before or after this migration.
    pub retires: bool,
    /// How a person deletes each secret of this repository that holds the key.
    pub removals: Vec<String>,
    /// How long the key must be unused before it is retired.
    pub quiet: PolicyDuration,
    /// How long it then stays inactive.
    pub soak: PolicyDuration,
    pub outcome: ChangesOutcome,
}

impl Migration {
    /// The changes, and all else.
    pub fn render_changes(&self) -> String {
        let mut text = String::new();
        for file in &self.planned.changed {
            // A file of the repository can hold characters that control a terminal.
            let diff = render_diff(&escape_line(&file.path), &file.before, &file.after);
            text.push_str(&escape_lines(&diff.replace("\r\n", "\n")));
        }
        if self.planned.changed.is_empty() {
            text.push_str("Nothing to change\n");
        }
        text.push('\n');
        text + &self.render_rest()
    }

    /// Everything but the changes.
    pub fn render_rest(&self) -> String {
        let mut text = String::new();
        match &self.outcome {
            ChangesOutcome::Shown | ChangesOutcome::NotProposed => {}
            ChangesOutcome::Written => {
                for file in &self.planned.changed {
                    let _ = writeln!(text, "Wrote {}", escape_line(&file.path));
                }
            }
            ChangesOutcome::Proposed(proposal) => text.push_str(&describe_proposal(proposal)),
        }
        if !self.planned.left.is_empty() {
            text.push_str("Left alone, to be changed by hand:\n");
            for (file, place) in &self.planned.left {
                let (line, column) = (place.at.line, place.at.column);
                let _ =
                    writeln!(text, "  {}:{line}:{column}: {}", escape_line(file), escape_line(&place.reason));
            }
        }
        if !self.others.is_empty() {
            text.push_str("The key is also used here, and must not be retired before that has ended:\n");
            for other in &self.others {
                let _ = writeln!(text, "  {}", escape_line(other));
            }
        }
        if !self.events.is_empty() {
            let _ = writeln!(text, "The role {} trusts:", escape_line(&self.role_arn));
            for event in &self.events {
                let _ = writeln!(text, "  {}", escape_line(event));
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {}", escape_line(note));
        }
        for failure in &self.failures {
            let _ = writeln!(text, "incomplete: {}", escape_line(failure));
        }
        text + &self.next_steps()
    }

    fn next_steps(&self) -> String {
        if self.planned.changed.is_empty() {
            return String::new();
        }
        let last = match self.outcome {
            ChangesOutcome::Shown => "write the files with `--write` or propose them with `--pull-request`",
            ChangesOutcome::NotProposed => "write the files with `--write`, commit them and merge them",
            ChangesOutcome::Written => "commit the files and merge them",
            ChangesOutcome::Proposed(_) if self.outcome.is_blocked() => {
                "close the pull request and run this again"
            }
            ChangesOutcome::Proposed(_) => "merge the pull request",
        };
        let mut text = format!(
            "Next: create the role with `{}` (or `--format cloudformation`, `--format terraform`), then {last}\n",
            escape_line(&self.script_command)
        );
        if self.retires && !self.removals.is_empty() {
            let Self { quiet, soak, .. } = self;
            let removals = escape_line(&self.removals.join("; "));
            let _ = writeln!(
                text,
                "After the merge: {removals}. keytide deactivates the key once nothing has used it for {quiet}, and deletes it {soak} later"
            );
        }
        text
    }
}

fn describe_proposal(proposal: &Proposal) -> String {
    let page = escape_line(&proposal.page);
    match (proposal.is_new, proposal.is_same) {
        (true, _) => format!("Opened {page}\n"),
        (false, true) => format!("{page} is open and has these changes\n"),
        (false, false) => format!("{page} is open and has other changes: close it for a new one\n"),
    }
}
