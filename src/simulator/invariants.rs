//! Checks the invariants of a rotation after every change of the simulated state.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::SignedDuration;

use super::keyring::Keyring;
use super::state::{MAIN, SimState, SimUser, StoredEntry};
use crate::rotation::{JournalEvent, KeyId, KeyState};

/// What the checks know and remember.
#[derive(Default, Clone)]
pub struct InvariantState {
    /// Files and stores that applications read the credential from.
    pub files: Vec<String>,
    pub stores: Vec<String>,
    /// What another writer last wrote into its field of the versioned secrets.
    pub foreign_field: String,
    /// Keys that were ever in a destination or an open pull request.
    published: BTreeSet<KeyId>,
    /// Keys that a person brought back into use after their retirement was announced.
    excused: BTreeSet<KeyId>,
    /// The violations so far, as pairs of a key and an invariant: each is reported once.
    reported: BTreeSet<(KeyId, String)>,
    /// Whether a person makes the current change.
    pub by_person: bool,
    /// The key was reported as compromised: it is retired although it is in use.
    pub compromised: bool,
    /// All keys of the user are to go, also those that a person made.
    pub retires: bool,
    /// The user may have no key before its first one.
    pub begins_bare: bool,
    /// The store has no compare-and-swap: what a write hides, and the halves that two writes leave between them, are
    /// wrong until the run's next request or the next run. So they are judged at the end of a run.
    pub without_swap: bool,
    /// How often an application read halves that do not fit, both of active keys.
    pub torn_uses: usize,
    /// The periods of the rotation's rules.
    pub soak: SignedDuration,
    pub quiet: SignedDuration,
    /// The numeric ID of the repository that may write.
    pub repository: u64,
}

impl InvariantState {
    /// Whether a key may be retired while it is in use, because of what a person did.
    pub fn is_excused(&self, key: &str) -> bool {
        self.compromised || self.excused.contains(key)
    }

    /// The keys that destinations hold, each with the destination.
    pub fn referenced_keys(&self, services: &SimState, keyring: &Keyring) -> Vec<(KeyId, String)> {
        let mut found = Vec::new();
        for path in &self.files {
            let bytes = services.files_at(MAIN).and_then(|files| files.get(path));
            let pair = bytes.and_then(|bytes| keyring.open_file(bytes));
            found.extend(pair.map(|(id, _)| (KeyId::from(&*id), path.clone())));
        }
        for place in &self.stores {
            let pair = services.credential_in_store(place, keyring);
            found.extend(pair.map(|(id, _)| (KeyId::from(&*id), place.clone())));
        }
        found
    }
}

/// One check: the state before and after a change.
pub struct InvariantCheck<'s> {
    pub watched: &'s mut InvariantState,
    pub before: &'s SimState,
    pub body: &'s SimState,
    pub keyring: &'s Keyring,
    pub violations: &'s mut Vec<String>,
}

