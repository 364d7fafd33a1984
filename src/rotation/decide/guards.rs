//! The guards that must all hold before a published key is deactivated or deleted. Each is one function that names the
//! missing condition and the earliest time at which it can hold.

use jiff::{SignedDuration, Timestamp};

use super::redeployment::ensure_redeployed;
use super::situation::{HeldKey, NotReady, RetireCheck, RetirementGuard};
use crate::dates::{format_day, format_moment};
use crate::rotation::journal::StorageKind;
use crate::rotation::timing::{MERGE_LAG, OWN_TEST_WINDOW, RUN_END_LAG, USAGE_REPORT_LAG};
use crate::rotation::{BranchTip, KeyId, KeyUse, ObservedKey, RunState};
use crate::sentences::describe_wait;

/// Before a key is deactivated.
pub const RETIRE_GUARDS: &[RetirementGuard] = &[
    RetirementGuard { name: "everywhere", holds: all_destinations_hold_new_key },
    RetirementGuard { name: "redeployed", holds: ensure_redeployed },
    RetirementGuard { name: "grace", holds: grace_has_passed },
    RetirementGuard { name: "new key used", holds: new_key_used },
    RetirementGuard { name: "quiet", holds: old_key_unused },
    RetirementGuard { name: "use reported", holds: usage_report_caught_up },
    RetirementGuard { name: "unreferenced", holds: no_reference_to_key },
    RetirementGuard { name: "unpublishable", holds: no_branch_restores_key },
    RetirementGuard { name: "validated after the merge", holds: validated_after_merge },
];

/// Before it is deleted.
pub const DELETE_GUARDS: &[RetirementGuard] = &[
    RetirementGuard { name: "everywhere", holds: all_destinations_hold_new_key },
    RetirementGuard { name: "redeployed", holds: ensure_redeployed },
    RetirementGuard { name: "inactive", holds: key_is_inactive },
    RetirementGuard { name: "soak", holds: soak_has_passed },
    RetirementGuard { name: "unused since", holds: unused_since },
    RetirementGuard { name: "unreferenced", holds: no_reference_to_key },
    RetirementGuard { name: "unpublishable", holds: no_branch_restores_key },
    RetirementGuard { name: "validated after the deactivation", holds: validated_after_deactivation },
];

const AFTER_MERGE: &str = "has not succeeded since every destination holds the new key";

/// All guards, or the first that does not hold.
pub fn check_all_guards(guards: &[RetirementGuard], going: &RetireCheck<'_>) -> Result<(), NotReady> {
    guards.iter().try_for_each(|guard| (guard.holds)(going))
}

/// What must hold before the rotation of a first key ends; the key is that one.
///
/// # Errors
/// The first that does not hold.
pub fn check_first_use(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    ensure_new_key_everywhere(going)?;
    ensure_redeployed(going)?;
    ensure_new_key_used(going)?;
    ensure_validated(going, delivered_at(going), AFTER_MERGE)
}

