//! What the tests of sealing share: a credential of their own, and the real programs that open what was sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keytide::destinations::as_file;
use keytide::destinations::as_sealable;
use keytide::destinations::encryption::{SealWorkspace, SealedDestination};
use keytide::policy::Destination;
use keytide::secret::Credential;
use serde_json::Value;

pub use super::oracle::{ask, ask_all};
pub use super::root;

pub const OLD: &str = "AKIAQRSTUVWXYZ234567";
pub const NEW: &str = "AKIAQRSTUVWXYZ765432";

/// Forty characters as AWS issues them; another one for each number, `/` and `+` among them.
pub fn secret(number: u8) -> String {
    let digest = keytide::hash::sha256_hex(&[number, 0x5e]);
    let text = STANDARD.encode(&digest.as_bytes()[..28]);
    format!("{}/+", &text[..38])
}

pub fn credential() -> Credential {
    Credential::new(NEW, secret(1))
}

pub fn now() -> jiff::Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// A workspace with these files.
pub fn workspace(files: &[(&str, &[u8])]) -> SealWorkspace {
    let mut workspace = SealWorkspace::new(now());
    workspace.old_key_id = Some(OLD.to_owned());
    for (name, bytes) in files {
        workspace.files.insert((*name).to_owned(), bytes.to_vec());
    }
    workspace
}

/// A destination as the policy file writes it.
pub fn destination(value: Value) -> Destination {
    serde_json::from_value(value).unwrap()
}

/// Seals, and holds what every sealed file must hold: its digest is that of an inspection, and no form of the secret
/// is in what came out.
pub fn seal(destination: &Destination, workspace: &mut SealWorkspace) -> Vec<SealedDestination> {
    let sealable = as_sealable(destination).unwrap();
    sealable.check_sealable(workspace).unwrap();
    let derived = destination.smtp_password().map(|smtp| smtp.derive_credential(&credential()));
    let sealed = sealable.seal_credential(&derived.unwrap_or_else(credential), workspace).unwrap();
    if let Some(kept) = as_file(destination) {
        let file = kept.required_files()[0];
        assert_eq!(kept.inspect_file(&workspace.files[file]).credential_sha256, sealed[0].credential_sha256);
        assert_eq!((kept.kind_name(), file), (sealed[0].kind, sealed[0].target.as_str()));
    }
    workspace.files.iter().for_each(|(name, bytes)| no_canary(name, bytes, &secret(1)));
    no_canary("what was said", format!("{sealed:?} {workspace:?}").as_bytes(), &secret(1));
    sealed
}

/// Fails when the secret stands in the bytes: in clear, in Base64 at any offset, or in hexadecimal.
pub fn no_canary(place: &str, bytes: &[u8], secret: &str) {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex.to_ascii_uppercase(), hex, secret.chars().rev().collect()];
    for offset in 0..3 {
        let encoded = STANDARD.encode([&vec![0; offset][..], secret.as_bytes()].concat());
        // The first and last characters hold bits of what stands beside it.
        let inner = encoded.trim_end_matches('=');
        forms.push(inner[4..inner.len() - 1].to_owned());
    }
    forms.push(format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned());
    for form in forms {
        assert!(memchr::memmem::find(bytes, form.as_bytes()).is_none(), "{place} holds the secret");
    }
}
