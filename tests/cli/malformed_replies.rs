//! What moto never does: pages, throttling, refusals, nonsense, silence. The replies have AWS's recorded shapes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::support::replies::{Reply, Request, Server, answer, caller, error};
use crate::support::{Keytide, Ran};

/// More than a page of the list, and than the requests that are on their way at once.
const USERS: usize = 80;
const POLICY: &str = "version: 1\nusers:\n  - match: \"user*\"\n";

fn audit(server: &Server, policy: &str, more: &[&str]) -> Ran {
    let arguments = ["audit", "--format", "json", "--now", "2026-04-01T00:00:00Z"];
    Keytide::new(&[&arguments, more].concat()).policy(policy).against(&server.url()).run()
}

/// A page of a list: `Marker` is the number of the first item.
fn page(request: &Request, size: usize, items: &[String], list: &str) -> Reply {
    let start: usize = request.field("Marker").parse().unwrap_or(0);
    let end = (start + size).min(items.len());
    let more = if end < items.len() {
        format!("<IsTruncated>true</IsTruncated><Marker>{end}</Marker>")
    } else {
        "<IsTruncated>false</IsTruncated>".into()
    };
    answer(request.action(), &format!("<{list}>{}</{list}>{more}", items[start..end].concat()))
}

fn user(name: &str) -> String {
    format!(
        "<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{name}</UserId>\
         <Arn>arn:aws:iam::123456789012:user/{name}</Arn><CreateDate>2020-01-01T00:00:00Z</CreateDate></member>"
    )
}

fn key(user: &str, number: usize, status: &str) -> String {
    format!(
        "<member><UserName>{user}</UserName><AccessKeyId>AKIA0{number:015}</AccessKeyId><Status>{status}</Status>\
         <CreateDate>2026-03-30T00:00:00Z</CreateDate></member>"
    )
}

/// An account of many users with two keys each, in pages that are smaller than asked for.
fn account(request: &Request) -> Reply {
    account_of(USERS, request)
}

fn account_of(users: usize, request: &Request) -> Reply {
    let name = request.field("UserName");
    match request.action() {
        "GetCallerIdentity" => caller(),
        "ListUsers" => {
            let users: Vec<String> = (0..users).map(|i| user(&format!("user{i:03}"))).collect();
            page(request, 70, &users, "Users")
        }
        "ListAccessKeys" => {
            let number: usize = name.trim_start_matches("user").parse().unwrap_or(0);
            let keys = [key(name, number * 2, "Inactive"), key(name, number * 2 + 1, "Active")];
            page(request, 1, &keys, "AccessKeyMetadata")
        }
        "GetAccessKeyLastUsed" => {
            let last = "<AccessKeyLastUsed><LastUsedDate>2026-03-31T00:00:00Z</LastUsedDate><Region>N/A</Region>\
                        <ServiceName>s3</ServiceName></AccessKeyLastUsed>";
            answer("GetAccessKeyLastUsed", last)
        }
        "ListEntitiesForPolicy" => answer("ListEntitiesForPolicy", "<IsTruncated>false</IsTruncated>"),
        action => error(403, "AccessDenied", &format!("not authorized to perform: iam:{action}")),
    }
}

#[test]
fn three_hundred_users_behind_pages_and_throttling() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let throttled =
            asked.fetch_add(1, Ordering::Relaxed) % 7 == 3 && request.action() != "GetCallerIdentity";
        if throttled { error(400, "Throttling", "Rate exceeded") } else { account_of(300, request) }
    });
    let run = audit(&server, POLICY, &["--source", "iam"]).exits(0);
    let json = run.json();
    let names: Vec<&str> =
        json["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..300).map(|i| format!("user{i:03}")).collect();
    assert_eq!(names, expected, "complete and in order");
    assert_eq!(json["summary"]["keys"], 600, "both pages of every user's keys");
}

