//! Translates a glob over user names into the wildcards of an IAM policy, which are only `*` and `?`. `iam-policy` uses
//! them in the ARNs of the users that a policy file matches.

/// More alternatives than this become one `*`: an IAM policy has a size limit.
const MAX_ALTERNATIVES: usize = 16;

/// Returns patterns that together match everything that the glob matches, and little else: alternatives are written
/// out, and a class (`[0-9]`) becomes `?`.
pub fn glob_to_iam_patterns(glob: &str) -> Vec<String> {
    let chars: Vec<char> = glob.chars().collect();
    match expand_glob(&chars) {
        patterns if patterns.len() <= MAX_ALTERNATIVES => patterns,
        _ => vec![format!("{}*", glob.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default())],
    }
}

/// Returns the patterns of a glob, or of one alternative of it.
fn expand_glob(chars: &[char]) -> Vec<String> {
    let mut patterns = vec![String::new()];
    let mut at = 0;
    while at < chars.len() && patterns.len() <= MAX_ALTERNATIVES {
        let (next, parts) = match chars[at] {
            '[' => (find_class_end(chars, at), vec!["?".to_owned()]),
            '{' => expand_alternatives(chars, at),
            '\\' => (at + 2, vec![chars.get(at + 1).map(char::to_string).unwrap_or_default()]),
            c => (at + 1, vec![c.to_string()]),
        };
        patterns = patterns
            .iter()
            .flat_map(|start| parts.iter().map(move |part| format!("{start}{part}")))
            .collect();
        at = next;
    }
    patterns
}

/// Returns the index after the bracket that ends a class. A bracket that comes first, or after `!` or `^`, is a member
/// of the class.
fn find_class_end(chars: &[char], at: usize) -> usize {
    let mut end = at + 1;
    if matches!(chars.get(end), Some('!' | '^')) {
        end += 1;
    }
    if chars.get(end) == Some(&']') {
        end += 1;
    }
    while end < chars.len() && chars[end] != ']' {
        end += 1;
    }
    end + 1
}

/// Returns the index after the brace that ends the alternatives, and the patterns of all of them; braces may nest.
fn expand_alternatives(chars: &[char], at: usize) -> (usize, Vec<String>) {
    let (mut depth, mut start, mut end) = (0, at + 1, at);
    let mut patterns = Vec::new();
    while end < chars.len() {
        match chars[end] {
            '\\' => end += 1,
            '[' => end = find_class_end(chars, end) - 1,
            '{' => depth += 1,
            ',' if depth == 1 => {
                patterns.extend(expand_glob(&chars[start..end]));
                start = end + 1;
            }
            '}' if depth == 1 => {
                patterns.extend(expand_glob(&chars[start..end]));
                return (end + 1, patterns);
            }
            '}' => depth -= 1,
            _ => {}
        }
        end += 1;
    }
    (chars.len(), patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_written_out_and_classes_are_one_character() {
        assert_eq!(glob_to_iam_patterns("svc-*"), ["svc-*"]);
        assert_eq!(glob_to_iam_patterns("{ci,cd}-app"), ["ci-app", "cd-app"]);
        assert_eq!(glob_to_iam_patterns("a{b{c,d},}e"), ["abce", "abde", "ae"]);
        assert_eq!(glob_to_iam_patterns("[]a]-x"), ["?-x"]);
        assert_eq!(glob_to_iam_patterns("v[!0-9]\\*{x\\,y,[},]}"), ["v?*x,y", "v?*?"]);
        assert_eq!(glob_to_iam_patterns("app-{a,b,c,d,e}{1,2,3,4}"), ["app-*"]);
    }

    proptest::proptest! {
        /// Whatever a glob matches, its wildcards match: a user is never forbidden by the policy made for it.
        #[test]
        fn nothing_that_the_glob_matches_is_lost(glob in "[a-c*?{},\\[\\]!-]{0,10}", name in "[a-c!-]{0,8}") {
            let Ok(compiled) = globset::Glob::new(&glob) else { return Ok(()) };
            if compiled.compile_matcher().is_match(&name) {
                let plain = |pattern: &String| globset::Glob::new(pattern).is_ok_and(|p| p.compile_matcher().is_match(&name));
                proptest::prop_assert!(glob_to_iam_patterns(&glob).iter().any(plain), "{:?}", glob_to_iam_patterns(&glob));
            }
        }
    }
}
