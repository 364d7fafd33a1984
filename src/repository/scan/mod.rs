//! Finds key material in bytes: access key IDs, and secret access keys near an ID or behind a known name.
//!
//! One pass searches for a few short strings. Nearly all files have none of them, and need no further work. The other
//! searches read limited regions around these strings, each byte at most a few times, so the work is linear. The secret
//! itself never leaves this module.

mod base64_ids;
mod excerpt;
mod key_material;
mod variable_names;
mod search_window;
mod plausibility;
mod quoted_printable;
mod tokens;
mod word_model;

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

pub use self::base64_ids::prefix_anchors;
use self::key_material::RawMatch;
pub use self::key_material::{KeyMatch, KeyMaterial};
use self::search_window::SearchRegions;
use super::allow_comment::{self, AllowComment};
use super::key_id::{self, AccessKeyId, PREFIXES};
use crate::diagnostic::Position;

/// How many layers of Base64 are decoded.
const MAX_DEPTH: u8 = 2;
/// How many bytes a window must contain before and after its own part, so that a match at the border is complete.
pub const WINDOW_MARGIN: usize = 24 * 1024;

/// How many access key IDs, and how many secret access keys, of one file are reported. The rest is counted: a file can
/// consist of them.
pub const MAX_MATCHES: usize = 1000;

/// How many `keytide: allow` comments of one file count. The rest is counted only, and accepts nothing.
pub const MAX_COMMENTS: usize = 1000;

/// The result of one scan.
#[derive(Debug, Default)]
pub struct ScanResult {
    pub matches: Vec<KeyMatch>,
    /// The number of matches beyond [`MAX_MATCHES`].
    pub omitted: usize,
    pub comments: Vec<AllowComment>,
    /// The number of comments beyond [`MAX_COMMENTS`].
    pub omitted_comments: usize,
    /// How many bytes were read, counted once per read: the tests check that the work is linear.
    pub steps: u64,
}

/// A position in a file that is scanned from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    offset: usize,
    at: Position,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { offset: 0, at: Position::START }
    }
}

impl Cursor {
    /// The position behind `passed`, which begins here.
    pub fn after(self, passed: &[u8]) -> Self {
        let mut end = Self { offset: 0, at: self.at };
        end.advance_to(passed, passed.len());
        end
    }

    /// Advances to `offset`, and counts lines and UTF-8 characters.
    fn advance_to(&mut self, bytes: &[u8], offset: usize) {
        let passed = &bytes[self.offset..offset];
        let lines = memchr::memchr_iter(b'\n', passed).count();
        let line = memchr::memrchr(b'\n', passed).map_or(passed, |end| &passed[end + 1..]);
        let characters = line.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u32;
        if lines > 0 {
            self.at = Position { line: self.at.line + lines as u32, column: 1 };
        }
        self.at.column += characters;
        self.offset = offset;
    }
}

impl ScanResult {
    /// Adds the comments whose markers are between the cursor and `end`.
    fn collect_comments(&mut self, bytes: &[u8], markers: &[usize], mut cursor: Cursor, end: usize) {
        let own = cursor.offset..end;
        let (mut line, mut is_divided) = (0..0, false);
        for (index, offset) in markers.iter().enumerate().filter(|(_, offset)| own.contains(offset)) {
            let before = index.checked_sub(1).map_or(0, |before| markers[before]);
            let after = markers.get(index + 1).copied().unwrap_or(bytes.len());
            let range = allow_comment::comment_range(*offset, before..after);
            self.steps += range.len() as u64;
            cursor.advance_to(bytes, *offset);
            let Some(mut comment) = allow_comment::parse_comment(bytes, *offset, range, cursor.at) else {
                continue;
            };
            // Once for all comments of a line, which can consist of them
            if !line.contains(offset) {
                line = find_line(bytes, *offset);
                is_divided = allow_comment::is_divided(&bytes[line.clone()]);
                self.steps += line.len() as u64;
            }
            comment.has_divided_line = is_divided;
            if comment.target_line > comment.at.line {
                let next = find_line(bytes, line.end);
                self.steps += next.len() as u64;
                comment.has_divided_line |= allow_comment::is_divided(&bytes[next]);
            }
            // One that is left out accepts nothing, so that its finding counts.
            if self.comments.len() < MAX_COMMENTS {
                self.comments.push(comment);
            } else {
                self.omitted_comments += 1;
            }
        }
    }
}

