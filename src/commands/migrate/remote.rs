//! Reads what only AWS and GitHub know: the permissions of the user, and what a job without `permissions` may do.

use std::collections::BTreeSet;

use secrecy::SecretString;

use super::facts::RemoteFacts;
use crate::aws::connect;
use crate::aws::error::AwsError;
use crate::aws::iam::IamClient;
use crate::commands::cli::MigrateArgs;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::policy_file::ensure_account_matches;
use crate::error::CommandError;
use crate::github::token_setting::read_may_default_token_write;
use crate::iam::granted::GrantingAccount;
use crate::migrate::DefaultToken;
use crate::policy::Policy;

/// Reads what can be read; what cannot is said in the facts.
///
/// # Errors
/// The credentials are of another account than the policy file's.
pub fn read_remote(
    context: &Context<'_>,
    arguments: &MigrateArgs,
    policy: &Policy,
    repository: &str,
) -> Result<RemoteFacts, CommandError> {
    connection::run_async(context, async {
        let (account, key_ids) = match connect_iam(context, arguments, policy).await? {
            Ok(connected) => read_user(&connected, &arguments.user.0).await,
            Err(error) => (Err(error), Err(CommandError::incomplete("AWS could not be asked"))),
        };
        Ok(RemoteFacts { account, key_ids, default_token: read_default_token(context, repository).await })
    })?
}

/// A client of IAM, and whose account it is.
struct ConnectedAccount {
    iam: IamClient,
    number: String,
    partition: String,
}

async fn connect_iam(
    context: &Context<'_>,
    arguments: &MigrateArgs,
    policy: &Policy,
) -> Result<Result<ConnectedAccount, CommandError>, CommandError> {
    let access = match connection::prepare_access(context, None, &arguments.aws, true).await {
        Ok(access) => access,
        Err(error) => return Ok(Err(error)),
    };
    let account = match connect::connect_account(&access).await {
        Ok(account) => account,
        Err(error) => return Ok(Err(error)),
    };
    // A wrong account is a mistake of the caller, not an answer that is missing.
    ensure_account_matches(policy, &account.caller.account)?;
    Ok(Ok(ConnectedAccount {
        iam: IamClient::new(connect::iam_client(&account.config)),
        number: account.caller.account,
        partition: account.caller.partition,
    }))
}

/// What the user may do, and the IDs of its keys.
async fn read_user(
    account: &ConnectedAccount,
    user: &str,
) -> (Result<GrantingAccount, CommandError>, Result<BTreeSet<String>, CommandError>) {
    let unread =
        |error: AwsError| CommandError::incomplete(format!("{}: {}", error.operation, error.message));
    let granted = account.iam.read_granted_policies(user).await.map_err(unread);
    let keys = account.iam.list_access_keys(user).await.map_err(unread);
    let granting = granted.map(|granted| GrantingAccount {
        number: account.number.clone(),
        partition: account.partition.clone(),
        granted,
    });
    let key_ids = keys.map(|keys| keys.unwrap_or_default().iter().map(|key| key.id.to_string()).collect());
    (granting, key_ids)
}

async fn read_default_token(context: &Context<'_>, repository: &str) -> Result<DefaultToken, CommandError> {
    let Some(token) = connection::github_token(context) else {
        return Err(CommandError::environment("there is no GitHub token"));
    };
    let url = connection::github_api_url(context)?;
    let may_write = read_may_default_token_write(&url, &SecretString::from(token), repository).await;
    match may_write {
        Ok(true) => Ok(DefaultToken::Permissive),
        Ok(false) => Ok(DefaultToken::Restricted),
        Err(error) => Err(CommandError::incomplete(error.to_string())),
    }
}
