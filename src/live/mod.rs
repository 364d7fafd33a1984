//! The real services behind [`super::ports`], as one run reaches them: IAM, STS, Secrets Manager, KMS and GitHub.
//!
//! A request whose reply is lost is repeated only where that is harmless; else nobody knows what became of it, and it
//! is said so. What never changes, commits and what they hold, is asked for once.

mod stores;

use std::cell::RefCell;
use std::sync::Arc;

use aws_config::SdkConfig;
use crypto_box::aead::OsRng;
use crypto_box::aead::rand_core::RngCore as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::aws::rotation::AwsClients;
use super::github::api::{GithubApi, encode_segment};
use super::ports::{BackendError, BackendResult, Clock, ErrorKind};
pub use super::system::server_time::{ServerTime, TimeSource};

/// How a repository on GitHub is reached.
pub struct GithubConfig {
    pub api_url: String,
    pub token: SecretString,
    /// `OWNER/NAME`.
    pub repository: String,
    /// Identities of age, as `SOPS_AGE_KEY` holds them.
    pub identities: Option<SecretString>,
}

/// Everything outside that a rotation needs.
pub struct LiveBackend {
    pub(crate) api: GithubApi,
    aws: Option<AwsClients>,
    pub(crate) server_time: Arc<ServerTime>,
    pub(crate) repository: String,
    pub(crate) id: u64,
    is_archived: bool,
    pub(crate) default_branch: String,
    pub(crate) account: String,
    identities: Option<SecretString>,
    pub(crate) objects: super::github::contents::ObjectCache,
    pub(crate) known: super::github::journal::JournalCache,
    remarks: RefCell<Vec<String>>,
}

impl LiveBackend {
    /// Asks GitHub for the repository. AWS is not contacted before [`LiveBackend::with_account`].
    ///
    /// # Errors
    /// GitHub does not know the repository, or the token may not see it.
    pub async fn connect_github(forge: GithubConfig, time: Arc<ServerTime>) -> BackendResult<Self> {
        let refused = |what: String| BackendError::new(ErrorKind::Rejected, what);
        let name = forge.repository;
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if name.split('/').count() != 2 || !name.split('/').all(plain) {
            return Err(refused(format!("`{name}` is not OWNER/NAME")));
        }
        let api = GithubApi::new(&forge.api_url, &forge.token, time.clone()).map_err(refused)?;
        let found = api.get_json(&format!("/repos/{name}")).await?;
        let id = found["id"].as_u64().ok_or_else(|| refused("GitHub's reply has no ID".to_owned()))?;
        let default_branch = super::github::contents::text_at(&found, "/default_branch")?;
        Ok(Self {
            api,
            aws: None,
            server_time: time,
            repository: name,
            id,
            is_archived: found["archived"] == true || found["disabled"] == true,
            default_branch,
            account: String::new(),
            identities: forge.identities,
            objects: super::github::contents::ObjectCache::default(),
            known: super::github::journal::JournalCache::default(),
            remarks: RefCell::default(),
        })
    }

    /// Adds the account, as STS told it.
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

    /// The repository's numeric ID.
    pub fn repository_id(&self) -> u64 {
        self.id
    }

    /// Whether GitHub lets nobody write to the repository any more.
    pub fn is_archived(&self) -> bool {
        self.is_archived
    }

    /// What went wrong beside the point, since it was asked last.
    pub fn take_remarks(&self) -> Vec<String> {
        self.remarks.take()
    }

    pub(crate) fn add_remark(&self, text: String) {
        self.remarks.borrow_mut().push(text);
    }

    /// A path below the repository.
    pub(crate) fn in_repository(&self, path: &str) -> String {
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

/// What tells one run from every other, a second attempt of the same workflow run included.
pub fn run_name(workflow_run: Option<&str>, attempt: Option<&str>) -> String {
    let random = format!("{:08x}", OsRng.next_u32());
    match (workflow_run, attempt) {
        (Some(run), Some(attempt)) => format!("{run}.{attempt}-{random}"),
        (Some(run), None) => format!("{run}-{random}"),
        _ => random,
    }
}
