//! Lists what a destination calls the values of a credential: two, or three with an SMTP password beside the secret access
//! key.

#[cfg(feature = "seal")]
use super::encryption::SealError;
#[cfg(feature = "seal")]
use crate::secret::Credential;

/// The names, in the order of [`crate::secret::Credential::expose_values`].
pub fn list_names<'a>(id: &'a str, secret: &'a str, smtp_password: Option<&'a String>) -> Vec<&'a str> {
    let mut names = vec![id, secret];
    names.extend(smtp_password.map(String::as_str));
    names
}

/// Each place of a destination, in the order of its names, with the value that comes there.
///
/// # Errors
/// The credential was not derived for this destination: a value would be left as it was.
#[cfg(feature = "seal")]
pub fn pair_values<P>(
    places: impl IntoIterator<Item = P, IntoIter: ExactSizeIterator>,
    credential: &Credential,
) -> Result<Vec<(P, &str)>, SealError> {
    let (places, values) = (places.into_iter(), credential.expose_values());
    if places.len() != values.len() {
        let what =
            format!("it has places for {} values, and the credential has {}", places.len(), values.len());
        return Err(SealError::outside_files(
            what,
            "this is a fault of keytide; report it with the destination's entry",
        ));
    }
    Ok(places.zip(values).collect())
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
