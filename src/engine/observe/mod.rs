//! One look at a user, in the order on which the protocol's safety rests: the list of keys, the journal and what it
//! proposed, the default branch and the stores, the keys again. What cannot be read is told as unknown.

mod approval;
mod destinations;
mod workspace;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use approval::approved;
pub use destinations::{destination, destinations, frozen, place_of};
pub use workspace::{preflight, workspace};

use jiff::Timestamp;

use crate::policy::{Destination, RotationPolicy};
use crate::ports::{Answer, Listed, Outside, User};
use crate::rotation::{
    Asked, BranchTip, Datum, Frozen, Journal, Key, KeyId, Observation, Owner, PlaceKind, Recipients,
    Rotation, Rules, ids,
};

/// The tag that names the repository that may rotate a user.
pub const OWNER_TAG: &str = "keytide:owner";
/// The file on the default branch that stops all writing.
pub const STOP_FILE: &str = ".github/keytide.stop";

/// What a run is to do for one user.
#[derive(Debug, Clone)]
pub struct Task {
    pub user: Arc<str>,
    /// Who runs.
    pub run: Arc<str>,
    /// The repository's numeric ID.
    pub repository: u64,
    /// `OWNER/NAME`, for descriptions.
    pub name: String,
    pub account: String,
    pub rules: Rules,
    pub policy: Option<RotationPolicy>,
    /// The policy file's destinations. A rotation under way has its own.
    pub destinations: Vec<Destination>,
    pub asked: Asked,
    /// Whether it is looked at what a new key would need. An audit may see less than the run that rotates.
    pub asks_preflight: bool,
}

/// Looks at one user.
pub async fn observe(world: &impl Outside, task: &Task) -> Observation {
    let listed = Datum::from(world.keys(&task.user).await);
    let journal = journal(world, task).await;
    let open = journal.known().and_then(|journal| journal.open.as_ref());
    let proposals = Proposals::look(world, task, open).await;
    let kept = open.map_or_else(|| task.frozen(), |rotation| rotation.places.clone());
    let head = world.head().await;
    let files = destinations::look(world, task, open, &kept, head.as_deref()).await;
    let may_make = open.is_none_or(|rotation| rotation.staged.is_none());
    let is_urgent = journal.known().is_some_and(|journal| journal.compromised);
    let may_begin = open.is_some() || is_urgent || task.may_begin(listed.known(), world.now());
    let preflight = if task.asks_preflight && may_make && may_begin {
        let old = old_key(open, listed.known());
        let next = || journal.known().map_or(0, |journal| journal.last) + 1;
        let branch = ids::branch(&task.user, open.map_or_else(next, |open| open.number));
        let prospect = Prospect { open, old: old.as_deref(), branch };
        prepared(world, task, &prospect, head.as_deref()).await
    } else {
        Datum::unknown("not asked")
    };
    let stopped = match &head {
        Ok(head) => Datum::from(world.file(head, STOP_FILE).await.map(|file| file.is_some())),
        Err(why) => Datum::unknown(why.to_string()),
    };
    let validated = match task.policy.as_ref().and_then(|policy| policy.validate.as_ref()) {
        Some(validate) if !may_make => Datum::from(world.succeeded(&validate.workflow.0).await),
        _ => Datum::Known(None),
    };
    let user = world.user(&task.user).await;
    let keys = keys(world, task).await;
    Observation {
        user: task.user.clone(),
        run: task.run.clone(),
        listed: match listed {
            Datum::Known(keys) => {
                Datum::Known(keys.into_iter().map(|key| key.id).collect::<BTreeSet<KeyId>>())
            }
            Datum::Unknown(why) => Datum::Unknown(why),
        },
        journal,
        branch: proposals.branch,
        proposal: proposals.proposal,
        revert: proposals.revert,
        places: files.places,
        mentions: files.mentions,
        stopped,
        validated,
        preflight: may_go(preflight, &user, task),
        user_id: Datum::from(user.clone().map(|user| user.map(|user| user.id))),
        owner: owner(&user, task),
        keys,
        asked: task.asked,
        now: world.now(),
    }
}

