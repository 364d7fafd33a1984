//! Calls IAM, for audits and rotations alike: users, access keys, the credential report.
//!
//! A reply about another user, a list with a missing page or an entry without its fields is an error, never an empty
//! answer: a rotation deletes keys because of these replies.

pub mod access;
mod granted;
pub mod report;
mod service_credentials;
mod write;

use std::collections::BTreeSet;
use std::error::Error as StdError;

use aws_sdk_iam::Client;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives::DateTime;
use jiff::Timestamp;

use super::error::AwsError;
use crate::iam::{
    AccessKey, KeyRecord, KeyStatus, LastUse, ListedUser, ReadFault, SourcedFact, UnknownReason, UserRecord,
    non_empty,
};
use crate::ports::ErrorKind;
use crate::rotation::timing::is_plausible;

/// The managed policy that AWS attaches to a user whose key it found in public. Later versions have `V2`, `V3`, ... behind
/// the name (AWS managed policy reference).
const QUARANTINE_POLICY: &str = "AWSCompromisedKeyQuarantine";
/// The versions that existed in November 2026. A partition may lack some of them.
const KNOWN_QUARANTINE_VERSIONS: u32 = 4;
/// Later versions are tried until one does not exist, and at most up to this one.
const MAX_QUARANTINE_VERSION: u32 = 9;

/// The most keys of a user that are read: IAM allows two. A list that goes on is not IAM's.
const MAX_KEYS_OF_USER: usize = 16;
/// The most pages of a list that are read: ten times what 5,000 users need, IAM's own limit, at 100 users a page.
const MAX_PAGES: usize = 500;

/// A client of IAM.
pub struct IamClient {
    client: Client,
}

impl IamClient {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// All users at or below a path, in IAM's order.
    ///
    /// # Errors
    /// Any page failed: an audit of a part of the users would pass as one of all.
    pub async fn list_users(&self, path: &str) -> Result<Vec<ListedUser>, ReadFault> {
        // The largest page: an account may have thousands of users, and IAM throttles by requests
        let mut pages = self.client.list_users().path_prefix(path).max_items(1000).into_paginator().send();
        let (mut users, mut count) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| read_fault("iam:ListUsers", &error))?;
            count += 1;
            ensure_complete_page("iam:ListUsers", page.is_truncated(), page.marker(), count)
                .map_err(|error| error.into_read_fault(None))?;
            for user in page.users() {
                users.push(ListedUser { name: user.user_name().into(), arn: user.arn().into() });
            }
        }
        Ok(users)
    }

    /// A user; `None`: there is no such user.
    ///
    /// # Errors
    /// The request failed, or the reply is about another user.
    pub async fn get_user(&self, user: &str) -> Result<Option<UserRecord>, AwsError> {
        const OPERATION: &str = "iam:GetUser";
        let reply = match self.client.get_user().user_name(user).send().await {
            Ok(reply) => reply,
            Err(error) => return none_if_missing(AwsError::from_read(OPERATION, &error)),
        };
        let Some(found) = reply.user() else {
            return Err(AwsError::unexpected_reply(OPERATION, "it names no user"));
        };
        ensure_same_user(OPERATION, user, Some(found.user_name()))?;
        let tags = found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(Some(UserRecord { id: found.user_id().into(), arn: found.arn().to_owned(), tags }))
    }

    /// A user's access keys; `None`: there is no such user.
    ///
    /// # Errors
    /// Any page failed, is missing or holds a key of another user.
    pub async fn list_access_keys(&self, user: &str) -> Result<Option<Vec<KeyRecord>>, AwsError> {
        const OPERATION: &str = "iam:ListAccessKeys";
        let mut pages = self.client.list_access_keys().user_name(user).into_paginator().send();
        let (mut keys, mut count): (Vec<KeyRecord>, usize) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return none_if_missing(AwsError::from_read(OPERATION, &error)),
            };
            count += 1;
            ensure_complete_page(OPERATION, page.is_truncated(), page.marker(), count)?;
            for key in page.access_key_metadata() {
                ensure_same_user(OPERATION, user, key.user_name())?;
                let (Some(id), Some(status), Some(created)) =
                    (key.access_key_id(), key.status(), key.create_date())
                else {
                    return Err(AwsError::unexpected_reply(OPERATION, "a key without ID, status or date"));
                };
                if keys.iter().any(|known| *known.id == *id) {
                    return Err(AwsError::unexpected_reply(OPERATION, "it names a key twice"));
                }
                if keys.len() == MAX_KEYS_OF_USER {
                    return Err(AwsError::unexpected_reply(
                        OPERATION,
                        "it names more keys than a user can have",
                    ));
                }
                keys.push(KeyRecord {
                    id: id.into(),
                    status: KeyStatus::from(status.as_str()),
                    created_at: to_timestamp(OPERATION, created)?,
                });
            }
        }
        Ok(Some(keys))
    }

    /// When a key of a user was last used; `None`: no use is recorded.
    ///
    /// # Errors
    /// The request failed, or the reply is about a key of another user.
    pub async fn get_last_use(&self, user: &str, id: &str) -> Result<Option<LastUse>, AwsError> {
        const OPERATION: &str = "iam:GetAccessKeyLastUsed";
        let reply = self.client.get_access_key_last_used().access_key_id(id).send().await;
        let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
        ensure_same_user(OPERATION, user, reply.user_name())?;
        let Some(last) = reply.access_key_last_used() else {
            return Err(AwsError::unexpected_reply(OPERATION, "it is empty"));
        };
        // IAM leaves the date out if it has no record of a use.
        let Some(at) = last.last_used_date() else { return Ok(None) };
        let at = to_timestamp(OPERATION, at)?;
        Ok(Some(LastUse { at, region: non_empty(last.region()), service: non_empty(last.service_name()) }))
    }

    /// [`Self::get_user`] for an audit.
    ///
    /// # Errors
    /// As for [`Self::get_user`].
    pub async fn get_user_details(&self, user: &str) -> Result<Option<UserRecord>, ReadFault> {
        self.get_user(user).await.map_err(|error| error.into_read_fault(Some(user)))
    }

    /// [`Self::list_access_keys`] for an audit, last use not yet asked for.
    ///
    /// # Errors
    /// As for [`Self::list_access_keys`].
    pub async fn access_keys(&self, user: &str) -> Result<Option<Vec<AccessKey>>, ReadFault> {
        let keys = self.list_access_keys(user).await.map_err(|error| error.into_read_fault(Some(user)))?;
        Ok(keys.map(|keys| keys.into_iter().map(AccessKey::from).collect()))
    }

    /// [`Self::get_last_use`] for an audit.
    ///
    /// # Errors
    /// As for [`Self::get_last_use`].
    pub async fn last_used(&self, user: &str, id: &str) -> Result<Option<LastUse>, ReadFault> {
        self.get_last_use(user, id).await.map_err(|error| error.into_read_fault(Some(user)))
    }

    /// The users to whom AWS attached a quarantine policy: one request per policy instead of one per user.
    ///
    /// # Errors
    /// A request failed.
    pub async fn list_quarantined_users(&self, partition: &str) -> Result<BTreeSet<String>, ReadFault> {
        let mut users = BTreeSet::new();
        for version in 1..=MAX_QUARANTINE_VERSION {
            let suffix = if version == 1 { String::new() } else { format!("V{version}") };
            let arn = format!("arn:{partition}:iam::aws:policy/{QUARANTINE_POLICY}{suffix}");
            match self.list_policy_users(&arn).await? {
                Some(found) => users.extend(found),
                None if version < KNOWN_QUARANTINE_VERSIONS => {}
                None => break,
            }
        }
        Ok(users)
    }

    /// The users to whom a policy is attached; `None` if there is no such policy.
    async fn list_policy_users(&self, arn: &str) -> Result<Option<Vec<String>>, ReadFault> {
        const OPERATION: &str = "iam:ListEntitiesForPolicy";
        let (mut users, mut count) = (Vec::new(), 0);
        let mut pages = self.client.list_entities_for_policy().policy_arn(arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                // Only a missing policy: a refusal must not pass for a policy that is attached to no one
                Err(error) if is_missing_entity(error.code()) => return Ok(None),
                page => page.map_err(|error| read_fault(OPERATION, &error))?,
            };
            count += 1;
            ensure_complete_page(OPERATION, page.is_truncated(), page.marker(), count)
                .map_err(|error| error.into_read_fault(None))?;
            for user in page.policy_users() {
                let name = user.user_name().map(str::to_owned);
                let nameless = || AwsError::unexpected_reply(OPERATION, "a user without a name");
                users.push(name.ok_or_else(nameless).map_err(|error| error.into_read_fault(None))?);
            }
        }
        Ok(Some(users))
    }
}

