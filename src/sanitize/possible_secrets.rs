//! Hides what may be a secret in a line that is shown: long tokens that do not consist of words.

/// A token of this length may be a secret and is hidden, unless it consists of words.
const LONG_TOKEN: usize = 16;
/// The most digits of a name or a path: a secret of sixteen characters has more.
const MAX_DIGITS: usize = 2;
/// The longest word in which letters may change their case, such as `awsSecretAccessKey`.
const MAX_MIXED_WORD: usize = 32;
/// How often they may: in a random token they change at every second letter.
const MAX_CASE_CHANGES: usize = 7;

/// Replaces every long token that does not consist of words by `…`.
pub fn hide_possible_secrets(line: &[u8]) -> String {
    hide_tokens(line, |_| "…".to_owned())
}

/// The same, with as many asterisks as the token has characters: columns stay as they are.
pub fn cover_possible_secrets(line: &str) -> String {
    hide_tokens(line.as_bytes(), |piece| "*".repeat(piece.len()))
}

fn hide_tokens(line: &[u8], cover: impl Fn(&[u8]) -> String) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.first() {
        let same = is_secret_part(*first);
        let length = rest.iter().take_while(|b| is_secret_part(**b) == same).count();
        let (piece, after) = rest.split_at(length);
        if same && length >= LONG_TOKEN && !is_words(piece) {
            out.push_str(&cover(piece));
        } else {
            out.push_str(&String::from_utf8_lossy(piece));
        }
        rest = after;
    }
    out
}

/// Whether a secret may contain the byte, also in an escaped form.
pub fn is_secret_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=%\\&#;{}".contains(&byte)
}

/// Whether a token is a path of words, such as `github.com/OWNER/keytide`, or a word such as `awsSecretAccessKey`: letters
/// whose case seldom changes.
fn is_words(piece: &[u8]) -> bool {
    let digits = piece.iter().filter(|b| b.is_ascii_digit()).count();
    // A number is no secret
    if digits == piece.len() {
        return true;
    }
    if digits <= MAX_DIGITS && piece.split(|b| b"/{}".contains(b)).all(is_plain_word) {
        return true;
    }
    let changes = piece.windows(2).filter(|p| p[0].is_ascii_uppercase() != p[1].is_ascii_uppercase()).count();
    let lower = piece.iter().filter(|b| b.is_ascii_lowercase()).count();
    let name = piece.strip_suffix(b"=").unwrap_or(piece);
    name.iter().all(u8::is_ascii_alphabetic)
        && name.len() <= MAX_MIXED_WORD
        && changes <= MAX_CASE_CHANGES
        && lower >= name.len() / 2
}

/// Whether a part of a path has small letters and digits, or is a short word of capital letters.
fn is_plain_word(part: &[u8]) -> bool {
    part.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        || part.len() < LONG_TOKEN && part.iter().all(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_paths_are_shown_and_nothing_else_that_is_long() {
        let line = "file: deploy/production/secrets.enc.yaml # h8Kq+2vXnB5/TzLw9RfYc3JdPm7sGaQe1UoVx4Ni";
        let covered = cover_possible_secrets(line);
        assert_eq!(covered, format!("file: deploy/production/secrets.enc.yaml # {}", "*".repeat(40)));
        let address = "uses: https://github.com/OWNER/keytide/main/policies/schema.json";
        assert_eq!(cover_possible_secrets(address), address);
        assert_eq!(hide_possible_secrets(b"awsSecretAccessKey: 0123456789abcdef"), "awsSecretAccessKey: …");
    }

    #[test]
    fn columns_stay_as_they_are() {
        let line = "näme: \u{202e}AKIAIOSFODNN7EXAMPLE ключ";
        assert_eq!(cover_possible_secrets(line).chars().count(), line.chars().count());
    }
}