impl Task {
    /// Whether a rotation may begin now: only then it is asked what a new key would need.
    fn may_begin(&self, listed: Option<&Vec<Listed>>, now: Timestamp) -> bool {
        let old = |key: &Listed| now.duration_since(key.created) >= self.rules.start_at;
        let asked = self.asked.start || self.asked.compromised;
        self.rules.may_rotate && (asked || listed.is_none_or(|keys| keys.iter().any(old)))
    }

    /// The policy file's destinations, as a journal would note them.
    fn frozen(&self) -> Vec<Frozen> {
        self.destinations.iter().filter_map(|destination| frozen(destination, None)).collect()
    }
}

async fn journal(world: &impl Outside, task: &Task) -> Datum<Journal> {
    let chain = match world.chain(&task.user).await {
        Ok(chain) => chain,
        Err(why) => return Datum::unknown(why.to_string()),
    };
    let mut journal =
        Journal::read(&task.user, chain.entries.iter().map(|(commit, entry)| (&**commit, &**entry)));
    if let Some(fault) = chain.fault {
        journal.fault.get_or_insert(fault);
    }
    Datum::Known(journal)
}

/// The branch and the pull requests of a rotation.
struct Proposals {
    branch: Datum<BranchTip>,
    proposal: Datum<Option<crate::rotation::Proposal>>,
    revert: Datum<Option<crate::rotation::Proposal>>,
}

impl Proposals {
    async fn look(world: &impl Outside, task: &Task, open: Option<&Rotation>) -> Self {
        let none = Self {
            branch: Datum::Known(BranchTip::Absent),
            proposal: Datum::Known(None),
            revert: Datum::Known(None),
        };
        let Some(rotation) = open.filter(|rotation| rotation.verified.is_some()) else { return none };
        let branch = ids::branch(&task.user, rotation.number);
        let revert = match rotation.rollback {
            Some(_) => Datum::from(world.find(&ids::revert_branch(&task.user, rotation.number)).await),
            None => Datum::Known(None),
        };
        let tip = if rotation.tombstone.is_some() {
            Datum::from(tip(world, task, rotation, &branch).await)
        } else {
            Datum::unknown("not asked")
        };
        Self { branch: tip, proposal: Datum::from(world.find(&branch).await), revert }
    }
}

/// Whether a merge of the branch would still publish the new key.
async fn tip(world: &impl Outside, task: &Task, rotation: &Rotation, branch: &str) -> Answer<BranchTip> {
    let Some(tip) = world.tip(branch).await? else { return Ok(BranchTip::Absent) };
    let Some(staged) = &rotation.staged else { return Ok(BranchTip::Neutral) };
    let head = world.head().await?;
    for frozen in rotation.places.iter().filter(|frozen| frozen.kind == PlaceKind::File) {
        let staged = staged.files.get(&frozen.place);
        let held = destinations::credential(world, &tip, frozen).await?;
        let published = destinations::credential(world, &head, frozen).await?;
        if held.is_some() && held.as_ref() == staged && published.as_ref() != staged {
            return Ok(BranchTip::Staged);
        }
    }
    let lock = crate::repository::lock_file_path(&task.user);
    let same = world.file(&tip, &lock).await? == world.file(&head, &lock).await?;
    let is_file = rotation.places.iter().any(|frozen| frozen.kind == PlaceKind::File);
    Ok(if same || is_file { BranchTip::Neutral } else { BranchTip::Staged })
}

async fn keys(world: &impl Outside, task: &Task) -> Datum<Vec<Key>> {
    let listed: Vec<Listed> = match world.keys(&task.user).await {
        Ok(listed) => listed,
        Err(why) => return Datum::unknown(why.to_string()),
    };
    let mut keys = Vec::with_capacity(listed.len());
    for key in listed {
        let last_used = Datum::from(world.last_used(&key.id).await);
        keys.push(Key { id: key.id, status: key.status, created: key.created, last_used });
    }
    Datum::Known(keys)
}

