//! Searches the lines of a script for those that set an access key: assignments in shells and PowerShell, `aws configure set`,
//! lines of `~/.aws/credentials`, and secrets in arguments.

use std::collections::HashSet;

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
    let computed: HashSet<&str> = lines.iter().flat_map(|(_, line)| list_computed_variables(line)).collect();
    let is_static_variable = |name: &str| {
        let is_named = names_key_id(name) || names_secret(name);
        (is_named || !computed.contains(name)) && (script.is_static_variable)(name)
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
    let assignments = list_assignments(line).into_iter();
    let mut names: Vec<&str> =
        assignments.filter(|(_, rest)| is_computed(rest)).map(|(name, _)| name).collect();
    let code = line.trim_start_matches([' ', '-']);
    let words = code.strip_prefix("read ").map(str::split_whitespace).into_iter().flatten();
    names.extend(words.take_while(|word| !word.starts_with('<')));
    names
}

/// Whether the value at the start of `rest` is the output of a command, or a text.
fn is_computed(rest: &str) -> bool {
    // The start alone says of nearly all values that they read no variable.
    if !rest.trim_start_matches(QUOTES).starts_with(['$', '%']) {
        return true;
    }
    let value = first_word(rest).trim_matches(QUOTES);
    value.contains("$(") || value.contains('`') || read_variable(value).is_none()
}

/// What the line sets to a static key.
fn find_setting(line: &str, is_wanted: fn(&str) -> bool, script: &Script<'_>) -> Option<String> {
    for (name, rest) in list_assignments(line).into_iter().chain(read_configure(line)) {
        if is_wanted(name) && is_static_value(first_word(rest), script) {
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

const QUOTES: [char; 2] = ['"', '\''];

/// What PowerShell writes before a variable of the environment.
const ENVIRONMENT: &[u8] = b"env:";

/// `NAME=VALUE` anywhere in the line, each with the rest of the line from the value on: [`first_word`] reads the value of the
/// few names that matter. Spaces around the sign count in PowerShell and in files of profiles only.
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
        found.push((name, line[at + 1..].trim_start()));
    }
    found
}

/// `aws configure set NAME VALUE`, where the name may be below a profile; with the rest of the line from the value on.
fn read_configure(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("configure set ")?;
    let at = rest.find("aws_")?;
    let end = rest[at..].find(char::is_whitespace)? + at;
    Some((&rest[at..end], rest[end..].trim_start()))
}

/// A value up to the space after it; quotes and expressions may have spaces in them.
fn first_word(text: &str) -> &str {
    let text = &text[..text.floor_char_boundary(MAX_VALUE_BYTES)];
    #[cfg(test)]
    tests::BYTES_READ.set(tests::BYTES_READ.get() + text.len());
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

    thread_local! {
        /// How many bytes of values were read.
        pub static BYTES_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    fn search(text: &str) -> Vec<StaticKey> {
        let mut found = CiKeys::default();
        let source = SourceText::new(text);
        let root = crate::yaml::parse_documents("x").unwrap().remove(0);
        let node = YamlNode { range: 0..text.len(), ..root };
        search_script(&Script { source: &source, node: &node, is_static_variable: &|_| true }, &mut found);
        found.keys
    }

    /// A line can have as many assignments as it is long. The values of names that do not matter are not read, and of the
    /// others a part, however long the rest is.
    #[test]
    fn few_values_are_read_and_none_to_its_end() {
        for (unit, of_each) in [
            ("A=${{ ", MAX_VALUE_BYTES),
            ("A=$A", MAX_VALUE_BYTES),
            ("A=A", 0),
            ("A='", 0),
            ("A=\u{e9}", 0),
            ("AWS_ACCESS_KEY_ID=A", MAX_VALUE_BYTES),
        ] {
            let count = 10_000;
            let before = BYTES_READ.get();
            assert_eq!(search(&unit.repeat(count)), [], "{unit}");
            let read = BYTES_READ.get() - before;
            assert!(read <= count * of_each, "{unit}: {read} bytes");
        }
    }

    /// A script can set as many variables as it has lines, each of which may be looked up.
    #[test]
    fn variables_that_a_script_sets_are_none_of_the_settings() {
        let computed: String = (0..20_000).map(|number| format!("V{number}=$(x)\n")).collect();
        let used: String = (0..20_001).map(|number| format!("AWS_ACCESS_KEY_ID=$V{number}\n")).collect();
        let found = search(&format!("{computed}{used}"));
        assert_eq!(found.iter().map(|key| key.at.line).collect::<Vec<_>>(), [40_001]);
        let found = search(
            "A=`x`\nread B\nC='$D'\nAWS_ACCESS_KEY_ID=$A\nAWS_ACCESS_KEY_ID=$B\nAWS_ACCESS_KEY_ID=$C\n",
        );
        assert_eq!(found.iter().map(|key| key.at.line).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn a_value_ends_at_a_space_outside_of_quotes_and_expressions() {
        let values = |line| {
            let all = list_assignments(line).into_iter();
            all.map(|(name, rest)| (name, first_word(rest))).collect::<Vec<_>>()
        };
        assert_eq!(values("\u{e9}A=b"), [("A", "b")], "a letter of two bytes");
        assert_eq!(values("A=${{ secrets.A }} B='c d'"), [("A", "${{ secrets.A }}"), ("B", "'c d'")]);
    }
}
