//! Reads a policy file and its base files, checks them, and merges the levels into a [`Policy`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use super::document::{parse_document, to_diagnostics};
use super::file::{BaseFile, KeyLimits, Located, PolicyFile, RotationPatch, UserEntry};
use super::resolved::{Policy, RETIREMENT_QUIET, RETIREMENT_SOAK, RotationPolicy, UserPolicy, UserSelector};
use super::scalar::{FilePath, PolicyDuration, Scalar};
use super::suggest::suggest_name;
use super::{check, presets, schema};
use crate::diagnostic::{Diagnostic, Position, SourceFault};
use crate::repository::file_content::FileContent;
use crate::yaml::strict;

/// How many files may extend one another.
const MAX_BASES: usize = 8;
const EMPTY_FILE_HELP: &str = "start with `version: 1` and `users:`; `keytide init` generates a policy file, `keytide explain policy` prints every field";

/// The bytes of a policy file, its name, and how to read the files that it extends.
pub struct PolicySource<'a> {
    pub file: &'a str,
    pub bytes: &'a [u8],
    /// Reads a file that `extends` names, relative to `file`.
    pub read_base: &'a dyn Fn(&str) -> FileContent,
}

/// Reads a policy file. `read` opens the files that `extends` names, whose paths are relative to the policy file's folder.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_policy_with_bases(
    file: &str,
    bytes: &[u8],
    read: &dyn Fn(&Path) -> FileContent,
    rules: &[&str],
) -> Result<Policy, Vec<Diagnostic>> {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    read_policy(&PolicySource { file, bytes, read_base: &|name: &str| read(&folder.join(name)) }, rules)
}

/// Reads a policy file. `rules` are the names that an exemption may list.
///
/// # Errors
/// Every error in the file and its base files, in the order of the text.
pub fn read_policy(source: &PolicySource<'_>, rules: &[&str]) -> Result<Policy, Vec<Diagnostic>> {
    let text =
        strict::decode_utf8(source.bytes).map_err(|fault| to_diagnostics(source.file, "", vec![fault]))?;
    let schema = schema::read_shape(schema::POLICY_SHAPE);
    let (file, mut faults) = parse_document::<PolicyFile>(text, &schema, rules, EMPTY_FILE_HELP);
    let Some(file) = file else { return Err(to_diagnostics(source.file, text, faults)) };
    // Also after other errors, so that one run shows everything that is wrong.
    faults.extend(check::check_policy(&file));
    let base = match load_bases(source, &file) {
        Ok(base) => base,
        Err(BaseError::AtExtends(fault)) => {
            faults.push(fault);
            BaseSettings::default()
        }
        Err(BaseError::InBaseFile(mut diagnostics)) => {
            diagnostics.extend(to_diagnostics(source.file, text, faults));
            return Err(diagnostics);
        }
    };
    if faults.is_empty() {
        Ok(resolve_policy(source.file, file, base))
    } else {
        Err(to_diagnostics(source.file, text, faults))
    }
}

/// What the base files set; a nearer one overrides a farther one.
#[derive(Default)]
struct BaseSettings {
    limits: KeyLimits,
    rotation: RotationPatch,
    controls: BTreeMap<String, Vec<String>>,
}

/// Why the base files cannot be used.
enum BaseError {
    /// The value of `extends` in the policy file is wrong.
    AtExtends(SourceFault),
    /// A base file has errors itself.
    InBaseFile(Vec<Diagnostic>),
}

fn load_bases(source: &PolicySource<'_>, file: &PolicyFile) -> Result<BaseSettings, BaseError> {
    let schema = schema::read_shape(schema::BASE_SHAPE);
    let mut base = BaseSettings::default();
    let first = file.extends.clone();
    let at = first.as_ref().map_or(Position::START, |extends| extends.at);
    let mut next = Some(first.map_or_else(|| presets::DEFAULT.to_owned(), |extends| extends.value));
    for _ in 0..MAX_BASES {
        let Some(name) = next.take() else { return Ok(base) };
        let bytes = open_base(source, &name, at)?;
        let shown = resolve_relative_path(source.file, &name);
        let text = strict::decode_utf8(&bytes)
            .map_err(|fault| BaseError::InBaseFile(to_diagnostics(&shown, "", vec![fault])))?;
        let (read, faults) = parse_document::<BaseFile>(text, &schema, &[], EMPTY_FILE_HELP);
        // Without the limits that could not be read, the policy would allow more than its author wrote.
        let (Some(read), true) = (read, faults.is_empty()) else {
            return Err(BaseError::InBaseFile(to_diagnostics(&shown, text, faults)));
        };
        // The nearer file was read first, so what is set already stays.
        base.limits = base.limits.merge_over(read.limits);
        base.rotation = base.rotation.merge_over(read.rotation);
        for (rule, list) in read.controls {
            base.controls.entry(rule).or_insert(list);
        }
        next = read.extends.map(|extends| extends.value);
    }
    Err(extends_error(
        at,
        format!("more than {MAX_BASES} files extend one another"),
        "look for a cycle of `extends`",
    ))
}

fn extends_error(at: Position, message: String, help: impl Into<String>) -> BaseError {
    BaseError::AtExtends(SourceFault { at, width: 1, message, help: None }.with_help(help))
}

/// Returns the path of a file whose name is relative to another file's folder.
fn resolve_relative_path(file: &str, name: &str) -> String {
    file.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}

