//! Lists of service-specific credentials that could not be read, or cannot be: none of them counts as empty.

use serde_json::{Value, json};

use crate::service_credentials::{ID, LIST, OPERATION, account, audit};
use crate::support::replies::{Reply, Request, Server, answer, caller, error};
use crate::support::{Keytide, Ran};

/// Whatever goes wrong is a fault of the user, whose keys are reported all the same; the others are not touched by it.
#[test]
fn what_could_not_be_read_is_a_fault() {
    let emulator = account();
    let policy = "version: 1\nusers: [{ name: ci, limits: { max_active_service_credentials: 0 } }]\n";
    // Where a request is sent again, either the time or the attempts are over first: the pauses between them are random
    for (fault, expected) in [
        (
            json!({"status": 403, "code": "AccessDenied"}),
            "`keytide iam-policy --for audit` prints the permissions",
        ),
        (json!({"status": 400, "code": "ServiceNotSupported"}), "ServiceNotSupported"),
        (json!({"status": 400, "code": "Throttling"}), "no usable answer in time|AWS throttles"),
        (json!({"status": 503}), "no usable answer in time|InternalFailure"),
        (json!({"spoil": "half"}), "the reply is incomplete"),
        (json!({"spoil": "cut"}), "the reply is incomplete"),
        (json!({"spoil": "none"}), "no usable answer in time|connection closed before message completed"),
        (json!({"spoil": "twisted"}), "unexpected reply"),
        (json!({"spoil": "page"}), "the reply is incomplete"),
        (json!({"spoil": "empty"}), "the reply is incomplete"),
    ] {
        let mut one = json!({"action": LIST, "times": 99});
        one.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        emulator.control("POST", "faults", &json!([one]).to_string());
        let run = audit(&emulator, policy, &["--timeout", "4"]).exits(3);
        let json = run.json();
        assert_eq!((&json["complete"], &json["result"]), (&json!(false), &json!("incomplete")), "{fault}");
        assert_eq!(json["faults"].as_array().unwrap().len(), 1, "{fault}: {json:#}");
        assert_eq!(
            (&json["faults"][0]["user"], &json["faults"][0]["operation"]),
            (&json!("ci"), &json!(OPERATION))
        );
        let message = json["faults"][0]["message"].as_str().unwrap();
        assert!(expected.split('|').any(|text| message.contains(text)), "{fault}: {message}");
        assert_eq!(run.findings(), Vec::<String>::new(), "{fault}");
        assert_eq!(json["users"][0]["service_credentials"], Value::Null, "not an empty list: {fault}");
        assert_eq!(json["users"][0]["keys"].as_array().unwrap().len(), 1, "{fault}");
        let restored = emulator.control("GET", "snapshot", "");
        emulator.control("POST", "restore", &restored);
    }
    audit(&emulator, policy, &[]).exits(1);
}

fn user(name: &str) -> String {
    format!(
        "<User><Path>/</Path><UserName>{name}</UserName><UserId>AIDA</UserId>\
         <Arn>arn:aws:iam::123456789012:user/{name}</Arn><CreateDate>2020-01-01T00:00:00Z</CreateDate></User>"
    )
}

/// An account of one user without keys; `list` answers the request for its credentials.
fn server(list: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.action() {
        "GetCallerIdentity" => caller(),
        "GetUser" => answer("GetUser", &user(request.field("UserName"))),
        "ListAccessKeys" => answer("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>false</IsTruncated>"),
        "ListEntitiesForPolicy" => answer("ListEntitiesForPolicy", "<IsTruncated>false</IsTruncated>"),
        LIST => list(request),
        action => error(403, "AccessDenied", &format!("not authorized to perform: iam:{action}")),
    })
}

fn audit_server(server: &Server) -> Ran {
    Keytide::new(&["audit", "--format", "json", "--now", "2026-04-01T00:00:00Z", "--source", "iam"])
        .policy("version: 1\nusers: [{ name: ci, limits: { max_active_service_credentials: 0 } }]\n")
        .against(&server.url())
        .run()
}

fn member(id: &str, created_at: &str) -> String {
    format!(
        "<member><UserName>ci</UserName><Status>Active</Status><ServiceUserName>ci-at-123456789012</ServiceUserName>\
         <CreateDate>{created_at}</CreateDate><ServiceSpecificCredentialId>{id}</ServiceSpecificCredentialId>\
         <ServiceName>codecommit.amazonaws.com</ServiceName></member>"
    )
}

fn list_of(members: &str, more: &str) -> Reply {
    answer(LIST, &format!("<ServiceSpecificCredentials>{members}</ServiceSpecificCredentials>{more}"))
}

/// Lists that contradict themselves, do not end, or are not there.
#[test]
fn a_list_that_cannot_be_is_a_fault() {
    let one = || member(ID, "2026-01-01T00:00:00Z");
    let marked = "<IsTruncated>true</IsTruncated><Marker>next</Marker>";
    let whole = "<IsTruncated>false</IsTruncated>";
    let no_list = server(|_| answer(LIST, "<IsTruncated>false</IsTruncated>"));
    let no_result = server(|_| Reply::Answer(200, format!("<{LIST}Response></{LIST}Response>")));
    let repeats = {
        let page = one();
        server(move |_| list_of(&page, marked))
    };
    let empty_for_ever = server(move |_| list_of("", marked));
    let lost_page = {
        let page = one();
        server(move |_| list_of(&page, "<IsTruncated>true</IsTruncated>"))
    };
    let second_fails = {
        let page = one();
        server(move |request| match request.field("Marker") {
            "" => list_of(&page, marked),
            _ => error(403, "AccessDenied", "no"),
        })
    };
    let future = server(move |_| list_of(&member(ID, "2027-01-01T00:00:00Z"), whole));
    for (server, expected) in [
        (&no_list, "the reply is incomplete"),
        (&no_result, "unexpected reply"),
        (&repeats, "it names a credential twice"),
        (&empty_for_ever, "the list does not end"),
        (&lost_page, "it says that more follows, and not where"),
        (&second_fails, "AccessDenied: no"),
        (&future, "its age is unknown; check the clock or --now"),
    ] {
        let run = audit_server(server).exits(3);
        let faults = run.json()["faults"].clone();
        assert_eq!(faults[0]["operation"], OPERATION, "{expected}: {faults}");
        assert!(faults[0]["message"].as_str().unwrap().contains(expected), "{expected}: {faults}");
    }
    assert!(empty_for_ever.count(LIST) < 5, "{}", empty_for_ever.count(LIST));
}

/// A user that goes away between two calls is gone, not broken.
#[test]
fn a_user_that_is_deleted_meanwhile_is_missing() {
    let gone = server(|_| error(404, "NoSuchEntity", "The user with name ci cannot be found."));
    let run = audit_server(&gone).exits(1);
    assert_eq!(run.json()["faults"], json!([]));
    assert!(run.findings()[0].starts_with("missing-user error ci"), "{:?}", run.findings());
}
