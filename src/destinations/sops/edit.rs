//! Edits a SOPS file in place: replaces the credential, `lastmodified` and the MAC, then parses the result again and
//! refuses it if anything else has changed.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::super::encryption::SealError;
use super::super::value_names::pair_values;
use super::cipher::{decrypt_value, encrypt_value, is_encrypted};
use super::document::{SopsDocument, SopsLeaf};
use super::keys::{needs_data_key, replace_wrapped_key};
use super::mac::{self, UnreadableLeaf};
use crate::secret::{Credential, DataKey};
use crate::yaml::edit::{TextEdit, apply_edits};

/// A file to be changed: its text, its values, and where the credential stands among them.
pub struct EditTarget<'a> {
    pub file: &'a str,
    pub source: &'a str,
    pub document: SopsDocument,
    /// The values of the credential, the access key ID first.
    pub places: Vec<usize>,
}

impl EditTarget<'_> {
    /// The MAC of the file as it is.
    pub fn verify_mac(&self, key: &DataKey) -> Result<(), SealError> {
        verify_document_mac(&self.document, key).map_err(|fault| match fault {
            MacError::Value(leaf, why) => self.unreadable_value(&leaf, why),
            MacError::Key => SealError::in_file(
                self.file,
                "its MAC cannot be decrypted with the data key that was given",
                "check that the file decrypts with SOPS",
            ),
            MacError::Mac => SealError::in_file(
                self.file,
                "its MAC does not match: a value was changed by hand, or keytide reads one in another way than SOPS",
                "check that the file decrypts with SOPS; where it does, report which values stand in clear text in it",
            ),
        })
    }

    fn unreadable_value(&self, leaf: &LeafPlace, why: &str) -> SealError {
        let what = format!("the value `{}` {why}", leaf.name);
        SealError::in_file(self.file, what, "check that the file decrypts with SOPS").with_position(leaf.at)
    }

    /// Whether nothing but the credential is encrypted in it.
    pub fn stands_alone(&self) -> Result<(), SealError> {
        if self.document.comments.iter().any(|comment| is_encrypted(comment.trim_start())) {
            return Err(needs_data_key(self.file, "has encrypted comments beside the credential", "age"));
        }
        for (index, leaf) in self.document.leaves.iter().enumerate() {
            if is_encrypted(leaf.value_text()) && !self.places.contains(&index) {
                let what =
                    format!("has other encrypted values than the credential (`{}`)", leaf.dotted_path());
                return Err(needs_data_key(self.file, &what, "age").with_position(leaf.at));
            }
        }
        Ok(())
    }

    /// The credential's values as ciphertext for their places.
    pub fn encrypt_credential(
        &self,
        credential: &Credential,
        key: &DataKey,
    ) -> Result<Vec<String>, SealError> {
        let mut ciphertexts = Vec::new();
        for (place, value) in pair_values(&self.places, credential)? {
            ciphertexts.push(self.encrypt_at(*place, value, key)?);
        }
        Ok(ciphertexts)
    }

    fn encrypt_at(&self, place: usize, value: &str, key: &DataKey) -> Result<String, SealError> {
        let aad = self.document.leaves[place].additional_data();
        encrypt_value(value.as_bytes(), key, &aad).ok_or_else(|| SealError::encryption_failed(self.file))
    }

    /// The ciphertexts that stand in it.
    pub fn current_ciphertexts(&self) -> Vec<String> {
        self.places.iter().map(|place| self.document.leaves[*place].value_text().to_owned()).collect()
    }

    /// Whether it holds the access key with this ID.
    pub fn holds_key_id(&self, key_id: &str, key: &DataKey) -> Result<bool, SealError> {
        let values = self.decrypt_values(&self.current_ciphertexts(), key)?;
        Ok(values.first().is_some_and(|id| id.as_slice() == key_id.as_bytes()))
    }

    /// The file with other ciphertexts in it. `edits` are those of a new data key.
    pub fn write_ciphertexts(
        &self,
        ciphertexts: &[String],
        now: Timestamp,
        key: &DataKey,
        mut edits: Vec<TextEdit>,
    ) -> Result<Vec<u8>, SealError> {
        // Proves that the ciphertexts belong to this key and these paths, also when another run sealed them.
        let values = self.decrypt_values(ciphertexts, key)?;
        let new: Vec<(usize, &[u8])> =
            self.places.iter().zip(&values).map(|(place, value)| (*place, value.as_slice())).collect();
        let digest =
            mac::compute_mac(&self.document, Some(key), &new).map_err(|UnreadableLeaf { leaf, why }| {
                self.unreadable_value(&LeafPlace::from_leaf(leaf), why)
            })?;
        // The MAC is bound to the text of the time, so both are written in one edit.
        let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mac = encrypt_value(digest.as_bytes(), key, &modified)
            .ok_or_else(|| SealError::encryption_failed(self.file))?;
        for (place, text) in self.places.iter().zip(ciphertexts) {
            edits.push(self.document.leaves[*place].spot.replace_with(self.source, text));
        }
        for (name, text) in [("lastmodified", &modified), ("mac", &mac)] {
            let field = self.document.metadata_field(&[name]).ok_or_else(|| {
                SealError::in_file(
                    self.file,
                    format!("its metadata has no `{name}`"),
                    "encrypt it with SOPS again",
                )
            })?;
            edits.extend(
                self.document.repeated_fields(field).map(|leaf| leaf.spot.replace_with(self.source, text)),
            );
        }
        let written =
            apply_edits(self.source, edits).ok_or_else(|| self.shared_anchor_error("the credential"))?;
        // An alias or a quote that keytide reads in another way than SOPS would break the file: it is parsed again.
        self.check_result(&written, ciphertexts, key)?;
        Ok(written.into_bytes())
    }

    /// The file with the ciphertexts of another version of it: the credential, and the metadata that changes with it.
    /// Verifies no MAC, which would need the data key.
    pub fn replay_ciphertexts(&self, from: &Self) -> Result<Vec<u8>, SealError> {
        let mut edits = Vec::new();
        for (place, text) in self.places.iter().zip(from.current_ciphertexts()) {
            edits.push(self.document.leaves[*place].spot.replace_with(self.source, &text));
        }
        for (ours, theirs) in self.pair_metadata(from)? {
            if is_renewed(ours) {
                edits.push(ours.spot.replace_with(self.source, theirs.value_text()));
            // Only a new data key changes these.
            } else if ours.path.last().is_some_and(|name| name == "enc") && ours.value != theirs.value {
                edits.push(replace_wrapped_key(self.source, ours, theirs.value_text()));
            }
        }
        self.write_edits(edits)
    }

    /// The file with the MAC and the time of another version of it, which every edit writes anew, and nothing else of it.
    pub fn replay_mac(&self, from: &Self) -> Result<Vec<u8>, SealError> {
        let pairs = self.pair_metadata(from)?.into_iter().filter(|(ours, _)| is_renewed(ours));
        self.write_edits(
            pairs.map(|(ours, theirs)| ours.spot.replace_with(self.source, theirs.value_text())).collect(),
        )
    }

    /// Each field of the metadata with that of another version of the file.
    fn pair_metadata<'s>(&'s self, from: &'s Self) -> Result<Vec<(&'s SopsLeaf, &'s SopsLeaf)>, SealError> {
        let [ours, theirs] = [&self.document, &from.document]
            .map(|document| document.metadata.iter().chain(&document.copies).collect::<Vec<_>>());
        // A recipient was added or removed since: the wrapped keys no longer belong together.
        let is_same =
            ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(one, other)| one.path == other.path);
        if is_same { Ok(ours.into_iter().zip(theirs).collect()) } else { Err(self.other_metadata_error()) }
    }

    fn write_edits(&self, edits: Vec<TextEdit>) -> Result<Vec<u8>, SealError> {
        let written =
            apply_edits(self.source, edits).ok_or_else(|| self.shared_anchor_error("the credential"))?;
        Ok(written.into_bytes())
    }

    fn other_metadata_error(&self) -> SealError {
        SealError::in_file(
            self.file,
            "its metadata has other fields than before",
            "encrypt it with SOPS again",
        )
    }

    fn decrypt_values(
        &self,
        ciphertexts: &[String],
        key: &DataKey,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, SealError> {
        let mut values = Vec::new();
        if ciphertexts.len() != self.places.len() {
            return Err(SealError::secret_is_gone(self.file, "it was staged with another number of values"));
        }
        for (place, text) in self.places.iter().zip(ciphertexts) {
            values.push(self.decrypt_at(*place, text, key)?);
        }
        Ok(values)
    }

    fn decrypt_at(&self, place: usize, text: &str, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let leaf = &self.document.leaves[place];
        decrypt_value(text, key, &leaf.additional_data()).ok_or_else(|| {
            let why = "was sealed with another data key, or for another place";
            SealError::secret_is_gone(self.file, format!("the value `{}` {why}", leaf.dotted_path()))
                .with_position(leaf.at)
        })
    }

    /// Parses the result as SOPS would, and checks that it holds the credential, that its MAC matches, and that all else
    /// is as it was.
    fn check_result(&self, written: &str, ciphertexts: &[String], key: &DataKey) -> Result<(), SealError> {
        let new = SopsDocument::parse_file(self.file, written).map_err(|(_, why)| self.wrong_result(&why))?;
        let old = &self.document;
        if new.leaves.len() != old.leaves.len() || new.metadata.len() != old.metadata.len() {
            return Err(self.wrong_result("it has other values than before"));
        }
        for (index, (new, old)) in new.leaves.iter().zip(&old.leaves).enumerate() {
            let is_ours = self.places.contains(&index);
            if new.path != old.path || (!is_ours && new.value != old.value) {
                return Err(self.shared_anchor_error(&format!("`{}`", old.dotted_path())));
            }
        }
        for (new, old) in new.metadata.iter().zip(&old.metadata) {
            let may_change =
                matches!(old.path.last().map(String::as_str), Some("mac" | "lastmodified" | "enc"));
            if new.path != old.path || (!may_change && new.value != old.value) {
                return Err(self.wrong_result("its metadata has changed"));
            }
        }
        if self.places.iter().zip(ciphertexts).any(|(place, text)| new.leaves[*place].value_text() != text) {
            return Err(self.wrong_result("it does not hold the credential"));
        }
        verify_document_mac(&new, key).map_err(|_| self.wrong_result("its MAC does not match"))
    }

    fn wrong_result(&self, why: &str) -> SealError {
        SealError::internal_fault(self.file, format!("the file that would be written is wrong: {why}"))
    }

    /// One place in the bytes is more than one value, by an alias.
    fn shared_anchor_error(&self, name: &str) -> SealError {
        let what = format!("{name} shares its place with a value of the credential (an alias)");
        SealError::in_file(self.file, what, "write all these values out, without an anchor")
    }
}

