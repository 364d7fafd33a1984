//! A credential in a secret of Vault: the program against OpenBao, with an application that reads the newest version.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use keytide::destinations::vault::delivery::{NO_VERSION, SecretVersion, VaultStore, VersionWrite};
use keytide::live::{GithubConfig, LiveBackend, ServerTime};
use keytide::policy::Destination;
use keytide::policy::file::Vault;
use keytide::ports::BackendResult;
use keytide::simulator::block_on;
use keytide::simulator::sample::{SampleStores, sample_simulation};
use keytide::system::environment::ProcessEnvironment;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::support::leak_search::{Left, secrets, talkative, watched};
use crate::support::openbao::{Fault, OpenBao, SignedTokens, VaultProxy};
use crate::support::stores::{OTHERS, Stored};
use crate::support::{Keytide, Ran, folder, root};

const PATH: &str = "app/aws";
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
        let bao = OpenBao::start();
        let proxy = VaultProxy::before(&bao);
        let stored = Stored::new(&[&destination(&proxy.url, "")]);
        let (id, secret) = stored.first();
        bao.put(PATH, &fields(&id, &secret));
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

    /// Rotates once a day until a phase; what the runs printed.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> String {
        let mut shown = String::new();
        for _ in 0..30 {
            let run = self.rotate();
            let phase = run.json()["rotations"][0]["phase"].clone();
            shown += &(run.stdout + &run.stderr);
            if phase == wanted {
                return shown;
            }
            self.stored.pass(24);
        }
        panic!("never {wanted}: {shown}");
    }
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
    let mut world = World::new();
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
    let new = world.held().0;
    assert_ne!(new, first.0);
    edit(&world, "c");
    world.stored.pass(1);
    let run = world.keytide(&["rollback", "--user", "ci-deployer"]).run();
    assert!([0, 1].contains(&run.exit), "{}{}", run.stdout, run.stderr);
    world.until("held");
    assert_eq!(world.held(), first);
    let (fields, _) = world.bao.get(PATH).unwrap();
    assert_eq!((&fields["b"], &fields["c"], &fields["password"]), (&json!(1), &json!(1), &json!(OTHERS)));
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

/// A run that is killed: the one that makes the key, or the one that delivers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KilledRun {
    Make,
    Deliver,
}

impl KilledRun {
    /// A world just before the run.
    fn world_before(self) -> World {
        let mut world = World::new();
        if self == Self::Make {
            return world;
        }
        world.until("proposed");
        world.stored.merge();
        world.stored.pass(1);
        world
    }

    /// The requests of the undisturbed run that change the server.
    fn list_changes(self) -> Vec<String> {
        let world = self.world_before();
        world.proxy.take_passed();
        let run = world.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}{}", run.stdout, run.stderr);
        let passed = world.proxy.take_passed();
        passed.into_iter().filter(|passed| passed.is_change()).map(|passed| passed.what).collect()
    }

    /// Kills the run at a request, and goes on without a fault: the story ends as it does undisturbed.
    fn kill_at(self, number: usize, applied: bool) {
        let mut world = self.world_before();
        let (first, _) = world.stored.first();
        let run = world.keytide(&["rotate"]);
        let pid_file = run.path("pid");
        world.proxy.fault("", Fault::KillAtChange { number, pid_file: pid_file.clone(), applied });
        run.run_to_be_killed(&pid_file);
        world.proxy.heal();
        world.stored.uses(&world.held());
        if self == Self::Make {
            world.until("proposed");
            world.stored.merge();
            world.stored.pass(1);
        }
        world.until("healthy");
        assert_ne!(world.held().0, first);
        assert_eq!(world.stored.keys().into_keys().collect::<Vec<_>>(), [world.held().0]);
    }
}

/// Killed at every request that changes the server, before and after it took effect, and started again: the same end.
#[test]
fn a_killed_run_is_continued() {
    std::thread::scope(|scope| {
        for run in [KilledRun::Make, KilledRun::Deliver] {
            scope.spawn(move || {
                let changes = run.list_changes();
                println!("{run:?}: {changes:?}");
                assert!(!changes.is_empty(), "{run:?} changes nothing");
                for number in 0..changes.len() {
                    for applied in [false, true] {
                        run.kill_at(number, applied);
                    }
                }
            });
        }
    });
}

