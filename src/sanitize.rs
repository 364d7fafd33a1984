//! Escapes untrusted text for the place to which it is printed. Every output of keytide goes through this module.
//!
//! Policy files, file names and messages from AWS and GitHub are written by others. There is one function for each
//! output format: terminals, workflow logs, Markdown, Mermaid, JSON, SARIF, HTML, CSV.

mod key_command;
mod possible_secrets;
mod quoted_token;
mod terminal;
mod workflow_log;

use key_command::is_key_id;
pub use possible_secrets::{cover_possible_secrets, hide_possible_secrets, is_secret_part};
pub use quoted_token::{hide_secret, hide_token, hide_whole_token};
use terminal::escape_characters;
pub use terminal::{escape_line, escape_lines, is_harmful};
pub use workflow_log::{
    escape_workflow_data, escape_workflow_log, escape_workflow_property, find_workflow_command,
};

/// Text inside Markdown, also inside a table cell: no character keeps a meaning, no mention, link or tag starts.
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = escape_line(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // Before a blank a colon begins neither a link nor an emoji.
            ':' if chars.peek().is_none_or(|next| *next == ' ') => out.push(c),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            '|' => out.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.replace("www.", "www&#46;")
}

/// The text of an escaped Markdown document as a reader sees it, for a terminal: undoes [`escape_markdown`]. The result is
/// for [`escape_lines`], not for Markdown.
pub fn unescape_markdown(markdown: &str) -> String {
    let mut out = markdown.to_owned();
    for (entity, text) in [
        ("&#8203;", ""),
        ("&#64;", "@"),
        ("&#35;", "#"),
        ("&#58;", ":"),
        ("&#124;", "|"),
        ("&#46;", "."),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        out = out.replace(entity, text);
    }
    for c in "`*_{}[]()!~$\\".chars() {
        out = out.replace(&format!("\\{c}"), &c.to_string());
    }
    out
}

/// A code span of Markdown, within which only a backtick has a meaning; it becomes an apostrophe.
pub fn markdown_code(text: &str) -> String {
    format!("`{}`", escape_line(text).replace('`', "'"))
}

/// As [`escape_markdown`], but text between backticks becomes code where its characters are harmless.
pub fn escape_markdown_keeping_code(text: &str) -> String {
    escape_around_code(text, escape_markdown)
}

/// As [`escape_markdown_keeping_code`], for an issue or a comment on GitHub: it notifies no one and refers to no issue.
pub fn escape_issue_text(text: &str) -> String {
    escape_around_code(text, escape_references)
}

/// GitHub looks for mentions and references in the rendered text, where an entity has become its character again
/// (github/cmark-gfm#181). An invisible space behind the character keeps it from being one.
fn escape_references(text: &str) -> String {
    let mut out = escape_markdown(text);
    for reference in ["&#64;", "&#35;", "GH-", "gh-"] {
        out = out.replace(reference, &format!("{reference}&#8203;"));
    }
    out
}

fn escape_around_code(text: &str, escape: fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('`') {
        match tail.split_once('`') {
            Some((code, after)) if is_harmless_code(code) => {
                out.push_str(&escape(before));
                out.push_str(&format!("`{code}`"));
                rest = after;
            }
            Some((code, after)) => {
                out.push_str(&escape(&format!("{before}`{code}`")));
                rest = after;
            }
            None => {
                out.push_str(&escape(&format!("{before}`")));
                rest = tail;
            }
        }
    }
    out + &escape(rest)
}

/// Whether a text means the same in a code span: harmless characters, or a name in angle brackets such as `<root_account>`.
fn is_harmless_code(code: &str) -> bool {
    match code.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        // With `_`, which no name of an element has
        Some(name) => name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        None => !code.is_empty() && code.chars().all(is_harmless_in_code),
    }
}

/// Characters that mean nothing inside a code span, neither to Markdown nor to a table or a mention.
fn is_harmless_in_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || " -_./:=,*+…$()[]?'\"".contains(c)
}

/// A label of a Mermaid diagram: every character that could end the label becomes `_`.
pub fn escape_mermaid_label(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escape_line(text).chars() {
        let is_allowed = c.is_alphanumeric() || " -_.+=@…".contains(c);
        safe.push(if is_allowed { c } else { '_' });
    }
    safe
}

/// A JSON document, with a line feed at its end. Characters that would control a terminal, and `##[`, which starts a
/// command in a workflow log, become JSON escapes: a parser reads the same text.
pub fn escape_json(document: &str) -> String {
    let mut out = escape_characters(document, |c| c != '\n' && is_harmful(c), write_json_escape);
    if out.contains("##[") {
        out = out.replace("##[", "#\\u0023[");
    }
    out.push('\n');
    out
}

fn write_json_escape(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// The plain text of a SARIF message, in which `[text](target)` would be a link (SARIF 2.1.0, section 3.11.6).
pub fn escape_sarif(text: &str) -> String {
    escape_lines(text).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

/// Text and attribute values of HTML.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '#' => out.push_str("&#35;"),
            _ => out.push(c),
        }
    }
    out
}

