//! Simulates applications: each reads the credential from one destination from time to time, and uses it.

use jiff::{SignedDuration, Timestamp};

use super::keyring::{CredentialPair, Keyring};
use super::state::{MAIN, SimState};
use crate::rotation::KeyState;

/// An application.
#[derive(Clone)]
pub struct Application {
    pub name: &'static str,
    /// The path of a file, or the destination's name of a store.
    pub reads: String,
    pub is_store: bool,
    /// How often it uses its credential, and after how many uses it reads it again.
    pub every: SignedDuration,
    pub reload: u32,
    /// The workflow that deploys it: then it reads the credential only when it is deployed.
    pub deployed_by: Option<String>,
    pub loaded_at: Timestamp,
    pub next: Timestamp,
    pub held: Option<CredentialPair>,
    pub uses: u32,
    /// The key that the application cannot use although AWS accepts it: another part of its setup is wrong.
    pub broken_by: Option<String>,
    pub refused: Option<String>,
}

/// A use of a credential that AWS refused.
pub struct RefusedUse {
    pub access_key_id: String,
    pub why: String,
    /// It read the halves of two active keys: a store that is written in two requests was between them.
    pub is_torn: bool,
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
            deployed_by: None,
            loaded_at: next,
            next,
            held: None,
            uses: 0,
            broken_by: None,
            refused: None,
        }
    }

    /// Uses the credential once, at `at`; IAM reports the use after `report_lag`.
    pub fn work(
        &mut self,
        at: Timestamp,
        report_lag: SignedDuration,
        services: &mut SimState,
        keyring: &Keyring,
    ) -> Option<RefusedUse> {
        if self.is_restarted(services) || self.held.is_none() {
            self.loaded_at = at;
            // If there is nothing to read, the application goes on with the credential in its memory.
            self.held = self.read_credential(services, keyring).or(self.held.take());
        }
        self.uses += 1;
        self.next = at + self.every;
        let (id, secret) = self.held.clone()?;
        if self.broken_by.as_deref() == Some(&*id) {
            return None;
        }
        let Err(refusal) = services.record_use(&id, &secret, "s3", report_lag) else {
            self.refused = None;
            return None;
        };
        // AWS does not accept a new key everywhere at once: the application tries again.
        if services.find_key(&id).is_some_and(|key| key.known_from > services.now) {
            return None;
        }
        self.refused = Some(id.to_string());
        // Refused: the next use reads the credential anew, as a restarted application does.
        self.held.take_if(|_| self.deployed_by.is_none());
        let is_torn = services.find_key(&id).is_some_and(|key| key.status == KeyState::Active)
            && services.is_active_secret(&secret);
        Some(RefusedUse { access_key_id: id.to_string(), why: refusal.to_string(), is_torn })
    }

    /// Whether it starts anew before this use.
    fn is_restarted(&self, services: &SimState) -> bool {
        match &self.deployed_by {
            Some(workflow) => {
                services.last_deployment(workflow).is_some_and(|deployed| deployed > self.loaded_at)
            }
            None => self.uses.is_multiple_of(self.reload.max(1)),
        }
    }

    fn read_credential(&self, services: &SimState, keyring: &Keyring) -> Option<CredentialPair> {
        if self.is_store {
            return services.credential_in_store(&self.reads, keyring);
        }
        keyring.open_file(services.files_at(MAIN)?.get(&self.reads)?)
    }
}
