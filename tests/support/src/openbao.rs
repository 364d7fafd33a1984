//! OpenBao, the open fork of Vault: a real server, a proxy before it that can make requests fail, and GitHub's OIDC tokens
//! with a signature that the server can check.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::tools::{openbao, python};
use super::{folder, program, root};

/// The token that may do all.
const ROOT: &str = "root-token";

/// A server in memory, with a key-value store at `secret`.
pub struct OpenBao {
    process: Child,
    pub address: String,
    /// The authority of its certificate, if it speaks TLS.
    pub authority: Option<PathBuf>,
}

impl OpenBao {
    pub fn start() -> Self {
        Self::serve(false)
    }

    /// One that speaks TLS, with a certificate of an authority of its own.
    pub fn with_tls() -> Self {
        Self::serve(true)
    }

    fn serve(tls: bool) -> Self {
        let home = folder();
        for _ in 0..5 {
            // It takes the next port as well.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(openbao());
            command.args(["server", "-dev", "-dev-no-store-token"]).arg(format!("-dev-root-token-id={ROOT}"));
            command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
            if tls {
                command.arg("-dev-tls").arg(format!("-dev-tls-cert-dir={}", home.display()));
            }
            command.env_clear().env("HOME", &home).current_dir(&home).stdin(Stdio::null());
            let log = std::fs::File::create(home.join("server.log")).unwrap();
            command.stdout(log.try_clone().unwrap()).stderr(log);
            let process = command.spawn().expect("OpenBao starts");
            let scheme = if tls { "https" } else { "http" };
            let mut server =
                Self { process, address: format!("{scheme}://127.0.0.1:{port}"), authority: None };
            if server.wait_until_ready(&home.join("server.log")) {
                server.authority = tls.then(|| authority_in(&home));
                return server;
            }
        }
        panic!("OpenBao does not start: {}", std::fs::read_to_string(home.join("server.log")).unwrap());
    }

    /// Whether it came up, and not another program was faster at its port.
    fn wait_until_ready(&mut self, log: &Path) -> bool {
        for _ in 0..300 {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if text.contains("Root Token:") {
                return true;
            }
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    /// A request of a person who may do all, as OpenBao's own program is given it: what to do, and a path; its reply.
    #[track_caller]
    pub fn bao(&self, arguments: &[&str], body: &Value) -> Value {
        self.try_bao(arguments, body).unwrap_or_else(|why| panic!("bao {arguments:?}: {why}"))
    }

    pub fn try_bao(&self, arguments: &[&str], body: &Value) -> Result<Value, String> {
        match (self.address.strip_prefix("http://"), arguments) {
            // Each start of the program takes a tenth of a second.
            (Some(address), [action, path]) => ask_server(address, action, path, body),
            _ => self.run_program(arguments, body),
        }
    }

    /// By OpenBao's own program.
    fn run_program(&self, arguments: &[&str], body: &Value) -> Result<Value, String> {
        let mut command = Command::new(openbao());
        command.arg(arguments[0]);
        command.arg("-format=json").args(&arguments[1..]).env_clear();
        command.env("BAO_ADDR", &self.address).env("BAO_TOKEN", ROOT).env("HOME", folder());
        if let Some(authority) = &self.authority {
            command.env("BAO_CACERT", authority);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            command.arg("-");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("bao starts");
        process.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }

    /// Runs a script of the documentation in a folder, with this program as `keytide` and OpenBao's as `vault`.
    pub fn run_script(&self, script: &str, folder: &Path) -> Output {
        let programs = folder.join("programs");
        std::fs::create_dir_all(&programs).unwrap();
        for (name, program) in [("keytide", program()), ("vault", openbao().to_owned())] {
            std::os::unix::fs::symlink(program, programs.join(name)).unwrap();
        }
        // Else a policy file of the repository that holds the tests would count.
        let init = Command::new("git").args(["init", "--quiet"]).arg(folder).status();
        assert!(init.expect("git starts").success());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).env_clear();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display())).env("HOME", folder);
        command.env("BAO_ADDR", &self.address).env("BAO_TOKEN", ROOT);
        command.output().expect("bash starts")
    }