/// Whether every edit writes a field of the metadata anew: the MAC, and the time that it is bound to.
fn is_renewed(field: &SopsLeaf) -> bool {
    matches!(field.path.as_slice(), [name] if name == "mac" || name == "lastmodified")
}

/// Where a value stands, and what it is called.
struct LeafPlace {
    at: crate::diagnostic::Position,
    name: String,
}

impl LeafPlace {
    fn from_leaf(leaf: &SopsLeaf) -> Self {
        Self { at: leaf.at, name: leaf.dotted_path() }
    }
}

enum MacError {
    Value(LeafPlace, &'static str),
    /// The MAC is encrypted with another key, or bound to another time.
    Key,
    Mac,
}

fn verify_document_mac(document: &SopsDocument, key: &DataKey) -> Result<(), MacError> {
    let (mac, modified) = document
        .metadata_field(&["mac"])
        .zip(document.metadata_field(&["lastmodified"]))
        .ok_or(MacError::Key)?;
    let expected = decrypt_value(mac.value_text(), key, modified.value_text()).ok_or(MacError::Key)?;
    let computed = mac::compute_mac(document, Some(key), &[])
        .map_err(|UnreadableLeaf { leaf, why }| MacError::Value(LeafPlace::from_leaf(leaf), why))?;
    if expected.as_slice() == computed.as_bytes() { Ok(()) } else { Err(MacError::Mac) }
}
