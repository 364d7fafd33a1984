//! Shows on a terminal what an audit waits for, and how many users it has read.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::commands::context::Context;

/// A counter on standard error; prints nothing into a pipe or with `--quiet`.
pub struct ProgressCounter {
    is_shown: bool,
    total: AtomicUsize,
    done: AtomicUsize,
}

impl ProgressCounter {
    pub fn new(context: &Context<'_>) -> Self {
        let is_shown = context.environment.stderr_is_terminal && !context.common.quiet;
        Self { is_shown, total: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    pub fn set_total(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub fn count_user(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.write_status(&format!("\rreading users: {done} of {}", self.total.load(Ordering::Relaxed)));
    }

    pub fn show_report_wait(&self) {
        self.write_status("\rwaiting for AWS to generate the credential report");
    }

    pub fn clear_line(&self) {
        self.write_status("\r\u{1b}[K");
    }

    fn write_status(&self, text: &str) {
        if self.is_shown {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}
