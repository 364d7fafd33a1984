//! Builds the HTTP client of the AWS SDK: as its own, with a limit of length for every reply.

use std::fmt;
use std::sync::OnceLock;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

use crate::system::loopback::is_loopback;

/// The longest reply that is read. The longest that AWS sends is the credential report, of a few megabytes for the 5,000
/// users that an account can have.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// Builds the client, with the certificates to trust in place of the system's. What is for this machine goes to no proxy.
pub fn build_client(certificates: Option<TlsContext>) -> SharedHttpClient {
    let direct = connect_by(ProxyConfig::disabled(), certificates.clone());
    // As the SDK's own client
    let proxied = connect_by(ProxyConfig::from_env(), certificates);
    SharedHttpClient::new(BoundedClient { proxied, direct })
}

fn connect_by(proxy: ProxyConfig, certificates: Option<TlsContext>) -> SharedHttpClient {
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::rustls(CryptoMode::AwsLc));
        if let Some(certificates) = &certificates {
            connector = connector.tls_context(certificates.clone());
        }
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(proxy.clone()));
        connector.build()
    });
    SharedHttpClient::new(client)
}

/// A client that ends the body of a reply with an error where it is too long.
#[derive(Debug)]
struct BoundedClient {
    proxied: SharedHttpClient,
    direct: SharedHttpClient,
}

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector {
            proxied: self.proxied.http_connector(settings, components),
            direct: OnceLock::new(),
            build_direct: Box::new({
                let (client, settings, components) =
                    (self.direct.clone(), settings.clone(), components.clone());
                move || client.http_connector(&settings, &components)
            }),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.proxied.connector_metadata()
    }
}

struct BoundedConnector {
    proxied: SharedHttpConnector,
    /// Built when it is first needed: each connector reads the certificates of the system.
    direct: OnceLock<SharedHttpConnector>,
    build_direct: Box<dyn Fn() -> SharedHttpConnector + Send + Sync>,
}

impl fmt::Debug for BoundedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedConnector").finish_non_exhaustive()
    }
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let reply = match is_loopback(request.uri()) {
            true => self.direct.get_or_init(|| (self.build_direct)()).call(request),
            false => self.proxied.call(request),
        };
        HttpConnectorFuture::new(async move { limit_reply(reply.await?) })
    }
}

/// Refuses a reply whose header says that it is too long. One that has no such header ends with an error at the limit.
fn limit_reply(reply: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let length = reply.headers().get("content-length").and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_REPLY_BYTES as u64) {
        // Of no kind that is sent again
        return Err(ConnectorError::other(LongReply.into(), None));
    }
    Ok(reply.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_REPLY_BYTES))))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the reply has more than {MAX_REPLY_BYTES} bytes, so it is not from AWS: check the proxy and the endpoint"
)]
struct LongReply;
