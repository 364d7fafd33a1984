//! Journals that someone else writes while a rollback is under way: the revert's pull request restores nothing but what the
//! default branch has held.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::forged_journals::{changes_nothing, forgeries, is_quarantined};
use crate::support::destinations::{AGE_FILE, AgeFile, REFERENCE, Reference, SOPS_FILE, SopsFile, file};
use crate::support::peers::{OLD, USER, World, rotation_field};
use crate::support::sops::Upstream;

const JOURNAL: &str = "refs/keytide/123456789012/ci-deployer";
const LOCK_FILE: &str = ".github/keytide/ci-deployer.lock.json";

/// A rotation in its grace, whose credential is in a file and whose key ID is in another.
fn in_grace() -> World {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);
    world
}

/// A rollback whose branch is there, and whose pull request GitHub has refused once.
fn roll_back_without_pull_request(world: &World) {
    let refusal = json!([{"match": "POST .*/pulls", "status": 403, "message": "Forbidden", "times": 1}]);
    world.github.control("POST", "faults", &refusal);
    world.keytide(&["rollback", "--user", USER]).run();
    assert!(world.github.open_pulls().is_empty());
}

/// The name of the branch of the revert.
fn revert_branch(world: &World) -> String {
    let state = world.github.state();
    let branches = state["refs"].as_object().unwrap().keys();
    let branch = branches.into_iter().find(|name| name.contains("revert")).unwrap();
    branch.trim_start_matches("refs/heads/").to_owned()
}

/// The files that the newest pull request changes, as its branch has them; null where it removes one.
fn proposed(world: &World) -> Value {
    let state = world.github.state();
    let pull = state["pulls"].as_array().unwrap().last().unwrap();
    let branch = json!({ "ref": format!("refs/heads/{}", pull["head"].as_str().unwrap()) });
    let files = world.github.control("POST", "files", &branch);
    let mut paths: Vec<&String> = [&files, &state["files"]]
        .map(|files| files.as_object().unwrap().keys())
        .into_iter()
        .flatten()
        .collect();
    paths.retain(|path| files[path] != state["files"][path]);
    paths.into_iter().map(|path| (path.clone(), files[path].clone())).collect()
}

/// Before the pull request is open, and while it waits for its merge.
#[test]
fn forged_files_are_not_restored() {
    let mut world = in_grace();
    let first = world.github.state()["files"].clone();
    roll_back_without_pull_request(&world);
    for stage in ["begun", "proposed"] {
        if stage == "proposed" {
            let report = world.rotate();
            assert_eq!(rotation_field(&report, "phase"), "rolling-back", "{report:#}");
            assert_eq!(world.github.open_pulls().len(), 1);
        }
        let genuine = world.github_moment();
        for (what, files, why) in forgeries(&world) {
            let what = format!("{stage}, {what}");
            let forged = json!({"ref": JOURNAL, "event": "staged", "files": files});
            world.github.control("POST", "forge", &forged);
            let report = changes_nothing(&mut world, &what, 1);
            is_quarantined(&report, &what, why);
            world.return_to(&genuine);
        }
    }
    let files = proposed(&world);
    let changed: Vec<&String> = files.as_object().unwrap().keys().collect();
    assert_eq!(changed, [LOCK_FILE, REFERENCE, AGE_FILE], "{files:#}");
    assert_ne!(files[AGE_FILE], first[AGE_FILE]);
    world.merge();
    assert_eq!(world.in_file().0, OLD);
}

/// A base of the journal that the default branch held long ago: the credential of that time is proposed, and nothing else of
/// that commit, not even of a file that names the key.
#[test]
fn a_forged_base_restores_a_credential_of_the_history_alone() {
    let mut world = World::with(80, vec![Box::new(AgeFile::new()), Box::new(Reference)]);
    let current = world.github.state()["files"].clone();
    let bytes = |path: &str| STANDARD.decode(current[path].as_str().unwrap()).unwrap();
    let earlier = world.homes[0].files(&("AKIA0EARLIEREARLIER0".to_owned(), "an earlier secret".to_owned()));
    let weak = String::from_utf8(bytes(REFERENCE)).unwrap() + "# public = true\n";
    world.github.push(&[
        (AGE_FILE, &earlier[0].1),
        (REFERENCE, weak.as_bytes()),
        ("README.md", b"an earlier text\n"),
    ]);
    let base = world.github.state()["refs"]["refs/heads/main"].as_str().unwrap().to_owned();
    let now: Vec<(&str, Vec<u8>)> =
        [AGE_FILE, REFERENCE, "README.md"].map(|path| (path, bytes(path))).to_vec();
    world.github.push(&now.iter().map(|(path, bytes)| (*path, &bytes[..])).collect::<Vec<_>>());
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);

    // What keytide would have staged on that base
    let new = world.in_file().0;
    let on_base = weak.replace(OLD, &new);
    let files =
        json!({"base": STANDARD.encode(&base), format!("files/{REFERENCE}"): STANDARD.encode(&on_base)});
    world.github.control("POST", "forge", &json!({"ref": JOURNAL, "event": "staged", "files": files}));
    let run = world.keytide(&["rollback", "--user", USER]).run();
    assert_eq!(world.github.open_pulls().len(), 1, "SECURITY.md says that this is possible: {}", run.stdout);
    let files = proposed(&world);
    let expected = json!({
        AGE_FILE: STANDARD.encode(&earlier[0].1),
        REFERENCE: current[REFERENCE],
        LOCK_FILE: files[LOCK_FILE],
    });
    assert_eq!(files, expected, "{}", run.stdout);
}

