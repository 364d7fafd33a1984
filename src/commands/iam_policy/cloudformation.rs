//! Renders a set-up as a CloudFormation template in YAML.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use serde_yaml::Value as YamlValue;

use super::set_up::{INLINE_POLICY, OidcProvider, REPOSITORY_TAG, Role, RoleDocument, SetUp};
use crate::error::CommandError;

/// The parameter that says whether the stack creates the provider.
const CREATES_PROVIDER: &str = "CreateOidcProvider";
/// The condition on that parameter.
const CONDITION: &str = "CreatesOidcProvider";
const PROVIDER: &str = "OidcProvider";

/// The parts of a template that this one has, in the order in which they are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    #[serde(rename = "AWSTemplateFormatVersion")]
    format_version: &'static str,
    description: String,
    parameters: Value,
    conditions: Value,
    resources: BTreeMap<&'static str, Resource>,
    outputs: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
    properties: Properties,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Properties {
    Provider(Value),
    Role(RoleProperties),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoleProperties {
    role_name: String,
    description: String,
    tags: Value,
    assume_role_policy_document: YamlValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    managed_policy_arns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<InlinePolicy>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePolicy {
    policy_name: &'static str,
    policy_document: RoleDocument,
}

pub fn render_template(set_up: &SetUp) -> Result<String, CommandError> {
    let text = build_template(set_up).and_then(|template| serde_yaml::to_string(&template));
    let text = text.map_err(|error| {
        CommandError::invalid(format!("the CloudFormation template cannot be written: {error}"))
    })?;
    Ok(format!(
        "# For AWS account {}. aws cloudformation deploy --template-file FILE --stack-name keytide \\\n\
         #   --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {CREATES_PROVIDER}=true\n{text}",
        set_up.account
    ))
}

fn build_template(set_up: &SetUp) -> serde_yaml::Result<Template> {
    let mut resources = BTreeMap::from([(PROVIDER, provider_resource(&set_up.provider))]);
    let mut outputs = BTreeMap::new();
    for role in &set_up.roles {
        let name = logical_name(role.word);
        resources.insert(name, role_resource(set_up, role)?);
        outputs.insert(format!("{name}Arn"), json!({ "Value": { "Fn::GetAtt": [name, "Arn"] } }));
    }
    Ok(Template {
        format_version: "2010-09-09",
        description: format!("Lets workflows of {} assume the roles of keytide", set_up.repository),
        parameters: json!({
            CREATES_PROVIDER: {
                "Type": "String",
                "AllowedValues": ["true", "false"],
                "Default": "true",
                "Description": "false if the account has the OIDC provider of the issuer already",
            },
        }),
        conditions: json!({ CONDITION: { "Fn::Equals": [{ "Ref": CREATES_PROVIDER }, "true"] } }),
        resources,
        outputs,
    })
}

fn provider_resource(provider: &OidcProvider) -> Resource {
    Resource {
        kind: "AWS::IAM::OIDCProvider",
        condition: Some(CONDITION),
        properties: Properties::Provider(json!({
            "Url": provider.url,
            "ClientIdList": [provider.audience],
        })),
    }
}

fn role_resource(set_up: &SetUp, role: &Role) -> serde_yaml::Result<Resource> {
    Ok(Resource {
        kind: "AWS::IAM::Role",
        condition: None,
        properties: Properties::Role(RoleProperties {
            role_name: role.name.clone(),
            description: role.description.clone(),
            tags: json!([{ "Key": REPOSITORY_TAG, "Value": set_up.repository }]),
            assume_role_policy_document: trust_after_provider(&set_up.provider, role)?,
            permissions_boundary: role.boundary.clone(),
            managed_policy_arns: role.managed.clone(),
            policies: inline_policies(role),
        }),
    })
}

fn inline_policies(role: &Role) -> Vec<InlinePolicy> {
    let document = role.permissions.clone();
    let policy = document.map(|policy_document| InlinePolicy { policy_name: INLINE_POLICY, policy_document });
    policy.into_iter().collect()
}

/// The trust policy, with the reference by which CloudFormation creates the provider first. `DependsOn` may not name a
/// resource that a condition leaves out.
fn trust_after_provider(provider: &OidcProvider, role: &Role) -> serde_yaml::Result<YamlValue> {
    let mut trust = serde_yaml::to_value(&role.trust)?;
    trust["Statement"][0]["Principal"]["Federated"] =
        serde_yaml::to_value(json!({ "Fn::If": [CONDITION, { "Ref": PROVIDER }, provider.arn] }))?;
    Ok(trust)
}

fn logical_name(word: &str) -> &'static str {
    match word {
        "audit" => "AuditRole",
        "rotate" => "RotateRole",
        "delete" => "DeleteRole",
        _ => "WorkflowRole",
    }
}
