//! `keytide doctor`: what it says of a repository where everything is there, of each thing that is missing, and of
//! services that do not answer; and what `--write` leaves behind.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::destinations::AGE_FILE;
use crate::support::peers::{OLD, POLICY, USER, World};
use crate::support::{Keytide, Ran, folder, root};

const WORKFLOW: &str = "on: workflow_dispatch\njobs:\n  delete:\n    runs-on: ubuntu-latest\n    environment: delete-access-keys\n    \
                        steps:\n      - uses: OWNER/keytide@v1\n        with: { command: rotate, only: delete }\n";

/// A repository and an account with all that a rotation needs.
fn sound() -> World {
    let world = World::new(80);
    world.github.push(&[(".github/workflows/delete.yml", WORKFLOW.as_bytes())]);
    let environment = json!({"name": "delete-access-keys", "reviewers": 1, "restricted": true});
    world.github.control("POST", "environment", &environment);
    world
}

fn set(world: &World, settings: &Value) {
    world.github.control("POST", "settings", settings);
}

fn github_fault(world: &World, request: &str, status: u16, message: &str) {
    let fault = json!([{"match": request, "status": status, "times": 99, "message": message}]);
    world.github.control("POST", "faults", &fault);
}

fn denied(world: &World, action: &str) {
    let fault = json!([{"action": action, "status": 403, "code": "AccessDenied", "times": 99}]);
    world.aws.control("POST", "faults", &fault.to_string());
}

/// The same command as [`World::keytide`] gives, in another format.
fn in_format(world: &World, format: &str, arguments: &[&str]) -> Keytide {
    let now = world.now.to_string();
    let rest = ["--repository", "acme/app", "--now", &now, "--format", format, "--github-api-url"];
    let run = Keytide::new(&[arguments, &rest].concat()).arg(&world.github.url());
    run.against(&world.aws.url()).env("GITHUB_TOKEN", "token")
}

/// The checks by their names; each has all four fields and nothing else.
fn checks(run: &Ran) -> BTreeMap<String, (String, String)> {
    let json = run.json();
    assert_eq!(json["schema_version"], 1);
    let mut found = BTreeMap::new();
    for check in json["checks"].as_array().unwrap() {
        let fields: Vec<&str> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["fix", "name", "seen", "status"], "{check}");
        let text = |name: &str| check[name].as_str().unwrap().to_owned();
        found.insert(text("name"), (text("status"), format!("{} → {}", text("seen"), text("fix"))));
    }
    found
}

/// The names of the references that a trial would leave.
fn left_behind(world: &World) -> Vec<String> {
    let state = world.github.state();
    let names = state["refs"].as_object().unwrap().keys();
    names.filter(|name| name.starts_with("refs/keytide/")).cloned().collect()
}

#[test]
fn everything_is_there() {
    let world = sound();
    let before = (world.github.state(), world.aws.control("GET", "keys", ""));
    let run = world.keytide(&["doctor"]).run().exits(0);
    let found = checks(&run);
    let status = |name: &str| found[name].0.as_str();
    for name in [
        "policy-file",
        "github-token",
        "journal-reference",
        "pull-requests",
        "branch-rules",
        "delete-environment",
        "aws-credentials",
        "aws-account",
        "iam-permissions",
        "owner-tag",
        "credential-report",
        "destination-age",
        "destination-github-secret",
        "terraform",
    ] {
        assert_eq!(status(name), "ok", "{name}: {}", found[name].1);
    }
    for name in ["clock", "oidc-subject", "custom-reference", "compare-and-swap", "commit-without-workflows"]
    {
        assert_eq!(status(name), "skip", "{name}: {}", found[name].1);
    }
    assert_eq!(found.len(), 19, "{found:#?}");
    let state = world.github.state();
    assert_eq!((&state["refs"], &state["pulls"]), (&before.0["refs"], &before.0["pulls"]));
    assert_eq!(world.aws.control("GET", "keys", ""), before.1);

    let document = std::fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    for name in found.keys().filter(|name| !name.starts_with("destination-")) {
        assert!(document.contains(&format!("`{name}`")), "docs/doctor.md does not name `{name}`");
    }
}

/// A way to break a sound repository, and what is said of it.
struct Case {
    name: &'static str,
    break_it: fn(&World),
    check: &'static str,
    status: &'static str,
    exit: i32,
    words: &'static [&'static str],
}

