//! GitHub and AWS together, with one clock: what a rotation needs, and what people and applications do in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::emulator::Emulator;
use super::homes::{AgeFile, GithubSecrets, Home, Pair};
use super::tools::python_tool;
use super::{Keytide, root};

pub const USER: &str = "ci-deployer";
pub const OLD: &str = "AKIA0OLDOLDOLDOLDOLD";
pub const POLICY: &str = ".github/keytide.yml";
/// The rules of the user's rotation, where a test does not say others.
const ROTATION: &str =
    "{ grace: 7d, quiet: 3d, soak: 14d, labels: [security], reviewers: [\"@alice\", \"@acme/platform\"] }";

/// A GitHub; see `tests/support/github_api.py`.
pub struct Github {
    process: Child,
    address: String,
    /// What the paths of its API begin with.
    pub prefix: &'static str,
}

impl Github {
    pub fn start() -> Self {
        let mut process = Command::new(python_tool("python"))
            .arg(root().join("tests/support/github_api.py"))
            .args(["0", "--exit-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the stand-in starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Self { process, address, prefix: "" }
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.prefix)
    }

    pub fn control(&self, method: &str, name: &str, body: &Value) -> Value {
        self.call(method, &format!("/_control/{name}"), body)
    }

    /// The API itself, as somebody else uses it who may write to the repository.
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/repos/acme/app/{path}"), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: github\r\nConnection: close\r\n");
        write!(stream, "{head}Authorization: Bearer token\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    pub fn state(&self) -> Value {
        self.control("GET", "state", &Value::Null)
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
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a report tells of the one user.
pub fn told<'r>(report: &'r Value, field: &str) -> &'r str {
    report["rotations"][0][field].as_str().unwrap_or_default()
}

/// One user with an old key, the places that hold it, an application for each.
pub struct World {
    pub aws: Emulator,
    pub github: Github,
    pub now: Timestamp,
    pub homes: Vec<Box<dyn Home>>,
}

impl World {
    /// The old key is this old, and lies in a file; two secrets are to get it as well.
    pub fn new(age_days: i64) -> Self {
        Self::with(age_days, vec![Box::new(AgeFile::new()), Box::new(GithubSecrets::of_repository())])
    }

    /// The old key lies in these places.
    pub fn with(age_days: i64, homes: Vec<Box<dyn Home>>) -> Self {
        let now: Timestamp = "2026-03-01T06:00:00Z".parse().unwrap();
        let created = now - SignedDuration::from_hours(24 * age_days);
        let aws = Emulator::with_auth(&json!({"account": "123456789012", "users": [{
            "name": USER,
            "tags": {"keytide:owner": "4711"},
            "policies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            "keys": [{"id": OLD, "created_at": created.to_string(),
                      "last_used": {"at": (now - SignedDuration::from_hours(3)).to_string(), "service": "s3", "region": "us-east-1"}}],
        }]}));
        let world = Self { aws, github: Github::start(), now, homes };
        world.set_clocks();
        let old = (OLD.to_owned(), world.keys()[OLD].0.clone());
        let files = world.homes.iter().flat_map(|home| home.files(&old)).collect::<Vec<_>>();
        let mut files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
        let policy = world.policy(ROTATION);
        files.extend([(POLICY, policy.as_bytes()), ("README.md", b"an application\n".as_slice())]);
        world.github.push(&files);
        world
    }

    /// A policy file with these rules of the rotation.
    pub fn policy(&self, rotation: &str) -> String {
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
        let keytide = Keytide::new(arguments).against(&self.aws.url());
        let needed = self.homes.iter().flat_map(|home| home.environment());
        needed
            .fold(keytide, |keytide, (name, value)| keytide.env(name, &value))
            .env("GITHUB_TOKEN", "token")
            .arg("--repository")
            .arg("acme/app")
            .arg("--github-api-url")
            .arg(&self.github.url())
            .arg("--now")
            .arg(&self.now.to_string())
            .arg("--format")
            .arg("json")
    }

    /// The user's keys: secret and status by ID.
    pub fn keys(&self) -> BTreeMap<String, (String, String)> {
        let keys: Value = serde_json::from_str(&self.aws.control("GET", "keys", "")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = keys[USER].as_array().unwrap().iter();
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
            phases.push(told(&report, "phase").to_owned());
            if told(&report, "phase") == wanted {
                return report;
            }
            let hour = SignedDuration::from_hours(1);
            let next = told(&report, "not_before").parse().unwrap_or(self.now + hour * 24);
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
