//! Looks a user name up in many globs at once. Accounts and policy files both can be large, so the time for a user must not
//! grow with the number of globs.

use globset::{Glob, GlobSet, GlobSetBuilder};

/// How many globs one set has at most. A set of thousands of globs such as `*x*` takes gigabytes as soon as `regex-automata`
/// gives up its fast engine: the other one needs memory for the square of their number.
const GLOBS_PER_SET: usize = 128;

/// Globs in an order.
#[derive(Debug, Clone)]
pub struct GlobIndex {
    sets: Vec<IndexedSet>,
}

#[derive(Debug, Clone)]
enum IndexedSet {
    Set(GlobSet),
    /// Too large for a set, and looked at one by one.
    Single(Vec<globset::GlobMatcher>),
}

impl GlobIndex {
    pub fn new<'g>(globs: impl Iterator<Item = &'g Glob>) -> Self {
        let globs: Vec<Glob> = globs.cloned().collect();
        Self { sets: globs.chunks(GLOBS_PER_SET).map(IndexedSet::new).collect() }
    }

    /// The globs that match a name, by their places, in their order. Each set is asked when its turn comes.
    pub fn find_matches<'n>(&'n self, name: &'n str) -> impl Iterator<Item = usize> + 'n {
        self.sets.iter().enumerate().flat_map(move |(number, set)| {
            set.find_matches(name).into_iter().map(move |at| number * GLOBS_PER_SET + at)
        })
    }
}

impl IndexedSet {
    fn new(globs: &[Glob]) -> Self {
        let mut builder = GlobSetBuilder::new();
        for glob in globs {
            builder.add(glob.clone());
        }
        match builder.build() {
            Ok(set) => Self::Set(set),
            Err(_) => Self::Single(globs.iter().map(Glob::compile_matcher).collect()),
        }
    }

    fn find_matches(&self, name: &str) -> Vec<usize> {
        match self {
            // In the order in which they were added
            Self::Set(set) => set.matches(name),
            Self::Single(globs) => (0..globs.len()).filter(|at| globs[*at].is_match(name)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(globs: impl Iterator<Item = String>) -> GlobIndex {
        let globs: Vec<Glob> = globs.map(|text| Glob::new(&text).unwrap()).collect();
        GlobIndex::new(globs.iter())
    }

    /// A name is one question to each set, and not one to each glob; a set that has the answer is the last one that is asked.
    #[test]
    fn a_name_is_looked_up_in_sets_of_globs() {
        let index = index((0..9_000).map(|number| format!("svc-{number:04}*")));
        assert_eq!(index.sets.len(), 9_000_usize.div_ceil(GLOBS_PER_SET));
        assert!(index.sets.iter().all(|set| matches!(set, IndexedSet::Set(_))));
        for place in [0, 1, GLOBS_PER_SET - 1, GLOBS_PER_SET, 8_999] {
            assert_eq!(index.find_matches(&format!("svc-{place:04}")).collect::<Vec<_>>(), [place]);
        }
        assert_eq!(index.find_matches("other").next(), None);
    }

    /// One set of so many globs ended the process at 17 GB, after about a thousand names.
    #[test]
    fn many_globs_with_text_in_their_middle_need_little_memory() {
        let index = index((0..9_000).map(|number| format!("*{number:04}*")));
        for place in 0..1_500 {
            assert!(index.find_matches(&format!("svc-{place:04}")).any(|found| found == place), "{place}");
        }
    }
}
