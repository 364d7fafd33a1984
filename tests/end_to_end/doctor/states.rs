//! Every check in every state that it has: the pairs are read from the source, so that a new one without a test is seen.

use std::collections::BTreeSet;

use serde_json::json;

use super::faults::CASES;
use super::{WORKFLOW, checks, github_fault, push_policy, set, sound};
use crate::support::peers::{POLICY, World};
use crate::support::{Keytide, root};

/// What is changed in a world, how doctor runs in it, and the states that it shows: check, state, words.
struct Step {
    change: fn(&World),
    run: fn(&World) -> Keytide,
    exit: i32,
    states: &'static [(&'static str, &'static str, &'static str)],
}

fn doctor(world: &World) -> Keytide {
    world.keytide(&["doctor"])
}

/// A world, and the steps in it.
type Scenario = (fn() -> World, &'static [Step]);

static SCENARIOS: [Scenario; 9] = [
    (sound, &SOUND),
    (sound, &WARNINGS),
    (|| World::new(80), &NOTHING_TO_DO),
    (sound, &NO_ANSWERS),
    (sound, &UNREAD),
    (sound, &SUBJECTS),
    (sound, &WRITES_REFUSED),
    (sound, &SERVICES_DOWN),
    (sound, &DEPLOYMENTS),
];

static SOUND: [Step; 1] = [Step {
    change: |_| {},
    run: doctor,
    exit: 0,
    states: &[
        ("policy-file", "ok", "of the default branch is valid"),
        ("clock", "skip", "`--now` gives the time"),
        ("github-token", "ok", "may write to the repository"),
        ("journal-reference", "ok", "journals: 0"),
        ("pull-requests", "ok", "lets GitHub Actions open pull requests"),
        ("branch-rules", "ok", "no ruleset restricts `keytide/**`"),
        ("delete-environment", "ok", "`delete-access-keys` has required reviewers: 1"),
        ("redeploy", "skip", "no user that may be rotated has `redeploy`"),
        ("issues", "skip", "has no `notify"),
        ("aws-credentials", "ok", "arn:aws:sts::"),
        ("aws-account", "ok", "as the policy file says"),
        ("oidc-subject", "skip", "no role is named"),
        ("iam-permissions", "ok", "allows every action on the users"),
        ("owner-tag", "ok", "names this repository; users: 1"),
        ("credential-report", "ok", "it can be read"),
        ("destination-age", "ok", "can take a new key, which "),
        ("terraform", "ok", "no file manages the keys"),
        ("custom-reference", "skip", "`keytide doctor --write` tries it"),
        ("compare-and-swap", "skip", "`keytide doctor --write` tries it"),
        ("commit-without-workflows", "skip", "`keytide doctor --write` tries it"),
    ],
}];

static DEPLOYMENTS: [Step; 3] = [
    Step {
        change: |world| {
            let redeploy = "rotation: { redeploy: { workflow: deploy.yml }, ";
            push_policy(world, |text| text.replace("rotation: { ", redeploy));
        },
        run: doctor,
        exit: 1,
        states: &[("redeploy", "fail", "default branch does not have this file → correct the workflow")],
    },
    Step {
        change: |world| {
            world.github.push(&[(".github/workflows/deploy.yml", b"on: workflow_dispatch\njobs: {}\n")]);
        },
        run: doctor,
        exit: 0,
        states: &[("redeploy", "ok", "did not refuse an attempt that starts nothing: `deploy.yml`")],
    },
    Step {
        change: |world| set(world, &json!({"may_dispatch": false})),
        run: doctor,
        exit: 1,
        states: &[("redeploy", "fail", "not accessible by integration → give the token `actions: write`")],
    },
];

/// The policy file of the working folder: another than the committed one, without an account.
const WITHOUT_ACCOUNT: &str = "version: 1\nusers:\n  - name: ci-deployer\nnotify: { issue: {} }\n";

static WARNINGS: [Step; 2] = [
    Step {
        change: |world| {
            let environment = json!({"name": "delete-access-keys", "reviewers": 1, "restricted": false});
            world.github.control("POST", "environment", &environment);
            let key = "resource \"aws_iam_access_key\" \"ci\" {\n  user = var.user\n}\n";
            world.github.push(&[("infra/iam.tf", key.as_bytes())]);
            set(world, &json!({"is_app": true, "may_open_pulls": false, "issues": "read"}));
        },
        run: |world| doctor(world).file(POLICY, WITHOUT_ACCOUNT),
        exit: 0,
        states: &[
            ("policy-file", "warn", "differs from the default branch's → commit, push and merge it"),
            ("pull-requests", "warn", "GITHUB_TOKEN may not open pull requests → allow it under Settings"),
            (
                "delete-environment",
                "warn",
                "any branch may use the environment → allow only the default branch",
            ),
            ("issues", "warn", "needs `issues: write`"),
            ("aws-account", "warn", "the policy file names no account → add `account`"),
            ("terraform", "warn", "cannot tell whose → if it is one that keytide rotates"),
        ],
    },
    Step {
        change: |world| set(world, &json!({"issues": "write"})),
        run: |world| doctor(world).file(POLICY, WITHOUT_ACCOUNT),
        exit: 0,
        states: &[("issues", "ok", "opens no issue")],
    },
];

const ONLY_GLOBS: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - match: \"svc-*\"\n";

static NOTHING_TO_DO: [Step; 1] = [Step {
    change: |world| push_policy(world, |_| ONLY_GLOBS.to_owned()),
    run: doctor,
    exit: 0,
    states: &[
        ("delete-environment", "skip", "no workflow of the default branch deletes keys"),
        ("iam-permissions", "skip", "names no user by its name"),
        ("owner-tag", "skip", "no user has `rotation:`"),
        ("destinations", "skip", "no user with `rotation:` has destinations"),
    ],
}];

/// Each request of one check is refused or not answered; the others see nothing of it.
static NO_ANSWERS: [Step; 1] = [Step {
    change: |world| {
        let faults = json!([
            {"match": "GET .*/git/matching-refs/keytide/.*", "status": 502, "times": 99},
            {"match": "GET .*/actions/permissions/workflow", "status": 502, "times": 99},
            {"match": "GET .*/secrets/public-key", "status": 502, "times": 99},
        ]);
        world.github.control("POST", "faults", &faults);
        let faults = json!([
            {"action": "GetCredentialReport", "status": 500, "code": "ServiceFailure", "times": 99},
            {"action": "GetUser", "status": 500, "code": "ServiceFailure", "times": 99},
        ]);
        world.aws.control("POST", "faults", &faults.to_string());
    },
    run: |world| doctor(world).arg("--timeout").arg("2"),
    exit: 3,
    states: &[
        ("journal-reference", "skip", "502"),
        ("pull-requests", "skip", "502"),
        ("destination-github-secret", "skip", "502"),
        ("credential-report", "skip", ""),
        ("owner-tag", "skip", ""),
    ],
}];

/// What was not looked at is no pass, although nothing failed.
static UNREAD: [Step; 2] = [
    Step {
        change: |world| {
            let fault =
                json!([{"action": "ListAccessKeys", "status": 500, "code": "ServiceFailure", "times": 99}]);
            world.aws.control("POST", "faults", &fault.to_string());
        },
        run: |world| doctor(world).arg("--timeout").arg("2"),
        exit: 3,
        states: &[(
            "destinations",
            "skip",
            "the keys of `ci-deployer` could not be read: iam:ListAccessKeys",
        )],
    },
    Step {
        // The one that deletes keys comes behind so many others
        change: |world| {
            world.aws.control("DELETE", "faults", "");
            let names: Vec<String> =
                (0..200).map(|number| format!(".github/workflows/{number:03}.yml")).collect();
            let other: &[u8] = b"on: push\njobs: {}\n";
            world.github.push(&names.iter().map(|name| (name.as_str(), other)).collect::<Vec<_>>());
        },
        run: doctor,
        exit: 3,
        states: &[("delete-environment", "skip", "because they were not read: 1 other workflow")],
    },
];

/// Makes the role `keytide`, which trusts subjects by this condition, and names it in the policy file.
pub fn create_role(world: &World, condition: &serde_json::Value) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": condition},
    }]});
    let document = trust.to_string();
    world.aws.iam("CreateRole", &[("RoleName", "keytide"), ("AssumeRolePolicyDocument", &document)]);
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    world.aws.iam("AttachRolePolicy", &[("RoleName", "keytide"), ("PolicyArn", policy)]);
    let role = "role_arn: arn:aws:iam::123456789012:role/keytide\n";
    push_policy(world, |text| text.replace("users:\n", &format!("{role}users:\n")));
}

