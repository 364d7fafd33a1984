//! Simulates applications: each reads the credential from one destination now and then, and uses it.

use jiff::{SignedDuration, Timestamp};

use super::SimulationState;
use super::keyring::CredentialPair;
use super::state::MAIN;

/// How late IAM tells a use, at most.
const TOLD_AFTER: u64 = 3 * 3600 + 1800;

/// An application.
#[derive(Clone)]
pub struct Application {
    pub name: &'static str,
    /// A file's path, or a store's place.
    pub reads: String,
    pub is_store: bool,
    /// How often it uses its credential, and how many uses pass until it reads it again.
    pub every: SignedDuration,
    pub reload: u32,
    pub next: Timestamp,
    pub held: Option<CredentialPair>,
    pub uses: u32,
    /// Whether the new credential does not work for it: something else is wrong.
    pub broken_by: Option<String>,
    pub refused: Option<String>,
}

impl Application {
    pub fn new(
        name: &'static str,
        reads: &str,
        is_store: bool,
        every: SignedDuration,
        next: Timestamp,
    ) -> Self {
        Self {
            name,
            reads: reads.to_owned(),
            is_store,
            every,
            reload: 2,
            next,
            held: None,
            uses: 0,
            broken_by: None,
            refused: None,
        }
    }
}

impl SimulationState {
    /// The application whose turn it is works.
    pub fn run_applications(&mut self, at: Timestamp) {
        let Some(index) = self.apps.iter().position(|app| app.next <= at) else { return };
        let reloads = self.apps[index].uses.is_multiple_of(self.apps[index].reload.max(1));
        if reloads || self.apps[index].held.is_none() {
            let read = self.read_credential(index);
            self.apps[index].held = read.or(self.apps[index].held.take());
        }
        let told_after =
            SignedDuration::from_secs(self.rng.next_below(TOLD_AFTER).unwrap_or_default() as i64);
        let app = &mut self.apps[index];
        app.uses += 1;
        app.next = at + app.every;
        let Some((id, secret)) = app.held.clone() else { return };
        if app.broken_by.as_deref() == Some(&*id) {
            return;
        }
        match self.body.record_use(&id, &secret, "s3", told_after) {
            Ok(_) => self.apps[index].refused = None,
            Err(why) => self.record_refusal(index, &id, &why.to_string()),
        }
    }

    /// What an application finds where it reads.
    fn read_credential(&self, index: usize) -> Option<CredentialPair> {
        let app = &self.apps[index];
        if app.is_store {
            return self.body.credential_in_store(&app.reads, &self.keyring);
        }
        self.keyring.open_file(self.body.files_at(MAIN)?.get(&app.reads)?)
    }

    fn record_refusal(&mut self, index: usize, id: &str, why: &str) {
        let name = self.apps[index].name;
        let now = self.body.now;
        // A key that AWS does not know everywhere yet is tried again.
        if self.body.find_key(id).is_some_and(|key| key.known_from > now) {
            return;
        }
        if !self.is_excused(id) {
            self.violations.push(format!("I1b at {now}: {name} uses {id} and is refused: {why}"));
        }
        self.apps[index].refused = Some(id.to_owned());
        self.apps[index].held = None;
    }
}
