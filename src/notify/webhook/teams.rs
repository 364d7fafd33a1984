//! The format of a Teams workflow that starts with "When a Teams webhook request is received": an Adaptive Card.

use serde_json::{Value, json};

use super::message::{ShownLine, WebhookMessage};
use crate::notify::problem::Level;
use crate::sanitize::escape_line;

/// The bytes of the list. Teams takes messages of 28 KB; some users had messages of more than 21 KB refused.
const ROOM: usize = 16_000;

pub fn render_teams(message: &WebhookMessage) -> Value {
    let mut title = text_run(&message.title());
    title["weight"] = json!("Bolder");
    let mut body = vec![text_block(vec![title])];
    body.extend(message.list(ROOM, render_line, |block| block.to_string().len()));
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

/// A line of the list: the level in its colour, names and what is between backticks in the font of code.
fn render_line(line: &ShownLine<'_>) -> Value {
    let mut runs = Vec::new();
    if let Some(level) = line.level {
        let mut run = text_run(level.name());
        run["color"] = json!(match level {
            Level::Error => "Attention",
            Level::Warning => "Warning",
            Level::Due => "Accent",
        });
        run["weight"] = json!("Bolder");
        runs.push(run);
    }
    for name in &line.names {
        if !runs.is_empty() {
            runs.push(text_run(" "));
        }
        runs.push(code_run(name));
    }
    // Backticks come in pairs; a last one without its second is shown
    let mut rest = line.text.as_str();
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, tail)| Some((before, tail.split_once('`')?)))
    {
        runs.extend([text_run(before), code_run(code)]);
        rest = after;
    }
    runs.push(text_run(rest));
    runs.retain(|run| run["text"] != "");
    text_block(runs)
}

fn text_run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": escape_line(text) })
}

fn code_run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": escape_line(text), "fontType": "Monospace" })
}

/// A block whose text is shown as it is: a `TextBlock` would read it as Markdown.
fn text_block(runs: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}
