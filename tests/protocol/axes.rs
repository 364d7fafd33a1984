//! One coordinate after the other: its values, and what each makes of the observation.

use std::collections::BTreeMap;
use std::sync::Arc;

use keytide::rotation::{
    BranchTip, DestinationId, JournalEvent, KeyState, Observation, Observed, ObservedKey, OwnerTag,
    PullRequestState, RedeployRun, RotationParams, RotationRequest, RunState, StorageKind,
};

use crate::points::{
    Claimed, Deployment, Holds, KeyPoint, Life, Mentions, Orphan, Point, Pull, Three, UseAge,
};
use crate::story::{
    NEW, OLD, Policy, Story, THEM, THIRD, US, begins, claim, days, file, marker, minutes, never, now, pull,
    seen, store, used,
};

/// A point and the observation that is made of it.
pub struct Scene {
    pub point: Point,
    pub seen: Observation,
    pub rules: RotationParams,
}

pub type Set = Box<dyn Fn(&mut Scene, usize)>;

pub struct Axis {
    pub size: usize,
    pub set: Set,
}

pub fn axis<T: Copy + 'static>(values: &[T], set: impl Fn(&mut Scene, T) + 'static) -> Axis {
    let values = values.to_vec();
    Axis { size: values.len(), set: Box::new(move |scene, n| set(scene, values[n])) }
}

/// The way through all combinations of the values of some axes, of which one in `every` is visited.
pub struct Walk {
    pub every: usize,
    /// How many combinations are behind.
    pub passed: usize,
}

impl Walk {
    /// Whether each visit answered that it goes on.
    pub fn visit(&mut self, axes: &[Axis], scene: &mut Scene, visit: &mut dyn FnMut(&Scene) -> bool) -> bool {
        let Some((first, rest)) = axes.split_first() else {
            self.passed += 1;
            return visit(scene);
        };
        let below: usize = rest.iter().map(|axis| axis.size).product();
        (0..first.size).all(|n| {
            if self.passed % self.every + below < self.every {
                self.passed += below;
                return true;
            }
            (first.set)(scene, n);
            self.visit(rest, scene, visit)
        })
    }
}

impl Scene {
    /// The point that permits most, for a story.
    pub fn new(story: &Arc<Story>) -> Self {
        let has = |place: &DestinationId| story.places.iter().any(|(id, _)| id == place);
        let started = story.last(begins).is_some();
        let staged = story.last(|event| matches!(event, JournalEvent::Staged { .. })).is_some();
        let holds = match (staged, story.policy) {
            (true, _) => Holds::New,
            // No destination holds a credential any more
            (false, Policy::Retire) => Holds::Nothing,
            (false, _) => Holds::Old,
        };
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
            deployment: Deployment::NotAsked,
        };
        let point = without_old(point);
        let mut scene = Self { seen: seen(story, OLD, Vec::new()), rules: story.policy.rules(), point };
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
        self.seen.branch = Observed::Known(BranchTip::Neutral);
    }

    pub fn keys(&mut self) {
        let verified = self.point.story.last(|event| matches!(event, JournalEvent::Verified));
        let own = verified.unwrap_or(days(39)) - minutes(1);
        let use_of = |age: UseAge| match age {
            UseAge::Never => never(),
            UseAge::Recent => used(minutes(60), "s3"),
            UseAge::Quiet => used(days(30), "s3"),
            UseAge::Own => used(own, "sts"),
            UseAge::Unknown => Observed::unknown("throttled"),
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
                Life::Active => KeyState::Active,
                Life::Inactive => KeyState::Inactive,
                Life::Other => KeyState::Other,
            };
            Some(ObservedKey { id: id.into(), status, created, last_used: use_of(age) })
        };
        let keys: Vec<ObservedKey> = keys.into_iter().filter_map(real).collect();
        self.seen.listed = match self.point.listed {
            Three::Yes => Observed::Known(keys.iter().map(|key| key.id.clone()).collect()),
            Three::No => Observed::Known([OLD.into()].into()),
            Three::Nothing => Observed::Known([OLD, NEW, THIRD].map(Into::into).into()),
            Three::Unknown => Observed::unknown("timeout"),
        };
        self.seen.keys = Observed::Known(keys);
    }
}

/// Before and after a first key there is no other.
fn without_old(mut point: Point) -> Point {
    if point.story.is_first_key() {
        point.old = KeyPoint { life: Life::Gone, used: UseAge::Never };
        // What shows no value holds nothing before it
        let shows = point.story.places.iter().all(|(_, kind)| *kind != StorageKind::Store);
        point.store =
            point.store.map(|holds| if shows || holds == Holds::New { holds } else { Holds::Nothing });
    }
    point
}

