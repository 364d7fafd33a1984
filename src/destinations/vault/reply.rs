//! Reads the replies of Vault's API: the texts of secrets as they are, the versions, and what an error means.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::delivery::{SecretVersion, VersionList};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::secret::into_secret;

/// Vault's words for a write onto a version that is no longer the newest.
const CAS_MISMATCH: &str = "check-and-set parameter did not match the current version";
/// What is shown of an error of a write, without the text around it: a server or a proxy may quote what was sent.
const SHOWN_OF_WRITES: [&str; 6] = [
    CAS_MISMATCH,
    "permission denied",
    "Vault is sealed",
    "OpenBao is sealed",
    "preflight capability check returned 403",
    "no handler for route",
];
/// The longest text of an error.
const MAX_ERROR_CHARS: usize = 300;

#[derive(Deserialize)]
struct SecretReply<'a> {
    #[serde(borrow)]
    data: Option<SecretData<'a>>,
}

#[derive(Deserialize)]
struct SecretData<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: VersionMetadata,
}

#[derive(Deserialize)]
struct VersionMetadata {
    version: u64,
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

#[derive(Deserialize)]
struct ListReply {
    data: ListData,
}

#[derive(Deserialize)]
struct ListData {
    current_version: u64,
    versions: BTreeMap<String, VersionState>,
}

#[derive(Deserialize)]
struct VersionState {
    deletion_time: String,
    destroyed: bool,
}

#[derive(Deserialize, Default)]
struct ErrorReply {
    errors: Option<Vec<String>>,
    /// A deleted version has its metadata.
    data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct LoginReply {
    auth: LoginData,
}

#[derive(Deserialize)]
struct LoginData {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
}

/// A token, and for how many seconds it is valid; 0: for ever.
pub struct Login {
    pub token: SecretString,
    pub lease: u64,
}

/// A version of a secret; `None` when it was deleted. Its fields are the text of the reply, so every byte of them stays.
pub fn parse_secret(body: &[u8]) -> BackendResult<Option<SecretVersion>> {
    let reply: SecretReply<'_> = serde_json::from_slice(body).map_err(|_| foreign_reply())?;
    let data = reply.data.ok_or_else(foreign_reply)?;
    let VersionMetadata { version: number, deletion_time, destroyed } = data.metadata;
    if data.data.is_none() && deletion_time.is_empty() && !destroyed {
        return Err(foreign_reply());
    }
    Ok(data.data.map(|text| SecretVersion { number, text: into_secret(text.get().to_owned()) }))
}

/// The versions of a secret that can still be read, newest first.
pub fn parse_versions(body: &[u8]) -> BackendResult<VersionList> {
    let reply: ListReply = serde_json::from_slice(body).map_err(|_| foreign_reply())?;
    let mut readable = Vec::new();
    for (number, state) in &reply.data.versions {
        let number: u64 = number.parse().map_err(|_| foreign_reply())?;
        if state.deletion_time.is_empty() && !state.destroyed {
            readable.push(number);
        }
    }
    readable.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
    Ok(VersionList { newest: reply.data.current_version, readable })
}

/// The number of the version that a write made.
pub fn parse_written(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct WriteReply {
        data: VersionMetadata,
    }
    serde_json::from_slice::<WriteReply>(body).ok().map(|reply| reply.data.version)
}

pub fn parse_login(body: &[u8]) -> BackendResult<Login> {
    let reply: LoginReply = serde_json::from_slice(body).map_err(|_| foreign_reply())?;
    Ok(Login { token: into_secret(reply.auth.client_token), lease: reply.auth.lease_duration })
}

/// What the token may do, by path.
pub fn parse_capabilities(body: &[u8]) -> BackendResult<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct CapabilitiesReply {
        data: BTreeMap<String, Vec<String>>,
    }
    let reply: CapabilitiesReply = serde_json::from_slice(body).map_err(|_| foreign_reply())?;
    Ok(reply.data)
}

/// The error of a reply that Vault would not send; the parser's own message may quote the text.
pub fn foreign_reply() -> BackendError {
    BackendError::new(ErrorKind::NotApplied, "the reply is not one of a key-value store, version 2")
}

/// A request that did not succeed.
#[derive(Debug)]
pub struct VaultError {
    /// `None` when there was no reply.
    pub status: Option<u16>,
    pub kind: ErrorKind,
    pub what: String,
}

impl VaultError {
    /// Whether the token, or the login, is not enough.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, Some(400..=403))
    }
}

/// The error that a status and the body of its reply mean. `writes`: the request could have changed something.
pub fn reply_error(status: u16, body: &[u8], writes: bool) -> VaultError {
    let reply = serde_json::from_slice::<ErrorReply>(body).unwrap_or_default();
    let is_foreign = reply.errors.is_none() && reply.data.is_none();
    let said = reply.errors.unwrap_or_default().join("; ");
    let kind = match status {
        _ if said.contains(CAS_MISMATCH) => ErrorKind::Conflict,
        // A missing mount is no missing secret.
        404 if !said.is_empty() => ErrorKind::Rejected,
        // A proxy before the server says so of anything.
        404 if is_foreign => ErrorKind::NotApplied,
        404 => ErrorKind::NotFound,
        // What may not be read is not known; what may not be written is refused.
        403 if !writes => ErrorKind::NotApplied,
        // 412: a replica that is behind; 429: a quota.
        412 | 429 => ErrorKind::NotApplied,
        503 if said.contains("is sealed") => ErrorKind::NotApplied,
        // A proxy answers so as well, after it has passed the request on.
        408 | 500..=599 if writes => ErrorKind::Indeterminate,
        408 | 500..=599 => ErrorKind::NotApplied,
        _ => ErrorKind::Rejected,
    };
    let shown = if writes {
        SHOWN_OF_WRITES.into_iter().find(|words| said.contains(words)).unwrap_or_default()
    } else {
        &said
    };
    VaultError { status: Some(status), kind, what: error_text(status, shown) }
}

