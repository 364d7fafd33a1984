//! Finds, without any key, why SOPS would refuse to decrypt a file (getsops/sops 3.11: `stores/stores.go`, `sops.go`; the
//! tests ask SOPS itself). A file that a merge has damaged keeps its ciphertexts, and would pass for a sound one.

use jiff::Timestamp;

use super::ciphertext::is_encrypted;
use super::encryption_rules::EncryptionRules;
use super::recipients::recipient_entries;
use super::value::SopsDocument;
use crate::destinations::age_file;
use crate::diagnostic::Position;

/// How many values in clear text are judged, and no more: a rule can cost a search in each key above a value.
const MAX_JUDGED_VALUES: usize = 10_000;

/// One reason, and its place.
pub type Damage = (Position, String);

/// Whether the metadata has hardly more than a MAC, as that of an example in a page or a test. SOPS writes a time, a version
/// and a recipient at least, and no slip removes two of them.
pub fn is_sample(document: &SopsDocument) -> bool {
    let parts = [
        document.metadata_field(&["lastmodified"]).is_some(),
        document.metadata_field(&["version"]).is_some(),
        !recipient_entries(document).is_empty(),
    ];
    parts.into_iter().filter(|is_there| *is_there).count() < 2
}

/// The reasons why SOPS refuses the file, whatever keys it has; those about the values of the credential, at these paths,
/// are left out.
pub fn find_damage(
    document: &SopsDocument,
    rules: &EncryptionRules,
    credential: &[Vec<String>],
) -> Vec<Damage> {
    let mut found: Vec<Damage> = find_wrong_time(document).into_iter().collect();
    if document.metadata_field(&["version"]).is_none() {
        found.push((Position::START, "SOPS cannot decrypt this file: it has no `version`".to_owned()));
    }
    let recipients = recipient_entries(document);
    if recipients.is_empty() {
        let why = "no one can decrypt this file: its `sops` metadata has no recipient";
        found.push((Position::START, why.to_owned()));
    }
    for recipient in &recipients {
        let text = recipient.field_text("enc").unwrap_or_default();
        if !is_wrapped_key(recipient.kind, text) {
            let at = recipient.fields.values().next().map_or(Position::START, |field| field.at);
            let kind = recipient.kind;
            let why =
                format!("the data key of a recipient (`{kind}`) is damaged: it cannot decrypt this file");
            found.push((at, why));
        }
    }
    found.extend(find_clear_values(document, rules, credential));
    found
}

/// The MAC is bound to a time, which SOPS reads and writes again.
fn find_wrong_time(document: &SopsDocument) -> Option<Damage> {
    let Some(modified) = document.metadata_field(&["lastmodified"]) else {
        return Some((Position::START, "SOPS cannot decrypt this file: it has no `lastmodified`".to_owned()));
    };
    let why = "its `lastmodified` is no time that SOPS reads (a dotenv file of SOPS has no CRLF)";
    modified.value_text().parse::<Timestamp>().is_err().then(|| (modified.at, why.to_owned()))
}

/// Whether a recipient can unwrap this. The formats of other kinds than age are those of their services.
fn is_wrapped_key(kind: &str, text: &str) -> bool {
    if kind != "age" {
        return !text.trim().is_empty();
    }
    age_file::decode_armor(text.as_bytes()).and_then(|key| age_file::check_header(&key)).is_ok()
}

fn is_clear(text: &str) -> bool {
    // SOPS passes over what follows the bracket, and leaves an empty text as it is.
    let is_ciphertext = text.rfind(']').is_some_and(|end| is_encrypted(&text[..=end]));
    !text.is_empty() && !is_ciphertext
}

/// The values in clear text that SOPS takes for ciphertext.
fn find_clear_values<'a>(
    document: &'a SopsDocument,
    rules: &'a EncryptionRules,
    credential: &'a [Vec<String>],
) -> impl Iterator<Item = Damage> {
    let clear = document.leaves.iter().filter(|leaf| is_clear(leaf.value_text()));
    let judged = clear.filter(|leaf| !credential.contains(&leaf.path)).take(MAX_JUDGED_VALUES);
    judged.filter(|leaf| rules.should_encrypt(&leaf.keys) == Some(true)).map(|leaf| {
        let name = leaf.dotted_path();
        (leaf.at, format!("SOPS cannot decrypt this file: the value `{name}` is no ciphertext"))
    })
}
