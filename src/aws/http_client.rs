//! Builds the HTTP client of the AWS SDK: as its own, with a limit of length for every reply.

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

/// The longest reply that is read. The longest that AWS sends is the credential report, of a few megabytes for the 5,000
/// users that an account can have.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// Builds the client, with the certificates to trust in place of the system's.
pub fn build_client(certificates: Option<TlsContext>) -> SharedHttpClient {
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::rustls(CryptoMode::AwsLc));
        if let Some(certificates) = &certificates {
            connector = connector.tls_context(certificates.clone());
        }
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        // As the SDK's own client
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
    SharedHttpClient::new(BoundedClient(client))
}

/// A client that ends the body of a reply with an error where it is too long.
#[derive(Debug)]
struct BoundedClient(SharedHttpClient);

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(self.0.http_connector(settings, components)))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let reply = self.0.call(request);
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
