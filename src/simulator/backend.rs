//! The world as one run sees it: every request takes a moment, and any of them can go wrong.

use std::future::pending;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::executor::Turn;
use super::{Body, Call, Fault, Late, World};
use crate::destinations::encryption::{FreshKey, PublicKey};
use crate::policy::file::GithubSecret;
use crate::ports::*;
use crate::rotation::pull_request::PullText;
use crate::rotation::{Entry, Proposal, PullState, Status, Use};
use crate::secret::{Credential, DataKey};

/// How long a request takes.
const MOMENT: SignedDuration = SignedDuration::from_millis(150);

/// One run's way to the world.
#[derive(Clone, Copy)]
pub struct Door<'w> {
    pub(super) world: &'w World,
    pub(super) run: usize,
}

impl Door<'_> {
    /// A request that changes nothing.
    pub(super) async fn read<T>(&self, name: &'static str, answer: impl Fn(&Body) -> Answer<T>) -> Answer<T> {
        match self.arrive(name, false).await {
            None => self.world.with(|state| answer(&state.body)),
            Some(Fault::Stale) => self.world.with(|state| match state.stale() {
                Some(past) => answer(&past),
                None => answer(&state.body),
            }),
            Some(fault) => self.fail(fault, || ()).await,
        }
    }

    /// A request that changes something.
    pub(super) async fn write<T: 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Body) -> Answer<T> + 'static,
    ) -> Answer<T> {
        match self.arrive(name, true).await {
            None | Some(Fault::Stale) => self.world.with(|state| state.write(effect)),
            Some(Fault::Late(wait)) => {
                self.world.with(|state| {
                    let due = state.body.now + wait;
                    state.late.push(Late { due, effect: Box::new(move |body| drop(effect(body))) });
                });
                Err(Failure::new(Outcome::Unknown, "no answer in time"))
            }
            Some(fault) => {
                let apply = || drop(self.world.with(|state| state.write(effect)));
                self.fail(fault, apply).await
            }
        }
    }

    /// A moment passes; what goes wrong is decided.
    async fn arrive(&self, name: &'static str, writes: bool) -> Option<Fault> {
        Turn::new().await;
        self.world.with(|state| {
            let until = state.body.now + MOMENT;
            state.advance(until);
            let number = state.calls.len();
            let fault = state.faults.next(number, &mut state.rng);
            state.calls.push(Call { run: self.run, name, writes, fault });
            if fault == Some(Fault::Overtaken) {
                state.write_beside();
                return None;
            }
            fault
        })
    }

    async fn fail<T>(&self, fault: Fault, apply: impl FnOnce()) -> Answer<T> {
        let unknown = |what: &str| Err(Failure::new(Outcome::Unknown, what));
        match fault {
            Fault::CrashBefore => self.crash().await,
            Fault::CrashAfter => {
                apply();
                self.crash().await
            }
            Fault::LostReply => {
                apply();
                unknown("the connection was reset")
            }
            Fault::FailedApplied => {
                apply();
                unknown("the server answered 502")
            }
            Fault::Late(_) | Fault::FailedNotApplied => unknown("the server answered 500"),
            Fault::Throttled | Fault::Stale | Fault::Overtaken => {
                Err(Failure::new(Outcome::NotDone, "the rate limit is reached"))
            }
        }
    }

    /// The run is over: nobody polls it again.
    async fn crash<T>(&self) -> Answer<T> {
        self.world.with(|state| state.crashed.push(self.run));
        pending().await
    }
}

impl Users for Door<'_> {
    async fn user(&self, name: &str) -> Answer<Option<User>> {
        self.read("iam:GetUser", |body| Ok(body.user(name))).await
    }

    async fn keys(&self, name: &str) -> Answer<Vec<Listed>> {
        self.read("iam:ListAccessKeys", |body| body.keys(name)).await
    }

    async fn last_used(&self, key: &str) -> Answer<Option<Use>> {
        self.read("iam:GetAccessKeyLastUsed", |body| body.last_used(key)).await
    }
}

impl Keys for Door<'_> {
    async fn create_key(&self, user: &str) -> Answer<Credential> {
        let user = user.to_owned();
        self.write("iam:CreateAccessKey", move |body| body.create_key(&user, false)).await
    }

    async fn set(&self, user: &str, key: &str, status: Status) -> Answer<()> {
        let (user, key) = (user.to_owned(), key.to_owned());
        self.write("iam:UpdateAccessKey", move |body| body.set_key(&user, &key, status)).await
    }

    async fn delete(&self, user: &str, key: &str) -> Answer<()> {
        let (user, key) = (user.to_owned(), key.to_owned());
        self.write("iam:DeleteAccessKey", move |body| body.delete_key(&user, &key)).await
    }
}

