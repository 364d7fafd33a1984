//! The messages of the webhook, to a server on this machine.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{audit_with, only_issue, policy, remarks};
use crate::support::Ran;
use crate::support::peers::{OLD, POLICY, World};
use crate::support::replies::{Reply, Server};

/// A part of the address that nothing may print.
const SECRET: &str = "T0KEN-in-the-path";

/// A server that keeps what it gets and answers with a status.
struct Hook {
    server: Server,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Hook {
    fn answering(status: u16) -> Self {
        Self::saying(status, "ok")
    }

    fn saying(status: u16, body: &'static str) -> Self {
        let got: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = Arc::clone(&got);
        let server = Server::start(move |request| {
            assert_eq!(request.headers["content-type"], "application/json");
            let message = serde_json::from_str(&request.body).unwrap();
            kept.lock().unwrap().push((request.path.clone(), message));
            Reply::Answer(status, body.to_owned())
        });
        Self { server, got }
    }

    fn url(&self) -> String {
        format!("{}/{SECRET}", self.server.url())
    }

    fn messages(&self) -> Vec<Value> {
        self.got.lock().unwrap().iter().map(|(_, message)| message.clone()).collect()
    }
}

fn run(world: &World, max_age: &str, notify: &str, url: &str) -> Ran {
    let policy = policy(max_age, notify);
    world.github.push(&[(POLICY, policy.as_bytes())]);
    let run = world.keytide(&["audit", "-v"]).file(POLICY, policy).env("HOOK", url).run();
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(SECRET), "{text}");
    }
    run
}

#[test]
fn each_change_of_the_issue_is_one_message() {
    let (mut world, hook) = (World::new(80), Hook::answering(200));
    let notify = "{ issue: {}, webhook: { url_from: HOOK, format: json } }";
    for (hours, max_age) in
        [(1, "365d"), (1, "90d"), (1, "90d"), (24 * 11, "90d"), (1, "365d"), (1, "365d"), (1, "90d")]
    {
        world.pass(hours);
        assert!(remarks(&run(&world, max_age, notify, &hook.url())).is_empty());
    }
    let messages = hook.messages();
    let events: Vec<&Value> = messages.iter().map(|message| &message["event"]).collect();
    assert_eq!(events, ["opened", "changed", "closed", "reopened"]);
    assert_eq!(messages[1]["problems"][0]["change"], "worse");
    assert_eq!(messages[1]["summary"], json!({ "errors": 1, "warnings": 0, "due": 0 }));
    assert_eq!(messages[1]["issue_url"], "https://github.com/acme/app/issues/1000");
    assert!(messages.iter().all(|message| !message.to_string().contains(OLD)));
    assert_eq!(only_issue(&world)["state"], "open");
    audit_with(&world, &policy("30d", notify), &["--no-notify"]).exits(1);
    assert_eq!(hook.messages().len(), 4);
}

#[test]
fn three_formats() {
    for format in ["slack", "teams", "json"] {
        let (world, hook) = (World::new(100), Hook::answering(202));
        let notify = format!("{{ issue: {{}}, webhook: {{ url_from: HOOK, format: {format} }} }}");
        run(&world, "90d", &notify, &hook.url()).exits(1);
        let messages = hook.messages();
        assert_eq!(messages.len(), 1, "{messages:?}");
        let message = &messages[0];
        let text = message.to_string();
        for part in ["key-age", "ci-deployer", "is 100 days old", "AKIA…DOLD", "/issues/1000"] {
            assert!(text.contains(part), "{format}: {part}: {text}");
        }
        let shape = match format {
            "slack" => message["text"].is_string(),
            "teams" => message["attachments"][0]["content"]["type"] == "AdaptiveCard",
            _ => message["schema_version"] == 1,
        };
        assert!(shape, "{format}: {text}");
    }
}

/// A webhook that fails is a remark that does not hold its address.
#[test]
fn a_webhook_that_fails_changes_no_exit_code() {
    let world = World::new(100);
    let notify = "{ webhook: { url_from: HOOK, format: slack } }";
    let refusing = Hook::answering(404);
    let redirecting = Hook::answering(307);
    let failing = Hook::saying(200, "no_service");
    for (url, wanted) in [
        (refusing.url(), "the server answered with HTTP 404"),
        (redirecting.url(), "which keytide does not follow"),
        (failing.url(), "HTTP 200, and not with `ok` as Slack does"),
        (format!("http://127.0.0.1:9/{SECRET}"), "the connection failed"),
        (format!("http://example.com/{SECRET}"), "does not begin with https://"),
        (format!("https://user:{SECRET}@example.com/"), "holds a user name or a password"),
        (SECRET.to_owned(), "not a URL"),
        (String::new(), "HOOK is not set"),
    ] {
        let run = run(&world, "90d", notify, &url).exits(1);
        let said = remarks(&run);
        assert!(said.len() == 1 && said[0].contains(wanted), "{url}: {said:?}");
    }
    let notify = notify.replace("slack", "teams");
    for (body, wanted) in [
        ("Webhook message delivery failed with error: HTTP error 429", "the message was not delivered"),
        ("1", "[]"),
        ("", "[]"),
    ] {
        let said = remarks(&run(&world, "90d", &notify, &Hook::saying(200, body).url()).exits(1));
        assert!(format!("{said:?}").contains(wanted), "{body}: {said:?}");
    }
}

/// Without an issue nothing is known of earlier runs; the same where the issue could not be written.
#[test]
fn a_webhook_alone_has_a_message_for_every_run_with_a_problem() {
    let (world, hook) = (World::new(100), Hook::answering(200));
    let alone = "{ webhook: { url_from: HOOK, format: json } }";
    for max_age in ["90d", "90d", "365d"] {
        run(&world, max_age, alone, &hook.url());
    }
    world.github.control("POST", "settings", &json!({ "issues": "read" }));
    run(&world, "90d", "{ issue: {}, webhook: { url_from: HOOK, format: json } }", &hook.url());
    let messages = hook.messages();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|message| message["event"] == "found" && message["issue_url"].is_null()));
}
