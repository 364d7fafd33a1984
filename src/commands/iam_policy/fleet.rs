//! Renders the roles of a fleet as a CloudFormation template for a StackSet: one role in every account, and in the central
//! account the role that the workflow assumes and that alone may assume the others.

use serde_json::{Value, json};

use super::repository::{self, TokenRepository};
use super::set_up::{INLINE_POLICY, REPOSITORY_TAG};
use super::shared::{ROLE_PREFIX, print_notes, to_value, unknown_numbers};
use super::trust::{TrustedJobs, token_audience, trust_policy};
use crate::commands::cli::{IamPolicyArgs, Purpose, SetUpFormat, SubjectForm};
use crate::commands::context::Context;
use crate::destinations::permissions::ArnScope;
use crate::error::CommandError;
use crate::iam::LIST_SERVICE_CREDENTIALS;
use crate::policy::scalar::is_repository;

const CENTRAL_ACCOUNT: &str = "CentralAccount";
const CREATES_PROVIDER: &str = "CreateOidcProvider";
const IS_CENTRAL: &str = "IsCentralAccount";
const PROVIDER_CONDITION: &str = "CreatesOidcProvider";

/// The names and the trust of the roles.
struct FleetRoles<'a> {
    repository: &'a TokenRepository,
    /// The role that the workflow assumes.
    hub: String,
    /// The role of every account.
    audit: String,
    trust: Value,
    audience: &'static str,
}