impl RetireCheck<'_> {
    /// Whether the key is the rotation's old one. The new one is retired when it was discarded.
    pub fn is_old(&self) -> bool {
        self.rotation.is_old(&self.key.id)
    }

    /// The key with the role it has in the rotation.
    fn describe_key(&self) -> String {
        if self.rotation.retires {
            return format!("key {}", self.key.id);
        }
        format!("{} key {}", if self.is_old() { "old" } else { "new" }, self.key.id)
    }

    /// When the deactivation of this key was announced. An announcement for the other key does not count: the journal keeps
    /// the last one only.
    fn announced_at(&self) -> Option<Timestamp> {
        self.rotation.announced.filter(|_| self.rotation.retiring.as_ref() == Some(&self.key.id))
    }

    /// The two ways out while the old key is still needed: make the applications read the new key, or go back.
    fn ways_out(&self) -> String {
        if self.rotation.retires {
            let stop = self.situation.command("rollback");
            return format!("give what uses it another way to sign in, or keep the key: {stop}");
        }
        let places: Vec<String> =
            self.rotation.destinations.iter().map(|frozen| format!("`{}`", frozen.destination)).collect();
        let (restart, back) = if self.rotation.makes_first_key() {
            ("start", "take the key back")
        } else {
            ("restart", "go back to the old key")
        };
        let rollback = self.situation.command("rollback");
        let mut frozen = self.rotation.destinations.iter();
        let by_hand = if !frozen.any(|frozen| frozen.kind == StorageKind::Store) {
            ""
        } else if self.rotation.makes_first_key() {
            " (delete it from the secrets by hand then)"
        } else {
            " (write the old key to the secrets by hand then: keytide cannot read them back)"
        };
        format!("{restart} what reads {}, or {back}: {rollback}{by_hand}", places.join(", "))
    }

    /// What used a key last, for a message.
    fn describe_last_use(&self, id: &KeyId) -> Result<String, NotReady> {
        Ok(match self.last_used(id)? {
            Some(used) => format!("{id} was last used {} ({})", format_day(used.at), used.service),
            None => format!("{id} was never used"),
        })
    }

    fn not_ready(&self, why: impl Into<String>) -> Result<(), NotReady> {
        Err(NotReady { why: why.into(), until: None, help: None })
    }

    /// Waits until some time after a moment.
    fn elapsed_since(&self, from: Timestamp, wait: SignedDuration, why: &str) -> Result<(), NotReady> {
        if self.situation.time_since(from) >= wait {
            return Ok(());
        }
        Err(NotReady { why: why.to_owned(), until: Some(from + wait), help: None })
    }

    /// Waits until AWS reports every use of the key up to some time after a moment.
    fn usage_known_since(&self, from: Timestamp, wait: SignedDuration, what: &str) -> Result<(), NotReady> {
        let when = format_moment(from + wait);
        let since = format_day(from);
        // By then AWS would report a use, of the hours after the moment as well
        let quiet = wait - USAGE_REPORT_LAG;
        let unused = if quiet > SignedDuration::ZERO {
            format!(", and {} must stay unused for {}", self.describe_key(), describe_wait(quiet))
        } else {
            String::new()
        };
        let why = format!(
            "{what} {since}{unused}; AWS reports last use up to 4 h late; checking again after {when}"
        );
        self.elapsed_since(from, wait, &why)
    }

    fn last_used(&self, id: &KeyId) -> Result<Option<&KeyUse>, NotReady> {
        let last_used = match self.situation.find_key(id) {
            Some(key) => key.last_used.known_or_reason(),
            None => Err("the key is not listed"),
        };
        match last_used {
            Ok(used) => Ok(used.as_ref()),
            Err(why) => {
                let why = format!("the last use of {id} could not be read: {why}");
                Err(NotReady { why, until: None, help: None })
            }
        }
    }
}

/// The old key is deactivated only while every destination holds the new one, and that key is active.
fn all_destinations_hold_new_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    // A retirement has no new key: the guard `unreferenced` asks that no destination holds a credential
    if !going.is_old() || going.rotation.retires {
        return Ok(());
    }
    ensure_new_key_everywhere(going)
}

fn ensure_new_key_everywhere(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let Some(new) = going.rotation.new_key() else { return going.not_ready("no new key exists") };
    // Without it the deactivation would leave the user with no active key at all
    if !going.situation.find_key(new).is_some_and(ObservedKey::is_active) {
        return going.not_ready(format!("new key {new} is not active"));
    }
    going.rotation.destinations.iter().try_for_each(|frozen| {
        match going.situation.held_key(going.rotation, frozen) {
            HeldKey::New => Ok(()),
            HeldKey::Unreadable => going.not_ready(going.situation.unreadable_reason(&frozen.destination)),
            _ => {
                let why = format!("the new key is not in `{}`", frozen.destination);
                match going.rotation.distributed.map(|at| at + MERGE_LAG) {
                    Some(until) if going.situation.now < until => {
                        let why = format!("{why}, which may be an old answer");
                        Err(NotReady { why, until: Some(until), help: None })
                    }
                    _ => going.not_ready(why),
                }
            }
        }
    })
}

