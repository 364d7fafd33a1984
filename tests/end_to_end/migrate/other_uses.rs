//! What else uses the key, why a workflow is left alone, and what a role changes for a job.

use super::command::{DEPLOY, KEY, POLICY, USERS, WORKFLOW, account, migrate, read, repository};
use crate::support::emulator::Emulator;

/// Files, Terraform and other CI services that use the key: each is listed, and keeps it from being retired.
#[test]
fn whatever_else_uses_the_key_is_listed() {
    let aws = account();
    let credentials = format!("[default]\naws_access_key_id = {KEY}\naws_secret_access_key = x\n");
    let values = format!("keyId: {KEY}\n");
    let glued = format!("key_{KEY}_prod\n");
    for (path, text, expected) in [
        ("deploy/credentials.ini", &*credentials, "deploy/credentials.ini:2:21 names the key\n"),
        ("deploy/values.yaml", &*values, "deploy/values.yaml:1:8 names the key\n"),
        (
            ".gitlab-ci.yml",
            "deploy:\n  script:\n    - AWS_ACCESS_KEY_ID=$KEY_ID AWS_SECRET_ACCESS_KEY=$KEY_SECRET aws s3 ls\n",
            ".gitlab-ci.yml:3:7 may use it: it passes an access key of AWS\n",
        ),
        (
            ".circleci/config.yml",
            "jobs:\n  d:\n    steps:\n      - run: aws configure set aws_access_key_id $AWS_ACCESS_KEY_ID\n",
            ".circleci/config.yml:4:14 may use it: it passes an access key of AWS\n",
        ),
        (
            ".github/dependabot.yml",
            "version: 2\nregistries:\n  ecr: { type: docker-registry, username: '${{ secrets.aws_access_key_id }}' }\n",
            ".github/dependabot.yml may use it: Dependabot reads its own secret `AWS_ACCESS_KEY_ID`\n",
        ),
        ("notes.txt", &*glued, "notes.txt names the key\n"),
        (
            "infra/k.tf",
            "resource \"aws_iam_access_key\" \"k\" { user = \"ci-deployer\" }\n",
            "infra/k.tf:1:1 manages the key with Terraform (`aws_iam_access_key.k`)\n",
        ),
    ] {
        let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS), (path, text)]);
        let run = migrate(&world, Some(&aws), &["--write"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let listed = format!("must not be retired before that has ended:\n  {expected}");
        assert!(run.stdout.contains(&listed), "{path}: {}", run.stdout);
        assert_eq!(read(&world, POLICY), USERS, "{path}");
        assert!(read(&world, WORKFLOW).contains("role-to-assume"), "{path}");
    }
    // The key of another user, and Terraform's of another one
    let other = "resource \"aws_iam_access_key\" \"k\" { user = \"mailer\" } # AKIAYVP4CIPPERUVIFXX\n"; // keytide: allow exposed-key-id -- a sample
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS), ("k.tf", other)]);
    migrate(&world, Some(&aws), &["--write"]);
    assert_eq!(read(&world, POLICY), USERS.replace("rotation: {}", "retire: {}"));
}

/// Tracked files that are not in the working tree are not read, so the key stays; a workflow among them is said.
#[test]
fn files_that_are_not_checked_out_keep_the_key() {
    let (aws, other) = (account(), ".github/workflows/other.yml");
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS), (other, DEPLOY), ("deploy/a.env", "x")]);
    std::fs::remove_file(world.root.join(other)).unwrap();
    std::fs::remove_dir_all(world.root.join("deploy")).unwrap();
    let run = migrate(&world, Some(&aws), &["--write"]);
    let left = format!("{other}:1:1: Git tracks it, and it is not in the working tree: check it out");
    assert!(run.code == 1 && run.stdout.contains(&left), "{}{}", run.stdout, run.stderr);
    let unread = "2 tracked files, or folders of them, are not in the working tree and may name the key";
    assert!(run.stdout.contains(unread), "{}", run.stdout);
    assert_eq!(read(&world, POLICY), USERS);
}

