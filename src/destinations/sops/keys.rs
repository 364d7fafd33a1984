//! Unwraps and wraps the data key of a SOPS file for its recipients (getsops/sops, `stores/stores.go`).
//!
//! Recipients of age are handled here. For those of AWS KMS, `sops::client` sends the requests; all others are listed only.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::str::FromStr as _;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::super::encryption::{FreshKey, Recipient, SealError};
use super::document::{SopsDocument, SopsLeaf};
use super::recipients::{RecipientEntry, is_shared, recipient_entries};
use crate::destinations::age_file::{BEGIN, END};
use crate::destinations::age_recipient::parse_recipient;
use crate::secret::{DATA_KEY_LEN, DataKey};
use crate::yaml::edit::TextEdit;

/// The Base64 of what every age file begins with.
const HEAD: &str = "YWdlLWVuY3J5cHRpb24ub3Jn";

/// A data key that AWS KMS has wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    pub arn: String,
    /// The role that is assumed for it.
    pub role: Option<String>,
    /// The encryption context, without which KMS does not unwrap it.
    pub context: BTreeMap<String, String>,
    pub ciphertext: Vec<u8>,
}

impl KmsKey {
    /// The region of the key; `None` when it is named by no ARN.
    pub fn region_from_arn(&self) -> Option<&str> {
        let parts: Vec<&str> = self.arn.splitn(6, ':').collect();
        let ["arn", partition, "kms", region, _, _] = parts[..] else { return None };
        // The region becomes a part of the host name that the request is sent to.
        let is_host_label =
            !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if partition.starts_with("aws") && is_host_label { Some(region) } else { None }
    }
}

pub fn list_recipients(document: &SopsDocument) -> Vec<Recipient> {
    recipient_entries(document)
        .iter()
        .map(|entry| Recipient::new(entry.kind, entry.recipient_name()))
        .collect()
}

/// The data keys that AWS KMS has to unwrap, any one of them.
pub fn list_kms_keys(file: &str, document: &SopsDocument) -> Result<Vec<KmsKey>, SealError> {
    let entries = recipient_entries(document);
    if is_shared(&entries) {
        return Err(shamir_error(file));
    }
    entries.iter().filter(|entry| entry.kind == "kms").map(|entry| read_kms_key(file, entry)).collect()
}

fn read_kms_key(file: &str, entry: &RecipientEntry<'_>) -> Result<KmsKey, SealError> {
    let arn = entry.field_text("arn").unwrap_or_default().to_owned();
    let ciphertext =
        entry.field_text("enc").and_then(|text| STANDARD.decode(text.trim()).ok()).ok_or_else(|| {
            let what = format!("its data key for `{arn}` is not Base64");
            SealError::in_file(file, what, "run `sops updatekeys` on it")
        })?;
    let mut context = BTreeMap::new();
    for (path, leaf) in &entry.fields {
        if let ["context", name] = path.as_slice() {
            context.insert((*name).to_owned(), leaf.value_text().to_owned());
        }
    }
    Ok(KmsKey { arn, role: entry.field_text("role").map(str::to_owned), context, ciphertext })
}

fn shamir_error(file: &str) -> SealError {
    SealError::in_file(
        file,
        "its data key is split between key groups (Shamir), which keytide does not put together",
        "use one key group",
    )
}

/// Unwraps the data key with one of the identities, as they stand in `SOPS_AGE_KEY`: one a line, comments allowed.
pub fn unwrap_with_identities(
    file: &str,
    document: &SopsDocument,
    identities: &SecretString,
) -> Result<DataKey, SealError> {
    let entries = recipient_entries(document);
    if is_shared(&entries) {
        return Err(shamir_error(file));
    }
    let lines = identities.expose_secret().lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    // Lines of other kinds are skipped: an identity of a plugin would need a program to run
    let identities: Vec<_> = lines.filter_map(|line| age::x25519::Identity::from_str(line).ok()).collect();
    // The text itself is a secret and is not quoted.
    if identities.is_empty() {
        return Err(SealError::outside_files(
            "the age identity that was given is none that keytide reads",
            "give identities that begin with `AGE-SECRET-KEY-1`, one a line",
        ));
    }
    let encrypted =
        entries.iter().filter(|entry| entry.kind == "age").filter_map(|entry| entry.field_text("enc"));
    encrypted.into_iter().find_map(|text| decrypt_data_key(text, &identities)).ok_or_else(|| {
        let help = "give the identity of one of its recipients, or add yours with `sops updatekeys`";
        SealError::in_file(file, "none of the age identities that were given decrypts its data key", help)
    })
}

fn decrypt_data_key(text: &str, identities: &[age::x25519::Identity]) -> Option<DataKey> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(text.as_bytes())).ok()?;
    let mut reader =
        decryptor.decrypt(identities.iter().map(|identity| identity as &dyn age::Identity)).ok()?;
    // One byte more than a key has: a longer one must not be cut.
    let mut bytes = Zeroizing::new([0; DATA_KEY_LEN + 1]);
    let mut read = 0;
    while read < bytes.len() {
        match reader.read(&mut bytes[read..]).ok()? {
            0 => break,
            more => read += more,
        }
    }
    DataKey::take_from_slice(&mut bytes[..read])
}

