//! Bugs of real rotators, and guards and rows that were taken out: each must be seen.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{
    KeyState, Observation, Observed, OwnerTag, PullRequestState, RotationParams, RotationPhase, RotationStep,
    StepDecision, StorageKind,
};

use crate::enumeration::{SLICES, Search, enumerate};
use crate::model::{Bug, Config, check};
use crate::mutant::{Mutant, OWN, Where, each_key, journal, mutant, without_guards, without_row};
use crate::mutant_models::{conflict, late_store, lost, plain, rolled_back, singles};
use crate::stories::few;

macro_rules! no_row {
    ($name:literal, $source:expr) => {
        mutant(concat!("no row `", $name, "`"), $source).edit(|protocol| without_row(protocol, $name))
    };
}

macro_rules! no_guard {
    ($name:literal, $source:expr) => {
        mutant(concat!("no guard `", $name, "`"), $source).edit(|protocol| without_guards(protocol, &[$name]))
    };
}

/// Decides on an observation that was looked at in a wrong way.
macro_rules! lens {
    ($change:expr) => {
        |protocol: &DecisionTable, seen: &Observation, rules: &RotationParams| {
            let mut seen = seen.clone();
            let change: fn(&mut Observation) = $change;
            change(&mut seen);
            protocol.decide_step(&seen, rules)
        }
    };
}

fn all() -> Vec<Mutant> {
    let mut all = guards();
    all.extend(rows());
    all.extend(lenses());
    all.extend(blinds());
    all.extend(hasty());
    all.extend(retirements());
    all.extend(first_keys());
    all.extend(requests());
    all
}

fn guards() -> Vec<Mutant> {
    vec![
        mutant("deactivation by time alone", "aws-samples/aws-iam-access-key-auto-rotation")
            .edit(|protocol| without_guards(protocol, &["quiet", "new key used", "use reported"])),
        no_guard!("quiet", "the same: the last use of the key that goes is not read"),
        no_guard!("new key used", "stefansundin/aws-rotate-key: the new key is not tried first"),
        no_guard!("use reported", "found by this model"),
        no_guard!("grace", "kneemaa/github-action-rotate-aws-secrets: running jobs hold the old pair"),
        no_guard!("everywhere", "the same: a failure at one repository leaves the rest on the old key").survives(
            Some("what does not hold the new key holds the old one, nothing that is known or a foreign one: each stops a retirement by itself"),
            Some("the same"),
        ),
        no_guard!("unreferenced", "softprops/aws-credential-rotary: the same job goes on with the old pair"),
        no_guard!("unpublishable", OWN),
        no_guard!("soak", "Vault rotate-root, rhyeal/aws-rotate-iam-keys: deleted at once"),
        no_guard!("unused since", OWN),
        no_guard!("inactive", "stefansundin/aws-rotate-key: deletes the other key though it is active")
            .model()
            .survives(
                Some(
                    "`retire` asks for the guards of a deletion only once the key is inactive: a second line",
                ),
                Some("the same"),
            ),
        no_guard!("validated after the merge", OWN),
        no_guard!("redeployed", OWN),
        no_guard!("validated after the deactivation", OWN),
    ]
}

fn rows() -> Vec<Mutant> {
    vec![
        no_row!("quarantined", OWN),
        no_row!("drifted", OWN).model(),
        no_row!("orphan", "Vault rotate-root: the quota is full for ever").model(),
        no_row!("blocked", "rhyeal/aws-rotate-iam-keys: --force deletes unknown keys"),
        no_row!("rolling back", OWN),
        no_row!("staged, not verified", "kneemaa/github-action-rotate-aws-secrets: the key is never tried")
            .model(),
        no_row!("closed", OWN),
        no_row!("proposed", OWN).model(),
        no_row!("merged", OWN).model(),
        no_row!("grace", OWN).model().shown_in("first key"),
        no_row!("redeploying", OWN).model().shown_in("deployed"),
        no_row!("soaking", OWN).model(),
        no_row!("retiring", OWN).model().shown_in("retired"),
        no_row!("to retire", OWN).model().shown_in("retired"),
        no_row!("first key", OWN).model().shown_in("first key"),
        no_row!("claimed", "Vault static roles: rotation stops after a failure").model(),
    ]
}

