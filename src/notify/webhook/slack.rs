//! The format of Slack's incoming webhooks.

use serde_json::{Value, json};

use super::message::WebhookMessage;
use crate::sanitize::escape_line;

/// The bytes of the list. Slack divides a text of more than 4,000 characters into several messages.
const ROOM: usize = 3_000;

pub fn render_slack(message: &WebhookMessage) -> Value {
    let mut lines = vec![escape(&message.title())];
    lines.extend(message.list(ROOM, |line| format!("• {}", escape(line)), String::len));
    let links: Vec<String> = message.links().iter().map(|(name, url)| format!("<{url}|{name}>")).collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    json!({ "text": lines.join("\n"), "unfurl_links": false, "unfurl_media": false })
}

/// The three characters with which Slack begins links and mentions (Slack, "Formatting text").
fn escape(text: &str) -> String {
    escape_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
