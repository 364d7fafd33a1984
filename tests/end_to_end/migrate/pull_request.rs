//! `keytide migrate --pull-request` at the stand-in of GitHub: opened once, by a token that may change workflows.

use serde_json::{Value, json};

use super::life::{DEPLOY, Life, WORKFLOW};
use crate::support::peers::{POLICY, USER};
use crate::support::{matches_file, root};

const BRANCH: &str = "refs/heads/keytide/ci-deployer/migrate";
const USERS: &str = "\
version: 1
account: \"123456789012\"
users:
  - name: ci-deployer
    rotation: { labels: [security], reviewers: [\"@alice\"] }
    destinations:
      - github_secret: { repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }
";
const MIGRATE: [&str; 4] = ["migrate", "--user", USER, "--pull-request"];

/// A repository that keytide knows, and a token that may change workflows.
fn begin() -> Life {
    let life = Life::begin();
    life.world.github.push(&[(POLICY, USERS.as_bytes())]);
    life.world.github.control("POST", "settings", &json!({ "may_write_workflows": true }));
    life
}

fn pulls(life: &Life) -> Vec<Value> {
    life.world.github.state()["pulls"].as_array().unwrap().clone()
}

/// The script must make the role that the workflows name, with the trust that was asked for.
#[test]
fn the_command_for_the_role_has_the_options_of_the_run() {
    let life = begin();
    let checkout = life.check_out();
    let said = life.succeed(
        &checkout,
        &[
            "migrate",
            "--user",
            USER,
            "--role-name",
            "deployer",
            "--subject",
            "classic",
            "--issuer",
            "https://git.example.com/$(id)",
        ],
    );
    assert!(said.contains(":role/deployer"), "{said}");
    let command = format!(
        "migrate --user {USER} --role-name deployer --subject classic --issuer 'https://git.example.com/$(id)' --format cli`"
    );
    assert!(said.contains(&command), "{said}");
}

/// The merge of the pull request is what `--write` and a push would have come to.
#[test]
fn the_changes_are_proposed_once() {
    let life = begin();
    let checkout = life.check_out();
    let said = life.succeed(&checkout, &MIGRATE);
    assert!(said.contains("\nOpened ") && said.contains("/acme/app/pull/100\n"), "{said}");
    assert!(
        said.contains(", then merge the pull request\nAfter the merge: `gh secret delete AWS_"),
        "{said}"
    );
    let [pull] = &pulls(&life)[..] else { panic!("not one pull request") };
    assert_eq!((&pull["labels"], &pull["reviewers"]), (&json!(["security"]), &json!(["alice"])));
    let shown = format!("# {}\n\n{}", pull["title"].as_str().unwrap(), pull["body"].as_str().unwrap());
    matches_file(&root().join("tests/fixtures/migrate/pull-request.md"), &shown);
    assert_eq!(checkout.git(&["status", "--porcelain"]), "", "nothing was written here");

    let tip = life.world.github.state()["refs"][BRANCH].clone();
    let again = life.succeed(&checkout, &MIGRATE);
    assert!(again.contains("/acme/app/pull/100 is open and has these changes\n"), "{again}");
    assert_eq!((pulls(&life).len(), &life.world.github.state()["refs"][BRANCH]), (1, &tip));

    life.succeed(&checkout, &["migrate", "--user", USER, "--write"]);
    life.world.merge();
    let merged = life.check_out();
    for path in [WORKFLOW, POLICY] {
        let read = |folder: &std::path::Path| std::fs::read_to_string(folder.join(path)).unwrap();
        assert_eq!(read(&merged.root), read(&checkout.root), "{path}");
    }
    let done = life.succeed(&merged, &MIGRATE);
    assert!(done.starts_with("Nothing to change\n") && pulls(&life).len() == 1, "{done}");
}

/// An app's token without the permission, and a classic one without the scope: GitHub has different words for them.
#[test]
fn a_token_that_may_not_change_workflows_is_said() {
    for settings in [json!({ "may_write_workflows": false }), json!({ "scopes": "repo, read:org" })] {
        let life = begin();
        life.world.github.control("POST", "settings", &settings);
        let checkout = life.check_out();
        let run = life.command(&checkout, &MIGRATE);
        assert_eq!(run.code, 3, "{settings}: {}{}", run.stdout, run.stderr);
        let line = run.stdout.lines().find(|line| line.starts_with("incomplete: ")).unwrap_or_default();
        for words in
            ["no pull request was opened: GitHub: ", "`workflows: write`", "`--write` writes the files"]
        {
            assert!(line.contains(words), "{settings}: {}", run.stdout);
        }
        assert!(run.stdout.contains("+          role-to-assume: "), "the changes are shown: {}", run.stdout);
        assert_eq!((pulls(&life), &life.world.github.state()["refs"][BRANCH]), (Vec::new(), &Value::Null));
        assert_eq!(std::fs::read_to_string(checkout.root.join(WORKFLOW)).unwrap(), DEPLOY);
    }
}

/// A run that ended after the branch, a pull request that was closed, one that a person has changed.
#[test]
fn a_second_run_goes_on_where_the_first_one_ended() {
    let life = begin();
    let checkout = life.check_out();
    let fault = json!([{ "match": "POST /repos/acme/app/pulls", "status": 502, "skip": 1, "times": 1 }]);
    life.world.github.control("POST", "faults", &fault);
    let cut = life.command(&checkout, &MIGRATE);
    assert_eq!((cut.code, pulls(&life).len()), (3, 0), "{}", cut.stdout);
    let tip = life.world.github.state()["refs"][BRANCH].clone();
    assert!(tip.is_string(), "{}", cut.stdout);
    let said = life.succeed(&checkout, &MIGRATE);
    assert!(said.contains("/pull/100\n"), "{said}");
    assert_eq!(life.world.github.state()["refs"][BRANCH], tip);

    life.world.github.control("POST", "close", &json!({ "number": 100 }));
    life.world.github.push(&[("README.md", b"an application, changed\n")]);
    let said = life.succeed(&checkout, &MIGRATE);
    assert!(said.contains("\nOpened ") && said.contains("/pull/101\n"), "{said}");

    let body = json!({ "branch": "keytide/ci-deployer/migrate", "files": { WORKFLOW: "b246IHB1c2gK" } });
    life.world.github.control("POST", "push", &body);
    let other = life.command(&checkout, &MIGRATE);
    let said = other.stdout;
    assert!(said.contains("/pull/101 is open and has other changes: close it for a new one\n"), "{said}");
    assert!(other.code == 3 && !said.contains("merge the pull request"), "{} {said}", other.code);
    life.world.github.control("POST", "close", &json!({ "number": 101 }));
    life.succeed(&checkout, &MIGRATE);
    let files = life.world.github.control("POST", "files", &json!({ "ref": BRANCH }));
    assert_ne!(files[WORKFLOW], "b246IHB1c2gK");
    life.world.merge();
    assert!(life.succeed(&life.check_out(), &MIGRATE).starts_with("Nothing to change\n"));
}

/// A pull request with the right files and one more is not the one that keytide would open.
#[test]
fn a_foreign_file_beside_the_right_ones_is_another_change() {
    let life = begin();
    let checkout = life.check_out();
    life.succeed(&checkout, &MIGRATE);
    let body = json!({ "branch": "keytide/ci-deployer/migrate", "files": { "src/app.py": "eAo=" } });
    life.world.github.control("POST", "push", &body);
    let other = life.command(&checkout, &MIGRATE);
    assert!(other.stdout.contains("/pull/100 is open and has other changes: close it"), "{}", other.stdout);
    assert!(other.code == 3 && !other.stdout.contains("merge the pull request"), "{}", other.stdout);
    // The branch of a closed pull request is brought to what keytide would write
    life.world.github.control("POST", "close", &json!({ "number": 100 }));
    life.succeed(&checkout, &MIGRATE);
    let files = life.world.github.control("POST", "files", &json!({ "ref": BRANCH }));
    assert!(files["src/app.py"].is_null() && files[WORKFLOW].is_string(), "{files}");
}

/// The changes are those of other files than the default branch's, or the role is not known.
#[test]
fn what_is_not_known_is_not_proposed() {
    let life = begin();
    let checkout = life.check_out();
    let other = DEPLOY.replace("name: Deploy", "name: Another one");
    life.world.github.push(&[(".github/workflows/other.yml", other.as_bytes())]);
    let run = life.command(&checkout, &MIGRATE);
    assert_eq!((run.code, pulls(&life).len()), (3, 0), "{}", run.stdout);
    let said = "no pull request was opened: .github/workflows/other.yml is not as on `main` of acme/app";
    assert!(run.stdout.contains(said), "{}", run.stdout);

    let checkout = life.check_out();
    let github = life.world.github.url();
    let variables = [("GITHUB_TOKEN", "token"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let run = checkout.keytide_in(".", &[&MIGRATE[..], &["--github-api-url", &github]].concat(), &variables);
    assert_eq!((run.code, pulls(&life).len()), (3, 0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains(
            "no pull request was opened, because the role or the files that use the key are not known"
        ),
        "{}",
        run.stdout
    );

    let run = life.command(&checkout, &[&MIGRATE[..], &["--write"]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
}
