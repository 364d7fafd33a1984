//! `keytide fleet report`: the merge of many results, complete or not.

use serde_json::{Value, json};

use crate::fleet::{ACCOUNT, FLEET, policy, small_account};
use crate::support::Keytide;

/// A repository that the collection lists, and a result that does not contain it: nobody audited it.
#[test]
fn a_collected_repository_that_was_not_audited_is_missing() {
    let emulator = small_account();
    let text = policy("  - match: \"*\"\n");
    let audit = ["fleet", "audit", "--account", ACCOUNT, "--policies", "policies", "--fleet", "fleet.yml"];
    let run = Keytide::new(&audit)
        .file("fleet.yml", FLEET)
        .file("policies/acme/app-1/keytide.yml", &text)
        .file("policies/collection.json", collected(&["acme/app-1", "acme/other"]));
    let run = run.against(&emulator.url()).run().exits(3);
    let words = "policy file of acme/other: the collection lists it, and the folder does not contain it";
    assert!(run.stdout.contains(words), "{}", run.stdout);

    let result = result(ACCOUNT, "2026-11-01T00:00:00Z", |_| {});
    let run = Keytide::new(&["fleet", "report", "results"])
        .file("results/one/result.JSON", &result)
        .file("results/collection.json", collected(&["acme/app-1", "acme/other"]))
        .run()
        .exits(3);
    assert!(run.stdout.contains("repository acme/other"), "{}", run.stdout);
    assert!(!run.stdout.contains("repository acme/app-1:"), "{}", run.stdout);

    let json = Keytide::new(&["fleet", "report", "results", "--format", "json"])
        .file("results/one/result.JSON", &result)
        .file("results/collection.json", collected(&["acme/app-1", "acme/other"]))
        .run()
        .exits(3)
        .json();
    let lines = json["repositories"].as_array().unwrap();
    let line = lines.iter().find(|line| line["repository"] == "acme/other").unwrap();
    assert_eq!(line["result"], "incomplete", "no one audited it: {line:#}");

    let mut without_jobs: Value = serde_json::from_str(&collected(&["acme/app-1"])).unwrap();
    without_jobs["jobs"] = json!([]);
    let run = Keytide::new(&["fleet", "report", "results"])
        .file("results/collection.json", without_jobs.to_string())
        .run()
        .exits(3);
    assert!(run.stdout.contains("repository acme/app-1: no job audits its account"), "{}", run.stdout);
}

/// `complete` is not believed where faults say otherwise, and a link is not read.
#[test]
fn what_a_result_says_of_itself_is_compared_with_its_faults() {
    let fault = json!([{"user": null, "operation": "iam:ListUsers", "message": "denied"}]);
    let faulty = result(ACCOUNT, "2026-11-01T00:00:00Z", |result| result["faults"] = fault.clone());
    let run = Keytide::new(&["fleet", "report", "results"]).file("results/1.json", &faulty).run().exits(3);
    assert!(run.stdout.contains("incomplete"), "{}", run.stdout);

    let run = Keytide::new(&["fleet", "report", "results"]).file("elsewhere.json", &faulty);
    std::fs::create_dir(run.path("results")).unwrap();
    std::os::unix::fs::symlink("../elsewhere.json", run.path("results/1.json")).unwrap();
    let run = run.run().exits(3);
    assert!(run.stdout.contains("it is not a regular file"), "{}", run.stdout);

    // Nor a link of another name, which may be to a folder of results
    let good = result(ACCOUNT, "2026-11-01T00:00:00Z", |_| {});
    let run = Keytide::new(&["fleet", "report", "results"])
        .file("results/1.json", &good)
        .file("more/2.json", &faulty);
    std::os::unix::fs::symlink("../more", run.path("results/more")).unwrap();
    let run = run.run().exits(3);
    assert!(run.stdout.contains("results/more: it is not a regular file"), "{}", run.stdout);
}

