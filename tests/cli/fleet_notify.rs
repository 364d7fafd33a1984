//! `keytide fleet report --notify`: an issue in each repository that has problems, with the token of one app.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fleet::{ACCOUNT, FLEET};
use crate::support::peers::{Github, POLICY, USER, World};
use crate::support::{Keytide, Ran};

const FLEET_WITH_EXCLUDE: &str =
    "version: 1\norganizations: [acme]\nexclude: [\"acme/lab-*\"]\naccounts:\n  - id: \"123456789012\"\n";

/// A finding about a key.
fn finding(severity: &str, user: &str, message: &str) -> Value {
    json!({"rule": "key-age", "severity": severity, "user": user, "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "message": message, "help": "rotate it", "exempted": false, "exemption_reason": null,
        "location": {"file": POLICY, "line": 4, "column": 5}, "fingerprint": "0123456789abcdef"})
}

fn old_key(user: &str) -> Value {
    finding("error", user, "access key AKIAIOSFODNN7EXAMPLE is 155 days old; the limit is 90 days")
}

/// The result of one job, with the findings of each repository.
fn result(repositories: &[(&str, Vec<Value>)]) -> Value {
    let line = |(name, findings): &(&str, Vec<Value>)| {
        let counts = json!({"users": 1, "keys": 1, "errors": 0, "warnings": 0, "notes": 0, "exempted": 0});
        let is_breach = findings.iter().any(|finding| finding["severity"] == "error");
        json!({"repository": name, "policy": POLICY, "result": if is_breach { "breach" } else { "pass" },
            "summary": counts, "findings": findings, "faults": [], "not_checked": [], "remarks": []})
    };
    json!({"schema_version": 1, "kind": "fleet-account", "tool": {"name": "keytide", "version": "0.1.0"},
        "account": ACCOUNT, "part": "1/1", "generated_at": "2026-11-28T06:00:00Z", "complete": true, "findings": [],
        "faults": [], "not_checked": [], "remarks": [], "users": 1, "keys": 1,
        "repositories": repositories.iter().map(line).collect::<Vec<_>>()})
}

fn collection(names: &[&str]) -> Value {
    let line = |name: &&str| json!({"name": name, "id": 1, "state": "collected", "policy": POLICY, "account": ACCOUNT});
    json!({"schema_version": 1, "kind": "fleet-collection", "tool": {"name": "keytide", "version": "0.1.0"},
        "generated_at": "2026-11-28T05:00:00Z", "complete": true,
        "repositories": names.iter().map(line).collect::<Vec<_>>(),
        "jobs": [{"account": ACCOUNT, "part": "1/1"}], "findings": [], "faults": []})
}

/// A GitHub with these repositories, and an app's token that may write issues in all of them.
fn github(names: &[&str]) -> Github {
    let github = Github::start();
    github.control("POST", "settings", &json!({"account": "acme-fleet[bot]"}));
    let one = |name: &&str| json!({"name": name, "id": name.len(), "files": {}});
    let all: Vec<Value> = names.iter().map(one).collect();
    github.control("POST", "fleet", &json!({ "repositories": all }));
    github
}

fn start(github: &Github, collection: &Value, result: &Value) -> Keytide {
    start_as("json", github, collection, result)
}

fn start_as(format: &str, github: &Github, collection: &Value, result: &Value) -> Keytide {
    let arguments = ["fleet", "report", "--notify", "results", "--format", format];
    Keytide::new(&arguments)
        .arg("--github-api-url")
        .arg(&github.url())
        .file("fleet.yml", FLEET_WITH_EXCLUDE)
        .file("results/collection.json", collection.to_string())
        .file("results/1.json", result.to_string())
        .env("GITHUB_TOKEN", "token")
}

fn report(github: &Github, repositories: &[(&str, Vec<Value>)]) -> Ran {
    let names: Vec<&str> = repositories.iter().map(|(name, _)| *name).collect();
    start(github, &collection(&names), &result(repositories)).run()
}

fn issues(github: &Github) -> BTreeMap<String, Vec<Value>> {
    serde_json::from_value(github.control("GET", "issues", &Value::Null)).unwrap()
}

#[track_caller]
fn only_issue(github: &Github, name: &str) -> Value {
    let issues = issues(github);
    let [issue] = &issues[name][..] else { panic!("{issues:#?}") };
    issue.clone()
}

fn remarks(run: &Ran) -> Vec<String> {
    serde_json::from_value(run.json()["remarks"].clone()).unwrap()
}

fn comments(issue: &Value) -> &Vec<Value> {
    issue["comments"].as_array().unwrap()
}

