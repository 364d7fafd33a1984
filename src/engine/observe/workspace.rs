//! What sealing may look at: the files as they were committed, and the keys that it needs.

use std::collections::BTreeSet;

use super::destinations::{globs, place_of};
use crate::destinations::encryption::{Workspace, sealable};
use crate::destinations::kept;
use crate::policy::Destination;
use crate::policy::file::SopsDestination;
use crate::ports::{Answer, Failure, Outcome, Outside};
use crate::rotation::Recipients;

/// Gathers everything that the destinations need to be sealed for, at one commit of the default branch.
///
/// # Errors
/// Something could not be read; what is missing or wrong is no error here but a refusal of [`preflight`].
pub async fn workspace(
    world: &impl Outside,
    head: &str,
    destinations: &[Destination],
    old_key: Option<&str>,
) -> Answer<Workspace> {
    let mut workspace = Workspace::new(world.now());
    workspace.old_key_id = old_key.map(str::to_owned);
    let mut paths: Vec<String> = Vec::new();
    for destination in destinations {
        if let Some(kept) = kept(destination) {
            paths.extend(kept.files().into_iter().map(str::to_owned));
        }
        match destination {
            Destination::GithubSecret(secret) => {
                workspace.public_keys.insert(secret.place(), world.public_key(secret).await?);
            }
            Destination::SecretsManager(_) => {
                let fits = world.fits(destination, old_key).await;
                workspace.refusals.extend(refusal(fits)?.err());
            }
            _ => {}
        }
    }
    if let Some(globs) = globs(destinations)? {
        paths.extend(world.paths(head).await?.into_iter().filter(|path| globs.is_match(path)));
    }
    for path in paths {
        if let Some(bytes) = world.file(head, &path).await? {
            workspace.files.insert(path, bytes);
        }
    }
    for destination in destinations {
        if let Destination::Sops(sops) = destination {
            unlock(world, sops, &mut workspace).await?;
        }
    }
    Ok(workspace)
}

/// The data key of a SOPS file. Where that is not to be had and the credential stands alone in it, a new one, if a service
/// must wrap it.
async fn unlock(world: &impl Outside, sops: &SopsDestination, workspace: &mut Workspace) -> Answer<()> {
    let path = sops.file.0.clone();
    let Some(bytes) = workspace.files.get(&path) else { return Ok(()) };
    let mut answer = match world.data_key(&path, bytes).await {
        Ok(Some(key)) => {
            workspace.data_keys.insert(path, key);
            return Ok(());
        }
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    if sops.stands_alone(workspace) {
        answer = match (world.fresh_key(&path, bytes).await, answer) {
            (Ok(fresh), before) => {
                let made = fresh.map(|fresh| workspace.fresh_keys.insert(path, fresh));
                made.map_or(before, |_| Ok(()))
            }
            (Err(why), Err(before)) => Err(Failure { what: format!("{}; {}", before.what, why.what), ..why }),
            (Err(why), Ok(())) => Err(why),
        };
    }
    workspace.refusals.extend(refusal(answer)?.err());
    Ok(())
}

/// Tells a refusal, which preflight will tell, from what may pass.
fn refusal<T>(answer: Answer<T>) -> Answer<Result<T, String>> {
    match answer {
        Ok(found) => Ok(Ok(found)),
        Err(Failure { outcome: Outcome::Refused, what }) => Ok(Err(what)),
        Err(failure) => Err(failure),
    }
}

/// Whether every destination can be sealed for, and who will be able to decrypt.
///
/// # Errors
/// The first that cannot, and what to do.
pub fn preflight(destinations: &[Destination], workspace: &Workspace) -> Result<Recipients, String> {
    destinations.iter().try_for_each(reachable)?;
    if !workspace.refusals.is_empty() {
        return Err(workspace.refusals.join("; "));
    }
    let mut recipients = Recipients::new();
    for destination in destinations {
        let sealed = sealable(destination).map(|destination| destination.preflight(workspace)).transpose();
        let names = sealed.map_err(|why| why.to_string())?.unwrap_or_default();
        if let Some((place, _)) = place_of(destination) {
            let of_place: &mut BTreeSet<String> = recipients.entry(place).or_default();
            of_place.extend(names.into_iter().map(|recipient| recipient.who()));
        }
    }
    Ok(recipients)
}

/// Whether keytide could write to a destination at all.
fn reachable(destination: &Destination) -> Result<(), String> {
    let files = kept(destination).map(|kept| kept.files().into_iter().map(str::to_owned).collect::<Vec<_>>());
    match files.into_iter().flatten().next() {
        // The first is the one that is written.
        Some(file) if file.starts_with(".github/workflows/") => {
            Err(format!("`{file}`: GitHub lets no workflow change workflows; keep the credential elsewhere"))
        }
        _ => Ok(()),
    }
}
