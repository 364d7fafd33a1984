//! Reads the profile that the AWS SDK will take its credentials from, so that a failure can be explained.

use aws_config::profile::{self, Profile, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use crate::error::CommandError;

/// The longest chain of `source_profile` that is followed.
const MAX_CHAIN: usize = 16;
/// The settings that name endpoints: of all services, and a section with those of single ones.
const ENDPOINT_SETTINGS: [&str; 2] = ["endpoint_url", "services"];
/// The settings with which the SDK requests credentials from a service.
const REQUEST_SETTINGS: [&str; 5] =
    ["role_arn", "sso_session", "sso_start_url", "login_session", "web_identity_token_file"];

/// The profile that AWS_PROFILE names, else `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedProfile {
    pub name: String,
    pub source: ProfileSource,
    /// The `source_profile` that does not exist, of this profile or of one that it names.
    pub missing_source: Option<String>,
    pub region: Option<String>,
    /// The file of certificates that its requests trust.
    pub ca_bundle: Option<String>,
    /// The file with the token for the role of this profile, or of one that it names.
    pub token_file: Option<String>,
    /// The setting that sends its requests for credentials to another server. `None` also if it makes no such request.
    pub credential_endpoint: Option<&'static str>,
}

/// Where a profile, or the one that it names as its source, takes its credentials from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileSource {
    /// IAM Identity Center: `aws sso login`.
    Sso,
    /// A session of the console: `aws login`.
    Login,
    /// A program that prints them.
    Process,
    Other,
}

/// The profiles of the shared files.
pub struct Profiles {
    set: ProfileSet,
}

impl Profiles {
    /// Reads the shared files, of which the profile with this name is used.
    ///
    /// # Errors
    /// A file is not valid.
    pub async fn read(name: &str) -> Result<Self, CommandError> {
        // The default files: the SDK names their type in a crate of its own.
        let files = Default::default();
        let set = profile::load(&Fs::real(), &Env::real(), &files, Some(name.to_owned().into())).await;
        let set = set.map_err(|error| {
            let reason =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            CommandError::environment(format!("the AWS profiles cannot be read: {reason}"))
                .with_help("correct ~/.aws/config or ~/.aws/credentials")
        })?;
        Ok(Self { set })
    }

    /// The names of all profiles, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.set.profiles().collect();
        names.sort_unstable();
        names
    }

    /// The selected profile; `None` if there is none of that name.
    pub fn selected(&self) -> Option<SelectedProfile> {
        let profile = self.set.get_profile(self.set.selected_profile())?;
        let (source, missing_source) = self.source_of(profile);
        Some(SelectedProfile {
            name: profile.name().to_owned(),
            source,
            missing_source,
            region: profile.get("region").map(str::to_owned),
            ca_bundle: profile.get("ca_bundle").map(str::to_owned),
            token_file: self.token_file_of(profile).map(str::to_owned),
            credential_endpoint: credential_endpoint(profile),
        })
    }

    fn token_file_of<'p>(&'p self, profile: &'p Profile) -> Option<&'p str> {
        let mut profile = profile;
        for _ in 0..MAX_CHAIN {
            if let Some(file) = profile.get("web_identity_token_file") {
                return Some(file);
            }
            profile = self.set.get_profile(profile.get("source_profile")?)?;
        }
        None
    }

    fn source_of(&self, profile: &Profile) -> (ProfileSource, Option<String>) {
        let mut profile = profile;
        // Bounded, since two profiles can name each other as their source
        for _ in 0..MAX_CHAIN {
            if is_set(profile, "sso_session") || is_set(profile, "sso_start_url") {
                return (ProfileSource::Sso, None);
            }
            if is_set(profile, "login_session") {
                return (ProfileSource::Login, None);
            }
            if is_set(profile, "credential_process") {
                return (ProfileSource::Process, None);
            }
            let Some(next) = profile.get("source_profile") else { break };
            match self.set.get_profile(next) {
                Some(next) => profile = next,
                None => return (ProfileSource::Other, Some(next.to_owned())),
            }
        }
        (ProfileSource::Other, None)
    }
}

/// The setting of a profile that names the endpoints of the services from which it gets credentials.
fn credential_endpoint(profile: &Profile) -> Option<&'static str> {
    // A key, or a program that prints one, takes no request of the SDK, unless a role or a session comes before it
    let is_local = is_set(profile, "aws_access_key_id") || is_set(profile, "credential_process");
    if is_local && !REQUEST_SETTINGS.into_iter().any(|name| is_set(profile, name)) {
        return None;
    }
    ENDPOINT_SETTINGS.into_iter().find(|name| is_set(profile, name))
}

fn is_set(profile: &Profile, name: &str) -> bool {
    profile.get(name).is_some()
}
