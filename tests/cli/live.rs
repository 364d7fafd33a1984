//! Audits of a live account, against moto over HTTP.

use serde_json::json;

use crate::support::Keytide;
use crate::support::emulator::Emulator;

/// Days before now, as a date.
fn ago(days: i64) -> String {
    let now = jiff::Timestamp::now();
    (now - jiff::SignedDuration::from_hours(24 * days)).to_string()
}

#[test]
fn alice_of_the_worked_example() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [{"name": "Alice", "keys": [
        {"id": "AKIAI44QH8DHBEXAMPLE", "created_at": "2013-04-03T18:49:57Z"},
        {"id": "AKIAIOSFODNN7EXAMPLE", "created_at": "2013-09-06T17:09:10Z"}]}]}));
    let run = Keytide::new(&["audit", "--format", "json", "--now", "2013-09-06T18:00:00Z"])
        .policy("version: 1\naccount: \"123456789012\"\nusers:\n  - name: Alice\n")
        .against(&emulator.url())
        .run()
        .exits(1);
    assert_eq!(
        run.findings(),
        [
            "active-key-count error Alice: 2 active access keys (access key AKIAI44QH8DHBEXAMPLE, access key AKIAIOSFODNN7EXAMPLE); the limit is 1",
            "key-age error Alice: access key AKIAI44QH8DHBEXAMPLE is 155 days old; the limit is 90 days",
        ]
    );
    let json = run.json();
    assert_eq!(json["users"][0]["arn"], "arn:aws:iam::123456789012:user/Alice");
    assert_eq!(json["users"][0]["keys"][0]["age_days"], 155);
    assert_eq!(json["users"][0]["keys"][0]["last_used_at"], serde_json::Value::Null);
    assert_eq!(json["source"], "iam");
}

#[test]
fn every_kind_of_fact_is_read() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [
        {"name": "owned", "path": "/services/", "tags": {"keytide:owner": "43"},
         "policies": ["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV4"],
         "keys": [{"id": "AKIA0OWNEDOWNEDOWNED", "created_at": ago(10),
                   "last_used": {"at": ago(1), "service": "ec2", "region": "us-east-1"}}]},
        {"name": "idle", "keys": [{"id": "AKIA0IDLEIDLEIDLEIDL", "created_at": ago(60), "status": "Inactive"}]},
        {"name": "bare"}]}));
    let run = Keytide::new(&["audit", "--format", "json"])
        .policy("version: 1\nusers:\n  - { name: owned, allow: { regions: [eu-west-1] } }\n  - name: idle\n  - name: bare\n  - name: gone\n")
        .env("GITHUB_REPOSITORY_ID", "42")
        .against(&emulator.url())
        .run()
        .exits(1);
    let found: Vec<String> =
        run.findings().iter().map(|f| f.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        found,
        [
            "owner-mismatch error owned:",
            "quarantined-user error owned:",
            "unexpected-use error owned:",
            "missing-user error gone:",
            "inactive-key warning idle:",
        ]
    );
    assert_eq!(run.json()["users"][2]["keys"], json!([]));
}

fn thousand(users: usize) -> serde_json::Value {
    let user = |i: usize| {
        let keys = if i.is_multiple_of(2) {
            json!([{"created_at": ago(10), "last_used": {"at": ago(1), "service": "s3", "region": "eu-west-1"}}])
        } else {
            json!([])
        };
        json!({"name": format!("user{i:04}"), "keys": keys})
    };
    json!({"account": "123456789012", "users": (0..users).map(user).collect::<Vec<_>>()})
}

