//! A date near the end of the calendar, from which no wait can be counted, is a reply that cannot be used.

use crate::support::Keytide;
use crate::support::replies::{Request, Server, answer, caller, error};

#[test]
fn a_key_of_the_far_future_is_a_fault() {
    let server = Server::start(|request: &Request| match request.action() {
        "GetCallerIdentity" => caller(),
        "ListAccessKeys" => answer(
            "ListAccessKeys",
            "<AccessKeyMetadata><member><UserName>ci</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId>\
             <Status>Active</Status><CreateDate>9999-12-30T22:00:00Z</CreateDate></member></AccessKeyMetadata>\
             <IsTruncated>false</IsTruncated>",
        ),
        action => error(403, "AccessDenied", &format!("not authorized to perform: iam:{action}")),
    });
    let run = Keytide::new(&["audit", "--format", "json", "--source", "iam"])
        .policy("version: 1\nusers:\n  - name: ci\n")
        .against(&server.url())
        .run()
        .exits(3);
    let report = run.json();
    assert!(report["faults"].to_string().contains("a date out of range"), "{report:#}");
}
