//! Reads single values of Git's configuration, for the few that keytide needs without the Git program.

/// Returns the last value of `name` in `[section]` of a configuration file. Names are compared without case, and
/// included files are not read.
pub fn config_value(text: &str, section: &str, name: &str) -> Option<String> {
    let mut found = None;
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        let line = match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((header, rest)) => {
                is_inside = header.trim().eq_ignore_ascii_case(section);
                rest.trim()
            }
            None => line,
        };
        let (key, value) = line.split_once('=').unwrap_or((line, "true"));
        if is_inside && key.trim().eq_ignore_ascii_case(name) {
            found = Some(plain_value(value));
        }
    }
    found
}

/// Removes the quotes, escapes and comment of a value.
fn plain_value(value: &str) -> String {
    let mut plain = String::new();
    let mut is_quoted = false;
    let mut characters = value.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            '#' | ';' if !is_quoted => break,
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::config_value;

    #[test]
    fn the_last_value_of_a_section_counts() {
        let text = "[core]\n\tbare = false\n worktree = \"../a b\" # c\n[extensions] ObjectFormat=sha256 ; x\n[Core]\nworktree=\\\\x\nbare\n";
        assert_eq!(config_value(text, "core", "worktree").as_deref(), Some("\\x"));
        assert_eq!(config_value(text, "core", "bare").as_deref(), Some("true"));
        assert_eq!(config_value(text, "extensions", "objectformat").as_deref(), Some("sha256"));
        assert_eq!(config_value(text, "extensions", "worktree"), None);
        assert_eq!(
            config_value("[core]\nworktree = \"../a b\" # c", "core", "worktree").as_deref(),
            Some("../a b")
        );
    }
}
