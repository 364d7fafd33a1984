//! Encrypts a credential into items of a SealedSecret, with the controller's certificate
//! (bitnami-labs/sealed-secrets, `pkg/crypto/crypto.go`, `pkg/apis/sealedsecrets/v1alpha1/sealedsecret_expansion.go`).
//!
//! An item is two bytes of length, RSA-OAEP (SHA-256, the scope as label) of a key that is used once, then AES-256-GCM
//! with that key. Items do not depend on each other, so only these change in the manifest.

use aes_gcm::aead::rand_core::RngCore as _;
use aes_gcm::aead::{AeadInPlace as _, OsRng};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_cert::der::{Decode as _, Encode as _};
use zeroize::Zeroizing;

use super::super::FileDestination as _;
use crate::destinations::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination,
};
use crate::destinations::sealed_file::inspect_sealed_file;
use crate::destinations::value_names::pair_values;
use crate::policy::file::SealedSecret;
use crate::secret::Credential;
use crate::yaml::edit::apply_edits;
use crate::yaml::{YamlFile, YamlNode, parse_editable};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const NAMESPACE_WIDE: &str = "sealedsecrets.bitnami.com/namespace-wide";
const CLUSTER_WIDE: &str = "sealedsecrets.bitnami.com/cluster-wide";

impl SealDestination for SealedSecret {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        let (recipient, _) = self.load_certificate(workspace)?;
        self.find_items(&self.parse_manifest(self.manifest_text(workspace)?)?)?;
        Ok(vec![recipient])
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let (_, key) = self.load_certificate(workspace)?;
        let tree = self.parse_manifest(self.manifest_text(workspace)?)?;
        let mut texts = Vec::new();
        for ((_, label), value) in pair_values(self.find_items(&tree)?, credential)? {
            let text = encrypt_item(&key, &label, value.as_bytes());
            texts.push(text.ok_or_else(|| SealError::encryption_failed(&self.file.0))?);
        }
        self.write_items(&texts, credential.access_key_id(), workspace)
    }

    fn carry_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let [old, new] = [
            self.parse_manifest(self.manifest_text(staged)?)?,
            self.parse_manifest(self.manifest_text(workspace)?)?,
        ];
        let [old, new] = [self.find_items(&old)?, self.find_items(&new)?];
        // The controller decrypts an item only under the label that it was sealed for.
        if old.iter().map(|(_, label)| label).ne(new.iter().map(|(_, label)| label)) {
            return Err(SealError::secret_is_gone(
                &self.file.0,
                "its name, namespace or scope has changed since the new key was encrypted for it",
            ));
        }
        let texts = old.iter().map(|(item, _)| item.scalar_text().unwrap_or_default().trim_end().to_owned());
        self.write_items(&texts.collect::<Vec<_>>(), key_id, workspace)
    }
}

