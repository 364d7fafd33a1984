//! `decide` over every combination of a finite abstraction of what it can see: `docs/protocol.md` says why it suffices.
//!
//! The abstraction is cut into slices. In each, some coordinates take all their values in all combinations; the others
//! have the value that permits most.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use keytide::rotation::decide::Protocol;
use keytide::rotation::{
    Asked, BranchTip, Datum, Decision, Event, Key, Observation, Owner, PlaceId, PullState, Rules, Status,
};

use crate::specification::permits;
use crate::story::{
    NEW, OLD, Story, THEM, THIRD, US, claim, days, file, marker, minutes, never, now, pull, rules, seen,
    store, used,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Gone,
    Active,
    Inactive,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseAge {
    Never,
    /// An hour ago, by an application.
    Recent,
    /// A month ago.
    Quiet,
    /// When keytide proved it.
    Own,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Old,
    New,
    Nothing,
    Foreign,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    None,
    Open,
    Conflict,
    Closed,
    Merged,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mentions {
    Nothing,
    Old,
    New,
    Third,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Three {
    Yes,
    No,
    /// Known, and neither.
    Nothing,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    Ours,
    /// Ours, for a few minutes more.
    Short,
    Nobody,
    Other,
    /// Another run's, and over.
    Past,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPoint {
    pub life: Life,
    pub used: UseAge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    pub life: Life,
    pub used: UseAge,
    /// Minutes after the announcement of a creation, as the story has it; `None`: a day before.
    pub after: Option<i64>,
    /// Whether the story has an announcement that no kept key answers, and whether it is hours old.
    pub tried: Option<bool>,
}

impl Orphan {
    /// Made within minutes of an announcement, and long enough ago that a use would be known.
    pub fn is_ours(self) -> bool {
        self.after.is_some() && self.tried == Some(true)
    }
}

/// One point of the abstraction.
#[derive(Debug, Clone)]
pub struct Point {
    pub story: Arc<Story>,
    pub old: KeyPoint,
    pub new: KeyPoint,
    pub orphan: Orphan,
    /// The first list of keys is the last one, has the old key only, has all three.
    pub listed: Three,
    pub file: Option<Holds>,
    pub store: Option<Holds>,
    pub neutral: bool,
    pub revert: Pull,
    pub proposal: Pull,
    pub mentions: Mentions,
    pub owner: Three,
    pub stopped: Three,
    pub claim: Claimed,
    pub user: Three,
    pub preflight: Three,
    pub compromised: bool,
    /// Whether the workflow of `validate` has succeeded lately, if it must.
    pub validated: Option<bool>,
}

impl Point {
    pub fn life(&self, key: &str) -> Life {
        match key {
            OLD => self.old.life,
            NEW => self.new.life,
            _ => self.orphan.life,
        }
    }

    pub fn uses(&self, key: &str) -> UseAge {
        match key {
            OLD => self.old.used,
            NEW => self.new.used,
            _ => self.orphan.used,
        }
    }

    fn places(&self) -> impl Iterator<Item = Holds> {
        [self.file, self.store].into_iter().flatten()
    }

    pub fn names(&self, key: &str) -> bool {
        let (holds, mentions) = match key {
            OLD => (Some(Holds::Old), Mentions::Old),
            NEW => (Some(Holds::New), Mentions::New),
            _ => (None, Mentions::Third),
        };
        self.mentions == mentions || self.places().any(|place| Some(place) == holds)
    }

    /// Whether some destination cannot be read, or holds what keytide did not put there.
    pub fn unclear(&self) -> bool {
        self.places().any(|place| matches!(place, Holds::Unknown | Holds::Foreign))
    }

    pub fn everywhere(&self, holds: Holds) -> bool {
        self.places().all(|place| place == holds)
    }

    pub fn is_only(&self, key: &str) -> bool {
        [OLD, NEW, THIRD].into_iter().all(|other| other == key || self.life(other) == Life::Gone)
    }
}

/// A point and the observation that is made of it.
pub struct Scene {
    pub point: Point,
    pub seen: Observation,
    pub rules: Rules,
}

type Set = Box<dyn Fn(&mut Scene, usize)>;

pub struct Axis {
    size: usize,
    set: Set,
}

fn axis<T: Copy + 'static>(values: &[T], set: impl Fn(&mut Scene, T) + 'static) -> Axis {
    let values = values.to_vec();
    Axis { size: values.len(), set: Box::new(move |scene, n| set(scene, values[n])) }
}

fn walk(axes: &[Axis], scene: &mut Scene, visit: &mut dyn FnMut(&Scene) -> bool) -> bool {
    let Some((first, rest)) = axes.split_first() else { return visit(scene) };
    (0..first.size).all(|n| {
        (first.set)(scene, n);
        walk(rest, scene, visit)
    })
}

impl Scene {
    /// The point that permits most, for a story.
    pub fn new(story: &Arc<Story>) -> Self {
        let has = |place: &PlaceId| story.places.iter().any(|(id, _)| id == place);
        let started = story.last(|event| matches!(event, Event::Intent { .. })).is_some();
        let staged = story.last(|event| matches!(event, Event::Staged { .. })).is_some();
        let holds = if staged { Holds::New } else { Holds::Old };
        let tried = tried(story);
        let gone = KeyPoint { life: Life::Gone, used: UseAge::Never };
        let point = Point {
            story: story.clone(),
            old: KeyPoint { life: Life::Active, used: UseAge::Quiet },
            new: if staged { KeyPoint { life: Life::Active, used: UseAge::Recent } } else { gone },
            orphan: Orphan { life: Life::Gone, used: UseAge::Never, after: None, tried },
            listed: Three::Yes,
            file: has(&file()).then_some(holds),
            store: has(&store()).then_some(holds),
            neutral: true,
            revert: Pull::None,
            proposal: if started { Pull::Merged } else { Pull::None },
            mentions: Mentions::Nothing,
            owner: Three::Yes,
            stopped: Three::No,
            claim: Claimed::Ours,
            user: Three::Yes,
            preflight: Three::Yes,
            compromised: false,
            validated: None,
        };
        let mut scene = Self { seen: seen(story, OLD, Vec::new()), point, rules: rules() };
        scene.fill();
        scene
    }

    /// Makes everything seen anew from the point.
    fn fill(&mut self) {
        let point = self.point.clone();
        self.keys();
        set_file(self, point.file);
        set_store(self, point.store);
        set_pull(self, point.proposal);
        self.seen.branch = Datum::Known(BranchTip::Neutral);
    }

    fn keys(&mut self) {
        let verified = self.point.story.last(|event| matches!(event, Event::Verified));
        let own = verified.unwrap_or(days(39)) - minutes(1);
        let use_of = |age: UseAge| match age {
            UseAge::Never => never(),
            UseAge::Recent => used(minutes(60), "s3"),
            UseAge::Quiet => used(days(30), "s3"),
            UseAge::Own => used(own, "sts"),
            UseAge::Unknown => Datum::unknown("throttled"),
        };
        let tried_at = now() - if self.point.orphan.tried == Some(true) { days(1) } else { minutes(5) };
        let orphan_made = self.point.orphan.after.map_or(now() - days(2), |after| tried_at + minutes(after));
        let keys = [
            (OLD, self.point.old.life, self.point.old.used, now() - days(400)),
            (NEW, self.point.new.life, self.point.new.used, now() - days(39)),
            (THIRD, self.point.orphan.life, self.point.orphan.used, orphan_made),
        ];
        let real = |(id, life, age, created): (&str, Life, UseAge, jiff::Timestamp)| {
            let status = match life {
                Life::Gone => return None,
                Life::Active => Status::Active,
                Life::Inactive => Status::Inactive,
                Life::Other => Status::Other,
            };
            Some(Key { id: id.into(), status, created, last_used: use_of(age) })
        };
        let keys: Vec<Key> = keys.into_iter().filter_map(real).collect();
        self.seen.listed = match self.point.listed {
            Three::Yes => Datum::Known(keys.iter().map(|key| key.id.clone()).collect()),
            Three::No => Datum::Known([OLD.into()].into()),
            Three::Nothing => Datum::Known([OLD, NEW, THIRD].map(Into::into).into()),
            Three::Unknown => Datum::unknown("timeout"),
        };
        self.seen.keys = Datum::Known(keys);
    }
}

/// Whether a story announces a creation that no kept key answers, and whether that is hours ago.
fn tried(story: &Story) -> Option<bool> {
    let at = |event: &(_, _, Event)| matches!(event.2, Event::Create | Event::Staged { .. });
    let last = story.events.iter().rev().find(|event| at(event))?;
    matches!(last.2, Event::Create).then(|| last.0 > minutes(240))
}

fn fact(place: &PlaceId, holds: Holds) -> Datum<Option<keytide::rotation::Marker>> {
    match holds {
        Holds::Old => Datum::Known(Some(marker(place, OLD))),
        Holds::New => Datum::Known(Some(marker(place, NEW))),
        Holds::Nothing => Datum::Known(None),
        Holds::Foreign => Datum::Known(Some("by hand".into())),
        Holds::Unknown => Datum::unknown("timeout"),
    }
}

fn set_place(seen: &mut Observation, place: &PlaceId, holds: Option<Holds>) {
    let Some(holds) = holds else { return };
    if let Some(found) = seen.places.iter_mut().find(|found| found.id == *place) {
        found.marker = fact(place, holds);
    }
}

fn set_file(scene: &mut Scene, holds: Option<Holds>) {
    scene.point.file = scene.point.file.and(holds);
    set_place(&mut scene.seen, &file(), scene.point.file);
}

fn set_store(scene: &mut Scene, holds: Option<Holds>) {
    scene.point.store = scene.point.store.and(holds);
    set_place(&mut scene.seen, &store(), scene.point.store);
}

fn set_pull(scene: &mut Scene, state: Pull) {
    scene.point.proposal = state;
    scene.seen.proposal = proposal(state);
}

fn proposal(state: Pull) -> Datum<Option<keytide::rotation::Proposal>> {
    match state {
        Pull::None => Datum::Known(None),
        Pull::Open => pull(PullState::Open { conflicting: false }),
        Pull::Conflict => pull(PullState::Open { conflicting: true }),
        Pull::Closed => pull(PullState::Closed),
        Pull::Merged => pull(PullState::Merged { at: now() - days(30) }),
        Pull::Unknown => Datum::unknown("502"),
    }
}

const ALL_HOLDS: [Holds; 5] = [Holds::Old, Holds::New, Holds::Nothing, Holds::Foreign, Holds::Unknown];

fn file_axis(story: &Story, values: &[Holds]) -> Axis {
    let there = story.places.iter().any(|(id, _)| *id == file());
    axis(if there { values } else { &values[..1] }, |scene, holds| set_file(scene, Some(holds)))
}

fn store_axis(story: &Story, values: &[Holds]) -> Axis {
    let there = story.places.iter().any(|(id, _)| *id == store());
    axis(if there { values } else { &values[..1] }, |scene, holds| set_store(scene, Some(holds)))
}

/// File and store together.
fn both_axis(values: &[Holds]) -> Axis {
    axis(values, |scene, holds| {
        set_file(scene, Some(holds));
        set_store(scene, Some(holds));
    })
}

fn old_axis() -> Axis {
    let uses = [UseAge::Never, UseAge::Recent, UseAge::Quiet, UseAge::Unknown];
    let lives = [Life::Active, Life::Inactive];
    let mut points: Vec<KeyPoint> =
        lives.into_iter().flat_map(|life| uses.map(|used| KeyPoint { life, used })).collect();
    points.push(KeyPoint { life: Life::Gone, used: UseAge::Never });
    points.push(KeyPoint { life: Life::Other, used: UseAge::Quiet });
    axis(&points, |scene, old| {
        scene.point.old = old;
        scene.keys();
    })
}

fn new_axis() -> Axis {
    let point = |life, used| KeyPoint { life, used };
    let points = [
        point(Life::Gone, UseAge::Never),
        point(Life::Active, UseAge::Never),
        point(Life::Active, UseAge::Own),
        point(Life::Active, UseAge::Recent),
        point(Life::Active, UseAge::Unknown),
        point(Life::Inactive, UseAge::Never),
        point(Life::Inactive, UseAge::Recent),
        point(Life::Inactive, UseAge::Quiet),
        point(Life::Inactive, UseAge::Unknown),
    ];
    axis(&points, |scene, new| {
        scene.point.new = new;
        scene.keys();
    })
}

/// Some keys for slices that are about something else.
fn pairs_axis() -> Axis {
    let point = |life, used| KeyPoint { life, used };
    let quiet = |life| point(life, UseAge::Quiet);
    let news = [
        point(Life::Active, UseAge::Recent),
        point(Life::Active, UseAge::Own),
        quiet(Life::Inactive),
        quiet(Life::Gone),
    ];
    let olds = [Life::Active, Life::Inactive, Life::Gone].map(quiet);
    let pairs: Vec<_> = olds.into_iter().flat_map(|old| news.map(|new| (old, new))).collect();
    axis(&pairs, |scene, (old, new)| {
        (scene.point.old, scene.point.new) = (old, new);
        scene.keys();
    })
}

fn mention_axis(values: &[Mentions]) -> Axis {
    axis(values, |scene, mentions| {
        scene.point.mentions = mentions;
        let named = |key: &str| Datum::Known([key.into()].into());
        scene.seen.mentions = match mentions {
            Mentions::Nothing => Datum::Known(BTreeSet::new()),
            Mentions::Old => named(OLD),
            Mentions::New => named(NEW),
            Mentions::Third => named(THIRD),
            Mentions::Unknown => Datum::unknown("too large"),
        };
    })
}

fn listed_axis() -> Axis {
    axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, listed| {
        scene.point.listed = listed;
        scene.keys();
    })
}

fn asked_axis() -> Axis {
    let asked = |start, compromised, rollback| Asked { start, compromised, rollback };
    let values = [
        asked(false, false, false),
        asked(true, false, false),
        asked(false, true, false),
        asked(false, false, true),
    ];
    axis(&values, |scene, asked| {
        scene.point.compromised = asked.compromised;
        scene.seen.asked = asked;
    })
}

fn preflight_axis() -> Axis {
    axis(&[Three::Yes, Three::No, Three::Unknown], |scene, value| {
        scene.point.preflight = value;
        scene.seen.preflight = match value {
            Three::Yes => Datum::Known(Ok(())),
            Three::Unknown => Datum::unknown("403"),
            _ => Datum::Known(Err("no recipient".to_owned())),
        };
    })
}

/// Whether a workflow must succeed; never did, before everything, lately, or unknown.
fn validate_axis() -> Axis {
    let values = [None, Some(None), Some(Some(days(35))), Some(Some(minutes(30)))];
    axis(&values, |scene, value: Option<Option<jiff::SignedDuration>>| {
        scene.rules.validate = value.is_some();
        scene.point.validated = value.map(|ago| ago == Some(minutes(30)));
        scene.seen.validated = Datum::Known(value.flatten().map(|ago| now() - ago));
    })
}

fn gate_axes() -> Vec<Axis> {
    vec![
        axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, value| {
            scene.point.owner = value;
            scene.seen.owner = match value {
                Three::Yes => Datum::Known(Owner::Us),
                Three::No => Datum::Known(Owner::Other("7".to_owned())),
                Three::Nothing => Datum::Known(Owner::Nobody),
                Three::Unknown => Datum::unknown("denied"),
            };
        }),
        axis(&[Three::No, Three::Yes, Three::Unknown], |scene, value| {
            scene.point.stopped = value;
            scene.seen.stopped = if value == Three::Unknown {
                Datum::unknown("502")
            } else {
                Datum::Known(value == Three::Yes)
            };
        }),
        axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, value| {
            scene.point.user = value;
            scene.seen.user_id = match value {
                Three::Yes => Datum::Known(Some("AID".into())),
                Three::No => Datum::Known(Some("BID".into())),
                Three::Nothing => Datum::Known(None),
                Three::Unknown => Datum::unknown("throttled"),
            };
        }),
    ]
}

