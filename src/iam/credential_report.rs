//! Parses IAM's credential report, a CSV file with one row per user, for the audit.
//!
//! Columns are found by name, and unknown ones are skipped. Booleans are read in any case. `N/A`, `no_information` and
//! `not_supported` mean what AWS documents (IAM user guide, "Getting credential reports").

use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;

use super::report_columns::{MAX_FIELD_BYTES, ReportColumns};
use super::{
    AccessKey, DataSource, KeyStatus, LastUse, Provenance, ReadFault, SourcedFact, UnknownReason, non_empty,
};
use crate::rotation::timing::is_plausible;
use crate::sanitize::shorten;

/// The user name in the row of the account's root user.
const ROOT_USER: &str = "<root_account>";
/// The API call that downloads the report, for faults.
pub const OPERATION: &str = "iam:GetCredentialReport";

/// The most users that are read: an account has at most 5,000, IAM's own limit.
const MAX_USERS: usize = 20_000;
/// How many lines that cannot be read are named.
const MAX_FAULTS: usize = 100;
/// The longest text of a row in a message.
const MAX_QUOTED_CHARS: usize = 100;

/// A parsed report.
#[derive(Debug, Clone)]
pub struct CredentialReport {
    /// Twelve digits, from the rows' ARNs.
    pub account: String,
    /// When AWS generated it. A file does not contain this; then it is the latest date in the file.
    pub as_of: Timestamp,
    pub root_key: SourcedFact<bool>,
    pub rows: Vec<ReportRow>,
    /// The rows that could not be read. With any of these, the report is incomplete.
    pub faults: Vec<ReadFault>,
}

/// The row of one user.
#[derive(Debug, Clone)]
pub struct ReportRow {
    pub user: String,
    pub arn: String,
    pub console_password: SourcedFact<bool>,
    /// The keys of the two slots; their dates are "created or last changed".
    pub keys: Vec<AccessKey>,
    /// Whether the user has more keys than the two slots of the report can show.
    pub more_keys: bool,
}

impl CredentialReport {
    /// The users whose rows were read.
    pub fn user_names(&self) -> HashSet<&str> {
        self.rows.iter().map(|row| row.user.as_str()).collect()
    }
}

/// Why a file is not a credential report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportError {
    NotText,
    MissingColumn(&'static str),
    NoUsers,
    /// No row of a user can be read; the reason for the first.
    NoReadableUser(String),
    TooManyUsers,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("the file is not text"),
            Self::MissingColumn(name) => {
                write!(f, "not an IAM credential report: the column `{name}` is missing")
            }
            Self::NoUsers => f.write_str("the credential report has no row of a user"),
            Self::NoReadableUser(reason) => {
                write!(f, "no user of the credential report can be read: {reason}")
            }
            Self::TooManyUsers => {
                write!(f, "the credential report has more than {MAX_USERS} users, which no account can have")
            }
        }
    }
}

impl std::error::Error for ReportError {}

/// Why a row of the report cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RowError {
    InvalidArn(String),
    InvalidBoolean(String),
    InvalidDate(String),
    KeyWithoutStatus(u8),
    KeyWithoutDate(u8),
    FieldTooLong,
    UserNamedTwice,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArn(text) => {
                write!(f, "`{}` is not the ARN of a user", shorten(text, MAX_QUOTED_CHARS))
            }
            Self::InvalidBoolean(text) => {
                write!(f, "`{}` is neither true nor false", shorten(text, MAX_QUOTED_CHARS))
            }
            Self::InvalidDate(text) => write!(f, "`{}` is not a date", shorten(text, MAX_QUOTED_CHARS)),
            Self::KeyWithoutStatus(slot) => {
                write!(f, "access key {slot} has dates but is neither active nor inactive")
            }
            Self::KeyWithoutDate(slot) => write!(f, "access key {slot} has no date of its last rotation"),
            Self::FieldTooLong => write!(f, "a field is longer than {MAX_FIELD_BYTES} bytes"),
            Self::UserNamedTwice => f.write_str("another line is about the same user"),
        }
    }
}

