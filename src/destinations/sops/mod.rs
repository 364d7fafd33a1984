//! The destination `sops`: values of a file that is encrypted with SOPS (getsops/sops: `aes/cipher.go`, `sops.go`,
//! `stores/`), one for each value of the credential. Checks without any key that all are ciphertexts, and that the next
//! edit with SOPS keeps them so.

#[cfg(feature = "seal")]
pub mod cipher;
#[cfg(feature = "online")]
mod client;
mod ciphertext;
mod damage;
pub mod document;
#[cfg(feature = "seal")]
pub mod edit;
#[cfg(feature = "seal")]
pub mod encrypt;
pub mod encryption_rules;
#[cfg(feature = "seal")]
pub mod keys;
pub mod lines;
#[cfg(feature = "seal")]
pub mod mac;
mod permissions;
pub mod policy;
#[cfg_attr(not(feature = "seal"), expect(dead_code, reason = "only what encrypts reads all of a recipient"))]
mod recipients;
pub mod scalar;
pub mod store_format;
pub mod suggest;
pub mod value;

use super::inspection::Inspection;
use super::kind::{
    Capabilities, DestinationKind, FileDestination, JournalKind, PolicyFaultSink, Storage,
    describe_file_removal,
};
use super::permissions::{NeededPermissions, PermissionRequest};
use super::value_names::{describe_values, has_repeated_name};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::diagnostic::Position;
use crate::policy::file::SopsDestination;
use crate::sanitize::markdown_code;
use ciphertext::is_encrypted;
use document::SopsDocument;
use encryption_rules::EncryptionRules;
use store_format::{FormatValue, OtherValue, ParsedSopsFile};

impl DestinationKind for SopsDestination {
    fn kind_name(&self) -> &'static str {
        "sops"
    }

    fn summary(&self) -> &'static str {
        "values of a file encrypted with SOPS"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "sops",
            updated_service: None,
            describe_target: |file| format!("{} (SOPS)", markdown_code(file)),
            describe_removal: describe_file_removal,
        }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::File(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { restorable: true, compare_and_swap: true, staged: false }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        if has_repeated_name(&self.value_paths(), str::eq) {
            report("two values of a `sops` have one path".into(), "name a value of the file for each");
        }
    }

    fn written_values(&self) -> Vec<String> {
        describe_values("value", &self.value_paths(), &format!("of `{}`", self.file.0))
    }

    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions) {
        permissions::add_kms_permissions(self, request, needed);
    }

    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_> {
        Preparation::DataKey(self)
    }

    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination> {
        Some(self)
    }
}

impl FileDestination for SopsDestination {
    fn required_files(&self) -> Vec<&str> {
        vec![&self.file.0]
    }

    fn is_made_by_rotation(&self) -> bool {
        false
    }

    fn inspect_file(&self, bytes: &[u8]) -> Inspection {
        if bytes.trim_ascii().is_empty() {
            return Inspection::from_invalid_file(Position::START, "this file is empty");
        }
        let store = match ParsedSopsFile::parse_file(&self.file.0, bytes) {
            Ok(store) => store,
            Err((at, why)) => {
                return Inspection::from_invalid_file(at, format!("this is not a valid SOPS file: {why}"));
            }
        };
        let mut inspection = Inspection::default();
        let names = self.value_paths();
        let values: Vec<Option<FormatValue>> =
            names.iter().map(|name| store.find_value(&store.split_path(name))).collect();
        // Every file of SOPS has an encrypted MAC; without one, `sops` is a field like any other
        if !store.metadata_field("mac").is_some_and(|mac| is_encrypted(&mac)) {
            return inspect_without_metadata(&values);
        }
        let rules = EncryptionRules::from_metadata(|field| store.metadata_field(field));
        for (name, value) in names.iter().zip(&values) {
            let path = store.split_path(name);
            let excluded_by = rules.find_exclusion(&store.list_path_keys(&path));
            let place = InspectedPlace { name, excluded_by: excluded_by.as_deref() };
            inspect_value(&place, value.as_ref(), &mut inspection);
            for other in store.find_other_values(&path) {
                inspect_other_value(&place, &other, &mut inspection);
            }
        }
        let paths: Vec<Vec<String>> = names.iter().map(|name| store.split_path(name)).collect();
        let is_binary = matches!(store, ParsedSopsFile::Tree { binary: true, .. });
        // Before the file is read once more: both together would take twice the memory.
        drop(store);
        // A binary file holds one value, and nothing of it is read by its place.
        if !is_binary {
            inspect_decryption(&self.file.0, bytes, (&rules, &paths), &mut inspection);
        }
        let texts: Vec<&str> = values.iter().flatten().map(|value| value.text.as_str()).collect();
        inspection.finish_with_digest(&texts)
    }
}

