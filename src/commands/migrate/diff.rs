//! Renders the difference of two texts as a unified diff.

use std::fmt::Write;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;
/// Texts whose changed parts are longer are shown as one change: comparing takes the product of the lengths.
const MAX_COMPARED: usize = 4_000_000;

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Kept(&'t str),
    Removed(&'t str),
    Added(&'t str),
}

/// The unified diff of a file; empty if nothing differs.
pub fn render_diff(path: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let lines = compare_lines(before, after);
    let mut text = format!("--- a/{path}\n+++ b/{path}\n");
    let mut shown = 0;
    while let Some(first) = find_change(&lines, shown) {
        let start = first.saturating_sub(CONTEXT).max(shown);
        let mut end = first + 1;
        while let Some(next) = find_change(&lines, end).filter(|next| *next <= end + 2 * CONTEXT) {
            end = next + 1;
        }
        let end = (end + CONTEXT).min(lines.len());
        render_hunk(&lines, start, end, &mut text);
        shown = end;
    }
    text
}

fn find_change(lines: &[Line<'_>], from: usize) -> Option<usize> {
    let found = lines.get(from..)?.iter().position(|line| !matches!(line, Line::Kept(_)))?;
    Some(from + found)
}

fn render_hunk(lines: &[Line<'_>], start: usize, end: usize, text: &mut String) {
    let count =
        |lines: &[Line<'_>], skip: fn(&Line<'_>) -> bool| lines.iter().filter(|line| !skip(line)).count();
    let is_added = |line: &Line<'_>| matches!(line, Line::Added(_));
    let is_removed = |line: &Line<'_>| matches!(line, Line::Removed(_));
    let (old, new) = (count(&lines[start..end], is_added), count(&lines[start..end], is_removed));
    let (old_start, new_start) = (count(&lines[..start], is_added), count(&lines[..start], is_removed));
    // A range without lines is named by the line before it.
    let first = |start: usize, length: usize| if length == 0 { start } else { start + 1 };
    let _ = writeln!(text, "@@ -{},{old} +{},{new} @@", first(old_start, old), first(new_start, new));
    for line in &lines[start..end] {
        let (sign, line) = match line {
            Line::Kept(line) => (' ', line),
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn compare_lines<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let rest = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut lines: Vec<Line<'_>> = old[..head].iter().map(|line| Line::Kept(line)).collect();
    compare_middle(&old[head..old_end], &new[head..new_end], &mut lines);
    lines.extend(old[old_end..].iter().map(|line| Line::Kept(line)));
    lines
}

/// The longest common subsequence, by a table of lengths.
fn compare_middle<'t>(old: &[&'t str], new: &[&'t str], lines: &mut Vec<Line<'t>>) {
    if old.len().saturating_mul(new.len()) > MAX_COMPARED {
        lines.extend(old.iter().map(|line| Line::Removed(line)));
        lines.extend(new.iter().map(|line| Line::Added(line)));
        return;
    }
    let mut lengths = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            lengths[i][j] = if one == other {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Kept(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            lines.push(Line::Removed(old[i]));
            i += 1;
        } else {
            lines.push(Line::Added(new[j]));
            j += 1;
        }
    }
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
            "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n"
        );
        assert_eq!(render_diff("f", "a\n", "a\n"), "");
    }
}
