//! Reads the body of a reply, and says why there is none.

use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The longest reply that is read. The longest that GitHub sends is a file of 10 MiB, in base64.
const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableReply {
    #[error("the reply has more than {MAX_REPLY_BYTES} bytes")]
    TooLong,
    #[error("the reply is truncated: {0}")]
    Truncated(String),
    #[error("the reply is not from GitHub")]
    NotText,
}

/// Reads a body of a bounded length: the server may be anyone's that has the address of a GitHub Enterprise Server.
///
/// # Errors
/// The body is too long, was cut off, or is no text.
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
    String::from_utf8(body.into()).map_err(|_| UnreadableReply::NotText)
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
