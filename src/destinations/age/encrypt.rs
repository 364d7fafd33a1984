//! Encrypts a credential as a whole age file, binary or armored as the file was before.
//!
//! The `age` crate copies what it encrypts into a buffer of its own, which it does not wipe.

use std::collections::BTreeSet;
use std::io::Write as _;

use age::Encryptor;
use age::armor::{ArmoredWriter, Format};

use super::super::FileDestination as _;
use crate::destinations::age_recipient::{UnusableRecipient, parse_recipient};
use crate::destinations::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination,
};
use crate::destinations::plaintext::render_credential;
use crate::destinations::sealed_file::inspect_sealed_file;
use crate::diagnostic::Position;
use crate::policy::file::AgeDestination;
use crate::secret::Credential;

const HELP: &str = "write native recipients of age, `age1...`: a plugin is never run, an SSH key is none";

impl SealDestination for AgeDestination {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        let recipients = self.parse_recipients(workspace)?;
        self.format_of(workspace)?;
        // Some recipients cannot be combined (a post-quantum one with others); only an encryption shows it, and after
        // CreateAccessKey it would be too late.
        self.encrypt_content(&recipients, b"", Format::Binary)?;
        Ok(recipients.into_iter().map(|(name, _)| Recipient::new("age", name)).collect())
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let recipients = self.parse_recipients(workspace)?;
        let format = self.format_of(workspace)?;
        let content = render_credential(credential, &self.layout())?;
        let bytes = self.encrypt_content(&recipients, &content, format)?;
        // Before the file is replaced in the workspace: a refusal must leave it as it was.
        let sealed = inspect_sealed_file(self, credential.access_key_id(), &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn carry_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        // The ciphertext is for the old recipients: carried over, it would give the key to someone who was removed, or
        // to no new one.
        if self.recipient_names(staged)? != self.recipient_names(workspace)? {
            return Err(SealError::secret_is_gone(
                &self.file.0,
                "its recipients have changed since the new key was encrypted for them",
            ));
        }
        let bytes = staged.require_file(&self.file.0)?.to_vec();
        let sealed = inspect_sealed_file(self, key_id, &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }
}

type NamedRecipient = (String, Box<dyn age::Recipient>);

impl AgeDestination {
    /// A file that is not there is made, armored; one that is there stays as it is.
    fn format_of(&self, workspace: &SealWorkspace) -> Result<Format, SealError> {
        let Some(bytes) = workspace.files.get(&self.file.0) else { return Ok(Format::AsciiArmor) };
        if let Some(problem) = self.inspect_file(bytes).problems.into_iter().next() {
            let help = "remove the file, and keytide writes it anew";
            return Err(SealError::in_file(&self.file.0, problem.message, help).with_position(problem.at));
        }
        let is_armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE");
        Ok(if is_armored { Format::AsciiArmor } else { Format::Binary })
    }

    fn recipient_names(&self, workspace: &SealWorkspace) -> Result<BTreeSet<String>, SealError> {
        Ok(self.parse_recipients(workspace)?.into_iter().map(|(name, _)| name).collect())
    }

    /// The recipients of the policy file, then those of the recipients file, each once.
    fn parse_recipients(&self, workspace: &SealWorkspace) -> Result<Vec<NamedRecipient>, SealError> {
        let mut found: Vec<NamedRecipient> = Vec::new();
        for name in &self.recipients {
            add_recipient(&mut found, name.trim()).map_err(|why| {
                SealError::in_file(&self.file.0, format!("in its `recipients` {why}"), HELP)
            })?;
        }
        if let Some(file) = &self.recipients_file {
            let text = std::str::from_utf8(workspace.require_file(&file.0)?).map_err(|_| {
                SealError::in_file(&file.0, "this is not UTF-8 text", "write one recipient a line")
            })?;
            let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim);
            for (number, line) in (1..).zip(lines).filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
                let at = Position { line: number, column: 1 };
                add_recipient(&mut found, line).map_err(|why| {
                    SealError::in_file(&file.0, format!("in this line {why}"), HELP).with_position(at)
                })?;
            }
        }
        if found.is_empty() {
            return Err(SealError::in_file(
                &self.file.0,
                "no one could decrypt this file: it has no recipients",
                HELP,
            ));
        }
        Ok(found)
    }

    fn encrypt_content(
        &self,
        recipients: &[NamedRecipient],
        content: &[u8],
        format: Format,
    ) -> Result<Vec<u8>, SealError> {
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|(_, recipient)| &**recipient));
        let encryptor = encryptor.map_err(|error| {
            let what = format!("its recipients do not go together: {error}");
            SealError::in_file(&self.file.0, what, "use recipients of one kind, all or none post-quantum")
        })?;
        write_encrypted(encryptor, content, format).map_err(|_| SealError::encryption_failed(&self.file.0))
    }
}

fn write_encrypted(encryptor: Encryptor, content: &[u8], format: Format) -> std::io::Result<Vec<u8>> {
    let armored = ArmoredWriter::wrap_output(Vec::new(), format)?;
    let mut writer = encryptor.wrap_output(armored)?;
    writer.write_all(content)?;
    writer.finish()?.finish()
}

/// Adds a recipient, unless it is among the others already.
fn add_recipient(found: &mut Vec<NamedRecipient>, name: &str) -> Result<(), UnusableRecipient> {
    if !found.iter().any(|(known, _)| known == name) {
        found.push((name.to_owned(), parse_recipient(name)?));
    }
    Ok(())
}
