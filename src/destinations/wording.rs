//! Puts destinations of the journal into sentences: in the words of their products in place of their IDs, with the verb
//! in the number of the secrets.

use super::github_secret::describe_location;
use super::kind::describe_destination;
use crate::sanitize::{escape_markdown, markdown_code};

/// The verbs that follow a destination in a sentence, for one and for several secrets.
const VERBS: [(&str, &str); 8] = [
    ("holds", "hold"),
    ("still holds", "still hold"),
    ("does not", "do not"),
    ("has changed", "have changed"),
    ("exists", "exist"),
    ("no longer exists", "no longer exist"),
    ("is", "are"),
    ("names", "name"),
];

/// A destination with a verb: `singular` after one secret, `plural` after several.
pub fn destination_with_verb(id: &str, singular: &str, plural: &str) -> String {
    let name = describe_destination(id);
    let verb = if is_plural(&name) { plural } else { singular };
    format!("{name} {verb}")
}

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

/// Replaces the IDs of destinations, each between backticks, by their descriptions.
pub fn name_destinations<'a>(text: &str, ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for id in ids {
        let code = format!("`{id}`");
        if !text.contains(&code) {
            continue;
        }
        let name = describe_destination(id);
        let mut parts = text.split(&code);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out.push_str(&name);
            out.push_str(&if is_plural(&name) { with_plural_verb(part) } else { part.to_owned() });
        }
        text = out;
    }
    text
}

/// What comes after several secrets, with its verb in the plural.
fn with_plural_verb(rest: &str) -> String {
    for (singular, plural) in VERBS {
        let after = rest.strip_prefix(' ').and_then(|rest| rest.strip_prefix(singular));
        // Only a whole word
        if let Some(after) = after.filter(|after| !after.starts_with(char::is_alphanumeric)) {
            return format!(" {plural}{after}");
        }
    }
    rest.to_owned()
}

/// Whether a description begins with a plural, such as "GitHub Actions secrets".
fn is_plural(description: &str) -> bool {
    let noun = description.split('`').next().unwrap_or_default();
    noun.trim_end().ends_with('s')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = "github_secret actions:acme/app:production:X+Y";

    #[test]
    fn a_sentence_names_destinations_in_the_words_of_their_products() {
        let text =
            format!("`{PAIR}` still holds a credential, as `age a.age` does; `{PAIR}` could not be read");
        let named = "GitHub Actions secrets `X` and `Y` of `acme/app` (environment `production`)";
        assert_eq!(
            name_destinations(&text, [PAIR, "age a.age", "age b.age"]),
            format!("{named} still hold a credential, as `a.age` (age) does; {named} could not be read")
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

    #[test]
    fn one_secret_keeps_the_singular() {
        let id = "secrets_manager eu-west-1:app:id+secret";
        let name = "AWS Secrets Manager secret `app` in eu-west-1";
        assert_eq!(name_destinations(&format!("`{id}` holds it"), [id]), format!("{name} holds it"));
        assert_eq!(destination_with_verb(id, "holds", "hold"), format!("{name} holds"));
        let pair = "ssm_parameter eu-west-1:/a+/b";
        assert!(destination_with_verb(pair, "holds", "hold").ends_with(" in eu-west-1 hold"));
    }
}
