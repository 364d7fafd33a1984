//! Renders the report of a command in the formats of `--format` and `--report`: one format in each file.
//!
//! Pure: `commands::output` writes the text. All formats show the same [`Report`] and escape its texts through
//! `sanitize`.

pub mod advice;
mod badge;
pub mod fingerprint;
pub mod github;
pub mod html;
mod json;
pub mod keys;
mod markdown;
mod model;
mod origin;
mod outcome;
mod rotation_line;
mod rotations;
mod sarif;
pub mod starter_policy;
mod text;
mod timeline;
mod user_index;
mod verdict;

pub use model::{AccountSection, KeyIds, Report, ReportFormat, ScanSummary, UserLine};
pub use origin::{ReportOrigin, is_server_address};
pub use outcome::{FailOn, ReportOutcome, ReportSummary};
pub use rotation_line::{HistoryLine, PerformedStep, RotationLine};

use crate::text_style::TextStyle;

impl Report {
    /// Returns the text of one format; `style` is for text only.
    pub fn render(&self, format: ReportFormat, style: TextStyle) -> String {
        match format {
            ReportFormat::Text => text::render_text(self, style),
            ReportFormat::Json => json::render_json(self),
            ReportFormat::Sarif => sarif::render_sarif(self),
            ReportFormat::Github => github::render_log(self),
            ReportFormat::Markdown => markdown::render_markdown(self),
            ReportFormat::Html => html::render_html(self),
            ReportFormat::Badge => badge::render_badge(self),
        }
    }
}
