//! keytide's own format, version 1, for programs.

use serde_json::{Value, json};

use super::message::{MessageLine, WebhookMessage};
use crate::notify::problem::Change;

/// How many problems are listed.
const MAX_PROBLEMS: usize = 100;

pub fn render_json(message: &WebhookMessage) -> Value {
    let problems: Vec<Value> = message.lines.iter().take(MAX_PROBLEMS).map(render_line).collect();
    json!({
        "schema_version": 1,
        "event": message.event.name(),
        "generated_at": message.at.to_string(),
        "repository": message.repository,
        "policy": message.policy_file,
        "policy_url": message.policy_url,
        "issue_url": message.issue_url,
        "run_url": message.run_url,
        "summary": message.counts,
        "problems": problems,
        "omitted": message.lines.len().saturating_sub(MAX_PROBLEMS),
    })
}

fn render_line(line: &MessageLine) -> Value {
    json!({
        "severity": line.problem.level.name(),
        "rule": line.problem.rule,
        "user": line.problem.user,
        "message": line.problem.text,
        "help": line.problem.remedy(),
        "pull_request_url": line.pull_request_url,
        "change": line.change.map(Change::name),
        "since": line.problem.since.to_string(),
    })
}
