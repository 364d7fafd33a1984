//! Checks between the fields of a policy file, which a JSON Schema cannot express.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::file::{
    AgeDestination, Destination, GithubSecret, KeyReference, Located, PolicyFile, SecretsManager, UserEntry,
};
use super::scalar::{is_region, is_repository};
use crate::diagnostic::{Position, SourceFault};

/// Returns every error between fields, at the entry that has it.
pub fn check_policy(file: &PolicyFile) -> Vec<SourceFault> {
    let mut faults = Vec::new();
    let mut seen = HashMap::new();
    for entry in &file.users {
        let mut report = |message: String, help: &str| faults.push(fault_at(entry.at, message, help));
        check_selector(&entry.value, &mut report);
        check_duplicate_user(entry, &mut seen, &mut report);
        check_rotation(&entry.value, file.account.is_some(), &mut report);
        let mut places = HashSet::new();
        for destination in &entry.value.destinations {
            let mut report =
                |message: String, help: &str| faults.push(fault_at(destination.at, message, help));
            check_destination(&destination.value, &mut report);
            check_duplicate_destination(&destination.value, &mut places, &mut report);
        }
    }
    faults.extend(check_role_account(file));
    for exemption in &file.exemptions {
        if exemption.value.reason.trim().is_empty() {
            faults.push(fault_at(
                exemption.at,
                "`reason` is empty".to_owned(),
                "say why the finding is accepted",
            ));
        }
    }
    faults
}

/// Checks that the role belongs to the account: assuming it leads into the role's account.
fn check_role_account(file: &PolicyFile) -> Option<SourceFault> {
    let (account, role) = (&file.account.as_ref()?.0, file.role_arn.as_ref()?);
    if role.account_id() == account {
        return None;
    }
    let message = format!("`role_arn` is in account {}, `account` is {account}", role.account_id());
    Some(fault_at(Position::START, message, "correct one of the two"))
}

fn fault_at(at: Position, message: String, help: &str) -> SourceFault {
    SourceFault { at, width: 1, message, help: Some(help.to_owned()) }
}

/// Takes the message and the help of an error at one entry.
type FaultSink<'a> = dyn FnMut(String, &str) + 'a;

fn check_selector(entry: &UserEntry, report: &mut FaultSink<'_>) {
    match (&entry.name, &entry.matches) {
        (Some(_), Some(_)) => {
            report("an entry cannot have both `name` and `match`".into(), "split it into two entries")
        }
        (None, None) => report("missing `name` or `match`".into(), "add `name: USER` or `match: \"GLOB\"`"),
        (Some(_), None) if entry.path.is_some() => {
            report(
                "`path` is only valid with `match`".into(),
                "remove it: a user name is unique in the account",
            );
        }
        _ => {}
    }
}

/// Compares names in lower case: IAM user names are unique regardless of case.
fn check_duplicate_user(
    entry: &Located<UserEntry>,
    seen: &mut HashMap<String, u32>,
    report: &mut FaultSink<'_>,
) {
    let path = entry.value.path.as_ref().map_or("", |path| path.0.as_str());
    let (shown, selector) = match (&entry.value.name, &entry.value.matches) {
        (Some(name), _) => (&name.0, name.0.to_lowercase()),
        (None, Some(glob)) => (&glob.text, format!("{path} {}", glob.text)),
        (None, None) => return,
    };
    if let Some(line) = seen.get(&selector) {
        report(format!("duplicate entry for `{shown}`; the first is on line {line}"), "keep one entry");
    } else {
        seen.insert(selector, entry.at.line);
    }
}

fn check_rotation(entry: &UserEntry, account: bool, report: &mut FaultSink<'_>) {
    if entry.rotation.is_none() {
        return;
    }
    if entry.matches.is_some() {
        report(
            "`rotation` requires `name`: users matched by a glob cannot be rotated".into(),
            "list each user by name",
        );
    }
    if entry.destinations.is_empty() {
        report(
            "`rotation` requires `destinations`".into(),
            "list every place that reads the credential: without one, nothing would receive the new key",
        );
    }
    if !account {
        report(
            "`rotation` requires `account`".into(),
            "add `account: \"123456789012\"` at the top level of the file",
        );
    }
}

/// A journal tells destinations apart by where they lie.
fn check_duplicate_destination(
    destination: &Destination,
    seen: &mut HashSet<String>,
    report: &mut FaultSink<'_>,
) {
    for place in describe_targets(destination) {
        if !seen.insert(place.clone()) {
            report(
                format!("two destinations of this user are {place}"),
                "keep one; the globs of all references stand in one `reference`",
            );
        }
    }
}

