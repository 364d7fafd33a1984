//! The roles that `iam-policy --format cli` sets up: enough for each job, and for no other job.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::set_up::{GITHUB, run_script, text};
use crate::support::peers::rotation_field;
use crate::support::replies::{Reply, Server};
use crate::support::stores::Stored;
use crate::support::{Keytide, Ran, folder};

/// The token of a job of `acme/app`, with these claims beside those of every job.
pub fn job_token(claims: &Value) -> String {
    let mut all =
        json!({"iss": format!("https://{GITHUB}"), "aud": "sts.amazonaws.com", "repository_id": "4711"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&all))
}

/// A command with the role and the token of a job.
fn as_job(stored: &Stored, arguments: &[&str], role: &str, claims: Value) -> Ran {
    let token = job_token(&claims);
    let github = Server::start(move |_| Reply::Answer(200, json!({"value": token}).to_string()));
    let run = stored.keytide(
        &[arguments, &["--role-to-assume", &format!("arn:aws:iam::123456789012:role/{role}")]].concat(),
    );
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?v=1", github.url()));
    run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").run()
}

/// No role is for a job of another branch, environment, repository or issuer.
fn refuse_other_jobs(stored: &Stored, branch: &Value, gate: &Value, pull: &Value) {
    let with = |claims: &Value, name: &str, value: &str| {
        let mut claims = claims.clone();
        claims[name] = value.into();
        claims
    };
    for (role, claims) in [
        ("keytide-rotate", pull.clone()),
        ("keytide-rotate", gate.clone()),
        ("keytide-rotate", with(branch, "repository_id", "4712")),
        ("keytide-rotate", with(branch, "aud", "https://github.com/acme")),
        ("keytide-rotate", with(branch, "iss", "https://elsewhere.example")),
        ("keytide-delete", branch.clone()),
        ("keytide-delete", with(gate, "ref", "refs/heads/feature")),
        ("keytide-audit", with(pull, "repository_id", "4712")),
    ] {
        let run = as_job(stored, &["rotate"], role, claims.clone()).exits(3);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            said.contains("Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            "{role} {claims}: {said}"
        );
    }
}

/// The script makes the roles, and jobs live with them: an audit, a rotation to the deleted key, each by its own role, by
/// the token of its job alone. The emulator knows actions, resources and trust policies; it does not evaluate the
/// condition on the names of tags.
#[test]
fn the_roles_are_enough_and_for_their_jobs_only() {
    let mut stored = Stored::with_secret();
    let file = stored.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
    let policy = String::from_utf8(STANDARD.decode(file).unwrap()).unwrap();
    let print = Keytide::new(&["iam-policy", "--for", "all", "--format", "cli", "--repository", "acme/app"]);
    let print = print.env("GITHUB_TOKEN", "token").arg("--github-api-url").arg(&stored.github.url());
    let script = print.policy(&policy).run().exits(0).stdout;
    let run = run_script(&stored.aws, &script);
    assert!(run.status.success(), "{}", text(&run.stderr));

    let branch = json!({"sub": "repo:acme/app:ref:refs/heads/main", "ref": "refs/heads/main"});
    let gate = json!({"sub": "repo:acme/app:environment:delete-access-keys", "ref": "refs/heads/main"});
    let pull = json!({"sub": "repo:acme/app:pull_request", "ref": "refs/pull/1/merge"});
    refuse_other_jobs(&stored, &branch, &gate, &pull);

    let audit = |stored: &Stored, claims: &Value| {
        let path = folder().join("keytide.yml");
        std::fs::write(&path, &policy).unwrap();
        let arguments = ["audit", "--policy", path.to_str().unwrap()];
        let report = as_job(stored, &arguments, "keytide-audit", claims.clone()).json();
        assert_eq!((&report["complete"], &report["faults"]), (&json!(true), &json!([])), "{report:#}");
    };
    audit(&stored, &branch);
    audit(&stored, &pull);
    let (old, _) = stored.first();
    let mut waits = false;
    for _ in 0..60 {
        let run = as_job(&stored, &["rotate", "--no-delete"], "keytide-rotate", branch.clone());
        assert!([0, 1].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
        stored.uses(&stored.in_secret());
        waits = rotation_field(&run.json(), "why").contains("may not delete");
        if waits {
            break;
        }
        if !stored.github.open_pulls().is_empty() {
            stored.merge();
        }
        stored.pass(24);
    }
    assert!(waits && stored.keys()[&old].1 == "Inactive", "{:?}", stored.keys());
    audit(&stored, &branch);
    stored.pass(1);
    let refused = as_job(&stored, &["rotate"], "keytide-rotate", branch).exits(3);
    assert!(refused.stdout.contains("iam:DeleteAccessKey: AccessDenied"), "{}", refused.stdout);
    stored.pass(1);
    as_job(&stored, &["rotate", "--only", "delete"], "keytide-delete", gate).exits(0);
    assert!(!stored.keys().contains_key(&old) && stored.keys().len() == 1, "{:?}", stored.keys());
    stored.uses(&stored.in_secret());
}
