//! Since when a rotation has waited for people or applications, and how long that is normal: the thresholds of
//! `stalled-rotation`, for `plan`, `rotate` and `audit` alike.

use jiff::{SignedDuration, Timestamp};

use super::observation::{Observation, PullRequest, PullRequestState, RotationParams};
use super::observed::Observed;
use super::phase::RotationPhase;
use super::timing::{MAX_DELETION_WAIT, MAX_WAIT};

/// A wait, and after how long it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationWait {
    /// From then on nothing but a person or an application is waited for: a configured wait ends here.
    pub since: Timestamp,
    pub limit: SignedDuration,
    /// The configured wait that ended at `since`; `None` if there is none, and the phase itself has lasted since then.
    pub ended: Option<&'static str>,
}

impl RotationWait {
    /// A wait for a person or an application.
    pub fn since(since: Timestamp) -> Self {
        Self { since, limit: MAX_WAIT, ended: None }
    }

    /// A wait that is reported at once.
    pub fn urgent(since: Timestamp) -> Self {
        Self { limit: SignedDuration::ZERO, ..Self::since(since) }
    }

    /// A wait for the run that deletes a key after its soak.
    pub fn for_deletion(since: Timestamp) -> Self {
        Self { since, limit: MAX_DELETION_WAIT, ended: Some("soak") }
    }

    /// A wait for a person or an application, which begins at the end of a configured wait.
    pub fn after(ended: &'static str, since: Timestamp) -> Self {
        Self { ended: Some(ended), ..Self::since(since) }
    }

    /// From when on it is reported as an error.
    pub fn error_from(&self) -> Timestamp {
        self.since + self.limit
    }

    /// Whether it has lasted longer than its limit; without a limit from its beginning on.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.is_urgent() || now.duration_since(self.since) > self.limit
    }

    /// Whether it is reported from its beginning on.
    pub fn is_urgent(&self) -> bool {
        self.limit.is_zero()
    }

    /// Whether it is one for the run that deletes a key.
    pub fn is_for_deletion(&self) -> bool {
        self.limit == MAX_DELETION_WAIT
    }
}

/// The wait of a rotation under way. `None` without one, where its start is unknown, and for a phase that is reported at
/// once (`held`, `quarantined`, `blocked`).
pub fn find_wait(phase: RotationPhase, seen: &Observation, params: &RotationParams) -> Option<RotationWait> {
    // What reads a destination fails until the next run, or until the merge: that is reported at once
    let repairs = matches!(phase, RotationPhase::Drifted | RotationPhase::RollingBack);
    if repairs && seen.failing_destination().is_some() {
        return Some(RotationWait::urgent(seen.now));
    }
    let open = seen.journal.known()?.open.as_ref()?;
    // keytide itself began the rollback, and the next rotation ends in the same way until someone sees to the store
    if phase == RotationPhase::RollingBack && open.store_that_caused_rollback().is_some() {
        return Some(RotationWait::urgent(open.rollback?));
    }
    let soaks = matches!(
        phase,
        RotationPhase::Soaking | RotationPhase::Grace | RotationPhase::Closed | RotationPhase::RollingBack
    );
    // Nothing replaces a leaked key any more: that is reported at once
    if phase == RotationPhase::Closed && open.compromised && seen.active_old_key(open).is_some() {
        return Some(RotationWait::urgent(open.abandoned_at?));
    }
    // Whichever key goes, from here on only its soak is waited for
    if let Some(since) = open.inactive_since.filter(|_| soaks) {
        return Some(RotationWait::for_deletion(since + params.soak));
    }
    let since = match phase {
        RotationPhase::Proposed | RotationPhase::Conflicting => known(&seen.pull_request)?.opened,
        RotationPhase::Merged => match known(&seen.pull_request)?.state {
            PullRequestState::Merged { at } => at,
            _ => return None,
        },
        // Referred to since the beginning, or used although nothing refers to it
        RotationPhase::Retiring => match open.unneeded_since {
            Some(at) => return Some(RotationWait::after("quiet period", at + params.quiet)),
            None => open.began_at,
        },
        // A first key has none before it that could stay active
        RotationPhase::Grace if open.makes_first_key() => open.distributed?,
        RotationPhase::Grace => {
            return Some(RotationWait::after("grace period", open.distributed? + params.grace));
        }
        RotationPhase::Closed => {
            return Some(RotationWait::after("quiet period", open.abandoned_at? + params.quiet));
        }
        RotationPhase::RollingBack => match known(&seen.revert_pull_request) {
            Some(revert) if revert.is_open() => revert.opened,
            _ => open.rollback? + params.quiet,
        },
        RotationPhase::Claimed
        | RotationPhase::Unverified
        | RotationPhase::Orphan
        | RotationPhase::Drifted => open.began_at,
        _ => return None,
    };
    Some(RotationWait::since(since))
}

fn known(pull: &Observed<Option<PullRequest>>) -> Option<&PullRequest> {
    pull.known()?.as_ref()
}
