use super::*;

fn announced(cause: RedeployCause) -> JournalEvent {
    JournalEvent::Redeploying { cause }
}

fn recorded(cause: RedeployCause) -> JournalEvent {
    JournalEvent::Redeployed { cause, run: 7 }
}

fn rollback() -> JournalEvent {
    JournalEvent::Rollback { why: "because".to_owned() }
}

fn abandoned() -> JournalEvent {
    JournalEvent::NewKeyAbandoned { key: "NEW".into(), why: "because".to_owned() }
}

/// A rotation whose destinations all hold the new key.
fn done() -> Vec<JournalEvent> {
    vec![intent(1), staged("NEW"), JournalEvent::Distributed]
}

/// The same, rolled back.
fn turned() -> Vec<JournalEvent> {
    [done(), vec![rollback(), abandoned()]].concat()
}

/// A workflow is started for a cause that the rotation has, once, and again only after its record is void.
#[test]
fn a_redeployment_fits_its_rotation() {
    let (delivery, back) = (RedeployCause::Delivery, RedeployCause::Rollback);
    for (mut events, more) in [
        (vec![intent(1), staged("NEW")], vec![announced(delivery)]),
        (done(), vec![announced(back)]),
        (done(), vec![recorded(delivery)]),
        (done(), vec![announced(delivery), recorded(back)]),
        (done(), vec![announced(delivery), recorded(delivery), recorded(delivery)]),
        (done(), vec![announced(delivery), recorded(delivery), announced(delivery)]),
        ([done(), vec![rollback()]].concat(), vec![announced(back)]),
        (turned(), vec![announced(delivery)]),
        (vec![retirement(1)], vec![announced(delivery)]),
    ] {
        assert_eq!(read(events.clone()).fault, None, "{events:?}");
        events.extend(more);
        assert!(read(events.clone()).fault.is_some(), "{events:?}");
    }
    let both = vec![announced(delivery), announced(delivery), recorded(delivery)];
    let journal =
        read([done(), both.clone(), vec![rollback(), abandoned(), announced(back), recorded(back)]].concat());
    let last = journal.open.unwrap().redeployment.map(|last| last.cause);
    assert_eq!((journal.fault, last), (None, Some(back)), "what was deployed before is not loaded any more");
    let again = JournalEvent::Activate { key: "OLD".into() };
    let journal = read([done(), both, vec![again, JournalEvent::Distributed, announced(delivery)]].concat());
    let open = journal.open.unwrap();
    assert_eq!((journal.fault, open.redeployment.unwrap().run), (None, None));
}
