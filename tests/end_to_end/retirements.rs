//! A key that is not needed any more, as a workflow runs keytide: nothing refers to it, nothing uses it, it goes and no other
//! comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::forged_journals::{changes_nothing, entry, is_quarantined, user_id, write_journal};
use crate::support::Keytide;
use crate::support::destinations::{AGE_FILE, AgeFile, GithubSecrets};
use crate::support::peers::{OLD, POLICY, USER, World, rotation_field};

/// The policy file with a retirement in place of the rotation.
fn retiring(world: &World) -> String {
    world.policy_with("").replace("    rotation: \n", "    retire: { quiet: 2d, soak: 3d }\n")
}

/// One user with a key in an age file, which is to go.
fn world() -> World {
    let world = World::with(200, vec![Box::new(AgeFile::new())]);
    world.github.push(&[(POLICY, retiring(&world).as_bytes())]);
    world
}

/// People remove the credential from the repository. The policy file may go on to name it.
fn remove_file(world: &World) {
    world.github.control("POST", "push", &json!({ "files": { AGE_FILE: null } }));
}

/// Something with a copy of the key works; whether it is let in.
fn is_let_in(world: &World, secret: &str) -> bool {
    let body = json!({ "id": OLD, "secret": secret, "service": "s3" });
    let answer: Value = serde_json::from_str(&world.aws.control("POST", "use", &body.to_string())).unwrap();
    answer["served"] == true
}

/// Every day one run, until a phase.
#[track_caller]
fn until(world: &mut World, phase: &str, days: usize) -> Value {
    let mut phases = Vec::new();
    for _ in 0..days {
        let report = world.rotate();
        phases.push(format!("{}: {}", rotation_field(&report, "phase"), rotation_field(&report, "why")));
        if rotation_field(&report, "phase") == phase {
            return report;
        }
        world.wait(&report["rotations"][0]);
    }
    panic!("never {phase}: {phases:#?}");
}

/// The repository still holds the key, then a machine does that no one knows of, then nothing: only then it goes.
#[test]
fn a_key_that_nothing_needs_goes() {
    let mut world = world();
    let (_, secret) = world.in_file();
    let plan = world.keytide(&["plan"]).file(POLICY, retiring(&world)).run().exits(0).json();
    assert_eq!(rotation_field(&plan, "phase"), "retiring", "{plan:#}");
    let mut reasons = Vec::new();
    for day in 0..14 {
        match day {
            3 => remove_file(&world),
            _ => world.work(),
        }
        assert!(is_let_in(&world, &secret), "on day {day}: {reasons:#?}");
        let report = world.rotate();
        assert_eq!(rotation_field(&report, "phase"), "retiring", "{report:#}");
        reasons.push(rotation_field(&report, "why").to_owned());
        world.pass(24);
    }
    assert!(reasons[0].contains(AGE_FILE), "{reasons:#?}");
    assert!(reasons[13].contains("was last used"), "{reasons:#?}");
    assert_eq!(world.keys()[OLD].1, "Active");

    until(&mut world, "soaking", 5);
    assert_eq!(world.keys()[OLD].1, "Inactive");
    until(&mut world, "retired", 6);
    assert!(world.keys().is_empty());
    assert_eq!(world.github.open_pulls(), Vec::<u64>::new());
    let again = world.rotate();
    assert_eq!(rotation_field(&again, "phase"), "retired", "{again:#}");
    let audit = world.keytide(&["audit"]).file(POLICY, retiring(&world)).run().exits(0).json();
    assert_eq!(audit["users"][0]["phase"], "retired", "{audit:#}");
}