/// Report first: who has keys and when they were used costs two requests, whatever the number of users.
#[test]
fn many_users_cost_few_requests() {
    let emulator = Emulator::with(&thousand(200));
    let audit = |source: &str| {
        emulator.forget_requests();
        let run = Keytide::new(&["audit", "--format", "json", "--source", source])
            .policy("version: 1\nusers:\n  - match: \"user*\"\n")
            .against(&emulator.url())
            .run()
            .exits(0);
        assert_eq!(run.json()["summary"]["users"], 200, "{source}");
        assert_eq!(run.json()["summary"]["keys"], 100, "{source}");
        emulator.requests()
    };
    let auto = audit("auto");
    assert_eq!(auto["actions"]["ListAccessKeys"], 100, "{auto}");
    assert_eq!(auto["actions"].get("GetAccessKeyLastUsed"), None, "no answer could change a finding: {auto}");
    let report = audit("report");
    assert!(report["total"].as_u64().unwrap() <= 3, "{report}");
    let iam = audit("iam");
    assert_eq!(iam["actions"]["ListAccessKeys"], 200, "{iam}");
    assert_eq!(iam["actions"]["GetAccessKeyLastUsed"], 100, "{iam}");
}

/// A user without keys can be quarantined too; where a key may be used is asked of IAM, whatever the report says.
#[test]
fn report_first_overlooks_nothing_that_iam_alone_would_see() {
    let last_used = json!({"at": ago(1), "service": "ec2", "region": "us-east-1"});
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [
        {"name": "svc-bare", "policies": ["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV5"]},
        {"name": "svc-used", "keys": [{"created_at": ago(10), "last_used": last_used}]}]}));
    for source in ["auto", "iam"] {
        let run = Keytide::new(&["audit", "--format", "json", "--source", source])
            .policy("version: 1\nusers: [{ match: \"svc-*\", allow: { regions: [eu-west-1] } }]\n")
            .against(&emulator.url())
            .run()
            .exits(1);
        let rules: Vec<String> = run
            .findings()
            .iter()
            .map(|f| f.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rules, ["quarantined-user error svc-bare:", "unexpected-use error svc-used:"], "{source}");
    }
}

/// GitHub shows ten annotations: a key that others have is among them, whatever its user's name.
#[test]
fn an_urgent_finding_is_among_the_first_annotations() {
    let seed = |i: usize| json!({"name": format!("svc-{i:02}"), "keys": [{"created_at": ago(200)}]});
    let mut users: Vec<serde_json::Value> = (0..20).map(seed).collect();
    users.push(
        json!({"name": "svc-zz", "policies": ["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV4"]}),
    );
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": users}));
    let run = Keytide::new(&["audit", "--format", "github"])
        .policy("version: 1\nusers:\n  - match: \"svc-*\"\n")
        .against(&emulator.url())
        .run()
        .exits(1);
    let errors: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 10, "{errors:?}");
    assert!(errors[0].contains("title=keytide quarantined-user::svc-zz"), "{errors:?}");
}

/// The report is up to four hours old: where its last use would make a finding, IAM is asked before it is one.
#[test]
fn what_would_be_a_finding_is_asked_again() {
    let seed = |i: usize| json!({"name": format!("svc-{i:02}"), "keys": [{"created_at": ago(80), "last_used": {"at": ago(50), "service": "s3", "region": "eu-west-1"}}]});
    let emulator =
        Emulator::with(&json!({"account": "123456789012", "users": (0..12).map(seed).collect::<Vec<_>>()}));
    let run = Keytide::new(&["audit", "--format", "json"])
        .policy("version: 1\nusers:\n  - match: \"svc-*\"\n")
        .against(&emulator.url())
        .run()
        .exits(1);
    assert_eq!(run.findings().iter().filter(|f| f.starts_with("unused-key")).count(), 12);
    assert_eq!(emulator.requests()["actions"]["GetAccessKeyLastUsed"], 12);
    assert_eq!(run.json()["users"][0]["keys"][0]["sources"]["last_used"]["source"], "iam");
}

