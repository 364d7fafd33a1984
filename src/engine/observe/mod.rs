//! Reads all facts about one user. The protocol's safety rests on the order: first the list of keys, then the journal with
//! its branch and pull requests, then the default branch and the stores, then the keys again. A failed read makes a fact
//! unknown, with the reason.

mod approval;
pub mod committed_files;
mod destinations;
mod pull_requests;
mod redeployment;
mod removed_recipients;
mod searched_files;
mod staged_rotation;
mod user_rotation;
mod workspace;

use std::collections::BTreeSet;

pub use approval::ensure_destinations_approved;
pub use destinations::{
    destination_from_snapshot, read_snapshot, rotation_destinations, snapshot_destination,
};
use pull_requests::PullRequestReads;
pub use redeployment::find_workflow_fault;
use redeployment::{find_redeploy_fault, read_redeploy_run, read_validation};
pub use searched_files::reference_globs;
pub use staged_rotation::ensure_payloads_locked;
use staged_rotation::is_same_destinations;
pub use user_rotation::UserRotation;
use workspace::list_written_files;
pub use workspace::{load_workspace, preflight_destinations};

use crate::iam::{KeyRecord, UserRecord};
use crate::ports::{Backend, BackendError, BackendResult};
use crate::repository::STOP_FILE;
use crate::rotation::inactive_keys::InactiveKeys;
use crate::rotation::{
    Journal, KeyId, KeyState, KeyUse, Observation, Observed, ObservedKey, OpenRotation, OwnerTag, Recipients,
    ids,
};

/// The tag that names the repository that may rotate a user.
pub const OWNER_TAG: &str = "keytide:owner";

/// Reads all facts about one user, in the order that the module describes.
pub async fn observe_user(world: &impl Backend, task: &UserRotation) -> Observation {
    // Listed before the journal is read. A key that another run creates after this list is announced in a journal
    // that this run may not see yet; only a key in both lists can count as an orphan
    let listed = Observed::from(world.list_access_keys(&task.user).await);
    let journal = read_journal(world, task).await;
    let open = journal.known().and_then(|journal| journal.open.as_ref());
    let proposals = PullRequestReads::read_pull_requests(world, task, open).await;
    // After the journal. A destination read before it could still show the old credential while the journal already
    // permits the retirement of that key
    let head = world.read_default_head().await;
    let journal = verify_journal(world, task, journal, head.as_deref()).await;
    // A journal that is not trusted must not name the destinations to look at
    let trusted = journal.known().filter(|journal| journal.fault.is_none());
    let open = trusted.and_then(|journal| journal.open.as_ref());
    // A retirement writes to no destination, so it looks at those of the policy file, which no journal can shorten
    let frozen = open.filter(|rotation| !rotation.retires).map(|rotation| rotation.destinations.clone());
    let kept = frozen.unwrap_or_else(|| destinations::destination_snapshots(task));
    let files = destinations::observe_destinations(world, task, open, &kept, head.as_deref()).await;
    let may_make = open.is_none_or(|rotation| rotation.staged.is_none() && !rotation.retires);
    let is_urgent = journal.known().is_some_and(|journal| journal.compromised);
    // The check of the destinations costs many requests, so it runs only when a key may be created
    let may_begin = open.is_some() || is_urgent || task.may_begin(listed.known(), world.now());
    let preflight = if task.asks_preflight && may_make && may_begin {
        let old = old_key(open, listed.known());
        let branch = ids::branch_name(&task.user, prospective_number(open, journal.known()));
        let prospect = NewKeyProspect { open, old: old.as_deref(), branch };
        check_preflight(world, task, &prospect, head.as_deref()).await
    } else {
        Observed::NotAsked
    };
    let pull = proposals.proposal.known().and_then(Option::as_ref).filter(|pull| pull.is_open());
    let removed_recipient = match (open, head.as_deref()) {
        (Some(rotation), Ok(head)) if pull.is_some() && rotation.staged.is_some() => {
            Observed::from(removed_recipients::find_removed_recipient(world, task, rotation, head).await)
        }
        _ => Observed::NotAsked,
    };
    let stopped = read_stop_file(world, head.as_deref()).await;
    let redeploy_run = read_redeploy_run(world, task, open, &proposals).await;
    // Without a new key there is nothing that a run of the workflow could prove
    let validated =
        if may_make { Observed::Known(None) } else { read_validation(world, task, &redeploy_run).await };
    // Status and last use are read last, so that they are at least as recent as everything that retiring a key
    // depends on
    let user = world.get_user(&task.user).await;
    let keys = read_keys(world, task).await;
    Observation {
        user: task.user.clone(),
        run: task.run.clone(),
        listed: listed.map(|keys| keys.into_iter().map(|key| key.id).collect::<BTreeSet<KeyId>>()),
        journal,
        branch: proposals.branch,
        pull_request: proposals.proposal,
        revert_pull_request: proposals.revert,
        destinations: files.places,
        key_mentions: files.mentions,
        is_stopped: stopped,
        validated_at: validated,
        redeploy_run,
        preflight: may_go(preflight, &user, task),
        removed_recipient,
        user_id: Observed::from(user.clone().map(|user| user.map(|user| user.id))),
        owner: read_owner(&user, task),
        inactive_keys: read_inactive_keys(&user),
        keys,
        request: task.asked,
        now: world.now(),
    }
}

