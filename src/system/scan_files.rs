//! Many files at a time: their bytes, handed to the pure scanner. Memory is bounded by a window for each thread.

use std::fs::File;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::git::GitBlob;
use super::worktree::{ScanItem, WINDOW, WorkTree};
use crate::repository::{Cursor, ScannedFile, Scanner, WINDOW_MARGIN, scan_file};

/// The most threads that read: more only wait for each other.
const MAX_THREADS: usize = 8;
/// Fewer files than this are read by one thread.
const MIN_FILES_FOR_THREADS: usize = 32;

/// What a list of files came to: what was said in them, what could not be read and why, and how much it was.
#[derive(Debug, Default)]
pub struct ScanOutcome {
    pub found: Vec<ScannedFile>,
    pub faults: Vec<(String, String)>,
    pub files: usize,
    pub bytes: u64,
}

/// Looks through files, several at a time.
pub fn scan_items(scanner: &Scanner, items: &[ScanItem]) -> ScanOutcome {
    run_in_threads(items.len(), |take| {
        let mut looked = ScanOutcome::default();
        let mut buffer = Vec::new();
        while let Some(index) = take() {
            let item = &items[index];
            match scan_item(scanner, item, &mut buffer) {
                Ok(Some((facts, length))) => looked.add_file(facts, length),
                Ok(None) => {}
                Err(error) => looked.faults.push((item.shown.clone(), error.to_string())),
            }
        }
        looked
    })
}

/// Looks through blobs, several at a time; each `FileFacts` says its blob as its commit.
pub fn scan_blobs(scanner: &Scanner, tree: &WorkTree, blobs: &[GitBlob]) -> ScanOutcome {
    run_in_threads(blobs.len(), |take| {
        let mut looked = ScanOutcome::default();
        let mut buffer = Vec::new();
        let mut objects = match tree.open_objects() {
            Ok(objects) => objects,
            Err(why) => {
                looked.faults.push(("git".to_owned(), why));
                return looked;
            }
        };
        while let Some(index) = take() {
            let blob = &blobs[index];
            let read = |content: &mut dyn Read, length| {
                read_through(scanner, &blob.path, content, length, &mut buffer)
            };
            match objects.read_object(&blob.id, read) {
                Ok(Some(Ok((mut facts, length)))) => {
                    facts.commit = Some(blob.id.clone());
                    looked.add_file(facts, length);
                }
                Ok(Some(Err(why))) | Err(why) => looked.faults.push((blob.path.clone(), why)),
                Ok(None) => looked.faults.push((blob.path.clone(), format!("git has no object {}", blob.id))),
            }
        }
        looked
    })
}

/// Runs `work` in as many threads as are worth it; each takes the next number until there is none.
fn run_in_threads(
    count: usize,
    work: impl Fn(&dyn Fn() -> Option<usize>) -> ScanOutcome + Sync,
) -> ScanOutcome {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let all = Mutex::new(ScanOutcome::default());
    let run = || {
        let looked = work(&take);
        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.merge_outcome(looked);
    };
    std::thread::scope(|scope| {
        for _ in 1..if count < MIN_FILES_FOR_THREADS { 1 } else { threads } {
            scope.spawn(run);
        }
        run();
    });
    let mut looked = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    looked.found.sort_by(|a, b| (&a.file, &a.commit).cmp(&(&b.file, &b.commit)));
    looked.faults.sort();
    looked
}

impl ScanOutcome {
    fn add_file(&mut self, facts: ScannedFile, length: u64) {
        self.files += 1;
        self.bytes += length;
        if !facts.is_empty() {
            self.found.push(facts);
        }
    }

    /// Puts what others looked at beside this.
    pub fn merge_outcome(&mut self, other: Self) {
        self.found.extend(other.found);
        self.faults.extend(other.faults);
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// One file: what it says and how long it is; `None` when it is gone, or no regular file.
fn scan_item(
    scanner: &Scanner,
    item: &ScanItem,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<(ScannedFile, u64)>> {
    let mut file = match File::open(&item.path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    read_through(scanner, &item.shown, &mut file, metadata.len(), buffer)?
        .map(Some)
        .map_err(std::io::Error::other)
}

/// Reads a file whole, or a large one window by window.
fn read_through(
    scanner: &Scanner,
    shown: &str,
    content: &mut dyn Read,
    length: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Result<(ScannedFile, u64), String>> {
    buffer.clear();
    if length <= WINDOW as u64 {
        content.take(WINDOW as u64).read_to_end(buffer)?;
        return Ok(Ok((scan_file(scanner, shown, buffer), buffer.len() as u64)));
    }
    let mut facts = ScannedFile { file: shown.to_owned(), ..ScannedFile::default() };
    let (mut cursor, mut own, mut total) = (Cursor::default(), 0, 0);
    loop {
        // The buffer holds the margin before `own`, and is filled up to a window beyond it.
        let read = content.take((WINDOW - buffer.len()) as u64).read_to_end(buffer)?;
        total += read as u64;
        let is_last = buffer.len() < WINDOW;
        let end = if is_last { buffer.len() } else { WINDOW - WINDOW_MARGIN };
        let scan = scanner.scan_window(buffer, own..end, cursor);
        facts.matches.extend(scan.matches);
        facts.comments.extend(scan.comments);
        if is_last {
            return Ok(Ok((facts, total)));
        }
        cursor = scan.end;
        buffer.drain(..end - WINDOW_MARGIN);
        own = WINDOW_MARGIN;
    }
}
