//! The journals of the enumeration: every stage of a rotation, forward and back.

use keytide::rotation::{JournalEvent, StorageKind};

use crate::story::{NEW, OLD, Policy, Story, days, minutes};

fn retiring(key: &str) -> JournalEvent {
    JournalEvent::Retiring { key: key.into() }
}

fn inactive(key: &str) -> JournalEvent {
    JournalEvent::InactiveSince { key: key.into() }
}

fn why() -> String {
    "because".to_owned()
}

fn tombstone() -> JournalEvent {
    JournalEvent::NewKeyAbandoned { key: NEW.into(), why: why() }
}

/// All of them, for users with a file and with a store of each kind.
pub fn stories() -> Vec<Story> {
    let mut all = of(None, false);
    all.extend(of(Some(StorageKind::Store), false));
    // A store with versions differs on the way back only.
    let versioned = Some(StorageKind::Versioned);
    let base = |name| Story::new(name, versioned).intent(days(40), false);
    all.extend(back(&base, &|name, ago| done(versioned, name, ago)));
    all.extend(bare());
    all.extend(of(Some(StorageKind::Store), true).into_iter().map(without_file));
    all.extend(retirements(None));
    all.extend(retirements(Some(StorageKind::Store)));
    all.extend(first_keys(None, true));
    all.extend(first_keys(Some(StorageKind::Store), false));
    all
}

/// Those of a user with one destination, and the way back with a store: enough to see a mutant.
pub fn few() -> Vec<Story> {
    let mut few = of(None, false);
    few.extend(bare());
    few.extend(retirements(None));
    few.extend(first_keys(None, true));
    few.extend(first_keys(Some(StorageKind::Store), false));
    few
}

/// A key that goes without a successor: every stage, back, and where the policy file does not ask for it any more.
fn retirements(kind: Option<StorageKind>) -> Vec<Story> {
    let new = |name| Story::new(name, kind).asks(Policy::Retire);
    let begun = |name| new(name).retirement(days(40));
    let announced = |name| begun(name).then(days(25), retiring(OLD)).then(days(20), retiring(OLD));
    let deactivated = |name| announced(name).then(days(11), JournalEvent::Deactivate { key: OLD.into() });
    let soaked = |name| deactivated(name).then(days(10), inactive(OLD));
    let needed = || JournalEvent::Needed { key: OLD.into(), why: why() };
    let back = || JournalEvent::Rollback { why: why() };
    let activate = || JournalEvent::Activate { key: OLD.into() };
    vec![
        new("to retire"),
        begun("retirement begun"),
        begun("retirement announced just now").then(minutes(3), retiring(OLD)),
        begun("retirement announced, too early").then(days(3), retiring(OLD)),
        begun("retirement announced once").then(days(20), retiring(OLD)),
        begun("retirement announced again just now")
            .then(days(20), retiring(OLD))
            .then(minutes(3), retiring(OLD)),
        begun("retirement announced again, too early")
            .then(days(3), retiring(OLD))
            .then(days(1), retiring(OLD)),
        announced("retirement announced"),
        announced("retirement withdrawn").then(days(1), needed()),
        announced("retirement withdrawn and announced").then(days(2), needed()).then(days(1), retiring(OLD)),
        deactivated("retirement, a request in the air").then(minutes(3), activate()),
        deactivated("retirement, soaking").then(days(1), inactive(OLD)),
        soaked("retirement, soaked"),
        soaked("retirement, needed in its soak").then(days(1), activate()),
        soaked("retirement, deletion announced").then(minutes(5), JournalEvent::Delete { key: OLD.into() }),
        soaked("retirement over").then(days(1), JournalEvent::Deleted { key: OLD.into() }),
        begun("retirement turned").then(days(1), back()),
        soaked("retirement turned in its soak").then(days(1), back()),
        soaked("retirement held").then(days(1), JournalEvent::Held { why: why() }),
        announced("retirement of a rotated user").asks(Policy::Rotate),
        soaked("soaking of a rotated user").asks(Policy::Rotate),
        soaked("soaking of a user that is not listed").asks(Policy::Unlisted),
        Story::new("rotation of a retiring user", kind).intent(days(40), false).asks(Policy::Retire),
    ]
}

