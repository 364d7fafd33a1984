use std::collections::BTreeSet;

use super::*;

/// The runs of a workflow that the journal announces and records.
mod redeployments;
/// Keys that go without a successor.
mod retirements;
/// How much work long journals are.
mod work;

fn entry(minute: i64, event: JournalEvent) -> JournalEntry {
    let at = Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
    JournalEntry { version: JOURNAL_VERSION, user: "ci".into(), at, run: "run-1".into(), event }
}

fn frozen() -> DestinationSnapshot {
    let spec = serde_json::json!({ "path": "creds.yaml" });
    DestinationSnapshot {
        destination: "age creds.age".into(),
        kind: StorageKind::File,
        fingerprint: Some("old".into()),
        spec,
    }
}

fn intent(number: u32) -> JournalEvent {
    JournalEvent::Intent {
        number,
        user_id: "AID".into(),
        key: "OLD".into(),
        places: vec![frozen()],
        compromised: false,
    }
}

fn retirement(number: u32) -> JournalEvent {
    JournalEvent::Retirement { number, user_id: "AID".into(), key: "OLD".into() }
}

fn because() -> String {
    "because".to_owned()
}

fn retiring(key: &str) -> JournalEvent {
    JournalEvent::Retiring { key: key.into() }
}

fn deletion() -> JournalEvent {
    JournalEvent::Delete { key: "OLD".into() }
}

fn failed_deletion() -> JournalEvent {
    JournalEvent::Failed { step: "delete".to_owned(), why: "AccessDenied".to_owned() }
}

fn resumed(user_id: &str) -> JournalEvent {
    JournalEvent::Resumed { reason: "looked".to_owned(), user_id: user_id.into() }
}

fn staged(key: &str) -> JournalEvent {
    let files = BTreeMap::from([("age creds.age".into(), "new".into())]);
    JournalEvent::Staged { key: key.into(), files, payloads: BTreeSet::new(), recipients: BTreeMap::new() }
}

fn key_of_fingerprint<'j>(journal: &'j Journal, marker: &str) -> Option<&'j str> {
    journal.key_by_fingerprint.get(&("age creds.age".into(), marker.into())).map(|key| &**key)
}

fn read(events: impl IntoIterator<Item = JournalEvent>) -> Journal {
    let entries: Vec<JournalEntry> =
        events.into_iter().enumerate().map(|(n, event)| entry(n as i64, event)).collect();
    Journal::from_chain("ci", entries.iter().map(|entry| ("commit", entry)))
}

fn parse_claim(at: &str, until: &str) -> Result<JournalEntry, InvalidEntry> {
    let text = format!(
        r#"{{"version": 1, "user": "ci", "run": "7", "at": "{at}", "event": "claim", "until": "{until}"}}"#
    );
    JournalEntry::parse_json(text.as_bytes())
}

#[test]
fn an_entry_is_of_no_time_that_cannot_be() {
    assert!(parse_claim("2026-11-21T12:00:00Z", "2026-11-21T12:30:00Z").is_ok());
    let never = "9999-12-30T21:59:59Z";
    assert!(parse_claim("2026-11-21T12:00:00Z", never).unwrap_err().to_string().contains(never));
    assert!(parse_claim(never, "2026-11-21T12:00:00Z").unwrap_err().to_string().contains(never));
}

