//! What must hold before a key that was once published is taken out of use. One guard a function; each says what is
//! missing, and when it could be there.

use jiff::{SignedDuration, Timestamp};

use super::{HeldKey, Situation};
use crate::rotation::journal::OpenRotation;
use crate::rotation::timing::{OWN_TEST_WINDOW, USAGE_REPORT_LAG};
use crate::rotation::{BranchTip, KeyId, ObservedKey, PullRequestState};

/// What a guard looks at: the rotation, and the key that is to go.
pub struct RetireCheck<'c> {
    pub situation: &'c Situation<'c>,
    pub rotation: &'c OpenRotation,
    pub key: &'c ObservedKey,
}

/// Why not yet, and not before when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    pub why: String,
    pub until: Option<Timestamp>,
}

/// A guard, with the name by which the tests take it out.
#[derive(Clone, Copy)]
pub struct RetirementGuard {
    pub name: &'static str,
    pub holds: fn(&RetireCheck<'_>) -> Result<(), NotReady>,
}

/// Before a key is deactivated.
pub const RETIRE_GUARDS: &[RetirementGuard] = &[
    RetirementGuard { name: "everywhere", holds: all_destinations_hold_new_key },
    RetirementGuard { name: "grace", holds: grace_has_passed },
    RetirementGuard { name: "new key used", holds: new_key_used },
    RetirementGuard { name: "quiet", holds: old_key_unused },
    RetirementGuard { name: "told", holds: usage_report_caught_up },
    RetirementGuard { name: "unreferenced", holds: no_reference_to_key },
    RetirementGuard { name: "unpublishable", holds: no_branch_restores_key },
    RetirementGuard { name: "validated after the merge", holds: validated_after_merge },
];

/// Before it is deleted.
pub const DELETE_GUARDS: &[RetirementGuard] = &[
    RetirementGuard { name: "everywhere", holds: all_destinations_hold_new_key },
    RetirementGuard { name: "inactive", holds: key_is_inactive },
    RetirementGuard { name: "soak", holds: soak_has_passed },
    RetirementGuard { name: "unused since", holds: unused_since },
    RetirementGuard { name: "unreferenced", holds: no_reference_to_key },
    RetirementGuard { name: "unpublishable", holds: no_branch_restores_key },
    RetirementGuard { name: "validated after the deactivation", holds: validated_after_deactivation },
];

/// All guards, or the first that does not hold.
pub fn check_all_guards(guards: &[RetirementGuard], going: &RetireCheck<'_>) -> Result<(), NotReady> {
    guards.iter().try_for_each(|guard| (guard.holds)(going))
}

impl RetireCheck<'_> {
    /// Whether it is the old key that goes. The new one goes when it was given up.
    fn is_old(&self) -> bool {
        self.key.id == self.rotation.old
    }

    fn not_ready(&self, why: impl Into<String>) -> Result<(), NotReady> {
        Err(NotReady { why: why.into(), until: None })
    }

    /// Waits until some time after a moment.
    fn elapsed_since(&self, from: Timestamp, wait: SignedDuration, why: &str) -> Result<(), NotReady> {
        if self.situation.time_since(from) >= wait {
            return Ok(());
        }
        Err(NotReady { why: why.to_owned(), until: Some(from + wait) })
    }

    fn last_used(&self, id: &KeyId) -> Result<Option<&crate::rotation::KeyUse>, NotReady> {
        let unknown = |why: &str| NotReady {
            why: format!("the last use of {id} could not be read: {why}"),
            until: None,
        };
        let key = self.situation.find_key(id).ok_or_else(|| unknown("the key is not listed"))?;
        Ok(key.last_used.known_or_reason().map_err(unknown)?.as_ref())
    }
}

/// The old key goes once every destination holds the new one, and that key is active.
fn all_destinations_hold_new_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if !going.is_old() {
        return Ok(());
    }
    let Some(new) = going.rotation.new_key() else { return going.not_ready("there is no new key") };
    if !going.situation.find_key(new).is_some_and(ObservedKey::is_active) {
        return going.not_ready("the new key is not active");
    }
    going.rotation.destinations.iter().try_for_each(|frozen| {
        match going.situation.held_key(going.rotation, frozen) {
            HeldKey::New => Ok(()),
            HeldKey::Unreadable => going.not_ready(going.situation.unreadable_reason(&frozen.destination)),
            _ => going.not_ready(format!("`{}` does not hold the new key", frozen.destination)),
        }
    })
}

fn grace_has_passed(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if !going.is_old() || going.rotation.compromised {
        return Ok(());
    }
    match going.rotation.distributed {
        Some(at) => {
            going.elapsed_since(at, going.situation.rules.grace, "both keys stay active for the grace period")
        }
        None => going.not_ready("the new key is not everywhere yet"),
    }
}

