//! Puts destinations of the journal into sentences: in the words of their products in place of their IDs.

use super::github_secret::describe_location;
use super::kind::describe_destination;
use crate::sanitize::{escape_markdown, markdown_code};

/// A recipient, as a rotation records it, in words and as Markdown: `age age1...` is the age recipient `age1...`.
pub fn describe_recipient(recipient: &str) -> String {
    let (kind, name) = recipient.split_once(' ').unwrap_or(("", recipient));
    let what = match kind {
        "github" => return format!("GitHub, with the public key of {}", describe_location(name)),
        "age" => "age recipient".to_owned(),
        "kms" => "AWS KMS key".to_owned(),
        "pgp" => "PGP key".to_owned(),
        kind => escape_markdown(kind),
    };
    format!("{what} {}", markdown_code(name))
}

/// Replaces the IDs of destinations, each between backticks, by their descriptions. A description may be of several
/// secrets, so no sentence has a verb that follows it.
pub fn name_destinations<'a>(text: &str, ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for id in ids {
        text = text.replace(&format!("`{id}`"), &describe_destination(id));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = "github_secret actions:acme/app:production:X+Y";

    #[test]
    fn a_sentence_names_destinations_in_the_words_of_their_products() {
        let text = format!("a credential is in `{PAIR}` and in `age a.age`; `{PAIR}` could not be read");
        let named = "GitHub Actions secrets `X` and `Y` of `acme/app` (environment `production`)";
        assert_eq!(
            name_destinations(&text, [PAIR, "age a.age", "age b.age"]),
            format!("a credential is in {named} and in `a.age` (age); {named} could not be read")
        );
    }

    #[test]
    fn recipients_are_described() {
        for (recipient, text) in [
            ("age age1x", "age recipient `age1x`"),
            ("kms arn:aws:kms:eu-west-1:1:key/x", "AWS KMS key `arn:aws:kms:eu-west-1:1:key/x`"),
            ("github actions:acme/app", "GitHub, with the public key of `acme/app`"),
            (
                "github actions:acme/app:production",
                "GitHub, with the public key of `acme/app` (environment `production`)",
            ),
            ("certificate sha256:ab", "certificate `sha256:ab`"),
        ] {
            assert_eq!(describe_recipient(recipient), text);
        }
    }
}
