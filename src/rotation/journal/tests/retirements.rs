use super::*;

fn announced_retirement() -> [JournalEvent; 2] {
    [retirement(1), retiring("OLD")]
}

#[test]
fn a_retirement_is_followed_to_its_end_and_a_rotation_may_follow_it() {
    let open = read(announced_retirement()).open.unwrap();
    assert!(open.retires && open.unneeded_since.is_some() && open.retiring.as_deref() == Some("OLD"));
    assert_eq!(open.announced, None);
    let again = announced_retirement().into_iter().chain([retiring("OLD")]);
    let open = read(again).open.unwrap();
    assert!(open.announced > open.unneeded_since);
    let needed = JournalEvent::Needed { key: "OLD".into(), why: "`a.yml` names it".to_owned() };
    let open = read(announced_retirement().into_iter().chain([needed.clone()])).open.unwrap();
    assert_eq!((open.unneeded_since, open.announced, open.retiring), (None, None, None));
    let over = read(announced_retirement().into_iter().chain([
        JournalEvent::Deactivate { key: "OLD".into() },
        JournalEvent::InactiveSince { key: "OLD".into() },
        JournalEvent::Delete { key: "OLD".into() },
        JournalEvent::Deleted { key: "OLD".into() },
    ]));
    assert_eq!((over.open, over.last_number, over.hold_reason, over.fault), (None, 1, None, None));
    let back = JournalEvent::Rollback { why: "asked".to_owned() };
    let held = read(
        announced_retirement().into_iter().chain([back, JournalEvent::Held { why: "asked".to_owned() }]),
    );
    assert_eq!((held.open, held.hold_reason.as_deref()), (None, Some("asked")));
    let other = JournalEvent::Intent {
        number: 2,
        user_id: "AID".into(),
        key: "NEXT".into(),
        places: vec![],
        compromised: false,
    };
    let ended = [retirement(1), JournalEvent::Deleted { key: "OLD".into() }, other];
    assert!(read(ended).open.is_some_and(|open| !open.retires));
    for forged in [
        vec![retirement(1), JournalEvent::Create],
        vec![retirement(1), staged("NEW")],
        vec![retirement(1), JournalEvent::Distributed],
        vec![retirement(1), JournalEvent::Compromised],
        vec![retirement(1), intent(2)],
        vec![intent(1), retirement(2)],
        vec![retirement(1), retiring("OTHER")],
        vec![intent(1), needed.clone()],
        vec![needed],
    ] {
        assert!(read(forged.clone()).fault.is_some(), "{forged:?}");
    }
}

/// Older versions must be able to read what newer ones wrote of a rotation, and these bytes stay.
#[test]
fn the_entries_of_a_retirement_are_these_bytes() {
    let text = entry(0, retirement(3)).render_json();
    let expected = r#"{
  "version": 1,
  "user": "ci",
  "at": "2027-01-15T08:00:00Z",
  "run": "run-1",
  "event": "retirement",
  "number": 3,
  "user_id": "AID",
  "key": "OLD"
}
"#;
    assert_eq!(text, expected);
    let needed = JournalEvent::Needed { key: "OLD".into(), why: "named".to_owned() };
    assert!(entry(0, needed).render_json().contains(r#""event": "needed""#));
}