/// A collection of repositories with policy files for the account.
fn collected(names: &[&str]) -> String {
    let line = |name: &&str| json!({"name": name, "id": 1, "state": "collected", "policy": "keytide.yml", "account": ACCOUNT});
    json!({
        "schema_version": 1, "kind": "fleet-collection", "tool": {"name": "keytide", "version": "0.1.0"},
        "generated_at": "2026-11-01T00:00:00Z", "complete": true,
        "repositories": names.iter().map(line).collect::<Vec<_>>(),
        "jobs": [{"account": ACCOUNT, "part": "1/1"}], "findings": [], "faults": [],
    })
    .to_string()
}

/// A result as a job writes it.
pub fn result(account: &str, at: &str, change: impl Fn(&mut Value)) -> String {
    let finding = json!({"rule": "key-age", "severity": "error", "user": "app", "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "message": "access key AKIAIOSFODNN7EXAMPLE is 155 days old", "help": "rotate it", "exempted": false, "exemption_reason": null,
        "location": {"file": ".github/keytide.yml", "line": 4, "column": 5}});
    let counts = json!({"users": 1, "keys": 1, "errors": 1, "warnings": 0, "notes": 0, "exempted": 0});
    let mut result = json!({"schema_version": 1, "kind": "fleet-account", "tool": {"name": "keytide", "version": "0.1.0"},
        "account": account, "part": "1/1", "generated_at": at, "complete": true, "findings": [], "faults": [],
        "not_checked": [], "remarks": [], "users": 1, "keys": 1, "repositories": [{"repository": format!("acme/app-{}", &account[..1]),
        "policy": ".github/keytide.yml", "result": "breach", "summary": counts, "findings": [finding], "faults": [],
        "not_checked": [], "remarks": []}]});
    change(&mut result);
    result.to_string()
}

pub fn good(result: &mut Value) {
    result["repositories"][0]["result"] = json!("pass");
    result["repositories"][0]["findings"] = json!([]);
}

pub fn collection(accounts: &[&str]) -> String {
    let jobs: Vec<Value> = accounts.iter().map(|id| json!({"account": id, "part": "1/1"})).collect();
    let repository = |id: &&str| json!({"name": format!("acme/app-{}", &id[..1]), "id": 1, "state": "collected", "policy": ".github/keytide.yml", "account": id});
    let mut repositories: Vec<Value> = accounts.iter().map(repository).collect();
    repositories
        .push(json!({"name": "acme/attic", "id": 2, "state": "archived", "policy": null, "account": null}));
    json!({"schema_version": 1, "kind": "fleet-collection", "tool": {"name": "keytide", "version": "0.1.0"}, "generated_at": "2026-11-28T00:00:00Z",
        "complete": true, "repositories": repositories, "jobs": jobs, "findings": [], "faults": []}).to_string()
}

pub fn merge(files: &[(&str, &str)]) -> Keytide {
    let mut run = Keytide::new(&["fleet", "report", "--now", "2026-11-29T00:00:00Z"]);
    for (name, text) in files {
        run = run.file(name, text).arg(name);
    }
    run
}

/// An exemption of `fleet.yml` matches nothing in most accounts, and is idle if it does in none.
#[test]
fn an_exemption_of_the_fleet_is_judged_once() {
    let idle = json!({"rule": "idle-exemption", "severity": "warning", "user": null, "access_key_id": null,
        "message": "the exemption of `admin` from orphan-user matches no finding", "help": "Remove the exemption.", "exempted": false,
        "exemption_reason": null, "location": {"file": "fleet.yml", "line": 9, "column": 5}});
    let with = |account: &str, findings: Value| {
        result(account, AT, |result| {
            good(result);
            result["findings"] = findings.clone();
        })
    };
    let (first, used, idle) =
        (with(FIRST, json!([idle])), with(SECOND, json!([])), with(SECOND, json!([idle])));
    let both = collection(&[FIRST, SECOND]);
    for (second, warnings) in [(&used, 0), (&idle, 1)] {
        let run = merge(&[("c.json", &both), ("1.json", &first), ("2.json", second)]).run().exits(0);
        assert_eq!(run.stdout.matches("matches no finding").count(), warnings, "{}", run.stdout);
    }
    let run = merge(&[("c.json", &both), ("1.json", &first)]).run().exits(3);
    assert!(!run.stdout.contains("matches no finding"), "the other account is not known: {}", run.stdout);
    let run = merge(&[("1.json", &first)]).run();
    assert!(!run.stdout.contains("matches no finding"), "the accounts are not known: {}", run.stdout);
}

