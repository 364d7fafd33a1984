//! `keytide init`: a first policy file, from the files of a repository and an account.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::Keytide;
use crate::support::check::World;
use crate::support::emulator::Emulator;
use crate::support::tools::python_tool;

const KEY: &str = "AKIAYVP4CIPPERUVIFXG"; // keytide: allow exposed-key-id -- a sample
const WORKFLOW: &str = "\
on: push
jobs:
  deploy:
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
";
const SOPS: &str = "\
aws:
  access_key_id: ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]
  secret_access_key: ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]
sops:
  kms: [{enc: YQ==}]
  lastmodified: \"2026-01-01T00:00:00Z\"
  version: 3.11.0
  mac: ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]
";

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// A repository with a workflow, a file of SOPS and one that names a key.
fn repository(arguments: &[&str]) -> Keytide {
    let keytide = Keytide::new(arguments)
        .file(".github/workflows/deploy.yml", WORKFLOW)
        .file("deploy/secrets.enc.yaml", SOPS)
        .file("deploy/main.tf", format!("# the deploying user's key is {KEY}\n"))
        .file("secrets/other.age", "age-encryption.org/v1\n-> X25519 abc\n");
    let folder = keytide.path("");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["remote", "add", "origin", "https://github.com/acme/app.git"]);
    git(&folder, &["add", "."]);
    keytide
}

fn account() -> Emulator {
    Emulator::with(&json!({"account": "123456789012", "users": [
        { "name": "ci-deployer", "keys": [{ "id": KEY, "created_at": "2026-01-01T00:00:00Z" }] },
        { "name": "somebody", "keys": [{ "created_at": "2025-01-01T00:00:00Z" }, { "created_at": "2025-02-01T00:00:00Z" }] },
        { "name": "keyless" },
    ]}))
}

/// Without an account: each credential has an entry of its own, since the files do not name its user.
#[test]
fn without_an_account_it_says_what_the_files_tell() {
    let keytide = repository(&["init", "--offline"]);
    let folder = keytide.path("");
    let run = keytide.run().exits(0);
    assert!(
        run.stdout.starts_with(
            "Created .github/keytide.yml\nReplace each CHANGE-ME in .github/keytide.yml\nReplace OWNER by "
        ),
        "{}",
        run.stdout
    );
    let last: Vec<&str> =
        run.stdout.lines().rev().take(5).map(|line| line.split("  ").nth(1).unwrap()).collect();
    assert_eq!(
        last,
        [
            "git commit -m \"Check AWS access keys with keytide\" && git push",
            "keytide audit",
            "keytide iam-policy --for audit --format cli",
            "keytide check",
            "git add .github/keytide.yml"
        ]
    );
    let text = std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema=https://"), "{text}");
    for line in [
        "account: \"595918472158\"",
        "  - name: CHANGE-ME-1   # the IAM user whose access key is in the GitHub secrets below",
        "  - name: CHANGE-ME-2   # the IAM user whose access key is in `deploy/secrets.enc.yaml` below",
        "\n      - sops: { file: deploy/secrets.enc.yaml, access_key_id: aws.access_key_id, secret_access_key: aws.secret_access_key }",
        "\n      - github_secret: { repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }",
        "#      - reference: { files: [deploy/main.tf] }",
        "# age: { file: secrets/other.age } needs ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let again = keytide_in(&folder, &["init", "--offline"]);
    assert_eq!(again.0, 0);
    assert!(
        again.1.starts_with("Kept .github/keytide.yml, which exists already\nNothing was written: "),
        "{}",
        again.1
    );
    assert!(again.1.contains("Replace each CHANGE-ME in .github/keytide.yml\n"), "{}", again.1);
    let commands: Vec<&str> = again
        .1
        .split("Next:\n")
        .nth(1)
        .unwrap()
        .lines()
        .map(|line| line.split("  ").nth(1).unwrap())
        .collect();
    assert_eq!(commands, ["keytide check", "keytide iam-policy --for audit --format cli", "keytide audit"]);
    assert_eq!(
        std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap(),
        text,
        "it stays as it was"
    );
}

/// Runs the program in a folder; returns its exit code and what it printed.
fn keytide_in(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(crate::support::program());
    command.args(arguments).current_dir(folder).env_remove("GITHUB_ACTIONS").env_remove("GITHUB_REPOSITORY");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap(), text)
}

