//! The format of Slack's incoming webhooks.

use serde_json::{Value, json};

use super::message::WebhookMessage;
use crate::sanitize::escape_line;

pub fn render_slack(message: &WebhookMessage) -> Value {
    let mut lines = vec![escape(&message.title())];
    lines.extend(message.list().iter().map(|line| format!("• {}", escape(line))));
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