impl Descriptions for Door<'_> {
    async fn describe(&self, user: &str, key: &str, text: Option<&str>) -> Answer<()> {
        let (user, key, text) = (user.to_owned(), key.to_owned(), text.map(str::to_owned));
        let effect = move |body: &mut Body| {
            if let Some(user) = body.users.get_mut(&user) {
                match text {
                    Some(text) => drop(user.tags.insert(key, text)),
                    None => drop(user.tags.remove(&key)),
                }
            }
            Ok(())
        };
        self.write("iam:TagUser", effect).await
    }
}

impl Callers for Door<'_> {
    async fn caller(&self, credential: &Credential) -> Answer<Arc<str>> {
        let (id, secret) = (credential.access_key_id().to_owned(), credential.expose_secret().to_owned());
        let effect = move |body: &mut Body| body.sign(&id, &secret, "sts", SignedDuration::from_mins(30));
        self.write("sts:GetCallerIdentity", effect).await
    }
}

impl Journals for Door<'_> {
    async fn chain(&self, user: &str) -> Answer<Chain> {
        self.read("journal:read", |body| Ok(body.chain(user))).await
    }

    async fn append(&self, user: &str, onto: Option<&str>, entry: &Entry, kept: &Kept) -> Answer<Commit> {
        let (user, onto) = (user.to_owned(), onto.map(str::to_owned));
        let (entry, kept) = (entry.clone(), kept.clone());
        self.write("journal:append", move |body| body.append(&user, onto.as_deref(), entry, kept)).await
    }

    async fn kept(&self, user: &str, commit: &str) -> Answer<Kept> {
        self.read("journal:kept", |body| body.kept(user, commit)).await
    }
}

impl Tree for Door<'_> {
    async fn head(&self) -> Answer<Commit> {
        self.read("git:head", |body| Ok(body.head())).await
    }

    async fn file(&self, commit: &str, path: &str) -> Answer<Option<Vec<u8>>> {
        self.read("git:file", |body| Ok(body.file(commit, path))).await
    }

    async fn paths(&self, commit: &str) -> Answer<Vec<String>> {
        self.read("git:paths", |body| Ok(body.paths(commit))).await
    }
}

impl Branches for Door<'_> {
    async fn obstacle(&self, _: &str) -> Answer<Option<String>> {
        Ok(None)
    }

    async fn tip(&self, branch: &str) -> Answer<Option<Commit>> {
        self.read("git:branch", |body| Ok(body.refs.get(branch).cloned())).await
    }

    async fn create(&self, branch: &str, base: &str, files: &Files, message: &str) -> Answer<Commit> {
        let (branch, base, files, message) =
            (branch.to_owned(), base.to_owned(), files.clone(), message.to_owned());
        self.write("git:create-branch", move |body| body.create_branch(&branch, &base, &files, &message))
            .await
    }

    async fn update(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &Files,
        message: &str,
    ) -> Answer<Commit> {
        let (branch, tip, head) = (branch.to_owned(), tip.to_owned(), head.to_owned());
        let (files, message) = (files.clone(), message.to_owned());
        let effect = move |body: &mut Body| body.update_branch(&branch, &tip, &head, &files, &message);
        self.write("git:update-branch", effect).await
    }
}

impl Pulls for Door<'_> {
    async fn may_open(&self) -> Answer<()> {
        Ok(())
    }

    async fn find(&self, branch: &str) -> Answer<Option<Proposal>> {
        self.read("pull:find", |body| Ok(body.find_pull(branch))).await
    }

    async fn open(&self, branch: &str, text: &PullText) -> Answer<u64> {
        let (branch, text) = (branch.to_owned(), text.clone());
        self.write("pull:open", move |body| body.open_pull(&branch, &text)).await
    }

    async fn close(&self, number: u64) -> Answer<()> {
        self.write("pull:close", move |body| body.set_pull(number, PullState::Closed)).await
    }

    async fn others(&self, _: &[String], _: Timestamp) -> Answer<Vec<Change>> {
        self.read("pull:others", |_| Ok(Vec::new())).await
    }
}

impl SealingKeys for Door<'_> {
    async fn public_key(&self, _: &GithubSecret) -> Answer<PublicKey> {
        let key = self.world.with(|state| state.keyring.public_key());
        self.read("store:public-key", |_| Ok(key.clone())).await
    }

    async fn data_key(&self, _: &str, _: &[u8]) -> Answer<Option<DataKey>> {
        Ok(None)
    }

    async fn fresh_key(&self, _: &str, _: &[u8]) -> Answer<Option<FreshKey>> {
        Ok(None)
    }
}

impl Workflows for Door<'_> {
    async fn succeeded(&self, workflow: &str) -> Answer<Option<Timestamp>> {
        self.read("workflow:runs", |body| Ok(body.workflows.get(workflow).copied())).await
    }
}

impl Clock for Door<'_> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn sleep(&self, time: SignedDuration) {
        Turn::new().await;
        self.world.advance(time);
    }
}
