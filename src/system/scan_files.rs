//! Reads many files or blobs in parallel and passes their bytes to the scanner, for `check` and `init`. Memory is
//! bounded: each thread holds one window of a file.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{self, FileError};
use super::git::GitBlob;
use super::listing::{ItemOrigin, ScanItem};
use super::threads::count_threads;
use super::worktree::{WINDOW, WorkTree};
use crate::repository::{Cursor, ScannedFile, Scanner, WINDOW_MARGIN, decode_wide_runs, scan_file};

/// Fewer files than this are read by one thread.
const MIN_FILES_FOR_THREADS: usize = 32;

/// How many files that cannot be read are named.
const MAX_FAULTS: usize = 1000;

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
    /// The faults that are not in the list, because it is full.
    omitted_faults: usize,
    /// The paths and IDs of the objects that the clone does not have.
    missing: Vec<(String, String)>,
}

/// How many missing objects are named; a partial clone can lack all.
const MAX_NAMED_OBJECTS: usize = 20;

/// Scans files of the working tree.
pub fn scan_items(scanner: &Scanner, items: &[ScanItem]) -> ScanOutcome {
    run_in_threads(items.len(), |queue| {
        let mut outcome = ScanOutcome::default();
        let mut buffer = Vec::new();
        while let Some(index) = queue.take_next() {
            let item = &items[index];
            match scan_item(scanner, item, &mut buffer) {
                Ok(Some((file, length))) => outcome.add_file(file, length),
                Ok(None) if item.origin == ItemOrigin::LeftOut => outcome.left_out += 1,
                Ok(None) => outcome.absent += 1,
                Err(error) => outcome.add_fault(item.shown.clone(), error.to_string()),
            }
        }
        outcome
    })
}

/// Scans blobs. Each [`ScannedFile`] has the blob's ID in place of a commit; the caller looks the commit up.
pub fn scan_blobs(scanner: &Scanner, tree: &WorkTree, blobs: &[GitBlob]) -> ScanOutcome {
    let mut outcome = run_in_threads(blobs.len(), |queue| {
        let mut outcome = ScanOutcome::default();
        let mut buffer = Vec::new();
        let mut objects = match tree.open_objects() {
            Ok(objects) => objects,
            Err(why) => {
                outcome.add_fault("git".to_owned(), why.to_string());
                return outcome;
            }
        };
        while let Some(index) = queue.take_next() {
            let blob = &blobs[index];
            let scanned = objects.read_object(&blob.id, |content, length| {
                read_through(scanner, &blob.path, content, length, &mut buffer)
            });
            match scanned {
                Ok(Some((mut file, length))) => {
                    file.commit = Some(blob.id.clone());
                    outcome.add_file(file, length);
                }
                Err(error) => outcome.add_fault(blob.path.clone(), error.to_string()),
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

/// Gives each file of a list to one thread.
struct FileQueue {
    next: AtomicUsize,
    count: usize,
}

impl FileQueue {
    /// The index of the next file; `None` after the last one.
    fn take_next(&self) -> Option<usize> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index < self.count { Some(index) } else { None }
    }
}

/// Runs `work` in several threads; `work` takes files from the queue until it is empty.
fn run_in_threads(count: usize, work: impl Fn(&FileQueue) -> ScanOutcome + Sync) -> ScanOutcome {
    let queue = FileQueue { next: AtomicUsize::new(0), count };
    let threads = count_threads(count, MIN_FILES_FOR_THREADS);
    let all = Mutex::new(ScanOutcome::default());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| merge_into(&all, work(&queue)));
        }
        // This thread works as well, in place of waiting.
        merge_into(&all, work(&queue));
    });
    // A poisoned lock means that a thread panicked, and the scope has passed that on already.
    let mut outcome = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // The threads end in any order; reports must not depend on it.
    outcome.found.sort_by(|a, b| (&a.file, &a.commit).cmp(&(&b.file, &b.commit)));
    outcome.keep_first_faults();
    let omitted = std::mem::take(&mut outcome.omitted_faults);
    if omitted > 0 {
        outcome.faults.push(("other files".to_owned(), format!("{omitted} more files cannot be read")));
    }
    outcome
}

fn merge_into(all: &Mutex<ScanOutcome>, outcome: ScanOutcome) {
    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge_outcome(outcome);
}