/// A policy file that names no account is for no job, and its repository has not passed.
#[test]
fn a_policy_file_without_an_account_is_missing() {
    let mut collected: Value = serde_json::from_str(&collection(&[FIRST])).unwrap();
    let line =
        json!({"name": "acme/web", "id": 3, "state": "collected", "policy": "keytide.yml", "account": null});
    collected["repositories"].as_array_mut().unwrap().push(line);
    let files = [("c.json", &*collected.to_string()), ("1.json", &result(FIRST, AT, good))];
    let run = merge(&files).run().exits(3);
    let why = "repository acme/web: its policy file names no account, so that no job audits its users";
    assert!(run.stdout.contains(why), "{}", run.stdout);
    // Its advice is that of the finding: the rule's speaks of an account without a policy file
    let finding = json!({"severity": "warning", "rule": "uncovered-account", "user": null, "access_key_id": null,
        "message": "the policy file names no account", "help": "Add `account: \"123456789012\"` to the policy file.",
        "exempted": false, "exemption_reason": null, "location": {"file": "keytide.yml", "line": 1, "column": 1}});
    collected["repositories"][2]["findings"] = json!([finding]);
    let files = [("c.json", &*collected.to_string()), ("1.json", &result(FIRST, AT, good))];
    let text = merge(&files).run().exits(3).stdout;
    assert!(
        text.contains("help: uncovered-account: Add `account: \"123456789012\"` to the policy file."),
        "{text}"
    );
}

/// A page with findings, results that are missing and repositories that were left out.
pub fn render_sample_page() -> String {
    let (first, second) = (result(FIRST, AT, |_| ()), result(SECOND, AT, good));
    let files =
        [("c.json", &*collection(&[FIRST, SECOND, "333333333333"])), ("1.json", &first), ("2.json", &second)];
    merge(&files).arg("--format").arg("html").run().exits(3).stdout
}

