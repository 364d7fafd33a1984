//! Writes the message of a webhook: one file for each format. Texts are shortened here, and key IDs are masked already.

mod json;
mod message;
mod slack;
mod teams;

use serde_json::Value;

use crate::policy::WebhookFormat;

pub use message::{MAX_LINES, MessageLine, NotifyEvent, WebhookMessage};

impl WebhookMessage {
    /// Renders the message for a receiver.
    pub fn render(&self, format: WebhookFormat) -> Value {
        match format {
            WebhookFormat::Slack => slack::render_slack(self),
            WebhookFormat::Teams => teams::render_teams(self),
            WebhookFormat::Json => json::render_json(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    use crate::notify::problem::{Change, Level, Problem, ProblemCounts};

    fn message(lines: usize) -> WebhookMessage {
        let problem = Problem {
            key: "0123456789abcdef".to_owned(),
            level: Level::Error,
            rule: "key-age",
            user: Some("<!channel> & [a](b)".to_owned()),
            text: Some("old".to_owned()),
            help: Some("merge `it`".to_owned()),
            pull_request: Some(12),
            since: Timestamp::UNIX_EPOCH,
            run: None,
        };
        WebhookMessage {
            event: NotifyEvent::Changed,
            at: Timestamp::UNIX_EPOCH,
            repository: "acme/app".to_owned(),
            policy_file: ".github/keytide.yml".to_owned(),
            counts: ProblemCounts { errors: 3, warnings: 2, due: 0 },
            lines: vec![
                MessageLine {
                    problem,
                    change: Some(Change::New),
                    pull_request_url: Some("https://github.com/acme/app/pull/12".to_owned()),
                };
                lines
            ],
            issue_url: Some("https://github.com/acme/app/issues/7".to_owned()),
            run_url: None,
            policy_url: None,
        }
    }

    #[test]
    fn slack_sees_no_markup_of_others() {
        let text = message(1).render(WebhookFormat::Slack)["text"].as_str().unwrap().to_owned();
        assert_eq!(
            text,
            "*AWS access keys of acme/app (.github/keytide.yml): 1 new problem, 5 in all*\n\
             • error `key-age` `&lt;!channel&gt; &amp; [a](b)`: old (new) → https://github.com/acme/app/pull/12 merge `it`\n\
             <https://github.com/acme/app/issues/7|Open the issue>"
        );
    }

    #[test]
    fn teams_gets_a_card_with_plain_text() {
        let card = message(1).render(WebhookFormat::Teams);
        assert_eq!(card["type"], "message");
        let content = &card["attachments"][0]["content"];
        assert_eq!(card["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        assert!(content["body"].as_array().unwrap().iter().all(|block| block["type"] == "RichTextBlock"));
        let runs = content["body"][1]["inlines"].as_array().unwrap();
        let text: String = runs.iter().map(|run| run["text"].as_str().unwrap()).collect();
        assert_eq!(
            text,
            "error key-age <!channel> & [a](b): old (new) → https://github.com/acme/app/pull/12 merge it"
        );
        assert_eq!(runs[0]["color"], "Attention");
        let code: Vec<&str> = runs
            .iter()
            .filter(|run| run["fontType"] == "Monospace")
            .map(|run| run["text"].as_str().unwrap())
            .collect();
        assert_eq!(code, ["key-age", "<!channel> & [a](b)", "it"]);
        assert_eq!(content["actions"][0]["url"], "https://github.com/acme/app/issues/7");
    }

    #[test]
    fn json_names_everything() {
        let value = message(1).render(WebhookFormat::Json);
        assert!(value["schema_version"] == 1 && value["event"] == "changed", "{value}");
        assert_eq!(value["problems"][0]["user"], "<!channel> & [a](b)");
        assert_eq!(value["problems"][0]["change"], "new");
        assert_eq!(value["problems"][0]["help"], "merge `it`");
        assert_eq!(value["problems"][0]["pull_request_url"], "https://github.com/acme/app/pull/12");
        assert_eq!(value["summary"]["errors"], 3);
    }

    /// What to do is said once where several problems of a rule have the rule's advice.
    #[test]
    fn the_advice_of_a_rule_is_there_once() {
        let mut message = message(5);
        message.lines.iter_mut().skip(1).for_each(|line| line.problem.help = None);
        let advice = crate::notify::problem::rule_remedy("key-age").split(':').next().unwrap();
        let slack = message.render(WebhookFormat::Slack)["text"].as_str().unwrap().to_owned();
        assert_eq!(slack.matches(advice).count(), 1, "{slack}");
        assert!(slack.contains("\n• `key-age`: what to do → ") && slack.contains("→ https://"), "{slack}");
        let teams = message.render(WebhookFormat::Teams).to_string();
        assert_eq!(teams.matches(advice).count(), 1, "{teams}");
    }

    #[test]
    fn the_title_says_what_the_list_holds() {
        let title = |change: &dyn Fn(&mut WebhookMessage)| {
            let mut message = message(2);
            change(&mut message);
            message.title().rsplit(": ").next().unwrap().to_owned()
        };
        assert_eq!(title(&|_| {}), "2 new problems, 5 in all");
        assert_eq!(
            title(&|message| message.lines[0].change = Some(Change::Worse)),
            "1 new problem, 1 worse, 5 in all"
        );
        assert_eq!(
            title(&|message| message.counts = ProblemCounts { errors: 2, warnings: 0, due: 0 }),
            "2 new problems"
        );
        let all = |message: &mut WebhookMessage| {
            message.lines.iter_mut().for_each(|line| line.change = None);
        };
        assert_eq!(title(&all), "3 errors, 2 warnings");
        assert_eq!(title(&|message| message.event = NotifyEvent::Closed), "no problems any more");
    }

    #[test]
    fn a_message_has_an_end() {
        for (format, limit) in [(WebhookFormat::Slack, 4_000), (WebhookFormat::Teams, 20_000)] {
            let mut message = message(500);
            for line in &mut message.lines {
                line.problem.text = Some("x".repeat(crate::notify::observed::MAX_TEXT));
                line.problem.help = Some("x".repeat(crate::notify::observed::MAX_TEXT));
            }
            let text = message.render(format).to_string();
            let shown = text.matches(" (new) ").count();
            let more = format!("and {} more", 500 - shown);
            assert!(text.len() < limit && shown > 1 && text.contains(&more), "{shown}: {}", text.len());
        }
    }
}
