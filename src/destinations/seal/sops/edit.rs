//! The edit of a SOPS file in place: four values are replaced where they stand, then the result is read again and
//! nothing else may have changed.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::super::Refusal;
use super::super::tree::{Edit, splice};
use super::cipher::{decrypt, encrypt, is_encrypted};
use super::document::{Document, Leaf};
use super::keys::needs_data_key;
use super::mac::{self, Unreadable};
use crate::secret::{Credential, DataKey};

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

    /// The file with the credential in it, and the two ciphertexts. `edits` are those of a new data key.
    pub fn write(
        &self,
        credential: &Credential,
        now: Timestamp,
        key: &DataKey,
        mut edits: Vec<Edit>,
    ) -> Result<(Vec<u8>, [String; 2]), Refusal> {
        let values = [credential.id(), credential.expose_secret()];
        let failed = || Refusal::failed(self.file);
        let new = [(self.places[0], values[0]), (self.places[1], values[1])];
        let digest = mac::compute(&self.document, Some(key), &new)
            .map_err(|Unreadable { leaf, why }| self.unreadable(&Place::of(leaf), why))?;
        let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let sealed =
            new.map(|(place, value)| encrypt(value.as_bytes(), key, &self.document.leaves[place].aad()));
        let [Some(id), Some(secret)] = sealed else { return Err(failed()) };
        let mac = encrypt(digest.as_bytes(), key, &modified).ok_or_else(failed)?;
        for (place, text) in self.places.into_iter().zip([&id, &secret]) {
            edits.push(self.document.leaves[place].spot.rewrite(self.source, text));
        }
        for (name, text) in [("lastmodified", &modified), ("mac", &mac)] {
            let field = self.document.field(&[name]).ok_or_else(|| {
                Refusal::of(self.file, format!("its metadata has no `{name}`"), "encrypt it with SOPS again")
            })?;
            edits.extend(self.document.places(field).map(|leaf| leaf.spot.rewrite(self.source, text)));
        }
        let written = splice(self.source, edits).ok_or_else(|| self.entangled("the credential"))?;
        self.check(&written, values, key)?;
        Ok((written.into_bytes(), [id, secret]))
    }

    /// Reads the result as anybody would: it holds the credential, its MAC matches, and all else is as it was.
    fn check(&self, written: &str, values: [&str; 2], key: &DataKey) -> Result<(), Refusal> {
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
        for (place, value) in self.places.into_iter().zip(values) {
            let leaf = &new.leaves[place];
            let held: Option<Zeroizing<Vec<u8>>> = decrypt(leaf.text(), key, &leaf.aad());
            if held.is_none_or(|held| held.as_slice() != value.as_bytes()) {
                return Err(broken("it does not hold the credential"));
            }
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