/// One user is forbidden: the others are reported, and the audit is no pass.
#[test]
fn one_forbidden_user_of_many() {
    let server = Server::start(|request| match (request.action(), request.field("UserName")) {
        ("ListAccessKeys", "user042") => {
            error(403, "AccessDenied", "User: x is not authorized to perform: iam:ListAccessKeys")
        }
        _ => account(request),
    });
    let run = audit(&server, POLICY, &["--source", "iam"]).exits(3);
    let json = run.json();
    assert_eq!((&json["complete"], &json["summary"]["users"]), (&false.into(), &(USERS - 1).into()));
    assert_eq!(json["faults"].as_array().unwrap().len(), 1);
    assert_eq!(json["faults"][0]["user"], "user042");
    assert_eq!(json["faults"][0]["operation"], "iam:ListAccessKeys");
    let message = json["faults"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("AccessDenied: User: x is not authorized")
            && message.contains("keytide iam-policy"),
        "{message}"
    );
}

/// A last use that cannot be read is a fault of its user, never "never used".
#[test]
fn a_last_use_that_cannot_be_read_is_no_never() {
    let server = Server::start(|request| match request.action() {
        "GetAccessKeyLastUsed" => error(403, "AccessDenied", "no"),
        "GetUser" => answer("GetUser", &user("alice").replace("member", "User")),
        _ => account(request),
    });
    let run =
        audit(&server, "version: 1\nlimits: { max_unused: 1h }\nusers: [{ name: alice }]\n", &[]).exits(3);
    assert_eq!(run.findings(), Vec::<String>::new());
    assert_eq!(run.json()["faults"][0]["operation"], "iam:GetAccessKeyLastUsed");
}

#[test]
fn without_the_report_auto_asks_iam_and_says_so() {
    let server = Server::start(account);
    let run = audit(&server, POLICY, &[]).exits(0);
    assert!(
        run.json()["remarks"][0]
            .as_str()
            .unwrap()
            .starts_with("the credential report was not read (AccessDenied"),
        "{}",
        run.stdout
    );
    assert_eq!(run.json()["summary"]["users"], USERS);
    let run = audit(&server, POLICY, &["--source", "report"]).exits(3);
    assert!(run.stderr.contains("AccessDenied"), "{}", run.stderr);
}

/// A report that is being made: waited for; one that has expired: ordered anew.
#[test]
fn a_report_that_is_not_there_yet_is_waited_for() {
    let an_hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let made_at = an_hour_ago.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let generated_at = made_at.clone();
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.action() {
        "GetCredentialReport" => match asked.fetch_add(1, Ordering::Relaxed) {
            0 => error(410, "ReportExpired", "The most recent credential report has expired"),
            1 => error(404, "ReportInProgress", "Report is in progress"),
            _ => {
                let csv = "dXNlcixhcm4scGFzc3dvcmRfZW5hYmxlZCxhY2Nlc3Nfa2V5XzFfYWN0aXZlLGFjY2Vzc19rZXlfMV9sYXN0X3JvdGF0ZWQsYWNjZXNzX2tleV8xX2xhc3RfdXNlZF9kYXRlLGFjY2Vzc19rZXlfMl9hY3RpdmUsYWNjZXNzX2tleV8yX2xhc3Rfcm90YXRlZCxhY2Nlc3Nfa2V5XzJfbGFzdF91c2VkX2RhdGUKdXNlcjAwMCxhcm46YXdzOmlhbTo6MTIzNDU2Nzg5MDEyOnVzZXIvdXNlcjAwMCxmYWxzZSx0cnVlLDIwMjYtMDMtMzBUMDA6MDA6MDBaLE4vQSxmYWxzZSxOL0EsTi9B";
                answer(
                    "GetCredentialReport",
                    &format!(
                        "<Content>{csv}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>{generated_at}</GeneratedTime>"
                    ),
                )
            }
        },
        "GenerateCredentialReport" => answer("GenerateCredentialReport", "<State>STARTED</State>"),
        _ => account(request),
    });
    let run = audit(&server, POLICY, &["--source", "report"]).exits(0);
    assert_eq!(run.json()["users"][0]["keys"][0]["sources"]["key"]["as_of"], made_at);
    assert_eq!(server.count("GenerateCredentialReport"), 2);
}

