//! GitHub and AWS together, with one clock: what a rotation needs, and what people and applications do in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::emulator::Emulator;
use super::tools::python_tool;
use super::{Keytide, root};

pub const FILE: &str = "deploy/aws.env.age";
const SECRETS: &str = "/repos/acme/app/actions/secrets";
const OLD: &str = "AKIA0OLDOLDOLDOLDOLD";

/// A GitHub; see `tests/support/github_api.py`.
pub struct Github {
    process: Child,
    address: String,
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
        Self { process, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn control(&self, method: &str, name: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} /_control/{name} HTTP/1.1\r\nHost: github\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {name}: {answer}");
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

/// One user with an old key, a file and two secrets that hold it, an application for each.
pub struct World {
    pub aws: Emulator,
    pub github: Github,
    pub now: Timestamp,
    identity: age::x25519::Identity,
}

impl World {
    /// The old key is this old.
    pub fn new(age_days: i64) -> Self {
        Self::tagged(age_days, |_| None)
    }

    /// The same, with a tag `keytide:destinations` for the file's recipient.
    pub fn tagged(age_days: i64, destinations: impl Fn(&str) -> Option<String>) -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public();
        let mut tags = json!({"keytide:owner": "4711"});
        if let Some(tag) = destinations(&recipient.to_string()) {
            tags["keytide:destinations"] = tag.into();
        }
        let now: Timestamp = "2026-03-01T06:00:00Z".parse().unwrap();
        let created = now - SignedDuration::from_hours(24 * age_days);
        let aws = Emulator::with_auth(&json!({"account": "123456789012", "users": [{
            "name": "ci-deployer",
            "tags": tags,
            "policies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            "keys": [{"id": OLD, "created_at": created.to_string(),
                      "last_used": {"at": (now - SignedDuration::from_hours(3)).to_string(), "service": "s3", "region": "us-east-1"}}],
        }]}));
        let world = Self { aws, github: Github::start(), now, identity };
        world.set_clocks();
        let secret = world.keys()[OLD].0.clone();
        let text = format!("AWS_ACCESS_KEY_ID={OLD}\nAWS_SECRET_ACCESS_KEY={secret}\n");
        let file = age::encrypt_and_armor(&recipient, text.as_bytes()).unwrap();
        world.github.push(&[
            (FILE, file.as_bytes()),
            (".github/keytide.yml", world.policy("").as_bytes()),
            ("README.md", b"an application\n"),
        ]);
        world
    }

    /// The policy file, with more recipients of the file.
    pub fn policy(&self, recipients: &str) -> String {
        format!(
            "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci-deployer\n    rotation: {{ grace: 7d, quiet: 3d, soak: 14d, \
             labels: [security], reviewers: [\"@alice\", \"@acme/platform\"] }}\n    destinations:\n      - age: {{ file: {FILE}, format: dotenv, \
             recipients: [{}{recipients}] }}\n      - github_secret: {{ repository: acme/app, access_key_id: AWS_ACCESS_KEY_ID, \
             secret_access_key: AWS_SECRET_ACCESS_KEY }}\n",
            self.identity.to_public()
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
        keytide
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
        let keys = keys["ci-deployer"].as_array().unwrap().iter();
        keys.map(|key| (text(&key["id"]), (text(&key["secret"]), text(&key["status"])))).collect()
    }

    /// What the file on the default branch says.
    pub fn in_file(&self) -> (String, String) {
        let state = self.github.state();
        let file = STANDARD.decode(state["files"][FILE].as_str().unwrap()).unwrap();
        let identity = self.identity.to_string();
        assert!(identity.expose_secret().starts_with("AGE-SECRET-KEY"));
        let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(&file[..])).unwrap();
        let mut text = String::new();
        decryptor
            .decrypt(std::iter::once(&self.identity as &dyn age::Identity))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let plain = |value: String| value.trim_matches(['"', '\'']).to_owned();
        (plain(value("AWS_ACCESS_KEY_ID=")), plain(value("AWS_SECRET_ACCESS_KEY=")))
    }

    /// What GitHub's secrets say; before the first rotation there are none.
    pub fn in_store(&self) -> Option<(String, String)> {
        let state = self.github.state();
        let value =
            |name: &str| Some(state["secrets"][format!("{SECRETS}/{name}")]["value"].as_str()?.to_owned());
        Some((value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?))
    }

    /// The applications work; each must be served.
    #[track_caller]
    pub fn work(&self) {
        for (id, secret) in [Some(self.in_file()), self.in_store()].into_iter().flatten() {
            let body = json!({ "id": id, "secret": secret, "service": "s3" });
            let answer: Value =
                serde_json::from_str(&self.aws.control("POST", "use", &body.to_string())).unwrap();
            assert_eq!(answer["served"], true, "an application is refused with {id} at {}", self.now);
        }
    }
}
