//! Journals that someone else has written: everyone who may push to the repository can write one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use keytide::destinations::as_file;
use keytide::destinations::encryption::SealedPayload;
use keytide::policy::Destination;

use crate::support::destinations::{AGE_FILE, AgeFile, GithubSecrets, Home, Reference, SealedFile, SopsFile};
use crate::support::peers::{OLD, USER, World, rotation_field};

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";
/// A secret that the policy file does not name.
const DEPLOY_TOKEN: &str = "/orgs/acme/actions/secrets/PROD_DEPLOY_TOKEN";

fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// Writes a journal of entries, each with the files beside it.
pub fn write_journal(world: &World, user: &str, entries: &[(Value, Vec<(String, String)>)]) {
    let make = |path: &str, body: &Value| {
        let answer = world.github.ask("POST", path, body);
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        answer["sha"].as_str().unwrap_or_default().to_owned()
    };
    let mut head: Option<String> = None;
    for (entry, files) in entries {
        let mut entry = entry.clone();
        (entry["version"], entry["user"], entry["run"]) = (1.into(), user.into(), "1".into());
        let mut tree = vec![json!({"path": "entry.json", "mode": "100644", "content": entry.to_string()})];
        tree.extend(
            files.iter().map(|(path, text)| json!({"path": path, "mode": "100644", "content": text})),
        );
        let tree = make("git/trees", &json!({ "tree": tree }));
        let message = format!("keytide: {} (x)\n\n{entry}\n", entry["event"].as_str().unwrap());
        let parents: Vec<String> = head.into_iter().collect();
        head = Some(make("git/commits", &json!({"tree": tree, "parents": parents, "message": message})));
    }
    make("git/refs", &json!({"ref": format!("refs/keytide/123456789012/{user}"), "sha": head}));
}

pub fn entry(minute: u32, event: Value) -> (Value, Vec<(String, String)>) {
    let mut event = event;
    event["at"] = format!("2026-01-01T05:{minute:02}:00Z").into();
    (event, Vec::new())
}

pub fn user_id(world: &World) -> String {
    let answer = world.aws.iam("GetUser", &[("UserName", USER)]);
    let (_, rest) = answer.split_once("<UserId>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

fn default_head(world: &World) -> String {
    world.github.state()["refs"]["refs/heads/main"].as_str().unwrap().to_owned()
}

/// Everything that a forged journal must not change: keys, secrets, branches but the journals, the default branch.
fn protected(world: &World) -> Value {
    let state = world.github.state();
    let mut refs = state["refs"].clone();
    refs.as_object_mut().unwrap().retain(|name, _| name.starts_with("refs/heads/"));
    let pulls: Vec<Value> =
        state["pulls"].as_array().unwrap().iter().map(|pull| json!([pull["head"], pull["state"]])).collect();
    json!({ "keys": format!("{:?}", world.keys()), "secrets": state["secrets"], "refs": refs, "pulls": pulls })
}

/// Runs some days; nothing that is protected may change.
#[track_caller]
pub fn changes_nothing(world: &mut World, what: &str, days: usize) -> Value {
    let before = protected(world);
    let mut last = Value::Null;
    for day in 0..days {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(protected(world), before, "{what}, day {day}: {}\n{}", run.stdout, run.stderr);
        last = run.json();
        world.pass(24);
    }
    last
}

#[track_caller]
pub fn is_quarantined(report: &Value, what: &str, why: &str) {
    assert_eq!(rotation_field(report, "phase"), "quarantined", "{what}: {report:#}");
    assert!(
        rotation_field(report, "why").contains(why),
        "{what}: {why} is not in {}",
        rotation_field(report, "why")
    );
}

/// A rotation that would overwrite a secret of the organization, with a value of the forger's and a merged pull request of
/// an earlier rotation.
#[test]
fn a_secret_that_the_policy_does_not_name_is_not_written() {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    let secret = json!({"folder": "/orgs/acme/actions/secrets", "name": "PROD_DEPLOY_TOKEN", "value": "precious",
        "visibility": "all"});
    world.github.control("POST", "secret", &secret);
    world.github.control(
        "POST",
        "propose",
        &json!({"branch": "keytide/ci-deployer/1", "files": {"x": "eA=="}}),
    );
    world.merge();

    let target = "actions:acme:PROD_DEPLOY_TOKEN";
    let place = json!({"place": format!("github_secret {target}"), "kind": "store", "marker": null,
        "spec": {"github_secret": {"organization": "acme", "json": "PROD_DEPLOY_TOKEN"}}});
    let payload = json!({"place": format!("github_secret {target}"),
        "payloads": [{"name": "PROD_DEPLOY_TOKEN", "key_id": "1", "encrypted_value": "AAAA"}]});
    let mut staged = entry(
        2,
        json!({"event": "staged", "key": OLD, "files": {}, "payloads": [format!("github_secret {target}")]}),
    );
    staged.1.push(("base".to_owned(), default_head(&world)));
    staged.1.push(("payloads/0.json".to_owned(), payload.to_string()));
    let entries = [
        entry(
            1,
            json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": "AKIA0NOBODYNOBODY000",
            "places": [place]}),
        ),
        staged,
        entry(3, json!({"event": "verified"})),
    ];
    write_journal(&world, USER, &entries);
    let report = changes_nothing(&mut world, "a foreign secret", 3);
    is_quarantined(&report, "a foreign secret", "other destinations than the policy file");
    assert_eq!(world.github.state()["secrets"][DEPLOY_TOKEN]["value"], "precious");
}

