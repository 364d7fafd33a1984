//! Results and collections of another day: a job that did not run must not leave its last good result in its place.

use crate::fleet::ACCOUNT;
use crate::fleet_report::{collection, good, merge, result};
use crate::support::Keytide;

#[test]
fn an_old_result_does_not_pass() {
    let collected = collection(&[ACCOUNT]);
    // The collection is of 28 November, the report of the 29th
    for (at, reason) in [
        ("2026-11-28T12:00:00Z", None),
        ("2026-11-27T12:00:00Z", None),
        ("2026-11-26T12:00:00Z", Some("before the collection")),
        ("1970-01-01T00:00:00Z", Some("more than a week ago")),
    ] {
        let text = result(ACCOUNT, at, good);
        let run = merge(&[("result.json", &text), ("collection.json", &collected)]).run();
        assert_eq!(run.exit, if reason.is_some() { 3 } else { 0 }, "{at}: {}", run.stdout);
        let shown = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(reason.is_none_or(|reason| shown.contains(reason)), "{at}: {shown}");
    }
}

#[test]
fn an_old_collection_does_not_pass() {
    let (collected, text) = (collection(&[ACCOUNT]), result(ACCOUNT, "2026-12-20T00:00:00Z", good));
    let run = Keytide::new(&["fleet", "report", "results", "--now", "2026-12-20T01:00:00Z"])
        .file("results/result.json", text)
        .file("results/collection.json", collected)
        .run()
        .exits(3);
    assert!(run.stdout.contains("more than a week ago"), "{}", run.stdout);
}
