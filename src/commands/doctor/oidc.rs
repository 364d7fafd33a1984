//! Compares the subject of the repository's OIDC tokens with the trust policy of the role.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::account::Account;
use super::check::Check;
use super::github_checks::is_refusal;
use super::trust::TrustPolicy;
use super::trust_condition::{Owner, REPOSITORY_ID, RepositoryTokens, SUBJECT, Share, Subject};
use crate::commands::connection;
use crate::commands::context::Context;
use crate::github::settings::SubjectForm;
use crate::live::LiveBackend;
use crate::policy::RoleArn;
use crate::ports::BackendResult;

const NAME: &str = "oidc-subject";
const TRUST_HELP: &str = "`keytide iam-policy --for rotate --trust --repository OWNER/NAME` prints the trust policy that the role needs";

pub async fn check_subject(
    context: &Context<'_>,
    backend: &LiveBackend,
    account: &Account,
    role: Option<&RoleArn>,
) -> Check {
    let Some(role) = role else {
        return Check::skip(NAME, "no role is named: neither `--role-to-assume` nor `role_arn`", "");
    };
    let name = role.0.rsplit('/').next().unwrap_or_default();
    let trust = match account.iam().read_trust_policy(name).await {
        Ok(trust) => trust,
        Err(error) => {
            let error = error.into();
            return if is_refusal(&error) {
                Check::skip(NAME, error.message, "allow `iam:GetRole` on the role to compare them")
            } else {
                Check::unknown(NAME, error.message)
            };
        }
    };
    let name = backend.repository_name();
    let mut claims = read_token_claims(context, role).await.unwrap_or_default();
    let subject = match claims.remove(SUBJECT) {
        Some(subject) => Ok(Subject::Exact(subject)),
        None => backend.read_subject_form().await.map(|form| subject_of_form(&form, name)),
    };
    claims.insert("aud".to_owned(), connection::oidc_audience(role).to_owned());
    let repository = RepositoryTokens { name, id: backend.repository_id(), subject: None, claims: &claims };
    decide_subject(subject, &repository, &trust)
}

/// The claims of this job's token that are texts, in a workflow that may request one. The token itself is dropped.
async fn read_token_claims(context: &Context<'_>, role: &RoleArn) -> Option<BTreeMap<String, String>> {
    context.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL")?;
    let token = connection::request_oidc_token(context, role).await.ok()?;
    let payload = token.expose_secret().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let texts = claims.as_object()?.iter();
    Some(texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect())
}

fn subject_of_form(form: &SubjectForm, repository: &str) -> Subject {
    if !form.own_claims.is_empty() {
        return Subject::Custom(form.own_claims.clone());
    }
    let prefix = match (&form.prefix, form.is_immutable) {
        (Some(prefix), _) => prefix.clone(),
        // With the numeric IDs, which are not known here.
        (None, Some(true)) => format!("repo:{}@", repository.split('/').next().unwrap_or_default()),
        (None, _) => format!("repo:{repository}:"),
    };
    Subject::Prefix(prefix)
}

/// `repository`: without the subject, which may not be known.
fn decide_subject(subject: BackendResult<Subject>, repository: &RepositoryTokens<'_>, trust: &str) -> Check {
    let Some(trust) = TrustPolicy::parse(trust) else {
        return Check::unknown(NAME, "the trust policy of the role is not JSON");
    };
    if trust.trusts_every_account {
        return Check::fail(NAME, "the role trusts every AWS account", TRUST_HELP);
    }
    if !trust.trusts_provider() {
        return Check::skip(NAME, "the role trusts no OIDC provider", "");
    }
    let owner = trust.owner();
    if owner == Owner::Open {
        return Check::fail(NAME, describe_open_trust(&trust), TRUST_HELP);
    }
    let known = subject.as_ref().ok().filter(|subject| !matches!(subject, Subject::Custom(_)));
    let tokens = RepositoryTokens { subject: known, ..*repository };
    let share = trust.share(&tokens);
    if share == Share::Nothing {
        return explain_mismatch(&tokens, &trust);
    }
    if share == Share::Unknown && known.is_none() && trust.looks_at(SUBJECT) {
        return explain_unknown_subject(subject);
    }
    if share == Share::Unknown || owner == Owner::Unknown {
        let seen = format!(
            "{}; not known what the role's conditions mean for it: {}",
            describe_tokens(&tokens, &trust),
            trust.list_unclear().join(", ")
        );
        return Check::warn(NAME, seen, "compare it with the trust policy of the role");
    }
    if known.is_none() || !trust.looks_at(SUBJECT) {
        let values = trust.describe_values().join(", ");
        return Check::ok(NAME, format!("the role trusts the repository's tokens by {values}"));
    }
    Check::ok(NAME, format!("{}, which the role trusts", describe_tokens(&tokens, &trust)))
}

