//! Very many pull requests, references, rules and files, and numbers that no server means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::refused;
use crate::support::destinations::{AgeFile, Reference};
use crate::support::peers::{FILE, OLD, POLICY, World, rotation_field};

fn file_alone() -> World {
    World::with(80, vec![Box::new(AgeFile::new())])
}

/// The paths of the requests since the log was forgotten.
fn requests(world: &World) -> Vec<String> {
    let log = world.github.control("GET", "log", &Value::Null);
    log.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
}

fn forget_requests(world: &World) {
    world.github.control("DELETE", "log", &Value::Null);
}

/// Until the day on which the old key could be deactivated.
fn until_the_end_of_grace(world: &mut World) {
    world.until("proposed");
    world.merge();
    world.until("grace");
}

/// Two hundred open pull requests are listed once and compared once each; hundreds of strangers' are not counted.
#[test]
fn many_open_pull_requests_cost_a_request_each_in_a_run() {
    let mut world = file_alone();
    until_the_end_of_grace(&mut world);
    let text = STANDARD.encode("words\n");
    let ours = json!({ "branch": "ours", "files": { "README.md": text }, "count": 200 });
    world.github.control("POST", "propose", &ours);
    let strangers = json!({ "branch": "theirs", "files": { "README.md": text }, "fork": true, "count": 501 });
    world.github.control("POST", "propose", &strangers);
    world.pass(24 * 8);
    world.work();
    world.pass(24);
    forget_requests(&world);
    let report = world.until("soaking");
    assert_eq!(rotation_field(&report, "phase"), "soaking", "{report:#}");
    let all = requests(&world);
    let lists = all.iter().filter(|path| path.contains("/pulls?state=open&base=")).count();
    let compares = all.iter().filter(|path| path.contains("/compare/")).count();
    // Those of several runs, at most: each lists eight pages.
    assert!(lists <= 8 * 4 && compares <= 201 * 4, "{lists} lists, {compares} comparisons");
    forget_requests(&world);
    world.pass(1);
    world.rotate();
    let all = requests(&world);
    assert!(all.len() < 300, "{} requests in one run", all.len());
}

/// Of a contributor GitHub does not say whether it is a member: the permission counts, and if the token may not ask for
/// it, the key stays.
#[test]
fn a_contributor_counts_if_it_may_write_or_if_that_is_unknown() {
    let mut world = file_alone();
    let old_file = world.github.state()["files"][FILE].as_str().unwrap().to_owned();
    until_the_end_of_grace(&mut world);
    let revert =
        json!({ "branch": "revert", "files": { (FILE): old_file }, "fork": true, "author": "CONTRIBUTOR" });
    let number = world.github.control("POST", "propose", &revert);
    let waits = |world: &mut World| {
        let mut last = Value::Null;
        for _ in 0..20 {
            world.pass(24);
            last = world.rotate();
            world.work();
        }
        let why = rotation_field(&last, "why").to_owned();
        assert!(why.contains(&format!("pull request #{number} would bring it back")), "{why}");
        assert_eq!(world.keys()[OLD].1, "Active");
    };
    world.github.control("POST", "settings", &json!({ "writers": ["somebody"] }));
    waits(&mut world);
    world.github.control("POST", "settings", &json!({ "writers": [], "may_ask_permissions": false }));
    waits(&mut world);
    world.github.control("POST", "settings", &json!({ "may_ask_permissions": true }));
    world.pass(24);
    world.until("soaking");
}

/// What cannot be read of a pull request counts if its author may write, and the reason names the pull request. Else anyone
/// who has contributed once could keep a key alive for ever.
#[test]
fn what_cannot_be_read_counts_by_who_proposes_it() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    until_the_end_of_grace(&mut world);
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
        "4d7a2146".repeat(8)
    );
    let propose = |world: &World, branch: &str, path: &str, text: &str| {
        let files = json!({ path: STANDARD.encode(text) });
        let change = json!({ "branch": branch, "files": files, "fork": true, "author": "CONTRIBUTOR" });
        world.github.control("POST", "propose", &change)
    };
    let lfs = propose(&world, "lfs", "deploy/b.tf", &pointer);
    world.github.control("POST", "settings", &json!({ "writers": ["somebody"] }));
    let mut last = String::new();
    for _ in 0..12 {
        world.pass(24);
        world.work();
        last = world.keytide(&["rotate"]).run().stdout;
    }
    assert!(last.contains(&format!("pull request #{lfs}: `deploy/b.tf` is a Git LFS pointer")), "{last}");

    let orphan = propose(&world, "orphan", "README.md", "words\n");
    let tip = world.github.state()["refs"]["refs/heads/orphan"].as_str().unwrap().to_owned();
    let compare = format!("GET .*/compare/.*{tip}");
    let fault = json!([{ "match": compare, "status": 404, "message": "No common ancestor", "times": 99 }]);
    world.github.control("POST", "faults", &fault);
    world.pass(24);
    last = world.keytide(&["rotate"]).run().exits(3).stdout;
    assert!(last.contains(&format!("pull request #{orphan}: GitHub: No common ancestor (404)")), "{last}");
    assert_eq!(world.keys()[OLD].1, "Active");

    world.github.control("POST", "settings", &json!({ "writers": [] }));
    world.pass(24);
    world.work();
    world.until("soaking");
}

