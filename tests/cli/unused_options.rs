//! An option that a command would ignore is refused, and one that it takes has its effect.

use super::fleet_report::result;
use crate::support::Keytide;

const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci\n    rotation: {}\n    destinations:\n      - github_secret: { repository: acme/app, access_key_id: ID, secret_access_key: KEY }\n";

/// No file is promised that is not written.
#[test]
fn a_report_that_no_command_would_write_is_refused() {
    for arguments in [
        &["explain", "key-age"][..],
        &["schema"],
        &["completions", "bash"],
        &["init", "--offline"],
        &["iam-policy", "--for", "audit"],
        &["doctor"],
        &["fleet", "collect", "--out", "policies"],
        &["--report", "html=x.html", "fleet", "report", "results"],
    ] {
        let run = Keytide::new(arguments).policy(POLICY);
        let run = if arguments.contains(&"--report") { run } else { run.arg("--report").arg("json=x.json") };
        let folder = run.path("");
        let run = run.run().exits(2);
        assert!(run.stderr.contains("--report would do nothing"), "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{arguments:?}: {}", run.stdout);
        assert!(!folder.join("x.json").exists() && !folder.join("x.html").exists(), "{arguments:?}");
    }
}

/// `init --policy FILE` writes that file, whatever policy file there is beside it.
#[test]
fn init_writes_the_policy_file_that_is_named() {
    let run = Keytide::new(&["init", "--offline", "--policy", "other.yml"]).policy(POLICY);
    let other = run.path("other.yml");
    let run = run.run().exits(0);
    assert!(run.stdout.contains("Created other.yml"), "{}", run.stdout);
    assert!(std::fs::read_to_string(other).unwrap().contains("version: 1"));
}

/// An empty name is no environment: a trust of `environment:` would match no token.
#[test]
fn a_trust_without_an_environment_names_the_branch() {
    let run = Keytide::new(&["iam-policy", "--for", "rotate", "--trust", "--repository", "acme/app"])
        .policy(POLICY)
        .arg("--environment")
        .arg("")
        .arg("--subject")
        .arg("classic");
    let text = run.run().exits(0).stdout;
    assert!(text.contains("repo:acme/app:ref:refs/heads/main"), "{text}");
    assert!(!text.contains("environment:"), "{text}");
}

/// The name that `migrate` itself gives a role may be given by hand as well: IAM takes 64 characters.
#[test]
fn a_role_may_have_the_longest_name() {
    for (length, is_taken) in [(64, true), (65, false)] {
        let name = "r".repeat(length);
        let run = Keytide::new(&["migrate", "--user", "ci", "--role-name", &name]).policy(POLICY).run();
        assert_eq!(run.stderr.contains("expected at most 64 letters"), !is_taken, "{length}: {}", run.stderr);
    }
}

/// The severity that fails a fleet's report is the report's own: the jobs have another `--fail-on`, or none.
#[test]
fn a_report_of_a_fleet_decides_by_its_own_limit() {
    let found = result("123456789012", "2026-11-28T00:00:00Z", |_| {});
    for (fail_on, exit) in [("error", 1), ("never", 0)] {
        let run = Keytide::new(&["fleet", "report", "1.json", "--now", "2026-11-29T00:00:00Z"])
            .file("1.json", &found)
            .arg("--fail-on")
            .arg(fail_on)
            .run()
            .exits(exit);
        assert!(run.stdout.contains("1 error"), "{}", run.stdout);
    }
    // A result that says more than its findings do is not trusted
    let empty = result("123456789012", "2026-11-28T00:00:00Z", |result| {
        result["repositories"][0]["findings"] = serde_json::json!([]);
    });
    let run = Keytide::new(&["fleet", "report", "1.json", "--now", "2026-11-29T00:00:00Z"]);
    run.file("1.json", &empty).run().exits(1);
}
