//! Lists the account's users that have access keys, and finds those that seem to belong to this repository.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::summary::AccountSummary;
use crate::aws::connect;
use crate::aws::iam::IamClient;
use crate::commands::cli::AwsArgs;
use crate::commands::connection;
use crate::commands::context::Context;
use crate::error::CommandError;
use crate::iam::{AccessKey, ListedUser, ReadFault};
use crate::report::starter_policy::CandidateUser;
use crate::repository::AccessKeyId;

/// How many users are read concurrently.
const MAX_CONCURRENT_USERS: usize = 8;

/// Reads the account. `keys` are the access key IDs that the repository's files contain.
pub fn read_account(
    context: &Context<'_>,
    arguments: &AwsArgs,
    keys: &BTreeSet<AccessKeyId>,
) -> Result<AccountSummary, CommandError> {
    connection::run_async(context, async {
        let access = connection::prepare_access(context, None, arguments, true).await?;
        let account = connect::connect_account(&access).await?;
        let repository = connection::resolve_repository_id(context, context.repository_identity()).await;
        let reader = AccountReader {
            iam: IamClient::new(connect::iam_client(&account.config)),
            keys,
            repository: repository.id,
            context,
        };
        let mut users = reader.read_candidates().await.map_err(|fault| read_error(&fault))?;
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(AccountSummary { account: Some(account.caller.account), users })
    })?
}

fn read_error(fault: &ReadFault) -> CommandError {
    CommandError::incomplete(format!("{}: {}", fault.operation, fault.message))
}

struct AccountReader<'a> {
    iam: IamClient,
    keys: &'a BTreeSet<AccessKeyId>,
    repository: Option<u64>,
    context: &'a Context<'a>,
}

impl AccountReader<'_> {
    async fn read_candidates(&self) -> Result<Vec<CandidateUser>, ReadFault> {
        let users = self.iam.list_users("/").await?;
        stream::iter(users)
            .map(|user| self.read_candidate(user))
            .buffered(MAX_CONCURRENT_USERS)
            .try_filter_map(async |candidate| Ok(candidate))
            .try_collect()
            .await
    }

    /// Reads one user; `None` for a user without access keys.
    async fn read_candidate(&self, user: ListedUser) -> Result<Option<CandidateUser>, ReadFault> {
        let keys = self.iam.access_keys(&user.name).await?.unwrap_or_default();
        let Some(oldest) = keys.iter().map(|key| key.created_at).min() else { return Ok(None) };
        let days = self.context.now.duration_since(oldest).as_hours() / 24;
        let described = match keys.len() {
            1 => format!("1 access key, {days} days old"),
            many => format!("{many} access keys, the oldest {days} days old"),
        };
        let reason = self.ownership_reason(&user.name, &keys).await?;
        Ok(Some(CandidateUser { name: user.name, reason, keys: described }))
    }

    /// Why the user seems to belong to this repository.
    async fn ownership_reason(&self, name: &str, keys: &[AccessKey]) -> Result<Option<String>, ReadFault> {
        if keys.iter().any(|key| self.is_in_files(key)) {
            return Ok(Some("a file of this repository names its access key".to_owned()));
        }
        let Some(repository) = self.repository else { return Ok(None) };
        let user = self.iam.get_user_details(name).await?;
        if user.is_some_and(|user| user.owner_tag() == Some(repository.to_string().as_str())) {
            return Ok(Some("its tag `keytide:owner` names this repository".to_owned()));
        }
        Ok(None)
    }

    fn is_in_files(&self, key: &AccessKey) -> bool {
        self.keys.iter().any(|in_files| key.id.as_deref() == Some(in_files.as_str()))
    }
}
