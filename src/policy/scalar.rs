//! The words of a policy file that are more than text: durations, dates, names, globs, ARNs.
//!
//! Each type is parsed in one place, [`Scalar::parse`]; the JSON Schema's `format` names it, so that the shape
//! check (which sees only the schema) and serde (which sees only the type) use the same parser.

use std::borrow::Cow;
use std::fmt;

use jiff::SignedDuration;
use jiff::civil::Date as CivilDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A text with rules of its own. `parse` says in a sentence what is wrong and what to write.
pub trait Scalar: Sized {
    /// The `format` in the JSON Schema.
    const FORMAT: &'static str;
    /// A regular expression for editors; never stricter than `parse`.
    const PATTERN: &'static str;
    fn parse(text: &str) -> Result<Self, String>;
}

macro_rules! scalar {
    ($type:ty, $name:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": Self::FORMAT, "pattern": Self::PATTERN })
            }
        }
    };
}

/// The parser behind a `format`, for the shape check. `None` when the format is none of ours.
pub fn check_format(format: &str, text: &str) -> Option<Result<(), String>> {
    fn check_as<T: Scalar>(format: &str, text: &str) -> Option<Result<(), String>> {
        (format == T::FORMAT).then(|| T::parse(text).map(|_| ()))
    }
    check_as::<PolicyDuration>(format, text)
        .or_else(|| check_as::<LongDuration>(format, text))
        .or_else(|| check_as::<CalendarDate>(format, text))
        .or_else(|| check_as::<UserName>(format, text))
        .or_else(|| check_as::<UserGlob>(format, text))
        .or_else(|| check_as::<UserPath>(format, text))
        .or_else(|| check_as::<AccountId>(format, text))
        .or_else(|| check_as::<RoleArn>(format, text))
        .or_else(|| check_as::<FilePath>(format, text))
}

/// A length of time: a whole number and a unit, `12h`, `90d` or `6w`. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyDuration(pub SignedDuration);
scalar!(PolicyDuration, "Duration");

impl PolicyDuration {
    pub const fn from_days(days: i64) -> Self {
        Self(SignedDuration::from_hours(days * 24))
    }
}

impl Scalar for PolicyDuration {
    const FORMAT: &'static str = "keytide-duration";
    const PATTERN: &'static str = "^[0-9]{1,5}[hdw]$";

    fn parse(text: &str) -> Result<Self, String> {
        const WANTED: &str = "a duration is a number and a unit: `12h`, `90d` or `6w`";
        let unit = text.chars().last().ok_or(WANTED)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            _ => return Err(WANTED.to_owned()),
        };
        let number = &text[..text.len() - 1];
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(WANTED.to_owned());
        }
        if number.len() > 5 {
            return Err("this duration is too long: at most five digits".to_owned());
        }
        let number: i64 = number.parse().map_err(|_| WANTED.to_owned())?;
        Ok(Self(SignedDuration::from_hours(number * hours)))
    }
}

impl fmt::Display for PolicyDuration {
    /// Whole days as `90 days`, else `36 hours`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_hours();
        let (number, unit) = if hours % 24 == 0 { (hours / 24, "day") } else { (hours, "hour") };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

/// A [`PolicyDuration`] of at least a day: AWS reports a last use with a delay, so shorter waits prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LongDuration(pub PolicyDuration);
scalar!(LongDuration, "LongDuration");

impl Scalar for LongDuration {
    const FORMAT: &'static str = "keytide-long-duration";
    const PATTERN: &'static str = PolicyDuration::PATTERN;

    fn parse(text: &str) -> Result<Self, String> {
        let duration = PolicyDuration::parse(text)?;
        if duration < PolicyDuration::from_days(1) {
            return Err("this must be at least `24h`: AWS reports a last use with a delay".to_owned());
        }
        Ok(Self(duration))
    }
}

/// A calendar day, `YYYY-MM-DD`; it begins at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarDate(pub CivilDate);
scalar!(CalendarDate, "Date");

impl Scalar for CalendarDate {
    const FORMAT: &'static str = "keytide-date";
    const PATTERN: &'static str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

    fn parse(text: &str) -> Result<Self, String> {
        let shaped = text.len() == 10 && text.is_ascii();
        match shaped.then(|| text.parse::<CivilDate>()) {
            Some(Ok(date)) => Ok(Self(date)),
            Some(Err(_)) => Err("there is no such day in the calendar".to_owned()),
            None => Err("a date is written `2027-01-31`".to_owned()),
        }
    }
}

/// The name of an IAM user: 1 to 128 of IAM's characters (botocore `iam/2010-05-08`, `existingUserNameType`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(pub String);
scalar!(UserName, "UserName");

impl Scalar for UserName {
    const FORMAT: &'static str = "keytide-user-name";
    const PATTERN: &'static str = r"^[\w+=,.@-]{1,128}$";

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['*', '?']) {
            return Err("a name has no wildcard; write `match: \"...\"` for a glob".to_owned());
        }
        check_iam_characters(text)?;
        Ok(Self(text.to_owned()))
    }
}

fn check_iam_characters(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        _ if text.is_empty() => Err("a user name has at least one character".to_owned()),
        _ if text.chars().count() > 128 => Err("a user name has at most 128 characters".to_owned()),
        Some(c) => {
            Err(format!("`{c}` cannot stand in a user name: IAM allows letters, digits and `_+=,.@-`"))
        }
        None => Ok(()),
    }
}

