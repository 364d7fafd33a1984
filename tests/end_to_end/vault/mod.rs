//! A credential in a secret of Vault: the program against OpenBao, with an application that reads the newest version.

mod forged_journals;
mod killed_runs;
mod login;
mod refusals;
mod simulation;

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::parameters::smtp_passwords::derive;
use crate::support::leak_search::{Left, secrets, smtp_passwords, talkative, watched};
use crate::support::openbao::{Fault, OpenBao, VaultProxy};
use crate::support::stores::{OTHERS, Stored};
use crate::support::{Keytide, Ran, run_at_once};

const PATH: &str = "app/aws";
const FIRST_PASSWORD: &str = "of the first key";
const PHASES: [&str; 3] = ["proposed", "grace", "soaking"];

/// A user whose credential is in a secret of a server.
struct World {
    stored: Stored,
    bao: OpenBao,
    proxy: VaultProxy,
    token: String,
}

fn fields(id: &str, secret: &str) -> Value {
    json!({ "z": 1.5, "secret": secret, "password": OTHERS, "key_id": id, "a": [], "u": "<&>" })
}

fn destination(address: &str, more: &str) -> String {
    format!(
        "vault: {{ address: \"{address}\", path: {PATH}, access_key_id: key_id, secret_access_key: secret{more} }}"
    )
}

/// The policy that `iam-policy` prints for a command, as it is pasted into Vault.
fn printed_policy(stored: &Stored, purpose: &str) -> String {
    let run = stored.permissions(purpose, &[]);
    let note = run.stderr.split("note: ").find(|note| note.contains("in Vault, for")).expect("a note");
    note.split_once(":\n").unwrap().1.to_owned()
}

impl World {
    fn new() -> Self {
        Self::holding("", |_| {})
    }

    /// With an SMTP password beside the secret access key.
    fn with_smtp_password() -> Self {
        let more = ", ses_smtp_password: smtp, ses_region: eu-west-1";
        Self::holding(more, |fields| fields["smtp"] = json!(FIRST_PASSWORD))
    }

    /// With more fields of the destination, and others of the secret.
    fn holding(more: &str, add_fields: impl FnOnce(&mut Value)) -> Self {
        let bao = OpenBao::start();
        let proxy = VaultProxy::before(&bao);
        let stored = Stored::new(&[&destination(&proxy.url, more)]);
        let (id, secret) = stored.first();
        let mut fields = fields(&id, &secret);
        add_fields(&mut fields);
        bao.put(PATH, &fields);
        let token = bao.token(&(printed_policy(&stored, "rotate") + &printed_policy(&stored, "delete")));
        Self { stored, bao, proxy, token }
    }

    fn keytide(&self, arguments: &[&str]) -> Keytide {
        let run = self.stored.keytide(arguments);
        run.env("VAULT_TOKEN", &self.token).env("VAULT_ADDR", &self.proxy.url)
    }

    /// The credential, as an application reads it.
    fn held(&self) -> (String, String) {
        let (fields, _) = self.bao.get(PATH).unwrap();
        let text = |name: &str| fields[name].as_str().unwrap().to_owned();
        (text("key_id"), text("secret"))
    }

    /// `rotate`, which must come to an end; then the application is let in.
    #[track_caller]
    fn rotate(&self) -> Ran {
        let run = self.keytide(&["rotate", "-v"]).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
        self.stored.uses(&self.held());
        run
    }

    /// Rotates until a phase, whenever keytide says that it is worth to look again; what the runs printed.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> String {
        let mut shown = String::new();
        for _ in 0..30 {
            let run = self.rotate();
            let rotation = run.json()["rotations"][0].clone();
            shown += &(run.stdout + &run.stderr);
            if rotation["phase"] == wanted {
                return shown;
            }
            self.stored.wait(&rotation);
        }
        panic!("never {wanted}: {shown}");
    }
}

/// The secrets of a rotation go to this machine over `http://`, and a proxy would read them: none is asked, although one is set.
#[test]
fn what_is_for_this_machine_goes_to_no_proxy() {
    let world = World::new();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut run = world.keytide(&["rotate"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        run = run.env(name, &address);
    }
    let run = run.run().exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    let asked = proxy.accept().map(|_| ()).unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock, "no connection is waiting");
}