fn push_policy(world: &World, change: impl Fn(&str) -> String) {
    world.github.push(&[(POLICY, change(&world.policy("")).as_bytes())]);
}

static CASES: [Case; 17] = [
    Case {
        name: "a placeholder",
        break_it: |world| push_policy(world, |text| format!("{text}# CHANGE-ME\n")),
        check: "policy-file",
        status: "fail",
        exit: 1,
        words: &["still contains CHANGE-ME"],
    },
    Case {
        name: "an invalid policy file",
        break_it: |world| push_policy(world, |_| "version: 1\nuserz: []\n".to_owned()),
        check: "policy-file",
        status: "fail",
        exit: 3,
        words: &["invalid", "keytide.yml:1:1", "`keytide check` shows every error"],
    },
    Case {
        name: "a token that reads",
        break_it: |world| set(world, &json!({"may_write": false})),
        check: "github-token",
        status: "fail",
        exit: 1,
        words: &["may not write", "contents: write"],
    },
    Case {
        name: "an archived repository",
        break_it: |world| set(world, &json!({"archived": true})),
        check: "pull-requests",
        status: "fail",
        exit: 1,
        words: &["archived"],
    },
    Case {
        name: "pull requests are off",
        break_it: |world| set(world, &json!({"may_open_pulls": false})),
        check: "pull-requests",
        status: "fail",
        exit: 1,
        words: &["not permitted to create", "Settings, Actions, General"],
    },
    Case {
        name: "the setting is not visible",
        break_it: |world| set(world, &json!({"shows_settings": false})),
        check: "pull-requests",
        status: "ok",
        exit: 0,
        words: &["may not read the setting"],
    },
    Case {
        name: "a ruleset",
        break_it: |world| set(world, &json!({"rules": [{"type": "creation", "branches": "keytide/.*"}]})),
        check: "branch-rules",
        status: "fail",
        exit: 1,
        words: &["restricts the creation of", "except `keytide/**/*`"],
    },
    Case {
        name: "a classic branch protection",
        break_it: |world| {
            set(world, &json!({"protected": "keytide/.*"}));
            let branch = json!({"name": "keytide/ci-deployer/7", "to": "refs/heads/main"});
            world.github.control("POST", "branch", &branch);
        },
        check: "branch-rules",
        status: "warn",
        exit: 0,
        words: &["keytide/ci-deployer/7"],
    },
    Case {
        name: "no reviewers",
        break_it: |world| {
            world.github.control("POST", "environment", &json!({"name": "delete-access-keys"}));
        },
        check: "delete-environment",
        status: "fail",
        exit: 1,
        words: &["no required reviewers", "Settings, Environments, delete-access-keys"],
    },
    Case {
        name: "journals that cannot be read",
        break_it: |world| {
            github_fault(
                world,
                "GET .*/git/matching-refs/keytide/.*",
                403,
                "Resource not accessible by integration",
            );
        },
        check: "journal-reference",
        status: "fail",
        exit: 1,
        words: &["not accessible", "contents: write"],
    },
    Case {
        name: "no owner",
        break_it: |world| {
            world.aws.iam("UntagUser", &[("UserName", USER), ("TagKeys.member.1", "keytide:owner")]);
        },
        check: "owner-tag",
        status: "fail",
        exit: 1,
        words: &["`ci-deployer` has no tag", "--tags Key=keytide:owner,Value=4711"],
    },
    Case {
        name: "another account",
        break_it: |world| push_policy(world, |text| text.replace("123456789012", "210987654321")),
        check: "aws-account",
        status: "fail",
        exit: 3,
        words: &["belong to account …9012", "is for …4321"],
    },
    Case {
        name: "no credential report",
        break_it: |world| denied(world, "GetCredentialReport"),
        check: "credential-report",
        status: "warn",
        exit: 0,
        words: &["AccessDenied", "iam:GenerateCredentialReport"],
    },
    Case {
        name: "no permission to simulate",
        break_it: |world| denied(world, "SimulatePrincipalPolicy"),
        check: "iam-permissions",
        status: "ok",
        exit: 0,
        words: &["iam:UpdateAccessKey are allowed", "iam:CreateAccessKey and the tags cannot be tried"],
    },
    Case {
        name: "a destination in clear text",
        break_it: |world| world.github.push(&[(AGE_FILE, b"AWS_ACCESS_KEY_ID=x\n")]),
        check: "destination-age",
        status: "fail",
        exit: 1,
        words: &[AGE_FILE, "`ci-deployer`"],
    },
    Case {
        name: "a token without secrets",
        break_it: |world| {
            github_fault(world, "GET .*/secrets/public-key", 403, "Resource not accessible by integration");
        },
        check: "destination-github-secret",
        status: "fail",
        exit: 1,
        words: &["the token of an app or a person"],
    },
    Case {
        name: "a key of Terraform's",
        break_it: |world| {
            let text = "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"ci-deployer\"\n}\n";
            world.github.push(&[("infra/iam.tf", text.as_bytes())]);
        },
        check: "terraform",
        status: "fail",
        exit: 1,
        words: &["aws_iam_access_key.ci of infra/iam.tf manages", "terraform state rm"],
    },
];