static SUBJECTS: [Step; 3] = [
    Step {
        change: |world| {
            create_role(
                world,
                &json!({"token.actions.githubusercontent.com:sub": "repo:acme/app:ref:refs/heads/main"}),
            );
        },
        run: doctor,
        exit: 0,
        states: &[("oidc-subject", "ok", "subjects that begin with `repo:acme/app`, which the role trusts")],
    },
    Step {
        change: |world| {
            let own = json!({"use_default": false, "include_claim_keys": ["repo", "context"]});
            set(world, &json!({ "subject": own }));
        },
        run: doctor,
        exit: 0,
        states: &[("oidc-subject", "warn", "its own form of the subject (repo, context) → compare it")],
    },
    Step {
        change: |world| {
            let immutable = json!({"use_default": true, "use_immutable_subject": true, "sub_claim_prefix": "repo:acme@7/app@4711"});
            set(world, &json!({ "subject": immutable }));
        },
        run: doctor,
        exit: 1,
        states: &[("oidc-subject", "fail", "the role trusts only `repo:acme/app:ref:refs/heads/main`")],
    },
];

static WRITES_REFUSED: [Step; 1] = [Step {
    change: |world| {
        // Neither of the three trials gets a reference.
        github_fault(world, "POST .*/git/refs", 422, "refs/keytide is not allowed here");
        let unknown = json!({"name": "delete-access-keys", "reviewers": 0});
        world.github.control("POST", "environment", &unknown);
        world.github.push(&[(".github/workflows/delete.yml", WORKFLOW.as_bytes())]);
    },
    run: |world| world.keytide(&["doctor", "--write"]),
    exit: 1,
    states: &[
        ("custom-reference", "fail", "not allowed here (422) → give the token `contents: write`"),
        ("compare-and-swap", "fail", "not allowed here (422) → give the token `contents: write`"),
        ("commit-without-workflows", "fail", "not allowed here (422) → give the token `contents: write`"),
        ("delete-environment", "fail", "has no required reviewers"),
    ],
}];

