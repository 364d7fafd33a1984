//! An application that loads its credential only when it is deployed: keytide starts the workflow that deploys it, once the
//! new key is delivered and again after a rollback, and takes no key away before that deployment has succeeded.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::destinations::{AgeFile, Pair};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

const DEPLOY: &str = ".github/workflows/deploy.yml";
const WORKFLOW: &str = "on:\n  workflow_dispatch:\njobs: {}\n";
const RULES: &str = "{ grace: 7d, quiet: 3d, soak: 14d, redeploy: { workflow: deploy.yml } }";

/// The world, and what the application has loaded.
pub struct Deployed {
    pub world: World,
    loaded: Pair,
}

impl Deployed {
    pub fn new(rules: &str) -> Self {
        let world = World::with(80, vec![Box::new(AgeFile::new())]);
        world.github.push(&[(DEPLOY, WORKFLOW.as_bytes()), (POLICY, world.policy_with(rules).as_bytes())]);
        let loaded = world.in_file();
        Self { world, loaded }
    }

    /// A rotation whose pull request is merged and that has started the workflow.
    pub fn delivered(rules: &str) -> Self {
        let mut deployed = Self::new(rules);
        deployed.world.until("proposed");
        deployed.world.merge();
        deployed.world.pass(1);
        deployed
    }

    /// The runs of the workflow that deploys.
    fn runs(&self) -> Vec<Value> {
        let mut runs = self.world.github.state()["runs"].as_array().unwrap().clone();
        runs.retain(|run| run["file"] == "deploy.yml");
        runs
    }

    /// The run that goes on ends so; after a success the application has what the file holds.
    fn conclude(&mut self, conclusion: &str) {
        let runs = self.runs();
        let id = runs.last().unwrap()["id"].clone();
        self.world.github.control("POST", "conclude", &json!({ "id": id, "conclusion": conclusion }));
        if conclusion == "success" {
            self.loaded = self.world.in_file();
        }
    }

    /// The application works with what it has loaded.
    #[track_caller]
    fn work(&self) {
        let body = json!({ "id": self.loaded.0, "secret": self.loaded.1, "service": "s3" });
        let answer: Value =
            serde_json::from_str(&self.world.aws.control("POST", "use", &body.to_string())).unwrap();
        assert_eq!(answer["served"], true, "the application is refused at {}", self.world.now);
    }

    /// Every day one run of keytide and one use; a run of the workflow succeeds within the day.
    #[track_caller]
    fn live(&mut self, wanted: &str, days: usize) -> Value {
        let mut phases = Vec::new();
        for _ in 0..days {
            let report = self.world.rotate();
            self.work();
            phases.push(format!("{}: {}", rotation_field(&report, "phase"), rotation_field(&report, "why")));
            if rotation_field(&report, "phase") == wanted {
                return report;
            }
            if let [number] = self.world.github.open_pulls()[..] {
                self.world.github.control("POST", "merge", &json!({ "number": number }));
            }
            if self.runs().last().is_some_and(|run| run["conclusion"].is_null()) {
                self.conclude("success");
            }
            self.world.pass(24);
        }
        panic!("never {wanted}: {phases:#?}");
    }