/// Without the IDs of the keys nothing is known of the files that name one.
#[test]
fn the_keys_that_cannot_be_listed_keep_the_policy_file() {
    let aws = account();
    aws.control(
        "POST",
        "faults",
        r#"[{"action": "ListAccessKeys", "status": 403, "code": "AccessDenied", "times": 9}]"#,
    );
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
    let run = migrate(&world, Some(&aws), &["--write"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("Grant iam:ListAccessKeys and run this again\n"), "{}", run.stdout);
    assert_eq!(read(&world, POLICY), USERS);
    assert!(read(&world, WORKFLOW).contains("arn:aws:iam::123456789012:role/"), "the role is known");
}

fn shown(workflow: &str) -> String {
    let world = repository(&[(WORKFLOW, workflow), (POLICY, USERS)]);
    migrate(&world, Some(&account()), &[]).stdout
}

/// Half of the key is not the named secret: the reason is that, and not the action.
#[test]
fn half_a_key_has_a_reason() {
    let reason = |name: &str| {
        format!(
            "`{name}` is not exactly the secret that the policy file names, so keytide cannot tell whether it is this key"
        )
    };
    for value in ["${{ vars.AWS_ACCESS_KEY_ID }}", KEY, "${{ secrets.AWS_ACCESS_KEY_ID || secrets.OLD }}"] {
        let with = DEPLOY.replace("${{ secrets.AWS_ACCESS_KEY_ID }}", value);
        let text = shown(&with);
        assert!(text.contains(&reason("aws-access-key-id")) && !text.contains("does not know how"), "{text}");
        let variables = format!(
            "on: {{ push: {{ branches: [main] }} }}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: aws s3 ls\n        env:\n          \
             AWS_ACCESS_KEY_ID: {value}\n          AWS_SECRET_ACCESS_KEY: ${{{{ secrets.AWS_SECRET_ACCESS_KEY }}}}\n          AWS_REGION: eu-west-1\n"
        );
        let text = shown(&variables);
        assert!(text.contains(&reason("AWS_ACCESS_KEY_ID")), "{text}");
    }
    let first = "on: { push: { branches: [main] } }\njobs:\n  a:\n    runs-on: x\n    steps:\n      - env:\n          \
                 AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}\n          # the other half\n          \
                 AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n        run: aws s3 ls --region eu-west-1\n";
    let text =
        shown(&first.replace("    runs-on: x\n", "    runs-on: x\n    env: { AWS_REGION: eu-west-1 }\n"));
    assert!(text.contains("`env` is not on lines of its own, or has a comment below it"), "{text}");
}

/// Pull requests of forks get no token, and later steps get a credential that only one had: both are said.
#[test]
fn what_a_role_changes_for_a_job_is_said() {
    let text = shown(&DEPLOY.replace("push: { branches: [main] }", "pull_request: {}"));
    assert!(
        text.contains("note: .github/workflows/deploy.yml also runs for pull requests: those of forks"),
        "{text}"
    );
    assert!(!text.contains("single steps had the key"), "{text}");
    let step = "on: { push: { branches: [main] } }\njobs:\n  a:\n    runs-on: x\n    env: { AWS_REGION: eu-west-1 }\n    steps:\n      - run: aws s3 ls\n        \
                env:\n          AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}\n          AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n";
    let text = shown(step);
    assert!(text.contains("role-to-assume") && !text.contains("single steps had the key"), "{text}");
    let text = shown(&format!("{step}      - uses: acme/notify@v1\n"));
    assert!(text.contains("note: .github/workflows/deploy.yml: single steps had the key"), "{text}");
    assert!(!text.contains("also runs for pull requests"), "{text}");
}

/// A script that cannot make the whole role makes none, and names the option of its own command.
#[test]
fn a_script_without_the_permissions_makes_no_role() {
    let script = |aws: Option<&Emulator>| {
        migrate(&repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]), aws, &["--format", "cli"]).stdout
    };
    let whole = script(Some(&account()));
    assert!(whole.contains("\nset_up_role github-ci-deployer "), "{whole}");
    assert!(whole.contains("\nname_option=--role-name\n") && !whole.contains("--role-prefix"), "{whole}");
    let open = script(None);
    assert!(!open.contains("\nset_up_role github") && !open.contains("\nadd_provider "), "{open}");
    assert!(open.ends_with("print this script again with credentials that may read them'\n"), "{open}");
}
