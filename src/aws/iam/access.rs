//! Asks IAM what the caller may do, without a change, for `keytide doctor`.

use aws_sdk_iam::error::ProvideErrorMetadata as _;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType, StatusType};
use percent_encoding::percent_decode_str;

use super::IamClient;
use crate::aws::error::AwsError;
use crate::ports::ErrorKind;

/// An ID in the form of an access key's that no key has.
const UNKNOWN_KEY: &str = "AKIAKEYTIDEDOCTOR000";

/// An action that the policies of a principal do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedAction {
    /// As a policy names it: `iam:CreateAccessKey`.
    pub action: String,
    /// The ARN.
    pub resource: String,
}

impl IamClient {
    /// The actions that the policies of a principal do not allow on a resource.
    ///
    /// # Errors
    /// The caller may not simulate, the principal does not exist, or IAM did not answer.
    pub async fn simulate_actions(
        &self,
        principal: &str,
        actions: &[&str],
        resource: &str,
        tag_names: &[&str],
    ) -> Result<Vec<DeniedAction>, AwsError> {
        const OPERATION: &str = "iam:SimulatePrincipalPolicy";
        let tags = ContextEntry::builder()
            .context_key_name("aws:TagKeys")
            .context_key_type(ContextKeyTypeEnum::StringList)
            .set_context_key_values(Some(tag_names.iter().map(|name| (*name).to_owned()).collect()))
            .build();
        let mut pages = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
            .resource_arns(resource)
            .context_entries(tags)
            .into_paginator()
            .send();
        let (mut denied, mut answers) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_read(OPERATION, &error))?;
            for result in page.evaluation_results() {
                answers += 1;
                if *result.eval_decision() != PolicyEvaluationDecisionType::Allowed {
                    let action = result.eval_action_name().to_owned();
                    denied.push(DeniedAction { action, resource: resource.to_owned() });
                }
            }
        }
        // An action without an answer would count as allowed.
        if answers < actions.len() {
            return Err(AwsError::unexpected_reply(OPERATION, "it leaves out an action"));
        }
        Ok(denied)
    }

    /// Sends the change of a key that does not exist: IAM refuses it for lack of permission, or because there is no such
    /// key. Changes nothing.
    ///
    /// # Errors
    /// IAM refused for lack of permission, or did not answer.
    pub async fn try_key_change(&self, user: &str) -> Result<(), AwsError> {
        let request = self.client.update_access_key().user_name(user).access_key_id(UNKNOWN_KEY);
        match request.status(StatusType::Inactive).send().await {
            Ok(_) => Ok(()),
            Err(error) => match AwsError::from_write("iam:UpdateAccessKey", &error) {
                AwsError { kind: ErrorKind::NotFound, .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    /// The trust policy of a role, as JSON text.
    ///
    /// # Errors
    /// The caller may not read the role, there is none, or IAM did not answer.
    pub async fn read_trust_policy(&self, role: &str) -> Result<String, AwsError> {
        const OPERATION: &str = "iam:GetRole";
        let reply = self.client.get_role().role_name(role).send().await;
        let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
        let document = reply.role().and_then(|role| role.assume_role_policy_document());
        let document =
            document.ok_or_else(|| AwsError::unexpected_reply(OPERATION, "it has no trust policy"))?;
        Ok(percent_decode_str(document).decode_utf8_lossy().into_owned())
    }

    /// Whether there is a credential report. Orders none.
    ///
    /// # Errors
    /// The caller may not read it, or IAM did not answer.
    pub async fn has_credential_report(&self) -> Result<bool, AwsError> {
        match self.client.get_credential_report().send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.code(),
                    Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")
                ) =>
            {
                // AWS says so only to those who may read a report
                Ok(false)
            }
            Err(error) => Err(AwsError::from_read("iam:GetCredentialReport", &error)),
        }
    }
}
