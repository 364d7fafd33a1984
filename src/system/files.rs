//! Reads and writes single files for the commands: the policy file, the credential report, reports, outputs of a step.
//!
//! What the repository holds is read by [`read_plain`] and [`open_plain`], which refuse anything but a regular file.
//! [`read_bounded`] is for a file that the command line names, which may be a pipe.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// How long a pipe may keep a command that has no `--timeout`.
pub const PIPE_WAIT: Duration = Duration::from_secs(60);

/// Why a file cannot be read or written. The text does not name the file.
#[derive(Debug)]
pub enum FileError {
    IsFolder,
    TooLarge {
        limit: usize,
    },
    /// A symbolic link whose target does not exist.
    DanglingLink,
    /// A symbolic link where none is followed.
    IsLink,
    /// A FIFO, a device or a socket.
    NotRegular,
    /// A pipe whose other end did nothing for so long.
    Silent {
        waited: Duration,
    },
    Io(io::Error),
}

impl FileError {
    fn from_io(path: &Path, error: io::Error) -> Self {
        // Where the path is a link, the error is about its target, which may be missing alone
        let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if is_link && error.kind() == io::ErrorKind::NotFound { Self::DanglingLink } else { Self::Io(error) }
    }

    /// Whether there is nothing at the path.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if is_absent(error))
    }

    /// Whether there is nothing at the path, or something that is no file.
    pub fn is_other_kind(&self) -> bool {
        self.is_absent() || matches!(self, Self::IsFolder | Self::IsLink | Self::NotRegular)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsFolder => f.write_str("it is a folder"),
            Self::TooLarge { limit } => write!(f, "it is larger than {limit} bytes"),
            Self::DanglingLink => f.write_str("it is a link to a file that does not exist"),
            Self::IsLink => f.write_str("it is a link, or in a folder that is one"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::Silent { waited } => {
                write!(f, "it is a pipe, and no program was at its other end within {} s", waited.as_secs())
            }
            Self::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => f.write_str("it does not exist"),
                io::ErrorKind::PermissionDenied => f.write_str("permission denied"),
                _ => error.fmt(f),
            },
        }
    }
}

impl std::error::Error for FileError {}

/// Whether there is nothing at a path, or a file where the path has a folder.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A regular file that is open for reading.
pub struct OpenFile {
    pub file: File,
    /// How many bytes it had when it was opened.
    pub length: u64,
}

/// Opens a regular file. A link is not followed.
///
/// # Errors
/// The reason.
pub fn open_plain(path: &Path) -> Result<OpenFile, FileError> {
    if !CAN_FORBID_LINKS {
        look_at(path)?;
    }
    let mut options = OpenOptions::new();
    options.read(true);
    forbid_links(&mut options);
    // A link or a socket cannot be opened: the error names its kind
    let file = options.open(path).map_err(|error| look_at(path).err().unwrap_or(FileError::Io(error)))?;
    // Of the file that is open: others can change what the path leads to.
    let metadata = file.metadata().map_err(FileError::Io)?;
    ensure_regular(&metadata)?;
    Ok(OpenFile { file, length: metadata.len() })
}

/// Whether a file can be opened here without following a link or waiting for the writer of a FIFO.
const CAN_FORBID_LINKS: bool = cfg!(all(unix, feature = "online"));

#[cfg(all(unix, feature = "online"))]
fn forbid_links(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(not(all(unix, feature = "online")))]
fn forbid_links(_: &mut OpenOptions) {}

/// Makes sure that a path leads to a regular file, and not by a link.
fn look_at(path: &Path) -> Result<(), FileError> {
    ensure_regular(&path.symlink_metadata().map_err(FileError::Io)?)
}

fn ensure_regular(metadata: &Metadata) -> Result<(), FileError> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(FileError::IsFolder)
    } else if metadata.is_symlink() {
        Err(FileError::IsLink)
    } else {
        Err(FileError::NotRegular)
    }
}

/// Reads a regular file of at most `limit` bytes. A link is not followed.
///
/// # Errors
/// The reason.
pub fn read_plain(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let open = open_plain(path)?;
    // The buffer has the file's length from the beginning
    let expected = usize::try_from(open.length).unwrap_or(limit).min(limit);
    read_open(open.file, limit, expected)
}

/// As [`read_plain`], but follows links.
///
/// # Errors
/// The reason.
pub fn read_linked(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    // The target is looked at like any other file: a link can lead to a FIFO.
    read_plain(&path.canonicalize().map_err(|error| FileError::from_io(path, error))?, limit)
}

/// Reads a file of at most `limit` bytes that the command line or a variable names. A pipe is read to its end, if that
/// comes within `wait`.
///
/// # Errors
/// The reason.
pub fn read_bounded(path: &Path, limit: usize, wait: Duration) -> Result<Vec<u8>, FileError> {
    let metadata = path.metadata().map_err(|error| FileError::from_io(path, error))?;
    if metadata.is_dir() {
        return Err(FileError::IsFolder);
    }
    let owned = path.to_owned();
    let read = move || read_open(File::open(owned).map_err(FileError::Io)?, limit, 0);
    if metadata.is_file() { read() } else { run_within(wait, read) }
}