/// A first key: every stage, given up, and back. `filled`: the destinations held something before.
fn first_keys(kind: Option<StorageKind>, filled: bool) -> Vec<Story> {
    let begun = |name| Story::new(name, kind).first_key(days(40), filled);
    let proposed = |name| begun(name).staged(days(39)).proposed(days(39));
    let done = |name, ago| proposed(name).delivered(ago).then(ago, JournalEvent::Distributed);
    let back = || JournalEvent::Rollback { why: why() };
    let given = |name| done(name, days(20)).then(days(19), back()).then(days(19), tombstone());
    vec![
        begun("first key begun"),
        begun("first key tried a day ago").then(days(1), JournalEvent::Create),
        begun("first key tried just now").then(minutes(5), JournalEvent::Create),
        begun("first key of a retiring user").asks(Policy::Retire),
        begun("first key of a user that is not listed").asks(Policy::Unlisted),
        begun("first key staged").staged(days(39)),
        proposed("first key proposed"),
        proposed("first key delivered").delivered(days(1)),
        done("first key distributed", days(1)),
        done("first key over", days(20)).then(days(1), JournalEvent::Completed),
        begun("first key, not proved, given up").staged(days(39)).then(days(38), tombstone()),
        proposed("first key given up").then(days(20), tombstone()),
        proposed("first key given up, retiring").then(days(20), tombstone()).then(days(19), retiring(NEW)),
        proposed("first key given up, soaked")
            .then(days(20), tombstone())
            .then(days(19), retiring(NEW))
            .then(days(18), inactive(NEW)),
        begun("first key turned before it was made").then(days(1), back()),
        done("first key turned", days(20)).then(days(19), back()),
        given("first key turned, given up"),
        given("first key turned, retiring").then(days(18), retiring(NEW)),
        given("first key turned, soaked").then(days(18), retiring(NEW)).then(days(17), inactive(NEW)),
        done("first key held", days(20)).then(days(1), JournalEvent::Held { why: why() }),
    ]
}

/// The end of a rotation that began when the store held nothing.
fn bare() -> Vec<Story> {
    let mut stories = end(&|name, ago| done(Some(StorageKind::Store), name, ago));
    for (_, _, event) in stories.iter_mut().flat_map(|story| &mut story.events) {
        if let JournalEvent::Intent { places, .. } = event {
            places[1].fingerprint = None;
        }
    }
    stories
}

/// The same without the file: what is left is delivered after the merge.
fn without_file(mut story: Story) -> Story {
    story.places.remove(0);
    for (_, _, event) in &mut story.events {
        match event {
            JournalEvent::Intent { places, .. } => drop(places.remove(0)),
            JournalEvent::Staged { files, .. } => files.clear(),
            _ => {}
        }
    }
    story
}

fn of(kind: Option<StorageKind>, short: bool) -> Vec<Story> {
    let base = |name| Story::new(name, kind).intent(days(40), false);
    let proposed = |name| base(name).staged(days(39)).proposed(days(39));
    let done = |name, ago| done(kind, name, ago);
    let mut all = forward(kind);
    all.extend(end(&done));
    all.extend(given_up(&base, &proposed));
    if !short {
        all.extend(back(&base, &done));
    }
    all
}

fn done(kind: Option<StorageKind>, name: &'static str, ago: jiff::SignedDuration) -> Story {
    let proposed = Story::new(name, kind).intent(days(40), false).staged(days(39)).proposed(days(39));
    proposed.delivered(ago).then(ago, JournalEvent::Distributed)
}

