//! What must hold before a key that was once published is taken out of use. One guard a function; each says what is
//! missing, and when it could be there.

use jiff::{SignedDuration, Timestamp};

use super::{Case, Holds};
use crate::rotation::journal::Rotation;
use crate::rotation::{BranchTip, Key, KeyId, PullState};

/// IAM tells a use in steps of fifteen minutes, and late: so long after a use it may still be unknown.
pub const USE_LAG: SignedDuration = SignedDuration::from_hours(4);
/// keytide itself asks STS with the new key; a use within this time of that, by STS, may be its own.
pub const OWN_USE: SignedDuration = SignedDuration::from_mins(15);

/// What a guard looks at: the rotation, and the key that is to go.
pub struct Going<'c> {
    pub case: &'c Case<'c>,
    pub rotation: &'c Rotation,
    pub key: &'c Key,
}

/// Why not yet, and not before when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet {
    pub why: String,
    pub until: Option<Timestamp>,
}

/// A guard, with the name by which the tests take it out.
#[derive(Clone, Copy)]
pub struct Guard {
    pub name: &'static str,
    pub holds: fn(&Going<'_>) -> Result<(), NotYet>,
}

/// Before a key is deactivated.
pub const RETIRE_GUARDS: &[Guard] = &[
    Guard { name: "everywhere", holds: everywhere },
    Guard { name: "grace", holds: grace },
    Guard { name: "new key used", holds: new_key_used },
    Guard { name: "quiet", holds: quiet },
    Guard { name: "told", holds: told },
    Guard { name: "unreferenced", holds: unreferenced },
    Guard { name: "unpublishable", holds: unpublishable },
    Guard { name: "validated after the merge", holds: validated_after_merge },
];

/// Before it is deleted.
pub const DELETE_GUARDS: &[Guard] = &[
    Guard { name: "everywhere", holds: everywhere },
    Guard { name: "inactive", holds: inactive },
    Guard { name: "soak", holds: soak },
    Guard { name: "unused since", holds: unused_since },
    Guard { name: "unreferenced", holds: unreferenced },
    Guard { name: "unpublishable", holds: unpublishable },
    Guard { name: "validated after the deactivation", holds: validated_after_deactivation },
];

/// All guards, or the first that does not hold.
pub fn all(guards: &[Guard], going: &Going<'_>) -> Result<(), NotYet> {
    guards.iter().try_for_each(|guard| (guard.holds)(going))
}

impl Going<'_> {
    /// Whether it is the old key that goes. The new one goes when it was given up.
    fn is_old(&self) -> bool {
        self.key.id == self.rotation.old
    }

    fn not_yet(&self, why: impl Into<String>) -> Result<(), NotYet> {
        Err(NotYet { why: why.into(), until: None })
    }

    /// Waits until some time after a moment.
    fn after(&self, from: Timestamp, wait: SignedDuration, why: &str) -> Result<(), NotYet> {
        if self.case.since(from) >= wait {
            return Ok(());
        }
        Err(NotYet { why: why.to_owned(), until: Some(from + wait) })
    }

    fn last_used(&self, id: &KeyId) -> Result<Option<&crate::rotation::Use>, NotYet> {
        let unknown =
            |why: &str| NotYet { why: format!("the last use of {id} could not be read: {why}"), until: None };
        let key = self.case.key(id).ok_or_else(|| unknown("the key is not listed"))?;
        Ok(key.last_used.read().map_err(unknown)?.as_ref())
    }
}

/// The old key goes once every destination holds the new one, and that key is active.
fn everywhere(going: &Going<'_>) -> Result<(), NotYet> {
    if !going.is_old() {
        return Ok(());
    }
    let Some(new) = going.rotation.new_key() else { return going.not_yet("there is no new key") };
    if !going.case.key(new).is_some_and(Key::is_active) {
        return going.not_yet("the new key is not active");
    }
    going.rotation.places.iter().try_for_each(|frozen| match going.case.holds(going.rotation, frozen) {
        Holds::New => Ok(()),
        Holds::Unread => going.not_yet(going.case.unread(&frozen.place)),
        _ => going.not_yet(format!("`{}` does not hold the new key", frozen.place)),
    })
}

fn grace(going: &Going<'_>) -> Result<(), NotYet> {
    if !going.is_old() || going.rotation.compromised {
        return Ok(());
    }
    match going.rotation.distributed {
        Some(at) => going.after(at, going.case.rules.grace, "both keys stay active for the grace period"),
        None => going.not_yet("the new key is not everywhere yet"),
    }
}

