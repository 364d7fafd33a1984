//! An AWS account to test against: moto over HTTP, for one test at a time.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::emulator_process::EmulatorProcess;

/// A running emulator.
pub struct Emulator {
    process: EmulatorProcess,
}

impl Emulator {
    /// One with these users; see `tests/emulators/aws/iam_emulator.py` for what a seed may hold.
    pub fn with(seed: &Value) -> Self {
        Self::start(&[], seed)
    }

    /// One that checks signatures and permissions, and refuses inactive keys.
    pub fn with_auth(seed: &Value) -> Self {
        Self::start(&["--auth"], seed)
    }

    fn start(flags: &[&str], seed: &Value) -> Self {
        let emulator = Self { process: EmulatorProcess::start("aws/iam_emulator.py", flags) };
        emulator.call("POST", "/_keytide/seed", &seed.to_string());
        emulator
    }

    /// Its address, for `--endpoint-url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.process.address)
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
        let mut stream = TcpStream::connect(&self.process.address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: emulator\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }
}
