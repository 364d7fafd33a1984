//! Adds keytide's hook to a `.pre-commit-config.yaml`, by inserting lines: every other byte of the file stays.

use crate::yaml::{NodeKind, YamlNode, parse_documents};

/// The whole file where there is none. The documents show the same text.
pub const HOOK_FILE: &str = include_str!("pre-commit-config.yaml");

/// What is to be done with an existing file.
#[derive(Debug, PartialEq, Eq)]
pub enum HookEdit {
    /// It has a hook of keytide.
    Present,
    Changed(String),
    /// The file has a form to which no line can be added safely.
    Refused,
}

/// The lines of the hook, without the key `repos`.
pub fn hook_lines() -> Vec<&'static str> {
    HOOK_FILE.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line)).collect()
}

/// Adds the hook at the end of the list `repos`.
pub fn add_hook(source: &str) -> HookEdit {
    let Some(root) = parse_sole_document(source) else { return HookEdit::Refused };
    let Some(repos) = root.get("repos") else { return HookEdit::Refused };
    if repos.items().iter().any(is_keytide) {
        return HookEdit::Present;
    }
    if repos.items().is_empty() {
        return add_first_hook(source, &root);
    }
    let Some((dash, insertions)) = find_insertions(source, &root, repos) else { return HookEdit::Refused };
    for at in insertions {
        let changed = insert_lines(source, at, dash);
        // Where a comment or a text of several lines ends the list, only reading the result shows that nothing else
        // has changed its meaning.
        if is_only_addition(&root, &changed) {
            return HookEdit::Changed(changed);
        }
    }
    HookEdit::Refused
}

fn parse_sole_document(source: &str) -> Option<YamlNode> {
    let mut roots = parse_documents(source).ok()?;
    let root = roots.pop()?;
    if roots.is_empty() { Some(root) } else { None }
}

/// Whether an item of `repos` is keytide's repository, or has one of its hooks.
fn is_keytide(item: &YamlNode) -> bool {
    let url = item.get("repo").and_then(YamlNode::scalar_text).unwrap_or_default();
    let name = url.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next();
    let ids = item.get("hooks").map(YamlNode::items).unwrap_or_default();
    let mut ids = ids.iter().filter_map(|hook| hook.get("id")?.scalar_text());
    name == Some("keytide") || ids.any(|id| id == "keytide" || id.starts_with("keytide-"))
}

/// `repos: []`, and `repos:` without a value.
fn add_first_hook(source: &str, root: &YamlNode) -> HookEdit {
    let key = root.fields().iter().find(|field| field.name() == "repos").map(|field| field.key.range.end);
    let Some(value) = key.and_then(|key| Some(key + source[key..].find(':')? + 1)) else {
        return HookEdit::Refused;
    };
    let line_end = source[value..].find('\n').map_or(source.len(), |at| value + at + 1);
    let written = source[value..line_end].trim_start();
    let rest = written.strip_prefix("[]").unwrap_or(written);
    // Anything but a comment is a value of its own.
    if !(rest.trim().is_empty() || rest.trim_start().starts_with('#')) {
        return HookEdit::Refused;
    }
    let space = if rest.starts_with('#') { " " } else { "" };
    let emptied = format!("{}{space}{rest}", &source[..value]);
    let changed = insert_lines(&(emptied.clone() + &source[line_end..]), emptied.len(), 2);
    if is_only_addition(root, &changed) { HookEdit::Changed(changed) } else { HookEdit::Refused }
}

/// Returns the indentation of the list, and the places at which it may end, the best one first.
fn find_insertions(source: &str, root: &YamlNode, repos: &YamlNode) -> Option<(usize, Vec<usize>)> {
    let first = repos.items().first()?.range.start;
    let line_start = source[..first].rfind('\n').map_or(0, |end| end + 1);
    let before = &source[line_start..first];
    let dash = before.len() - before.trim_start_matches(' ').len();
    // A list in brackets has no dash, and its lines cannot be added to.
    if !before.trim_start_matches(' ').starts_with('-') {
        return None;
    }
    let next = root.fields().iter().map(|field| field.key.range.start).filter(|start| *start > first).min();
    let end = next.map_or(source.len(), |start| source[..start].rfind('\n').map_or(0, |end| end + 1));
    let mut content_end = end;
    for line in source[line_start..end].split_inclusive('\n').rev() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        // A comment that is indented like the list belongs to it.
        let is_comment_between_items = text.starts_with('#') && indent < dash.max(1);
        if !text.is_empty() && !is_comment_between_items {
            break;
        }
        content_end -= line.len();
    }
    Some((dash, vec![content_end, end]))
}