/// Somebody other than keytide used the new key.
fn new_key_used(going: &Going<'_>) -> Result<(), NotYet> {
    let rules = going.case.rules;
    if !going.is_old() || !rules.require_use || going.rotation.compromised {
        return Ok(());
    }
    let Some((new, verified)) = going.rotation.new_key().zip(going.rotation.verified) else {
        return going.not_yet("the new key was never proved");
    };
    match going.last_used(new)? {
        Some(used) if used.at > verified + OWN_USE => Ok(()),
        Some(used) if used.at >= verified && &*used.service != "sts" => Ok(()),
        _ => going.not_yet("nobody has used the new key yet"),
    }
}

/// Nobody has used the key for a while, allowing for how late IAM tells a use.
fn quiet(going: &Going<'_>) -> Result<(), NotYet> {
    let skipped = going.is_old() && going.rotation.compromised;
    let Some(used) = going.last_used(&going.key.id)? else { return Ok(()) };
    let own = !going.is_old()
        && &*used.service == "sts"
        && going.rotation.staged.is_some()
        && going.rotation.verified.is_some_and(|verified| used.at <= verified + OWN_USE);
    if skipped || own {
        return Ok(());
    }
    going.after(used.at, going.case.rules.quiet + USE_LAG, "the key is still in use")
}

/// Whoever took the key from a destination while it was there has used it since, and IAM tells of it.
fn told(going: &Going<'_>) -> Result<(), NotYet> {
    let (rotation, quiet) = (going.rotation, going.case.rules.quiet);
    let why = "whether somebody still uses the key is known later";
    let announced = rotation.announced.filter(|_| rotation.retiring.as_ref() == Some(&going.key.id));
    if going.is_old() {
        if rotation.compromised {
            return Ok(());
        }
        rotation.distributed.map_or(Ok(()), |at| going.after(at, quiet + USE_LAG, why))?;
        // A revert that was merged again between two looks leaves no other trace than a use.
        return announced.map_or(Ok(()), |at| going.after(at, USE_LAG, why));
    }
    let published = !rotation.delivered.is_empty() || going.case.merged_at().is_some();
    announced.filter(|_| published).map_or(Ok(()), |at| going.after(at, quiet + USE_LAG, why))
}

fn unreferenced(going: &Going<'_>) -> Result<(), NotYet> {
    match going.case.is_referenced(&going.key.id) {
        Ok(None) => Ok(()),
        Ok(Some(where_)) => going.not_yet(where_),
        Err(unknown) => going.not_yet(unknown),
    }
}

/// No branch or open pull request could bring the key back.
fn unpublishable(going: &Going<'_>) -> Result<(), NotYet> {
    if going.is_old() {
        let reverting = going.case.seen.revert.read();
        return match reverting {
            Ok(Some(revert)) if matches!(revert.state, PullState::Open { .. }) => {
                going.not_yet(format!("pull request #{} would bring it back", revert.number))
            }
            Ok(_) => Ok(()),
            Err(why) => going.not_yet(format!("the pull requests could not be read: {why}")),
        };
    }
    match going.case.seen.branch.read() {
        Ok(BranchTip::Neutral) => Ok(()),
        Ok(_) => going.not_yet("its branch could still publish it"),
        Err(why) => going.not_yet(format!("its branch could not be read: {why}")),
    }
}

fn validated_after_merge(going: &Going<'_>) -> Result<(), NotYet> {
    validated(
        going,
        going.rotation.distributed,
        "has not succeeded since every destination holds the new key",
    )
}

fn validated_after_deactivation(going: &Going<'_>) -> Result<(), NotYet> {
    validated(going, going.rotation.inactive_since, "has not succeeded since the old key is inactive")
}

fn validated(going: &Going<'_>, since: Option<Timestamp>, why: &str) -> Result<(), NotYet> {
    if !going.is_old() || !going.case.rules.validate {
        return Ok(());
    }
    match (going.case.seen.validated.read(), since) {
        (Ok(Some(at)), Some(since)) if *at > since => Ok(()),
        (Ok(_), _) => going.not_yet(format!("the workflow of `validate` {why}")),
        (Err(unknown), _) => {
            going.not_yet(format!("the workflow of `validate` could not be read: {unknown}"))
        }
    }
}

fn inactive(going: &Going<'_>) -> Result<(), NotYet> {
    if going.key.is_inactive() { Ok(()) } else { going.not_yet("the key is not inactive") }
}

fn soak(going: &Going<'_>) -> Result<(), NotYet> {
    match going.rotation.inactive_since {
        Some(since) => going.after(since, going.case.rules.soak, "the key can still be brought back"),
        None => going.not_yet("since when the key is inactive is not noted"),
    }
}

/// A use after the deactivation was noted means that it was active again.
fn unused_since(going: &Going<'_>) -> Result<(), NotYet> {
    match (going.last_used(&going.key.id)?, going.rotation.inactive_since) {
        (Some(used), Some(since)) if used.at > since + OWN_USE => {
            going.not_yet("the key was used after it was seen inactive")
        }
        _ => Ok(()),
    }
}