/// A report of one user, generated so many hours ago.
fn report(hours: i64) -> Reply {
    let csv = "dXNlcixhcm4scGFzc3dvcmRfZW5hYmxlZCxhY2Nlc3Nfa2V5XzFfYWN0aXZlLGFjY2Vzc19rZXlfMV9sYXN0X3JvdGF0ZWQsYWNjZXNzX2tleV8xX2xhc3RfdXNlZF9kYXRlLGFjY2Vzc19rZXlfMl9hY3RpdmUsYWNjZXNzX2tleV8yX2xhc3Rfcm90YXRlZCxhY2Nlc3Nfa2V5XzJfbGFzdF91c2VkX2RhdGUKdXNlcjAwMCxhcm46YXdzOmlhbTo6MTIzNDU2Nzg5MDEyOnVzZXIvdXNlcjAwMCxmYWxzZSx0cnVlLDIwMjYtMDMtMzBUMDA6MDA6MDBaLE4vQSxmYWxzZSxOL0EsTi9B";
    let made_at =
        (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M:%SZ");
    answer(
        "GetCredentialReport",
        &format!(
            "<Content>{csv}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>{made_at}</GeneratedTime>"
        ),
    )
}

/// A server that answers with a report of this age, and to an order with `order`.
fn report_server(hours: i64, order: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.action() {
        "GetCredentialReport" => report(hours),
        "GenerateCredentialReport" => order(),
        _ => account(request),
    })
}

/// AWS says that the report is the newest. A clock that is six hours fast does not know better.
#[test]
fn a_report_that_aws_calls_complete_is_taken() {
    let server = report_server(6, || answer("GenerateCredentialReport", "<State>COMPLETE</State>"));
    audit(&server, POLICY, &["--source", "report"]).exits(0);
    assert_eq!((server.count("GenerateCredentialReport"), server.count("GetCredentialReport")), (1, 2));
}

/// AWS has no capacity for another report, or made one less than four hours ago: an older one of the same day will do.
#[test]
fn a_report_that_aws_does_not_generate_is_said() {
    let refuse = || error(409, "LimitExceeded", "No more capacity to launch new report generation tasks");
    let server = report_server(6, refuse);
    let run = audit(&server, POLICY, &["--source", "report"]).exits(0);
    assert!(
        run.json()["remarks"][0].as_str().unwrap().starts_with("the credential report is from "),
        "{}",
        run.stdout
    );
    assert_eq!(server.count("GenerateCredentialReport"), 1);
}

/// On a terminal the audit says what it waits for; a pipe gets nothing of it.
#[test]
fn the_wait_for_a_report_is_shown_on_a_terminal() {
    const TERMINAL: &str = "import os, pty, sys\nmaster, slave = pty.openpty()\nimport subprocess\n\
        child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=slave)\nos.close(slave)\n\
        shown = b''\nwhile True:\n    try: part = os.read(master, 4096)\n    except OSError: break\n    if not part: break\n    shown += part\n\
        sys.stdout.write(shown.decode()); sys.exit(child.wait())\n";
    let orders = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.action() {
        "GetCredentialReport" if orders.load(Ordering::Relaxed) < 2 => {
            error(404, "ReportInProgress", "Report is in progress")
        }
        "GetCredentialReport" => report(0),
        "GenerateCredentialReport" => {
            orders.fetch_add(1, Ordering::Relaxed);
            answer("GenerateCredentialReport", "<State>STARTED</State>")
        }
        _ => account(request),
    });
    let waiting = "waiting for AWS to generate the credential report";
    let run = Keytide::new(&["audit", "--source", "report", "--now", "2026-04-01T00:00:00Z"]).policy(POLICY);
    let shown = run.against(&server.url()).run_behind(&["python3", "-c", TERMINAL]).exits(0);
    assert!(shown.stdout.contains(waiting), "{}", shown.stdout);
    let piped = audit(&server, POLICY, &["--source", "report"]).exits(0);
    assert!(!piped.stderr.contains(waiting), "{}", piped.stderr);
}

