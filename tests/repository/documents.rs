//! The documents for users agree with the program: links, paths, commands, the tables and the picture that are generated.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Keytide, matches_file, program, root};
use keytide::policy::schema;
use keytide::rules;

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The runbook explains every event that a journal can hold.
#[test]
fn the_runbook_has_every_word_of_the_journal() {
    let runbook = read("docs/runbook.md");
    let mut events = BTreeSet::new();
    for file in std::fs::read_dir(root().join("tests/fixtures/journal")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let entry: Value = serde_json::from_str(&text).unwrap();
        events.insert(entry["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(events.len(), 28);
    for event in events {
        assert!(runbook.contains(&format!("\n| `{event}` | ")), "{event}");
    }
}

/// The table of phases and the topics are those of `keytide explain`.
#[test]
fn the_runbook_has_the_phases_of_the_program() {
    let head = "| phase | what it means | what to look at | ways out |\n|---|---|---|---|\n";
    matches_part("docs/runbook.md", "phases", &format!("{head}{}", read("src/commands/phases.md")));
    for topic in ["leaked-key", "changed-journal", "encrypted-anew"] {
        matches_part("docs/runbook.md", topic, &read(&format!("src/commands/topics/{topic}.md")));
    }
}

/// The pages of the book.
pub fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push(format!("docs/{name}"));
        }
    }
    pages.sort();
    pages
}

fn documents() -> Vec<String> {
    let others = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        "tests/README.md",
    ];
    let mut all: Vec<String> = others.map(str::to_owned).to_vec();
    all.extend(pages());
    all
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    lines_of(text, false)
}

/// The lines inside or outside of the blocks of code.
fn lines_of(text: &str, of_code: bool) -> String {
    let mut is_code = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code == of_code {
            kept += line;
            kept += "\n";
        }
    }
    kept
}

/// What is between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every path that the documents for contributors and users name is there.
#[test]
fn the_documents_name_files_that_exist() {
    let known = ["src/", "tests/", "policies/", "benches/", ".ci/", "scripts/", "docs/"];
    for document in documents() {
        let text = prose(&read(&document));
        for path in quoted(&text) {
            let is_path =
                known.iter().any(|start| path.starts_with(start)) && !path.contains(['<', '*', ' ', '\n']);
            let exists = root().join(path.trim_end_matches('/')).exists();
            assert!(!is_path || exists, "{document} names `{path}`");
        }
    }
}

/// GitHub's anchors of the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text).lines().filter(|line| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    anchors
}

/// Every link to a file of this repository leads to one, and to a heading of it. A page of the book links to other files by
/// their address, since the book does not have them.
#[test]
fn links_lead_to_files_and_headings() {
    let here = "https://github.com/OWNER/keytide/blob/main/";
    let mut seen = 0;
    for document in documents() {
        let text = prose(&read(&document));
        for rest in text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path.strip_prefix(here) {
                Some(inside) => inside.to_owned(),
                None if path.contains("://") => continue,
                None if path.is_empty() => document.clone(),
                None => {
                    assert!(!document.starts_with("docs/") || !path.contains('/'), "{document}: {link}");
                    let folder = Path::new(&document).parent().unwrap();
                    folder.join(path).to_str().unwrap().to_owned()
                }
            };
            assert!(root().join(&target).exists(), "{document} links to {link}");
            let is_known = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
            assert!(is_known, "{document} links to {link}: no such heading");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} links");
}

#[test]
fn the_book_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    for page in pages().iter().filter(|page| *page != "docs/SUMMARY.md") {
        let link = format!("]({})", page.trim_start_matches("docs/"));
        assert_eq!(summary.matches(&link).count(), 1, "{page}");
    }
}