/// More pull requests than are compared stop nothing if their author may not write.
#[test]
fn very_many_pull_requests_of_an_outsider_stop_nothing() {
    let mut world = file_alone();
    until_the_end_of_grace(&mut world);
    let files = json!({ "README.md": STANDARD.encode("words\n") });
    let change =
        json!({ "branch": "theirs", "files": files, "fork": true, "author": "CONTRIBUTOR", "count": 501 });
    world.github.control("POST", "propose", &change);
    world.pass(24 * 8);
    world.work();
    world.pass(24);
    forget_requests(&world);
    world.until("soaking");
    let compares = requests(&world).iter().filter(|path| path.contains("/compare/")).count();
    assert!(compares < 20, "{compares} comparisons");
}

/// GitHub lists 300 files of a pull request. What comes after them may name the old key.
#[test]
fn a_pull_request_with_many_files_hides_no_reference() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    until_the_end_of_grace(&mut world);
    let text = STANDARD.encode("words\n");
    let mut files: serde_json::Map<String, Value> =
        (0..300).map(|number| (format!("a/{number}"), json!(text))).collect();
    files.insert("deploy/other.tf".to_owned(), json!(STANDARD.encode(format!("id = \"{OLD}\"\n"))));
    let number = world.github.control("POST", "propose", &json!({ "branch": "many", "files": files }));
    for _ in 0..20 {
        world.pass(24);
        world.rotate();
        world.work();
    }
    let report = world.rotate();
    let why = rotation_field(&report, "why").to_owned();
    assert!(why.contains(&format!("pull request #{number} would bring it back")), "{why}");
    assert_eq!(world.keys()[OLD].1, "Active");
}

/// Everyone who may push can add references: the users of the policy file come first.
#[test]
fn forged_journals_are_read_after_the_users_of_the_policy_file() {
    let world = file_alone();
    let main = world.github.state()["refs"]["refs/heads/main"].clone();
    for number in 0..60 {
        let forged = json!({ "ref": format!("refs/keytide/123456789012/aaa{number}"), "sha": main });
        let answer = world.github.ask("POST", "git/refs", &forged);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    forget_requests(&world);
    let report = world.keytide(&["rotate"]).run().json();
    assert_eq!(rotation_field(&report, "phase"), "proposed", "{report:#}");
    let all = requests(&world);
    let own = all.iter().rposition(|path| path.contains("ci-deployer")).unwrap();
    let forged = all.iter().position(|path| path.contains("/aaa")).unwrap();
    assert!(own < forged, "{all:#?}");
}

/// Makes the branches of rotations with these numbers.
fn make_branches(world: &World, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        let branch = json!({ "name": format!("keytide/ci-deployer/{number}"), "to": "refs/heads/main" });
        world.github.control("POST", "branch", &branch);
    }
}

