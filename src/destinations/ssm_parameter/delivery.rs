//! Delivers a credential to a parameter that holds JSON by single requests: the same steps for AWS and for the simulation.
//!
//! A write to Parameter Store replaces whatever is the newest version. The reply has the number of the version that was
//! written: a gap after the version that was read shows that others wrote in between. Their text is then taken as the
//! base, and the credential is written once more.

use secrecy::{ExposeSecret as _, SecretString};

use super::policy::SsmParameter;
use super::requests::{ParameterSettings, ParameterStore, ParameterVersion, ParameterWrite};
use crate::destinations::encryption::SealError;
use crate::destinations::json_credential::{JsonCredential, JsonTextError, key_fingerprint};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, into_secret};

/// The attempts to write a text onto the newest version.
pub const MAX_TRIES: usize = 5;
/// The longest text of a parameter of the standard tier, and of any other, in bytes.
const STANDARD_BYTES: usize = 4_096;
const ADVANCED_BYTES: usize = 8_192;

/// Identifies the credential of the newest version. A change of other fields does not change it.
pub async fn read_fingerprint(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
) -> BackendResult<Option<Fingerprint>> {
    let Some(newest) = store.read_newest(parameter, parameter.json_name()).await? else { return Ok(None) };
    let held = parameter.read_credential(&newest.text)?;
    Ok(Some(key_fingerprint(held.access_key_id()).into()))
}

/// Checks that a new credential could replace the old one.
pub async fn check_writable(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    old: Option<&str>,
) -> BackendResult<()> {
    let settings = require_settings(store, parameter, parameter.json_name()).await?;
    if !settings.is_secure {
        let help = "create it anew with the type SecureString";
        return Err(parameter.refuse("it is not encrypted", help));
    }
    let newest = require_newest(store, parameter, parameter.json_name()).await?;
    let fields = parameter.json_fields(&settings);
    fields.check_text(newest.text.expose_secret(), old).map_err(|why| parameter.refuse_text(why))
}