#[test]
fn verbose_says_whom_it_speaks_for() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": [{"name": "alice"}]}));
    let run = Keytide::new(&["audit", "-v"])
        .policy("version: 1\nusers: [{ name: alice }]\n")
        .file(".git/HEAD", "ref: refs/heads/main\n")
        .file(".git/objects/info/packs", "")
        .file(".git/refs/heads/.keep", "")
        .file(".git/config", "[remote \"origin\"]\n\turl = git@github.com:acme/app.git\n")
        .against(&emulator.url())
        .run()
        .exits(0);
    assert_eq!(
        run.stderr,
        "policy keytide.yml, account 123456789012, partition aws\nrepository acme/app, numeric ID unknown\n"
    );
}

#[test]
fn a_wrong_account_is_refused_before_anything_is_read() {
    let emulator = Emulator::with(&json!({"account": "123456789012", "users": []}));
    emulator.forget_requests();
    let run = Keytide::new(&["audit"])
        .policy("version: 1\naccount: \"210987654321\"\nusers: [{ name: alice }]\n")
        .against(&emulator.url())
        .run()
        .exits(2);
    assert!(run.stderr.contains("this is account 123456789012"), "{}", run.stderr);
    assert_eq!(emulator.requests()["actions"], json!({"GetCallerIdentity": 1}));
}

#[test]
fn the_role_of_the_policy_is_assumed() {
    let emulator = Emulator::with(&json!({"account": "222222222222", "users": [{"name": "alice"}]}));
    let run = Keytide::new(&["audit", "--format", "json"])
        .policy("version: 1\naccount: \"222222222222\"\nrole_arn: arn:aws:iam::222222222222:role/keytide\nusers: [{ name: alice }]\n")
        .against(&emulator.url())
        .run()
        .exits(0);
    assert_eq!(run.json()["account"], "222222222222");
}

/// Signatures are checked here: what keytide sends is what AWS would accept.
#[test]
fn credentials_that_do_not_hold_are_reported() {
    let emulator = Emulator::with_auth(&json!({"account": "123456789012", "users": [
        {"name": "alice", "keys": [{"created_at": ago(1)}]}]}));
    let policy = "version: 1\nusers: [{ name: alice }]\n";
    Keytide::new(&["audit"]).policy(policy).against(&emulator.url()).run().exits(0);
    let run = Keytide::new(&["audit"])
        .policy(policy)
        .against(&emulator.url())
        .env("AWS_ACCESS_KEY_ID", "AKIA0NOBODYNOBODYNOB")
        .run()
        .exits(3);
    assert!(run.stderr.contains("sts:GetCallerIdentity failed: InvalidClientTokenId"), "{}", run.stderr);
    let run =
        Keytide::new(&["audit"]).policy(policy).arg("--endpoint-url").arg(&emulator.url()).run().exits(3);
    assert!(run.stderr.contains("error: no AWS credentials were found"), "{}", run.stderr);
}

/// On a terminal a line says what is waited for, once that takes more than a second, and is removed before the report.
#[test]
fn a_terminal_shows_what_is_waited_for() {
    const ON_A_TERMINAL: &str =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let held = serde_json::json!([{ "match": "GET /repos/acme/app", "times": 1, "hold": 2 }]);
    let world = crate::support::peers::World::new(10);
    for (flags, term, is_shown) in
        [(&["plan"][..], "xterm", true), (&["plan", "-q"], "xterm", false), (&["plan"], "dumb", false)]
    {
        world.github.control("POST", "faults", &held);
        let run = world.keytide_text(flags).policy(&world.policy("")).env("TERM", term);
        let seen = run.run_behind(&["python3", "-c", ON_A_TERMINAL]).exits(0).stdout;
        let line = "\r\u{1b}[Kreading AWS and GitHub (1 s)";
        assert_eq!(seen.contains(line), is_shown, "{flags:?} {term}: {seen:?}");
        if is_shown {
            let (_, after) = seen.rsplit_once(" s)").unwrap();
            assert!(after.starts_with("\r\u{1b}[K") && after.contains("ci-deployer"), "{seen:?}");
        }
    }
}
