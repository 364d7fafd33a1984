//! What a run sees of a state, made into the observation that production code decides on.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keytide::rotation::inactive_keys::InactiveKeys;
use keytide::rotation::{
    BranchTip, DestinationState, KeyState, KeyUse, Observation, Observed, ObservedKey as RealKey,
    OpenRotation, OwnerTag, PullRequest, PullRequestState, RedeployRun, RotationRequest, RunState,
    StepDecision, StorageKind,
};

use super::config::Config;
use super::state::{Deploy, Git, Id, KEYS, Key, Life, Me, NONE, Places, Pr, Tip, Used, bit};
use super::tables::{RUNS, TICK, ago, file, file_marker, key_id, memo, now, rules, store, store_marker};

/// Everything that a decision can depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    pub run: u8,
    pub rollback: bool,
    pub start: bool,
    pub listed: u8,
    pub git: Git,
    pub places: Places,
    pub keys: [Seen; KEYS],
    /// The last uses cannot be read.
    pub blind: bool,
    pub owner: bool,
}

/// A key as IAM shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    life: Life,
    age: u8,
    tried: bool,
    used: Option<Used>,
}

impl Sight {
    pub fn new(run: usize, me: Me, listed: u8, git: Git, places: Places, keys: &[Key; KEYS]) -> Self {
        let seen = |key: Key| match key.life {
            Life::Gone => Seen::default(),
            life => Seen { life, age: key.age, tried: key.tried && key.age > 0, used: key.seen },
        };
        Self {
            run: run as u8,
            rollback: me.rollback,
            start: me.start,
            listed,
            git: Git { fresh: false, ..git },
            places,
            keys: keys.map(seen),
            blind: false,
            owner: true,
        }
    }

    fn observation(&self, config: &Config) -> Observation {
        let journal = (*config.tables.journal(self.git.journal)).clone();
        let rotation = journal.open.as_ref();
        let given_up = rotation.is_some_and(|rotation| rotation.abandoned_at.is_some());
        let turned = rotation.is_some_and(|rotation| rotation.rollback.is_some());
        let verified = rotation.is_some_and(|rotation| rotation.verified.is_some());
        let proposal = if verified { self.git.pr } else { Pr::None };
        let revert = if verified && turned { self.git.back } else { Pr::None };
        let mut mentions = BTreeMap::new();
        if self.places.brings_back
            && let Some(rotation) = rotation
        {
            mentions.extend(rotation.old.clone().map(|old| (old, "a file names it".into())));
        }
        if config.retires && self.places.main != NONE {
            mentions.insert(key_id(self.places.main), "a file names it".into());
        }
        Observation {
            user: "u".into(),
            run: RUNS[self.run as usize].into(),
            now: now(),
            listed: Observed::Known(
                (0..KEYS as u8).filter(|id| self.listed & bit(*id) != 0).map(key_id).collect(),
            ),
            branch: if given_up {
                Observed::Known(tip(self.git.tip))
            } else {
                Observed::unknown("not asked")
            },
            pull_request: Observed::Known(pull(proposal)),
            revert_pull_request: Observed::Known(pull(revert)),
            destinations: self.place_facts(config),
            key_mentions: Observed::Known(mentions),
            is_stopped: Observed::Known(false),
            validated_at: Observed::Known(None),
            redeploy_run: Observed::Known(self.redeploy_run(rotation)),
            preflight: Observed::Known(Ok(())),
            removed_recipient: Observed::NotAsked,
            user_id: Observed::Known(Some("id".into())),
            owner: Observed::Known(if self.owner {
                OwnerTag::ThisRepository
            } else {
                OwnerTag::OtherRepository("7".to_owned())
            }),
            inactive_keys: Observed::Known(self.inactive_keys()),
            keys: Observed::Known(self.real_keys()),
            request: RotationRequest {
                start: self.start,
                compromised: false,
                rollback: self.rollback,
                reactivate_compromised: false,
            },
            journal: Observed::Known(journal),
        }
    }