#[test]
fn nonsense_is_reported_as_nonsense() {
    for (status, body, expected) in [
        (200, "<html><body>Sign in to the proxy</body></html>", "sts:GetCallerIdentity"),
        (502, "<html>Bad gateway</html>", "unexpected reply, not from AWS"),
        (500, "", "sts:GetCallerIdentity failed"),
        (200, "not even XML \u{1b}[31m", "sts:GetCallerIdentity"),
    ] {
        let server = Server::start(move |_| Reply::Answer(status, body.to_owned()));
        let run = audit(&server, POLICY, &["--timeout", "60"]).exits(3);
        assert!(
            run.stderr.contains(expected) && !run.stderr.contains('\u{1b}'),
            "{status} {body}: {}",
            run.stderr
        );
        assert_eq!(run.json()["result"], "incomplete");
    }
}

#[test]
fn silence_ends_in_time() {
    let server = Server::start(|_| Reply::Hang);
    let begun = Instant::now();
    let run = audit(&server, POLICY, &["--timeout", "2"]).exits(3);
    assert!(run.stderr.contains("no usable answer in time"), "{}", run.stderr);
    assert!(begun.elapsed().as_secs() < 60, "a hang must not hang keytide");
}

#[test]
fn a_connection_that_is_cut_is_reported() {
    let server = Server::start(|_| Reply::Reset);
    let run = audit(&server, POLICY, &["--timeout", "5"]).exits(3);
    assert!(run.stderr.contains("sts:GetCallerIdentity failed"), "{}", run.stderr);
    let nobody = Keytide::new(&["audit", "--timeout", "5"])
        .policy(POLICY)
        .against("http://127.0.0.1:9")
        .run()
        .exits(3);
    assert!(nobody.stderr.contains("sts:GetCallerIdentity failed"), "{}", nobody.stderr);
}

