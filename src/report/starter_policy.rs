//! Writes the policy file of `keytide init`: entries for what was found, comments for what only a person knows.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::destinations::suggest::SuggestedEntry;
use crate::policy::Destination;
use crate::sanitize::{escape_line, is_harmful};

/// What is known of an account's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateUser {
    pub name: String,
    /// Why it seems to be this repository's; `None`: nothing says so.
    pub why: Option<String>,
    /// Its keys, in half a sentence.
    pub keys: String,
}

/// What a first policy file is made of.
#[derive(Debug, Clone, Default)]
pub struct StarterFindings {
    pub account: Option<String>,
    pub users: Vec<CandidateUser>,
    pub suggestions: Vec<SuggestedEntry>,
    /// Files that name an access key ID in clear text.
    pub naming: Vec<String>,
}

const HEAD: &str = "version: 1\n";
const UNKNOWN_USER: &str =
    "  - name: CHANGE-ME            # the IAM user whose access key this repository uses\n";
/// The fields of a destination that say where it is stand first.
const FIRST: [&str; 4] = ["file", "repository", "organization", "certificate"];
/// The indentation of a user's destinations.
const INSIDE: &str = "      ";

/// The file.
pub fn render_starter_policy(findings: &StarterFindings) -> String {
    let mut text = HEAD.to_owned();
    match &findings.account {
        Some(account) => {
            let _ = writeln!(text, "account: \"{account}\"        # any other account is refused");
        }
        None => text
            .push_str("# account: \"123456789012\"      # any other account is refused; rotation needs it\n"),
    }
    text.push_str("users:\n");
    let (ours, others): (Vec<&CandidateUser>, Vec<&CandidateUser>) =
        findings.users.iter().partition(|user| user.why.is_some());
    for user in &ours {
        let why = user.why.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "  - name: {}   # {}; {}",
            quote_scalar(&user.name),
            escape_line(why),
            escape_line(&user.keys)
        );
    }
    if ours.is_empty() {
        text.push_str(UNKNOWN_USER);
    }
    text.push_str(&render_destinations(findings, ours.len() == 1 && findings.account.is_some()));
    if !others.is_empty() {
        text.push_str(
            "# Other users of the account that have access keys; name those that are this repository's:\n",
        );
        for user in others {
            let _ = writeln!(text, "#  - name: {}   # {}", quote_scalar(&user.name), escape_line(&user.keys));
        }
    }
    text
}

/// What applications seem to read. As comments where it is not clear whose key it is.
fn render_destinations(findings: &StarterFindings, is_clear: bool) -> String {
    let lines: Vec<String> = findings.suggestions.iter().filter_map(describe_suggestion).collect();
    let naming: Vec<String> = findings.naming.iter().map(|file| quote_scalar(&escape_glob(file))).collect();
    let reference =
        (!naming.is_empty()).then(|| format!("- reference: {{ files: [{}] }}", naming.join(", ")));
    let mut seen = BTreeSet::new();
    let lines: Vec<String> =
        lines.into_iter().chain(reference).filter(|line| seen.insert(line.clone())).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let sure = is_clear && lines.iter().any(|line| line.starts_with('-'));
    text.push_str("    # Where the key seems to be kept. With `rotation: {}` keytide may rotate it there.\n");
    text.push_str(if sure { "    # rotation: {}\n    destinations:\n" } else { "    # destinations:\n" });
    for line in &lines {
        // An entry that lacks a field is a comment in any case: the file must be valid as it is.
        let mark = if sure && line.starts_with('-') { "" } else { "# " };
        let _ = writeln!(text, "{INSIDE}{mark}{line}");
    }
    text
}

/// A destination as a line of the file; `None` for a name that no policy file may hold.
fn describe_suggestion(suggestion: &SuggestedEntry) -> Option<String> {
    match suggestion {
        SuggestedEntry::Destination(destination) => render_flow_mapping(destination),
        SuggestedEntry::Unfinished { file, kind, missing } => {
            Some(format!("{kind}: {{ file: {} }} needs {missing}", quote_scalar(file)))
        }
    }
}