async fn read_stop_file(world: &impl Backend, head: Result<&str, &BackendError>) -> Observed<bool> {
    match head {
        Ok(head) => Observed::from(world.read_file(head, STOP_FILE).await.map(|file| file.is_some())),
        Err(why) => Observed::from(why),
    }
}

async fn read_journal(world: &impl Backend, task: &UserRotation) -> Observed<Journal> {
    Observed::from(world.read_chain(&task.user).await.map(|chain| chain.to_journal(&task.user)))
}

/// Compares the open rotation with the default branch. One that differs makes the journal untrusted; one that could not
/// be compared makes it unknown.
async fn verify_journal(
    world: &impl Backend,
    task: &UserRotation,
    journal: Observed<Journal>,
    head: Result<&str, &BackendError>,
) -> Observed<Journal> {
    let Observed::Known(mut journal) = journal else { return journal };
    journal.distrust_future(world.now());
    // Before a key is staged there is nothing that the rotation could publish
    let Some(rotation) = journal.open.as_ref().filter(|rotation| rotation.staged.is_some()) else {
        return Observed::Known(journal);
    };
    let head = match head {
        Ok(head) => head,
        Err(why) => return Observed::from(why),
    };
    match staged_rotation::find_journal_fault(world, task, rotation, head).await {
        Err(why) => Observed::from(&why),
        Ok(None) => Observed::Known(journal),
        Ok(Some(fault)) => {
            if journal.fault.is_none() {
                journal.fault = Some(fault);
                journal.fault_outlasts_resume = true;
            }
            Observed::Known(journal)
        }
    }
}

async fn read_keys(world: &impl Backend, task: &UserRotation) -> Observed<Vec<ObservedKey>> {
    let listed: Vec<KeyRecord> = match world.list_access_keys(&task.user).await {
        Ok(listed) => listed,
        Err(why) => return Observed::from(&why),
    };
    let mut keys = Vec::with_capacity(listed.len());
    for key in listed {
        let last_use = world.get_last_use(&task.user, &key.id).await;
        let last_used = Observed::from(last_use.map(|last_use| last_use.map(KeyUse::from)));
        let status = KeyState::from(&key.status);
        keys.push(ObservedKey { id: key.id, status, created: key.created_at, last_used });
    }
    Observed::Known(keys)
}

fn read_owner(user: &BackendResult<Option<UserRecord>>, task: &UserRotation) -> Observed<OwnerTag> {
    let user = match user {
        Err(why) => return Observed::from(why),
        Ok(None) => return Observed::Known(OwnerTag::Missing { repository: task.repository }),
        Ok(Some(user)) => user,
    };
    Observed::Known(match user.tags.get(OWNER_TAG) {
        None => OwnerTag::Missing { repository: task.repository },
        Some(id) if *id == task.repository.to_string() => OwnerTag::ThisRepository,
        Some(id) => OwnerTag::OtherRepository(id.clone()),
    })
}