/// A secret that holds the key keeps it: the help says with which commands it goes.
#[test]
fn a_secret_that_keeps_a_key_is_deleted_by_the_commands_of_the_help() {
    let mut world = World::with(200, vec![Box::new(GithubSecrets::of_repository())]);
    world.github.push(&[(POLICY, retiring(&world).as_bytes())]);
    let old = world.keys()[OLD].0.clone();
    for (name, value) in [("AWS_ACCESS_KEY_ID", OLD), ("AWS_SECRET_ACCESS_KEY", &*old)] {
        let secret = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": value});
        world.github.control("POST", "secret", &secret);
    }
    let report = world.rotate();
    let why = rotation_field(&report, "why");
    let named = "GitHub Actions secrets `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of `acme/app`";
    assert_eq!(why, format!("a credential is in {named}"));
    let help = rotation_field(&report, "help");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(help.contains(&format!("`gh secret delete {name} --repo acme/app`")), "{help}");
        let deleted = json!({"folder": "/repos/acme/app/actions/secrets", "name": name, "value": null});
        world.github.control("POST", "secret", &deleted);
    }
    assert!(!help.contains("nothing to do") && help.contains("keytide rollback"), "{help}");
    until(&mut world, "soaking", 8);
    // Written again while the key is inactive: what reads it there fails
    let mut secret =
        json!({"folder": "/repos/acme/app/actions/secrets", "name": "AWS_ACCESS_KEY_ID", "value": OLD});
    world.github.control("POST", "secret", &secret);
    let report = world.keytide(&["rotate"]).run().exits(1).json();
    assert_eq!(rotation_field(&report, "phase"), "blocked", "{report:#}");
    assert!(
        rotation_field(&report, "why").contains("is inactive, and a credential is in GitHub Actions secrets"),
        "{report:#}"
    );
    secret["value"] = Value::Null;
    world.github.control("POST", "secret", &secret);
    until(&mut world, "retired", 20);
}

/// Something that was forgotten fails in the soak: one command, and it works again.
#[test]
fn a_rollback_in_the_soak_brings_the_key_back() {
    let mut world = world();
    let (_, secret) = world.in_file();
    remove_file(&world);
    until(&mut world, "soaking", 8);
    assert!(!is_let_in(&world, &secret));
    let back = world.keytide(&["rollback", "--user", USER, "--reason", "the night job"]).run();
    assert_eq!(rotation_field(&back.json(), "phase"), "held", "{}", back.stdout);
    assert!(is_let_in(&world, &secret));
    world.pass(24);
    let held = world.rotate();
    assert_eq!(rotation_field(&held, "phase"), "held", "{held:#}");
    world.keytide(&["resume", "--user", USER, "--reason", "the night job has a role"]).run().exits(0);
    until(&mut world, "retired", 16);
    assert!(world.keys().is_empty());
}

/// A workflow names the key in its soak, and the policy file asks no more: it stays as it is.
#[test]
fn a_new_reference_or_another_policy_keeps_a_soaking_key() {
    let mut world = world();
    remove_file(&world);
    until(&mut world, "soaking", 8);
    let workflow = format!("env: {{ AWS_ACCESS_KEY_ID: {OLD} }}\n");
    world.github.push(&[(".github/workflows/night.yml", workflow.as_bytes())]);
    // At once, since what reads it there does not work, and still long after the soak
    for hours in [1, 24 * 10] {
        world.pass(hours);
        let run = world.keytide(&["rotate"]).run().exits(1);
        let named = run.json();
        assert_eq!(rotation_field(&named, "phase"), "blocked", "{named:#}");
        let why = rotation_field(&named, "why");
        assert!(why.contains("night.yml") && why.contains("is inactive"), "{why}");
        assert!(run.stdout.contains("take it out, or bring the key back"), "{}", run.stdout);
        let audit = world.keytide(&["audit"]).file(POLICY, retiring(&world)).run();
        assert!(audit.stdout.contains("night.yml") && audit.exit == 1, "{}", audit.stdout);
    }
    world.github.control("POST", "push", &json!({ "files": { ".github/workflows/night.yml": null } }));
    let rotated = world.policy_with("{}");
    world.github.push(&[(POLICY, rotated.as_bytes())]);
    world.pass(24);
    let other = world.rotate();
    assert_eq!(rotation_field(&other, "phase"), "blocked", "{other:#}");
    assert_eq!(world.keys()[OLD].1, "Inactive");
    world.github.push(&[(POLICY, retiring(&world).as_bytes())]);
    until(&mut world, "retired", 3);
}