/// With one: the user whose key a file names is entered, with the destinations; the others can be chosen from.
#[test]
fn with_an_account_it_names_the_user() {
    let aws = account();
    let keytide = repository(&["init", "--now", "2026-03-02T00:00:00Z"]).against(&aws.url());
    let folder = keytide.path("");
    keytide.run().exits(0);
    let text = std::fs::read_to_string(folder.join(".github/keytide.yml")).unwrap();
    assert!(text.contains("account: \"123456789012\""), "{text}");
    assert!(text.contains("  - name: ci-deployer   # a file of this repository names its access key; 1 access key, 60 days old\n"), "{text}");
    assert!(text.contains("#  - name: somebody   # 2 access keys, the oldest 425 days old\n"), "{text}");
    assert!(
        !text.contains("keyless") && text.contains("    destinations:\n      - github_secret:"),
        "{text}"
    );

    let audit = Keytide::new(&["audit", "--format", "json"]).policy(&text).against(&aws.url()).run();
    assert_eq!(audit.json()["users"][0]["name"], "ci-deployer", "{}", audit.stdout);
}

/// From nothing to a failing audit with annotations: two commands, and nothing to fill in between them.
#[test]
fn a_first_audit_needs_two_commands() {
    let aws = account();
    let keytide = repository(&["init", "--now", "2026-06-02T00:00:00Z"]).against(&aws.url());
    let written = keytide.path(".github/keytide.yml");
    keytide.run().exits(0);
    let text = std::fs::read_to_string(written).unwrap();
    let audit = Keytide::new(&["audit", "--format", "github", "--now", "2026-06-02T00:00:00Z"]);
    let run = audit.file(".github/keytide.yml", &text).against(&aws.url()).run().exits(1);
    let annotation =
        "::error file=.github/keytide.yml,line=5,col=5,title=keytide key-age::ci-deployer: access key ";
    assert!(run.stdout.contains(annotation), "{}", run.stdout);
}

/// Where no credentials are, that is said and is no failure; nothing is written with `--stdout`.
#[test]
fn an_account_that_cannot_be_read_is_no_failure() {
    let keytide = repository(&["init", "--stdout"]);
    let folder = keytide.path("");
    let run = keytide.run().exits(0);
    assert!(run.stdout.contains("version: 1\n") && run.stdout.contains("CHANGE-ME"), "{}", run.stdout);
    assert!(run.stderr.contains("the account was not read"), "{}", run.stderr);
    assert!(!folder.join(".github/keytide.yml").exists());
}

/// Repositories as people have them, by their files.
fn samples() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let job = |name: &str, environment: &str, id: &str| {
        format!(
            "  {name}:\n    runs-on: ubuntu-latest\n{environment}    steps:\n      - run: ./deploy\n        env:\n          AWS_ACCESS_KEY_ID: ${{{{ secrets.{id}_ACCESS_KEY_ID }}}}\n          AWS_SECRET_ACCESS_KEY: ${{{{ secrets.{id}_SECRET_ACCESS_KEY }}}}\n"
        )
    };
    let terraform = "locals {\n  teams = toset([\"blue\", \"green\"])\n}\nresource \"aws_iam_user\" \"deploy\" {\n  name = \"deploy\"\n}\nresource \"aws_iam_user\" \"team\" {\n  for_each = local.teams\n  name     = \"team-${each.key}\"\n}\nresource \"aws_iam_user\" \"other\" {\n  name = var.other\n}\n";
    let keys = format!(
        "on: push\njobs:\n{}{}{}{}",
        job("deploy", "    environment: production\n", "DEPLOY_AWS"),
        job("stage", "    environment: { name: staging }\n", "DEPLOY_AWS"),
        job("backup", "", "BACKUP_AWS"),
        job("any", "    environment: ${{ github.ref_name }}\n", "ANY_AWS"),
    );
    let pre_commit = "# our hooks\nrepos:\n  - repo: https://github.com/pre-commit/pre-commit-hooks   # the usual ones\n    rev: v5.0.0\n    hooks:\n      - id: end-of-file-fixer\n      # - id: check-yaml\n\n# slow ones run by hand\nfail_fast: true\n";
    vec![
        ("empty", vec![("README.md", "# app\n".to_owned())]),
        (
            "terraform",
            vec![
                ("infra/iam.tf", terraform.to_owned()),
                (".github/workflows/ci.yml", format!("on: push\njobs:\n{}", job("a", "", "DEPLOY_AWS"))),
            ],
        ),
        ("static keys", vec![(".github/workflows/ci.yml", keys)]),
        (
            "hook",
            vec![(".pre-commit-config.yaml", pre_commit.to_owned()), ("deploy/s.yaml", SOPS.to_owned())],
        ),
        (
            "monorepo",
            vec![
                ("apps/a/secrets.enc.yaml", SOPS.to_owned()),
                ("apps/b/secrets.enc.yaml", SOPS.to_owned()),
                ("apps/c/x.age", "age-encryption.org/v1\n-> X25519 abc\n".to_owned()),
                ("apps/a/iam.tf", "resource \"aws_iam_user\" \"a\" { name = \"app-a\" }\n".to_owned()),
                ("apps/b/iam.tf", "resource \"aws_iam_user\" \"b\" { name = \"app-b\" }\n".to_owned()),
            ],
        ),
    ]
}

