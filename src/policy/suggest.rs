//! Writes the help for a mistyped name in a policy file: the nearest known name, or the list of all.

/// Returns "did you mean", or the list when no name is near.
pub fn suggest_name(word: &str, names: &[&str]) -> String {
    let near = names.iter().filter(|name| is_near(word, name));
    match near.min_by_key(|name| strsim::damerau_levenshtein(word, name)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected one of {}", quote_names(names)),
    }
}

/// Returns the names that are most like a word, the nearest first.
pub fn nearest_names<'n>(word: &str, names: &[&'n str], count: usize) -> Vec<&'n str> {
    // No name is as long: more of it would only take time.
    let word: String = word.chars().take(64).collect();
    let mut sorted = names.to_vec();
    sorted.sort_by_key(|name| strsim::damerau_levenshtein(&word, name));
    sorted.truncate(count);
    sorted
}

/// Whether a word may be a mistyped name.
pub fn is_near(word: &str, name: &str) -> bool {
    // A long word is hostile input rather than a typing error.
    word.len() <= 64 && strsim::damerau_levenshtein(word, name) <= 1 + name.len() / 4
}

/// Returns the names in backquotes, with commas between them.
pub fn quote_names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
