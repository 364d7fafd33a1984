//! The token of a run and its clients. A run for many repositories has one of it, so that all of them wait for GitHub's limits
//! together.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use secrecy::SecretString;

use crate::github::api::{ClientError, GithubApi};
use crate::github::graphql::{GraphqlClient, is_enterprise_server};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::system::server_time::ServerTime;

/// The account of a token.
pub struct TokenAccount {
    pub login: String,
    pub id: u64,
}

/// How to reach GitHub with one token.
pub struct GithubAccess {
    pub(crate) api: Rc<GithubApi>,
    api_url: String,
    /// Whether the server is a GitHub Enterprise Server, which lacks some of GitHub's products.
    pub(crate) is_enterprise_server: bool,
    token: SecretString,
    pub(crate) time: Arc<ServerTime>,
    /// Whose the token is, once it was asked.
    pub(crate) account: OnceCell<TokenAccount>,
}

impl GithubAccess {
    /// # Errors
    /// The URL is invalid.
    pub fn new(api_url: &str, token: &SecretString, time: Arc<ServerTime>) -> BackendResult<Self> {
        Ok(Self {
            api: Rc::new(GithubApi::new(api_url, token, time.clone()).map_err(refuse_address)?),
            api_url: api_url.to_owned(),
            is_enterprise_server: is_enterprise_server(api_url),
            token: token.clone(),
            time,
            account: OnceCell::new(),
        })
    }

    /// A client of GitHub's GraphQL API, which few runs need.
    pub(crate) fn connect_graphql(&self) -> BackendResult<GraphqlClient> {
        GraphqlClient::new(&self.api_url, &self.token, self.time.clone()).map_err(refuse_address)
    }

    /// Whether GitHub's rate limit ended a request, so that others would end as well.
    pub fn is_exhausted(&self) -> bool {
        self.api.is_exhausted()
    }
}

fn refuse_address(error: ClientError) -> BackendError {
    BackendError::new(ErrorKind::Rejected, error.to_string())
}
