//! Texts of GitHub's that try to be more than text, in every format.

use serde_json::{Value, json};

use super::refused;
use crate::support::destinations::AgeFile;
use crate::support::peers::{OLD, USER, World, rotation_field};

/// A command of the runner's, colours, C1, a title, right-to-left, a table cell, HTML, a mention, a link.
const HOSTILE: &str = "::error::forged\n::error::forged ##[error]forged \u{1b}[31mred \u{9b}31m \u{1b}]0;title\u{7} \u{202e}txt \
                       | cell | <script>alert(1)</script> @acme [x](https://evil.example) `code`\r\n::set-output name=result::pass";
const FORMATS: [&str; 6] = ["text", "json", "sarif", "github", "markdown", "html"];

/// Runs with every report, as in a workflow, and looks at everything that it wrote.
#[track_caller]
fn stays_text(world: &World, exit: i32) {
    let mut keytide = world.keytide(&["rotate"]);
    for format in FORMATS {
        keytide = keytide.arg(&format!("--report={format}=out.{format}"));
    }
    let keytide = keytide.in_action(&[]).env("GITHUB_EVENT_NAME", "schedule");
    let paths: Vec<_> =
        FORMATS.iter().map(|format| (*format, keytide.path(&format!("out.{format}")))).collect();
    let (summary, output) = (keytide.path("summary.md"), keytide.path("output"));
    let run = keytide.run().exits(exit);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let mut texts: Vec<(&str, String)> = paths.iter().map(|(format, path)| (*format, read(path))).collect();
    texts.extend([("stdout", run.stdout), ("stderr", run.stderr)]);
    texts.extend([("summary", read(&summary)), ("output", read(&output))]);
    for (what, text) in &texts {
        is_text(what, text);
    }
    let shown = texts.iter().filter(|(_, text)| text.contains("forged")).count();
    assert!(shown >= 7, "the text is shown, not dropped");
}

#[track_caller]
fn is_text(what: &str, text: &str) {
    let harmful = |c: &char| *c != '\n' && keytide::sanitize::is_harmful(*c);
    assert_eq!(text.chars().find(harmful), None, "{what}");
    for line in text.lines() {
        // The text report is a file here: in a log it stands as `github`.
        let command = (line.trim_start().starts_with("::") || line.contains("##[")) && what != "text";
        let ours = [
            "::error title=keytide could not finish::",
            "::error file=.github/keytide.yml,",
            "::warning file=.github/keytide.yml,",
        ];
        let is_ours = what == "github" && ours.iter().any(|start| line.starts_with(start));
        assert!(!command || is_ours, "{what}: {line}");
    }
    if what == "markdown" || what == "summary" {
        for forbidden in ["<script", "](https", " @acme", " | cell"] {
            assert!(!text.contains(forbidden), "{what}: {forbidden} in {text}");
        }
    }
    if what == "html" {
        // The page's own script, and no other.
        assert_eq!(text.matches("<script").count(), 1, "{text}");
    }
    assert!(what != "output" || text.lines().all(|line| line != "result=pass"), "{text}");
}

/// An error message, of the first request and of a step.
#[test]
fn an_error_message_stays_text() {
    let world = World::with(80, vec![Box::new(AgeFile::new())]);
    for request in ["GET /repos/acme/app", "POST .*/git/trees"] {
        let fault = json!([{"match": request, "status": 403, "message": HOSTILE}]);
        world.github.control("POST", "faults", &fault);
        stays_text(&world, 3);
    }
}

/// The name of the default branch.
#[test]
fn a_branch_stays_text() {
    let world = World::with(80, vec![Box::new(AgeFile::new())]);
    let name = HOSTILE.replace(['\r', '\n'], " ");
    world.github.control("POST", "settings", &json!({ "default_branch": name }));
    stays_text(&world, 3);
}

/// A text of a reply that is no error may be the token as well: the name of the default branch.
#[test]
fn a_text_that_quotes_the_token_is_shown_without_it() {
    const TOKEN: &str = "token-Vq3cZ8mLw0XbT5yRkN7dJ2hF";
    let world = World::with(80, vec![Box::new(AgeFile::new())]);
    world.github.control("POST", "settings", &json!({ "default_branch": format!("of {TOKEN}") }));
    let run = world.keytide(&["rotate"]).env("GITHUB_TOKEN", TOKEN).run().exits(3);
    let shown = run.stdout + &run.stderr;
    assert!(shown.contains("there is no branch `of …`") && !shown.contains(&TOKEN[6..]), "{shown}");
}