fn describe_open_trust(trust: &TrustPolicy) -> String {
    let open = trust.open_values();
    if open.is_empty() {
        return "the role trusts the workflows of every repository on GitHub".to_owned();
    }
    format!("the role trusts workflows of owners that it does not name: `{}`", open.join("`, `"))
}

fn describe_tokens(tokens: &RepositoryTokens<'_>, trust: &TrustPolicy) -> String {
    let described = match tokens.subject {
        Some(Subject::Exact(subject)) => format!("this job's token has the subject `{subject}`"),
        Some(Subject::Prefix(prefix)) => {
            format!("the repository's tokens have subjects that begin with `{prefix}`")
        }
        _ => format!("the repository is `{}`", tokens.name),
    };
    if trust.looks_at(REPOSITORY_ID) {
        return format!("{described} and `{REPOSITORY_ID}` `{}`", tokens.id);
    }
    described
}

fn explain_mismatch(tokens: &RepositoryTokens<'_>, trust: &TrustPolicy) -> Check {
    let refused = trust.list_refused_claims(tokens);
    if !refused.is_empty() {
        return Check::fail(NAME, refused.join("; "), TRUST_HELP);
    }
    let described = describe_tokens(tokens, trust);
    let values = trust.describe_values();
    let trusted = if values.is_empty() {
        "the role does not trust it".to_owned()
    } else {
        format!("the role trusts only {}", values.join(", "))
    };
    let literal = if trust.takes_wildcards_literally() {
        ", where `*` and `?` mean themselves: in `StringLike` they are wildcards"
    } else {
        ""
    };
    Check::fail(NAME, format!("{described}; {trusted}{literal}"), TRUST_HELP)
}

