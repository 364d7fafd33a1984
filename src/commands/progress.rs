//! Shows on a terminal what a command waits for, in one line on standard error, once that takes longer than a second.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sanitize::escape_line;
use crate::system::environment::ProcessEnvironment;

/// How often the line is drawn. The first time is the end of the first second: what is fast has no line.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most characters of the text: the line must not wrap, since only one line is cleared.
const MAX_TEXT: usize = 60;
/// Moves to the start of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// The line; it draws nothing into a pipe, in a workflow, or with `--quiet`. A thread draws it, so that a command may wait
/// in any way.
pub struct ProgressLine {
    shared: Option<Arc<SharedLine>>,
}

struct SharedLine {
    state: Mutex<LineState>,
    changed: Condvar,
}

struct LineState {
    text: String,
    seconds: u64,
    is_drawn: bool,
    has_ended: bool,
}

impl ProgressLine {
    /// Starts with what the command does as a whole.
    pub fn start(environment: &ProcessEnvironment, is_quiet: bool, text: &str) -> Self {
        if is_quiet || text.is_empty() || !environment.shows_progress() {
            return Self { shared: None };
        }
        let state = LineState { text: text.to_owned(), seconds: 0, is_drawn: false, has_ended: false };
        let shared = Arc::new(SharedLine { state: Mutex::new(state), changed: Condvar::new() });
        let drawn = Arc::clone(&shared);
        std::thread::spawn(move || draw_until_end(&drawn));
        Self { shared: Some(shared) }
    }

    /// Says what is waited for now.
    #[cfg(feature = "online")]
    pub fn set_text(&self, text: &str) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        text.clone_into(&mut state.text);
        if state.is_drawn {
            draw(&mut state);
        }
    }

    /// Makes room for another line on the terminal.
    pub fn clear(&self) {
        let Some(shared) = &self.shared else { return };
        erase(&mut shared.lock());
    }

    /// Removes the line for good.
    pub fn end(&self) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        erase(&mut state);
        state.has_ended = true;
        shared.changed.notify_all();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.end();
    }
}

impl SharedLine {
    fn lock(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn draw_until_end(shared: &SharedLine) {
    let mut state = shared.lock();
    while !state.has_ended {
        let waited = shared.changed.wait_timeout(state, INTERVAL).unwrap_or_else(PoisonError::into_inner);
        state = waited.0;
        if waited.1.timed_out() && !state.has_ended {
            state.seconds += INTERVAL.as_secs();
            draw(&mut state);
        }
    }
}

fn draw(state: &mut LineState) {
    write(&format!("{CLEAR}{}", render(&state.text, state.seconds)));
    state.is_drawn = true;
}

fn erase(state: &mut LineState) {
    if state.is_drawn {
        write(CLEAR);
        state.is_drawn = false;
    }
}

/// `reading users: 3 of 40 (2 s)`.
fn render(text: &str, seconds: u64) -> String {
    let mut short: String = escape_line(text).chars().take(MAX_TEXT).collect();
    if short.chars().count() == MAX_TEXT {
        short.push('…');
    }
    format!("{short} ({seconds} s)")
}

fn write(text: &str) {
    // A failure is ignored: the line is a help alone.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_controls_nothing() {
        assert_eq!(render("reading users: 3 of 40", 2), "reading users: 3 of 40 (2 s)");
        assert_eq!(render("a\u{1b}[2J", 1), "a\\u{1b}[2J (1 s)");
        assert_eq!(render(&"x".repeat(200), 7), format!("{}… (7 s)", "x".repeat(MAX_TEXT)));
    }
}