impl From<KeyRecord> for AccessKey {
    fn from(key: KeyRecord) -> Self {
        Self {
            id: Some(key.id.to_string()),
            slot: None,
            status: key.status,
            created_at: key.created_at,
            may_be_older: false,
            last_used: SourcedFact::Unknown(UnknownReason::NotAsked),
        }
    }
}

/// Refuses a page whose fields about the next page contradict each other (the paginator would take it for the last, or
/// follow a marker behind the last), and a list without end. `count`: how many pages were read, with this one.
fn ensure_complete_page(
    operation: &'static str,
    truncated: bool,
    marker: Option<&str>,
    count: usize,
) -> Result<(), AwsError> {
    let what = match marker.filter(|marker| !marker.is_empty()) {
        None if truncated => "it says that more follows, and not where",
        Some(_) if !truncated => "it says that nothing follows, and where",
        _ if count > MAX_PAGES => "the list does not end",
        _ => return Ok(()),
    };
    Err(AwsError::unexpected_reply(operation, what))
}

/// Refuses a reply that names another user than the one asked about.
fn ensure_same_user(operation: &'static str, user: &str, named: Option<&str>) -> Result<(), AwsError> {
    match named {
        Some(name) if name != user => Err(AwsError::unexpected_reply(operation, "it is about another user")),
        _ => Ok(()),
    }
}

fn none_if_missing<T>(error: AwsError) -> Result<Option<T>, AwsError> {
    if error.kind == ErrorKind::NotFound { Ok(None) } else { Err(error) }
}

fn is_missing_entity(code: Option<&str>) -> bool {
    matches!(code, Some("NoSuchEntity" | "NoSuchEntityException"))
}

fn read_fault<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> ReadFault
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    AwsError::from_read(operation, error).into_read_fault(None)
}

fn to_timestamp(operation: &'static str, at: &DateTime) -> Result<Timestamp, AwsError> {
    let time = Timestamp::from_second(at.secs()).ok().filter(|at| is_plausible(*at));
    time.ok_or_else(|| AwsError::unexpected_reply(operation, "a date out of range"))
}

#[cfg(test)]
mod tests;
