//! A whole life, as a user runs it: a policy, files of several kinds, GitHub's secrets; run by run, day by day, with
//! programs that use what the files and the secrets say, opened by other people's tools.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::destinations::{
    AgeFile, GithubSecrets, Home, REFERENCE, Reference, SEALED_FILE, SOPS_FILE, SealedFile, SopsFile, file,
};
use crate::support::peers::{OLD, POLICY, World, rotation_field};
use crate::support::{Keytide, folder};

/// What git says of two trees: lines added and removed, by file.
fn numstat(before: &Value, after: &Value) -> BTreeMap<String, (u32, u32)> {
    let folder = folder();
    for (side, files) in [("a", before), ("b", after)] {
        for (path, bytes) in files.as_object().unwrap() {
            let path = folder.join(side).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, STANDARD.decode(bytes.as_str().unwrap()).unwrap()).unwrap();
        }
    }
    let output = Command::new("git")
        .args(["diff", "--no-index", "--numstat", "-z", "a", "b"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(&folder)
        .output()
        .expect("git runs");
    // With -z a name that changed its folder takes two more fields.
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = text.split('\0').filter(|field| !field.is_empty()).collect();
    let row = |row: &[&str]| {
        let mut counts = row[0].split('\t');
        let mut count = || counts.next().unwrap().parse().unwrap();
        let (added, removed) = (count(), count());
        (row[2].strip_prefix("b/").unwrap().to_owned(), (added, removed))
    };
    fields.chunks(3).map(row).collect()
}

/// An audit from a checkout of the default branch.
fn audit(world: &World) -> Keytide {
    let state = world.github.state();
    world.keytide(&["audit"]).file(POLICY, file(&state, POLICY).unwrap())
}

/// The key is too old; it is made anew, proposed, merged, delivered; the old one goes. On every day every place is
/// opened by its judge and the key there is let in, and the places never hold two keys longer than the deliveries take.
#[test]
fn three_destinations_and_a_reference_live_a_whole_life() {
    let homes: Vec<Box<dyn Home>> = vec![
        Box::new(SopsFile::new()),
        Box::new(GithubSecrets::of_repository()),
        Box::new(SealedFile::valid_until("2036-01-01T00:00:00")),
        Box::new(Reference),
    ];
    let mut world = World::with(95, homes);
    let before = world.github.state();
    let breach = audit(&world).run().exits(1);
    assert!(breach.findings()[0].starts_with("key-age error ci-deployer: "), "{}", breach.stdout);

    let mut days: Vec<String> = Vec::new();
    for day in 0..60 {
        let report = world.rotate();
        world.work();
        days.push(rotation_field(&report, "phase").to_owned());
        match day {
            0 => only_what_must_change(&world, &before),
            2 => drop(world.merge()),
            _ => {}
        }
        world.work();
        if rotation_field(&report, "phase") == "healthy" {
            break;
        }
        world.pass(24);
    }
    days.dedup();
    assert_eq!(days, ["proposed", "merged", "grace", "soaking", "healthy"]);

    let keys: Vec<String> = world.keys().into_keys().collect();
    let state = world.github.state();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0], OLD);
    let held: Vec<String> =
        world.homes.iter().filter_map(|home| home.read(&state)).map(|(id, _)| id).collect();
    assert_eq!(held, [&*keys[0]; 3]);
    let reference = String::from_utf8(file(&state, REFERENCE).unwrap()).unwrap();
    assert!(reference.contains(&format!("access_key_id = \"{}\"", keys[0])), "{reference}");
    let passed = audit(&world).run().exits(0).json();
    assert_eq!(passed["users"][0]["phase"], "healthy", "{passed:#}");
}

/// What the pull request's branch changes, as git counts it.
#[track_caller]
fn only_what_must_change(world: &World, before: &Value) {
    let branch = world.github.control("POST", "files", &json!({"ref": "refs/heads/keytide/ci-deployer/1"}));
    let lock = ".github/keytide/ci-deployer.lock.json";
    let changed = numstat(&before["files"], &branch);
    let paths: Vec<&str> = changed.keys().map(String::as_str).collect();
    assert_eq!(paths, [lock, REFERENCE, SOPS_FILE, SEALED_FILE]);
    // Two values, the time and the MAC; two items; one line; a new file.
    assert_eq!(changed[SOPS_FILE], (4, 4));
    assert_eq!(changed[SEALED_FILE], (2, 2));
    assert_eq!(changed[REFERENCE], (1, 1));
    assert_eq!(changed[lock].1, 0);
    let pull = &world.github.state()["pulls"][0];
    let body = pull["body"].as_str().unwrap();
    for path in ["deploy/secrets.enc.yaml", "k8s/aws-sealed.yaml", "deploy/app.tf", "acme/app"] {
        assert!(body.contains(path), "{body}");
    }
    assert!(!body.contains(OLD), "{body}");
}

