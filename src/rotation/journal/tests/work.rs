use super::*;

/// The entries, so many minutes apart, and each of a run of its own.
fn steps(minutes: i64, events: Vec<JournalEvent>) -> (usize, Option<String>) {
    let entries: Vec<(String, JournalEntry)> = events
        .into_iter()
        .enumerate()
        .map(|(number, event)| {
            let entry = entry(minutes * number as i64, event);
            (format!("c{number}"), JournalEntry { run: format!("r{number}").into(), ..entry })
        })
        .collect();
    STEPS.set(0);
    let journal = Journal::from_chain("ci", entries.iter().map(|(commit, entry)| (commit.as_str(), entry)));
    (STEPS.get(), journal.fault)
}

/// Twice the entries are about twice the work, whatever they are.
#[track_caller]
fn grows_evenly(minutes: i64, events: impl Fn(usize) -> Vec<JournalEvent>) -> Option<String> {
    let [(few, _), (more, _), (most, fault)] = [400, 800, 1_600].map(|count| steps(minutes, events(count)));
    assert!(few > 0 && (most - more) * 2 <= (more - few) * 5, "{few} {more} {most}");
    fault
}

#[test]
fn twice_the_rotations_are_twice_the_work() {
    let fault = grows_evenly(60, |count| {
        let rotation = |number: usize| {
            let number = u32::try_from(number).unwrap();
            [intent(number), JournalEvent::Create, staged("NEW"), JournalEvent::Deleted { key: "OLD".into() }]
        };
        (1..=count / 4).flat_map(rotation).collect()
    });
    assert_eq!(fault, None);
}

#[test]
fn forged_requests_of_many_runs_are_twice_the_work_and_not_trusted() {
    let fault = grows_evenly(0, |count| {
        let deactivations = (1..count).map(|_| JournalEvent::Deactivate { key: "OLD".into() });
        std::iter::once(intent(1)).chain(deactivations).collect()
    });
    assert!(fault.unwrap().contains("more than 50 runs changed keys at once"));
}

#[test]
fn forged_creations_are_twice_the_work_and_not_trusted() {
    let fault = grows_evenly(0, |count| {
        let attempt = |number: usize| {
            [
                intent(u32::try_from(number).unwrap()),
                JournalEvent::Create,
                JournalEvent::Held { why: because() },
            ]
        };
        (1..=count / 3).flat_map(attempt).collect()
    });
    assert!(fault.unwrap().contains("more than 50 keys were created at once"));
}

/// A creation that fails once a day is no forgery, however long it goes on.
#[test]
fn many_failed_creations_of_many_days_are_trusted() {
    let days = 400;
    let mut entries = vec![entry(0, intent(1))];
    entries.extend((1..=days).map(|day| entry(day * 24 * 60, JournalEvent::Create)));
    let journal = Journal::from_chain("ci", entries.iter().map(|entry| ("c", entry)));
    assert_eq!((journal.fault, journal.unconfirmed_creations.len()), (None, 400));
}