/// What passed is folded, what was not looked at says so and opens onto nothing, and the help of a rule is there once.
#[test]
fn a_page_begins_with_what_is_not_good() {
    let page = render_sample_page();
    let section = page.split("<h2>Repositories</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let (shown, folded) =
        section.split_once("<details class=\"fold\"><summary>1 passed without a warning</summary>").unwrap();
    assert!(
        shown.contains("<b>acme/app-1</b> 1 error (key-age app, 155 d) ")
            && folded.contains("<b>acme/app-2</b>"),
        "{section}"
    );
    assert!(shown.contains("<p class=\"rule error-rule\" data-state=\"incomplete\">"), "{section}");
    assert!(shown.contains("<b>acme/app-3</b> not audited"), "{section}");
    let rules = page.split("<table class=\"rules\">").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(rules.contains("<code>key-age</code></td><td>1 error</td><td>Rotate the key"), "{rules}");
    assert!(page.contains("</b> invalid policy files</li>"), "{page}");
    assert!(
        page.contains("<p class=\"dim\">The results and findings here are of the accounts themselves"),
        "{page}"
    );
}

/// What was not read has no figures, the accounts' figures are said to be their own, and a line with warnings is shown.
#[test]
fn a_figure_that_is_not_known_is_a_dash() {
    let warned = result(SECOND, AT, |result| {
        result["findings"] = json!([{"severity": "warning", "rule": "orphan-user", "user": "stray", "access_key_id": null,
            "message": "no policy file lists it", "help": "x", "exempted": false, "exemption_reason": null,
            "location": {"file": "fleet.yml", "line": 4, "column": 5}}]);
        result["repositories"][0]["findings"] = json!([]);
        result["repositories"][0]["result"] = json!("pass");
    });
    let first = result(FIRST, AT, |_| ());
    let all = collection(&[FIRST, SECOND, "333333333333"]);
    let files = [("c.json", &*all), ("1.json", &first), ("2.json", &warned)];
    let text = merge(&files).arg("--format").arg("markdown").run().exits(3).stdout;
    assert!(text.contains("| acme/app-3 | incomplete | – | – | – | – |"), "{text}");
    assert!(text.contains("| acme/app-1 | failed | 1 | 0 | "), "{text}");
    assert!(text.contains("| account | own result | own errors | own warnings |"), "{text}");
    let page = merge(&files).arg("--format").arg("html").run().exits(3).stdout;
    let accounts = page.split("<h2>Accounts</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let shown = accounts.split("<details class=\"fold\">").next().unwrap();
    assert!(shown.contains(&format!("<b>{SECOND}</b> 1 warning (orphan-user stray)")), "{accounts}");
}

const FIRST: &str = "111111111111";
const SECOND: &str = "222222222222";
const AT: &str = "2026-11-28T06:00:00Z";

/// A fleet reads no journals: the advice of a rule, to delete the second key, would break a rotation.
#[test]
fn a_user_whose_journal_was_not_read_has_an_advice_of_its_own() {
    let unread = keytide::rules::UNREAD_JOURNAL;
    let result = result(ACCOUNT, "2026-11-28T00:00:00Z", |result| {
        let finding = result["repositories"][0]["findings"][0].clone();
        let of = |user: &str, help: &str| {
            let mut finding = finding.clone();
            finding["rule"] = json!("active-key-count");
            finding["user"] = json!(user);
            finding["help"] = json!(help);
            finding
        };
        result["repositories"][0]["findings"] =
            json!([of("rotates", unread), of("other", "Find the idle key.")]);
    });
    let html = merge(&[("1.json", &result)]).arg("--format").arg("html").run().stdout;
    let (rules, _) = html.split_once("<h2>Repositories</h2>").unwrap();
    let nothing = "deactivate and delete nothing";
    assert!(rules.contains(nothing) && rules.contains("Find the idle key by its last use"), "{rules}");
    let text = merge(&[("1.json", &result)]).run().stdout;
    assert!(text.contains(&format!("active-key-count: {unread}")), "{text}");
}

/// A key that others have is not among those that are cut, whatever its user's name.
#[test]
fn an_urgent_finding_is_in_every_list() {
    let many = result(ACCOUNT, AT, |result| {
        let finding = result["repositories"][0]["findings"][0].clone();
        let of = |user: String, rule: &str| {
            let mut finding = finding.clone();
            finding["rule"] = json!(rule);
            finding["user"] = json!(user);
            finding
        };
        let mut all: Vec<Value> = (0..60).map(|number| of(format!("app-{number:02}"), "key-age")).collect();
        all.push(of("zz".to_owned(), "quarantined-user"));
        all.push(of("yy".to_owned(), "unused-key"));
        result["repositories"][0]["findings"] = json!(all);
    });
    let text = merge(&[("1.json", &many)]).run().stdout;
    let first = text.lines().find(|line| line.contains("error")).unwrap();
    assert!(first.contains("zz: ") && first.contains("[quarantined-user]"), "{text}");
    // The many of one rule leave room for the others
    assert!(text.contains("[unused-key]") && text.contains("  and 56 more: 56 key-age\n"), "{text}");
    let markdown = merge(&[("1.json", &many)]).arg("--format").arg("markdown").run().stdout;
    let rows: Vec<&str> = markdown.lines().filter(|line| line.contains("| error |")).collect();
    assert!(rows[0].contains("quarantined") && rows[0].contains("zz"), "{markdown}");
    let html = merge(&[("1.json", &many)]).arg("--format").arg("html").run().stdout;
    assert!(html.find("quarantined-user").unwrap() < html.find("key-age").unwrap(), "{html}");
}

#[test]
fn results_are_merged_the_worst_first() {
    let (first, second) = (result(FIRST, AT, good), result(SECOND, AT, |_| ()));
    let files = [("c.json", &*collection(&[FIRST, SECOND])), ("1.json", &first), ("2.json", &second)];
    let run = merge(&files).run().exits(1);
    let key_age = keytide::rules::ALL_RULES.iter().find(|rule| rule.rule_meta().name == "key-age").unwrap();
    assert_eq!(
        run.stdout,
        format!(
            "acme/app-2: failed\n  error     app: access key AKIAIOSFODNN7EXAMPLE is 155 days old [key-age]\n\
             help: key-age: {}\nleft out: 1 archived\n1 error; 2 repositories, 2 accounts, 2 users, 2 keys\nfailed: 1 error\n",
            key_age.rule_meta().remediation
        )
    );
    let coloured = merge(&files).arg("--color=always").arg("--key-ids=masked").run().exits(1).stdout;
    assert!(
        coloured.contains("\u{1b}[1m\u{1b}[31merror\u{1b}[0m     app: access key AKIA…MPLE is"),
        "{coloured:?}"
    );
    assert!(coloured.contains("\u{1b}[1m\u{1b}[36mhelp:\u{1b}[0m key-age: "), "{coloured:?}");
    let report = merge(&files).arg("--format").arg("json").run().exits(1).json();
    let names: Vec<&Value> =
        report["repositories"].as_array().unwrap().iter().map(|line| &line["repository"]).collect();
    assert_eq!(names, ["acme/app-2", "acme/app-1"]);
    assert_eq!(report["left_out"], json!({"archived": ["acme/attic"]}));
    merge(&[("c.json", &collection(&[FIRST])), ("1.json", &first)]).run().exits(0);
}

/// What is missing, cut, empty or something else is said, and never good.
#[test]
fn a_missing_or_cut_result_is_incomplete() {
    let first = result(FIRST, AT, good);
    let both = collection(&[FIRST, SECOND]);
    let with =
        |text: &str| merge(&[("c.json", &both), ("1.json", &first), ("2.json", text)]).run().exits(3).stdout;
    let missing = merge(&[("c.json", &both), ("1.json", &first)]).run().exits(3).stdout;
    for shown in [
        "not read  account 222222222222: there is no result: the job failed, or did not run\n",
        "acme/app-2: incomplete\n",
        "account 222222222222: incomplete\n",
    ] {
        assert!(missing.contains(shown), "{missing}");
    }
    // A repository whose policy file has errors was not audited either.
    let invalid = result(FIRST, AT, |result| result["repositories"][0]["result"] = json!("invalid"));
    let shown = merge(&[("c.json", &collection(&[FIRST])), ("1.json", &invalid)]).run().exits(1).stdout;
    let line = "not read  acme/app-1: .github/keytide.yml has errors, so its users were not audited\n";
    assert!(shown.starts_with(line), "{shown}");
    let second = result(SECOND, AT, good);
    for cut in [1, 20, second.len() / 2, second.len() - 1] {
        let shown = with(&second[..cut]);
        assert!(shown.contains("not read  2.json: the file is cut off: "), "{cut}: {shown}");
        assert!(shown.contains("acme/app-2: incomplete"), "{cut}: {shown}");
    }
    for (text, reason) in [
        ("", "the file is empty"),
        ("<html>", "the file is not a result of a fleet"),
        ("{\"schema_version\": 1}", "the file is not written by `keytide fleet audit`"),
        (
            "{\"schema_version\": 2, \"kind\": \"fleet-account\"}",
            "the file has schema_version 2; this keytide reads 1",
        ),
    ] {
        let shown = with(text);
        assert!(shown.contains(reason), "{text}: {shown}");
    }
    let shown = merge(&[("1.json", &first)]).arg("nowhere.json").run().exits(3).stdout;
    assert!(shown.contains("not read  nowhere.json: "), "{shown}");
    // A result of a part says how many parts there are.
    let part = result(FIRST, AT, |result| {
        good(result);
        result["part"] = json!("1/2");
    });
    let shown = merge(&[("c.json", &collection(&[FIRST])), ("1.json", &part)]).run().exits(3).stdout;
    assert!(shown.contains("account 111111111111, part 2/2: there is no result"), "{shown}");
}

/// Of two jobs of the same account the newer result counts, and an old good one covers no new failure.
#[test]
fn of_two_results_of_an_account_the_newer_one_counts() {
    let late = "2026-11-28T07:00:00Z";
    let failed = |at: &str| {
        result(FIRST, at, |result| {
            good(result);
            result["complete"] = json!(false);
            result["faults"] = json!([{"user": null, "operation": "connect", "message": "refused"}]);
            result["repositories"][0]["result"] = json!("incomplete");
        })
    };
    let shown = |files: [&str; 2], exit: i32| {
        let files = [("c.json", &*collection(&[FIRST])), ("a.json", files[0]), ("b.json", files[1])];
        let shown = merge(&files).run().exits(exit).stdout;
        assert!(
            shown.contains("account 111111111111 has 2 results of part 1/1; the newest is shown"),
            "{shown}"
        );
        shown
    };
    let good_at = |at: &str| result(FIRST, at, good);
    shown([&good_at(AT), &result(FIRST, late, |_| ())], 1);
    shown([&result(FIRST, late, |_| ()), &good_at(AT)], 1);
    shown([&failed(AT), &good_at(late)], 0);
    assert!(shown([&good_at(AT), &failed(late)], 3).contains("connect: refused"));
    // At the same time: the one that is incomplete.
    shown([&good_at(AT), &failed(AT)], 3);
    shown([&failed(AT), &good_at(AT)], 3);
}

/// Nobody knows which of two results of the same time is right, and the names of their files do not decide it.
#[test]
fn results_of_the_same_time_that_disagree_are_incomplete() {
    let (bad, fine) = (result(FIRST, AT, |_| ()), result(FIRST, AT, good));
    let collected = collection(&[FIRST]);
    let mut shown = Vec::new();
    for (first, second) in [(&bad, &fine), (&fine, &bad)] {
        let run = merge(&[("c.json", &collected), ("a.json", first), ("b.json", second)]).run().exits(3);
        let said = "account 111111111111, part 1/1: results of the same time disagree: ";
        assert!(run.stdout.contains(said), "{}", run.stdout);
        assert!(run.stdout.contains("a.json") && run.stdout.contains("b.json"), "{}", run.stdout);
        shown.push(run.stdout.matches("key-age").count());
    }
    assert_eq!(shown[0], shown[1], "the names of the files decide");
    merge(&[("c.json", &collected), ("a.json", &fine), ("b.json", &fine)]).run().exits(0);

    let other = collection(&[FIRST, SECOND]);
    for (first, second) in [(&collected, &other), (&other, &collected)] {
        let run = merge(&[("c.json", first), ("d.json", second), ("a.json", &fine)]).run().exits(3);
        let said = "collection: collections of the same time disagree: ";
        assert!(run.stdout.contains(said), "{}", run.stdout);
        assert!(run.stdout.contains("c.json") && run.stdout.contains("d.json"), "{}", run.stdout);
    }
    let parts = |result: &mut Value| (good(result), result["part"] = json!("1/2")).1;
    let halves = |result: &mut Value| (good(result), result["part"] = json!("2/2")).1;
    let (one, two) = (result(FIRST, AT, parts), result(FIRST, AT, halves));
    let files = [("c.json", &*collected), ("a.json", &bad), ("b.json", &one), ("d.json", &two)];
    let run = merge(&files).run().exits(3);
    assert!(run.stdout.contains("two divisions of the same time disagree"), "{}", run.stdout);
}

/// A result of the year 2126 would be the newest one for a hundred years. A clock that is a little ahead does no harm.
#[test]
fn what_is_dated_in_the_future_is_not_believed() {
    let (bad, collected) = (result(FIRST, AT, |_| ()), collection(&[FIRST]));
    let future = result(FIRST, "2126-11-28T06:00:00Z", good);
    let run = merge(&[("c.json", &collected), ("a.json", &bad), ("b.json", &future)]).run().exits(3);
    assert!(run.stdout.contains("b.json: its time 2126-11-28T06:00:00Z is in the future"), "{}", run.stdout);
    assert!(run.stdout.contains("key-age"), "{}", run.stdout);
    let late = collected.replace("2026-11-28", "2026-12-28");
    let run = merge(&[("c.json", &late), ("a.json", &result(FIRST, AT, good))]).run().exits(3);
    assert!(run.stdout.contains("c.json: its time 2026-12-28T00:00:00Z is in the future"), "{}", run.stdout);
    let ahead = result(FIRST, "2026-11-29T20:00:00Z", good);
    merge(&[("c.json", &collected), ("a.json", &ahead)]).run().exits(0);
}

/// Everything that a result quotes may come from outside.
#[test]
fn no_name_leaves_its_place_in_any_format() {
    let hostile = "=cmd|' /C calc'!A0\",<script>alert(1)</script>\n::error::x | [a](b) \u{1b}[2J";
    let text = result(FIRST, AT, |result| {
        let finding = &mut result["repositories"][0]["findings"][0];
        for field in ["user", "message", "help", "rule"] {
            finding[field] = json!(hostile);
        }
        finding["location"]["file"] = json!(hostile);
        result["repositories"][0]["repository"] = json!(hostile);
        result["remarks"] = json!([hostile]);
        result["faults"] = json!([{"user": hostile, "operation": hostile, "message": hostile}]);
    });
    let render = |format: &str| merge(&[("1.json", &text)]).arg("--format").arg(format).run().exits(3).stdout;
    for format in ["text", "markdown", "html", "csv", "json"] {
        let shown = render(format);
        assert!(!shown.contains('\u{1b}'), "{format}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{format}: {shown}");
    }
    let html = render("html");
    assert!(!html.contains("<script>alert"), "{html}");
    assert_eq!(html.matches("<script>").count(), 1, "{html}");
    assert!(html.contains("default-src 'none'; style-src 'sha256-"), "{html}");
    assert!(html.find("<h2>Repositories").unwrap() < html.find("<h2>Accounts").unwrap(), "{html}");
    let csv = render("csv");
    for line in csv.lines().skip(1) {
        assert!(line.starts_with("\"'=cmd") || line.starts_with("\"\","), "{line}");
        assert!(!line.contains("\"=cmd"), "{line}");
    }
    let markdown = render("markdown");
    assert!(!markdown.contains("<script") && !markdown.contains("[a](b)"), "{markdown}");
}

/// The files of `--report`, the summary of a step, and masked key IDs in a workflow.
#[test]
fn every_format_is_written_and_keys_are_masked_in_a_workflow() {
    let run = merge(&[("1.json", &result(FIRST, AT, |_| ()))]).in_action(&[]);
    let names = ["r.html", "r.json", "r.md", "r.csv", "summary.md"];
    let paths = names.map(|name| run.path(name));
    let mut run = run;
    for (format, name) in [("html", "r.html"), ("json", "r.json"), ("markdown", "r.md"), ("csv", "r.csv")] {
        run = run.arg("--report").arg(&format!("{format}={name}"));
    }
    let ran = run.run().exits(1);
    for (name, path) in names.iter().zip(paths) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("AKIA…MPLE") && !text.contains("AKIAIOSFODNN7EXAMPLE"), "{name}: {text}");
        // As in an audit, the JSON has the account in its field
        let whole = text.matches(FIRST).count();
        let in_fields = text.matches(&format!("\"account\": \"{FIRST}\"")).count()
            + text.matches(&format!("        \"{FIRST}\"\n")).count();
        assert!(
            if *name == "r.json" { whole == in_fields && whole > 0 } else { whole == 0 },
            "{name}: {text}"
        );
        assert!(*name == "r.json" || text.contains(&format!("…{}", &FIRST[8..])), "{name}: {text}");
    }
    assert!(!ran.stdout.contains(FIRST), "{}", ran.stdout);
    assert!(!ran.stdout.contains("AKIAIOSFODNN7EXAMPLE"), "{}", ran.stdout);
    let run = Keytide::new(&["fleet", "report", "x", "--report", "sarif=x"]).run().exits(2);
    assert!(run.stderr.contains("the formats are text, json, markdown, html, csv"), "{}", run.stderr);
}
