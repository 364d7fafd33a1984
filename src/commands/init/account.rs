//! The account's users that have access keys, and which of them seem to be this repository's.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::AccountSummary;
use crate::aws::connect;
use crate::aws::iam::{IamClient, ListedUser};
use crate::commands::Context;
use crate::commands::audit::live;
use crate::commands::audit::own_repository;
use crate::commands::cli::AwsArgs;
use crate::error::CommandError;
use crate::iam::{AccessKey, ReadFault};
use crate::report::starter_policy::CandidateUser;
use crate::repository::AccessKeyId;

/// How many users are asked about at once.
const MAX_CONCURRENT_USERS: usize = 8;

/// Reads the account; `keys` are those that the repository's files name.
///
/// # Errors
/// There are no credentials, or IAM did not say.
pub fn read_account(
    context: &Context<'_>,
    reach: &AwsArgs,
    keys: &BTreeSet<AccessKeyId>,
) -> Result<AccountSummary, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::incomplete(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let config = connect::connect_aws(&live::prepare_access(context, None, reach, true).await?).await?;
        let caller = connect::get_caller_account(&config).await?;
        let repository = live::resolve_repository_id(context, own_repository(context)).await;
        let look = AccountReader {
            iam: IamClient::new(connect::iam_client(&config)),
            keys,
            repository: repository.id,
            context,
        };
        let users = look.iam.list_users("/").await.map_err(error_from_fault)?;
        let mut users: Vec<CandidateUser> = stream::iter(users)
            .map(|user| look.read_candidate(user))
            .buffered(MAX_CONCURRENT_USERS)
            .try_filter_map(async |candidate| Ok(candidate))
            .try_collect()
            .await
            .map_err(error_from_fault)?;
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(AccountSummary { account: Some(caller.account), users })
    })
}

fn error_from_fault(fault: ReadFault) -> CommandError {
    CommandError::incomplete(format!("{}: {}", fault.operation, fault.message))
}

struct AccountReader<'a> {
    iam: IamClient,
    keys: &'a BTreeSet<AccessKeyId>,
    repository: Option<u64>,
    context: &'a Context<'a>,
}

impl AccountReader<'_> {
    /// `None`: the user has no access keys.
    async fn read_candidate(&self, user: ListedUser) -> Result<Option<CandidateUser>, ReadFault> {
        let keys = self.iam.access_keys(&user.name).await?.unwrap_or_default();
        let Some(oldest) = keys.iter().map(|key| key.created_at).min() else { return Ok(None) };
        let days = self.context.now.duration_since(oldest).as_hours() / 24;
        let keys_told = match keys.len() {
            1 => format!("1 access key, {days} days old"),
            many => format!("{many} access keys, the oldest {days} days old"),
        };
        let why = self.ownership_reason(&user.name, &keys).await?;
        Ok(Some(CandidateUser { name: user.name, why, keys: keys_told }))
    }

    async fn ownership_reason(&self, name: &str, keys: &[AccessKey]) -> Result<Option<String>, ReadFault> {
        let is_named =
            |key: &AccessKey| self.keys.iter().any(|named| key.id.as_deref() == Some(named.as_str()));
        if keys.iter().any(is_named) {
            return Ok(Some("a file of this repository names its access key".to_owned()));
        }
        let Some(repository) = self.repository else { return Ok(None) };
        let owner = self.iam.get_user_details(name).await?.and_then(|details| details.owner);
        let ours = owner.is_some_and(|owner| owner == repository.to_string());
        Ok(ours.then(|| "its tag `keytide:owner` names this repository".to_owned()))
    }
}
