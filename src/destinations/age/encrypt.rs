//! A whole file for age: encrypted to native recipients, binary or armored as the file was before.
//!
//! No plugin is ever run and no SSH key used: a recipient is one that the format's specification names
//! (C2SP `age.md`: X25519; `age-plugin`'s tagged recipients `age1tag` and `age1tagpq`, which encrypt natively). The
//! `age` crate copies what it encrypts into a buffer of its own, which it does not wipe.

use std::io::Write as _;
use std::str::FromStr as _;

use age::armor::{ArmoredWriter, Format};
use age::{Encryptor, tag, tagpq, x25519};

use super::super::Kept as _;
use super::plaintext::render;
use crate::destinations::encryption::{Recipient, Refusal, Seal, Sealed, Workspace};
use crate::diagnostic::Position;
use crate::policy::file::AgeDestination;
use crate::secret::Credential;

const HELP: &str = "write native recipients of age, `age1...`: a plugin is never run, an SSH key is none";

impl Seal for AgeDestination {
    fn preflight(&self, workspace: &Workspace) -> Result<Vec<Recipient>, Refusal> {
        let recipients = self.recipients(workspace)?;
        self.format_of(workspace)?;
        self.encrypt(&recipients, b"", Format::Binary)?;
        Ok(recipients.into_iter().map(|(name, _)| Recipient::new("age", name)).collect())
    }

    fn seal(&self, credential: &Credential, workspace: &mut Workspace) -> Result<Vec<Sealed>, Refusal> {
        let recipients = self.recipients(workspace)?;
        let format = self.format_of(workspace)?;
        let content = render(credential, self.format)?;
        let bytes = self.encrypt(&recipients, &content, format)?;
        let sealed = Sealed::file(self, credential.access_key_id(), &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn carry(
        &self,
        key_id: &str,
        staged: &Workspace,
        workspace: &mut Workspace,
    ) -> Result<Vec<Sealed>, Refusal> {
        let names = |workspace: &Workspace| -> Result<Vec<String>, Refusal> {
            let mut names: Vec<String> =
                self.recipients(workspace)?.into_iter().map(|(name, _)| name).collect();
            names.sort();
            Ok(names)
        };
        if names(staged)? != names(workspace)? {
            return Err(Refusal::lost(&self.file.0, "its recipients have changed since it was sealed"));
        }
        let bytes = staged.file(&self.file.0)?.to_vec();
        let sealed = Sealed::file(self, key_id, &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }
}

type Named = (String, Box<dyn age::Recipient>);

impl AgeDestination {
    /// A file that is not there is made, armored; one that is there stays as it is.
    fn format_of(&self, workspace: &Workspace) -> Result<Format, Refusal> {
        let Some(bytes) = workspace.files.get(&self.file.0) else { return Ok(Format::AsciiArmor) };
        if let Some(problem) = self.inspect(bytes).problems.into_iter().next() {
            let help = "remove the file, and keytide writes it anew";
            return Err(Refusal::of(&self.file.0, problem.message, help).at(problem.at));
        }
        let is_armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE");
        Ok(if is_armored { Format::AsciiArmor } else { Format::Binary })
    }

    /// The recipients of the policy file, then those of the recipients file, each once.
    fn recipients(&self, workspace: &Workspace) -> Result<Vec<Named>, Refusal> {
        let mut found: Vec<Named> = Vec::new();
        let mut add = |name: &str, refusal: &dyn Fn(String) -> Refusal| {
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name.to_owned(), parse(name).map_err(refusal)?));
            }
            Ok(())
        };
        for name in &self.recipients {
            add(name.trim(), &|why| Refusal::of(&self.file.0, format!("in its `recipients` {why}"), HELP))?;
        }
        if let Some(file) = &self.recipients_file {
            let text = std::str::from_utf8(workspace.file(&file.0)?)
                .map_err(|_| Refusal::of(&file.0, "this is not UTF-8 text", "write one recipient a line"))?;
            let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim);
            for (number, line) in (1..).zip(lines).filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
                let at = Position { line: number, column: 1 };
                add(line, &|why| Refusal::of(&file.0, format!("in this line {why}"), HELP).at(at))?;
            }
        }
        if found.is_empty() {
            return Err(Refusal::of(
                &self.file.0,
                "nobody could decrypt this file: it has no recipients",
                HELP,
            ));
        }
        Ok(found)
    }

    fn encrypt(&self, recipients: &[Named], content: &[u8], format: Format) -> Result<Vec<u8>, Refusal> {
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|(_, recipient)| &**recipient));
        let encryptor = encryptor.map_err(|error| {
            let what = format!("its recipients do not go together: {error}");
            Refusal::of(&self.file.0, what, "use recipients of one kind, all or none post-quantum")
        })?;
        let write = || -> std::io::Result<Vec<u8>> {
            let armored = ArmoredWriter::wrap_output(Vec::new(), format)?;
            let mut writer = encryptor.wrap_output(armored)?;
            writer.write_all(content)?;
            writer.finish()?.finish()
        };
        write().map_err(|_| Refusal::failed(&self.file.0))
    }
}

/// A native recipient; says otherwise in half a sentence why it is none.
pub fn parse(text: &str) -> Result<Box<dyn age::Recipient>, String> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") || text.contains("-PLUGIN-") {
        return Err("stands an identity, which is a secret: it must be replaced everywhere".to_owned());
    }
    if let Ok(recipient) = x25519::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = tagpq::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = tag::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    // What begins otherwise may be anything, a secret as well, and is not quoted.
    let shown: String = text.chars().take(72).collect();
    Err(match text.rsplit_once('1') {
        Some(("age", _)) => format!("`{shown}` is mistyped: its checksum is wrong"),
        Some((name, _)) if name.starts_with("age1") => format!("`{shown}` needs a plugin of age"),
        _ => "stands what is no recipient of age".to_owned(),
    })
}
