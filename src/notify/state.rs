//! Keeps what was reported already, as a hidden comment in the marked part of the issue. Everyone who may edit the issue
//! can change it, so it is checked before anything relies on it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::observed::{MAX_TEXT, MAX_USER};
use super::problem::{Level, Problem};
use crate::report::fingerprint::FINGERPRINT_DIGITS;
use crate::rotation::pull_request::MAX_BODY_CHARS;
use crate::rotation::timing::MAX_CLOCK_SKEW;
use crate::rules;

/// How many problems are kept; the worst come first.
pub const MAX_PROBLEMS: usize = 400;
const VERSION: u8 = 1;
/// How many further problems a state may count: more keys than an account can have.
const MAX_MORE: usize = 1_000_000;

/// The problems that were reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssueState {
    pub problems: Vec<Problem>,
    /// How many further problems there were than are kept.
    pub more: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredState {
    version: u8,
    problems: Vec<StoredProblem>,
    more: usize,
}

/// A problem, with short names: an issue has little room.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredProblem {
    k: String,
    l: Level,
    r: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u64>,
    s: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
}

/// Encodes a state. Base64 holds nothing that could end the comment around it.
pub fn encode_state(state: &IssueState) -> String {
    let mut problems = Vec::new();
    for problem in &state.problems {
        problems.push(StoredProblem {
            k: problem.key.clone(),
            l: problem.level,
            r: problem.rule.to_owned(),
            u: problem.user.clone(),
            t: problem.text.clone(),
            h: problem.help.clone(),
            p: problem.pull_request,
            s: problem.since.as_second(),
            n: problem.run,
        });
    }
    let stored = StoredState { version: VERSION, problems, more: state.more };
    STANDARD.encode(serde_json::to_vec(&stored).unwrap_or_default())
}

/// Decodes a state; `None` if it is not one that keytide could have written until `now`.
pub fn decode_state(encoded: &str, now: Timestamp) -> Option<IssueState> {
    if encoded.len() > MAX_BODY_CHARS {
        return None;
    }
    let stored: StoredState = serde_json::from_slice(&STANDARD.decode(encoded).ok()?).ok()?;
    if stored.version != VERSION || stored.problems.len() > MAX_PROBLEMS || stored.more > MAX_MORE {
        return None;
    }
    let mut problems: Vec<Problem> = Vec::new();
    for item in stored.problems {
        let problem = check_problem(item, now)?;
        // keytide writes each key once, so someone has edited this state
        if problems.iter().any(|known| known.key == problem.key) {
            return None;
        }
        problems.push(problem);
    }
    Some(IssueState { problems, more: stored.more })
}

fn check_problem(item: StoredProblem, now: Timestamp) -> Option<Problem> {
    let is_key = item.k.len() == FINGERPRINT_DIGITS && item.k.bytes().all(|b| b.is_ascii_hexdigit());
    let is_short = item.u.as_ref().is_none_or(|user| user.chars().count() <= MAX_USER)
        && [&item.t, &item.h].into_iter().flatten().all(|text| text.chars().count() <= MAX_TEXT);
    let since = Timestamp::from_second(item.s).ok()?;
    if !is_key || !is_short || since.duration_since(now) > MAX_CLOCK_SKEW {
        return None;
    }
    // A rule of the program itself: its name is shown, and decides which command may remove the problem.
    let rule = rules::find_rule(&item.r)?.rule_meta().name;
    Some(Problem {
        key: item.k,
        level: item.l,
        rule,
        user: item.u,
        text: item.t,
        help: item.h,
        pull_request: item.p,
        since,
        run: item.n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn decode(state: &serde_json::Value) -> Option<IssueState> {
        decode_state(&STANDARD.encode(state.to_string()), at(1000))
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let problem = Problem {
            key: "0123456789abcdef".to_owned(),
            level: Level::Warning,
            rule: "key-age",
            user: Some("--> alice".to_owned()),
            text: Some("old -->".to_owned()),
            help: Some("merge it -->".to_owned()),
            pull_request: Some(12),
            since: at(7),
            run: Some(99),
        };
        let state = IssueState { problems: vec![problem], more: 3 };
        let encoded = encode_state(&state);
        assert!(!encoded.contains("--"));
        assert_eq!(decode_state(&encoded, at(1000)), Some(state));
    }

    #[test]
    fn what_keytide_cannot_have_written_is_refused() {
        let good = json!({ "k": "0123456789abcdef", "l": "error", "r": "key-age", "s": 7 });
        let with = |name: &str, value: serde_json::Value| {
            let mut problem = good.clone();
            problem[name] = value;
            json!({ "version": 1, "more": 0, "problems": [problem] })
        };
        assert!(decode(&with("s", json!(7))).is_some());
        for wrong in [
            with("k", json!("0123")),
            with("k", json!("zzzzzzzzzzzzzzzz")),
            with("l", json!("fatal")),
            with("r", json!("no-such-rule")),
            with("s", json!(100_000)),
            with("s", json!(i64::MAX)),
            with("t", json!("x".repeat(MAX_TEXT + 1))),
            with("h", json!("x".repeat(MAX_TEXT + 1))),
            with("p", json!("12")),
            with("n", json!(-1)),
            with("u", json!("x".repeat(MAX_USER + 1))),
            with("x", json!(1)),
            json!({ "version": 2, "more": 0, "problems": [] }),
            json!({ "version": 1, "more": -1, "problems": [] }),
            json!({ "version": 1, "more": u64::MAX, "problems": [] }),
            json!({ "version": 1, "more": 0, "problems": [good, good] }),
            json!([]),
        ] {
            assert_eq!(decode(&wrong), None, "{wrong}");
        }
        assert_eq!(decode_state("?", at(0)), None);
    }
}
