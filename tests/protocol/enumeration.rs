//! `decide` over every combination of a finite abstraction of what it can see: `docs/protocol.md` says why it suffices.
//!
//! The abstraction is cut into slices. In each, some coordinates take all their values in all combinations; the others
//! have the value that permits most.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use keytide::rotation::decide::DecisionTable;
use keytide::rotation::{BranchTip, Observation, Observed, RotationParams, StepDecision};

use crate::axes::{
    ALL_HOLDS, Axis, Scene, Walk, asked_axis, axis, both_axis, claim_axis, deployment_axis, file_axis,
    gate_axes, listed_axis, mention_axis, new_axis, old_axis, pairs_axis, preflight_axis, proposal, set_pull,
    store_axis, tried, usual_axis, validate_axis,
};
use crate::points::{Life, Mentions, Orphan, Pull, UseAge};
use crate::specification::permits;
use crate::story::{Policy, Story};

/// What is known of the keys, the destinations and the pull requests.
fn facts(story: &Story) -> Vec<Axis> {
    if story.policy != Policy::Rotate {
        return retirement_facts(story);
    }
    let pulls = [Pull::None, Pull::Open, Pull::Conflict, Pull::Closed, Pull::Merged, Pull::Unknown];
    vec![
        old_axis(),
        new_axis(),
        file_axis(story, &ALL_HOLDS),
        store_axis(story, &ALL_HOLDS),
        axis(&pulls, set_pull),
        axis(&[Pull::None, Pull::Open, Pull::Unknown], |scene, state| {
            scene.point.revert = state;
            scene.seen.revert_pull_request = proposal(state);
        }),
        mention_axis(&[Mentions::Nothing, Mentions::Old, Mentions::New, Mentions::Unknown]),
        axis(&[Some(true), Some(false), None], |scene, neutral: Option<bool>| {
            scene.point.neutral = neutral == Some(true);
            scene.seen.branch = match neutral {
                Some(true) => Observed::Known(BranchTip::Neutral),
                Some(false) => Observed::Known(BranchTip::Staged),
                None => Observed::unknown("502"),
            };
        }),
    ]
}

/// The same where no pull request plays a part.
fn retirement_facts(story: &Story) -> Vec<Axis> {
    vec![
        old_axis(),
        new_axis(),
        file_axis(story, &ALL_HOLDS),
        store_axis(story, &ALL_HOLDS),
        mention_axis(&[Mentions::Nothing, Mentions::Old, Mentions::New, Mentions::Unknown]),
        listed_axis(),
        asked_axis(),
    ]
}

/// Who may write, and what is asked for.
fn gates(story: &Story) -> Vec<Axis> {
    let mut axes = vec![usual_axis(story), pairs_axis(), claim_axis(), asked_axis()];
    axes.extend(gate_axes());
    axes
}

/// Lists that differ, checks that fail, workflows that have not run.
fn checks(story: &Story) -> Vec<Axis> {
    vec![
        usual_axis(story),
        old_axis(),
        new_axis(),
        listed_axis(),
        asked_axis(),
        preflight_axis(),
        validate_axis(),
        axis(&[Pull::None, Pull::Merged], set_pull),
    ]
}

/// A workflow that is to be started, and what came of it.
fn deployments(story: &Story) -> Vec<Axis> {
    if story.redeployment_due().is_none() {
        // Nothing may be started, whatever else there is
        return vec![both_axis(&ALL_HOLDS), pairs_axis(), asked_axis(), deployment_axis()];
    }
    vec![
        both_axis(&ALL_HOLDS),
        old_axis(),
        new_axis(),
        axis(&[Pull::None, Pull::Merged, Pull::Unknown], set_pull),
        asked_axis(),
        deployment_axis(),
    ]
}

/// A key that is none of the rotation's.
fn orphans(story: &Story) -> Vec<Axis> {
    let mut points = Vec::new();
    for life in [Life::Active, Life::Inactive] {
        for used in [UseAge::Never, UseAge::Recent, UseAge::Unknown] {
            for after in [None, Some(1), Some(60)] {
                points.push((life, used, after));
            }
        }
    }
    vec![
        axis(&points, |scene, (life, used, after)| {
            // An hour after the announcement is too late for it.
            let tried = tried(&scene.point.story).filter(|_| after != Some(60));
            scene.point.orphan = Orphan { life, used, after, tried };
            scene.keys();
        }),
        listed_axis(),
        file_axis(story, &ALL_HOLDS),
        store_axis(story, &ALL_HOLDS),
        mention_axis(&[Mentions::Nothing, Mentions::Third, Mentions::Unknown]),
        axis(&[Life::Gone, Life::Active, Life::Inactive], |scene, life| {
            scene.point.new.life = life;
            scene.keys();
        }),
    ]
}