/// The new key waits in a second secret while the pull request is open, is in the newest version after the merge, and then
/// the old one goes. The token may do exactly what `iam-policy` prints.
#[test]
fn a_secret_of_vault_has_a_whole_rotation() {
    let mut world = World::new();
    let (old, old_secret) = world.stored.first();
    let mut shown = world.until("proposed");
    assert_eq!(world.held(), (old.clone(), old_secret.clone()), "no application reads the new key yet");
    let names = world.bao.list("app");
    let [_, pending] = &names[..] else { panic!("{names:?}") };
    assert!(pending.starts_with("aws.keytide-"), "{pending}");
    let (waiting, _) = world.bao.get(&format!("app/{pending}")).unwrap();
    assert_eq!(waiting.as_object().unwrap().len(), 2, "it holds the new credential alone");

    world.stored.merge();
    world.stored.pass(1);
    for phase in PHASES[1..].iter().chain(&["healthy"]) {
        shown += &world.until(phase);
    }
    let (new, new_secret) = world.held();
    assert_ne!(new, old);
    assert_eq!(world.bao.get(PATH), Some((fields(&new, &new_secret), 2)), "no other field is another");
    assert_eq!(world.bao.list("app"), ["aws"], "the second secret is gone with its versions");
    assert_eq!(world.stored.keys().into_keys().collect::<Vec<_>>(), [new]);

    shown += &world.stored.github.control("GET", "log", &Value::Null).to_string();
    for object in world.stored.github.state()["objects"].as_array().unwrap() {
        shown += &String::from_utf8_lossy(&STANDARD.decode(object.as_str().unwrap()).unwrap());
    }
    shown += &world.stored.aws.control("GET", "log", "");
    for secret in [OTHERS, &old_secret, &new_secret, &world.token] {
        assert!(!shown.contains(secret) && !shown.contains(&STANDARD.encode(secret)), "{secret} was shown");
    }
    let passed = world.proxy.take_passed();
    let with_secret = passed.iter().filter(|passed| passed.body.contains(&new_secret));
    let places: BTreeSet<&str> = with_secret.map(|passed| passed.what.as_str()).collect();
    let (own, beside) =
        (format!("POST /v1/secret/data/{PATH}"), format!("POST /v1/secret/data/app/{pending}"));
    assert_eq!(places, BTreeSet::from([own.as_str(), beside.as_str()]), "Vault itself got it where it must");
    let sent = passed.iter().rfind(|passed| passed.what == own).unwrap();
    // Vault wrote the other fields in this way; so they went back to it.
    assert!(sent.body.contains("\"u\":\"\\u003c\\u0026\\u003e\",\"z\":1.5}"), "{}", sent.what);
}

/// Others write other fields: before the merge, after it, and before a rollback takes the old credential from an earlier
/// version. None of it is lost, in a secret that takes only writes that name a version.
#[test]
fn a_rollback_restores_the_credential_and_keeps_what_others_wrote() {
    let mut world = World::with_smtp_password();
    let first = world.stored.first();
    world.until("proposed");
    let edit = |world: &World, name: &str| {
        let (mut fields, number) = world.bao.get(PATH).unwrap();
        fields[name] = json!(1);
        let body = json!({ "data": fields, "options": { "cas": number } });
        world.bao.bao(&["write", &format!("secret/data/{PATH}")], &body);
    };
    world.bao.bao(&["write", &format!("secret/metadata/{PATH}")], &json!({ "cas_required": true }));
    edit(&world, "b");
    world.stored.merge();
    world.until("grace");
    let (new, new_secret) = world.held();
    assert_ne!(new, first.0);
    assert_eq!(world.bao.get(PATH).unwrap().0["smtp"], derive(&new_secret));
    edit(&world, "c");
    world.stored.pass(1);
    let run = world.keytide(&["rollback", "--user", "ci-deployer"]).run();
    assert!([0, 1].contains(&run.exit), "{}{}", run.stdout, run.stderr);
    world.until("held");
    assert_eq!(world.held(), first);
    let (fields, _) = world.bao.get(PATH).unwrap();
    assert_eq!((&fields["b"], &fields["c"], &fields["password"]), (&json!(1), &json!(1), &json!(OTHERS)));
    assert_eq!(fields["smtp"], FIRST_PASSWORD);
}

/// Another writer is faster at the write itself: another field is kept; another access key stays, and a person is asked.
#[test]
fn a_write_in_between_is_not_overwritten() {
    let mut world = World::new();
    let (old, old_secret) = world.stored.first();
    world.until("proposed");
    world.stored.merge();
    world.stored.pass(1);
    let mut others = fields(&old, &old_secret);
    others["b"] = json!(1);
    world.proxy.fault(&format!("POST /v1/secret/data/{PATH}"), Fault::Overtaken(others));
    world.until("grace");
    let (held, number) = world.bao.get(PATH).unwrap();
    assert_ne!(held["key_id"], old.as_str());
    assert_eq!((&held["b"], number), (&json!(1), 3));
}

