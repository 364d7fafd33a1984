//! Reads the branch of a rotation and its pull requests, and whether a merge of the branch would still publish the new key.

use super::destinations;
use super::user_rotation::UserRotation;
use crate::ports::{Backend, BackendResult};
use crate::rotation::pull_request::is_rehearsal;
use crate::rotation::{BranchTip, Observed, OpenRotation, PullRequest, StagedKey, StorageKind, ids};

/// The branch and the pull requests of a rotation.
pub struct PullRequestReads {
    pub branch: Observed<BranchTip>,
    pub proposal: Observed<Option<PullRequest>>,
    pub revert: Observed<Option<PullRequest>>,
}

impl PullRequestReads {
    pub async fn read_pull_requests(
        world: &impl Backend,
        task: &UserRotation,
        open: Option<&OpenRotation>,
    ) -> Self {
        let none = Self {
            branch: Observed::Known(BranchTip::Absent),
            proposal: Observed::Known(None),
            revert: Observed::Known(None),
        };
        let Some(rotation) = open.filter(|rotation| rotation.staged.is_some()) else { return none };
        let branch = ids::branch_name(&task.user, rotation.number);
        // No pull request is opened before AWS has accepted the key: one that is there shows that entries are lost
        if rotation.verified.is_none() {
            return Self { proposal: Observed::from(world.find_pull_request(&branch).await), ..none };
        }
        let revert = match rotation.rollback {
            Some(_) => Observed::from(
                world.find_pull_request(&ids::revert_branch_name(&task.user, rotation.number)).await,
            ),
            None => Observed::Known(None),
        };
        // Only a discarded key is retired by the state of its branch; the read costs several requests
        let tip = if rotation.abandoned_at.is_some() {
            Observed::from(read_branch_state(world, task, rotation, &branch).await)
        } else {
            Observed::NotAsked
        };
        Self { branch: tip, proposal: Observed::from(world.find_pull_request(&branch).await), revert }
    }
}

/// Whether a merge of the branch would still publish the new key.
async fn read_branch_state(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    branch: &str,
) -> BackendResult<BranchTip> {
    let Some(tip) = world.read_branch_tip(branch).await? else { return Ok(BranchTip::Absent) };
    let Some(staged) = &rotation.staged else { return Ok(BranchTip::Neutral) };
    let head = world.read_default_head().await?;
    for frozen in rotation.destinations.iter().filter(|frozen| frozen.kind == StorageKind::File) {
        let staged = staged.files.get(&frozen.destination);
        let held = destinations::read_file_fingerprint(world, &tip, frozen).await?;
        let published = destinations::read_file_fingerprint(world, &head, frozen).await?;
        // A branch whose key the default branch has already brings nothing new by another merge
        if held.is_some() && held.as_ref() == staged && published.as_ref() != staged {
            return Ok(BranchTip::Staged);
        }
    }
    let is_file = rotation.destinations.iter().any(|frozen| frozen.kind == StorageKind::File);
    // A rotation of stores alone changes no credential file; its lock file is what a merge accepts
    if !is_file && brings_lock_file(world, task, staged, &tip, &head).await? {
        return Ok(BranchTip::Staged);
    }
    // A rehearsal brings nothing, but a late commit with the new key still fits on it.
    let commit = world.read_branch_commit(&tip).await?;
    let is_open = is_rehearsal(&task.user, &commit.message, commit.is_empty);
    Ok(if is_open { BranchTip::Absent } else { BranchTip::Neutral })
}

/// Whether a merge of the branch would put the rotation's lock file on the default branch, which permits to deliver to the
/// stores.
async fn brings_lock_file(
    world: &impl Backend,
    task: &UserRotation,
    staged: &StagedKey,
    tip: &str,
    head: &str,
) -> BackendResult<bool> {
    let lock = crate::repository::lock_file_path(&task.user);
    let commit = staged.commit.as_deref().unwrap_or_default();
    let kept = world.read_staged_files(&task.user, commit).await?;
    let kept = kept.files.get(&lock);
    Ok(world.read_file(tip, &lock).await?.as_ref() == kept
        && world.read_file(head, &lock).await?.as_ref() != kept)
}
