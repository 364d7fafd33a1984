//! What each step implies, written beside the code of the rows and guards and without it: from the coordinates of the
//! enumeration, not from the observation that is made of them.

use jiff::SignedDuration;
use keytide::rotation::{JournalEvent, RedeployCause, RotationStep, StorageKind};

use crate::points::{Claimed, Deployment, Holds, Life, Mentions, Point, Pull, Three, UseAge};
use crate::story::{NEW, OLD, Policy, Story, THIRD, days, minutes};

type Verdict = Result<(), &'static str>;

fn must(holds: bool, why: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(why) }
}

/// Whether a step may be taken at a point.
pub fn permits(point: &Point, step: &RotationStep, claims: bool) -> Verdict {
    if *step == RotationStep::Wait {
        return Ok(());
    }
    may_write(point, step, claims)?;
    match step {
        RotationStep::Deactivate { key } => leaves(point, key, false),
        RotationStep::Delete { key } => leaves(point, key, true),
        RotationStep::Discard { key, delete } => discarded(point, key, *delete),
        RotationStep::CreateKey if point.story.is_first_key() => {
            first_key(point)?;
            must(
                !happened(point, |event| matches!(event, JournalEvent::Staged { .. })),
                "I7 one new key a rotation",
            )
        }
        RotationStep::CreateKey => issued(point),
        RotationStep::BeginFirstKey => {
            must(is_over(&point.story), "a first key begins where nothing else is under way")?;
            first_key(point)
        }
        RotationStep::Complete => completed(point),
        RotationStep::BeginRotation { key } => {
            must(
                point.life(key) == Life::Active && point.is_only(key),
                "a rotation begins beside one active key",
            )?;
            must(
                point.story.policy == Policy::Rotate,
                "a rotation begins where the policy file asks for it",
            )?;
            must(point.preflight == Three::Yes, "a rotation begins where a key can be put")
        }
        RotationStep::BeginRetirement { key } => {
            must(
                point.story.policy == Policy::Retire,
                "a retirement begins where the policy file asks for it",
            )?;
            must(is_over(&point.story), "a retirement begins where nothing else is under way")?;
            must(point.life(key) != Life::Gone, "a key that exists is retired")
        }
        RotationStep::WithdrawRetirement { key, .. } => {
            must(point.life(key) == Life::Active && point.names(key), "only a key that is named is kept")
        }
        RotationStep::Activate { key } => {
            must(
                point.life(key) == Life::Inactive && (point.names(key) || is_needed(point, key)),
                "only a key that is inactive and needed is activated",
            )?;
            must(
                **key != *OLD || !is_published_compromised(&point.story),
                "a compromised key is activated only when a person accepts that",
            )
        }
        RotationStep::Redeploy { cause } => redeployed(point, *cause),
        RotationStep::Propose | RotationStep::Rebase { .. } | RotationStep::Deliver { .. } => {
            published(point)
        }
        _ => Ok(()),
    }
}

/// I4: a first key is made where there is none, and nothing that could be another user's is replaced.
fn first_key(point: &Point) -> Verdict {
    must(point.story.policy == Policy::Rotate, "I4 a key is made where the policy file asks for it")?;
    must(point.is_only(""), "I4 a first key is made where there is none")?;
    must(point.listed == Three::Yes, "I4 there was none before the journal was read as well")?;
    must(point.preflight == Three::Yes, "a key is made only where it can be put")?;
    must(!point.unclear() || is_over(&point.story), "I9 what the destinations hold is known")?;
    must(!point.places().any(|holds| holds == Holds::Unknown), "I9 what the destinations hold is known")?;
    let shows = |place: &str| {
        let kind = point.story.places.iter().find(|(id, _)| **id == *place).map(|(_, kind)| *kind);
        kind != Some(StorageKind::Store)
    };
    must(
        point.store.is_none_or(|holds| holds == Holds::Nothing || shows(&crate::story::store())),
        "a store that shows no value is not overwritten",
    )
}

