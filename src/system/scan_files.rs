//! Reads many files or blobs in parallel and passes their bytes to the scanner, for `check` and `init`. Memory is
//! bounded: each thread holds one window of a file.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{self, FileError};
use super::git::GitBlob;
use super::listing::{ItemOrigin, ScanItem};
use super::worktree::{WINDOW, WorkTree};
use crate::repository::{Cursor, ScannedFile, Scanner, WINDOW_MARGIN, decode_wide_runs, scan_file};

/// The maximum number of threads; more of them wait for the disk.
const MAX_THREADS: usize = 8;
/// Fewer files than this are read by one thread: starting more takes longer.
const MIN_FILES_FOR_THREADS: usize = 32;

/// The result of scanning a list of files.
#[derive(Debug, Default)]
pub struct ScanOutcome {
    /// The files with matches, static keys or allow comments.
    pub found: Vec<ScannedFile>,
    /// The files that could not be read, each with the reason.
    pub faults: Vec<(String, String)>,
    pub files: usize,
    pub bytes: u64,
    /// The tracked files that are not in the working tree, or are no regular files there.
    pub absent: usize,
    /// The tracked files that a sparse checkout leaves out.
    pub left_out: usize,
    /// The paths and IDs of the objects that the clone does not have.
    missing: Vec<(String, String)>,
}

/// How many missing objects are named; a partial clone can lack all.
const MAX_NAMED_OBJECTS: usize = 20;

/// Scans files of the working tree.
pub fn scan_items(scanner: &Scanner, items: &[ScanItem]) -> ScanOutcome {
    run_in_threads(items.len(), |take| {
        let mut outcome = ScanOutcome::default();
        let mut buffer = Vec::new();
        while let Some(index) = take() {
            let item = &items[index];
            match scan_item(scanner, item, &mut buffer) {
                Ok(Some((file, length))) => outcome.add_file(file, length),
                Ok(None) if item.origin == ItemOrigin::LeftOut => outcome.left_out += 1,
                Ok(None) => outcome.absent += 1,
                Err(error) => outcome.faults.push((item.shown.clone(), error.to_string())),
            }
        }
        outcome
    })
}

/// Scans blobs. Each [`ScannedFile`] has the blob's ID in place of a commit; the caller looks the commit up.
pub fn scan_blobs(scanner: &Scanner, tree: &WorkTree, blobs: &[GitBlob]) -> ScanOutcome {
    let mut outcome = run_in_threads(blobs.len(), |take| {
        let mut outcome = ScanOutcome::default();
        let mut buffer = Vec::new();
        let mut objects = match tree.open_objects() {
            Ok(objects) => objects,
            Err(why) => {
                outcome.faults.push(("git".to_owned(), why.to_string()));
                return outcome;
            }
        };
        while let Some(index) = take() {
            let blob = &blobs[index];
            let read = |content: &mut dyn Read, length| {
                read_through(scanner, &blob.path, content, length, &mut buffer)
            };
            match objects.read_object(&blob.id, read) {
                Ok(Some((mut file, length))) => {
                    file.commit = Some(blob.id.clone());
                    outcome.add_file(file, length);
                }
                Err(error) => outcome.faults.push((blob.path.clone(), error.to_string())),
                Ok(None) => outcome.missing.push((blob.path.clone(), blob.id.clone())),
            }
        }
        outcome
    });
    report_missing_objects(&mut outcome);
    outcome
}

/// A missing object is never fetched; what is not in this clone was not checked.
fn report_missing_objects(outcome: &mut ScanOutcome) {
    let mut missing = std::mem::take(&mut outcome.missing);
    missing.sort();
    let rest = missing.len().saturating_sub(MAX_NAMED_OBJECTS);
    for (path, id) in missing.into_iter().take(MAX_NAMED_OBJECTS) {
        outcome.faults.push((path, format!("this clone does not have the object {id}")));
    }
    if rest > 0 {
        let reason = format!(
            "this clone does not have {rest} more objects: fetch them first (`git fetch --refetch --no-filter`)"
        );
        outcome.faults.push(("other objects".to_owned(), reason));
    }
}

