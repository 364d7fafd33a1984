//! Files: read with a bound, written whole.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// Says in half a sentence why the file cannot be read.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| describe_io_error(path, &error))?;
    let metadata = file.metadata().map_err(|error| describe_io_error(path, &error))?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| describe_io_error(path, &error))?;
    if bytes.len() > limit {
        return Err(format!("it is too large: at most {limit} bytes are read"));
    }
    Ok(bytes)
}

fn describe_io_error(path: &Path, error: &std::io::Error) -> String {
    let dangling = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    match error.kind() {
        std::io::ErrorKind::NotFound if dangling => "it is a link to a file that does not exist".to_owned(),
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The first of several files that is there; a broken link counts, so that it is told and not passed over.
pub fn first_existing(candidates: &[&str]) -> Option<String> {
    candidates.iter().find(|path| Path::new(path).symlink_metadata().is_ok()).map(|path| (*path).to_owned())
}

/// Writes a report. The folder must exist.
///
/// # Errors
/// Says in half a sentence why the file cannot be written.
pub fn replace_file(path: &Path, text: &str) -> Result<(), String> {
    File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| error.to_string())
}

/// Writes a file that is not there yet, and the folder that it lies in.
///
/// # Errors
/// Says in half a sentence why the file cannot be written.
pub fn create_file(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| error.to_string())
}

/// Adds to a file of GitHub's (`GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY`), which other steps may have begun.
///
/// # Errors
/// Says in half a sentence why the file cannot be written.
pub fn append_to_file(path: &Path, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| error.to_string())
}