fn lenses() -> Vec<Mutant> {
    vec![
        mutant(
            "an error counts as never used",
            "aws-samples/aws-iam-access-key-auto-rotation: a bare except",
        )
        .decide(lens!(|seen| each_key(seen, |key| {
            if key.last_used.known().is_none() {
                key.last_used = Observed::Known(None);
            }
        }))),
        mutant("a use counts as known at once", OWN)
            .decide(lens!(|seen| each_key(seen, |key| {
                if let Observed::Known(Some(used)) = &mut key.last_used {
                    used.at -= SignedDuration::from_hours(4);
                }
            })))
            .model(),
        mutant("unknown is what was hoped for", "aws-samples: the exemptions of a failed lookup are none")
            .decide(lens!(|seen| {
                for place in &mut seen.destinations {
                    if place.fingerprint.known().is_none() {
                        place.fingerprint = Observed::Known(None);
                    }
                }
                if seen.key_mentions.known().is_none() {
                    seen.key_mentions = Observed::Known(Default::default());
                }
            })),
    ]
}

/// What is seen is not what is there.
fn blinds() -> Vec<Mutant> {
    vec![
        mutant("everyone who asks owns the user", "aws-samples: the whole account, unless exempt").decide(
            lens!(|seen| {
                seen.owner = Observed::Known(OwnerTag::ThisRepository);
            }),
        ),
        mutant("the stop file is not read", OWN).decide(lens!(|seen| {
            seen.is_stopped = Observed::Known(false);
        })),
        mutant("any unknown key is an orphan", "Conjur deletes every key that is not current").decide(lens!(
            |seen| {
                let created: Vec<_> =
                    seen.keys.known().into_iter().flatten().map(|key| key.created).collect();
                if let Observed::Known(journal) = &mut seen.journal {
                    journal.unconfirmed_creations = created;
                }
            }
        )),
        mutant("a store's late request is not waited for", OWN)
            .decide(lens!(|seen| {
                journal(seen, |journal| {
                    let Some(open) = &mut journal.open else { return };
                    let earlier = |at: &mut jiff::Timestamp| *at -= SignedDuration::from_hours(1);
                    open.abandoned_at.iter_mut().for_each(earlier);
                    open.delivered.values_mut().for_each(|(_, at)| earlier(at));
                });
            }))
            .model()
            .survives(MASKED, None),
        mutant("rollback does not wait for requests", OWN)
            .decide(lens!(|seen| {
                journal(seen, |journal| journal.in_flight_requests.clear());
            }))
            .model()
            .survives(MASKED, None),
    ]
}

/// Decisions that are taken a step too early.
fn hasty() -> Vec<Mutant> {
    vec![
        mutant("deactivation without a fence", OWN).decide(|protocol, seen, rules| {
            let decision = protocol.decide_step(seen, rules);
            match decision.step {
                RotationStep::AnnounceRetirement { key } => {
                    StepDecision { step: RotationStep::Deactivate { key }, ..decision }
                }
                _ => decision,
            }
        }),
        mutant("a closed pull request deletes its key", OWN).decide(|protocol, seen, rules| {
            let decision = protocol.decide_step(seen, rules);
            let closed = seen
                .pull_request
                .known()
                .is_some_and(|p| p.as_ref().is_some_and(|p| p.state == PullRequestState::Closed));
            match decision.step {
                RotationStep::AbandonNewKey { key, .. } if closed => {
                    StepDecision { step: RotationStep::Discard { key, delete: true }, ..decision }
                }
                _ => decision,
            }
        }),
        mutant("an orphan is discarded at once", "found by this model").model().decide(
            |protocol, seen, rules| {
                let mut decision = protocol.decide_step(seen, rules);
                let young = decision.phase == RotationPhase::Orphan && decision.step == RotationStep::Wait;
                let named = |key: &&keytide::rotation::ObservedKey| decision.why.starts_with(&*key.id);
                if let Some(key) =
                    seen.keys.known().and_then(|keys| keys.iter().find(named)).filter(|_| young)
                {
                    let delete = key.status == KeyState::Inactive;
                    decision.step = RotationStep::Discard { key: key.id.clone(), delete };
                }
                decision
            },
        ),
        mutant("two keys: the older one goes", "Vault static roles, Infisical").decide(
            |protocol, seen, rules| {
                let mut decision = protocol.decide_step(seen, rules);
                let keys = seen.keys.known().map(Vec::as_slice).unwrap_or_default();
                let oldest = keys.iter().min_by_key(|key| key.created);
                if let (2, Some(key), RotationPhase::Blocked) = (keys.len(), oldest, decision.phase) {
                    decision.step = RotationStep::Delete { key: key.id.clone() };
                }
                decision
            },
        ),
        mutant("a key is made beside two", "Crossplane loses a key and makes the next").decide(
            |protocol, seen, rules| {
                let mut decision = protocol.decide_step(seen, rules);
                let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
                if open.is_some_and(|open| open.staged.is_none()) && decision.step == RotationStep::Wait {
                    decision.step = RotationStep::CreateKey;
                }
                decision
            },
        ),
    ]
}

