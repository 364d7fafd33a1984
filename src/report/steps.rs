//! Splits an advice of several numbered steps (`1. ...; 2. ...`) into its lines, for formats that people read.

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

/// The lines of an advice, each escaped for the format, with the format's line break between them.
pub fn join_steps(advice: &str, escape: fn(&str) -> String, line_break: &str) -> String {
    split_steps(advice).into_iter().map(escape).collect::<Vec<_>>().join(line_break)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_steps_become_lines() {
        for (advice, lines) in [
            ("merge it; or close it", vec!["merge it; or close it"]),
            ("version 1. x", vec!["version 1. x"]),
            (
                "1. write it: now; then go; 2. `a`; 3. `b`",
                vec!["1. write it: now; then go", "2. `a`", "3. `b`"],
            ),
            ("To go on: 1. a; 2. b", vec!["To go on:", "1. a", "2. b"]),
            ("; 2. a", vec!["; 2. a"]),
        ] {
            assert_eq!(split_steps(advice), lines);
        }
    }
}
