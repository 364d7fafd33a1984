//! Reads from the metadata of a file which of its values SOPS encrypts, and whether its MAC covers the others.
//!
//! The order is that of upstream (getsops/sops, `shouldBeEncrypted` in `sops.go`): each field of `FIELDS` overrides what
//! those before it say. Upstream writes one of them, and refuses to read a file with two (`ToInternal` in
//! `stores/stores.go`), so the order decides about files that only other tools read.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// The fields of the metadata that say which values are encrypted, in the order in which SOPS looks at them. One that
/// encrypts what it matches leaves all else in clear; about what the others do not match, those before them decide.
const FIELDS: [(&str, bool); 6] = [
    ("unencrypted_suffix", false),
    ("encrypted_suffix", true),
    ("unencrypted_regex", false),
    ("encrypted_regex", true),
    ("unencrypted_comment_regex", false),
    ("encrypted_comment_regex", true),
];

/// What SOPS leaves in clear where the metadata has none of the fields.
const UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// The longest pattern that selects values, and the most memory that one may take. A short one can take much:
/// `(.{50}){50}`.
const MAX_PATTERN_BYTES: usize = 4096;
const MAX_PATTERN_MEMORY: usize = 4 * 1024 * 1024;

/// Which values of a file SOPS encrypts.
pub struct EncryptionRules(Vec<EncryptionRule>);

/// One field of the metadata.
struct EncryptionRule {
    field: &'static str,
    text: String,
    /// Whether what it matches is encrypted, or left in clear.
    encrypts: bool,
    matcher: KeyMatcher,
}

enum KeyMatcher {
    Suffix,
    Pattern(KeyPattern),
    /// Comments select the values, and those are not read here; or a pattern that only Go reads does.
    Unknown,
}

impl EncryptionRules {
    /// `read_field` returns a field of the metadata. SOPS takes an empty one for absent.
    pub fn from_metadata(read_field: impl Fn(&str) -> Option<String>) -> Self {
        let mut rules = Vec::new();
        for (field, encrypts) in FIELDS {
            if let Some(text) = read_field(field).filter(|text| !text.is_empty()) {
                let matcher = KeyMatcher::of_field(field, &text);
                rules.push(EncryptionRule { field, text, encrypts, matcher });
            }
        }
        if rules.is_empty() {
            let text = UNENCRYPTED_SUFFIX.to_owned();
            let (field, encrypts) = FIELDS[0];
            rules.push(EncryptionRule { field, text, encrypts, matcher: KeyMatcher::Suffix });
        }
        Self(rules)
    }

    /// Whether the value below these keys is encrypted; `None` where that is not judged. The index in a list is no key.
    pub fn should_encrypt(&self, keys: &[String]) -> Option<bool> {
        self.apply_rules(keys).0
    }

    /// The field that leaves the value below these keys in clear.
    pub fn find_exclusion(&self, keys: &[String]) -> Option<String> {
        let (encrypts, rule) = self.apply_rules(keys);
        let EncryptionRule { field, text, .. } = rule.filter(|_| encrypts == Some(false))?;
        Some(format!("`{field}: {text}`"))
    }

    /// What all rules come to, and the last one that changed it.
    fn apply_rules(&self, keys: &[String]) -> (Option<bool>, Option<&EncryptionRule>) {
        let (mut encrypts, mut decisive) = (Some(true), None);
        for rule in &self.0 {
            let changed = match (rule.encrypts, rule.matches_any(keys)) {
                (true, matches) => matches,
                (false, Some(true)) => Some(false),
                // What is in clear by an earlier rule stays so, whether this one matches or not
                (false, None) if encrypts == Some(true) => None,
                (false, _) => continue,
            };
            (encrypts, decisive) = (changed, Some(rule));
        }
        (encrypts, decisive)
    }
}

impl EncryptionRule {
    /// Whether one of the keys matches; `None` where that is not judged.
    fn matches_any(&self, keys: &[String]) -> Option<bool> {
        match &self.matcher {
            KeyMatcher::Suffix => Some(keys.iter().any(|key| key.ends_with(&self.text))),
            KeyMatcher::Pattern(pattern) => pattern.matches_any(keys),
            KeyMatcher::Unknown => None,
        }
    }
}

impl KeyMatcher {
    fn of_field(field: &str, text: &str) -> Self {
        if field.ends_with("_suffix") {
            return Self::Suffix;
        }
        let pattern = if field.ends_with("_comment_regex") { None } else { KeyPattern::compile(text) };
        pattern.map_or(Self::Unknown, Self::Pattern)
    }
}

/// Whether the MAC covers only what is encrypted, by the text of `mac_only_encrypted`. `is_truth_value`: the format has
/// truth values beside texts, as YAML and JSON do.
///
/// SOPS writes `true`. In dotenv and INI files 3.11 takes every other text for false (getsops/sops, `DecodeNonStrings` in
/// `stores/flatten.go`), and later versions take `1` and `True` for true as well (`stores/metadata.go`). Here only what all
/// versions take for true is true: with any other text the MAC of one of them covers what is in clear, and a change of that
/// breaks the file.
pub fn is_mac_only_encrypted(text: &str, is_truth_value: bool) -> bool {
    text == "true" || (is_truth_value && matches!(text, "True" | "TRUE"))
}

/// The pattern of a metadata field such as `encrypted_regex`. It matches names in ASCII as Go does, and judges no other.
struct KeyPattern(Regex);

impl KeyPattern {
    /// `None` if keytide cannot read the pattern: it has no tables of Unicode, which `\pL` needs.
    fn compile(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN_BYTES || !pattern.is_ascii() {
            return None;
        }
        let limits = Regex::config().nfa_size_limit(Some(MAX_PATTERN_MEMORY));
        // Byte by byte, also where a build has the tables: in Go `\w` and its like are ASCII.
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        Regex::builder().configure(limits).syntax(syntax).build(pattern).ok().map(Self)
    }

