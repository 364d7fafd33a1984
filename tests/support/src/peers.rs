//! GitHub and AWS together, with one clock: what a rotation needs, and what people and applications do in it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Keytide;
use super::destinations::{AgeFile, GithubSecrets, Home, Pair};
use super::emulator::Emulator;
use super::emulator_process::EmulatorProcess;
use super::tools::{github_tools, node};

pub use super::destinations::AGE_FILE as FILE;
pub const USER: &str = "ci-deployer";
pub const OLD: &str = "AKIA0OLDOLDOLDOLDOLD";
pub const POLICY: &str = ".github/keytide.yml";
/// The rules of the user's rotation, where a test does not say others.
const ROTATION: &str =
    "{ grace: 7d, quiet: 3d, soak: 14d, labels: [security], reviewers: [\"@alice\", \"@acme/platform\"] }";

/// A GitHub; see `tests/emulators/github/github_api.py`.
pub struct Github {
    process: EmulatorProcess,
    /// What the paths of its API begin with.
    pub prefix: &'static str,
}

impl Github {
    pub fn start() -> Self {
        Self::serve("github_api.py", &[])
    }

    /// With a repository of the same name that is another.
    pub fn with_id(id: u64) -> Self {
        Self::serve("github_api.py", &["--id", &id.to_string()])
    }

    /// emulate's, behind Prism; see `tests/emulators/github/github_emulate.py`.
    pub fn emulated() -> Self {
        let (node, folder) = (node().join("bin/node"), github_tools());
        Self::serve("github_emulate.py", &["--peers", node.to_str().unwrap(), folder.to_str().unwrap()])
    }

    fn serve(program: &str, flags: &[&str]) -> Self {
        let description = github_tools().join("description.json");
        let flags = [&["--contract", description.to_str().unwrap()], flags].concat();
        Self { process: EmulatorProcess::start(&format!("github/{program}"), &flags), prefix: "" }
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.process.address, self.prefix)
    }

    pub fn control(&self, method: &str, name: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, &format!("/_control/{name}"), "", &body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {name}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    pub fn state(&self) -> Value {
        self.control("GET", "state", &Value::Null)
    }

    /// A request as keytide would send it, below the repository.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = "Authorization: Bearer token\r\nContent-Type: application/json\r\n";
        self.send(method, &format!("/repos/acme/app/{path}"), head, &body)
    }

    fn send(&self, method: &str, path: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.process.address).unwrap();
        let begin = format!("{method} {path} HTTP/1.1\r\nHost: github\r\nConnection: close\r\n{head}");
        write!(stream, "{begin}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What was asked or answered that does not fit GitHub's own description of its API.
    pub fn violations(&self) -> Vec<String> {
        serde_json::from_value(self.control("GET", "violations", &Value::Null)).unwrap()
    }

    /// The same, and they are no violations of this test.
    pub fn forget_violations(&self) -> Vec<String> {
        serde_json::from_value(self.control("DELETE", "violations", &Value::Null)).unwrap()
    }

    pub fn push(&self, files: &[(&str, &[u8])]) {
        let files: BTreeMap<&str, String> =
            files.iter().map(|(path, bytes)| (*path, STANDARD.encode(bytes))).collect();
        self.control("POST", "push", &json!({ "files": files }));
    }

    /// The numbers of the open pull requests.
    pub fn open_pulls(&self) -> Vec<u64> {
        let state = self.state();
        let open = state["pulls"].as_array().unwrap().iter().filter(|pull| pull["state"] == "open");
        open.map(|pull| pull["number"].as_u64().unwrap()).collect()
    }
}

impl Drop for Github {
    /// Whatever a test looks at, what it made keytide ask GitHub for must be what GitHub knows.
    fn drop(&mut self) {
        let violations = if std::thread::panicking() { Vec::new() } else { self.violations() };
        assert!(violations.is_empty(), "GitHub's description says otherwise:\n{}", violations.join("\n"));
    }
}

/// What a report tells of the one user.
pub fn rotation_field<'r>(report: &'r Value, field: &str) -> &'r str {
    report["rotations"][0][field].as_str().unwrap_or_default()
}

/// One user with an old key, the places that hold it, an application for each.
pub struct World {
    pub aws: Emulator,
    pub github: Github,
    pub now: Timestamp,
    pub homes: Vec<Box<dyn Home>>,
    identity: age::x25519::Identity,
}

/// A world as it was at a moment, to be put into any other.
pub struct Picture {
    aws: String,
    github: Value,
    identity: String,
    now: Timestamp,
}

/// GitHub at a time.
pub struct GithubMoment {
    github: Value,
    now: Timestamp,
}

