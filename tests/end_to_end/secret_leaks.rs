//! Canaries: the secrets of a life are random, and nothing that leaves the process holds one, in whatever form, whatever
//! goes wrong.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::parameters::{in_parameter, with_parameter};
use crate::support::leak_search::{Left, secrets, talkative, watched};
use crate::support::peers::{POLICY, World};
use crate::support::scenarios::{Life, Progress, Recorded, Request, Story, record};
use crate::support::stores::{OTHERS, Stored};

/// Makes the AWS SDK print the bodies of what it sends and gets.
const BODIES: &str = "LOG_SENSITIVE_BODIES";
const WORKERS: usize = 12;

#[test]
fn no_life_tells_a_secret() {
    std::thread::scope(|scope| {
        for story in [Story::Merged, Story::Closed, Story::RolledBack] {
            scope.spawn(move || tell_all(story));
        }
    });
}

fn tell_all(story: Story) {
    let mut world = World::new(80);
    let (mut left, mut known) = (Left::default(), secrets(&world));
    let mut life = Life { world: &mut world, story, progress: Progress::default() };
    while !life.progress.is_over {
        let ran = watched(talkative(life.command(), life.world), &mut left);
        let report = life.judge(&ran);
        known.extend(secrets(life.world));
        // What only reads is reported to tell yet more.
        for command in ["plan", "audit"] {
            let reads = talkative(life.world.keytide(&[command]), life.world);
            let reads = reads.file("keytide.yml", life.world.policy("")).env(BODIES, "true");
            let ran = watched(reads, &mut left);
            assert!([0, 1].contains(&ran.exit), "{}\n{}", ran.stdout, ran.stderr);
        }
        life.people(&report);
    }
    left.add_peers(&world);
    left.holds_none_of(&known);
}

/// Secrets Manager must be given the credential: by one field of one request, and by nothing else.
#[test]
fn a_store_is_given_the_secret_alone() {
    live_without_leaks(Stored::with_secret(), &Stored::in_secret);
}

/// A whole rotation of a credential in a store: what a run prints, writes and asks others for holds no secret.
pub fn live_without_leaks(mut stored: Stored, held: &dyn Fn(&Stored) -> (String, String)) {
    let (mut left, mut known) = (Left::default(), secrets(&stored));
    // What the test itself has written.
    stored.aws.control("DELETE", "log", "");
    let (old, _) = stored.first();
    for _ in 0..20 {
        let ran = watched(talkative(stored.keytide(&["rotate"]), &stored), &mut left);
        assert!([0, 1].contains(&ran.exit), "{}\n{}", ran.stdout, ran.stderr);
        assert!(!(ran.stdout.clone() + &ran.stderr).contains(OTHERS), "the value of others was shown");
        stored.uses(&held(&stored));
        known.extend(secrets(&stored));
        if !stored.keys().contains_key(&old) {
            left.add_peers(&stored);
            return left.holds_none_of(&known);
        }
        if !stored.github.open_pulls().is_empty() {
            stored.merge();
        }
        stored.wait(&ran.json()["rotations"][0]);
    }
    panic!("it does not end");
}

/// AWS, or a proxy in its place, refuses a write in AWS's own form and quotes the request: the rehearsal with what the store
/// holds, and the write of the new key. Neither the run nor the journal shows it; the code is shown.
#[test]
fn a_refusal_that_quotes_the_request_shows_no_secret() {
    // The rehearsal is one write to a secret, and two to a parameter
    for (action, rehearsal) in [("PutSecretValue", 1), ("PutParameter", 2)] {
        let start = if rehearsal == 1 { Stored::with_secret } else { with_parameter };
        std::thread::scope(|scope| {
            for (status, code) in [
                (400, "AccessDeniedException"),
                (400, "InvalidKeyId"),
                (400, "ValidationException"),
                (500, "InternalServerError"),
            ] {
                for (skip, keys) in [(0, 1), (rehearsal, 2)] {
                    let fault = json!({
                        "action": action, "skip": skip, "times": 9, "status": status, "code": code, "quotes": true,
                    });
                    scope.spawn(move || shows_code_alone(&start(), &fault, keys));
                }
            }
        });
    }
}