/// Parses a report. `made_at` is when AWS generated it, if that is known.
///
/// # Errors
/// The file is not a credential report. A row that cannot be read becomes a fault instead.
pub fn parse_report(bytes: &[u8], made_at: Option<Timestamp>) -> Result<CredentialReport, ReportError> {
    let mut reader = csv_reader(bytes);
    let headers = reader.headers().map_err(|_| ReportError::NotText)?;
    let columns = ReportColumns::from_headers(headers).map_err(ReportError::MissingColumn)?;
    let as_of = made_at.unwrap_or_else(|| latest_date(bytes, &columns));
    let mut rows = ReportRows::new(&columns, as_of);
    // One record for all rows: a file of short lines has millions of them.
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => rows.add_record(&record)?,
            Ok(false) => break,
            Err(error) => rows.add_fault(None, format!("a line of the report is invalid: {error}")),
        }
    }
    let report = rows.finish();
    if !report.account.is_empty() {
        return Ok(report);
    }
    let first = report.faults.into_iter().next();
    Err(first.map_or(ReportError::NoUsers, |fault| ReportError::NoReadableUser(fault.message)))
}

fn csv_reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    // A row of another length must become a fault of its user, not an error that hides all other rows.
    csv::ReaderBuilder::new().flexible(true).from_reader(bytes)
}

/// The rows that were read so far.
struct ReportRows<'a> {
    columns: &'a ReportColumns,
    report: CredentialReport,
    users: HashSet<String>,
    /// The faults that are not in the list, because it is full.
    omitted_faults: usize,
}

impl<'a> ReportRows<'a> {
    fn new(columns: &'a ReportColumns, as_of: Timestamp) -> Self {
        let report = CredentialReport {
            account: String::new(),
            as_of,
            root_key: SourcedFact::Unknown(UnknownReason::NotInSource),
            rows: Vec::new(),
            faults: Vec::new(),
        };
        Self { columns, report, users: HashSet::new(), omitted_faults: 0 }
    }

    fn add_fault(&mut self, user: Option<&str>, message: String) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(report_fault(user, message));
        } else {
            self.omitted_faults += 1;
        }
    }

    fn add_record(&mut self, record: &csv::StringRecord) -> Result<(), ReportError> {
        let line = record.position().map_or(0, csv::Position::line);
        let user = self.columns.get(record, "user");
        let named = if user.is_empty() || user.len() > MAX_FIELD_BYTES { None } else { Some(user) };
        // A column that is missing at the end would read as empty, and a key would pass as absent.
        if record.len() < self.columns.count {
            let (found, all) = (record.len(), self.columns.count);
            let message = format!("line {line} of the report has only {found} of {all} columns");
            self.add_fault(named, message);
            return Ok(());
        }
        match self.parse_record(record) {
            Ok(row) => self.add_row(row, line),
            Err(why) => {
                self.add_fault(named, format!("line {line} of the report: {why}"));
                Ok(())
            }
        }
    }

    fn parse_record(&self, record: &csv::StringRecord) -> Result<ReportRow, RowError> {
        if self.columns.has_long_field(record) {
            return Err(RowError::FieldTooLong);
        }
        let row = parse_row(self.report.as_of, self.columns, record)?;
        if self.users.contains(&row.user) { Err(RowError::UserNamedTwice) } else { Ok(row) }
    }

    fn add_row(&mut self, row: ReportRow, line: u64) -> Result<(), ReportError> {
        let account = account_from_arn(&row.arn).unwrap_or_default();
        if self.report.account.is_empty() {
            self.report.account = account.to_owned();
        }
        // Two reports in one file would mix users of two accounts.
        if self.report.account != account {
            let message = format!("line {line} of the report is about another account, {account}");
            self.add_fault(Some(&row.user), message);
        } else if row.user == ROOT_USER {
            let active = row.keys.iter().any(|key| key.status.can_sign());
            self.report.root_key = SourcedFact::Known(active, report_provenance(self.report.as_of));
        } else if self.report.rows.len() == MAX_USERS {
            return Err(ReportError::TooManyUsers);
        } else {
            self.users.insert(row.user.clone());
            self.report.rows.push(row);
        }
        Ok(())
    }

    fn finish(mut self) -> CredentialReport {
        if self.omitted_faults > 0 {
            // Without a user: any user may be in one of these lines.
            let message = format!("{} more lines of the report cannot be read", self.omitted_faults);
            self.report.faults.push(report_fault(None, message));
        }
        self.report
    }
}

fn report_fault(user: Option<&str>, message: String) -> ReadFault {
    ReadFault { user: user.map(str::to_owned), operation: OPERATION.to_owned(), message }
}

