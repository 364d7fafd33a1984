//! Converts a scalar in clear text into what the MAC covers: SOPS hashes the value that Go's YAML library reads, not the
//! text (go.yaml.in/yaml/v3, `resolve.go`; getsops/sops, `ToBytes` in `sops.go`).
//!
//! If a value is converted in another way than by SOPS, the MAC of the file does not match, and the file is refused.

use jiff::civil::Date;

use super::value::SopsValue;

const TAG: &str = "tag:yaml.org,2002:";
/// The tag of a value in Base64.
pub const BINARY: &str = "tag:yaml.org,2002:binary";

/// A scalar's value; `None` is null, which no MAC covers.
pub fn resolve_scalar(text: &str, is_plain: bool, tag: Option<&str>) -> Option<SopsValue> {
    let is_typed = match tag {
        None => is_plain,
        Some(tag) => tag.strip_prefix(TAG).is_some_and(|name| !matches!(name, "str" | "binary")),
    };
    if !is_typed {
        return Some(SopsValue::Text(text.to_owned()));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return None,
        "true" | "True" | "TRUE" => return typed_value("True"),
        "false" | "False" | "FALSE" => return typed_value("False"),
        ".nan" | ".NaN" | ".NAN" => return typed_value("NaN"),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return typed_value("+Inf"),
        "-.inf" | "-.Inf" | "-.INF" => return typed_value("-Inf"),
        _ => {}
    }
    // As in the YAML library: a text is tried as a number only if it begins like one, and as a time first.
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let found = if starts_number { parse_timestamp(text).or_else(|| parse_number(text)) } else { None };
    Some(found.map_or_else(|| SopsValue::Text(text.to_owned()), SopsValue::Typed))
}

fn typed_value(text: &str) -> Option<SopsValue> {
    Some(SopsValue::Typed(text.to_owned()))
}

/// A number, in which underscores may separate digits.
fn parse_number(text: &str) -> Option<String> {
    let digits = text.replace('_', "");
    parse_integer(&digits).map(|number| number.to_string()).or_else(|| parse_float(&digits))
}

/// Parses as Go's `strconv.ParseInt` with base 0: the prefix is the base, and a leading zero alone means eight.
fn parse_integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // `from_str_radix` would take a sign here, behind the one that was read
    let is_unsigned = digits.bytes().next().is_some_and(|byte| byte.is_ascii_hexdigit());
    if !is_unsigned {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// Formats as Go's `strconv.FormatFloat` with `'f', -1, 64`: the shortest text that parses to the same number, without an
/// exponent.
fn parse_float(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    let is_exponent = exponent.is_none_or(|exponent| !exponent.is_empty() && is_all_digits(exponent));
    if !has_digits || !is_all_digits(whole) || !is_all_digits(fraction) || !is_exponent {
        return None;
    }
    format_float(text)
}

/// The canonical text of a number; `None` when it is none or too large.
pub fn format_float(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| number.to_string())
}

/// A date or a time in one of the four forms that Go's YAML library takes, as RFC 3339.
fn parse_timestamp(text: &str) -> Option<String> {
    let (date, rest) = text.split_at(text.find([' ', 'T', 't']).unwrap_or(text.len()));
    let [year, month, day]: [&str; 3] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    if year.len() != 4 || !is_all_digits(year) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, parse_two_digits(month)?, parse_two_digits(day)?).ok()?;
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let has_zone = !rest.starts_with(' ');
    let (clock, zone) =
        if has_zone { rest[1..].split_at(rest[1..].find(['Z', '+', '-'])?) } else { (&rest[1..], "Z") };
    let [hour, minute, second]: [&str; 3] = clock.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let (hour, minute, second) =
        (parse_two_digits(hour)?, parse_two_digits(minute)?, parse_two_digits(second)?);
    let is_fraction = fraction.len() <= 9 && is_all_digits(fraction);
    if hour > 23 || minute > 59 || second > 59 || !is_fraction {
        return None;
    }
    let zone = match zone {
        "Z" | "+00:00" | "-00:00" => "Z",
        zone if is_offset(zone) => zone,
        _ => return None,
    };
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"))
}

fn is_all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of one or two digits.
fn parse_two_digits(text: &str) -> Option<i8> {
    if text.len() <= 2 && is_all_digits(text) { text.parse().ok() } else { None }
}

fn is_offset(zone: &str) -> bool {
    let bytes = zone.as_bytes();
    bytes.len() == 6 && bytes[3] == b':' && [1, 2, 4, 5].iter().all(|i| bytes[*i].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(text: &str) -> String {
        match resolve_scalar(text, true, None) {
            None => "null".to_owned(),
            Some(SopsValue::Text(text)) => format!("text {text}"),
            Some(SopsValue::Typed(text)) => text,
        }
    }

    #[test]
    fn scalars_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("~", "null"),
            ("", "null"),
            ("true", "True"),
            ("yes", "text yes"),
            ("NULL", "null"),
            ("1_000", "1000"),
            ("0x1F", "31"),
            ("-0x1F", "-31"),
            ("0o17", "15"),
            ("017", "15"),
            ("0b101", "5"),
            ("08", "8"),
            ("+7", "7"),
            ("-0", "0"),
            ("--1", "text --1"),
            ("0x", "text 0x"),
            ("-", "text -"),
            ("1.50", "1.5"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1E-7", "0.0000001"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e400", "text 1e400"),
            ("1e21", "1000000000000000000000"),
            ("-0.0", "-0"),
            ("1.2.3", "text 1.2.3"),
            ("9223372036854775807", "9223372036854775807"),
            (".inf", "+Inf"),
            ("-.INF", "-Inf"),
            (".nan", "NaN"),
            ("2001-12-14", "2001-12-14T00:00:00Z"),
            ("2001-2-3", "2001-02-03T00:00:00Z"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"),
            ("2001-12-14 21:59:43.000", "2001-12-14T21:59:43Z"),
            ("2001-13-14", "text 2001-13-14"),
            ("2001-12-14T1:2:3Z", "2001-12-14T01:02:03Z"),
            ("2001-12-14x", "text 2001-12-14x"),
            ("12:30", "text 12:30"),
            ("inf", "text inf"),
            ("+é", "text +é"),
            ("0é", "text 0é"),
        ] {
            assert_eq!(hashed(text), expected, "{text}");
        }
        assert_eq!(resolve_scalar("1", false, None), Some(SopsValue::Text("1".to_owned())));
        assert_eq!(
            resolve_scalar("1.50", false, Some("tag:yaml.org,2002:float")),
            Some(SopsValue::Typed("1.5".to_owned()))
        );
        assert_eq!(
            resolve_scalar("1.50", true, Some("tag:yaml.org,2002:str")),
            Some(SopsValue::Text("1.50".to_owned()))
        );
    }
}
