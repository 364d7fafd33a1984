//! Finds the placeholders that `keytide init` leaves in a workflow, the hooks' configuration and a policy file, for the
//! rule `unfilled-placeholder`.

use crate::diagnostic::Position;

/// keytide's repository before its owner is known. In two parts, so that a release that replaces the owner everywhere
/// leaves this name as it is.
const REPOSITORY: &str = concat!("OWNER", "/keytide");
/// What stands for an account.
const ACCOUNT: &str = "CHANGE-ME";
/// The start of each line that `init` writes the repository's name into.
const REPOSITORY_LINES: [&str; 3] = ["uses:", "repo:", "# yaml-language-server:"];
const ROLE_LINE: &str = "role-to-assume:";
const SET_UP_FILES: [&str; 5] =
    [".pre-commit-config.yaml", ".github/keytide.yml", ".github/keytide.yaml", "keytide.yml", "keytide.yaml"];

/// A placeholder that is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub at: Position,
    pub kind: PlaceholderKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderKind {
    /// The owner of keytide's repository.
    Repository,
    /// The account of a role.
    Account,
}

impl PlaceholderKind {
    pub fn text(self) -> &'static str {
        match self {
            Self::Repository => REPOSITORY,
            Self::Account => ACCOUNT,
        }
    }
}

/// Whether `init` writes a file of this path. Only these are read: elsewhere the words can be meant as they are.
pub fn is_set_up_file(path: &str) -> bool {
    if SET_UP_FILES.contains(&path) {
        return true;
    }
    let Some(name) = path.strip_prefix(".github/workflows/") else { return false };
    !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml"))
}

/// Returns the placeholders in a file's lines of the forms that `init` writes.
pub fn find_placeholders(bytes: &[u8]) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return found };
    for (line, number) in text.lines().zip(1..) {
        let start = line.trim_start().trim_start_matches("- ").trim_start();
        let kind = if REPOSITORY_LINES.iter().any(|begin| start.starts_with(begin)) {
            PlaceholderKind::Repository
        } else if is_role_line(start) {
            PlaceholderKind::Account
        } else {
            continue;
        };
        if let Some(offset) = find_word(line, kind.text()) {
            found.push(Placeholder { at: Position { line: number, column: column(line, offset) }, kind });
        }
    }
    found
}

/// Whether a line, which is no comment, names a role: `migrate` writes it into mappings in brackets and with quotes as well.
fn is_role_line(start: &str) -> bool {
    const QUOTED: [&str; 2] = ["\"role-to-assume\":", "'role-to-assume':"];
    let is_named = start.contains(ROLE_LINE) || QUOTED.iter().any(|name| start.contains(name));
    is_named && !start.starts_with(['#'])
}

/// Finds a word that no letter stands next to: `MYOWNER/keytide` is a name like any other.
fn find_word(line: &str, word: &str) -> Option<usize> {
    let offset = line.find(word)?;
    let before = line[..offset].chars().next_back();
    let after = line[offset + word.len()..].chars().next();
    if before.is_some_and(is_name_character) || after.is_some_and(is_name_character) {
        None
    } else {
        Some(offset)
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Columns count characters, from 1.
fn column(line: &str, offset: usize) -> u32 {
    u32::try_from(line[..offset].chars().count() + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(u32, u32, &'static str)> {
        let found = find_placeholders(text.as_bytes());
        found.iter().map(|item| (item.at.line, item.at.column, item.kind.text())).collect()
    }

    #[test]
    fn lines_that_init_writes_are_found() {
        assert_eq!(
            found(&format!(
                "steps:\n  - uses: {REPOSITORY}@v1\n    with:\n      role-to-assume: arn:aws:iam::CHANGE-ME:role/a\n"
            )),
            [(2, 11, REPOSITORY), (4, 36, ACCOUNT)]
        );
        assert_eq!(found(&format!("  - repo: https://github.com/{REPOSITORY}\n")), [(1, 30, REPOSITORY)]);
        assert_eq!(
            found("  with: { a: b, \"role-to-assume\": \"arn:aws:iam::CHANGE-ME:role/a\" }\n").len(),
            1
        );
        assert_eq!(found("  # role-to-assume: arn:aws:iam::CHANGE-ME:role/a\n"), []);
        assert_eq!(found(&format!("# yaml-language-server: $schema=https://x/{REPOSITORY}/main\n")).len(), 1);
    }

    #[test]
    fn other_lines_and_names_are_not() {
        for text in [
            format!("# uses: {REPOSITORY}"),
            format!("run: grep {REPOSITORY} README.md"),
            format!("- uses: MY{REPOSITORY}@v1"),
            format!("- uses: {REPOSITORY}-fork@v1"),
            "- uses: acme/keytide@v1".to_owned(),
            "run: grep CHANGE-ME a".to_owned(),
            "role-to-assume: arn:aws:iam::123456789012:role/a".to_owned(),
        ] {
            assert_eq!(found(&text), [], "{text}");
        }
    }

    #[test]
    fn only_files_that_init_writes_are_read() {
        for path in [".github/workflows/a.yml", ".github/keytide.yml", ".pre-commit-config.yaml"] {
            assert!(is_set_up_file(path), "{path}");
        }
        for path in ["src/workflows/a.yml", ".github/workflows/a/b.yml", "docs/start.md", "README.md"] {
            assert!(!is_set_up_file(path), "{path}");
        }
    }
}