/// Whether a story announces a creation that no kept key answers, and whether that is hours ago.
pub fn tried(story: &Story) -> Option<bool> {
    let at =
        |event: &(_, _, JournalEvent)| matches!(event.2, JournalEvent::Create | JournalEvent::Staged { .. });
    let last = story.events.iter().rev().find(|event| at(event))?;
    matches!(last.2, JournalEvent::Create).then(|| last.0 > minutes(240))
}

pub fn fact(place: &DestinationId, holds: Holds) -> Observed<Option<keytide::rotation::Fingerprint>> {
    match holds {
        Holds::Old => Observed::Known(Some(marker(place, OLD))),
        Holds::New => Observed::Known(Some(marker(place, NEW))),
        Holds::Nothing => Observed::Known(None),
        Holds::Foreign => Observed::Known(Some("by hand".into())),
        Holds::Unknown => Observed::unknown("timeout"),
    }
}

pub fn set_place(seen: &mut Observation, place: &DestinationId, holds: Option<Holds>) {
    let Some(holds) = holds else { return };
    if let Some(found) = seen.destinations.iter_mut().find(|found| found.id == *place) {
        found.fingerprint = fact(place, holds);
    }
}

pub fn set_file(scene: &mut Scene, holds: Option<Holds>) {
    scene.point.file = scene.point.file.and(holds);
    set_place(&mut scene.seen, &file(), scene.point.file);
}

pub fn set_store(scene: &mut Scene, holds: Option<Holds>) {
    scene.point.store = scene.point.store.and(holds);
    set_place(&mut scene.seen, &store(), scene.point.store);
}

pub fn set_pull(scene: &mut Scene, state: Pull) {
    scene.point.proposal = state;
    scene.seen.pull_request = proposal(state);
}

pub fn proposal(state: Pull) -> Observed<Option<keytide::rotation::PullRequest>> {
    match state {
        Pull::None => Observed::Known(None),
        Pull::Open => pull(PullRequestState::Open { conflicting: false }),
        Pull::Conflict => pull(PullRequestState::Open { conflicting: true }),
        Pull::Closed => pull(PullRequestState::Closed),
        Pull::Merged => pull(PullRequestState::Merged { at: now() - days(30) }),
        Pull::Unknown => Observed::unknown("502"),
    }
}

pub const ALL_HOLDS: [Holds; 5] = [Holds::Old, Holds::New, Holds::Nothing, Holds::Foreign, Holds::Unknown];

pub fn file_axis(story: &Story, values: &[Holds]) -> Axis {
    let there = story.places.iter().any(|(id, _)| *id == file());
    axis(if there { values } else { &values[..1] }, |scene, holds| set_file(scene, Some(holds)))
}

pub fn store_axis(story: &Story, values: &[Holds]) -> Axis {
    let there = story.places.iter().any(|(id, _)| *id == store());
    axis(if there { values } else { &values[..1] }, |scene, holds| set_store(scene, Some(holds)))
}

/// File and store together, as an open rotation or a retirement finds them.
pub fn usual_axis(story: &Story) -> Axis {
    if story.is_first_key() {
        return both_axis(&[Holds::Nothing, Holds::Old, Holds::New]);
    }
    both_axis(if story.policy == Policy::Rotate {
        &[Holds::Old, Holds::New]
    } else {
        &[Holds::Old, Holds::Nothing]
    })
}

/// File and store together.
pub fn both_axis(values: &[Holds]) -> Axis {
    axis(values, |scene, holds| {
        set_file(scene, Some(holds));
        set_store(scene, Some(holds));
    })
}

