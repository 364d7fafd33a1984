//! [`LiveBackend`] gives one run access to the real services behind [`super::ports`]: IAM, STS, Secrets Manager, KMS and
//! GitHub.
//!
//! A request whose reply is lost is repeated only if that is harmless; otherwise its result is reported as unknown. Git
//! objects never change, so each is read once.

mod access;
mod sessions;
mod stores;
pub mod webhook;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use aws_config::SdkConfig;
use crypto_box::aead::OsRng;
use crypto_box::aead::rand_core::RngCore as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub use self::access::{GithubAccess, TokenAccount};
use self::sessions::SessionCache;
use super::aws::clients::AwsClients;
use super::github::api::{GithubApi, text_at};
use super::github::journal_link::JournalCache;
use super::github::objects::ObjectCache;
use super::github::pull_cache::ForeignPulls;
use super::policy::scalar::is_repository;
use super::ports::{BackendError, BackendResult, Clock, ErrorKind};
use super::system::environment::ProcessEnvironment;
pub use super::system::server_time::{ServerTime, TimeSource};
use crate::url_encoding::encode_segment;

/// How to connect to a repository on GitHub.
pub struct GithubConfig {
    pub api_url: String,
    pub token: SecretString,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The age identities of `SOPS_AGE_KEY`.
    pub identities: Option<SecretString>,
    /// What the clients of stores look up, such as their tokens.
    pub environment: ProcessEnvironment,
}

/// The clients and the caches of one run.
pub struct LiveBackend {
    pub(crate) api: Rc<GithubApi>,
    pub(crate) access: Rc<GithubAccess>,
    aws: Option<AwsClients>,
    pub(crate) server_time: Arc<ServerTime>,
    pub(crate) repository: String,
    pub(crate) id: u64,
    is_archived: bool,
    pub(crate) default_branch: String,
    pub(crate) account: String,
    pub(crate) identities: Option<SecretString>,
    pub(crate) environment: ProcessEnvironment,
    pub(crate) sessions: SessionCache,
    pub(crate) objects: ObjectCache,
    pub(crate) known: JournalCache,
    pub(crate) foreign: ForeignPulls,
    remarks: RefCell<Vec<String>>,
}

impl LiveBackend {
    /// Reads the repository from GitHub. AWS is not called before [`LiveBackend::with_account`].
    ///
    /// # Errors
    /// GitHub does not know the repository, or the token may not see it.
    pub async fn connect_github(forge: GithubConfig, time: Arc<ServerTime>) -> BackendResult<Self> {
        let access = GithubAccess::new(&forge.api_url, &forge.token, time)?;
        let backend = Self::connect_repository(&Rc::new(access), forge.repository, forge.environment).await?;
        Ok(Self { identities: forge.identities, ..backend })
    }

    /// Reads a repository from GitHub, as one of several with the same token.
    ///
    /// # Errors
    /// As for [`Self::connect_github`].
    pub async fn connect_repository(
        access: &Rc<GithubAccess>,
        name: String,
        environment: ProcessEnvironment,
    ) -> BackendResult<Self> {
        // Before the first request: the name becomes a part of every path
        if !is_repository(&name) {
            return Err(BackendError::new(ErrorKind::Rejected, format!("`{name}` is not OWNER/NAME")));
        }
        let found = access.api.get_json(&format!("/repos/{name}")).await?;
        let Some(id) = found["id"].as_u64() else {
            return Err(BackendError::new(ErrorKind::Rejected, "GitHub's reply has no ID"));
        };
        let default_branch = text_at(&found, "/default_branch")?;
        Ok(Self {
            api: access.api.clone(),
            access: access.clone(),
            aws: None,
            server_time: access.time.clone(),
            repository: name,
            id,
            is_archived: found["archived"] == true || found["disabled"] == true,
            default_branch,
            account: String::new(),
            identities: None,
            environment,
            sessions: SessionCache::default(),
            objects: ObjectCache::default(),
            known: JournalCache::default(),
            foreign: ForeignPulls::default(),
            remarks: RefCell::default(),
        })
    }

    /// Names the account whose journals are read; AWS is not called.
    #[must_use]
    pub fn with_account_id(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// Adds the AWS account of the credentials.
    #[must_use]
    pub fn with_account(mut self, config: SdkConfig, account: &str) -> Self {
        self.aws = Some(AwsClients::new(config, self.server_time.clone()));
        account.clone_into(&mut self.account);
        self
    }

    pub(crate) fn aws_clients(&self) -> BackendResult<&AwsClients> {
        self.aws.as_ref().ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "no account is known"))
    }

    /// `OWNER/NAME`.
    pub fn repository_name(&self) -> &str {
        &self.repository
    }

    pub fn default_branch_name(&self) -> &str {
        &self.default_branch
    }

    /// The repository's numeric ID.
    pub fn repository_id(&self) -> u64 {
        self.id
    }

    /// Whether the repository is read-only: archived or disabled.
    pub fn is_archived(&self) -> bool {
        self.is_archived
    }

    /// Failures that do not stop the run, since the last call.
    pub fn take_remarks(&self) -> Vec<String> {
        self.remarks.take()
    }

    pub(crate) fn add_remark(&self, text: String) {
        self.remarks.borrow_mut().push(text);
    }

    /// A path below the repository.
    pub(crate) fn repository_endpoint(&self, path: &str) -> String {
        let name: Vec<String> = self.repository.split('/').map(encode_segment).collect();
        format!("/repos/{}/{path}", name.join("/"))
    }
}

impl Clock for LiveBackend {
    fn now(&self) -> Timestamp {
        self.server_time.current_time()
    }

    async fn sleep(&self, time: SignedDuration) {
        tokio::time::sleep(time.unsigned_abs()).await;
    }
}

/// A name that differs for every run, also for a second attempt of the same workflow run.
pub fn run_name(workflow_run: Option<&str>, attempt: Option<&str>) -> String {
    // Two runs with one name would both believe that a claim is theirs
    let random = format!("{:08x}", OsRng.next_u32());
    match (workflow_run, attempt) {
        (Some(run), Some(attempt)) => format!("{run}.{attempt}-{random}"),
        (Some(run), None) => format!("{run}-{random}"),
        _ => random,
    }
}