/// Nothing else decides whether the role trusts the repository.
fn explain_unknown_subject(subject: BackendResult<Subject>) -> Check {
    match subject {
        // The values of the claims are not known here, so no pattern can be compared with them
        Ok(Subject::Custom(claims)) => {
            let seen = format!(
                "the repository has its own form of the subject ({}): cannot tell whether the role trusts it",
                claims.join(", ")
            );
            Check::warn(NAME, seen, "compare it with the trust policy of the role")
        }
        Err(error) if is_refusal(&error) => {
            let seen = format!("the form of the subject is not visible: {}", error.message);
            Check::skip(NAME, seen, "")
        }
        Err(error) => Check::unknown(NAME, error.message),
        Ok(_) => Check::unknown(NAME, "the form of the subject is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{self, Fail, Ok as Good, Skip, Warn};
    use crate::ports::{BackendError, ErrorKind};

    /// A trust policy with one statement on GitHub's tokens.
    fn trust(condition: &str) -> String {
        let arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
        let condition = condition.replace("x:", "token.actions.githubusercontent.com:");
        format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Principal": {{"Federated": "{arn}"}},
                "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {condition}}}]}}"#
        )
    }

    fn on_subject(operator: &str, value: &str) -> String {
        trust(&format!(r#"{{"{operator}": {{"x:sub": "{value}"}}}}"#))
    }

    fn exact(subject: &str) -> BackendResult<Subject> {
        Ok(Subject::Exact(subject.to_owned()))
    }

    fn prefix(subject: &str) -> BackendResult<Subject> {
        Ok(Subject::Prefix(subject.to_owned()))
    }

    fn custom() -> BackendResult<Subject> {
        Ok(Subject::Custom(vec!["repo".to_owned()]))
    }

    fn refused() -> BackendResult<Subject> {
        Err(BackendError::new(ErrorKind::Rejected, "no"))
    }

    fn decide(subject: BackendResult<Subject>, trust: &str) -> Check {
        let claims = [("aud", "sts.amazonaws.com"), ("ref", "refs/heads/main")];
        let claims = claims.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let claims = BTreeMap::from(claims);
        decide_subject(
            subject,
            &RepositoryTokens { name: "a/b", id: 7, subject: None, claims: &claims },
            trust,
        )
    }

    #[test]
    fn the_role_must_trust_the_subject() {
        let equals = |text: &str| on_subject("StringEquals", text);
        let account = |principal: &str, condition: &str| {
            format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{principal}"}}, "Action": "sts:AssumeRole"{condition}}}}}"#
            )
        };
        let of_organization = r#", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#;
        let cases: [(BackendResult<Subject>, String, CheckStatus); 10] = [
            (exact("repo:a/b:ref:x"), equals("repo:a/b:ref:x"), Good),
            (exact("repo:a@1/b@2:ref:x"), equals("repo:a/b:ref:x"), Fail),
            (prefix("repo:a/b:"), equals("repo:a/b:ref:x"), Good),
            (prefix("repo:a/b"), equals("repo:a/b2:ref:x"), Fail),
            (prefix("repo:a@1/b@2:"), equals("repo:a/b:ref:x"), Fail),
            (custom(), equals("x"), Warn),
            (exact("x"), account("123456789012", ""), Skip),
            (exact("x"), account("*", ""), Fail),
            (exact("x"), account("*", of_organization), Skip),
            (refused(), equals("x"), Skip),
        ];
        for (subject, trust, status) in cases {
            let check = decide(subject, &trust);
            assert_eq!(check.status, status, "{trust}: {check:?}");
        }
        assert!(decide(exact("x"), "{").is_incomplete);
    }

    /// Of each of these `ok` was said, or of a good one `fail`.
    #[test]
    fn the_operator_decides_what_a_role_trusts() {
        let main = "repo:a/b:ref:refs/heads/main";
        for (operator, value, in_job, outside, words) in [
            ("StringEquals", "repo:a/b:*", Fail, Fail, "in `StringLike` they are wildcards"),
            ("StringLike", "repo:a/b:*", Good, Good, "which the role trusts"),
            ("StringLike", "repo:a/*", Good, Good, "which the role trusts"),
            ("StringLike", "repo:a/b*", Good, Good, "which the role trusts"),
            ("ForAnyValue:StringLike", "repo:a/b:*", Good, Good, "which the role trusts"),
            ("StringNotLike", "repo:a/b:*", Fail, Fail, "every repository on GitHub"),
            ("StringLike", "*", Fail, Fail, "owners that it does not name: `*`"),
            ("StringLike", "repo:*", Fail, Fail, "owners that it does not name: `repo:*`"),
            ("StringLike", "repo:*/*", Fail, Fail, "owners that it does not name: `repo:*/*`"),
            ("StringLike", "repo:a*", Fail, Fail, "owners that it does not name: `repo:a*`"),
            (
                "ArnLike",
                "repo:a/b:*",
                Warn,
                Warn,
                "not known what the role's conditions mean for it: `ArnLike` of",
            ),
        ] {
            for (subject, status) in [(exact(main), in_job), (prefix("repo:a/b"), outside)] {
                let check = decide(subject, &on_subject(operator, value));
                assert_eq!(check.status, status, "{operator} {value}: {check:?}");
                assert!(check.seen.contains(words), "{operator} {value}: {check:?}");
            }
        }
    }

    #[test]
    fn a_role_may_trust_the_repository_by_its_id() {
        let by_id = |id: &str| trust(&format!(r#"{{"StringEquals": {{"x:repository_id": "{id}"}}}}"#));
        for subject in [exact("x"), custom(), refused()] {
            let check = decide(subject, &by_id("7"));
            assert_eq!(check.seen, "the role trusts the repository's tokens by `repository_id` `7`");
            assert_eq!(check.status, Good);
        }
        for subject in [prefix("repo:a/b"), refused()] {
            let check = decide(subject, &by_id("8"));
            assert!(check.status == Fail && check.seen.contains("and `repository_id` `7`"), "{check:?}");
            assert!(check.seen.ends_with("; the role trusts only `repository_id` `8`"), "{check:?}");
        }
        assert_eq!(decide(exact("x"), &trust("{}")).status, Fail);
        let of_enterprise = decide(exact("x"), &trust(r#"{"StringEquals": {"x:enterprise_id": "5"}}"#));
        assert_eq!(of_enterprise.status, Warn, "{of_enterprise:?}");
    }

    /// The audience is known everywhere, other claims in a job.
    #[test]
    fn the_other_claims_are_compared() {
        let with = |claim: &str| {
            trust(&format!(r#"{{"StringEquals": {{"x:sub": "repo:a/b:ref:refs/heads/main", {claim}}}}}"#))
        };
        for (claim, status) in [
            (r#""x:aud": "sts.amazonaws.com""#, Good),
            (r#""x:aud": ["https://github.com/a", "sts.amazonaws.com"]"#, Good),
            (r#""x:aud": "https://github.com/a""#, Fail),
            (r#""x:ref": "refs/heads/main""#, Good),
            (r#""x:ref": "refs/heads/prod""#, Fail),
            // Not in this token
            (r#""x:environment": "gate""#, Good),
        ] {
            let check = decide(exact("repo:a/b:ref:refs/heads/main"), &with(claim));
            assert_eq!(check.status, status, "{claim}: {check:?}");
        }
        let check = decide(prefix("repo:a/b"), &with(r#""x:aud": "https://github.com/a""#));
        let seen =
            "the token's `aud` is `sts.amazonaws.com`, and the role trusts only `https://github.com/a`";
        assert_eq!(check.seen, seen);
    }

    #[test]
    fn the_form_names_the_repository() {
        let form = |prefix: Option<&str>, is_immutable| SubjectForm {
            own_claims: Vec::new(),
            prefix: prefix.map(str::to_owned),
            is_immutable,
        };
        let of = |form| subject_of_form(&form, "a/b");
        assert_eq!(of(form(None, None)), Subject::Prefix("repo:a/b:".into()));
        assert_eq!(of(form(Some("repo:a@1/b@2"), Some(true))), Subject::Prefix("repo:a@1/b@2".into()));
        assert_eq!(of(form(None, Some(true))), Subject::Prefix("repo:a@".into()));
    }
}
