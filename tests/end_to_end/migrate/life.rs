//! From `init` to a key that is gone: the repository's workflow is an application that is let in at every moment, with the
//! key as long as it reads one, then with the role.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::set_up::{on_aws, run_script, text};
use crate::set_up_roles::job_token;
use crate::support::check::{Run, World as Checkout};
use crate::support::destinations::{GithubSecrets, file};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

pub const WORKFLOW: &str = ".github/workflows/deploy.yml";
pub const DEPLOY: &str = "\
name: Deploy
on: { push: { branches: [main] } }
permissions:
  contents: read
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: eu-west-1
      - run: aws iam get-user --user-name ci-deployer
";
const SECRETS: &str = "/repos/acme/app/actions/secrets";

/// The account and GitHub, in whose repository nothing of keytide is yet.
pub struct Life {
    pub world: World,
    /// What everyone knows who wrote the key down.
    secret: String,
}

impl Life {
    pub fn begin() -> Self {
        let world = World::with(200, vec![Box::new(GithubSecrets::of_repository())]);
        let files = json!({ POLICY: null, WORKFLOW: STANDARD.encode(DEPLOY) });
        world.github.control("POST", "push", &json!({ "files": files }));
        let life = Self { secret: world.keys()[OLD].0.clone(), world };
        life.put_secrets(&json!(OLD), &json!(life.secret));
        life
    }