/// A file without the metadata of SOPS is in plaintext, unless its values are encrypted nevertheless.
fn inspect_without_metadata(values: &[Option<FormatValue>]) -> Inspection {
    let encrypted = values.iter().flatten().filter(|value| value.text.starts_with("ENC[")).count();
    if encrypted > 0 && encrypted == values.iter().flatten().count() {
        let message = "its values are encrypted, and without valid `sops` metadata SOPS cannot decrypt them";
        return Inspection::from_invalid_file(Position::START, message);
    }
    let at = values.iter().flatten().last().map_or(Position::START, |value| value.at);
    Inspection::from_plaintext(at, "this file is not SOPS-encrypted: it has no `sops` metadata")
}

/// A path of the policy file, and the field of the metadata that leaves its values in clear.
struct InspectedPlace<'a> {
    name: &'a str,
    excluded_by: Option<&'a str>,
}

fn inspect_value(place: &InspectedPlace<'_>, value: Option<&FormatValue>, inspection: &mut Inspection) {
    let name = place.name;
    match value {
        None => inspection.add_missing(Position::START, format!("this file has no value `{name}`")),
        Some(value) if value.text.is_empty() => {
            inspection.add_missing(value.at, format!("the value `{name}` is empty"));
        }
        Some(value) if !is_encrypted(&value.text) => {
            if value.text.starts_with("ENC[") {
                let message = format!("the value `{name}` is not valid SOPS ciphertext");
                inspection.add_invalid(value.at, message);
            } else {
                inspection.add_unencrypted(value.at, format!("the value `{name}` is in plaintext"));
            }
        }
        Some(value) => {
            if let Some(field) = place.excluded_by {
                let message =
                    format!("{field} leaves `{name}` out: the next edit with SOPS writes it in clear text");
                inspection.add_unencrypted(value.at, message);
            }
        }
    }
}

/// Adds what keeps SOPS from decrypting the file, beside the values of the credential at these paths.
fn inspect_decryption(
    file: &str,
    bytes: &[u8],
    (rules, credential): (&EncryptionRules, &[Vec<String>]),
    inspection: &mut Inspection,
) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    match SopsDocument::parse_file(file, text) {
        Err((at, why)) => inspection.add_invalid(at, format!("this is not a valid SOPS file: {why}")),
        Ok(document) if damage::is_sample(&document) => {
            let why = "SOPS cannot decrypt this file: its `sops` metadata has hardly more than a MAC";
            inspection.add_incomplete(Position::START, why);
        }
        Ok(document) => {
            for (at, why) in damage::find_damage(&document, rules, credential) {
                inspection.add_invalid(at, why);
            }
        }
    }
}

/// SOPS encrypts every document of a file, and the first one with the value counts. Within a document it takes each value
/// of a repeated key for one of the file: it refuses the file, but for an INI file, of which it reads the last.
fn inspect_other_value(place: &InspectedPlace<'_>, other: &OtherValue, inspection: &mut Inspection) {
    let OtherValue { value, is_repeated } = other;
    if *is_repeated && (value.text.is_empty() || is_encrypted(&value.text)) {
        let name = place.name;
        let message =
            format!("the value `{name}` is in this file twice: SOPS refuses it, or reads one of them");
        return inspection.add_invalid(value.at, message);
    }
    inspect_value(place, Some(value), inspection);
}

#[cfg(test)]
mod tests;