/// A key that an administrator has deactivated, in a journal that names it as the key of a public file.
#[test]
fn a_key_that_keytide_did_not_deactivate_is_not_activated() {
    for is_whole in [false, true] {
        let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
        let set = [("UserName", USER), ("AccessKeyId", OLD), ("Status", "Inactive")];
        world.aws.iam("UpdateAccessKey", &set);
        let marker = fingerprint(&world);
        let place = json!({"place": format!("age {AGE_FILE}"), "kind": "file", "marker": marker, "spec": world.homes[0].destination()});
        let intent = json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": OLD, "places": [place]});
        let mut entries = vec![entry(1, intent)];
        if is_whole {
            entries.push(entry(2, json!({"event": "retiring", "key": OLD})));
            entries.push(entry(3, json!({"event": "deactivate", "key": OLD})));
            entries.push(entry(4, json!({"event": "inactive-since", "key": OLD})));
        } else {
            entries.push(entry(2, json!({"event": "held", "why": "x"})));
            let resumed = json!({"event": "resumed", "reason": "x", "user_id": user_id(&world)});
            entries.push(entry(3, resumed));
        }
        write_journal(&world, USER, &entries);
        for _ in 0..5 {
            let run = world.keytide(&["rotate"]).run();
            assert_eq!(world.keys()[OLD].1, "Inactive", "{}\n{}", run.stdout, run.stderr);
            assert_ne!(run.exit, 0, "it needs a person: {}", run.stdout);
            world.pass(24);
        }
        let run = world.keytide(&["rollback", "--user", USER]).run();
        assert_eq!(world.keys()[OLD].1, "Inactive", "{}\n{}", run.stdout, run.stderr);
    }
}

/// What the age file's ciphertext is called in a journal.
fn fingerprint(world: &World) -> String {
    let destination: Destination = serde_json::from_value(world.homes[0].destination()).unwrap();
    let file = world.github.state()["files"][AGE_FILE].as_str().unwrap().to_owned();
    as_file(&destination).unwrap().inspect_file(&STANDARD.decode(file).unwrap()).credential_sha256.unwrap()
}

/// A number that leaves none for the next rotation.
#[test]
fn a_huge_number_does_not_block_the_user() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new())]);
    let intent =
        json!({"event": "intent", "number": u32::MAX, "user_id": user_id(&world), "key": OLD, "places": []});
    write_journal(&world, USER, &[entry(1, intent)]);
    let report = changes_nothing(&mut world, "a huge number", 2);
    is_quarantined(&report, "a huge number", "begins without those before it");
    world.keytide(&["resume", "--user", USER, "--reason", "forged"]).run().exits(0);
    world.until("proposed");
}

