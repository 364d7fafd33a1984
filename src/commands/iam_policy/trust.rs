//! Builds the trust policy of a role that workflows of this repository assume.

use serde_json::{Map, Value, json};
use url::Url;

use crate::commands::cli::values::parse_url;
use crate::commands::cli::{IamPolicyArgs, Purpose, SubjectForm};
use crate::commands::context::Context;
use crate::destinations::permissions::ArnScope;
use crate::error::CommandError;

/// GitHub's OIDC issuer, as IAM names the provider.
const GITHUB_ISSUER: &str = "token.actions.githubusercontent.com";
/// The host of GitHub itself; every other one is a GitHub Enterprise.
const GITHUB_HOST: &str = "github.com";

/// The repository, as the subject of a token names it.
struct Subject {
    /// `OWNER/NAME`.
    name: String,
    owner_id: Option<u64>,
    id: Option<u64>,
    form: SubjectForm,
}

/// What GitHub says about a repository.
#[derive(Debug, Default)]
struct KnownRepository {
    owner_id: Option<u64>,
    id: Option<u64>,
    /// Whether its tokens have numbers in the subject.
    is_immutable: Option<bool>,
}

/// Builds the trust policy.
pub fn trust_policy(
    context: &Context<'_>,
    scope: &ArnScope<'_>,
    arguments: &IamPolicyArgs,
) -> Result<Value, CommandError> {
    let Some(name) = context.repository_name().filter(|name| name.contains('/')) else {
        return Err(CommandError::invalid("--trust needs --repository OWNER/NAME"));
    };
    let issuer = provider_name(context, arguments)?;
    let subject = find_subject(context, arguments, name, &issuer);
    let events = trusted_events(arguments);
    let mut subjects = Vec::new();
    for repository in repository_forms(context, &subject) {
        for event in &events {
            subjects.push(format!("repo:{repository}:{event}"));
        }
    }
    let audience = if scope.partition == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" };
    let mut condition = Map::new();
    condition.insert(format!("{issuer}:aud"), audience.into());
    for (claim, value) in pinned_claims(context, scope, arguments, &subject, &issuer) {
        condition.insert(format!("{issuer}:{claim}"), value.into());
    }
    condition.insert(format!("{issuer}:sub"), subjects.into());
    let provider = format!("arn:{}:iam::{}:oidc-provider/{issuer}", scope.partition, scope.account);
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": condition },
        }],
    }))
}