fn grace_has_passed(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    // A compromised key does not wait: everyone who has a copy can use it as long as it is active
    if !going.is_old() || going.rotation.compromised || going.rotation.retires {
        return Ok(());
    }
    match going.rotation.distributed {
        Some(at) => {
            let grace = going.situation.rules.grace;
            let why = format!("both keys stay active for the grace period of {}", describe_wait(grace));
            going.elapsed_since(at, grace, &why)
        }
        None => going.not_ready("not every destination holds the new key yet"),
    }
}

/// An application, not keytide itself, has used the new key.
fn new_key_used(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if !going.is_old() || going.rotation.compromised || going.rotation.retires {
        return Ok(());
    }
    ensure_new_key_used(going)
}

fn ensure_new_key_used(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if !going.situation.rules.require_use {
        return Ok(());
    }
    let Some((new, verified)) = going.rotation.new_key().zip(going.rotation.verified) else {
        return going.not_ready("the new key was never tested");
    };
    match going.last_used(new)? {
        // IAM reports keytide's own test like any other use
        Some(used) if used.at >= verified && !used.is_own_check(going.rotation) => Ok(()),
        used => {
            let mut why = match used {
                Some(_) => {
                    format!("only keytide's own check of {} has used new key {new}", format_day(verified))
                }
                None => format!("nothing has used new key {new} yet"),
            };
            if let Some(old) = &going.rotation.old {
                why = format!("{why}; old key {}", going.describe_last_use(old)?);
            }
            Err(NotReady { why, until: None, help: Some(going.ways_out()) })
        }
    }
}

/// The key was not used for `quiet`, plus the time by which IAM may report a use late.
fn old_key_unused(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let is_hurried = going.is_old() && going.rotation.compromised;
    // A retirement is announced first, and counts the quiet time from then on as well
    let skipped = is_hurried || (going.rotation.retires && going.rotation.unneeded_since.is_none());
    let Some(used) = going.last_used(&going.key.id)? else { return Ok(()) };
    // A discarded new key has been used by keytide's own test, which must not count as an application's
    let own = !going.is_old() && going.rotation.staged.is_some() && used.is_own_check(going.rotation);
    if skipped || own {
        return Ok(());
    }
    let why = format!(
        "{} was last used {} ({}); it is deactivated once it was not used for {}",
        going.describe_key(),
        format_day(used.at),
        used.service,
        describe_wait(going.situation.rules.quiet)
    );
    let waited = going.elapsed_since(used.at, going.situation.rules.quiet + USAGE_REPORT_LAG, &why);
    let help = if going.is_old() { Some(going.ways_out()) } else { None };
    waited.map_err(|not_ready| NotReady { help, ..not_ready })
}

/// An application that read the key from a destination has had `quiet` to use it, and IAM would report that use by now.
fn usage_report_caught_up(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let (rotation, quiet) = (going.rotation, going.situation.rules.quiet);
    let announced = going.announced_at();
    if rotation.retires {
        // What read the key right before its last reference went has `quiet` to use it
        if let Some(at) = rotation.unneeded_since {
            going.usage_known_since(at, quiet + USAGE_REPORT_LAG, "nothing refers to it since")?;
        }
        let Some(at) = announced else { return Ok(()) };
        return going.usage_known_since(at, USAGE_REPORT_LAG, "the deactivation was announced");
    }
    if going.is_old() {
        if rotation.compromised {
            return Ok(());
        }
        if let Some(at) = rotation.distributed {
            let what = "every destination has held the new key since";
            going.usage_known_since(at, quiet + USAGE_REPORT_LAG, what)?;
        }
        // A revert that was merged and reverted between two observations leaves no trace but a use of the key
        let Some(at) = announced else { return Ok(()) };
        return going.usage_known_since(at, USAGE_REPORT_LAG, "the deactivation was announced");
    }
    // A discarded key that no destination ever held has no reader to wait for
    let published = !rotation.delivered.is_empty() || going.situation.merged_at().is_some();
    let Some(at) = announced.filter(|_| published) else { return Ok(()) };
    going.usage_known_since(at, quiet + USAGE_REPORT_LAG, "the deactivation was announced")
}

