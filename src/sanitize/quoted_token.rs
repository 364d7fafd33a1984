//! Keeps a token or a secret out of a message: a server may quote what it was sent.

/// So many bytes in a row are a part of a token or a secret, and no accident.
const SHORTEST: usize = 8;

/// The text without a token, of which it may have the beginning only.
pub fn hide_token(text: &str, token: &str) -> String {
    hide_from(text.to_owned(), token, 0)
}

/// The text without any part of a secret: a server may quote it cut off, or with its signs escaped.
pub fn hide_secret(text: &str, secret: &str) -> String {
    (0..secret.len()).fold(text.to_owned(), |shown, start| hide_from(shown, secret, start))
}

/// The text of a whole reply without a token. What begins as the token does may be a name in it, and stays.
pub fn hide_whole_token(text: String, token: &str) -> String {
    let is_in = token.len() >= SHORTEST && text.contains(token);
    if is_in { text.replace(token, "…") } else { text }
}

/// The text without the part of a secret that begins at a byte, and is as long as both agree.
fn hide_from(mut text: String, secret: &str, start: usize) -> String {
    let Some(part) = secret.get(start..start + SHORTEST) else { return text };
    while let Some(at) = text.find(part) {
        let same = text[at..].chars().zip(secret[start..].chars()).take_while(|(a, b)| a == b);
        let length: usize = same.map(|(character, _)| character.len_utf8()).sum();
        text.replace_range(at..at + length, "…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hidden_where_a_server_quotes_it() {
        for (text, shown) in [
            ("denied hvs.SECRETTOKEN (403)", "denied … (403)"),
            ("hvs.SECRETTOKEN, hvs.SECRET", "…, …"),
            ("permission denied (403)", "permission denied (403)"),
        ] {
            assert_eq!(hide_token(text, "hvs.SECRETTOKEN"), shown);
        }
    }

    #[test]
    fn no_part_of_a_secret_is_left() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for (text, shown) in [
            ("denied: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY (403)", "denied: … (403)"),
            ("cut off: wJalrXUtnFEM", "cut off: …"),
            ("FEMI/K7MDENG/bPxRfiC is the middle", "… is the middle"),
            ("wJalrXUtnFEMI\\/K7MDENG\\/bPxRfiCYEXAMPLEKEY", "…\\…\\…"),
            ("wJalrXU is short, and permission is denied", "wJalrXU is short, and permission is denied"),
        ] {
            assert_eq!(hide_secret(text, secret), shown);
        }
        assert_eq!(hide_secret("ключ-секрет-ключ и ключ", "ключ-секрет-ключ"), "… и …");
        assert_eq!(hide_secret("a short one", "short"), "a short one");
    }

    #[test]
    fn a_reply_keeps_what_only_begins_as_a_token() {
        let token = "github_pat_11AAAAAAA";
        let reply = format!("{{\"a\":\"github_pages\",\"b\":\"Bearer {token}\"}}");
        assert_eq!(hide_whole_token(reply, token), "{\"a\":\"github_pages\",\"b\":\"Bearer …\"}");
        assert_eq!(hide_whole_token("a token".to_owned(), "token"), "a token");
    }
}