    /// The run that the journal names.
    fn redeploy_run(&self, rotation: Option<&OpenRotation>) -> Option<RedeployRun> {
        let rotation = rotation?;
        let number = rotation.redeployment.as_ref()?.run?;
        let state = match self.git.deploy {
            Deploy::None => RunState::Missing,
            Deploy::Running => RunState::Running,
            Deploy::Failed => RunState::Failed { conclusion: "failure".into() },
            Deploy::Done => RunState::Succeeded { at: now() },
        };
        Some(RedeployRun { number, state })
    }

    fn place_facts(&self, config: &Config) -> Vec<DestinationState> {
        let mut facts = Vec::new();
        if config.shape.file && !config.retires {
            let is_bare = config.first && self.places.main == NONE;
            let marker = Observed::Known(Some(file_marker(self.places.main)).filter(|_| !is_bare));
            facts.push(DestinationState { id: file(), kind: StorageKind::File, fingerprint: marker });
        }
        if let Some(kind) = config.shape.store {
            let is_bare = config.first && kind == StorageKind::Store && self.places.store == NONE;
            let marker = Observed::Known(Some(store_marker(self.places.mark)).filter(|_| !is_bare));
            facts.push(DestinationState { id: store(), kind, fingerprint: marker });
        }
        facts
    }

    /// In this world only keytide deactivates keys.
    fn inactive_keys(&self) -> InactiveKeys {
        let mut inactive = InactiveKeys::default();
        for id in (0..KEYS as u8).filter(|id| self.keys[*id as usize].life == Life::Inactive) {
            inactive.record_deactivation(&key_id(id), false, now());
        }
        inactive
    }

    fn real_keys(&self) -> Vec<RealKey> {
        let alive = (0..KEYS as u8).filter(|id| self.keys[*id as usize].life != Life::Gone);
        alive.map(|id| self.keys[id as usize].real(id, self.blind)).collect()
    }
}

impl Seen {
    fn real(self, id: Id, blind: bool) -> RealKey {
        let used = self.used.map(|used| KeyUse {
            at: ago(used.age),
            service: if used.own { "sts" } else { "s3" }.into(),
            region: None,
        });
        RealKey {
            id: key_id(id),
            status: if self.life == Life::Active { KeyState::Active } else { KeyState::Inactive },
            created: self.created(),
            last_used: if blind { Observed::unknown("throttled") } else { Observed::Known(used) },
        }
    }

    /// A key that matches no announcement of a creation was made two hours beside any.
    fn created(self) -> Timestamp {
        match (self.age, self.tried) {
            (0, _) => now(),
            (1, true) => ago(1),
            (1, false) => now() - TICK - SignedDuration::from_hours(2),
            _ => now() - SignedDuration::from_hours(24 * 400),
        }
    }
}

fn tip(tip: Tip) -> BranchTip {
    match tip {
        // Nothing on it, but a commit with the new key still fits on it.
        Tip::Absent | Tip::Rehearsed => BranchTip::Absent,
        Tip::Staged => BranchTip::Staged,
        Tip::Neutral => BranchTip::Neutral,
    }
}

fn pull(pr: Pr) -> Option<PullRequest> {
    let state = match pr {
        Pr::None => return None,
        Pr::Open { conflict } => PullRequestState::Open { conflicting: conflict },
        Pr::Closed => PullRequestState::Closed,
        Pr::Merged { age } => PullRequestState::Merged { at: ago(age) },
    };
    Some(PullRequest { number: 1, opened: now(), state })
}

impl Config {
    /// What production code decides on what a run has seen.
    pub fn decision(&self, sight: Sight) -> Arc<StepDecision> {
        memo(&self.tables.decisions, sight, || {
            Arc::new((self.decide)(
                &self.protocol,
                &sight.observation(self),
                &rules(self.retires, self.redeploys),
            ))
        })
    }
}
