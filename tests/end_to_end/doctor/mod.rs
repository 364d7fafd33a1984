//! `keytide doctor`: what it says of a repository where everything is there, of each thing that is missing, and of
//! services that do not answer.

/// Each thing that can be missing, and the remedy that is named.
mod faults;
/// Every check in every state.
mod states;
/// The subjects that a role trusts, by the operators of its trust policy.
mod subjects;
/// What `--write` tries and leaves behind.
mod trials;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::peers::{OLD, POLICY, World};
use crate::support::{Keytide, Ran, root};

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

fn push_policy(world: &World, change: impl Fn(&str) -> String) {
    world.github.push(&[(POLICY, change(&world.policy("")).as_bytes())]);
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
    for name in [
        "clock",
        "redeploy",
        "issues",
        "oidc-subject",
        "custom-reference",
        "compare-and-swap",
        "commit-without-workflows",
    ] {
        assert_eq!(status(name), "skip", "{name}: {}", found[name].1);
    }
    assert_eq!(found.len(), 21, "{found:#?}");
    let state = world.github.state();
    assert_eq!((&state["refs"], &state["pulls"]), (&before.0["refs"], &before.0["pulls"]));
    assert_eq!(world.aws.control("GET", "keys", ""), before.1);

    let document = std::fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    for name in found.keys().filter(|name| !name.starts_with("destination-")) {
        assert!(document.contains(&format!("`{name}`")), "docs/doctor.md does not name `{name}`");
    }
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
    assert!(text.contains(" minutes behind GitHub's"), "{text}");
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
    assert!(run.stderr.contains("--report would do nothing"), "{}", run.stderr);
}

/// One line for each check, aligned; a terminal's lines wrap behind the names.
#[test]
fn text_has_a_line_for_each_check() {
    let world = sound();
    set(&world, &json!({"may_open_pulls": false}));
    let text = in_format(&world, "text", &["doctor"]).run().exits(1).stdout;
    assert_eq!(text.lines().count(), 23, "{text}");
    assert!(text.ends_with("\n\nfailed: 1 of 21 checks; start with pull-requests\n"), "{text}");
    let line = text.lines().find(|line| line.contains("pull-requests  ")).unwrap();
    assert!(line.starts_with(&format!("fail  {:25}  ", "pull-requests")), "{line}");
    assert!(line.contains("  → allow it under Settings"), "{line}");
    let wrapped = in_format(&world, "text", &["doctor"]).env("COLUMNS", "80").run().exits(1).stdout;
    let hangs = |line: &str| line.starts_with(&" ".repeat(33)) || line.chars().nth(4) == Some(' ');
    let (wrapped, _) = wrapped.split_once("\n\n").unwrap();
    assert!(wrapped.lines().all(hangs) && wrapped.lines().count() > 25, "{wrapped}");
}

/// Only a policy file with an issue needs the permission for issues, and the attempt opens none.
#[test]
fn the_permission_for_issues_is_tried() {
    let world = sound();
    let issues = |status: &str, part: &str| {
        let found = checks(&world.keytide(&["doctor"]).run().exits(0));
        let (seen, text) = &found["issues"];
        assert!(seen == status && text.contains(part), "{seen}: {text}");
    };
    issues("skip", "has no `notify");
    push_policy(&world, |policy| format!("{policy}notify: {{ issue: {{}} }}\n"));
    issues("ok", "opens no issue");
    for (setting, part) in [("read", "needs `issues: write`"), ("disabled", "Issues has been disabled")] {
        set(&world, &json!({ "issues": setting }));
        issues("warn", part);
    }
    assert_eq!(world.github.state()["issues"], json!([]));
}
