//! Adds the permissions on the KMS keys that wrap the data key of a SOPS file. The policy file does not name the keys; the
//! SOPS file does.

use crate::destinations::permissions::{
    DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder,
};
use crate::policy::file::SopsDestination;
#[cfg(feature = "seal")]
use crate::policy::scalar::is_region;

#[cfg(feature = "seal")]
pub fn add_kms_permissions(
    sops: &SopsDestination,
    request: &PermissionRequest<'_>,
    needed: &mut NeededPermissions,
) {
    use super::encrypt;
    use crate::destinations::encryption::SealWorkspace;

    if request.access != DestinationAccess::Rotate {
        return;
    }
    let file = &sops.file.0;
    let Some(bytes) = (request.read_file)(file) else {
        let note = format!(
            "{file} is not here; if AWS KMS wraps its data key, allow `kms:Decrypt` on that key as well"
        );
        needed.note(StatementOrder::DataKey, note);
        return;
    };
    let keys = encrypt::kms_keys(file, &bytes).unwrap_or_default();
    let mut workspace = SealWorkspace::new(request.now);
    workspace.files.insert(file.clone(), bytes);
    // Where nothing else is encrypted in the file, keytide wraps a new data key and needs not the old one.
    let (sid, actions): (_, &[&str]) = if sops.is_credential_only(&workspace) {
        ("KeytideWrapsDataKeys", &["kms:Encrypt"])
    } else {
        ("KeytideUnwrapsDataKeys", &["kms:Decrypt"])
    };
    for key in keys {
        allow_data_key(file, &key, (sid, actions), needed);
    }
}

/// Allows what a data key needs. Anyone who may change the repository can write the SOPS file, so nothing of it becomes
/// part of a policy but the ARN of one key or one role.
#[cfg(feature = "seal")]
fn allow_data_key(
    file: &str,
    key: &super::encrypt::KmsKey,
    (sid, actions): (&'static str, &'static [&'static str]),
    needed: &mut NeededPermissions,
) {
    use crate::policy::RoleArn;
    use crate::policy::scalar::Scalar as _;
    use crate::sanitize::escape_line;

    let shown = escape_line(&key.arn);
    if !is_kms_key_arn(&key.arn) {
        let note = format!("{file}: left out `{shown}`, which is not the ARN of a KMS key");
        needed.note(StatementOrder::DataKey, note);
        return;
    }
    // IAM matches the ARN of the key, not of an alias.
    if key.arn.contains(":alias/") {
        needed.note(StatementOrder::DataKey, format!("replace {shown} by the ARN of its key"));
    }
    let Some(role) = &key.role else {
        needed.allow(StatementOrder::DataKey, sid, actions, key.arn.clone());
        return;
    };
    if RoleArn::parse(role).is_err() || role.contains(['*', '?']) {
        let note = format!("{file}: left out `{}`, which is not the ARN of a role", escape_line(role));
        needed.note(StatementOrder::DataKey, note);
        return;
    }
    let note = format!("{file} names the role {role} for {shown}: check that keytide may assume it");
    needed.note(StatementOrder::DataKey, note);
    needed.allow(StatementOrder::DataKey, "KeytideAssumesRolesForKeys", &["sts:AssumeRole"], role.clone());
}

/// Whether a text is the ARN of one KMS key or alias: `*` and `?` in it would allow other keys as well.
#[cfg(feature = "seal")]
fn is_kms_key_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts[..] else { return false };
    let Some((kind, id)) = resource.split_once('/') else { return false };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let has_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'));
    (partition == "aws" || partition.starts_with("aws-"))
        && is_region(partition)
        && is_region(region)
        && is_account
        && matches!(kind, "key" | "alias")
        && !id.is_empty()
        && has_id
}

#[cfg(not(feature = "seal"))]
pub fn add_kms_permissions(
    _: &SopsDestination,
    request: &PermissionRequest<'_>,
    needed: &mut NeededPermissions,
) {
    if request.access == DestinationAccess::Rotate {
        let note = "this keytide does not look for KMS keys in files of SOPS";
        needed.note(StatementOrder::DataKey, note);
    }
}
