//! An AWS account to test against: moto over HTTP, for one test at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::root;
use super::tools::python;

/// Emulators with authentication that no test uses just now: to start one takes more than many a test. They end when
/// no one holds their standard input any more.
static IDLE: Mutex<Vec<(Child, String)>> = Mutex::new(Vec::new());

/// A running emulator.
pub struct Emulator {
    /// Until it is given back.
    process: Option<Child>,
    address: String,
    has_auth: bool,
}

impl Emulator {
    /// One with these users; see `tests/emulators/aws/iam_emulator.py` for what a seed may hold.
    pub fn with(seed: &Value) -> Self {
        Self::start(&[], seed)
    }

    /// One that checks signatures and permissions, and refuses inactive keys.
    pub fn with_auth(seed: &Value) -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some((process, address)) = idle else { return Self::start(&["--auth"], seed) };
        let emulator = Self { process: Some(process), address, has_auth: true };
        emulator.call("POST", "/_keytide/reset", "");
        emulator.call("POST", "/_keytide/seed", &seed.to_string());
        emulator
    }

    fn start(flags: &[&str], seed: &Value) -> Self {
        let mut process = python()
            .arg(root().join("tests/emulators/aws/iam_emulator.py"))
            .args(["0", "--exit-with-stdin"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("the emulator listens").to_owned();
        let emulator = Self { process: Some(process), address, has_auth: !flags.is_empty() };
        emulator.call("POST", "/_keytide/seed", &seed.to_string());
        emulator
    }

    /// Its address, for `--endpoint-url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests AWS's services had, by action, since the last [`Emulator::forget_requests`].
    pub fn requests(&self) -> Value {
        serde_json::from_str(&self.call("GET", "/_keytide/requests", "")).unwrap()
    }

    pub fn forget_requests(&self) {
        self.call("DELETE", "/_keytide/requests", "");
    }

    /// A control route; see `tests/emulators/aws/iam_emulator.py`.
    pub fn control(&self, method: &str, name: &str, body: &str) -> String {
        self.call(method, &format!("/_keytide/{name}"), body)
    }

    /// A call of IAM's by the operator, who may do all and whose signature no one looks at.
    pub fn iam(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let byte = |byte: u8| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let escaped = |text: &str| text.bytes().map(byte).collect::<String>();
        let fields = fields.iter().map(|(name, value)| format!("&{name}={}", escaped(value)));
        let body = format!("Action={action}&Version=2010-05-08{}", fields.collect::<String>());
        let by = "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
        self.send(("POST", "/"), &format!("application/x-www-form-urlencoded\r\nAuthorization: {by}"), &body)
    }

    fn call(&self, method: &str, path: &str, body: &str) -> String {
        self.send((method, path), "application/json", body)
    }

    fn send(&self, (method, path): (&str, &str), kind: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: emulator\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if self.has_auth && !std::thread::panicking() {
            let address = std::mem::take(&mut self.address);
            return IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((process, address));
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}