impl World {
    /// The old key is this old, and lies in a file; two secrets are to get it as well.
    pub fn new(age_days: i64) -> Self {
        Self::tagged(age_days, |_| None)
    }

    /// The old key lies in these places.
    pub fn with(age_days: i64, homes: Vec<Box<dyn Home>>) -> Self {
        let mut world = Self::start(Github::start(), 4711, age_days, None);
        world.homes = homes;
        world.commit(&world.policy_with(ROTATION));
        world
    }

    /// The same, with a tag `keytide:destinations` for the file's recipient.
    pub fn tagged(age_days: i64, destinations: impl Fn(&str) -> Option<String>) -> Self {
        Self::at(Github::start(), 4711, age_days, destinations)
    }

    /// At emulate's GitHub, whose repository has another ID.
    pub fn emulated(age_days: i64) -> Self {
        let github = Github::emulated();
        let id = github.state()["id"].as_u64().unwrap();
        Self::at(github, id, age_days, |_| None)
    }

    fn at(github: Github, id: u64, age_days: i64, destinations: impl Fn(&str) -> Option<String>) -> Self {
        let identity = age::x25519::Identity::generate();
        let tag = destinations(&identity.to_public().to_string());
        let mut world = Self::start(github, id, age_days, tag);
        world.live_in(identity);
        world.commit(&world.policy(""));
        world
    }