fn sample_repository(files: &[(&str, String)]) -> World {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = World::with(&files);
    world.git(&["remote", "add", "origin", "https://github.com/acme/app.git"]);
    world
}

const WRITTEN: [&str; 5] = [
    ".github/keytide.yml",
    ".github/workflows/keytide.yml",
    ".github/workflows/keytide-rotate.yml",
    ".github/workflows/keytide-delete.yml",
    ".pre-commit-config.yaml",
];
const ALL: [&str; 5] = ["init", "--offline", "--workflow", "--rotation", "--hook"];

fn read_all(world: &World) -> Vec<String> {
    WRITTEN.iter().map(|path| std::fs::read_to_string(world.root.join(path)).unwrap()).collect()
}

/// As the maintainer does: the account, and a name for each user.
fn fill_in(world: &World) {
    for (path, text) in WRITTEN.iter().zip(read_all(world)) {
        let text = text.replace("account: \"CHANGE-ME\"", "account: \"123456789012\"");
        let text = text.replace("iam::CHANGE-ME:", "iam::123456789012:").replace("CHANGE-ME", "user");
        let text = text.replace("OWNER/keytide", "acme/keytide");
        world.write(path, text.as_bytes());
    }
}

/// The result of `init` passes `check` once it is filled in, and not before; the workflows pass their linters; a second
/// run changes nothing.
#[test]
fn what_it_writes_passes_once_it_is_filled_in() {
    for (name, files) in samples() {
        let world = sample_repository(&files);
        let (code, text) = keytide_in(&world.root, &ALL);
        assert_eq!(code, 0, "{name}: {text}");
        for step in [
            "`rotation: {}` and `destinations`",
            "the tag `keytide:owner`",
            "\n  keytide doctor ",
            "pre-commit install",
            "role/keytide-audit, arn:aws:iam::",
            "git add ",
        ] {
            assert!(text.contains(step), "{name}: {text}");
        }
        let written = read_all(&world);
        let (code, text) = keytide_in(&world.root, &ALL);
        assert_eq!((code, text.matches("which exists already\n").count()), (0, 5), "{name}: {text}");
        assert_eq!(read_all(&world), written, "{name}: a second run changes nothing");

        let run = world.check(&[]);
        assert_eq!(run.code, 2, "{name}: {}", run.stdout);
        assert!(run.stdout.contains("account ID"), "{name}: {}", run.stdout);
        if written[0].contains("name: CHANGE-ME") {
            world.write(WRITTEN[0], written[0].replace("\"CHANGE-ME\"", "\"123456789012\"").as_bytes());
            let run = world.check(&[]);
            assert_eq!(run.code, 2, "{name}: {}", run.stdout);
            assert!(run.stdout.contains("is a placeholder"), "{name}: {}", run.stdout);
        }
        fill_in(&world);
        world.git(&["add", "-A"]);
        for (path, (filled, placeholder)) in [
            (WRITTEN[0], ("acme/keytide", "OWNER/keytide")),
            (WRITTEN[1], ("acme/keytide", "OWNER/keytide")),
            (WRITTEN[2], ("iam::123456789012:", "iam::CHANGE-ME:")),
            (WRITTEN[4], ("acme/keytide", "OWNER/keytide")),
        ] {
            let text = std::fs::read_to_string(world.root.join(path)).unwrap();
            world.write(path, text.replace(filled, placeholder).as_bytes());
            let run = world.check(&[]);
            assert_eq!(run.code, 1, "{name}: {path}: {}", run.stdout);
            assert!(
                run.stdout.contains("unfilled-placeholder") && run.stdout.contains("replace "),
                "{}",
                run.stdout
            );
            world.write(path, text.as_bytes());
        }
        let run = world.check(&[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}: {}", run.stdout);
        let workflows: Vec<String> =
            WRITTEN[1..4].iter().map(|path| world.root.join(path).display().to_string()).collect();
        let workflows: Vec<&str> = workflows.iter().map(String::as_str).collect();
        lint("actionlint", &[&["-shellcheck="], &workflows[..]].concat());
        lint("zizmor", &[&["--offline", "--no-progress"], &workflows[..]].concat());
    }
}

fn lint(tool: &str, arguments: &[&str]) {
    let output = Command::new(python_tool(tool)).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{tool}: {text}");
}

/// The policy file of a sample.
fn policy_of(sample: &str) -> String {
    let samples = samples();
    let (_, files) = samples.iter().find(|(name, _)| *name == sample).unwrap();
    let (code, text) = keytide_in(&sample_repository(files).root, &["init", "--offline", "--stdout"]);
    assert_eq!(code, 0, "{text}");
    text
}

#[test]
fn users_of_terraform_are_named_and_what_is_computed_is_said() {
    let text = policy_of("terraform");
    for name in ["deploy", "team-blue", "team-green"] {
        assert!(
            text.contains(&format!("  - name: {name}   # created by Terraform in infra/iam.tf:")),
            "{text}"
        );
    }
    assert!(text.contains("# infra/iam.tf:11: keytide cannot tell the name of aws_iam_user.other"), "{text}");
    let deploy = text.split("  - name: ").find(|entry| entry.starts_with("deploy ")).unwrap();
    assert!(
        deploy.contains("access_key_id: DEPLOY_AWS_ACCESS_KEY_ID"),
        "the user that is called like it: {text}"
    );
}

#[test]
fn environments_are_kept_and_users_are_apart() {
    let text = policy_of("static keys");
    let entries: Vec<&str> = text.split("  - name: CHANGE-ME-").skip(1).collect();
    assert_eq!(entries.len(), 4, "{text}");
    let secret = |environment: &str, id: &str| {
        format!(
            "- github_secret: {{ repository: acme/app, {environment}access_key_id: {id}_ACCESS_KEY_ID, secret_access_key: {id}_SECRET_ACCESS_KEY }}"
        )
    };
    for wanted in [
        secret("environment: production, ", "DEPLOY_AWS"),
        secret("environment: staging, ", "DEPLOY_AWS"),
        secret("", "BACKUP_AWS"),
        "# github_secret: { file: .github/workflows/ci.yml } needs the environment".to_owned(),
    ] {
        assert_eq!(entries.iter().filter(|entry| entry.contains(&wanted)).count(), 1, "{wanted}\n{text}");
    }
    let text = policy_of("monorepo");
    assert!(text.contains("  - name: app-a ") && text.contains("  - name: app-b "), "{text}");
    assert!(
        text.contains("keytide cannot tell which user") && !text.contains("\n    destinations:"),
        "{text}"
    );
}

/// What exists is never overwritten, and a later run adds what is missing.
#[test]
fn a_later_run_adds_what_is_missing() {
    let samples = samples();
    let world = sample_repository(&samples.iter().find(|(name, _)| *name == "hook").unwrap().1);
    let before = std::fs::read_to_string(world.root.join(".pre-commit-config.yaml")).unwrap();
    world.write(".github/workflows/keytide-rotate.yml", b"mine\n");
    assert_eq!(keytide_in(&world.root, &["init", "--offline"]).0, 0);
    let (code, text) = keytide_in(&world.root, &ALL);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("Kept .github/keytide.yml, which exists already\nCreated .github/workflows/keytide.yml\nKept .github/workflows/keytide-rotate.yml, which exists already\nCreated .github/workflows/keytide-delete.yml\nAdded the hook to .pre-commit-config.yaml\n"),
        "{text}"
    );
    let files = read_all(&world);
    assert_eq!(files[2], "mine\n");
    let (head, tail) = before.split_once("\n# slow").unwrap();
    assert!(files[4].starts_with(head) && files[4].ends_with(&format!("\n# slow{tail}")), "{}", files[4]);
    assert!(
        files[4].contains("      # - id: check-yaml\n  - repo: https://github.com/OWNER/keytide\n    rev: v"),
        "{}",
        files[4]
    );

    world.write(".pre-commit-config.yaml", b"repos: [{ repo: a, hooks: [] }]\n");
    let (code, text) = keytide_in(&world.root, &ALL);
    assert!(
        code == 0 && text.contains("keytide cannot add to it safely") && text.contains("- id: keytide"),
        "{text}"
    );
}

