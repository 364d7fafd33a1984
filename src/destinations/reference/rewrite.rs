//! Replaces the access key ID in the files of a reference: the old ID becomes the new one, and nothing else changes.
//!
//! A SOPS file whose MAC covers plaintext is refused: only the holder of its data key can change it.

use crate::destinations::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination,
};
use crate::destinations::sops::encryption_rules::is_mac_only_encrypted;
use crate::destinations::sops::store_format::ParsedSopsFile;
use crate::policy::file::KeyReference;
use crate::secret::Credential;

impl SealDestination for KeyReference {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        // The new ID does not matter here: whether the files can be changed depends on the old one
        self.replace_key_ids(workspace, "").map(|_| Vec::new())
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let replaced = self.replace_key_ids(workspace, credential.access_key_id())?;
        let mut sealed = Vec::new();
        for (name, _) in &replaced {
            sealed.push(SealedDestination::new("reference", name.as_str(), credential.access_key_id()));
        }
        workspace.files.extend(replaced);
        Ok(sealed)
    }

    /// The ID is no secret: it is written again.
    fn carry_sealed(
        &self,
        key_id: &str,
        _: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        self.seal_credential(&Credential::new(key_id, String::new()), workspace)
    }
}

impl KeyReference {
    /// The files that name the old ID, with the new one in its place.
    fn replace_key_ids(
        &self,
        workspace: &SealWorkspace,
        new: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, SealError> {
        let old = workspace.old_key_id.as_deref().filter(|old| !old.is_empty()).ok_or_else(|| {
            SealError::outside_files(
                "the access key ID that the references name is not known",
                "run again when one key exists",
            )
        })?;
        // `old` comes first: an empty ID would match between any two bytes.
        let globs = self.compile_globs().map_err(|error| {
            SealError::outside_files(
                format!("a glob of a `reference` is broken: {}", error.kind()),
                "correct it in the policy file",
            )
        })?;
        let mut replaced = Vec::new();
        for (name, bytes) in workspace.files.iter().filter(|(name, _)| globs.is_match(name)) {
            if let Some(bytes) = replace_bytes(bytes, old, new) {
                is_writable(name)?;
                is_free(name, &workspace.files[name])?;
                replaced.push((name.clone(), bytes));
            }
        }
        if replaced.is_empty() {
            let globs = self.files.join("`, `");
            return Err(SealError::outside_files(
                format!("no file that matches `{globs}` names the access key that is replaced"),
                "write the current access key ID there, or remove the `reference`",
            ));
        }
        Ok(replaced)
    }
}

/// Refuses what GitHub lets no workflow change.
fn is_writable(name: &str) -> Result<(), SealError> {
    if !name.starts_with(".github/workflows/") {
        return Ok(());
    }
    let what = "this workflow names the access key ID, and GitHub lets no workflow change workflows";
    Err(SealError::in_file(name, what, "read the ID from a variable or a secret"))
}

/// Refuses a file of SOPS whose MAC covers its clear text.
fn is_free(name: &str, bytes: &[u8]) -> Result<(), SealError> {
    let Ok(store) = ParsedSopsFile::parse_file(name, bytes) else { return Ok(()) };
    let only_encrypted = store
        .metadata_field("mac_only_encrypted")
        .is_some_and(|text| is_mac_only_encrypted(&text, store.has_typed_values()));
    if store.metadata_field("mac").is_none() || only_encrypted {
        return Ok(());
    }
    Err(SealError::in_file(
        name,
        "this file of SOPS names the access key ID in clear text, which its MAC covers",
        "encrypt the ID as well and name it in a `sops` destination, or set `mac_only_encrypted: true`",
    ))
}

fn is_word_byte(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whole words only: an ID is letters and digits, so no other letter or digit stands beside it.
fn replace_bytes(bytes: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    for start in memchr::memmem::find_iter(bytes, old.as_bytes()) {
        let end = start + old.len();
        // Two IDs without a separator are neither of them: both sides are checked, and matches may not overlap.
        if start < copied
            || is_word_byte(start.checked_sub(1).and_then(|i| bytes.get(i)))
            || is_word_byte(bytes.get(end))
        {
            continue;
        }
        out.extend_from_slice(&bytes[copied..start]);
        out.extend_from_slice(new.as_bytes());
        copied = end;
    }
    out.extend_from_slice(&bytes[copied..]);
    (copied > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "AKIAQRSTUVWXYZ234567";
    const NEW: &str = "AKIAZZZZZZZZZZ234567";

    fn workspace(files: &[(&str, &str)]) -> SealWorkspace {
        let mut workspace = SealWorkspace::new(jiff::Timestamp::UNIX_EPOCH);
        workspace.old_key_id = Some(OLD.to_owned());
        for (name, text) in files {
            workspace.files.insert((*name).to_owned(), text.as_bytes().to_vec());
        }
        workspace
    }

    #[test]
    fn only_whole_ids_in_files_that_match_are_replaced() {
        let text = format!("a: {OLD}\r\nb: x{OLD}\nc: {OLD}A {OLD}_ '{OLD}' {OLD}{OLD}\n\u{0}{OLD}");
        let mut workspace =
            workspace(&[("deploy/a.yaml", &text), ("deploy/b/c.yaml", &text), ("deploy/none.yaml", "")]);
        let reference = KeyReference { files: vec!["deploy/*.yaml".to_owned()] };
        assert_eq!(reference.check_sealable(&workspace), Ok(Vec::new()));
        let sealed =
            reference.seal_credential(&Credential::new(NEW, "s".to_owned()), &mut workspace).unwrap();
        assert_eq!(sealed.iter().map(|sealed| sealed.target.as_str()).collect::<Vec<_>>(), ["deploy/a.yaml"]);
        assert_eq!(sealed[0].key_sha256, crate::hash::sha256_hex(NEW.as_bytes()));
        let expected = format!("a: {NEW}\r\nb: x{OLD}\nc: {OLD}A {OLD}_ '{NEW}' {OLD}{OLD}\n\u{0}{NEW}");
        assert_eq!(workspace.files["deploy/a.yaml"], expected.as_bytes());
        assert_eq!(workspace.files["deploy/b/c.yaml"], text.as_bytes(), "`*` does not cross a slash");
    }

    #[test]
    fn a_workflow_that_names_the_id_is_refused() {
        let reference = KeyReference { files: vec![".github/**".to_owned()] };
        let named = workspace(&[(".github/workflows/ci.yml", OLD), (".github/a.yml", OLD)]);
        assert!(reference.check_sealable(&named).unwrap_err().message.contains("no workflow"));
        let other = workspace(&[(".github/workflows/ci.yml", "x"), (".github/a.yml", OLD)]);
        assert!(reference.check_sealable(&other).is_ok());
    }

    #[test]
    fn a_reference_that_finds_nothing_or_breaks_a_mac_is_refused() {
        let reference = KeyReference { files: vec!["*.yaml".to_owned()] };
        assert!(
            reference
                .check_sealable(&workspace(&[("a.yaml", "x")]))
                .unwrap_err()
                .message
                .contains("no file that matches")
        );
        assert!(
            reference.check_sealable(&SealWorkspace::default()).unwrap_err().message.contains("not known")
        );
        let text = format!("id: {OLD}\nsops:\n  mac: ENC[x]\n");
        assert!(
            reference.check_sealable(&workspace(&[("a.yaml", &text)])).unwrap_err().message.contains("MAC")
        );
        for truth in ["true", "True", "TRUE"] {
            let text = format!("{text}  mac_only_encrypted: {truth}\n");
            assert!(reference.check_sealable(&workspace(&[("a.yaml", &text)])).is_ok(), "{truth}");
        }
        // A dotenv file has texts only, and SOPS 3.11 takes no other text for true
        let dotenv = KeyReference { files: vec!["*.env".to_owned()] };
        for (truth, is_free) in [("true", true), ("True", false), ("1", false), ("false", false)] {
            let text = format!("ID={OLD}\nsops_mac=ENC[x]\nsops_mac_only_encrypted={truth}\n");
            assert_eq!(dotenv.check_sealable(&workspace(&[("a.env", &text)])).is_ok(), is_free, "{truth}");
        }
        let broken = KeyReference { files: vec!["[".to_owned()] };
        assert!(broken.check_sealable(&workspace(&[])).unwrap_err().message.contains("broken"));
    }
}
