//! Checks the fields of a `github_secret` in the policy file.

use std::collections::BTreeSet;

use crate::destinations::kind::PolicyFaultSink;
use crate::destinations::value_names::has_repeated_name;
use crate::policy::file::GithubSecret;
use crate::policy::scalar::is_repository;

/// Each secret that is written, in words, once.
pub fn written_secrets(secret: &GithubSecret) -> Vec<String> {
    let GithubSecret { repository, organization, environment, product, .. } = secret;
    let owner = repository.as_ref().or(organization.as_ref()).map_or("", String::as_str).to_lowercase();
    let place = [
        owner,
        environment.as_ref().map_or("", String::as_str).to_lowercase(),
        format!("{product:?}").to_lowercase(),
    ];
    let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let mut written = BTreeSet::new();
    for name in secret.secret_names() {
        written.insert(format!("the secret `{}` of {place}", name.to_uppercase()));
    }
    written.into_iter().collect()
}

pub fn check_owner(secret: &GithubSecret, report: &mut PolicyFaultSink<'_>) {
    if secret.repository.is_some() == secret.organization.is_some() {
        report("`github_secret` needs `repository` or `organization`".into(), "add one of the two");
    }
    if secret.environment.is_some() && secret.organization.is_some() {
        report("an environment belongs to a repository".into(), "replace `organization` by `repository`");
    }
    if secret.repository.as_ref().is_some_and(|name| !is_repository(name)) {
        report("the `repository` of a `github_secret` is no repository".into(), "write `OWNER/NAME`");
    }
}

/// Checks GitHub's own rules (docs.github.com, "Naming your secrets"). Names are compared in capitals.
pub fn check_names(secret: &GithubSecret, report: &mut PolicyFaultSink<'_>) {
    let names = secret.secret_names();
    for name in names.iter().filter(|name| !is_secret_name(name)) {
        report(
            format!("GitHub lets no secret be named `{name}`"),
            "use letters, digits and `_`, no digit first, and not `GITHUB_`",
        );
    }
    if has_repeated_name(&names, str::eq_ignore_ascii_case) {
        report("two secrets of a `github_secret` have one name".into(), "name a secret for each value");
    }
    if secret.json.is_some()
        && let Some((what, help)) = secret.layout().find_wrong_name()
    {
        report(what, help);
    }
}

fn is_secret_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    is_plain && begins_well && !name.to_ascii_uppercase().starts_with("GITHUB_")
}

/// The credential is in a secret for each value, or in one as JSON.
pub fn check_name_combination(secret: &GithubSecret, report: &mut PolicyFaultSink<'_>) {
    let has_pair = secret.access_key_id.is_some() && secret.secret_access_key.is_some();
    let is_sound = if secret.json.is_some() { secret.access_key_id.is_none() } else { has_pair };
    if !is_sound {
        let help = "name both, or one secret for both with `json: NAME`";
        report("a `github_secret` needs `access_key_id` and `secret_access_key`, or `json`".into(), help);
    }
}