/// A run meets this fault, and has made so many keys by then.
fn shows_code_alone(stored: &Stored, fault: &Value, keys: usize) {
    // What the test itself has written.
    stored.aws.control("DELETE", "log", "");
    stored.aws.control("POST", "faults", &json!([fault]).to_string());
    let mut left = Left::default();
    let ran = watched(talkative(stored.keytide(&["rotate"]), stored), &mut left);
    assert_eq!(ran.exit, 3, "{fault}: {}\n{}", ran.stdout, ran.stderr);
    let shown = ran.json()["faults"].to_string();
    for part in ["action", "code"] {
        assert!(shown.contains(fault[part].as_str().unwrap()), "{fault}: {shown}");
    }
    assert_eq!(stored.keys().len(), keys, "{fault}");
    left.add_peers(stored);
    left.holds_none_of(&secrets(stored));
}

/// The same of the write after the merge: the journal notes why the store refused the key.
#[test]
fn a_refused_delivery_that_quotes_the_request_shows_no_secret() {
    let mut stored = with_parameter();
    stored.until("proposed", &in_parameter);
    stored.merge();
    stored.pass(1);
    stored.aws.control("DELETE", "log", "");
    let code = "AccessDeniedException";
    let fault =
        json!([{ "action": "PutParameter", "status": 400, "code": code, "times": 9, "quotes": true }]);
    stored.aws.control("POST", "faults", &fault.to_string());
    let mut left = Left::default();
    let ran = watched(talkative(stored.keytide(&["rotate"]), &stored), &mut left);
    assert!([0, 1, 3].contains(&ran.exit), "{}\n{}", ran.stdout, ran.stderr);
    let journal = stored.github.state()["journals"].to_string();
    assert!(journal.contains("keytide: refused") && journal.contains(code), "{journal}");
    left.add_peers(&stored);
    left.holds_none_of(&secrets(&stored));
}

/// A command that writes does not even begin when bodies would be told.
#[test]
fn bodies_are_reported_by_no_one_who_writes() {
    let world = World::new(80);
    world.aws.control("DELETE", "log", "");
    for arguments in [
        &["rotate"][..],
        &["rollback", "--user", "ci-deployer"],
        &["resume", "--user", "ci-deployer", "--reason", "x"],
    ] {
        let mut left = Left::default();
        let ran = watched(talkative(world.keytide(arguments), &world).env(BODIES, "true"), &mut left);
        assert_eq!(ran.exit, 2, "{}", ran.stdout);
        left.holds_none_of(&secrets(&world));
    }
    assert_eq!(world.github.control("GET", "log", &Value::Null), json!([]));
    assert_eq!(world.aws.control("GET", "log", ""), "[]");
}

/// What AWS's and GitHub's replies can come to.
fn troubles(to_aws: bool) -> Vec<Value> {
    let mut troubles: Vec<Value> = ["half", "cut", "none", "more", "twisted", "page", "empty", "echo"]
        .map(|how| json!({ "spoil": how }))
        .into();
    // A proxy's refusals, that carry all the same what they refuse to give.
    troubles.extend([400, 403, 500, 503].map(|status| json!({ "spoil": "echo", "status": status })));
    let code = if to_aws { "AccessDenied" } else { "" };
    troubles.extend([403, 422, 429, 500].map(|status| json!({ "status": status, "code": code })));
    troubles
}

/// One request of a run goes wrong, in one way.
fn go_wrong(world: &mut World, command: &Recorded, request: &Request, trouble: &Value) {
    world.restore(&command.picture);
    let mut known = secrets(world);
    request.meets(world, trouble.clone());
    let mut left = Left::default();
    let life = Life { world, story: command.story, progress: command.progress };
    let ran = watched(talkative(life.command(), life.world), &mut left);
    assert!([0, 1, 3].contains(&ran.exit), "{} {}\n{}", request.what, trouble, ran.stderr);
    known.extend(secrets(life.world));
    left.add_peers(life.world);
    left.holds_none_of(&known);
}

/// Each request from the making of the key to its proof goes wrong in a sixth of the ways, the next one in another sixth:
/// while there is a secret to tell.
#[test]
fn no_error_tells_a_secret() {
    let commands = record(Story::Merged);
    let requests = &commands[0].requests;
    let made = requests.iter().position(|request| request.what == "CreateAccessKey").unwrap();
    let proved = requests.iter().rposition(|request| request.what == "GetCallerIdentity").unwrap();
    all_go_wrong(requests[made..=proved].iter().map(|request| (&commands[0], request)), 6);
}