/// Two keys go one after the other.
#[test]
fn both_keys_of_a_user_go() {
    let mut world = world();
    world.aws.iam("CreateAccessKey", &[("UserName", USER)]);
    remove_file(&world);
    until(&mut world, "soaking", 8);
    assert_eq!(world.keys().len(), 2);
    until(&mut world, "retired", 24);
    assert!(world.keys().is_empty());
}

/// The role of the rotation makes no key for a user that is to have none; with one that rotates, for that one only.
#[test]
fn a_retirement_needs_no_permission_to_make_a_key() {
    let entry = |name: &str, change: &str| format!("  - name: {name}\n    {change}\n");
    let retired = format!("version: 1\naccount: \"123456789012\"\nusers:\n{}", entry("gone", "retire: {}"));
    let print = |policy: &str, purpose: &str| {
        let run = Keytide::new(&["iam-policy", "--for", purpose]).policy(policy).run().exits(0);
        let text = run.stdout.clone();
        serde_json::from_str::<Value>(&text).unwrap()["Statement"].clone()
    };
    let text = print(&retired, "rotate").to_string();
    assert!(!text.contains("CreateAccessKey") && text.contains("iam:UpdateAccessKey"), "{text}");
    let rotated = entry(
        "kept",
        "rotation: {}\n    destinations: [{ age: { file: a.age, format: dotenv, recipients: \
        [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p] } }]",
    );
    let both = print(&format!("{retired}{rotated}"), "rotate");
    for statement in both.as_array().unwrap() {
        let (actions, users) = (statement["Action"].to_string(), statement["Resource"].to_string());
        assert_eq!(actions.contains("CreateAccessKey"), !users.contains("gone"), "{statement:#}");
    }
    assert!(print(&retired, "delete").to_string().contains("iam:DeleteAccessKey"));
}

fn begun(world: &World) -> (Value, Vec<(String, String)>) {
    entry(1, json!({"event": "retirement", "number": 1, "user_id": user_id(world), "key": OLD}))
}

/// Someone who may push says that a key goes, which the policy file rotates.
#[test]
fn a_forged_retirement_takes_no_key_that_the_policy_file_rotates() {
    let mut world = World::with(5, vec![Box::new(AgeFile::new())]);
    let mut entries = vec![begun(&world)];
    for (minute, event) in (2..).zip(["retiring", "deactivate", "inactive-since", "delete"]) {
        entries.push(entry(minute, json!({"event": event, "key": OLD})));
        let moment = world.github_moment();
        write_journal(&world, USER, &entries);
        changes_nothing(&mut world, event, 4);
        world.return_to(&moment);
    }
}

/// The policy file asks for it, and the journal says that it has come far: what IAM and the repository say counts.
#[test]
fn a_forged_journal_hurries_no_retirement() {
    let mut world = world();
    let mut entries = vec![begun(&world)];
    entries.push(entry(2, json!({"event": "retiring", "key": OLD})));
    let moment = world.github_moment();
    write_journal(&world, USER, &entries);
    // The file still holds it.
    changes_nothing(&mut world, "a key in a file", 4);
    world.return_to(&moment);
    remove_file(&world);
    write_journal(&world, USER, &entries);
    let (_, secret) = { (OLD, world.keys()[OLD].0.clone()) };
    for _ in 0..4 {
        assert!(is_let_in(&world, &secret), "it is in use");
        world.rotate();
        world.pass(24);
    }
    // It is inactive since this minute, and the journal says: since January.
    let set = [("UserName", USER), ("AccessKeyId", OLD), ("Status", "Inactive")];
    world.aws.iam("UpdateAccessKey", &set);
    world.return_to(&moment);
    remove_file(&world);
    entries.push(entry(3, json!({"event": "inactive-since", "key": OLD})));
    write_journal(&world, USER, &entries);
    for _ in 0..3 {
        let run = world.keytide(&["rotate"]).run();
        assert_eq!(world.keys().len(), 1, "{}\n{}", run.stdout, run.stderr);
        world.pass(24);
    }
    let run = world.keytide(&["rollback", "--user", USER]).run();
    assert_eq!(world.keys()[OLD].1, "Inactive", "{}\n{}", run.stdout, run.stderr);
}