const STAGES: [&str; 3] = ["proposed", "grace", "soaking"];

type MakeHomes = fn() -> Vec<Box<dyn Home>>;

/// Each kind of destination.
const KINDS: [(&str, MakeHomes); 5] = [
    ("age", || vec![Box::new(AgeFile::new())]),
    ("sops", || vec![Box::new(SopsFile::new())]),
    ("sealed_secret", || vec![Box::new(SealedFile::valid_until("2027-01-01"))]),
    ("reference", || vec![Box::new(AgeFile::new()), Box::new(Reference)]),
    ("github_secret", || vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())]),
];

/// What a forger puts beside the staged key: the files, and a part of the reason for the quarantine.
pub fn forgeries(world: &World) -> Vec<(&'static str, Value, &'static str)> {
    let unreviewed = json!({"branch": "forger", "files": {"src/app.py": encode("evil")}});
    world.github.control("POST", "propose", &unreviewed);
    let branch = world.github.state()["refs"]["refs/heads/forger"].as_str().unwrap().to_owned();
    vec![
        ("source code", json!({"files/src/app.py": encode("evil\n")}), "differs in more than the credential"),
        ("the policy", json!({"files/.github/keytide.yml": encode("version: 1\n")}), "differs in more than"),
        ("code owners", json!({"files/.github/CODEOWNERS": encode("* @forger\n")}), "differs in more than"),
        ("an unreviewed base", json!({"base": encode(&branch)}), "the default branch does not contain"),
        (
            "a base that is a path",
            json!({"base": encode("../../../user")}),
            "the default branch does not contain",
        ),
        ("another base", json!({"base": encode(&"0".repeat(40))}), "the default branch does not contain"),
        ("no lock file", json!({"files/.github/keytide/ci-deployer.lock.json": null}), "no lock file"),
        (
            "another lock file",
            json!({"files/.github/keytide/ci-deployer.lock.json": encode(
                "{\"version\":1,\"user\":\"ci-deployer\",\"rotated_at\":\"2026-03-01T06:00:00Z\",\"destinations\":[]}")}),
            "lock file",
        ),
        (
            "a payload for another store",
            json!({"payloads/9.json": encode("{\"place\":\"github_secret actions:acme/app:X\",\"payloads\":[]}")}),
            "payloads are staged for other stores",
        ),
    ]
}

/// At every stage of a rotation, and for each kind of destination, files beside the staged key are changed.
#[test]
fn forged_files_are_neither_proposed_nor_delivered_nor_restored() {
    for (kind, homes) in KINDS {
        let mut world = World::with(80, homes());
        let stages = if kind == KINDS[0].0 { &STAGES[..] } else { &STAGES[..2] };
        for (at, stage) in stages.iter().copied().enumerate() {
            world.until(stage);
            let genuine = world.github_moment();
            for (number, (what, files, why)) in forgeries(&world).into_iter().enumerate() {
                // All of them for the first kind; for the others each once, before the merge or after it.
                if kind != KINDS[0].0 && number % 2 != at {
                    continue;
                }
                let what = format!("{kind}, {stage}, {what}");
                world.github.control(
                    "POST",
                    "forge",
                    &json!({"ref": JOURNAL, "event": "staged", "files": files}),
                );
                if stage == "proposed" {
                    // Without a proposal keytide would make the branch from what is staged.
                    world.github.control("POST", "branch", &json!({"name": "keytide/ci-deployer/1"}));
                }
                let report = changes_nothing(&mut world, &what, 1);
                is_quarantined(&report, &what, why);
                world.return_to(&genuine);
            }
            if stage == "proposed" {
                world.merge();
            }
        }
    }
}

