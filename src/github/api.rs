//! Sends requests to GitHub's REST API one by one, classifies each reply, repeats a request where that is harmless, and
//! waits for rate limits.
//!
//! octocrab is the transport only: its typed calls hide whether a request was applied, which a rotation must know.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::error_advice::error_advice;
use super::lost_replies::LostReplies;
use super::rate_limit::{ChangePace, RateLimit, parse_retry_after};
use super::reply_body::{describe_causes, read_body};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::sanitize::{hide_token, hide_whole_token};
use crate::system::loopback::is_loopback;
use crate::system::server_time::{ServerTime, TimeSource};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that a run waits for a rate limit, all its waits together.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest text of an error.
const MAX_ERROR_CHARS: usize = 500;
/// The largest page of a list.
pub const PAGE: usize = 100;

/// A request.
#[derive(Debug, Clone, Copy)]
pub enum HttpMethod<'b> {
    Get,
    /// A query that is sent as POST and changes nothing.
    Query(&'b Value),
    Post(&'b Value),
    Put(&'b Value),
    Patch(&'b Value),
    Delete,
}

impl HttpMethod<'_> {
    fn is_change(self) -> bool {
        !matches!(self, Self::Get | Self::Query(_))
    }
}

/// Whether a request whose reply is lost may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    /// It may: it changes nothing, or the same however often it is sent.
    Harmless,
    Never,
}

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub struct GithubError {
    /// `None` when there was no reply.
    pub status: Option<u16>,
    pub outcome: ErrorKind,
    pub what: String,
}

impl From<GithubError> for BackendError {
    fn from(trouble: GithubError) -> Self {
        Self {
            kind: trouble.outcome,
            // A rate limit has the status 429 here, whatever GitHub gave it
            is_access_denied: trouble.status == Some(403),
            message: trouble.what,
        }
    }
}

impl GithubError {
    /// Whether GitHub refused with these words: its status codes alone do not name the reason.
    pub fn message_contains(&self, words: &str) -> bool {
        self.status.is_some() && self.what.to_ascii_lowercase().contains(words)
    }
}

/// The result of sending a request once.
enum RequestOutcome {
    Done(Value),
    /// Nothing was done: the rate limit is reached, for so long.
    Limited(Duration),
    /// There is no usable reply, so the result is unknown.
    Lost(String),
    Refused(GithubError),
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is not a URL")]
    InvalidUrl(String),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Octocrab(#[from] octocrab::Error),
}

/// A builder of clients for requests to an address. They follow no redirect, which could send the secret of a request to
/// another host. They use no proxy for an address of this machine: it would read what goes there over plain `http://`.
pub fn http_builder(address: &str) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("keytide/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(address) { builder.no_proxy() } else { builder }
}

/// # Errors
/// The URL is invalid.
fn build_octocrab(base: &str, token: &SecretString, http: reqwest::Client) -> Result<Octocrab, ClientError> {
    let builder = Octocrab::builder();
    let builder = builder.base_uri(base).map_err(|_| ClientError::InvalidUrl(base.to_owned()))?;
    Ok(builder.personal_token(token.clone()).build_with_reqwest(http)?)
}

/// The API, with a token that is never shown.
pub struct GithubApi {
    client: Octocrab,
    token: SecretString,
    time: Arc<ServerTime>,
    waited: Cell<Duration>,
    /// Whether a rate limit lasts longer than a run waits.
    is_exhausted: Cell<bool>,
    scopes: RefCell<Option<String>>,
    /// `None` for a server of this machine, which has no such limit.
    pace: Option<RefCell<ChangePace>>,
    started_at: tokio::time::Instant,
}

impl GithubApi {
    /// # Errors
    /// The URL is invalid.
    pub fn new(base: &str, token: &SecretString, time: Arc<ServerTime>) -> Result<Self, ClientError> {
        let http = http_builder(base).build()?;
        let client = build_octocrab(base, token, http)?;
        let pace = if is_loopback(base) { None } else { Some(RefCell::default()) };
        let (waited, started_at) = (Cell::new(Duration::ZERO), tokio::time::Instant::now());
        Ok(Self {
            client,
            token: token.clone(),
            time,
            waited,
            is_exhausted: Cell::default(),
            scopes: RefCell::default(),
            pace,
            started_at,
        })
    }

    /// Whether GitHub's rate limit ended a request. GitHub asks not to send more until it is over.
    pub fn is_exhausted(&self) -> bool {
        self.is_exhausted.get()
    }

    /// The scopes of the token, as GitHub named them last; only classic tokens of persons have any.
    pub fn token_scopes(&self) -> Option<String> {
        self.scopes.borrow().clone()
    }

    /// Reads.
    ///
    /// # Errors
    /// GitHub refused, or did not answer.
    pub async fn get_json(&self, path: &str) -> Result<Value, GithubError> {
        self.send_request(HttpMethod::Get, path, RetryPolicy::Harmless).await
    }

    /// Sends one request, and repeats it after a rate limit, or after a lost reply if that is harmless.
    ///
    /// # Errors
    /// GitHub refused, or the result is unknown.
    pub async fn send_request(
        &self,
        verb: HttpMethod<'_>,
        path: &str,
        repeat: RetryPolicy,
    ) -> Result<Value, GithubError> {
        let mut lost = LostReplies::default();
        // Of a request whose reply is lost
        let outcome = if verb.is_change() { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
        loop {
            self.wait_for_pace(verb).await;
            let sent_at = tokio::time::Instant::now();
            match self.send_once(verb, path).await {
                RequestOutcome::Done(body) => return Ok(body),
                RequestOutcome::Refused(trouble) => return Err(trouble),
                RequestOutcome::Limited(wait) => self.wait_for_rate_limit(wait).await?,
                RequestOutcome::Lost(what) => {
                    match lost.next_pause(sent_at.elapsed()).filter(|_| repeat == RetryPolicy::Harmless) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Err(GithubError { status: None, outcome, what }),
                    }
                }
            }
        }
    }

    /// Waits so that many changes are not sent at once. A read has no such limit.
    async fn wait_for_pace(&self, verb: HttpMethod<'_>) {
        let Some(pace) = self.pace.as_ref().filter(|_| verb.is_change()) else { return };
        let wait = pace.borrow_mut().wait_before_change(self.started_at.elapsed());
        tokio::time::sleep(wait).await;
    }

    async fn wait_for_rate_limit(&self, wait: Duration) -> Result<(), GithubError> {
        // Saturating: GitHub's number may be any.
        let waited = self.waited.get().saturating_add(wait);
        if waited > PATIENCE {
            self.is_exhausted.set(true);
            let what = format!("GitHub's rate limit is reached for {} more seconds", wait.as_secs());
            return Err(GithubError { status: Some(429), outcome: ErrorKind::NotApplied, what });
        }
        // All waits count together, so that many short ones cannot use up the job's time either.
        self.waited.set(waited);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn send_once(&self, verb: HttpMethod<'_>, path: &str) -> RequestOutcome {
        let sent = match verb {
            HttpMethod::Get => self.client._get(path).await,
            HttpMethod::Query(body) | HttpMethod::Post(body) => self.client._post(path, Some(body)).await,
            HttpMethod::Put(body) => self.client._put(path, Some(body)).await,
            HttpMethod::Patch(body) => self.client._patch(path, Some(body)).await,
            HttpMethod::Delete => self.client._delete(path, None::<&()>).await,
        };
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => return RequestOutcome::Lost(describe_causes(&error)),
        };
        if let Some(date) = header_text(reply.headers(), "date") {
            self.time.record_date(TimeSource::Github, date);
        }
        if let Some(scopes) = header_text(reply.headers(), "x-oauth-scopes") {
            self.scopes.replace(Some(self.hide_token(scopes)));
        }
        let limit = RateLimit {
            retry_after: header_text(reply.headers(), "retry-after").map(parse_retry_after),
            is_spent: header_text(reply.headers(), "x-ratelimit-remaining") == Some("0"),
            reset: header_text(reply.headers(), "x-ratelimit-reset").and_then(|text| text.parse().ok()),
        };
        let status = reply.status().as_u16();
        let body = match read_body(reply.into_body()).await {
            // A text of it may be shown wherever it is used
            Ok(body) => hide_whole_token(body, self.token.expose_secret()),
            Err(why) => return RequestOutcome::Lost(why.to_string()),
        };
        match self.classify_reply(status, &limit, &body) {
            RequestOutcome::Refused(trouble) => {
                let advice = error_advice(path, verb.is_change(), &trouble.what);
                RequestOutcome::Refused(GithubError { what: trouble.what + advice, ..trouble })
            }
            sent => sent,
        }
    }

    /// A text of the server without the token: the error of a proxy may quote the request.
    pub fn hide_token(&self, text: &str) -> String {
        hide_token(text, self.token.expose_secret())
    }

    fn classify_reply(&self, status: u16, limit: &RateLimit, body: &str) -> RequestOutcome {
        let value: Option<Value> =
            if body.is_empty() { Some(Value::Null) } else { serde_json::from_str(body).ok() };
        let outcome = match status {
            200..=299 => {
                return match value {
                    // GraphQL has its limit in the errors of a reply that looks like a success.
                    Some(value) if value["errors"][0]["type"] == "RATE_LIMITED" => {
                        RequestOutcome::Limited(limit.wait_time(self.time.current_time().as_second()))
                    }
                    Some(value) => RequestOutcome::Done(value),
                    None => RequestOutcome::Lost("the reply is not from GitHub".to_owned()),
                };
            }
            // GitHub uses 403 for its rate limits and for missing permissions alike.
            403 | 429 if limit.is_exceeded(status, body) => {
                return RequestOutcome::Limited(limit.wait_time(self.time.current_time().as_second()));
            }
            // A server that fails after it has applied a request answers with 5xx as well.
            408 | 500..=599 => {
                return RequestOutcome::Lost(self.hide_token(&error_text(status, value.as_ref())));
            }
            404 | 410 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            _ => ErrorKind::Rejected,
        };
        let what = self.hide_token(&error_text(status, value.as_ref()));
        RequestOutcome::Refused(GithubError { status: Some(status), outcome, what })
    }
}

fn header_text<'h>(headers: &'h reqwest::header::HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// GitHub's error in half a sentence: the message, the details and the status.
fn error_text(status: u16, body: Option<&Value>) -> String {
    let Some(body) = body.filter(|body| body.is_object()) else {
        return format!("HTTP {status}, and the reply is not from GitHub");
    };
    let message = body["message"].as_str().unwrap_or("no message");
    let errors = body["errors"].as_array().into_iter().flatten();
    let details: Vec<String> = errors.filter_map(error_detail).collect();
    let details = if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
    let moved = if (300..400).contains(&status) { "; has the repository been renamed?" } else { "" };
    let text = format!("GitHub: {}{details} ({status}){moved}", join_lines(message));
    text.chars().take(MAX_ERROR_CHARS).collect()
}

/// One item of `errors`: a text, or a message with the field that it is about, or else the field and the code.
fn error_detail(item: &Value) -> Option<String> {
    let field = item["field"].as_str().map(join_lines);
    let said = item.as_str().or(item["message"].as_str()).map(join_lines);
    match (said, field, item["code"].as_str().map(join_lines)) {
        (Some(said), Some(field), _) if !said.contains(&field) => Some(format!("`{field}`: {said}")),
        (Some(said), ..) => Some(said),
        (None, Some(field), Some(code)) => Some(format!("`{field}` is {}", code.replace('_', " "))),
        (None, field, code) => field.or(code),
    }
}

/// The lines of a text as one: the message of a repository rule is a list of lines.
fn join_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

/// A text in a reply, which must be there.
///
/// # Errors
/// It is missing.
pub fn text_at(value: &Value, pointer: &str) -> BackendResult<String> {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(unexpected_reply(&format!("`{pointer}`"))),
    }
}

/// The items of a list in a reply. One that is missing is not an empty one.
pub fn list_at<'v>(value: &'v Value, pointer: &str) -> BackendResult<&'v Vec<Value>> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.ok_or_else(|| unexpected_reply(format!("list {pointer}").trim_end()))
}

/// The error for a reply that lacks a field, or holds another kind of value in it.
pub fn unexpected_reply(what: &str) -> BackendError {
    BackendError::new(ErrorKind::NotApplied, format!("GitHub's reply has no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_fields_and_codes_on_one_line() {
        let refused =
            serde_json::json!({ "message": "Repository rule violations found\n\nCannot create ref.\n\n" });
        assert_eq!(
            error_text(422, Some(&refused)),
            "GitHub: Repository rule violations found; Cannot create ref. (422)"
        );
        let invalid = serde_json::json!({ "message": "Validation Failed", "errors": [
            { "resource": "PullRequest", "field": "head", "code": "invalid" },
            { "resource": "Issue", "field": "title", "code": "custom", "message": "is empty" },
            { "resource": "Issue", "field": "body", "code": "custom", "message": "body is too long" },
            "and more",
        ] });
        assert_eq!(
            error_text(422, Some(&invalid)),
            "GitHub: Validation Failed: `head` is invalid, `title`: is empty, body is too long, and more (422)"
        );
    }
}