pub fn old_axis() -> Axis {
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

pub fn new_axis() -> Axis {
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
pub fn pairs_axis() -> Axis {
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

pub fn mention_axis(values: &[Mentions]) -> Axis {
    axis(values, |scene, mentions| {
        scene.point.mentions = mentions;
        let named = |key: &str| Observed::Known([(key.into(), "a file names it".into())].into());
        scene.seen.key_mentions = match mentions {
            Mentions::Nothing => Observed::Known(BTreeMap::new()),
            Mentions::Old => named(OLD),
            Mentions::New => named(NEW),
            Mentions::Third => named(THIRD),
            Mentions::Unknown => Observed::unknown("too large"),
        };
    })
}

pub fn listed_axis() -> Axis {
    axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, listed| {
        scene.point.listed = listed;
        scene.keys();
    })
}

pub fn asked_axis() -> Axis {
    let asked = |start, compromised, rollback| RotationRequest {
        start,
        compromised,
        rollback,
        reactivate_compromised: false,
    };
    let values = [
        asked(false, false, false),
        asked(true, false, false),
        asked(false, true, false),
        asked(false, false, true),
    ];
    axis(&values, |scene, asked| {
        scene.point.compromised = asked.compromised;
        scene.seen.request = asked;
    })
}

pub fn preflight_axis() -> Axis {
    axis(&[Three::Yes, Three::No, Three::Unknown], |scene, value| {
        scene.point.preflight = value;
        scene.seen.preflight = match value {
            Three::Yes => Observed::Known(Ok(())),
            Three::Unknown => Observed::unknown("403"),
            _ => Observed::Known(Err("no recipient".to_owned())),
        };
    })
}

/// Whether a workflow must succeed; never did, before everything, lately, or unknown.
pub fn validate_axis() -> Axis {
    let values = [None, Some(None), Some(Some(days(35))), Some(Some(minutes(30)))];
    axis(&values, |scene, value: Option<Option<jiff::SignedDuration>>| {
        scene.rules.validate = value.is_some();
        scene.point.validated = value.map(|ago| ago == Some(minutes(30)));
        scene.seen.validated_at = Observed::Known(value.flatten().map(|ago| now() - ago));
    })
}

/// Whether a workflow is to be started, and what came of it. Before its time there is nothing of it in the journal.
pub fn deployment_axis() -> Axis {
    let values = [
        Deployment::NotAsked,
        Deployment::NotStarted,
        Deployment::Announced,
        Deployment::Running,
        Deployment::Succeeded,
        Deployment::Failed,
        Deployment::Unknown,
    ];
    axis(&values, |scene, value| {
        scene.rules.redeploy = value != Deployment::NotAsked;
        let mut story = (*scene.point.story).clone();
        let at = story
            .redeployment_due()
            .filter(|_| !matches!(value, Deployment::NotAsked | Deployment::NotStarted));
        scene.point.deployment =
            if at.is_none() && scene.rules.redeploy { Deployment::NotStarted } else { value };
        if let Some((index, cause)) = at {
            story.redeploy(index, cause, value != Deployment::Announced);
        }
        story.events.push(claim(US, minutes(29)));
        scene.seen.journal = Observed::Known(story.journal());
        let run = |state| Observed::Known(Some(RedeployRun { number: 7, state }));
        scene.seen.redeploy_run = match scene.point.deployment {
            Deployment::NotAsked | Deployment::NotStarted | Deployment::Announced => Observed::Known(None),
            Deployment::Running => run(RunState::Running),
            Deployment::Succeeded => run(RunState::Succeeded { at: now() - days(20) }),
            Deployment::Failed => run(RunState::Failed { conclusion: "failure".into() }),
            Deployment::Unknown => Observed::unknown("502"),
        };
    })
}

pub fn gate_axes() -> Vec<Axis> {
    vec![
        axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, value| {
            scene.point.owner = value;
            scene.seen.owner = match value {
                Three::Yes => Observed::Known(OwnerTag::ThisRepository),
                Three::No => Observed::Known(OwnerTag::OtherRepository("7".to_owned())),
                Three::Nothing => Observed::Known(OwnerTag::Missing { repository: 4711 }),
                Three::Unknown => Observed::unknown("denied"),
            };
        }),
        axis(&[Three::No, Three::Yes, Three::Unknown], |scene, value| {
            scene.point.stopped = value;
            scene.seen.is_stopped = if value == Three::Unknown {
                Observed::unknown("502")
            } else {
                Observed::Known(value == Three::Yes)
            };
        }),
        axis(&[Three::Yes, Three::No, Three::Nothing, Three::Unknown], |scene, value| {
            scene.point.user = value;
            scene.seen.user_id = match value {
                Three::Yes => Observed::Known(Some("AID".into())),
                Three::No => Observed::Known(Some("BID".into())),
                Three::Nothing => Observed::Known(None),
                Three::Unknown => Observed::unknown("throttled"),
            };
        }),
    ]
}

pub fn claim_axis() -> Axis {
    let values = [Claimed::Ours, Claimed::Short, Claimed::NoOne, Claimed::Other, Claimed::Past];
    axis(&values, |scene, value| {
        scene.point.claim = value;
        let mut story = (*scene.point.story).clone();
        story.events.extend(match value {
            Claimed::Ours => Some(claim(US, minutes(29))),
            Claimed::Short => Some(claim(US, minutes(5))),
            Claimed::Other => Some(claim(THEM, minutes(20))),
            Claimed::Past => Some(claim(THEM, minutes(-1))),
            Claimed::NoOne => None,
        });
        scene.seen.journal = Observed::Known(story.journal());
    })
}
