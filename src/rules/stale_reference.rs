//! `stale-reference`: a reference or a destination holds another key than the last rotation put there.

use super::references::{Reference, lock_of, may_be_ours, references, user};
use super::{Facts, Input, Location, Rule, Severity, Text, Unusable, Verdict};
use crate::destinations::kept;
use crate::diagnostic::Position;
use crate::repo::{Content, FileFacts, Lock, Material, escape, user_of};

pub struct StaleReference;

static TEXT: Text = Text {
    name: "stale-reference",
    severity: Severity::Error,
    input: Input::References,
    finds: "a reference names another key than the last rotation put there, a destination holds one that is inactive or does not exist, or another credential than the last rotation put there (a warning)",
    why: "The old key is being taken out of use: whoever still reads it stops working when it is deactivated.",
    fix: "Take the value of the last rotation's pull request; a merge or a revert may have brought the old one back. If a person replaced the key, remove the user's lock file.",
};

impl Rule for StaleReference {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        check_account(facts, verdict);
        let Some(files) = facts.files else { return };
        for (path, lock) in &files.locks {
            let misnamed = |lock: &Lock| user_of(path) != Some(escape(&lock.user).as_str());
            match lock {
                Err(why) => verdict.skip(&TEXT, format!("`{path}` cannot be read: {why}")),
                Ok(lock) if misnamed(lock) => {
                    verdict.skip(
                        &TEXT,
                        format!("`{path}` speaks of `{}`, whose lock file has another name", lock.user),
                    );
                }
                Ok(_) => {}
            }
        }
        let references = references(facts);
        for file in files.found.iter().filter(|file| file.commit.is_none()) {
            check_file(facts, &references, file, verdict);
        }
        check_destinations(facts, verdict);
    }
}

/// The keys that the destinations hold, as the journals know them, against IAM.
fn check_account(facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
    for (user, standing) in facts.rotations.into_iter().flatten() {
        let at = facts.policy.find_user_policy(user, None).map_or(Position::START, |entry| entry.at);
        for Unusable { place, key, state } in &standing.unusable {
            let finding = verdict.add_user(&TEXT, user, at, format!("`{place}` holds {key}, which {state}"));
            finding.access_key_id = Some(key.clone());
        }
    }
}

/// The access key IDs of one file against the lock files of the users that may be named there.
fn check_file(facts: &Facts<'_>, references: &[Reference<'_>], file: &FileFacts, verdict: &mut Verdict<'_>) {
    let users = references.iter().filter(|reference| reference.covers(&file.file));
    let locks: Option<Vec<&Lock>> =
        users.map(|reference| lock_of(facts, reference.user()?).filter(|lock| lock.has_keys())).collect();
    // Where one of the users has no lock file, any key may be that user's.
    let Some(locks) = locks.filter(|locks| !locks.is_empty()) else { return };
    for hit in &file.hits {
        let Material::KeyId(id) = &hit.material else { continue };
        let digest = id.digest();
        if !may_be_ours(facts, id) || locks.iter().any(|lock| lock.knows_key(&digest)) {
            continue;
        }
        let names: Vec<String> = locks.iter().map(|lock| format!("`{}`", lock.user)).collect();
        let message =
            format!("this names {id}, and the last rotation of {} made another key", names.join(" or "));
        let user = if let [lock] = locks.as_slice() { Some(lock.user.as_str()) } else { None };
        let finding =
            verdict.add_in(&TEXT, (file, hit.at), (user, &hit.excerpt), message).excerpt(&hit.excerpt);
        finding.access_key_id = Some(id.to_string());
    }
}

/// The ciphertexts of the destinations against the digests of the last rotation.
fn check_destinations(facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
    let Some(files) = facts.files else { return };
    for entry in &facts.policy.users {
        let Some((user, lock)) = user(entry).and_then(|user| Some((user, lock_of(facts, user)?))) else {
            continue;
        };
        for destination in entry.destinations.iter().filter_map(kept) {
            let name = destination.file();
            let Some(Content::Bytes(bytes)) = files.destinations.get(name) else { continue };
            let wanted =
                lock.of(destination.kind(), name).and_then(|locked| locked.credential_sha256.as_deref());
            let held = destination.inspect(bytes).credential;
            if let (Some(wanted), Some(held)) = (wanted, held)
                && wanted != held
            {
                let message =
                    format!("`{name}` holds another credential than the last rotation of `{user}` put there");
                let place = Location { file: name.to_owned(), at: Position::START };
                verdict.add_file(&TEXT, (Some(user), user), place, message).severity(Severity::Warning);
            }
        }
    }
}
