//! The format of Slack's incoming webhooks.

use serde_json::{Value, json};

use super::message::{ShownLine, WebhookMessage};
use crate::sanitize::escape_line;

/// The bytes of the list. Slack divides a text of more than 4,000 characters into several messages.
const ROOM: usize = 3_000;

pub fn render_slack(message: &WebhookMessage) -> Value {
    let mut lines = vec![format!("*{}*", escape(&message.title()).replace('*', "∗"))];
    lines.extend(message.list(ROOM, render_line, String::len));
    let links: Vec<String> = message.links().iter().map(|(name, url)| format!("<{url}|{name}>")).collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    json!({ "text": lines.join("\n"), "unfurl_links": false, "unfurl_media": false })
}

/// A line of the list. Names are code: `_name_` would be italic.
fn render_line(line: &ShownLine<'_>) -> String {
    let mut words: Vec<String> = line.level.map(|level| level.name().to_owned()).into_iter().collect();
    words.extend(line.names.iter().map(|name| format!("`{}`", escape(name).replace('`', "'"))));
    format!("• {}{}", words.join(" "), escape(&line.text))
}

/// The three characters with which Slack begins links and mentions (Slack, "Formatting text").
fn escape(text: &str) -> String {
    escape_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