fn forward(kind: Option<StorageKind>) -> Vec<Story> {
    let base = |name| Story::new(name, kind).intent(days(40), false);
    vec![
        Story::new("no journal", kind),
        base("intended"),
        base("tried a day ago").then(days(1), JournalEvent::Create),
        base("tried just now").then(minutes(5), JournalEvent::Create),
        base("staged").staged(days(39)),
        base("verified").staged(days(39)).then(days(39), JournalEvent::Verified),
        base("proposed").staged(days(39)).proposed(days(39)),
        base("delivered just now").staged(days(39)).proposed(days(39)).delivered(minutes(2)),
        base("delivered").staged(days(39)).proposed(days(39)).delivered(days(1)),
        Story::new("compromised", kind)
            .intent(days(1), true)
            .staged(days(1))
            .proposed(days(1))
            .delivered(days(1))
            .then(minutes(60), JournalEvent::Distributed)
            .then(minutes(59), retiring(OLD)),
    ]
}

fn end(done: &dyn Fn(&'static str, jiff::SignedDuration) -> Story) -> Vec<Story> {
    let retired = |name| done(name, days(20)).then(days(12), retiring(OLD));
    let deactivate = JournalEvent::Deactivate { key: OLD.into() };
    vec![
        done("distributed yesterday", days(1)),
        done("distributed in this grace", days(5)),
        done("distributed long ago", days(20)),
        retired("retiring"),
        done("retiring just now", days(20)).then(minutes(3), retiring(OLD)),
        done("retiring, too early", days(1)).then(minutes(3), retiring(OLD)),
        done("retiring, early", days(5)).then(days(1), retiring(OLD)),
        retired("inactive since yesterday").then(days(2), deactivate.clone()).then(days(1), inactive(OLD)),
        retired("soaked").then(days(11), deactivate.clone()).then(days(10), inactive(OLD)),
        retired("deletion announced")
            .then(days(11), deactivate)
            .then(days(10), inactive(OLD))
            .then(minutes(5), JournalEvent::Delete { key: OLD.into() }),
        retired("over")
            .then(days(10), inactive(OLD))
            .then(days(1), JournalEvent::Deleted { key: OLD.into() }),
    ]
}

fn given_up(base: &dyn Fn(&'static str) -> Story, proposed: &dyn Fn(&'static str) -> Story) -> Vec<Story> {
    vec![
        base("given up, not proved").staged(days(39)).then(days(38), tombstone()),
        proposed("given up just now").then(minutes(2), tombstone()),
        proposed("given up").then(days(20), tombstone()),
        proposed("given up, retiring").then(days(20), tombstone()).then(days(19), retiring(NEW)),
        proposed("given up, retiring just now").then(days(20), tombstone()).then(minutes(9), retiring(NEW)),
        proposed("given up, soaking")
            .then(days(20), tombstone())
            .then(days(19), retiring(NEW))
            .then(days(1), inactive(NEW)),
        proposed("given up, soaked")
            .then(days(20), tombstone())
            .then(days(19), retiring(NEW))
            .then(days(18), inactive(NEW)),
    ]
}

fn back(
    base: &dyn Fn(&'static str) -> Story,
    done: &dyn Fn(&'static str, jiff::SignedDuration) -> Story,
) -> Vec<Story> {
    let turned = |name| done(name, days(20)).then(days(19), JournalEvent::Rollback { why: why() });
    let given = |name| turned(name).then(days(19), tombstone());
    vec![
        base("turned before a key").then(days(1), JournalEvent::Rollback { why: why() }),
        base("turned, not proved").staged(days(39)).then(days(1), JournalEvent::Rollback { why: why() }),
        turned("turned"),
        given("turned, given up"),
        given("turned, a request in the air").then(minutes(3), JournalEvent::Activate { key: OLD.into() }),
        given("turned, retiring").then(days(18), retiring(NEW)),
        given("turned, soaking").then(days(18), retiring(NEW)).then(days(1), inactive(NEW)),
        given("turned, soaked").then(days(18), retiring(NEW)).then(days(17), inactive(NEW)),
        done("held", days(20)).then(days(1), JournalEvent::Held { why: why() }),
    ]
}
