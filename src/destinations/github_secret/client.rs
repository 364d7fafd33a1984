//! Reads and writes secrets through GitHub's API, which never returns a value: a secret is known by the time of its last
//! change.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::destinations::encryption::{PublicKey, SealedPayload};
use crate::destinations::store::{StoreClient, StoreFuture, not_a_store};
use crate::github::api::{GithubError, HttpMethod, PAGE, RetryPolicy, text_at};
use crate::live::LiveBackend;
use crate::policy::file::{GithubProduct, GithubSecret};
use crate::ports::{BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::rotation::timing::is_plausible;
use crate::secret::Credential;
use crate::url_encoding::encode_segment;

/// Between the times of a marker.
const JOINT: &str = "+";
/// How many pages of repositories are read: an organization's secret can be for thousands.
const MAX_PAGES: usize = 100;
/// How many times, and in which interval, a secret is read until GitHub shows a change.
const LOOKS: usize = 5;
const BETWEEN: Duration = Duration::from_secs(1);
/// How much the clocks of GitHub's own servers may differ.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// The path of the secrets of a destination in the API.
fn secrets_api_path(secret: &GithubSecret) -> BackendResult<String> {
    let product = match secret.product {
        GithubProduct::Actions => "actions",
        GithubProduct::Dependabot => "dependabot",
        GithubProduct::Codespaces => "codespaces",
    };
    if let Some(organization) = &secret.organization {
        return Ok(format!("/orgs/{}/{product}/secrets", encode_segment(organization)));
    }
    let Some((owner, name)) = secret.repository.as_deref().and_then(|name| name.split_once('/')) else {
        let what = "the destination names no repository and no organization";
        return Err(BackendError::new(ErrorKind::Rejected, what));
    };
    let repository = format!("/repos/{}/{}", encode_segment(owner), encode_segment(name));
    Ok(match &secret.environment {
        Some(environment) => format!("{repository}/environments/{}/secrets", encode_segment(environment)),
        None => format!("{repository}/{product}/secrets"),
    })
}

impl StoreClient<LiveBackend> for GithubSecret {
    fn read_fingerprint<'a>(&'a self, backend: &'a LiveBackend) -> StoreFuture<'a, Option<Fingerprint>> {
        Box::pin(backend.github_marker(self))
    }

    fn confirm_absence<'a>(&'a self, backend: &'a LiveBackend) -> StoreFuture<'a, ()> {
        Box::pin(async move { backend.ensure_secrets_visible(&secrets_api_path(self)?).await })
    }

    fn write<'a>(
        &'a self,
        backend: &'a LiveBackend,
        delivery: &'a StoreDelivery<'a>,
    ) -> StoreFuture<'a, Fingerprint> {
        Box::pin(backend.github_deliver(self, delivery.payloads))
    }

    fn restore<'a>(&'a self, _: &'a LiveBackend, _: Option<&'a str>) -> StoreFuture<'a, ()> {
        let why = "GitHub does not give a secret's former value back";
        Box::pin(async move { Err(BackendError::new(ErrorKind::Rejected, why)) })
    }

    fn get_public_key<'a>(&'a self, backend: &'a LiveBackend) -> StoreFuture<'a, PublicKey> {
        Box::pin(backend.github_key(self))
    }

    fn check_writable<'a>(&'a self, _: &'a LiveBackend, _: Option<&'a str>) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(not_a_store()) })
    }

    fn dry_run_write<'a>(&'a self, _: &'a LiveBackend) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(not_a_store()) })
    }

    fn stage<'a>(&'a self, _: &'a LiveBackend, _: &'a Credential) -> StoreFuture<'a, Fingerprint> {
        Box::pin(async { Err(not_a_store()) })
    }
}

