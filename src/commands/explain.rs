//! `keytide explain`: what a rule means, why, how to fix it, which controls it serves.

use std::fmt::Write;

use crate::error::CommandError;
use crate::policy::{PolicySource, presets, read_policy, suggest_name};
use crate::rules::{self, Rule};

/// A policy file with every field, for `explain policy`.
const FULL_POLICY: &str = include_str!("../../policies/full.yaml");

/// The text of a topic; without one, the list of rules.
pub fn run(topic: Option<&str>) -> Result<String, CommandError> {
    match topic {
        None => Ok(list_rules()),
        Some("policy") => Ok(FULL_POLICY.to_owned()),
        Some(name) => match rules::find_rule(name) {
            Some(rule) => Ok(explain_rule(rule)),
            None => {
                let names: Vec<&str> = rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name).collect();
                Err(CommandError::invalid(format!("there is no rule `{name}`"))
                    .with_help(suggest_name(name, &names)))
            }
        },
    }
}

fn list_rules() -> String {
    let width = rules::ALL_RULES.iter().map(|rule| rule.rule_meta().name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for text in rules::ALL_RULES.iter().map(|rule| rule.rule_meta()) {
        let _ = writeln!(out, "{:width$}  {:7}  {}", text.name, text.severity.as_str(), text.summary);
    }
    out
}

fn explain_rule(rule: &dyn Rule) -> String {
    let text = rule.rule_meta();
    let mut out = format!(
        "{} ({})\n\nFound when: {}.\nLooked at by: keytide {}\n\n",
        text.name,
        text.severity.as_str(),
        text.summary,
        text.required_input.command_names()
    );
    let _ = write!(out, "Why: {}\n\nFix: {}\n", text.rationale, text.remediation);
    let controls = controls_for_rule(text.name);
    if !controls.is_empty() {
        let _ = write!(out, "\nServes: {}\n", controls.join(", "));
    }
    out
}

/// The controls that a rule serves under any of the presets.
pub fn controls_for_rule(rule: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in presets::preset_names() {
        let text = format!("version: 1\nextends: {name}\nusers: [{{ name: x }}]\n");
        let source = PolicySource { file: name, bytes: text.as_bytes(), read_base: &|_| Err(String::new()) };
        let policy = read_policy(&source, &[]).ok();
        let found = policy.and_then(|mut policy| policy.controls.remove(rule)).unwrap_or_default();
        found.into_iter().for_each(|control| {
            if !all.contains(&control) {
                all.push(control);
            }
        });
    }
    all
}