/// A workflow is started once for each cause, and loads no key that is on its way out.
fn redeployed(point: &Point, cause: RedeployCause) -> Verdict {
    must(
        matches!(point.deployment, Deployment::NotStarted | Deployment::Announced),
        "a workflow is started where the policy file asks, and once",
    )?;
    if cause == RedeployCause::Rollback {
        must(
            happened(point, |event| matches!(event, JournalEvent::NewKeyAbandoned { .. })),
            "the new key was given up",
        )?;
        let is_gone = point.new.life == Life::Gone;
        return must(is_gone || !point.unclear() && !point.names(NEW), "no destination holds the new key");
    }
    must(
        happened(point, |event| matches!(event, JournalEvent::Distributed)),
        "nothing is deployed before the delivery is over",
    )?;
    must(point.everywhere(Holds::New), "every destination holds the new key")?;
    must(point.new.life == Life::Active, "the new key is active")?;
    must(
        !happened(point, |event| matches!(event, JournalEvent::Rollback { .. })),
        "nothing is delivered on the way back",
    )
}

/// The applications have loaded what the destinations hold.
fn deployed(point: &Point) -> Verdict {
    must(
        matches!(point.deployment, Deployment::NotAsked | Deployment::Succeeded),
        "a deployment has succeeded since",
    )
}

fn completed(point: &Point) -> Verdict {
    must(point.story.is_first_key(), "only a first key leaves nothing behind")?;
    must(point.everywhere(Holds::New), "every destination holds the new key")?;
    must(point.new.life == Life::Active, "the new key is active")?;
    must(point.validated != Some(false), "the workflow has succeeded since")?;
    deployed(point)?;
    let used = matches!(point.new.used, UseAge::Recent | UseAge::Quiet);
    must(used, "someone other than keytide has used the new key")
}

/// The old key on the way back, and the new one once its proposal is merged.
fn is_needed(point: &Point, key: &str) -> bool {
    let back = happened(point, |event| matches!(event, JournalEvent::Rollback { .. }));
    if key == OLD { back } else { key == NEW && point.proposal == Pull::Merged && !back }
}

/// I9, I13: who writes at all.
fn may_write(point: &Point, step: &RotationStep, claims: bool) -> Verdict {
    must(point.owner == Three::Yes, "I13 only the owner writes")?;
    must(point.stopped == Three::No, "no one writes while the stop file may be there")?;
    let other = point.claim == Claimed::Other;
    must(!(claims && other), "no one writes under another run's claim")?;
    let free = matches!(step, RotationStep::Claim | RotationStep::Heartbeat);
    must(!claims || free || point.claim == Claimed::Ours, "a step needs the claim")?;
    must(point.listed != Three::Unknown, "I9 no one writes who cannot list the keys")?;
    let begun = |event: &JournalEvent| {
        matches!(
            event,
            JournalEvent::Intent { .. }
                | JournalEvent::FirstKey { .. }
                | JournalEvent::Completed
                | JournalEvent::Retirement { .. }
                | JournalEvent::Deleted { .. }
                | JournalEvent::Held { .. }
        )
    };
    let last = point.story.events.iter().rev().find(|(_, _, event)| begun(event));
    let open = last.is_some_and(|(_, _, event)| {
        !matches!(event, JournalEvent::Deleted { .. } | JournalEvent::Completed)
    });
    let other = point.user == Three::No && !open;
    must(
        point.user == Three::Yes || other || *step == RotationStep::Heartbeat,
        "a rotation goes on for its own user only",
    )
}

fn happened(point: &Point, what: impl Fn(&JournalEvent) -> bool) -> bool {
    point.story.last(what).is_some()
}

fn at_least(point: &Point, age: SignedDuration, what: impl Fn(&JournalEvent) -> bool) -> bool {
    point.story.last(what).is_some_and(|ago| ago >= age)
}