impl LiveBackend {
    /// A secret without its value, which GitHub never returns; `None`: there is none.
    pub(crate) async fn get_secret(&self, folder: &str, name: &str) -> BackendResult<Option<Value>> {
        match self.api.get_json(&format!("{folder}/{}", encode_segment(name))).await {
            Ok(secret) => Ok(Some(secret)),
            Err(GithubError { outcome: ErrorKind::NotFound, .. }) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Makes sure that a secret that GitHub does not find does not exist: it says the same of a repository, an organization
    /// or an environment that the token may not see.
    pub(crate) async fn ensure_secrets_visible(&self, folder: &str) -> BackendResult<()> {
        // GitHub shows this key for every place that can have secrets
        match self.api.get_json(&format!("{folder}/public-key")).await {
            Ok(key) => text_at(&key, "/key_id").map(drop),
            Err(GithubError { outcome: ErrorKind::NotFound, .. }) => {
                let place = folder.trim_start_matches('/').trim_end_matches("/secrets");
                let what = format!(
                    "GitHub shows no `{place}` to this token, so whether it has the secret is not known{}",
                    self.missing_product(folder)
                );
                Err(BackendError::new(ErrorKind::NotApplied, what))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// What the server lacks for the secrets at a path, if it is that.
    fn missing_product(&self, folder: &str) -> &'static str {
        if self.access.is_enterprise_server && folder.contains("/codespaces/") {
            "; a GitHub Enterprise Server has no Codespaces: remove this destination, or name another `product`"
        } else {
            ""
        }
    }

    /// The times of the last changes, in the order of the names.
    async fn secrets_marker(
        &self,
        folder: &str,
        secret: &GithubSecret,
    ) -> BackendResult<Option<Fingerprint>> {
        let mut times = Vec::new();
        // In the order of the times in a marker
        for name in secret.secret_names() {
            let found = self.get_secret(folder, name).await?;
            times.push(found.map(|found| text_at(&found, "/updated_at")).transpose()?);
        }
        if times.iter().all(Option::is_none) {
            return Ok(None);
        }
        let times: Vec<String> =
            times.into_iter().map(|time| time.unwrap_or_else(|| "-".to_owned())).collect();
        Ok(Some(times.join(JOINT).into()))
    }

    /// Waits until GitHub shows all secrets as changed, and returns their marker: a reply may be older than the change.
    async fn shown_since(&self, secret: &GithubSecret, begun: Timestamp) -> BackendResult<Fingerprint> {
        let folder = secrets_api_path(secret)?;
        for _ in 0..LOOKS {
            let marker = self.secrets_marker(&folder, secret).await?;
            if let Some(marker) =
                marker.filter(|marker| marker.split(JOINT).all(|time| is_not_before(time, begun)))
            {
                return Ok(marker);
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Err(BackendError::new(ErrorKind::Indeterminate, "GitHub does not show the change that it took"))
    }

    async fn put_secret(
        &self,
        secret: &GithubSecret,
        folder: &str,
        payload: &SealedPayload,
    ) -> BackendResult<()> {
        let mut body = json!({ "encrypted_value": payload.encrypted_value, "key_id": payload.key_id });
        // For an organization's secret, the request also sets who may read it.
        if secret.organization.is_some() {
            self.keep_visibility(folder, &payload.name, &mut body).await?;
        }
        let path = format!("{folder}/{}", encode_segment(&payload.name));
        let sent = self.api.send_request(HttpMethod::Put(&body), &path, RetryPolicy::Harmless).await;
        sent.map(drop).map_err(|trouble| {
            let failure = BackendError::from(trouble);
            // No such environment, no such organization, or none that the token may see.
            let refused = matches!(failure.kind, ErrorKind::NotFound | ErrorKind::Conflict);
            BackendError { kind: if refused { ErrorKind::Rejected } else { failure.kind }, ..failure }
        })
    }

    /// Adds to a request which repositories may read the organization's secret, as it is now: a change sets it anew.
    async fn keep_visibility(&self, folder: &str, name: &str, body: &mut Value) -> BackendResult<()> {
        let found = self.get_secret(folder, name).await?.ok_or_else(|| missing_org_secret(name))?;
        let visibility = text_at(&found, "/visibility")?;
        if visibility == "selected" {
            body["selected_repository_ids"] = json!(self.selected_repositories(folder, name).await?);
        }
        body["visibility"] = visibility.into();
        Ok(())
    }

    /// The IDs of the repositories that may read an organization's secret, of all pages.
    async fn selected_repositories(&self, folder: &str, name: &str) -> BackendResult<Vec<u64>> {
        let mut ids = BTreeSet::new();
        for page in 1..=MAX_PAGES {
            let path = format!("{folder}/{}/repositories?per_page={PAGE}&page={page}", encode_segment(name));
            let answer = self.api.get_json(&path).await?;
            let chosen = answer["repositories"].as_array().map(Vec::as_slice).unwrap_or_default();
            ids.extend(chosen.iter().filter_map(|repository| repository["id"].as_u64()));
            let total = answer["total_count"].as_u64();
            if total == Some(ids.len() as u64) {
                return Ok(ids.into_iter().collect());
            }
            if chosen.len() < PAGE {
                break;
            }
        }
        // What is not listed would lose the secret.
        let what = format!("GitHub does not list all repositories that may read `{name}`");
        Err(BackendError::new(ErrorKind::Rejected, what))
    }

    /// Refuses the token of an app that is installed for some repositories only. GitHub does not say whether such a token
    /// is shown the others that may read a secret, and those that are not written back lose it.
    async fn ensure_all_repositories_visible(&self, name: &str) -> BackendResult<()> {
        let found = match self.api.get_json("/installation/repositories?per_page=1").await {
            Ok(found) => found,
            // Not the token of an app: a person who may write an organization's secrets sees its repositories
            Err(trouble) if matches!(trouble.status, Some(401 | 403 | 404)) => return Ok(()),
            Err(trouble) => return Err(trouble.into()),
        };
        if found["repository_selection"] == "all" {
            return Ok(());
        }
        let what = format!(
            "`{name}` is for selected repositories, and the app of this token is installed for some only: those that it \
             does not see could lose the secret. Install the app for all repositories, or change who may read the secret"
        );
        Err(BackendError::new(ErrorKind::Rejected, what))
    }

    /// The times of the last changes; `None` when there is none of the secrets.
    async fn github_marker(&self, secret: &GithubSecret) -> BackendResult<Option<Fingerprint>> {
        self.secrets_marker(&secrets_api_path(secret)?, secret).await
    }

    async fn github_deliver(
        &self,
        secret: &GithubSecret,
        payloads: &[SealedPayload],
    ) -> BackendResult<Fingerprint> {
        self.server_time.ensure_clocks_agree()?;
        let folder = secrets_api_path(secret)?;
        // From the servers, not this machine: it is compared with the `updated_at` that GitHub returns.
        let begun = self.server_time.current_time();
        for (index, payload) in payloads.iter().enumerate() {
            let put = self.put_secret(secret, &folder, payload).await;
            // Once GitHub has taken one of them, the store is no longer what it was.
            put.map_err(|failure| if index > 0 { to_indeterminate(failure) } else { failure })?;
        }
        self.shown_since(secret, begun).await.map_err(to_indeterminate)
    }

    /// Refuses an organization's secret that does not exist, and secrets of which some exist: the name of another is
    /// misspelt, and the write would create a secret that no application reads.
    async fn refuse_half(&self, folder: &str, secret: &GithubSecret) -> BackendResult<()> {
        let (mut there, mut missing) = (None, None);
        for name in secret.secret_names() {
            match self.get_secret(folder, name).await? {
                Some(found) => {
                    if secret.organization.is_some() && found["visibility"] == "selected" {
                        self.selected_repositories(folder, name).await?;
                        self.ensure_all_repositories_visible(name).await?;
                    }
                    there.get_or_insert(name);
                }
                None if secret.organization.is_some() => return Err(missing_org_secret(name)),
                None => drop(missing.get_or_insert(name)),
            }
        }
        let Some((there, missing)) = there.zip(missing) else { return Ok(()) };
        let what = format!(
            "{}: there is `{there}` and no `{missing}`; is that the name which the application reads?",
            secret.describe_secrets()
        );
        Err(BackendError::new(ErrorKind::Rejected, what))
    }

    async fn github_key(&self, secret: &GithubSecret) -> BackendResult<PublicKey> {
        let folder = secrets_api_path(secret)?;
        let answer = self.api.get_json(&format!("{folder}/public-key")).await.map_err(|trouble| {
            let help = match (trouble.outcome, self.missing_product(&folder)) {
                (ErrorKind::NotFound, "") => "; is the name right, and may the token see it?",
                (ErrorKind::NotFound, missing) => missing,
                _ => "",
            };
            let what = format!("{}: {}{help}", secret.describe_secrets(), trouble.what);
            BackendError { message: what, ..trouble.into() }
        })?;
        self.refuse_half(&folder, secret).await?;
        Ok(PublicKey { key_id: text_at(&answer, "/key_id")?, key: text_at(&answer, "/key")? })
    }
}

/// Whether GitHub gives a time that is not before the write began, within the tolerance between its clocks.
fn is_not_before(time: &str, begun: Timestamp) -> bool {
    time.parse().is_ok_and(|at: Timestamp| is_plausible(at) && at + TOLERANCE >= begun)
}

/// The same failure for a request that may have changed something.
fn to_indeterminate(failure: BackendError) -> BackendError {
    BackendError { kind: ErrorKind::Indeterminate, ..failure }
}

fn missing_org_secret(name: &str) -> BackendError {
    let what = format!(
        "the organization has no secret `{name}`: create it once, so that it is known who may read it"
    );
    BackendError::new(ErrorKind::Rejected, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fields: Value) -> GithubSecret {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn every_scope_has_its_folder() {
        let environment = secret(json!({"repository": "a/b", "environment": "x y/z", "json": "KEY"}));
        assert_eq!(secrets_api_path(&environment).unwrap(), "/repos/a/b/environments/x%20y%2Fz/secrets");
        let own = secret(json!({"repository": "a/b", "json": "KEY", "product": "dependabot"}));
        assert_eq!(secrets_api_path(&own).unwrap(), "/repos/a/b/dependabot/secrets");
        let organization = secret(json!({"organization": "a", "json": "KEY", "product": "codespaces"}));
        assert_eq!(secrets_api_path(&organization).unwrap(), "/orgs/a/codespaces/secrets");
        assert!(secrets_api_path(&secret(json!({"json": "KEY"}))).is_err());
    }
}
