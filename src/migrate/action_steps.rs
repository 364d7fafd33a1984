//! Knows actions that take the key as inputs and can do with a role: what they are given in its place.

use super::key_secrets::{KeySecrets, SecretOwner};
use crate::repository::JobEnvironment;
use crate::yaml::YamlNode;

/// The action that assumes a role, at a version whose commit cannot be replaced.
pub const CONFIGURE_ACTION: &str = "aws-actions/configure-aws-credentials";
pub const CONFIGURE_COMMIT: &str = "e6de054238d6b7531b4efff3b6587d9aade6a06c";
pub const CONFIGURE_VERSION: &str = "v6.2.3";
const LOGIN_ACTION: &str = "docker/login-action";
/// Inputs by which a step takes its credential from elsewhere.
const OTHER_CREDENTIALS: [&str; 4] =
    ["role-to-assume", "role-chaining", "web-identity-token-file", "aws-session-token"];
/// Actions that use the credential of the environment as AWS's libraries do, with its session token.
const KNOWN_OWNERS: [&str; 7] = ["actions/", "aws-actions/", "docker/", "hashicorp/", "pulumi/", "./", "$/"];
/// Words in the names of actions for AWS.
const AWS_WORDS: [&str; 14] = [
    "amazon",
    "aws",
    "beanstalk",
    "cdk",
    "cloudformation",
    "cloudfront",
    "ecr",
    "ecs",
    "eks",
    "lambda",
    "s3",
    "sam",
    "serverless",
    "sqs",
];

/// What an action does with the key.
#[derive(Debug)]
pub enum ActionUse<'n> {
    /// It gets none of it as inputs.
    None,
    /// The inputs, by their indexes; a role takes the place of the first.
    Configure { indexes: Vec<usize> },
    /// It logs in to ECR and needs the credential in the environment instead.
    Login { indexes: Vec<usize>, region: Option<&'n str> },
    /// A person has to decide.
    Refused { reason: String },
}

/// Whether the step is the action that configures credentials.
pub fn is_configure_step(step: &YamlNode) -> bool {
    action_name(step).eq_ignore_ascii_case(CONFIGURE_ACTION)
}

/// The action without its version.
fn action_name(step: &YamlNode) -> &str {
    let uses = step.get("uses").and_then(YamlNode::scalar_text).unwrap_or_default();
    uses.split('@').next().unwrap_or_default()
}

/// Whether an action for AWS may not know session tokens.
pub fn may_ignore_session_token(uses: &str) -> bool {
    let name = uses.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    !is_known_action(uses) && words.any(|word| AWS_WORDS.contains(&word))
}

/// Whether the action takes the credential of the environment as AWS's libraries do.
pub fn is_known_action(uses: &str) -> bool {
    KNOWN_OWNERS.iter().any(|owner| uses.starts_with(owner))
}

/// Decides what the inputs of a step do with the key.
pub fn find_action_use<'n>(
    step: &'n YamlNode,
    secrets: &KeySecrets,
    environment: &JobEnvironment,
) -> ActionUse<'n> {
    let Some(with) = step.get("with") else { return ActionUse::None };
    let mut own = Vec::new();
    for (index, field) in with.fields().iter().enumerate() {
        let secret = field.value.scalar_text().and_then(|text| secrets.find_sole(text));
        if secret.is_some_and(|name| secrets.find_owner(&name, environment) == SecretOwner::User) {
            own.push(index);
        }
    }
    let has_names = |names: [&str; 2]| {
        let found: Vec<&str> = own.iter().map(|index| with.fields()[*index].name()).collect();
        found.len() == 2 && names.iter().all(|name| found.contains(name))
    };
    if own.is_empty() {
        return ActionUse::None;
    }
    if is_configure_step(step) && has_names(["aws-access-key-id", "aws-secret-access-key"]) {
        return match refuse_configure(step, with) {
            Some(reason) => ActionUse::Refused { reason },
            None => ActionUse::Configure { indexes: own },
        };
    }
    let registry = with.get("registry").and_then(YamlNode::scalar_text).unwrap_or_default();
    let is_ecr = registry.contains(".dkr.ecr.") || registry.contains("public.ecr.aws");
    if action_name(step) == LOGIN_ACTION && is_ecr && has_names(["username", "password"]) {
        return ActionUse::Login { indexes: own, region: region_of_registry(registry) };
    }
    ActionUse::None
}

/// Why the inputs of the action that configures credentials do not go with a role by OIDC.
fn refuse_configure(step: &YamlNode, with: &YamlNode) -> Option<String> {
    for name in OTHER_CREDENTIALS {
        if with.get(name).is_some() {
            return Some(format!(
                "the step has `{name}` beside the key: what trusts the user would have to trust the new role"
            ));
        }
    }
    if with.get("audience").is_some() {
        return Some(
            "the step has an `audience` of its own, which the role's trust would have to name".to_owned(),
        );
    }
    let uses = step.get("uses").and_then(YamlNode::scalar_text).unwrap_or_default();
    let version = uses.split('@').nth(1).unwrap_or_default();
    if is_before_oidc(version) {
        return Some(format!(
            "{version} of the action knows no OIDC: update it to {CONFIGURE_VERSION} first"
        ));
    }
    None
}

/// OIDC came with 1.6.0 (the action's changelog).
fn is_before_oidc(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']);
    let major = parts.next().and_then(|part| part.parse::<u32>().ok());
    let minor = parts.next().and_then(|part| part.parse::<u32>().ok());
    major == Some(1) && minor.is_some_and(|minor| minor < 6)
}

/// `NUMBER.dkr.ecr.REGION.amazonaws.com`.
fn region_of_registry(registry: &str) -> Option<&str> {
    if registry.contains("public.ecr.aws") {
        // The public registry has its API in this region only (ECR Public's user guide).
        return Some("us-east-1");
    }
    let (_, rest) = registry.split_once(".dkr.ecr.")?;
    let region = rest.split('.').next()?;
    if region.contains("${{") || region.is_empty() { None } else { Some(region) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_know_no_oidc() {
        for version in ["v1.0.1", "v1.5.11"] {
            assert!(is_before_oidc(version), "{version}");
        }
        for version in ["v1", "v1-node16", "v1.6.0", "v4", "v4.0.2", "main", "e6de054238d6b7531b4"] {
            assert!(!is_before_oidc(version), "{version}");
        }
    }

    #[test]
    fn a_registry_names_its_region() {
        assert_eq!(region_of_registry("1.dkr.ecr.eu-west-1.amazonaws.com"), Some("eu-west-1"));
        assert_eq!(region_of_registry("${{ vars.A }}.dkr.ecr.${{ vars.R }}.amazonaws.com"), None);
        assert_eq!(region_of_registry("public.ecr.aws/x"), Some("us-east-1"));
    }

    #[test]
    fn actions_for_aws_are_known_by_their_names() {
        assert!(may_ignore_session_token("jakejarvis/s3-sync-action@v0.5.1"));
        assert!(!may_ignore_session_token("aws-actions/amazon-ecr-login@v2"));
        assert!(!may_ignore_session_token("softprops/action-gh-release@v2"));
    }
}