/// The same, and the other writer put another access key there: it stays, and the run says so.
#[test]
fn another_access_key_that_came_in_between_stays() {
    let mut world = World::new();
    world.until("proposed");
    world.stored.merge();
    world.stored.pass(1);
    let others = fields("AKIA0OTHEROTHEROTHER", OTHERS);
    world.proxy.fault(&format!("POST /v1/secret/data/{PATH}"), Fault::Overtaken(others.clone()));
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("another writer put another access key there"), "{}", run.stdout);
    assert!(!run.stdout.contains(OTHERS));
    assert_eq!(world.bao.get(PATH), Some((others, 2)));
}

/// What a run prints and writes, what it asks AWS and GitHub for, its arguments and its environment hold no secret access
/// key and no SMTP password: Vault alone is given them.
#[test]
fn a_life_with_vault_leaks_no_secret() {
    let mut world = World::with_smtp_password();
    let (mut left, mut known) = (Left::default(), secrets(&world.stored));
    let (old, _) = world.stored.first();
    for _ in 0..20 {
        let ran = watched(talkative(world.keytide(&["rotate"]), &world.stored), &mut left);
        assert!([0, 1].contains(&ran.exit), "{}\n{}", ran.stdout, ran.stderr);
        assert!(!(ran.stdout.clone() + &ran.stderr).contains(&world.token), "the token of Vault was shown");
        world.stored.uses(&world.held());
        known.extend(secrets(&world.stored));
        known.extend(smtp_passwords(&world.stored, "eu-west-1"));
        if !world.stored.keys().contains_key(&old) {
            left.add_peers(&world.stored);
            return left.holds_none_of(&known);
        }
        if !world.stored.github.open_pulls().is_empty() {
            world.stored.merge();
        }
        world.stored.wait(&ran.json()["rotations"][0]);
    }
    panic!("it does not end");
}

/// Two runs at once after the merge: one of them writes, and the secret has one more version.
#[test]
fn two_runs_write_once() {
    let mut world = World::new();
    let old = world.stored.first().0;
    world.until("proposed");
    world.stored.merge();
    world.stored.pass(1);
    let runs = [world.keytide(&["rotate"]), world.keytide(&["rotate"])];
    run_at_once(runs.map(|run| (run, Duration::ZERO)));
    world.until("grace");
    let (held, number) = world.bao.get(PATH).unwrap();
    assert_ne!(held["key_id"], old.as_str());
    assert_eq!(number, 2);
    world.until("healthy");
}

/// A secret of a namespace, by a token of that namespace: the printed policy is pasted there.
#[test]
fn a_secret_of_a_namespace_is_rotated() {
    let bao = OpenBao::start();
    bao.bao(&["write", "sys/namespaces/team"], &json!({}));
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    bao.bao(&["write", "team/sys/mounts/secret"], &mount);
    let mut stored = Stored::new(&[&destination(&bao.address, ", namespace: team")]);
    let (id, secret) = stored.first();
    let path = format!("team/secret/data/{PATH}");
    let first = json!({ "data": fields(&id, &secret) });
    // The mount takes a moment to become one with versions
    let is_written = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        bao.try_bao(&["write", &path], &first).is_ok()
    });
    assert!(is_written);
    let policy = printed_policy(&stored, "rotate") + &printed_policy(&stored, "delete");
    bao.bao(&["write", "team/sys/policies/acl/keytide"], &json!({ "policy": policy }));
    let made = bao.bao(&["write", "team/auth/token/create"], &json!({ "policies": ["keytide"] }));
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    let held = || {
        let reply = bao.bao(&["read", &path], &Value::Null);
        let text = |name: &str| reply["data"]["data"][name].as_str().unwrap().to_owned();
        (text("key_id"), text("secret"))
    };
    let mut phases = Vec::new();
    for _ in 0..30 {
        let run =
            stored.keytide(&["rotate"]).env("VAULT_TOKEN", &token).env("VAULT_ADDR", &bao.address).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
        stored.uses(&held());
        phases.push(run.json()["rotations"][0]["phase"].as_str().unwrap().to_owned());
        if !stored.github.open_pulls().is_empty() {
            stored.merge();
        }
        if !stored.keys().contains_key(&id) {
            assert_ne!(held().0, id);
            return;
        }
        stored.pass(24);
    }
    panic!("it does not end: {phases:?}");
}
