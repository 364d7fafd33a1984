//! Which files of a commit are searched for the keys of a rotation, beside those of the destinations.

use globset::GlobSet;

use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::repository::WORKFLOW_FOLDER;

/// The files of a `reference`, and for a retirement the workflows too, which no `reference` covers since a rotation may not
/// change them.
pub struct SearchedFiles<'a> {
    destinations: &'a [Destination],
    globs: Option<GlobSet>,
    retires: bool,
}

impl<'a> SearchedFiles<'a> {
    /// Those of a rotation with these destinations.
    ///
    /// # Errors
    /// A glob is broken.
    pub fn of_rotation(destinations: &'a [Destination], retires: bool) -> BackendResult<Self> {
        Ok(Self { destinations, globs: reference_globs(destinations)?, retires })
    }

    /// Whether no file can be one of them.
    pub fn is_empty(&self) -> bool {
        self.globs.is_none() && !self.retires
    }

    pub fn contains(&self, path: &str) -> bool {
        self.globs.as_ref().is_some_and(|globs| globs.is_match(path))
            || (self.retires && path.starts_with(WORKFLOW_FOLDER))
    }

    /// Refuses links and submodules where the key is searched for: what they lead to is not read. A rotation only leaves
    /// them out, since its new key is in use before the old one goes.
    ///
    /// # Errors
    /// There is one, or the links of the commit cannot be listed.
    pub async fn ensure_no_link(&self, world: &impl Backend, commit: &str) -> BackendResult<()> {
        for link in world.list_links(commit).await? {
            if self.contains(&link) || self.may_be_below(&link) {
                let what = format!(
                    "`{link}` is a link or a submodule, which keytide does not follow: it may name the key"
                );
                return Err(BackendError::new(ErrorKind::Rejected, what));
            }
        }
        Ok(())
    }

    /// Whether a path below a link or a submodule can be one of them: one to a folder has the paths of its files there.
    fn may_be_below(&self, link: &str) -> bool {
        let reference = self.destinations.iter().find_map(Destination::as_reference);
        reference.is_some_and(|reference| reference.may_match_below(link))
            || (self.retires && WORKFLOW_FOLDER.starts_with(&format!("{link}/")))
    }
}

/// The globs of the reference; `None` when there is none.
///
/// # Errors
/// One of them is broken: what it would have found is not known.
pub fn reference_globs(destinations: &[Destination]) -> BackendResult<Option<GlobSet>> {
    let Some(reference) = destinations.iter().find_map(Destination::as_reference) else { return Ok(None) };
    reference.compile_globs().map(Some).map_err(|error| {
        BackendError::new(ErrorKind::Rejected, format!("a glob of a `reference` is broken: {}", error.kind()))
    })
}