/// The line that an offset is in, with its line feed.
fn find_line(bytes: &[u8], offset: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &bytes[..offset]).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', &bytes[offset..]).map_or(bytes.len(), |length| offset + length + 1);
    start..end
}

/// Scans files for key material; it holds the strings of the first pass.
pub struct Scanner {
    needles: AhoCorasick,
    kinds: Vec<NeedleKind>,
    double_base64: base64_ids::DoubleBase64,
}

#[derive(Clone, Copy)]
enum NeedleKind {
    Prefix,
    /// The Base64 of a prefix, and how many characters of its group come before it.
    Anchor(usize),
    Secret,
    Allow,
    /// A header that announces quoted-printable.
    Quoted,
}

impl Scanner {
    /// # Panics
    /// Never: the needles are fixed.
    pub fn new() -> Self {
        let mut needles: Vec<(String, NeedleKind)> =
            PREFIXES.iter().map(|prefix| ((*prefix).to_owned(), NeedleKind::Prefix)).collect();
        needles.extend(
            base64_ids::prefix_anchors().into_iter().map(|(text, before)| (text, NeedleKind::Anchor(before))),
        );
        needles.extend(["secret", "Secret", "SECRET"].map(|word| (word.to_owned(), NeedleKind::Secret)));
        needles.push((allow_comment::ALLOW_MARKER.to_owned(), NeedleKind::Allow));
        needles.extend(quoted_printable::HEADER_WORDS.map(|word| (word.to_owned(), NeedleKind::Quoted)));
        let (texts, kinds): (Vec<String>, Vec<NeedleKind>) = needles.into_iter().unzip();
        let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts);
        #[expect(clippy::expect_used, reason = "a fixed list of short strings always builds")]
        let needles = builder.expect("the needles build");
        Self { needles, kinds, double_base64: base64_ids::DoubleBase64::new() }
    }

    /// Scans a whole file.
    pub fn scan(&self, bytes: &[u8]) -> ScanResult {
        self.scan_window(bytes, 0..bytes.len(), Cursor::default())
    }

    /// Scans a part of a file and returns the matches that start in `own`. Around `own`, `bytes` has [`WINDOW_MARGIN`]
    /// bytes or reaches to the start or end of the file.
    ///
    /// `start` is the position of `own`'s first byte: [`Cursor::after`] the own part of the window before.
    pub fn scan_window(&self, bytes: &[u8], own: Range<usize>, start: Cursor) -> ScanResult {
        let mut scan = ScanResult::default();
        let mut markers = Vec::new();
        let mut marks = self.find_matches(bytes, 0, &mut scan.steps, &mut markers);
        marks.sort_by_key(|mark| (mark.span.start, mark.span.end));
        let mut cursor = Cursor { offset: own.start, at: start.at };
        let (mut ids, mut secrets) = (0, 0);
        for mark in marks.into_iter().filter(|mark| own.contains(&mark.span.start)) {
            let count = if mark.material.is_secret() { &mut secrets } else { &mut ids };
            *count += 1;
            if *count > MAX_MATCHES {
                scan.omitted += 1;
                continue;
            }
            cursor.advance_to(bytes, mark.span.start);
            scan.steps += excerpt::READ_BYTES as u64;
            scan.matches.push(mark.into_match(bytes, cursor.at));
        }
        scan.steps += 2 * own.len() as u64;
        scan.collect_comments(bytes, &markers, Cursor { offset: own.start, at: start.at }, own.end);
        scan
    }

    fn find_matches(
        &self,
        bytes: &[u8],
        depth: u8,
        steps: &mut u64,
        comments: &mut Vec<usize>,
    ) -> Vec<RawMatch> {
        let mut marks = Vec::new();
        let mut near = SearchRegions::default();
        let (mut groups, mut words) = (Vec::new(), Vec::new());
        let mut is_announced = false;
        *steps += bytes.len() as u64;
        for found in self.needles.find_iter(bytes) {
            match self.kinds[found.pattern().as_usize()] {
                NeedleKind::Prefix => {
                    if let Some(id) = key_id_at(bytes, found.start()) {
                        let span = found.start()..found.start() + key_id::LENGTH;
                        near.add_key_id(bytes, span.clone(), Some(id.clone()));
                        marks.push(RawMatch { span, material: KeyMaterial::KeyId(id), encoded: false });
                    }
                }
                NeedleKind::Anchor(before) => groups.extend(found.start().checked_sub(before)),
                NeedleKind::Secret => {
                    near.add_name(bytes, found.range());
                    words.push(found.start());
                }
                NeedleKind::Allow => comments.push(found.start()),
                NeedleKind::Quoted => is_announced = true,
            }
        }
        if depth == 0 {
            groups.extend(self.double_base64.find_groups(bytes, &words, steps));
            groups.sort_unstable();
        }
        let may_have_keys = !marks.is_empty() || !words.is_empty() || !groups.is_empty();
        if depth < MAX_DEPTH {
            marks.extend(self.scan_base64_blocks(bytes, &groups, depth, steps, &mut near));
        }
        marks.extend(near.find_secrets(bytes, steps));
        // Most files have neither, and are not read a second time.
        if depth == 0 && (is_announced || (may_have_keys && quoted_printable::has_encoded_equals(bytes))) {
            self.scan_quoted_printable(bytes, steps, &mut marks);
        }
        marks
    }

    /// Adds the key material that shows once quoted-printable is decoded.
    fn scan_quoted_printable(&self, bytes: &[u8], steps: &mut u64, marks: &mut Vec<RawMatch>) {
        let decoded = quoted_printable::decode(bytes);
        *steps += bytes.len() as u64;
        let known: HashSet<(usize, bool)> =
            marks.iter().map(|mark| (mark.span.start, mark.material.is_secret())).collect();
        // At depth 1, so that quoted-printable is not decoded again
        for mark in self.find_matches(&decoded.bytes, 1, steps, &mut Vec::new()) {
            let span = decoded.source_range(&mark.span);
            if !known.contains(&(span.start, mark.material.is_secret())) {
                marks.push(RawMatch { span, ..mark });
            }
        }
    }

    /// Finds key material in the blocks of Base64 that contain these groups.
    fn scan_base64_blocks(
        &self,
        bytes: &[u8],
        groups: &[usize],
        depth: u8,
        steps: &mut u64,
        near: &mut SearchRegions,
    ) -> Vec<RawMatch> {
        let mut marks = Vec::new();
        let mut decoded_to = 0;
        for group in groups {
            // Several groups can be in one block, which is decoded once
            let block = Some(*group).filter(|group| *group >= decoded_to);
            let Some(block) = block.and_then(|group| base64_ids::decode_block(bytes, group)) else {
                continue;
            };
            decoded_to = block.end;
            // Allow comments in encoded text do not count: no one who reviews the file sees them
            let inner = self.find_matches(&block.text, depth + 1, steps, &mut Vec::new());
            if !inner.is_empty() {
                // A Secret often has the key ID and the secret in two blocks next to each other.
                near.add_key_id(bytes, block.start..block.end, None);
            }
            for mark in inner {
                // A finding is shown at the block: a position in decoded text exists in no file.
                marks.push(RawMatch { span: block.start..block.end, encoded: true, ..mark });
            }
        }
        marks
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

fn key_id_at(bytes: &[u8], start: usize) -> Option<AccessKeyId> {
    let end = start + key_id::LENGTH;
    let id = AccessKeyId::parse(bytes.get(start..end)?)?;
    if tokens::is_word_start(bytes, start) && tokens::is_word_end(bytes, end) { Some(id) } else { None }
}

#[cfg(test)]
mod tests;
