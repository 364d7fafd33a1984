//! The invariants of a rotation, checked after every change of the simulated state.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::SimulationState;
use super::state::{MAIN, SimState};
use crate::rotation::{JournalEvent, KeyId, KeyState, PullRequestState};

/// What is remembered for the checks.
#[derive(Default, Clone)]
pub struct InvariantState {
    /// Files and stores that applications read the credential from.
    pub files: Vec<String>,
    pub stores: Vec<String>,
    /// What other people wrote last into the secrets that keep versions.
    pub others: String,
    /// Keys that were ever in a destination or an open pull request.
    published: BTreeSet<KeyId>,
    /// Keys that a person brought back into use after they were announced to go.
    excused: BTreeSet<KeyId>,
    /// Pairs of a key and where it was told of: a breach is told once.
    told: BTreeSet<(KeyId, String)>,
    by_person: bool,
    /// A person said that the key is known to others: it goes although it is in use.
    pub compromised: bool,
    /// The soak of the rules that are played.
    pub soak: SignedDuration,
    pub quiet: SignedDuration,
    /// The repository whose numeric ID may write.
    pub repository: u64,
}

impl SimulationState {
    /// What the checks look at.
    pub fn invariant_state(&mut self) -> &mut InvariantState {
        &mut self.watched
    }

    pub(super) fn by_person(&mut self, is: bool) {
        self.watched.by_person = is;
    }

    /// Whether a person brought a key back that was on its way out.
    pub(super) fn is_excused(&self, key: &str) -> bool {
        self.watched.compromised || self.watched.excused.contains(key)
    }

    pub(super) fn check_invariants(&mut self, before: &SimState) {
        let referenced = self.referenced_keys();
        self.watched.published.extend(referenced.iter().map(|(key, _)| key.clone()));
        self.watched.published.extend(self.proposed_keys());
        if self.watched.by_person {
            self.excuse_keys(&referenced);
        }
        self.referenced_is_active(&referenced);
        self.check_deletions(before, &referenced);
        self.check_creations(before);
        self.check_owner(before);
        self.no_secret(before);
        self.check_foreign_fields();
    }

    /// The keys that destinations hold, with the place.
    pub fn referenced_keys(&self) -> Vec<(KeyId, String)> {
        let mut found = Vec::new();
        for path in &self.watched.files {
            let bytes = self.body.files_at(MAIN).and_then(|files| files.get(path));
            let pair = bytes.and_then(|bytes| self.keyring.open_file(bytes));
            found.extend(pair.map(|(id, _)| (KeyId::from(&*id), path.clone())));
        }
        for place in &self.watched.stores {
            let pair = self.body.credential_in_store(place, &self.keyring);
            found.extend(pair.map(|(id, _)| (KeyId::from(&*id), place.clone())));
        }
        found
    }

    /// The keys that a merge of an open pull request would publish.
    fn proposed_keys(&self) -> Vec<KeyId> {
        let open = self.body.pulls.iter().filter(|pull| matches!(pull.state, PullRequestState::Open { .. }));
        let mut found = Vec::new();
        for pull in open {
            let Some(merged) = self.body.merge_result(&pull.branch) else { continue };
            for path in &self.watched.files {
                let (Some(bytes), now) =
                    (merged.get(path), self.body.files_at(MAIN).and_then(|files| files.get(path)))
                else {
                    continue;
                };
                if now != Some(bytes) {
                    found.extend(self.keyring.open_file(bytes).map(|(id, _)| KeyId::from(&*id)));
                }
            }
        }
        found
    }

    /// What a person brings back although it goes is excused until it is gone.
    fn excuse_keys(&mut self, referenced: &[(KeyId, String)]) {
        let retiring = self.announced_keys();
        for (key, _) in referenced {
            let inactive = self.body.find_key(key).is_none_or(|record| record.status != KeyState::Active);
            if inactive || retiring.contains(key) {
                self.watched.excused.insert(key.clone());
            }
        }
        let by_hand = self.body.users.values().flat_map(|user| &user.keys);
        let switched = by_hand.filter(|key| key.status != KeyState::Active).map(|key| key.id.clone());
        self.watched.excused.extend(switched);
    }

    /// The keys that a journal has announced to go, and not called back.
    fn announced_keys(&self) -> BTreeSet<KeyId> {
        let mut going = BTreeSet::new();
        for one in self.body.journals.values().flatten() {
            match &one.entry.event {
                JournalEvent::Retiring { key }
                | JournalEvent::Deactivate { key }
                | JournalEvent::NewKeyAbandoned { key, .. } => {
                    going.insert(key.clone());
                }
                JournalEvent::Activate { key } => drop(going.remove(key)),
                _ => {}
            }
        }
        going
    }

