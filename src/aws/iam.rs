//! IAM, one method a question. An answer that cannot be had is a [`ReadFault`], never an empty answer.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::primitives::DateTime;
use jiff::Timestamp;

use super::connect::{is_access_denied, read_fault};
use crate::iam::{
    AccessKey, KeyStatus, LastUse, ReadFault, SourcedFact, UnknownReason, credential_report, non_empty,
};
use crate::system::clock;

/// The tag that says which repository owns a user: its numeric ID.
const OWNER_TAG: &str = "keytide:owner";
/// The policies that AWS attaches to a user whose key it found in public.
const QUARANTINE: [&str; 3] =
    ["AWSCompromisedKeyQuarantine", "AWSCompromisedKeyQuarantineV2", "AWSCompromisedKeyQuarantineV3"];
/// AWS makes a new credential report at most every four hours (IAM user guide).
const REPORT_AGE: jiff::SignedDuration = jiff::SignedDuration::from_hours(4);
/// How long making a report may take, in seconds, before the audit gives up on it.
const REPORT_WAITS: [u64; 9] = [1, 1, 2, 2, 4, 5, 10, 15, 20];

pub struct IamClient {
    client: Client,
}

/// A user as IAM lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    pub name: String,
    pub arn: String,
}

/// What only the user's own record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDetails {
    pub arn: String,
    pub owner: Option<String>,
}

/// Why the credential report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The role may not read it, which can be intended.
    #[error("{}", .0.message)]
    AccessDenied(ReadFault),
    #[error("{}", .0.message)]
    Failed(ReadFault),
}

impl ReportError {
    fn from_sdk<E, R>(operation: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let is_denied = is_access_denied(error);
        let fault = read_fault(None, operation, error);
        if is_denied { Self::AccessDenied(fault) } else { Self::Failed(fault) }
    }

    pub fn into_fault(self) -> ReadFault {
        match self {
            Self::AccessDenied(fault) | Self::Failed(fault) => fault,
        }
    }
}

