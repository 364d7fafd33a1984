//! Delivers a credential to parameters, one for each value, by single requests: a pair, or three with an SMTP password.
//!
//! Parameter Store cannot write two parameters at once, so an application that reads between the writes gets values that
//! do not fit, in any order. The order decides what a run that died between them leaves. The access key ID says
//! which credential is there, so it is written last: while it is the old one, the delivery is not done and the next run
//! writes all. The other way round, a new ID beside the old secret access key would count as delivered.
//!
//! The versions of several parameters do not say which belong together, so each credential is kept in a version of the
//! pending parameter before it is replaced.

use secrecy::ExposeSecret as _;

use super::delivery::{MAX_TRIES, put_pending, refuse_faster_writers, require_newest, require_settings};
use super::policy::SsmParameter;
use super::requests::{ParameterStore, ParameterWrite};
use crate::destinations::json_credential::{describe_other_key, key_fingerprint};
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, into_secret};

/// Identifies the credential by the parameter of its access key ID.
pub async fn read_fingerprint(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
) -> BackendResult<Option<Fingerprint>> {
    let newest = store.read_newest(parameter, &parameter.access_key_id).await?;
    Ok(newest.map(|newest| key_fingerprint(newest.text.expose_secret()).into()))
}

/// Checks that a new credential could replace the old one.
pub async fn check_writable(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    old: Option<&str>,
) -> BackendResult<()> {
    let settings = require_settings(store, parameter, &parameter.access_key_id).await?;
    if settings.is_list {
        let what = format!("`{}` is a StringList", parameter.access_key_id);
        return Err(parameter.refuse(&what, "create it anew with the type SecureString or String"));
    }
    for name in &parameter.value_names()[1..] {
        if !require_settings(store, parameter, name).await?.is_secure {
            let what = format!("`{name}` is not encrypted");
            return Err(parameter.refuse(&what, "create it anew with the type SecureString"));
        }
    }
    let held = read_values(store, parameter).await?;
    match describe_other_key(held.access_key_id(), old) {
        Some((what, help)) => Err(parameter.refuse(&what, help)),
        None => Ok(()),
    }
}

/// Proves the permissions to write, before a key is created. The pending parameter gets an empty object; the writes of the
/// others may not replace them and fail with a conflict.
pub async fn dry_run_write(store: &impl ParameterStore, parameter: &SsmParameter) -> BackendResult<()> {
    for name in parameter.value_names() {
        let settings = require_settings(store, parameter, name).await?;
        let newest = require_newest(store, parameter, name).await?;
        let write = ParameterWrite { name, text: &newest.text, settings: &settings, may_replace: false };
        // The conflict is the expected answer: AWS checks permissions before it looks for the parameter.
        match store.put(parameter, &write).await {
            Ok(_) | Err(BackendError { kind: ErrorKind::Conflict, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    let settings = require_settings(store, parameter, &parameter.secret_access_key).await?;
    put_pending(store, parameter, &settings, into_secret("{}".to_owned())).await
}

/// Makes a credential that a version of the pending parameter holds the one in all parameters.
pub async fn write_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<Fingerprint> {
    let mut held = read_values(store, parameter).await?;
    let is_named = key_fingerprint(held.access_key_id()) == fingerprint;
    let Some(wanted) = find_kept(store, parameter, fingerprint).await? else {
        // A person wrote it there, so no version of the pending parameter knows its secret access key.
        if is_named {
            return Ok(fingerprint.into());
        }
        let help = "write the credential there by hand, or go on without it with `keytide resume`";
        let what = format!("no version of `{}` holds the key", parameter.pending_name());
        return Err(parameter.refuse(&what, help));
    };
    if !is_named {
        keep_credential(store, parameter, &held).await?;
    }
    for _ in 0..MAX_TRIES {
        if held.has_same_values(&wanted) {
            return Ok(fingerprint.into());
        }
        write_values(store, parameter, &held, &wanted).await?;
        // Read again: another writer may have put back a value between the writes, and the ID would hide it.
        held = read_values(store, parameter).await?;
    }
    Err(refuse_faster_writers(parameter))
}

/// Writes what differs, the access key ID last.
async fn write_values(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    held: &Credential,
    wanted: &Credential,
) -> BackendResult<()> {
    let (names, values, old) = (parameter.value_names(), wanted.expose_values(), held.expose_values());
    // Backwards: the access key ID is the first of them
    for index in (0..names.len()).rev() {
        let changed = values.get(index).filter(|value| old.get(index) != Some(value));
        let (name, Some(value)) = (names[index], changed) else { continue };
        let settings = require_settings(store, parameter, name).await?;
        let text = into_secret((*value).to_owned());
        let write = ParameterWrite { name, text: &text, settings: &settings, may_replace: true };
        store.put(parameter, &write).await?;
    }
    Ok(())
}

/// Keeps the credential that is about to be replaced, unless a version of the pending parameter has it: after a run that
/// died between the writes, the new secret access key is beside the old access key ID, and only the kept values fit.
async fn keep_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    held: &Credential,
) -> BackendResult<()> {
    if find_kept(store, parameter, &key_fingerprint(held.access_key_id())).await?.is_some() {
        return Ok(());
    }
    let settings = require_settings(store, parameter, &parameter.secret_access_key).await?;
    let text = parameter.pending_text(&settings, held)?;
    put_pending(store, parameter, &settings, text).await
}

async fn read_values(store: &impl ParameterStore, parameter: &SsmParameter) -> BackendResult<Credential> {
    let id = require_newest(store, parameter, &parameter.access_key_id).await?;
    let secret = require_newest(store, parameter, &parameter.secret_access_key).await?;
    let credential = Credential::new(id.text.expose_secret(), secret.text.expose_secret().to_owned());
    let Some(name) = &parameter.ses_smtp_password else { return Ok(credential) };
    let password = require_newest(store, parameter, name).await?;
    Ok(credential.with_smtp_password(password.text.expose_secret().to_owned()))
}

/// The credential of a fingerprint in the versions of the pending parameter, the newest first.
async fn find_kept(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<Option<Credential>> {
    for version in store.list_texts(parameter, &parameter.pending_name()).await? {
        if parameter.holds(&version.text, fingerprint) {
            return parameter.read_credential(&version.text).map(Some);
        }
    }
    Ok(None)
}
