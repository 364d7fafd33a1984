//! Plays the operators of a life: they merge and close pull requests, and in some lives they also meddle.

use super::life::{LifePlayer, OperatorBehaviour, refused};
use crate::ports::FileChanges;
use crate::repository::lock_file_path;
use crate::rotation::{JournalEvent, KeyState};
use crate::simulator::sample::{SampleStores, WORKFLOW};
use crate::simulator::{SimFault, sample};

impl LifePlayer {
    /// Operators act, or not.
    pub fn act_as_operators(&mut self) {
        let open = self.world.open_pulls();
        if let Some(&number) = open.first() {
            if self.rng.one_in_thousand(220) {
                let merged = self.world.merge_pull_request(number).is_ok();
                self.record_line(format!("operator: merge #{number}{}", refused(merged)));
            } else if self.rng.one_in_thousand(40) {
                let closed = self.world.close_pull_request(number).is_ok();
                self.record_line(format!("operator: close #{number}{}", refused(closed)));
            }
        }
        if self.retires() && self.rng.one_in_thousand(150) {
            self.end_use();
        }
        if self.redeploys() {
            self.touch_workflow();
        }
        // Others keep their own fields in the same secret.
        if matches!(self.stores, SampleStores::Versioned | SampleStores::Both) && self.rng.one_in_thousand(60)
        {
            let wait = self.rng.next_below(60).unwrap_or_default() as usize;
            self.world
                .with_state(|state| state.faults.at.push((state.calls.len() + wait, SimFault::Overtaken)));
            self.record_line(format!(
                "operator: write another field of the versioned secret, {wait} requests from now"
            ));
        }
        if self.operators == OperatorBehaviour::Meddling && self.rng.one_in_thousand(60) {
            self.edit_by_hand();
        }
    }

    /// The credential leaves the repository, or what used it stops.
    fn end_use(&mut self) {
        if self.rng.one_in_thousand(600) {
            sample::remove_credential_file(&self.world);
            self.record_line("operator: remove the file with the credential".to_owned());
        } else {
            self.world.with_state(|state| state.apps.clear());
            self.record_line("operator: stop the application".to_owned());
        }
    }

    /// The workflow that deploys begins to fail or succeeds again, or a person starts it.
    fn touch_workflow(&mut self) {
        if self.rng.one_in_thousand(150) {
            let fails = self.world.with_state(|state| {
                let failing = &mut state.body.failing_workflows;
                let fails = !failing.remove(WORKFLOW);
                if fails {
                    failing.insert(WORKFLOW.to_owned());
                }
                fails
            });
            self.record_line(format!(
                "operator: the deployment {} now",
                if fails { "fails" } else { "succeeds" }
            ));
        }
        if self.rng.one_in_thousand(100) {
            self.deploy_by_hand();
        }
    }

    /// A person starts the workflow that deploys.
    pub fn deploy_by_hand(&mut self) {
        self.world.with_state(|state| state.body.start_by_hand(WORKFLOW));
        self.record_line("operator: start the workflow that deploys".to_owned());
    }

    fn edit_by_hand(&mut self) {
        let pulls = self.world.with_state(|state| state.body.pulls.len() as u64);
        match self.rng.next_below(6) {
            Some(0) if pulls > 0 => {
                let number = 100 + self.rng.next_below(pulls).unwrap_or_default();
                let done = self.world.reopen_pull_request(number).is_ok();
                self.record_line(format!("operator: re-open #{number}{}", refused(done)));
            }
            Some(1) => self.revert_merge(),
            Some(2) => {
                let path = lock_file_path(sample::USER);
                self.world.push_files(&FileChanges::from([(path, Some(b"{}".to_vec()))]), "edit");
                self.record_line("operator: edit the lock file".to_owned());
            }
            Some(3) => {
                let done = self.world.key_by_hand(sample::USER).is_ok();
                self.record_line(format!("operator: create a key by hand{}", refused(done)));
            }
            Some(choice @ (4 | 5)) => self.switch_key_status(choice == 4),
            _ => return,
        }
        self.meddled = true;
    }

    /// The file gets back what it held before the last rotation.
    fn revert_merge(&mut self) {
        let base = self.world.with_state(|state| {
            let staged = state
                .body
                .journals
                .values()
                .flatten()
                .rfind(|one| matches!(one.entry.event, JournalEvent::Staged { .. }));
            staged.map(|one| one.kept.base.to_string())
        });
        // A retirement changes no file: what was there before is what the life began with
        let base = base.or_else(|| self.retires().then(|| self.first_commit.clone()));
        if let Some(base) = base {
            self.world.restore_files(&base, &[sample::FILE]);
            self.record_line(format!("operator: restore the file of commit {base}"));
        }
    }

    /// An operator switches a key in the console.
    fn switch_key_status(&mut self, newest: bool) {
        let key = self.world.with_state(|state| {
            let keys = &state.body.users.get(sample::USER)?.keys;
            let key = if newest { keys.last() } else { keys.first() }?;
            Some((key.id.clone(), key.status))
        });
        let Some((id, status)) = key else { return };
        let other = if status == KeyState::Active { KeyState::Inactive } else { KeyState::Active };
        let done = self.world.switch_by_hand(sample::USER, &id, other).is_ok();
        self.record_line(format!("operator: set {id} {other:?}{}", refused(done)));
    }
}