/// Somebody other than keytide used the new key.
fn new_key_used(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let rules = going.situation.rules;
    if !going.is_old() || !rules.require_use || going.rotation.compromised {
        return Ok(());
    }
    let Some((new, verified)) = going.rotation.new_key().zip(going.rotation.verified) else {
        return going.not_ready("the new key was never proved");
    };
    match going.last_used(new)? {
        Some(used) if used.at > verified + OWN_TEST_WINDOW => Ok(()),
        Some(used) if used.at >= verified && &*used.service != "sts" => Ok(()),
        _ => going.not_ready("nobody has used the new key yet"),
    }
}

/// Nobody has used the key for a while, allowing for how late IAM tells a use.
fn old_key_unused(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let skipped = going.is_old() && going.rotation.compromised;
    let Some(used) = going.last_used(&going.key.id)? else { return Ok(()) };
    let own = !going.is_old()
        && &*used.service == "sts"
        && going.rotation.staged.is_some()
        && going.rotation.verified.is_some_and(|verified| used.at <= verified + OWN_TEST_WINDOW);
    if skipped || own {
        return Ok(());
    }
    going.elapsed_since(used.at, going.situation.rules.quiet + USAGE_REPORT_LAG, "the key is still in use")
}

/// Whoever took the key from a destination while it was there has used it since, and IAM tells of it.
fn usage_report_caught_up(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let (rotation, quiet) = (going.rotation, going.situation.rules.quiet);
    let why = "whether somebody still uses the key is known later";
    let announced = rotation.announced.filter(|_| rotation.retiring.as_ref() == Some(&going.key.id));
    if going.is_old() {
        if rotation.compromised {
            return Ok(());
        }
        rotation.distributed.map_or(Ok(()), |at| going.elapsed_since(at, quiet + USAGE_REPORT_LAG, why))?;
        // A revert that was merged again between two looks leaves no other trace than a use.
        return announced.map_or(Ok(()), |at| going.elapsed_since(at, USAGE_REPORT_LAG, why));
    }
    let published = !rotation.delivered.is_empty() || going.situation.merged_at().is_some();
    announced
        .filter(|_| published)
        .map_or(Ok(()), |at| going.elapsed_since(at, quiet + USAGE_REPORT_LAG, why))
}

fn no_reference_to_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match going.situation.is_referenced(&going.key.id) {
        Ok(None) => Ok(()),
        Ok(Some(where_)) => going.not_ready(where_),
        Err(unknown) => going.not_ready(unknown),
    }
}

/// No branch or open pull request could bring the key back.
fn no_branch_restores_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if going.is_old() {
        let reverting = going.situation.seen.revert_pull_request.known_or_reason();
        return match reverting {
            Ok(Some(revert)) if matches!(revert.state, PullRequestState::Open { .. }) => {
                going.not_ready(format!("pull request #{} would bring it back", revert.number))
            }
            Ok(_) => Ok(()),
            Err(why) => going.not_ready(format!("the pull requests could not be read: {why}")),
        };
    }
    match going.situation.seen.branch.known_or_reason() {
        Ok(BranchTip::Neutral) => Ok(()),
        Ok(_) => going.not_ready("its branch could still publish it"),
        Err(why) => going.not_ready(format!("its branch could not be read: {why}")),
    }
}

fn validated_after_merge(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    workflow_succeeded_since(
        going,
        going.rotation.distributed,
        "has not succeeded since every destination holds the new key",
    )
}

fn validated_after_deactivation(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    workflow_succeeded_since(
        going,
        going.rotation.inactive_since,
        "has not succeeded since the old key is inactive",
    )
}

fn workflow_succeeded_since(
    going: &RetireCheck<'_>,
    since: Option<Timestamp>,
    why: &str,
) -> Result<(), NotReady> {
    if !going.is_old() || !going.situation.rules.validate {
        return Ok(());
    }
    match (going.situation.seen.validated_at.known_or_reason(), since) {
        (Ok(Some(at)), Some(since)) if *at > since => Ok(()),
        (Ok(_), _) => going.not_ready(format!("the workflow of `validate` {why}")),
        (Err(unknown), _) => {
            going.not_ready(format!("the workflow of `validate` could not be read: {unknown}"))
        }
    }
}

fn key_is_inactive(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if going.key.is_inactive() { Ok(()) } else { going.not_ready("the key is not inactive") }
}

fn soak_has_passed(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match going.rotation.inactive_since {
        Some(since) => {
            going.elapsed_since(since, going.situation.rules.soak, "the key can still be brought back")
        }
        None => going.not_ready("since when the key is inactive is not noted"),
    }
}

/// A use after the deactivation was noted means that it was active again.
fn unused_since(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match (going.last_used(&going.key.id)?, going.rotation.inactive_since) {
        (Some(used), Some(since)) if used.at > since + OWN_TEST_WINDOW => {
            going.not_ready("the key was used after it was seen inactive")
        }
        _ => Ok(()),
    }
}
