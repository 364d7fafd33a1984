//! The destination `age`: a whole file that is encrypted with age, binary or armored (C2SP, `age.md`). Checks without
//! any key that such a file is what it claims to be.

#[cfg(feature = "seal")]
pub mod encrypt;
pub mod policy;
pub mod suggest;

use super::age_file::{check_header, decode_armor};
use super::inspection::Inspection;
use super::kind::{
    Capabilities, DestinationKind, FileDestination, JournalKind, PolicyFaultSink, Storage,
    describe_file_removal,
};
use super::permissions::{NeededPermissions, PermissionRequest};
use super::plaintext::TextLayout;
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::diagnostic::Position;
use crate::policy::file::AgeDestination;
use crate::sanitize::markdown_code;

impl DestinationKind for AgeDestination {
    fn kind_name(&self) -> &'static str {
        "age"
    }

    fn summary(&self) -> &'static str {
        "a whole file encrypted with age"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "age",
            updated_service: None,
            describe_target: |file| format!("{} (age)", markdown_code(file)),
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
        if self.recipients.is_empty() && self.recipients_file.is_none() {
            report("an age file needs recipients".into(), "add `recipients: [age1...]` or `recipients_file`");
        }
        if let Some((what, help)) = self.layout().find_wrong_name() {
            report(what, help);
        }
    }

    fn written_values(&self) -> Vec<String> {
        vec![format!("the file `{}`", self.file.0)]
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

impl AgeDestination {
    /// How the credential is written in the file.
    fn layout(&self) -> TextLayout<'_> {
        let (secret, smtp_password) = (self.secret_access_key.as_ref(), self.ses_smtp_password.as_ref());
        TextLayout { format: self.format, secret, smtp_password }
    }
}

impl FileDestination for AgeDestination {
    fn required_files(&self) -> Vec<&str> {
        [&self.file].into_iter().chain(&self.recipients_file).map(|file| file.0.as_str()).collect()
    }

    fn is_made_by_rotation(&self) -> bool {
        true
    }

    fn inspect_file(&self, bytes: &[u8]) -> Inspection {
        let is_armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE");
        if !is_armored && !bytes.starts_with(b"age-encryption.org/") {
            return inspect_other_file(bytes);
        }
        let binary = if is_armored { decode_armor(bytes) } else { Ok(bytes.to_vec()) };
        match binary.and_then(|binary| check_header(&binary).map(|()| binary)) {
            Ok(binary) => {
                Inspection { problems: Vec::new(), credential_sha256: Some(crate::hash::sha256_hex(&binary)) }
            }
            Err(broken) => {
                let at = Position { line: broken.line, column: 1 };
                let message = format!("this is not a valid age file: {}", broken.reason);
                if broken.has_plaintext {
                    Inspection::from_plaintext(at, message)
                } else {
                    Inspection::from_invalid_file(at, message)
                }
            }
        }
    }
}

/// A file that is not age's: text is plaintext, unless it is an envelope of another tool. Other bytes are undecided.
fn inspect_other_file(bytes: &[u8]) -> Inspection {
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    let is_envelope = bytes.trim_ascii_start().starts_with(b"-----BEGIN ");
    if bytes.trim_ascii().is_empty() {
        Inspection::from_invalid_file(Position::START, "this file is empty")
    } else if is_text && !is_envelope {
        Inspection::from_plaintext(Position::START, "this file is not encrypted with age")
    } else {
        Inspection::from_invalid_file(Position::START, "this is not an age file, and its format is unknown")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::*;
    use crate::destinations::age_file::{BEGIN, END};
    use crate::policy::scalar::{FilePath, Scalar};

    fn inspect(bytes: &[u8]) -> Vec<String> {
        let file = FilePath::parse("x.age").unwrap();
        let age = AgeDestination {
            file,
            format: crate::destinations::plaintext::CredentialFormat::Dotenv,
            secret_access_key: None,
            ses_smtp_password: None,
            recipients: Vec::new(),
            recipients_file: None,
        };
        age.inspect_file(bytes).problems.iter().map(|p| format!("{}: {}", p.at.line, p.message)).collect()
    }

    fn sound() -> Vec<u8> {
        let body = STANDARD_NO_PAD.encode([7; 32]);
        let head = format!("age-encryption.org/v1\n-> X25519 {body}\n{body}\n--- {body}\n");
        [head.as_bytes(), &[9; 48]].concat()
    }

    fn armor(bytes: &[u8]) -> String {
        let encoded = STANDARD.encode(bytes);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }

    #[test]
    fn binary_and_armored_files_are_accepted() {
        assert_eq!(inspect(&sound()), Vec::<String>::new());
        assert_eq!(inspect(armor(&sound()).as_bytes()), Vec::<String>::new());
    }

    #[test]
    fn clear_text_and_broken_headers_are_reported() {
        assert_eq!(inspect(b"AWS_SECRET_ACCESS_KEY=x\n"), ["1: this file is not encrypted with age"]);
        let text = String::from_utf8_lossy(&sound()).replace("X25519", "");
        assert_eq!(inspect(text.as_bytes()), ["2: this is not a valid age file: a stanza has no type"]);
        assert_eq!(inspect(&sound()[..60]), ["2: this is not a valid age file: the header has no end"]);
        assert_eq!(
            inspect(&sound()[..sound().len() - 40]),
            ["4: this is not a valid age file: nothing is encrypted in it"]
        );
        let cut = armor(&sound()).replace(END, "");
        assert!(inspect(cut.as_bytes())[0].contains("the armor has no last line"));
        assert!(inspect(b"age-encryption.org/v2\n")[0].contains("version"));
        for more in ["DB_PASSWORD=hunter2\n", "\n\nx", BEGIN] {
            let text = armor(&sound()) + more;
            assert!(inspect(text.as_bytes())[0].contains("text that is not encrypted follows"), "{more}");
        }
        assert_eq!(inspect((armor(&sound()) + "\n \n").as_bytes()), Vec::<String>::new());
    }
}
