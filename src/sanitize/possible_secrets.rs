//! Hides what may be a secret in a line that is shown: long tokens that do not consist of words.

/// A token of this length may be a secret and is hidden, unless it consists of words.
const LONG_TOKEN: usize = 16;
/// The most digits of a name or a path: a secret of sixteen characters has more.
const MAX_DIGITS: usize = 2;
/// The longest word in which letters may change their case, such as `awsSecretAccessKey`.
const MAX_MIXED_WORD: usize = 32;
/// How often they may: in a random token they change at every second letter.
const MAX_CASE_CHANGES: usize = 7;

/// Replaces every long token that does not consist of words by `…`, and so the user, the password and the query of a URL.
pub fn hide_possible_secrets(text: &str) -> String {
    hide_parts(text, |_| "…".to_owned())
}

/// The same, with as many asterisks as the part has characters: columns stay as they are.
pub fn cover_possible_secrets(line: &str) -> String {
    hide_parts(line, |part| "*".repeat(part.chars().count()))
}

fn hide_parts(text: &str, cover: fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        hide_tokens(before, cover, &mut out);
        let user = find_url_user(after);
        if !user.is_empty() {
            out.push_str(&cover(user));
        }
        rest = &after[user.len()..];
        let word = find_url_word(rest);
        if let Some((page, query)) = word.split_once('?').filter(|(_, query)| !query.is_empty()) {
            hide_tokens(page, cover, &mut out);
            out.push('?');
            out.push_str(&cover(query));
            rest = &rest[word.len()..];
        }
    }
    hide_tokens(rest, cover, &mut out);
    out
}

/// What is before the host of a URL. Behind the host, `@` is a part of the path, and a password that is not encoded can
/// have a slash.
fn find_url_user(address: &str) -> &str {
    let word = find_url_word(address);
    let user = word.rfind('@').map_or("", |at| &word[..at]);
    if user.contains('/') && !user.contains(':') { "" } else { user }
}

/// The text of a URL behind its scheme, or the rest of it.
fn find_url_word(address: &str) -> &str {
    // Not beyond the next URL: a line can consist of them
    let address = address.split("://").next().unwrap_or_default();
    address.split(|c: char| c.is_whitespace() || "`'\"".contains(c)).next().unwrap_or_default()
}

fn hide_tokens(text: &str, cover: fn(&str) -> String, out: &mut String) {
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let same = is_secret_part(first);
        let length = rest.bytes().take_while(|byte| is_secret_part(*byte) == same).count();
        // Of ASCII on one side, so it is no part of a character
        let (piece, after) = rest.split_at(length);
        if same && length >= LONG_TOKEN && !is_words(piece.as_bytes()) {
            out.push_str(&cover(piece));
        } else {
            out.push_str(piece);
        }
        rest = after;
    }
}

/// Whether a secret may contain the byte, also in an escaped form.
pub fn is_secret_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=%\\&#;{}".contains(&byte)
}

/// Whether a token is a path of words, such as `github.com/OWNER/keytide`, or a word such as `awsSecretAccessKey`: letters
/// whose case seldom changes.
fn is_words(piece: &[u8]) -> bool {
    let piece = piece.strip_suffix(b";").unwrap_or(piece);
    // A number is no secret, nor is one in a path, such as that of an issue
    let parts = piece.split(|b| *b == b'/').filter(|part| !part.iter().all(u8::is_ascii_digit));
    let digits = parts.flatten().filter(|b| b.is_ascii_digit()).count();
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
        assert_eq!(hide_possible_secrets("awsSecretAccessKey: 0123456789abcdef"), "awsSecretAccessKey: …");
    }

    #[test]
    fn a_quoted_text_has_no_user_of_a_url_and_keeps_the_number_of_an_issue() {
        for (text, shown) in [
            (
                "see https://github.com/acme/app/issues/1234, please",
                "see https://github.com/acme/app/issues/1234, please",
            ),
            ("`http://ci:hunter2@localhost:1/x`", "`http://…@localhost:1/x`"),
            ("http://u:a/b@127.0.0.1", "http://…@127.0.0.1"),
            (
                "https://token@host/x and https://medium.example/@me/x",
                "https://…@host/x and https://medium.example/@me/x",
            ),
            ("https://hooks.slack.com/services/T01ABCDEF2G/B02HIJKLM3N/x", "https://hooks.slack.…"),
            ("`http://127.0.0.1:1/x?key=hunter2#a` is none", "`http://127.0.0.1:1/x?…` is none"),
            ("is it https://a.example? no", "is it https://a.example? no"),
            ("://", "://"),
            ("ftp://a:b@c://d:e@f", "ftp://…@c://…@f"),
            ("99999999999999999999; a/long/path/of/words;", "99999999999999999999; a/long/path/of/words;"),
        ] {
            assert_eq!(hide_possible_secrets(text), shown);
        }
    }

    #[test]
    fn columns_stay_as_they_are() {
        let line = "näme: \u{202e}AKIAIOSFODNN7EXAMPLE ключ";
        assert_eq!(cover_possible_secrets(line).chars().count(), line.chars().count());
    }
}
