//! IAM's credential report: CSV → rows.
//!
//! Columns are found by name and unknown ones skipped; truth values are read in any case; `N/A`,
//! `no_information` and `not_supported` mean what AWS documents (IAM user guide, "Getting credential reports").

use jiff::Timestamp;

use super::{AccessKey, Fact, Fault, LastUse, Source, Stamp, Status, Why, told};

/// The user name of the row that speaks of the account's root user.
const ROOT: &str = "<root_account>";
/// The call that fetches the report, for faults.
pub const OPERATION: &str = "iam:GetCredentialReport";

/// A report, row by row.
#[derive(Debug, Clone)]
pub struct Report {
    /// Twelve digits, from the rows' ARNs.
    pub account: String,
    /// When it was made; for a file the latest date in it, since a report does not tell.
    pub as_of: Timestamp,
    pub root_key: Fact<bool>,
    pub rows: Vec<Row>,
    /// Rows that could not be read. A report with any of these is not whole.
    pub faults: Vec<Fault>,
}

/// The row of one user.
#[derive(Debug, Clone)]
pub struct Row {
    pub user: String,
    pub arn: String,
    pub console_password: Fact<bool>,
    /// The keys of the two slots; their dates are "created or last changed".
    pub keys: Vec<AccessKey>,
    /// A third key that the two slots cannot show.
    pub more_keys: bool,
}

impl Report {
    pub fn row(&self, user: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.user == user)
    }
}

/// Reads a report. `made_at` is when AWS made it, if that is known.
///
/// # Errors
/// Says in a sentence why this is no credential report at all; single broken rows become faults instead.
pub fn parse(bytes: &[u8], made_at: Option<Timestamp>) -> Result<Report, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers().map_err(|_| "this is not text".to_owned())?.clone();
    let columns = Columns::find(&headers)?;
    let mut report = Report {
        account: String::new(),
        as_of: made_at.unwrap_or(Timestamp::MIN),
        root_key: Fact::Unknown(Why::NotInSource),
        rows: Vec::new(),
        faults: Vec::new(),
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => rows.push(record),
            Err(error) => report.faults.push(fault(None, format!("a line of the report is broken: {error}"))),
        }
    }
    if made_at.is_none() {
        report.as_of = latest(&columns, &rows).unwrap_or(Timestamp::UNIX_EPOCH);
    }
    rows.iter().for_each(|record| add(&mut report, &columns, record));
    if report.account.is_empty() {
        return Err("no line of this report names a user of an account".to_owned());
    }
    Ok(report)
}

/// Where the columns stand.
struct Columns {
    names: Vec<String>,
}

impl Columns {
    fn find(headers: &csv::StringRecord) -> Result<Self, String> {
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

fn add(report: &mut Report, columns: &Columns, record: &csv::StringRecord) {
    let line = record.position().map_or(0, csv::Position::line);
    let user = columns.get(record, "user");
    if record.len() < columns.names.len() {
        let message =
            format!("line {line} of the report is cut: {} of {} columns", record.len(), columns.names.len());
        report.faults.push(fault((!user.is_empty()).then_some(user), message));
        return;
    }
    match row(report.as_of, columns, record) {
        Ok(row) => {
            let account = account_of(&row.arn).unwrap_or_default();
            if report.account.is_empty() {
                report.account = account.to_owned();
            }
            if report.account != account {
                let message = format!("line {line} of the report is of another account, {account}");
                report.faults.push(fault(Some(user), message));
            } else if row.user == ROOT {
                let active = row.keys.iter().any(|key| key.status.may_sign());
                report.root_key = Fact::Known(active, stamp(report.as_of));
            } else {
                report.rows.push(row);
            }
        }
        Err(why) => report.faults.push(fault(Some(user), format!("line {line} of the report: {why}"))),
    }
}

fn fault(user: Option<&str>, message: String) -> Fault {
    Fault { user: user.map(str::to_owned), operation: OPERATION.to_owned(), message }
}

fn stamp(as_of: Timestamp) -> Stamp {
    Stamp { source: Source::Report, as_of }
}

/// The account in the ARN of a user or of the root user, in any partition.
fn account_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return None };
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let of_user = resource == "root" || resource.starts_with("user/");
    (partition.starts_with("aws") && digits && of_user).then_some(account)
}

fn row(as_of: Timestamp, columns: &Columns, record: &csv::StringRecord) -> Result<Row, String> {
    let arn = columns.get(record, "arn").to_owned();
    if account_of(&arn).is_none() {
        return Err(format!("`{arn}` is no ARN of a user"));
    }
    let console_password = match truth(columns.get(record, "password_enabled"))? {
        Some(enabled) => Fact::Known(enabled, stamp(as_of)),
        None => Fact::Unknown(Why::NotInSource),
    };
    let mut keys = Vec::new();
    for slot in [1, 2] {
        keys.extend(key(as_of, slot, |name| columns.get(record, &format!("access_key_{slot}_{name}")))?);
    }
    let more_keys = told(columns.get(record, "additional_credentials_info")).is_some();
    Ok(Row { user: columns.get(record, "user").to_owned(), arn, console_password, keys, more_keys })
}

/// A slot holds a key when it is active or has a date; an inactive key keeps its date.
fn key<'r>(as_of: Timestamp, slot: u8, get: impl Fn(&str) -> &'r str) -> Result<Option<AccessKey>, String> {
    let told_more = told(get("last_rotated")).is_some() || told(get("last_used_date")).is_some();
    let active = match truth(get("active"))? {
        Some(active) => active,
        None if told_more => {
            return Err(format!("access key {slot} is said to be neither active nor inactive"));
        }
        None => false,
    };
    let created_at = match told(get("last_rotated")) {
        Some(text) => date(&text)?,
        None if active => return Err(format!("access key {slot} is active and has no date")),
        None => return Ok(None),
    };
    let status = if active { Status::Active } else { Status::Inactive };
    let last_used = last_used(as_of, &get)?;
    Ok(Some(AccessKey { id: None, slot: Some(slot), status, created_at, may_be_older: true, last_used }))
}

fn last_used<'r>(as_of: Timestamp, get: &impl Fn(&str) -> &'r str) -> Result<Fact<Option<LastUse>>, String> {
    let text = get("last_used_date");
    if text.eq_ignore_ascii_case("n/a") {
        return Ok(Fact::Known(None, stamp(as_of)));
    }
    let Some(text) = told(text) else { return Ok(Fact::Unknown(Why::NotInSource)) };
    let (region, service) = (told(get("last_used_region")), told(get("last_used_service")));
    Ok(Fact::Known(Some(LastUse { at: date(&text)?, region, service }), stamp(as_of)))
}

fn truth(text: &str) -> Result<Option<bool>, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        "" | "n/a" | "not_supported" | "no_information" => Ok(None),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

fn date(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}` is no date"))
}

/// The latest date of something that has happened: the report cannot be older.
fn latest(columns: &Columns, rows: &[csv::StringRecord]) -> Option<Timestamp> {
    let to_come = columns.names.iter().position(|name| name == "password_next_rotation");
    let latest_of = |row: &csv::StringRecord| -> Option<Timestamp> {
        let past = row.iter().enumerate().filter(|(index, _)| Some(*index) != to_come);
        past.filter_map(|(_, field)| field.trim().parse().ok()).max()
    };
    rows.iter().filter_map(latest_of).max()
}