fn error_text(status: u16, said: &str) -> String {
    if (300..400).contains(&status) {
        return format!("HTTP {status}: a redirect, which keytide does not follow; name the active server");
    }
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if said.is_empty() {
        return format!("HTTP {status}");
    }
    said.chars().take(MAX_ERROR_CHARS).chain(format!(" ({status})").chars()).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn every_byte_of_the_fields_stays() {
        let fields = r#"{ "z":1.2345678901234568e+29,"h":"\u003c&", "n" : {"b":[ ]} }"#;
        let body = format!(r#"{{"data":{{"data":{fields},"metadata":{{"version":7,"destroyed":false}}}}}}"#);
        let version = parse_secret(body.as_bytes()).unwrap().unwrap();
        assert_eq!((version.number, version.text.expose_secret()), (7, fields));
        let deleted =
            br#"{"data":{"data":null,"metadata":{"version":7,"deletion_time":"x","destroyed":false}}}"#;
        assert!(parse_secret(deleted).unwrap().is_none());
        let undeleted =
            r#"{"data":{"data":null,"metadata":{"version":7,"deletion_time":"","destroyed":false}}}"#;
        for foreign in
            [undeleted, "", "{}", "{\"data\":{\"hush\":\"hush\"}}", "<html>hush", "[1]", "{\"data\":null}"]
        {
            let error = parse_secret(foreign.as_bytes()).err().unwrap();
            assert!(error.kind == ErrorKind::NotApplied && !error.message.contains("hush"), "{foreign}");
        }
    }

    #[test]
    fn deleted_and_destroyed_versions_are_not_readable() {
        let body = br#"{"data":{"current_version":11,"versions":{
            "9":{"deletion_time":"","destroyed":false},"10":{"deletion_time":"","destroyed":true},
            "11":{"deletion_time":"2026-01-01T00:00:00Z","destroyed":false},"8":{"deletion_time":"","destroyed":false}}}}"#;
        assert_eq!(parse_versions(body).unwrap(), VersionList { newest: 11, readable: vec![9, 8] });
    }

    #[test]
    fn a_status_says_whether_a_write_was_applied() {
        use ErrorKind::{Conflict, Indeterminate, NotApplied, NotFound, Rejected};
        let cas = format!("{{\"errors\":[\"{CAS_MISMATCH}\"]}}");
        let cases = [
            (400, cas.as_str(), Conflict, Conflict),
            (400, "{\"errors\":[\"x\"]}", Rejected, Rejected),
            (403, "{\"errors\":[\"permission denied\"]}", NotApplied, Rejected),
            (404, "{\"errors\":[]}", NotFound, NotFound),
            (404, "{\"data\":{\"data\":null}}", NotFound, NotFound),
            (404, "<html>proxy</html>", NotApplied, NotApplied),
            (404, "", NotApplied, NotApplied),
            (404, "{\"errors\":[\"no handler for route\"]}", Rejected, Rejected),
            (412, "", NotApplied, NotApplied),
            (429, "", NotApplied, NotApplied),
            (500, "", NotApplied, Indeterminate),
            (502, "<html>", NotApplied, Indeterminate),
            (503, "", NotApplied, Indeterminate),
            (503, "{\"errors\":[\"Vault is sealed\"]}", NotApplied, NotApplied),
            (307, "", Rejected, Rejected),
            (200, "", Rejected, Rejected),
        ];
        for (status, body, read, written) in cases {
            assert_eq!(reply_error(status, body.as_bytes(), false).kind, read, "{status} {body}");
            assert_eq!(reply_error(status, body.as_bytes(), true).kind, written, "{status} {body}");
        }
    }

    #[test]
    fn the_error_of_a_write_quotes_no_unknown_text() {
        for (said, of_write) in [
            ("cannot parse wJalrXUt", "HTTP 400"),
            ("permission denied for {'secret': 'wJalrXUt'}", "permission denied (400)"),
            ("wJalrXUt: 1 error occurred:\\n\\t* permission denied\\n\\n", "permission denied (400)"),
        ] {
            let body = format!(r#"{{"errors":["{said}"]}}"#);
            assert_eq!(reply_error(400, body.as_bytes(), true).what, of_write);
            assert!(reply_error(400, body.as_bytes(), false).what.contains("wJalrXUt"), "{said}");
        }
        let long = format!("{{\"errors\":[\"{}\"]}}", "x\\n".repeat(5_000));
        assert!(reply_error(500, long.as_bytes(), false).what.len() < 400);
    }
}