/// In the middle of an audit the same faults stay with their user.
#[test]
fn faults_in_the_middle_stay_with_their_user() {
    let server = Server::start(|request| match (request.action(), request.field("UserName")) {
        ("ListAccessKeys", "user007") => Reply::Answer(200, "<html>".into()),
        ("ListAccessKeys", "user008") => Reply::Answer(500, "oops".into()),
        ("ListAccessKeys", "user009") => Reply::Reset,
        _ => account(request),
    });
    let run = audit(&server, POLICY, &["--source", "iam", "--timeout", "3"]).exits(3);
    let json = run.json();
    let users: Vec<&str> =
        json["faults"].as_array().unwrap().iter().map(|f| f["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["user007", "user008", "user009"]);
    assert_eq!(json["summary"]["users"], USERS - 3);
}

/// Half an answer is none: a list without its end, and a page that says that more follows and not where.
#[test]
fn half_an_answer_is_no_answer() {
    for (action, at) in [
        ("ListUsers", "<Users>"),
        ("ListAccessKeys", "<AccessKeyMetadata>"),
        ("GetAccessKeyLastUsed", "<AccessKeyLastUsed>"),
        ("ListEntitiesForPolicy", "Result>"),
    ] {
        let server = Server::start(move |request| match account(request) {
            Reply::Answer(200, body) if request.action() == action => {
                Reply::Answer(200, body.split_once(at).map(|(start, _)| format!("{start}{at}")).unwrap())
            }
            reply => reply,
        });
        let run = audit(&server, POLICY, &["--source", "iam", "--timeout", "5"]).exits(3);
        assert!(run.stdout.contains("the reply is incomplete"), "{action}: {:.600}", run.stdout);
    }
    // What the SDK would take for a user without keys, and for an account without users.
    for action in ["ListUsers", "ListAccessKeys"] {
        for body in ["", "<IsTruncated>false</IsTruncated>"] {
            let server = Server::start(move |request| match account(request) {
                Reply::Answer(200, _) if request.action() == action => answer(action, body),
                reply => reply,
            });
            let run = audit(&server, POLICY, &["--source", "iam", "--timeout", "5"]).exits(3);
            let text = run.stdout + &run.stderr;
            assert!(text.contains("the reply is incomplete"), "{action}: {text:.600}");
        }
    }
    let unmarked = Server::start(|request| match (request.action(), account(request)) {
        ("ListUsers", Reply::Answer(200, body)) => {
            Reply::Answer(200, body.replace("<Marker>70</Marker>", ""))
        }
        (_, reply) => reply,
    });
    let run = audit(&unmarked, POLICY, &["--source", "iam"]).exits(3);
    assert!(run.stderr.contains("says that more follows, and not where"), "{}", run.stderr);
}

/// What the report should have told and did not is a fault; that it may not be read is a choice.
#[test]
fn a_report_that_breaks_is_a_fault() {
    let server = Server::start(|request| match request.action() {
        "GetCredentialReport" => Reply::Answer(200, "<html>".into()),
        _ => account(request),
    });
    let run = audit(&server, POLICY, &["--timeout", "5"]).exits(3);
    assert_eq!(run.json()["faults"][0]["operation"], "iam:GetCredentialReport", "{}", run.stdout);
    assert_eq!(run.json()["summary"]["users"], USERS, "the rest is reported");
}

/// A user that goes away between two calls is gone, not broken; a status never seen before counts as active.
#[test]
fn the_account_may_change_under_the_audit() {
    let server = Server::start(|request| match (request.action(), request.field("UserName")) {
        ("ListAccessKeys", "user001") => {
            error(404, "NoSuchEntity", "The user with name user001 cannot be found.")
        }
        ("ListAccessKeys", "user002") => page(
            request,
            9,
            &[key("user002", 4, "Suspended"), key("user002", 5, "Active")],
            "AccessKeyMetadata",
        ),
        _ => account(request),
    });
    let run = audit(&server, POLICY, &["--source", "iam"]).exits(1);
    assert_eq!(run.json()["summary"]["users"], USERS - 1);
    assert!(run.findings()[0].starts_with("active-key-count error user002"), "{:?}", run.findings());
}

/// An answer about another user's key is refused.
#[test]
fn an_answer_about_someone_else_is_refused() {
    let server = Server::start(|request| match request.action() {
        "GetAccessKeyLastUsed" => answer(
            "GetAccessKeyLastUsed",
            "<UserName>mallory</UserName><AccessKeyLastUsed><Region>N/A</Region><ServiceName>N/A</ServiceName></AccessKeyLastUsed>",
        ),
        "GetUser" => answer("GetUser", &user("alice").replace("member", "User")),
        _ => account(request),
    });
    let run = audit(&server, "version: 1\nusers: [{ name: alice }]\n", &[]).exits(3);
    assert!(run.stdout.contains("it is about another user"), "{}", run.stdout);
}

/// A server that anyone may run: GitHub Enterprise Server has any address.
#[test]
fn a_reply_of_github_has_an_end() {
    let text = format!("\"{}\"", "x".repeat(33 * 1024 * 1024));
    let server = Server::start(move |_| Reply::Answer(200, text.clone()));
    let run = Keytide::new(&["plan", "--repository", "acme/app", "--github-api-url", &server.url()]);
    let run = run
        .env("GITHUB_TOKEN", "token")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let run = run.policy("version: 1\naccount: \"123456789012\"\nusers:\n  - name: alice\n");
    let run = run.arg("--endpoint-url").arg(&server.url()).run().exits(3);
    assert!(run.stderr.contains("the reply has more than 33554432 bytes"), "{}", run.stderr);
}

/// A proxy may answer in place of AWS: a reply that does not end is a fault, and is not read to its end.
#[test]
fn a_reply_of_aws_has_an_end() {
    let long = " ".repeat(17 * 1024 * 1024);
    let endless = |action: &'static str| {
        let long = long.clone();
        Server::start(move |request| match request.action() {
            asked if asked == action => Reply::Answer(200, long.clone()),
            _ => account(request),
        })
    };
    let text =
        "the reply has more than 16777216 bytes, so it is not from AWS: check the proxy and the endpoint";
    for action in ["ListUsers", "GetCredentialReport", "GetAccessKeyLastUsed"] {
        let run = audit(&endless(action), POLICY, &["--timeout", "20"]).exits(3);
        let fault = run.json()["faults"][0].clone();
        assert!(fault.to_string().contains(text), "{action}: {fault}");
        assert!(fault.to_string().contains(&format!("iam:{action}")), "{action}: {fault}");
    }
    let run = audit(&endless("GetCallerIdentity"), POLICY, &["--timeout", "20"]).exits(3);
    assert!(run.stderr.contains(&format!("sts:GetCallerIdentity failed: {text}")), "{}", run.stderr);
}

/// The same of a reply that does not say how long it is: it ends at the limit, and not with the memory.
#[test]
fn a_reply_of_aws_without_a_length_has_an_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&sent);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let counted = std::sync::Arc::clone(&counted);
            std::thread::spawn(move || {
                // A reply before the request is another fault
                let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
                while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                let mut of_one = 0;
                while stream.write_all(chunk.as_bytes()).is_ok() {
                    of_one += chunk.len();
                    counted.fetch_max(of_one, Ordering::Relaxed);
                }
            });
        }
    });
    let run = Keytide::new(&["audit", "--timeout", "60"]).policy(POLICY).against(&url).run().exits(3);
    assert!(run.stderr.contains("sts:GetCallerIdentity failed"), "{}", run.stderr);
    // What was sent and not read is in the buffers of the two sockets
    let longest = sent.load(Ordering::Relaxed);
    assert!((16 << 20..32 << 20).contains(&longest), "{longest}");
}

