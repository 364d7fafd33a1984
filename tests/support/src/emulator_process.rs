//! Starts emulators as copies of one process for all tests of a suite; see `tests/emulators/start.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::root;
use super::tools::{github_tools, python};

/// The process that is copied. It ends, and with it all emulators, when this suite does.
struct Parent {
    process: Child,
    answers: BufReader<ChildStdout>,
}

static PARENT: Mutex<Option<Parent>> = Mutex::new(None);

impl Parent {
    fn start() -> Self {
        let mut process = python()
            .arg(root().join("tests/emulators/start.py"))
            .arg(github_tools().join("description.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulators' process starts");
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    fn ask(&mut self, request: &Value) -> String {
        writeln!(self.process.stdin.as_mut().unwrap(), "{request}").expect("the emulators' process runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the emulators' process answers");
        answer.trim_end().to_owned()
    }
}

fn ask(request: &Value) -> String {
    let mut parent = PARENT.lock().unwrap_or_else(PoisonError::into_inner);
    parent.get_or_insert_with(Parent::start).ask(request)
}

/// A running emulator, until it is dropped.
pub struct EmulatorProcess {
    id: u64,
    /// HOST:PORT.
    pub address: String,
}

impl EmulatorProcess {
    /// One of the programs of `tests/emulators` on a free port.
    pub fn start(program: &str, flags: &[&str]) -> Self {
        let command = [&[program, "0", "--exit-with-stdin"], flags].concat();
        let answer = ask(&json!({ "start": command }));
        let (id, address) = answer.split_once(" listening on ").expect("the emulator listens");
        Self { id: id.parse().unwrap(), address: address.to_owned() }
    }
}

impl Drop for EmulatorProcess {
    fn drop(&mut self) {
        ask(&json!({ "end": self.id }));
    }
}