fn render_flow_mapping(destination: &Destination) -> Option<String> {
    let value = serde_json::to_value(destination).ok()?;
    let (kind, fields) = value.as_object()?.iter().next()?;
    let mut fields: Vec<(&String, &Value)> = fields.as_object()?.iter().collect();
    fields.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let mut written = Vec::new();
    for (name, value) in fields {
        let is_default = name == "product" && value == "actions";
        if let Some(text) = value.as_str().filter(|_| !is_default) {
            written.push(format!("{name}: {}", quote_scalar(text)));
        }
    }
    Some(format!("- {kind}: {{ {} }}", written.join(", ")))
}

/// A file's name as a glob that matches nothing else.
fn escape_glob(file: &str) -> String {
    let mut glob = String::with_capacity(file.len());
    for c in file.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => glob.push_str(&format!("[{c}]")),
            _ => glob.push(c),
        }
    }
    glob
}

/// A YAML scalar that is read as this text and no other.
fn quote_scalar(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || ['_', '.', '/', '-'].contains(&c));
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.');
    // YAML 1.1 reads these as other values, YAML 1.2 only some of them: quotes are right for both.
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"];
    let reserved = word.contains(&text.to_ascii_lowercase().as_str());
    if begins_well && is_plain && !reserved {
        return text.to_owned();
    }
    escape_harmful(&serde_json::to_string(text).unwrap_or_default())
}

/// Writes characters that would control a terminal as escapes of a YAML scalar in double quotes.
fn escape_harmful(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        match u32::from(c) {
            code if is_harmful(c) && code > 0xffff => out.push_str(&format!("\\U{code:08x}")),
            code if is_harmful(c) => out.push_str(&format!("\\u{code:04x}")),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::suggest::{KnownFiles, suggest_destinations};

    fn read(text: &str) -> crate::policy::Policy {
        let open = |_: &str| Err("there is none".to_owned());
        let source =
            crate::policy::PolicySource { file: "keytide.yml", bytes: text.as_bytes(), read_base: &open };
        crate::policy::read_policy(&source, &[]).unwrap()
    }

    #[test]
    fn what_is_written_is_a_policy_file() {
        let workflow = "a: ${{ secrets.AWS_ACCESS_KEY_ID }} ${{ secrets.AWS_SECRET_ACCESS_KEY }}";
        let known = KnownFiles { repository: Some("acme/app"), certificate: None };
        let mut suggestions = suggest_destinations(".github/workflows/a.yml", workflow.as_bytes(), known);
        suggestions.extend(suggest_destinations("x.age", b"age-encryption.org/v1\n", known));
        let user = |name: &str, why: Option<&str>| CandidateUser {
            name: name.to_owned(),
            why: why.map(str::to_owned),
            keys: "1 access key, 200 days old\nx: y".to_owned(),
        };
        for (account, users) in [
            (None, vec![]),
            (Some("123456789012"), vec![user("yes", Some("a file names its key"))]),
            (
                Some("123456789012"),
                vec![user("a@b+c", Some("its tag")), user("d", Some("x")), user("e", None)],
            ),
        ] {
            let findings = StarterFindings {
                account: account.map(str::to_owned),
                users: users.clone(),
                suggestions: suggestions.clone(),
                naming: vec!["deploy/[x] y.tf".to_owned()],
            };
            let text = render_starter_policy(&findings);
            let policy = read(&text);
            let ours: Vec<&str> =
                users.iter().filter(|user| user.why.is_some()).map(|user| user.name.as_str()).collect();
            let names: Vec<&str> = policy.user_names().collect();
            assert_eq!(names, if ours.is_empty() { vec!["CHANGE-ME"] } else { ours.clone() }, "{text}");
            let destinations = if ours.len() == 1 { 2 } else { 0 };
            assert_eq!(policy.users[0].destinations.len(), destinations, "{text}");
        }
    }
}