fn claim_axis() -> Axis {
    let values = [Claimed::Ours, Claimed::Short, Claimed::Nobody, Claimed::Other, Claimed::Past];
    axis(&values, |scene, value| {
        scene.point.claim = value;
        let mut story = (*scene.point.story).clone();
        story.events.extend(match value {
            Claimed::Ours => Some(claim(US, minutes(29))),
            Claimed::Short => Some(claim(US, minutes(5))),
            Claimed::Other => Some(claim(THEM, minutes(20))),
            Claimed::Past => Some(claim(THEM, minutes(-1))),
            Claimed::Nobody => None,
        });
        scene.seen.journal = Datum::Known(story.journal());
    })
}

/// What is known of the keys, the destinations and the pull requests.
fn facts(story: &Story) -> Vec<Axis> {
    let pulls = [Pull::None, Pull::Open, Pull::Conflict, Pull::Closed, Pull::Merged, Pull::Unknown];
    vec![
        old_axis(),
        new_axis(),
        file_axis(story, &ALL_HOLDS),
        store_axis(story, &ALL_HOLDS),
        axis(&pulls, set_pull),
        axis(&[Pull::None, Pull::Open, Pull::Unknown], |scene, state| {
            scene.point.revert = state;
            scene.seen.revert = proposal(state);
        }),
        mention_axis(&[Mentions::Nothing, Mentions::Old, Mentions::New, Mentions::Unknown]),
        axis(&[Some(true), Some(false), None], |scene, neutral: Option<bool>| {
            scene.point.neutral = neutral == Some(true);
            scene.seen.branch = match neutral {
                Some(true) => Datum::Known(BranchTip::Neutral),
                Some(false) => Datum::Known(BranchTip::Staged),
                None => Datum::unknown("502"),
            };
        }),
    ]
}