impl ScanOutcome {
    fn add_file(&mut self, file: ScannedFile, length: u64) {
        self.files += 1;
        self.bytes += length;
        if file.omitted > 0 {
            let reason = format!("it has {} more access keys, which are not reported", file.omitted);
            self.add_fault(file.file.clone(), reason);
        }
        if file.omitted_comments > 0 {
            let reason = format!(
                "it has {} more `keytide: allow` comments, which are not looked at and accept nothing",
                file.omitted_comments
            );
            self.add_fault(file.file.clone(), reason);
        }
        if !file.is_empty() {
            self.found.push(file);
        }
    }

    fn add_fault(&mut self, file: String, reason: String) {
        self.faults.push((file, reason));
        if self.faults.len() >= 2 * MAX_FAULTS {
            self.keep_first_faults();
        }
    }

    /// Keeps the first faults by name, which are the same in whatever order the threads end.
    fn keep_first_faults(&mut self) {
        self.faults.sort();
        self.omitted_faults += self.faults.len().saturating_sub(MAX_FAULTS);
        self.faults.truncate(MAX_FAULTS);
    }

    /// Whether every file of the list was read to its end.
    pub fn has_read_all(&self) -> bool {
        self.faults.is_empty() && self.absent == 0 && self.left_out == 0
    }

    /// Adds the result of other files.
    pub fn merge_outcome(&mut self, other: Self) {
        self.found.extend(other.found);
        self.faults.extend(other.faults);
        self.omitted_faults += other.omitted_faults;
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
    let mut open = match files::open_plain(&item.path) {
        Ok(open) => open,
        // A deleted file, or a folder, link or FIFO in place of it: what Git tracks is not here.
        Err(error) if !is_given && error.is_other_kind() => return Ok(None),
        Err(error) => return Err(error),
    };
    read_through(scanner, &item.shown, &mut open.file, open.length, buffer).map(Some).map_err(FileError::Io)
}

/// Scans a file at once, or a large one window by window.
fn read_through(
    scanner: &Scanner,
    shown: &str,
    content: &mut dyn Read,
    length: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<(ScannedFile, u64)> {
    if length <= WINDOW as u64 {
        let bytes = read_whole(content, length as usize, buffer)?;
        return Ok((scan_file(scanner, shown, bytes), bytes.len() as u64));
    }
    buffer.clear();
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
        // `take` ends a window only when it is full, so a shorter one is the end of the file.
        let is_last = read < wanted;
        let end = if is_last { buffer.len() } else { buffer.len() - WINDOW_MARGIN };
        file.add_window(scanner.scan_window(buffer, own..end, cursor));
        cursor = cursor.after(&buffer[own..end]);
        file.note_unparsed(buffer);
        if is_last {
            return Ok((file, total));
        }
        // The margin stays in front of the next part: a match can begin before the border.
        buffer.drain(..end - WINDOW_MARGIN);
        own = WINDOW_MARGIN;
    }
}

/// Reads a file of a known length, with one request to the system where it can: most of a scan is such requests. The
/// buffer keeps its length, so that it is cleared once and not for each file.
fn read_whole<'b>(
    content: &mut dyn Read,
    length: usize,
    buffer: &'b mut Vec<u8>,
) -> std::io::Result<&'b [u8]> {
    if length == 0 {
        // Files of virtual file systems have content, and say that they have none.
        buffer.clear();
        content.take(WINDOW as u64).read_to_end(buffer)?;
        return Ok(buffer);
    }
    if buffer.len() < length {
        *buffer = vec![0; length.next_power_of_two()];
    }
    let mut end = 0;
    while end < length {
        match content.read(&mut buffer[end..length]) {
            Ok(0) => break,
            Ok(count) => end += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is not looked at as a whole is no pass.
    #[test]
    fn what_is_left_out_of_a_file_is_a_fault() {
        let mut outcome = ScanOutcome::default();
        outcome.add_file(ScannedFile { file: "all".to_owned(), ..ScannedFile::default() }, 1);
        assert_eq!(outcome.faults, []);
        let (file, omitted, omitted_comments) = ("part".to_owned(), 2, 3);
        outcome.add_file(ScannedFile { file, omitted, omitted_comments, ..ScannedFile::default() }, 1);
        let reasons: Vec<&str> = outcome.faults.iter().map(|(_, reason)| reason.as_str()).collect();
        assert!(reasons[0].starts_with("it has 2 more access keys"), "{reasons:?}");
        assert!(reasons[1].starts_with("it has 3 more `keytide: allow` comments"), "{reasons:?}");
        assert_eq!(reasons.len(), 2);
    }
}
