//! AWS KMS, for the files of SOPS whose data key it has wrapped: it unwraps that key, or wraps a new one.
//!
//! Each key is asked for in its own region, in the encryption context that stands in the file, and as the role that the
//! file names for it, if it names one. A profile that stands in the file is of somebody's machine and is left alone.

use std::error::Error as StdError;

use aws_config::Region;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;

use super::rotation::failure;
use crate::destinations::encryption::{FreshKey, Refusal};
pub(crate) use crate::destinations::sops::encrypt::{self, KmsKey};
use crate::live::Service;
use crate::ports::{Answer, Failure, Outcome};
use crate::secret::DataKey;

impl Service {
    /// The data key of a file, unwrapped by the first of its KMS keys that will; `None` when it has none.
    pub(crate) async fn kms_unwrap(&self, path: &str, file: &[u8]) -> Answer<Option<DataKey>> {
        // A file that is broken says so when it is sealed.
        let keys = encrypt::kms_keys(path, file).unwrap_or_default();
        let mut failures = Vec::new();
        for key in &keys {
            match self.decrypt(key).await {
                Ok(data_key) => return Ok(Some(data_key)),
                Err(failure) => failures.push(failure),
            }
        }
        together(path, "its data key could not be unwrapped", failures).map_or(Ok(None), Err)
    }

    /// A new data key for a file, wrapped by each of its KMS keys; `None` when it has none.
    pub(crate) async fn kms_wrap(&self, path: &str, file: &[u8]) -> Answer<Option<FreshKey>> {
        let keys = encrypt::kms_keys(path, file).unwrap_or_default();
        if keys.is_empty() {
            return Ok(None);
        }
        let refused = |why: Refusal| Failure::new(Outcome::NotDone, why.to_string());
        let key = encrypt::fresh(path).map_err(refused)?;
        let mut wrapped = Vec::with_capacity(keys.len());
        for one in &keys {
            match self.encrypt(one, &key).await {
                Ok(ciphertext) => wrapped.push(ciphertext),
                Err(failure) => {
                    let what = "a new data key for it could not be wrapped";
                    return together(path, what, vec![failure]).map_or(Ok(None), Err);
                }
            }
        }
        Ok(Some(FreshKey { key, wrapped }))
    }

    async fn decrypt(&self, key: &KmsKey) -> Answer<DataKey> {
        let request = self.kms(key).await?.decrypt().key_id(&key.arn);
        let request = request.ciphertext_blob(Blob::new(key.ciphertext.as_slice()));
        let request = key.context.iter().fold(request, |r, (name, value)| r.encryption_context(name, value));
        let answer = request.send().await.map_err(|error| told("kms:Decrypt", key, &error))?;
        let plaintext = answer.plaintext.map(Blob::into_inner);
        plaintext.and_then(|mut bytes| DataKey::take_from_slice(&mut bytes)).ok_or_else(|| {
            Failure::new(
                Outcome::Refused,
                format!("`{}` wraps something that is no data key of SOPS", key.arn),
            )
        })
    }

    async fn encrypt(&self, key: &KmsKey, data_key: &DataKey) -> Answer<Vec<u8>> {
        let request = self.kms(key).await?.encrypt().key_id(&key.arn);
        let request = request.plaintext(Blob::new(data_key.expose_secret().as_slice()));
        let request = key.context.iter().fold(request, |r, (name, value)| r.encryption_context(name, value));
        let answer = request.send().await.map_err(|error| told("kms:Encrypt", key, &error))?;
        let ciphertext = answer.ciphertext_blob.map(Blob::into_inner);
        ciphertext.ok_or_else(|| Failure::new(Outcome::NotDone, format!("`{}` gave no ciphertext", key.arn)))
    }

    async fn kms(&self, key: &KmsKey) -> Answer<Client> {
        let region = key.region().ok_or_else(|| {
            Failure::new(Outcome::Refused, format!("`{}` is no ARN of a key of AWS KMS", key.arn))
        })?;
        let aws = self.aws()?;
        let builder = aws_sdk_kms::config::Builder::from(aws.config()).region(Region::new(region.to_owned()));
        let mut builder = builder.interceptor(aws.clock());
        if let Some(role) = &key.role {
            let provider = AssumeRoleProvider::builder(role).session_name("keytide").configure(aws.config());
            builder = builder.credentials_provider(provider.build().await);
        }
        Ok(Client::from_conf(builder.build()))
    }
}

/// What an error tells of a request, which key it was about, and what to do.
fn told<E>(operation: &str, key: &KmsKey, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let whose = key.role.as_ref().map(|role| format!(" as `{role}`")).unwrap_or_default();
    let Failure { mut outcome, what } = failure(&format!("{operation} `{}`{whose}", key.arn), error, false);
    let advice = match error.code().unwrap_or_default() {
        code if code.starts_with("AccessDenied") => {
            // Nothing is wrong with the file: who may ask is not the same for every command.
            outcome = Outcome::NotDone;
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
    Failure::new(outcome, format!("{what}{advice}"))
}

/// Several failures as one, which may pass if one of them may; `None` for none.
fn together(path: &str, what: &str, failures: Vec<Failure>) -> Option<Failure> {
    let passes = |failure: &Failure| !matches!(failure.outcome, Outcome::Refused | Outcome::Missing);
    let outcome = if failures.iter().any(passes) { Outcome::NotDone } else { Outcome::Refused };
    let whys: Vec<String> = failures.into_iter().map(|failure| failure.what).collect();
    (!whys.is_empty()).then(|| Failure::new(outcome, format!("{path}: {what}: {}", whys.join("; "))))
}
