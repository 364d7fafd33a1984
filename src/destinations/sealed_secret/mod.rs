//! The destination `sealed_secret`: items of a SealedSecret (bitnami-labs/sealed-secrets, `pkg/crypto/crypto.go`), one for
//! each value of the credential. Checks without any key that all have the form of a ciphertext, and that no plain Secret
//! beside it holds them.

#[cfg(feature = "seal")]
pub mod encrypt;
pub mod policy;
pub mod suggest;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::inspection::Inspection;
use super::kind::{
    Capabilities, DestinationKind, FileDestination, JournalKind, PolicyFaultSink, Storage,
    describe_file_removal,
};
use super::permissions::{NeededPermissions, PermissionRequest};
use super::value_names::{describe_values, has_repeated_name, list_names};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::diagnostic::Position;
use crate::policy::file::SealedSecret;
use crate::sanitize::markdown_code;
use crate::yaml::{YamlNode, parse_documents};

/// The tag of AES-GCM.
const TAG: usize = 16;
/// RSA keys of 1,024 to 16,384 bits, in bytes of ciphertext.
const RSA: std::ops::RangeInclusive<usize> = 128..=2048;

impl DestinationKind for SealedSecret {
    fn kind_name(&self) -> &'static str {
        "sealed_secret"
    }

    fn summary(&self) -> &'static str {
        "items of a SealedSecret"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "sealed_secret",
            updated_service: None,
            describe_target: |file| format!("{} (SealedSecret)", markdown_code(file)),
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
        if has_repeated_name(&self.item_names(), str::eq) {
            report("two items of a `sealed_secret` have one name".into(), "name an item for each value");
        }
    }

    fn written_values(&self) -> Vec<String> {
        describe_values("item", &self.item_names(), &format!("of `{}`", self.file.0))
    }

    fn add_permissions(&self, _: &PermissionRequest<'_>, _: &mut NeededPermissions) {}

    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_> {
        Preparation::FilesOnly
    }

    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination> {
        Some(self)
    }
}

impl SealedSecret {
    fn item_names(&self) -> Vec<&str> {
        list_names(&self.access_key_id, &self.secret_access_key, self.ses_smtp_password.as_ref())
    }
}

impl FileDestination for SealedSecret {
    fn required_files(&self) -> Vec<&str> {
        vec![&self.file.0, &self.certificate.0]
    }

    fn is_made_by_rotation(&self) -> bool {
        false
    }

    fn inspect_file(&self, bytes: &[u8]) -> Inspection {
        let roots = std::str::from_utf8(bytes)
            .map_err(|_| (Position::START, "it is not UTF-8 text".to_owned()))
            .and_then(|text| Ok(parse_documents(text)?));
        let roots = match roots {
            Ok(roots) => roots,
            Err((at, why)) => {
                return Inspection::from_invalid_file(at, format!("this is not a valid manifest: {why}"));
            }
        };
        let mut inspection = Inspection::default();
        let names = self.item_names();
        // First, and also without any SealedSecret: a plain Secret has leaked the credential.
        report_plain_items(&roots, &names, &mut inspection);
        let sealed: Vec<&YamlNode> = roots.iter().filter(|root| kind(root) == Some("SealedSecret")).collect();
        if sealed.is_empty() && inspection.problems.is_empty() {
            inspection.add_missing(Position::START, "this file has no SealedSecret");
        }
        let mut texts = Vec::new();
        for name in names.iter().filter(|_| !sealed.is_empty()) {
            let items: Vec<&YamlNode> =
                sealed.iter().flat_map(|root| values_at(root, &["spec", "encryptedData", name])).collect();
            if items.is_empty() {
                inspection.add_missing(sealed[0].at, format!("this SealedSecret has no item `{name}`"));
            }
            for item in &items {
                let text = item.scalar_text().unwrap_or_default();
                if is_sealed(text) {
                    texts.push(text);
                } else {
                    let message = format!("the item `{name}` is no ciphertext of Sealed Secrets");
                    inspection.add_unencrypted(item.at, message);
                }
            }
            if let [_, second, ..] = items[..] {
                // A rotation would replace one of them, and the other would keep the old key
                let message = format!("the item `{name}` is in this file twice: keep one manifest in a file");
                inspection.add_invalid(second.at, message);
            }
        }
        inspection.finish_with_digest(&texts)
    }
}