    /// Writes a secret, whatever its newest version is.
    #[track_caller]
    pub fn put(&self, path: &str, fields: &Value) {
        self.bao(&["write", &format!("secret/data/{path}")], &json!({ "data": fields }));
    }

    /// The newest version of a secret: its fields and its number.
    pub fn get(&self, path: &str) -> Option<(Value, u64)> {
        let reply = self.try_bao(&["read", &format!("secret/data/{path}")], &Value::Null).ok()?;
        let fields = reply["data"]["data"].clone();
        Some((fields, reply["data"]["metadata"]["version"].as_u64().unwrap()))
            .filter(|(fields, _)| !fields.is_null())
    }

    /// The names below a path.
    pub fn list(&self, path: &str) -> Vec<String> {
        let reply = self.try_bao(&["list", &format!("secret/metadata/{path}")], &Value::Null);
        serde_json::from_value(reply.unwrap_or_default()["data"]["keys"].take()).unwrap_or_default()
    }

    /// A token that may do what a policy says.
    #[track_caller]
    pub fn token(&self, policy: &str) -> String {
        self.bao(&["write", "sys/policies/acl/keytide"], &json!({ "policy": policy }));
        let reply = self.bao(&["write", "auth/token/create"], &json!({ "policies": ["keytide"] }));
        reply["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// A role `keytide` that takes the tokens of a repository's workflows for an audience.
    pub fn trust(&self, tokens: &SignedTokens, audience: &str, policy: &str) {
        self.bao(&["write", "sys/policies/acl/keytide"], &json!({ "policy": policy }));
        self.bao(&["write", "sys/auth/jwt"], &json!({ "type": "jwt" }));
        self.bao(&["write", "auth/jwt/config"], &json!({ "jwt_validation_pubkeys": [tokens.public_key] }));
        self.bao(
            &["write", "auth/jwt/role/keytide"],
            &json!({
                "role_type": "jwt", "user_claim": "repository", "bound_audiences": [audience],
                "bound_claims": { "repository": "acme/app" }, "token_policies": ["keytide"], "token_ttl": "10m",
            }),
        );
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The request that OpenBao's program sends for an action, without TLS.
fn ask_server(address: &str, action: &str, path: &str, body: &Value) -> Result<Value, String> {
    let method = match action {
        "read" => "GET",
        "write" => "PUT",
        "list" => "LIST",
        "delete" => "DELETE",
        other => panic!("{other} is no action"),
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    // HTTP/1.0: a reply in one piece.
    let head = format!("{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {ROOT}\r\n");
    let reply = String::from_utf8(pass_on(address, &head, body.as_bytes())).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    if head.starts_with("HTTP/1.0 20") {
        Ok(serde_json::from_str(body).unwrap_or(Value::Null))
    } else {
        Err(reply)
    }
}

fn authority_in(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_string_lossy().ends_with("-ca.pem")).expect("the authority's file")
}

/// GitHub's OIDC provider; see `tests/emulators/signed_tokens.py`.
pub struct SignedTokens {
    process: Child,
    pub url: String,
    pub public_key: String,
}

impl SignedTokens {
    pub fn start() -> Self {
        let mut process = python()
            .arg(root().join("tests/emulators/signed_tokens.py"))
            .arg("acme/app")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the provider starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("listening on ").expect("it listens");
        let url = format!("http://{address}/token?api-version=2");
        let public_key = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { process, url, public_key }
    }
}

impl Drop for SignedTokens {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What happens to the requests that hold a text in their method, path or body.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The program is killed, before or after the server did it.
    Kill { pid_file: PathBuf, applied: bool },
    /// The same at a changing request: the first one is number 0.
    KillAtChange { number: usize, pid_file: PathBuf, applied: bool },
    /// The server does nothing, and this is the reply.
    Answer { status: u16, head: String, body: String },
    /// The server does nothing, and the reply is an error of Vault's form: these words, and the request's body.
    Quote { status: u16, words: &'static str },
    /// The server takes the request and says nothing until the client gives up.
    Silent,
    /// Others do this first, once.
    Overtaken(Value),
}

/// Whether a request changes a secret. A login and a question about permissions change nothing.
fn is_change(what: &str) -> bool {
    ["POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|method| what.starts_with(method))
        && what.contains(" /v1/secret/")
}

/// A request that passed, without its token.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The method and the path.
    pub what: String,
    pub body: String,
}

impl Passed {
    pub fn is_change(&self) -> bool {
        is_change(&self.what)
    }
}

#[derive(Default)]
struct ProxyState {
    faults: Vec<(String, Fault)>,
    passed: Vec<Passed>,
    /// The changing requests since the last fault was planned.
    changes: usize,
}

impl ProxyState {
    /// What happens to a request.
    fn next_fault(&mut self, what: &str, body: &str) -> Option<Fault> {
        let number = self.changes;
        self.changes += usize::from(is_change(what));
        let text = format!("{what} {body}");
        let at = self.faults.iter().position(|(wanted, fault)| match fault {
            Fault::KillAtChange { number: wanted, .. } => is_change(what) && *wanted == number,
            _ => text.contains(wanted.as_str()),
        })?;
        match self.faults[at].1.clone() {
            Fault::KillAtChange { pid_file, applied, .. } => Some(Fault::Kill { pid_file, applied }),
            Fault::Overtaken(_) => Some(self.faults.remove(at).1),
            fault => Some(fault),
        }
    }
}

/// Passes requests on to a server without TLS, one in each connection.
pub struct VaultProxy {
    pub url: String,
    state: Arc<Mutex<ProxyState>>,
}

impl VaultProxy {
    pub fn before(server: &OpenBao) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(ProxyState::default()));
        let (known, upstream) = (state.clone(), server.address.replace("http://", ""));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, upstream) = (known.clone(), upstream.clone());
                std::thread::spawn(move || serve(stream, &upstream, &known));
            }
        });
        Self { url, state }
    }

    /// From now on, requests that hold a text come to this.
    pub fn fault(&self, what: &str, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.changes = 0;
        state.faults.push((what.to_owned(), fault));
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// The requests since the last call.
    pub fn take_passed(&self) -> Vec<Passed> {
        std::mem::take(&mut self.state.lock().unwrap().passed)
    }
}

