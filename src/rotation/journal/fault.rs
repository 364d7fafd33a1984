//! Names the contradictions between the entries of a journal.

use std::fmt;

use super::super::ids::KeyId;

/// Why an entry contradicts the entries before it, so that the journal cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalFault {
    RotationAlreadyOpen,
    /// A rotation has a number that is not higher than the last one.
    NumberReused(u32),
    /// A rotation skips more numbers than branches of a lost journal can explain.
    NumberSkipped(u32),
    NoOpenRotation,
    NothingToDeliver,
    SecondNewKey,
    UnknownDestination,
    NoNewKey,
    /// An entry of a rotation, in the retirement of a key, which makes none; or the reverse.
    NotInRetirement,
    NoRetirement,
    /// A first key has no key before it.
    NoOldKey,
    /// Only the rotation of a first key ends so, once every destination holds the key.
    NotDistributedFirstKey,
    /// A redeployment before its cause, a second one, or one that was never announced.
    UnexpectedRedeployment,
    /// The key is neither the old nor the new one of the rotation.
    ForeignKey(KeyId),
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RotationAlreadyOpen => f.write_str("a rotation begins while another is open"),
            Self::NumberReused(number) => write!(f, "rotation {number} begins a second time"),
            Self::NumberSkipped(number) => write!(f, "rotation {number} begins without those before it"),
            Self::NoOpenRotation => f.write_str("a step is recorded of a rotation that never began"),
            Self::NothingToDeliver => f.write_str("a delivery is recorded before a new key is staged"),
            Self::SecondNewKey => f.write_str("a second new key is staged"),
            Self::UnknownDestination => {
                f.write_str("a destination is staged that the rotation did not begin with")
            }
            Self::NoNewKey => f.write_str("a new key is mentioned before it is staged"),
            Self::NotInRetirement => f.write_str("a new key is mentioned while a key is being retired"),
            Self::NoRetirement => f.write_str("a reference is recorded that is of no retirement"),
            Self::NoOldKey => f.write_str("the rotation of a first key mentions an old key"),
            Self::NotDistributedFirstKey => {
                f.write_str("a rotation ends that brings no first key, or before every destination holds it")
            }
            Self::UnexpectedRedeployment => {
                f.write_str("a redeployment is recorded that the rotation does not have at this point")
            }
            Self::ForeignKey(key) => write!(f, "the rotation changes {key}, which is none of its keys"),
        }
    }
}
