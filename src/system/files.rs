//! Reads and writes single files for the commands: the policy file, the credential report, reports, outputs of a step.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Why a file cannot be read or written. The text does not name the file.
#[derive(Debug)]
pub enum FileError {
    IsFolder,
    TooLarge {
        limit: usize,
    },
    /// A symbolic link whose target does not exist.
    DanglingLink,
    Io(io::Error),
}

impl FileError {
    fn from_io(path: &Path, error: io::Error) -> Self {
        let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if is_link && error.kind() == io::ErrorKind::NotFound { Self::DanglingLink } else { Self::Io(error) }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsFolder => f.write_str("it is a folder"),
            Self::TooLarge { limit } => write!(f, "it is larger than {limit} bytes"),
            Self::DanglingLink => f.write_str("it is a link to a file that does not exist"),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => f.write_str("it does not exist"),
                io::ErrorKind::PermissionDenied => f.write_str("permission denied"),
                _ => error.fmt(f),
            },
        }
    }
}

impl std::error::Error for FileError {}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// The reason.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| FileError::from_io(path, error))?;
    if file.metadata().map_err(FileError::Io)?.is_dir() {
        return Err(FileError::IsFolder);
    }
    let mut bytes = Vec::new();
    // The length in the metadata is not trusted: a pipe has none, and the file may grow while it is read.
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(FileError::Io)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes)
}

/// Whether a path exists, also as a link to nothing.
pub fn is_present(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Returns the first path that exists. A dangling link counts, so that reading it reports the link.
pub fn first_existing(candidates: &[&str]) -> Option<String> {
    candidates.iter().find(|path| Path::new(path).symlink_metadata().is_ok()).map(|path| (*path).to_owned())
}

/// Writes a report over an older one. The folder must exist.
///
/// # Errors
/// The system's.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    File::create(path)?.write_all(text.as_bytes())
}

/// Writes a new file, and creates its folder. An existing file is never overwritten.
///
/// # Errors
/// The system's.
pub fn create_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Appends to a file of a GitHub Actions step (`GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY`), to which other programs of the
/// step may have written.
///
/// # Errors
/// The system's.
pub fn append_to_file(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}
