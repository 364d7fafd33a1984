//! The hook as people run it: by pre-commit and by prek, in a repository of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::check::{World, id, secret};
use crate::support::{program, scratch, tools};

const HOOKS: &str = include_str!("../../.pre-commit-hooks.yaml");

/// A repository with the hook `keytide-system` installed, and the hook's own repository.
struct Hooked {
    world: World,
    _hooks: World,
    path: String,
    runner: PathBuf,
}

impl Hooked {
    fn new(runner: &str) -> Self {
        let hooks = World::with(&[(".pre-commit-hooks.yaml", HOOKS)]);
        hooks.commit("hooks");
        let (url, revision) = (hooks.root.display().to_string(), hooks.git(&["rev-parse", "HEAD"]));
        let config =
            format!("repos:\n  - repo: {url}\n    rev: {revision}    hooks:\n      - id: keytide-system\n");
        let world = World::with(&[(".pre-commit-config.yaml", &config)]);
        world.commit("config");
        let keytide = program().parent().unwrap().to_owned();
        let programs = tools::python_tools().join("bin");
        let path = format!("{}:{}:{}", keytide.display(), programs.display(), std::env::var("PATH").unwrap());
        let hooked = Self { world, _hooks: hooks, path, runner: programs.join(runner) };
        let (code, text) =
            hooked.run(&hooked.runner, &["install", "-t", "pre-commit", "-t", "pre-merge-commit"]);
        assert_eq!(code, 0, "{text}");
        hooked
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> (i32, String) {
        let root = &self.world.root;
        let cache = scratch().join("hook-cache");
        let mut command = Command::new(program);
        command.current_dir(root).args(arguments).env("PATH", &self.path).env_remove("GITHUB_ACTIONS");
        command.env("PRE_COMMIT_HOME", &cache).env("PREK_HOME", &cache).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "a").env(format!("GIT_{role}_EMAIL"), "a@example.com");
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        (status.code().unwrap(), text)
    }

    fn commit(&self) -> (i32, String) {
        self.world.git(&["add", "-A"]);
        self.run(Path::new("git"), &["commit", "-m", "more"])
    }
}

fn story(runner: &str) {
    let hooked = Hooked::new(runner);
    let world = &hooked.world;
    world.write("clean.txt", b"nothing\n");
    let (code, text) = hooked.commit();
    assert_eq!(code, 0, "a clean commit passes: {text}");

    world.write(
        "app.env",
        format!("AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n", id(), secret()).as_bytes(),
    );
    let (code, text) = hooked.commit();
    assert_eq!(code, 1, "a leak is refused: {text}");
    assert!(text.contains("plaintext secret access key"), "{text}");
    assert!(text.contains("app.env:2:23") && !text.contains(&secret()), "{text}");

    // The leak is put right in the working tree but not in the index: the commit is still the leak.
    world.write("app.env", b"AWS_REGION=eu-west-1\n");
    let (code, text) = hooked.run(Path::new("git"), &["commit", "-m", "half"]);
    assert_eq!(code, 1, "what is staged counts: {text}");
    let (code, text) = hooked.commit();
    assert_eq!(code, 0, "put right: {text}");

    world.write("--fail-on=never", b"");
    world.write("app.env", format!("AWS_SECRET_ACCESS_KEY={}\n", secret()).as_bytes());
    let (code, text) = hooked.commit();
    assert_eq!(code, 1, "the name of a file is no option: {text}");
    assert!(text.contains("app.env:1:23"), "{text}");
    std::fs::remove_file(world.root.join("--fail-on=never")).unwrap();
    world.write("app.env", b"AWS_REGION=eu-west-1\n");
    world.write("-note.md", b"nothing\n");
    let (code, text) = hooked.commit();
    assert_eq!(code, 0, "a hyphen at the beginning of a name is no fault: {text}");

    let (code, text) = hooked.run(&hooked.runner, &["run", "--all-files"]);
    assert_eq!(code, 0, "all files: {text}");

    world.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    world.write("side.txt", b"side\n");
    assert_eq!(hooked.commit().0, 0);
    let (code, text) = hooked.run(Path::new("git"), &["merge", "--no-ff", "-m", "merge", "main"]);
    assert_eq!(code, 0, "a merge passes: {text}");
}

#[test]
fn pre_commit_refuses_a_leak_and_lets_a_clean_commit_pass() {
    story("pre-commit");
}

#[test]
fn prek_refuses_a_leak_and_lets_a_clean_commit_pass() {
    story("prek");
}
