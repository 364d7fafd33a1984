//! Decides which files `keytide init` writes, and writes them: what exists is kept, and nothing is written through a
//! link of the repository.

use std::fmt::Write;
use std::path::Path;

use crate::error::CommandError;
use crate::repository::FileContent;
use crate::sanitize::{escape_line, escape_lines};
use crate::system::worktree::WorkTree;

/// A file, and what is to be done.
pub struct OutputFile {
    /// From the root of the repository.
    pub path: String,
    pub action: OutputAction,
}

/// What is done with a file.
pub enum OutputAction {
    Create(String),
    /// The same file with more lines.
    Extend(String),
    /// It exists, and nothing is added.
    Keep,
    /// These lines have to be added by hand.
    Refuse {
        lines: String,
    },
}

impl OutputFile {
    /// A file that is created unless something is at its path.
    pub fn new(tree: &WorkTree, path: &str, text: impl FnOnce() -> String) -> Self {
        // `symlink_metadata` also finds a broken link, which must not be overwritten either.
        let exists = tree.root.join(path).symlink_metadata().is_ok();
        let action = if exists { OutputAction::Keep } else { OutputAction::Create(text()) };
        Self { path: path.to_owned(), action }
    }

    pub fn new_text(&self) -> Option<&str> {
        match &self.action {
            OutputAction::Create(text) | OutputAction::Extend(text) => Some(text),
            OutputAction::Keep | OutputAction::Refuse { .. } => None,
        }
    }
}

/// The files for `--stdout`, each below its path if there are several.
pub fn render_files(files: &[OutputFile]) -> String {
    let written: Vec<&OutputFile> = files.iter().filter(|file| file.new_text().is_some()).collect();
    let mut text = String::new();
    for file in &written {
        if written.len() > 1 {
            let _ = writeln!(text, "# ===== {} =====", escape_line(&file.path));
        }
        // An existing file of the repository can hold characters that control a terminal.
        text.push_str(&escape_lines(&file.new_text().unwrap_or_default().replace("\r\n", "\n")));
    }
    text
}

/// Writes the files: first all of them beside their places, and then each to its place.
///
/// # Errors
/// A file cannot be written, or would be written through a link. Then nothing is changed, unless the error says what is.
pub fn write_files(tree: &WorkTree, files: &[OutputFile]) -> Result<(), CommandError> {
    let mut prepared = Vec::new();
    for file in files {
        let path = Path::new(&file.path);
        let next = match &file.action {
            OutputAction::Create(text) => tree.prepare_new(path, text),
            OutputAction::Extend(text) => tree.prepare_change(path, text),
            OutputAction::Keep | OutputAction::Refuse { .. } => continue,
        };
        let next = next.map_err(|reason| {
            CommandError::invalid(format!(
                "{} cannot be written: {reason}; nothing was changed",
                escape_line(&file.path)
            ))
        })?;
        prepared.push((escape_line(&file.path), next));
    }
    let mut written: Vec<String> = Vec::new();
    for (path, file) in prepared {
        if let Err(reason) = file.commit() {
            return Err(CommandError::incomplete(format!(
                "{path} cannot be written: {reason}; written before: {}",
                if written.is_empty() { "nothing".to_owned() } else { written.join(", ") }
            )));
        }
        written.push(path);
    }
    Ok(())
}

/// What was done with each file, a line each.
pub fn describe_files(files: &[OutputFile]) -> String {
    let mut text = String::new();
    for file in files {
        let path = escape_line(&file.path);
        let _ = match &file.action {
            OutputAction::Create(_) => writeln!(text, "Created {path}"),
            OutputAction::Extend(_) => writeln!(text, "Added the hook to {path}"),
            OutputAction::Keep => writeln!(text, "Kept {path}, which exists already"),
            OutputAction::Refuse { lines } => {
                writeln!(
                    text,
                    "Kept {path}: keytide cannot add to it safely. Add these lines to `repos`:\n{lines}"
                )
            }
        };
    }
    text
}

/// The files that hold a placeholder, which the maintainer has to fill in: those of this run, and those that exist already.
pub fn files_with(tree: &WorkTree, files: &[OutputFile], placeholder: &str) -> Vec<String> {
    let mut names = Vec::new();
    for file in files {
        let is_open = match (file.new_text(), tree.read_content(Path::new(&file.path))) {
            (Some(text), _) => text.contains(placeholder),
            (None, FileContent::Bytes(bytes)) => String::from_utf8_lossy(&bytes).contains(placeholder),
            (None, FileContent::Absent | FileContent::Unreadable(_)) => false,
        };
        if is_open {
            names.push(escape_line(&file.path));
        }
    }
    names
}

/// The roles that the workflows of this run assume.
pub fn assumed_roles(files: &[OutputFile]) -> Vec<String> {
    let mut roles = Vec::new();
    for line in files.iter().filter_map(OutputFile::new_text).flat_map(str::lines) {
        if let Some(role) = line.trim_start().strip_prefix("role-to-assume: ") {
            roles.push(escape_line(role));
        }
    }
    roles
}

/// The files that this run wrote, as arguments of a shell.
pub fn written_paths(files: &[OutputFile]) -> Vec<String> {
    files.iter().filter(|file| file.new_text().is_some()).map(|file| quote_argument(&file.path)).collect()
}

fn quote_argument(path: &str) -> String {
    let path = escape_line(path);
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}