    /// The events of the journal, those of the bookkeeping left out.
    fn events(&self) -> Vec<String> {
        let plan = self.world.keytide(&["plan", "--history"]).file(POLICY, self.policy()).run().json();
        let history = plan["rotations"][0]["history"].as_array().unwrap().clone();
        history.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    fn policy(&self) -> String {
        self.world.policy_with(RULES)
    }
}

#[track_caller]
fn says(report: &Value, words: &[&str]) {
    let text = format!("{} {}", rotation_field(report, "why"), rotation_field(report, "help"));
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
}

/// Without the deployment the application would use the old key for ever.
#[test]
fn a_deployed_application_lives_a_whole_life() {
    let due = Deployed::new(RULES);
    let plan = due.world.keytide(&["plan"]).file(POLICY, due.policy()).run().json();
    assert!(rotation_field(&plan, "next").contains("then start the workflow `deploy.yml`"), "{plan:#}");
    let mut deployed = Deployed::delivered(RULES);
    let body = deployed.world.github.state()["pulls"][0]["body"].as_str().unwrap().to_owned();
    for words in ["the workflow of `redeploy` is started", "the workflow of `redeploy` deploys what reads"] {
        assert!(body.contains(words), "{words} is not in {body}");
    }
    assert_eq!(deployed.runs(), Vec::<Value>::new(), "nothing is deployed before the delivery");
    let report = deployed.world.rotate();
    assert_eq!(rotation_field(&report, "phase"), "grace", "{report:#}");
    says(&report, &["run 1001 of the workflow of `redeploy` has not ended yet"]);
    let runs = deployed.runs();
    assert_eq!((runs.len(), &runs[0]["branch"]), (1, &json!("main")), "{runs:?}");
    for _ in 0..2 {
        deployed.world.pass(24);
        deployed.work();
        says(&deployed.world.rotate(), &["has not ended yet"]);
    }
    deployed.conclude("success");
    deployed.live("soaking", 20);
    assert_ne!(deployed.loaded.0, OLD);
    deployed.live("healthy", 20);
    assert_eq!(deployed.runs().len(), 1);
    assert_eq!(deployed.world.keys().into_keys().collect::<Vec<_>>(), [deployed.loaded.0.clone()]);
}

#[test]
fn a_rollback_deploys_the_old_key_again() {
    let mut deployed = Deployed::delivered(RULES);
    deployed.world.rotate();
    deployed.conclude("success");
    deployed.work();
    deployed.world.pass(24);
    deployed.world.keytide(&["rollback", "--user", USER]).run();
    let [number] = deployed.world.github.open_pulls()[..] else { panic!("no pull request") };
    deployed.world.github.control("POST", "merge", &json!({ "number": number }));
    deployed.world.pass(1);
    let report = deployed.world.rotate();
    says(&report, &["run 1002 of the workflow of `redeploy` has not ended yet"]);
    // The new key stays until the application has the old one again.
    for _ in 0..3 {
        deployed.world.pass(24 * 4);
        deployed.work();
        says(&deployed.world.rotate(), &["has not ended yet"]);
    }
    deployed.conclude("success");
    let report = deployed.live("held", 40);
    assert_eq!((deployed.runs().len(), &*deployed.loaded.0), (2, OLD), "{report:#}");
    assert_eq!(deployed.world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}

/// Nothing was delivered, so there is nothing to deploy.
#[test]
fn a_rollback_before_the_merge_deploys_nothing() {
    let mut deployed = Deployed::new(RULES);
    deployed.world.until("proposed");
    deployed.world.keytide(&["rollback", "--user", USER]).run();
    deployed.world.until("held");
    assert_eq!(deployed.runs(), Vec::<Value>::new());
}

#[test]
fn a_failed_deployment_stops_the_rotation() {
    let mut deployed = Deployed::delivered(RULES);
    deployed.world.rotate();
    let failed = deployed.world.github.control("GET", "snapshot", &Value::Null);
    let (now, keys) = (deployed.world.now, deployed.world.keys());
    for way in ["rerun", "later", "resume"] {
        deployed.world.github.control("POST", "restore", &failed);
        deployed.world.now = now;
        deployed.conclude("failure");
        for _ in 0..3 {
            deployed.world.pass(24 * 6);
            let run = deployed.world.keytide(&["rotate"]).run().exits(1);
            assert_eq!(rotation_field(&run.json(), "phase"), "blocked", "{}", run.stdout);
            says(
                &run.json(),
                &["run 1001", "ended without success (failure)", "re-run it", "keytide resume"],
            );
            assert_eq!(deployed.world.keys(), keys);
        }
        match way {
            "rerun" => deployed.conclude("success"),
            "later" => {
                let run = json!({ "file": "deploy.yml", "at": deployed.world.now.to_string() });
                deployed.world.github.control("POST", "workflow", &run);
            }
            _ => drop(deployed.world.keytide(&["resume", "--user", USER, "--reason", "x"]).run().exits(0)),
        }
        let report = deployed.world.rotate();
        assert_eq!(rotation_field(&report, "phase"), "grace", "{way}: {report:#}");
        assert_eq!(deployed.runs().len(), if way == "rerun" { 1 } else { 2 }, "{way}");
    }
}

/// `validate` waits for the deployment, and for a test of what was deployed.
#[test]
fn validation_waits_for_the_deployment() {
    let rules =
        RULES.replace("soak: 14d", "soak: 14d, require_use: false, validate: { workflow: smoke.yml }");
    let mut deployed = Deployed::delivered(&rules);
    let smoke = |world: &World| {
        let run = json!({ "file": "smoke.yml", "at": world.now.to_string() });
        world.github.control("POST", "workflow", &run);
    };
    deployed.world.rotate();
    deployed.world.pass(1);
    // It tests what was there before the deployment.
    smoke(&deployed.world);
    deployed.world.pass(24 * 9);
    says(&deployed.world.rotate(), &["run 1001 of the workflow of `redeploy` has not ended yet"]);
    deployed.conclude("success");
    deployed.world.pass(24);
    says(&deployed.world.rotate(), &["the workflow of `validate` has not succeeded since"]);
    smoke(&deployed.world);
    deployed.world.until("soaking");
    assert_eq!(deployed.runs().len(), 1);
}

/// A deployment that a person starts in place of the failed one counts when it has ended, and stays the one that counts.
#[test]
fn validation_waits_for_the_end_of_a_later_deployment() {
    let rules =
        RULES.replace("soak: 14d", "soak: 14d, require_use: false, validate: { workflow: smoke.yml }");
    let mut deployed = Deployed::delivered(&rules);
    deployed.world.rotate();
    deployed.conclude("failure");
    deployed.world.pass(24 * 9);
    let succeed = |world: &World, file: &str, hours: i64| {
        let ended = world.now + SignedDuration::from_hours(hours);
        let run = json!({ "file": file, "at": world.now.to_string(), "ended": ended.to_string() });
        world.github.control("POST", "workflow", &run);
    };
    succeed(&deployed.world, "deploy.yml", 3);
    deployed.world.pass(1);
    succeed(&deployed.world, "smoke.yml", 0);
    deployed.world.pass(24);
    says(&deployed.world.rotate(), &["the workflow of `validate` has not succeeded since"]);
    succeed(&deployed.world, "smoke.yml", 0);
    deployed.world.pass(1);
    // Others deploy every day; the key was loaded by the first of these deployments
    succeed(&deployed.world, "deploy.yml", 0);
    deployed.world.until("soaking");
}

/// One workflow for both deploys and tests.
#[test]
fn the_workflow_of_validate_may_be_the_one_that_deploys() {
    let rules =
        RULES.replace("soak: 14d", "soak: 14d, require_use: false, validate: { workflow: deploy.yml }");
    let mut deployed = Deployed::delivered(&rules);
    deployed.world.rotate();
    deployed.world.pass(24 * 9);
    deployed.conclude("success");
    deployed.world.until("soaking");
}

/// The file, its state and its trigger are read before a key is made, and the permission is asked for.
#[test]
fn what_cannot_be_started_is_said_before_a_key_is_made() {
    let deployed = Deployed::new(RULES);
    let world = &deployed.world;
    let inputs = "on: { workflow_dispatch: { inputs: { where: { required: true } } } }\njobs: {}\n";
    for (file, state, may_dispatch, words) in [
        (None, "active", true, "the default branch does not have this file"),
        (Some("on: push\njobs: {}\n"), "active", true, "add `workflow_dispatch` to its `on:`"),
        (Some(inputs), "active", true, "give its input `where` a `default`"),
        (Some(WORKFLOW), "disabled_manually", true, "enable it: `gh workflow enable deploy.yml`"),
        (Some(WORKFLOW), "active", false, "the token needs `actions: write`"),
    ] {
        let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        world.github.control("POST", "push", &json!({ "files": { DEPLOY: file.map(encode) } }));
        let settings = json!({ "workflow_states": { "deploy.yml": state }, "may_dispatch": may_dispatch });
        world.github.control("POST", "settings", &settings);
        for _ in 0..4 {
            let run = world.keytide(&["rotate"]).run();
            assert!(run.exit == if may_dispatch { 1 } else { 3 }, "{words}: {}\n{}", run.stdout, run.stderr);
            assert!(run.stdout.contains(words), "{words} is not in {}", run.stdout);
            assert_eq!(world.keys().len(), 1, "{words}");
        }
        // `plan` asks for nothing that changes something, so it sees no permission.
        let plan = world.keytide(&["plan"]).file(POLICY, deployed.policy()).run();
        assert!(!may_dispatch || plan.stdout.contains(words), "{words}: {}", plan.stdout);
    }
    assert_eq!(deployed.runs(), Vec::<Value>::new());
    world.github.control("POST", "settings", &json!({ "may_dispatch": true }));
    assert_eq!(rotation_field(&world.rotate(), "phase"), "proposed");
}

/// The permission goes between the delivery and the start: both keys stay, and the next run that may starts it.
#[test]
fn a_refused_start_is_tried_again() {
    let mut deployed = Deployed::delivered(RULES);
    deployed.world.github.control("POST", "settings", &json!({ "may_dispatch": false }));
    for _ in 0..5 {
        let run = deployed.world.keytide(&["rotate"]).run().exits(3);
        assert!(run.stdout.contains("the token needs `actions: write`"), "{}", run.stdout);
        deployed.world.pass(24);
        let plan = deployed.world.keytide(&["plan"]).file(POLICY, deployed.policy()).run().json();
        assert_eq!(rotation_field(&plan, "next"), "start the workflow of `redeploy`", "{plan:#}");
    }
    assert_eq!((deployed.runs().len(), deployed.world.keys().len()), (0, 2));
    deployed.world.github.control("POST", "settings", &json!({ "may_dispatch": true }));
    assert_eq!(rotation_field(&deployed.world.rotate(), "phase"), "grace");
    assert_eq!(deployed.runs().len(), 1);
}

/// Killed after the announcement, and after the start: there is exactly one run, and its number is recorded.
#[test]
fn a_killed_start_leaves_exactly_one_run() {
    for applied in [false, true] {
        let mut deployed = Deployed::delivered(RULES);
        let run = deployed.world.keytide(&["rotate"]);
        let pid = run.path("pid");
        let fault =
            json!([{ "match": "POST .*/dispatches", "kill": pid.to_str().unwrap(), "applied": applied }]);
        deployed.world.github.control("POST", "faults", &fault);
        run.run_to_be_killed(&pid);
        assert_eq!(deployed.runs().len(), usize::from(applied));
        // Another run waits for the claim of the dead one.
        says(&deployed.world.rotate(), &["is working on this user"]);
        assert_eq!(deployed.runs().len(), usize::from(applied));
        deployed.world.pass(1);
        says(&deployed.world.rotate(), &["run 1001 of the workflow of `redeploy` has not ended yet"]);
        assert_eq!(deployed.runs().len(), 1, "applied: {applied}");
        let events = deployed.events();
        let count = |name: &str| events.iter().filter(|event| *event == name).count();
        assert_eq!((count("redeploying"), count("redeployed")), (2 - usize::from(applied), 1), "{events:?}");
        deployed.live("healthy", 40);
        assert_eq!(deployed.runs().len(), 1);
    }
}

/// The reply is lost, or has no number, as of a server that does not know the parameter.
#[test]
fn a_start_without_an_answer_is_looked_for() {
    let unknown = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
    for (fault, exit) in [
        (json!({ "status": 502, "applied": true }), 3),
        (json!({ "status": 204, "body": null, "applied": true }), 0),
        (json!({ "status": 422, "message": unknown }), 0),
    ] {
        let mut deployed = Deployed::delivered(RULES);
        let mut fault = fault;
        fault["match"] = "POST .*/dispatches".into();
        deployed.world.github.control("POST", "faults", &json!([fault]));
        let run = deployed.world.keytide(&["rotate"]).run();
        assert_eq!(run.exit, exit, "{fault}: {}\n{}", run.stdout, run.stderr);
        deployed.world.pass(1);
        says(&deployed.world.rotate(), &["run 1001 of the workflow of `redeploy` has not ended yet"]);
        assert_eq!(deployed.runs().len(), 1, "{fault}");
    }
}

/// What is no list of runs is an error and not an empty list: nothing is started a second time.
#[test]
fn a_list_that_is_none_starts_nothing_again() {
    let mut deployed = Deployed::delivered(RULES);
    let lost = json!([{ "match": "POST .*/dispatches", "status": 502, "applied": true }]);
    deployed.world.github.control("POST", "faults", &lost);
    deployed.world.keytide(&["rotate"]).run().exits(3);
    for body in [
        json!([]),
        json!(7),
        json!("runs"),
        json!(true),
        json!({}),
        json!({ "total_count": 0, "workflow_runs": null }),
        json!({ "total_count": 1, "workflow_runs": [] }),
        json!({ "total_count": 1, "workflow_runs": [{ "event": "workflow_dispatch" }] }),
    ] {
        deployed.world.pass(2);
        let fault = json!([{ "match": "GET .*/workflows/.*/runs", "status": 200, "body": body, "times": 1 }]);
        deployed.world.github.control("POST", "faults", &fault);
        let run = deployed.world.keytide(&["rotate"]).run();
        assert_eq!(run.exit, 3, "{body}: {}{}", run.stdout, run.stderr);
        assert_eq!(deployed.runs().len(), 1, "{body}");
    }
    deployed.world.pass(2);
    says(&deployed.world.rotate(), &["run 1001 of the workflow of `redeploy` has not ended yet"]);
}

/// An entry that does not fit the stage makes the journal untrusted, and starts nothing.
#[test]
fn a_forged_redeployment_starts_nothing() {
    let announced = |cause: &str| json!({ "event": "redeploying", "cause": cause });
    let recorded = |cause: &str| json!({ "event": "redeployed", "cause": cause, "workflow_run": 1001 });
    for stage in ["proposed", "grace"] {
        let mut deployed = Deployed::new(RULES);
        deployed.world.until("proposed");
        if stage == "grace" {
            deployed.world.merge();
            deployed.world.pass(1);
            deployed.world.rotate();
            deployed.conclude("success");
        }
        let (genuine, before) = (deployed.world.github_moment(), deployed.runs().len());
        for forged in
            [announced("delivery"), announced("rollback"), recorded("delivery"), recorded("rollback")]
        {
            deployed.world.pass(1);
            deployed.world.append_entry(&forged);
            for _ in 0..3 {
                let report = deployed.world.keytide(&["rotate"]).run().json();
                assert_eq!(rotation_field(&report, "phase"), "quarantined", "{stage}, {forged}: {report:#}");
                assert_eq!(deployed.runs().len(), before, "{stage}, {forged}");
                deployed.world.pass(24);
            }
            deployed.world.return_to(&genuine);
        }
    }
}

/// A number that is no run of this workflow since the delivery proves nothing, whoever has written it; and a journal names
/// no workflow.
#[test]
fn a_forged_run_lets_no_key_go() {
    let mut deployed = Deployed::delivered(RULES);
    let old = json!({ "file": "deploy.yml", "at": "2026-02-01T00:00:00Z", "event": "workflow_dispatch" });
    deployed.world.github.control("POST", "workflow", &old);
    let other = json!({ "file": "other.yml", "at": "2027-02-01T00:00:00Z", "event": "workflow_dispatch" });
    deployed.world.github.control("POST", "workflow", &other);
    deployed.world.rotate();
    let genuine = deployed.world.github_moment();
    for run in [1001, 1002, 4_000_000_000_u64] {
        let journal = format!("refs/keytide/123456789012/{USER}");
        let entry = json!({ "workflow_run": run, "workflow": "other.yml" });
        let forged = json!({ "ref": journal, "event": "redeployed", "entry": entry });
        deployed.world.github.control("POST", "forge", &forged);
        for _ in 0..4 {
            deployed.world.pass(24 * 5);
            let report = deployed.world.keytide(&["rotate"]).run().json();
            assert_eq!(rotation_field(&report, "phase"), "blocked", "{run}: {report:#}");
            says(&report, &["GitHub has no run", "of the workflow of `redeploy`"]);
            assert_eq!(deployed.world.keys()[OLD].1, "Active");
        }
        deployed.world.return_to(&genuine);
    }
    // The one of before, and keytide's.
    assert_eq!(deployed.runs().len(), 2);
}
