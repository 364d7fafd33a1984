//! Finds key material in bytes: access key IDs, and secret access keys near one or behind a known name.
//!
//! One pass looks for a few short strings; a file without any of them, which is nearly every file, is done then.
//! What follows looks at bounded stretches around them, each byte at most a few times: the work is linear.
//! The secret itself never leaves this module.

mod base64_ids;
mod excerpt;
mod variable_names;
mod search_window;
mod plausibility;
mod tokens;
mod word_model;

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use self::search_window::SearchRegions;
use super::allow_comment::{self, AllowComment};
use super::key_id::{self, AccessKeyId, PREFIXES};
use crate::diagnostic::Position;

/// How deep Base64 is followed into Base64.
const MAX_DEPTH: u8 = 2;
/// How much of a file a window must show before and after what is looked for in it.
pub const WINDOW_MARGIN: usize = 24 * 1024;

/// Something found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMatch {
    pub at: Position,
    pub material: KeyMaterial,
    /// It stands there in Base64.
    pub encoded: bool,
    /// What may be shown of the line.
    pub excerpt: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    KeyId(AccessKeyId),
    /// A secret access key; `digest` tells two of them apart and is shown to nobody.
    Secret {
        beside: Option<AccessKeyId>,
        digest: u64,
    },
}

/// What one scan found, and how much work it was: bytes looked at, counted once for each look.
#[derive(Debug, Default)]
pub struct ScanResult {
    pub matches: Vec<KeyMatch>,
    pub comments: Vec<AllowComment>,
    pub steps: u64,
    /// Where the window's own part ends.
    pub end: Cursor,
}

/// A place in a file that is read from its start to its end.
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
    /// Goes on to `offset`, counting lines, and characters as UTF-8 has them.
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

/// The strings that make a file worth a closer look.
pub struct Scanner {
    needles: AhoCorasick,
    kinds: Vec<NeedleKind>,
    double_base64: base64_ids::DoubleBase64,
}

#[derive(Clone, Copy)]
enum NeedleKind {
    Prefix,
    /// What Base64 makes of a prefix, and how many characters of its group stand before that.
    Anchor(usize),
    Secret,
    Allow,
}

/// Key material in one stretch of bytes.
struct RawMatch {
    span: Range<usize>,
    material: KeyMaterial,
    encoded: bool,
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

    /// Scans a part of a file. Told is what begins in `own`; around it there are [`WINDOW_MARGIN`] bytes, or the file ends.
    ///
    /// `start` is the place of `own`'s first byte, as the scan of the window before gave it.
    pub fn scan_window(&self, bytes: &[u8], own: Range<usize>, start: Cursor) -> ScanResult {
        let mut scan = ScanResult::default();
        let mut comments = Vec::new();
        let mut marks = self.find_matches(bytes, 0, &mut scan.steps, &mut comments);
        marks.sort_by_key(|mark| (mark.span.start, mark.span.end));
        let mut cursor = Cursor { offset: own.start, at: start.at };
        for mark in marks.into_iter().filter(|mark| own.contains(&mark.span.start)) {
            cursor.advance_to(bytes, mark.span.start);
            scan.steps += excerpt::READ_BYTES as u64;
            scan.matches.push(mark.into_match(bytes, cursor.at));
        }
        let mut cursor = Cursor { offset: own.start, at: start.at };
        for offset in comments.into_iter().filter(|offset| own.contains(offset)) {
            cursor.advance_to(bytes, offset);
            scan.comments.extend(allow_comment::parse_comment(bytes, offset, cursor.at));
        }
        scan.steps += 2 * own.len() as u64;
        cursor.advance_to(bytes, own.end);
        scan.end = cursor;
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
            }
        }
        if depth == 0 {
            groups.extend(self.double_base64.find_groups(bytes, &words, steps));
            groups.sort_unstable();
        }
        if depth < MAX_DEPTH {
            marks.extend(self.scan_base64_blocks(bytes, &groups, depth, steps, &mut near));
        }
        marks.extend(near.find_secrets(bytes, steps));
        marks
    }

    /// What stands in the blocks of Base64 in which these groups begin.
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
            let block = Some(*group).filter(|group| *group >= decoded_to);
            let Some(block) = block.and_then(|group| base64_ids::decode_block(bytes, group)) else {
                continue;
            };
            decoded_to = block.end;
            let inner = self.find_matches(&block.text, depth + 1, steps, &mut Vec::new());
            if !inner.is_empty() {
                near.add_key_id(bytes, block.start..block.end, None);
            }
            let outer = |mark| RawMatch { span: block.start..block.end, encoded: true, ..mark };
            marks.extend(inner.into_iter().map(outer));
        }
        marks
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl RawMatch {
    fn into_match(self, bytes: &[u8], at: Position) -> KeyMatch {
        let encoded = if self.encoded { ", in Base64" } else { "" };
        let redacted = match &self.material {
            KeyMaterial::KeyId(id) => crate::sanitize::mask_key_id(id.as_str()) + encoded,
            KeyMaterial::Secret { .. } => format!("[secret access key{encoded}]"),
        };
        let excerpt = excerpt::redacted_excerpt(bytes, self.span.start, &redacted);
        KeyMatch { at, material: self.material, encoded: self.encoded, excerpt }
    }
}

fn key_id_at(bytes: &[u8], start: usize) -> Option<AccessKeyId> {
    let end = start + key_id::LENGTH;
    let id = AccessKeyId::parse(bytes.get(start..end)?)?;
    (tokens::is_word_start(bytes, start) && tokens::is_word_end(bytes, end)).then_some(id)
}

#[cfg(test)]
mod tests;
