//! Renders the difference of two texts as a unified diff.

use similar::TextDiff;

/// The unified diff of a file, with three lines around each change; empty if nothing differs.
pub fn render_diff(path: &str, before: &str, after: &str) -> String {
    let (from, to) = (format!("a/{path}"), format!("b/{path}"));
    TextDiff::from_lines(before, after).unified_diff().context_radius(3).header(&from, &to).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