/// Writes entries into a user's journal, as anybody can who may push to the repository.
fn forge(world: &World, user: &str, entries: &[Value]) {
    let escaped = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) => char::from(byte).to_string(),
        byte => format!("={byte:02X}"),
    };
    let name: String = user.bytes().map(escaped).collect();
    let make = |path: &str, body: &Value| {
        let answer = world.github.ask("POST", path, body);
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        answer["sha"].as_str().unwrap_or_default().to_owned()
    };
    let mut head = None;
    for entry in entries {
        let mut entry = entry.clone();
        (entry["version"], entry["user"], entry["run"]) = (1.into(), user.into(), "1".into());
        let file = json!({"path": "entry.json", "mode": "100644", "content": entry.to_string()});
        let tree = make("git/trees", &json!({ "tree": [file] }));
        let message = format!("keytide: {} (x)\n\n{entry}\n", entry["event"].as_str().unwrap());
        let parents: Vec<String> = head.into_iter().collect();
        head = Some(make("git/commits", &json!({"tree": tree, "parents": parents, "message": message})));
    }
    make("git/refs", &json!({"ref": format!("refs/keytide/123456789012/{name}"), "sha": head}));
}

/// The user's unique ID.
fn user_id(world: &World) -> String {
    let answer = world.aws.iam("GetUser", &[("UserName", USER)]);
    let (_, rest) = answer.split_once("<UserId>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

fn intent(world: &World, old: &str, places: Value) -> Value {
    json!({"at": "2026-03-01T05:00:00Z", "event": "intent", "number": 1, "user_id": user_id(world), "key": old,
        "places": places})
}

/// A user whom someone has put into a journal that no run of keytide wrote.
#[test]
fn a_user_of_a_forged_journal_stays_text() {
    let world = World::with(5, vec![Box::new(AgeFile::new())]);
    let entry = json!({"at": "2026-03-01T05:00:00Z", "event": "intent", "number": 1, "user_id": HOSTILE, "key": HOSTILE,
        "places": []});
    forge(&world, "::error::forged\u{1b}[31m|<script>@acme", &[entry]);
    stays_text(&world, 3);
    assert_eq!(world.keys().len(), 1);
}

/// Everyone who can push cannot have a key made for a recipient of his own.
#[test]
fn a_forged_rotation_makes_no_key() {
    let world = World::with(5, vec![Box::new(AgeFile::new())]);
    let thief = age::x25519::Identity::generate().to_public().to_string();
    let spec = json!({"age": {"file": "x.age", "format": "dotenv", "recipients": [thief]}});
    let place = json!({"place": "age x.age", "kind": "file", "marker": null, "spec": spec});
    forge(&world, USER, &[intent(&world, OLD, json!([place]))]);
    let words = ["rotation 1 began with other destinations than the policy file has", "keytide resume"];
    refused(&world, world.keytide(&["rotate"]).run(), 1, &words);

    world.keytide(&["resume", "--user", USER, "--reason", "it was forged"]).run().exits(0);
    let run = world.keytide(&["rotate"]).run().exits(0);
    assert_eq!(rotation_field(&run.json(), "phase"), "healthy", "{}", run.stdout);
}

/// Nor have the key that is in use taken for one that no one has.
#[test]
fn a_forged_key_is_not_discarded() {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    let staged =
        json!({"at": "2026-03-01T05:00:01Z", "event": "staged", "key": OLD, "files": {}, "payloads": []});
    forge(&world, USER, &[intent(&world, "AKIA0NOBODYNOBODY000", json!([])), staged]);
    for _ in 0..3 {
        let run = world.keytide(&["rotate"]).run().exits(1);
        assert_eq!(world.keys()[OLD].1, "Active", "{}", run.stdout);
        world.pass(1);
    }
    let report = world.keytide(&["rotate"]).run().exits(1).json();
    let why = rotation_field(&report, "why");
    assert!(why.contains("the journal is broken: this entry has no staged files"), "{why}");
}

/// What is no journal under a name of another user's stops no one else.
#[test]
fn a_journal_that_cannot_be_read_stops_no_other_user() {
    let world = World::with(80, vec![Box::new(AgeFile::new())]);
    let broken = json!({"at": "2026-03-01T05:00:00Z", "event": "touch"});
    forge(&world, "zzz", &[broken]);
    let fault =
        json!([{"match": "GET .*/git/matching-refs/keytide/123456789012/zzz", "status": 502, "times": 99}]);
    world.github.control("POST", "faults", &fault);
    let run = world.keytide(&["rotate"]).run();
    let report = run.json();
    assert_eq!((run.exit, world.keys().len()), (3, 2), "{}", run.stdout);
    assert!(report["faults"].to_string().contains("\"zzz\""), "{}", run.stdout);
    let rotations = report["rotations"].to_string();
    assert!(rotations.contains("\"proposed\""), "{rotations}");
}
