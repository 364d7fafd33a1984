//! Holds the text of a pull request and keeps it within GitHub's limit.

use std::fmt::Write;

/// A pull request's title and body, its labels and its reviewers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullRequestText {
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
}

impl PullRequestText {
    /// Whether GitHub takes the body. Its bytes are counted: they are at least as many as its characters.
    pub fn fits(&self) -> bool {
        self.body.len() <= MAX_BODY_CHARS
    }
}

/// GitHub's limit for the body of a pull request, an issue or a comment.
pub const MAX_BODY_CHARS: usize = 65_536;
/// How many items of each list are shown, from the most to the fewest, until the body fits.
const LIST_LENGTHS: [usize; 8] = [usize::MAX, 300, 100, 50, 20, 10, 5, 2];

/// Renders with shorter and shorter lists until the body fits.
pub fn render_to_fit(render: impl Fn(usize) -> PullRequestText) -> PullRequestText {
    let mut text = PullRequestText::default();
    for longest in LIST_LENGTHS {
        text = render(longest);
        if text.fits() {
            break;
        }
    }
    text
}

/// The last line of a list that is cut.
pub fn push_rest(text: &mut String, total: usize, shown: usize, what: &str) {
    if total > shown {
        let _ = writeln!(text, "- and {} more {what}", total - shown);
    }
}
