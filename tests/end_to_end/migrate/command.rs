use serde_json::{Value, json};

use crate::support::check::{Run, World};
use crate::support::emulator::Emulator;
use crate::support::replies::{Reply, Server, answer, caller, error};
use crate::support::root;

pub const KEY: &str = "AKIAYVP4CIPPERUVIFXG"; // keytide: allow exposed-key-id -- a sample
pub const WORKFLOW: &str = ".github/workflows/deploy.yml";
pub const POLICY: &str = ".github/keytide.yml";
pub const DEPLOY: &str = "\
name: Deploy
on: { push: { branches: [main] } }
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: eu-west-1
      - run: aws s3 ls
";
pub const USERS: &str = "\
version: 1
account: \"123456789012\"
users:
  - name: ci-deployer
    rotation: {} # until there is a role
    destinations:
      - github_secret: { repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }
";
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";

/// An account whose user has permissions of every kind.
pub fn account() -> Emulator {
    let aws = Emulator::with(&json!({"account": "123456789012", "users": [
        { "name": "ci-deployer", "keys": [{ "id": KEY, "created_at": "2026-01-01T00:00:00Z" }],
          "policies": ["arn:aws:iam::aws:policy/IAMReadOnlyAccess",
                       "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"] },
    ]}));
    let statement = |sid: &str, effect: &str, action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Sid": sid, "Effect": effect, "Action": action, "Resource": "*"}]})
            .to_string()
    };
    let own = statement("Deploy", "Allow", "s3:PutObject");
    aws.iam(
        "PutUserPolicy",
        &[("UserName", "ci-deployer"), ("PolicyName", "deploy"), ("PolicyDocument", &own)],
    );
    aws.iam("CreateGroup", &[("GroupName", "bots")]);
    aws.iam("AddUserToGroup", &[("GroupName", "bots"), ("UserName", "ci-deployer")]);
    let denied = statement("Deploy", "Deny", "s3:DeleteBucket");
    aws.iam("PutGroupPolicy", &[("GroupName", "bots"), ("PolicyName", "no"), ("PolicyDocument", &denied)]);
    let attached = "arn:aws:iam::aws:policy/AdministratorAccess";
    aws.iam("AttachGroupPolicy", &[("GroupName", "bots"), ("PolicyArn", attached)]);
    aws
}

pub fn repository(files: &[(&str, &str)]) -> World {
    let world = World::with(files);
    world.git(&["remote", "add", "origin", "https://github.com/acme/app.git"]);
    world
}

