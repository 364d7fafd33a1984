//! Policy files: what is wrong is reported where it stands, all of it at once; what is right means what it says.

use std::path::{Path, PathBuf};

use crate::support::{Keytide, matches_file, root};
use keytide::policy::{Policy, PolicySource, UserSelector, read_policy, scalar::PolicyDuration};
use keytide::repository::FileContent;
use keytide::rules;
use keytide::text_style::TextStyle;
use proptest::prelude::*;

fn parse(text: &[u8]) -> Result<Policy, String> {
    let source = PolicySource { file: "keytide.yml", bytes: text, read_base: &|_| FileContent::Absent };
    read_policy(&source, &rules::exemptible_rules())
        .map_err(|faults| faults.iter().map(|fault| fault.render(TextStyle::default())).collect())
}

#[test]
fn broken_files_have_the_diagnostics_beside_them() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("tests/fixtures/policy/broken"))
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    assert!(files.len() >= 30);
    for file in files {
        let diagnostics =
            parse(&std::fs::read(&file).unwrap()).expect_err(&format!("{} is broken", file.display()));
        for line in diagnostics.lines().filter(|line| line.contains(": error: ")) {
            assert!(line.starts_with("keytide.yml:"), "{line}");
        }
        matches_file(&file.with_extension("txt"), &diagnostics);
    }
}

