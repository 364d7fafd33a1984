//! Repositories that were made to mislead or to stop keytide.

use crate::support::check::{World, secret};

fn leak() -> String {
    format!("aws_secret_access_key={}\n", secret())
}

#[test]
fn the_name_of_a_file_is_never_an_option() {
    let world = World::with(&[
        ("leak.env", &leak()),
        ("--fail-on=never", ""),
        ("--report=json=app/config.yml", ""),
        ("-q", ""),
        ("app/config.yml", "real: config\n"),
    ]);
    for name in ["--fail-on=never", "--report=json=app/config.yml", "-q"] {
        let run = world.keytide_in(".", &["check", name, "leak.env"], &[]);
        assert_eq!(run.code, 2, "{name}: {}", run.stdout);
        assert!(run.stderr.contains(name) && run.stderr.contains("write `--` before"), "{}", run.stderr);
    }
    let run = world.keytide_in(".", &["check", "--", "--fail-on=never", "-q", "leak.env"], &[]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(world.root.join("app/config.yml")).unwrap(), "real: config\n");
    // An option that is no file stays one.
    assert_eq!(world.keytide_in(".", &["check", "--fail-on", "never", "leak.env"], &[]).code, 0);
}
