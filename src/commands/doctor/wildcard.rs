//! Compares texts with the patterns of IAM: `*` is any text, `?` any character.

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Character(char),
    AnyCharacter,
    AnyText,
}

/// A pattern, or a text that is compared as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    pub fn with_wildcards(text: &str) -> Self {
        let parts = text.chars().map(|character| match character {
            '*' => Part::AnyText,
            '?' => Part::AnyCharacter,
            other => Part::Character(other),
        });
        Self { parts: parts.collect() }
    }

    pub fn literal(text: &str) -> Self {
        Self { parts: text.chars().map(Part::Character).collect() }
    }

    pub fn matches(&self, text: &str) -> bool {
        self.list_places(text).last() == Some(&true)
    }

    /// Whether some text that begins so matches.
    pub fn matches_some_after(&self, beginning: &str) -> bool {
        // From each place a text can go on to the end
        self.list_places(beginning).contains(&true)
    }

    /// Whether every text that begins so matches, as far as the last `*` shows it.
    pub fn matches_all_after(&self, beginning: &str) -> bool {
        let Some((Part::AnyText, before)) = self.parts.split_last() else { return false };
        self.list_places(beginning)[before.len()]
    }

    /// For each place in the pattern, the end included, whether the text can have come to it. The places are followed all at
    /// once, so the time grows with the product of both lengths, however many `*` there are.
    fn list_places(&self, text: &str) -> Vec<bool> {
        let mut places = vec![false; self.parts.len() + 1];
        places[0] = true;
        self.skip_any_text(&mut places);
        for character in text.chars() {
            let mut next = vec![false; places.len()];
            for (place, part) in self.parts.iter().enumerate().filter(|(place, _)| places[*place]) {
                match part {
                    Part::AnyText => next[place] = true,
                    Part::AnyCharacter => next[place + 1] = true,
                    Part::Character(own) => next[place + 1] |= *own == character,
                }
            }
            self.skip_any_text(&mut next);
            places = next;
        }
        places
    }

    /// A `*` may also be no text.
    fn skip_any_text(&self, places: &mut [bool]) {
        for (place, part) in self.parts.iter().enumerate() {
            places[place + 1] |= *part == Part::AnyText && places[place];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_iam() {
        let is_match = |pattern: &str, text: &str| Pattern::with_wildcards(pattern).matches(text);
        for (pattern, text) in [
            ("repo:a/b:*", "repo:a/b:ref:refs/heads/main"),
            ("a*", "a"),
            ("?b", "éb"),
            ("*", ""),
            ("", ""),
            ("a*b*c", "axxbyyc"),
            ("*ab", "aab"),
            ("**", "x"),
        ] {
            assert!(is_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("repo:a/b:ref", "repo:a/b:ref:x"),
            ("", "x"),
            ("?", ""),
            ("a*b", "abc"),
            ("A", "a"),
            ("??", "é"),
        ] {
            assert!(!is_match(pattern, text), "{pattern} {text}");
        }
        assert!(Pattern::literal("a*?").matches("a*?") && !Pattern::literal("a*").matches("ab"));
    }

    #[test]
    fn a_pattern_is_compared_with_a_beginning() {
        let prefix = "repo:acme/app:";
        for (pattern, some, all) in [
            ("repo:acme/app:*", true, true),
            ("repo:acme/*", true, true),
            ("repo:acme/app*", true, true),
            ("*", true, true),
            ("repo:acme/app:ref:refs/heads/main", true, false),
            ("repo:acme/*:environment:gate", true, false),
            ("repo:acme/a?p:*", true, true),
            ("repo:acme/app", false, false),
            ("repo:acme/app2:*", false, false),
            ("repo:acme@7/*", false, false),
            ("", false, false),
        ] {
            let compiled = Pattern::with_wildcards(pattern);
            assert_eq!(
                (compiled.matches_some_after(prefix), compiled.matches_all_after(prefix)),
                (some, all),
                "{pattern}"
            );
        }
    }

    /// A matcher that tries every length for each `*` would not end in a lifetime.
    #[test]
    fn many_wildcards_take_no_longer() {
        let pattern = Pattern::with_wildcards(&format!("{}b", "*a".repeat(200)));
        let text = "a".repeat(2_000);
        assert!(!pattern.matches(&text) && pattern.matches(&format!("{text}b")));
        assert!(pattern.matches_some_after(&text));
    }
}
