//! An AWS account to test against: moto over HTTP, started for one test and ended with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::root;
use super::tools::python_tool;

/// A running emulator.
pub struct Emulator {
    process: Child,
    address: String,
}

impl Emulator {
    /// One with these users; see `tests/support/iam_emulator.py` for what a seed may hold.
    pub fn with(seed: &Value) -> Self {
        Self::start(&[], seed)
    }

    /// One that checks signatures and permissions, and refuses inactive keys.
    pub fn with_auth(seed: &Value) -> Self {
        Self::start(&["--auth"], seed)
    }

    fn start(flags: &[&str], seed: &Value) -> Self {
        let mut process = Command::new(python_tool("python"))
            .arg(root().join("tests/support/iam_emulator.py"))
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
        let emulator = Self { process, address };
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

    /// A control route; see `tests/support/iam_emulator.py`.
    pub fn control(&self, method: &str, name: &str, body: &str) -> String {
        self.call(method, &format!("/_keytide/{name}"), body)
    }

    fn call(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: emulator\r\nConnection: close\r\n");
        write!(
            stream,
            "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
