//! What the destinations need beside IAM: secrets of Secrets Manager, keys of KMS that files of SOPS name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::arn_scope::ArnScope;
use crate::commands::cli::Purpose;
use crate::commands::context::Context;
use crate::policy::file::SecretsManager;
use crate::policy::{Destination, Policy};

/// Metadata alone: it tells which version is current.
const DESCRIBE_ACTIONS: [&str; 1] = ["secretsmanager:DescribeSecret"];
/// Also what versions hold that somebody else wrote.
const READ_ACTIONS: [&str; 2] = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
const WRITE_ACTIONS: [&str; 5] = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

/// The statements about the destinations of the users that may be rotated.
pub fn destination_statements(
    context: &Context<'_>,
    purpose: Purpose,
    policy: &Policy,
    place: &ArnScope<'_>,
) -> Vec<Value> {
    let rotated = policy.users.iter().filter(|entry| entry.rotation.is_some());
    let destinations: Vec<&Destination> = rotated.flat_map(|entry| &entry.destinations).collect();
    let mut statements = Vec::new();
    let secrets: BTreeSet<String> = destinations.iter().filter_map(|one| secret_arn(one, place)).collect();
    if !secrets.is_empty() {
        let (sid, actions) = match purpose {
            Purpose::Audit => ("KeytideSeesVersions", DESCRIBE_ACTIONS.as_slice()),
            Purpose::Rotate => ("KeytideWritesSecrets", WRITE_ACTIONS.as_slice()),
            Purpose::Delete => ("KeytideReadsSecrets", READ_ACTIONS.as_slice()),
        };
        if purpose != Purpose::Audit {
            let actions = if purpose == Purpose::Rotate {
                "`kms:Decrypt` and `kms:GenerateDataKey`"
            } else {
                "`kms:Decrypt`"
            };
            context.eprint(&format!(
                "note: a secret that is encrypted with a KMS key of your own needs {actions} on that key as well\n"
            ));
        }
        statements.push(allow_statement(sid, actions, &secrets));
    }
    if purpose == Purpose::Rotate {
        for ((sid, action), resources) in find_kms_keys(context, &destinations) {
            statements.push(allow_statement(sid, &[action], &resources));
        }
    }
    statements
}

fn allow_statement(sid: &str, actions: &[&str], resources: &BTreeSet<String>) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// The ARN of a secret: AWS adds a hyphen and six characters to its name.
fn secret_arn(destination: &Destination, place: &ArnScope<'_>) -> Option<String> {
    let Destination::SecretsManager(SecretsManager { secret_id, region, .. }) = destination else {
        return None;
    };
    if secret_id.starts_with("arn:") {
        return Some(secret_id.clone());
    }
    let ArnScope { partition, account } = place;
    Some(format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{secret_id}-??????"))
}

type ResourcesByAction = BTreeMap<(&'static str, &'static str), BTreeSet<String>>;

/// The KMS keys that stand in the files, and what is done with them. The policy file does not name them.
#[cfg(feature = "seal")]
fn find_kms_keys(context: &Context<'_>, destinations: &[&Destination]) -> ResourcesByAction {
    use std::path::Path;

    pub(crate) use crate::destinations::{encryption::SealWorkspace, sops::encrypt};
    use crate::repository::FileContent;
    use crate::system::worktree::WorkTree;

    let tree = WorkTree::find_repository(context.environment);
    let mut found = ResourcesByAction::new();
    for destination in destinations {
        let Destination::Sops(sops) = destination else { continue };
        let file = &sops.file.0;
        let FileContent::Bytes(bytes) = tree.read_content(Path::new(file)) else {
            context.eprint(&format!(
                "note: {file} is not here; if AWS KMS wraps its data key, allow `kms:Decrypt` on that key as well\n"
            ));
            continue;
        };
        let keys = encrypt::kms_keys(file, &bytes).unwrap_or_default();
        let mut workspace = SealWorkspace::new(context.now);
        workspace.files.insert(file.clone(), bytes);
        let alone = sops.is_credential_only(&workspace);
        let does = if alone {
            ("KeytideWrapsDataKeys", "kms:Encrypt")
        } else {
            ("KeytideUnwrapsDataKeys", "kms:Decrypt")
        };
        for key in keys {
            if key.arn.contains(":alias/") {
                context.eprint(&format!("note: replace {} by the ARN of its key\n", key.arn));
            }
            match key.role {
                Some(role) => {
                    found.entry(("KeytideAssumesRolesForKeys", "sts:AssumeRole")).or_default().insert(role)
                }
                None => found.entry(does).or_default().insert(key.arn),
            };
        }
    }
    found
}

#[cfg(not(feature = "seal"))]
fn find_kms_keys(context: &Context<'_>, destinations: &[&Destination]) -> ResourcesByAction {
    if destinations.iter().any(|destination| matches!(destination, Destination::Sops(_))) {
        context.eprint("note: this keytide does not look for KMS keys in files of SOPS\n");
    }
    ResourcesByAction::new()
}
