//! Sends the message of a webhook to its URL, which is a secret: it is all that is needed to post in the channel.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::github::api::http_builder;
use crate::policy::file::WebhookFormat;
use crate::system::loopback::is_loopback;

/// How long the request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// As much of a reply is read.
const MAX_REPLY: usize = 1024;

/// The beginning of a reply of Teams that did not deliver a message.
const TEAMS_FAILURE: &[u8] = b"Webhook message delivery failed";

/// Why a message was not delivered. No text holds any part of the URL.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("its value is not a URL")]
    NotUrl,
    #[error("its URL does not begin with https://")]
    NotHttps,
    #[error("its URL holds a user name or a password")]
    HasCredentials,
    #[error("the server answered with HTTP {0}")]
    Refused(u16),
    #[error("the server answered with HTTP {0}, and not with `ok` as Slack does")]
    NotTakenBySlack(u16),
    #[error("the server answered with HTTP {0}, and that the message was not delivered")]
    NotTakenByTeams(u16),
    #[error("the server answered with a redirect, which keytide does not follow")]
    Redirected,
    #[error("{0}")]
    NoAnswer(String),
}

/// Sends a message once.
///
/// # Errors
/// The URL is not acceptable, or the server did not take the message.
pub async fn send_message(
    url: &SecretString,
    format: WebhookFormat,
    message: &Value,
) -> Result<(), WebhookError> {
    let url = parse_url(url.expose_secret())?;
    let client = http_builder(url.as_str())
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| WebhookError::NoAnswer(error.without_url().to_string()))?;
    let request = client.post(url).header("content-type", "application/json").body(message.to_string());
    match request.send().await {
        Ok(reply) if reply.status().is_success() => ensure_taken(format, reply).await,
        Ok(reply) if reply.status().is_redirection() => Err(WebhookError::Redirected),
        Ok(reply) => Err(WebhookError::Refused(reply.status().as_u16())),
        // Only what kind of error it is: the causes of some of them name the host.
        Err(error) if error.is_timeout() => {
            Err(WebhookError::NoAnswer(format!("no answer within {} seconds", TIMEOUT.as_secs())))
        }
        Err(error) if error.is_connect() => Err(WebhookError::NoAnswer("the connection failed".to_owned())),
        Err(_) => Err(WebhookError::NoAnswer("the request failed".to_owned())),
    }
}

/// Errors of both services may have the status of a success. Slack answers `ok` where it takes a message (Slack, "Sending
/// messages using incoming webhooks"); Teams says that the delivery failed, for example when it limits the rate
/// (Microsoft Learn, "Create Incoming Webhooks"). A workflow of Teams may answer with any other text.
async fn ensure_taken(format: WebhookFormat, mut reply: reqwest::Response) -> Result<(), WebhookError> {
    let status = reply.status().as_u16();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = reply.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_REPLY {
            break;
        }
    }
    match format {
        WebhookFormat::Slack if body.trim_ascii() != b"ok" => Err(WebhookError::NotTakenBySlack(status)),
        WebhookFormat::Teams if body.trim_ascii_start().starts_with(TEAMS_FAILURE) => {
            Err(WebhookError::NotTakenByTeams(status))
        }
        _ => Ok(()),
    }
}

fn parse_url(text: &str) -> Result<Url, WebhookError> {
    let url = Url::parse(text).map_err(|_| WebhookError::NotUrl)?;
    if !url.has_host() {
        return Err(WebhookError::NotUrl);
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(text)) {
        return Err(WebhookError::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(WebhookError::HasCredentials);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_encrypted_connection_or_this_machine_is_accepted() {
        for good in
            ["https://hooks.example.com/x?y=z", "http://127.0.0.1:9/x", "http://localhost/", "http://[::1]/"]
        {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost@example.com/",
            "https://user@example.com/",
            "https://:password@example.com/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "mailto:a@example.com",
            "hooks.example.com/x",
            "",
        ] {
            let error = parse_url(bad).unwrap_err().to_string();
            assert!(!error.contains("example"), "{error}");
        }
    }
}
