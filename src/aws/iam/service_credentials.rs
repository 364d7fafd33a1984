//! Lists the service-specific credentials of a user, for an audit.

use aws_sdk_iam::types::ServiceSpecificCredentialMetadata;

use super::{IamClient, ensure_complete_page, ensure_same_user, none_if_missing, to_timestamp};
use crate::aws::error::AwsError;
use crate::iam::{KeyStatus, LIST_SERVICE_CREDENTIALS, ReadFault, ServiceCredential};

/// The most credentials of a user that are read: IAM allows two for each service. A list that goes on is not IAM's.
const MAX_CREDENTIALS_OF_USER: usize = 200;
/// What the SDK puts in the place of a status that the reply leaves out.
const NO_STATUS: &str = "no value was set";

impl IamClient {
    /// A user's service-specific credentials of all services; `None`: there is no such user.
    ///
    /// # Errors
    /// Any page failed, is missing, or holds a credential of another user or one without its fields.
    pub async fn list_service_credentials(
        &self,
        user: &str,
    ) -> Result<Option<Vec<ServiceCredential>>, AwsError> {
        let (mut credentials, mut marker, mut count): (Vec<ServiceCredential>, Option<String>, usize) =
            (Vec::new(), None, 0);
        loop {
            // The SDK has no paginator for this list
            let request = self.client.list_service_specific_credentials().user_name(user);
            let page = match request.set_marker(marker.clone()).send().await {
                Ok(page) => page,
                Err(error) => {
                    return none_if_missing(AwsError::from_read(LIST_SERVICE_CREDENTIALS, &error));
                }
            };
            count += 1;
            ensure_complete_page(LIST_SERVICE_CREDENTIALS, page.is_truncated(), page.marker(), count)?;
            for metadata in page.service_specific_credentials() {
                add_credential(&mut credentials, read_credential(user, metadata)?)?;
            }
            if !page.is_truncated() {
                return Ok(Some(credentials));
            }
            if page.marker() == marker.as_deref() {
                return Err(unexpected("the list does not end"));
            }
            marker = page.marker().map(str::to_owned);
        }
    }

    /// [`Self::list_service_credentials`] for an audit.
    ///
    /// # Errors
    /// As for [`Self::list_service_credentials`].
    pub async fn service_credentials(&self, user: &str) -> Result<Option<Vec<ServiceCredential>>, ReadFault> {
        self.list_service_credentials(user).await.map_err(|error| error.into_read_fault(Some(user)))
    }
}

/// Adds a credential to those of the pages before. A page that comes again has none that is new.
fn add_credential(known: &mut Vec<ServiceCredential>, next: ServiceCredential) -> Result<(), AwsError> {
    if known.iter().any(|credential| credential.id == next.id) {
        return Err(unexpected("it names a credential twice"));
    }
    if known.len() == MAX_CREDENTIALS_OF_USER {
        return Err(unexpected("it names more credentials than a user can have"));
    }
    known.push(next);
    Ok(())
}

/// The SDK fills in what a reply leaves out: an empty text, the year 1970, and a status of its own. A credential that was
/// read so would be of no service, or as old as can be.
fn read_credential(
    user: &str,
    metadata: &ServiceSpecificCredentialMetadata,
) -> Result<ServiceCredential, AwsError> {
    let status = metadata.status().as_str();
    let texts = [
        metadata.user_name(),
        metadata.service_specific_credential_id(),
        metadata.service_name(),
        if status == NO_STATUS { "" } else { status },
    ];
    if texts.contains(&"") || metadata.create_date().secs() == 0 {
        return Err(unexpected("a credential without user, ID, service, status or date"));
    }
    ensure_same_user(LIST_SERVICE_CREDENTIALS, user, Some(metadata.user_name()))?;
    let expires_at = match metadata.expiration_date() {
        Some(end) => Some(to_timestamp(LIST_SERVICE_CREDENTIALS, end)?),
        None => None,
    };
    Ok(ServiceCredential {
        id: metadata.service_specific_credential_id().to_owned(),
        service: metadata.service_name().to_owned(),
        status: KeyStatus::from(status),
        created_at: to_timestamp(LIST_SERVICE_CREDENTIALS, metadata.create_date())?,
        expires_at,
    })
}

fn unexpected(what: &str) -> AwsError {
    AwsError::unexpected_reply(LIST_SERVICE_CREDENTIALS, what)
}
