//! Reads the body of a reply within limits, and says why there is none.
//!
//! The server may be anyone's that has the address of a GitHub Enterprise Server.

use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The longest reply that is read. The longest that GitHub sends is a file of 10 MiB, in base64.
const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// The most values of a reply, where an object counts as four: each takes many times the memory of its text. GitHub's
/// longest list, a tree with 100,000 files, has fewer.
const MAX_VALUES: usize = 1_200_000;
const VALUES_OF_OBJECT: usize = 4;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableReply {
    #[error("the reply has more than {MAX_REPLY_BYTES} bytes")]
    TooLong,
    #[error("the reply has more than {MAX_VALUES} values")]
    TooManyValues,
    #[error("the reply is truncated: {0}")]
    Truncated(String),
    #[error("the reply is not from GitHub")]
    NotText,
}

/// Reads a body of a bounded length, counted as it is read, after any decompression.
///
/// # Errors
/// The body is too long, has too many values, was cut off, or is no text.
pub async fn read_body<B>(body: B) -> Result<String, UnreadableReply>
where
    B: BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = match Limited::new(body, MAX_REPLY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(UnreadableReply::TooLong);
        }
        Err(error) => return Err(UnreadableReply::Truncated(describe_causes(&*error))),
    };
    let text = String::from_utf8(body.into()).map_err(|_| UnreadableReply::NotText)?;
    if count_values(&text) > MAX_VALUES { Err(UnreadableReply::TooManyValues) } else { Ok(text) }
}

/// About how many values a JSON text has: what begins one or separates two, outside of strings.
fn count_values(text: &str) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => count += VALUES_OF_OBJECT,
            b'[' | b',' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// The causes of a transport error: octocrab's own message only says that something failed.
pub fn describe_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::from("GitHub did not answer");
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: String) -> Result<usize, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = text;
        runtime.block_on(read_body(body)).map(|text| text.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, count) in [("[]", 1), (r#"{"a":1,"b":[2,3]}"#, 7), (r#"["{,[\",{",1]"#, 2), ("1", 0)] {
            assert_eq!(count_values(text), count, "{text}");
        }
    }

    /// What GitHub sends at most, and more than that in three ways.
    #[test]
    fn a_reply_is_bounded_in_bytes_and_in_values() {
        let file = format!("{{\"content\":\"{}\"}}", "{[,".repeat(5_000_000));
        assert!(read(file).is_ok());
        let entry = r#"{"path":"a","mode":"100644","type":"blob","sha":"a","size":1,"url":"a"}"#;
        let tree = |entries: usize| format!("{{\"tree\":[{}{entry}]}}", format!("{entry},").repeat(entries));
        assert!(read(tree(100_000)).is_ok());
        assert!(read(tree(130_000)).unwrap_err().contains("1200000 values"));
        assert!(read(format!("[{}0]", "{},".repeat(300_000))).unwrap_err().contains("values"));
        assert!(read(" ".repeat(MAX_REPLY_BYTES + 1)).unwrap_err().contains("33554432 bytes"));
    }
}
