//! A sound repository, broken in one way after another.

use serde_json::json;

use super::{checks, denied, github_fault, push_policy, set, sound};
use crate::support::destinations::AGE_FILE;
use crate::support::peers::{OLD, USER, World};

/// A way to break a sound repository, and what is said of it.
pub struct Case {
    name: &'static str,
    break_it: fn(&World),
    pub check: &'static str,
    pub status: &'static str,
    exit: i32,
    words: &'static [&'static str],
}

pub static CASES: [Case; 18] = [
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
        words: &["invalid", "keytide.yml:2:1", "`keytide check` shows every error"],
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
        name: "keys that may not be listed",
        break_it: |world| denied(world, "ListAccessKeys"),
        check: "destinations",
        status: "fail",
        exit: 1,
        words: &[
            "the keys of `ci-deployer` could not be read",
            "AccessDenied",
            "`keytide iam-policy --for rotate`",
        ],
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
