//! What leaves a run of the program, and the search for secrets in it: what it prints and writes, what it asks AWS and
//! GitHub for, what they keep, its arguments and its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use keytide::destinations::smtp_password::SmtpPassword;
use keytide::secret::Credential;
use serde_json::Value;

use super::peers::World;
use super::stores::OTHERS;
use super::{Keytide, Ran};

const FORMATS: [&str; 6] = ["text", "json", "sarif", "github", "markdown", "html"];
/// So many characters of a secret in a row are a part of it, and no accident.
const PART: usize = 12;

/// Every form in which a secret could leave.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex = |upper: bool| {
        let byte = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        secret.bytes().map(byte).collect::<String>()
    };
    let escaped = |by: fn(u8) -> String| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~".contains(&c);
        secret.bytes().map(|c| if plain(c) { char::from(c).to_string() } else { by(c) }).collect::<String>()
    };
    let mut forms: Vec<String> = vec![
        hex(false),
        hex(true),
        escaped(|c| format!("%{c:02X}")),
        escaped(|c| format!("%{c:02x}")),
        escaped(|c| format!("\\u{c:04x}")),
        escaped(|c| format!("\\{}", char::from(c))),
        escaped(|c| format!("&#{c};")),
        secret.chars().rev().collect(),
    ];
    // A part in clear is a leak as well.
    forms.extend((0..=secret.len() - PART).map(|at| secret[at..at + PART].to_owned()));
    // The three ways in which Base64 can fall on it; the ends depend on what stands beside it.
    for lead in ["", "x", "xx"] {
        for engine in [STANDARD, URL_SAFE] {
            let text = engine.encode(format!("{lead}{secret}"));
            forms.push(text[4..text.len() - 4].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// The forms of a secret, and what looks for all of them at once.
type Search = (Vec<Vec<u8>>, AhoCorasick);

/// Made once for each secret: that takes longer than to search.
fn search_of(secret: &str) -> Arc<Search> {
    static KNOWN: Mutex<BTreeMap<String, Arc<Search>>> = Mutex::new(BTreeMap::new());
    if let Some(search) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(secret) {
        return Arc::clone(search);
    }
    let forms = forms(secret);
    let search = AhoCorasick::new(&forms).unwrap();
    let search = Arc::new((forms, search));
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned(), Arc::clone(&search));
    search
}

/// What left, each with the place where it was found.
#[derive(Default)]
pub struct Left(Vec<(String, Vec<u8>)>);

impl Left {
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// The files of a folder, and below.
    pub fn add_files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_files(&path);
            } else {
                self.add(format!("the file {}", path.display()), std::fs::read(&path).unwrap());
            }
        }
    }

    /// What the peers were sent, and what they keep; not what the stand-in itself has opened.
    pub fn add_peers(&mut self, world: &World) {
        let mut state = world.github.state();
        for object in state["objects"].take().as_array().unwrap() {
            self.add("a git object", STANDARD.decode(object.as_str().unwrap()).unwrap());
        }
        state["secrets"] = Value::Null;
        state["files"] = Value::Null;
        self.add("GitHub", state.to_string());
        let aws: Value = serde_json::from_str(&world.aws.control("GET", "log", "")).unwrap();
        for (peer, log) in [("GitHub", world.github.control("GET", "log", &Value::Null)), ("AWS", aws)] {
            for asked in log.as_array().unwrap() {
                let what = [&asked["method"], &asked["path"], &asked["action"]]
                    .map(|part| part.as_str().unwrap_or_default());
                let what = format!("a request to {peer}: {}", what.join(" "));
                let mut body: Value = asked["body"].as_str().unwrap().into();
                let stored = match asked["action"].as_str() {
                    Some("PutSecretValue") => Some("SecretString"),
                    Some("PutParameter") => Some("Value"),
                    _ => None,
                };
                if let Some(field) = stored {
                    body = serde_json::from_str(body.as_str().unwrap()).unwrap();
                    self.add(STORE, body[field].take().as_str().unwrap());
                }
                self.add(
                    format!("{what}: the body"),
                    body.as_str().map_or_else(|| body.to_string(), str::to_owned),
                );
                self.add(what.clone(), what.as_str());
                for (name, value) in asked["headers"].as_object().unwrap() {
                    self.add(format!("{what}: {}", name.to_lowercase()), value.as_str().unwrap());
                }
            }
        }
    }

    /// None of the secrets may be in there; each but where it may be.
    #[track_caller]
    pub fn holds_none_of(&self, secrets: &BTreeSet<Secret>) {
        for secret in secrets {
            let (forms, search) = &*search_of(&secret.text);
            for (place, bytes) in self.0.iter().filter(|(place, _)| !secret.home.is(place)) {
                if let Some(found) = search.find(bytes) {
                    let form = String::from_utf8_lossy(&forms[found.pattern()]).into_owned();
                    let bytes = String::from_utf8_lossy(bytes);
                    panic!("{} left by {place}, as {form}:\n{bytes}", secret.name);
                }
            }
        }
    }
}

