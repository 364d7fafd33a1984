//! The corpus of the guards: what `terraform-managed-key` and `static-key-workflow` find in Terraform files and in the
//! configuration of CI services, and what they leave alone.

use std::collections::BTreeSet;

use crate::support::check::{ACCOUNT, World};
use crate::support::destinations::AgeFile;
use crate::support::{matches_file, peers, root};

/// One case: the files of a small repository, and what is expected of them.
struct Case {
    name: String,
    files: Vec<(String, String)>,
    /// `FILE:LINE SEVERITY SUBJECT`
    expected: BTreeSet<String>,
}

/// The figures of one part of the corpus.
#[derive(Default)]
struct Score {
    files: usize,
    decoys: usize,
    expected: usize,
    found: usize,
    unexpected: usize,
}

fn read_cases(name: &str) -> Vec<Case> {
    let path = root().join("tests/fixtures/guards").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    let mut marks: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case { name: name.to_owned(), files: Vec::new(), expected: BTreeSet::new() });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with its name");
        if let Some(path) = line.strip_prefix("--- ") {
            case.files.push((path.to_owned(), String::new()));
        } else if let Some(mark) = line.strip_prefix("@@ ") {
            marks.push(mark);
        } else {
            let (path, content) = case.files.last_mut().expect("a file begins with its path");
            content.push_str(line);
            content.push('\n');
            let number = content.lines().count();
            case.expected.extend(marks.drain(..).map(|mark| format!("{path}:{number} {mark}")));
        }
    }
    cases
}

fn policy() -> String {
    let mut users = String::new();
    for name in ["ci-deployer", "mail-sender", "backup"] {
        let secret = name.replace('-', "_");
        users.push_str(&format!(
            "  - name: {name}\n    rotation: {{}}\n    destinations:\n      - github_secret: {{ repository: acme/app, json: {secret} }}\n"
        ));
    }
    format!("version: 1\naccount: \"{ACCOUNT}\"\nusers:\n{users}  - name: legacy-batch\n")
}

