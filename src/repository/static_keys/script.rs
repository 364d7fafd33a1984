//! Searches the lines of a script for those that set an access key: assignments in shells and PowerShell, `aws configure set`,
//! lines of `~/.aws/credentials`, and secrets in arguments.

use super::key_names::{is_key_id_literal, names_key_id, names_secret, names_session_token};
use super::usage::{CiKeys, StaticKey, StaticKeyUse};
use crate::diagnostic::SourceText;
use crate::repository::expression::find_expression_end;
use crate::yaml::YamlNode;

/// Where the value of a variable comes from, as the service's configuration says.
pub type ResolveVariable<'r> = dyn Fn(&str) -> bool + 'r;

/// A script, and what is known about its variables.
pub struct Script<'s> {
    /// The text of the file.
    pub source: &'s SourceText<'s>,
    pub node: &'s YamlNode,
    /// Whether a variable holds a static key that is not reported at its own place.
    pub is_static_variable: &'s ResolveVariable<'s>,
}

/// Adds the lines of a script that set a static key: each that sets an ID, or the first that sets a secret access key.
pub fn search_script(script: &Script<'_>, found: &mut CiKeys) {
    let lines = list_lines(script.source, script.node);
    // Three values make a temporary credential.
    if lines.iter().any(|(_, line)| sets_session_token(line)) {
        return;
    }
    let computed: Vec<&str> = lines.iter().flat_map(|(_, line)| list_computed_variables(line)).collect();
    let is_static_variable = |name: &str| {
        let is_named = names_key_id(name) || names_secret(name);
        (is_named || !computed.contains(&name)) && (script.is_static_variable)(name)
    };
    let script = &Script { is_static_variable: &is_static_variable, ..*script };
    let (mut ids, mut secrets) = (Vec::new(), Vec::new());
    for (offset, line) in lines {
        let code = line.trim_start();
        let at = offset + (line.len() - code.len());
        if code.starts_with('#') || code.starts_with("- #") {
            continue;
        }
        if let Some(name) = find_setting(code, names_key_id, script) {
            ids.push(StaticKey { at: script.source.position(at), usage: StaticKeyUse::Script(name) });
        } else if let Some(name) = find_setting(code, names_secret, script) {
            secrets.push(StaticKey { at: script.source.position(at), usage: StaticKeyUse::Script(name) });
        }
    }
    if ids.is_empty() {
        secrets.truncate(1);
        found.keys.extend(secrets);
    } else {
        found.keys.extend(ids);
    }
}

/// The lines of a scalar as they are in the file, each with its first byte.
fn list_lines<'s>(source: &SourceText<'s>, node: &YamlNode) -> Vec<(usize, &'s str)> {
    let mut lines = Vec::new();
    let mut offset = node.range.start;
    for line in source.text.get(node.range.clone()).unwrap_or_default().split_inclusive('\n') {
        lines.push((offset, line.trim_end_matches(['\r', '\n'])));
        offset += line.len();
    }
    lines
}

/// Whether the line sets, and does not only read, a session token.
fn sets_session_token(line: &str) -> bool {
    let name = "session_token";
    let line = line.to_ascii_lowercase();
    if !names_session_token(&line) || line.trim_start().starts_with('#') {
        return false;
    }
    let mut places = line.match_indices(name).map(|(at, _)| line[at + name.len()..].trim_start());
    places.any(|rest| rest.starts_with('=')) || line.contains("configure set aws_session_token")
}

/// The variables that a script sets itself, from the output of a command or to a text: they hold no key of the settings.
fn list_computed_variables(line: &str) -> Vec<&str> {
    let is_computed =
        |value: &str| value.contains("$(") || value.contains('`') || read_variable(value).is_none();
    let assignments = list_assignments(line).into_iter();
    let mut names: Vec<&str> = assignments
        .filter(|(_, value)| is_computed(value.trim_matches(['"', '\''])))
        .map(|(name, _)| name)
        .collect();
    let code = line.trim_start_matches([' ', '-']);
    let words = code.strip_prefix("read ").map(str::split_whitespace).into_iter().flatten();
    names.extend(words.take_while(|word| !word.starts_with('<')));
    names
}

/// What the line sets to a static key.
fn find_setting(line: &str, is_wanted: fn(&str) -> bool, script: &Script<'_>) -> Option<String> {
    let mut settings = list_assignments(line);
    settings.extend(read_configure(line));
    for (name, value) in settings {
        if is_wanted(name) && is_static_value(value, script) {
            return Some(name.to_owned());
        }
    }
    let expressions = list_expressions(line);
    let is_passed = expressions.iter().any(|text| is_wanted(text) && is_static_expression(text));
    if is_passed { Some(describe_target(line)) } else { None }
}