fn help_text(command: &[&str]) -> String {
    let output = Command::new(program()).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a document names: lines of its blocks, and what stands between backticks.
fn commands(text: &str) -> Vec<String> {
    let (prose, code) = (prose(text), lines_of(text, true));
    let spans = quoted(&prose).map(str::to_owned);
    let lines = code.lines().map(|line| line.trim().to_owned());
    spans.chain(lines).filter(|line| line.starts_with("keytide ")).collect()
}

/// Every command that the documents for users name is one of the program's, with these options.
#[test]
fn the_documents_name_commands_that_exist() {
    let mut known = BTreeSet::new();
    for line in help_text(&[]).split("Commands:").nth(1).unwrap().lines().skip(1) {
        let Some(name) = line.split_whitespace().next() else { break };
        if line.starts_with("  ") && !line.starts_with("   ") {
            known.insert(name.to_owned());
        }
    }
    assert!(known.contains("audit") && known.contains("iam-policy"), "{known:?}");
    let mut pages = pages();
    pages.push("README.md".to_owned());
    let mut seen = 0;
    for page in pages {
        for line in commands(&read(&page)) {
            let mut words = line.split_whitespace().skip(1).take_while(|word| !word.starts_with('#'));
            let command = words.next().unwrap();
            assert!(known.contains(command), "{page}: {line}");
            // The options of a command with subcommands are those of the subcommand.
            let subcommand = if command == "fleet" { words.next() } else { None };
            let help = help_text(&[command].into_iter().chain(subcommand).collect::<Vec<_>>());
            for option in words.filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap();
                assert!(
                    help.contains(&format!("{name} ")) || help.contains(&format!("{name}\n")),
                    "{page}: {line}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} commands");
}

/// Writes what is generated between its two markers into a document.
pub fn matches_part(document: &str, name: &str, part: &str) {
    let (begin, end) = (format!("<!-- {name}: generated by cargo bless -->\n"), format!("<!-- /{name} -->"));
    let text = read(document);
    let (before, rest) = text.split_once(&begin).expect("a place for it");
    let (_, after) = rest.split_once(&end).expect("which ends");
    matches_file(&root().join(document), &format!("{before}{begin}{part}{end}{after}"));
}

/// The types of the schema, in the order of the page, with their headings.
const TYPES: &[(&str, &str)] = &[
    ("UserEntry", "An entry of `users`"),
    ("Limits", "`limits`"),
    ("Allow", "`allow`"),
    ("RotationPatch", "`rotation`"),
    ("Retirement", "`retire`"),
    ("Validate", "`validate`"),
    ("Redeploy", "`redeploy`"),
    ("Exemption", "An entry of `exemptions`"),
    ("Notify", "`notify`"),
    ("NotifyIssue", "`notify.issue`"),
    ("NotifyWebhook", "`notify.webhook`"),
    ("Sops", "`sops`"),
    ("Age", "`age`"),
    ("SealedSecret", "`sealed_secret`"),
    ("GithubSecret", "`github_secret`"),
    ("SecretsManager", "`secrets_manager`"),
    ("SsmParameter", "`ssm_parameter`"),
    ("Vault", "`vault`"),
    ("Reference", "`reference`"),
];

/// The table of the fields of a type: which must be there, their values and what they mean.
fn fields(heading: &str, described: &Value) -> String {
    let mut text = format!("### {heading}\n\n{}\n\n", described["description"].as_str().unwrap());
    text += "| field | | what it is |\n|---|---|---|\n";
    let required: Vec<&str> = match described["required"].as_array() {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    for (name, field) in described["properties"].as_object().unwrap() {
        let mut notes = Vec::new();
        if required.contains(&name.as_str()) {
            notes.push("required".to_owned());
        }
        if let Some(values) = field["enum"].as_array() {
            let values: Vec<String> =
                values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect();
            notes.push(values.join(", "));
        }
        if let Some(default) = field["default"].as_str() {
            notes.push(format!("default `{default}`"));
        }
        let meaning = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        text += &format!("| `{name}` | {} | {meaning} |\n", notes.join("; "));
    }
    text + "\n"
}

#[test]
fn the_page_of_the_policy_file_has_every_field() {
    let schema = schema::published_schema(&rules::exemptible_rules());
    let types = schema["$defs"].as_object().unwrap();
    let with_fields = types.values().filter(|described| described["properties"].is_object()).count();
    assert_eq!(with_fields, TYPES.len(), "a type has no place on the page");
    let mut text = fields("The file", &schema);
    for &(name, heading) in TYPES {
        text += &fields(heading, &types[name]);
    }
    matches_part("docs/policy.md", "fields", &text);
}

/// A section for each rule, with the texts of `keytide explain`.
#[test]
fn the_page_of_the_rules_explains_each() {
    let mut text = String::new();
    for rule in rules::ALL_RULES {
        let meta = rule.rule_meta();
        text += &format!(
            "## {}\n\nSeverity: {}. Reported when {}.\n\nWhy: {}\n\nFix: {}\n\n",
            meta.name,
            meta.severity.as_str(),
            meta.summary,
            meta.rationale,
            meta.remediation
        );
    }
    matches_part("docs/rules.md", "explained rules", &text);
}

/// The picture of the README shows what the demo prints today.
#[test]
fn the_picture_shows_the_demo() {
    // As wide as the picture, so that it cuts no line
    let demo = Keytide::new(&["demo", "--key-ids", "masked", "--color", "always"]).env("COLUMNS", "112");
    let demo = demo.run().exits(0).stdout;
    let mut drawing = Command::new("python3")
        .arg(root().join("scripts/picture"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drawing.stdin.take().unwrap().write_all(demo.as_bytes()).unwrap();
    let drawn = drawing.wait_with_output().unwrap();
    assert!(drawn.status.success());
    matches_file(&root().join("docs/demo.svg"), &String::from_utf8(drawn.stdout).unwrap());
}