/// Returns the bytes of a preset or of a base file. `at` is where the policy file names it.
fn open_base(source: &PolicySource<'_>, name: &str, at: Position) -> Result<Vec<u8>, BaseError> {
    if let Some(text) = presets::find_preset(name) {
        return Ok(text.as_bytes().to_vec());
    }
    if !name.contains(['.', '/']) {
        let help = suggest_name(name, &presets::preset_names());
        return Err(extends_error(at, format!("unknown preset `{name}`"), help));
    }
    // A base file outside the repository would not be part of what its review covers.
    FilePath::parse(name.strip_prefix("./").unwrap_or(name))
        .map_err(|error| extends_error(at, format!("cannot extend `{name}`"), error.help()))?;
    let reason = match (source.read_base)(name) {
        FileContent::Bytes(bytes) => return Ok(bytes),
        FileContent::Absent => "it does not exist".to_owned(),
        FileContent::Unreadable(reason) => reason,
    };
    let help = "the path is relative to the folder of this file";
    Err(extends_error(at, format!("cannot read `{name}`: {reason}"), help))
}

fn resolve_policy(name: &str, file: PolicyFile, base: BaseSettings) -> Policy {
    let limits = file.limits.merge_over(base.limits);
    let rotation = file.rotation.merge_over(base.rotation);
    let users = file.users.into_iter().filter_map(|entry| resolve_entry(entry, limits, &rotation)).collect();
    let rotation = apply_defaults(rotation, &limits, false);
    Policy {
        file: name.to_owned(),
        account: file.account,
        role_arn: file.role_arn,
        users,
        rotation,
        claim: file.claim,
        exemptions: file.exemptions,
        controls: base.controls,
        notify: file.notify.map(|notify| notify.value).unwrap_or_default(),
        selectors: OnceLock::new(),
        claims: OnceLock::new(),
    }
}

fn resolve_entry(
    entry: Located<UserEntry>,
    limits: KeyLimits,
    rotation: &RotationPatch,
) -> Option<UserPolicy> {
    let Located { at, value } = entry;
    let who = match (value.name, value.matches) {
        (Some(name), _) => UserSelector::Name(name),
        (None, Some(glob)) => UserSelector::Match { glob, path: value.path },
        (None, None) => return None,
    };
    let limits = value.limits.merge_over(limits);
    let file_rotation = rotation.clone();
    let rotation = value.rotation.map(|own| {
        let is_own_grace = own.grace.is_some();
        apply_defaults(own.merge_over(rotation.clone()), &limits, is_own_grace)
    });
    let retire = value.retire.map(|own| RotationPolicy {
        quiet: own.quiet.map_or(RETIREMENT_QUIET, |quiet| quiet.0),
        soak: own.soak.map_or(RETIREMENT_SOAK, |soak| soak.0),
        ..apply_defaults(file_rotation, &limits, false)
    });
    let (destination_positions, destinations) =
        value.destinations.into_iter().map(|destination| (destination.at, destination.value)).unzip();
    let allow = value.allow;
    Some(UserPolicy {
        at,
        selector: who,
        limits,
        allow,
        rotation,
        retire,
        destinations,
        destination_positions,
    })
}

/// Fills in keytide's defaults.
fn apply_defaults(patch: RotationPatch, limits: &KeyLimits, is_own_grace: bool) -> RotationPolicy {
    let wanted = patch.start_at.unwrap_or(PolicyDuration::from_days(75));
    // A rotation that starts after the first warning would let every audit warn about a key that is taken care of.
    let latest = limits.max_age.map(|max| {
        let warn = limits.warn_before.unwrap_or(PolicyDuration::from_days(0));
        PolicyDuration(max.0.saturating_sub(warn.0).max(jiff::SignedDuration::ZERO))
    });
    RotationPolicy {
        start_at: latest.map_or(wanted, |latest| wanted.min(latest)),
        grace: patch.grace.unwrap_or(PolicyDuration::from_days(7)),
        is_own_grace,
        quiet: patch.quiet.map_or(PolicyDuration::from_days(3), |quiet| quiet.0),
        soak: patch.soak.map_or(PolicyDuration::from_days(14), |soak| soak.0),
        describe_keys: patch.describe_keys.unwrap_or(true),
        require_use: patch.require_use.unwrap_or(true),
        validate: patch.validate,
        redeploy: patch.redeploy,
        reviewers: patch.reviewers.unwrap_or_default(),
        labels: patch.labels.unwrap_or_default(),
    }
}

impl Default for RotationPolicy {
    fn default() -> Self {
        apply_defaults(RotationPatch::default(), &KeyLimits::default(), false)
    }
}

impl KeyLimits {
    /// Takes each field from `self` where it is set, else from `base`.
    fn merge_over(self, base: Self) -> Self {
        Self {
            max_age: self.max_age.or(base.max_age),
            warn_before: self.warn_before.or(base.warn_before),
            max_active_keys: self.max_active_keys.or(base.max_active_keys),
            max_unused: self.max_unused.or(base.max_unused),
            max_inactive: self.max_inactive.or(base.max_inactive),
            max_service_credential_age: self.max_service_credential_age.or(base.max_service_credential_age),
            max_active_service_credentials: self
                .max_active_service_credentials
                .or(base.max_active_service_credentials),
        }
    }
}

impl RotationPatch {
    /// Takes each field from `self` where it is set, else from `base`.
    fn merge_over(self, base: Self) -> Self {
        Self {
            start_at: self.start_at.or(base.start_at),
            grace: self.grace.or(base.grace),
            quiet: self.quiet.or(base.quiet),
            soak: self.soak.or(base.soak),
            describe_keys: self.describe_keys.or(base.describe_keys),
            require_use: self.require_use.or(base.require_use),
            validate: self.validate.or(base.validate),
            redeploy: self.redeploy.or(base.redeploy),
            reviewers: self.reviewers.or(base.reviewers),
            labels: self.labels.or(base.labels),
        }
    }
}