/// The values at a path of fields: more than one where a field stands twice, of which a reader takes the first or the last.
fn values_at<'a>(node: &'a YamlNode, path: &[&str]) -> Vec<&'a YamlNode> {
    let Some((name, rest)) = path.split_first() else { return vec![node] };
    let fields = node.fields().iter().filter(|field| field.name() == *name);
    fields.flat_map(|field| values_at(&field.value, rest)).collect()
}

fn kind(root: &YamlNode) -> Option<&str> {
    root.get("kind")?.scalar_text()
}

/// Reports the items that a plain Secret of the same file holds.
fn report_plain_items(roots: &[YamlNode], names: &[&str], inspection: &mut Inspection) {
    for root in roots.iter().filter(|root| kind(root) == Some("Secret")) {
        let items =
            ["data", "stringData"].iter().filter_map(|field| root.get(field)).flat_map(YamlNode::fields);
        for item in items.filter(|item| names.contains(&item.name())) {
            let message =
                format!("the item `{}` stands in a plain Secret, not in a SealedSecret", item.name());
            inspection.add_unencrypted(item.value.at, message);
        }
    }
}

/// Two bytes of length, that much of RSA-OAEP, then AES-GCM with its tag; all in Base64.
fn is_sealed(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let Ok(bytes) = STANDARD.decode(text) else { return false };
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return false };
    let length = usize::from(u16::from_be_bytes(*length));
    RSA.contains(&length) && rest.len() >= length + TAG
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scalar::{FilePath, Scalar};

    fn inspect(text: &str) -> Vec<String> {
        let path = |text| FilePath::parse(text).unwrap();
        let sealed = SealedSecret {
            file: path("x.yaml"),
            certificate: path("x.pem"),
            access_key_id: "ID".to_owned(),
            secret_access_key: "SECRET".to_owned(),
            ses_smtp_password: None,
        };
        sealed
            .inspect_file(text.as_bytes())
            .problems
            .iter()
            .map(|p| format!("{}:{} {}", p.at.line, p.at.column, p.message))
            .collect()
    }

    fn item() -> String {
        STANDARD.encode([&[2, 0][..], &[7; 512 + 16 + 40]].concat())
    }

    fn manifest(id: &str, secret: &str) -> String {
        format!("kind: SealedSecret\nspec:\n  encryptedData:\n    ID: {id}\n    SECRET: {secret}\n")
    }

    #[test]
    fn sealed_items_are_accepted() {
        assert_eq!(inspect(&manifest(&item(), &item())), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_ciphertext_is_reported() {
        let plain = STANDARD.encode("h8Kq");
        let expected = "5:13 the item `SECRET` is no ciphertext of Sealed Secrets";
        assert_eq!(inspect(&manifest(&item(), &plain)), [expected]);
        assert_eq!(inspect(&manifest(&item(), "'%%%'")), [expected]);
    }

    #[test]
    fn an_item_that_is_there_twice_is_reported() {
        let (one, other) = (item(), STANDARD.encode("h8Kq"));
        let whole = manifest(&one, &one);
        for (text, place) in [
            (format!("{whole}    SECRET: {one}\n"), "6:13"),
            (format!("{whole}  encryptedData:\n    SECRET: {one}\n"), "7:13"),
            (format!("{whole}spec:\n  encryptedData:\n    SECRET: {one}\n"), "8:13"),
            (
                format!("{whole}---\nkind: SealedSecret\nspec:\n  encryptedData:\n    SECRET: {one}\n"),
                "10:13",
            ),
        ] {
            let expected =
                format!("{place} the item `SECRET` is in this file twice: keep one manifest in a file");
            assert_eq!(inspect(&text), [expected], "{text}");
            let plain = text.trim_end().strip_suffix(&one).unwrap().to_owned() + &other;
            let expected = format!("{place} the item `SECRET` is no ciphertext of Sealed Secrets");
            assert!(inspect(&plain).contains(&expected), "{plain}");
        }
    }

    #[test]
    fn a_plain_secret_is_reported() {
        let expected = "3:7 the item `ID` stands in a plain Secret, not in a SealedSecret";
        assert_eq!(inspect("kind: Secret\nstringData:\n  ID: x\n"), [expected]);
        assert_eq!(inspect("kind: ConfigMap\n"), ["1:1 this file has no SealedSecret"]);
    }
}