impl IamClient {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// All users at or below a path, in IAM's order.
    ///
    /// # Errors
    /// Any page failed: a list with a hole is no list.
    pub async fn list_users(&self, path: &str) -> Result<Vec<ListedUser>, ReadFault> {
        let mut pages = self.client.list_users().path_prefix(path).max_items(1000).into_paginator().send();
        let mut users = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| read_fault(None, "iam:ListUsers", &error))?;
            ensure_complete_page(None, "iam:ListUsers", page.is_truncated(), page.marker())?;
            let listed = |user: &aws_sdk_iam::types::User| ListedUser {
                name: user.user_name().into(),
                arn: user.arn().into(),
            };
            users.extend(page.users().iter().map(listed));
        }
        Ok(users)
    }

    /// A user's record; `None`: there is no such user.
    ///
    /// # Errors
    /// IAM did not say.
    pub async fn get_user_details(&self, user: &str) -> Result<Option<UserDetails>, ReadFault> {
        let answer = match self.client.get_user().user_name(user).send().await {
            Err(error) if is_absent(&error) => return Ok(None),
            answer => answer.map_err(|error| read_fault(Some(user), "iam:GetUser", &error))?,
        };
        let Some(found) = answer.user() else {
            return Err(unexpected_reply(user, "iam:GetUser", "the answer names no user"));
        };
        let owner = found.tags().iter().find(|tag| tag.key() == OWNER_TAG).map(|tag| tag.value().to_owned());
        Ok(Some(UserDetails { arn: found.arn().to_owned(), owner }))
    }

    /// A user's access keys, last use not yet asked for; `None`: there is no such user.
    ///
    /// # Errors
    /// Any page failed.
    pub async fn access_keys(&self, user: &str) -> Result<Option<Vec<AccessKey>>, ReadFault> {
        const OPERATION: &str = "iam:ListAccessKeys";
        let mut pages = self.client.list_access_keys().user_name(user).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Err(error) if is_absent(&error) => return Ok(None),
                page => page.map_err(|error| read_fault(Some(user), OPERATION, &error))?,
            };
            ensure_complete_page(Some(user), OPERATION, page.is_truncated(), page.marker())?;
            for key in page.access_key_metadata() {
                let (Some(id), Some(status), Some(created)) =
                    (key.access_key_id(), key.status(), key.create_date())
                else {
                    return Err(unexpected_reply(user, OPERATION, "a key without ID, status or date"));
                };
                keys.push(AccessKey {
                    id: Some(id.to_owned()),
                    slot: None,
                    status: KeyStatus::from(status.as_str()),
                    created_at: to_timestamp(created)
                        .ok_or_else(|| unexpected_reply(user, OPERATION, "a date out of range"))?,
                    may_be_older: false,
                    last_used: SourcedFact::Unknown(UnknownReason::NotAsked),
                });
            }
        }
        Ok(Some(keys))
    }

    /// When a key was last used; `None`: never on record.
    ///
    /// # Errors
    /// IAM did not say, or speaks of another user's key.
    pub async fn last_used(&self, user: &str, id: &str) -> Result<Option<LastUse>, ReadFault> {
        const OPERATION: &str = "iam:GetAccessKeyLastUsed";
        let answer = self.client.get_access_key_last_used().access_key_id(id).send().await;
        let answer = answer.map_err(|error| read_fault(Some(user), OPERATION, &error))?;
        if answer.user_name().is_some_and(|name| name != user) {
            return Err(unexpected_reply(user, OPERATION, "the answer is about another user"));
        }
        let Some(last) = answer.access_key_last_used() else {
            return Err(unexpected_reply(user, OPERATION, "the answer is empty"));
        };
        let Some(at) = last.last_used_date() else { return Ok(None) };
        let at = to_timestamp(at).ok_or_else(|| unexpected_reply(user, OPERATION, "a date out of range"))?;
        Ok(Some(LastUse { at, region: non_empty(last.region()), service: non_empty(last.service_name()) }))
    }

    /// The users to whom AWS attached a quarantine policy: asked policy by policy, not user by user.
    ///
    /// # Errors
    /// IAM did not say.
    pub async fn list_quarantined_users(&self, partition: &str) -> Result<BTreeSet<String>, ReadFault> {
        let mut users = BTreeSet::new();
        for policy in QUARANTINE {
            let arn = format!("arn:{partition}:iam::aws:policy/{policy}");
            let mut pages = self.client.list_entities_for_policy().policy_arn(arn).into_paginator().send();
            while let Some(page) = pages.next().await {
                match page {
                    Err(error) if is_absent(&error) => break,
                    page => {
                        const OPERATION: &str = "iam:ListEntitiesForPolicy";
                        let page = page.map_err(|error| read_fault(None, OPERATION, &error))?;
                        ensure_complete_page(None, OPERATION, page.is_truncated(), page.marker())?;
                        users.extend(
                            page.policy_users().iter().filter_map(|user| user.user_name()).map(str::to_owned),
                        );
                    }
                }
            }
        }
        Ok(users)
    }

    /// The credential report and when it was made. One that is there already is taken; else one is ordered.
    ///
    /// # Errors
    /// The report cannot be read or is not ready in about a minute.
    pub async fn credential_report(&self) -> Result<(Vec<u8>, Timestamp), ReportError> {
        if let Some(report) = self.finished_report().await? {
            return Ok(report);
        }
        for wait in REPORT_WAITS {
            self.order_report().await?;
            if let Some(report) = self.finished_report().await? {
                return Ok(report);
            }
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        let message = "the report was not ready within a minute; try again, or use `--source iam`".to_owned();
        let operation = credential_report::OPERATION.to_owned();
        Err(ReportError::Failed(ReadFault { user: None, operation, message }))
    }

    async fn order_report(&self) -> Result<(), ReportError> {
        let answer = self.client.generate_credential_report().send().await;
        answer.map(drop).map_err(|error| ReportError::from_sdk("iam:GenerateCredentialReport", &error))
    }

    /// `None`: there is none, it has expired or is too old, or it is being made.
    async fn finished_report(&self) -> Result<Option<(Vec<u8>, Timestamp)>, ReportError> {
        let answer = match self.client.get_credential_report().send().await {
            Err(error)
                if matches!(
                    error.code(),
                    Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")
                ) =>
            {
                return Ok(None);
            }
            answer => answer.map_err(|error| ReportError::from_sdk(credential_report::OPERATION, &error))?,
        };
        let made_at = answer.generated_time().and_then(to_timestamp);
        match (answer.content(), made_at) {
            (Some(_), Some(made_at)) if clock::system_time().duration_since(made_at) > REPORT_AGE => Ok(None),
            (Some(content), Some(made_at)) => Ok(Some((content.as_ref().to_vec(), made_at))),
            _ => Err(ReportError::Failed(ReadFault {
                user: None,
                operation: credential_report::OPERATION.to_owned(),
                message: "the answer holds no report".to_owned(),
            })),
        }
    }
}

/// A page that says that more follows, and not where, is a hole: the paginator would take it for the last.
fn ensure_complete_page(
    user: Option<&str>,
    operation: &str,
    truncated: bool,
    marker: Option<&str>,
) -> Result<(), ReadFault> {
    if truncated && marker.is_none_or(str::is_empty) {
        let message = "IAM's answer is cut: it says that more follows, and not where".to_owned();
        return Err(ReadFault { user: user.map(str::to_owned), operation: operation.to_owned(), message });
    }
    Ok(())
}

fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(error.code(), Some("NoSuchEntity" | "NoSuchEntityException"))
}

fn unexpected_reply(user: &str, operation: &str, what: &str) -> ReadFault {
    let message = format!("IAM's answer makes no sense: {what}");
    ReadFault { user: Some(user.to_owned()), operation: operation.to_owned(), message }
}

fn to_timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), 0).ok()
}