/// As [`escape_html`], but text between backticks becomes code.
pub fn escape_html_keeping_code(text: &str) -> String {
    // Escaped first, so that the text between two backticks holds no markup
    let escaped = escape_html(text);
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped.as_str();
    while let Some((before, tail)) = rest.split_once('`') {
        let Some((code, after)) = tail.split_once('`') else { break };
        out.push_str(&format!("{before}<code>{code}</code>"));
        rest = after;
    }
    out + rest
}

/// A cell of a CSV file. A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, also behind white
/// space, and some read a full-width form as the same character (OWASP, "CSV Injection"): an apostrophe before it makes it
/// a text.
pub fn escape_csv(text: &str) -> String {
    let text = escape_line(text);
    let first = text.trim_start().chars().next();
    let is_formula = first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c));
    let guard = if is_formula { "'" } else { "" };
    // Always in quotes: what separates cells differs from country to country.
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Replaces everything that has the shape of an access key ID by its masked form, `AKIA…WXYZ`.
///
/// An access key ID reveals the AWS account, so public logs show it masked. A command that names one looks it up instead.
pub fn mask_key_ids(text: &str) -> String {
    let text = key_command::look_up_keys(text);
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(&if is_key_id(&word) { mask_key_id(&word) } else { std::mem::take(&mut word) });
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Returns the masked form of one access key ID.
pub fn mask_key_id(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    if chars.len() < 16 {
        return "…".to_owned();
    }
    chars[..4].iter().chain(['…'].iter()).chain(&chars[chars.len() - 4..]).collect()
}

/// Masks access key IDs and account IDs: a full key ID reveals its account, so both are shown or neither.
pub fn mask_identifiers(text: &str) -> String {
    mask_account_ids(&mask_key_ids(text))
}

/// Replaces everything that has the shape of an AWS account ID, a word of twelve digits, by its last four: `…9012`. Digits
/// beside letters are part of a digest.
pub fn mask_account_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        if word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit()) {
            out.push('…');
            out.push_str(&word[8..]);
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// At most `limit` characters of a text.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_keeps_no_meaning() {
        assert_eq!(
            escape_markdown("a|b <i> @me [x](y) `c`\n# d"),
            "a&#124;b &lt;i&gt; &#64;me \\[x\\]\\(y\\) \\`c\\`\\\\u\\{a\\}&#35; d"
        );
    }

    #[test]
    fn a_reader_of_markdown_sees_the_text() {
        for text in ["a|b <i> @me [x](y) #7 06:00 & $1", "arn:aws:iam::1:user/*", "www.example.org"] {
            assert_eq!(unescape_markdown(&escape_markdown(text)), text);
        }
        assert_eq!(unescape_markdown(&escape_issue_text("@me #7")), "@me #7");
    }

    #[test]
    fn only_harmless_text_becomes_code() {
        assert_eq!(
            escape_markdown_keeping_code("run `keytide rotate --user a_b` (now)"),
            "run `keytide rotate --user a_b` \\(now\\)"
        );
        assert_eq!(
            escape_markdown_keeping_code("a`b` `<i>` `x|y` `` @me`"),
            "a`b` \\`&lt;i&gt;\\` \\`x&#124;y\\` \\`\\` &#64;me\\`"
        );
        assert_eq!(escape_markdown_keeping_code("of `<root_account>`"), "of `<root_account>`");
        assert_eq!(escape_markdown_keeping_code("`aws $(b \"[?c('d')]\")`"), "`aws $(b \"[?c('d')]\")`");
    }

    #[test]
    fn an_issue_mentions_and_refers_to_nothing() {
        assert_eq!(
            escape_issue_text("@octocat, acme/app#12, GH-3 and `gh-4 @x`"),
            "&#64;&#8203;octocat, acme/app&#35;&#8203;12, GH-&#8203;3 and \\`gh-&#8203;4 &#64;&#8203;x\\`"
        );
        assert_eq!(escape_issue_text("run `keytide plan` GH-1"), "run `keytide plan` GH-&#8203;1");
    }

    #[test]
    fn code_in_html_holds_no_markup() {
        assert_eq!(
            escape_html_keeping_code("`<b>` and `a b`, then one `"),
            "<code>&lt;b&gt;</code> and <code>a b</code>, then one `"
        );
    }

    #[test]
    fn a_cell_of_a_spreadsheet_is_no_formula() {
        for (text, cell) in [
            ("plain", "\"plain\""),
            ("=HYPERLINK(\"https://evil.example\")", "\"'=HYPERLINK(\"\"https://evil.example\"\")\""),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("\t=1", "\"\\u{9}=1\""),
            ("a,b\nc", "\"a,b\\u{a}c\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
        ] {
            assert_eq!(escape_csv(text), cell);
        }
    }

    #[test]
    fn account_ids_are_masked_wherever_they_stand() {
        assert_eq!(
            mask_account_ids(
                "arn:aws:iam::123456789012:role/x, 12345678901, 1234567890123, ab123456789012 and 123456789012"
            ),
            "arn:aws:iam::…9012:role/x, 12345678901, 1234567890123, ab123456789012 and …9012"
        );
    }

    #[test]
    fn key_ids_are_masked_wherever_they_stand() {
        assert_eq!(
            mask_key_ids("key AKIAIOSFODNN7EXAMPLE, AKIAX and xAKIAIOSFODNN7EXAMPLE"),
            "key AKIA…MPLE, AKIAX and xAKIAIOSFODNN7EXAMPLE"
        );
    }
}
