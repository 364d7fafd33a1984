//! `notify`: the one issue of a policy file, kept by audits and rotations, and the messages of the webhook.

/// What other people, other tokens and other runs do to the issue.
mod others;
/// The messages of the webhook.
mod webhooks;

use serde_json::{Value, json};

use crate::support::Ran;
use crate::support::peers::{OLD, POLICY, USER, World};

const ISSUE: &str = "{ issue: { labels: [keytide], assignees: [octocat, nobody], before: 14d } }";

/// A policy file for an audit.
fn policy(max_age: &str, notify: &str) -> String {
    format!(
        "version: 1\naccount: \"123456789012\"\nlimits: {{ max_age: {max_age}, warn_before: 14d }}\n\
         users:\n  - name: {USER}\nnotify: {notify}\n"
    )
}

fn audit(world: &World, max_age: &str) -> Ran {
    audit_with(world, &policy(max_age, ISSUE), &[])
}

/// With the policy file as the default branch has it: no other is in force.
fn audit_with(world: &World, policy: &str, flags: &[&str]) -> Ran {
    world.github.push(&[(POLICY, policy.as_bytes())]);
    world.keytide(&[&["audit"][..], flags].concat()).file(POLICY, policy).run()
}

fn issues(world: &World) -> Vec<Value> {
    world.github.state()["issues"].as_array().unwrap().clone()
}