const ORGANIZATION: &str = "/orgs/acme/actions/secrets";

/// Every kind of GitHub's secrets is delivered, and an organization's stays as visible as it was. Queued runs keep what
/// a repository's secret was for thirty days: so long both keys stay active.
#[test]
fn every_kind_of_github_secret_is_delivered() {
    let place = |product: &str| json!({"repository": "acme/app", "product": product});
    let homes: Vec<Box<dyn Home>> = vec![
        Box::new(AgeFile::new()),
        Box::new(GithubSecrets::pair(
            "/repos/acme/app/environments/production/secrets",
            json!({"repository": "acme/app", "environment": "production"}),
        )),
        Box::new(GithubSecrets::pair(ORGANIZATION, json!({"organization": "acme"}))),
        Box::new(GithubSecrets::one(ORGANIZATION, json!({"organization": "acme"}))),
        Box::new(GithubSecrets::pair("/repos/acme/app/dependabot/secrets", place("dependabot"))),
        Box::new(GithubSecrets::pair("/repos/acme/app/codespaces/secrets", place("codespaces"))),
    ];
    let mut world = World::with(80, homes);
    world.github.push(&[(POLICY, world.policy_with("{ soak: 14d }").as_bytes())]);
    world.github.control("POST", "environment", &json!({"name": "production"}));
    let old = world.keys()[OLD].0.clone();
    let both = json!({"AccessKeyId": OLD, "SecretAccessKey": old}).to_string();
    for (name, value, visibility, chosen) in [
        // More than a page of repositories.
        ("AWS_ACCESS_KEY_ID", OLD, "selected", json!((1..=250).collect::<Vec<u64>>())),
        ("AWS_SECRET_ACCESS_KEY", &*old, "private", json!([])),
        ("AWS", &*both, "all", json!([])),
    ] {
        let secret = json!({"folder": ORGANIZATION, "name": name, "value": value, "visibility": visibility,
            "repositories": chosen});
        world.github.control("POST", "secret", &secret);
    }
    world.until("proposed");
    world.merge();
    let report = world.until("grace");
    let state = world.github.state();
    let new = world.in_file();
    assert_ne!(new.0, OLD);
    for home in &world.homes {
        assert_eq!(home.read(&state).as_ref(), Some(&new), "{}", home.destination());
    }
    let secret = |name: &str| state["secrets"][format!("{ORGANIZATION}/{name}")].clone();
    assert_eq!(secret("AWS_ACCESS_KEY_ID")["visibility"], "selected");
    assert_eq!(secret("AWS_ACCESS_KEY_ID")["repositories"], json!((1..=250).collect::<Vec<u64>>()));
    assert_eq!(secret("AWS_SECRET_ACCESS_KEY")["visibility"], "private");
    assert_eq!(secret("AWS")["visibility"], "all");
    assert_eq!(days_until_retired(&world, &report), 30);
}

/// With stores alone the pull request brings the index, and its merge is the word to deliver; an environment's secret is
/// read when a job starts, so that nothing keeps the old one for long.
#[test]
fn a_secret_alone_is_delivered_after_the_merge() {
    let place = json!({"repository": "acme/app", "environment": "production"});
    let home = GithubSecrets::one("/repos/acme/app/environments/production/secrets", place);
    let mut world = World::with(80, vec![Box::new(home)]);
    world.github.push(&[(POLICY, world.policy_with("{ grace: 7d }").as_bytes())]);
    world.github.control("POST", "environment", &json!({"name": "production"}));
    world.until("proposed");
    assert_eq!(world.homes[0].read(&world.github.state()), None);
    world.merge();
    let report = world.until("grace");
    let (id, _) = world.homes[0].read(&world.github.state()).unwrap();
    assert!(id != OLD && world.keys().contains_key(&id));
    assert_eq!(days_until_retired(&world, &report), 7);
}

fn days_until_retired(world: &World, report: &Value) -> i64 {
    let until: jiff::Timestamp = rotation_field(report, "not_before").parse().unwrap();
    (until.duration_since(world.now).as_hours() + 1) / 24
}
