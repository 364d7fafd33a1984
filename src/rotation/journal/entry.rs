//! One entry of a journal, and its JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rotation::ids::{DestinationId, Fingerprint, KeyId};
use crate::rotation::recipients::Recipients;
use crate::rotation::timing::is_plausible;

/// Everyone who can push can write an entry. The largest of keytide's holds the destinations of a policy file, which is at
/// most 256 KiB.
const MAX_ENTRY_BYTES: usize = 1 << 20;
/// A reason is shown in every report of a user, beside those of all others.
const MAX_REASON_CHARS: usize = 1_000;

/// The version that is written today. A later version may add fields, which are ignored, and events, which are not.
pub const JOURNAL_VERSION: u64 = 1;

/// What one run recorded at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    pub version: u64,
    pub user: Arc<str>,
    /// The server's time.
    pub at: Timestamp,
    pub run: Arc<str>,
    #[serde(flatten)]
    pub event: JournalEvent,
}

/// What happened, or is about to: an entry that announces a request is written before the request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JournalEvent {
    /// A run works on this user until then.
    Claim {
        until: Timestamp,
    },
    /// The run has ended, and each of its requests was answered.
    Release,
    /// A run took place and had nothing else to record.
    // As earlier versions wrote it: an entry is never written anew
    #[serde(rename = "touch")]
    Heartbeat,
    /// A rotation begins.
    Intent {
        number: u32,
        user_id: Arc<str>,
        /// The one key that existed.
        key: KeyId,
        places: Vec<DestinationSnapshot>,
        #[serde(default)]
        compromised: bool,
    },
    /// The first key of a user that has none is about to be made.
    FirstKey {
        number: u32,
        user_id: Arc<str>,
        places: Vec<DestinationSnapshot>,
    },
    /// The retirement of a key begins: the key goes, and no other takes its place.
    Retirement {
        number: u32,
        user_id: Arc<str>,
        key: KeyId,
    },
    /// Something refers again to the key that is being retired: its announcement no longer counts.
    Needed {
        key: KeyId,
        why: String,
    },
    /// CreateAccessKey is about to be sent.
    Create,
    /// The new credential is stored, encrypted, in the tree of this entry's commit.
    Staged {
        key: KeyId,
        files: BTreeMap<DestinationId, Fingerprint>,
        payloads: BTreeSet<DestinationId>,
        /// Who can decrypt it.
        #[serde(default)]
        recipients: Recipients,
    },
    /// AWS accepts the new key as one of this user.
    Verified,
    Proposed {
        pull_request: u64,
    },
    /// A store accepted its payload.
    Delivered {
        place: DestinationId,
        marker: Fingerprint,
    },
    /// A store rejected its payload permanently.
    Refused {
        place: DestinationId,
        why: String,
    },
    Distributed,
    /// The workflow of `redeploy` is about to be started.
    Redeploying {
        cause: RedeployCause,
    },
    /// It was started: the number of its run on GitHub.
    Redeployed {
        cause: RedeployCause,
        // `run` is the name of the run of keytide in every entry
        #[serde(rename = "workflow_run")]
        run: u64,
    },
    /// The first key is in use, and with that its rotation ends.
    Completed,
    /// A key is to be deactivated: from here on no run may publish it.
    Retiring {
        key: KeyId,
    },
    /// UpdateAccessKey is about to be sent.
    Deactivate {
        key: KeyId,
    },
    /// A key was seen inactive.
    InactiveSince {
        key: KeyId,
    },
    /// UpdateAccessKey is about to be sent.
    Activate {
        key: KeyId,
    },
    /// DeleteAccessKey is about to be sent.
    Delete {
        key: KeyId,
    },
    /// A key is deleted, and with it the rotation ends.
    Deleted {
        key: KeyId,
    },
    /// A key whose secret is lost is about to be deactivated or deleted.
    Discard {
        key: KeyId,
    },
    /// The new key is discarded.
    // As earlier versions wrote it
    #[serde(rename = "tombstone")]
    NewKeyAbandoned {
        key: KeyId,
        why: String,
    },
    Rollback {
        why: String,
    },
    /// The old key was reported as compromised.
    Compromised,
    Held {
        why: String,
    },
    /// A person has reviewed the user with this unique ID.
    Resumed {
        reason: String,
        user_id: Arc<str>,
    },
    /// A step failed, and it is known that it had no effect.
    Failed {
        step: String,
        why: String,
    },
    /// Another version's event.
    #[serde(untagged)]
    Other {
        event: String,
    },
}

/// A destination as it was when the rotation began. A later change of the policy file does not move it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DestinationSnapshot {
    #[serde(rename = "place")]
    pub destination: DestinationId,
    pub kind: StorageKind,
    /// What it held.
    #[serde(rename = "marker")]
    pub fingerprint: Option<Fingerprint>,
    /// The policy file's words for it.
    #[serde(default)]
    pub spec: serde_json::Value,
}

/// Why the workflow of `redeploy` is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedeployCause {
    /// Every destination holds the new key.
    Delivery,
    /// Every destination holds the old key again.
    Rollback,
}

/// How a destination stores the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// In a file of the repository: a merge publishes it.
    File,
    /// In a store that can be given its former version back.
    Versioned,
    /// In a store that forgets what it held.
    Store,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    #[error("an entry is not one of keytide's: it has {0} bytes")]
    TooLong(usize),
    /// With the parser's message.
    #[error("an entry is not one of keytide's ({0})")]
    UnknownForm(String),
    #[error("an entry is not one of keytide's: it is of {at}, until {until}")]
    ImpossibleTime { at: Timestamp, until: Timestamp },
}

impl JournalEvent {
    /// The name in the journal.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["event"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Cuts a reason off where no reader of a report would miss more.
    fn shorten_reason(&mut self) {
        let (Self::Refused { why: text, .. }
        | Self::Needed { why: text, .. }
        | Self::NewKeyAbandoned { why: text, .. }
        | Self::Rollback { why: text }
        | Self::Held { why: text }
        | Self::Resumed { reason: text, .. }
        | Self::Failed { why: text, .. }) = self
        else {
            return;
        };
        if let Some((end, _)) = text.char_indices().nth(MAX_REASON_CHARS) {
            text.truncate(end);
            text.push('…');
        }
    }

    /// Whether a request to IAM that changes a key is sent right after it.
    pub fn is_announcement(&self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Deactivate { .. }
                | Self::Activate { .. }
                | Self::Delete { .. }
                | Self::Discard { .. }
        )
    }
}

impl JournalEntry {
    /// Reads one entry.
    ///
    /// # Errors
    /// The reason why the bytes are no entry.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, InvalidEntry> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(InvalidEntry::TooLong(bytes.len()));
        }
        let mut entry: Self =
            serde_json::from_slice(bytes).map_err(|error| InvalidEntry::UnknownForm(error.to_string()))?;
        entry.event.shorten_reason();
        // An absurd time would overflow the sums of the protocol
        let until = if let JournalEvent::Claim { until } = entry.event { until } else { entry.at };
        if !is_plausible(entry.at) || !is_plausible(until) {
            return Err(InvalidEntry::ImpossibleTime { at: entry.at, until });
        }
        Ok(entry)
    }

    /// The entry as it is committed: one line of JSON for each field, since people read it.
    pub fn render_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