fn is_published_compromised(story: &Story) -> bool {
    let is_wanted = |event: &JournalEvent| {
        matches!(event, JournalEvent::Intent { compromised: true, .. } | JournalEvent::Compromised)
    };
    story.last(is_wanted).is_some()
}

/// I2, I8, I9 for a key that was published, or could have been.
fn leaves(point: &Point, key: &str, delete: bool) -> Verdict {
    must(!announcements(&point.story, key).is_empty(), "the fence comes first")?;
    must(key == NEW || (key == OLD && !point.story.is_first_key()), "I2 a foreign key is left alone")?;
    must(point.mentions != Mentions::Unknown, "I9 whether a file names the key is known")?;
    must(!point.names(key), "I2 nothing names the key")?;
    must(!point.unclear(), "I9 what the destinations hold is known")?;
    must(point.uses(key) != UseAge::Unknown, "I9 the last use is known")?;
    if is_retirement(&point.story) {
        must(
            key == OLD && point.story.policy == Policy::Retire,
            "a key is retired where the policy file asks",
        )?;
        return if delete { deleted(point, key) } else { quiet_since_announced(point, key) };
    }
    if key == OLD {
        leaves_old(point)?
    } else {
        leaves_new(point)?
    }
    if delete { deleted(point, key) } else { deactivated(point, key) }
}

/// Whether the last that began was a retirement.
fn is_retirement(story: &Story) -> bool {
    let last = story.events.iter().rev().find(|(_, _, event)| crate::story::begins(event));
    last.is_some_and(|(_, _, event)| matches!(event, JournalEvent::Retirement { .. }))
}

/// Whether nothing is under way: nothing began, or it came to its end.
fn is_over(story: &Story) -> bool {
    let ends = |event: &JournalEvent| {
        matches!(event, JournalEvent::Deleted { .. } | JournalEvent::Completed | JournalEvent::Held { .. })
    };
    let last = story.events.iter().rev().find(|(_, _, event)| crate::story::begins(event) || ends(event));
    last.is_none_or(|(_, _, event)| ends(event))
}

/// How long ago a key's deactivation was announced, each time since something made that void.
fn announcements(story: &Story, key: &str) -> Vec<SignedDuration> {
    let mut found = Vec::new();
    for (ago, _, event) in &story.events {
        match event {
            JournalEvent::Retiring { key: retiring } if **retiring == *key => found.push(*ago),
            JournalEvent::Needed { .. } | JournalEvent::Activate { .. } => found.clear(),
            _ => {}
        }
    }
    found
}

/// Everyone who took the key before nothing named it any more has had the time to use it.
fn quiet_since_announced(point: &Point, key: &str) -> Verdict {
    let reported = days(3) + minutes(240);
    let [first, .., last] = announcements(&point.story, key)[..] else {
        return Err("it is announced again when it was quiet");
    };
    must(first >= reported, "nothing has named the key for as long as it must be quiet")?;
    must(last >= minutes(240), "what was used before the announcement is known")?;
    must(point.uses(key) != UseAge::Recent, "the key is quiet")?;
    must(
        !happened(point, |event| matches!(event, JournalEvent::Rollback { .. })),
        "it is not on its way back",
    )
}

fn leaves_old(point: &Point) -> Verdict {
    must(point.everywhere(Holds::New), "every destination holds the new key")?;
    must(point.new.life == Life::Active, "the new key is active")?;
    must(point.validated != Some(false), "the workflow has succeeded since")?;
    must(!matches!(point.revert, Pull::Unknown | Pull::Open), "I2 no pull request brings the key back")
}

fn leaves_new(point: &Point) -> Verdict {
    must(
        happened(point, |event| matches!(event, JournalEvent::NewKeyAbandoned { .. })),
        "the new key was given up",
    )?;
    must(point.neutral, "I2 the branch does not bring the key any more")
}

