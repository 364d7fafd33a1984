//! The command line: small commands, exit codes, what goes to which stream.

use std::process::{Command, Stdio};

use crate::support::Keytide;
use crate::support::replies::{Reply, Server};

#[test]
fn version_and_help_are_answers() {
    assert!(Keytide::new(&["--version"]).run().exits(0).stdout.starts_with("keytide 0."));
    assert!(Keytide::new(&["--help"]).run().exits(0).stdout.contains("audit"));
    assert!(Keytide::new(&["audit", "--help"]).run().exits(0).stdout.contains("--credential-report"));
}

/// Help ends in the exit codes, and is coloured for terminals only.
#[test]
fn help_names_the_exit_codes() {
    for arguments in [&["--help"][..], &["-h"]] {
        let help = Keytide::new(arguments).run().exits(0).stdout;
        assert!(help.contains("\nExit codes:\n  0  the command finished;"), "{help}");
        assert!(!help.contains('\u{1b}'), "{help:?}");
    }
}

#[test]
fn a_wrong_command_line_is_2() {
    for arguments in [
        &[][..],
        &["auditt"],
        &["audit", "--fail-on", "banana"],
        &["audit", "--now", "yesterday"],
        &["audit", "--report", "json"],
        &["audit", "--report", "yaml=x"],
        &["audit", "--role-to-assume", "x"],
        &["audit", "--timeout", "0"],
        &["audit", "--source", "iam", "--credential-report", "x"],
    ] {
        let run = Keytide::new(arguments).run().exits(2);
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            Keytide::new(&["completions", shell]).run().exits(0).stdout.contains("credential-report"),
            "{shell}"
        );
    }
    let script = Keytide::new(&["completions", "bash"]).run().exits(0).stdout;
    let check = Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(check.success(), "bash reads it");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(crate::support::program())
        .args(["demo", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: alice\n  - { match: \"svc-*\", path: /services/ }\n  \
                      - match: \"{ci,cd}-[ab]?\"\nclaim: [\"app-*\"]\n";

#[test]
fn the_permissions_are_for_exactly_the_users_of_the_policy() {
    let run = Keytide::new(&["iam-policy", "--for", "audit", "--partition", "aws-us-gov"])
        .policy(POLICY)
        .run()
        .exits(0);
    let document = run.json();
    let users: Vec<&str> = document["Statement"][0]["Resource"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r.as_str().unwrap())
        .collect();
    assert_eq!(
        users,
        [
            "arn:aws-us-gov:iam::123456789012:user/alice",
            "arn:aws-us-gov:iam::123456789012:user/*/alice",
            "arn:aws-us-gov:iam::123456789012:user/services/svc-*",
            "arn:aws-us-gov:iam::123456789012:user/services/*/svc-*",
            "arn:aws-us-gov:iam::123456789012:user/ci-??",
            "arn:aws-us-gov:iam::123456789012:user/*/ci-??",
            "arn:aws-us-gov:iam::123456789012:user/cd-??",
            "arn:aws-us-gov:iam::123456789012:user/*/cd-??",
            "arn:aws-us-gov:iam::123456789012:user/app-*",
            "arn:aws-us-gov:iam::123456789012:user/*/app-*",
        ]
    );
    let text = run.stdout;
    for write in ["iam:Create", "iam:Update", "iam:Delete", "iam:Tag", "iam:Put", "iam:Attach", "iam:*"] {
        assert!(!text.contains(write), "an audit only reads: {write}");
    }
    let run = Keytide::new(&["iam-policy", "--for", "audit"])
        .policy("version: 1\nusers: [{ name: a }]\n")
        .run()
        .exits(2);
    assert!(run.stderr.contains("`account` is missing in keytide.yml"), "{}", run.stderr);
}

#[test]
fn the_trust_policy_pins_the_repository() {
    let run = Keytide::new(&[
        "iam-policy",
        "--for",
        "audit",
        "--trust",
        "--branch",
        "release",
        "--repository",
        "acme/app",
    ])
    .env("GITHUB_REPOSITORY_ID", "42")
    .env("GITHUB_REPOSITORY_OWNER_ID", "7")
    .policy(POLICY)
    .run()
    .exits(0);
    let condition = &run.json()["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(condition["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com");
    assert_eq!(
        condition["token.actions.githubusercontent.com:sub"],
        serde_json::json!([
            "repo:acme/app:ref:refs/heads/release",
            "repo:acme/app:pull_request",
            "repo:acme@7/app@42:ref:refs/heads/release",
            "repo:acme@7/app@42:pull_request",
        ])
    );
    assert_eq!(condition["token.actions.githubusercontent.com:repository_id"], "42");
    assert_eq!(condition.get("token.actions.githubusercontent.com:ref"), None);
    let run = Keytide::new(&["iam-policy", "--for", "audit", "--trust", "--repository", "acme/app"])
        .policy(POLICY)
        .run()
        .exits(0);
    assert!(run.stderr.contains("replace OWNER_ID and REPOSITORY_ID"), "{}", run.stderr);
    let run = Keytide::new(&["iam-policy", "--for", "audit", "--trust"]).policy(POLICY).run().exits(2);
    assert!(
        run.stderr.starts_with("error: --trust needs --repository OWNER/NAME\nnote: nothing was printed")
    );
}

/// Everyone who opens a pull request writes its workflow: none may assume a role that changes keys.
#[test]
fn the_roles_that_write_trust_no_pull_request() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    rotation: {}\n    destinations:\n      \
                  - github_secret: { repository: a/b, json: KEY }\n";
    let subjects = |arguments: &[&str]| {
        let arguments = [&["iam-policy", "--trust", "--repository", "acme/app"], arguments].concat();
        let run = Keytide::new(&arguments)
            .env("GITHUB_REPOSITORY_ID", "42")
            .env("GITHUB_REPOSITORY_OWNER_ID", "7")
            .policy(policy)
            .run()
            .exits(0);
        run.json()["Statement"][0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
            .clone()
    };
    assert_eq!(
        subjects(&["--for", "rotate"]),
        serde_json::json!(["repo:acme/app:ref:refs/heads/main", "repo:acme@7/app@42:ref:refs/heads/main"])
    );
    assert_eq!(
        subjects(&["--for", "delete", "--environment", "a:b"]),
        serde_json::json!(["repo:acme/app:environment:a%3Ab", "repo:acme@7/app@42:environment:a%3Ab"])
    );
}

const ROTATED: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    rotation: {}\n    destinations:\n      \
                       - github_secret: { repository: a/b, json: KEY }\n";

/// The trust policy of the role that deletes keys, for jobs in the environment `e`.
fn trust_of_delete(more: &[&str], variables: &[(&str, &str)]) -> crate::support::Ran {
    let arguments =
        ["iam-policy", "--for", "delete", "--trust", "--repository", "acme/app", "--environment", "e"];
    let run = Keytide::new(&[&arguments, more].concat()).policy(ROTATED);
    variables.iter().fold(run, |run, (name, value)| run.env(name, value)).run().exits(0)
}

/// A job of any branch may name the environment, and a name may be given to another repository.
#[test]
fn the_role_that_deletes_trusts_one_branch_of_one_repository() {
    let ids = [("GITHUB_REPOSITORY_ID", "42"), ("GITHUB_REPOSITORY_OWNER_ID", "7")];
    let condition = |more: &[&str]| {
        trust_of_delete(more, &ids).json()["Statement"][0]["Condition"]["StringEquals"].clone()
    };
    let github = "token.actions.githubusercontent.com";
    let pinned = condition(&["--branch", "trunk", "--subject", "immutable"]);
    assert_eq!(
        pinned,
        serde_json::json!({
            (format!("{github}:aud")): "sts.amazonaws.com",
            (format!("{github}:ref")): "refs/heads/trunk",
            (format!("{github}:repository_id")): "42",
            (format!("{github}:sub")): ["repo:acme@7/app@42:environment:e"],
        })
    );
    let classic = condition(&["--subject", "classic"]);
    assert_eq!(classic[format!("{github}:sub")], serde_json::json!(["repo:acme/app:environment:e"]));
    assert_eq!(classic[format!("{github}:repository_id")], "42");
    // Only commercial regions check these claims.
    let china = trust_of_delete(&["--partition", "aws-cn"], &ids);
    let condition = &china.json()["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(
        condition.as_object().unwrap().keys().collect::<Vec<_>>(),
        [&format!("{github}:aud"), &format!("{github}:sub")]
    );
    assert!(china.stderr.contains("a job of any branch may name the environment"), "{}", china.stderr);
    assert!(china.stderr.contains("trusts a repository by its name alone"), "{}", china.stderr);
}

#[test]
fn the_issuer_is_that_of_the_server() {
    let provider = |more: &[&str], variables: &[(&str, &str)]| {
        let run = trust_of_delete(more, variables);
        run.json()["Statement"][0]["Principal"]["Federated"].as_str().unwrap().to_owned()
    };
    let arn = |issuer: &str| format!("arn:aws:iam::123456789012:oidc-provider/{issuer}");
    for (server, issuer) in [
        ("https://github.com", "token.actions.githubusercontent.com"),
        ("https://ghe.example.com", "ghe.example.com/_services/token"),
        ("https://acme.ghe.com", "token.actions.acme.ghe.com"),
    ] {
        assert_eq!(provider(&[], &[("GITHUB_SERVER_URL", server)]), arn(issuer), "{server}");
    }
    let slug = "https://token.actions.githubusercontent.com/acme-inc";
    assert_eq!(provider(&["--issuer", slug], &[]), arn("token.actions.githubusercontent.com/acme-inc"));
    // GitHub Enterprise Server has names only.
    let server = trust_of_delete(&[], &[("GITHUB_SERVER_URL", "https://ghe.example.com")]);
    let condition = &server.json()["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(
        condition["ghe.example.com/_services/token:sub"],
        serde_json::json!(["repo:acme/app:environment:e"])
    );
    let http = [
        "iam-policy",
        "--for",
        "delete",
        "--trust",
        "--repository",
        "acme/app",
        "--issuer",
        "http://x.example",
    ];
    let run = Keytide::new(&http).policy(ROTATED).run().exits(2);
    assert!(run.stderr.contains("does not begin with https://"), "{}", run.stderr);
}

/// With a token GitHub says the numbers, and which form the tokens of the repository have.
#[test]
fn github_says_how_its_tokens_name_the_repository() {
    let ask = |form: &'static str| {
        let server = Server::start(move |request| match request.path.as_str() {
            "/repos/acme/app" => Reply::Answer(200, "{\"id\": 42, \"owner\": {\"id\": 7}}".into()),
            "/repos/acme/app/actions/oidc/customization/sub" => Reply::Answer(200, form.into()),
            _ => Reply::Answer(404, "{\"message\": \"Not Found\"}".into()),
        });
        let run = trust_of_delete(&["--github-api-url", &server.url()], &[("GITHUB_TOKEN", "t")]);
        run.json()["Statement"][0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
            .clone()
    };
    let (old, new) = ("repo:acme/app:environment:e", "repo:acme@7/app@42:environment:e");
    let prefix = |prefix: &str| {
        format!("{{\"use_default\": true, \"sub_claim_prefix\": \"{prefix}\"}}").leak() as &str
    };
    assert_eq!(ask(prefix("repo:acme@7/app@42")), serde_json::json!([new]));
    assert_eq!(ask(prefix("repo:acme/app")), serde_json::json!([old]));
    assert_eq!(ask("{\"use_default\": true, \"use_immutable_subject\": true}"), serde_json::json!([new]));
    // A setting that was never made says nothing.
    assert_eq!(
        ask("{\"use_default\": true, \"use_immutable_subject\": false}"),
        serde_json::json!([old, new])
    );
    assert_eq!(ask("{\"use_default\": true}"), serde_json::json!([old, new]));
}

/// What a SOPS file says of its keys becomes part of a policy only as the ARN of one key, and a role is pointed out.
#[test]
fn a_sops_file_allows_no_more_than_its_keys() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    rotation: {}\n    destinations:\n      \
                  - sops: { file: a.enc.yaml, access_key_id: id, secret_access_key: secret }\n";
    let print = |arn: &str, role: &str| {
        let file = format!(
            "id: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]\nsecret: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]\n\
             sops:\n  kms:\n    - arn: \"{arn}\"\n{role}      created_at: \"2026-01-01T00:00:00Z\"\n      enc: AAAA\n      aws_profile: \"\"\n  \
             lastmodified: \"2026-01-01T00:00:00Z\"\n  mac: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]\n  version: 3.9.0\n"
        );
        let run = Keytide::new(&["iam-policy", "--for", "rotate"]).policy(policy).file("a.enc.yaml", file);
        run.run().exits(0)
    };
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234-abcd";
    assert!(print(key, "").stdout.contains(key));
    for arn in [
        "*",
        "arn:aws:kms:*:*:key/*",
        "arn:aws:kms:eu-west-1:123456789012:key/*",
        "arn:aws:s3:::bucket/key",
        "x\\e[31m\\nnote: y",
    ] {
        let run = print(arn, "");
        assert!(!run.stdout.contains("kms:"), "{arn}: {}", run.stdout);
        assert!(run.stderr.contains("which is not the ARN of a KMS key"), "{arn}: {}", run.stderr);
        assert!(!run.stderr.contains("\nnote: y") && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    }
    let role = "      role: \"arn:aws:iam::123456789012:role/sops\"\n";
    let run = print(key, role);
    assert!(run.stdout.contains("arn:aws:iam::123456789012:role/sops"), "{}", run.stdout);
    assert!(run.stderr.contains("check that keytide may assume it"), "{}", run.stderr);
    let run = print(key, "      role: \"arn:aws:iam::123456789012:role/*\"\n");
    assert!(!run.stdout.contains("role/*"), "{}", run.stdout);
    assert!(run.stderr.contains("which is not the ARN of a role"), "{}", run.stderr);
}

/// What cannot be an address, a region, a repository or a partition is reported before anything is reached.
#[test]
fn flags_that_cannot_work_are_refused() {
    for (flag, value) in [
        ("--endpoint-url", "nonsense"),
        ("--endpoint-url", "https://…@example.com"),
        ("--github-api-url", "api.github.com"),
        ("--github-api-url", "https:///x"),
        ("--endpoint-url", "http://…@evil.example/"),
        // Written as `xn--bcher-kva.example` it is a host.
        ("--endpoint-url", "https://bücher.example/"),
        ("--aws-region", "x y"),
        ("--repository", "acme"),
        ("--repository", "a/b/c"),
    ] {
        // The user of a URL is not shown
        let given = value.replace('…', "localhost:80");
        let run = Keytide::new(&["audit", flag, &given]).policy(POLICY).run().exits(2);
        assert!(run.stderr.contains(&format!("invalid value '{value}' for '{flag}")), "{}", run.stderr);
    }
    let run = Keytide::new(&["plan"]).env("GITHUB_API_URL", "nonsense").env("GITHUB_TOKEN", "x");
    let run = run.env("GITHUB_REPOSITORY", "acme/app").policy(POLICY).run().exits(2);
    assert!(run.stderr.contains("GITHUB_API_URL is not a URL"), "{}", run.stderr);
}

#[test]
fn the_demo_is_reported_as_it_is_written() {
    let run = Keytide::new(&["demo"]).run().exits(0);
    let (audit, stories) =
        run.stdout.split_once("\nA rotation, from the first finding to the last\n").unwrap();
    insta::assert_snapshot!("demo", audit);
    // What is encrypted is encrypted anew each time.
    let is_random = |line: &str| ["| + ", "| - ", ",Value="].iter().any(|mark| line.contains(mark));
    let is_fixed = |line: &&str| !is_random(line) || line.contains("| - [ ]");
    insta::assert_snapshot!("demo_stories", stories.lines().filter(is_fixed).collect::<Vec<_>>().join("\n"));
}

/// An error and its help wrap behind their labels.
#[test]
fn an_error_wraps_on_a_terminal() {
    let run = Keytide::new(&["explain", "nonsense"]).env("COLUMNS", "80").run().exits(2);
    assert!(run.stderr.lines().all(|line| line.len() <= 80), "{}", run.stderr);
    assert!(run.stderr.lines().any(|line| line.starts_with("        ")), "{}", run.stderr);
    assert!(Keytide::new(&["explain", "nonsense"]).run().stderr.lines().any(|line| line.len() > 80));
}

/// Options that people try from other programs are answered with keytide's way, not with a similar name.
#[test]
fn options_of_other_programs_have_a_hint() {
    for (arguments, hint) in [
        (&["rotate", "--force"][..], "`keytide resume --user U --reason TEXT` continues"),
        (&["check", "--fix"], "`keytide rotate` replaces old keys"),
        (&["rotate", "--delete"], "--no-delete leaves that out"),
        (&["rotate", "--dry-run"], "`keytide plan` is the dry run"),
        (&["audit", "--profile=dev"], "AWS_PROFILE=NAME keytide"),
        (&["audit", "--profile", "dev"], "AWS_PROFILE=NAME keytide"),
        (&["plan", "--region", "eu-west-1"], "--aws-region REGION"),
        (&["rotate", "--yes"], "keytide asks no questions"),
        (&["rotate", "alice"], "--user alice"),
        (&["rollback", "alice"], "--user alice"),
        (&["audit", "--user", "alice"], "`keytide plan --user U`"),
        (&["audit", "--json"], "--format json"),
    ] {
        let run = Keytide::new(arguments).run().exits(2);
        let tips = run.stderr.matches("tip:").count();
        assert!(run.stderr.contains(hint) && tips == 1, "{arguments:?}: {}", run.stderr);
    }
    let other = Keytide::new(&["audit", "--failon", "error"]).run().exits(2);
    assert!(other.stderr.contains("a similar argument exists: '--fail-on'"), "{}", other.stderr);
}

/// The life that is shown without a seed has something to show.
#[test]
fn the_demo_with_faults_has_rotations() {
    let text = Keytide::new(&["demo", "--faults"]).run().exits(0).stdout;
    assert!(text.contains(", 2 rotations, ") && text.contains(" crashes; every invariant held"), "{text}");
}

/// The variables that cargo and others read, without a terminal.
#[test]
fn variables_decide_about_colours() {
    let coloured = |name: &str, value: &str, arguments: &[&str]| {
        Keytide::new(arguments).env(name, value).run().stdout.contains('\u{1b}')
    };
    for arguments in [&["demo"][..], &["--help"]] {
        assert!(coloured("CLICOLOR_FORCE", "1", arguments), "{arguments:?}");
        assert!(!coloured("CLICOLOR_FORCE", "0", arguments) && !coloured("TERM", "dumb", arguments));
    }
    let both = Keytide::new(&["demo"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").run();
    assert!(!both.stdout.contains('\u{1b}'));
}

#[test]
fn colours_are_for_terminals() {
    assert!(!Keytide::new(&["demo"]).run().stdout.contains('\u{1b}'));
    assert!(Keytide::new(&["demo", "--color", "always"]).run().stdout.contains("\u{1b}[31m"));
    // Standard error has its own terminal, and an escape sequence of an argument is no colour.
    let missing = ["audit", "--policy", "a\u{1b}[2J.yml"];
    assert!(!Keytide::new(&missing).run().stderr.contains('\u{1b}'));
    let coloured = Keytide::new(&[&missing[..], &["--color", "always"]].concat()).run().stderr;
    assert!(coloured.starts_with("\u{1b}[1m\u{1b}[31merror: \u{1b}[0m"), "{coloured:?}");
    assert!(coloured.contains("\u{1b}[1m\u{1b}[36m  help: \u{1b}[0m"), "{coloured:?}");
    assert!(coloured.contains("a\\u{1b}[2J.yml"), "{coloured:?}");
    let usage = Keytide::new(&["--no\u{1b}[2J"]).env("CLICOLOR_FORCE", "1").run().stderr;
    assert!(usage.starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m "), "{usage:?}");
    assert!(!usage.contains("\u{1b}[2J"), "{usage:?}");
    assert!(
        !Keytide::new(&["demo", "--color", "always", "--format", "json"]).run().stdout.contains('\u{1b}')
    );
}

/// The roles that write may do what their command does, for exactly the users that may be rotated.
#[test]
fn the_permissions_to_rotate_and_to_delete_are_apart() {
    let policy = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    rotation: {}\n    destinations:\n      \
                  - github_secret: { repository: a/b, json: KEY }\n  - match: \"svc-*\"\n";
    let print = |purpose: &str| Keytide::new(&["iam-policy", "--for", purpose]).policy(policy).run().exits(0);
    let (rotate, delete) = (print("rotate").stdout, print("delete").stdout);
    assert!(rotate.contains("iam:CreateAccessKey") && !rotate.contains("iam:DeleteAccessKey"), "{rotate}");
    assert!(delete.contains("iam:DeleteAccessKey") && !delete.contains("iam:CreateAccessKey"), "{delete}");
    for document in [&rotate, &delete] {
        assert!(document.contains("arn:aws:iam::123456789012:user/ci\"") && !document.contains("svc-"));
    }
    let none = Keytide::new(&["iam-policy", "--for", "rotate"])
        .policy("version: 1\naccount: \"123456789012\"\nusers: [{ name: x }]\n");
    assert!(none.run().exits(2).stderr.contains("no user has `rotation:` in keytide.yml"));
}

/// IAM allows a name that begins with `-`, and keytide prints commands with the names as they are.
#[test]
fn a_name_may_begin_with_a_hyphen() {
    let policy = "version: 1\nusers:\n  - name: -x\n    rotation: {}\n";
    for command in ["plan", "rotate", "rollback"] {
        let ran = Keytide::new(&[command, "--user", "-x"]).policy(policy).run();
        assert!(!ran.stderr.contains("unexpected argument"), "{command}: {}", ran.stderr);
    }
}