    fn start(github: Github, id: u64, age_days: i64, destinations: Option<String>) -> Self {
        let mut tags = json!({"keytide:owner": id.to_string()});
        if let Some(tag) = destinations {
            tags["keytide:destinations"] = tag.into();
        }
        let now: Timestamp = "2026-03-01T06:00:00Z".parse().unwrap();
        let created = now - SignedDuration::from_hours(24 * age_days);
        let aws = Emulator::with_auth(&json!({"account": "123456789012", "users": [{
            "name": USER,
            "tags": tags,
            "policies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            "keys": [{"id": OLD, "created_at": created.to_string(),
                      "last_used": {"at": (now - SignedDuration::from_hours(3)).to_string(), "service": "s3", "region": "us-east-1"}}],
        }, {
            "name": "operator", "policies": ["arn:aws:iam::aws:policy/AdministratorAccess"], "keys": [{}],
        }]}));
        let identity = age::x25519::Identity::generate();
        let world = Self { aws, github, now, homes: Vec::new(), identity };
        world.set_clocks();
        world
    }

    /// The places of most tests: a file for this identity, and two secrets of the repository.
    fn live_in(&mut self, identity: age::x25519::Identity) {
        let file = AgeFile::of(identity.clone());
        self.homes = vec![Box::new(file), Box::new(GithubSecrets::of_repository())];
        self.identity = identity;
    }

    /// The first commit.
    fn commit(&self, policy: &str) {
        let old = (OLD.to_owned(), self.keys()[OLD].0.clone());
        let files: Vec<_> = self.homes.iter().flat_map(|home| home.files(&old)).collect();
        let mut files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
        files.extend([(POLICY, policy.as_bytes()), ("README.md", b"an application\n".as_slice())]);
        self.github.push(&files);
    }

    pub fn picture(&self) -> Picture {
        Picture {
            aws: self.aws.control("GET", "snapshot", ""),
            github: self.github.control("GET", "snapshot", &Value::Null),
            identity: self.identity(),
            now: self.now,
        }
    }

    pub fn restore(&mut self, picture: &Picture) {
        self.aws.control("POST", "restore", &picture.aws);
        self.github.control("POST", "restore", &picture.github);
        self.live_in(picture.identity.parse().unwrap());
        self.now = picture.now;
        self.set_clocks();
    }

    /// GitHub as it is now, and the time; AWS is not part of it.
    pub fn github_moment(&self) -> GithubMoment {
        GithubMoment { github: self.github.control("GET", "snapshot", &Value::Null), now: self.now }
    }

    /// Takes GitHub and the time back.
    pub fn return_to(&mut self, moment: &GithubMoment) {
        self.github.control("POST", "restore", &moment.github);
        self.now = moment.now;
        self.set_clocks();
    }

    /// What opens the file.
    pub fn identity(&self) -> String {
        self.identity.to_string().expose_secret().to_owned()
    }

    /// The policy file, with more recipients of the file.
    pub fn policy(&self, recipients: &str) -> String {
        let own = format!("\"{}\"", self.identity.to_public());
        self.policy_with(ROTATION).replace(&own, &format!("{own}{recipients}"))
    }

    /// A policy file with these rules of the rotation.
    pub fn policy_with(&self, rotation: &str) -> String {
        let destinations = self.homes.iter().map(|home| format!("      - {}\n", home.destination()));
        format!(
            "version: 1\naccount: \"123456789012\"\nusers:\n  - name: {USER}\n    rotation: {rotation}\n    destinations:\n{}",
            destinations.collect::<String>()
        )
    }

    pub fn set_clocks(&self) {
        let now = json!({ "now": self.now.to_string() });
        self.aws.control("POST", "clock", &now.to_string());
        self.github.control("POST", "clock", &now);
    }

    pub fn pass(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.set_clocks();
    }

    /// A command as a workflow's step would give it, nothing checked out.
    pub fn keytide(&self, arguments: &[&str]) -> Keytide {
        self.keytide_at(&self.github, arguments)
    }

    /// The same in another repository.
    pub fn keytide_at(&self, github: &Github, arguments: &[&str]) -> Keytide {
        self.command(github, arguments).arg("--format").arg("json")
    }

    fn command(&self, github: &Github, arguments: &[&str]) -> Keytide {
        let keytide = Keytide::new(arguments).against(&self.aws.url());
        let needed = self.homes.iter().flat_map(|home| home.environment());
        needed
            .fold(keytide, |keytide, (name, value)| keytide.env(name, &value))
            .env("GITHUB_TOKEN", "token")
            .arg("--repository")
            .arg("acme/app")
            .arg("--github-api-url")
            .arg(&github.url())
            .arg("--now")
            .arg(&self.now.to_string())
    }

    /// A command as a person gives it, with a report to read.
    pub fn keytide_text(&self, arguments: &[&str]) -> Keytide {
        self.keytide_as("text", arguments)
    }

    /// A command with a report of a format.
    pub fn keytide_as(&self, format: &str, arguments: &[&str]) -> Keytide {
        self.command(&self.github, arguments).arg("--format").arg(format)
    }

    /// Appends an entry to the journal, as everyone can who may push.
    pub fn append_entry(&self, event: &Value) {
        self.github.control(
            "POST",
            "append",
            &json!({"ref": format!("refs/keytide/123456789012/{USER}"), "entry": event, "at": self.now.to_string()}),
        );
    }

    /// The user's keys: secret and status by ID.
    pub fn keys(&self) -> BTreeMap<String, (String, String)> {
        self.keys_of(USER)
    }

    /// Those of any user: `operator` may do all, and is none of keytide's.
    pub fn keys_of(&self, user: &str) -> BTreeMap<String, (String, String)> {
        let keys: Value = serde_json::from_str(&self.aws.control("GET", "keys", "")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = keys[user].as_array().unwrap().iter();
        keys.map(|key| (text(&key["id"]), (text(&key["secret"]), text(&key["status"])))).collect()
    }

    /// What the first place says, which is a file on the default branch.
    pub fn in_file(&self) -> Pair {
        self.homes[0].read(&self.github.state()).unwrap()
    }

    /// What the second says; before the first rotation there is nothing.
    pub fn in_store(&self) -> Option<Pair> {
        self.homes[1].read(&self.github.state())
    }

    /// The applications work; each must be served.
    #[track_caller]
    pub fn work(&self) {
        let state = self.github.state();
        for (id, secret) in self.homes.iter().filter_map(|home| home.read(&state)) {
            let body = json!({ "id": id, "secret": secret, "service": "s3" });
            let answer: Value =
                serde_json::from_str(&self.aws.control("POST", "use", &body.to_string())).unwrap();
            assert_eq!(answer["served"], true, "an application is refused with {id} at {}", self.now);
        }
    }

    /// A run that needs no person, or says whom it needs.
    #[track_caller]
    pub fn rotate(&self) -> Value {
        let run = self.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}\n{}", self.now, run.stdout, run.stderr);
        run.json()
    }

    /// Runs until a phase; between two runs as long passes as the first says, at least an hour, a day where it says
    /// nothing. The applications work after each.
    #[track_caller]
    pub fn until(&mut self, wanted: &str) -> Value {
        let mut phases = Vec::new();
        for _ in 0..30 {
            let report = self.rotate();
            self.work();
            phases.push(rotation_field(&report, "phase").to_owned());
            if rotation_field(&report, "phase") == wanted {
                return report;
            }
            let hour = SignedDuration::from_hours(1);
            let next = rotation_field(&report, "not_before").parse().unwrap_or(self.now + hour * 24);
            self.now = next.max(self.now + hour);
            self.set_clocks();
        }
        panic!("never {wanted}: {phases:?}\n{:#}", self.rotate()["rotations"]);
    }

    /// The pull request that is open, merged.
    pub fn merge(&self) -> u64 {
        let [number] = self.github.open_pulls()[..] else { panic!("not one pull request is open") };
        self.github.control("POST", "merge", &json!({ "number": number }));
        number
    }
}
