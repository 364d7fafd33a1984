//! What files and arguments hold is quoted in reports and errors, and a secret never is.

use crate::support::check::{World, id, secret};

const FORMATS: [&str; 7] = ["text", "json", "sarif", "github", "markdown", "html", "badge"];

/// Checks a repository in every format, on standard output and in a file. `hidden` may be nowhere.
fn assert_never_shown(files: &[(&str, &str)], hidden: &str, code: i32) {
    let world = World::with(files);
    for format in FORMATS {
        let run =
            world.check(&["--format", format, "--report", &format!("{format}=.git/report"), "--history"]);
        let report = std::fs::read_to_string(world.root.join(".git/report")).unwrap();
        assert_eq!(run.code, code, "{files:?}: {}{}", run.stdout, run.stderr);
        let shown = [run.stdout, run.stderr, report].concat();
        assert!(!shown.contains(hidden), "{files:?} {format}: {shown}");
    }
}

/// `KEYTIDE` stands for the word, so that no line here is a comment of this file.
fn comment(text: &str) -> String {
    text.replace("KEYTIDE", "keytide:").replace("ID", &id()).replace("KEY", &secret())
}

#[test]
fn the_reason_of_a_comment_shows_no_secret() {
    for (file, text) in [
        ("a.go", "f(/* KEYTIDE allow plaintext-key, exposed-key-id -- sample */ \"ID\", \"KEY\")"),
        (
            "a.tf",
            "provider \"aws\" { /* KEYTIDE allow plaintext-key -- x */ access_key = \"ID\", secret_key = \"KEY\" }",
        ),
        ("a.j2", "{# KEYTIDE allow plaintext-key -- x #} aws_secret_access_key=KEY"),
        ("a.py", "x=\"KEYTIDE allow plaintext-key -- r\"; aws_secret_access_key=\"KEY\""),
        ("a.env", "AWS_SECRET_ACCESS_KEY=KEY # KEYTIDE allow plaintext-key -- the value KEY is a sample"),
    ] {
        assert_never_shown(&[(file, &format!("{}\n", comment(text)))], &secret()[..9], 0);
    }
    let id_alone = comment("x=ID # KEYTIDE allow exposed-key-id -- old secret_access_key=KEY\n");
    assert_never_shown(&[("a.env", &id_alone)], &secret()[..9], 1);
    let rule = comment("aws_secret_access_key=KEY # KEYTIDE allow KEY\n");
    assert_never_shown(&[("a.env", &rule)], &secret()[..9], 1);
}

#[test]
fn the_reason_of_an_exemption_shows_no_secret() {
    let policy = format!(
        "version: 1\nusers: [{{name: a}}]\nexemptions:\n  - {{user: \"*\", files: [a.env], rules: [plaintext-key], until: 2099-01-01, reason: \"it is {}\"}}\n",
        secret()
    );
    let files = [("a.env", &*comment("aws_secret_access_key=KEY\n")), (".github/keytide.yml", &policy)];
    assert_never_shown(&files, &secret()[..9], 0);
}

#[test]
fn an_allow_text_accepts_nothing_in_json_and_in_a_line_with_other_line_breaks() {
    let (json, divided) = ("has no effect in JSON", "another line break than a line feed");
    for (file, why, text) in [
        (
            "a.json",
            json,
            "{\"note\":\"KEYTIDE allow plaintext-key -- r\",\"accessKeyId\":\"ID\",\"secretAccessKey\":\"KEY\"}",
        ),
        (
            "a.ipynb",
            json,
            "{\"source\":[\"aws_secret_access_key=KEY # KEYTIDE allow plaintext-key -- r\\n\"]}",
        ),
        ("a.env", divided, "X=1 # KEYTIDE allow plaintext-key -- r\rAWS_SECRET_ACCESS_KEY=KEY\r"),
        ("b.env", divided, "X=1 # KEYTIDE allow plaintext-key -- r\u{b}AWS_SECRET_ACCESS_KEY=KEY\n"),
    ] {
        let world = World::with(&[(file, &comment(text))]);
        let run = world.check(&[]);
        assert_eq!(run.code, 1, "{file}: {}", run.stdout);
        assert!(run.stdout.contains(why), "{file}: {}", run.stdout);
        assert!(run.stdout.contains("Name the file in an exemption (`files:`)"), "{}", run.stdout);
    }
    let world = World::with(&[(
        "a.jsonc",
        &comment("// KEYTIDE allow plaintext-key -- r\r\n{\"secretAccessKey\":\"KEY\"}\r\n"),
    )]);
    assert_eq!(world.check(&[]).code, 0);
}

#[test]
fn an_error_of_a_policy_file_shows_no_secret() {
    let url = format!("https://hooks.slack.com/services/T01ABCDEF2G/B02HIJKLM3N/{}", &secret()[..20]);
    let long = format!("{}{}", "- ".repeat(36), secret());
    for (line, value) in [
        ("limits: { max_age: VALUE }", secret()),
        ("account: \"VALUE\"", secret()),
        ("account: \"VALUE\"", long),
        ("extends: VALUE", secret()),
        ("role_arn: VALUE", secret()),
        ("VALUE: 1", secret()),
        ("claim: *VALUE", secret().replace(['+', '/'], "x")),
        ("notify: { webhook: { url_from: \"VALUE\", format: slack } }", url),
        ("notify: { webhook: { url_from: \"https://ci:h8Kq2vX@host\", format: slack } }", String::new()),
    ] {
        let policy = format!("version: 1\nusers: [{{name: a}}]\n{}\n", line.replace("VALUE", &value));
        assert_never_shown(&[(".github/keytide.yml", &policy)], &secret()[..4], 2);
    }
}

#[test]
fn an_error_of_the_command_line_shows_no_secret() {
    let world = World::with(&[("a.txt", "x\n")]);
    let url = |user: &str| format!("http://u:{user}@127.0.0.1:1");
    for arguments in [
        vec!["check", "--endpoint-url", &url(&secret())],
        vec!["audit", "--github-api-url", &url(&secret()[..4])],
        vec!["check", "--repository", &format!("a/{}", secret())],
        vec!["check", &format!("--{}", secret())],
        vec!["audit", &secret()],
        vec!["rotate", &secret()],
    ] {
        let run = world.keytide_in(".", &arguments, &[]);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        let shown = [run.stdout, run.stderr].concat();
        assert!(!shown.contains(&secret()[..4]), "{arguments:?}: {shown}");
    }
    for (name, value) in [("INPUT_REPOSITORY", format!("a/{}", secret())), ("INPUT_NOTIFY", secret())] {
        let variables = [("GITHUB_ACTIONS", "true"), ("INPUT_COMMAND", "audit"), (name, &value)];
        let run = world.keytide_in(".", &[], &variables);
        let shown = [run.stdout, run.stderr].concat();
        assert!(run.code >= 2 && !shown.contains(&secret()[..4]), "{name}: {shown}");
    }
}