/// Inserts the hook at the start of a line, with the line ends of the file.
fn insert_lines(source: &str, at: usize, dash: usize) -> String {
    let line_end = if source.contains("\r\n") { "\r\n" } else { "\n" };
    let mut text = source[..at].to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(line_end);
    }
    for line in hook_lines() {
        text.push_str(&" ".repeat(dash));
        text.push_str(line);
        text.push_str(line_end);
    }
    text + &source[at..]
}

/// Whether the changed file has everything as before, and one repository more at the end of `repos`.
fn is_only_addition(before: &YamlNode, changed: &str) -> bool {
    let Some(after) = parse_sole_document(changed) else { return false };
    if before.fields().len() != after.fields().len() {
        return false;
    }
    before.fields().iter().zip(after.fields()).all(|(old, new)| {
        if old.name() != "repos" {
            return old.name() == new.name() && has_same_meaning(&old.value, &new.value);
        }
        let (old, new) = (old.value.items(), new.value.items());
        let Some((added, kept)) = new.split_last() else { return false };
        is_keytide(added)
            && old.len() == kept.len()
            && old.iter().zip(kept).all(|(old, new)| has_same_meaning(old, new))
    })
}

/// Compares two trees without their positions.
fn has_same_meaning(one: &YamlNode, other: &YamlNode) -> bool {
    match (&one.kind, &other.kind) {
        (NodeKind::List(ones), NodeKind::List(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(a, b)| has_same_meaning(a, b))
        }
        (NodeKind::Map(ones), NodeKind::Map(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|(a, b)| has_same_meaning(&a.key, &b.key) && has_same_meaning(&a.value, &b.value))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(source: &str) -> String {
        let HookEdit::Changed(changed) = add_hook(source) else { panic!("{source}: {:?}", add_hook(source)) };
        assert_eq!(add_hook(&changed), HookEdit::Present, "{changed}");
        changed
    }

    #[test]
    fn the_hook_comes_last_and_every_byte_stays() {
        for (source, head, tail) in [
            ("repos:\n  - repo: a # c\n    rev: v1\n    hooks: [{ id: x }]\n", None, ""),
            ("# top\nrepos:\n- repo: a\n  hooks:\n  - id: x\n  # - id: off\n", None, ""),
            ("repos:\r\n  - repo: a\r\n    hooks: []\r\n", None, ""),
            ("repos:\n  - repo: a\n    hooks: []", None, ""),
            (
                "repos:\n  - repo: a\n\n# the rest\nfail_fast: true\n",
                Some("repos:\n  - repo: a\n"),
                "\n# the rest\nfail_fast: true\n",
            ),
            ("repos:\n  - repo: a\n    exclude: |\n      x\n      # y\n", None, ""),
            ("exclude: x\nrepos:\n    -   repo: a\n        hooks: []\n", None, ""),
        ] {
            let text = changed(source);
            let head = head.unwrap_or(source);
            assert!(text.starts_with(head) && text.ends_with(tail), "{text}");
            assert_eq!(text.contains("\r\n"), source.contains("\r\n"), "{text}");
        }
        assert!(
            changed("repos:\n- repo: a\n").contains("\n- repo: https://github.com/OWNER/keytide\n  rev: ")
        );
    }

    #[test]
    fn an_empty_list_gets_its_first_repository() {
        for source in ["repos: []\n", "repos: [] # none yet\nfail_fast: true\n", "repos:\n", "repos:"] {
            let text = changed(source);
            assert!(text.starts_with("repos:") && !text.contains("[]"), "{text}");
        }
        assert!(changed("repos: [] # none yet\nfail_fast: true\n").contains("# none yet\n"));
    }

    #[test]
    fn what_has_the_hook_or_cannot_be_changed_stays() {
        for source in [
            "repos:\n  - repo: https://github.com/x/keytide.git\n",
            "repos: [{ repo: local, hooks: [{ id: keytide-system }] }]\n",
        ] {
            assert_eq!(add_hook(source), HookEdit::Present, "{source}");
        }
        for source in [
            "repos: [{ repo: a }]\n",
            "a: [\n",
            "",
            "x: 1\n",
            "repos:\n  - repo: a\n---\nb: 1\n",
            "repos: { a: 1 }\n",
        ] {
            assert_eq!(add_hook(source), HookEdit::Refused, "{source}");
        }
    }
}