#[test]
fn each_fault_is_named_with_its_remedy() {
    std::thread::scope(|scope| {
        for part in CASES.chunks(5) {
            scope.spawn(move || part.iter().for_each(breaks));
        }
    });
}

fn breaks(case: &Case) {
    let world = sound();
    (case.break_it)(&world);
    let run = world.keytide(&["doctor"]).run();
    assert_eq!(run.exit, case.exit, "{}: {}: {}\n{}", case.name, case.check, run.stdout, run.stderr);
    let found = checks(&run);
    let (status, text) = &found[case.check];
    assert_eq!(status, case.status, "{}: {text}", case.name);
    for words in case.words {
        assert!(text.contains(words), "{}: `{words}` is not in: {text}", case.name);
    }
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD], "{}", case.name);
}

/// A user who may only read, with and without the simulator.
#[test]
fn a_missing_permission_is_named() {
    let world = sound();
    world.aws.iam("CreateUser", &[("UserName", "reader")]);
    let policy = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    world.aws.iam("AttachUserPolicy", &[("UserName", "reader"), ("PolicyArn", policy)]);
    world.aws.iam("CreateAccessKey", &[("UserName", "reader")]);
    let (id, (secret, _)) = world.keys_of("reader").into_iter().next().unwrap();
    let as_reader =
        || world.keytide(&["doctor"]).env("AWS_ACCESS_KEY_ID", &id).env("AWS_SECRET_ACCESS_KEY", &secret);
    let run = as_reader().run().exits(1);
    let (status, text) = &checks(&run)["iam-permissions"];
    assert_eq!(status, "fail");
    for action in ["iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:TagUser", "iam-policy --for rotate"] {
        assert!(text.contains(action), "{text}");
    }
    assert!(!text.contains("iam:GetUser") && !text.contains("iam:DeleteAccessKey"), "{text}");
    assert!(!run.stdout.contains(&secret) && !run.stdout.contains(&id));
    denied(&world, "SimulatePrincipalPolicy");
    let (status, text) = &checks(&as_reader().run().exits(1))["iam-permissions"];
    assert_eq!(status, "fail");
    assert!(text.contains("iam:UpdateAccessKey on ci-deployer") && !text.contains("iam:GetUser"), "{text}");

    let run = world.keytide(&["doctor"]).env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00").run().exits(3);
    let found = checks(&run);
    assert_eq!(found["aws-credentials"].0, "fail", "{}", run.stdout);
    assert!(found["owner-tag"].1.contains("see `policy-file`, `aws-credentials`"), "{}", run.stdout);
}

/// The trust policy of the role against the form of the subject that the repository has.
#[test]
fn the_role_must_trust_the_subject_of_the_repository() {
    let world = sound();
    let subject = "repo:acme/app:ref:refs/heads/main";
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": subject}},
    }]});
    let document = trust.to_string();
    world.aws.iam("CreateRole", &[("RoleName", "keytide"), ("AssumeRolePolicyDocument", &document)]);
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    world.aws.iam("AttachRolePolicy", &[("RoleName", "keytide"), ("PolicyArn", policy)]);
    let role = "role_arn: arn:aws:iam::123456789012:role/keytide\n";
    push_policy(&world, |text| text.replace("users:\n", &format!("{role}users:\n")));
    let found = checks(&world.keytide(&["doctor"]).run().exits(0));
    assert_eq!(found["oidc-subject"].0, "ok", "{}", found["oidc-subject"].1);
    assert_eq!(found["iam-permissions"].0, "ok", "{}", found["iam-permissions"].1);

    let immutable = json!({"use_default": true, "use_immutable_subject": true, "sub_claim_prefix": "repo:acme@7/app@4711"});
    set(&world, &json!({ "subject": immutable }));
    let found = checks(&world.keytide(&["doctor"]).run().exits(1));
    let (status, text) = &found["oidc-subject"];
    assert_eq!(status, "fail");
    assert!(text.contains("`repo:acme@7/app@4711`") && text.contains(subject), "{text}");
    set(&world, &json!({"shows_settings": false}));
    let found = checks(&world.keytide(&["doctor"]).run().exits(0));
    assert_eq!(found["oidc-subject"].0, "skip", "{}", found["oidc-subject"].1);
}