/// The issuer of the tokens, as IAM names its provider: the URL without its scheme.
fn provider_name(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<String, CommandError> {
    if let Some(issuer) = &arguments.issuer {
        let name = issuer.strip_prefix("https://");
        return name.map(str::to_owned).ok_or_else(|| {
            CommandError::invalid(format!("`--issuer {issuer}` does not begin with https://"))
                .with_help("IAM accepts issuers with https:// only")
        });
    }
    let Some(server) = context.environment.get("GITHUB_SERVER_URL") else {
        return Ok(GITHUB_ISSUER.to_owned());
    };
    let host = parse_url(server).ok().and_then(|url| Url::parse(&url).ok()).and_then(|url| {
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    let Some(host) = host else {
        return Err(CommandError::environment("GITHUB_SERVER_URL is not a URL")
            .with_help("name the issuer with `--issuer URL`"));
    };
    Ok(match host.strip_suffix(".ghe.com") {
        _ if host == GITHUB_HOST => GITHUB_ISSUER.to_owned(),
        // GitHub Enterprise Cloud with data residency
        Some(subdomain) => format!("token.actions.{subdomain}.ghe.com"),
        // GitHub Enterprise Server
        None => format!("{host}/_services/token"),
    })
}

fn find_subject(context: &Context<'_>, arguments: &IamPolicyArgs, name: String, issuer: &str) -> Subject {
    let number = |name: &str| context.environment.get(name).and_then(|id| id.parse().ok());
    let is_own = context.environment.get("GITHUB_REPOSITORY").is_none_or(|own| own == name);
    let (mut owner_id, mut id) = (None, None);
    if is_own {
        owner_id = number("GITHUB_REPOSITORY_OWNER_ID");
        id = number("GITHUB_REPOSITORY_ID");
    }
    let is_complete = owner_id.is_some() && id.is_some() && arguments.subject.is_some();
    let known = if is_complete { KnownRepository::default() } else { ask_github(context, &name) };
    let form = arguments.subject.unwrap_or(match known.is_immutable {
        Some(true) => SubjectForm::Immutable,
        Some(false) => SubjectForm::Classic,
        // GitHub Enterprise Server has the form without numbers only.
        None if issuer.ends_with("/_services/token") => SubjectForm::Classic,
        None => SubjectForm::Both,
    });
    Subject { name, owner_id: owner_id.or(known.owner_id), id: id.or(known.id), form }
}

/// Asks GitHub for the numbers and the subject of the repository, if there is a token. A failure is a warning only.
#[cfg(feature = "online")]
fn ask_github(context: &Context<'_>, name: &str) -> KnownRepository {
    use crate::commands::connection;
    use crate::github::oidc;

    let Some(token) = connection::github_token(context) else { return KnownRepository::default() };
    let asked = connection::github_api_url(context).map_err(|error| error.message).and_then(|url| {
        let token = secrecy::SecretString::from(token);
        let read = connection::run_async(async { oidc::read_subject(&url, &token, name).await });
        read.map_err(|error| error.message)?.map_err(|error| error.to_string())
    });
    match asked {
        Ok(found) => KnownRepository {
            owner_id: Some(found.owner_id),
            id: Some(found.id),
            is_immutable: found.is_immutable,
        },
        Err(reason) => {
            context.warn(&format!("GitHub does not say the numbers of `{name}`: {reason}"));
            KnownRepository::default()
        }
    }
}

#[cfg(not(feature = "online"))]
fn ask_github(_: &Context<'_>, _: &str) -> KnownRepository {
    KnownRepository::default()
}

/// The repository in the forms that the policy trusts. Repositories that were created, renamed or moved since 2026-07-15
/// have numbers in the subject, older ones have not unless they opted in (GitHub, "OpenID Connect reference").
fn repository_forms(context: &Context<'_>, subject: &Subject) -> Vec<String> {
    let mut forms = Vec::new();
    if subject.form != SubjectForm::Immutable {
        forms.push(subject.name.clone());
    }
    if subject.form == SubjectForm::Classic {
        return forms;
    }
    if subject.owner_id.is_none() || subject.id.is_none() {
        context.eprint(
            "note: replace OWNER_ID and REPOSITORY_ID with the numbers that \
             `gh api repos/OWNER/NAME --jq '.owner.id, .id'` prints; without them the role trusts only repositories \
             whose tokens have no IDs\n",
        );
    }
    let text =
        |id: Option<u64>, placeholder: &str| id.map_or_else(|| placeholder.to_owned(), |id| id.to_string());
    let (owner_id, id) = (text(subject.owner_id, "OWNER_ID"), text(subject.id, "REPOSITORY_ID"));
    if let Some((owner, repository)) = subject.name.split_once('/') {
        forms.push(format!("{owner}@{owner_id}/{repository}@{id}"));
    }
    forms
}

/// The claims beside the subject that the policy pins. AWS checks them since January 2026, for GitHub's issuer and in its
/// commercial regions (IAM, "Available keys for AWS OIDC federation").
fn pinned_claims(
    context: &Context<'_>,
    scope: &ArnScope<'_>,
    arguments: &IamPolicyArgs,
    subject: &Subject,
    issuer: &str,
) -> Vec<(&'static str, String)> {
    let can_pin = scope.partition == "aws" && issuer == GITHUB_ISSUER;
    let mut claims = Vec::new();
    if let Some(id) = subject.id.filter(|_| can_pin) {
        claims.push(("repository_id", id.to_string()));
    } else if subject.form != SubjectForm::Immutable {
        context.eprint(
            "note: the role trusts a repository by its name alone; another repository that gets the name later gets the role. \
             Pinned numbers need partition aws, GitHub's own issuer, and the numbers (a GitHub token, or the \
             variables of a workflow)\n",
        );
    }
    // With an environment the subject has no branch: a job of any branch may name the environment.
    if arguments.environment.is_some() && arguments.purpose != Purpose::Audit {
        if can_pin {
            claims.push(("ref", format!("refs/heads/{}", arguments.branch)));
        } else {
            context.eprint(
                "note: a job of any branch may name the environment: allow only the default branch in it \
                 (deployment branches)\n",
            );
        }
    }
    claims
}

/// The part of the subject after the repository.
fn trusted_events(arguments: &IamPolicyArgs) -> Vec<String> {
    if let Some(environment) = &arguments.environment {
        // GitHub escapes a colon in a name ("OpenID Connect reference").
        return vec![format!("environment:{}", environment.replace(':', "%3A"))];
    }
    let mut events = vec![format!("ref:refs/heads/{}", arguments.branch)];
    // The author of a pull request writes its workflow, so only the role that reads trusts it.
    if arguments.purpose == Purpose::Audit {
        events.push("pull_request".to_owned());
    }
    events
}