/// What a destination writes to, in words.
fn describe_targets(destination: &Destination) -> Vec<String> {
    match destination {
        Destination::Age(age) => vec![format!("in `{}`", age.file.0)],
        Destination::Sops(sops) => vec![format!("in `{}`", sops.file.0)],
        Destination::SealedSecret(sealed) => vec![format!("in `{}`", sealed.file.0)],
        Destination::Reference(_) => vec!["references".to_owned()],
        Destination::SecretsManager(secret) => [&secret.access_key_id, &secret.secret_access_key]
            .map(|field| format!("the field `{field}` of the secret `{}`", secret.secret_id))
            .into(),
        Destination::GithubSecret(secret) => {
            let GithubSecret { repository, organization, environment, product, .. } = secret;
            let owner =
                repository.as_ref().or(organization.as_ref()).map_or("", String::as_str).to_lowercase();
            let place =
                [owner, environment.clone().unwrap_or_default(), format!("{product:?}").to_lowercase()];
            let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            let names: BTreeSet<String> = [&secret.json, &secret.access_key_id, &secret.secret_access_key]
                .into_iter()
                .flatten()
                .map(|name| format!("the secret `{}` of {place}", name.to_uppercase()))
                .collect();
            names.into_iter().collect()
        }
    }
}

fn check_destination(destination: &Destination, tell: &mut FaultSink<'_>) {
    match destination {
        Destination::Age(age) => check_age(age, tell),
        Destination::GithubSecret(secret) => check_github_secret(secret, tell),
        Destination::SecretsManager(secret) => check_secrets_manager(secret, tell),
        Destination::Reference(reference) => check_reference(reference, tell),
        _ => {}
    }
}

fn check_age(age: &AgeDestination, tell: &mut FaultSink<'_>) {
    if age.recipients.is_empty() && age.recipients_file.is_none() {
        tell("an age file needs recipients".into(), "add `recipients: [age1...]` or `recipients_file`");
    }
}

fn check_reference(reference: &KeyReference, tell: &mut FaultSink<'_>) {
    if let Err(error) = reference.compile_globs() {
        tell(format!("a glob of a `reference` is broken: {}", error.kind()), "correct the glob");
    }
}

fn check_secrets_manager(secret: &SecretsManager, tell: &mut FaultSink<'_>) {
    let region = &secret.region;
    if !is_region(region) {
        tell("the `region` of a `secrets_manager` is no region".into(), "write one such as `eu-west-1`");
    }
    let named = secret.secret_id.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    if let Some(named) = named.filter(|named| named != region) {
        tell(
            format!("the secret's ARN is of the region `{named}`, and `region` says `{region}`"),
            "write one region",
        );
    }
    if secret.access_key_id == secret.secret_access_key {
        tell("both fields of a `secrets_manager` have one name".into(), "name two fields of the secret");
    }
}

fn check_github_secret(secret: &GithubSecret, tell: &mut FaultSink<'_>) {
    if secret.repository.is_some() == secret.organization.is_some() {
        tell("a `github_secret` has a `repository` or an `organization`".into(), "write one of the two");
    }
    if secret.environment.is_some() && secret.organization.is_some() {
        tell("an environment belongs to a repository".into(), "replace `organization` by `repository`");
    }
    if secret.repository.as_ref().is_some_and(|name| !is_repository(name)) {
        tell("the `repository` of a `github_secret` is no repository".into(), "write `OWNER/NAME`");
    }
    check_secret_names(secret, tell);
    let pair = secret.access_key_id.is_some() && secret.secret_access_key.is_some();
    let neither = secret.access_key_id.is_none() && secret.secret_access_key.is_none();
    let sound = if secret.json.is_some() { neither } else { pair };
    if !sound {
        let help = "name both, or one secret for both with `json: NAME`";
        tell("a `github_secret` needs `access_key_id` and `secret_access_key`, or `json`".into(), help);
    }
}

/// GitHub's own rules (docs.github.com, "Naming your secrets"); names are the same in capitals.
fn check_secret_names(secret: &GithubSecret, tell: &mut FaultSink<'_>) {
    let is_sound = |name: &str| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        plain && begins && !name.to_ascii_uppercase().starts_with("GITHUB_")
    };
    let names = [&secret.json, &secret.access_key_id, &secret.secret_access_key];
    for name in names.into_iter().flatten().filter(|name| !is_sound(name)) {
        tell(
            format!("GitHub lets no secret be named `{name}`"),
            "use letters, digits and `_`, no digit first, and not `GITHUB_`",
        );
    }
    if let (Some(id), Some(key)) = (&secret.access_key_id, &secret.secret_access_key)
        && id.eq_ignore_ascii_case(key)
    {
        tell("both secrets of a `github_secret` have one name".into(), "name two secrets");
    }
}
