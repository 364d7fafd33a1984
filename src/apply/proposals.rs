//! Branches and pull requests, made from what was kept.

use super::Session;
use crate::clients::outside::{Answer, Failure, Files, Kept, Outcome, Outside};
use crate::report::proposal::{self, Words};
use crate::rotation::{Event, PullState, Rotation, names};

/// The branch and the pull request with the new key.
pub async fn propose(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let kept = kept(session, rotation).await?;
    propose_kept(session, rotation, &kept).await
}

/// As [`propose`], when what was kept is at hand.
pub async fn propose_kept(
    session: &mut Session<'_, impl Outside>,
    rotation: &Rotation,
    kept: &Kept,
) -> Answer<()> {
    let (world, task) = (session.world, session.task);
    let branch = names::branch(&task.user, rotation.number);
    let text = proposal::rotation(&words(session, rotation), kept.files.keys());
    let files: Files = kept.files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect();
    match world.create(&branch, &kept.base, &files, &proposal::commit_message(&text)).await {
        // A run before this one made it.
        Ok(_) | Err(Failure { outcome: Outcome::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    let pull_request = world.open(&branch, &text).await?;
    session.append(Event::Proposed { pull_request }).await
}

/// The kept files on the default branch's new head. Where a file has changed under it and cannot be sealed again
/// without the secret, the new key is given up.
pub async fn rebase(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let world = session.world;
    let kept = kept(session, rotation).await?;
    let head = world.head().await?;
    let branch = names::branch(&session.task.user, rotation.number);
    let mut files = Files::new();
    for (path, bytes) in &kept.files {
        let now = world.file(&head, path).await?;
        let then = world.file(&kept.base, path).await?;
        if now != then && !is_whole(rotation, session.task, path) {
            return give_up(session, rotation, path).await;
        }
        files.insert(path.clone(), Some(bytes.clone()));
    }
    let Some(tip) = world.tip(&branch).await? else {
        return Err(Failure::new(Outcome::NotDone, format!("the branch `{branch}` is gone")));
    };
    let message = "Bring the new access key onto the default branch's head\n";
    world.update(&branch, &tip, &head, &files, message).await.map(|_| ())
}

/// Whether a file holds nothing but what the rotation puts there: then its former content does not matter.
fn is_whole(rotation: &Rotation, task: &crate::clients::observe::Task, path: &str) -> bool {
    let age = names::place("age", path);
    path == crate::repo::lock_file(&task.user) || rotation.places.iter().any(|frozen| frozen.place == age)
}

async fn give_up(session: &mut Session<'_, impl Outside>, rotation: &Rotation, path: &str) -> Answer<()> {
    let Some(key) = rotation.new_key().cloned() else { return Ok(()) };
    let why =
        format!("`{path}` was changed on the default branch, and the secret is not kept to write it again");
    session.append(Event::Tombstone { key, why }).await
}

/// The branch brings nothing any more, whether it is merged or not; its pull request is closed.
pub async fn neutralize(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let world = session.world;
    let branch = names::branch(&session.task.user, rotation.number);
    let head = world.head().await?;
    let message = "Take the new access key out of this branch again\n";
    match world.tip(&branch).await? {
        // It is made all the same: a late request to make it must find it there.
        None => world.create(&branch, &head, &Files::new(), message).await?,
        Some(tip) => world.update(&branch, &tip, &head, &Files::new(), message).await?,
    };
    match world.find(&branch).await? {
        Some(pull) if matches!(pull.state, PullState::Open { .. }) => world.close(pull.number).await,
        _ => Ok(()),
    }
}

/// The pull request that brings the files back.
pub async fn revert(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let (world, task) = (session.world, session.task);
    let kept = kept(session, rotation).await?;
    let head = world.head().await?;
    let mut files = Files::new();
    for (path, bytes) in &kept.files {
        if world.file(&head, path).await?.as_ref() != Some(bytes) {
            continue;
        }
        files.insert(path.clone(), world.file(&kept.base, path).await?);
    }
    if files.is_empty() {
        let what = "the files have changed since the merge: bring the old credential back by hand";
        return Err(Failure::new(Outcome::Refused, what));
    }
    let branch = names::revert_branch(&task.user, rotation.number);
    let text = proposal::revert(&words(session, rotation), files.keys());
    match world.create(&branch, &head, &files, &proposal::commit_message(&text)).await {
        Ok(_) | Err(Failure { outcome: Outcome::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    world.open(&branch, &text).await.map(|_| ())
}

fn words<'s>(session: &'s Session<'_, impl Outside>, rotation: &'s Rotation) -> Words<'s> {
    Words {
        user: &session.task.user,
        number: rotation.number,
        old: &rotation.old,
        new: rotation.new_key(),
        places: &rotation.places,
        rules: &session.task.rules,
        policy: session.task.policy.as_ref(),
    }
}

async fn kept(session: &Session<'_, impl Outside>, rotation: &Rotation) -> Answer<Kept> {
    let commit = rotation.staged.as_ref().and_then(|staged| staged.commit.as_deref()).unwrap_or_default();
    session.world.kept(&session.task.user, commit).await
}
