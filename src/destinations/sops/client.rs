//! Unwraps the data key of a SOPS file, with an age identity or by AWS KMS, and wraps a new one by AWS KMS.
//!
//! Each KMS key is used in its own region, with the encryption context of the file, and as the role that the file names for
//! it, if it names one. A profile in the file belongs to the machine of its author and is ignored.

use aws_config::Region;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;

use crate::aws::checked_credentials::check_credentials;
use crate::aws::error::{is_access_denied, to_backend_error, to_quoting_error};
use crate::destinations::encryption::{FreshKey, SealError};
use crate::destinations::sops::encrypt::{self, KmsKey};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::secret::DataKey;

impl LiveBackend {
    /// The data key of a file, unwrapped by an age identity or by a KMS key; `None` when the file has neither.
    pub(crate) async fn unwrap_sops_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<DataKey>> {
        let identities = self.identities.as_ref();
        // An identity that cannot decrypt this file is no error: KMS may, and encryption reports a missing data key.
        match identities.and_then(|identities| encrypt::unwrap_data_key(path, file, identities).ok()) {
            Some(key) => Ok(Some(key)),
            None => self.unwrap_with_kms(path, file).await,
        }
    }

    /// The data key of a file, unwrapped by the first of its KMS keys that will; `None` when it has none.
    async fn unwrap_with_kms(&self, path: &str, file: &[u8]) -> BackendResult<Option<DataKey>> {
        // The error of an invalid file is reported when the file is encrypted.
        let keys = encrypt::kms_keys(path, file).unwrap_or_default();
        let mut failures = Vec::new();
        for key in &keys {
            match self.decrypt_data_key(key).await {
                Ok(data_key) => return Ok(Some(data_key)),
                Err(failure) => failures.push(failure),
            }
        }
        combine_failures(path, "its data key could not be unwrapped", failures).map_or(Ok(None), Err)
    }

    /// A new data key for a file, wrapped by each of its KMS keys; `None` when it has none.
    pub(crate) async fn wrap_sops_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<FreshKey>> {
        let keys = encrypt::kms_keys(path, file).unwrap_or_default();
        if keys.is_empty() {
            return Ok(None);
        }
        let key = encrypt::generate_data_key(path).map_err(not_applied)?;
        let mut wrapped = Vec::with_capacity(keys.len());
        for one in &keys {
            match self.encrypt_data_key(one, &key).await {
                Ok(ciphertext) => wrapped.push(ciphertext),
                Err(failure) => {
                    let what = "a new data key for it could not be wrapped";
                    return combine_failures(path, what, vec![failure]).map_or(Ok(None), Err);
                }
            }
        }
        Ok(Some(FreshKey { key, wrapped }))
    }

    async fn decrypt_data_key(&self, key: &KmsKey) -> BackendResult<DataKey> {
        let request = self.kms_client(key).await?.decrypt().key_id(&key.arn);
        let request = request.ciphertext_blob(Blob::new(key.ciphertext.as_slice()));
        let request = key.context.iter().fold(request, |r, (name, value)| r.encryption_context(name, value));
        let answer = request.send().await.map_err(|error| {
            let failure = to_backend_error(&describe_request("kms:Decrypt", key), &error, false);
            with_advice("kms:Decrypt", error.code(), failure)
        })?;
        let plaintext = answer.plaintext.map(Blob::into_inner);
        plaintext.and_then(|mut bytes| DataKey::take_from_slice(&mut bytes)).ok_or_else(|| {
            BackendError::new(
                ErrorKind::Rejected,
                format!("`{}` wraps something that is not a SOPS data key", key.arn),
            )
        })
    }

    async fn encrypt_data_key(&self, key: &KmsKey, data_key: &DataKey) -> BackendResult<Vec<u8>> {
        let request = self.kms_client(key).await?.encrypt().key_id(&key.arn);
        let request = request.plaintext(Blob::new(data_key.expose_secret().as_slice()));
        let request = key.context.iter().fold(request, |r, (name, value)| r.encryption_context(name, value));
        let answer = request.send().await.map_err(|error| {
            let failure = to_quoting_error(&describe_request("kms:Encrypt", key), &error, false);
            with_advice("kms:Encrypt", error.code(), failure)
        })?;
        let ciphertext = answer.ciphertext_blob.map(Blob::into_inner);
        ciphertext.ok_or_else(|| {
            BackendError::new(ErrorKind::NotApplied, format!("`{}` gave no ciphertext", key.arn))
        })
    }

    async fn kms_client(&self, key: &KmsKey) -> BackendResult<Client> {
        let region = key.region_from_arn().ok_or_else(|| {
            BackendError::new(ErrorKind::Rejected, format!("`{}` is not the ARN of an AWS KMS key", key.arn))
        })?;
        let aws = self.aws_clients()?;
        let builder =
            aws_sdk_kms::config::Builder::from(aws.sdk_config()).region(Region::new(region.to_owned()));
        let mut builder = builder.interceptor(aws.reply_clock());
        if let Some(role) = &key.role {
            let provider =
                AssumeRoleProvider::builder(role).session_name("keytide").configure(aws.sdk_config());
            builder = builder.credentials_provider(check_credentials(provider.build().await));
        }
        Ok(Client::from_conf(builder.build()))
    }
}

fn not_applied(error: SealError) -> BackendError {
    BackendError::new(ErrorKind::NotApplied, error.to_string())
}

/// A request with the key that it is about.
fn describe_request(operation: &str, key: &KmsKey) -> String {
    let whose = key.role.as_ref().map(|role| format!(" as `{role}`")).unwrap_or_default();
    format!("{operation} `{}`{whose}", key.arn)
}

/// The error of a request, with what to do about its code.
fn with_advice(operation: &str, code: Option<&str>, failure: BackendError) -> BackendError {
    let BackendError { mut kind, message, .. } = failure;
    let advice = match code.unwrap_or_default() {
        code if is_access_denied(code) => {
            // Not final: another command runs with another role, which may be allowed.
            kind = ErrorKind::NotApplied;
            format!("; allow `{operation}` on that key, in the role's policy and in the key's")
        }
        "DisabledException" | "KMSInvalidStateException" => {
            "; enable the key, or cancel its deletion".to_owned()
        }
        "InvalidCiphertextException" | "IncorrectKeyException" | "NotFoundException" => {
            "; does `sops decrypt` open it? Else run `sops updatekeys` on it".to_owned()
        }
        _ => String::new(),
    };
    BackendError::new(kind, format!("{message}{advice}"))
}

/// Several failures as one, which may pass if one of them may; `None` for none.
fn combine_failures(path: &str, what: &str, failures: Vec<BackendError>) -> Option<BackendError> {
    if failures.is_empty() {
        return None;
    }
    // One key is enough, so one failure that may pass lets the whole pass.
    let is_final = failures.iter().all(|one| matches!(one.kind, ErrorKind::Rejected | ErrorKind::NotFound));
    let kind = if is_final { ErrorKind::Rejected } else { ErrorKind::NotApplied };
    let messages: Vec<String> = failures.into_iter().map(|failure| failure.message).collect();
    Some(BackendError::new(kind, format!("{path}: {what}: {}", messages.join("; "))))
}
