//! Sends queries to GitHub's GraphQL API. A reply can hold data and errors side by side: a field that is null because of an
//! error must not pass for one that is not there.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::api::{ClientError, GithubApi, GithubError, HttpMethod, RetryPolicy};
use crate::ports::ErrorKind;
use crate::system::server_time::ServerTime;

/// A client of the GraphQL API. It only reads.
pub struct GraphqlClient {
    api: GithubApi,
}

/// The data of a reply, and what could not be read of it.
#[derive(Debug)]
pub struct GraphqlReply {
    pub data: Value,
    pub errors: Vec<GraphqlError>,
}

/// An error about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphqlError {
    /// `NOT_FOUND`, `FORBIDDEN`, ...; empty if GitHub names none.
    pub kind: String,
    /// The names and indexes that lead to the field.
    pub path: Vec<String>,
    pub message: String,
}

impl GraphqlClient {
    /// # Errors
    /// The URL is invalid.
    pub fn new(api_url: &str, token: &SecretString, time: Arc<ServerTime>) -> Result<Self, ClientError> {
        Ok(Self { api: GithubApi::new(graphql_base(api_url), token, time)? })
    }

    /// Sends one query.
    ///
    /// # Errors
    /// GitHub refused, did not answer, or could not answer the query as a whole.
    pub async fn query(&self, query: &str, variables: &Value) -> Result<GraphqlReply, GithubError> {
        let body = json!({ "query": query, "variables": variables });
        let request = self.api.send_request(HttpMethod::Query(&body), "/graphql", RetryPolicy::Harmless);
        let mut reply = request.await?;
        let errors = reply["errors"].as_array().into_iter().flatten();
        let errors: Vec<GraphqlError> =
            errors.map(|error| GraphqlError::from_json(error, &self.api)).collect();
        let data = reply.get_mut("data").map(Value::take).unwrap_or_default();
        if data.is_object() {
            return Ok(GraphqlReply { data, errors });
        }
        // A query that is too expensive has this form as well: it has no status of its own.
        let said = errors.first().map_or("the reply has no data", |error| error.message.as_str());
        Err(GithubError {
            status: Some(200),
            outcome: ErrorKind::NotApplied,
            what: format!("GitHub: {said}"),
        })
    }
}

impl GraphqlError {
    fn from_json(error: &Value, api: &GithubApi) -> Self {
        let message = error["message"].as_str().unwrap_or("no message");
        let shown: String =
            message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
        Self {
            kind: error["type"].as_str().unwrap_or_default().to_owned(),
            path: error["path"].as_array().into_iter().flatten().map(step_text).collect(),
            message: api.hide_token(&shown),
        }
    }
}

fn step_text(step: &Value) -> String {
    step.as_str().map_or_else(|| step.to_string(), str::to_owned)
}

/// What the path of GraphQL follows: GitHub Enterprise Server has REST at `/api/v3`, and GraphQL at `/api/graphql`.
fn graphql_base(api_url: &str) -> &str {
    let url = api_url.trim_end_matches('/');
    if is_enterprise_server(url) { url.trim_end_matches("/v3") } else { url }
}

/// Whether an address of the API is that of a GitHub Enterprise Server.
pub fn is_enterprise_server(api_url: &str) -> bool {
    api_url.trim_end_matches('/').ends_with("/api/v3")
}
