//! What others' libraries say to a question; see `oracle.py`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{root, tools};

/// One question, one answer.
pub fn ask(question: Value) -> Result<Value, String> {
    ask_all(vec![question]).remove(0)
}

pub fn ask_all(questions: Vec<Value>) -> Vec<Result<Value, String>> {
    let mut child = tools::python()
        .arg(root().join("tests/support/oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(json!(questions).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let answer = |value: Value| match value.get("error") {
        Some(error) => Err(error.as_str().unwrap().to_owned()),
        None => Ok(value["answer"].clone()),
    };
    answers.into_iter().map(answer).collect()
}