#[track_caller]
fn only_issue(world: &World) -> Value {
    let found = issues(world);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn comments(issue: &Value) -> Vec<&str> {
    issue["comments"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn body(issue: &Value) -> &str {
    issue["body"].as_str().unwrap()
}

/// What the run could not do for `notify`.
fn remarks(run: &Ran) -> Vec<String> {
    let json = run.json();
    let remarks = json["remarks"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    // What was done with the issue is no remark about a failure.
    remarks.filter(|text| text.starts_with("`notify`") && !text.contains("the issue https://")).collect()
}

fn person(world: &World, change: &Value) -> u64 {
    world.github.control("POST", "issue", change).as_u64().unwrap()
}

fn writes(world: &World) -> usize {
    let log = world.github.control("GET", "log", &Value::Null);
    let is_write = |asked: &&Value| asked["method"] != "GET" && asked["path"] != "/graphql";
    log.as_array().unwrap().iter().filter(is_write).count()
}

#[test]
fn an_issue_lives_as_long_as_the_problem() {
    let mut world = World::new(80);
    // All is well: no issue.
    audit(&world, "365d").exits(0);
    assert_eq!(issues(&world), [] as [Value; 0]);
    // The first finding opens it.
    let run = audit(&world, "90d").exits(0);
    assert!(run.stdout.contains("`notify`: opened the issue https://github.com/acme/app/issues/1000"));
    assert_eq!(remarks(&run), ["`notify`: GitHub did not assign `nobody` to the issue"]);
    let issue = only_issue(&world);
    assert_eq!(issue["title"], "AWS access keys need attention (.github/keytide.yml)");
    assert_eq!((&issue["labels"], &issue["assignees"]), (&json!(["keytide"]), &json!(["octocat"])));
    for part in
        ["**1 warning**", "| warning | `key-age` | ci-deployer | access key AKIA…DOLD", "| 1 Mar 2026 |"]
    {
        assert!(body(&issue).contains(part), "{part}: {}", body(&issue));
    }
    assert!(!body(&issue).contains(OLD), "{}", body(&issue));
    // The next run edits it and says nothing.
    world.pass(24);
    audit(&world, "90d").exits(0);
    let issue = only_issue(&world);
    assert!(comments(&issue).is_empty() && body(&issue).contains("is 81 days old"), "{issue:#}");
    assert!(body(&issue).contains("| 1 Mar 2026 |"), "{issue:#}");
    // Worse: a comment, once.
    world.pass(24 * 10);
    for _ in 0..2 {
        audit(&world, "90d").exits(1);
    }
    let issue = only_issue(&world);
    let [worse] = comments(&issue)[..] else { panic!("{issue:#}") };
    assert!(worse.starts_with("1 problem got worse (12 Mar 2026, ") && worse.contains("(worse)"), "{worse}");
    assert!(
        worse.contains("**error** `key-age` ci-deployer: access key AKIA…DOLD is 91 days old"),
        "{worse}"
    );
    // Well: closed with a comment, and left alone then.
    for _ in 0..2 {
        audit(&world, "365d").exits(0);
    }
    let issue = only_issue(&world);
    assert_eq!((&issue["state"], &issue["state_reason"]), (&"closed".into(), &"completed".into()));
    assert_eq!(comments(&issue).len(), 2);
    assert!(comments(&issue)[1].starts_with("No problems any more"), "{issue:#}");
    // Again: the same issue is opened again.
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    assert_eq!((&issue["state"], &issue["state_reason"]), (&"open".into(), &"reopened".into()));
    assert!(comments(&issue)[2].starts_with("1 new problem ("), "{issue:#}");
}

/// A key that becomes due is listed before it is a finding, and becomes worse then, not another problem.
#[test]
fn a_key_that_becomes_due_is_listed() {
    let mut world = World::new(70);
    let text = policy("90d", "{ issue: { before: 21d } }");
    audit_with(&world, &text, &[]).exits(0);
    let issue = only_issue(&world);
    assert!(body(&issue).contains("**1 key due soon**"), "{issue:#}");
    assert!(
        body(&issue).contains("| due | `key-age` | ci-deployer | the next key is due on 21 Mar 2026 |"),
        "{issue:#}"
    );
    world.pass(24 * 8);
    audit_with(&world, &text, &[]).exits(0);
    let issue = only_issue(&world);
    assert!(comments(&issue)[0].starts_with("1 problem got worse"), "{issue:#}");
    let other = World::new(70);
    audit_with(&other, &policy("90d", "{ issue: { before: 19d } }"), &[]).exits(0);
    assert!(issues(&other).is_empty());
}

#[test]
fn a_run_that_could_not_finish_closes_nothing() {
    let world = World::new(100);
    audit(&world, "90d").exits(1);
    let fault = json!([{"action": "ListAccessKeys", "status": 403, "code": "AccessDenied", "times": 99}]);
    world.aws.control("POST", "faults", &fault.to_string());
    audit(&world, "90d").exits(3);
    let issue = only_issue(&world);
    assert_eq!((&issue["state"], comments(&issue).len()), (&"open".into(), 0));
    assert!(
        body(&issue).contains("could not read all data") && body(&issue).contains("is 100 days old"),
        "{issue:#}"
    );
}

#[test]
fn without_permission_the_run_says_so_and_goes_on() {
    let world = World::new(100);
    let refused = |issues: &str| {
        world.github.control("POST", "settings", &json!({ "issues": issues }));
        let run = audit(&world, "90d").exits(1);
        assert!(issues_are_untouched(&world));
        remarks(&run).join("\n")
    };
    let said = refused("read");
    assert!(
        said.contains("the issue was not updated") && said.contains("the token needs `issues: write`"),
        "{said}"
    );
    let said = refused("disabled");
    assert!(said.contains("Issues has been disabled in this repository. (410)"), "{said}");
    // Nor without a token.
    let run =
        world.keytide(&["audit"]).file(POLICY, policy("90d", ISSUE)).env("GITHUB_TOKEN", "").run().exits(1);
    assert!(remarks(&run)[0].contains("no GitHub token"), "{:?}", remarks(&run));
}

fn issues_are_untouched(world: &World) -> bool {
    issues(world).is_empty()
}

#[test]
fn what_does_not_speak_for_the_repository_writes_nothing() {
    let world = World::new(100);
    audit_with(&world, &policy("90d", ISSUE), &["--no-notify"]).exits(1);
    let in_workflow = |event: &str, reference: &str| {
        let run = world.keytide(&["audit"]).file(POLICY, policy("90d", ISSUE)).in_action(&[]);
        let run = run.env("GITHUB_EVENT_NAME", event).env("GITHUB_REF", reference);
        run.env("GITHUB_REPOSITORY", "acme/app").run().exits(1)
    };
    let run = in_workflow("pull_request", "refs/pull/1/merge");
    assert_eq!(remarks(&run), ["`notify`: not used in a pull request"]);
    let run = in_workflow("push", "refs/heads/topic");
    assert_eq!(remarks(&run), ["`notify`: only used on the default branch, main"]);
    assert_eq!(writes(&world), 0);
    assert!(issues_are_untouched(&world));
    in_workflow("schedule", "refs/heads/main");
    assert_eq!(only_issue(&world)["state"], "open");
}

/// On a machine of a person, a policy file that is not committed, or not to the default branch, is not in force either.
#[test]
fn a_policy_file_that_is_not_in_force_writes_nothing() {
    let world = World::new(100);
    let local = |text: &str| world.keytide(&["audit"]).file(POLICY, text).run().exits(1);
    let (text, edited) = (policy("90d", "{ issue: {} }"), policy("80d", "{ issue: {} }"));
    let reason = "`notify`: only used with the policy file as it is on the default branch, main";
    world.github.control("POST", "push", &json!({ "files": { POLICY: null } }));
    assert_eq!(remarks(&local(&text)), [reason], "it is not committed");
    world.github.push(&[(POLICY, text.as_bytes())]);
    assert_eq!(remarks(&local(&edited)), [reason], "it is edited");
    assert_eq!(writes(&world), 0);
    assert!(issues_are_untouched(&world));
    assert_eq!(remarks(&local(&text)), [""; 0]);
    assert_eq!(only_issue(&world)["state"], "open");
}

/// `rotate` adds what it sees to the issue of the audits, and takes away no more than that.
#[test]
fn a_rotation_keeps_the_issue_too() {
    let mut world = World::new(80);
    let notify = "notify: { issue: {} }\n";
    let text = world.policy("") + notify;
    world.github.push(&[(POLICY, text.as_bytes())]);
    world.until("proposed");
    assert!(issues(&world).is_empty());
    // Two weeks later nobody has merged the pull request.
    world.pass(24 * 15);
    world.keytide(&["rotate"]).run().exits(1);
    let issue = only_issue(&world);
    assert!(body(&issue).contains("`stalled-rotation` | ci-deployer |"), "{issue:#}");
    // The audit finds the same, and the age.
    audit_with(&world, &text, &[]).exits(1);
    let issue = only_issue(&world);
    assert!(body(&issue).contains("`key-age`") && body(&issue).contains("`stalled-rotation`"), "{issue:#}");
    // An audit that cannot read the journals leaves what is said of rotations.
    let fault = json!([{ "match": "GET .*/git/matching-refs/.*", "status": 403, "message": "no" }]);
    world.github.control("POST", "faults", &fault);
    let run = audit_with(&world, &text, &[]).exits(3);
    assert!(
        run.stdout.contains("rotation status unknown") && !run.stdout.contains("stalled-rotation"),
        "{}",
        run.stdout
    );
    assert!(body(&only_issue(&world)).contains("`stalled-rotation`"));
    // After the merge the rotation goes on: `rotate` knows that, and nothing of the age.
    world.merge();
    world.pass(1);
    let run = world.keytide(&["rotate"]).run();
    assert!([0, 1].contains(&run.exit), "{}", run.stdout);
    let issue = only_issue(&world);
    assert!(body(&issue).contains("`key-age`") && !body(&issue).contains("`stalled-rotation`"), "{issue:#}");
    assert_eq!(issue["state"], "open");
}

#[test]
fn a_policy_file_says_where_to_report() {
    for (notify, wrong) in [
        ("{}", "`notify` requires `issue` or `webhook`"),
        ("{ tickets: {} }", "unknown field `tickets`"),
        (
            "{ webhook: { url_from: AWS_SECRET_ACCESS_KEY, format: slack } }",
            "invalid name of an environment variable",
        ),
        (
            "{ webhook: { url_from: \"https://example.com\", format: slack } }",
            "invalid name of an environment variable",
        ),
        ("{ webhook: { url_from: HOOK, format: irc } }", "irc"),
        ("{ issue: { before: soon } }", "invalid duration `soon`"),
    ] {
        let world = World::new(10);
        let run = world.keytide_text(&["audit"]).file(POLICY, policy("90d", notify)).run().exits(2);
        assert!(run.stderr.contains(wrong), "{notify}: {}", run.stderr);
    }
}
