//! Parses IAM's credential report, a CSV file with one row per user, for the audit.
//!
//! Columns are found by name, and unknown ones are skipped. Booleans are read in any case. `N/A`, `no_information` and
//! `not_supported` mean what AWS documents (IAM user guide, "Getting credential reports").

use std::fmt;

use jiff::Timestamp;

use super::{
    AccessKey, DataSource, KeyStatus, LastUse, Provenance, ReadFault, SourcedFact, UnknownReason, non_empty,
};

/// The user name in the row of the account's root user.
const ROOT_USER: &str = "<root_account>";
/// The API call that downloads the report, for faults.
pub const OPERATION: &str = "iam:GetCredentialReport";

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
    pub fn find_row(&self, user: &str) -> Option<&ReportRow> {
        self.rows.iter().find(|row| row.user == user)
    }
}

/// Why a file is not a credential report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportError {
    NotText,
    MissingColumn(&'static str),
    NoUsers,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("the file is not text"),
            Self::MissingColumn(name) => {
                write!(f, "not an IAM credential report: the column `{name}` is missing")
            }
            Self::NoUsers => f.write_str("the credential report has no row of a user"),
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
    ActiveKeyWithoutDate(u8),
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArn(text) => write!(f, "`{text}` is not the ARN of a user"),
            Self::InvalidBoolean(text) => write!(f, "`{text}` is neither true nor false"),
            Self::InvalidDate(text) => write!(f, "`{text}` is not a date"),
            Self::KeyWithoutStatus(slot) => {
                write!(f, "access key {slot} has dates but is neither active nor inactive")
            }
            Self::ActiveKeyWithoutDate(slot) => write!(f, "access key {slot} is active but has no date"),
        }
    }
}

/// Parses a report. `made_at` is when AWS generated it, if that is known.
///
/// # Errors
/// The file is not a credential report. A row that cannot be read becomes a fault instead.
pub fn parse_report(bytes: &[u8], made_at: Option<Timestamp>) -> Result<CredentialReport, ReportError> {
    // A row of another length must become a fault of its user, not an error that hides all other rows.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers().map_err(|_| ReportError::NotText)?.clone();
    let columns = ReportColumns::from_headers(&headers)?;
    let mut report = CredentialReport {
        account: String::new(),
        as_of: made_at.unwrap_or(Timestamp::MIN),
        root_key: SourcedFact::Unknown(UnknownReason::NotInSource),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => rows.push(record),
            Err(error) => {
                report.faults.push(report_fault(None, format!("a line of the report is invalid: {error}")))
            }
        }
    }
    // Before the rows are added: each fact gets this time as its own.
    if made_at.is_none() {
        report.as_of = latest_date(&columns, &rows).unwrap_or(Timestamp::UNIX_EPOCH);
    }
    for record in &rows {
        add_record(&mut report, &columns, record);
    }
    if report.account.is_empty() {
        return Err(ReportError::NoUsers);
    }
    Ok(report)
}

/// The names of the columns, in their order.
struct ReportColumns {
    names: Vec<String>,
}

impl ReportColumns {
    fn from_headers(headers: &csv::StringRecord) -> Result<Self, ReportError> {
        let names: Vec<String> =
            headers.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let needed = [
            "user",
            "arn",
            "password_enabled",
            "access_key_1_active",
            "access_key_1_last_rotated",
            "access_key_1_last_used_date",
            "access_key_2_active",
            "access_key_2_last_rotated",
            "access_key_2_last_used_date",
        ];
        match needed.iter().find(|name| !names.iter().any(|n| n == *name)) {
            Some(name) => Err(ReportError::MissingColumn(name)),
            None => Ok(Self { names }),
        }
    }

    fn get<'r>(&self, record: &'r csv::StringRecord, name: &str) -> &'r str {
        let index = self.names.iter().position(|n| n == name);
        index.and_then(|index| record.get(index)).unwrap_or("").trim()
    }
}

fn add_record(report: &mut CredentialReport, columns: &ReportColumns, record: &csv::StringRecord) {
    let line = record.position().map_or(0, csv::Position::line);
    let user = columns.get(record, "user");
    // A column that is missing at the end would read as empty, and a key would pass as absent.
    if record.len() < columns.names.len() {
        let message =
            format!("line {line} of the report has only {} of {} columns", record.len(), columns.names.len());
        let user = if user.is_empty() { None } else { Some(user) };
        report.faults.push(report_fault(user, message));
        return;
    }
    match parse_row(report.as_of, columns, record) {
        Ok(row) => {
            let account = account_from_arn(&row.arn).unwrap_or_default();
            if report.account.is_empty() {
                report.account = account.to_owned();
            }
            // Two reports in one file would mix users of two accounts.
            if report.account != account {
                let message = format!("line {line} of the report is about another account, {account}");
                report.faults.push(report_fault(Some(user), message));
            } else if row.user == ROOT_USER {
                let active = row.keys.iter().any(|key| key.status.can_sign());
                report.root_key = SourcedFact::Known(active, report_provenance(report.as_of));
            } else {
                report.rows.push(row);
            }
        }
        Err(why) => report.faults.push(report_fault(Some(user), format!("line {line} of the report: {why}"))),
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
        None if active => return Err(RowError::ActiveKeyWithoutDate(slot)),
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
    text.parse().map_err(|_| RowError::InvalidDate(text.to_owned()))
}

/// Returns the latest date of a past event in the report: AWS cannot have generated the report before it.
fn latest_date(columns: &ReportColumns, rows: &[csv::StringRecord]) -> Option<Timestamp> {
    // The only column with dates in the future.
    let next_rotation = columns.names.iter().position(|name| name == "password_next_rotation");
    let fields = rows.iter().flat_map(|row| row.iter().enumerate());
    let past = fields.filter(|(index, _)| Some(*index) != next_rotation);
    past.filter_map(|(_, field)| field.trim().parse().ok()).max()
}