/// Runs `work` in several threads; `work` takes the index of the next file until there is none.
fn run_in_threads(
    count: usize,
    work: impl Fn(&dyn Fn() -> Option<usize>) -> ScanOutcome + Sync,
) -> ScanOutcome {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let all = Mutex::new(ScanOutcome::default());
    let run = || {
        let outcome = work(&take);
        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.merge_outcome(outcome);
    };
    std::thread::scope(|scope| {
        for _ in 1..if count < MIN_FILES_FOR_THREADS { 1 } else { threads } {
            scope.spawn(run);
        }
        run();
    });
    let mut outcome = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcome.found.sort_by(|a, b| (&a.file, &a.commit).cmp(&(&b.file, &b.commit)));
    outcome.faults.sort();
    outcome
}

impl ScanOutcome {
    fn add_file(&mut self, file: ScannedFile, length: u64) {
        self.files += 1;
        self.bytes += length;
        if file.omitted > 0 {
            let reason = format!("it has {} more access keys, which are not reported", file.omitted);
            self.faults.push((file.file.clone(), reason));
        }
        if !file.is_empty() {
            self.found.push(file);
        }
    }

    /// Adds the result of other files.
    pub fn merge_outcome(&mut self, other: Self) {
        self.found.extend(other.found);
        self.faults.extend(other.faults);
        self.files += other.files;
        self.bytes += other.bytes;
        self.absent += other.absent;
        self.left_out += other.left_out;
        self.missing.extend(other.missing);
    }
}

/// Scans one file and returns its length too; `None` for a tracked file that is not in the working tree.
fn scan_item(
    scanner: &Scanner,
    item: &ScanItem,
    buffer: &mut Vec<u8>,
) -> Result<Option<(ScannedFile, u64)>, FileError> {
    let is_given = item.origin == ItemOrigin::Given;
    let mut file = match files::open_plain(&item.path) {
        Ok(file) => file,
        // A deleted file, or a folder, link or FIFO in place of it: what Git tracks is not here.
        Err(error) if !is_given && error.is_other_kind() => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata().map_err(FileError::Io)?.len();
    read_through(scanner, &item.shown, &mut file, length, buffer).map(Some).map_err(FileError::Io)
}

/// Scans a file at once, or a large one window by window.
fn read_through(
    scanner: &Scanner,
    shown: &str,
    content: &mut dyn Read,
    length: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<(ScannedFile, u64)> {
    buffer.clear();
    if length <= WINDOW as u64 {
        content.take(WINDOW as u64).read_to_end(buffer)?;
        return Ok((scan_file(scanner, shown, buffer), buffer.len() as u64));
    }
    let mut file = ScannedFile { file: shown.to_owned(), ..ScannedFile::default() };
    let (mut cursor, mut own, mut total) = (Cursor::default(), 0, 0);
    loop {
        // The buffer holds the margin before `own`, and is filled up to a window beyond it.
        let (old, wanted) = (buffer.len(), WINDOW - buffer.len());
        let read = content.take(wanted as u64).read_to_end(buffer)?;
        total += read as u64;
        if let Cow::Owned(decoded) = decode_wide_runs(&buffer[old..]) {
            buffer.truncate(old);
            buffer.extend(decoded);
        }
        let is_last = read < wanted;
        let end = if is_last { buffer.len() } else { buffer.len() - WINDOW_MARGIN };
        let scan = scanner.scan_window(buffer, own..end, cursor);
        cursor = scan.end;
        file.add_window(scan);
        if is_last {
            return Ok((file, total));
        }
        buffer.drain(..end - WINDOW_MARGIN);
        own = WINDOW_MARGIN;
    }
}
