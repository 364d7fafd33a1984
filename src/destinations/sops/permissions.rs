//! Adds the permissions on the KMS keys that wrap the data key of a SOPS file. The policy file does not name the keys; the
//! SOPS file does.

use crate::destinations::permissions::{
    DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder,
};
use crate::policy::file::SopsDestination;

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
        // IAM matches the ARN of the key, not of an alias.
        if key.arn.contains(":alias/") {
            needed.note(StatementOrder::DataKey, format!("replace {} by the ARN of its key", key.arn));
        }
        match key.role {
            Some(role) => {
                needed.allow(StatementOrder::DataKey, "KeytideAssumesRolesForKeys", &["sts:AssumeRole"], role)
            }
            None => needed.allow(StatementOrder::DataKey, sid, actions, key.arn),
        }
    }
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
