//! Writes `retire: {}` into the policy file's entry of a user, in place of its `rotation`.

use super::text_edit::TextEditor;
use crate::policy::ROTATION_COMMENT;
use crate::yaml::{YamlField, YamlNode, parse_editable};

const RETIRE: &str = "retire";

/// What is to be done with the policy file.
#[derive(Debug, PartialEq, Eq)]
pub enum PolicyEdit {
    /// The user has it already.
    Present,
    Changed(String),
    /// The entry has a form that cannot be edited.
    Refused,
}

/// Adds `retire: {}` to a user's entry.
pub fn add_retire(source: &str, user: &str) -> PolicyEdit {
    let Ok(file) = parse_editable(source) else { return PolicyEdit::Refused };
    let users =
        file.roots.first().and_then(|root| root.get("users")).map(YamlNode::items).unwrap_or_default();
    let Some(entry) = users.iter().find(|entry| is_named(entry, user)) else { return PolicyEdit::Refused };
    if entry.get(RETIRE).is_some() {
        return PolicyEdit::Present;
    }
    let mut editor = TextEditor::new(source);
    let rotation = find_field(entry, "rotation");
    if let Some(rotation) = rotation {
        let end = editor.field_end(rotation);
        editor.replace_range(rotation.key.range.start..end, format!("{RETIRE}: {{}}"));
    } else if let Some(name) = find_field(entry, "name") {
        if editor.is_flow(entry) {
            editor.insert_text(editor.field_end(name), format!(", {RETIRE}: {{}}"));
        } else {
            let indent = " ".repeat(editor.indent_of(entry));
            editor.insert_lines_after(name, &[format!("{indent}{RETIRE}: {{}}")]);
        }
    }
    remove_rotation_comment(&mut editor, source, entry);
    let Some(changed) = editor.finish() else { return PolicyEdit::Refused };
    if is_as_expected(&changed, user, entry.fields().len(), rotation.is_some()) {
        PolicyEdit::Changed(changed)
    } else {
        PolicyEdit::Refused
    }
}

/// Takes out the comment with which `keytide init` offered a rotation, if it is there as that wrote it.
fn remove_rotation_comment(editor: &mut TextEditor<'_>, source: &str, entry: &YamlNode) {
    let Some(last) = entry.fields().last() else { return };
    let mut start = entry.range.start;
    for line in source[start..editor.field_end(last)].split_inclusive('\n') {
        let end = start + line.len();
        if line.trim() == ROTATION_COMMENT && line.ends_with('\n') {
            // With the indent, which a line within the entry has whole
            editor.replace_range(start..end, String::new());
        }
        start = end;
    }
}

fn is_named(entry: &YamlNode, user: &str) -> bool {
    entry.get("name").and_then(YamlNode::scalar_text) == Some(user)
}

fn find_field<'n>(entry: &'n YamlNode, name: &str) -> Option<&'n YamlField> {
    entry.fields().iter().find(|field| field.name() == name)
}

/// Whether the entry has the new field, and as many others as before.
fn is_as_expected(changed: &str, user: &str, count: usize, replaced: bool) -> bool {
    let Ok(file) = parse_editable(changed) else { return false };
    let users =
        file.roots.first().and_then(|root| root.get("users")).map(YamlNode::items).unwrap_or_default();
    let named = users.iter().find(|entry| is_named(entry, user));
    named.is_some_and(|entry| {
        let expected = if replaced { count } else { count + 1 };
        entry.get(RETIRE).is_some() && entry.get("rotation").is_none() && entry.fields().len() == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(source: &str) -> String {
        let PolicyEdit::Changed(text) = add_retire(source, "ci") else { panic!("{source}") };
        assert_eq!(add_retire(&text, "ci"), PolicyEdit::Present, "{text}");
        text
    }

    #[test]
    fn the_entry_of_the_user_gets_it_and_no_other_byte_changes() {
        for (source, expected) in [
            (
                "users:\n  - name: a\n    rotation: {}\n  - name: ci # x\n    rotation: {}   # y\n    destinations: []\n",
                "users:\n  - name: a\n    rotation: {}\n  - name: ci # x\n    retire: {}   # y\n    destinations: []\n",
            ),
            (
                "users:\r\n  - name: ci\r\n    rotation:\r\n      grace: 1d # z\r\n      soak: 2d\r\n    # c\r\n    destinations: []\r\n",
                "users:\r\n  - name: ci\r\n    retire: {}\r\n    # c\r\n    destinations: []\r\n",
            ),
            (
                "users:\n- destinations: []\n  name: 'ci'\n",
                "users:\n- destinations: []\n  name: 'ci'\n  retire: {}\n",
            ),
            ("users: [{ name: ci, rotation: { grace: 1d } }]\n", "users: [{ name: ci, retire: {} }]\n"),
            ("users: [{ name: ci }]\n", "users: [{ name: ci, retire: {} }]\n"),
            (
                "users:\n  - name: ci\n    rotation:\n    limits: {}\n",
                "users:\n  - name: ci\n    retire: {}\n    limits: {}\n",
            ),
            (
                "users:\n  - name: ci\n    # rotation: {}       # lets keytide rotate the key in these destinations\n    destinations: []\n",
                "users:\n  - name: ci\n    retire: {}\n    destinations: []\n",
            ),
            (
                "users:\n  - name: ci\n    # rotation: {}   # mine\n    destinations: []\n",
                "users:\n  - name: ci\n    retire: {}\n    # rotation: {}   # mine\n    destinations: []\n",
            ),
            ("users:\n  - name: ci", "users:\n  - name: ci\n    retire: {}"),
        ] {
            assert_eq!(changed(source), expected);
        }
    }

    #[test]
    fn a_user_without_an_entry_of_its_own_is_refused() {
        assert_eq!(add_retire("users: [{ match: 'c*' }]\n", "ci"), PolicyEdit::Refused);
        assert_eq!(add_retire("users: [\n", "ci"), PolicyEdit::Refused);
    }
}