/// Of a key that goes without a successor.
fn retirements() -> Vec<Mutant> {
    vec![
        mutant("a key that is named again stays announced", OWN).decide(|protocol, seen, rules| {
            let decision = protocol.decide_step(seen, rules);
            match decision.step {
                RotationStep::WithdrawRetirement { .. } => {
                    StepDecision { step: RotationStep::Wait, ..decision }
                }
                _ => decision,
            }
        })
        .survives(
            Some("the applications of the models use their key in every tick, and the last use holds the key back: the entry is for what uses it once in `quiet`"),
            Some("the same"),
        ),
        mutant("a retirement is announced once", "found by this model").decide(lens!(|seen| {
            journal(seen, |journal| {
                let Some(open) = &mut journal.open else { return };
                open.announced = open.announced.or(open.unneeded_since);
            });
        })),
        mutant("a key is retired that no policy file wants to go", OWN).decide(|protocol, seen, rules| {
            let rules = RotationParams { may_retire: true, ..rules.clone() };
            protocol.decide_step(seen, &rules)
        }),
    ]
}

/// Of a user's first key.
fn first_keys() -> Vec<Mutant> {
    vec![
        mutant("a first key is made although a store may hold another user's", OWN).decide(lens!(|seen| {
            for place in &mut seen.destinations {
                if place.kind == StorageKind::Store {
                    place.fingerprint = Observed::Known(None);
                }
            }
        })),
        mutant("one empty list of keys is enough", OWN).decide(lens!(|seen| {
            if seen.keys.known().is_some_and(Vec::is_empty) {
                seen.listed = Observed::Known(Default::default());
            }
        })),
        mutant("a user gets a first key whatever the policy file says", OWN).decide(
            |protocol, seen, rules| {
                let rules = RotationParams { may_rotate: true, may_retire: false, ..rules.clone() };
                protocol.decide_step(seen, &rules)
            },
        ),
        mutant("a first key counts as in use at once", OWN).decide(|protocol, seen, rules| {
            let rules = RotationParams { require_use: false, ..rules.clone() };
            protocol.decide_step(seen, &rules)
        }),
    ]
}

/// A claim outlives every request of the run that made it.
const MASKED: Option<&str> = Some("the claim hides it: no second run is at work while a request lives");

/// GitHub compares nothing when it starts a workflow.
const SECOND_START: Option<&str> =
    Some("without claims a second start is not held against the protocol: it deploys the same key again");

const OLD_ORPHANS: Option<&str> =
    Some("an orphan is left alone for four hours: the run that made the key is over by then");

fn requests() -> Vec<Mutant> {
    let three = Some(
        "it takes three runs that each looked before a merge: a deactivation is announced, and looked at again",
    );
    vec![
        mutant(
            "the key is deleted when its entry is not answered",
            "tblakex01/iam-key-rotation undoes what it cannot finish",
        )
        .bug(Bug::DeleteOwnOnTimeout),
        mutant("changes of keys are not announced", OWN)
            .bug(Bug::Unannounced)
            .two(lost)
            .survives(MASKED, None),
        mutant("the default branch is read before the journal", OWN)
            .bug(Bug::PlacesFirst)
            .two(plain)
            .survives(three, three),
        mutant("keys are listed last only", "cert-manager deletes the next key of a racing run")
            .bug(Bug::ListLate)
            .two(plain)
            .survives(OLD_ORPHANS, OLD_ORPHANS),
        mutant("CreateAccessKey is retried", "go-to-k/cdkd: the SDK's three attempts").bug(Bug::CreateTwice),
        mutant("a key is made before the journal hears of it", "skildops/aws-iam-key-rotator")
            .bug(Bug::CreateUnannounced),
        mutant("the stores get the key with the pull request", "the GitHub secret rotators: store first")
            .bug(Bug::DeliverEarly)
            .shown_in("store"),
        mutant("a withdrawn branch is left as it is", OWN).bug(Bug::LeaveBranch),
        mutant("the journal is force-pushed", "ovotech/cloud-key-rotator pushes without a look")
            .bug(Bug::Force)
            .two(plain),
        mutant("an unanswered run gives its claim back", OWN)
            .bug(Bug::ReleaseAnyway)
            .survives(None, Some("there is no claim to give back")),
        mutant("a rebase is not announced", "found by this model")
            .bug(Bug::RebaseUnannounced)
            .two(conflict)
            .survives(MASKED, None),
        mutant("a branch is filled though its tip was not read", OWN).bug(Bug::FillUnread).two(rolled_back),
        mutant("a delivery is not announced", "found by this model")
            .bug(Bug::DeliverUnannounced)
            .two(late_store)
            .survives(MASKED, None),
        mutant("a workflow is started before the journal hears of it", OWN)
            .bug(Bug::DispatchUnannounced)
            .shown_in("deployed"),
        mutant("a workflow is started again without a look at its runs", OWN)
            .bug(Bug::DispatchUnread)
            .shown_in("deployed")
            .survives(None, SECOND_START),
        mutant("a run goes on after its entry was refused", "abirdatta: the status of the reply is ignored")
            .bug(Bug::IgnoreConflict)
            .two(plain)
            .survives(MASKED, None),
    ]
}

