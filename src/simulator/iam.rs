//! IAM and STS: at most two keys a user, a new key known after seconds, a last use told late.

use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::state::{Body, KeyRecord};
use crate::ports::{Answer, Failure, Listed, Outcome, User};
use crate::rotation::{Status, Use};
use crate::secret::Credential;

/// AWS allows two access keys a user.
const QUOTA: usize = 2;
/// IAM rounds a last use down to this.
const GRAIN: i64 = 15 * 60;
/// How long until a new key is known everywhere, at most.
const KNOWN_AFTER: u64 = 12;
/// How many uses are remembered.
const REMEMBERED: usize = 8;
const ID: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Body {
    pub fn user(&self, name: &str) -> Option<User> {
        let user = self.users.get(name)?;
        let arn = format!("arn:aws:iam::123456789012:user/{name}");
        Some(User { id: user.id.clone(), arn, tags: user.tags.clone() })
    }

    pub fn keys(&self, name: &str) -> Answer<Vec<Listed>> {
        let user = self.users.get(name).ok_or_else(|| missing("the user"))?;
        let listed =
            |key: &KeyRecord| Listed { id: key.id.clone(), status: key.status, created: key.created };
        Ok(user.keys.iter().map(listed).collect())
    }

    pub fn last_used(&self, key: &str) -> Answer<Option<Use>> {
        let key = self.key(key).ok_or_else(|| missing("the key"))?;
        let told = key.uses.iter().filter(|(_, from)| *from <= self.now).map(|(used, _)| used);
        Ok(told.max_by_key(|used| used.at).cloned())
    }

    pub fn create_key(&mut self, name: &str, by_hand: bool) -> Answer<Credential> {
        let (id, secret) = (format!("AKIA{}", self.fate.text(ID, 16)), self.fate.text(SECRET, 40));
        let wait = self.fate.below(KNOWN_AFTER).unwrap_or_default() as i64;
        let created = self.now;
        let user = self.users.get_mut(name).ok_or_else(|| missing("the user"))?;
        if user.keys.len() >= QUOTA {
            return Err(Failure::new(
                Outcome::Refused,
                "LimitExceeded: cannot exceed quota for AccessKeysPerUser: 2",
            ));
        }
        user.keys.push(KeyRecord {
            id: id.as_str().into(),
            secret: Rc::from(secret.as_str()),
            status: Status::Active,
            created,
            known_from: created + SignedDuration::from_secs(wait),
            inactive_from: None,
            uses: Vec::new(),
            by_hand,
        });
        Ok(Credential::new(id, secret))
    }

    pub fn set_key(&mut self, user: &str, id: &str, status: Status) -> Answer<()> {
        let now = self.now;
        let key = self.key_mut(user, id)?;
        if key.status != status {
            key.status = status;
            key.inactive_from = (status == Status::Inactive).then_some(now);
        }
        Ok(())
    }

    pub fn delete_key(&mut self, user: &str, id: &str) -> Answer<()> {
        self.key_mut(user, id)?;
        if let Some(user) = self.users.get_mut(user) {
            user.keys.retain(|key| &*key.id != id);
        }
        Ok(())
    }

    /// A request signed with a key: whose it is, if AWS takes it.
    pub fn sign(
        &mut self,
        id: &str,
        secret: &str,
        service: &str,
        told_after: SignedDuration,
    ) -> Answer<Arc<str>> {
        let now = self.now;
        for user in self.users.values_mut() {
            let Some(key) = user.keys.iter_mut().find(|key| &*key.id == id) else { continue };
            if key.status != Status::Active || key.known_from > now || *key.secret != *secret {
                break;
            }
            let used = Use { at: rounded(now), service: service.into() };
            if key.uses.last().is_none_or(|(last, _)| *last != used) {
                key.uses.push((used, now + told_after));
            }
            if key.uses.len() > REMEMBERED {
                key.uses.remove(0);
            }
            return Ok(user.id.clone());
        }
        Err(Failure::new(
            Outcome::NotDone,
            "InvalidClientTokenId: the security token included in the request is invalid",
        ))
    }

    fn key_mut(&mut self, user: &str, id: &str) -> Answer<&mut KeyRecord> {
        let user = self.users.get_mut(user).ok_or_else(|| missing("the user"))?;
        user.keys.iter_mut().find(|key| &*key.id == id).ok_or_else(|| missing("the key"))
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(Outcome::Missing, format!("NoSuchEntity: {what} cannot be found"))
}

fn rounded(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() / GRAIN * GRAIN).unwrap_or(at)
}