/// Everyone who may push can make branches with all numbers that the next rotation could have: few of them are looked at, no
/// journal is written that keytide would not read, and the branches are named. One that goes is enough.
#[test]
fn branches_with_all_numbers_are_named() {
    let mut world = file_alone();
    make_branches(&world, 1..=1_001);
    forget_requests(&world);
    let run = world.keytide(&["rotate"]).run().exits(3);
    let said = run.json()["faults"].to_string();
    for words in ["no key was created: the numbers that were tried", "delete these branches"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for number in [1, 8, 512] {
        assert!(said.contains(&format!("`keytide/ci-deployer/{number}`")), "{number}: {said}");
    }
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
    let looks = requests(&world).iter().filter(|path| path.contains("heads/keytide/ci-deployer/")).count();
    assert!(looks <= 30, "{looks} requests for branches");
    let journal = world.github.state()["journals"].to_string();
    assert!(!journal.contains("keytide: intent") && !journal.contains("keytide: failed"), "{journal}");
    world.github.control("POST", "branch", &json!({ "name": "keytide/ci-deployer/5" }));
    world.pass(24);
    world.until("proposed");
    assert_eq!(world.github.state()["pulls"][0]["head"], "keytide/ci-deployer/5");
}

/// A lost journal leaves the branches of its rotations: the next number is beyond them, and the journal takes it.
#[test]
fn the_numbers_of_a_lost_journal_are_passed_over() {
    let mut world = file_alone();
    make_branches(&world, 1..=40);
    world.until("proposed");
    assert_eq!(world.github.state()["pulls"][0]["head"], "keytide/ci-deployer/64");
    world.merge();
    world.until("healthy");
}

/// A page of GitHub's has a hundred rules: those of the next page count as well.
#[test]
fn a_rule_on_the_second_page_refuses_before_a_key_is_made() {
    let mut world = file_alone();
    let rule = |kind: &str| json!({"type": kind, "branches": "keytide/.*"});
    let set_rules = |world: &World, last: Option<&str>| {
        let rules: Vec<Value> = (0..100).map(|_| rule("non_fast_forward")).chain(last.map(rule)).collect();
        world.github.control("POST", "settings", &json!({ "rules": rules }));
    };
    set_rules(&world, Some("creation"));
    let words = "a rule of the repository restricts the creation of the branch `keytide/ci-deployer/1`";
    refused(&world, world.keytide(&["rotate"]).run(), 1, &[words]);
    let plan = world.keytide(&["plan"]).file(POLICY, world.policy("")).run();
    assert!(plan.stdout.contains(words), "{}", plan.stdout);
    set_rules(&world, Some("required_signatures"));
    let doctor = world.keytide(&["doctor"]).run();
    let words = "these rules apply to `keytide/**` and may refuse a step of a rotation: required_signatures";
    assert!(doctor.stdout.contains(words), "{}", doctor.stdout);
    // A full page with nothing behind it
    set_rules(&world, None);
    world.pass(24);
    world.until("proposed");
}

/// GitHub lists a very large tree only in part: a file that the list lacks keeps its mode all the same.
#[test]
fn a_file_stays_executable_in_a_repository_that_is_listed_in_part() {
    let mut world = file_alone();
    let file = world.github.state()["files"][FILE].clone();
    let mut files: serde_json::Map<String, Value> =
        (10..40).map(|number| (format!("a/{number}"), json!(STANDARD.encode("words\n")))).collect();
    files.insert(FILE.to_owned(), file);
    world.github.control("POST", "push", &json!({ "files": files, "modes": { FILE: "100755" } }));
    world.github.control("POST", "settings", &json!({ "listed": 20 }));
    world.until("proposed");
    let state = world.github.state();
    let branch = state["refs"]["refs/heads/keytide/ci-deployer/1"].as_str().unwrap();
    world.github.control("POST", "settings", &json!({ "listed": 100_000 }));
    let ask = |path: &str| -> Value {
        let answer = world.github.ask("GET", path, &Value::Null);
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let tree = ask(&format!("git/commits/{branch}"))["tree"]["sha"].as_str().unwrap().to_owned();
    let listed = ask(&format!("git/trees/{tree}?recursive=1"));
    let modes: Vec<(&str, &str)> = listed["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["path"].as_str().unwrap(), entry["mode"].as_str().unwrap()))
        .filter(|(path, _)| path.ends_with(".age") || path.ends_with(".lock.json"))
        .collect();
    assert_eq!(modes, [(".github/keytide/ci-deployer.lock.json", "100644"), (FILE, "100755")]);
    assert_ne!(
        world.github.control("POST", "files", &json!({ "ref": "refs/heads/keytide/ci-deployer/1" }))[FILE],
        state["files"][FILE]
    );
}

/// A wait of 2^64-1 seconds, and a limit that ends in the year 9999.
#[test]
fn absurd_limits_are_reported() {
    let world = file_alone();
    for headers in [
        json!({"retry-after": "18446744073709551615"}),
        json!({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9223372036854775807"}),
    ] {
        let fault =
            json!([{"match": "GET /repos/acme/app", "status": 429, "headers": headers, "message": "slow"}]);
        world.github.control("POST", "faults", &fault);
        refused(&world, world.keytide(&["rotate"]).run(), 3, &["GitHub's rate limit is reached for"]);
    }
}
