//! `keytide explain`: rules, phases and the policy file, and how their texts wrap.

use keytide::rules;

use crate::support::Keytide;

#[test]
fn explain_knows_every_rule() {
    let list = Keytide::new(&["explain"]).run().exits(0).stdout;
    for rule in rules::ALL_RULES {
        let name = rule.rule_meta().name;
        assert!(list.lines().any(|line| line.starts_with(name)), "{name}");
        let text = Keytide::new(&["explain", name]).run().exits(0).stdout;
        assert!(text.contains("Why: ") && text.contains("Fix: "), "{name}");
    }
    let text = Keytide::new(&["explain", "key-age"]).run().exits(0).stdout;
    assert!(
        text.contains("Controls: CIS AWS 7.0 2.12, CIS AWS Database Services 1.0 2.7, CIS AWS 6.0 2.13, CIS AWS 5.0 1.13,"),
        "{text}"
    );
    let text = Keytide::new(&["explain", "grace"]).run().exits(0).stdout;
    assert!(
        text.starts_with("grace (a phase of a rotation)\n\nMeans: every destination holds the new key, the old one is still active\nLook at: `key` lines:")
            && text.contains("\nWays out: restart what reads the destinations; `keytide rollback --user U`\nNext: "),
        "{text}"
    );
    let run = Keytide::new(&["explain", "key-agee"]).run().exits(2);
    assert!(run.stderr.contains("the nearest names are `key-age`, "), "{}", run.stderr);
    let run = Keytide::new(&["explain", "validating"]).run().exits(2);
    let help =
        run.stderr.lines().find_map(|line| line.trim_start().strip_prefix("help: ")).unwrap_or_default();
    assert_eq!(help.matches('`').count(), 12, "five names and a command: {}", run.stderr);
    assert!(help.ends_with("`keytide explain` lists all"), "{help}");
    let topics = Keytide::new(&["explain"]).run().exits(0).stdout;
    assert!(
        topics.contains("\nFor the person on call: leaked-key, changed-journal, encrypted-anew\n"),
        "{topics}"
    );
    let journal = Keytide::new(&["explain", "changed-journal"]).run().exits(0).stdout;
    assert!(
        journal.starts_with("The journal was changed\n\n") && journal.contains("git push --force"),
        "{journal}"
    );
    assert_eq!(
        Keytide::new(&["explain", "policy"]).run().exits(0).stdout,
        include_str!("../../policies/full.yaml")
    );
}

/// With a known width the texts of rules wrap at words; into a pipe a line stays whole.
#[test]
fn an_explanation_wraps_on_a_terminal() {
    let longest = |run: Keytide| run.run().exits(0).stdout.lines().map(str::len).max().unwrap();
    for arguments in [&["explain"][..], &["explain", "stalled-rotation"]] {
        assert!(longest(Keytide::new(arguments).env("COLUMNS", "80")) <= 80, "{arguments:?}");
        assert!(longest(Keytide::new(arguments)) > 100, "{arguments:?}");
    }
    let text = Keytide::new(&["explain", "stalled-rotation"]).env("COLUMNS", "80").run().stdout;
    assert!(
        text.contains("\nWhy: Two keys") && text.lines().filter(|line| line.starts_with("     ")).count() > 5,
        "{text}"
    );
}
