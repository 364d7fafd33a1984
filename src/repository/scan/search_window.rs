//! Collects the regions of a file that may contain a secret access key (around access key IDs and behind names), and
//! searches them.

use std::borrow::Cow;
use std::ops::Range;

use super::key_material::{KeyMaterial, RawMatch};
use super::tokens::{TokenRun, is_token};
use super::{plausibility, variable_names};
use crate::repository::key_id::{self, AccessKeyId};

/// The most lines and bytes between an access key ID and its secret.
const KEY_ID_LINES: usize = 5;
const KEY_ID_BYTES: usize = 2 * 1024;
/// The most lines and bytes between a name that says AWS and its value.
const NAME_LINES: usize = 4;
const NAME_BYTES: usize = 400;
/// The most bytes between any other name and its value.
const VALUE_BYTES: usize = 160;
/// The length of a full line in a wrapped block of Base64.
const WRAPPED_LINE_LENGTH: usize = 60;

/// Collects regions, and then searches their union once.
#[derive(Default)]
pub struct SearchRegions {
    regions: Vec<Range<usize>>,
    /// Access key IDs, each with the region in which a secret belongs to it.
    ids: Vec<(Range<usize>, usize, AccessKeyId)>,
    steps: u64,
}

impl SearchRegions {
    /// Adds the region around an access key ID.
    pub fn add_key_id(&mut self, bytes: &[u8], span: Range<usize>, id: Option<AccessKeyId>) {
        let from = span.start.saturating_sub(KEY_ID_BYTES);
        let start = memchr::memrchr_iter(b'\n', &bytes[from..span.start]).nth(KEY_ID_LINES);
        let start = start.map_or(from, |end| from + end + 1);
        let stretch = start..lines_after(bytes, span.end, KEY_ID_LINES + 1, KEY_ID_BYTES);
        self.steps += stretch.len() as u64;
        if let Some(id) = id {
            self.ids.push((stretch.clone(), span.start, id));
        }
        self.regions.push(stretch);
    }

    /// Adds the region behind the name that contains the word `secret` at `word`, if it is a name of a secret access key.
    pub fn add_name(&mut self, bytes: &[u8], word: Range<usize>) {
        let Some(name) =
            variable_names::find_secret_name(bytes, word).filter(|name| !is_indirect_value(bytes, name.end))
        else {
            return;
        };
        let (lines, most) = if name.says_aws { (NAME_LINES, NAME_BYTES) } else { (1, VALUE_BYTES) };
        let end = lines_after(bytes, name.end, lines, most);
        // A source map lists names, and what follows them there are runs of an encoding of its own.
        let map = memchr::memmem::find(&bytes[name.end..end], b"\"mappings\"");
        let stretch = name.end..map.map_or(end, |at| name.end + at);
        self.steps += stretch.len() as u64;
        self.regions.push(stretch);
    }

    /// Returns every secret access key in the regions.
    pub fn find_secrets(mut self, bytes: &[u8], steps: &mut u64) -> Vec<RawMatch> {
        self.regions.sort_by_key(|stretch| stretch.start);
        self.ids.sort_by_key(|(_, at, _)| *at);
        let mut marks = Vec::new();
        let mut done = 0;
        *steps += self.steps;
        for stretch in &self.regions {
            let mut at = stretch.start.max(done);
            // A token that starts before the region does not belong to it.
            while at > 0 && at < stretch.end && is_token(bytes[at - 1]) && is_token(bytes[at]) {
                at += 1;
            }
            *steps += stretch.end.saturating_sub(at) as u64;
            while at < stretch.end {
                let run = TokenRun::read_at(bytes, at);
                marks.extend(self.match_secret(bytes, &run));
                at = run.end.max(at + 1);
                let cut = run.bytes.len() + 8 > TokenRun::MAX_LENGTH;
                while cut && at < stretch.end && is_token(bytes[at]) {
                    at += 1;
                }
            }
            done = done.max(at);
        }
        marks
    }

    fn match_secret(&self, bytes: &[u8], run: &TokenRun) -> Option<RawMatch> {
        let run = strip_delimiters(bytes, run);
        // `ID:SECRET` and `ID/SECRET` are one run of characters.
        let joined = run.bytes.len() == key_id::LENGTH + 1 + plausibility::LENGTH;
        let skip = if joined && AccessKeyId::parse(&run.bytes[..key_id::LENGTH]).is_some() {
            key_id::LENGTH + 1
        } else {
            0
        };
        let token = &run.bytes[skip..];
        if !is_isolated(bytes, &run, token.len())
            || is_encrypted(bytes, run.start)
            || ends_base64_block(bytes, &run)
        {
            return None;
        }
        let secret = plausibility::decode_secret(token)
            .filter(|_| !variable_names::is_other_service_secret(bytes, run.start))?;
        let beside = self.nearest_key_id(run.start);
        let span = run.start + skip..run.end;
        let encoded = token.len() != plausibility::LENGTH;
        Some(RawMatch {
            span,
            material: KeyMaterial::Secret { beside, digest: fnv1a_hash(&secret) },
            encoded,
        })
    }

