//! Parses the values of options that have a form of their own.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::Timestamp;
use url::Url;

use crate::policy::scalar::{is_region, is_repository};
use crate::report::ReportFormat;

/// 9000-01-01T00:00:00Z.
const LAST_SECOND: i64 = 221_845_392_000;

/// What IAM allows in the name of a role.
const MAX_ROLE_NAME: usize = 64;
/// The same where keytide appends `-rotate`.
const MAX_ROLE_PREFIX: usize = MAX_ROLE_NAME - 7;

/// A value that does not have the form that its option needs.
#[derive(Debug, thiserror::Error)]
pub enum InvalidValue {
    #[error("expected a URL such as https://api.github.com, without a user name")]
    Url,
    #[error("expected OWNER/NAME")]
    Repository,
    #[error("expected a region such as eu-west-1")]
    Region,
    #[error("expected a partition such as aws, aws-cn or aws-us-gov")]
    Partition,
    #[error("expected at most {max} letters, digits and + = , . @ _ -")]
    RoleName { max: usize },
    #[error("expected a time such as 2026-11-21T12:00:00Z, in the years 1970 to 9000")]
    Time,
    #[error("expected FORMAT=FILE, for example sarif=keytide.sarif")]
    ReportFile,
    #[error("unknown format `{format}`; the formats are {known}")]
    ReportFormat { format: String, known: String },
}

/// The value of `--report FORMAT=FILE`.
#[derive(Debug, Clone)]
pub struct ReportFile {
    pub format: FileFormat,
    pub path: PathBuf,
}

impl ReportFile {
    /// Whether only `fleet` writes it.
    pub fn is_of_fleet(&self) -> bool {
        matches!(self.format, FileFormat::Fleet(_))
    }
}

/// The format of a report file: of the commands that report, or of `fleet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Report(ReportFormat),
    Fleet(FleetFormat),
}

/// The formats of a fleet's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FleetFormat {
    /// A line for each repository and account that is not good.
    Text,
    /// All data, for programs.
    Json,
    /// Tables, for a step summary.
    Markdown,
    /// A self-contained page.
    Html,
    /// One line for each finding, for a spreadsheet.
    Csv,
}

pub fn parse_report_file(text: &str) -> Result<ReportFile, InvalidValue> {
    let (format, path) = split_report_file(text)?;
    let format = ReportFormat::from_str(format, true).map_err(|_| unknown_format::<ReportFormat>(format))?;
    Ok(ReportFile { format: FileFormat::Report(format), path })
}

/// The same for `fleet`, which has formats of its own.
pub fn parse_fleet_report_file(text: &str) -> Result<ReportFile, InvalidValue> {
    let (format, path) = split_report_file(text)?;
    let format = FleetFormat::from_str(format, true).map_err(|_| unknown_format::<FleetFormat>(format))?;
    Ok(ReportFile { format: FileFormat::Fleet(format), path })
}

fn split_report_file(text: &str) -> Result<(&str, PathBuf), InvalidValue> {
    match text.split_once('=') {
        Some((format, path)) if !path.is_empty() => Ok((format, path.into())),
        _ => Err(InvalidValue::ReportFile),
    }
}

fn unknown_format<T: ValueEnum>(format: &str) -> InvalidValue {
    let known = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
    InvalidValue::ReportFormat { format: format.to_owned(), known: known.join(", ") }
}

/// Accepts an `http` or `https` URL with a host and without credentials, query or fragment.
///
/// Returns the URL as it was parsed, so that another parser cannot read a different host from the same text.
pub fn parse_url(text: &str) -> Result<String, InvalidValue> {
    // The parser would repair these: it drops line feeds and tabs, and takes `https:///x` for `https://x`.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let has_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    let url = Url::parse(text).map_err(|_| InvalidValue::Url)?;
    let is_http = matches!(url.scheme(), "http" | "https");
    let has_more = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if !is_plain || !has_host || !is_http || has_more {
        return Err(InvalidValue::Url);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Accepts a time to which a limit of a policy can be added without leaving the calendar.
pub fn parse_time(text: &str) -> Result<Timestamp, InvalidValue> {
    let time: Timestamp = text.parse().map_err(|_| InvalidValue::Time)?;
    if (0..LAST_SECOND).contains(&time.as_second()) { Ok(time) } else { Err(InvalidValue::Time) }
}

pub fn parse_repository(text: &str) -> Result<String, InvalidValue> {
    if is_repository(text) { Ok(text.to_owned()) } else { Err(InvalidValue::Repository) }
}

pub fn parse_region(text: &str) -> Result<String, InvalidValue> {
    if is_region(text) { Ok(text.to_owned()) } else { Err(InvalidValue::Region) }
}

pub fn parse_partition(text: &str) -> Result<String, InvalidValue> {
    let is_partition = text == "aws" || text.strip_prefix("aws-").is_some_and(is_region);
    if is_partition { Ok(text.to_owned()) } else { Err(InvalidValue::Partition) }
}

/// Accepts what the name of a role may begin with.
pub fn parse_role_prefix(text: &str) -> Result<String, InvalidValue> {
    parse_role_text(text, MAX_ROLE_PREFIX)
}

/// Accepts the name of a role.
pub fn parse_role_name(text: &str) -> Result<String, InvalidValue> {
    parse_role_text(text, MAX_ROLE_NAME)
}

fn parse_role_text(text: &str, max: usize) -> Result<String, InvalidValue> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
    let fits = is_name && (1..=max).contains(&text.len());
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::RoleName { max }) }
}

#[cfg(test)]
mod tests {
    use super::parse_url;

    #[test]
    fn a_url_names_a_host_and_no_credentials() {
        for (text, parsed) in [
            ("https://api.github.com", "https://api.github.com"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
            ("https://ghe.example.com/api/v3", "https://ghe.example.com/api/v3"),
            ("http://[::1]:8", "http://[::1]:8"),
        ] {
            assert_eq!(parse_url(text).ok().as_deref(), Some(parsed), "{text}");
        }
        for text in [
            "",
            "nonsense",
            "api.github.com",
            "https:///x",
            "https://user@example.com",
            "http://localhost:80@evil.example/",
            "https://a.example\\@b.example",
            "https://a.example/?x=y",
            "https://a.example/#x",
            "https://a.exa\nmple",
            "ftp://a.example",
            "file:///etc/passwd",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