fn no_reference_to_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match going.situation.is_referenced(&going.key.id) {
        Ok(None) => Ok(()),
        Ok(Some(where_)) => going.not_ready(where_),
        Err(unknown) => going.not_ready(unknown.to_string()),
    }
}

/// No branch or open pull request could bring the key back.
fn no_branch_restores_key(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if going.is_old() {
        let reverting = going.situation.seen.revert_pull_request.known_or_reason();
        return match reverting {
            Ok(Some(revert)) if revert.is_open() => going
                .not_ready(format!("pull request #{} would publish {} again", revert.number, going.key.id)),
            Ok(_) => Ok(()),
            Err(why) => going.not_ready(format!("the pull requests could not be read: {why}")),
        };
    }
    match going.situation.seen.branch.known_or_reason() {
        // An absent branch does not hold either: a late request could still create it with the new key
        Ok(BranchTip::Neutral) => Ok(()),
        Ok(_) => going.not_ready("a merge of its branch would still publish it"),
        Err(why) => going.not_ready(format!("its branch could not be read: {why}")),
    }
}

fn validated_after_merge(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    workflow_succeeded_since(going, delivered_at(going), AFTER_MERGE)
}

/// Since when the applications have the new key: every destination holds it, and a deployment, if there is one, has loaded
/// it.
fn delivered_at(going: &RetireCheck<'_>) -> Option<Timestamp> {
    let distributed = going.rotation.distributed?;
    match going.situation.seen.redeploy_run.known() {
        Some(Some(run)) => match run.state {
            RunState::Succeeded { at } => Some(distributed.max(at - RUN_END_LAG)),
            _ => None,
        },
        _ => Some(distributed),
    }
}

fn validated_after_deactivation(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    workflow_succeeded_since(
        going,
        going.rotation.inactive_since,
        "has not succeeded since the old key became inactive",
    )
}

fn workflow_succeeded_since(
    going: &RetireCheck<'_>,
    since: Option<Timestamp>,
    why: &str,
) -> Result<(), NotReady> {
    if !going.is_old() || going.rotation.retires {
        return Ok(());
    }
    ensure_validated(going, since, why)
}

fn ensure_validated(going: &RetireCheck<'_>, since: Option<Timestamp>, why: &str) -> Result<(), NotReady> {
    if !going.situation.rules.validate {
        return Ok(());
    }
    match (going.situation.seen.validated_at.known_or_reason(), since) {
        // The time is that of the request: a run that was requested before may have used the former key
        (Ok(Some(at)), Some(since)) if *at > since => Ok(()),
        (Ok(_), _) => Err(NotReady {
            why: format!("the workflow of `validate` {why}"),
            until: None,
            help: Some("start that workflow on the default branch, or mend it".to_owned()),
        }),
        (Err(unknown), _) => {
            going.not_ready(format!("the workflow of `validate` could not be read: {unknown}"))
        }
    }
}

fn key_is_inactive(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    if going.key.is_inactive() {
        Ok(())
    } else {
        going.not_ready(format!("{} is not inactive", going.describe_key()))
    }
}

fn soak_has_passed(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match going.rotation.inactive_since {
        Some(since) => {
            let soak = going.situation.rules.soak;
            let day = format_day(since + soak);
            let mut why = format!("{} is inactive, deleted after {day}", going.describe_key());
            if going.is_old() {
                why = format!("{why}; undo: {}", going.situation.command("rollback"));
            }
            going.elapsed_since(since, soak, &why)
        }
        None => going.not_ready("the journal does not say when the key became inactive"),
    }
}

/// A use after the deactivation was noted means that it was active again.
fn unused_since(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    match (going.last_used(&going.key.id)?, going.rotation.inactive_since) {
        // The clocks of IAM and of the journal may differ by some minutes
        (Some(used), Some(since)) if used.at > since + OWN_TEST_WINDOW => {
            going.not_ready(format!("{} was used after its deactivation", going.describe_key()))
        }
        _ => Ok(()),
    }
}
