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
fn a_wait_for_a_last_use_has_a_minimum_of_one_day() {
    let error = LongDuration::parse("23h").unwrap_err();
    assert_eq!(error.message("quiet", "23h"), "`quiet` is 23h; the minimum is 24h");
    assert!(LongDuration::parse("24h").is_ok());
}

#[test]
fn a_date_is_a_day_of_the_calendar() {
    assert!(CalendarDate::parse("2027-01-31").is_ok());
    for (wrong, help) in [
        ("31/01/2027", "write dates as YYYY-MM-DD"),
        ("2027-1-31", "write dates as YYYY-MM-DD"),
        ("2027-02-30", "the calendar has no such day"),
    ] {
        assert_eq!(CalendarDate::parse(wrong).unwrap_err().help(), help, "{wrong}");
    }
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

/// The commands that reports and pull requests print hold the name as it is.
#[test]
fn a_user_name_is_one_word_of_a_shell() {
    for special in " \t\n\0|&;<>()$`\\\"'*?[]#~!{}%^:/é\u{202e}".chars() {
        assert!(UserName::parse(&format!("a{special}b")).is_err(), "{special:?}");
    }
    assert!(UserName::parse("ci+deploy_er=a,b.c@d-e").is_ok());
}

/// The shape check knows the parser of every format that the shapes name; without one, any text would pass it.
#[test]
fn every_format_of_a_shape_has_a_parser() {
    use crate::policy::schema::{BASE_SHAPE, POLICY_SHAPE};
    let shapes = [POLICY_SHAPE, BASE_SHAPE, include_str!("../../fleet/file.shape.json")].concat();
    let formats: std::collections::BTreeSet<&str> =
        shapes.split("\"format\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(formats.contains("keytide-repository-glob"), "{formats:?}");
    for format in formats.into_iter().filter(|format| format.starts_with("keytide-")) {
        // The shape check compares these with the names of the rules itself.
        if format == RuleName::FORMAT {
            continue;
        }
        assert!(check_format(format, "").is_some(), "{format}");
    }
}
