//! Reads the policies of a user and of its groups, for `keytide migrate`. Changes nothing.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{IamClient, ensure_complete_page, ensure_same_user};
use crate::aws::error::AwsError;
use crate::iam::granted::{GrantedPolicies, InlinePolicy};

/// Reads a list of IAM to its end: the names of one field of each item, which every item has.
macro_rules! read_names {
    ($operation:literal, $request:expr, $items:ident, $name:expr) => {{
        let mut pages = $request.into_paginator().send();
        let (mut names, mut count) = (Vec::<String>::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_read($operation, &error))?;
            count += 1;
            ensure_complete_page($operation, page.is_truncated(), page.marker(), count)?;
            for name in page.$items().iter().map($name) {
                let nameless = || AwsError::unexpected_reply($operation, "an entry of a list has no name");
                names.push(name.ok_or_else(nameless)?);
            }
        }
        names
    }};
}

impl IamClient {
    /// The policies that grant a user its permissions.
    ///
    /// # Errors
    /// There is no such user, the caller may not read a policy, or IAM did not answer: a part of them would make a role that
    /// is allowed less, or without a `Deny` more.
    pub async fn read_granted_policies(&self, user: &str) -> Result<GrantedPolicies, AwsError> {
        let mut granted =
            GrantedPolicies { boundary: self.read_boundary(user).await?, ..GrantedPolicies::default() };
        let names = read_names!(
            "iam:ListUserPolicies",
            self.client.list_user_policies().user_name(user),
            policy_names,
            |name| Some(name.clone())
        );
        for name in names {
            granted.inline.push(self.read_user_policy(user, name).await?);
        }
        granted.managed.extend(read_names!(
            "iam:ListAttachedUserPolicies",
            self.client.list_attached_user_policies().user_name(user),
            attached_policies,
            |policy| policy.policy_arn().map(str::to_owned)
        ));
        let groups = read_names!(
            "iam:ListGroupsForUser",
            self.client.list_groups_for_user().user_name(user),
            groups,
            |group| Some(group.group_name().to_owned())
        );
        for group in groups {
            self.read_group(&group, &mut granted).await?;
        }
        Ok(granted)
    }

    async fn read_boundary(&self, user: &str) -> Result<Option<String>, AwsError> {
        const OPERATION: &str = "iam:GetUser";
        let reply = self.client.get_user().user_name(user).send().await;
        let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
        let found = reply.user().ok_or_else(|| AwsError::unexpected_reply(OPERATION, "it names no user"))?;
        ensure_same_user(OPERATION, user, Some(found.user_name()))?;
        let boundary = found.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
        Ok(boundary.map(str::to_owned))
    }

    async fn read_user_policy(&self, user: &str, name: String) -> Result<InlinePolicy, AwsError> {
        const OPERATION: &str = "iam:GetUserPolicy";
        let reply = self.client.get_user_policy().user_name(user).policy_name(&name).send().await;
        let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
        ensure_same_user(OPERATION, user, Some(reply.user_name()))?;
        let document = read_document(OPERATION, reply.policy_document())?;
        Ok(InlinePolicy { name, document })
    }

    async fn read_group(&self, group: &str, granted: &mut GrantedPolicies) -> Result<(), AwsError> {
        const OPERATION: &str = "iam:GetGroupPolicy";
        let names = read_names!(
            "iam:ListGroupPolicies",
            self.client.list_group_policies().group_name(group),
            policy_names,
            |name| Some(name.clone())
        );
        for name in names {
            let reply = self.client.get_group_policy().group_name(group).policy_name(&name).send().await;
            let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
            let document = read_document(OPERATION, reply.policy_document())?;
            granted.inline.push(InlinePolicy { name, document });
        }
        granted.managed.extend(read_names!(
            "iam:ListAttachedGroupPolicies",
            self.client.list_attached_group_policies().group_name(group),
            attached_policies,
            |policy| policy.policy_arn().map(str::to_owned)
        ));
        Ok(())
    }
}

/// IAM escapes a document as in a URL.
fn read_document(operation: &'static str, document: &str) -> Result<Value, AwsError> {
    let text = percent_decode_str(document).decode_utf8_lossy();
    serde_json::from_str(&text)
        .map_err(|_| AwsError::unexpected_reply(operation, "the policy is not a JSON document"))
}