fn read_inactive_keys(user: &BackendResult<Option<UserRecord>>) -> Observed<InactiveKeys> {
    match user {
        Err(why) => Observed::from(why),
        Ok(None) => Observed::Known(InactiveKeys::default()),
        Ok(Some(user)) => Observed::Known(InactiveKeys::from_tags(&user.tags)),
    }
}

/// The key that is replaced, or would be: it is the user's only one.
fn old_key(open: Option<&OpenRotation>, listed: Option<&Vec<KeyRecord>>) -> Option<KeyId> {
    if let Some(rotation) = open {
        // A first key has none before it
        return rotation.old.clone();
    }
    match listed?.as_slice() {
        [only] => Some(only.id.clone()),
        _ => None,
    }
}

/// The number of the open rotation, or of the one that would begin.
fn prospective_number(open: Option<&OpenRotation>, journal: Option<&Journal>) -> u32 {
    match open {
        Some(rotation) => rotation.number,
        None => journal.map_or(0, |journal| journal.last_number) + 1,
    }
}

/// Combines the check of the destinations with the administrator's approval of them.
fn may_go(
    prepared: Observed<Result<Recipients, String>>,
    user: &BackendResult<Option<UserRecord>>,
    task: &UserRotation,
) -> Observed<Result<(), String>> {
    if !task.asks_preflight {
        return Observed::Known(Ok(()));
    }
    let recipients = match prepared {
        Observed::Unknown(why) => return Observed::Unknown(why),
        Observed::Denied(why) => return Observed::Denied(why),
        Observed::NotAsked => return Observed::NotAsked,
        Observed::Known(Err(why)) => return Observed::Known(Err(why)),
        Observed::Known(Ok(recipients)) => recipients,
    };
    match user {
        Err(why) => Observed::from(why),
        Ok(None) => Observed::unknown("the user does not exist"),
        Ok(Some(user)) => Observed::Known(ensure_destinations_approved(user, &task.user, &recipients)),
    }
}

/// The rotation for which a new key may be created, open or not yet begun.
struct NewKeyProspect<'a> {
    open: Option<&'a OpenRotation>,
    old: Option<&'a str>,
    branch: String,
}

/// Whether every destination can take a new key; with the recipients that could decrypt it.
async fn check_preflight(
    world: &impl Backend,
    task: &UserRotation,
    prospect: &NewKeyProspect<'_>,
    head: Result<&str, &BackendError>,
) -> Observed<Result<Recipients, String>> {
    let head = match head {
        Ok(head) => head,
        Err(why) => return Observed::from(why),
    };
    if let Some(rotation) =
        // Once staged, such a rotation would be taken for a forged one, so no key is made for it
        prospect.open.filter(|rotation| !is_same_destinations(rotation, &task.destinations))
    {
        let what =
            format!("rotation {} began with other destinations than the policy file has", rotation.number);
        let user = &task.user;
        return Observed::Known(Err(format!(
            "{what}; `keytide resume --user {user} --reason TEXT` drops it, and another begins when the key is due"
        )));
    }
    let destinations = match destinations::rotation_destinations(task, prospect.open) {
        Err(why) => return Observed::from(&why),
        Ok(destinations) => destinations,
    };
    let workspace = match load_workspace(world, head, &destinations, prospect.old).await {
        Err(why) => return Observed::from(&why),
        Ok(workspace) => workspace,
    };
    let recipients = match workspace::preflight_destinations(&destinations, &workspace) {
        Err(why) => return Observed::Known(Err(why)),
        Ok(recipients) => recipients,
    };
    let files = list_written_files(&task.user, &destinations, &workspace);
    let obstacle = match world.find_branch_blocker(&prospect.branch, &files).await {
        Ok(None) => find_redeploy_fault(world, task, head).await,
        found => found,
    };
    match obstacle {
        Err(why) => Observed::from(&why),
        Ok(obstacle) => Observed::Known(obstacle.map_or(Ok(recipients), Err)),
    }
}
