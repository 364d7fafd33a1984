//! Renders the difference of two texts as a unified diff.

use similar::{Algorithm, TextDiff};

/// It divides the texts at lines that each of them has once, such as the names of jobs. Without that, a diff of a thousand
/// jobs would compare each line with most others.
const ALGORITHM: Algorithm = Algorithm::Patience;

/// The unified diff of a file, with three lines around each change; empty if nothing differs.
pub fn render_diff(path: &str, before: &str, after: &str) -> String {
    let (from, to) = (format!("a/{path}"), format!("b/{path}"));
    let diff = TextDiff::configure().algorithm(ALGORITHM).diff_lines(before, after);
    diff.unified_diff().context_radius(3).header(&from, &to).to_string()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::{Hash, Hasher};

    use super::*;

    thread_local! {
        static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    /// A line that counts how often it is compared.
    #[derive(Debug, PartialOrd, Ord)]
    struct Counted(String);

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.set(COMPARED.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted {}

    impl Hash for Counted {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    /// How many comparisons a diff of so many changed jobs takes.
    fn comparisons(jobs: usize) -> usize {
        let lines = |step: &[&str]| -> Vec<Counted> {
            let job = |number| {
                std::iter::once(format!("job-{number}")).chain(step.iter().map(|line| (*line).to_owned()))
            };
            (0..jobs).flat_map(job).map(Counted).collect()
        };
        let before = lines(&["runs-on", "steps", "key", "secret", "region"]);
        let after = lines(&["runs-on", "permissions", "id-token", "steps", "role", "region"]);
        COMPARED.set(0);
        let operations = similar::capture_diff_slices(ALGORITHM, &before, &after);
        assert!(operations.len() > jobs, "each job differs");
        COMPARED.get()
    }

    #[test]
    fn twice_as_many_jobs_take_twice_as_many_comparisons() {
        let (some, twice) = (comparisons(200), comparisons(400));
        assert!(twice < some * 5 / 2, "{some} {twice}");
    }

    #[test]
    fn a_diff_is_what_git_shows() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n11.5\n12\n";
        let expected = "--- a/f\n+++ b/f\n@@ -2,11 +2,12 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n 10\n 11\n+11.5\n 12\n";
        assert_eq!(render_diff("f", before, after), expected);
        assert_eq!(
            render_diff("f", "a", "b\n"),
            "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
        );
        assert_eq!(render_diff("f", "a\n", "a\n"), "");
    }
}
