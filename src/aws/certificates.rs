//! Builds the HTTP client of the AWS SDK that trusts the certificates of a file (AWS_CA_BUNDLE) in place of the system's.

use std::path::Path;
use std::time::Duration;

use aws_sdk_iam::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::CommandError;
use crate::system::files;

/// The largest file of certificates that is read; that of a system has about 200,000 bytes.
const MAX_BUNDLE_BYTES: usize = 16 * 1024 * 1024;

/// Builds the client. `named_by` is the setting that names the file.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn client_with_bundle(
    named_by: &str,
    file: &str,
    wait: Duration,
) -> Result<SharedHttpClient, CommandError> {
    let bytes = files::read_bounded(Path::new(file), MAX_BUNDLE_BYTES, wait)
        .map_err(|reason| refuse(named_by, file, &reason.to_string()))?;
    let mut trusted = TrustStore::empty();
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|_| refuse(named_by, file, "it is not in PEM format"))?;
        // The SDK panics at a certificate that is no anchor of trust.
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            trusted.add_pem_certificate(to_pem(&certificate));
            count += 1;
        }
    }
    if count == 0 {
        return Err(refuse(named_by, file, "it holds no certificate"));
    }
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| refuse(named_by, file, &error.to_string()))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::rustls(CryptoMode::AwsLc))
            .tls_context(context.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        // As the SDK's own client.
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    }))
}

fn refuse(named_by: &str, file: &str, reason: &str) -> CommandError {
    CommandError::environment(format!("{named_by} names {file}, which cannot be used: {reason}"))
        .with_help("name a file of certificates in PEM format")
}

fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let encoded = STANDARD.encode(certificate);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
