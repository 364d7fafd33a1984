//! Lists what a destination calls the values of a credential: two, or three with an SMTP password beside the secret access
//! key.

/// The names, in the order of [`crate::secret::Credential::expose_values`].
pub fn list_names<'a>(id: &'a str, secret: &'a str, smtp_password: Option<&'a String>) -> Vec<&'a str> {
    let mut names = vec![id, secret];
    names.extend(smtp_password.map(String::as_str));
    names
}

/// Whether two values have one name, as `is_same` compares names.
pub fn has_repeated_name(names: &[&str], is_same: fn(&str, &str) -> bool) -> bool {
    let mut earlier = names.iter().enumerate().map(|(index, name)| (&names[..index], name));
    earlier.any(|(earlier, name)| earlier.iter().any(|one| is_same(one, name)))
}

/// Each value in words, such as "the field `id` of the secret `app`": `noun` and `place` are the same for all.
pub fn describe_values(noun: &str, names: &[&str], place: &str) -> Vec<String> {
    names.iter().map(|name| format!("the {noun} `{name}` {place}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_needs_a_name_of_its_own() {
        let smtp = "c".to_owned();
        let names = list_names("a", "b", Some(&smtp));
        assert_eq!((&names[..], list_names("a", "b", None)), (&["a", "b", "c"][..], vec!["a", "b"]));
        assert!(!has_repeated_name(&names, str::eq));
        for repeated in [["a", "a", "c"], ["a", "b", "b"], ["a", "b", "a"]] {
            assert!(has_repeated_name(&repeated, str::eq), "{repeated:?}");
        }
        assert!(!has_repeated_name(&["a", "A"], str::eq));
        assert!(has_repeated_name(&["a", "A"], str::eq_ignore_ascii_case));
    }
}
