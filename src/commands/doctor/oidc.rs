//! Compares the subject of the repository's OIDC tokens with the trust policy of the role.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::account::Account;
use super::check::Check;
use super::github_checks::is_refusal;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::github::settings::SubjectForm;
use crate::live::LiveBackend;
use crate::policy::RoleArn;
use crate::ports::BackendResult;

const NAME: &str = "oidc-subject";
const TRUST_HELP: &str = "`keytide iam-policy --for rotate --trust --repository OWNER/NAME` prints the trust policy that the role needs";

/// What is known of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// The subject of this job's token.
    Exact(String),
    /// What the subject of every token of the repository begins with.
    Prefix(String),
    /// The repository has a form of its own.
    Custom(Vec<String>),
}

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
    let subject = match read_token_subject(context, role).await {
        Some(subject) => Ok(Subject::Exact(subject)),
        None => {
            backend.read_subject_form().await.map(|form| subject_of_form(&form, backend.repository_name()))
        }
    };
    decide_subject(subject, &trust)
}

/// The subject of this job's token, in a workflow that may request one. The token itself is dropped.
async fn read_token_subject(context: &Context<'_>, role: &RoleArn) -> Option<String> {
    context.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL")?;
    let token = connection::request_oidc_token(context, role).await.ok()?;
    let payload = token.expose_secret().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
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

/// What a trust policy requires of the tokens of an OIDC provider.
#[derive(Debug, Default, PartialEq, Eq)]
struct TrustedTokens {
    /// Whether any statement trusts a provider.
    trusts_provider: bool,
    subjects: Vec<String>,
    /// Whether each such statement names the subject or the repository's ID.
    is_restricted: bool,
}

fn read_trusted_tokens(document: &str) -> TrustedTokens {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let mut trusted = TrustedTokens { is_restricted: true, ..TrustedTokens::default() };
    for statement in items_of(&document["Statement"]) {
        let actions = items_of(&statement["Action"]);
        if statement["Effect"] != "Allow" || !actions.contains(&&Value::from("sts:AssumeRoleWithWebIdentity"))
        {
            continue;
        }
        trusted.trusts_provider = true;
        // Each statement for itself: one without such a condition lets in every repository
        let mut is_restricted = false;
        for conditions in statement["Condition"].as_object().into_iter().flat_map(|all| all.values()) {
            for (key, values) in conditions.as_object().into_iter().flatten() {
                if key.ends_with(":sub") {
                    let values = items_of(values).into_iter().filter_map(Value::as_str);
                    trusted.subjects.extend(values.map(str::to_owned));
                }
                is_restricted |= key.ends_with(":sub") || key.ends_with(":repository_id");
            }
        }
        trusted.is_restricted &= is_restricted;
    }
    trusted
}

/// The items of a list, or the only one.
fn items_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn decide_subject(subject: BackendResult<Subject>, trust: &str) -> Check {
    let trusted = read_trusted_tokens(trust);
    if !trusted.trusts_provider {
        return Check::skip(NAME, "the role trusts no OIDC provider", "");
    }
    if !trusted.is_restricted {
        return Check::fail(NAME, "the role trusts the workflows of every repository on GitHub", TRUST_HELP);
    }
    let subject = match subject {
        Ok(subject) => subject,
        Err(error) if is_refusal(&error) => {
            return Check::skip(
                NAME,
                format!("the form of the subject is not visible: {}", error.message),
                "",
            );
        }
        Err(error) => return Check::unknown(NAME, error.message),
    };
    if trusted.subjects.is_empty() {
        return Check::ok(NAME, "the role trusts tokens by the repository's ID");
    }
    let (described, is_trusted) = match &subject {
        Subject::Exact(subject) => (
            format!("this job's token has the subject `{subject}`"),
            has_pattern(&trusted, |pattern| is_match(pattern, subject)),
        ),
        Subject::Prefix(prefix) => (
            format!("the repository's tokens have subjects that begin with `{prefix}`"),
            has_pattern(&trusted, |pattern| is_of_prefix(pattern, prefix)),
        ),
        // The values of the claims are not known here, so no pattern can be compared with them
        Subject::Custom(claims) => {
            let seen = format!(
                "the repository has its own form of the subject ({}): cannot tell whether the role trusts it",
                claims.join(", ")
            );
            return Check::warn(NAME, seen, "compare it with the trust policy of the role");
        }
    };
    if is_trusted {
        return Check::ok(NAME, format!("{described}, which the role trusts"));
    }
    let seen = format!("{described}; the role trusts only `{}`", trusted.subjects.join("`, `"));
    Check::fail(NAME, seen, TRUST_HELP)
}

fn has_pattern(trusted: &TrustedTokens, accepts: impl Fn(&str) -> bool) -> bool {
    trusted.subjects.iter().any(|pattern| accepts(pattern))
}

/// Whether a pattern is for subjects that begin with a prefix, which may lack the colon at its end.
fn is_of_prefix(pattern: &str, prefix: &str) -> bool {
    pattern.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':') || prefix.ends_with([':', '@']))
}

/// Matches as IAM does: `*` is any text, `?` any character.
fn is_match(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        return text.char_indices().any(|(at, _)| is_match(rest, &text[at..])) || is_match(rest, "");
    }
    match text.chars().next() {
        Some(c) if first == '?' || first == c => is_match(rest, &text[c.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{self, Fail, Ok as Good, Skip, Warn};
    use crate::ports::{BackendError, ErrorKind};

    fn trust(condition: &str) -> String {
        format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {condition}}}]}}"#
        )
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        assert!(is_match("repo:a/b:*", "repo:a/b:ref:refs/heads/main"));
        assert!(is_match("a*", "a") && is_match("?b", "éb"));
        assert!(!is_match("repo:a/b:ref", "repo:a/b:ref:x") && !is_match("", "x"));
    }

    #[test]
    fn the_role_must_trust_the_subject() {
        let equals = |text: &str| trust(&format!(r#"{{"StringEquals": {{"x:sub": {text}}}}}"#));
        let exact = |text: &str| Ok(Subject::Exact(text.to_owned()));
        let prefix = |text: &str| Ok(Subject::Prefix(text.to_owned()));
        let cases: [(BackendResult<Subject>, String, CheckStatus); 10] = [
            (exact("repo:a/b:ref:x"), equals(r#"["repo:a/b:ref:x"]"#), Good),
            (exact("repo:a@1/b@2:ref:x"), equals(r#""repo:a/b:ref:x""#), Fail),
            (prefix("repo:a/b:"), equals(r#""repo:a/b:ref:x""#), Good),
            (prefix("repo:a/b"), equals(r#""repo:a/b2:ref:x""#), Fail),
            (prefix("repo:a@1/b@2:"), equals(r#""repo:a/b:ref:x""#), Fail),
            (Ok(Subject::Custom(vec!["repo".into()])), equals(r#""x""#), Warn),
            (exact("x"), trust("{}"), Fail),
            (exact("x"), trust(r#"{"StringEquals": {"x:repository_id": "7"}}"#), Good),
            (
                exact("x"),
                r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}"#.to_owned(),
                Skip,
            ),
            (Err(BackendError::new(ErrorKind::Rejected, "no")), equals(r#""x""#), Skip),
        ];
        for (subject, trust, status) in cases {
            let check = decide_subject(subject, &trust);
            assert_eq!(check.status, status, "{trust}: {check:?}");
        }
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
