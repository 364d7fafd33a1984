//! The format of a Teams workflow that starts with "When a Teams webhook request is received": an Adaptive Card.

use serde_json::{Value, json};

use super::message::WebhookMessage;
use crate::sanitize::escape_line;

pub fn render_teams(message: &WebhookMessage) -> Value {
    let mut body = vec![text_block(&message.title(), "Bolder")];
    body.extend(message.list().iter().map(|line| text_block(line, "Default")));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    if let Some((name, url)) = message.link() {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": name, "url": url }]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

/// A block whose text is shown as it is: a `TextBlock` would read it as Markdown.
fn text_block(text: &str, weight: &str) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": escape_line(text), "weight": weight }] })
}
