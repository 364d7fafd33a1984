//! Describes places of secrets, as a journal and a recipient name them, in the words of GitHub.

use crate::sanitize::{escape_markdown, markdown_code};
use crate::sentences::join_words;

/// What `destination_target` returned, taken apart.
struct SecretLocation<'a> {
    product: &'a str,
    /// The repository or the organization.
    owner: &'a str,
    /// Empty for secrets of no environment.
    environment: &'a str,
    /// The names of the secrets, joined by `+`.
    names: &'a str,
}

impl<'a> SecretLocation<'a> {
    fn of_target(target: &'a str) -> Self {
        let (location, names) = target.rsplit_once(':').unwrap_or((target, ""));
        let (product, owner) = location.split_once(':').unwrap_or(("", location));
        let (owner, environment) = owner.split_once(':').unwrap_or((owner, ""));
        Self { product, owner, environment, names }
    }
}

/// The repository or the organization in words, with the environment.
fn describe_owner(owner: &str, environment: &str) -> String {
    match environment {
        "" => markdown_code(owner),
        environment => format!("{} (environment {})", markdown_code(owner), markdown_code(environment)),
    }
}

/// Describes an `api_location`, which is the recipient of a secret: the place that holds the public key.
pub fn describe_location(location: &str) -> String {
    let (_, owner) = location.split_once(':').unwrap_or(("", location));
    let (owner, environment) = owner.split_once(':').unwrap_or((owner, ""));
    describe_owner(owner, environment)
}

/// The commands that delete the secrets.
pub fn describe_removal(target: &str) -> String {
    let SecretLocation { product, owner, environment, names } = SecretLocation::of_target(target);
    let mut flags = match owner.contains('/') {
        true => format!("--repo {owner}"),
        false => format!("--org {owner}"),
    };
    if !environment.is_empty() {
        flags.push_str(&format!(" --env {environment}"));
    }
    if product != "actions" {
        flags.push_str(&format!(" --app {product}"));
    }
    let commands = names.split('+').map(|name| markdown_code(&format!("gh secret delete {name} {flags}")));
    join_words(&commands.collect::<Vec<_>>())
}

/// Describes what `destination_target` returned: the names of the secrets, then the location.
pub fn describe_target(target: &str) -> String {
    let SecretLocation { product, owner, environment, names } = SecretLocation::of_target(target);
    let noun = if names.contains('+') { "secrets" } else { "secret" };
    let names = join_words(&names.split('+').map(markdown_code).collect::<Vec<_>>());
    let owner = describe_owner(owner, environment);
    format!("GitHub {} {noun} {names} of {owner}", product_name(product))
}

/// The name of a product, as an `api_location` begins with it.
pub fn product_name(product: &str) -> String {
    match product {
        "actions" => "Actions".to_owned(),
        "dependabot" => "Dependabot".to_owned(),
        "codespaces" => "Codespaces".to_owned(),
        other => escape_markdown(other),
    }
}