fn deactivated(point: &Point, key: &str) -> Verdict {
    let hurry = is_published_compromised(&point.story);
    if key == OLD && !hurry {
        must(
            at_least(point, days(7), |event| matches!(event, JournalEvent::Distributed)),
            "grace has passed",
        )?;
        let used = matches!(point.new.used, UseAge::Recent | UseAge::Quiet);
        must(used, "someone other than keytide has used the new key")?;
    }
    if key == OLD && !hurry {
        let announced = at_least(point, minutes(240), |event| matches!(event, JournalEvent::Retiring { .. }));
        must(announced, "what was used before the announcement is known")?;
    }
    if key == NEW || !hurry {
        must(point.uses(key) != UseAge::Recent, "the key is quiet")?;
    }
    let merged = point.proposal == Pull::Merged
        || happened(point, |event| matches!(event, JournalEvent::Delivered { .. }));
    let turned = happened(point, |event| matches!(event, JournalEvent::Rollback { .. }));
    if key == OLD || (turned && merged) {
        deployed(point)?;
    }
    let reported = days(3) + minutes(240);
    must(
        key == OLD
            || !merged
            || at_least(point, reported, |event| matches!(event, JournalEvent::Retiring { .. })),
        "everyone who took a withdrawn key has had the time to use it",
    )
}

fn deleted(point: &Point, key: &str) -> Verdict {
    must(point.life(key) == Life::Inactive, "I8 the key is inactive")?;
    must(
        at_least(
            point,
            days(7),
            |event| matches!(event, JournalEvent::InactiveSince { key: since } if **since == *key),
        ),
        "I8 it was seen inactive for as long as the soak lasts",
    )?;
    must(point.uses(key) != UseAge::Recent, "I2 no one used it since")
}

/// A key of no one's: the new one before it was proved, or an orphan.
fn discarded(point: &Point, key: &str, delete: bool) -> Verdict {
    must(key != OLD, "I2 the old key is never discarded")?;
    must(!delete || point.life(key) == Life::Inactive, "it is deactivated first")?;
    must(!point.names(key) && point.mentions != Mentions::Unknown, "I2 nothing names it")?;
    must(!point.unclear(), "I9 what the destinations hold is known")?;
    if key == NEW {
        must(
            !happened(point, |event| matches!(event, JournalEvent::Verified)),
            "a proved key was perhaps proposed",
        )?;
        must(
            happened(point, |event| matches!(event, JournalEvent::NewKeyAbandoned { .. })),
            "the fence comes first",
        )?;
        let used = point.uses(key);
        return must(
            matches!(used, UseAge::Never | UseAge::Own),
            "I2 no one but keytide has used it, and that is known",
        );
    }
    must(key == THIRD && point.orphan.is_ours(), "I2 a key that was not made by a run is left alone")?;
    must(
        matches!(point.listed, Three::Yes | Three::Nothing),
        "an orphan was there before the journal was read",
    )?;
    must(point.orphan.used == UseAge::Never, "I2 an orphan was never used, and that is known")
}

/// I4
fn issued(point: &Point) -> Verdict {
    let wanted = point.story.policy == Policy::Rotate && !is_retirement(&point.story);
    must(wanted, "I4 a key is made where the policy file asks for it")?;
    must(point.old.life == Life::Active && point.is_only(OLD), "I4 a key is made beside exactly one")?;
    must(point.listed != Three::Nothing, "I4 it was the only one before the journal was read as well")?;
    must(point.preflight == Three::Yes, "a key is made only where it can be put")?;
    must(!happened(point, |event| matches!(event, JournalEvent::Staged { .. })), "I7 one new key a rotation")
}

/// Activate before you reference.
fn published(point: &Point) -> Verdict {
    must(point.new.life == Life::Active, "only an active key is published")?;
    must(
        !happened(point, |event| matches!(event, JournalEvent::Rollback { .. })),
        "nothing is published on the way back",
    )?;
    let given_up = happened(point, |event| matches!(event, JournalEvent::NewKeyAbandoned { .. }));
    let merged = point.file == Some(Holds::New);
    must(!given_up || merged, "a key that was given up is published only where people merged it all the same")
}
