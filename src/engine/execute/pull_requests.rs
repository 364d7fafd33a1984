//! Branches and pull requests, made from what was kept.

use super::Session;
use crate::destinations::encryption::sealable;
use crate::engine::observe::{destinations, workspace};
use crate::ports::{Answer, Failure, Files, Kept, Outcome, Outside};
use crate::rotation::pull_request::{self, Words};
use crate::rotation::{Event, KeyId, PullState, Recipients, Rotation, ids};

static NONE: Recipients = Recipients::new();

/// The branch and the pull request with the new key.
pub async fn propose(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let kept = kept(session, rotation).await?;
    let Some(staged) = &rotation.staged else { return Ok(()) };
    propose_kept(session, rotation, (&staged.key, &staged.recipients), &kept).await
}

/// As [`propose`], when what was kept is at hand.
pub async fn propose_kept(
    session: &mut Session<'_, impl Outside>,
    rotation: &Rotation,
    (key, recipients): (&KeyId, &Recipients),
    kept: &Kept,
) -> Answer<()> {
    let (world, task) = (session.world, session.task);
    let branch = ids::branch(&task.user, rotation.number);
    let words = Words { new: Some(key), recipients, ..words(session, rotation) };
    let text = pull_request::rotation(&words, kept.files.keys());
    let files: Files = kept.files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect();
    match world.create(&branch, &kept.base, &files, &pull_request::commit_message(&text)).await {
        // A run before this one made it.
        Ok(_) | Err(Failure { outcome: Outcome::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    let pull_request = world.open(&branch, &text).await?;
    session.append(Event::Proposed { pull_request }).await
}

/// What was kept on the default branch's new head: the same ciphertext in files that have changed since. Where that
/// cannot be done without the secret, the new key is given up.
pub async fn rebase(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let world = session.world;
    let kept = kept(session, rotation).await?;
    let branch = ids::branch(&session.task.user, rotation.number);
    // The tip first, then an entry: whoever gives the key up meanwhile moves one of the two.
    let Some(tip) = world.tip(&branch).await? else {
        return Err(Failure::new(Outcome::NotDone, format!("the branch `{branch}` is gone")));
    };
    session.append(Event::Touch).await?;
    let head = world.head().await?;
    let files = match carried(session, rotation, &kept, &head).await? {
        Ok(files) => files,
        Err(why) => return give_up(session, rotation, why).await,
    };
    let message = "Bring the new access key onto the default branch's head\n";
    world.update(&branch, &tip, &head, &files, message).await.map(|_| ())
}

/// The kept ciphertext in the files of a commit; or why it cannot be put there.
async fn carried(
    session: &Session<'_, impl Outside>,
    rotation: &Rotation,
    kept: &Kept,
    head: &str,
) -> Answer<Result<Files, String>> {
    let destinations = destinations(session.task, Some(rotation));
    let mut today = workspace(session.world, head, &destinations, Some(&rotation.old)).await?;
    let mut staged = workspace(session.world, &kept.base, &destinations, Some(&rotation.old)).await?;
    staged.files.extend(kept.files.clone());
    let before = today.files.clone();
    let Some(key) = rotation.new_key() else { return Ok(Err("there is no new key".to_owned())) };
    for destination in destinations.iter().filter_map(sealable) {
        if let Err(why) = destination.carry(key, &staged, &mut today) {
            return Ok(Err(why.to_string()));
        }
    }
    let changed = today.files.into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes));
    let mut files: Files = changed.map(|(path, bytes)| (path, Some(bytes))).collect();
    let lock = crate::repository::lock_file_path(&session.task.user);
    files.extend(kept.files.get(&lock).map(|bytes| (lock.clone(), Some(bytes.clone()))));
    Ok(Ok(files))
}

async fn give_up(session: &mut Session<'_, impl Outside>, rotation: &Rotation, why: String) -> Answer<()> {
    let Some(key) = rotation.new_key().cloned() else { return Ok(()) };
    session.append(Event::Tombstone { key, why }).await
}

/// The branch brings nothing any more, whether it is merged or not; its pull request is closed.
pub async fn neutralize(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let world = session.world;
    let branch = ids::branch(&session.task.user, rotation.number);
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

/// What the texts of pull requests tell of.
pub fn words<'s>(session: &'s Session<'_, impl Outside>, rotation: &'s Rotation) -> Words<'s> {
    Words {
        user: &session.task.user,
        number: rotation.number,
        old: &rotation.old,
        new: rotation.new_key(),
        places: &rotation.places,
        recipients: rotation.staged.as_ref().map_or(&NONE, |staged| &staged.recipients),
        before: session.before.as_ref(),
        rules: &session.task.rules,
        compromised: rotation.compromised,
        today: session.world.now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        policy: session.task.policy.as_ref(),
    }
}

/// What was kept of the rotation: its files and payloads.
pub async fn kept(session: &Session<'_, impl Outside>, rotation: &Rotation) -> Answer<Kept> {
    let commit = rotation.staged.as_ref().and_then(|staged| staged.commit.as_deref()).unwrap_or_default();
    session.world.kept(&session.task.user, commit).await
}
