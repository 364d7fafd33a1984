//! Finds the columns of a credential report by their names, for [`super::credential_report`].

/// The longest field of a row that is read: no ARN is longer.
pub const MAX_FIELD_BYTES: usize = 2048;

/// Where each column is, if the report has it.
pub struct ReportColumns {
    /// How many there are, with those that are not read.
    pub count: usize,
    indexes: [Option<usize>; COLUMNS.len()],
    /// The only column with dates in the future.
    pub next_rotation: Option<usize>,
}

/// The columns that are read.
const COLUMNS: [&str; 14] = [
    "user",
    "arn",
    "password_enabled",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "additional_credentials_info",
];
/// How many of them, from the first, every report has.
const NEEDED_COLUMNS: usize = 9;

impl ReportColumns {
    /// Finds the columns by the first line.
    ///
    /// # Errors
    /// The name of the first one that is missing.
    pub fn from_headers(headers: &csv::StringRecord) -> Result<Self, &'static str> {
        let position =
            |wanted: &str| headers.iter().position(|name| name.trim_start_matches('\u{feff}') == wanted);
        let indexes = COLUMNS.map(position);
        match COLUMNS.iter().zip(indexes).take(NEEDED_COLUMNS).find(|(_, index)| index.is_none()) {
            Some((name, _)) => Err(name),
            None => {
                let next_rotation = position("password_next_rotation");
                Ok(Self { count: headers.len(), indexes, next_rotation })
            }
        }
    }

    /// The field of a row in a column; empty if the report has no such column.
    pub fn get<'r>(&self, record: &'r csv::StringRecord, name: &str) -> &'r str {
        let column = COLUMNS.iter().position(|column| *column == name);
        let index = column.and_then(|column| self.indexes[column]);
        index.and_then(|index| record.get(index)).unwrap_or("").trim()
    }

    /// Whether a field that is read is longer than any that AWS writes.
    pub fn has_long_field(&self, record: &csv::StringRecord) -> bool {
        let fields = self.indexes.iter().flatten().filter_map(|index| record.get(*index));
        fields.into_iter().any(|field| field.len() > MAX_FIELD_BYTES)
    }
}
