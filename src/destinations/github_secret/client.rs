//! Secrets of GitHub.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::destinations::encryption::{Payload, PublicKey};
use crate::github::api::{Repeat, Trouble, Verb, part};
use crate::github::contents::text;
use crate::live::Service;
use crate::policy::file::{GithubProduct, GithubSecret};
use crate::ports::{Answer, Failure, Outcome};
use crate::rotation::Marker;

/// Between the times of a marker.
const JOINT: &str = "+";
/// How often it is looked whether a change is shown, and how long is waited between.
const LOOKS: usize = 5;
const BETWEEN: Duration = Duration::from_secs(1);
/// How far the clocks of GitHub's own servers may lie apart.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// Where the secrets of a destination lie.
fn folder(secret: &GithubSecret) -> Answer<String> {
    let product = match secret.product {
        GithubProduct::Actions => "actions",
        GithubProduct::Dependabot => "dependabot",
        GithubProduct::Codespaces => "codespaces",
    };
    let unclear =
        || Failure::new(Outcome::Refused, "the destination names no repository and no organization");
    if let Some(organization) = &secret.organization {
        return Ok(format!("/orgs/{}/{product}/secrets", part(organization)));
    }
    let (owner, name) =
        secret.repository.as_deref().and_then(|name| name.split_once('/')).ok_or_else(unclear)?;
    let repository = format!("/repos/{}/{}", part(owner), part(name));
    Ok(match &secret.environment {
        Some(environment) => format!("{repository}/environments/{}/secrets", part(environment)),
        None => format!("{repository}/{product}/secrets"),
    })
}

/// The secrets' names, in the order in which a marker tells of them.
fn names(secret: &GithubSecret) -> impl Iterator<Item = &String> {
    [&secret.json, &secret.access_key_id, &secret.secret_access_key].into_iter().flatten()
}

