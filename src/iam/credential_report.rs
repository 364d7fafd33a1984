//! IAM's credential report: CSV → rows.
//!
//! Columns are found by name and unknown ones skipped; truth values are read in any case; `N/A`,
//! `no_information` and `not_supported` mean what AWS documents (IAM user guide, "Getting credential reports").

use jiff::Timestamp;

use super::{
    AccessKey, DataSource, KeyStatus, LastUse, Provenance, ReadFault, SourcedFact, UnknownReason, non_empty,
};

/// The user name of the row that speaks of the account's root user.
const ROOT_USER: &str = "<root_account>";
/// The call that fetches the report, for faults.
pub const OPERATION: &str = "iam:GetCredentialReport";

/// A report, row by row.
#[derive(Debug, Clone)]
pub struct CredentialReport {
    /// Twelve digits, from the rows' ARNs.
    pub account: String,
    /// When it was made; for a file the latest date in it, since a report does not tell.
    pub as_of: Timestamp,
    pub root_key: SourcedFact<bool>,
    pub rows: Vec<ReportRow>,
    /// Rows that could not be read. A report with any of these is not whole.
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
    /// A third key that the two slots cannot show.
    pub more_keys: bool,
}

impl CredentialReport {
    pub fn find_row(&self, user: &str) -> Option<&ReportRow> {
        self.rows.iter().find(|row| row.user == user)
    }
}

/// Reads a report. `made_at` is when AWS made it, if that is known.
///
/// # Errors
/// Says in a sentence why this is no credential report at all; single broken rows become faults instead.
pub fn parse_report(bytes: &[u8], made_at: Option<Timestamp>) -> Result<CredentialReport, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers().map_err(|_| "this is not text".to_owned())?.clone();
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
                report.faults.push(report_fault(None, format!("a line of the report is broken: {error}")))
            }
        }
    }
    if made_at.is_none() {
        report.as_of = latest_date(&columns, &rows).unwrap_or(Timestamp::UNIX_EPOCH);
    }
    rows.iter().for_each(|record| add_record(&mut report, &columns, record));
    if report.account.is_empty() {
        return Err("no line of this report names a user of an account".to_owned());
    }
    Ok(report)
}

/// Where the columns stand.
struct ReportColumns {
    names: Vec<String>,
}

impl ReportColumns {
    fn from_headers(headers: &csv::StringRecord) -> Result<Self, String> {
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
            Some(name) => Err(format!("the column `{name}` is missing: this is no IAM credential report")),
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
    if record.len() < columns.names.len() {
        let message =
            format!("line {line} of the report is cut: {} of {} columns", record.len(), columns.names.len());
        report.faults.push(report_fault((!user.is_empty()).then_some(user), message));
        return;
    }
    match parse_row(report.as_of, columns, record) {
        Ok(row) => {
            let account = account_from_arn(&row.arn).unwrap_or_default();
            if report.account.is_empty() {
                report.account = account.to_owned();
            }
            if report.account != account {
                let message = format!("line {line} of the report is of another account, {account}");
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

/// The account in the ARN of a user or of the root user, in any partition.
fn account_from_arn(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return None };
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let of_user = resource == "root" || resource.starts_with("user/");
    (partition.starts_with("aws") && digits && of_user).then_some(account)
}

fn parse_row(
    as_of: Timestamp,
    columns: &ReportColumns,
    record: &csv::StringRecord,
) -> Result<ReportRow, String> {
    let arn = columns.get(record, "arn").to_owned();
    if account_from_arn(&arn).is_none() {
        return Err(format!("`{arn}` is no ARN of a user"));
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

/// A slot holds a key when it is active or has a date; an inactive key keeps its date.
fn parse_key<'r>(
    as_of: Timestamp,
    slot: u8,
    get: impl Fn(&str) -> &'r str,
) -> Result<Option<AccessKey>, String> {
    let told_more = non_empty(get("last_rotated")).is_some() || non_empty(get("last_used_date")).is_some();
    let active = match parse_bool(get("active"))? {
        Some(active) => active,
        None if told_more => {
            return Err(format!("access key {slot} is said to be neither active nor inactive"));
        }
        None => false,
    };
    let created_at = match non_empty(get("last_rotated")) {
        Some(text) => parse_date(&text)?,
        None if active => return Err(format!("access key {slot} is active and has no date")),
        None => return Ok(None),
    };
    let status = if active { KeyStatus::Active } else { KeyStatus::Inactive };
    let last_used = parse_last_used(as_of, &get)?;
    Ok(Some(AccessKey { id: None, slot: Some(slot), status, created_at, may_be_older: true, last_used }))
}

fn parse_last_used<'r>(
    as_of: Timestamp,
    get: &impl Fn(&str) -> &'r str,
) -> Result<SourcedFact<Option<LastUse>>, String> {
    let text = get("last_used_date");
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

fn parse_bool(text: &str) -> Result<Option<bool>, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        "" | "n/a" | "not_supported" | "no_information" => Ok(None),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

fn parse_date(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}` is no date"))
}

/// The latest date of something that has happened: the report cannot be older.
fn latest_date(columns: &ReportColumns, rows: &[csv::StringRecord]) -> Option<Timestamp> {
    let to_come = columns.names.iter().position(|name| name == "password_next_rotation");
    let latest_of = |row: &csv::StringRecord| -> Option<Timestamp> {
        let past = row.iter().enumerate().filter(|(index, _)| Some(*index) != to_come);
        past.filter_map(|(_, field)| field.trim().parse().ok()).max()
    };
    rows.iter().filter_map(latest_of).max()
}