/// Nothing answers: each check is in the report, and says which other one explains it.
static SERVICES_DOWN: [Step; 2] = [
    Step {
        change: |_| {},
        run: |world| {
            Keytide::new(&["doctor", "--format", "json", "--timeout", "1", "--repository", "acme/app"])
                .arg("--github-api-url")
                .arg("http://127.0.0.1:9")
                .against("http://127.0.0.1:9")
                .env("GITHUB_TOKEN", "token")
                .policy(&world.policy(""))
        },
        exit: 3,
        states: &[
            ("clock", "skip", "no server's time is known"),
            ("github-token", "skip", "GitHub did not answer"),
            ("branch-rules", "skip", "see `github-token`"),
            ("aws-credentials", "skip", ""),
            ("aws-account", "skip", "see `policy-file`, `aws-credentials`"),
            ("terraform", "skip", "see `github-token`"),
        ],
    },
    Step {
        change: |_| {},
        run: |world| doctor(world).env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00"),
        exit: 3,
        states: &[("aws-credentials", "fail", "")],
    },
];

/// The states that other tests of this folder look at, each with the test.
const ELSEWHERE: [(&str, &str, &str); 12] = [
    ("clock", "ok", "a_wrong_clock_is_reported"),
    ("clock", "warn", "a_wrong_clock_is_reported"),
    ("clock", "fail", "servers_of_different_times_are_a_failure"),
    ("iam-permissions", "fail", "a_missing_permission_is_named"),
    ("custom-reference", "ok", "promises_hold"),
    ("compare-and-swap", "ok", "promises_hold"),
    ("commit-without-workflows", "ok", "promises_hold"),
    ("github-token", "fail", "a_classic_token_needs_its_scope"),
    ("issues", "warn", "the_permission_for_issues_is_tried"),
    ("compare-and-swap", "skip", "killed"),
    ("policy-file", "skip", "a_policy_file_that_cannot_be_compared_is_no_pass"),
    ("oidc-subject", "fail", "the_role_must_trust_the_subject_of_the_repository"),
];

#[test]
fn every_check_in_every_state() {
    std::thread::scope(|scope| {
        for (make, steps) in &SCENARIOS {
            scope.spawn(move || {
                let world = make();
                steps.iter().for_each(|step| take_step(&world, step));
            });
        }
    });
}

#[track_caller]
fn take_step(world: &World, step: &Step) {
    (step.change)(world);
    let run = (step.run)(world).run();
    assert_eq!(run.exit, step.exit, "{:?}: {}\n{}", step.states[0], run.stdout, run.stderr);
    let found = checks(&run);
    for (check, status, words) in step.states {
        let (seen, text) = found.get(*check).unwrap_or_else(|| panic!("no `{check}`: {}", run.stdout));
        assert_eq!(seen, status, "{check}: {text}");
        // What is seen, and what to do about it.
        let parts: Vec<&str> = words.split(" → ").collect();
        assert!(parts.iter().all(|part| text.contains(part)), "{check}: `{words}` is not in: {text}");
        let (seen, fix) = text.split_once(" → ").unwrap();
        assert!(!seen.is_empty(), "{check} says nothing");
        let is_helped = !fix.is_empty() || !matches!(*status, "warn" | "fail") || *check == "aws-credentials";
        assert!(is_helped, "{check} says nothing of what to do: {text}");
    }
}

