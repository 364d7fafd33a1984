//! The trust policy of the role against the subject of the job's token, and outside of a job against what the subjects of the
//! repository begin with.

use serde_json::json;

use super::states::create_role;
use super::{checks, sound};
use crate::set_up_roles::job_token;
use crate::support::Keytide;
use crate::support::peers::World;
use crate::support::replies::{Reply, Server};

const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";
const SUBJECT_KEY: &str = "token.actions.githubusercontent.com:sub";

/// The condition on the subject is replaced by one with this operator.
fn trust(world: &World, operator: &str, value: &str) {
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            operator: {SUBJECT_KEY: value},
            "StringEqualsIfExists": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
        },
    }]})
    .to_string();
    world.aws.iam("UpdateAssumeRolePolicy", &[("RoleName", "keytide"), ("PolicyDocument", &document)]);
}

/// The same is said of a trust in a job and outside of one, where only the beginning of the subjects is known.
#[test]
fn the_operator_decides_what_the_role_trusts() {
    let world = sound();
    create_role(&world, &json!({SUBJECT_KEY: SUBJECT}));
    let token = job_token(&json!({"sub": SUBJECT, "ref": "refs/heads/main"}));
    let tokens = Server::start(move |_| Reply::Answer(200, json!({"value": token}).to_string()));
    let url = format!("{}/token?v=1", tokens.url());
    let in_job = |run: Keytide| {
        run.env("ACTIONS_ID_TOKEN_REQUEST_URL", &url).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request")
    };
    for (operator, value, status, words) in [
        ("StringLike", "repo:acme/app:*", "ok", "which the role trusts"),
        ("StringLike", "repo:acme/*", "ok", "which the role trusts"),
        ("StringLike", "repo:acme/app*", "ok", "which the role trusts"),
        ("ForAnyValue:StringLike", "repo:acme/a?p:*", "ok", "which the role trusts"),
        ("StringEquals", "repo:acme/app:*", "fail", "in `StringLike` they are wildcards"),
        ("StringEquals", "repo:acme/web:ref:refs/heads/main", "fail", "the role trusts only `repo:acme/web:"),
        ("StringNotLike", "repo:acme/app:*", "fail", "every repository on GitHub"),
        ("StringLike", "*", "fail", "owners that it does not name: `*`"),
        ("StringLike", "repo:*/*", "fail", "owners that it does not name: `repo:*/*`"),
        (
            "ArnLike",
            "repo:acme/app:*",
            "warn",
            "not known what the role's conditions mean for it: `ArnLike` of",
        ),
    ] {
        trust(&world, operator, value);
        let exit = if status == "fail" { 1 } else { 0 };
        let outside = world.keytide(&["doctor"]);
        for run in [in_job(world.keytide(&["doctor"])), outside] {
            let (seen, text) = checks(&run.run().exits(exit))["oidc-subject"].clone();
            assert_eq!(seen, status, "{operator} {value}: {text}");
            assert!(text.contains(words), "{operator} {value}: {text}");
        }
    }
    trust(&world, "StringLike", "repo:acme/app:*");
    for (run, words) in [
        (in_job(world.keytide(&["doctor"])), "this job's token has the subject `repo:acme/app:ref:"),
        (world.keytide(&["doctor"]), "subjects that begin with `repo:acme/app`"),
    ] {
        let (_, text) = checks(&run.run().exits(0))["oidc-subject"].clone();
        assert!(text.contains(words), "{text}");
    }
}
