use super::*;

fn entry(minute: i64, event: Event) -> Entry {
    let at = Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
    Entry { version: VERSION, user: "ci".into(), at, run: "run-1".into(), event }
}

fn frozen() -> Frozen {
    let spec = serde_json::json!({ "path": "creds.yaml" });
    Frozen { place: "sops creds.yaml".into(), kind: PlaceKind::File, marker: Some("old".into()), spec }
}

fn intent(number: u32) -> Event {
    Event::Intent {
        number,
        user_id: "AID".into(),
        key: "OLD".into(),
        places: vec![frozen()],
        compromised: false,
    }
}

fn staged(key: &str) -> Event {
    let files = BTreeMap::from([("sops creds.yaml".into(), "new".into())]);
    Event::Staged { key: key.into(), files, payloads: BTreeSet::new(), recipients: BTreeMap::new() }
}

fn read(events: impl IntoIterator<Item = Event>) -> Journal {
    let entries: Vec<Entry> =
        events.into_iter().enumerate().map(|(n, event)| entry(n as i64, event)).collect();
    Journal::read("ci", entries.iter().map(|entry| ("commit", entry)))
}

#[test]
fn an_entry_is_of_no_time_that_cannot_be() {
    let entry = |at: &str, until: &str| {
        let text = format!(
            r#"{{"version": 1, "user": "ci", "run": "7", "at": "{at}", "event": "claim", "until": "{until}"}}"#
        );
        Entry::parse(text.as_bytes())
    };
    assert!(entry("2026-11-21T12:00:00Z", "2026-11-21T12:30:00Z").is_ok());
    let never = "9999-12-30T21:59:59Z";
    assert!(entry("2026-11-21T12:00:00Z", never).unwrap_err().contains(never));
    assert!(entry(never, "2026-11-21T12:00:00Z").unwrap_err().contains(never));
}

#[test]
fn an_entry_survives_json() {
    let why = || "because".to_owned();
    let key = || KeyId::from("NEW");
    let all = [
        Event::Claim { until: Timestamp::constant(1_800_000_000, 0) },
        Event::Release,
        Event::Touch,
        intent(1),
        Event::Create,
        staged("NEW"),
        Event::Verified,
        Event::Proposed { pull_request: 7 },
        Event::Delivered { place: "p".into(), marker: "m".into() },
        Event::Refused { place: "p".into(), why: why() },
        Event::Distributed,
        Event::Retiring { key: key() },
        Event::Deactivate { key: key() },
        Event::InactiveSince { key: key() },
        Event::Activate { key: key() },
        Event::Delete { key: key() },
        Event::Deleted { key: key() },
        Event::Discard { key: key() },
        Event::Tombstone { key: key(), why: why() },
        Event::Rollback { why: why() },
        Event::Held { why: why() },
        Event::Resumed { reason: why(), user_id: "AID".into() },
        Event::Failed { step: "propose".to_owned(), why: why() },
    ];
    for event in all {
        let entry = entry(0, event);
        assert_eq!(Entry::parse(entry.render().as_bytes()).as_ref(), Ok(&entry));
    }
}

#[test]
fn a_later_versions_fields_are_ignored_and_its_events_are_not() {
    let text =
        r#"{"version":2,"user":"ci","at":"2027-01-15T08:00:00Z","run":"r","event":"touch","mood":"good"}"#;
    assert_eq!(Entry::parse(text.as_bytes()).unwrap().event, Event::Touch);
    let text = text.replace("touch", "reseal");
    let other = Entry::parse(text.as_bytes()).unwrap().event;
    assert_eq!(other, Event::Other { event: "reseal".to_owned() });
    let journal = read([intent(1), other]);
    assert_eq!((journal.foreign.as_deref(), journal.fault), (Some("reseal"), None));
}

