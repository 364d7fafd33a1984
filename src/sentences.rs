//! Begins a sentence with a capital letter, joins words, counts things, writes an advice of several steps as one text
//! (`1. ...; 2. ...`), and splits such a text into lines for formats that people read.

use jiff::SignedDuration;

/// A text with a capital letter at its beginning, unless that is code.
pub fn begin_sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// `a`, `a and b`, or `a, b and c`.
pub fn join_words(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// `1 error`, `2 errors`.
pub fn count_noun(number: i64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A time in whole days, `90 days`, or else in hours, `36 hours`, or in minutes.
pub fn describe_wait(time: SignedDuration) -> String {
    if time.as_mins() % 60 != 0 {
        return count_noun(time.as_mins(), "minute");
    }
    match time.as_hours() {
        hours if hours % 24 == 0 => count_noun(hours / 24, "day"),
        hours => count_noun(hours, "hour"),
    }
}

/// One step as it is, several with their numbers.
pub fn number_steps(steps: &[String]) -> String {
    match steps {
        [one] => one.clone(),
        steps => {
            let numbered = steps.iter().enumerate().map(|(index, step)| format!("{}. {step}", index + 1));
            numbered.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The lines of an advice: what comes before the first step, and each step. An advice without steps is one line.
pub fn split_steps(advice: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = advice;
    if let Some(start) = advice.find("1. ").filter(|_| advice.contains("; 2. ")) {
        lines.extend(Some(advice[..start].trim_end()).filter(|line| !line.is_empty()));
        rest = &advice[start..];
        for number in 2.. {
            let Some(end) = rest.find(&format!("; {number}. ")) else { break };
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
    }
    lines.push(rest);
    lines
}

/// How many numbered steps an advice has.
pub fn count_steps(advice: &str) -> usize {
    split_steps(advice).into_iter().filter(|line| is_numbered(line)).count()
}

fn is_numbered(line: &str) -> bool {
    let number = line.split_once(". ").map_or("", |(number, _)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The lines of an advice, each escaped for the format, with the format's line break between them.
pub fn join_steps(advice: &str, escape: fn(&str) -> String, line_break: &str) -> String {
    split_steps(advice).into_iter().map(escape).collect::<Vec<_>>().join(line_break)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_named_in_the_largest_unit_that_it_fills() {
        let described = [10, 20, 60, 90, 36 * 60, 24 * 60, 90 * 24 * 60]
            .map(|minutes| describe_wait(SignedDuration::from_mins(minutes)));
        let wanted = ["10 minutes", "20 minutes", "1 hour", "90 minutes", "36 hours", "1 day", "90 days"];
        assert_eq!(described, wanted);
    }

    #[test]
    fn words_are_joined_as_in_a_sentence() {
        let words = ["a", "b", "c"].map(str::to_owned);
        let joined: Vec<String> = (0..=3).map(|count| join_words(&words[..count])).collect();
        assert_eq!(joined, ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn steps_that_were_numbered_become_lines() {
        let steps = ["write it: now; then go".to_owned(), "`a`".to_owned(), "`b`".to_owned()];
        let advice = number_steps(&steps);
        assert_eq!(split_steps(&advice), ["1. write it: now; then go", "2. `a`", "3. `b`"]);
        assert_eq!(
            (count_steps(&advice), count_steps("go; then stop"), count_steps("To go on: 1. a; 2. b")),
            (3, 0, 2)
        );
        assert_eq!(split_steps(&number_steps(&steps[..1])), ["write it: now; then go"]);
        for (advice, lines) in [
            ("merge it; or close it", vec!["merge it; or close it"]),
            ("version 1. x", vec!["version 1. x"]),
            ("To go on: 1. a; 2. b", vec!["To go on:", "1. a", "2. b"]),
            ("; 2. a", vec!["; 2. a"]),
        ] {
            assert_eq!(split_steps(advice), lines);
        }
    }
}
