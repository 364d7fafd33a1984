//! Who may write at all: the repository that the owner tag names, while nobody stopped it, and one run at a time.

use jiff::SignedDuration;

use super::{Case, Decision};
use crate::rotation::{Owner, Phase, Step};

/// How long a claim holds: longer than a job may take, plus the five minutes for which AWS takes a signed request,
/// plus as much for clocks that differ.
pub const CLAIM: SignedDuration = SignedDuration::from_mins(30);
/// A claim that ends sooner is made anew before anything is done under it.
pub const CLAIM_MARGIN: SignedDuration = SignedDuration::from_mins(15);
/// A journal under way in which nobody has written for this long is written to, so that its silence means something.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// Lets a decision through, or puts what must come first in its place.
pub fn gate(case: &Case<'_>, decision: Decision) -> Decision {
    if decision.step == Step::Wait {
        return touch(case, decision);
    }
    if let Some(refusal) = refusal(case) {
        return Decision { step: Step::Wait, ..refusal };
    }
    if !case.protocol.claims {
        return decision;
    }
    match &case.journal.claim {
        Some(claim) if claim.run != case.seen.run && claim.until > case.now => {
            let why = format!("run {} is at work on this user; then: {}", claim.run, decision.step);
            Decision::wait(decision.phase, why).until(claim.until)
        }
        Some(claim) if claim.run == case.seen.run && claim.until > case.now + CLAIM_MARGIN => decision,
        _ => Decision { step: Step::Claim, ..decision },
    }
}

/// Why this repository may not write for the user, or not now.
fn refusal(case: &Case<'_>) -> Option<Decision> {
    let blocked = |why: String| Some(Decision::wait(Phase::Blocked, why));
    match case.seen.owner.read() {
        Ok(Owner::Us) => {}
        Ok(Owner::Nobody) => {
            let help = format!(
                "if this repository owns the user: `aws iam tag-user --user-name {} --tags Key=keytide:owner,Value=REPOSITORY_ID`, with the number that `gh api repos/OWNER/NAME --jq .id` prints",
                case.seen.user
            );
            return blocked("the user has no tag `keytide:owner`".to_owned()).map(|d| d.help(help));
        }
        Ok(Owner::Other(id)) => {
            let help = "one repository rotates a user: remove it from this policy file, or change the tag";
            return blocked(format!("the tag `keytide:owner` names repository {id}")).map(|d| d.help(help));
        }
        Err(why) => {
            return Some(Decision::wait(Phase::Unknown, format!("the owner tag could not be read: {why}")));
        }
    }
    match case.seen.stopped.read() {
        Ok(false) => None,
        Ok(true) => blocked("`.github/keytide.stop` is on the default branch".to_owned())
            .map(|d| d.help("remove the file, and rotations go on")),
        Err(why) => {
            let why = format!("whether `.github/keytide.stop` is there could not be read: {why}");
            Some(Decision::wait(Phase::Unknown, why))
        }
    }
}

/// A wait is noted once a day, unless another run is at work or nobody may write.
fn touch(case: &Case<'_>, decision: Decision) -> Decision {
    let silent = case.journal.touched.is_some_and(|touched| case.since(touched) > SILENCE);
    let alone = case.journal.claim.as_ref().is_none_or(|claim| claim.until <= case.now);
    let sound = case.journal.fault.is_none() && case.journal.foreign.is_none();
    if case.open().is_some() && silent && alone && sound && refusal(case).is_none() {
        return Decision { step: Step::Touch, ..decision };
    }
    decision
}