impl Service {
    /// What GitHub tells of a secret: never its value. `None`: there is none.
    async fn secret(&self, folder: &str, name: &str) -> Answer<Option<Value>> {
        match self.api.get(&format!("{folder}/{}", part(name))).await {
            Ok(secret) => Ok(Some(secret)),
            Err(Trouble { outcome: Outcome::Missing, .. }) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The times of the last changes, in the order of the names.
    async fn secrets_marker(&self, folder: &str, secret: &GithubSecret) -> Answer<Option<Marker>> {
        let mut times = Vec::new();
        for name in names(secret) {
            let found = self.secret(folder, name).await?;
            times.push(found.map(|found| text(&found, "/updated_at")).transpose()?);
        }
        if times.iter().all(Option::is_none) {
            return Ok(None);
        }
        let times: Vec<String> =
            times.into_iter().map(|time| time.unwrap_or_else(|| "-".to_owned())).collect();
        Ok(Some(times.join(JOINT).into()))
    }

    /// What marks the secrets once GitHub shows all of them as changed: a reply may be older than the change.
    async fn shown_since(&self, secret: &GithubSecret, begun: Timestamp) -> Answer<Marker> {
        let folder = folder(secret)?;
        for _ in 0..LOOKS {
            let marker = self.secrets_marker(&folder, secret).await?;
            let is_new = |time: &str| time.parse::<Timestamp>().is_ok_and(|at| at + TOLERANCE >= begun);
            if let Some(marker) = marker.filter(|marker| marker.split(JOINT).all(is_new)) {
                return Ok(marker);
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Err(Failure::new(Outcome::Unknown, "GitHub does not show the change that it took"))
    }

    async fn put(&self, secret: &GithubSecret, folder: &str, payload: &Payload) -> Answer<()> {
        let mut body = json!({ "encrypted_value": payload.encrypted_value, "key_id": payload.key_id });
        if secret.organization.is_some() {
            self.keep_visibility(folder, &payload.name, &mut body).await?;
        }
        let path = format!("{folder}/{}", part(&payload.name));
        let sent = self.api.send(Verb::Put(&body), &path, Repeat::Harmless).await;
        sent.map(drop).map_err(|trouble| {
            let failure = Failure::from(trouble);
            // No such environment, no such organization, or none that the token may see.
            let refused = matches!(failure.outcome, Outcome::Missing | Outcome::Conflict);
            Failure { outcome: if refused { Outcome::Refused } else { failure.outcome }, ..failure }
        })
    }

    /// Who may read an organization's secret is sent with every change of it: it stays what it is.
    async fn keep_visibility(&self, folder: &str, name: &str, body: &mut Value) -> Answer<()> {
        let found = self.secret(folder, name).await?.ok_or_else(|| unborn(name))?;
        let visibility = text(&found, "/visibility")?;
        if visibility == "selected" {
            let path = format!("{folder}/{}/repositories?per_page=100", part(name));
            let answer = self.api.get(&path).await?;
            let chosen = answer["repositories"].as_array().cloned().unwrap_or_default();
            if answer["total_count"].as_u64() != Some(chosen.len() as u64) {
                let what = format!("`{name}` is for more repositories than keytide can keep it for");
                return Err(Failure::new(Outcome::Refused, what));
            }
            let ids: Vec<&Value> = chosen.iter().map(|repository| &repository["id"]).collect();
            body["selected_repository_ids"] = json!(ids);
        }
        body["visibility"] = visibility.into();
        Ok(())
    }

    /// The times of the last changes; `None` when there is none of the secrets.
    pub(crate) async fn github_marker(&self, secret: &GithubSecret) -> Answer<Option<Marker>> {
        self.secrets_marker(&folder(secret)?, secret).await
    }

    pub(crate) async fn github_deliver(&self, secret: &GithubSecret, payloads: &[Payload]) -> Answer<Marker> {
        self.time.agree()?;
        let folder = folder(secret)?;
        let begun = self.time.now();
        let unseen = |what: String| Failure::new(Outcome::Unknown, what);
        for (index, payload) in payloads.iter().enumerate() {
            let put = self.put(secret, &folder, payload).await;
            // Once one of them is taken, the store is no longer what it was.
            put.map_err(|failure| if index > 0 { unseen(failure.what) } else { failure })?;
        }
        self.shown_since(secret, begun).await.map_err(|failure| unseen(failure.what))
    }

    /// An organization's secret must be there; of a pair both are, or none: the one that is missing is misspelt, and the
    /// other would be written all the same.
    async fn refuse_half(&self, folder: &str, secret: &GithubSecret) -> Answer<()> {
        let (mut there, mut missing) = (None, None);
        for name in names(secret) {
            match self.secret(folder, name).await? {
                Some(_) => drop(there.get_or_insert(name)),
                None if secret.organization.is_some() => return Err(unborn(name)),
                None => drop(missing.get_or_insert(name)),
            }
        }
        let Some((there, missing)) = there.zip(missing) else { return Ok(()) };
        let what = format!(
            "the secrets of `{}`: there is `{there}` and no `{missing}`; is that the name which the application reads?",
            secret.place()
        );
        Err(Failure::new(Outcome::Refused, what))
    }

    pub(crate) async fn github_key(&self, secret: &GithubSecret) -> Answer<PublicKey> {
        let folder = folder(secret)?;
        let answer = self.api.get(&format!("{folder}/public-key")).await.map_err(|trouble| {
            let help = if trouble.outcome == Outcome::Missing {
                "; is the name right, and may the token see it?"
            } else {
                ""
            };
            let what = format!("the secrets of `{}`: {}{help}", secret.place(), trouble.what);
            Failure { what, ..trouble.into() }
        })?;
        self.refuse_half(&folder, secret).await?;
        Ok(PublicKey { key_id: text(&answer, "/key_id")?, key: text(&answer, "/key")? })
    }
}

fn unborn(name: &str) -> Failure {
    let what = format!(
        "the organization has no secret `{name}`: create it once, so that it is known who may read it"
    );
    Failure::new(Outcome::Refused, what)
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
        assert_eq!(folder(&environment).unwrap(), "/repos/a/b/environments/x%20y%2Fz/secrets");
        let own = secret(json!({"repository": "a/b", "json": "KEY", "product": "dependabot"}));
        assert_eq!(folder(&own).unwrap(), "/repos/a/b/dependabot/secrets");
        let organization = secret(json!({"organization": "a", "json": "KEY", "product": "codespaces"}));
        assert_eq!(folder(&organization).unwrap(), "/orgs/a/codespaces/secrets");
        assert!(folder(&secret(json!({"json": "KEY"}))).is_err());
    }
}