    /// I1: every referenced key exists and is active.
    fn referenced_is_active(&mut self, referenced: &[(KeyId, String)]) {
        for (key, place) in referenced {
            let active = self.body.find_key(key).is_some_and(|record| record.status == KeyState::Active);
            if !active && !self.watched.excused.contains(key) {
                self.add_violation(key, &format!("I1: `{place}` holds {key}, which is not active"));
            }
        }
    }

    /// I2 and I8: what is deleted was neither needed nor foreign, and had been inactive long enough.
    fn check_deletions(&mut self, before: &SimState, referenced: &[(KeyId, String)]) {
        if self.watched.by_person {
            return;
        }
        let keys = before.users.values().flat_map(|user| &user.keys);
        let gone: Vec<_> = keys.filter(|key| self.body.find_key(&key.id).is_none()).cloned().collect();
        for key in gone {
            let id = key.id.clone();
            if referenced.iter().any(|(held, _)| *held == id) && !self.watched.excused.contains(&id) {
                self.add_violation(&id, &format!("I2: {id} is deleted and still referenced"));
            }
            if self.proposed_keys().contains(&id) {
                self.add_violation(&id, &format!("I2: {id} is deleted and an open pull request brings it"));
            }
            if key.by_hand {
                self.add_violation(&id, &format!("I2: {id} is deleted, which a person made"));
            }
            let published = self.watched.published.contains(&id);
            let inactive = key.inactive_from.map(|from| self.body.now.duration_since(from));
            if published && inactive.is_none_or(|time| time < self.watched.soak) {
                self.add_violation(&id, &format!("I8: {id} is deleted after {inactive:?} of inactivity"));
            }
            let recent = !self.watched.compromised
                && key.uses.iter().any(|(used, _)| {
                    &*used.service != "sts" && self.body.now.duration_since(used.at) < self.watched.quiet
                });
            if recent {
                self.add_violation(&id, &format!("I2: {id} is deleted and was used within the window"));
            }
        }
    }

    /// I4: a key is made only where exactly one exists.
    fn check_creations(&mut self, before: &SimState) {
        for (name, user) in &self.body.users {
            let had = before.users.get(name).map_or(0, |user| user.keys.len());
            if user.keys.len() > had && had != 1 && !self.watched.by_person {
                self.violations.push(format!("I4: `{name}` had {had} keys and got another"));
            }
        }
    }

    /// I13: only the repository that the tag names changes keys.
    fn check_owner(&mut self, before: &SimState) {
        if self.watched.by_person {
            return;
        }
        let ours = self.watched.repository.to_string();
        for (name, user) in &before.users {
            let shape = |user: &super::UserRecord| -> Vec<(KeyId, KeyState)> {
                user.keys.iter().map(|key| (key.id.clone(), key.status)).collect()
            };
            let now = self.body.users.get(name).map(&shape);
            if now != Some(shape(user)) && user.tags.get("keytide:owner") != Some(&ours) {
                self.violations.push(format!("I13: the keys of `{name}` were changed by a stranger"));
            }
        }
    }

    /// What other people keep beside the credential stays as they left it.
    fn check_foreign_fields(&mut self) {
        let wanted = self.watched.others.clone();
        let lost =
            self.body.vaults.iter().find(|(_, vault)| vault.foreign_field().as_deref() != Some(&*wanted));
        if let Some(place) = lost.map(|(place, _)| place.clone()) {
            self.violations.push(format!("`{place}` lost what somebody else wrote ({})", self.body.now));
        }
    }

    /// I3: nothing that is kept, proposed or delivered holds a secret in clear text.
    fn no_secret(&mut self, before: &SimState) {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let new_commits = self.body.commits.iter().filter(|(name, _)| !before.commits.contains_key(*name));
        for (_, commit) in new_commits {
            texts.push(commit.message.clone().into_bytes());
            texts.extend(commit.files.values().map(|bytes| bytes.to_vec()));
        }
        for pull in self.body.pulls.iter().skip(before.pulls.len()) {
            texts.push(format!("{}{}", pull.title, pull.body).into_bytes());
        }
        for (user, journal) in &self.body.journals {
            let known = before.journals.get(user).map_or(0, Vec::len);
            for one in journal.iter().skip(known) {
                texts.push(one.entry.render_json().into_bytes());
                texts.extend(one.kept.files.values().cloned());
            }
        }
        let secrets: Vec<_> = self.body.users.values().flat_map(|user| &user.keys).collect();
        let leaked = secrets
            .iter()
            .find(|key| texts.iter().any(|text| memchr::memmem::find(text, key.secret.as_bytes()).is_some()));
        if let Some(id) = leaked.map(|key| key.id.clone()) {
            self.add_violation(&id, "I3: a secret access key is written in clear text");
        }
    }

    fn add_violation(&mut self, key: &KeyId, what: &str) {
        let rule = what.split(':').next().unwrap_or_default().to_owned();
        if self.watched.told.insert((key.clone(), rule)) {
            self.violations.push(format!("{what} ({})", self.body.now));
        }
    }
}