/// Runs the command with what a workflow knows of its repository, and with an account if there is one.
pub fn migrate(world: &World, aws: Option<&Emulator>, arguments: &[&str]) -> Run {
    let url = aws.map(Emulator::url);
    let mut all = vec!["migrate", "--user", "ci-deployer"];
    let mut variables = vec![
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_REPOSITORY_ID", "42"),
        ("GITHUB_REPOSITORY_OWNER_ID", "7"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    if let Some(url) = &url {
        all.extend(["--endpoint-url", url]);
        variables.extend([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    }
    all.extend(arguments);
    world.keytide_in(".", &all, &variables)
}

pub fn read(world: &World, path: &str) -> String {
    std::fs::read_to_string(world.root.join(path)).unwrap()
}

fn static_keys(world: &World) -> usize {
    world.found(&[]).iter().filter(|line| line.starts_with("static-key-workflow")).count()
}

/// From `init` to a workflow without a key, with the role that it assumes.
#[test]
fn a_repository_with_a_key_becomes_one_without() {
    let aws = account();
    let main = format!("# the deploying user's key is {KEY}\n");
    let world = repository(&[(WORKFLOW, DEPLOY), ("main.tf", &main)]);
    let url = aws.url();
    let variables = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let arguments = ["init", "--now", "2026-03-02T00:00:00Z", "--endpoint-url", &url];
    assert_eq!(world.keytide_in(".", &arguments, &variables).code, 0);
    let policy = read(&world, POLICY).replace("OWNER/keytide", "acme/keytide");
    world.write(POLICY, policy.as_bytes());
    world.git(&["add", "-A"]);
    assert_eq!(static_keys(&world), 1);

    // The comment names the key, which is then not retired
    world.git(&["rm", "-q", "-f", "main.tf"]);
    let shown = migrate(&world, Some(&aws), &[]);
    assert_eq!(shown.code, 0, "{}{}", shown.stdout, shown.stderr);
    assert!(
        shown.stdout.contains("-          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("\n+    retire: {}\n"), "{}", shown.stdout);
    assert_eq!((read(&world, WORKFLOW), read(&world, POLICY)), (DEPLOY.to_owned(), policy.clone()));

    let written = migrate(&world, Some(&aws), &["--write"]);
    assert_eq!(written.code, 0, "{}{}", written.stdout, written.stderr);
    let workflow = read(&world, WORKFLOW);
    let expected = DEPLOY.replace(
        "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n",
        "          role-to-assume: arn:aws:iam::123456789012:role/github-ci-deployer\n",
    );
    let permissions = "    permissions:\n      contents: read\n      packages: read\n      id-token: write\n";
    let expected = expected
        .replace("    runs-on: ubuntu-latest\n", &format!("    runs-on: ubuntu-latest\n{permissions}"));
    assert_eq!(workflow, expected);
    let with_retire = read(&world, POLICY);
    let lines: Vec<&str> =
        with_retire.lines().filter(|line| !policy.lines().any(|old| old == *line)).collect();
    assert_eq!(lines, ["    retire: {}"]);

    // The entry as it was, so that this holds whatever the policy file says about the key.
    world.write(POLICY, policy.as_bytes());
    world.git(&["add", "-A"]);
    assert_eq!(static_keys(&world), 0);
    assert_eq!(world.check(&[]).code, 0, "{}", world.check(&[]).stdout);
    let again = migrate(&world, Some(&aws), &[]);
    assert!(!again.stdout.contains(WORKFLOW), "{}", again.stdout);
    assert!(again.stdout.contains("  ref:refs/heads/main\n"), "still trusted: {}", again.stdout);
}

/// The role is allowed what the user is, by its own policies and those of its groups, within the same boundary.
#[test]
fn the_role_has_the_permissions_of_the_user() {
    let aws = account();
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
    aws.forget_requests();
    let run = migrate(&world, Some(&aws), &["--format", "json"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let role = run.json();
    assert_eq!(role["role_name"], "github-ci-deployer");
    assert_eq!(role["permissions_boundary"], Value::Null);
    let managed =
        ["AdministratorAccess", "IAMReadOnlyAccess"].map(|name| format!("arn:aws:iam::aws:policy/{name}"));
    assert_eq!(role["managed_policies"], json!(managed), "without the quarantine of the key");
    let statements = role["permissions"]["Statement"].as_array().unwrap();
    let actions: Vec<(&Value, &Value)> =
        statements.iter().map(|statement| (&statement["Effect"], &statement["Action"])).collect();
    assert_eq!(
        actions,
        [(&json!("Allow"), &json!("s3:PutObject")), (&json!("Deny"), &json!("s3:DeleteBucket"))]
    );
    let condition = &role["trust"]["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(
        condition["token.actions.githubusercontent.com:sub"],
        json!(["repo:acme/app:ref:refs/heads/main", "repo:acme@7/app@42:ref:refs/heads/main"])
    );
    assert_eq!(condition["token.actions.githubusercontent.com:repository_id"], "42");
    for (action, count) in aws.requests()["actions"].as_object().unwrap() {
        assert!(action.starts_with("Get") || action.starts_with("List"), "{action}: {count}");
    }
    for (format, words) in [
        (
            "cli",
            [
                "require_account 123456789012",
                "policy/AdministratorAccess",
                "s3:DeleteBucket",
                "set_up_role github-ci-deployer",
            ],
        ),
        ("cloudformation", ["StringEquals:", "ManagedPolicyArns:", "s3:DeleteBucket", "WorkflowRole:"]),
        ("terraform", ["policy_arn", "\"keytide_workflows_2\"", "s3:DeleteBucket", "github-ci-deployer"]),
    ] {
        let run = migrate(&world, Some(&aws), &["--format", format]);
        assert_eq!(run.code, 0, "{format}: {}", run.stderr);
        for word in words {
            assert!(run.stdout.contains(word), "{format}: {word}: {}", run.stdout);
        }
    }
}

/// The role has the boundary of the user; a policy that may not be read makes a role that is not complete.
#[test]
fn a_boundary_is_kept_and_a_refusal_is_said() {
    let user = format!(
        "<User><Path>/</Path><UserName>ci-deployer</UserName><UserId>AIDA1</UserId>\
         <Arn>arn:aws:iam::123456789012:user/ci-deployer</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>\
         <PermissionsBoundaryArn>{BOUNDARY}</PermissionsBoundaryArn></PermissionsBoundary></User>"
    );
    for (refused, code) in [("", 0), ("ListAttachedUserPolicies", 3), ("ListGroupsForUser", 3)] {
        let user = user.clone();
        let aws = Server::start(move |request| match request.action() {
            "GetCallerIdentity" => caller(),
            "GetUser" => answer("GetUser", &user),
            action if action == refused => error(403, "AccessDenied", "no"),
            "ListAccessKeys" => {
                answer("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>false</IsTruncated>")
            }
            action => answer(action, "<IsTruncated>false</IsTruncated>"),
        });
        let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
        let url = aws.url();
        let variables = [
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_REPOSITORY_ID", "42"),
            ("GITHUB_REPOSITORY_OWNER_ID", "7"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let formats = [
            ("json", "\"permissions_boundary\": \""),
            ("cli", "'' "),
            ("terraform", "permissions_boundary = \""),
        ];
        for (format, before) in formats {
            let arguments = ["migrate", "--user", "ci-deployer", "--endpoint-url", &url, "--format", format];
            let run = world.keytide_in(".", &arguments, &variables);
            assert_eq!(run.code, code, "{refused}: {}{}", run.stdout, run.stderr);
            assert_eq!(
                run.stdout.contains(&format!("{before}{BOUNDARY}")),
                code == 0,
                "{refused}: {}",
                run.stdout
            );
            assert_eq!(
                run.stderr.contains(&format!("iam:{refused}: ")),
                code == 3,
                "{refused}: {}",
                run.stderr
            );
        }
    }
}

/// Without AWS the role is not complete: the workflows get a placeholder that `check` refuses, until a run with AWS.
#[test]
fn without_aws_the_account_stays_open() {
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
    let run = migrate(&world, None, &["--write"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("incomplete: AWS could not be asked for the user's permissions"),
        "{}",
        run.stdout
    );
    assert!(
        read(&world, WORKFLOW).contains("role-to-assume: arn:aws:iam::CHANGE-ME:role/github-ci-deployer\n")
    );
    assert_eq!(read(&world, POLICY), USERS, "the key stays until there is a role");
    assert!(
        run.stdout.contains(
            "note: .github/keytide.yml stays as it is until the role, and what else uses the key, are known\n"
        ),
        "{}",
        run.stdout
    );
    let role = migrate(&repository(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]), None, &["--format", "json"]);
    assert_eq!((role.code, &role.json()["permissions"]["Statement"][0]["Action"]), (3, &json!("CHANGE-ME")));

    let found = world.found(&[]);
    assert!(
        found.iter().any(|line| line.starts_with("unfilled-placeholder .github/workflows/deploy.yml")),
        "{found:?}"
    );
    let run = migrate(&world, Some(&account()), &["--write"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        read(&world, WORKFLOW)
            .contains("role-to-assume: arn:aws:iam::123456789012:role/github-ci-deployer\n")
    );
    assert_eq!(read(&world, POLICY), USERS.replace("rotation: {}", "retire: {}"));
    world.write(POLICY, USERS.as_bytes());
    assert_eq!(world.found(&[]), [""; 0]);
}

/// What stays is said with its place, and keeps the key from being retired, as other users of the key do.
#[test]
fn a_key_that_is_still_used_is_not_retired() {
    let aws = account();
    let script = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./deploy ${{ secrets.AWS_ACCESS_KEY_ID }}\n";
    let world = repository(&[(WORKFLOW, DEPLOY), (".github/workflows/script.yml", script), (POLICY, USERS)]);
    let run = migrate(&world, Some(&aws), &["--write"]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("\n  .github/workflows/script.yml:6:14: a script gets the key itself"),
        "{}",
        run.stdout
    );
    assert_eq!(
        (read(&world, POLICY), read(&world, ".github/workflows/script.yml")),
        (USERS.to_owned(), script.to_owned())
    );
    assert!(read(&world, WORKFLOW).contains("role-to-assume"), "the other file is changed");
    assert_eq!(migrate(&world, Some(&aws), &["--fail-on", "never"]).code, 0);

    let age = "      - age: { file: deploy/aws.age, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p], format: dotenv }\n";
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, &format!("{USERS}{age}"))]);
    let run = migrate(&world, Some(&aws), &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("must not be retired before that has ended:\n  age deploy/aws.age\n"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("+    retire"), "{}", run.stdout);
}

/// A composite action and the job that calls it are written together, and then nothing uses the key any more.
#[test]
fn a_called_action_is_written_with_its_caller() {
    const ACTION: &str = ".github/actions/deploy/action.yml";
    let fixture = |path: &str| {
        let folder = root().join("tests/fixtures/migrate/repositories/action-configures/before");
        std::fs::read_to_string(folder.join(path)).unwrap()
    };
    let (workflow, action) = (fixture(WORKFLOW), fixture(ACTION));
    let world = repository(&[(WORKFLOW, &workflow), (ACTION, &action), (POLICY, USERS)]);
    let run = migrate(&world, Some(&account()), &["--write"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        read(&world, ACTION).contains("role-to-assume: arn:aws:iam::123456789012:role/"),
        "{}",
        run.stdout
    );
    for path in [WORKFLOW, ACTION] {
        assert!(!read(&world, path).contains("aws-access-key-id"), "{}", run.stdout);
    }
    assert!(
        run.stdout.contains("note: a called workflow or an action takes no key any more"),
        "{}",
        run.stdout
    );
    assert_eq!(read(&world, POLICY), USERS.replace("rotation: {}", "retire: {}"));
}

/// The repository's setting decides what a job without `permissions` keeps.
#[test]
fn the_permissions_of_the_default_token_are_kept() {
    let github = Server::start(|request| {
        let body = match request.path.as_str() {
            "/repos/acme/app" => json!({"id": 42, "owner": {"id": 7}, "default_branch": "trunk"}),
            "/repos/acme/app/actions/permissions/workflow" => {
                json!({"default_workflow_permissions": "write", "can_approve_pull_request_reviews": false})
            }
            _ => return Reply::Answer(404, json!({"message": "Not Found"}).to_string()),
        };
        Reply::Answer(200, body.to_string())
    });
    let workflow = DEPLOY.replace("{ push: { branches: [main] } }", "workflow_dispatch");
    let world = repository(&[(WORKFLOW, &workflow), (POLICY, USERS)]);
    let aws = account();
    let (url, github) = (aws.url(), github.url());
    let arguments =
        ["migrate", "--user", "ci-deployer", "--write", "--endpoint-url", &url, "--github-api-url", &github];
    let variables = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("GITHUB_TOKEN", "t")];
    let run = world.keytide_in(".", &arguments, &variables);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let text = read(&world, WORKFLOW);
    for line in ["contents: write", "statuses: write", "actions: write", "id-token: write"] {
        assert!(text.contains(&format!("      {line}\n")), "{line}: {text}");
    }
    assert!(
        run.stdout.contains("  ref:refs/heads/trunk\n") && !run.stdout.contains("restricted default"),
        "{}",
        run.stdout
    );
}

/// Mistakes of the caller end with 2, and nothing is written through a link.
#[cfg(unix)]
#[test]
fn wrong_calls_and_links_change_nothing() {
    let aws = account();
    // GitHub runs no workflow that is a link; the policy file can be one.
    let world = repository(&[(WORKFLOW, DEPLOY), ("policy.yml", USERS)]);
    std::os::unix::fs::symlink("../policy.yml", world.root.join(POLICY)).unwrap();
    world.git(&["add", "-A"]);
    let run = migrate(&world, Some(&aws), &["--write"]);
    assert_eq!(
        (run.code, read(&world, WORKFLOW), read(&world, "policy.yml")),
        (2, DEPLOY.to_owned(), USERS.to_owned()),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert!(run.stderr.contains("keytide.yml cannot be written"), "{}", run.stderr);

    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, &USERS.replace("ci-deployer", "other"))]);
    let run = migrate(&world, Some(&aws), &[]);
    assert!(run.code == 2 && run.stderr.contains("no entry with the name `ci-deployer`"), "{}", run.stderr);
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, &USERS.replace("acme/app", "acme/other"))]);
    let run = migrate(&world, Some(&aws), &[]);
    assert!(run.code == 2 && run.stderr.contains("no workflow of acme/app reads the key"), "{}", run.stderr);
    let world = repository(&[(WORKFLOW, DEPLOY), (POLICY, &USERS.replace("123456789012", "210987654321"))]);
    let run = migrate(&world, Some(&aws), &[]);
    assert!(run.code == 2 && run.stderr.contains("this is account 123456789012"), "{}", run.stderr);
}