fn owner(user: &Answer<Option<User>>, task: &Task) -> Datum<Owner> {
    let user = match user {
        Err(why) => return Datum::unknown(why.to_string()),
        Ok(None) => return Datum::Known(Owner::Nobody),
        Ok(Some(user)) => user,
    };
    Datum::Known(match user.tags.get(OWNER_TAG) {
        None => Owner::Nobody,
        Some(id) if *id == task.repository.to_string() => Owner::Us,
        Some(id) => Owner::Other(id.clone()),
    })
}

/// The key that is replaced, or would be: it is the user's only one.
fn old_key(open: Option<&Rotation>, listed: Option<&Vec<Listed>>) -> Option<KeyId> {
    let only = || match listed?.as_slice() {
        [only] => Some(only.id.clone()),
        _ => None,
    };
    open.map(|rotation| rotation.old.clone()).or_else(only)
}

/// Whether a new key could be put everywhere, and may.
fn may_go(
    prepared: Datum<Result<Recipients, String>>,
    user: &Answer<Option<User>>,
    task: &Task,
) -> Datum<Result<(), String>> {
    if !task.asks_preflight {
        return Datum::Known(Ok(()));
    }
    let recipients = match prepared {
        Datum::Unknown(why) => return Datum::Unknown(why),
        Datum::Known(Err(why)) => return Datum::Known(Err(why)),
        Datum::Known(Ok(recipients)) => recipients,
    };
    match user {
        Err(why) => Datum::unknown(why.to_string()),
        Ok(None) => Datum::unknown("the user does not exist"),
        Ok(Some(user)) => Datum::Known(approved(user, &task.user, &recipients)),
    }
}

/// The rotation that may begin, or has.
struct Prospect<'a> {
    open: Option<&'a Rotation>,
    old: Option<&'a str>,
    branch: String,
}

/// Whether a rotation that has made no key yet would put it where the policy file says. Whoever writes to the repository
/// can write a journal; the policy file is on the default branch.
fn is_of_policy(task: &Task, rotation: &Rotation) -> bool {
    // Written again, so that an earlier version's words are not another destination.
    let spec = |one: &Frozen| destination(one).and_then(|found| serde_json::to_string(&found).ok());
    let told = |places: &[Frozen]| {
        let mut told: Vec<_> = places.iter().map(|one| (one.place.clone(), one.kind, spec(one))).collect();
        told.sort();
        told
    };
    told(&rotation.places) == told(&task.frozen())
}

/// Whether a new key could be put everywhere.
async fn prepared(
    world: &impl Outside,
    task: &Task,
    prospect: &Prospect<'_>,
    head: Result<&str, &crate::ports::Failure>,
) -> Datum<Result<Recipients, String>> {
    let head = match head {
        Ok(head) => head,
        Err(why) => return Datum::unknown(why.to_string()),
    };
    if let Some(rotation) = prospect.open.filter(|rotation| !is_of_policy(task, rotation)) {
        let what =
            format!("rotation {} began with other destinations than the policy file has", rotation.number);
        let user = &task.user;
        return Datum::Known(Err(format!(
            "{what}; `keytide resume --user {user} --reason TEXT` drops it, and another begins when it is due"
        )));
    }
    let destinations = destinations::destinations(task, prospect.open);
    let workspace = match workspace(world, head, &destinations, prospect.old).await {
        Err(why) => return Datum::unknown(why.to_string()),
        Ok(workspace) => workspace,
    };
    let recipients = match workspace::preflight(&destinations, &workspace) {
        Err(why) => return Datum::Known(Err(why)),
        Ok(recipients) => recipients,
    };
    match world.obstacle(&prospect.branch).await {
        Err(why) => Datum::unknown(why.to_string()),
        Ok(obstacle) => Datum::Known(obstacle.map_or(Ok(recipients), Err)),
    }
}