/// Proves the permissions to write, before a key is created. The pending parameter gets an empty object; the write of the
/// parameter itself may not replace it and fails with a conflict.
pub async fn dry_run_write(store: &impl ParameterStore, parameter: &SsmParameter) -> BackendResult<()> {
    let settings = require_settings(store, parameter, parameter.json_name()).await?;
    let newest = require_newest(store, parameter, parameter.json_name()).await?;
    let write = ParameterWrite {
        name: parameter.json_name(),
        text: &newest.text,
        settings: &settings,
        may_replace: false,
    };
    // The conflict is the expected answer: AWS checks permissions before it looks for the parameter.
    match store.put(parameter, &write).await {
        Ok(_) | Err(BackendError { kind: ErrorKind::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    put_pending(store, parameter, &settings, into_secret("{}".to_owned())).await
}

/// Puts the new credential into the pending parameter, which is encrypted like the parameter of this name.
pub async fn stage_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    name: &str,
    credential: &Credential,
) -> BackendResult<Fingerprint> {
    let settings = require_settings(store, parameter, name).await?;
    let text = parameter.pending_text(&settings, credential)?;
    put_pending(store, parameter, &settings, text).await?;
    Ok(key_fingerprint(credential.access_key_id()).into())
}

/// Puts a text into the pending parameter, which is encrypted as the parameter with these settings.
pub async fn put_pending(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    settings: &ParameterSettings,
    text: SecretString,
) -> BackendResult<()> {
    // A pattern is for the parameter's whole text, of which the pending one is a part.
    let settings = ParameterSettings {
        description: Some("A new access key, until its rotation is merged (keytide)".to_owned()),
        allowed_pattern: None,
        ..settings.clone()
    };
    let name = parameter.pending_name();
    let write = ParameterWrite { name: &name, text: &text, settings: &settings, may_replace: true };
    store.put(parameter, &write).await?;
    Ok(())
}

/// Makes a credential the newest, of the pending parameter or of an earlier version. Every other field stays as it is in
/// the newest version.
pub async fn write_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<Fingerprint> {
    let newest = require_newest(store, parameter, parameter.json_name()).await?;
    let held = parameter.read_credential(&newest.text)?;
    if key_fingerprint(held.access_key_id()) != fingerprint {
        let wanted = find_credential(store, parameter, fingerprint).await?;
        write_onto_newest(store, parameter, newest, &wanted).await?;
    }
    // Only now: until the parameter itself holds the credential, the pending one is its only copy.
    remove_pending(store, parameter, fingerprint).await?;
    Ok(fingerprint.into())
}

async fn write_onto_newest(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    mut base: ParameterVersion,
    wanted: &Credential,
) -> BackendResult<()> {
    let settings = require_settings(store, parameter, parameter.json_name()).await?;
    let fields = parameter.json_fields(&settings);
    let mut next_number = base.number + 1;
    for _ in 0..MAX_TRIES {
        let text = fields
            .merge_credential(base.text.expose_secret(), wanted)
            .map_err(|why| parameter.refuse_text(why))?;
        let write = ParameterWrite {
            name: parameter.json_name(),
            text: &text,
            settings: &settings,
            may_replace: true,
        };
        let written = store.put(parameter, &write).await?;
        // No other version came in between, so nothing was hidden.
        if written == next_number {
            return Ok(());
        }
        // Others wrote since the base was read, and this write has hidden their text.
        let Some(hidden) = find_version(store, parameter, written - 1).await? else { return Ok(()) };
        let merged = fields
            .merge_credential(hidden.text.expose_secret(), wanted)
            .map_err(|why| parameter.refuse_text(why))?;
        if merged.expose_secret() == text.expose_secret() {
            return Ok(());
        }
        base = hidden;
        next_number = written + 1;
    }
    Err(refuse_faster_writers(parameter))
}

/// The error of a write that other writers hid each time.
pub fn refuse_faster_writers(parameter: &SsmParameter) -> BackendError {
    let what =
        format!("`ssm_parameter {}`: others write it faster than keytide", parameter.destination_target());
    BackendError::new(ErrorKind::NotApplied, what)
}

/// Removes the pending parameter once its credential is the newest. If that is not permitted, it stays until the next
/// rotation replaces it.
async fn remove_pending(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<()> {
    let name = parameter.pending_name();
    let Some(pending) = store.read_newest(parameter, &name).await? else { return Ok(()) };
    // A rollback brings an old credential back; the pending parameter then belongs to the new one.
    if !parameter.holds(&pending.text, fingerprint) {
        return Ok(());
    }
    match store.delete(parameter, &name).await {
        Ok(()) | Err(BackendError { kind: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn find_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<Credential> {
    if let Some(pending) = store.read_newest(parameter, &parameter.pending_name()).await?
        && parameter.holds(&pending.text, fingerprint)
    {
        return parameter.read_credential(&pending.text);
    }
    for version in store.list_texts(parameter, parameter.json_name()).await? {
        if parameter.holds(&version.text, fingerprint) {
            return parameter.read_credential(&version.text);
        }
    }
    let help = "write the credential there by hand, or go on without it with `keytide resume`";
    Err(parameter.refuse("none of its versions holds the key any more", help))
}

async fn find_version(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    number: u64,
) -> BackendResult<Option<ParameterVersion>> {
    Ok(store
        .list_texts(parameter, parameter.json_name())
        .await?
        .into_iter()
        .find(|version| version.number == number))
}

/// The newest version of a parameter, which must exist.
pub async fn require_newest(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    name: &str,
) -> BackendResult<ParameterVersion> {
    store.read_newest(parameter, name).await?.ok_or_else(|| parameter.refuse_missing(name))
}

/// The settings of a parameter, which must exist.
pub async fn require_settings(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    name: &str,
) -> BackendResult<ParameterSettings> {
    store.read_settings(parameter, name).await?.ok_or_else(|| parameter.refuse_missing(name))
}

impl SsmParameter {
    /// The fields, in the parameter that holds JSON, or in the pending one.
    pub fn json_fields(&self, settings: &ParameterSettings) -> JsonCredential<'_> {
        let is_standard = settings.tier.as_deref().is_none_or(|tier| tier == "Standard");
        JsonCredential {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            ses_smtp_password: self.ses_smtp_password.as_ref(),
            max_bytes: if is_standard { STANDARD_BYTES } else { ADVANCED_BYTES },
            container: "parameter",
        }
    }

    /// What the pending parameter holds: the credential alone. Other fields would be old by the time of the merge.
    pub fn pending_text(
        &self,
        settings: &ParameterSettings,
        credential: &Credential,
    ) -> BackendResult<SecretString> {
        self.json_fields(settings).write_alone(credential).map_err(|why| self.refuse_text(why))
    }

    pub fn read_credential(&self, text: &SecretString) -> BackendResult<Credential> {
        let fields = self.json_fields(&ParameterSettings::default());
        fields.read_credential(text.expose_secret()).map_err(|why| self.refuse_text(why))
    }

    /// Whether a text holds the credential of a fingerprint. A text without a credential does not.
    pub fn holds(&self, text: &SecretString, fingerprint: &str) -> bool {
        self.read_credential(text).is_ok_and(|held| key_fingerprint(held.access_key_id()) == fingerprint)
    }

    pub fn refuse_text(&self, why: JsonTextError) -> BackendError {
        self.refuse(&why.message, &why.help)
    }

    fn refuse_missing(&self, name: &str) -> BackendError {
        let help = match &self.json {
            Some(_) => {
                "create it as a SecureString, a JSON object with the fields, or correct `json` and `region`"
            }
            None => "create it, or correct its name and `region`",
        };
        match &self.json {
            Some(_) => self.refuse("there is no such parameter", help),
            None => self.refuse(&format!("there is no parameter `{name}`"), help),
        }
    }

    /// A refusal that says which parameter it is about.
    pub fn refuse(&self, what: &str, help: &str) -> BackendError {
        let what = format!("`ssm_parameter {}`: {what}", self.destination_target());
        BackendError::new(ErrorKind::Rejected, SealError::outside_files(what, help).to_string())
    }
}
