//! What one rotation command asks for, and what it works with once it is connected.

use jiff::{SignedDuration, Timestamp};

use super::on_call::RepositoryPages;
use crate::commands::cli::AwsArgs;
use crate::destinations::{StoreDestination, as_store};
use crate::engine::observe::{UserRotation, destination_from_snapshot};
use crate::hash::sha256_hex;
use crate::live::LiveBackend;
use crate::policy::{Destination, Policy, RotationPolicy, UserName};
use crate::ports::{BackendError, JournalStore as _};
use crate::rotation::{Journal, RotationParams, RotationRequest};

/// How long a workflow run can wait for an approval. It was given its secrets when it was queued, so it can use the old
/// key until then.
const QUEUED_RUN_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the command line asks for.
pub struct CommandRequest<'a> {
    pub aws: &'a AwsArgs,
    pub user: Option<&'a UserName>,
    pub asked: RotationRequest,
    /// Why a rollback is asked for.
    pub rollback_reason: Option<&'a str>,
}

/// Everything that the steps of a run need.
pub struct RunContext {
    pub backend: LiveBackend,
    pub policy: Policy,
    pub account: String,
    /// The users that the policy file rotates.
    pub user_rotations: Vec<UserRotation>,
    pub journal_users: JournalUsers,
    pub pages: RepositoryPages,
}

/// The users that have a journal and that the policy file does not rotate. Everyone who can push can add any number of
/// journals, so each is read only after the users of the policy file had their turn, and only some in a run: each costs
/// requests, of which GitHub permits a number an hour.
pub struct JournalUsers {
    pub names: Vec<String>,
    /// How many have no turn in this run.
    pub left_out: usize,
    /// The task for such a user; its name and its parameters are still to come.
    pub template: UserRotation,
}

/// How many journals of users that the policy file does not rotate are read in a run.
const MAX_JOURNAL_USERS: usize = 20;

impl JournalUsers {
    /// Keeps those whose turn it is in this run.
    pub fn keep_current_share(&mut self, now: Timestamp) {
        self.left_out = keep_share(&mut self.names, now);
    }

    /// What was not read, if there is any.
    pub fn describe_left_out(&self) -> Option<String> {
        if self.left_out == 0 {
            return None;
        }
        Some(format!(
            "{} journals of users that the policy file does not rotate were not read in this run, only \
             {MAX_JOURNAL_USERS} others; delete those that belong to no user: `git ls-remote origin 'refs/keytide/*'` lists them",
            self.left_out
        ))
    }
}

/// Keeps some of the names, and returns how many are left out. A digest of the time chooses them: by the hour alone, a run
/// that starts at the same hour of each day could always come to the same ones.
fn keep_share(names: &mut Vec<String>, now: Timestamp) -> usize {
    let left_out = names.len().saturating_sub(MAX_JOURNAL_USERS);
    if left_out > 0 {
        let digest = sha256_hex(now.to_string().as_bytes());
        let random = digest.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let first = random.unwrap_or_default() % names.len();
        names.rotate_left(first);
        names.truncate(MAX_JOURNAL_USERS);
    }
    left_out
}

impl RunContext {
    /// The users of the policy file, then those that only have a journal.
    pub fn user_names(&self) -> impl Iterator<Item = &str> {
        let listed = self.user_rotations.iter().map(|rotation| &*rotation.user);
        listed.chain(self.journal_users.names.iter().map(String::as_str))
    }

    /// The tasks of all these users; a user that only has a journal has one while a rotation is open in it.
    pub async fn all_rotations(&self) -> Vec<UserRotation> {
        let mut rotations = self.user_rotations.clone();
        for user in &self.journal_users.names {
            rotations.extend(self.open_journal(user).await);
        }
        rotations
    }

    /// The task for a user that only has a journal; `None` if no rotation is open in it.
    pub async fn open_journal(&self, user: &str) -> Option<UserRotation> {
        let destinations: Vec<Destination> = match self.read_journal(user).await {
            Ok(journal) => journal.open?.destinations.iter().filter_map(destination_from_snapshot).collect(),
            // The observation of this user reads the journal again and reports the error.
            Err(_) => Vec::new(),
        };
        // The policy file names no destination of this user any more. Those of the journal lengthen its waits, and are
        // compared with the policy file of the commit for which the rotation was made.
        let params = rotation_params(&self.policy.rotation, &destinations, KeyChange::None);
        Some(UserRotation { user: user.into(), params, ..self.journal_users.template.clone() })
    }

    /// Reads the journal of a user.
    pub async fn read_journal(&self, user: &str) -> Result<Journal, BackendError> {
        Ok(self.backend.read_chain(user).await?.to_journal(user))
    }
}

/// What the policy file asks for the keys of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// It does not list the user, whose journal is read all the same.
    None,
    Rotate,
    Retire,
}

/// The parameters of one user's rotation or retirement.
pub fn rotation_params(
    rotation: &RotationPolicy,
    destinations: &[Destination],
    change: KeyChange,
) -> RotationParams {
    let mut grace = rotation.grace.0;
    // A wait that the user's own entry sets is a decision, which is not overruled
    if !rotation.is_own_grace
        && destinations.iter().filter_map(as_store).any(StoreDestination::is_read_by_queued_runs)
    {
        grace = grace.max(QUEUED_RUN_LIFETIME);
    }
    RotationParams {
        may_rotate: change == KeyChange::Rotate,
        may_retire: change == KeyChange::Retire,
        start_at: rotation.start_at.0,
        grace,
        quiet: rotation.quiet.0,
        soak: rotation.soak.0,
        require_use: rotation.require_use,
        validate: rotation.validate.is_some(),
        redeploy: rotation.redeploy.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_journal_has_its_turn_in_runs_at_the_same_hour() {
        for count in [30, 48, 480] {
            let all: Vec<String> = (0..count).map(|number| format!("u{number}")).collect();
            let mut read = BTreeSet::new();
            for day in 0..400 {
                let mut names = all.clone();
                let left_out = keep_share(&mut names, Timestamp::from_second(day * 86_400).unwrap());
                assert_eq!((names.len(), left_out), (MAX_JOURNAL_USERS, count - MAX_JOURNAL_USERS));
                read.extend(names);
            }
            assert_eq!(read.len(), count);
        }
        let mut few = vec!["u".to_owned()];
        assert_eq!((keep_share(&mut few, Timestamp::UNIX_EPOCH), few.len()), (0, 1));
    }
}