/// The name of a check in the tables: each kind of destination has one of its own.
fn group(check: &str) -> &str {
    if check.starts_with("destination-") { "destinations" } else { check }
}

#[test]
fn no_state_of_a_check_is_without_a_test() {
    let mut tested = BTreeSet::new();
    for (_, steps) in &SCENARIOS {
        for (check, status, _) in steps.iter().flat_map(|step| step.states) {
            tested.insert((group(check).to_owned(), (*status).to_owned()));
        }
    }
    for case in &CASES {
        tested.insert((group(case.check).to_owned(), case.status.to_owned()));
    }
    let folder = root().join("tests/end_to_end/doctor");
    let sources: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for (check, status, test) in ELSEWHERE {
        assert!(sources.contains(&format!("fn {test}()")), "no test `{test}`");
        tested.insert((check.to_owned(), status.to_owned()));
    }
    let untested: Vec<_> = states_of_source().difference(&tested).cloned().collect();
    assert!(untested.is_empty(), "{untested:?}");
}

const WRITE_CHECKS: [&str; 3] = ["custom-reference", "compare-and-swap", "commit-without-workflows"];

/// Every check with each state that the source gives it: `Check::ok(NAME, ..)`, where NAME is the last constant of this
/// name above, or a list or a variable that stands for several checks.
fn states_of_source() -> BTreeSet<(String, String)> {
    let mut states = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("src/commands/doctor")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        if file == "check.rs" {
            // What is not looked at is skipped, whichever check it is.
            for name in code.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                states.insert((name.to_owned(), "skip".to_owned()));
            }
            continue;
        }
        for (at, _) in code.match_indices("Check::") {
            let Some((method, arguments)) = code[at + "Check::".len()..].split_once('(') else { continue };
            let given: &[&str] = match method {
                "ok" => &["ok"],
                "warn" => &["warn"],
                "fail" => &["fail"],
                "skip" | "unknown" => &["skip"],
                "from_read_error" => &["fail", "skip"],
                _ => continue,
            };
            let name = arguments.split([',', '[']).next().unwrap().trim();
            for check in checks_of(file, name, &code[..at]) {
                states.extend(given.iter().map(|status| (check.clone(), (*status).to_owned())));
            }
        }
    }
    assert!(states.len() > 50, "{states:?}");
    states
}

fn checks_of(file: &str, name: &str, above: &str) -> Vec<String> {
    let constant = above.rsplit_once(&format!("const {name}: &str = \"")).map(|(_, rest)| rest);
    match (file, name, constant) {
        (_, _, Some(rest)) => vec![rest.split('"').next().unwrap().to_owned()],
        ("destinations.rs", "name" | "DESTINATIONS", _) => vec!["destinations".to_owned()],
        ("trial.rs" | "inspect.rs", "name" | "WRITE_CHECKS", _) => WRITE_CHECKS.map(str::to_owned).into(),
        _ => panic!("{file}: which check is `{name}`? Name it by a constant"),
    }
}

/// The clocks of GitHub and AWS are too far from each other for a rotation.
#[test]
fn servers_of_different_times_are_a_failure() {
    let world = sound();
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(900);
    let told = json!({ "now": jiff::Timestamp::now().to_string(), "told": true });
    world.aws.control("POST", "clock", &told.to_string());
    world.github.control("POST", "clock", &json!({ "now": ahead.to_string() }));
    let run = Keytide::new(&["doctor", "--format", "json", "--repository", "acme/app", "--github-api-url"])
        .arg(&world.github.url())
        .against(&world.aws.url())
        .env("GITHUB_TOKEN", "token")
        .run();
    let (status, text) = checks(&run)["clock"].clone();
    assert_eq!(status, "fail", "{text}");
    assert!(text.contains("the clocks of GitHub and AWS differ by ") && text.contains("proxies"), "{text}");
    assert_eq!(run.exit, 1, "{}", run.stdout);
}

/// The local policy file is valid, and whether the default branch has the same is not known.
#[test]
fn a_policy_file_that_cannot_be_compared_is_no_pass() {
    let world = sound();
    github_fault(&world, "GET .*/contents/.*", 502, "");
    github_fault(&world, "GET .*/git/blobs/.*", 502, "");
    let run = doctor(&world).file(POLICY, world.policy("")).run().exits(3);
    let (status, text) = checks(&run)["policy-file"].clone();
    assert_eq!(status, "skip", "{text}");
    assert!(text.contains("is valid; the default branch's: "), "{text}");
    // The workflow that deletes keys is one of the files
    let (status, text) = checks(&run)["delete-environment"].clone();
    assert_eq!(status, "skip", "{text}");
    assert!(text.contains("because they were not read: .github/workflows/delete.yml ("), "{text}");
}