/// A retirement makes no key, whatever its journal says.
#[test]
fn a_forged_new_key_in_a_retirement_is_distrusted() {
    for event in [
        json!({"event": "create"}),
        json!({"event": "staged", "key": "AKIA0NOBODYNOBODY000", "files": {}, "payloads": []}),
        json!({"event": "tombstone", "key": OLD, "why": "x"}),
        json!({"event": "distributed"}),
    ] {
        let mut world = world();
        write_journal(&world, USER, &[begun(&world), entry(2, event.clone())]);
        let report = changes_nothing(&mut world, &event.to_string(), 2);
        is_quarantined(&report, &event.to_string(), "while a key is being retired");
    }
    let mut world = world();
    let place = json!({"place": format!("age {AGE_FILE}"), "kind": "file", "marker": STANDARD.encode("x"), "spec": world.homes[0].destination()});
    let intent =
        json!({"event": "intent", "number": 1, "user_id": user_id(&world), "key": OLD, "places": [place]});
    let needed = entry(2, json!({"event": "needed", "key": OLD, "why": "x"}));
    write_journal(&world, USER, &[entry(1, intent), needed]);
    let report = changes_nothing(&mut world, "a rotation", 2);
    is_quarantined(&report, "a rotation", "of no retirement");
}

/// GitHub answers the same for a secret that is gone and for a place that the token may not see.
#[test]
fn a_secret_in_a_place_that_github_does_not_show_keeps_the_key() {
    for (folder, place) in [
        ("/repos/acme/elsewhere/actions/secrets", json!({ "repository": "acme/elsewhere" })),
        ("/orgs/other/actions/secrets", json!({ "organization": "other" })),
        (
            "/repos/acme/app/environments/gone/secrets",
            json!({ "repository": "acme/app", "environment": "gone" }),
        ),
    ] {
        let mut world = World::with(200, vec![Box::new(GithubSecrets::pair(folder, place))]);
        world.github.push(&[(POLICY, retiring(&world).as_bytes())]);
        let shown = folder.trim_start_matches('/').trim_end_matches("/secrets");
        keeps_the_key(&mut world, &format!("GitHub shows no `{shown}` to this token"));
    }
}