#[test]
fn a_classic_token_needs_its_scope() {
    let world = sound();
    set(&world, &json!({"scopes": "read:org, gist"}));
    let run = world.keytide(&["doctor"]).env("GITHUB_TOKEN", "ghp_token").run().exits(1);
    let (status, text) = &checks(&run)["github-token"];
    assert!(status == "fail" && text.contains("its scopes are `read:org, gist`"), "{text}");
    let run = world.keytide(&["doctor"]).env("GITHUB_TOKEN", "wrong").run().exits(3);
    assert!(checks(&run)["github-token"].1.contains("Bad credentials"), "{}", run.stdout);
}

/// The time is the servers'; a machine that is far from it is warned about.
#[test]
fn a_wrong_clock_is_reported() {
    let world = sound();
    let run = |ahead: i64| {
        let now = Timestamp::now() + SignedDuration::from_secs(ahead);
        world.github.control("POST", "clock", &json!({ "now": now.to_string() }));
        let run =
            Keytide::new(&["doctor", "--format", "json", "--repository", "acme/app", "--github-api-url"]);
        let run = run.arg(&world.github.url()).against(&world.aws.url()).env("GITHUB_TOKEN", "token").run();
        checks(&run)["clock"].clone()
    };
    let (status, text) = run(600);
    assert_eq!(status, "warn", "{text}");
    assert!(text.contains("seconds behind GitHub's"), "{text}");
    assert_eq!(run(0).0, "ok");
}

/// What cannot be looked at is never a pass, and none of the checks is left out.
#[test]
fn services_that_are_down_are_3() {
    let world = sound();
    let whole = checks(&world.keytide(&["doctor"]).run());
    let run = Keytide::new(&["doctor", "--format", "json", "--timeout", "1", "--repository", "acme/app"])
        .arg("--github-api-url")
        .arg("http://127.0.0.1:9")
        .against("http://127.0.0.1:9")
        .env("GITHUB_TOKEN", "token")
        .policy(&world.policy(""))
        .run()
        .exits(3);
    let found = checks(&run);
    for name in whole.keys().filter(|name| !name.starts_with("destination-")) {
        assert!(found.contains_key(name), "{name} is missing: {}", run.stdout);
    }
    for name in ["github-token", "pull-requests", "aws-credentials", "owner-tag", "destinations"] {
        assert_eq!(found[name].0, "skip", "{name}: {}", found[name].1);
    }
    let run = Keytide::new(&["doctor", "--format", "json", "--timeout", "1"]).against("http://127.0.0.1:9");
    let run = run.policy(&world.policy("")).run().exits(3);
    assert!(checks(&run)["github-token"].1.contains("no GitHub token"), "{}", run.stdout);
}

/// The output can be pasted into an issue: whatever a service says, it has no secret, no whole ID and no control sequence.
#[test]
fn nothing_in_the_output_is_secret() {
    let world = sound();
    let message = "token-abcdefgh of 123456789012 with AKIA0OLDOLDOLDOLDOLD\u{1b}[31m\n::error::x ##[error]y";
    github_fault(&world, "GET .*/secrets/public-key", 403, message);
    for format in ["json", "text"] {
        let run = in_format(&world, format, &["doctor", "--key-ids", "full"]);
        let run = run.env("GITHUB_TOKEN", "token-abcdefgh").env("GITHUB_ACTIONS", "true").run().exits(1);
        for secret in ["token-abcdefgh", "123456789012", OLD, "\u{1b}", "\n::", "##["] {
            assert!(!run.stdout.contains(secret), "{format}: `{secret}` is in {}", run.stdout);
        }
        assert!(run.stdout.contains("…9012") && run.stdout.contains("AKIA…"), "{}", run.stdout);
    }
    let run = world.keytide(&["doctor"]).arg("--report").arg("json=x.json").run().exits(2);
    assert!(run.stderr.contains("prints text or JSON only"), "{}", run.stderr);
}

