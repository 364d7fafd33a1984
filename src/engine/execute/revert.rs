//! The pull request that brings the files back: what nobody has touched since the merge as it was before, and in what others
//! have changed the old ciphertext and the old access key ID alone.

use super::{Session, pull_requests};
use crate::destinations::encryption::{Workspace, sealable};
use crate::destinations::kept as in_file;
use crate::engine::observe::{destinations, place_of, workspace};
use crate::policy::Destination;
use crate::ports::{Answer, Failure, Files, Kept, Outcome, Outside};
use crate::rotation::pull_request;
use crate::rotation::{Rotation, Staged, ids};

/// Proposes the files as they were. All of them or none: half of a credential would let nobody in.
pub async fn revert(session: &mut Session<'_, impl Outside>, rotation: &Rotation) -> Answer<()> {
    let (world, task) = (session.world, session.task);
    let Some(staged) = &rotation.staged else { return Ok(()) };
    let kept = pull_requests::kept(session, rotation).await?;
    let head = world.head().await?;
    let changed = changed(session, rotation, staged, &kept, &head).await?;
    let mut files = carried(session, rotation, &kept, &head, &changed).await?;
    files.extend(untouched(session, &kept, &head).await?);
    let lock = crate::repository::lock_file_path(&task.user);
    if files.keys().all(|path| *path == lock) {
        return Err(Failure::new(Outcome::NotDone, "somebody has brought the files back"));
    }
    let branch = ids::revert_branch(&task.user, rotation.number);
    let text = pull_request::revert(&pull_requests::words(session, rotation), files.keys());
    match world.create(&branch, &head, &files, &pull_request::commit_message(&text)).await {
        Ok(_) | Err(Failure { outcome: Outcome::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    world.open(&branch, &text).await.map(|_| ())
}

/// A file that cannot be given the old credential.
fn by_hand(file: &str, why: &str) -> Failure {
    let what =
        format!("{file}: {why}; bring the old credential back by hand, in every file of the pull request");
    Failure::new(Outcome::Refused, what)
}

/// The files that nobody has changed since the merge, as they were before it.
async fn untouched(session: &Session<'_, impl Outside>, kept: &Kept, head: &str) -> Answer<Files> {
    let world = session.world;
    let mut files = Files::new();
    for (path, bytes) in &kept.files {
        if world.file(head, path).await?.as_ref() == Some(bytes) {
            files.insert(path.clone(), world.file(&kept.base, path).await?);
        }
    }
    Ok(files)
}

/// The destinations whose file others have changed and that still holds the new credential, and the reference.
async fn changed(
    session: &Session<'_, impl Outside>,
    rotation: &Rotation,
    staged: &Staged,
    kept: &Kept,
    head: &str,
) -> Answer<Vec<Destination>> {
    let mut changed = Vec::new();
    for destination in destinations(session.task, Some(rotation)) {
        if destination.as_reference().is_some() || has_new(session, &destination, staged, kept, head).await? {
            changed.push(destination);
        }
    }
    Ok(changed)
}

/// Whether a file is not as it was kept, and holds the new credential all the same.
async fn has_new(
    session: &Session<'_, impl Outside>,
    destination: &Destination,
    staged: &Staged,
    kept: &Kept,
    head: &str,
) -> Answer<bool> {
    let Some((in_file, (place, _))) = in_file(destination).zip(place_of(destination)) else {
        return Ok(false);
    };
    let Some(bytes) = session.world.file(head, in_file.file()).await? else { return Ok(false) };
    if kept.files.get(in_file.file()) == Some(&bytes) {
        return Ok(false);
    }
    let inspection = in_file.inspect(&bytes);
    match (inspection.credential, inspection.problems.first()) {
        (Some(held), _) => Ok(staged.files.get(&place).is_some_and(|marker| **marker == *held)),
        (None, Some(problem)) => Err(by_hand(in_file.file(), &problem.message)),
        (None, None) => Ok(false),
    }
}

/// The old ciphertext, and the old access key ID, in today's files.
async fn carried(
    session: &Session<'_, impl Outside>,
    rotation: &Rotation,
    kept: &Kept,
    head: &str,
    changed: &[Destination],
) -> Answer<Files> {
    let new = rotation.new_key().filter(|_| !changed.is_empty());
    let Some(new) = new else { return Ok(Files::new()) };
    let mut today = workspace(session.world, head, changed, Some(new)).await?;
    let mut before = Workspace::new(today.now);
    for path in changed.iter().filter_map(in_file).flat_map(|kept| kept.files()) {
        let bytes = session.world.file(&kept.base, path).await?;
        before.files.extend(bytes.map(|bytes| (path.to_owned(), bytes)));
    }
    let as_read = today.files.clone();
    for destination in changed {
        let Some(sealed) = sealable(destination) else { continue };
        // A reference whose files do not name the new ID has nothing to take back.
        let is_reference = destination.as_reference().is_some();
        if is_reference && sealed.preflight(&today).is_err_and(|why| why.file.is_none()) {
            continue;
        }
        let carried = sealed.carry(&rotation.old, &before, &mut today);
        carried.map_err(|why| by_hand(why.file.as_deref().unwrap_or("a file"), &why.what))?;
    }
    let changed = today.files.into_iter().filter(|(path, bytes)| as_read.get(path) != Some(bytes));
    Ok(changed.map(|(path, bytes)| (path, Some(bytes))).collect())
}
