//! Finds the GitHub secrets, or the inputs, that an expression of a workflow or of an action reads.

use crate::repository::expression::find_expression_end;

/// The context of expressions in which a file finds the key.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum KeyContext {
    #[default]
    Secrets,
    /// The inputs of a composite action, which has no secrets.
    Inputs,
}

impl KeyContext {
    fn word(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Inputs => "inputs",
        }
    }
}

/// What one text reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SecretReads {
    /// The names, in upper case: GitHub ignores their case.
    pub names: Vec<String>,
    /// Whether the name is computed, or all secrets are read: `secrets[matrix.name]`, `toJSON(secrets)`.
    pub is_computed: bool,
}

/// Reads an expression without `${{ }}`, as a condition is written.
pub fn read_expression(expression: &str, context: KeyContext) -> SecretReads {
    let mut reads = SecretReads::default();
    collect_reads(expression, context, &mut reads);
    reads
}

/// Reads the expressions of a text; text outside of `${{ }}` reads nothing.
pub fn read_secrets(text: &str, context: KeyContext) -> SecretReads {
    let mut reads = SecretReads::default();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let inner = &rest[start + 3..];
        let end = find_expression_end(inner);
        collect_reads(&inner[..end], context, &mut reads);
        rest = &inner[end..];
    }
    reads
}

fn collect_reads(expression: &str, context: KeyContext, reads: &mut SecretReads) {
    let word = context.word();
    // The context's name has no case either.
    let lower = expression.to_ascii_lowercase();
    for (at, _) in lower.match_indices(word) {
        let before = expression[..at].chars().next_back();
        let rest = expression[at + word.len()..].trim_start();
        if before.is_some_and(|c| is_name_char(c) || c == '.') || rest.starts_with(is_name_char) {
            continue;
        }
        let quoted = rest.strip_prefix('[').and_then(|inner| inner.trim_start().strip_prefix('\''));
        match rest.strip_prefix('.').or(quoted) {
            Some(name) if name.starts_with(is_name_char) => {
                let end = name.find(|c| !is_name_char(c)).unwrap_or(name.len());
                reads.names.push(name[..end].to_ascii_uppercase());
                // `secrets['A' && 'B']` reads another one than it begins with.
                let rest = name[end..].strip_prefix('\'').map(str::trim_start);
                reads.is_computed |= quoted.is_some() && !rest.is_some_and(|rest| rest.starts_with(']'));
            }
            _ => reads.is_computed = true,
        }
    }
}

/// GitHub's expressions know no minus: a hyphen is a part of a name.
fn is_name_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// The secret whose value the text is, or a field of it: `${{ secrets.NAME }}`, `${{ fromJSON(secrets.NAME).Field }}`.
/// `None` for a text that may have another value, such as `${{ secrets.A || secrets.B }}`.
pub fn find_sole_secret(text: &str, context: KeyContext) -> Option<String> {
    let inner = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    let mut reads = SecretReads::default();
    collect_reads(inner, context, &mut reads);
    let [name] = &reads.names[..] else { return None };
    let lower = inner.to_ascii_lowercase();
    let wanted = name.to_ascii_lowercase();
    let word = context.word();
    let plain = [format!("{word}.{wanted}"), format!("{word}['{wanted}']")];
    if plain.contains(&lower) {
        return Some(name.clone());
    }
    let field = plain.iter().find_map(|read| lower.strip_prefix(&format!("fromjson({read})")))?;
    let field = field.strip_prefix('.').or_else(|| field.strip_prefix("['")?.strip_suffix("']"))?;
    if !field.is_empty() && field.chars().all(is_name_char) { Some(name.clone()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_form() {
        let names = |text: &str| read_secrets(text, KeyContext::Secrets).names.join(" ");
        assert_eq!(names("${{ secrets.A }} ${{secrets['b_2']}} $secrets.C"), "A B_2");
        assert_eq!(names("${{ Secrets.a || inputs.secrets.X || my-secrets.Y }}"), "A");
        assert_eq!(names("${{ secrets_a.B }}"), "");
        assert_eq!(names("${{ format('}}{0}', secrets.A) }} ${{ secrets.B }}"), "A B");
        for computed in [
            "${{ secrets[matrix.a] }}",
            "${{ toJSON(secrets) }}",
            "${{ secrets.* }}",
            "${{ secrets['A' && 'B'] }}",
        ] {
            assert!(read_secrets(computed, KeyContext::Secrets).is_computed, "{computed}");
        }
        assert!(!read_secrets("${{ secrets.A }}", KeyContext::Secrets).is_computed);
        assert_eq!(names("${{ secrets.a-b }} ${{ inputs.C }}"), "A-B");
        let inputs = read_expression("inputs.aws-key != '' && secrets.X", KeyContext::Inputs);
        assert_eq!(inputs.names, ["AWS-KEY"]);
    }

    #[test]
    fn only_a_value_that_is_one_secret_is_sole() {
        for text in [
            "${{ secrets.KEY }}",
            "${{secrets['key']}}",
            "${{ fromJSON(secrets.KEY).AccessKeyId }}",
            "${{ fromJson(secrets.KEY)['AccessKeyId'] }}",
        ] {
            assert_eq!(find_sole_secret(text, KeyContext::Secrets).as_deref(), Some("KEY"), "{text}");
        }
        for text in ["${{ secrets.A || secrets.B }}", "x${{ secrets.A }}", "${{ secrets.A || '' }}", "A", ""]
        {
            assert_eq!(find_sole_secret(text, KeyContext::Secrets), None, "{text}");
        }
    }
}
