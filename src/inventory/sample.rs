//! An account written down as YAML: the sample account of `keytide demo`, and the accounts of the rules' tests.

use jiff::Timestamp;
use serde::Deserialize;

use super::{AccessKey, Fact, Inventory, LastUse, Source, Stamp, Status, User, Why};

/// An account as a person writes it. What is left out is what is usual.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[serde(default = "account")]
    account: String,
    root_key: Option<bool>,
    users: Vec<SampleUser>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleUser {
    name: String,
    #[serde(default = "path")]
    path: String,
    #[serde(default)]
    keys: Vec<SampleKey>,
    console_password: Option<bool>,
    owner: Option<String>,
    #[serde(default)]
    quarantined: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleKey {
    id: Option<String>,
    #[serde(default = "active")]
    status: String,
    created_at: Timestamp,
    last_used: Option<Use>,
    /// The last use could not be read.
    #[serde(default)]
    last_used_unknown: bool,
    /// The date is the credential report's.
    #[serde(default)]
    may_be_older: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    at: Timestamp,
    region: Option<String>,
    service: Option<String>,
}

fn account() -> String {
    "123456789012".to_owned()
}

fn path() -> String {
    "/".to_owned()
}

fn active() -> String {
    "Active".to_owned()
}

impl Account {
    /// Reads the text.
    ///
    /// # Errors
    /// Says where the text is not what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    /// The account as it would have been read live at `now`, for the users that a policy names.
    pub fn inventory<'n>(self, names: impl Iterator<Item = &'n str>, now: Timestamp) -> Inventory {
        let stamp = Stamp { source: Source::Iam, as_of: now };
        let known = |name: &str| self.users.iter().any(|user| user.name == name);
        let missing = names.filter(|name| !known(name)).map(str::to_owned).collect();
        let root_key = self.root_key.map_or(Fact::Unknown(Why::NotAsked), |known| Fact::Known(known, stamp));
        let users = self.users.into_iter().map(|user| user.user(&self.account, stamp)).collect();
        Inventory {
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
    fn user(self, account: &str, stamp: Stamp) -> User {
        let arn = format!("arn:aws:iam::{account}:user{}{}", self.path, self.name);
        User {
            name: self.name,
            arn: Some(arn),
            keys: self.keys.into_iter().map(|key| key.key(stamp)).collect(),
            listed: stamp,
            console_password: self
                .console_password
                .map_or(Fact::Unknown(Why::NotAsked), |p| Fact::Known(p, stamp)),
            owner: Fact::Known(self.owner, stamp),
            quarantined: Fact::Known(self.quarantined, stamp),
        }
    }
}

impl SampleKey {
    fn key(self, stamp: Stamp) -> AccessKey {
        let last_used =
            self.last_used.map(|last| LastUse { at: last.at, region: last.region, service: last.service });
        AccessKey {
            slot: if self.id.is_none() { Some(1) } else { None },
            id: self.id,
            status: Status::from(self.status.as_str()),
            created_at: self.created_at,
            may_be_older: self.may_be_older,
            last_used: if self.last_used_unknown {
                Fact::Unknown(Why::Failed)
            } else {
                Fact::Known(last_used, stamp)
            },
        }
    }
}