/// What an argument is passed to: the first word of the command.
fn describe_target(line: &str) -> String {
    let words = line.trim_start_matches("- ").split_whitespace();
    let word = words.map(|word| word.trim_matches(['"', '\''])).find(|word| !word.is_empty());
    let word = word.unwrap_or_default();
    word.split(['=', '$']).next().filter(|word| !word.is_empty()).unwrap_or(word).to_owned()
}

fn list_expressions(line: &str) -> Vec<&str> {
    let mut expressions = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find("${{") {
        let inner = start + 3;
        let end = (inner + find_expression_end(&rest[inner..]) + 2).min(rest.len());
        expressions.push(&rest[start..end]);
        rest = &rest[end..];
    }
    expressions
}

/// Whether an expression of GitHub reads a value that does not change between runs.
pub fn is_static_expression(text: &str) -> bool {
    // An output of a step or job is a temporary credential, which is what the rule asks for.
    let is_output = text.contains("steps.") || text.contains("needs.");
    let is_stored = ["secrets.", "secrets[", "vars.", "vars[", "inputs.", "inputs["];
    text.contains("${{") && !is_output && is_stored.iter().any(|source| text.contains(source))
}

fn is_static_value(value: &str, script: &Script<'_>) -> bool {
    let value = value.trim_matches(['"', '\'', ' ']);
    if value.contains("${{") {
        return is_static_expression(value);
    }
    match read_variable(value) {
        Some(name) => (script.is_static_variable)(name),
        None => is_key_id_literal(value),
    }
}

/// The name in `$NAME`, `${NAME}`, `%NAME%` and `$env:NAME`; a command (`$(..)`) has none.
pub fn read_variable(value: &str) -> Option<&str> {
    let name = if let Some(rest) = value.strip_prefix("$env:") {
        rest
    } else if let Some(rest) = value.strip_prefix("${") {
        rest.split(['}', ':']).next()?
    } else if let Some(rest) = value.strip_prefix('$') {
        rest
    } else {
        value.strip_prefix('%')?.strip_suffix('%')?
    };
    let end = name.find(|c: char| !is_name_char(c)).unwrap_or(name.len());
    if end == 0 { None } else { Some(&name[..end]) }
}

fn is_name_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The longest value that is looked at. A line can have as many assignments as it is long, and each value goes on to its
/// end.
const MAX_VALUE_BYTES: usize = 1024;

/// What PowerShell writes before a variable of the environment.
const ENVIRONMENT: &[u8] = b"env:";

/// `NAME=VALUE` anywhere in the line. Spaces around the sign count in PowerShell and in files of profiles only.
fn list_assignments(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices('=') {
        let before = line[..at].trim_end();
        let start = before.trim_end_matches(is_name_char).len();
        let name = &before[start..];
        let is_spaced = before.len() < at || line[at + 1..].starts_with(' ');
        // The last bytes alone: the line may have as many assignments as it is long.
        let is_powershell = start
            .checked_sub(ENVIRONMENT.len())
            .is_some_and(|from| before.as_bytes()[from..start].eq_ignore_ascii_case(ENVIRONMENT));
        let is_profile = start == 0 && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if name.is_empty() || (is_spaced && !is_powershell && !is_profile) {
            continue;
        }
        found.push((name, first_word(line[at + 1..].trim_start())));
    }
    found
}

/// `aws configure set NAME VALUE`, where the name may be below a profile.
fn read_configure(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("configure set ")?;
    let at = rest.find("aws_")?;
    let end = rest[at..].find(char::is_whitespace)? + at;
    Some((&rest[at..end], first_word(rest[end..].trim_start())))
}

/// A value up to the space after it; quotes and expressions may have spaces in them.
fn first_word(text: &str) -> &str {
    let text = &text[..text.floor_char_boundary(MAX_VALUE_BYTES)];
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = text[1..].find(quote).map_or(text.len(), |end| end + 2);
        return &text[..end];
    }
    if let Some(inner) = text.strip_prefix("${{") {
        return &text[..(find_expression_end(inner) + 5).min(text.len())];
    }
    text.split([' ', '\t', ';', '&', '|']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each assignment of a line looks at a part of the rest, however long that is.
    #[test]
    fn a_value_is_bounded() {
        for unit in ["A=${{ ", "A=A", "A='", "A=\u{e9}"] {
            let line = unit.repeat(100_000);
            let looked_at: usize = list_assignments(&line).iter().map(|(_, value)| value.len()).sum();
            assert!(looked_at <= 100_000 * MAX_VALUE_BYTES, "{unit}: {looked_at}");
        }
        assert_eq!(list_assignments("\u{e9}A=b"), [("A", "b")], "a letter of two bytes");
        assert_eq!(
            list_assignments("A=${{ secrets.A }} B='c d'"),
            [("A", "${{ secrets.A }}"), ("B", "'c d'")]
        );
    }
}