/// Who saw the mutant, with claims and without.
///
/// Not `whole`: where nothing should see it no one looks, which takes a model to its end.
fn kills(mutant: &Mutant, whole: bool) -> [Option<String>; 2] {
    if matches!(mutant.at, Where::Decision)
        // A bug shows at many points: a few of them find those that the enumeration finds
        && let Some(why) = breaks_rule(mutant, if whole { 1 } else { FEW_POINTS })
    {
        return [Some(why.clone()), Some(why)];
    }
    let looked = |index: usize| whole || mutant.survives[index].is_none();
    [0, 1].map(|index| looked(index).then(|| breaks(mutant, index == 0)).flatten())
}

/// What the mutant breaks at one of so many points. A claim is looked at after everything that is enumerated.
fn breaks_rule(mutant: &Mutant, every: usize) -> Option<String> {
    let search = Search::FirstBroken { every };
    let counted = enumerate(&mutant.protocol(true), mutant.decide, few(), &SLICES, search);
    counted.broken.keys().next().map(|why| format!("enumeration: {why}"))
}

/// The model that the mutant breaks.
fn breaks(mutant: &Mutant, claims: bool) -> Option<String> {
    let protocol = mutant.protocol(claims);
    let mut configs = match mutant.at {
        Where::Two(config) => vec![config()],
        _ => singles().into_iter().map(Config::one_run).collect(),
    };
    configs.sort_by_key(|config| Some(config.name) != mutant.shown_in);
    configs.into_iter().find_map(|config| {
        let config = Config { protocol: protocol.clone(), decide: mutant.decide, bug: mutant.bug, ..config };
        let found = check(&config, MOST);
        found.broken.map(|why| format!("model `{}`: {why}", config.name))
    })
}

/// A mutant that is not seen in so many steps counts as a survivor.
const MOST: usize = 1_000_000;

/// One point in so many: no number of values of an axis divides it, so that each value is met.
const FEW_POINTS: usize = 37;

/// The same of each, on all cores.
fn all_kills(mutants: &[Mutant], whole: bool) -> Vec<[Option<String>; 2]> {
    let killed: Vec<OnceLock<[Option<String>; 2]>> = mutants.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < mutants.len())
                {
                    killed[index].set(kills(&mutants[index], whole)).unwrap();
                }
            });
        }
    });
    killed.into_iter().map(|one| one.into_inner().unwrap()).collect()
}

#[test]
fn every_mutant_is_killed() {
    mutants(false);
}

/// The same, and those that nothing should see are seen by nothing.
#[test]
#[ignore = "takes some minutes: cargo test --test protocol -- --ignored --nocapture"]
fn the_survivors_survive() {
    mutants(true);
}

fn mutants(whole: bool) {
    let mut table = String::from("| mutant | source | with claims | without claims |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    let mutants = all();
    for (mutant, killed) in mutants.iter().zip(all_kills(&mutants, whole)) {
        let verdict = |n: usize| match (&killed[n], mutant.survives[n]) {
            (Some(by), _) => by.clone(),
            (None, Some(why)) => format!("survives: {why}"),
            (None, None) => "SURVIVES".to_owned(),
        };
        writeln!(table, "| {} | {} | {} | {} |", mutant.name, mutant.source, verdict(0), verdict(1)).unwrap();
        if (0..2).any(|n| killed[n].is_none() != mutant.survives[n].is_some()) {
            wrong.push(mutant.name);
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "not as expected: {wrong:?}");
}