/// The workflows may keep the issue and reach the webhook if the policy file has them, and only then.
#[test]
fn the_workflows_have_what_notify_needs() {
    let policy =
        |notify: &str| format!("version: 1\naccount: \"123456789012\"\nusers: [{{ name: alice }}]\n{notify}");
    let written = |notify: &str| {
        let world = World::with(&[(".github/keytide.yml", policy(notify).as_str())]);
        let (code, text) = keytide_in(&world.root, &ALL);
        assert_eq!(code, 0, "{text}");
        let files = ["keytide", "keytide-rotate", "keytide-delete"].map(|name| {
            let path = world.root.join(format!(".github/workflows/{name}.yml"));
            lint("actionlint", &["-shellcheck=", path.to_str().unwrap()]);
            std::fs::read_to_string(path).unwrap()
        });
        (files, world)
    };
    let (plain, _) = written("");
    let (both, _) = written("notify: { issue: {}, webhook: { url_from: MY_HOOK, format: slack } }\n");
    for (plain, both) in plain.iter().zip(&both) {
        assert!(!plain.contains("issues:") && !plain.contains("HOOK"), "{plain}");
        let workflow: serde_yaml::Value = serde_yaml::from_str(both).unwrap();
        let (_, job) = workflow["jobs"].as_mapping().unwrap().iter().next().unwrap();
        assert_eq!(job["permissions"]["issues"], "write");
        let steps = job["steps"].as_sequence().unwrap();
        let step =
            steps.iter().find(|step| step["uses"].as_str().unwrap().starts_with("OWNER/keytide@")).unwrap();
        assert_eq!(step["env"]["MY_HOOK"], "${{ secrets.MY_HOOK }}");
        assert!(step["with"].is_mapping(), "{both}");
    }
}

