//! What other people, other tokens and other runs do to the issue.

use serde_json::json;

use super::{ISSUE, audit, audit_with, body, comments, issues, only_issue, person, policy, remarks};
use crate::support::peers::{POLICY, World};

/// What a person writes around keytide's part stays byte for byte, whatever the part becomes.
#[test]
fn the_text_of_people_is_kept() {
    let mut world = World::new(80);
    audit(&world, "90d").exits(0);
    let issue = only_issue(&world);
    let (before, after) = ("# Who\r\n\r\n- [x] Bob\t \u{200b}\r\n", "\r\n\r\n> thanks  \n<!-- mine -->\n");
    let text = format!("{before}{}{after}", body(&issue));
    person(&world, &json!({ "number": issue["number"], "body": text }));
    world.pass(24 * 20);
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    assert!(body(&issue).starts_with(before) && body(&issue).ends_with(after), "{issue:#}");
    assert!(
        body(&issue).contains("is 100 days old") && !body(&issue).contains("is 80 days old"),
        "{issue:#}"
    );
    audit(&world, "365d").exits(0);
    let issue = only_issue(&world);
    assert!(body(&issue).starts_with(before) && body(&issue).ends_with(after), "{issue:#}");
}

/// Everyone can open an issue with the mark, and close or edit it then.
#[test]
fn the_issue_of_a_stranger_is_ignored() {
    let world = World::new(100);
    audit(&world, "90d").exits(1);
    let real = only_issue(&world);
    let other = World::new(100);
    let number = person(&other, &json!({ "author": "mallory", "body": real["body"] }));
    // A name that only looks like the account of a workflow does not count either.
    person(&other, &json!({ "author": "github-actions", "body": real["body"] }));
    audit(&other, "90d").exits(1);
    // GitHub ignores a filter that it cannot apply.
    other.github.control("POST", "settings", &json!({ "filters": false }));
    audit(&other, "90d").exits(1);
    let found = issues(&other);
    assert_eq!(found.len(), 3, "{found:#?}");
    for stranger in &found[..2] {
        assert_eq!(stranger["body"], real["body"]);
        assert!(stranger["state"] == "open" && comments(stranger).is_empty(), "{stranger:#}");
    }
    assert_eq!(found[0]["number"], number);
    assert_eq!((&found[2]["author"], &found[2]["state"]), (&"github-actions[bot]".into(), &"open".into()));
}

/// Audits have the token of the workflow, rotations often that of an app. Both keep the issue of GitHub Actions.
#[test]
fn another_token_keeps_the_same_issue() {
    let world = World::new(100);
    let sign_in = |account: &str| {
        world.github.control("POST", "settings", &json!({ "account": account }));
    };
    // The app comes first: the issue is its own.
    sign_in("acme-keys[bot]");
    audit(&world, "90d").exits(1);
    assert_eq!(only_issue(&world)["author"], "acme-keys[bot]");
    // The workflow's token does not know the app, and opens one.
    sign_in("github-actions[bot]");
    audit(&world, "90d").exits(1);
    // From then on both keep that one.
    for account in ["acme-keys[bot]", "github-actions[bot]", "acme-keys[bot]"] {
        sign_in(account);
        let run = audit(&world, "90d").exits(1);
        assert!(remarks(&run).is_empty(), "{:?}", remarks(&run));
    }
    let found = issues(&world);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((&found[0]["state"], &found[0]["state_reason"]), (&"closed".into(), &"duplicate".into()));
    assert_eq!(comments(&found[0]), ["Duplicate of #1001: two runs opened an issue at the same time."]);
    assert_eq!(found[1]["state"], "open");
}

/// Two runs find no issue and open one each: one of the two stays.
#[test]
fn two_runs_at_once_leave_one_issue() {
    for times in [1, 2] {
        let world = World::new(100);
        // Both have looked before one, or both, can open an issue.
        let held = json!([{ "match": "POST .*/issues", "times": times, "hold": 4 }]);
        world.github.control("POST", "faults", &held);
        world.github.push(&[(POLICY, policy("90d", ISSUE).as_bytes())]);
        let runs = [(); 2].map(|()| world.keytide(&["audit"]).file(POLICY, policy("90d", ISSUE)));
        std::thread::scope(|scope| {
            for run in runs {
                scope.spawn(move || run.run().exits(1));
            }
        });
        let found = issues(&world);
        let open: Vec<_> = found.iter().filter(|issue| issue["state"] == "open").collect();
        assert_eq!(open.len(), 1, "{found:#?}");
        assert_eq!(open[0]["number"], found[0]["number"], "the first stays");
        for duplicate in &found[1..] {
            assert_eq!(duplicate["state_reason"], "duplicate");
        }
        audit(&world, "90d").exits(1);
        assert_eq!(issues(&world).len(), found.len());
    }
}