#[test]
fn what_is_no_entry_is_refused() {
    for text in ["", "{}", "[]", r#"{"version":1,"user":"ci","event":"touch"}"#] {
        assert!(Entry::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_rotation_is_followed_to_its_end() {
    let journal = read([
        intent(1),
        Event::Create,
        staged("NEW"),
        Event::Verified,
        Event::Distributed,
        Event::Retiring { key: "OLD".into() },
        Event::Delete { key: "OLD".into() },
        Event::Deleted { key: "OLD".into() },
    ]);
    assert_eq!((journal.open, journal.last, journal.held, journal.fault), (None, 1, None, None));
    let known =
        |marker: &str| journal.known.get(&("sops creds.yaml".into(), marker.into())).map(|key| &**key);
    assert_eq!((known("old"), known("new")), (Some("OLD"), Some("NEW")));
}

/// What is announced has not succeeded: a deletion that AWS refuses each time is told after the third.
#[test]
fn a_step_that_is_announced_and_fails_is_counted() {
    let delete = || Event::Delete { key: "OLD".into() };
    let failed = || Event::Failed { step: "delete".to_owned(), why: "AccessDenied".to_owned() };
    let rounds = [delete(), failed(), Event::Touch, delete(), failed(), delete(), failed()];
    let begun = [intent(1), Event::Create, staged("NEW"), Event::Verified, Event::Distributed];
    let journal = read(begun.clone().into_iter().chain(rounds));
    assert_eq!(journal.failures.map(|failures| failures.times), Some(3));
    let got_on =
        read(begun.into_iter().chain([delete(), failed(), Event::InactiveSince { key: "OLD".into() }]));
    assert_eq!(got_on.failures, None);
}

#[test]
fn what_a_person_says_of_a_key_is_kept() {
    let journal = read([intent(1), Event::Create, staged("NEW"), Event::Compromised]);
    assert!(journal.open.is_some_and(|open| open.compromised));
    assert!(read([Event::Compromised]).fault.is_some());
}

#[test]
fn a_rollback_ends_held() {
    let back = Event::Rollback { why: "asked".to_owned() };
    let journal = read([intent(1), Event::Create, staged("NEW"), back, Event::Deleted { key: "NEW".into() }]);
    assert!(journal.open.is_none() && journal.held.is_some());
}

#[test]
fn what_was_tampered_with_is_not_trusted() {
    let own = |key: &str| Event::Retiring { key: key.into() };
    let faults: [Vec<Event>; 6] = [
        vec![intent(1), intent(2)],
        vec![intent(1), staged("NEW"), staged("OTHER")],
        vec![intent(1), staged("OLD")],
        vec![intent(1), staged("NEW"), own("OTHER")],
        vec![Event::Verified],
        vec![intent(1), Event::Distributed],
    ];
    for events in faults {
        assert!(read(events.clone()).fault.is_some(), "{events:?}");
    }
}

#[test]
fn an_entry_of_another_user_or_of_the_past_is_not_trusted() {
    let (first, mut second) = (entry(10, intent(1)), entry(11, Event::Touch));
    let read = |second: &Entry| Journal::read("ci", [("a", &first), ("b", second)]).fault;
    assert_eq!(read(&second), None);
    second.user = "other".into();
    assert!(read(&second).is_some());
    assert_eq!(read(&entry(6, Event::Touch)), None, "clocks differ by some minutes");
    assert!(read(&entry(4, Event::Touch)).is_some());
}

#[test]
fn a_creation_is_unresolved_until_its_key_is_kept() {
    assert_eq!(read([intent(1), Event::Create]).tries.len(), 1);
    assert_eq!(read([intent(1), Event::Create, Event::Create]).tries.len(), 2);
    assert_eq!(read([intent(1), Event::Create, Event::Create, staged("NEW")]).tries.len(), 1);
    let failed = Event::Failed { step: "issue".to_owned(), why: "no".to_owned() };
    assert_eq!(read([intent(1), Event::Create, failed]).tries.len(), 1, "the key may exist");
}

#[test]
fn a_run_that_writes_again_was_answered() {
    let deactivate = Event::Deactivate { key: "OLD".into() };
    assert_eq!(read([intent(1), deactivate.clone()]).sent.len(), 1);
    assert_eq!(read([intent(1), deactivate, Event::Release]).sent.len(), 0);
}

#[test]
fn grace_begins_anew_when_the_old_key_was_needed_again() {
    let activate = Event::Activate { key: "OLD".into() };
    let journal = read([intent(1), Event::Create, staged("NEW"), Event::Distributed, activate]);
    assert!(journal.open.is_some_and(|open| open.distributed.is_none()));
}

#[test]
fn a_claim_is_released_by_its_own_run_only() {
    let claim = Event::Claim { until: Timestamp::MAX };
    assert!(read([claim.clone()]).claim.is_some());
    assert!(read([claim.clone(), Event::Release]).claim.is_none());
    let (first, mut second) = (entry(0, claim), entry(1, Event::Release));
    second.run = "run-2".into();
    assert!(Journal::read("ci", [("a", &first), ("b", &second)]).claim.is_some());
}

#[test]
fn a_person_resumes_what_was_distrusted_held_or_failed() {
    let resumed = |user: &str| Event::Resumed { reason: "looked".to_owned(), user_id: user.into() };
    let held = Event::Held { why: "store".to_owned() };
    let journal = read([intent(1), staged("NEW"), Event::Distributed, held, resumed("AID")]);
    assert_eq!(journal.held, None);
    assert!(journal.open.is_some_and(|open| open.distributed.is_none()));
    assert!(read([intent(1), staged("NEW"), resumed("BID")]).open.is_none());
    assert!(read([intent(1), resumed("AID")]).open.is_none(), "it has made no key");
    let distrusted = read([intent(1), intent(2), resumed("AID")]);
    assert!(distrusted.open.is_none() && distrusted.fault.is_none());
}
