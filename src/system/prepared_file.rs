//! Changes files as one: the new content of each is first written beside it, and takes its place once all are there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::{FileError, ensure_replaceable};

/// How many names of temporary files are tried. Runs that were killed may have left some.
const MAX_NAMES: u32 = 100;

/// New content that lies beside its place. If it is dropped before [`Self::commit`], everything is as before.
#[derive(Debug)]
pub struct PreparedFile {
    /// `None` once it has taken its place.
    temporary: Option<PathBuf>,
    path: PathBuf,
    /// Whether an empty file keeps the place of a new one.
    is_reserved: bool,
}

impl PreparedFile {
    /// Writes the content of a file that does not exist yet.
    ///
    /// # Errors
    /// The reason; then nothing is left.
    pub fn create(path: &Path, text: &str) -> Result<Self, FileError> {
        let mut prepared = Self { temporary: None, path: path.to_owned(), is_reserved: false };
        prepared.write(text, None).map_err(FileError::Io)?;
        // `create_new` looks and creates in one step, so no file of another process is overwritten in between.
        OpenOptions::new().write(true).create_new(true).open(path).map_err(FileError::Io)?;
        prepared.is_reserved = true;
        Ok(prepared)
    }

    /// Writes the new content of a regular file, which keeps its mode and owner.
    ///
    /// # Errors
    /// The reason; then nothing is left.
    pub fn replace(path: &Path, text: &str) -> Result<Self, FileError> {
        ensure_replaceable(path)?;
        // A file that may not be written is not replaced either, though its folder allows that.
        let old = OpenOptions::new().append(true).open(path).map_err(FileError::Io)?;
        let mut prepared = Self { temporary: None, path: path.to_owned(), is_reserved: false };
        prepared.write(text, Some(&old)).map_err(FileError::Io)?;
        Ok(prepared)
    }

    /// Puts the new content in its place.
    ///
    /// # Errors
    /// The system's; then the file is as before.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
        }
        self.temporary = None;
        self.is_reserved = false;
        Ok(())
    }

    fn write(&mut self, text: &str, old: Option<&File>) -> io::Result<()> {
        let (temporary, mut file) = create_beside(&self.path)?;
        self.temporary = Some(temporary);
        file.write_all(text.as_bytes())?;
        if let Some(old) = old {
            copy_access(old, &file)?;
        }
        // A full disk may show only now.
        file.sync_all()
    }
}

impl Drop for PreparedFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
        if self.is_reserved {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a file beside another one: a rename within a folder is one step. No workflow ends as its name does.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 0;
    loop {
        let temporary = path.with_file_name(format!(".{name}.keytide-{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MAX_NAMES => number += 1,
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

/// Gives a file the mode of another one, and its owner if this process may do that.
fn copy_access(from: &File, to: &File) -> io::Result<()> {
    let metadata = from.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(to, Some(metadata.uid()), Some(metadata.gid()));
    }
    to.set_permissions(metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty_folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("keytide-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_changes_when_it_is_committed_and_else_nothing_is_left() {
        let folder = empty_folder("prepared");
        let list = || {
            let mut names: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let (old, new) = (folder.join("old"), folder.join("new"));
        fs::write(&old, "1").unwrap();
        drop((PreparedFile::replace(&old, "2").unwrap(), PreparedFile::create(&new, "3").unwrap()));
        assert_eq!((list(), fs::read_to_string(&old).unwrap()), (vec!["old".into()], "1".to_owned()));
        assert!(PreparedFile::create(&old, "2").is_err());
        assert!(PreparedFile::replace(&new, "3").unwrap_err().is_absent());
        fs::write(folder.join(".old.keytide-0"), "of a run that was killed").unwrap();
        PreparedFile::replace(&old, "2").unwrap().commit().unwrap();
        PreparedFile::create(&new, "3").unwrap().commit().unwrap();
        assert_eq!(
            (fs::read_to_string(&old).unwrap(), fs::read_to_string(&new).unwrap()),
            ("2".to_owned(), "3".to_owned())
        );
        assert_eq!(list().len(), 3);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = empty_folder("mode");
        let path = folder.join("script");
        fs::write(&path, "1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        PreparedFile::replace(&path, "2").unwrap().commit().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_dir_all(folder).unwrap();
    }
}
