//! Sends the requests to Vault or OpenBao, after a login by GitHub's OIDC token or with `VAULT_TOKEN`.
//!
//! Plain requests in place of the crate `vaultrs`: that one parses a secret's fields, so their bytes would not stay.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Certificate, Client, Method};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::delivery::{SecretVersion, VaultStore, VersionList, VersionWrite};
use super::fields::check_fields;
use super::policy::Vault;
use super::reply::{self, Login, VaultError};
use super::token::find_login_token;
use crate::github::api::http_builder;
use crate::github::oidc::oidc_token;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, Clock as _, ErrorKind, RepositoryContents as _};
use crate::sanitize::hide_token;
use crate::url_encoding::encode_path;

/// The longest reply that is read.
const MAX_REPLY_BYTES: usize = 4 * 1024 * 1024;
/// The pauses before a read is sent again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// How long a read is repeated. A server that is silent until the time limit of one request is not asked again.
const REPEAT_WITHIN: Duration = Duration::from_secs(15);

/// A client that may talk to one server, and until when its token is valid.
struct VaultSession {
    client: Client,
    token: SecretString,
    until: Option<Timestamp>,
}

/// A request to the API.
struct VaultRequest<'a> {
    method: Method,
    /// Below `/v1/`.
    path: String,
    query: String,
    body: Option<&'a SecretString>,
    /// Whether it could change something.
    writes: bool,
}

impl<'a> VaultRequest<'a> {
    fn read(path: String) -> Self {
        Self { method: Method::GET, path, query: String::new(), body: None, writes: false }
    }

    /// A question that has a body.
    fn ask(path: String, body: &'a SecretString) -> Self {
        Self { method: Method::POST, path, query: String::new(), body: Some(body), writes: false }
    }
}

/// A reply's bytes, which may have secrets in them.
type WipedBytes = Zeroizing<Vec<u8>>;

impl LiveBackend {
    /// Sends a request with a token, logging in where none is at hand.
    async fn vault_request(&self, vault: &Vault, request: &VaultRequest<'_>) -> BackendResult<WipedBytes> {
        let session = self.vault_session(vault).await?;
        let reply = send(&session.client, vault, Some(&session.token), request).await;
        reply.map_err(|failure| with_place(vault, request, failure))
    }

    async fn vault_session(&self, vault: &Vault) -> BackendResult<Rc<VaultSession>> {
        let key = serde_json::to_string(&json!([
            "vault",
            vault.address,
            vault.namespace,
            vault.auth,
            vault.role,
            vault.audience,
            vault.ca_certificate,
        ]))
        .unwrap_or_default();
        if let Some(session) = self.sessions.find::<VaultSession>(&key)
            && session.until.is_none_or(|until| self.now() < until)
        {
            return Ok(session);
        }
        let client = self.vault_client(vault).await?;
        let Login { token, lease } = self.vault_login(vault, &client).await?;
        // A part of the time is left for the requests themselves.
        let valid = i64::try_from(lease / 4 * 3).unwrap_or(i64::MAX / 4);
        let until = (lease > 0).then(|| self.now().saturating_add(SignedDuration::from_secs(valid)));
        let until = until.and_then(Result::ok);
        Ok(self.sessions.keep(key, VaultSession { client, token, until }))
    }