/// What a check of the case finds, as the case writes it.
fn find_in(case: &Case, rule: &str) -> BTreeSet<String> {
    let policy = policy();
    let mut files = vec![(".github/keytide.yml", policy.as_str())];
    files.extend(case.files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let run = World::with(&files).check(&["--format", "json"]);
    let mut found = BTreeSet::new();
    for finding in run.json()["findings"].as_array().unwrap() {
        if finding["rule"] != rule {
            continue;
        }
        let at = format!("{}:{}", finding["location"]["file"].as_str().unwrap(), finding["location"]["line"]);
        let severity = finding["severity"].as_str().unwrap();
        let subject = match finding["user"].as_str() {
            _ if rule == "static-key-workflow" => String::new(),
            user => format!(" {}", user.unwrap_or("?")),
        };
        found.insert(format!("{at} {severity}{subject}"));
    }
    found
}

/// Checks every case, and adds up.
fn score(name: &str, rule: &str) -> (Score, Vec<String>) {
    let (mut score, mut differences) = (Score::default(), Vec::new());
    for case in read_cases(name) {
        let found = find_in(&case, rule);
        let marked: BTreeSet<&str> = case.expected.iter().filter_map(|line| line.split(':').next()).collect();
        score.files += case.files.len();
        score.decoys += case.files.iter().filter(|(path, _)| !marked.contains(path.as_str())).count();
        score.expected += case.expected.len();
        score.found += case.expected.intersection(&found).count();
        score.unexpected += found.difference(&case.expected).count();
        for line in case.expected.difference(&found) {
            differences.push(format!("{}: missed {line}", case.name));
        }
        for line in found.difference(&case.expected) {
            differences.push(format!("{}: unexpected {line}", case.name));
        }
    }
    (score, differences)
}

/// The page has the figures of this very run; what is missed or wrong is printed by name.
#[test]
fn the_guards_find_what_the_corpus_expects() {
    let mut table = String::from(
        "| corpus | rule | files | without a finding | findings expected | found | unexpected |\n|---|---|---|---|---|---|---|\n",
    );
    let mut all = Vec::new();
    for (title, name, rule) in [
        ("Terraform, OpenTofu", "terraform.txt", "terraform-managed-key"),
        ("GitHub, GitLab, CircleCI", "workflows.txt", "static-key-workflow"),
    ] {
        let (score, differences) = score(name, rule);
        let Score { files, decoys, expected, found, unexpected } = score;
        table.push_str(&format!(
            "| {title} | `{rule}` | {files} | {decoys} | {expected} | {found} | {unexpected} |\n"
        ));
        all.extend(differences);
    }
    let page = root().join("docs/check.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- guards: generated by cargo bless -->\n", "<!-- /guards -->");
    let (before, rest) = text.split_once(begin).expect("the page has a place for the figures");
    let (_, after) = rest.split_once(end).expect("which ends");
    println!("{}", all.join("\n"));
    matches_file(&page, &format!("{before}{begin}{table}{end}{after}"));
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_broken_terraform_file_has_a_place() {
    let text = "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"ci-deployer\n}\n";
    let world = World::with(&[(".github/keytide.yml", &policy()), ("a/b.tf", text)]);
    let found = world.found(&[]);
    assert!(found.iter().any(|line| line.starts_with("terraform-managed-key a/b.tf:2:")), "{found:?}");
    // `rotation:` is taken out where there is one, and said of no other user
    for (user, has_rotation) in [("ci-deployer", true), ("somebody", false)] {
        let key = format!("resource \"aws_iam_access_key\" \"k\" {{\n  user = \"{user}\"\n}}\n");
        world.write("a/b.tf", key.as_bytes());
        let text = world.check(&[]).stdout;
        assert!(text.contains("terraform state rm aws_iam_access_key.k"), "{text}");
        assert_eq!(text.contains("Or remove `rotation:` of the user"), has_rotation, "{text}");
    }
    world.write("a/b.tf", text.as_bytes());
    let run = world.check(&[]);
    assert!(run.code == 0 && run.stdout.contains("cannot be read"), "{}", run.stdout);
}

#[test]
fn a_comment_and_an_exemption_accept_a_managed_key() {
    let key = "resource \"aws_iam_access_key\" \"ci\" { # KEYTIDE allow terraform-managed-key -- moves next week\n  user = \"ci-deployer\"\n}\n";
    // Put together, so that it is no comment of this file
    let key = key.replace("KEYTIDE", "keytide:");
    let world = World::with(&[(".github/keytide.yml", &policy()), ("k.tf", &key)]);
    assert_eq!(world.found(&[]), ["terraform-managed-key k.tf:1:1 exempted"]);
    world.write("k.tf", key.replace("keytide: allow", "allowed").as_bytes());
    assert_eq!(world.check(&[]).code, 1);
    let exemption = "exemptions:\n  - user: ci-*\n    rules: [terraform-managed-key]\n    until: 2027-01-31\n    reason: moves\n";
    world.write(".github/keytide.yml", format!("{}{exemption}", policy()).as_bytes());
    assert_eq!(world.found(&[]), ["terraform-managed-key k.tf:1:1 exempted"]);
}

/// The name is in another file than the key, and only one of them is given or staged.
#[test]
fn files_beside_the_given_one_are_read() {
    let world =
        World::with(&[(".github/keytide.yml", &policy()), ("u.tf", "locals { name = \"backup\" }\n")]);
    world.git(&["commit", "-q", "-m", "first"]);
    world.write("k.tf", b"resource \"aws_iam_access_key\" \"k\" { user = local.name }\n");
    assert_eq!(world.found(&["k.tf"]), ["terraform-managed-key k.tf:1:1"]);
    world.git(&["add", "k.tf"]);
    world.write("k.tf", b"");
    assert_eq!(world.found(&["--staged"]), ["terraform-managed-key k.tf:1:1"]);
}

/// A plan reads the working tree: a rotation that the next apply would undo is an error before it begins.
#[test]
fn a_plan_says_that_terraform_manages_the_key() {
    let world = peers::World::with(80, vec![Box::new(AgeFile::new())]);
    let plan = |file: &str, code: i32| {
        let text = "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"ci-deployer\"\n}\n";
        let run = world.keytide(&["plan"]).file(peers::POLICY, world.policy_with("{}"));
        run.file(".git", "gitdir: nowhere\n").file(file, text).run().exits(code).json()
    };
    let found = plan("infra/keys.tf", 1);
    assert_eq!(found["findings"][0]["rule"], "terraform-managed-key", "{found:#}");
    assert_eq!(found["findings"][0]["location"]["file"], "infra/keys.tf", "{found:#}");
    assert!(found["findings"][0]["help"].as_str().unwrap().contains("state rm aws_iam_access_key.ci"));
    assert_eq!(found["rotations"][0]["phase"], "due", "the step is still shown: {found:#}");
    assert_eq!(plan("infra/keys.txt", 0)["findings"].as_array().unwrap().len(), 0);
}
