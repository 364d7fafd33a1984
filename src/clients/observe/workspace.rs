//! What sealing may look at: the files as they were committed, and the keys that it needs.

use std::collections::BTreeSet;

use super::places::{globs, place_of};
use crate::clients::outside::{Answer, Outside, User};
use crate::destinations::kept;
use crate::destinations::seal::{Workspace, sealable};
use crate::policy::Destination;
use crate::rotation::{Recipients, recipients};

/// The tag that says to which destinations and recipients a new key may go.
const DESTINATIONS_TAG: &str = "keytide:destinations";

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
        if let Destination::GithubSecret(secret) = destination {
            workspace.public_keys.insert(secret.place(), world.public_key(secret).await?);
        }
    }
    if let Some(globs) = globs(destinations) {
        paths.extend(world.paths(head).await?.into_iter().filter(|path| globs.is_match(path)));
    }
    for path in paths {
        if let Some(bytes) = world.file(head, &path).await? {
            workspace.files.insert(path, bytes);
        }
    }
    for destination in destinations {
        let Destination::Sops(sops) = destination else { continue };
        let Some(bytes) = workspace.files.get(&sops.file.0) else { continue };
        if let Some(key) = world.data_key(&sops.file.0, bytes).await? {
            workspace.data_keys.insert(sops.file.0.clone(), key);
        }
    }
    Ok(workspace)
}

/// Whether every destination can be sealed for, and who will be able to decrypt.
///
/// # Errors
/// The first that cannot, and what to do.
pub fn preflight(destinations: &[Destination], workspace: &Workspace) -> Result<Recipients, String> {
    let mut recipients = Recipients::new();
    for destination in destinations {
        reachable(destination)?;
        let sealed = sealable(destination).map(|destination| destination.preflight(workspace)).transpose();
        let names = sealed.map_err(|why| why.to_string())?.unwrap_or_default();
        if let Some((place, _)) = place_of(destination) {
            let of_place: &mut BTreeSet<String> = recipients.entry(place).or_default();
            of_place.extend(names.into_iter().map(|recipient| recipient.who()));
        }
    }
    Ok(recipients)
}

/// Whether the user's tag lets a new key go to exactly these destinations and recipients.
///
/// # Errors
/// It does not; with where the key would go, and how the tag is set.
pub fn approved(user: &User, name: &str, recipients: &Recipients) -> Result<(), String> {
    let Some(tag) = user.tags.get(DESTINATIONS_TAG) else { return Ok(()) };
    let approval = recipients::approval(recipients);
    if *tag == approval {
        return Ok(());
    }
    let places: Vec<String> = recipients
        .iter()
        .map(|(place, names)| match names.is_empty() {
            true => format!("`{place}`"),
            false => format!("`{place}` for {}", names.iter().cloned().collect::<Vec<_>>().join(", ")),
        })
        .collect();
    Err(format!(
        "the user's tag `{DESTINATIONS_TAG}` is for other destinations or recipients; the new key would go to {}; if \
         that is right: `aws iam tag-user --user-name {name} --tags Key={DESTINATIONS_TAG},Value={approval}`",
        places.join("; ")
    ))
}

/// Whether keytide could write to a destination at all.
fn reachable(destination: &Destination) -> Result<(), String> {
    if let Destination::SecretsManager(secret) = destination {
        return Err(format!("`{}`: AWS Secrets Manager is not written to in this version", secret.secret_id));
    }
    let files = kept(destination).map(|kept| kept.files().into_iter().map(str::to_owned).collect::<Vec<_>>());
    match files.into_iter().flatten().next() {
        // The first is the one that is written.
        Some(file) if file.starts_with(".github/workflows/") => {
            Err(format!("`{file}`: GitHub lets no workflow change workflows; keep the credential elsewhere"))
        }
        _ => Ok(()),
    }
}
