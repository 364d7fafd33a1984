//! Which users an entry of the policy file is about, and which entry is about a user.

use std::collections::HashMap;

use super::glob_index::GlobIndex;
use super::scalar::{UserGlob, UserName, UserPath};

/// The users that an entry is about.
#[derive(Debug, Clone)]
pub enum UserSelector {
    Name(UserName),
    Match { glob: UserGlob, path: Option<UserPath> },
}

impl UserSelector {
    /// Whether a user's IAM path is one that the selector asks for.
    fn has_path(&self, path: Option<&str>) -> bool {
        match self {
            Self::Name(_) => false,
            Self::Match { path: required, .. } => is_below(required.as_ref(), path),
        }
    }
}

fn is_below(required: Option<&UserPath>, path: Option<&str>) -> bool {
    match (required, path) {
        (None, _) => true,
        (Some(required), Some(path)) => path.starts_with(&required.0),
        (Some(_), None) => false,
    }
}

/// The selectors of a policy, so that the time for a user does not grow with their number: accounts and policy files both
/// can be large.
#[derive(Debug, Clone)]
pub struct SelectorIndex {
    /// The first selector of each name.
    names: HashMap<String, usize>,
    globs: GlobIndex,
    /// The selector of each glob, in the order of `globs`.
    selector_of_glob: Vec<usize>,
}

impl SelectorIndex {
    pub fn new<'s>(selectors: impl Iterator<Item = &'s UserSelector>) -> Self {
        let (mut names, mut globs, mut selector_of_glob) = (HashMap::new(), Vec::new(), Vec::new());
        for (index, selector) in selectors.enumerate() {
            match selector {
                UserSelector::Name(name) => {
                    names.entry(name.0.clone()).or_insert(index);
                }
                UserSelector::Match { glob, .. } => {
                    globs.push(glob.as_glob());
                    selector_of_glob.push(index);
                }
            }
        }
        Self { names, globs: GlobIndex::new(globs.into_iter()), selector_of_glob }
    }

    /// The index of the selector that applies to a user: a name comes before a glob, so that a glob further up cannot
    /// change the limits of a user who is listed; an earlier glob comes before a later one.
    pub fn find<'s>(
        &self,
        name: &str,
        path: Option<&str>,
        selector_at: impl Fn(usize) -> &'s UserSelector,
    ) -> Option<usize> {
        if let Some(index) = self.names.get(name) {
            return Some(*index);
        }
        self.globs_of(name).find(|index| selector_at(*index).has_path(path))
    }

    /// The selectors that may be about a user whose IAM path is not known.
    pub fn find_possible<'n>(&'n self, name: &'n str) -> impl Iterator<Item = usize> + 'n {
        self.names.get(name).copied().into_iter().chain(self.globs_of(name))
    }

    fn globs_of<'n>(&'n self, name: &'n str) -> impl Iterator<Item = usize> + 'n {
        self.globs.find_matches(name).map(|glob| self.selector_of_glob[glob])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::scalar::Scalar;

    fn selector(text: &str, path: Option<&str>) -> UserSelector {
        match text.strip_prefix('=') {
            Some(name) => UserSelector::Name(UserName(name.to_owned())),
            None => UserSelector::Match {
                glob: UserGlob::parse(text).unwrap(),
                path: path.map(|path| UserPath::parse(path).unwrap()),
            },
        }
    }

    proptest! {
        /// The index finds what a look at one entry after the other finds.
        #[test]
        fn the_index_finds_the_first_that_applies(
            entries in prop::collection::vec(
                (
                    prop::sample::select(vec!["=a", "=ab", "a*", "*b", "*", "?b", "{a,b}*", "[ab]c", "**", "a", "A*"]),
                    prop::option::of(prop::sample::select(vec!["/", "/x/"])),
                ),
                0..8,
            ),
            name in "[abcA]{1,3}",
            path in prop::option::of(prop::sample::select(vec!["/", "/x/", "/x/y/"])),
        ) {
            let selectors: Vec<UserSelector> = entries.iter().map(|(text, path)| selector(text, *path)).collect();
            let by_name = selectors.iter().position(
                |selector| matches!(selector, UserSelector::Name(listed) if listed.0 == name),
            );
            let is_possible = |selector: &UserSelector| match selector {
                UserSelector::Name(listed) => listed.0 == name,
                UserSelector::Match { glob, .. } => glob.is_match(&name),
            };
            let by_glob =
                selectors.iter().position(|selector| selector.has_path(path) && is_possible(selector));
            let index = SelectorIndex::new(selectors.iter());
            prop_assert_eq!(index.find(&name, path, |at| &selectors[at]), by_name.or(by_glob));
            prop_assert_eq!(index.find_possible(&name).next().is_some(), selectors.iter().any(is_possible));
        }
    }
}
