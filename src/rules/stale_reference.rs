//! `stale-reference`: a reference names a key other than that of the last rotation, or a destination holds a key that is
//! inactive or does not exist, or a store holds no key of a user who has an active one, or a file holds a credential other
//! than that of the last rotation (a warning).

use super::key_age::set_rotation_help;
use super::key_references::{
    CompiledReference, collect_references, entry_user, find_lock_file, may_belong_to_account,
};
use super::{
    FileLocation, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, UnusableKey,
};
use crate::destinations::as_file;
use crate::destinations::kind::describe_destination;
use crate::diagnostic::Position;
use crate::repository::{
    FileContent, KeyMaterial, LockFile, ScannedFile, escape_user_name, escaped_user_from_path,
};

pub struct StaleReference;

static META: RuleMeta = RuleMeta {
    name: "stale-reference",
    severity: Severity::Error,
    required_input: RequiredInput::References,
    summary: "a reference names a key other than that of the last rotation, or a destination holds a key that is inactive or does not exist, or a store holds no key of a user who has an active one, or a file holds a credential other than that of the last rotation (a warning)",
    rationale: "The old key is being retired: an application that still reads it fails when it is deactivated.",
    remediation: "Restore the value from the last rotation's pull request; a merge or revert may have brought the old one back. If the key was replaced by hand, remove the user's lock file.",
};

impl Rule for StaleReference {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        // Before the files: an audit has journals and reads no files.
        check_unusable_keys(input, findings);
        let Some(files) = input.files else { return };
        for (path, lock) in &files.lock_files {
            match lock {
                Err(why) => findings.skip_rule(&META, format!("`{path}` cannot be read: {why}")),
                Ok(lock) if escaped_user_from_path(path) != Some(&escape_user_name(&lock.user)) => {
                    findings.skip_rule(
                        &META,
                        format!("`{path}` is for user `{}`, whose lock file has another name", lock.user),
                    );
                }
                Ok(_) => {}
            }
        }
        let references = collect_references(input);
        // An old commit rightly names an old key.
        for file in files.found.iter().filter(|file| file.commit.is_none()) {
            check_file(input, &references, file, findings);
        }
        check_destinations(input, findings);
    }
}

/// Reports the destinations whose key is inactive or missing in IAM, or none of the user's.
fn check_unusable_keys(input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
    for (user, standing) in input.rotations.into_iter().flatten() {
        for unread in &standing.unread_destinations {
            findings.skip_rule(
                &META,
                format!("which key of `{user}` is in use is not known everywhere: {unread}"),
            );
        }
        let at = input.policy.find_user_policy(user, None).map_or(Position::START, |entry| entry.at);
        for UnusableKey { destination: place, access_key_id: key, state } in &standing.unusable_keys {
            let place = describe_destination(place);
            let message = match key {
                Some(key) => format!("{key}, which {state}, is in {place}"),
                None => format!("{place} {state}"),
            };
            let finding = findings.add_user_finding(&META, user, at, message);
            finding.access_key_id.clone_from(key);
            if key.is_none() {
                finding.set_help("Write the user's access key there, or correct the destination.");
            }
            // The value of the last pull request may be the very key that is gone
            set_rotation_help(input, user, finding);
        }
    }
}

/// Compares the access key IDs in one file with the lock files of the users whose `reference` covers it.
fn check_file(
    input: &RuleInput<'_>,
    references: &[CompiledReference<'_>],
    file: &ScannedFile,
    findings: &mut FindingCollector<'_>,
) {
    let users = references.iter().filter(|reference| reference.covers_file(&file.file));
    let locks: Option<Vec<&LockFile>> = users
        .map(|reference| find_lock_file(input, reference.user_name()?).filter(|lock| lock.has_key_digests()))
        .collect();
    // Where one of the users has no lock file, any key may be that user's.
    let Some(locks) = locks.filter(|locks| !locks.is_empty()) else { return };
    for hit in &file.matches {
        let KeyMaterial::KeyId(id) = &hit.material else { continue };
        let digest = id.digest_hex();
        // A file can also name keys of other accounts, about which no lock file says anything.
        if !may_belong_to_account(input, id) || locks.iter().any(|lock| lock.contains_key(&digest)) {
            continue;
        }
        let names: Vec<String> = locks.iter().map(|lock| format!("`{}`", lock.user)).collect();
        let message = format!("{id} is not the key of the last rotation of {}", names.join(" or "));
        let user = if let [lock] = locks.as_slice() { Some(lock.user.as_str()) } else { None };
        let finding = findings
            .add_line_finding(&META, (file, hit.at), (user, &hit.masked_excerpt()), message)
            .set_excerpt(&hit.excerpt);
        finding.access_key_id = Some(id.to_string());
    }
}

/// Compares the ciphertexts of the destinations with the digests of the last rotation.
fn check_destinations(input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
    let Some(files) = input.files else { return };
    for entry in &input.policy.users {
        let Some(user) = entry_user(entry) else { continue };
        let Some(lock) = find_lock_file(input, user) else { continue };
        for destination in entry.destinations.iter().filter_map(as_file) {
            let name = destination.credential_file();
            let Some(FileContent::Bytes(bytes)) = files.destinations.get(name) else { continue };
            let wanted = lock
                .find_destination(destination.kind_name(), name)
                .and_then(|locked| locked.credential_sha256.as_deref());
            let held = destination.inspect_file(bytes).credential_sha256;
            // Without either digest the file was never rotated or is broken, which other rules report.
            if let (Some(wanted), Some(held)) = (wanted, held)
                && wanted != held
            {
                let message =
                    format!("`{name}` does not hold the credential of the last rotation of `{user}`");
                let place = FileLocation { file: name.to_owned(), at: Position::START };
                findings
                    .add_file_finding(&META, (Some(user), user), place, message)
                    // A person may have replaced the credential on purpose.
                    .set_severity(Severity::Warning);
            }
        }
    }
}
