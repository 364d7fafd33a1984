//! Simulates IAM and STS: at most two keys a user, a new key accepted after seconds, a last use reported late.

use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::state::{SimKey, SimState};
use crate::iam::{KeyRecord, KeyStatus, LastUse, UserRecord};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::{KeyState, KeyUse};
use crate::secret::Credential;

/// AWS allows two access keys a user.
const QUOTA: usize = 2;
/// IAM rounds a last use down to this number of seconds.
const GRAIN: i64 = 15 * 60;
/// The longest time, in seconds, until every service accepts a new key.
const KNOWN_AFTER: u64 = 12;
/// How many uses are remembered.
const REMEMBERED: usize = 8;
const ID: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl SimState {
    pub fn iam_user(&self, name: &str) -> Option<UserRecord> {
        let user = self.users.get(name)?;
        let arn = format!("arn:aws:iam::123456789012:user/{name}");
        Some(UserRecord { id: user.id.clone(), arn, tags: user.tags.clone() })
    }

    pub fn listed_keys(&self, name: &str) -> BackendResult<Vec<KeyRecord>> {
        let user = self.users.get(name).ok_or_else(|| no_such_entity("the user"))?;
        Ok(user.keys.iter().map(SimKey::as_listed).collect())
    }

    pub fn last_used(&self, key: &str) -> BackendResult<Option<LastUse>> {
        let key = self.find_key(key).ok_or_else(|| no_such_entity("the key"))?;
        let reported = key.uses.iter().filter(|(_, from)| *from <= self.now).map(|(used, _)| used);
        let last = reported.max_by_key(|used| used.at);
        Ok(last.map(|used| LastUse { at: used.at, region: None, service: Some(used.service.to_string()) }))
    }

    pub fn create_key(&mut self, name: &str, by_hand: bool) -> BackendResult<Credential> {
        let (id, secret) =
            (format!("AKIA{}", self.fate.random_text(ID, 16)), self.fate.random_text(SECRET, 40));
        // Drawn from its own generator: a fault must not change the keys of the rest of the run.
        let wait = self.fate.next_below(KNOWN_AFTER).unwrap_or_default() as i64;
        let created = self.now;
        let user = self.users.get_mut(name).ok_or_else(|| no_such_entity("the user"))?;
        // As IAM does, also for a key that was deactivated.
        if user.keys.len() >= QUOTA {
            return Err(BackendError::new(
                ErrorKind::Rejected,
                "LimitExceeded: cannot exceed quota for AccessKeysPerUser: 2",
            ));
        }
        user.keys.push(SimKey {
            id: id.as_str().into(),
            secret: Rc::from(secret.as_str()),
            status: KeyState::Active,
            created,
            known_from: created + SignedDuration::from_secs(wait),
            inactive_from: None,
            uses: Vec::new(),
            by_hand,
        });
        Ok(Credential::new(id, secret))
    }

    pub fn set_key(&mut self, user: &str, id: &str, status: KeyState) -> BackendResult<()> {
        let now = self.now;
        let key = self.key_mut(user, id)?;
        if key.status != status {
            key.status = status;
            key.inactive_from = if status == KeyState::Inactive { Some(now) } else { None };
        }
        Ok(())
    }

    pub fn delete_key(&mut self, user: &str, id: &str) -> BackendResult<()> {
        self.key_mut(user, id)?;
        if let Some(user) = self.users.get_mut(user) {
            user.keys.retain(|key| &*key.id != id);
        }
        Ok(())
    }

    /// Records a request that is signed with a key, and returns the ID of its user if AWS accepts it. IAM reports the use
    /// after `report_lag`.
    pub fn record_use(
        &mut self,
        id: &str,
        secret: &str,
        service: &str,
        report_lag: SignedDuration,
    ) -> BackendResult<Arc<str>> {
        let now = self.now;
        for user in self.users.values_mut() {
            let Some(key) = user.keys.iter_mut().find(|key| &*key.id == id) else { continue };
            if key.status != KeyState::Active || key.known_from > now || *key.secret != *secret {
                break;
            }
            let used = KeyUse { at: round_to_quarter(now), service: service.into(), region: None };
            // IAM does not record a second use within the same quarter of an hour.
            if key.uses.last().is_none_or(|(last, _)| *last != used) {
                key.uses.push((used, now + report_lag));
            }
            // The state is copied at every change, so it must stay small.
            if key.uses.len() > REMEMBERED {
                key.uses.remove(0);
            }
            return Ok(user.id.clone());
        }
        Err(BackendError::new(
            ErrorKind::NotApplied,
            "InvalidClientTokenId: the security token included in the request is invalid",
        ))
    }

    fn key_mut(&mut self, user: &str, id: &str) -> BackendResult<&mut SimKey> {
        let user = self.users.get_mut(user).ok_or_else(|| no_such_entity("the user"))?;
        user.keys.iter_mut().find(|key| &*key.id == id).ok_or_else(|| no_such_entity("the key"))
    }
}

impl SimKey {
    fn as_listed(&self) -> KeyRecord {
        let status = match self.status {
            KeyState::Active => KeyStatus::Active,
            KeyState::Inactive => KeyStatus::Inactive,
            KeyState::Other => KeyStatus::Other("Other".to_owned()),
        };
        KeyRecord { id: self.id.clone(), status, created_at: self.created }
    }
}

fn no_such_entity(what: &str) -> BackendError {
    BackendError::new(ErrorKind::NotFound, format!("NoSuchEntity: {what} cannot be found"))
}

fn round_to_quarter(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() / GRAIN * GRAIN).unwrap_or(at)
}
