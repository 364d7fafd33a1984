//! A user whose credential lies in AWS's own stores: what people, applications and other writers do there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::peers::World;
use super::tools::{python, python_tool};
use super::{Keytide, Ran, folder, root};

pub const REGION: &str = "eu-west-1";
pub const SECRET: &str = "prod/aws";
/// Someone else's, in the same secret.
pub const OTHERS: &str = "kR7-others-s3cret";

/// GitHub and AWS, with a policy of the test's own.
pub struct Stored {
    world: World,
    /// Who keytide is, if not someone who may do all.
    identity: Option<(String, String)>,
}

impl Deref for Stored {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Stored {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Stored {
    /// With these destinations of the one user.
    pub fn new(destinations: &[&str]) -> Self {
        let stored = Self { world: World::new(80), identity: None };
        stored.set_policy(destinations);
        stored
    }

    /// The policy file of the default branch.
    pub fn committed_policy(&self) -> Vec<u8> {
        let text = self.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
        STANDARD.decode(text).unwrap()
    }

    pub fn set_policy(&self, destinations: &[&str]) {
        self.github.push(&[(".github/keytide.yml", policy(destinations).as_bytes())]);
    }

    /// With a secret of Secrets Manager that holds the credential, and more.
    pub fn with_secret() -> Self {
        let stored = Self::new(&[destination()]);
        let (id, secret) = stored.first();
        stored.create(&text(&id, &secret));
        stored
    }

    /// A command that finds AWS under its own host names, at the time of this machine.
    pub fn keytide_on_aws(&self, arguments: &[&str], proxy: &Proxy) -> Keytide {
        let run =
            Keytide::new(arguments).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let run = run.env("HTTPS_PROXY", &proxy.url).env("SSL_CERT_FILE", proxy.authority.to_str().unwrap());
        let run = run.env("GITHUB_TOKEN", "token").arg("--repository").arg("acme/app");
        run.arg("--github-api-url").arg(&self.github.url()).arg("--format").arg("json")
    }

    /// The user's only key.
    pub fn first(&self) -> (String, String) {
        let (id, (secret, _)) = self.keys().into_iter().next().unwrap();
        (id, secret)
    }

    pub fn create(&self, text: &str) {
        self.secrets(
            "CreateSecret",
            &json!({"Name": SECRET, "SecretString": text, "ClientRequestToken": "1".repeat(36)}),
        );
    }

    /// A request to Secrets Manager in the name of someone who may do all.
    #[track_caller]
    pub fn secrets(&self, action: &str, body: &Value) -> Value {
        self.json("secretsmanager", &format!("secretsmanager.{action}"), body)
    }

    /// A request to Parameter Store in the same name.
    #[track_caller]
    pub fn ssm(&self, action: &str, body: &Value) -> Value {
        self.json("ssm", &format!("AmazonSSM.{action}"), body)
    }

    #[track_caller]
    pub fn kms(&self, action: &str, body: &Value) -> Value {
        self.json("kms", &format!("TrentService.{action}"), body)
    }

    #[track_caller]
    fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let head = format!("X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.1\r\n");
        let answer = self.send(service, &head, &body.to_string());
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{target}: {error}: {answer}"))
    }

    /// A request to IAM in the same name.
    #[track_caller]
    pub fn iam(&self, action: &str, fields: &[(&str, &str)]) -> String {
        self.aws.iam(action, fields)
    }

    #[track_caller]
    fn send(&self, service: &str, head: &str, body: &str) -> String {
        let address = self.aws.url().replace("http://", "");
        let mut stream = TcpStream::connect(&address).unwrap();
        let signed = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=test/20260301/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\n"
        );
        let length = body.len();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{signed}{head}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        body.to_owned()
    }