    /// Whether a key of the path matches; `None` where only Go knows.
    fn matches_any(&self, path: &[String]) -> Option<bool> {
        if path.iter().any(|key| key.is_ascii() && self.0.is_match(key.as_str())) {
            return Some(true);
        }
        if path.iter().all(|key| key.is_ascii()) { Some(false) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a value below these keys is encrypted by fields of the metadata, and what leaves it in clear.
    fn judge(fields: &[(&str, &str)], keys: &[&str]) -> (Option<bool>, Option<String>) {
        let rules = EncryptionRules::from_metadata(|name| {
            fields.iter().find(|(field, _)| *field == name).map(|(_, text)| (*text).to_owned())
        });
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        (rules.should_encrypt(&keys), rules.find_exclusion(&keys))
    }

    #[test]
    fn one_rule_looks_at_every_key_of_a_path() {
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[], true),
            (&[("unencrypted_suffix", "")], true),
            (&[("unencrypted_suffix", "_clear")], false),
            (&[("encrypted_suffix", "_clear")], true),
            (&[("encrypted_suffix", "_secret")], false),
            (&[("unencrypted_regex", "^id$")], false),
            (&[("unencrypted_regex", "^x$")], true),
            (&[("encrypted_regex", "^id$")], true),
            (&[("encrypted_regex", "^x$")], false),
        ];
        for (fields, is_encrypted) in cases {
            let (found, exclusion) = judge(fields, &["a_clear", "id"]);
            assert_eq!(found, Some(is_encrypted), "{fields:?}");
            assert_eq!(exclusion.is_some(), !is_encrypted, "{fields:?}");
        }
        assert_eq!(
            judge(&[], &["a_unencrypted", "id"]).1.as_deref(),
            Some("`unencrypted_suffix: _unencrypted`")
        );
    }

    /// What comments select, and what only Go reads, is not judged, unless nothing of it matters.
    #[test]
    fn a_rule_that_is_not_read_is_not_judged() {
        for field in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
            assert_eq!(judge(&[(field, "x")], &["id"]), (None, None));
        }
        assert_eq!(judge(&[("encrypted_regex", r"\pL")], &["id"]), (None, None));
        assert_eq!(judge(&[("unencrypted_regex", r"\pL")], &["id"]), (None, None));
        let clear = [("encrypted_suffix", "_s"), ("unencrypted_regex", r"\pL")];
        assert_eq!(judge(&clear, &["id"]), (Some(false), Some("`encrypted_suffix: _s`".to_owned())));
        assert_eq!(judge(&clear, &["id_s"]), (None, None));
    }

    /// The order of upstream's `shouldBeEncrypted`: the field that stands further down in it overrides.
    #[test]
    fn several_rules_are_applied_in_the_order_of_upstream() {
        for (fields, keys, is_encrypted) in [
            (&[("unencrypted_suffix", "d"), ("encrypted_suffix", "id")], "id", true),
            (&[("encrypted_suffix", "_s"), ("unencrypted_regex", "^id")], "id_s", false),
            (&[("encrypted_suffix", "_s"), ("unencrypted_regex", "^x$")], "id", false),
            (&[("encrypted_suffix", "_s"), ("unencrypted_regex", "^x$")], "id_s", true),
            (&[("unencrypted_regex", "^id$"), ("encrypted_regex", "^id$")], "id", true),
            (&[("encrypted_suffix", "id"), ("encrypted_regex", "^x$")], "id", false),
            (&[("unencrypted_suffix", "id"), ("unencrypted_comment_regex", "x")], "id", false),
        ] {
            assert_eq!(judge(fields, &[keys]).0, Some(is_encrypted), "{fields:?} {keys}");
        }
        // Comments have the last word
        assert_eq!(judge(&[("encrypted_regex", "^x$"), ("encrypted_comment_regex", "x")], &["id"]).0, None);
        assert_eq!(
            judge(&[("encrypted_regex", "^id$"), ("unencrypted_comment_regex", "x")], &["id"]).0,
            None
        );
    }

    #[test]
    fn only_what_every_version_of_sops_takes_for_true_is_true() {
        assert!(is_mac_only_encrypted("true", false) && is_mac_only_encrypted("true", true));
        assert!(is_mac_only_encrypted("True", true) && is_mac_only_encrypted("TRUE", true));
        for text in ["True", "TRUE", "1", "t", "yes", "false", ""] {
            assert!(!is_mac_only_encrypted(text, false), "{text}");
        }
        for text in ["1", "t", "yes", "false", ""] {
            assert!(!is_mac_only_encrypted(text, true), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_read_as_go_reads_it() {
        let matches = |pattern: &str, key: &str| {
            KeyPattern::compile(pattern).map(|pattern| pattern.matches_any(&[key.to_owned()]))
        };
        assert_eq!(matches("^.{3}$", "one"), Some(Some(true)));
        assert_eq!(matches("(?i)^DATA$", "data"), Some(Some(true)));
        assert_eq!(matches(r"\bid\d\w$", "id1_"), Some(Some(true)));
        assert_eq!(matches(r"^\w+$", "a-b"), Some(Some(false)));
        // A name that is not ASCII has more bytes than characters, and is not judged.
        assert_eq!(matches("^.{3}$", "ané"), Some(None));
        assert_eq!(matches(r"^\w+$", "é"), Some(None));
        assert_eq!(matches("^schlüssel", "schlüssel"), None);
        assert_eq!(matches(r"\pL", "a"), None);
    }
}
