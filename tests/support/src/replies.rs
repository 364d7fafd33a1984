//! An HTTP server that answers as a test says: for what no emulator does (pages, throttling, faults, hangs).
//!
//! The replies have the shapes that AWS documents for its query protocol.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered.
pub enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// Nothing, until the client gives up.
    Hang,
    /// The connection is cut.
    Reset,
}

/// One request: the form's fields, `Action` among them; `path` for what is no form.
pub struct Request {
    pub path: String,
    pub fields: BTreeMap<String, String>,
    pub body: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn action(&self) -> &str {
        self.field("Action")
    }

    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// A server that lives as long as the test process.
pub struct Server {
    address: String,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    /// Answers each request with what `reply` says.
    pub fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let (reply, counted) = (Arc::new(reply), Arc::clone(&counts));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reply, counts) = (Arc::clone(&reply), Arc::clone(&counted));
                std::thread::spawn(move || serve(stream, &*reply, &counts));
            }
        });
        Self { address, counts }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often an action was asked for.
    pub fn count(&self, action: &str) -> usize {
        self.counts.lock().unwrap().get(action).copied().unwrap_or(0)
    }
}

fn serve(
    stream: TcpStream,
    reply: &(dyn Fn(&Request) -> Reply + Send + Sync),
    counts: &Mutex<BTreeMap<String, usize>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read(&mut reader) {
        *counts.lock().unwrap().entry(request.action().to_owned()).or_default() += 1;
        match reply(&request) {
            Reply::Answer(status, body) => {
                let kind = if body.starts_with('{') { "application/json" } else { "text/xml" };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err()
                {
                    return;
                }
            }
            Reply::Hang => std::thread::sleep(Duration::from_secs(600)),
            Reply::Reset => return,
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let fields = body
        .split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(k, v)| (k.to_owned(), decode(v)))
        .collect();
    Some(Request { path, fields, body, headers })
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            b'+' => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

/// A successful answer of the query protocol.
pub fn answer(action: &str, result: &str) -> Reply {
    Reply::Answer(
        200,
        format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"),
    )
}

/// An error of the query protocol.
pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply::Answer(status, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
}

/// Who asks: account 123456789012.
pub fn caller() -> Reply {
    let identity = "<Arn>arn:aws:iam::123456789012:user/auditor</Arn><UserId>AIDAX</UserId><Account>123456789012</Account>";
    answer("GetCallerIdentity", identity)
}
