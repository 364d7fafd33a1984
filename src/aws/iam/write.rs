//! Creates, changes and deletes access keys, and writes the tags that describe them.

use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::types::{StatusType, Tag};

use super::{IamClient, ensure_same_user};
use crate::aws::error::AwsError;
use crate::ports::ErrorKind;
use crate::secret::Credential;

impl IamClient {
    /// Creates an access key. The request is sent once.
    ///
    /// # Errors
    /// The request failed, or the reply has no key of this user; then the key may exist nevertheless.
    pub async fn create_access_key(&self, user: &str) -> Result<Credential, AwsError> {
        const OPERATION: &str = "iam:CreateAccessKey";
        // A retry after a lost reply would create a second key, whose secret was never received.
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.client.create_access_key().user_name(user).customize().config_override(once);
        let reply = request.send().await.map_err(|error| AwsError::from_write(OPERATION, &error))?;
        let Some(key) = reply.access_key else {
            return Err(AwsError::unexpected_write_reply(OPERATION, "it has no key"));
        };
        // Before the check: the credential erases the secret from memory, whatever the reply says.
        let credential = Credential::new(key.access_key_id, key.secret_access_key);
        ensure_same_user(OPERATION, user, Some(&key.user_name))
            .map_err(|error| AwsError { kind: ErrorKind::Indeterminate, ..error })?;
        Ok(credential)
    }

    /// Activates or deactivates an access key.
    ///
    /// # Errors
    /// The request failed.
    pub async fn set_key_status(&self, user: &str, id: &str, status: StatusType) -> Result<(), AwsError> {
        // May be repeated: the same status once more changes nothing
        let request = self.client.update_access_key().user_name(user).access_key_id(id).status(status);
        let sent = request.send().await;
        sent.map(drop).map_err(|error| AwsError::from_write("iam:UpdateAccessKey", &error))
    }

    /// Deletes an access key.
    ///
    /// # Errors
    /// The request failed; a key that does not exist is [`ErrorKind::NotFound`].
    pub async fn delete_access_key(&self, user: &str, id: &str) -> Result<(), AwsError> {
        // May be repeated: it then finds no key, which callers take for a success
        let sent = self.client.delete_access_key().user_name(user).access_key_id(id).send().await;
        sent.map(drop).map_err(|error| AwsError::from_write("iam:DeleteAccessKey", &error))
    }

    /// Sets a tag of the user.
    ///
    /// # Errors
    /// The request failed.
    pub async fn tag_user(&self, user: &str, name: &str, value: &str) -> Result<(), AwsError> {
        const OPERATION: &str = "iam:TagUser";
        let tag = Tag::builder().key(name).value(value).build();
        let tag = tag.map_err(|error| AwsError::invalid_request(OPERATION, &error.to_string()))?;
        let sent = self.client.tag_user().user_name(user).tags(tag).send().await;
        sent.map(drop).map_err(|error| AwsError::from_write(OPERATION, &error))
    }

    /// Removes a tag of the user.
    ///
    /// # Errors
    /// The request failed.
    pub async fn untag_user(&self, user: &str, name: &str) -> Result<(), AwsError> {
        let sent = self.client.untag_user().user_name(user).tag_keys(name).send().await;
        sent.map(drop).map_err(|error| AwsError::from_write("iam:UntagUser", &error))
    }
}