impl InvariantCheck<'_> {
    pub fn check_all(&mut self) {
        let referenced = self.watched.referenced_keys(self.body, self.keyring);
        self.watched.published.extend(referenced.iter().map(|(key, _)| key.clone()));
        let proposed = self.proposed_keys();
        self.watched.published.extend(proposed);
        // A person's change is excused before the invariants are checked: only keytide must keep them.
        if self.watched.by_person {
            self.excuse_keys(&referenced);
        }
        self.check_referenced_keys(&referenced);
        self.check_deletions(&referenced);
        self.check_creations();
        self.check_owner();
        self.check_plaintext();
        self.check_foreign_fields();
        self.check_redeployments();
    }

    /// The keys that a merge of an open pull request would publish.
    fn proposed_keys(&self) -> Vec<KeyId> {
        let mut found = Vec::new();
        for pull in self.body.pulls.iter().filter(|pull| pull.is_open()) {
            let Some(merged) = self.body.merge_result(&pull.branch) else { continue };
            for path in &self.watched.files {
                let (Some(bytes), now) =
                    (merged.get(path), self.body.files_at(MAIN).and_then(|files| files.get(path)))
                else {
                    continue;
                };
                // Only what the merge would change: the pull request publishes nothing else.
                if now != Some(bytes) {
                    found.extend(self.keyring.open_file(bytes).map(|(id, _)| KeyId::from(&*id)));
                }
            }
        }
        found
    }

    /// Excuses the keys that a person brings back although they are being retired.
    fn excuse_keys(&mut self, referenced: &[(KeyId, String)]) {
        let retiring = self.announced_keys();
        for (key, _) in referenced {
            let inactive = self.body.find_key(key).is_none_or(|record| record.status != KeyState::Active);
            if inactive || retiring.contains(key) {
                self.watched.excused.insert(key.clone());
            }
        }
        let keys = self.body.users.values().flat_map(|user| &user.keys);
        let inactive = keys.filter(|key| key.status != KeyState::Active).map(|key| key.id.clone());
        self.watched.excused.extend(inactive);
    }

    /// The keys whose retirement a journal has announced and not cancelled.
    fn announced_keys(&self) -> BTreeSet<KeyId> {
        // The journal is read from its start: a later entry can cancel an announcement.
        let mut going = BTreeSet::new();
        for one in self.body.journals.values().flatten() {
            match &one.entry.event {
                JournalEvent::Retiring { key }
                | JournalEvent::Deactivate { key }
                | JournalEvent::NewKeyAbandoned { key, .. } => {
                    going.insert(key.clone());
                }
                JournalEvent::Activate { key } | JournalEvent::Needed { key, .. } => {
                    going.remove(key);
                }
                _ => {}
            }
        }
        going
    }

    /// Whether a rotation began with this key as the old one.
    fn is_replaced_key(&self, id: &KeyId) -> bool {
        let mut entries = self.body.journals.values().flatten();
        entries.any(|one| matches!(&one.entry.event, JournalEvent::Intent { key, .. } if key == id))
    }

    /// I1: every referenced key exists and is active.
    fn check_referenced_keys(&mut self, referenced: &[(KeyId, String)]) {
        for (key, place) in referenced {
            let active = self.body.find_key(key).is_some_and(|record| record.status == KeyState::Active);
            if !active && !self.watched.excused.contains(key) {
                self.add_violation(key, &format!("I1: `{place}` holds {key}, which is not active"));
            }
        }
    }

    /// I2 and I8: a deleted key was neither needed nor made by a person, and had been inactive long enough.
    fn check_deletions(&mut self, referenced: &[(KeyId, String)]) {
        if self.watched.by_person {
            return;
        }
        let keys = self.before.users.values().flat_map(|user| &user.keys);
        let gone: Vec<_> = keys.filter(|key| self.body.find_key(&key.id).is_none()).cloned().collect();
        for key in gone {
            let id = key.id.clone();
            if referenced.iter().any(|(held, _)| *held == id) && !self.watched.excused.contains(&id) {
                self.add_violation(&id, &format!("I2: {id} is deleted and still referenced"));
            }
            if self.proposed_keys().contains(&id) {
                self.add_violation(&id, &format!("I2: {id} is deleted and an open pull request brings it"));
            }
            // The only key of a user is replaced like any other, whoever made it
            if key.by_hand && !self.watched.retires && !self.is_replaced_key(&id) {
                self.add_violation(&id, &format!("I2: {id} is deleted, which a person made"));
            }
            // A key that was never published has no user, and keytide deletes it without a soak.
            let published = self.watched.published.contains(&id);
            let inactive = key.inactive_from.map(|from| self.body.now.duration_since(from));
            if published && inactive.is_none_or(|time| time < self.watched.soak) {
                self.add_violation(&id, &format!("I8: {id} is deleted after {inactive:?} of inactivity"));
            }
            let recent = !self.watched.compromised
                && key.uses.iter().any(|(used, _)| {
                    // keytide's own test of a key uses STS.
                    &*used.service != "sts" && self.body.now.duration_since(used.at) < self.watched.quiet
                });
            if recent {
                self.add_violation(&id, &format!("I2: {id} is deleted and was used within the window"));
            }
        }
    }

    /// I4: a key is created only where exactly one exists, or as the first of a user that is to get one.
    fn check_creations(&mut self) {
        for (name, user) in &self.body.users {
            let had = self.before.users.get(name).map_or(0, |user| user.keys.len());
            let may_create = had == 1 || (had == 0 && self.watched.begins_bare);
            if user.keys.len() > had && !may_create && !self.watched.by_person {
                self.violations.push(format!("I4: `{name}` had {had} keys and got another"));
            }
        }
    }

    /// I13: only the repository that the tag names changes keys.
    fn check_owner(&mut self) {
        if self.watched.by_person {
            return;
        }
        let ours = self.watched.repository.to_string();
        for (name, user) in &self.before.users {
            let now = self.body.users.get(name).map(key_states);
            if now != Some(key_states(user)) && user.tags.get("keytide:owner") != Some(&ours) {
                self.violations.push(format!("I13: the keys of `{name}` were changed by a stranger"));
            }
        }
    }

    /// A workflow is started once for each redeployment that a journal has announced.
    fn check_redeployments(&mut self) {
        if self.body.runs.len() == self.before.runs.len() {
            return;
        }
        let announced: usize = self.body.journals.values().map(|journal| count_redeployments(journal)).sum();
        let runs = self.body.runs.iter().filter(|run| !run.by_hand).count();
        if runs > announced {
            let now = self.body.now;
            self.violations.push(format!("{runs} runs were started for {announced} redeployments ({now})"));
        }
    }

    /// What another writer keeps next to the credential stays as it is.
    fn check_foreign_fields(&mut self) {
        if self.watched.without_swap {
            return;
        }
        let wanted = self.watched.foreign_field.clone();
        let lost =
            self.body.vaults.iter().find(|(_, vault)| vault.foreign_field().as_deref() != Some(&*wanted));
        if let Some(place) = lost.map(|(place, _)| place.clone()) {
            self.violations.push(format!("`{place}` lost what another writer wrote ({})", self.body.now));
        }
    }

    /// I3: nothing that is staged, proposed or delivered contains a secret in clear text.
    fn check_plaintext(&mut self) {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let new_commits =
            self.body.commits.iter().filter(|(name, _)| !self.before.commits.contains_key(*name));
        for (_, commit) in new_commits {
            texts.push(commit.message.clone().into_bytes());
            texts.extend(commit.files.values().map(|bytes| bytes.to_vec()));
        }
        for pull in self.body.pulls.iter().skip(self.before.pulls.len()) {
            texts.push(format!("{}{}", pull.title, pull.body).into_bytes());
        }
        for (user, journal) in &self.body.journals {
            let known = self.before.journals.get(user).map_or(0, Vec::len);
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
        if self.watched.reported.insert((key.clone(), rule)) {
            self.violations.push(format!("{what} ({})", self.body.now));
        }
    }
}

/// How many redeployments a journal has announced. One may be announced again until its run is recorded.
fn count_redeployments(journal: &[Rc<StoredEntry>]) -> usize {
    let mut count = 0;
    let mut pending = None;
    for one in journal {
        match &one.entry.event {
            JournalEvent::Redeploying { cause } if pending != Some(*cause) => {
                count += 1;
                pending = Some(*cause);
            }
            // From here on another redeployment is due
            JournalEvent::Redeployed { .. }
            | JournalEvent::Resumed { .. }
            | JournalEvent::Activate { .. }
            | JournalEvent::NewKeyAbandoned { .. } => pending = None,
            _ => {}
        }
    }
    count
}

fn key_states(user: &SimUser) -> Vec<(KeyId, KeyState)> {
    user.keys.iter().map(|key| (key.id.clone(), key.status)).collect()
}
