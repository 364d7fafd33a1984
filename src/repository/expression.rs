//! Finds the expressions `${{ }}` of GitHub's workflows in a text.

/// Where an expression ends that began before the text: at the first `}}` that is not inside of a string, in which `''` stands for a quote.
pub fn find_expression_end(inner: &str) -> usize {
    let mut is_in_string = false;
    for (at, character) in inner.char_indices() {
        match character {
            '\'' => is_in_string = !is_in_string,
            '}' if !is_in_string && inner[at..].starts_with("}}") => return at,
            _ => {}
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_a_string_do_not_end_an_expression() {
        for (text, rest) in [
            (" a }} b", "}} b"),
            (" format('}}{0}', a) }} b", "}} b"),
            (" 'it''s }}' }}", "}}"),
            (" a", ""),
            (" 'a }}", ""),
        ] {
            assert_eq!(&text[find_expression_end(text)..], rest, "{text}");
        }
    }
}