    /// Returns the access key ID nearest to a secret among those whose region it is in. Only the IDs within reach are
    /// compared: a file can hold a pair in every line.
    fn nearest_key_id(&self, secret: usize) -> Option<AccessKeyId> {
        let reach = KEY_ID_BYTES + key_id::LENGTH;
        let first = self.ids.partition_point(|(_, at, _)| at + reach < secret);
        let end = self.ids.partition_point(|(_, at, _)| *at <= secret + reach);
        let beside = self.ids[first..end.max(first)].iter().filter(|(stretch, ..)| stretch.contains(&secret));
        beside.min_by_key(|(_, at, _)| at.abs_diff(secret)).map(|(.., id)| id.clone())
    }
}

/// Drops a slash before and behind a secret: in `s/NAME/SECRET/` they are none of its characters.
fn strip_delimiters<'r>(bytes: &[u8], run: &'r TokenRun) -> Cow<'r, TokenRun> {
    let extra = run.bytes.len().saturating_sub(plausibility::LENGTH);
    if !(1..=2).contains(&extra) {
        return Cow::Borrowed(run);
    }
    let mut inner = run.clone();
    if bytes.get(inner.start) == Some(&b'/') {
        inner.start += 1;
        inner.bytes.remove(0);
    }
    let is_slash = bytes[inner.start..inner.end].ends_with(b"/") && !bytes[..inner.end].ends_with(b"\\/");
    if is_slash && inner.bytes.len() > plausibility::LENGTH {
        inner.end -= 1;
        inner.bytes.pop();
    }
    if inner.bytes.len() == plausibility::LENGTH { Cow::Owned(inner) } else { Cow::Borrowed(run) }
}

/// Returns the end of the `lines`-th line from `start`, at most `most` bytes away.
fn lines_after(bytes: &[u8], start: usize, lines: usize, most: usize) -> usize {
    let end = bytes.len().min(start + most);
    memchr::memchr_iter(b'\n', &bytes[start..end]).nth(lines - 1).map_or(end, |at| start + at)
}

/// Whether the value behind a name is encrypted, or refers to another place (`${...}`).
fn is_indirect_value(bytes: &[u8], end: usize) -> bool {
    let separators = bytes[end..].iter().take(16).take_while(|byte| b" \t\"'`:=>]\\".contains(byte)).count();
    let value = &bytes[end + separators..];
    [b"ENC[".as_slice(), b"${", b"$(", b"{{", b"!vault"].iter().any(|start| value.starts_with(start))
}

/// Whether the token is complete: there is no `=` of another encoding and no dash or dot of a longer word next to it.
fn is_isolated(bytes: &[u8], run: &TokenRun, length: usize) -> bool {
    let mut before = bytes[..run.start].iter().rev().copied();
    let mut after = bytes[run.end..].iter().copied();
    let is_padded = length == plausibility::LENGTH && bytes.get(run.end) == Some(&b'=');
    !is_joined(before.next(), before.next()) && !is_joined(after.next(), after.next()) && !is_padded
}

/// Whether the two bytes next to a token, the nearer one first, connect it with a longer word.
fn is_joined(nearer: Option<u8>, farther: Option<u8>) -> bool {
    match nearer {
        Some(b'_') => true,
        Some(b'-' | b'.') => farther.is_some_and(|byte| byte.is_ascii_alphanumeric()),
        _ => false,
    }
}

/// Whether the token is the data of a SOPS value, `ENC[AES256_GCM,data:...`.
fn is_encrypted(bytes: &[u8], start: usize) -> bool {
    bytes[..start].ends_with(b"ENC[AES256_GCM,data:")
}

/// Whether the token is the last line of a wrapped block: the line before it is long and of the same characters.
fn ends_base64_block(bytes: &[u8], run: &TokenRun) -> bool {
    let head = &bytes[run.start.saturating_sub(160)..run.start];
    let indent = head.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    let Some(before) = head[..head.len() - indent].strip_suffix(b"\n") else { return false };
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    before.iter().rev().take_while(|b| is_token(**b)).count() >= WRAPPED_LINE_LENGTH
}

/// FNV-1a, 64 bits: enough to distinguish two secrets in a file. It is never printed.
fn fnv1a_hash(secret: &[u8]) -> u64 {
    secret
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