fn serve(mut stream: TcpStream, upstream: &str, state: &Mutex<ProxyState>) {
    let Some((head, body)) = read_request(&mut stream) else { return };
    let what = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let fault = {
        let mut state = state.lock().unwrap();
        state.passed.push(Passed { what: what.clone(), body: String::from_utf8_lossy(&body).into_owned() });
        state.next_fault(&what, &String::from_utf8_lossy(&body))
    };
    let reply = match fault {
        Some(Fault::Answer { status, head, body }) => answer(status, &head, &body),
        Some(Fault::Quote { status, words }) => {
            let said = format!("{words} for {}", String::from_utf8_lossy(&body));
            answer(status, "", &json!({ "errors": [said] }).to_string())
        }
        Some(Fault::Kill { pid_file, applied }) => {
            if applied {
                pass_on(upstream, &head, &body);
            }
            let pid = std::fs::read_to_string(pid_file).unwrap();
            assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
            return;
        }
        Some(Fault::Silent) => {
            let _ = stream.read(&mut [0]);
            return;
        }
        Some(Fault::Overtaken(fields)) => {
            let path = what.split(' ').nth(1).unwrap();
            let others = format!("POST {path} HTTP/1.1\r\nHost: bao\r\nX-Vault-Token: {ROOT}\r\n");
            pass_on(upstream, &others, json!({ "data": fields }).to_string().as_bytes());
            pass_on(upstream, &head, &body)
        }
        // Turned into a kill where it applies.
        Some(Fault::KillAtChange { .. }) | None => pass_on(upstream, &head, &body),
    };
    let _ = stream.write_all(&reply);
}

/// A reply in one piece.
fn answer(status: u16, head: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    (head + body).into_bytes()
}

/// The lines of a request's head, without what is about the connection, and its body.
fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if line.trim().is_empty() {
            break;
        }
        match lower.strip_prefix("content-length:") {
            Some(number) => length = number.trim().parse().ok()?,
            None if lower.starts_with("connection:") => {}
            None => head += &line,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// The whole reply of the server.
fn pass_on(upstream: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(upstream).unwrap();
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}