/// Requests that would change something in a repository, by their paths.
fn changes(github: &Github) -> Vec<String> {
    let log = github.control("GET", "log", &Value::Null);
    let is_change = |asked: &&Value| asked["method"] != "GET" && asked["path"] != "/graphql";
    log.as_array()
        .unwrap()
        .iter()
        .filter(is_change)
        .map(|asked| asked["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_repository_with_problems_has_one_issue_as_long_as_they_last() {
    let github = github(&["acme/a", "acme/b"]);
    let run = |first: Vec<Value>| report(&github, &[("acme/a", first), ("acme/b", vec![])]);
    let warning = || finding("warning", "app", "access key AKIAIOSFODNN7EXAMPLE is 85 days old");
    let opened = run(vec![warning()]).exits(0);
    assert_eq!(remarks(&opened), ["`notify`: opened 1 issue"]);
    let of_repository = opened.json()["repositories"][0]["remarks"][0].as_str().unwrap().to_owned();
    assert_eq!(of_repository, "`notify`: opened the issue https://github.com/acme/a/issues/1000");
    let issue = only_issue(&github, "acme/a");
    assert_eq!(issue["title"], "AWS access keys need attention (.github/keytide.yml)");
    let body = issue["body"].as_str().unwrap();
    for part in ["**1 warning**", "| warning | `key-age` | app | access key AKIA…MPLE", "rotate it"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    // The run is one of the central repository, which others need not know.
    assert!(!body.contains("/actions/runs/"), "{body}");
    assert_eq!(issues(&github)["acme/b"].len(), 0);
    // A person's text stays; what is as before has no comment, what got worse has one.
    let text = format!("# Who\n\n- Bob\n\n{body}\n\n> thanks\n");
    github.control("POST", "issue", &json!({"repository": "acme/a", "number": 1000, "body": text}));
    run(vec![warning()]).exits(0);
    assert_eq!(comments(&only_issue(&github, "acme/a")).len(), 0);
    run(vec![old_key("app")]).exits(1);
    let issue = only_issue(&github, "acme/a");
    let body = issue["body"].as_str().unwrap();
    assert!(body.starts_with("# Who\n\n- Bob\n\n<!--") && body.ends_with("-->\n\n> thanks\n"), "{body}");
    assert!(body.contains("is 155 days old") && !body.contains("is 85 days old"), "{body}");
    assert!(comments(&issue)[0].as_str().unwrap().starts_with("1 problem got worse ("), "{issue:#}");
    // Closed with a comment, and left alone then.
    for _ in 0..2 {
        run(vec![]).exits(0);
    }
    let issue = only_issue(&github, "acme/a");
    assert_eq!((&issue["state"], comments(&issue).len()), (&json!("closed"), 2), "{issue:#}");
    assert_eq!(github.violations(), [""; 0]);
}

/// A repository in which the token may not write an issue says so, and keeps no other from its own.
#[test]
fn a_repository_that_refuses_stops_nobody() {
    let github = github(&["acme/c", "acme/d"]);
    let refusing = |name: &str, issues: &str| json!({"name": name, "id": 1, "files": {}, "settings": {"issues": issues}});
    let more = [refusing("acme/a", "read"), refusing("acme/b", "disabled")];
    github.control("POST", "fleet", &json!({ "repositories": more }));
    let names = ["acme/a", "acme/b", "acme/c", "acme/d", "acme/gone"];
    let lines = names.map(|name| (name, vec![old_key("app")]));
    let run = report(&github, &lines).exits(1);
    let remarks = remarks(&run).join("\n");
    for said in [
        "`notify`: opened 2 issues",
        "`notify`: no issue in acme/a: GitHub: Resource not accessible by integration (403)",
        "the token needs `issues: write`",
        "`notify`: no issue in acme/b: GitHub: Issues has been disabled in this repository. (410)",
        "`notify`: no issue in acme/gone: GitHub: Not Found (404)",
    ] {
        assert!(remarks.contains(said), "{said}: {remarks}");
    }
    let line = run.json()["repositories"][0].clone();
    assert_eq!((&line["repository"], &line["result"]), (&json!("acme/a"), &json!("breach")));
    assert!(line["remarks"].to_string().contains("the issue was not updated: GitHub: Resource"), "{line}");
    assert_eq!(issues(&github)["acme/d"].len(), 1);
    let text = start_as("text", &github, &collection(&names), &result(&lines)).run().exits(1);
    assert!(text.stdout.contains("note: `notify`: no issue in acme/b: "), "{}", text.stdout);
}

/// Whoever can write a result, or even the collection, cannot make keytide write elsewhere.
#[test]
fn only_repositories_of_the_fleets_file_get_an_issue() {
    let names = ["acme/a", "acme/lab-1", "acme/LAB-2", "other/tool", "acme/uncollected"];
    let github = github(&names);
    let lines = names.map(|name| (name, vec![old_key("app")]));
    let hostile = ["acme/a", "acme/lab-1", "acme/LAB-2", "other/tool", "acme/../other/tool"];
    // Nor can it bring a fleet file of its own.
    let run = start(&github, &collection(&hostile), &result(&lines))
        .file(
            "results/fleet.yml",
            "version: 1\norganizations: [other]\naccounts: [{ id: \"123456789012\" }]\n",
        )
        .run()
        .exits(3);
    assert_eq!(changes(&github), ["/repos/acme/a/issues"]);
    let remarks = remarks(&run).join("\n");
    assert!(
        remarks.contains(
            "`notify`: no issue in acme/LAB-2, acme/lab-1, acme/uncollected and 1 more: not both in the fleet's file"
        ),
        "{remarks}"
    );
    // Without a collection it is not known what the fleet has.
    let run = start(&github, &json!({}), &result(&lines)).run().exits(3);
    assert!(self::remarks(&run).join("\n").contains("no issue in acme/LAB-2"), "{}", run.stdout);
    assert_eq!(changes(&github).len(), 1);
}

/// The texts of a result are from outside: they mention nobody, and end neither the table nor keytide's part.
#[test]
fn the_texts_of_a_result_start_nothing() {
    let github = github(&["acme/a"]);
    let hostile = "x | y\n<!-- keytide:end --> @octocat #77 [a](b) <b>\u{1b}[2J";
    let mut finding = finding("error", hostile, &format!("{hostile} AKIAIOSFODNN7EXAMPLE"));
    finding["help"] = json!(hostile);
    finding["fingerprint"] = json!("--> @octocat");
    let long = self::finding("error", &"u".repeat(5_000), &"m".repeat(100_000));
    let mut unknown = self::finding("error", "app", "of a later version");
    unknown["rule"] = json!("--> @octocat");
    for _ in 0..2 {
        report(&github, &[("acme/a", vec![finding.clone(), long.clone(), unknown.clone()])]).exits(1);
    }
    let issue = only_issue(&github, "acme/a");
    assert_eq!(comments(&issue).len(), 0, "the state is read again: {issue:#}");
    let visible = issue["body"].as_str().unwrap().split("<!-- keytide:state").next().unwrap();
    assert_eq!(visible.matches("<!--").count(), 1, "{visible}");
    for token in ["@octocat", "#77", "](b)", "<b>", "x | y", "AKIAIOSFODNN7EXAMPLE", "\u{1b}"] {
        assert!(!visible.contains(token), "{token}: {visible}");
    }
    // What became of a rule of a later version is not known, so that nothing of it is solved; this part of the issue is.
    report(&github, &[("acme/a", vec![unknown])]).exits(1);
    assert_eq!(only_issue(&github, "acme/a")["state"], "closed");
}

/// Two runs find no issue and open one each: one of the two stays.
#[test]
fn two_reports_at_once_leave_one_issue() {
    let github = github(&["acme/a", "acme/b"]);
    github.control("POST", "faults", &json!([{ "match": "POST .*/issues", "times": 2, "hold": 4 }]));
    let lines = ["acme/a", "acme/b"].map(|name| (name, vec![old_key("app")]));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| report(&github, &lines).exits(1));
        }
    });
    let issues = issues(&github);
    assert!(issues.values().any(|found| found.len() == 2), "the two did not meet: {issues:#?}");
    for (name, found) in issues {
        let open: Vec<_> = found.iter().filter(|issue| issue["state"] == "open").collect();
        assert_eq!(open.len(), 1, "{name}: {found:#?}");
        assert!(found[1..].iter().all(|issue| issue["state_reason"] == "duplicate"), "{name}: {found:#?}");
    }
}