    fn put_secrets(&self, id: &Value, secret: &Value) {
        for (name, value) in [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)] {
            let body = json!({ "folder": SECRETS, "name": name, "value": value });
            self.world.github.control("POST", "secret", &body);
        }
    }

    /// People delete the secrets.
    fn remove_secrets(&self) {
        self.put_secrets(&Value::Null, &Value::Null);
    }

    /// A checkout of the default branch.
    pub fn check_out(&self) -> Checkout {
        let checkout = Checkout::repository();
        checkout.git(&["remote", "add", "origin", "https://github.com/acme/app.git"]);
        let state = self.world.github.state();
        for path in state["files"].as_object().unwrap().keys() {
            checkout.write(path, &file(&state, path).unwrap());
        }
        checkout.commit("as on GitHub");
        checkout
    }

    /// A command in a checkout, of a person who may read the account and has a token.
    pub fn command(&self, checkout: &Checkout, arguments: &[&str]) -> Run {
        let (aws, github, now) = (self.world.aws.url(), self.world.github.url(), self.world.now.to_string());
        let more = ["--endpoint-url", &aws, "--github-api-url", &github, "--now", &now];
        let variables = [
            ("GITHUB_TOKEN", "token"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        checkout.keytide_in(".", &[arguments, &more].concat(), &variables)
    }

    #[track_caller]
    pub fn succeed(&self, checkout: &Checkout, arguments: &[&str]) -> String {
        let run = self.command(checkout, arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.stdout, run.stderr);
        run.stdout
    }

    /// What a checkout changed comes to the default branch by a pull request.
    fn propose_and_merge(&self, checkout: &Checkout, branch: &str) {
        let mut files = BTreeMap::new();
        for path in checkout.git(&["ls-files", "-z", "-m", "-o", "--exclude-standard"]).split_terminator('\0')
        {
            files.insert(path.to_owned(), STANDARD.encode(std::fs::read(checkout.root.join(path)).unwrap()));
        }
        assert!(!files.is_empty());
        let body = json!({ "branch": branch, "files": files });
        self.world.github.control("POST", "propose", &body);
        self.works();
        self.world.merge();
    }

    /// `init`, then `migrate --write`, then the role, then the merge.
    fn migrate(&self) {
        let checkout = self.check_out();
        self.succeed(&checkout, &["init", "--repository", "acme/app"]);
        let policy = std::fs::read_to_string(checkout.root.join(POLICY)).unwrap();
        assert!(policy.contains(USER) && policy.contains("AWS_SECRET_ACCESS_KEY"), "{policy}");
        checkout.write(POLICY, policy.replace("OWNER/keytide", "acme/keytide").as_bytes());
        self.propose_and_merge(&checkout, "begin");

        let checkout = self.check_out();
        let written = self.succeed(&checkout, &["migrate", "--user", USER, "--write"]);
        assert!(
            written.contains("Wrote .github/workflows/deploy.yml\nWrote .github/keytide.yml\n"),
            "{written}"
        );
        let script = self.succeed(&checkout, &["migrate", "--user", USER, "--format", "cli"]);
        let made = run_script(&self.world.aws, &script);
        assert!(made.status.success(), "{}", text(&made.stderr));
        self.propose_and_merge(&checkout, "migrate");
        let checkout = self.check_out();
        assert_eq!(checkout.found(&[]), [""; 0], "no workflow has a static key any more");
        let again = self.succeed(&checkout, &["migrate", "--user", USER]);
        assert!(again.starts_with("Nothing to change\n"), "{again}");
    }

    /// The workflow on the default branch runs, and AWS lets it in.
    #[track_caller]
    pub fn works(&self) {
        let state = self.world.github.state();
        let workflow = String::from_utf8(file(&state, WORKFLOW).unwrap()).unwrap();
        let secret = |name: &str| {
            let value = &state["secrets"][format!("{SECRETS}/{name}")]["value"];
            value.as_str().unwrap_or_default().to_owned()
        };
        match workflow.lines().find_map(|line| line.trim().strip_prefix("role-to-assume: ")) {
            Some(role) => {
                assert!(workflow.contains("id-token: write"), "{workflow}");
                self.works_as(role);
            }
            None => {
                let (id, secret) = (secret("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY"));
                assert!(self.is_let_in(&id, &secret), "{id} at {}", self.world.now);
            }
        }
    }

    /// The job assumes the role by its token, and does what the user could do.
    #[track_caller]
    fn works_as(&self, role: &str) {
        let token = job_token(&json!({"sub": "repo:acme/app:ref:refs/heads/main", "ref": "refs/heads/main"}));
        let assume = ["sts", "assume-role-with-web-identity", "--role-session-name", "deploy"];
        let by = ["--role-arn", role, "--web-identity-token", &token];
        let assumed = on_aws("aws", &self.world.aws).args(assume).args(by).output().unwrap();
        assert!(assumed.status.success(), "{}: {}", self.world.now, text(&assumed.stderr));
        let session: Value = serde_json::from_slice(&assumed.stdout).unwrap();
        let part = |name: &str| session["Credentials"][name].as_str().unwrap().to_owned();
        let done = on_aws("aws", &self.world.aws)
            .args(["iam", "get-user", "--user-name", USER])
            .env("AWS_ACCESS_KEY_ID", part("AccessKeyId"))
            .env("AWS_SECRET_ACCESS_KEY", part("SecretAccessKey"))
            .env("AWS_SESSION_TOKEN", part("SessionToken"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}: {}", self.world.now, text(&done.stderr));
    }

    fn is_let_in(&self, id: &str, secret: &str) -> bool {
        let body = json!({ "id": id, "secret": secret, "service": "s3" });
        let answer: Value =
            serde_json::from_str(&self.world.aws.control("POST", "use", &body.to_string())).unwrap();
        answer["served"] == true
    }

    /// Runs until a phase, whenever keytide says that it is worth to look again, with the workflow let in after each; the
    /// days that it took.
    #[track_caller]
    fn until(&mut self, phase: &str, days: i64) -> i64 {
        let begun = self.world.now;
        let mut reasons = Vec::new();
        loop {
            let report = self.world.rotate();
            self.works();
            let passed = self.world.now.duration_since(begun).as_hours() / 24;
            if rotation_field(&report, "phase") == phase {
                return passed;
            }
            reasons.push(rotation_field(&report, "why").to_owned());
            assert!(passed < days, "never {phase}: {reasons:#?}");
            self.world.wait(&report["rotations"][0]);
        }
    }
}

/// The key is used, then a role, then nothing uses the key, then it goes; the workflow is let in on every day.
#[test]
fn a_repository_with_a_key_ends_without_one() {
    let mut life = Life::begin();
    life.works();
    life.migrate();
    life.works();
    // The secrets are still there: whoever reads them could use the key.
    for _ in 0..3 {
        let report = life.world.rotate();
        assert!(rotation_field(&report, "why").contains("AWS_ACCESS_KEY_ID"), "{report:#}");
        life.works();
        life.world.pass(3 * 24);
    }
    assert_eq!(life.world.keys()[OLD].1, "Active");
    life.remove_secrets();
    let waited = life.until("soaking", 20);
    assert!(waited >= 5, "{waited} days");
    assert_eq!(life.world.keys()[OLD].1, "Inactive");
    let soaked = life.until("retired", 40);
    assert!(soaked >= 30, "{soaked} days");
    assert!(life.world.keys().is_empty());
    life.world.pass(24);
    life.works();
    assert_eq!(life.world.github.open_pulls(), Vec::<u64>::new());
}

/// A machine that no one thought of has the key: a rollback in the soak brings it back, and it is not retired before
/// `resume`.
#[test]
fn a_rollback_before_the_end_brings_the_key_back() {
    let mut life = Life::begin();
    life.migrate();
    life.remove_secrets();
    life.until("soaking", 20);
    let secret = life.secret.clone();
    assert!(!life.is_let_in(OLD, &secret));
    let rollback = ["rollback", "--user", USER, "--reason", "the night job"];
    let back = life.world.keytide(&rollback).run().json();
    assert_eq!(rotation_field(&back, "phase"), "held", "{back:#}");
    assert!(life.is_let_in(OLD, &secret));
    for _ in 0..3 {
        life.world.pass(24 * 12);
        let held = life.world.rotate();
        assert_eq!(rotation_field(&held, "phase"), "held", "{held:#}");
    }
    life.works();
    assert!(life.is_let_in(OLD, &secret));
    life.world.keytide(&["resume", "--user", USER, "--reason", "the night job has a role"]).run().exits(0);
    life.until("retired", 60);
    assert!(life.world.keys().is_empty());
}