#[test]
fn an_entry_survives_json() {
    let all = [
        JournalEvent::Claim { until: Timestamp::constant(1_800_000_000, 0) },
        JournalEvent::Release,
        JournalEvent::Heartbeat,
        intent(1),
        retirement(1),
        JournalEvent::Needed { key: "NEW".into(), why: because() },
        JournalEvent::Create,
        staged("NEW"),
        JournalEvent::Verified,
        JournalEvent::Proposed { pull_request: 7 },
        JournalEvent::Delivered { place: "p".into(), marker: "m".into() },
        JournalEvent::Refused { place: "p".into(), why: because() },
        JournalEvent::Distributed,
        JournalEvent::Redeploying { cause: RedeployCause::Delivery },
        JournalEvent::Redeployed { cause: RedeployCause::Rollback, run: 7 },
        JournalEvent::Retiring { key: "NEW".into() },
        JournalEvent::Deactivate { key: "NEW".into() },
        JournalEvent::InactiveSince { key: "NEW".into() },
        JournalEvent::Activate { key: "NEW".into() },
        JournalEvent::Delete { key: "NEW".into() },
        JournalEvent::Deleted { key: "NEW".into() },
        JournalEvent::Discard { key: "NEW".into() },
        JournalEvent::NewKeyAbandoned { key: "NEW".into(), why: because() },
        JournalEvent::Rollback { why: because() },
        JournalEvent::Held { why: because() },
        JournalEvent::Resumed { reason: because(), user_id: "AID".into() },
        JournalEvent::Failed { step: "propose".to_owned(), why: because() },
    ];
    for event in all {
        let entry = entry(0, event);
        assert_eq!(JournalEntry::parse_json(entry.render_json().as_bytes()).as_ref(), Ok(&entry));
    }
}

#[test]
fn a_later_versions_fields_are_ignored_and_its_events_are_not() {
    let text =
        r#"{"version":2,"user":"ci","at":"2027-01-15T08:00:00Z","run":"r","event":"touch","mood":"good"}"#;
    assert_eq!(JournalEntry::parse_json(text.as_bytes()).unwrap().event, JournalEvent::Heartbeat);
    let text = text.replace("touch", "reseal");
    let other = JournalEntry::parse_json(text.as_bytes()).unwrap().event;
    assert_eq!(other, JournalEvent::Other { event: "reseal".to_owned() });
    let journal = read([intent(1), other]);
    assert_eq!(
        (journal.unknown_event.map(|event| event.name), journal.fault),
        (Some("reseal".to_owned()), None)
    );
}