impl SealedSecret {
    /// Puts the ciphertexts into the manifest.
    fn write_items(
        &self,
        texts: &[String],
        key_id: &str,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let source = self.manifest_text(workspace)?;
        let tree = self.parse_manifest(source)?;
        let items = self.find_items(&tree)?.into_iter().zip(texts);
        let edits = items
            .filter_map(|((item, _), text)| Some(item.scalar_spot()?.replace_with(source, text)))
            .collect();
        let bytes = apply_edits(source, edits).map(String::into_bytes).ok_or_else(|| {
            let help = "name an item for each value in the policy file";
            SealError::in_file(&self.file.0, "two items are one value", help)
        })?;
        let sealed = inspect_sealed_file(self, key_id, &bytes)?;
        let written = std::str::from_utf8(&bytes).unwrap_or_default();
        let written = self.parse_manifest(written)?;
        let held = self.find_items(&written)?;
        let held = held.iter().map(|(item, _)| item.scalar_text().map(str::trim_end));
        // An anchor can put two items at one place; the text is parsed again to see it.
        if held.ne(texts.iter().map(|text| Some(text.as_str()))) {
            return Err(SealError::internal_fault(&self.file.0, "the items did not take the new values"));
        }
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn parse_manifest(&self, source: &str) -> Result<YamlFile, SealError> {
        parse_editable(source).map_err(|error| self.no_manifest(&error.message).with_position(error.at))
    }

    /// The manifest's text, with nothing wrong that an inspection sees.
    fn manifest_text<'a>(&self, workspace: &'a SealWorkspace) -> Result<&'a str, SealError> {
        let bytes = workspace.require_file(&self.file.0)?;
        if let Some(problem) = self.inspect_file(bytes).problems.into_iter().next() {
            let help = "seal the items once by hand; from then on keytide replaces them";
            return Err(SealError::in_file(&self.file.0, problem.message, help).with_position(problem.at));
        }
        std::str::from_utf8(bytes).map_err(|_| self.no_manifest("it is not UTF-8 text"))
    }

    fn no_manifest(&self, why: &str) -> SealError {
        SealError::in_file(&self.file.0, format!("this is no manifest: {why}"), "correct the file")
    }

    /// The items, each with the label of its document's scope.
    fn find_items<'a>(&self, tree: &'a YamlFile) -> Result<Vec<(&'a YamlNode, String)>, SealError> {
        let mut items = Vec::new();
        for name in self.item_names() {
            items.push(self.find_item(tree, name)?);
        }
        Ok(items)
    }

    fn find_item<'a>(&self, tree: &'a YamlFile, name: &str) -> Result<(&'a YamlNode, String), SealError> {
        for root in &tree.roots {
            let is_sealed = tree.text_at(root, &["kind"]) == Some("SealedSecret");
            if let Some(item) = encrypted_item(tree, root, name).filter(|_| is_sealed) {
                return Ok((item, self.encryption_label(tree, root)?));
            }
        }
        let what = format!("no SealedSecret has an item `{name}`");
        Err(SealError::in_file(&self.file.0, what, "correct the policy file"))
    }

    /// What the controller requires of an item's position: annotations widen it from the name to the cluster.
    fn encryption_label(&self, tree: &YamlFile, root: &YamlNode) -> Result<String, SealError> {
        if has_annotation(tree, root, CLUSTER_WIDE) {
            return Ok(String::new());
        }
        let namespace = self.scope_part(tree, root, "namespace")?;
        if has_annotation(tree, root, NAMESPACE_WIDE) {
            return Ok(namespace.to_owned());
        }
        Ok(format!("{namespace}/{}", self.scope_part(tree, root, "name")?))
    }

    fn scope_part<'a>(
        &self,
        tree: &'a YamlFile,
        root: &'a YamlNode,
        name: &str,
    ) -> Result<&'a str, SealError> {
        tree.text_at(root, &["metadata", name]).filter(|text| !text.is_empty()).ok_or_else(|| {
            let what = format!("this SealedSecret has no `metadata.{name}`, which its scope is made of");
            SealError::in_file(&self.file.0, what, format!("write the `{name}` that it is applied with"))
                .with_position(root.at)
        })
    }

    /// The controller's key, of a certificate that is valid now.
    fn load_certificate(
        &self,
        workspace: &SealWorkspace,
    ) -> Result<(Recipient, OaepPublicEncryptingKey), SealError> {
        let file = &self.certificate.0;
        let der = first_certificate(workspace.require_file(file)?)
            .ok_or_else(|| certificate_error(file, "it has no certificate in PEM"))?;
        let parsed = x509_cert::Certificate::from_der(&der)
            .map_err(|_| certificate_error(file, "it does not parse"))?;
        let tbs = parsed.tbs_certificate();
        let validity = tbs.validity();
        let (from, until) = (to_timestamp(validity.not_before), to_timestamp(validity.not_after));
        if workspace.now < from {
            return Err(certificate_error(file, &format!("it is not valid before {from}")));
        }
        if workspace.now > until {
            return Err(certificate_error(file, &format!("it has expired on {until}")));
        }
        let public = tbs
            .subject_public_key_info()
            .to_der()
            .map_err(|_| certificate_error(file, "its key does not parse"))?;
        let key = PublicEncryptingKey::from_der(&public)
            .ok()
            .and_then(|key| OaepPublicEncryptingKey::new(key).ok())
            .ok_or_else(|| certificate_error(file, "its key is no RSA key of 2,048 to 8,192 bits"))?;
        let name = format!("SHA-256 {} ({file})", crate::hash::sha256_hex(&der));
        Ok((Recipient { kind: "certificate".to_owned(), name, until: Some(until) }, key))
    }
}

fn encrypted_item<'a>(tree: &'a YamlFile, root: &'a YamlNode, name: &str) -> Option<&'a YamlNode> {
    let items = tree.get_field(tree.get_field(root, "spec")?, "encryptedData")?;
    tree.get_field(items, name).filter(|item| item.scalar_text().is_some())
}

fn has_annotation(tree: &YamlFile, root: &YamlNode, name: &str) -> bool {
    tree.text_at(root, &["metadata", "annotations", name]) == Some("true")
}

fn certificate_error(file: &str, why: &str) -> SealError {
    SealError::in_file(
        file,
        format!("this is no certificate of Sealed Secrets: {why}"),
        "fetch it anew: `kubeseal --fetch-cert`",
    )
}

/// A time of a certificate. One that is too late for a timestamp is the latest.
fn to_timestamp(time: x509_cert::time::Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}

/// The first certificate of a PEM file, as the controller's own tool takes it; text around it is allowed.
fn first_certificate(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

fn encrypt_item(key: &OaepPublicEncryptingKey, label: &str, value: &[u8]) -> Option<String> {
    let mut session = Zeroizing::new([0; 32]);
    OsRng.try_fill_bytes(&mut *session).ok()?;
    let label = (!label.is_empty()).then_some(label.as_bytes());
    let mut wrapped = vec![0; key.ciphertext_size()];
    let wrapped = key.encrypt(&OAEP_SHA256_MGF1SHA256, &*session, &mut wrapped, label).ok()?;
    let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + 16));
    sealed.extend_from_slice(value);
    // Sealed Secrets uses a nonce of zeros. It is safe here, because the key encrypts this one value.
    let cipher = Aes256Gcm::new((&*session).into());
    cipher.encrypt_in_place(Nonce::from_slice(&[0; 12]), b"", &mut *sealed).ok()?;
    let length = u16::try_from(wrapped.len()).ok()?.to_be_bytes();
    Some(STANDARD.encode([&length, &*wrapped, &sealed].concat()))
}
