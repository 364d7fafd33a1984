//! Implements the IAM and STS ports of a rotation.

use std::sync::Arc;

use aws_sdk_iam::types::StatusType;

use crate::iam::{KeyRecord, LastUse, UserRecord};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, CallerIdentity, ErrorKind, IamRead, IamWrite, KeyTags};
use crate::rotation::KeyState;
use crate::secret::Credential;

impl IamRead for LiveBackend {
    async fn get_user(&self, name: &str) -> BackendResult<Option<UserRecord>> {
        Ok(self.aws_clients()?.iam().get_user(name).await?)
    }

    async fn list_access_keys(&self, name: &str) -> BackendResult<Vec<KeyRecord>> {
        let keys = self.aws_clients()?.iam().list_access_keys(name).await?;
        // A deleted user must not look like a user without keys.
        keys.ok_or_else(|| {
            BackendError::new(ErrorKind::NotFound, format!("iam:ListAccessKeys: there is no user `{name}`"))
        })
    }

    async fn get_last_use(&self, user: &str, key: &str) -> BackendResult<Option<LastUse>> {
        Ok(self.aws_clients()?.iam().get_last_use(user, key).await?)
    }
}

impl IamWrite for LiveBackend {
    async fn create_access_key(&self, user: &str) -> BackendResult<Credential> {
        self.server_time.ensure_clocks_agree()?;
        Ok(self.aws_clients()?.iam().create_access_key(user).await?)
    }

    async fn set_key_status(&self, user: &str, key: &str, status: KeyState) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let status = match status {
            KeyState::Active => StatusType::Active,
            KeyState::Inactive => StatusType::Inactive,
            KeyState::Other => {
                return Err(BackendError::new(ErrorKind::Rejected, "no such status can be set"));
            }
        };
        Ok(self.aws_clients()?.iam().set_key_status(user, key, status).await?)
    }

    async fn delete_access_key(&self, user: &str, key: &str) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        Ok(self.aws_clients()?.iam().delete_access_key(user, key).await?)
    }
}

impl KeyTags for LiveBackend {
    async fn set_key_description(&self, user: &str, key: &str, text: Option<&str>) -> BackendResult<()> {
        let iam = self.aws_clients()?.iam();
        let written = match text {
            Some(text) => iam.tag_user(user, key, text).await,
            None => iam.untag_user(user, key).await,
        };
        if let Err(error) = &written {
            self.add_remark(format!("the description of the key is not up to date: {error}"));
        }
        Ok(written?)
    }
}

impl CallerIdentity for LiveBackend {
    async fn get_caller_user_id(&self, credential: &Credential) -> BackendResult<Arc<str>> {
        let caller = self.aws_clients()?.get_caller_of(credential).await?;
        // A key of another account must never reach a destination.
        if caller.account != self.account {
            return Err(BackendError::new(
                ErrorKind::Rejected,
                "sts:GetCallerIdentity: the key is of another account",
            ));
        }
        Ok(caller.user_id.into())
    }
}