/// The value of a GitHub secret is exchanged after the pull request was merged.
#[test]
fn a_payload_that_no_one_merged_is_not_written() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())]);
    world.until("proposed");
    world.merge();
    let forged = json!({"place": "github_secret actions:acme/app:AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY", "payloads": [
        {"name": "AWS_ACCESS_KEY_ID", "key_id": "1", "encrypted_value": "AAAA"},
        {"name": "AWS_SECRET_ACCESS_KEY", "key_id": "1", "encrypted_value": "AAAA"}]});
    let payload = json!({"payloads/0.json": encode(&forged.to_string())});
    let genuine = world.github.control("GET", "snapshot", &Value::Null);
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": payload}));
    let report = changes_nothing(&mut world, "a payload", 2);
    is_quarantined(&report, "a payload", "the lock file does not list the staged payload");

    // With a lock file that fits, which only the journal holds: the default branch has another.
    world.github.control("POST", "restore", &genuine);
    let path = ".github/keytide/ci-deployer.lock.json";
    let lock = world.github.state()["files"][path].as_str().unwrap().to_owned();
    let mut lock: Value = serde_json::from_slice(&STANDARD.decode(lock).unwrap()).unwrap();
    for locked in lock["destinations"].as_array_mut().unwrap() {
        if locked["kind"] == "github_secret" {
            locked["credential_sha256"] = digest(&forged["payloads"]).into();
        }
    }
    let files = json!({"payloads/0.json": encode(&forged.to_string()), format!("files/{path}"): encode(&lock.to_string())});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": files}));
    let secrets = world.github.state()["secrets"].clone();
    for _ in 0..4 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.github.state()["secrets"], secrets, "{}", run.stdout);
        world.pass(24);
    }
}

/// As the lock file writes it.
fn digest(payloads: &Value) -> String {
    let payloads: Vec<SealedPayload> = serde_json::from_value(payloads.clone()).unwrap();
    SealedPayload::digest(&payloads)
}

/// A soak that the journal says is over, and IAM says has only begun.
#[test]
fn a_soak_is_not_shortened() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new())]);
    let policy = world.policy_with("{ grace: 1d, quiet: 10d, soak: 3d }");
    world.github.push(&[(".github/keytide.yml", policy.as_bytes())]);
    world.until("proposed");
    world.merge();
    world.until("soaking");
    // The old key was last used before that.
    let long_ago = json!({"at": world.now - jiff::SignedDuration::from_hours(5 * 24)});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "*", "entry": long_ago}));
    for _ in 0..2 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys().len(), 2, "{}", run.stdout);
        assert!(run.stdout.contains("keytide:inactive-keys"), "{}", run.stdout);
        world.pass(1);
    }
}

/// Recipients that only the journal names, before the pull request is made.
#[test]
fn a_pull_request_names_the_recipients_of_the_files() {
    let world = World::with(80, vec![Box::new(AgeFile::new())]);
    let recipient = world.homes[0].destination()["age"]["recipients"][0].as_str().unwrap().to_owned();
    // The first such request only asks whether pull requests may be opened.
    let fault =
        json!([{"match": "POST .*/pulls", "status": 403, "message": "Forbidden", "skip": 1, "times": 1}]);
    world.github.control("POST", "faults", &fault);
    world.keytide(&["rotate"]).run().exits(3);
    assert_eq!((world.keys().len(), world.github.open_pulls().len()), (2, 0));
    let forged = json!({"recipients": {format!("age {AGE_FILE}"): ["age age1forger"]}});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "entry": forged}));
    world.keytide(&["rotate"]).run().exits(0);
    let body = world.github.state()["pulls"][0]["body"].as_str().unwrap().to_owned();
    assert!(body.contains(&recipient) && !body.contains("age1forger"), "{body}");
    // The command that pins them is about the same list
    let list = json!({ format!("age {AGE_FILE}"): [format!("age {recipient}")] });
    let digest = keytide::hash::sha256_hex(list.to_string().as_bytes());
    let command =
        format!("`aws iam tag-user --user-name {USER} --tags Key=keytide:destinations,Value={digest}`");
    assert!(body.contains(&command), "{command} is not in {body}");
}