/// One line for each check, aligned; a terminal's lines wrap behind the names.
#[test]
fn text_has_a_line_for_each_check() {
    let world = sound();
    set(&world, &json!({"may_open_pulls": false}));
    let text = in_format(&world, "text", &["doctor"]).run().exits(1).stdout;
    assert_eq!(text.lines().count(), 19, "{text}");
    let line = text.lines().find(|line| line.contains("pull-requests  ")).unwrap();
    assert!(line.starts_with(&format!("fail  {:25}  ", "pull-requests")), "{line}");
    assert!(line.contains("  → allow it under Settings"), "{line}");
    let wrapped = in_format(&world, "text", &["doctor"]).env("COLUMNS", "80").run().exits(1).stdout;
    let hangs = |line: &str| line.starts_with(&" ".repeat(33)) || line.chars().nth(4) == Some(' ');
    assert!(wrapped.lines().all(hangs) && wrapped.lines().count() > 25, "{wrapped}");
}

/// Two moves from one parent, twenty times, and nothing is left; a second run finds and removes what a killed one left.
#[test]
fn trials_leave_nothing_behind() {
    let worlds: [fn(); 5] = [promises_hold, killed, ended, stale_moves, refused];
    std::thread::scope(|scope| {
        for test in worlds {
            scope.spawn(test);
        }
    });
}

fn promises_hold() {
    let world = sound();
    let run = world.keytide(&["doctor", "--write"]).run().exits(0);
    let found = checks(&run);
    for name in ["custom-reference", "compare-and-swap", "commit-without-workflows"] {
        assert_eq!(found[name].0, "ok", "{}", found[name].1);
    }
    assert_eq!(left_behind(&world), Vec::<String>::new());
    let log = world.github.control("GET", "log", &Value::Null);
    let moves = log.as_array().unwrap().iter().filter(|asked| asked["method"] == "PATCH");
    let lost = moves.clone().filter(|asked| asked["status"] == 422).count();
    assert_eq!((moves.count(), lost), (42, 20));
}

fn killed() {
    let world = sound();
    let pid_file = folder().join("pid");
    let kill = json!([{"match": "PATCH .*/git/refs/keytide/doctor/.*", "skip": 4, "kill": pid_file}]);
    world.github.control("POST", "faults", &kill);
    world.keytide(&["doctor", "--write"]).run_to_be_killed(&pid_file);
    assert_eq!(left_behind(&world).len(), 1);
    let fault =
        json!([{"match": "PATCH .*/git/refs/keytide/doctor/.*", "skip": 3, "status": 500, "times": 99}]);
    world.github.control("POST", "faults", &fault);
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(3));
    assert_eq!((found["custom-reference"].0.as_str(), found["compare-and-swap"].0.as_str()), ("ok", "skip"));
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn ended() {
    let world = sound();
    let mut child = world.keytide(&["doctor", "--write"]).start();
    let begun = Instant::now();
    while !left_behind(&world).iter().any(|name| name.ends_with("/swap")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no trial begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn stale_moves() {
    let world = sound();
    set(&world, &json!({"compares": false}));
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(1));
    let (status, text) = &found["compare-and-swap"];
    assert_eq!(status, "fail");
    assert!(text.contains("two moves from one parent both succeeded"), "{text}");
    assert_eq!(left_behind(&world), Vec::<String>::new());
}

fn refused() {
    let world = sound();
    github_fault(&world, "POST .*/git/refs", 422, "refs/keytide is not allowed here");
    let found = checks(&world.keytide(&["doctor", "--write"]).run().exits(1));
    assert_eq!(found["custom-reference"].0, "fail", "{}", found["custom-reference"].1);
    let event = world.keytide(&["doctor", "--write"]).env("GITHUB_EVENT_NAME", "pull_request").run().exits(2);
    assert!(event.stderr.contains("a workflow started by `pull_request`"), "{}", event.stderr);
}
