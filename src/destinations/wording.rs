//! Puts destinations of the journal into sentences: in the words of their products in place of their IDs.

use super::kind::describe_destination;

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
}