fn report_provenance(as_of: Timestamp) -> Provenance {
    Provenance { source: DataSource::Report, as_of }
}

/// Returns the account in the ARN of a user or of the root user, in any partition.
fn account_from_arn(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return None };
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let is_user = resource == "root" || resource.starts_with("user/");
    if partition.starts_with("aws") && is_account && is_user { Some(account) } else { None }
}

fn parse_row(
    as_of: Timestamp,
    columns: &ReportColumns,
    record: &csv::StringRecord,
) -> Result<ReportRow, RowError> {
    let arn = columns.get(record, "arn").to_owned();
    if account_from_arn(&arn).is_none() {
        return Err(RowError::InvalidArn(arn));
    }
    let console_password = match parse_bool(columns.get(record, "password_enabled"))? {
        Some(enabled) => SourcedFact::Known(enabled, report_provenance(as_of)),
        None => SourcedFact::Unknown(UnknownReason::NotInSource),
    };
    let mut keys = Vec::new();
    for slot in [1, 2] {
        keys.extend(parse_key(as_of, slot, |name| {
            columns.get(record, &format!("access_key_{slot}_{name}"))
        })?);
    }
    let more_keys = non_empty(columns.get(record, "additional_credentials_info")).is_some();
    Ok(ReportRow { user: columns.get(record, "user").to_owned(), arn, console_password, keys, more_keys })
}

/// Reads one of the two slots. A slot has a key if it is active or has a date: an inactive key keeps its date.
fn parse_key<'r>(
    as_of: Timestamp,
    slot: u8,
    get: impl Fn(&str) -> &'r str,
) -> Result<Option<AccessKey>, RowError> {
    let has_dates = non_empty(get("last_rotated")).is_some() || non_empty(get("last_used_date")).is_some();
    let active = match parse_bool(get("active"))? {
        Some(active) => active,
        // Such a slot would otherwise pass as empty, and its key would be missing from the audit.
        None if has_dates => return Err(RowError::KeyWithoutStatus(slot)),
        None => false,
    };
    let created_at = match non_empty(get("last_rotated")) {
        Some(text) => parse_date(&text)?,
        None if active || has_dates => return Err(RowError::KeyWithoutDate(slot)),
        None => return Ok(None),
    };
    let status = if active { KeyStatus::Active } else { KeyStatus::Inactive };
    let last_used = parse_last_used(as_of, &get)?;
    Ok(Some(AccessKey { id: None, slot: Some(slot), status, created_at, may_be_older: true, last_used }))
}

fn parse_last_used<'r>(
    as_of: Timestamp,
    get: &impl Fn(&str) -> &'r str,
) -> Result<SourcedFact<Option<LastUse>>, RowError> {
    let text = get("last_used_date");
    // `N/A` means that the key was never used, while an empty field means that the report does not say.
    if text.eq_ignore_ascii_case("n/a") {
        return Ok(SourcedFact::Known(None, report_provenance(as_of)));
    }
    let Some(text) = non_empty(text) else {
        return Ok(SourcedFact::Unknown(UnknownReason::NotInSource));
    };
    let (region, service) = (non_empty(get("last_used_region")), non_empty(get("last_used_service")));
    Ok(SourcedFact::Known(
        Some(LastUse { at: parse_date(&text)?, region, service }),
        report_provenance(as_of),
    ))
}

fn parse_bool(text: &str) -> Result<Option<bool>, RowError> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        "" | "n/a" | "not_supported" | "no_information" => Ok(None),
        _ => Err(RowError::InvalidBoolean(text.to_owned())),
    }
}

fn parse_date(text: &str) -> Result<Timestamp, RowError> {
    let date = text.parse().ok().filter(|at| is_plausible(*at));
    date.ok_or_else(|| RowError::InvalidDate(text.to_owned()))
}

/// Returns the latest date of a past event in the report: AWS cannot have generated the report before it.
fn latest_date(bytes: &[u8], columns: &ReportColumns) -> Timestamp {
    let mut latest = Timestamp::UNIX_EPOCH;
    let mut reader = csv_reader(bytes);
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return latest,
            // The line becomes a fault where the rows are read.
            Err(_) => continue,
        }
        for (index, field) in record.iter().enumerate() {
            if Some(index) != columns.next_rotation && field.len() <= MAX_FIELD_BYTES {
                latest = field.trim().parse().map_or(latest, |date: Timestamp| date.max(latest));
            }
        }
    }
}