/// Who may write, and what is asked for.
fn gates(_story: &Story) -> Vec<Axis> {
    let mut axes = vec![both_axis(&[Holds::Old, Holds::New]), pairs_axis(), claim_axis(), asked_axis()];
    axes.extend(gate_axes());
    axes
}

/// Lists that differ, checks that fail, workflows that have not run.
fn checks(_story: &Story) -> Vec<Axis> {
    vec![
        both_axis(&[Holds::Old, Holds::New]),
        old_axis(),
        new_axis(),
        listed_axis(),
        asked_axis(),
        preflight_axis(),
        validate_axis(),
        axis(&[Pull::None, Pull::Merged], set_pull),
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

pub const SLICES: [Slice; 4] = [("facts", facts), ("gates", gates), ("checks", checks), ("orphans", orphans)];

/// What an enumeration found.
pub struct Counted {
    pub points: u64,
    pub destructive: u64,
    pub seconds: f64,
    /// What the specification does not permit, each with the first point where it is done.
    pub broken: BTreeMap<String, String>,
}

/// Decides at every point, on two threads, until the specification is broken.
pub fn enumerate(
    protocol: &Protocol,
    decide: fn(&Protocol, &Observation, &Rules) -> Decision,
    stories: Vec<Story>,
    slices: &[Slice],
    first: bool,
) -> Counted {
    let begun = Instant::now();
    let (points, destructive) = (AtomicU64::new(0), AtomicU64::new(0));
    let broken = Mutex::new(BTreeMap::new());
    let work: Mutex<Vec<(Slice, Arc<Story>)>> = Mutex::new(
        stories
            .into_iter()
            .map(Arc::new)
            .flat_map(|story| slices.iter().map(move |slice| (*slice, story.clone())))
            .collect(),
    );
    let worker = || {
        while let Some(((name, slice), story)) = { work.lock().unwrap().pop() } {
            let (mut seen, mut gone) = (0, 0);
            let whole = walk(&slice(&story), &mut Scene::new(&story), &mut |scene| {
                let decision = decide(protocol, &scene.seen, &scene.rules);
                seen += 1;
                gone += u64::from(decision.step.destroys());
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

#[test]
fn every_step_implies_its_guards() {
    // A claim is looked at last, in the gate, which sees nothing of keys and destinations.
    for (claims, slices) in [(true, &SLICES[..]), (false, &SLICES[1..3])] {
        let protocol = Protocol { claims, ..Protocol::default() };
        let counted = enumerate(&protocol, Protocol::decide, crate::stories::stories(), slices, false);
        println!(
            "claims {claims}: {} points, {} destructive steps, {:.1} s",
            counted.points, counted.destructive, counted.seconds
        );
        assert!(counted.broken.is_empty(), "{:#?}", counted.broken);
        assert!(counted.destructive > 10_000, "the enumeration must meet what it speaks of");
    }
}