/// Builds the template. It needs no policy file: the role reads the access keys of all users.
pub fn build_template(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<String, CommandError> {
    if arguments.set_up_format() != SetUpFormat::Cloudformation {
        return Err(CommandError::invalid("`--for fleet` needs `--format cloudformation`"));
    }
    let repository = repository::find_repository(context, arguments, arguments.branch.is_none())?;
    // The name is also in comments and in tags, where nothing escapes it.
    if !is_repository(&repository.name) {
        return Err(CommandError::environment(format!("`{}` is not OWNER/NAME", repository.name)));
    }
    if repository.form != SubjectForm::Classic && repository.ids().is_none() {
        return Err(unknown_numbers(&repository.name, repository.failure.as_deref()));
    }
    let partition = arguments.partition.as_deref().unwrap_or("aws");
    let scope = ArnScope { partition, account: "000000000000" };
    let branch = arguments.branch.as_deref().or(repository.default_branch.as_deref()).unwrap_or("main");
    // Not as for one audit: the author of a pull request writes its workflow, and this role reads every account.
    let jobs = TrustedJobs {
        purpose: Purpose::Rotate,
        repository: &repository,
        branch,
        environment: arguments.environment.as_deref().filter(|name| !name.is_empty()),
    };
    let trust = trust_policy(&scope, jobs);
    print_notes(context, trust.notes.iter().copied());
    let prefix = arguments.role_prefix.as_deref().unwrap_or(ROLE_PREFIX);
    let roles = FleetRoles {
        hub: format!("{prefix}-fleet"),
        audit: format!("{prefix}-fleet-audit"),
        trust: to_value(&trust.document)?,
        audience: token_audience(&scope),
        repository: &repository,
    };
    let text = serde_yaml::to_string(&roles.template())
        .map_err(|error| CommandError::invalid(format!("the template cannot be written: {error}")))?;
    Ok(format!(
        "# For a StackSet, and with the same parameters for the central account, which holds the role of the workflow.\n\
         # aws cloudformation create-stack-set --stack-set-name keytide-fleet --template-body file://FILE \\\n\
         #   --capabilities CAPABILITY_NAMED_IAM --parameters ParameterKey={CENTRAL_ACCOUNT},ParameterValue=ACCOUNT_ID \\\n\
         #   --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false\n{text}"
    ))
}

impl FleetRoles<'_> {
    fn template(&self) -> Value {
        json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": format!("Lets the fleet workflow of {} audit the IAM access keys of this account", self.repository.name),
            "Parameters": {
                CENTRAL_ACCOUNT: {
                    "Type": "String",
                    "AllowedPattern": "[0-9]{12}",
                    "Description": "The account of the role that the workflow assumes",
                },
                CREATES_PROVIDER: {
                    "Type": "String",
                    "AllowedValues": ["true", "false"],
                    "Default": "true",
                    "Description": "false if the central account has the OIDC provider of the issuer already",
                },
            },
            "Conditions": {
                IS_CENTRAL: { "Fn::Equals": [{ "Ref": "AWS::AccountId" }, { "Ref": CENTRAL_ACCOUNT }] },
                PROVIDER_CONDITION: { "Fn::And": [
                    { "Condition": IS_CENTRAL },
                    { "Fn::Equals": [{ "Ref": CREATES_PROVIDER }, "true"] },
                ] },
            },
            "Resources": {
                "FleetAuditRole": self.audit_role(),
                "FleetRole": self.hub_role(),
                "OidcProvider": {
                    "Type": "AWS::IAM::OIDCProvider",
                    "Condition": PROVIDER_CONDITION,
                    "Properties": {
                        "Url": format!("https://{}", self.repository.issuer),
                        "ClientIdList": [self.audience],
                    },
                },
            },
            "Outputs": {
                "FleetAuditRoleArn": { "Value": { "Fn::GetAtt": ["FleetAuditRole", "Arn"] } },
                "FleetRoleArn": { "Condition": IS_CENTRAL, "Value": { "Fn::GetAtt": ["FleetRole", "Arn"] } },
            },
        })
    }

    /// The role of every account. It trusts the account of the workflow's role, and of its principals that role alone: a
    /// trust policy cannot name a role that does not exist yet.
    fn audit_role(&self) -> Value {
        let hub = format!("arn:${{AWS::Partition}}:iam::${{{CENTRAL_ACCOUNT}}}");
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": { "Fn::Sub": format!("{hub}:root") } },
                "Action": "sts:AssumeRole",
                "Condition": { "ArnEquals": { "aws:PrincipalArn": { "Fn::Sub": format!("{hub}:role/{}", self.hub) } } },
            }],
        });
        let users = sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*");
        let quarantine = sub("arn:${AWS::Partition}:iam::aws:policy/AWSCompromisedKeyQuarantine*");
        let permissions = json!([
            allow(
                "KeytideReadsKeys",
                &["iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys"],
                &users
            ),
            // Any policy file may limit them
            allow("KeytideListsServiceCredentials", &[LIST_SERVICE_CREDENTIALS], &users),
            allow(
                "KeytideReadsTheAccount",
                &["iam:GenerateCredentialReport", "iam:GetCredentialReport", "iam:ListUsers"],
                &json!("*")
            ),
            allow("KeytideSeesQuarantine", &["iam:ListEntitiesForPolicy"], &quarantine),
        ]);
        let description =
            format!("keytide audits the IAM access keys for the fleet of {}", self.repository.name);
        json!({
            "Type": "AWS::IAM::Role",
            "Properties": self.role_properties(&self.audit, &description, &trust, &permissions),
        })
    }

    /// The role that the workflow assumes. It may assume the roles of the accounts, and do nothing else.
    fn hub_role(&self) -> Value {
        let provider = sub(&format!(
            "arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{}",
            self.repository.issuer
        ));
        let mut trust = self.trust.clone();
        // The reference makes CloudFormation create the provider first.
        trust["Statement"][0]["Principal"]["Federated"] =
            json!({ "Fn::If": [PROVIDER_CONDITION, { "Ref": "OidcProvider" }, provider] });
        let role = sub(&format!("arn:${{AWS::Partition}}:iam::*:role/{}", self.audit));
        let permissions = json!([allow("KeytideAssumesTheRolesOfTheAccounts", &["sts:AssumeRole"], &role)]);
        let description = format!("keytide audits the fleet of {}", self.repository.name);
        json!({
            "Type": "AWS::IAM::Role",
            "Condition": IS_CENTRAL,
            "Properties": self.role_properties(&self.hub, &description, &trust, &permissions),
        })
    }

    fn role_properties(&self, name: &str, description: &str, trust: &Value, permissions: &Value) -> Value {
        json!({
            "RoleName": name,
            "Description": description,
            "Tags": [{ "Key": REPOSITORY_TAG, "Value": self.repository.name }],
            "AssumeRolePolicyDocument": trust,
            "Policies": [{
                "PolicyName": INLINE_POLICY,
                "PolicyDocument": { "Version": "2012-10-17", "Statement": permissions },
            }],
        })
    }
}

fn sub(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

fn allow(sid: &str, actions: &[&str], resource: &Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}
