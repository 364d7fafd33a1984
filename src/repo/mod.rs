//! What is known of the repository that keytide runs for.

/// The repository's names. GitHub's numeric ID never changes hands, a name can: ownership goes by the ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// `OWNER/NAME`.
    pub name: Option<String>,
    pub id: Option<u64>,
}
