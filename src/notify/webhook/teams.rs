//! The format of a Teams workflow that starts with "When a Teams webhook request is received": an Adaptive Card.

use serde_json::{Value, json};

use super::message::WebhookMessage;
use crate::sanitize::escape_line;

/// The bytes of the list. Teams takes messages of 28 KB; some users had messages of more than 21 KB refused.
const ROOM: usize = 16_000;

pub fn render_teams(message: &WebhookMessage) -> Value {
    let mut body = vec![text_block(&message.title(), "Bolder")];
    let size = |block: &Value| block.to_string().len();
    body.extend(message.list(ROOM, |line| text_block(line, "Default"), size));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        // Else a card is narrow, whatever the window is (Teams, "Full width Adaptive Card")
        "msteams": { "width": "Full" },
        "body": body,
    });
    let mut actions = Vec::new();
    for (name, url) in message.links() {
        actions.push(json!({ "type": "Action.OpenUrl", "title": name, "url": url }));
    }
    if !actions.is_empty() {
        card["actions"] = json!(actions);
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
