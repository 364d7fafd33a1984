//! Renders the checks as text and as JSON. Nothing in them is secret, so they can be pasted into a public issue.

use anstyle::AnsiColor;
use serde::Serialize;

use super::check::{Check, CheckStatus};
use crate::sanitize::{escape_json, escape_line, mask_identifiers};
use crate::text_style::TextStyle;

/// The version of the JSON document.
const SCHEMA_VERSION: u32 = 1;
/// The width of the column with the statuses and of the gap behind it.
const STATUS_COLUMN: usize = 6;

#[derive(Serialize)]
struct JsonReport<'a> {
    schema_version: u32,
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    name: &'a str,
    status: CheckStatus,
    seen: &'a str,
    fix: &'a str,
}

/// Masks access key IDs and account IDs, and removes the secrets that this run was given: a service may quote them.
pub fn hide_identifiers(checks: &mut [Check], secrets: &[&str]) {
    for check in checks {
        for text in [&mut check.seen, &mut check.fix] {
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                *text = text.replace(secret, "***");
            }
            *text = mask_identifiers(text);
        }
    }
}

/// The report as text: one line for each check, wrapped on a terminal.
pub fn render_text(checks: &[Check], style: TextStyle) -> String {
    let name_width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let indent = STATUS_COLUMN + name_width + 2;
    let mut out = String::new();
    for check in checks {
        let arrow = if check.fix.is_empty() { String::new() } else { format!("  → {}", check.fix) };
        let status = format!("{:4}", check.status.name());
        let status = match check.status {
            CheckStatus::Ok => style.paint(AnsiColor::Green, &status),
            CheckStatus::Warn => style.paint(AnsiColor::Yellow, &status),
            CheckStatus::Fail => style.paint(AnsiColor::Red, &status),
            CheckStatus::Skip => style.dim(&status),
        };
        let text = style.hang(indent, &escape_line(&format!("{}{arrow}", check.seen)));
        out.push_str(&format!("{status}  {:name_width$}  {text}\n", check.name));
    }
    let (colour, verdict) = describe_result(checks);
    out + "\n" + &style.paint(colour, &style.hang(0, &escape_line(&verdict))) + "\n"
}

/// The result in one sentence, with the first check that failed or the next command.
fn describe_result(checks: &[Check]) -> (AnsiColor, String) {
    let failed: Vec<&Check> = checks.iter().filter(|check| check.status == CheckStatus::Fail).collect();
    if let [first, ..] = failed[..] {
        let number = failed.len();
        return (
            AnsiColor::Red,
            format!("failed: {number} of {} checks; start with {}", checks.len(), first.name),
        );
    }
    if let Some(first) = checks.iter().find(|check| check.is_incomplete) {
        return (AnsiColor::Red, format!("incomplete: {} could not be checked; start with it", first.name));
    }
    let warnings = checks.iter().filter(|check| check.status == CheckStatus::Warn).count();
    let result = match warnings {
        0 => "passed".to_owned(),
        1 => "passed with 1 warning".to_owned(),
        number => format!("passed with {number} warnings"),
    };
    let colour = if warnings == 0 { AnsiColor::Green } else { AnsiColor::Yellow };
    (colour, format!("{result}; next: `keytide plan` shows what a rotation would do"))
}

/// The report as JSON, version 1.
pub fn render_json(checks: &[Check]) -> String {
    let mut rows = Vec::new();
    for Check { name, status, seen, fix, .. } in checks {
        rows.push(JsonCheck { name, status: *status, seen, fix });
    }
    let report = JsonReport { schema_version: SCHEMA_VERSION, checks: rows };
    escape_json(&serde_json::to_string_pretty(&report).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("clock", "within 2 seconds"),
            Check::fail(
                "owner-tag",
                "arn:aws:iam::123456789012:user/ci has AKIAIOSFODNN7EXAMPLE\u{1b}[2J and gho_x",
                "tag it",
            ),
        ]
    }

    #[test]
    fn lines_are_aligned_and_wrapped() {
        assert_eq!(
            render_text(&checks()[..1], TextStyle::default()),
            "ok    clock  within 2 seconds\n\npassed; next: `keytide plan` shows what a rotation would do\n"
        );
        let mut all = checks();
        hide_identifiers(&mut all, &["gho_x", ""]);
        let text = render_text(&all, TextStyle { colour: false, width: Some(60) });
        assert_eq!(
            text,
            "ok    clock      within 2 seconds\n\
             fail  owner-tag  arn:aws:iam::…9012:user/ci has\n                 \
             AKIA…MPLE\\u{1b}[2J and ***  → tag it\n\n\
             failed: 1 of 2 checks; start with owner-tag\n"
        );
    }

    #[test]
    fn json_holds_the_same_and_no_identifier() {
        let mut all = checks();
        hide_identifiers(&mut all, &["gho_x"]);
        let text = render_json(&all);
        assert!(!text.contains("123456789012") && !text.contains("IOSFODNN7") && !text.contains('\u{1b}'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["checks"][1]["status"], "fail");
        assert_eq!(value["checks"][0]["fix"], "");
    }
}
