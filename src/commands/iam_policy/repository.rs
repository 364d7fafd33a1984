//! Finds how the tokens of the workflows name the repository: by flags, by the variables of a workflow, and by GitHub.

use url::Url;

use crate::commands::cli::values::parse_url;
use crate::commands::cli::{IamPolicyArgs, SubjectForm};
use crate::commands::context::Context;
use crate::error::CommandError;

/// GitHub's OIDC issuer, as IAM names the provider.
pub const GITHUB_ISSUER: &str = "token.actions.githubusercontent.com";
/// The host of GitHub itself; every other one is a GitHub Enterprise.
const GITHUB_HOST: &str = "github.com";

/// The repository whose workflows assume the roles.
#[derive(Debug, Clone)]
pub struct TokenRepository {
    /// `OWNER/NAME`.
    pub name: String,
    /// The issuer of its tokens, as IAM names the provider: the URL without its scheme.
    pub issuer: String,
    pub owner_id: Option<u64>,
    pub id: Option<u64>,
    pub form: SubjectForm,
    /// The default branch, if GitHub was asked.
    pub default_branch: Option<String>,
    /// Why GitHub did not answer, if it was asked.
    pub failure: Option<String>,
}

impl TokenRepository {
    /// The IDs of the owner and of the repository.
    pub fn ids(&self) -> Option<(u64, u64)> {
        Some((self.owner_id?, self.id?))
    }
}

/// What GitHub says about a repository.
#[derive(Debug, Default)]
struct KnownRepository {
    owner_id: Option<u64>,
    id: Option<u64>,
    /// Whether its tokens have numbers in the subject.
    is_immutable: Option<bool>,
    default_branch: Option<String>,
    failure: Option<String>,
}

/// Finds the repository. Asks GitHub, if there is a token, for what flags and variables do not say; `needs_branch` says
/// whether the default branch is among it.
pub fn find_repository(
    context: &Context<'_>,
    arguments: &IamPolicyArgs,
    needs_branch: bool,
) -> Result<TokenRepository, CommandError> {
    let Some(name) = context.repository_name().filter(|name| name.contains('/')) else {
        let flag = if arguments.trust { "--trust" } else { "this format" };
        return Err(CommandError::invalid(format!("{flag} needs --repository OWNER/NAME")));
    };
    let issuer = provider_name(context, arguments)?;
    let is_own = context.environment.get("GITHUB_REPOSITORY").is_none_or(|own| own == name);
    let (mut owner_id, mut id) = (None, None);
    if is_own {
        owner_id = read_number(context, "GITHUB_REPOSITORY_OWNER_ID");
        id = read_number(context, "GITHUB_REPOSITORY_ID");
    }
    let is_complete = owner_id.is_some() && id.is_some() && arguments.subject.is_some() && !needs_branch;
    let known = if is_complete { KnownRepository::default() } else { ask_github(context, &name) };
    let form = arguments.subject.unwrap_or(match known.is_immutable {
        Some(true) => SubjectForm::Immutable,
        Some(false) => SubjectForm::Classic,
        // GitHub Enterprise Server has the form without numbers only.
        None if issuer.ends_with("/_services/token") => SubjectForm::Classic,
        None => SubjectForm::Both,
    });
    Ok(TokenRepository {
        owner_id: owner_id.or(known.owner_id),
        id: id.or(known.id),
        default_branch: known.default_branch,
        failure: known.failure,
        name,
        issuer,
        form,
    })
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

/// Asks GitHub for the numbers and the subject of the repository, if there is a token.
#[cfg(feature = "online")]
fn ask_github(context: &Context<'_>, name: &str) -> KnownRepository {
    use crate::commands::connection;
    use crate::github::oidc;

    let Some(token) = connection::github_token(context) else { return KnownRepository::default() };
    let asked = connection::github_api_url(context).map_err(|error| error.message).and_then(|url| {
        let token = secrecy::SecretString::from(token);
        let read = connection::run_async(context, async { oidc::read_subject(&url, &token, name).await });
        read.map_err(|error| error.message)?.map_err(|error| error.to_string())
    });
    match asked {
        Ok(found) => KnownRepository {
            owner_id: Some(found.owner_id),
            id: Some(found.id),
            is_immutable: found.is_immutable,
            default_branch: found.default_branch,
            failure: None,
        },
        Err(reason) => {
            let failure = format!("GitHub does not say the numbers of `{name}`: {reason}");
            context.warn(&failure);
            KnownRepository { failure: Some(failure), ..KnownRepository::default() }
        }
    }
}

#[cfg(not(feature = "online"))]
fn ask_github(_: &Context<'_>, _: &str) -> KnownRepository {
    KnownRepository::default()
}
/// A number that GitHub's runner sets in the environment.
fn read_number(context: &Context<'_>, variable: &str) -> Option<u64> {
    context.environment.get(variable)?.parse().ok()
}
