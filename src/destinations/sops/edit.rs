//! The edit of a SOPS file in place: four values are replaced where they stand, then the result is read again and
//! nothing else may have changed.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::super::encryption::Refusal;
use super::cipher::{decrypt, encrypt, is_encrypted};
use super::document::{Document, Leaf};
use super::keys::needs_data_key;
use super::mac::{self, Unreadable};
use crate::secret::{Credential, DataKey};
use crate::yaml::byte_ranges::{Edit, splice};

/// A file to be changed: its text, its values, and where the credential stands among them.
pub struct Target<'a> {
    pub file: &'a str,
    pub source: &'a str,
    pub document: Document,
    /// The access key ID, then the secret access key.
    pub places: [usize; 2],
}

impl Target<'_> {
    /// The MAC of the file as it is.
    pub fn verify(&self, key: &DataKey) -> Result<(), Refusal> {
        verify(&self.document, key).map_err(|fault| match fault {
            Mistake::Value(leaf, why) => self.unreadable(&leaf, why),
            Mistake::Key => Refusal::of(
                self.file,
                "its MAC cannot be decrypted with the data key that was given",
                "check that the file decrypts with SOPS",
            ),
            Mistake::Mac => Refusal::of(
                self.file,
                "its MAC does not match: a value was changed by hand, or keytide reads one in another way than SOPS",
                "check that the file decrypts with SOPS; where it does, report which values stand in clear text in it",
            ),
        })
    }

    /// The MAC is bound to a time, which SOPS reads and writes again.
    pub fn is_dated(&self) -> Result<(), Refusal> {
        let modified = self.document.field(&["lastmodified"]);
        if modified.is_some_and(|field| field.text().parse::<Timestamp>().is_ok()) {
            return Ok(());
        }
        let what = "its `lastmodified` is no time that SOPS reads (a dotenv file of SOPS has no CRLF)";
        let refusal = Refusal::of(self.file, what, "check that the file decrypts with SOPS");
        Err(modified.map_or(refusal.clone(), |field| refusal.at(field.at)))
    }

    fn unreadable(&self, leaf: &Place, why: &str) -> Refusal {
        let what = format!("the value `{}` {why}", leaf.name);
        Refusal::of(self.file, what, "check that the file decrypts with SOPS").at(leaf.at)
    }

    /// Whether nothing but the credential is encrypted in it.
    pub fn stands_alone(&self) -> Result<(), Refusal> {
        let refusal = |what: &str| needs_data_key(self.file, what, "age");
        if self.document.comments.iter().any(|comment| is_encrypted(comment.trim_start())) {
            return Err(refusal("has encrypted comments beside the credential"));
        }
        for (index, leaf) in self.document.leaves.iter().enumerate() {
            if is_encrypted(leaf.text()) && !self.places.contains(&index) {
                let what = format!("has other encrypted values than the credential (`{}`)", leaf.name());
                return Err(refusal(&what).at(leaf.at));
            }
        }
        Ok(())
    }

    /// The credential's two values as ciphertext for their places.
    pub fn encrypt(&self, credential: &Credential, key: &DataKey) -> Result<[String; 2], Refusal> {
        let seal = |place: usize, value: &str| {
            let aad = self.document.leaves[place].aad();
            encrypt(value.as_bytes(), key, &aad).ok_or_else(|| Refusal::failed(self.file))
        };
        Ok([
            seal(self.places[0], credential.access_key_id())?,
            seal(self.places[1], credential.expose_secret())?,
        ])
    }

    /// The ciphertexts that stand in it.
    pub fn ciphertexts(&self) -> [String; 2] {
        self.places.map(|place| self.document.leaves[place].text().to_owned())
    }

    /// Whether it holds the access key with this ID.
    pub fn holds(&self, key_id: &str, key: &DataKey) -> Result<bool, Refusal> {
        Ok(self.decrypt(&self.ciphertexts(), key)?[0].as_slice() == key_id.as_bytes())
    }

    /// The file with two ciphertexts in it. `edits` are those of a new data key.
    pub fn write(
        &self,
        ciphertexts: &[String; 2],
        now: Timestamp,
        key: &DataKey,
        mut edits: Vec<Edit>,
    ) -> Result<Vec<u8>, Refusal> {
        let values = self.decrypt(ciphertexts, key)?;
        let new = [(self.places[0], values[0].as_slice()), (self.places[1], values[1].as_slice())];
        let digest = mac::compute(&self.document, Some(key), &new)
            .map_err(|Unreadable { leaf, why }| self.unreadable(&Place::of(leaf), why))?;
        let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mac = encrypt(digest.as_bytes(), key, &modified).ok_or_else(|| Refusal::failed(self.file))?;
        for (place, text) in self.places.into_iter().zip(ciphertexts) {
            edits.push(self.document.leaves[place].spot.rewrite(self.source, text));
        }
        for (name, text) in [("lastmodified", &modified), ("mac", &mac)] {
            let field = self.document.field(&[name]).ok_or_else(|| {
                Refusal::of(self.file, format!("its metadata has no `{name}`"), "encrypt it with SOPS again")
            })?;
            edits.extend(self.document.places(field).map(|leaf| leaf.spot.rewrite(self.source, text)));
        }
        let written = splice(self.source, edits).ok_or_else(|| self.entangled("the credential"))?;
        self.check(&written, ciphertexts, key)?;
        Ok(written.into_bytes())
    }

    fn decrypt(&self, ciphertexts: &[String; 2], key: &DataKey) -> Result<[Zeroizing<Vec<u8>>; 2], Refusal> {
        let open = |place: usize, text: &str| {
            let leaf = &self.document.leaves[place];
            decrypt(text, key, &leaf.aad()).ok_or_else(|| {
                let why = "was sealed with another data key, or for another place";
                Refusal::lost(self.file, format!("the value `{}` {why}", leaf.name())).at(leaf.at)
            })
        };
        Ok([open(self.places[0], &ciphertexts[0])?, open(self.places[1], &ciphertexts[1])?])
    }

    /// Reads the result as anybody would: it holds the credential, its MAC matches, and all else is as it was.
    fn check(&self, written: &str, ciphertexts: &[String; 2], key: &DataKey) -> Result<(), Refusal> {
        let broken =
            |why: &str| Refusal::broken(self.file, format!("the file that would be written is wrong: {why}"));
        let new = Document::read(self.file, written).map_err(|(_, why)| broken(&why))?;
        let old = &self.document;
        if new.leaves.len() != old.leaves.len() || new.metadata.len() != old.metadata.len() {
            return Err(broken("it has other values than before"));
        }
        for (index, (new, old)) in new.leaves.iter().zip(&old.leaves).enumerate() {
            let is_ours = self.places.contains(&index);
            if new.path != old.path || (!is_ours && new.value != old.value) {
                return Err(self.entangled(&format!("`{}`", old.name())));
            }
        }
        for (new, old) in new.metadata.iter().zip(&old.metadata) {
            let may_change =
                matches!(old.path.last().map(String::as_str), Some("mac" | "lastmodified" | "enc"));
            if new.path != old.path || (!may_change && new.value != old.value) {
                return Err(broken("its metadata has changed"));
            }
        }
        if self.places.iter().zip(ciphertexts).any(|(place, text)| new.leaves[*place].text() != text) {
            return Err(broken("it does not hold the credential"));
        }
        verify(&new, key).map_err(|_| broken("its MAC does not match"))
    }

    /// One place in the bytes is more than one value, by an alias.
    fn entangled(&self, name: &str) -> Refusal {
        let what = format!("{name} shares its place with a value of the credential (an alias)");
        Refusal::of(self.file, what, "write both values out, without an anchor")
    }
}

/// Where a value stands, and what it is called.
struct Place {
    at: crate::diagnostic::Position,
    name: String,
}

impl Place {
    fn of(leaf: &Leaf) -> Self {
        Self { at: leaf.at, name: leaf.name() }
    }
}

enum Mistake {
    Value(Place, &'static str),
    /// The MAC is encrypted with another key, or bound to another time.
    Key,
    Mac,
}

fn verify(document: &Document, key: &DataKey) -> Result<(), Mistake> {
    let (mac, modified) =
        document.field(&["mac"]).zip(document.field(&["lastmodified"])).ok_or(Mistake::Key)?;
    let expected = decrypt(mac.text(), key, modified.text()).ok_or(Mistake::Key)?;
    let computed = mac::compute(document, Some(key), &[])
        .map_err(|Unreadable { leaf, why }| Mistake::Value(Place::of(leaf), why))?;
    if expected.as_slice() == computed.as_bytes() { Ok(()) } else { Err(Mistake::Mac) }
}