/// Every kind of request of every life: `cargo test --test end_to_end -- secret_leaks --ignored --nocapture`.
#[test]
#[ignore = "takes long; `no_error_tells_a_secret` goes through the requests that are made while there is a secret"]
fn no_error_anywhere_tells_a_secret() {
    let lives = [Story::Merged, Story::Closed, Story::RolledBack].map(record);
    let mut kinds = BTreeSet::new();
    let requests =
        lives.iter().flatten().flat_map(|command| command.requests.iter().map(move |one| (command, one)));
    all_go_wrong(requests.filter(|(_, request)| kinds.insert(request.kind())), 1);
}

/// One in `part` of the ways of each request.
fn all_go_wrong<'r>(requests: impl Iterator<Item = (&'r Recorded, &'r Request)>, part: usize) {
    let begun = Instant::now();
    let mut all = Vec::new();
    for (number, (command, request)) in requests.enumerate() {
        let troubles = troubles(request.to_aws).into_iter().skip(number % part).step_by(part);
        all.extend(troubles.map(|trouble| (command, request, trouble)));
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut world = World::new(80);
                while let Some((command, request, trouble)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    go_wrong(&mut world, command, request, trouble);
                }
            });
        }
    });
    println!("{} errors told no secret, {} s", all.len(), begun.elapsed().as_secs());
}

/// No one listens any more: what cannot be told is reported nowhere else, and the run ends as ever.
#[test]
fn a_run_that_no_one_hears_does_not_panic() {
    for (line, exit) in [("exec \"$@\" >&- 2>&-", 0), ("exec \"$@\" >/dev/full 2>/dev/full", 3)] {
        let world = World::new(80);
        let run = talkative(world.keytide(&["rotate"]), &world);
        let (folder, mut left) = (run.path(""), Left::default());
        let status = run.start_by(line).wait().unwrap();
        assert_eq!(status.code(), Some(exit), "{line}");
        assert_eq!(world.github.open_pulls().len(), 1);
        left.add_files(&folder);
        left.add_peers(&world);
        left.holds_none_of(&secrets(&world));
    }
}

/// A process that holds a secret and crashes leaves no core.
#[test]
fn a_crash_leaves_no_core() {
    let world = World::new(80);
    // From the key's making on every request to AWS waits, and with it the process that holds the secret.
    let held = json!([{ "action": "*", "after": "CreateAccessKey", "skip": 1, "hold": 600, "times": 99 }]);
    world.aws.control("POST", "faults", &held.to_string());
    let run = talkative(world.keytide(&["rotate"]), &world);
    let (folder, mut left) = (run.path(""), Left::default());
    let mut child = run.start_by("ulimit -c unlimited; exec \"$@\"");
    while !is_asked_after_the_key(&world) {
        assert_eq!(child.try_wait().unwrap(), None, "it ends while a request is held");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(core_limits(&child), ["0", "0"]);
    // Not SIGQUIT: a shell that starts the tests in the background has every process ignore it.
    let killed = Command::new("kill").arg("-ABRT").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.status.core_dumped()), (Some(6), false));
    left.add_files(&folder);
    left.add("standard error", output.stderr);
    left.holds_none_of(&secrets(&world));
}

/// How large a core of a process may be: the limit in force, and the largest that it could set.
fn core_limits(child: &Child) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = cores.split_whitespace().collect();
    [words[4].to_owned(), words[5].to_owned()]
}

/// Commands that change nothing read what a store holds, and leave no core either.
#[test]
fn a_command_that_reads_leaves_no_core() {
    let world = World::new(80);
    for command in ["audit", "plan"] {
        world.aws.control("DELETE", "log", "");
        let held = json!([{ "action": "*", "hold": 600, "times": 99 }]);
        world.aws.control("POST", "faults", &held.to_string());
        let run = world.keytide(&[command]).file(POLICY, world.policy(""));
        let mut child = run.start_by("ulimit -c unlimited; exec \"$@\"");
        while world.aws.control("GET", "log", "") == "[]" {
            assert_eq!(child.try_wait().unwrap(), None, "{command} ends while a request is held");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(core_limits(&child), ["0", "0"], "{command}");
        child.kill().unwrap();
        child.wait().unwrap();
        world.aws.control("DELETE", "faults", "");
    }
}

/// Whether AWS was asked for something since the key was made.
fn is_asked_after_the_key(world: &World) -> bool {
    let log: Value = serde_json::from_str(&world.aws.control("GET", "log", "")).unwrap();
    let mut actions = log.as_array().unwrap().iter().map(|asked| asked["action"].as_str().unwrap());
    actions.any(|action| action == "CreateAccessKey") && actions.next().is_some()
}
