//! `keytide explain`: prints what a rule means, why it exists, how to fix its findings, and which controls it covers; or what
//! a phase of a rotation means.

use std::fmt::Write;

use crate::error::CommandError;
use crate::policy::{PolicySource, presets, read_policy, suggest_name};
use crate::repository::FileContent;
use crate::rotation::RotationPhase;
use crate::rules::{self, Rule};
use crate::text_style::TextStyle;

/// A policy file with all fields, for `explain policy`.
const FULL_POLICY: &str = include_str!("../../policies/full.yaml");

/// Returns the text of a topic, or the list of rules.
pub fn run(topic: Option<&str>, style: TextStyle) -> Result<String, CommandError> {
    match topic {
        None => Ok(list_rules(style)),
        Some("policy") => Ok(FULL_POLICY.to_owned()),
        Some(name) => explain_name(name, style),
    }
}

fn explain_name(name: &str, style: TextStyle) -> Result<String, CommandError> {
    if let Some(rule) = rules::find_rule(name) {
        return Ok(explain_rule(rule, style));
    }
    let phase = RotationPhase::ALL.into_iter().find(|phase| phase.name() == name);
    phase.map(|phase| explain_phase(phase, style)).ok_or_else(|| unknown_name(name))
}

fn unknown_name(name: &str) -> CommandError {
    let mut names: Vec<&str> = rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name).collect();
    names.extend(RotationPhase::ALL.map(RotationPhase::name));
    CommandError::invalid(format!("no rule or phase is named `{name}`")).with_help(suggest_name(name, &names))
}

fn explain_phase(phase: RotationPhase, style: TextStyle) -> String {
    let mut out = format!("{} (a phase of a rotation)\n\n", phase.name());
    out.push_str(&labelled(style, "Means: ", phase.describe()));
    let next = "`keytide plan` says what the rotation waits for, and what you can do; docs/runbook.md has all phases";
    out.push_str(&labelled(style, "Next: ", next));
    out
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