pub type Slice = (&'static str, fn(&Story) -> Vec<Axis>);

pub const SLICES: [Slice; 5] = [
    ("deployments", deployments),
    ("facts", facts),
    ("gates", gates),
    ("checks", checks),
    ("orphans", orphans),
];

/// What an enumeration found.
pub struct Counted {
    pub points: u64,
    pub destructive: u64,
    pub seconds: f64,
    /// What the specification does not permit, each with the first point where it is done.
    pub broken: BTreeMap<String, String>,
}

/// At which points to decide.
#[derive(Clone, Copy)]
pub enum Search {
    /// At one in so many points; 1: at all.
    OneIn(usize),
    /// The same, until the specification is broken.
    FirstBroken { every: usize },
}

/// Decides at the points of all slices, on two threads.
pub fn enumerate(
    protocol: &DecisionTable,
    decide: fn(&DecisionTable, &Observation, &RotationParams) -> StepDecision,
    stories: Vec<Story>,
    slices: &[Slice],
    search: Search,
) -> Counted {
    let (every, first) = match search {
        Search::OneIn(every) => (every, false),
        Search::FirstBroken { every } => (every, true),
    };
    let begun = Instant::now();
    let (points, destructive) = (AtomicU64::new(0), AtomicU64::new(0));
    let broken = Mutex::new(BTreeMap::new());
    let stories: Vec<Arc<Story>> = stories.into_iter().map(Arc::new).collect();
    // Many small pieces come first, which are the last to be taken.
    let of = |slice: &Slice| stories.iter().map(|story| (*slice, story.clone())).collect::<Vec<_>>();
    let work: Mutex<Vec<(Slice, Arc<Story>)>> = Mutex::new(slices.iter().flat_map(of).collect());
    let worker = || {
        while let Some(((name, slice), story)) = { work.lock().unwrap().pop() } {
            let (mut seen, mut gone) = (0, 0);
            let axes = slice(&story);
            let meets_all = every == 1 || axes.iter().all(|axis| axis.size % every != 0);
            assert!(meets_all, "{name}: an axis of which not every value is met");
            let mut walk = Walk { every, passed: 0 };
            let whole = walk.visit(&axes, &mut Scene::new(&story), &mut |scene| {
                let decision = decide(protocol, &scene.seen, &scene.rules);
                seen += 1;
                gone += u64::from(decision.step.is_destructive());
                let Err(why) = permits(&scene.point, &decision.step, protocol.claims) else { return true };
                let point = || format!("{name}: {:?} at {:?}", decision, scene.point);
                broken
                    .lock()
                    .unwrap()
                    .entry(format!("{}: {why}", decision.step.name()))
                    .or_insert_with(point);
                !first
            });
            points.fetch_add(seen, Ordering::Relaxed);
            destructive.fetch_add(gone, Ordering::Relaxed);
            if !whole {
                work.lock().unwrap().clear();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(worker);
        worker();
    });
    Counted {
        points: points.into_inner(),
        destructive: destructive.into_inner(),
        seconds: begun.elapsed().as_secs_f64(),
        broken: broken.into_inner().unwrap(),
    }
}

/// One point in so many, in every test run: no number of values of an axis divides it, so that each value is met beside
/// each. The mutants are killed at a third as many.
const SOME_POINTS: usize = 13;

#[test]
fn a_step_implies_its_guards() {
    steps_imply_their_guards(Search::OneIn(SOME_POINTS), 1_000);
}

#[test]
#[ignore = "takes minutes: cargo test --test protocol -- --ignored --nocapture"]
fn every_step_implies_its_guards() {
    steps_imply_their_guards(Search::OneIn(1), 10_000);
}

/// `least`: so many steps at least take a key out of use, for each of the two protocols.
fn steps_imply_their_guards(search: Search, least: u64) {
    // A claim is looked at last, in the gate, which sees nothing of keys and destinations.
    for (claims, slices) in [(true, &SLICES[..]), (false, &SLICES[2..4])] {
        let protocol = DecisionTable { claims, ..DecisionTable::default() };
        let stories = crate::stories::stories();
        println!("{} stories", stories.len());
        let counted = enumerate(&protocol, DecisionTable::decide_step, stories, slices, search);
        println!(
            "claims {claims}: {} points, {} destructive steps, {:.1} s",
            counted.points, counted.destructive, counted.seconds
        );
        assert!(counted.broken.is_empty(), "{:#?}", counted.broken);
        assert!(counted.destructive > least, "the enumeration must meet what it speaks of");
    }
}
