//! Checks between the fields of a policy file, which a JSON Schema cannot express.

use std::collections::HashMap;

use super::file::{Exemption, Located, PolicyFile, UserEntry};
use super::places::check_places;
use crate::destinations::kind::PolicyFaultSink;
use crate::diagnostic::{Position, SourceFault};

/// The start of every value in a starter policy file that the maintainer has to fill in.
pub const PLACEHOLDER: &str = "CHANGE-ME";

/// Returns every error between fields, at the entry that has it.
pub fn check_policy(file: &PolicyFile) -> Vec<SourceFault> {
    let mut faults = Vec::new();
    let mut seen = HashMap::new();
    for entry in &file.users {
        // One sink per entry: it puts the entry's position on each of its errors.
        let mut report =
            |message: String, help: &str| faults.push(SourceFault::at_character(entry.at, message, help));
        check_placeholder(&entry.value, &mut report);
        check_selector(&entry.value, &mut report);
        check_duplicate_user(entry, &mut seen, &mut report);
        check_rotation(&entry.value, file.account.is_some(), &mut report);
        check_retirement(&entry.value, file.account.is_some(), &mut report);
        for destination in &entry.value.destinations {
            let mut report = |message: String, help: &str| {
                faults.push(SourceFault::at_character(destination.at, message, help))
            };
            destination.value.check_smtp_fields(&mut report);
            destination.value.kind().check_fields(&mut report);
        }
    }
    faults.extend(check_places(file));
    faults.extend(check_role_account(file));
    faults.extend(check_notify(file));
    for exemption in &file.exemptions {
        faults.extend(check_exempted_files(exemption));
        if exemption.value.reason.trim().is_empty() {
            faults.push(SourceFault::at_character(
                exemption.at,
                "`reason` is empty".to_owned(),
                "say why the finding is accepted",
            ));
        }
    }
    faults
}

/// The rules whose findings are in files.
pub const FILE_RULES: [&str; 9] = [
    "plaintext-key",
    "exposed-key-id",
    "missing-destination",
    "unencrypted-destination",
    "invalid-destination",
    "stale-reference",
    "static-key-workflow",
    "unfilled-placeholder",
    "terraform-managed-key",
];

/// Refuses `files` for rules about an account: the exemption would cover nothing.
fn check_exempted_files(exemption: &Located<Exemption>) -> Option<SourceFault> {
    let rules = &exemption.value.rules;
    let other = rules.iter().find(|rule| !FILE_RULES.contains(&rule.0.as_str()))?;
    if exemption.value.files.is_empty() {
        return None;
    }
    let message = format!("`files` does not apply to `{}`, whose findings are in no file", other.0);
    Some(SourceFault::at_character(
        exemption.at,
        message,
        "remove `files`, or give this rule an exemption of its own",
    ))
}

/// Checks that the role belongs to the account: assuming it leads into the role's account.
fn check_role_account(file: &PolicyFile) -> Option<SourceFault> {
    let (account, role) = (&file.account.as_ref()?.0, file.role_arn.as_ref()?);
    if role.account_id() == account {
        return None;
    }
    let message = format!("`role_arn` is in account {}, `account` is {account}", role.account_id());
    Some(SourceFault::at_character(Position::START, message, "correct one of the two"))
}

/// Refuses a `notify` that would report nowhere.
fn check_notify(file: &PolicyFile) -> Option<SourceFault> {
    let notify = file.notify.as_ref()?;
    if notify.value.issue.is_some() || notify.value.webhook.is_some() {
        return None;
    }
    let message = "`notify` requires `issue` or `webhook`".to_owned();
    Some(SourceFault::at_character(notify.at, message, "add `issue: {}`"))
}

/// Refuses the name that `keytide init` writes where it does not know the user.
fn check_placeholder(entry: &UserEntry, report: &mut PolicyFaultSink<'_>) {
    if let Some(name) = entry.name.as_ref().filter(|name| name.0.starts_with(PLACEHOLDER)) {
        report(format!("`{}` is a placeholder", name.0), "replace it with the name of the IAM user");
    }
}

fn check_selector(entry: &UserEntry, report: &mut PolicyFaultSink<'_>) {
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
    report: &mut PolicyFaultSink<'_>,
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

fn check_rotation(entry: &UserEntry, account: bool, report: &mut PolicyFaultSink<'_>) {
    if entry.rotation.is_none() {
        return;
    }
    if entry.matches.is_some() {
        report(
            "`rotation` requires `name`: users matched by a glob cannot be rotated".into(),
            "list each user by name",
        );
    }
    // Without a destination the new key would be created, and its secret lost at once.
    if entry.destinations.is_empty() {
        report(
            "`rotation` requires `destinations`".into(),
            "list every place that reads the credential: without one, nothing would receive the new key",
        );
    } else if entry.destinations.iter().all(|destination| destination.value.identity().is_none()) {
        // The secret of the new key would be stored nowhere
        report(
            "`rotation` requires a destination that holds the secret access key".into(),
            "add the place that the application reads it from: a `reference` names the access key ID only",
        );
    }
    if !account {
        report(
            "`rotation` requires `account`".into(),
            "add `account: \"123456789012\"` at the top level of the file",
        );
    }
}

/// A retirement needs no destination: it gives no key to any.
fn check_retirement(entry: &UserEntry, account: bool, report: &mut PolicyFaultSink<'_>) {
    if entry.retire.is_none() {
        return;
    }
    if entry.rotation.is_some() {
        report(
            "a user cannot have both `rotation` and `retire`".into(),
            "keep `rotation` to replace the key, or `retire` to end without one",
        );
    }
    if entry.matches.is_some() {
        report(
            "`retire` requires `name`: keys of users matched by a glob cannot be retired".into(),
            "list each user by name",
        );
    }
    if !account {
        report(
            "`retire` requires `account`".into(),
            "add `account: \"123456789012\"` at the top level of the file",
        );
    }
}