    /// The version that has a label, and what it holds.
    pub fn version(&self, label: &str) -> (String, String) {
        let answer = self.secrets("GetSecretValue", &json!({"SecretId": SECRET, "VersionStage": label}));
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("VersionId"), text("SecretString"))
    }

    /// Which version has a label, if any does.
    pub fn bearer(&self, label: &str) -> Option<String> {
        let answer = self.secrets("DescribeSecret", &json!({ "SecretId": SECRET }));
        let versions = answer["VersionIdsToStages"].as_object().unwrap();
        let bears = |labels: &Value| labels.as_array().unwrap().iter().any(|one| one == label);
        versions.iter().find(|(_, labels)| bears(labels)).map(|(version, _)| version.clone())
    }

    /// The credential, as an application reads it.
    pub fn in_secret(&self) -> (String, String) {
        let fields: Value = serde_json::from_str(&self.version("AWSCURRENT").1).unwrap();
        let text = |name: &str| fields[name].as_str().unwrap().to_owned();
        (text("key_id"), text("secret"))
    }

    /// Someone else changes the secret, all at once.
    pub fn write(&self, change: impl FnOnce(String) -> String) {
        let text = change(self.version("AWSCURRENT").1);
        self.secrets("PutSecretValue", &json!({ "SecretId": SECRET, "SecretString": text }));
    }

    /// An application uses a credential, and is served.
    #[track_caller]
    pub fn uses(&self, (id, secret): &(String, String)) {
        let body = json!({ "id": id, "secret": secret, "service": "s3" });
        let answer = self.aws.control("POST", "use", &body.to_string());
        assert!(answer.contains("true"), "an application is refused with {id} at {}", self.now);
    }

    /// `rotate`, which must come to an end; then the application works.
    #[track_caller]
    pub fn rotate(&self, credential: &dyn Fn(&Self) -> (String, String)) -> Ran {
        let run = self.keytide(&["rotate"]).run();
        assert!([0, 1].contains(&run.exit), "{}\n{}\n{}", self.now, run.stdout, run.stderr);
        self.uses(&credential(self));
        run
    }

    /// Rotates until a phase, whenever keytide says that it is worth to look again.
    #[track_caller]
    pub fn until(&mut self, wanted: &str, credential: &dyn Fn(&Self) -> (String, String)) -> Value {
        let mut last = Value::Null;
        for _ in 0..30 {
            last = self.rotate(credential).json();
            if last["rotations"][0]["phase"] == wanted {
                return last;
            }
            self.wait(&last["rotations"][0]);
        }
        panic!("never {wanted}: {last:#}");
    }

    /// Merges the only open pull request.
    #[track_caller]
    pub fn merge(&self) {
        let [pull] = self.github.open_pulls()[..] else { panic!("not one pull request") };
        self.github.control("POST", "merge", &json!({ "number": pull }));
    }

    /// Makes keytide someone who may do no more than these policies say.
    pub fn limit(&mut self, policies: &[&str]) {
        self.iam("CreateUser", &[("UserName", "keytide")]);
        for (number, policy) in policies.iter().enumerate() {
            let name = format!("p{number}");
            self.iam(
                "PutUserPolicy",
                &[("UserName", "keytide"), ("PolicyName", &name), ("PolicyDocument", policy)],
            );
        }
        let answer = self.iam("CreateAccessKey", &[("UserName", "keytide")]);
        let between = |name: &str| {
            let start = answer.split_once(&format!("<{name}>")).unwrap().1;
            start.split_once("</").unwrap().0.to_owned()
        };
        self.identity = Some((between("AccessKeyId"), between("SecretAccessKey")));
    }

    /// A command as a workflow's step would give it.
    pub fn keytide(&self, arguments: &[&str]) -> Keytide {
        let run = self.world.keytide(arguments);
        match &self.identity {
            Some((id, secret)) => run.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret),
            None => run,
        }
    }

    /// The policy file on the default branch.
    pub fn policy_text(&self) -> Vec<u8> {
        let file = self.github.state()["files"][".github/keytide.yml"].as_str().unwrap().to_owned();
        STANDARD.decode(file).unwrap()
    }

    /// What `iam-policy` prints for a command, the repository's files at hand.
    pub fn permissions(&self, purpose: &str, files: &[(&str, &[u8])]) -> Ran {
        let run = Keytide::new(&["iam-policy", "--for", purpose]).file("keytide.yml", self.policy_text());
        let run = run.file(".git", "gitdir: nowhere\n");
        files.iter().fold(run, |run, (name, bytes)| run.file(name, bytes)).run().exits(0)
    }
}