/// What a link or a submodule leads to is not in the commit, and UTF-16 is text as well.
#[test]
fn a_reference_that_cannot_be_read_keeps_the_key() {
    for mode in ["120000", "160000"] {
        let mut world = world();
        remove_file(&world);
        let path = ".github/workflows/deploy.yml";
        let files = json!({ path: STANDARD.encode("../../deploy.yml") });
        world.github.control("POST", "push", &json!({ "files": files, "modes": { path: mode } }));
        keeps_the_key(&mut world, "`.github/workflows/deploy.yml` is a link or a submodule");
    }
    let mut world = world();
    remove_file(&world);
    let wide: Vec<u8> =
        format!("\u{feff}env: {{ KEY: {OLD} }}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    world.github.push(&[(".github/workflows/deploy.yml", &wide)]);
    keeps_the_key(&mut world, "names it");
}

/// The files below a submodule or a link to a folder are in no commit. A glob that matches none of them does not wait.
#[test]
fn a_folder_that_cannot_be_read_keeps_the_key_where_a_glob_may_match_below_it() {
    for (glob, mode, keeps) in [
        ("infra/*.env", "160000", true),
        ("infra/**/*.env", "120000", true),
        ("**/*.env", "160000", true),
        ("infra/a/*.env", "160000", false),
    ] {
        let mut world = world();
        remove_file(&world);
        let reference = format!("      - reference: {{ files: [\"{glob}\"] }}\n");
        world.github.push(&[(POLICY, (retiring(&world) + &reference).as_bytes())]);
        let path = if keeps { "infra" } else { "infra/b" };
        let files = json!({ path: STANDARD.encode("../infra") });
        world.github.control("POST", "push", &json!({ "files": files, "modes": { path: mode } }));
        if keeps {
            keeps_the_key(&mut world, "`infra` is a link or a submodule");
        } else {
            until(&mut world, "soaking", 8);
        }
    }
}

/// Long after its waits, the key is active, and the run says why.
#[track_caller]
fn keeps_the_key(world: &mut World, why: &str) {
    for _ in 0..6 {
        let run = world.keytide(&["rotate"]).run();
        assert!(run.stdout.contains(why), "{why}: {}", run.stdout);
        assert_eq!(world.keys()[OLD].1, "Active", "{}", run.stdout);
        world.pass(25);
    }
}

/// An announcement from before the key existed is not true: the retirement is cancelled, and a person looks at it.
#[test]
fn a_forged_announcement_is_not_older_than_the_key() {
    let mut world = World::with(1, vec![Box::new(AgeFile::new())]);
    world.github.push(&[(POLICY, retiring(&world).as_bytes())]);
    remove_file(&world);
    let entries = [begun(&world), entry(2, json!({"event": "retiring", "key": OLD}))];
    write_journal(&world, USER, &entries);
    let report = world.rotate();
    assert!(rotation_field(&report, "why").contains("was cancelled"), "{report:#}");
    let report = until(&mut world, "held", 4);
    assert!(rotation_field(&report, "why").contains("was cancelled"), "{report:#}");
    assert_eq!(world.keys()[OLD].1, "Active", "{report:#}");
}

/// Any file of the default branch that names the key keeps it, also where no workflow and no `reference` has to do with it.
#[test]
fn a_file_that_names_the_key_keeps_it() {
    let mut world = world();
    remove_file(&world);
    let wide: Vec<u8> = format!("\u{feff}{OLD};deploy\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (path, text) in [("deploy/values.yaml", format!("keyId: {OLD}\n").into_bytes()), ("keys.csv", wide)] {
        world.github.push(&[(path, &text)]);
        for _ in 0..8 {
            let report = world.rotate();
            assert_eq!(rotation_field(&report, "phase"), "retiring", "{report:#}");
            world.pass(24);
        }
        let report = world.rotate();
        assert!(rotation_field(&report, "why").contains(&format!("`{path}` names it")), "{report:#}");
        assert_eq!(world.keys()[OLD].1, "Active");
        world.github.control("POST", "push", &json!({ "files": { path: null } }));
    }
    until(&mut world, "soaking", 8);
}

/// GitHub sends one file a request: of a repository with many files keytide reads those of a clone, and without one the key
/// stays.
#[test]
fn the_files_of_a_large_repository_are_read_from_a_clone() {
    let mut world = world();
    remove_file(&world);
    let texts: Vec<(String, String)> =
        (0..300).map(|number| (format!("src/{number}.txt"), format!("file {number}\n"))).collect();
    let files: Vec<(&str, &[u8])> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    world.github.push(&files);
    let report = world.keytide(&["rotate"]).run().json();
    let why = rotation_field(&report, "why");
    assert!(why.contains("may name the key") && why.contains("actions/checkout"), "{report:#}");
    let tracked: Vec<(&str, &str)> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let clone = crate::support::check::World::with(&tracked);
    let folder = clone.root.join(".git");
    let mut phases = Vec::new();
    for _ in 0..8 {
        world.github.control("DELETE", "log", &Value::Null);
        let run = world.keytide(&["rotate"]).env("GIT_DIR", folder.to_str().unwrap()).run();
        let report = run.json();
        phases.push(rotation_field(&report, "phase").to_owned());
        let asked = world.github.control("GET", "log", &Value::Null);
        let is_blob = |one: &&Value| one["path"].as_str().is_some_and(|path| path.contains("/git/blobs/"));
        let blobs = asked.as_array().unwrap().iter().filter(is_blob).count();
        assert!(blobs < 20, "{blobs} files were asked for: {report:#}");
        world.pass(24);
    }
    assert!(phases.contains(&"soaking".to_owned()), "{phases:?}");
}
