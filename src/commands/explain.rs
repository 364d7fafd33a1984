//! `keytide explain`: prints what a rule means, why it exists, how to fix its findings, and which controls it covers; what a
//! phase of a rotation means; or what a person on call does.

use std::fmt::Write;

use crate::error::CommandError;
use crate::policy::{PolicySource, nearest_names, presets, quote_names, read_policy};
use crate::repository::FileContent;
use crate::rotation::RotationPhase;
use crate::rules::{self, Rule};
use crate::text_style::TextStyle;

/// A policy file with all fields, for `explain policy`.
const FULL_POLICY: &str = include_str!("../../policies/full.yaml");
/// The rows of the table of phases: docs/runbook.md has the same, generated from here.
const PHASE_ROWS: &str = include_str!("phases.md");
/// What a person on call does, by name: docs/runbook.md has the same, generated from here.
const TOPICS: [(&str, &str, &str); 3] = [
    ("leaked-key", "The key has leaked", include_str!("topics/leaked-key.md")),
    ("changed-journal", "The journal was changed", include_str!("topics/changed-journal.md")),
    (
        "encrypted-anew",
        "A file of a destination was encrypted anew",
        include_str!("topics/encrypted-anew.md"),
    ),
];
/// How many names an unknown name is answered with.
const SUGGESTED: usize = 5;

/// Returns the text of a topic, or the names of all.
pub fn run(topic: Option<&str>, style: TextStyle) -> Result<String, CommandError> {
    match topic {
        None => Ok(list_rules(style) + &list_others(style)),
        Some("policy") => Ok(FULL_POLICY.to_owned()),
        Some(name) => explain_name(name, style),
    }
}

fn explain_name(name: &str, style: TextStyle) -> Result<String, CommandError> {
    if let Some(rule) = rules::find_rule(name) {
        return Ok(explain_rule(rule, style));
    }
    if let Some((_, title, text)) = TOPICS.iter().find(|(topic, ..)| *topic == name) {
        return Ok(format!("{title}\n\n{text}"));
    }
    let phase = RotationPhase::ALL.into_iter().find(|phase| phase.name() == name);
    phase.map(|phase| explain_phase(phase, style)).ok_or_else(|| unknown_name(name))
}

fn unknown_name(name: &str) -> CommandError {
    let mut names: Vec<&str> = rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name).collect();
    names.extend(RotationPhase::ALL.map(RotationPhase::name));
    names.extend(TOPICS.map(|(name, ..)| name));
    // What begins with it is more likely meant than what is spelled alike
    let (mut nearest, others): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|known| !name.is_empty() && known.starts_with(name));
    nearest.extend(nearest_names(name, &others, SUGGESTED));
    nearest.truncate(SUGGESTED);
    let nearest = quote_names(&nearest);
    CommandError::invalid(format!("no rule, phase or topic is named `{name}`"))
        .with_help(format!("the nearest names are {nearest}; `keytide explain` lists all"))
}

fn explain_phase(phase: RotationPhase, style: TextStyle) -> String {
    let mut out = format!("{} (a phase of a rotation)\n\n", phase.name());
    let [meaning, look_at, ways_out] = phase_row(phase);
    for (label, text) in [("Means: ", meaning), ("Look at: ", look_at), ("Ways out: ", ways_out)] {
        out.push_str(&labelled(style, label, text));
    }
    let next = "`keytide plan --user NAME` says what the rotation of a user waits for; `keytide explain` lists all phases";
    out.push_str(&labelled(style, "Next: ", next));
    out
}

/// The row of a phase: what it means, what to look at, the ways out. A test looks that each phase has one.
fn phase_row(phase: RotationPhase) -> [&'static str; 3] {
    let start = format!("| `{}` | ", phase.name());
    let row = PHASE_ROWS.lines().find_map(|line| line.strip_prefix(&start));
    let mut cells = row.unwrap_or_default().trim_end_matches(" |").split(" | ");
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

fn list_rules(style: TextStyle) -> String {
    let width = rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for rule in rules::ALL_RULES {
        let meta = rule.rule_meta();
        let summary = style.hang(width + 11, meta.summary);
        let _ = writeln!(out, "{:width$}  {:7}  {summary}", meta.name, meta.severity.as_str());
    }
    out
}

/// The names of the phases and of the other topics.
fn list_others(style: TextStyle) -> String {
    let phases = RotationPhase::ALL.map(RotationPhase::name).join(", ");
    let topics = TOPICS.map(|(name, ..)| name).join(", ");
    let mut out = String::from("\n");
    for (label, names) in [
        ("Phases of a rotation: ", &*phases),
        ("For the person on call: ", &topics),
        ("The policy file with all fields: ", "policy"),
    ] {
        out.push_str(&labelled(style, label, names));
    }
    out
}

fn explain_rule(rule: &dyn Rule, style: TextStyle) -> String {
    let meta = rule.rule_meta();
    let mut out = format!("{} ({})\n\n", meta.name, meta.severity.as_str());
    out.push_str(&labelled(style, "Reported when: ", &format!("{}.", meta.summary)));
    let _ = writeln!(out, "Reported by: keytide {}\n", meta.required_input.command_names());
    out.push_str(&labelled(style, "Why: ", meta.rationale));
    out.push('\n');
    out.push_str(&labelled(style, "Fix: ", meta.remediation));
    let controls = controls_for_rule(meta.name);
    if !controls.is_empty() {
        out.push('\n');
        out.push_str(&labelled(style, "Controls: ", &controls.join(", ")));
    }
    out
}

/// A text behind a label; on a terminal its further lines are indented.
fn labelled(style: TextStyle, label: &str, text: &str) -> String {
    format!("{label}{}\n", style.hang(label.len(), text))
}

/// The controls that any of the presets assigns to a rule.
fn controls_for_rule(rule: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in presets::preset_names() {
        let text = format!("version: 1\nextends: {name}\nusers: [{{ name: x }}]\n");
        let source = PolicySource { file: name, bytes: text.as_bytes(), read_base: &|_| FileContent::Absent };
        let Ok(mut policy) = read_policy(&source, &[]) else { continue };
        for control in policy.controls.remove(rule).unwrap_or_default() {
            if !all.contains(&control) {
                all.push(control);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table has a row of three texts for each phase, and no other row.
    #[test]
    fn each_phase_has_its_row() {
        assert_eq!(PHASE_ROWS.lines().count(), RotationPhase::ALL.len());
        for phase in RotationPhase::ALL {
            assert!(phase_row(phase).iter().all(|cell| !cell.is_empty()), "{phase}");
        }
        assert!(PHASE_ROWS.lines().all(|line| line.matches(" | ").count() == 3), "a cell contains a bar");
    }
}
