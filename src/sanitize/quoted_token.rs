//! Keeps a token out of a message: a server may quote what it was sent.

/// The text without a token, of which it may have the beginning only.
pub fn hide_token(text: &str, token: &str) -> String {
    const SHORTEST: usize = 8;
    let Some(start) = token.get(..SHORTEST) else { return text.to_owned() };
    let mut shown = text.to_owned();
    while let Some(at) = shown.find(start) {
        let same = shown[at..].chars().zip(token.chars()).take_while(|(a, b)| a == b);
        let length: usize = same.map(|(character, _)| character.len_utf8()).sum();
        shown.replace_range(at..at + length, "…");
    }
    shown
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
}