/// A person who closes the issue does not solve the problem, and one who edits the state hides nothing for long.
#[test]
fn a_closed_or_damaged_issue_is_mended() {
    let world = World::new(100);
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    person(&world, &json!({ "number": issue["number"], "state": "closed" }));
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    assert!(issue["state"] == "open" && comments(&issue).is_empty(), "{issue:#}");
    let (start, rest) = body(&issue).split_once("<!-- keytide:state ").unwrap();
    let (_, end) = rest.split_once(" -->").unwrap();
    person(
        &world,
        &json!({ "number": issue["number"], "body": format!("{start}<!-- keytide:state AAAA -->{end}") }),
    );
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    // What was reported is not known any more, so it is reported again.
    assert!(comments(&issue)[0].starts_with("1 new problem ("), "{issue:#}");
    // Without the end of its part, the text is a person's, and a new part follows it.
    let torn = body(&issue).split("<!-- keytide:end").next().unwrap().to_owned();
    person(&world, &json!({ "number": issue["number"], "body": torn }));
    audit(&world, "90d").exits(1);
    let issue = only_issue(&world);
    assert!(body(&issue).starts_with(&torn) && body(&issue).contains("<!-- keytide:end"), "{issue:#}");
}

/// GraphQL, or a proxy before it, has errors in replies that look like a success, and may quote the request in them: the remark
/// shows them without the token, on one line and not for ever.
#[test]
fn an_error_of_graphql_that_quotes_the_token_is_shown_without_it() {
    const TOKEN: &str = "token-Vq3cZ8mLw0XbT5yRkN7dJ2hF";
    let world = World::new(100);
    let text = policy("90d", ISSUE);
    world.github.push(&[(POLICY, text.as_bytes())]);
    let said = format!("cannot authenticate:\nBearer {TOKEN} {}", "x".repeat(5_000));
    for reply in [json!({}), json!({ "data": null }), json!({ "data": { "viewer": null } })] {
        let mut reply = reply;
        reply["errors"] = json!([{ "message": said, "type": TOKEN, "path": [TOKEN] }]);
        world.github.control(
            "POST",
            "faults",
            &json!([{ "match": "POST /graphql", "status": 200, "body": reply }]),
        );
        let run = world.keytide(&["audit"]).file(POLICY, &text).env("GITHUB_TOKEN", TOKEN).run().exits(1);
        let found = remarks(&run);
        let [remark] = &found[..] else { panic!("{}", run.stdout) };
        assert!(
            remark.contains("cannot authenticate: Bearer … x") && remark.len() < 700,
            "{reply}: {remark}"
        );
        assert!(!(run.stdout + &run.stderr).contains(&TOKEN[6..]), "{reply}");
    }
    assert_eq!(issues(&world).len(), 0);
}

/// In a busy repository the issue is found among many others; a text that leaves no room is an error of the issue alone.
#[test]
fn many_issues_and_long_texts() {
    let mut world = World::new(100);
    audit(&world, "90d").exits(1);
    world.pass(1);
    person(&world, &json!({ "author": "github-actions[bot]", "body": "a report", "count": 250 }));
    audit(&world, "90d").exits(1);
    assert_eq!(issues(&world).len(), 251);
    let issue = issues(&world)[0].clone();
    let long = format!("{}{}", body(&issue), "x".repeat(65_300));
    person(&world, &json!({ "number": issue["number"], "body": long }));
    let run = audit(&world, "90d").exits(1);
    assert!(remarks(&run)[0].contains("leaves no room"), "{:?}", remarks(&run));
    assert_eq!(issues(&world)[0]["body"], long);
    // Another policy file has an issue of its own.
    let other = policy("90d", "{ issue: {} }");
    world.github.push(&[("other.yml", other.as_bytes())]);
    let run = world.keytide(&["audit", "--policy", "other.yml"]);
    run.file("other.yml", other).run().exits(1);
    assert_eq!(issues(&world).len(), 252);
    assert!(issues(&world)[251]["title"].as_str().unwrap().ends_with("(other.yml)"));
    audit_with(&world, &policy("90d", "{ issue: {} }"), &["--no-notify"]).exits(1);
}
