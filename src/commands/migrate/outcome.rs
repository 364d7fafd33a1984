//! Defines what a run did with the changes.

/// What was done with the changes.
pub enum ChangesOutcome {
    /// They were only shown.
    Shown,
    Written,
    /// They were to be proposed, and that failed.
    NotProposed,
    Proposed(Proposal),
}

/// The pull request that brings the changes.
pub struct Proposal {
    /// Its page.
    pub page: String,
    /// This run has opened it.
    pub is_new: bool,
    /// Its files are as this run would write them.
    pub is_same: bool,
}

impl ChangesOutcome {
    /// Whether a pull request is open that must be closed first, since it has other changes.
    pub fn is_blocked(&self) -> bool {
        matches!(self, Self::Proposed(proposal) if !proposal.is_same)
    }
}