/// What has to change for the file's recipients to hold another data key: the wrapped key of each.
pub fn rewrap_data_key(
    file: &str,
    source: &str,
    document: &SopsDocument,
    fresh: &FreshKey,
) -> Result<Vec<TextEdit>, SealError> {
    let entries = recipient_entries(document);
    if entries.is_empty() {
        return Err(SealError::in_file(file, "it has no recipients", "encrypt it with SOPS again"));
    }
    if is_shared(&entries) {
        return Err(shamir_error(file));
    }
    // KMS wrapped the key for its recipients in the order of the file, which is the order of the entries here.
    let mut of_kms = fresh.wrapped.iter();
    let mut edits = Vec::new();
    for entry in &entries {
        let old = entry.fields.get(&vec!["enc"]).ok_or_else(|| {
            let what = format!("its recipient `{}` has no wrapped key", entry.recipient_name());
            SealError::in_file(file, what, "run `sops updatekeys` on it")
        })?;
        match (entry.kind, of_kms.as_slice()) {
            ("age", _) => {
                edits.extend(armor_data_key(file, source, document.repeated_fields(old), entry, &fresh.key)?)
            }
            ("kms", [wrapped, ..]) => {
                of_kms.next();
                let text = STANDARD.encode(wrapped);
                edits.extend(document.repeated_fields(old).map(|leaf| leaf.spot.replace_with(source, &text)));
            }
            (kind, _) => {
                let why = format!("is encrypted for a recipient of the kind `{kind}`");
                return Err(needs_data_key(file, &why, kind));
            }
        }
    }
    Ok(edits)
}

/// The data key for a recipient of age, wherever it stands.
fn armor_data_key<'d>(
    file: &str,
    source: &str,
    places: impl Iterator<Item = &'d SopsLeaf>,
    entry: &RecipientEntry<'_>,
    key: &DataKey,
) -> Result<Vec<TextEdit>, SealError> {
    let name = entry.field_text("recipient").unwrap_or_default();
    let recipient = parse_recipient(name).map_err(|why| {
        let help = "give keytide an identity that decrypts it (`SOPS_AGE_KEY`)";
        SealError::in_file(file, format!("among its recipients {why}"), help)
    })?;
    let armored = wrap_for_recipient(key, &*recipient).ok_or_else(|| SealError::encryption_failed(file))?;
    let mut edits = Vec::new();
    for leaf in places {
        edits.push(rewrite_leaf(source, leaf, &armored).ok_or_else(|| {
            let what = "the wrapped key of a recipient is not armored as SOPS does";
            SealError::in_file(file, what, "run `sops updatekeys` on it").with_position(leaf.at)
        })?);
    }
    Ok(edits)
}

/// A file that public keys alone do not suffice for.
pub fn needs_data_key(file: &str, why: &str, kind: &str) -> SealError {
    let help = match kind {
        "age" => {
            "give an age identity that decrypts it (`SOPS_AGE_KEY`), or keep the credential in a file of its own"
        }
        "kms" => {
            "a data key of KMS must be unwrapped: allow `kms:Decrypt`, or give an age identity (`SOPS_AGE_KEY`)"
        }
        _ => "add a recipient of age or KMS that keytide may use, with `sops updatekeys`",
    };
    SealError::in_file(file, format!("this file {why}, so its data key is needed"), help)
}

fn wrap_for_recipient(key: &DataKey, recipient: &dyn age::Recipient) -> Option<String> {
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).ok()?;
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).ok()?;
    let mut writer = encryptor.wrap_output(armored).ok()?;
    writer.write_all(key.expose_secret()).ok()?;
    String::from_utf8(writer.finish().ok()?.finish().ok()?).ok()
}

/// Puts another file's wrapped key in the place of this file's: armor line by line, all else as one value.
pub fn replace_wrapped_key(source: &str, leaf: &SopsLeaf, wrapped: &str) -> TextEdit {
    // A dotenv or INI file has the characters `\n` where a YAML file has line breaks; armor has no backslash.
    let armored = wrapped.replace("\\n", "\n");
    rewrite_leaf(source, leaf, &armored).unwrap_or_else(|| leaf.spot.replace_with(source, wrapped))
}

/// Puts armor in the place of armor. What stands between two lines of it (a line break and an indentation, or the
/// characters `\n`) is kept.
fn rewrite_leaf(source: &str, leaf: &SopsLeaf, armored: &str) -> Option<TextEdit> {
    let old = source.get(leaf.spot.range.clone())?;
    let begin = old.find(BEGIN)?;
    let end = old.rfind(END)? + END.len();
    let between = &old[begin + BEGIN.len()..];
    let between = &between[..between.find(HEAD)?];
    let lines: Vec<&str> = armored.trim_end().lines().collect();
    let start = leaf.spot.range.start;
    Some((start + begin..start + end, lines.join(between)))
}