#[test]
fn the_policies_that_are_shipped_are_right() {
    for name in ["example.yaml", "full.yaml"] {
        let text = std::fs::read(root().join("policies").join(name)).unwrap();
        parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// The levels lie over each other field by field: entry, file, base, base of the base.
#[test]
fn a_base_file_is_taken_in() {
    let open = |name: &str| match name {
        "team.yml" => FileContent::Bytes(
            b"version: 1\nextends: strict\nlimits: { max_unused: 20d }\nrotation: { soak: 30d }\n".to_vec(),
        ),
        _ => FileContent::Absent,
    };
    let text = "version: 1\nextends: team.yml\naccount: \"123456789012\"\nlimits: { max_inactive: 3d }\nusers:\n  - name: alice\n    \
                limits: { max_active_keys: 2 }\n    rotation:\n    \
                destinations: [{ github_secret: { repository: acme/app, access_key_id: A, secret_access_key: B } }]\n";
    let source = PolicySource { file: "keytide.yml", bytes: text.as_bytes(), read_base: &open };
    let policy = read_policy(&source, &[]).map_err(|faults| faults[0].render(TextStyle::default())).unwrap();
    let alice = policy.find_user_policy("alice", None).unwrap();
    assert_eq!(alice.limits.max_age, Some(PolicyDuration::from_days(30)), "strict");
    assert_eq!(alice.limits.max_unused, Some(PolicyDuration::from_days(20)), "team.yml");
    assert_eq!(alice.limits.max_inactive, Some(PolicyDuration::from_days(3)), "the file");
    assert_eq!(alice.limits.max_active_keys, Some(2), "the entry");
    let rotation = alice.rotation.as_ref().unwrap();
    assert_eq!(rotation.soak, PolicyDuration::from_days(30));
    assert_eq!(rotation.start_at, PolicyDuration::from_days(23), "not later than the first warning");
    assert_eq!(policy.controls["unused-key"], ["CIS AWS 7.0 2.11"], "of the preset at the bottom");
}

#[test]
fn files_that_extend_one_another_in_a_circle_end() {
    let open = |_: &str| FileContent::Bytes(b"version: 1\nextends: a.yml\n".to_vec());
    let source = PolicySource {
        file: "keytide.yml",
        bytes: b"version: 1\nextends: a.yml\nusers: [{ name: x }]\n",
        read_base: &open,
    };
    let faults = read_policy(&source, &[]).unwrap_err();
    assert!(
        faults[0].render(TextStyle::default()).starts_with("keytide.yml:2:10: error: more than 8 files"),
        "{}",
        faults[0].render(TextStyle::default())
    );
}

#[test]
fn what_is_wrong_in_a_base_file_is_reported_there() {
    let run = Keytide::new(&["audit"])
        .file(".github/keytide.yml", "version: 1\nextends: base.yml\nusers: [{ name: x }]\n")
        .file(".github/base.yml", "version: 1\nlimits: { max_age: 90 }\n")
        .run()
        .exits(2);
    assert!(run.stderr.starts_with(".github/base.yml:2:20: error: "), "{}", run.stderr);
}

/// A file that cannot be a policy: a clear line, exit code 2, quickly.
#[test]
fn files_of_other_kinds_are_refused() {
    let bomb = "[".repeat(200_000);
    let big = "# x\n".repeat(2_500_000);
    let laughs = (0..30).map(|i| format!("a{i}: &a{i} [*a{j}, *a{j}]\n", j = i - 1)).collect::<String>();
    let wide: String = (0..20_000).map(|i| format!("k{i}: 1\n")).collect();
    for (what, bytes, message) in [
        ("depth", bomb.as_bytes(), "invalid YAML"),
        ("10 MB", big.as_bytes(), "it is larger than"),
        ("binary", &b"\x7fELF\x00\x01\xff\xfe"[..], "not valid UTF-8"),
        ("NUL", b"version: 1\0", "invalid YAML"),
        ("latin-1", b"version: 1\nusers: [{ name: \xe4 }]", "2:17: error: the file is not valid UTF-8"),
        ("aliases", laughs.as_bytes(), "cannot use YAML aliases"),
        ("twenty thousand fields", wide.as_bytes(), "unknown field"),
    ] {
        let run = Keytide::new(&["audit"]).file("keytide.yml", bytes).run().exits(2);
        assert!(
            ["keytide.yml:", "error: keytide.yml "].iter().any(|start| run.stderr.starts_with(start))
                && run.stderr.contains(message),
            "{what}: {:.300}",
            run.stderr
        );
    }
}

#[test]
fn a_file_that_is_none_is_reported() {
    let run = Keytide::new(&["audit"]).run().exits(2);
    assert!(run.stderr.contains("there is no policy file: looked for .github/keytide.yml"), "{}", run.stderr);
    let run = Keytide::new(&["audit", "--policy", "."]).run().exits(2);
    assert!(run.stderr.contains("it is a folder"), "{}", run.stderr);
    let run = Keytide::new(&["audit"]);
    std::os::unix::fs::symlink("gone", run.path("keytide.yml")).unwrap();
    let run = run.run().exits(2);
    assert!(run.stderr.contains("a link to a file that does not exist"), "{}", run.stderr);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_no_harm() {
    let policy = parse("\u{feff}version: 1\r\nusers:\r\n  - name: alice\r\n".as_bytes()).unwrap();
    assert_eq!(policy.user_names().collect::<Vec<_>>(), ["alice"]);
}

#[test]
fn patterns_mean_what_they_say() {
    let text =
        "version: 1\nusers:\n  - { match: \"svc-*\", path: /services/ }\n  - { match: \"{ci,cd}-?\" }\n";
    let policy = parse(text.as_bytes()).unwrap();
    let glob = |name: &str, path: &str| {
        policy.find_user_policy(name, Some(path)).map(|entry| match &entry.selector {
            UserSelector::Match { glob, .. } => glob.text.clone(),
            UserSelector::Name(name) => name.0.clone(),
        })
    };
    assert_eq!(glob("svc-a", "/services/").as_deref(), Some("svc-*"));
    assert_eq!(glob("svc-a", "/services/deep/").as_deref(), Some("svc-*"));
    assert_eq!(glob("svc-a", "/services-not/"), None);
    assert_eq!(glob("ci-1", "/").as_deref(), Some("{ci,cd}-?"));
    assert_eq!(glob("ci-10", "/"), None);
}

/// The two YAML parsers in the tree read the shipped files alike: the one that knows places and serde_yaml.
#[test]
fn both_parsers_read_the_same() {
    for entry in std::fs::read_dir(root().join("policies")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let whole: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(whole["version"], 1, "{}", path.display());
        if path.file_name() == Some(Path::new("full.yaml").as_os_str()) {
            let policy = parse(text.as_bytes()).unwrap();
            assert_eq!(whole["users"].as_sequence().unwrap().len(), policy.users.len());
            assert_eq!(whole["exemptions"][0]["reason"], policy.exemptions[0].value.reason.as_str());
        }
    }
}

proptest! {
    /// No text makes the parser panic, and every complaint has a place inside the text.
    #[test]
    fn any_text_is_read_or_reported(text in "(?s).{0,300}") {
        let source = PolicySource { file: "f", bytes: text.as_bytes(), read_base: &|_| FileContent::Absent };
        if let Err(faults) = read_policy(&source, &[]) {
            prop_assert!(!faults.is_empty());
            let lines = text.split(['\n', '\r']).count() as u32 + 1;
            for fault in faults {
                prop_assert!(fault.at.line >= 1 && fault.at.line <= lines.max(2), "{}", fault.render(TextStyle::default()));
                fault.render(TextStyle::default());
            }
        }
    }

    /// The same for text that is nearly a policy.
    #[test]
    fn any_change_of_a_policy_is_read_or_reported(at in 0usize..4000, with in "[\\PC\n\t]{0,4}", cut in 0usize..40) {
        let text = include_str!("../../policies/full.yaml");
        let start = (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap();
        let end = (start + cut..=text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(text.len());
        let changed = format!("{}{with}{}", &text[..start], &text[end.max(start)..]);
        if let Err(message) = parse(changed.as_bytes()) {
            prop_assert!(message.starts_with("keytide.yml:"));
        }
    }
}

/// A repository that has the hook alone needs no user for its exemptions. Nothing that looks at keys passes with it.
#[test]
fn a_policy_file_without_users_serves_the_check_alone() {
    let policy = "version: 1\nusers: []\nexemptions:\n  - user: \"*\"\n    rules: [plaintext-key]\n    files: [sample.env]\n    until: 2099-01-31\n    reason: r\n";
    let leak = format!("aws_secret_access_key={}\n", crate::support::check::secret());
    let check =
        Keytide::new(&["check", "--format", "json"]).policy(policy).file("sample.env", &leak).run().exits(0);
    assert_eq!(check.json()["summary"]["exempted"], 1, "{}", check.stdout);
    for command in [&["audit"][..], &["iam-policy", "--for", "audit"], &["migrate", "--user", "ci"]] {
        let run = Keytide::new(command).policy(policy).run().exits(2);
        let text = [run.stdout, run.stderr].concat();
        assert!(text.contains("lists no IAM users"), "{command:?}: {text}");
    }
    let claims = policy.replace("users: []", "account: \"123456789012\"\nusers: []\nclaim: [\"ci-*\"]");
    let run = Keytide::new(&["iam-policy", "--for", "audit"]).policy(&claims).run().exits(0);
    assert!(run.stdout.contains("iam:ListUsers"), "{}", run.stdout);
}