#[test]
fn what_is_no_entry_is_refused() {
    for text in ["", "{}", "[]", r#"{"version":1,"user":"ci","event":"touch"}"#] {
        assert!(JournalEntry::parse_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_rotation_is_followed_to_its_end() {
    let journal = read([
        intent(1),
        JournalEvent::Create,
        staged("NEW"),
        JournalEvent::Verified,
        JournalEvent::Distributed,
        retiring("OLD"),
        deletion(),
        JournalEvent::Deleted { key: "OLD".into() },
    ]);
    assert_eq!(key_of_fingerprint(&journal, "old"), Some("OLD"));
    assert_eq!(key_of_fingerprint(&journal, "new"), Some("NEW"));
    assert_eq!(
        (journal.open, journal.last_number, journal.hold_reason, journal.fault),
        (None, 1, None, None)
    );
}

/// What is announced has not succeeded: a deletion that AWS refuses each time is reported after the third.
#[test]
fn a_step_that_is_announced_and_fails_is_counted() {
    let rounds = [
        deletion(),
        failed_deletion(),
        JournalEvent::Heartbeat,
        deletion(),
        failed_deletion(),
        deletion(),
        failed_deletion(),
    ];
    let begun =
        [intent(1), JournalEvent::Create, staged("NEW"), JournalEvent::Verified, JournalEvent::Distributed];
    let journal = read(begun.clone().into_iter().chain(rounds));
    assert_eq!(journal.failures.map(|failures| failures.times), Some(3));
    let got_on = read(begun.into_iter().chain([
        deletion(),
        failed_deletion(),
        JournalEvent::InactiveSince { key: "OLD".into() },
    ]));
    assert_eq!(got_on.failures, None);
}

#[test]
fn what_a_person_says_of_a_key_is_kept() {
    let journal = read([intent(1), JournalEvent::Create, staged("NEW"), JournalEvent::Compromised]);
    assert!(journal.open.is_some_and(|open| open.compromised));
    assert!(read([JournalEvent::Compromised]).fault.is_some());
}

#[test]
fn a_rollback_ends_held() {
    let back = JournalEvent::Rollback { why: "asked".to_owned() };
    let journal = read([
        intent(1),
        JournalEvent::Create,
        staged("NEW"),
        back,
        JournalEvent::Deleted { key: "NEW".into() },
    ]);
    assert!(journal.open.is_none());
    assert_eq!(journal.hold_reason.as_deref(), Some("rotation 1 was rolled back (asked)"));
}

#[test]
fn what_was_tampered_with_is_not_trusted() {
    let faults: [Vec<JournalEvent>; 6] = [
        vec![intent(1), intent(2)],
        vec![intent(1), staged("NEW"), staged("OTHER")],
        vec![intent(1), staged("OLD")],
        vec![intent(1), staged("NEW"), retiring("OTHER")],
        vec![JournalEvent::Verified],
        vec![intent(1), JournalEvent::Distributed],
    ];
    for events in faults {
        assert!(read(events.clone()).fault.is_some(), "{events:?}");
    }
}

#[test]
fn an_entry_of_another_user_or_of_the_past_is_not_trusted() {
    let (first, mut second) = (entry(10, intent(1)), entry(11, JournalEvent::Heartbeat));
    let read = |second: &JournalEntry| Journal::from_chain("ci", [("a", &first), ("b", second)]).fault;
    assert_eq!(read(&second), None);
    second.user = "other".into();
    assert!(read(&second).is_some());
    assert_eq!(read(&entry(6, JournalEvent::Heartbeat)), None, "clocks differ by some minutes");
    assert!(read(&entry(4, JournalEvent::Heartbeat)).is_some());
}

#[test]
fn a_creation_is_unresolved_until_its_key_is_kept() {
    assert_eq!(read([intent(1), JournalEvent::Create]).unconfirmed_creations.len(), 1);
    assert_eq!(read([intent(1), JournalEvent::Create, JournalEvent::Create]).unconfirmed_creations.len(), 2);
    assert_eq!(
        read([intent(1), JournalEvent::Create, JournalEvent::Create, staged("NEW")])
            .unconfirmed_creations
            .len(),
        1
    );
    let failed = JournalEvent::Failed { step: "issue".to_owned(), why: "no".to_owned() };
    assert_eq!(
        read([intent(1), JournalEvent::Create, failed]).unconfirmed_creations.len(),
        1,
        "the key may exist"
    );
}

#[test]
fn a_run_that_writes_again_was_answered() {
    let deactivate = JournalEvent::Deactivate { key: "OLD".into() };
    assert_eq!(read([intent(1), deactivate.clone()]).in_flight_requests.len(), 1);
    assert_eq!(read([intent(1), deactivate, JournalEvent::Release]).in_flight_requests.len(), 0);
}

#[test]
fn grace_begins_anew_when_the_old_key_was_needed_again() {
    let activate = JournalEvent::Activate { key: "OLD".into() };
    let journal = read([intent(1), JournalEvent::Create, staged("NEW"), JournalEvent::Distributed, activate]);
    assert!(journal.open.is_some_and(|open| open.distributed.is_none()));
}

#[test]
fn a_claim_is_released_by_its_own_run_only() {
    let claim = JournalEvent::Claim { until: Timestamp::MAX };
    assert!(read([claim.clone()]).claim.is_some());
    assert!(read([claim.clone(), JournalEvent::Release]).claim.is_none());
    let (first, mut second) = (entry(0, claim), entry(1, JournalEvent::Release));
    second.run = "run-2".into();
    assert!(Journal::from_chain("ci", [("a", &first), ("b", &second)]).claim.is_some());
}

#[test]
fn a_person_resumes_what_was_distrusted_held_or_failed() {
    let held = JournalEvent::Held { why: "store".to_owned() };
    let journal = read([intent(1), staged("NEW"), JournalEvent::Distributed, held, resumed("AID")]);
    assert_eq!(journal.hold_reason, None);
    assert!(journal.open.is_some_and(|open| open.distributed.is_none()));
    assert!(read([intent(1), staged("NEW"), resumed("BID")]).open.is_none());
    assert!(read([intent(1), resumed("AID")]).open.is_none(), "it has made no key");
    let distrusted = read([intent(1), intent(2), resumed("AID")]);
    assert!(distrusted.open.is_none() && distrusted.fault.is_none());
}