/// What a run prints and writes, what it asks AWS and GitHub for, its arguments and its environment hold no secret access
/// key: Vault alone is given it.
#[test]
fn a_life_with_vault_leaks_no_secret() {
    let mut world = World::new();
    let (mut left, mut known) = (Left::default(), secrets(&world.stored));
    let (old, _) = world.stored.first();
    for _ in 0..20 {
        let ran = watched(talkative(world.keytide(&["rotate"]), &world.stored), &mut left);
        assert!([0, 1].contains(&ran.exit), "{}\n{}", ran.stdout, ran.stderr);
        assert!(!(ran.stdout.clone() + &ran.stderr).contains(&world.token), "the token of Vault was shown");
        world.stored.uses(&world.held());
        known.extend(secrets(&world.stored));
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

/// The commands of the documentation set up the login, as they are written there. Only the server's address is the test's,
/// and the provider's key is given in place of its address, which the test does not reach.
#[test]
fn the_commands_of_the_documentation_set_up_the_login() {
    let text = std::fs::read_to_string(root().join("docs/destinations.md")).unwrap();
    let section = text.split("**The login.**").nth(1).expect("a section about the login");
    let commands = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let bao = OpenBao::start();
    let tokens = SignedTokens::start();
    let provider = "https://token.actions.githubusercontent.com";
    let discovery = format!("oidc_discovery_url={provider} bound_issuer={provider}");
    assert!(commands.contains(&discovery) && commands.contains("https://vault.example.com"));
    let commands = commands
        .replace(&discovery, &format!("jwt_validation_pubkeys=@provider.pem bound_issuer={provider}"));
    let commands = commands.replace("https://vault.example.com", &bao.address);
    let stored = Stored::new(&[&destination(&bao.address, ", role: keytide")]);
    let (id, secret) = stored.first();
    bao.put(PATH, &fields(&id, &secret));
    let place = folder();
    std::fs::write(place.join("provider.pem"), &tokens.public_key).unwrap();
    let policy = stored.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
    std::fs::write(place.join("keytide.yml"), STANDARD.decode(policy).unwrap()).unwrap();
    let ran = bao.run_script(&commands, &place);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").run().exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
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
    std::thread::scope(|scope| {
        for run in runs {
            scope.spawn(move || {
                let run = run.run();
                assert!([0, 1, 3].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
            });
        }
    });
    world.until("grace");
    let (held, number) = world.bao.get(PATH).unwrap();
    assert_ne!(held["key_id"], old.as_str());
    assert_eq!(number, 2);
    world.until("healthy");
}

/// What does not fit, or is not permitted, shows before a key is made; and no text of the secret is shown.
#[test]
fn what_does_not_fit_is_refused_before_a_key_is_made() {
    let refused = |world: &World, words: &str| -> String {
        let run = world.keytide(&["rotate"]).run();
        let shown = run.stdout + &run.stderr;
        assert!(shown.contains(words), "{words}: {shown}");
        assert!(!shown.contains(OTHERS) && !shown.contains(&world.token), "{words}");
        assert_eq!(world.stored.keys().len(), 1, "{words}");
        shown
    };
    let mut world = World::new();
    let (id, secret) = world.stored.first();
    let whole = fields(&id, &secret);
    for (fields, words) in [
        (json!({ "key_id": id, "password": OTHERS }), "it has no field `secret`"),
        (json!({ "key_id": id, "secret": [OTHERS] }), "its field `secret` is no text"),
        (fields(concat!("AKIA", "QNZGKIQY56JQ7WML"), OTHERS), "which is none of this user's"),
    ] {
        world.bao.put(PATH, &fields);
        refused(&world, words);
    }
    world.bao.put(PATH, &whole);
    world.bao.bao(&["delete", &format!("secret/data/{PATH}")], &Value::Null);
    refused(&world, "its newest version is deleted");
    world.bao.bao(&["delete", &format!("secret/metadata/{PATH}")], &Value::Null);
    refused(&world, "there is no such secret");
    world.bao.put(PATH, &whole);

    let policy = printed_policy(&world.stored, "rotate");
    for capability in ["update", "read", "create", "delete"] {
        let less = policy.replacen(&format!("\"{capability}\""), "\"list\"", 1);
        world.token = world.bao.token(&less);
        let shown = refused(&world, if capability == "read" { "(403)" } else { "the token lacks" });
        assert!(shown.contains("keytide iam-policy"), "{shown}");
    }
}

/// A server that is sealed, busy, broken or hostile: no key is made, and no token goes to another server.
#[test]
fn a_server_that_does_not_serve_is_refused_before_a_key_is_made() {
    let world = World::new();
    let elsewhere = VaultProxy::before(&world.bao);
    let long = format!("{{\"data\": \"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let redirect = format!("Location: {}/v1/secret/data/{PATH}\r\n", elsewhere.url);
    let answer = |status: u16, head: &str, body: &str| Fault::Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    };
    for (fault, words) in [
        (answer(307, &redirect, ""), "a redirect, which keytide does not follow"),
        (answer(200, "", &long), "the reply has more than"),
        (answer(200, "", "<html>hush</html>"), "the reply is not one of a key-value store"),
        (answer(200, "", "{\"data\":{\"hush\":1}}"), "the reply is not one of a key-value store"),
        (answer(429, "", "{\"errors\":[\"slow down\"]}"), "slow down (429)"),
        (answer(502, "", "<html>hush</html>"), "HTTP 502"),
        (answer(404, "", "{\"errors\":[\"no handler for route\"]}"), "no handler for route (404)"),
    ] {
        world.proxy.fault("GET /v1/secret/data", fault);
        let run = world.keytide(&["rotate"]).run();
        let shown = run.stdout + &run.stderr;
        assert!(shown.contains(words) && !shown.contains("hush"), "{words}: {shown}");
        assert_eq!(world.stored.keys().len(), 1, "{words}");
        world.proxy.heal();
    }
    assert!(elsewhere.take_passed().is_empty(), "nothing followed the redirect");

    let run = world.keytide(&["rotate"]).env("VAULT_ADDR", "https://other.example.com").run();
    assert!(run.stdout.contains("VAULT_TOKEN is sent only to the server"), "{}", run.stdout);
    let run = world.keytide(&["rotate"]).env("VAULT_TOKEN", "").run();
    assert!(run.stdout.contains("there is no token for Vault"), "{}", run.stdout);
    let run = world.keytide(&["rotate"]).env("VAULT_TOKEN", "s.nothing").run();
    assert!(run.stdout.contains("permission denied (403)"), "{}", run.stdout);

    world.bao.bao(&["write", "sys/seal"], &json!({}));
    let run = world.keytide(&["rotate"]).run();
    assert!(run.stdout.contains("Vault is sealed (503)"), "{}", run.stdout);
    assert_eq!(world.stored.keys().len(), 1);
}

/// A workflow logs in with GitHub's OIDC token, over TLS with an authority of the owner's, for the server's own audience.
#[test]
fn a_workflow_logs_in_with_its_own_token() {
    let bao = OpenBao::with_tls();
    let tokens = SignedTokens::start();
    let authority = std::fs::read(bao.authority.as_ref().unwrap()).unwrap();
    let with = |more: &str| destination(&bao.address, &format!(", role: keytide{more}"));
    let stored = Stored::new(&[&with(", ca_certificate: vault/ca.pem")]);
    stored.github.push(&[("vault/ca.pem", &authority)]);
    let (id, secret) = stored.first();
    bao.put(PATH, &fields(&id, &secret));
    bao.trust(&tokens, &bao.address, &printed_policy(&stored, "rotate"));
    let rotate = |stored: &Stored| {
        let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
        let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").run();
        assert!(!(run.stdout.clone() + &run.stderr).contains("eyJ"), "no token is shown");
        run
    };
    for (more, words) in [
        ("", "invalid peer certificate"),
        (", ca_certificate: README.md", "holds no certificate"),
        (", ca_certificate: none.pem", "there is no file `none.pem`"),
        (
            ", ca_certificate: vault/ca.pem, audience: other",
            "is sent only to the server that VAULT_ADDR names",
        ),
        (", ca_certificate: vault/ca.pem, auth: none", "the login as `keytide` failed"),
    ] {
        stored.set_policy(&[&with(more)]);
        let run = rotate(&stored);
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
        assert_eq!(stored.keys().len(), 1, "{words}");
    }
    stored.set_policy(&[&with(", ca_certificate: vault/ca.pem, audience: other")]);
    let run = stored.keytide(&["rotate"]).env("ACTIONS_ID_TOKEN_REQUEST_URL", &tokens.url);
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request").env("VAULT_ADDR", &bao.address).run();
    assert!(run.stdout.contains("the login as `keytide` failed"), "{}", run.stdout);
    stored.set_policy(&[&with(", ca_certificate: vault/ca.pem")]);
    let run = rotate(&stored).exits(0);
    assert_eq!(run.json()["rotations"][0]["phase"], "proposed", "{}", run.stdout);
    assert_eq!(stored.keys().len(), 2);
}

/// The requests that a delivery is made of, with what each came to.
async fn play(store: &impl VaultStore, vault: &Vault) -> Vec<String> {
    let text = |key: &str| SecretString::from(format!("{{\"key_id\":\"{key}\",\"secret\":\"s\"}}"));
    let shown = |read: BackendResult<Option<SecretVersion>>| match read {
        Ok(None) => "none".to_owned(),
        Ok(Some(found)) => {
            let key =
                ["K2", "K3"].iter().find(|key| found.text.expose_secret().contains(&format!("\"{key}\"")));
            format!("{} {key:?}", found.number)
        }
        Err(error) => format!("{:?}", error.kind),
    };
    let mut seen = Vec::new();
    let pending = vault.pending_path();
    for (path, key, replaces) in [
        (&vault.path, "K2", NO_VERSION),
        (&vault.path, "K2", 0),
        (&vault.path, "K2", 1),
        (&vault.path, "K3", 1),
        (&pending, "K2", 1),
        (&pending, "K2", 0),
        (&pending, "K3", 0),
        (&pending, "K3", 1),
    ] {
        let text = text(key);
        let write = VersionWrite { path, text: &text, replaces };
        let written = store.write_version(vault, &write).await.map_err(|error| error.kind);
        seen.push(format!("write {replaces}: {written:?}"));
        seen.push(format!("newest: {}", shown(store.read_newest(vault, path).await)));
        seen.push(format!("versions: {:?}", store.list_versions(vault, path).await.unwrap()));
    }
    for number in [1, 2, 3, 99] {
        seen.push(format!("version {number}: {}", shown(store.read_version(vault, number).await)));
    }
    for _ in 0..2 {
        let destroyed = store.destroy(vault, &pending).await.map_err(|error| error.kind);
        seen.push(format!("destroy: {destroyed:?}"));
        seen.push(format!("newest: {}", shown(store.read_newest(vault, &pending).await)));
        seen.push(format!("versions: {:?}", store.list_versions(vault, &pending).await.unwrap()));
    }
    seen
}

/// The simulated store answers each request as the server does.
#[test]
fn the_simulation_answers_as_the_server_does() {
    let world = World::new();
    world.bao.put("contract", &json!({ "key_id": "first", "secret": "s" }));
    let vault: Vault = serde_json::from_value(json!({
        "address": world.proxy.url, "path": "contract", "access_key_id": "key_id", "secret_access_key": "secret",
    }))
    .unwrap();
    let environment = ProcessEnvironment::from_variables([
        ("VAULT_TOKEN".to_owned(), world.bao.token("path \"secret/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }")),
        ("VAULT_ADDR".to_owned(), world.proxy.url.clone()),
    ]);
    let forge = GithubConfig {
        api_url: world.stored.github.url(),
        token: SecretString::from("token"),
        repository: "acme/app".to_owned(),
        identities: None,
        environment,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = runtime.block_on(async {
        let time = Arc::new(ServerTime::new(Some(world.stored.now)));
        let backend =
            LiveBackend::connect_github(forge, time).await.map_err(|error| error.to_string()).unwrap();
        play(&backend, &vault).await
    });
    let age = SignedDuration::from_hours(24 * 80);
    let (simulation, task) = sample_simulation(3, world.stored.now, age, SampleStores::Vault);
    let Destination::Vault(simulated) = &task.destinations[1] else { panic!("no vault") };
    let played = block_on(&simulation, 1, async { play(&simulation.backend_for_run(1), simulated).await });
    assert_eq!(played.unwrap(), real);
    assert!(real.iter().any(|line| line.contains("Conflict")), "{real:#?}");
}