/// Nothing is written through a link, and then nothing at all.
#[cfg(unix)]
#[test]
fn no_file_is_written_through_a_link() {
    let outside = World::folder();
    outside.write("kept.yaml", b"repos:\n- repo: a\n");
    for (link, target) in [
        (".github/workflows", outside.root.clone()),
        (".pre-commit-config.yaml", outside.root.join("kept.yaml")),
        (".github/workflows/keytide.yml", outside.root.join("new.yml")),
    ] {
        let world = World::with(&[("a.txt", "x\n")]);
        let link = world.root.join(link);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, link).unwrap();
        let (code, text) = keytide_in(&world.root, &ALL);
        let kept = text.contains("Kept .github/workflows/keytide.yml");
        assert!(code == 2 && text.contains("link") || kept, "{text}");
        assert!(kept || !world.root.join(".github/keytide.yml").exists(), "{text}");
    }
    assert_eq!(std::fs::read_to_string(outside.root.join("kept.yaml")).unwrap(), "repos:\n- repo: a\n");
    assert!(!outside.root.join("new.yml").exists() && !outside.root.join("keytide.yml").exists());
}

#[test]
fn what_it_prints_controls_no_terminal() {
    let workflow = "on: push\njobs:\n  a:\n    environment: \"p\\u009b31m\"\n    env: { AWS_ACCESS_KEY_ID: \"${{ secrets.A }}\", AWS_SECRET_ACCESS_KEY: \"${{ secrets.B }}\" }\n";
    let hooks = "# \u{202e}\u{9b}31m\nrepos:\n- repo: a\n";
    let world = sample_repository(&[
        (".github/workflows/a\u{202e}.yml", workflow.to_owned()),
        (".pre-commit-config.yaml", hooks.to_owned()),
        ("x\u{9b}31m.tf", "resource \"aws_iam_user\" \"a\u{9b}31m\" { name = var.x }\n".to_owned()),
    ]);
    for arguments in [&["init", "--offline", "--stdout", "--hook", "--workflow"][..], &ALL] {
        let (code, text) = keytide_in(&world.root, arguments);
        assert_eq!(code, 0, "{text}");
        assert!(!text.chars().any(|c| c != '\n' && keytide::sanitize::is_harmful(c)), "{text:?}");
    }
}

/// The README and the pages of the book show what `init` writes.
#[test]
fn the_documents_show_the_files_that_it_writes() {
    let read = |path: &str| std::fs::read_to_string(crate::support::root().join(path)).unwrap();
    for (file, document) in [
        ("workflows/audit.yml", "docs/start.md"),
        ("workflows/rotate.yml", "docs/rotation.md"),
        ("workflows/delete.yml", "docs/rotation.md"),
        ("pre-commit-config.yaml", "README.md"),
        ("pre-commit-config.yaml", "docs/check.md"),
    ] {
        let text = read(&format!("src/commands/init/{file}"));
        assert!(read(document).contains(&format!("```yaml\n{text}```")), "{file} is not in {document}");
        // Every action of others is pinned to a commit.
        for line in text.lines().filter(|line| line.contains("uses: ") && !line.contains("OWNER/keytide@v")) {
            let (_, pin) = line.split_once('@').unwrap();
            let hash = pin.split(' ').next().unwrap();
            assert!(hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
        }
    }
}
