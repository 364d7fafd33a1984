//! The files of a migration change together or not at all.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::hidden_files::{DEPLOY, POLICY, USERS};
use crate::support::check::World;
use crate::support::program;

const FIRST: &str = ".github/workflows/a.yml";
const SECOND: &str = ".github/workflows/b.yml";

/// Runs a command with a limit of the size of files, in blocks of 512 bytes, as if the disk were full.
fn run_on_full_disk(world: &World, blocks: u32, arguments: &[&str]) -> (i32, String) {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(&world.root).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("GITHUB_REPOSITORY", "acme/app").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.args(["-c", &limited]).arg(program()).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The names in a folder, the hidden ones as well.
fn names(world: &World, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.root.join(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The second file is too large for the disk: the first one, which was written already, does not change either.
#[test]
fn on_a_full_disk_no_file_changes() {
    let large = format!("{DEPLOY}{}", "# a line of a comment\n".repeat(500));
    let world = World::with(&[(FIRST, DEPLOY), (SECOND, &large), (POLICY, USERS)]);
    let (code, stderr) = run_on_full_disk(&world, 8, &["migrate", "--user", "ci-deployer", "--write"]);
    assert!(code == 2 && stderr.contains("b.yml cannot be written: File too large"), "{code} {stderr}");
    assert!(stderr.contains("; nothing was changed"), "{stderr}");
    let read = |path: &str| std::fs::read_to_string(world.root.join(path)).unwrap();
    assert!(read(FIRST) == DEPLOY && read(SECOND) == large && read(POLICY) == USERS);
    assert_eq!(names(&world, ".github/workflows"), ["a.yml", "b.yml"]);

    // Files of `init`, which are new: none of them is left cut off.
    let world = World::with(&[("deploy.yml", DEPLOY)]);
    let (code, stderr) = run_on_full_disk(&world, 1, &["init", "--workflow"]);
    assert!(code == 2 && stderr.contains("; nothing was changed"), "{code} {stderr}");
    assert!(!world.root.join(POLICY).exists() && names(&world, ".github/workflows").is_empty(), "{stderr}");
}

#[test]
fn a_changed_file_keeps_its_mode() {
    let world = World::with(&[(FIRST, DEPLOY), (POLICY, USERS)]);
    let path = world.root.join(FIRST);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let variables = [("GITHUB_REPOSITORY", "acme/app"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let run = world.keytide_in(".", &["migrate", "--user", "ci-deployer", "--write"], &variables);
    assert!(run.stdout.contains(&format!("Wrote {FIRST}\n")), "{}{}", run.stdout, run.stderr);
    assert!(std::fs::read_to_string(&path).unwrap().contains("role-to-assume"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
}