/// GitHub refuses too many changes at once: they are waited for, none is lost and none is made twice. All repositories wait
/// together; a limit that is too long ends the asking.
#[test]
fn many_issues_wait_for_the_secondary_rate_limit() {
    let names: Vec<String> = (0..30).map(|number| format!("acme/app-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines: Vec<(&str, Vec<Value>)> = names.iter().map(|name| (*name, vec![old_key("app")])).collect();
    let github = github(&names);
    github.control("POST", "settings", &json!({"changes_a_second": 10}));
    // Also where the machine is too slow for that limit
    let limit = json!([{ "match": "POST .*/issues", "status": 403, "times": 2, "headers": { "retry-after": "1" },
        "message": "You have exceeded a secondary rate limit" }]);
    github.control("POST", "faults", &limit);
    let run = report(&github, &lines).exits(1);
    assert_eq!(remarks(&run), ["`notify`: opened 30 issues"]);
    assert!(changes(&github).len() > 30, "no request met the limit");
    assert!(issues(&github).values().all(|found| found.len() == 1));
    // Whose the token is has been asked once for all of them.
    let log = github.control("GET", "log", &Value::Null);
    assert_eq!(log.as_array().unwrap().iter().filter(|asked| asked["path"] == "/graphql").count(), 1);

    let github = self::github(&names);
    let headers = json!({"Retry-After": "3600"});
    let limit = json!([{"match": "POST .*/issues", "status": 403, "times": 99, "skip": 2, "headers": headers,
        "message": "You have exceeded a secondary rate limit"}]);
    github.control("POST", "faults", &limit);
    let run = report(&github, &lines).exits(1);
    let remarks = remarks(&run).join("\n");
    for said in [
        "`notify`: opened 2 issues",
        "no issue in acme/app-02: GitHub's rate limit is reached for 3600 more seconds",
        "no issue in acme/app-03, acme/app-04, acme/app-05 and 24 more: GitHub's rate limit is reached; the next run goes on",
    ] {
        assert!(remarks.contains(said), "{said}: {remarks}");
    }
    assert_eq!(changes(&github).len(), 3);
}

/// The audit in the repository and the fleet's report have the same problem with the same name, so that neither tells
/// subscribers of it again.
#[test]
fn an_audit_and_a_fleet_keep_the_same_issue() {
    let world = World::new(100);
    let text = format!(
        "version: 1\naccount: \"{ACCOUNT}\"\nlimits: {{ max_age: 90d }}\nusers: [{{ name: {USER} }}]\n"
    );
    let own = format!("{text}notify: {{ issue: {{}} }}\n");
    world.keytide(&["audit"]).file(POLICY, &own).run().exits(1);
    let now = world.keytide(&["audit", "--no-notify"]).file(POLICY, &own).run().exits(1).json();
    let now = now["generated_at"].as_str().unwrap().to_owned();
    let mut collected = collection(&["acme/app"]);
    collected["generated_at"] = json!(now);
    let audit = ["fleet", "audit", "--account", ACCOUNT, "--policies", "policies", "--json", "result.json"];
    let run = Keytide::new(&audit)
        .arg("--now")
        .arg(&now)
        .file("fleet.yml", FLEET)
        .file(&format!("policies/acme/app/{POLICY}"), &text);
    let written = run.path("result.json");
    run.against(&world.aws.url()).run().exits(1);
    let result: Value = serde_json::from_slice(&std::fs::read(written).unwrap()).unwrap();
    for _ in 0..2 {
        start(&world.github, &collected, &result).arg("--now").arg(&now).run().exits(1);
        world.keytide(&["audit"]).file(POLICY, &own).run().exits(1);
    }
    let issues = world.github.state()["issues"].clone();
    assert_eq!(issues.as_array().unwrap().len(), 1, "{issues:#}");
    assert_eq!(comments(&issues[0]).len(), 0, "{issues:#}");
    let mut clean = result;
    clean["repositories"][0]["findings"] = json!([]);
    clean["repositories"][0]["result"] = json!("pass");
    start(&world.github, &collected, &clean).arg("--now").arg(&now).run().exits(0);
    assert_eq!(world.github.state()["issues"][0]["state"], "closed");
}

#[test]
fn an_incomplete_report_closes_nothing_and_a_run_without_a_token_says_so() {
    let github = github(&["acme/a"]);
    report(&github, &[("acme/a", vec![old_key("app")])]).exits(1);
    let mut unread = result(&[("acme/a", vec![])]);
    unread["repositories"][0]["result"] = json!("incomplete");
    unread["complete"] = json!(false);
    start(&github, &collection(&["acme/a"]), &unread).run().exits(3);
    let issue = only_issue(&github, "acme/a");
    assert_eq!(issue["state"], "open");
    assert!(issue["body"].as_str().unwrap().contains("could not read all data"), "{issue:#}");

    let good = result(&[("acme/a", vec![])]);
    let before = changes(&github).len();
    let run = start(&github, &collection(&["acme/a"]), &good).env("GITHUB_TOKEN", "").run().exits(0);
    assert!(remarks(&run)[0].contains("no GitHub token"), "{:?}", remarks(&run));
    let run = start(&github, &collection(&["acme/a"]), &good).env("GITHUB_EVENT_NAME", "pull_request").run();
    assert_eq!(remarks(&run.exits(0)), ["`notify`: not used in a pull request"]);
    assert_eq!(changes(&github).len(), before);
    let run = Keytide::new(&["fleet", "report", "--notify", "results"]).run().exits(2);
    assert!(run.stderr.contains("fleet.yml cannot be read"), "{}", run.stderr);
}