/// Someone has pushed to the branch of the revert before its pull request is open.
#[test]
fn a_forged_branch_of_a_revert_is_not_proposed() {
    let world = in_grace();
    roll_back_without_pull_request(&world);
    let forged = json!({"branch": revert_branch(&world), "files": {"src/app.py": "ZXZpbA=="}});
    world.github.control("POST", "push", &forged);
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("changes `src/app.py` in another way than keytide does"), "{}", run.stdout);
    assert!(world.github.open_pulls().is_empty() && run.exit != 0, "{}", run.stdout);
}

/// A colleague edits a file before the pull request is open: the branch is still keytide's own, and its text lists what it
/// brings.
#[test]
fn a_branch_of_a_revert_is_known_after_an_edit() {
    let mut world = in_grace();
    let merged = file(&world.github.state(), REFERENCE).unwrap();
    roll_back_without_pull_request(&world);
    world.github.push(&[(REFERENCE, &[&merged[..], b"# more\n"].concat())]);
    world.pass(1);
    let report = world.rotate();
    assert_eq!(world.github.open_pulls().len(), 1, "{report:#}");
    let state = world.github.state();
    let body = state["pulls"].as_array().unwrap().last().unwrap()["body"].as_str().unwrap().to_owned();
    for (path, what) in [(LOCK_FILE, "removed (did not"), (REFERENCE, "restored"), (AGE_FILE, "restored")] {
        assert!(body.contains(&format!("- `{path}`: {what}")), "{path}: {body}");
    }
    // This GitHub merges whole files, so the line is in the way until it is taken back
    world.github.push(&[(REFERENCE, &merged)]);
    world.merge();
    let text = String::from_utf8(file(&world.github.state(), REFERENCE).unwrap()).unwrap();
    assert!(text.contains(OLD), "{text}");
    assert_eq!(world.in_file().0, OLD);
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}

/// Others have changed the file of SOPS since the merge, so that its MAC and its time are written anew, and in each run in
/// other bytes: the branch is keytide's own, and one with any other difference is not.
#[test]
fn a_branch_of_a_revert_is_known_by_all_but_its_mac() {
    let home = SopsFile::new();
    let mut world = World::with(80, vec![Box::new(home.clone())]);
    world.until("proposed");
    world.merge();
    world.until("grace");
    world.pass(1);
    let upstream = &home.upstream;
    let set = |bytes: &[u8], text: &str| {
        upstream.set("secrets.enc.yaml", bytes, "database.password", text).unwrap()
    };
    let head = set(&file(&world.github.state(), SOPS_FILE).unwrap(), "battery-staple");
    // A recipient who was added since keeps no one from a rollback: the new key is in the file as well
    let newcomer = Upstream::new().recipient;
    let head = upstream.update_keys("secrets.enc.yaml", &head, &[&upstream.recipient, &newcomer]).unwrap();
    world.github.push(&[(SOPS_FILE, &head)]);
    roll_back_without_pull_request(&world);
    let branch = revert_branch(&world);
    let files = world.github.control("POST", "files", &json!({"ref": format!("refs/heads/{branch}")}));
    let own = file(&json!({ "files": files }), SOPS_FILE).unwrap();
    let text = String::from_utf8(own.clone()).unwrap();
    let mac = |text: &str| text.lines().find(|line| line.starts_with("    mac: ")).unwrap().to_owned();
    let wrong_mac = text.replace(&mac(&text), &mac(std::str::from_utf8(&head).unwrap()));
    let genuine = world.github_moment();
    for (what, forged) in [
        ("another value", set(&own, "evil")),
        ("the new credential", head.clone()),
        ("clear text", [&own[..], b"# evil\n"].concat()),
        ("another MAC", wrong_mac.into_bytes()),
    ] {
        let forged = json!({"branch": branch, "files": {SOPS_FILE: STANDARD.encode(forged)}});
        world.github.control("POST", "push", &forged);
        let run = world.keytide(&["rotate"]).run();
        let words = format!("changes `{SOPS_FILE}` in another way than keytide does");
        assert!(run.stdout.contains(&words), "{what}: {}", run.stdout);
        assert!(world.github.open_pulls().is_empty() && run.exit != 0, "{what}: {}", run.stdout);
        world.return_to(&genuine);
    }
    world.pass(1);
    let report = world.rotate();
    assert_eq!(world.github.open_pulls().len(), 1, "{report:#}");
    world.merge();
    assert_eq!(world.in_file().0, OLD);
    assert!(home.decrypted(&world.github.state()).contains("battery-staple"));
    world.until("held");
    assert_eq!(world.keys().into_keys().collect::<Vec<_>>(), [OLD]);
}