/// Runs what may wait for another program for as long as that wants: to open a FIFO waits for its other end. A thread that
/// still waits ends with the process.
fn run_within<T: Send + 'static>(
    wait: Duration,
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let (sender, receiver) = mpsc::channel();
    let work = move || drop(sender.send(work()));
    std::thread::Builder::new().spawn(work).map_err(FileError::Io)?;
    receiver.recv_timeout(wait).unwrap_or(Err(FileError::Silent { waited: wait }))
}

/// Checks a file that a library opens, which would wait for a FIFO and read a device to its end. Nothing at the path is no
/// error, and neither is `/dev/null`.
///
/// # Errors
/// It is of another kind, or too large.
pub fn ensure_bounded(path: &Path, limit: usize) -> Result<(), FileError> {
    // What cannot be looked at cannot be read either: the library says why
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    if path == Path::new("/dev/null") {
        return Ok(());
    }
    ensure_regular(&metadata)?;
    if metadata.len() > limit as u64 { Err(FileError::TooLarge { limit }) } else { Ok(()) }
}

fn read_open(file: File, limit: usize, expected: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::with_capacity(expected);
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

/// Writes a report over an older one. The folder must exist. A pipe is written to, if a program reads it before long.
///
/// # Errors
/// The reason.
pub fn replace_file(path: &Path, text: &str) -> Result<(), FileError> {
    let (is_other, owned, text) = (path.exists() && !path.is_file(), path.to_owned(), text.to_owned());
    let write = move || {
        File::create(owned).and_then(|mut file| file.write_all(text.as_bytes())).map_err(FileError::Io)
    };
    if is_other { run_within(PIPE_WAIT, write) } else { write() }
}

/// Checks that there is a regular file or nothing at a path.
///
/// # Errors
/// The reason.
pub fn ensure_replaceable(path: &Path) -> Result<(), FileError> {
    match path.symlink_metadata() {
        Ok(metadata) => ensure_regular(&metadata),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(FileError::Io(error)),
    }
}

/// Makes sure that a file can be written over: its folder is created, and an existing file is opened for writing.
///
/// # Errors
/// The reason.
pub fn prepare_replacement(path: &Path) -> Result<(), FileError> {
    create_folder_of(path).map_err(FileError::Io)?;
    // Only a regular file: to open a pipe can wait for its reader.
    if path.is_file() {
        OpenOptions::new().append(true).open(path).map_err(FileError::Io)?;
    } else if path.is_dir() {
        return Err(FileError::IsFolder);
    }
    Ok(())
}

/// The names of what is directly in a folder, in order: the folders, or the files. Links are left out.
///
/// # Errors
/// The system's.
pub fn list_names(folder: &Path, of_folders: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let is_wanted = if of_folders { kind.is_dir() } else { kind.is_file() };
        // A name that is not UTF-8 is none that keytide has written.
        if let (true, Ok(name)) = (is_wanted, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The folders directly in a folder.
#[derive(Default)]
pub struct FolderListing {
    /// In order.
    pub names: Vec<String>,
    /// What may hide a folder, a link or a name that is not UTF-8, in order: its name, and why it is not looked into.
    pub refused: Vec<(String, String)>,
}

/// Lists the folders directly in a folder.
///
/// # Errors
/// The system's.
pub fn list_folders(folder: &Path) -> io::Result<FolderListing> {
    let mut found = FolderListing::default();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Of a link that cannot be followed nothing is known.
        let is_link = kind.is_symlink() && !entry.path().is_file();
        if !is_link && !kind.is_dir() {
            continue;
        }
        match entry.file_name().into_string() {
            Ok(name) if is_link => found.refused.push((name, FileError::IsLink.to_string())),
            Ok(name) => found.names.push(name),
            Err(name) => {
                let reason = "its name is not UTF-8".to_owned();
                found.refused.push((name.to_string_lossy().into_owned(), reason));
            }
        }
    }
    found.names.sort();
    found.refused.sort();
    Ok(found)
}

/// What is in a folder and in its folders, to a depth, in order: each path, and whether it is a regular file. Links are not
/// followed, and folders are no entries.
///
/// # Errors
/// The system's.
pub fn list_below(folder: &Path, depth: usize) -> io::Result<Vec<(PathBuf, bool)>> {
    let (mut found, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, level)) = folders.pop() {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && level < depth {
                folders.push((entry.path(), level + 1));
            } else {
                found.push((entry.path(), kind.is_file()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Creates the folder of a file.
///
/// # Errors
/// The system's.
pub fn create_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

/// Writes a new file. An existing file is never overwritten, and a link is not followed.
///
/// # Errors
/// The system's.
pub fn create_file(path: &Path, text: &str) -> io::Result<()> {
    // `create_new` looks and creates in one step, so no file of another process is overwritten in between.
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Appends to a file of a GitHub Actions step (`GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY`), to which other programs of the
/// step may have written. The runner makes a regular file; a link in its place is not followed, since a program of an
/// earlier step could have put it there.
///
/// # Errors
/// The reason.
pub fn append_to_file(path: &Path, text: &str) -> Result<(), FileError> {
    ensure_replaceable(path)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    forbid_links(&mut options);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(FileError::Io)
}
