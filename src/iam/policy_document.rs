//! IAM's policy documents as types: what the roles of keytide may do, and who may assume them.

use std::collections::BTreeMap;

use serde::Serialize;

/// The only version of the policy language that knows all conditions.
const LANGUAGE_VERSION: &str = "2012-10-17";

/// A permissions policy or a trust policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    pub statement: Vec<PolicyStatement>,
}

impl PolicyDocument {
    pub fn new(statement: Vec<PolicyStatement>) -> Self {
        Self { version: LANGUAGE_VERSION, statement }
    }
}

/// What a statement does with the requests that it matches. keytide's roles need no `Deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Effect {
    Allow,
}

/// One statement. A permissions policy names resources, a trust policy a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyStatement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'static str>,
    pub effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<FederatedPrincipal>,
    pub action: OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<OneOrMany>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<&'static str, ConditionKeys>,
}

/// The keys of one condition operator, and the values that each may have.
pub type ConditionKeys = BTreeMap<String, OneOrMany>;

/// An identity provider whose tokens a trust policy accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FederatedPrincipal {
    pub federated: String,
}

/// One text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn one(text: impl Into<String>) -> Self {
        Self::One(text.into())
    }

    pub fn many<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Many(texts.into_iter().map(Into::into).collect())
    }
}

impl PolicyStatement {
    /// Allows actions on resources.
    pub fn allow(sid: &'static str, action: OneOrMany, resource: OneOrMany) -> Self {
        Self {
            sid: Some(sid),
            effect: Effect::Allow,
            principal: None,
            action,
            resource: Some(resource),
            condition: BTreeMap::new(),
        }
    }
}