/// The destination of the tests.
pub fn destination() -> &'static str {
    "secrets_manager: { secret_id: prod/aws, region: eu-west-1, access_key_id: key_id, secret_access_key: secret }"
}

fn policy(destinations: &[&str]) -> String {
    let lines: String = destinations.iter().map(|one| format!("      - {one}\n")).collect();
    format!(
        "version: 1\naccount: \"123456789012\"\nusers:\n  - name: ci-deployer\n    rotation: {{ grace: 7d, quiet: 3d, soak: 14d }}\n    \
         destinations:\n{lines}"
    )
}

/// A secret as a person wrote it, with what is not the credential's in an order of its own.
pub fn text(id: &str, secret: &str) -> String {
    format!(
        "{{ \"z\": 1.50,\n  \"secret\":\"{secret}\", \"password\": \"{OTHERS}\",\t\"key_id\" : \"{id}\", \"a\": [ ] }}"
    )
}

/// AWS under its own host names; see `tests/emulators/aws/aws_proxy.py`.
pub struct Proxy {
    process: Child,
    pub url: String,
    pub authority: PathBuf,
}

impl Proxy {
    pub fn before(emulator: &str) -> Self {
        let authority = folder().join("authority.pem");
        let port = emulator.rsplit(':').next().unwrap();
        let mut process = python()
            .arg(root().join("tests/emulators/aws/aws_proxy.py"))
            .arg(port)
            .arg(&authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the proxy starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("the proxy listens");
        Self { process, url: format!("http://{address}"), authority }
    }

    /// The hosts that were asked for, each once.
    pub fn hosts(&self) -> Vec<String> {
        let mut stream = TcpStream::connect(self.url.replace("http://", "")).unwrap();
        write!(stream, "GET /hosts HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let mut hosts: Vec<String> = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Upstream's program of SOPS, with the emulator for AWS.
pub struct Upstream<'a> {
    pub aws: &'a str,
    pub age: Option<&'a str>,
}

impl Upstream<'_> {
    pub fn encrypt(&self, name: &str, plain: &str, recipients: &[&str]) -> Vec<u8> {
        let folder = folder();
        std::fs::write(folder.join(name), plain).unwrap();
        let arguments = [&["encrypt"], recipients, &[name]].concat();
        self.run(&folder, &arguments).unwrap_or_else(|why| panic!("{name}: {why}")).into_bytes()
    }

    /// Decrypts, which is refused when the MAC does not match.
    pub fn decrypt(&self, name: &str, bytes: &[u8]) -> Result<String, String> {
        let folder = folder();
        std::fs::write(folder.join(name), bytes).unwrap();
        self.run(&folder, &["decrypt", name])
    }

    /// Sets one text; the whole new file.
    pub fn set(&self, name: &str, bytes: &[u8], index: &str, value: &str) -> Vec<u8> {
        let folder = folder();
        std::fs::write(folder.join(name), bytes).unwrap();
        self.run(&folder, &["set", name, index, &format!("\"{value}\"")]).unwrap();
        std::fs::read(folder.join(name)).unwrap()
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(python_tool("sops"));
        command.current_dir(folder).args(arguments).env_clear().env("HOME", folder);
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SOPS_DISABLE_VERSION_CHECK", "1");
        command.env("AWS_ENDPOINT_URL", self.aws).env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        if let Some(identity) = self.age {
            command.env("SOPS_AGE_KEY", identity);
        }
        let output = command.output().expect("sops starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}
