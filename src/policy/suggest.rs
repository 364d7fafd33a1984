//! Writes the help for a mistyped name in a policy file: the nearest known name, or the list of all.

/// Returns "did you mean", or the list when no name is near.
pub fn suggest_name(word: &str, names: &[&str]) -> String {
    let near = names.iter().filter(|name| strsim::damerau_levenshtein(word, name) <= 1 + name.len() / 4);
    match near.min_by_key(|name| strsim::damerau_levenshtein(word, name)) {
        // A long word is hostile input rather than a typing error.
        Some(name) if word.len() <= 64 => format!("did you mean `{name}`?"),
        _ => format!("expected one of {}", quote_names(names)),
    }
}

/// Returns the names in backquotes, with commas between them.
pub fn quote_names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