/// What must not leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    name: String,
    text: String,
    home: Home,
}

/// Where a secret is in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Home {
    /// Nowhere, or where the user's credential is kept.
    Store,
    Environment,
    /// The environment, and the header by which GitHub knows keytide.
    Token,
}

impl Home {
    fn is(self, place: &str) -> bool {
        let is_authorization = place.starts_with("a request to GitHub") && place.ends_with(": authorization");
        match self {
            Self::Store => place == STORE,
            Self::Environment => place == ENVIRONMENT,
            Self::Token => place == ENVIRONMENT || is_authorization,
        }
    }
}

/// The SMTP passwords of the user's keys in a region.
pub fn smtp_passwords(world: &World, region: &str) -> BTreeSet<Secret> {
    let mut secrets = BTreeSet::new();
    for (id, (text, _)) in world.keys() {
        let smtp = SmtpPassword { name: String::new(), region: region.to_owned(), is_beside_secret: false };
        let derived = smtp.derive_credential(&Credential::new(id.as_str(), text));
        let text = derived.expose_secret().to_owned();
        secrets.insert(Secret { name: format!("the SMTP password of {id}"), text, home: Home::Store });
    }
    secrets
}

/// The user's keys, the key and the token that keytide itself is given, and the identity that opens SOPS files.
pub fn secrets(world: &World) -> BTreeSet<Secret> {
    let secret = |name: &str, text: &str, home| Secret { name: name.to_owned(), text: text.to_owned(), home };
    let mut secrets = BTreeSet::from([
        secret("keytide's token", TOKEN, Home::Token),
        secret("the identity", &world.identity(), Home::Environment),
    ]);
    for (id, (text, _)) in world.keys() {
        secrets.insert(secret(&format!("the secret of {id}"), &text, Home::Store));
    }
    secrets.insert(secret("somebody else's field", OTHERS, Home::Store));
    for (text, _) in world.keys_of("operator").into_values() {
        secrets.insert(secret("keytide's own secret", &text, Home::Environment));
    }
    secrets
}

/// No one else's.
const TOKEN: &str = "token-Vq3cZ8mLw0XbT5yRkN7dJ2hF";
const ENVIRONMENT: &str = "the environment";
/// The one field of the one request that must carry the credential.
const STORE: &str = "the string of a secret, on its way to Secrets Manager";

/// A command that is given secrets, told to tell all it can, as a workflow's step.
pub fn talkative(keytide: Keytide, world: &World) -> Keytide {
    let (id, (secret, _)) = world.keys_of("operator").pop_first().unwrap();
    let mut keytide = keytide
        .in_action(&[])
        .arg("-v")
        .env("RUST_LOG", "trace")
        .env("AWS_ACCESS_KEY_ID", &id)
        .env("AWS_SECRET_ACCESS_KEY", &secret)
        .env("GITHUB_TOKEN", TOKEN)
        .env("SOPS_AGE_KEY", &world.identity());
    for format in FORMATS {
        keytide = keytide.arg("--report").arg(&format!("{format}=report.{format}"));
    }
    keytide
}

/// Runs it to its end; its arguments and its environment are looked at all the while.
pub fn watched(keytide: Keytide, left: &mut Left) -> Ran {
    let folder = keytide.path("");
    let child = keytide.start();
    let id = child.id();
    let ended = AtomicBool::new(false);
    // A first look before it can end: until it is waited for, the system keeps what can be seen of it.
    let mut first_seen = look_at(id);
    let (output, seen) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| look_at_until(id, &ended));
        let output = child.wait_with_output().unwrap();
        ended.store(true, Ordering::Relaxed);
        (output, looking.join().unwrap())
    });
    first_seen.extend(seen);
    assert!(!first_seen.is_empty(), "nothing of the process could be seen");
    for (name, bytes) in first_seen {
        left.add(name, bytes);
    }
    left.add_files(&folder);
    left.add("standard output", output.stdout.clone());
    left.add("standard error", output.stderr.clone());
    Ran {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What anybody on the machine could see of a process.
fn look_at(id: u32) -> BTreeSet<(&'static str, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    for (file, name) in [("cmdline", "the arguments"), ("environ", ENVIRONMENT)] {
        let read = std::fs::read(format!("/proc/{id}/{file}"));
        seen.extend(read.ok().map(|bytes| (name, bytes)));
    }
    seen
}

fn look_at_until(id: u32, ended: &AtomicBool) -> BTreeSet<(&'static str, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    while !ended.load(Ordering::Relaxed) {
        seen.extend(look_at(id));
        std::thread::sleep(Duration::from_millis(5));
    }
    seen
}