/// A glob over user names: `svc-*`, `{ci,cd}-?`, `team[0-9]`.
#[derive(Debug, Clone)]
pub struct UserGlob {
    pub text: String,
    matcher: globset::GlobMatcher,
}
scalar!(UserGlob, "UserGlob");

impl UserGlob {
    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

impl Scalar for UserGlob {
    const FORMAT: &'static str = "keytide-user-glob";
    const PATTERN: &'static str = "^.{1,256}$";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().count() > 256 {
            return Err("a glob has 1 to 256 characters".to_owned());
        }
        let glob =
            globset::Glob::new(text).map_err(|error| format!("this glob is broken: {}", error.kind()))?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }
}

/// A path of IAM users, `/services/`: begins and ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPath(pub String);
scalar!(UserPath, "UserPath");

impl Scalar for UserPath {
    const FORMAT: &'static str = "keytide-user-path";
    const PATTERN: &'static str = "^/([!-~]{1,510}/)?$";

    fn parse(text: &str) -> Result<Self, String> {
        let shaped = text.starts_with('/') && text.ends_with('/') && text.len() <= 512;
        if !shaped || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("an IAM path begins and ends with a slash: `/services/`".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The twelve digits of an AWS account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountId(pub String);
scalar!(AccountId, "AccountId");

impl Scalar for AccountId {
    const FORMAT: &'static str = "keytide-account-id";
    const PATTERN: &'static str = "^[0-9]{12}$";

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an account ID has twelve digits, in quotes: `\"123456789012\"`".to_owned())
        }
    }
}

/// The ARN of an IAM role, in any partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn(pub String);
scalar!(RoleArn, "RoleArn");

impl RoleArn {
    /// The partition the role lives in: `aws`, `aws-cn`, `aws-us-gov`, ...
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or("aws")
    }

    /// The account the role lives in.
    pub fn account_id(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl Scalar for RoleArn {
    const FORMAT: &'static str = "keytide-role-arn";
    const PATTERN: &'static str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$";

    fn parse(text: &str) -> Result<Self, String> {
        const WANTED: &str = "a role is written `arn:aws:iam::123456789012:role/keytide`";
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts[..] else {
            return Err(WANTED.to_owned());
        };
        let known = scheme == "arn" && partition.starts_with("aws") && service == "iam" && region.is_empty();
        let named = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        if !known
            || !named
            || AccountId::parse(account).is_err()
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(WANTED.to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a rule. Which names there are is known to the shape check only, which is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName(pub String);
scalar!(RuleName, "RuleName");

impl Scalar for RuleName {
    const FORMAT: &'static str = "keytide-rule";
    const PATTERN: &'static str = "^[a-z-]+$";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// A file of this repository, relative to its root; it cannot lead outside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FilePath(pub String);
scalar!(FilePath, "FilePath");

impl Scalar for FilePath {
    const FORMAT: &'static str = "keytide-file-path";
    const PATTERN: &'static str = "^[^/\\\\].*$";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path has at least one character".to_owned());
        }
        if text.starts_with('/') || text.contains('\\') {
            return Err("write the path relative to the repository's root, with forward slashes".to_owned());
        }
        if text.split('/').any(|part| part == "..") {
            return Err("the path must stay inside the repository: no `..`".to_owned());
        }
        if text.split('/').any(|part| part.is_empty() || part == "." || part.eq_ignore_ascii_case(".git")) {
            return Err("write the path as git does: no empty part, no `.`, no `.git`".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a text could be a repository of GitHub's, `OWNER/NAME`.
pub fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether a text could be a region of AWS's.
pub fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(PolicyDuration::parse("90d"), Ok(PolicyDuration::from_days(90)));
        assert_eq!(PolicyDuration::parse("6w"), Ok(PolicyDuration::from_days(42)));
        for wrong in ["", "d", "90", "-5d", "1.5d", "90 d", "٣d", "1y", "90D", "999999d", "é"] {
            assert!(PolicyDuration::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_print_as_days_where_they_can() {
        assert_eq!(PolicyDuration::parse("24h").unwrap().to_string(), "1 day");
        assert_eq!(PolicyDuration::parse("36h").unwrap().to_string(), "36 hours");
        assert_eq!(PolicyDuration::parse("2w").unwrap().to_string(), "14 days");
    }

    #[test]
    fn waits_for_a_last_use_take_a_day_at_least() {
        assert!(LongDuration::parse("23h").is_err());
        assert!(LongDuration::parse("24h").is_ok());
    }

    #[test]
    fn a_path_cannot_leave_the_repository() {
        for wrong in ["", "/etc/passwd", "a/../../b", "..", "a\\b", "./a", "a//b", "a/", ".git/config"] {
            assert!(FilePath::parse(wrong).is_err(), "{wrong}");
        }
        assert!(FilePath::parse("deploy/a..b.yaml").is_ok());
    }

    #[test]
    fn a_role_is_of_any_partition() {
        assert_eq!(
            RoleArn::parse("arn:aws-us-gov:iam::123456789012:role/a/b").unwrap().partition(),
            "aws-us-gov"
        );
        for wrong in [
            "arn:aws:iam::123:role/x",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::123456789012:role/",
            "x",
        ] {
            assert!(RoleArn::parse(wrong).is_err(), "{wrong}");
        }
    }
}