/// A proxy that refuses a request may repeat it in its error, with the token.
#[test]
fn an_error_that_repeats_the_token_does_not_show_it() {
    let token = "ghs_Ab1Ab1Ab1Ab1Ab1Ab1Ab1Ab1Ab1Ab1Ab1Ab1";
    for status in [400, 401, 403, 404, 422, 500] {
        let body =
            format!("{{\"message\":\"refused: authorization: Bearer {token}\",\"errors\":[\"{token}\"]}}");
        let server = Server::start(move |_| Reply::Answer(status, body.clone()));
        let run = Keytide::new(&["plan", "--format", "json", "--repository", "acme/app"])
            .arg("--github-api-url")
            .arg(&server.url())
            .env("GITHUB_TOKEN", token)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .policy("version: 1\naccount: \"123456789012\"\nusers:\n  - name: alice\n")
            .arg("--endpoint-url")
            .arg(&server.url())
            .run()
            .exits(3);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(!shown.contains(token), "{status}: {shown}");
        assert!(status != 400 || shown.contains("Bearer …"), "{shown}");
    }
    // GraphQL has its errors in replies that look like a success
    let body = format!("{{\"errors\":[{{\"message\":\"refused: Bearer {token}\"}}]}}");
    let server = Server::start(move |_| Reply::Answer(200, body.clone()));
    let run = Keytide::new(&["fleet", "collect", "--out", "out", "--github-api-url", &server.url()])
        .file("fleet.yml", "version: 1\norganizations: [acme]\naccounts: [{ id: \"123456789012\" }]\n")
        .env("GITHUB_TOKEN", token)
        .run()
        .exits(3);
    assert!(run.stderr.contains("Bearer …") && !run.stderr.contains(token), "{}", run.stderr);
}
