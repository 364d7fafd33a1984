//! An AWS account described in YAML: the sample account of `keytide demo`, and the accounts in the tests of the rules.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    AccessKey, AccountInventory, DataSource, IamUser, KeyStatus, LastUse, Provenance, ServiceCredential,
    SourcedFact, UnknownReason,
};

/// The account in the file. Fields that are left out have the usual value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleAccount {
    #[serde(default = "default_account")]
    account: String,
    root_key: Option<bool>,
    users: Vec<SampleUser>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleUser {
    name: String,
    #[serde(default = "default_path")]
    path: String,
    #[serde(default)]
    keys: Vec<SampleKey>,
    console_password: Option<bool>,
    owner: Option<String>,
    #[serde(default)]
    quarantined: bool,
    /// `None`: they were not asked for.
    service_credentials: Option<Vec<SampleServiceCredential>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleServiceCredential {
    id: String,
    service: String,
    #[serde(default = "default_status")]
    status: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleKey {
    id: Option<String>,
    #[serde(default = "default_status")]
    status: String,
    created_at: Timestamp,
    last_used: Option<SampleLastUse>,
    /// The last use could not be read.
    #[serde(default)]
    last_used_unknown: bool,
    /// The date is the credential report's.
    #[serde(default)]
    may_be_older: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleLastUse {
    at: Timestamp,
    region: Option<String>,
    service: Option<String>,
}

fn default_account() -> String {
    "123456789012".to_owned()
}

fn default_path() -> String {
    "/".to_owned()
}

fn default_status() -> String {
    "Active".to_owned()
}

impl SampleAccount {
    /// Parses the YAML text.
    ///
    /// # Errors
    /// The parser's.
    pub fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(text)
    }

    /// Returns the inventory that a live audit at `now` would have read, for the users that a policy names.
    pub fn into_inventory<'n>(
        self,
        names: impl Iterator<Item = &'n str>,
        now: Timestamp,
    ) -> AccountInventory {
        let stamp = Provenance { source: DataSource::Iam, as_of: now };
        let missing = names.filter(|name| !self.users.iter().any(|user| user.name == *name));
        let missing = missing.map(str::to_owned).collect();
        let root_key = self
            .root_key
            .map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |known| SourcedFact::Known(known, stamp));
        let users = self.users.into_iter().map(|user| user.into_user(&self.account, stamp)).collect();
        AccountInventory {
            account: self.account,
            source: "iam",
            users,
            missing,
            root_key,
            faults: Vec::new(),
            limits: Vec::new(),
        }
    }
}

impl SampleUser {
    fn into_user(self, account: &str, stamp: Provenance) -> IamUser {
        let arn = format!("arn:aws:iam::{account}:user{}{}", self.path, self.name);
        IamUser {
            name: self.name,
            arn: Some(arn),
            keys: self.keys.into_iter().map(|key| key.into_access_key(stamp)).collect(),
            listed: stamp,
            console_password: self
                .console_password
                .map_or(SourcedFact::Unknown(UnknownReason::NotAsked), |p| SourcedFact::Known(p, stamp)),
            owner: SourcedFact::Known(self.owner, stamp),
            quarantined: SourcedFact::Known(self.quarantined, stamp),
            service_credentials: match self.service_credentials {
                Some(list) => {
                    SourcedFact::Known(list.into_iter().map(ServiceCredential::from).collect(), stamp)
                }
                None => SourcedFact::Unknown(UnknownReason::NotAsked),
            },
        }
    }
}

impl From<SampleServiceCredential> for ServiceCredential {
    fn from(sample: SampleServiceCredential) -> Self {
        Self {
            id: sample.id,
            service: sample.service,
            status: KeyStatus::from(sample.status.as_str()),
            created_at: sample.created_at,
            expires_at: sample.expires_at,
        }
    }
}

impl SampleKey {
    fn into_access_key(self, stamp: Provenance) -> AccessKey {
        let last_used =
            self.last_used.map(|last| LastUse { at: last.at, region: last.region, service: last.service });
        AccessKey {
            slot: if self.id.is_none() { Some(1) } else { None },
            id: self.id,
            status: KeyStatus::from(self.status.as_str()),
            created_at: self.created_at,
            may_be_older: self.may_be_older,
            last_used: if self.last_used_unknown {
                SourcedFact::Unknown(UnknownReason::Failed)
            } else {
                SourcedFact::Known(last_used, stamp)
            },
        }
    }
}
