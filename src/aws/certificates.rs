//! Reads the certificates that the AWS SDK trusts in place of the system's (AWS_CA_BUNDLE).

use std::path::Path;
use std::time::Duration;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::CommandError;
use crate::system::files;

/// The largest file of certificates that is read; that of a system has about 200,000 bytes.
const MAX_BUNDLE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the certificates of a file. `named_by` is the setting that names it.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn read_certificates(named_by: &str, file: &str, wait: Duration) -> Result<TlsContext, CommandError> {
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
    context.map_err(|error| refuse(named_by, file, &error.to_string()))
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
