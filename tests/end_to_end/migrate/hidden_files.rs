//! What keytide cannot read may read the key: it is said, and the key is not retired.

use std::os::unix::ffi::OsStrExt as _;

use crate::support::check::{Run, World};

pub const POLICY: &str = ".github/keytide.yml";
const WORKFLOW: &str = ".github/workflows/deploy.yml";
pub const DEPLOY: &str = "\
on: push
jobs:
  deploy:
    environment: production
    runs-on: ubuntu-latest
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: eu-west-1
";
pub const USERS: &str = "\
version: 1
account: \"123456789012\"
users:
  - name: ci-deployer
    rotation: {}
    destinations:
      - github_secret: { repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }
";

/// Runs the command without an account: nothing here depends on one.
fn migrate(world: &World, arguments: &[&str]) -> Run {
    let variables = [
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_REPOSITORY_ID", "42"),
        ("GITHUB_REPOSITORY_OWNER_ID", "7"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    world.keytide_in(".", &[&["migrate", "--user", "ci-deployer"], arguments].concat(), &variables)
}

#[track_caller]
fn is_left(run: &Run, line: &str) {
    assert!(run.stdout.contains(&format!("Left alone, to be changed by hand:\n  {line}")), "{}", run.stdout);
    assert!(run.code != 0 && !run.stdout.contains("retire: {}\n+"), "{}", run.stdout);
}

/// Git tracks a link, or it tracks files and a person has put a link in place of their folder.
#[test]
fn a_linked_folder_of_workflows_is_said() {
    for folder in [".github/workflows", ".github"] {
        let world = World::with(&[("elsewhere/workflows/deploy.yml", DEPLOY), ("policy.yml", USERS)]);
        let target = if folder == ".github" { "elsewhere" } else { "../elsewhere/workflows" };
        std::fs::create_dir_all(world.root.join(folder).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, world.root.join(folder)).unwrap();
        world.git(&["add", "-A"]);
        let run = migrate(&world, &["--policy", "policy.yml"]);
        is_left(&run, &format!("{folder}:1:1: it is a link: name the workflows themselves\n"));
    }

    let world = World::with(&[(WORKFLOW, DEPLOY), ("policy.yml", USERS)]);
    std::fs::rename(world.root.join(".github"), world.root.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", world.root.join(".github")).unwrap();
    let run = migrate(&world, &["--policy", "policy.yml", "--write"]);
    is_left(&run, ".github:1:1: it is a link");
    assert_eq!(std::fs::read_to_string(world.root.join("elsewhere/workflows/deploy.yml")).unwrap(), DEPLOY);
}

/// A link could lead anywhere, also out of the repository.
#[test]
fn a_linked_workflow_is_said() {
    for target in ["deploy.yml", "../../../outside.yml", "nowhere.yml"] {
        let world = World::with(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
        std::os::unix::fs::symlink(target, world.root.join(".github/workflows/other.yml")).unwrap();
        world.git(&["add", "-A"]);
        let run = migrate(&world, &[]);
        is_left(&run, ".github/workflows/other.yml:1:1: it is a link, which keytide does not follow");
    }
}

/// Without the index keytide changes what it finds, and says that it does not know what Git tracks.
#[test]
fn an_index_that_cannot_be_read_is_said() {
    let world = World::with(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
    std::fs::write(world.root.join(".git/index"), b"DIRC\0\0\0\x02\0\0\0\x07 no entries").unwrap();
    let run = migrate(&world, &[]);
    is_left(&run, "the Git index:1:1: ");
    assert!(run.stdout.contains("+++ b/.github/workflows/deploy.yml\n"), "{}", run.stdout);
}

/// A file's name need not be UTF-8 for Git; what is printed of it would be another file.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_said() {
    let world = World::with(&[(POLICY, USERS)]);
    let name = std::ffi::OsStr::from_bytes(b"de\xffploy\x1b[2J.yml");
    let path = world.root.join(".github/workflows").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, DEPLOY).unwrap();
    world.git(&["add", "-A"]);
    let run = migrate(&world, &["--write"]);
    is_left(&run, ".github/workflows/de\u{fffd}ploy\\u{1b}[2J.yml:1:1: the name of the file is not UTF-8");
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), DEPLOY);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file was written");
}

/// The key of the repository in a job with an environment: the token names the environment, so the role trusts that.
#[test]
fn an_environment_in_place_of_a_branch_is_said() {
    let world = World::with(&[(WORKFLOW, DEPLOY), (POLICY, USERS)]);
    let run = migrate(&world, &[]);
    let note = "note: jobs of the environment `production` read the key from the repository's secrets. Whether the \
                environment has secrets of these names itself, which they would read instead, is not known (no GitHub token";
    assert!(run.stdout.contains(note), "{}", run.stdout);
    assert!(run.stdout.contains("trusts `environment:production` and no branch"), "{}", run.stdout);
    assert!(run.stdout.contains(" trusts:\n  environment:production\n"), "{}", run.stdout);
    let of_environment =
        USERS.replace("repository: acme/app,", "repository: acme/app, environment: production,");
    let run = migrate(&World::with(&[(WORKFLOW, DEPLOY), (POLICY, &of_environment)]), &[]);
    assert!(run.stdout.contains("  environment:production\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("no branch"), "{}", run.stdout);
}

/// YAML's null is no name of an environment, and a name that reads like a variable of IAM is none.
#[test]
fn what_looks_like_a_name_or_a_variable_is_neither() {
    for (written, trusted) in [
        ("", "ref:refs/heads/*"),
        ("~", "ref:refs/heads/*"),
        ("null", "ref:refs/heads/*"),
        ("{ name: null, url: x }", "ref:refs/heads/*"),
        ("'null'", "environment:null"),
        ("${x}", "environment:${$}{x}"),
        ("a$b", "environment:a$b"),
    ] {
        let workflow = DEPLOY.replace("environment: production", &format!("environment: {written}"));
        let run = migrate(&World::with(&[(WORKFLOW, &workflow), (POLICY, USERS)]), &[]);
        assert!(run.stdout.contains(&format!(" trusts:\n  {trusted}\n")), "{written}: {}", run.stdout);
    }
}

/// GitHub runs no workflow whose jobs are a list, and nobody knows what it would do.
#[test]
fn jobs_that_are_a_list_are_left_alone() {
    let workflow = DEPLOY.replace("  deploy:\n", "  - deploy:\n");
    let run = migrate(&World::with(&[(WORKFLOW, &workflow), (POLICY, USERS)]), &[]);
    is_left(&run, &format!("{WORKFLOW}:3:3: `jobs` is not a mapping of jobs by their names\n"));
    assert!(!run.stdout.contains("+    retire: {}"), "{}", run.stdout);
}

/// The runner takes `::` at the beginning of a line for a command, also behind blanks, and `##[` anywhere in it.
#[test]
fn a_line_of_a_workflow_starts_no_command_in_a_log() {
    let before = "      - run: |\n          ::add-mask::a\n          echo '##[stop-commands]x'\n      - uses";
    let world = World::with(&[(WORKFLOW, &DEPLOY.replace("      - uses", before)), (POLICY, USERS)]);
    let variables = [
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_ACTIONS", "true"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let run = world.keytide_in(".", &["migrate", "--user", "ci-deployer"], &variables);
    assert!(run.stdout.contains("add-mask") && run.stdout.contains("stop-commands"), "{}", run.stdout);
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    assert!(!run.stdout.lines().any(is_command), "{}", run.stdout);
}