    async fn vault_client(&self, vault: &Vault) -> BackendResult<Client> {
        let mut fault = None;
        // Again: this destination may be one that a journal names, which everyone who can push can write.
        check_fields(vault, &mut |what, help| {
            fault.get_or_insert_with(|| vault.refuse(&what, help));
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut builder = http_builder(&vault.address);
        if let Some(file) = &vault.ca_certificate {
            // As the default branch has it, like the policy file of a rotation.
            let head = self.read_default_head().await?;
            let pem = self.read_file(&head, &file.0).await?;
            let help = "commit the authority's certificate in PEM format";
            let pem = pem.ok_or_else(|| vault.refuse(&format!("there is no file `{}`", file.0), help))?;
            let refuse = || vault.refuse(&format!("`{}` holds no certificate", file.0), help);
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| refuse())?;
            if authorities.is_empty() {
                return Err(refuse());
            }
            builder = builder.tls_certs_only(authorities);
        }
        builder.build().map_err(|error| match &vault.ca_certificate {
            // reqwest reads the certificates only now
            Some(file) => {
                let what = format!("a certificate in `{}` cannot be used: {}", file.0, error.without_url());
                vault.refuse(&what, "replace it by the authority's certificate in PEM format")
            }
            None => BackendError::new(ErrorKind::Rejected, error.without_url().to_string()),
        })
    }

    /// Logs in with the workflow's OIDC token where the destination names a role and GitHub gives one, else takes
    /// `VAULT_TOKEN`.
    async fn vault_login(&self, vault: &Vault, client: &Client) -> BackendResult<Login> {
        let url = self.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL");
        let bearer = self.environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        let (Some(role), Some(url), Some(bearer)) = (&vault.role, url, bearer) else {
            return self.vault_token(vault).map(|token| Login { token, lease: 0 });
        };
        // A token whose audience is the server is of no use to another one that gets it.
        let audience = match &vault.audience {
            None => vault.address.trim_end_matches('/'),
            Some(audience) => {
                self.ensure_named_server(vault, "a token with an `audience` of its own")?;
                audience
            }
        };
        let jwt = oidc_token(url, &SecretString::from(bearer), audience)
            .await
            .map_err(|error| BackendError::new(ErrorKind::NotApplied, error.to_string()))?;
        let body = SecretString::from(json!({ "role": role, "jwt": jwt.expose_secret() }).to_string());
        let request = VaultRequest::ask(format!("auth/{}/login", vault.auth), &body);
        let reply = send(client, vault, None, &request).await.map_err(|failure| {
            // A role that does not take this token will not take the next one either.
            let kind = if failure.is_refusal() { ErrorKind::Rejected } else { failure.kind };
            let message = format!("the login as `{role}` failed: {}", failure.what);
            let is_access_denied = failure.status == Some(403);
            with_path(vault, &request, BackendError { kind, is_access_denied, message })
        })?;
        reply::parse_login(&reply).map_err(|failure| with_path(vault, &request, failure))
    }

    /// `VAULT_TOKEN`, for the server that it is for.
    fn vault_token(&self, vault: &Vault) -> BackendResult<SecretString> {
        let Some(token) = self.environment.get("VAULT_TOKEN") else {
            let help = match &vault.role {
                Some(_) => "give the job `permissions: id-token: write`, or set VAULT_TOKEN and VAULT_ADDR",
                None => "name a `role`, or set VAULT_TOKEN and VAULT_ADDR",
            };
            return Err(BackendError {
                kind: ErrorKind::NotApplied,
                is_access_denied: true,
                ..vault.refuse("there is no token for Vault", help)
            });
        };
        self.ensure_named_server(vault, "VAULT_TOKEN")?;
        Ok(SecretString::from(token))
    }

    /// Ensures that `VAULT_ADDR` names the server. A policy file, or a journal, cannot send a token to another one then.
    fn ensure_named_server(&self, vault: &Vault, what: &str) -> BackendResult<()> {
        let named = self.environment.get("VAULT_ADDR").map(|address| address.trim_end_matches('/'));
        if named == Some(vault.address.trim_end_matches('/')) {
            return Ok(());
        }
        let help = "set VAULT_ADDR to the destination's `address`";
        Err(vault.refuse(&format!("{what} is sent only to the server that VAULT_ADDR names"), help))
    }

    async fn vault_secret(
        &self,
        vault: &Vault,
        path: &str,
        number: Option<u64>,
    ) -> BackendResult<Option<SecretVersion>> {
        let query = number.map(|number| format!("?version={number}")).unwrap_or_default();
        let request = VaultRequest { query, ..VaultRequest::read(vault.api_path("data", path)) };
        match self.vault_request(vault, &request).await {
            Ok(body) => reply::parse_secret(&body).map_err(|failure| with_path(vault, &request, failure)),
            Err(BackendError { kind: ErrorKind::NotFound, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl VaultStore for LiveBackend {
    async fn read_newest(&self, vault: &Vault, path: &str) -> BackendResult<Option<SecretVersion>> {
        self.vault_secret(vault, path, None).await
    }

    async fn read_version(&self, vault: &Vault, number: u64) -> BackendResult<Option<SecretVersion>> {
        self.vault_secret(vault, &vault.path, Some(number)).await
    }

    async fn list_versions(&self, vault: &Vault, path: &str) -> BackendResult<VersionList> {
        let request = VaultRequest::read(vault.api_path("metadata", path));
        match self.vault_request(vault, &request).await {
            Ok(body) => reply::parse_versions(&body).map_err(|failure| with_path(vault, &request, failure)),
            Err(BackendError { kind: ErrorKind::NotFound, .. }) => Ok(VersionList::default()),
            Err(failure) => Err(failure),
        }
    }

    async fn write_version(&self, vault: &Vault, write: &VersionWrite<'_>) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let text = write.text.expose_secret();
        let options = format!("{{\"options\":{{\"cas\":{}}},\"data\":", write.replaces);
        // As long as it gets: a text that grew would leave a copy of itself behind.
        let mut body = String::with_capacity(options.len() + text.len() + 1);
        body.push_str(&options);
        body.push_str(text);
        body.push('}');
        let body = crate::secret::into_secret(body);
        let path = vault.api_path("data", write.path);
        let request = VaultRequest { writes: true, ..VaultRequest::ask(path, &body) };
        let reply = self.vault_request(vault, &request).await?;
        match reply::parse_written(&reply) {
            Some(number) if number == write.replaces + 1 => Ok(()),
            _ => {
                let what = "the reply does not name the next version";
                Err(with_path(vault, &request, BackendError::new(ErrorKind::Indeterminate, what)))
            }
        }
    }

    async fn destroy(&self, vault: &Vault, path: &str) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let path = vault.api_path("metadata", path);
        let request = VaultRequest { method: Method::DELETE, writes: true, ..VaultRequest::read(path) };
        self.vault_request(vault, &request).await.map(drop)
    }

    async fn read_capabilities(
        &self,
        vault: &Vault,
        paths: &[String],
    ) -> BackendResult<Option<std::collections::BTreeMap<String, Vec<String>>>> {
        let body = SecretString::from(json!({ "paths": paths }).to_string());
        let request = VaultRequest::ask("sys/capabilities-self".to_owned(), &body);
        let session = self.vault_session(vault).await?;
        match send(&session.client, vault, Some(&session.token), &request).await {
            Ok(body) => reply::parse_capabilities(&body).map(Some),
            Err(VaultError { status: Some(403), .. }) => Ok(None),
            Err(failure) => Err(with_place(vault, &request, failure)),
        }
    }
}

/// Sends a request, and a read once more where no usable reply came.
async fn send(
    client: &Client,
    vault: &Vault,
    token: Option<&SecretString>,
    request: &VaultRequest<'_>,
) -> Result<WipedBytes, VaultError> {
    let mut pauses = PAUSES.iter();
    let first_sent = tokio::time::Instant::now();
    loop {
        let failure = match send_once(client, vault, token, request).await {
            Ok(body) => return Ok(body),
            Err(failure) => failure,
        };
        let may_repeat = !request.writes
            && failure.kind == ErrorKind::NotApplied
            && !failure.is_refusal()
            && first_sent.elapsed() < REPEAT_WITHIN;
        match pauses.next().filter(|_| may_repeat) {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(failure),
        }
    }
}

async fn send_once(
    client: &Client,
    vault: &Vault,
    token: Option<&SecretString>,
    request: &VaultRequest<'_>,
) -> Result<WipedBytes, VaultError> {
    let address = vault.address.trim_end_matches('/');
    let url = format!("{address}/v1/{}{}", encode_path(&request.path), request.query);
    let mut builder = client.request(request.method.clone(), url).header("X-Vault-Request", "true");
    if let Some(namespace) = &vault.namespace {
        builder = builder.header("X-Vault-Namespace", namespace);
    }
    if let Some(token) = token {
        builder = builder.header("X-Vault-Token", token.expose_secret());
    }
    if let Some(body) = request.body {
        builder = builder.header("content-type", "application/json").body(body.expose_secret().to_owned());
    }
    let reply = builder.send().await.map_err(|error| {
        // A connection that was never made has carried nothing.
        let is_sent = request.writes && !error.is_connect();
        no_reply(is_sent, transport_error(&error))
    })?;
    let status = reply.status().as_u16();
    let body = read_body(reply, request.writes).await?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    // The reply about a deleted version is such an error as well, and its body says nothing else.
    let mut failure = reply::reply_error(status, &body, request.writes);
    // A server may quote what it was sent.
    if let Some(token) = token {
        failure.what = hide_token(&failure.what, token.expose_secret());
    }
    if let Some(token) = request.body.and_then(|body| find_login_token(body.expose_secret())) {
        failure.what = hide_token(&failure.what, &token);
    }
    Err(failure)
}

/// Reads a body of a bounded length into memory that is wiped.
async fn read_body(mut reply: reqwest::Response, is_sent: bool) -> Result<WipedBytes, VaultError> {
    let announced = reply.content_length().and_then(|length| usize::try_from(length).ok());
    let too_long = || no_reply(is_sent, format!("the reply has more than {MAX_REPLY_BYTES} bytes"));
    if announced.is_some_and(|length| length > MAX_REPLY_BYTES) {
        return Err(too_long());
    }
    // As long as it can get: bytes that grew would leave a copy of themselves behind.
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(MAX_REPLY_BYTES)));
    while let Some(chunk) = reply.chunk().await.map_err(|error| no_reply(is_sent, transport_error(&error)))? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn no_reply(is_sent: bool, what: String) -> VaultError {
    let kind = if is_sent { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
    VaultError { status: None, kind, what }
}

/// The innermost cause, such as an unknown issuer; the others repeat the URL.
fn transport_error(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    format!("no answer: {cause}")
}

/// The error with the secret and the request that it was about, and with advice where a permission is missing.
fn with_place(vault: &Vault, request: &VaultRequest<'_>, failure: VaultError) -> BackendError {
    let is_access_denied = failure.status == Some(403);
    let mut message = failure.what;
    if is_access_denied {
        message.push_str("; `keytide iam-policy` prints the policy that the token needs");
    }
    with_path(vault, request, BackendError { kind: failure.kind, is_access_denied, message })
}

fn with_path(vault: &Vault, request: &VaultRequest<'_>, failure: BackendError) -> BackendError {
    let VaultRequest { method, path, .. } = request;
    let message = format!("`vault {}`: {method} {path}: {}", vault.destination_target(), failure.message);
    BackendError { message, ..failure }
}
