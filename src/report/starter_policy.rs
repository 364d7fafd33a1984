//! Renders a starter policy file: what was found as entries, one for each credential; what only the maintainer knows as
//! `CHANGE-ME` and as comments.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::destinations::suggest::{CredentialGroup, SuggestedEntry, Suggestion, is_stem_of_user};
use crate::policy::{Destination, PLACEHOLDER, ROTATION_COMMENT};
use crate::sanitize::{escape_line, is_harmful};

/// A user of the account or of Terraform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateUser {
    pub name: String,
    /// Why it seems to belong to this repository; `None` if nothing says so.
    pub reason: Option<String>,
    /// Its keys, in half a sentence; empty if they are not known.
    pub keys: String,
}

/// What a starter policy file is made of.
#[derive(Debug, Clone, Default)]
pub struct StarterFindings {
    pub account: Option<String>,
    pub users: Vec<CandidateUser>,
    pub suggestions: Vec<Suggestion>,
    /// Files that contain an access key ID in plaintext.
    pub files_with_key_ids: Vec<String>,
    /// What keytide found and could not decide, a sentence each.
    pub undecided: Vec<String>,
}

/// Editors check the file while it is written.
const HEAD: &str = "\
# yaml-language-server: $schema=https://raw.githubusercontent.com/OWNER/keytide/main/policies/schema.json
version: 1
";
/// These fields of a destination come first, because they say where it is.
const FIRST: [&str; 5] = ["file", "repository", "organization", "environment", "certificate"];
/// The indentation of a user's destinations.
const INDENT: &str = "      ";

/// An entry of the list of users.
struct Entry {
    name: String,
    comment: String,
    /// The lines of its destinations: an item of the list, or what becomes a comment.
    lines: Vec<String>,
}

/// Returns the text of the file.
pub fn render_starter_policy(findings: &StarterFindings) -> String {
    let mut text = HEAD.to_owned();
    let account = findings.account.as_deref().unwrap_or(PLACEHOLDER);
    let _ =
        writeln!(text, "account: \"{account}\"        # the AWS account of the users; any other is refused");
    text.push_str("users:\n");
    let (entries, rest) = make_entries(findings);
    if entries.iter().filter(|entry| entry.name.starts_with(PLACEHOLDER)).count() > 1 {
        text.push_str("  # One entry for each credential that was found. If one user has several of them, put their destinations\n  # into one entry.\n");
    }
    for entry in &entries {
        let _ = writeln!(text, "  - name: {}   # {}", quote_scalar(&entry.name), escape_line(&entry.comment));
        text.push_str(&render_destinations(&entry.lines));
    }
    if !rest.is_empty() {
        text.push_str("# keytide cannot tell which user these belong to; put each into the `destinations` of its user:\n");
        rest.iter().for_each(|line| text.push_str(&format!("#{INDENT}{line}\n")));
    }
    for sentence in &findings.undecided {
        let _ = writeln!(text, "# {}", escape_line(sentence));
    }
    let others: Vec<&CandidateUser> = findings.users.iter().filter(|user| user.reason.is_none()).collect();
    if !others.is_empty() {
        text.push_str(
            "# Other users of the account that have access keys; add those that this repository uses:\n",
        );
    }
    for user in others {
        let _ = writeln!(text, "#  - name: {}   # {}", quote_scalar(&user.name), escape_line(&user.keys));
    }
    text
}

/// Returns the entries, and the lines that belong to no certain entry.
fn make_entries(findings: &StarterFindings) -> (Vec<Entry>, Vec<String>) {
    let groups: BTreeSet<&CredentialGroup> =
        findings.suggestions.iter().map(|suggestion| &suggestion.group).collect();
    let mut entries: Vec<Entry> = Vec::new();
    for user in findings.users.iter().filter(|user| user.reason.is_some()) {
        entries.push(Entry { name: user.name.clone(), comment: describe_user(user), lines: Vec::new() });
    }
    let mut rest = Vec::new();
    let is_without_users = entries.is_empty();
    for (index, group) in groups.iter().enumerate() {
        let lines = lines_of_group(findings, group);
        if is_without_users {
            let number = if groups.len() > 1 { format!("-{}", index + 1) } else { String::new() };
            let name = format!("{PLACEHOLDER}{number}");
            entries.push(Entry { name, comment: describe_group(group, &lines), lines });
        } else if let Some(owner) = find_owner(&entries, &groups, group) {
            entries[owner].lines.extend(lines);
        } else {
            rest.extend(lines);
        }
    }
    if entries.is_empty() {
        let comment = "the IAM user whose access key this repository uses".to_owned();
        entries.push(Entry { name: PLACEHOLDER.to_owned(), comment, lines: Vec::new() });
    }
    if let Some(line) = reference_line(&findings.files_with_key_ids) {
        match &mut entries[..] {
            [entry] => entry.lines.push(line),
            _ => rest.push(line),
        }
    }
    (entries, rest)
}

/// The entry of the user that a credential belongs to: the user has its name, or there is one user and one credential.
fn find_owner(
    entries: &[Entry],
    groups: &BTreeSet<&CredentialGroup>,
    group: &CredentialGroup,
) -> Option<usize> {
    let is_sole_credential = groups
        .iter()
        .all(|other| other.stem == group.stem && is_compatible(&other.environment, &group.environment));
    if entries.len() == 1 && is_sole_credential {
        return Some(0);
    }
    let mut named = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if is_stem_of_user(&group.stem, &entry.name) {
            named.push(index);
        }
    }
    if named.len() == 1 { named.pop() } else { None }
}

/// Whether two places may hold the same credential: not if each is in an environment of its own.
fn is_compatible(one: &Option<String>, other: &Option<String>) -> bool {
    one.is_none() || other.is_none() || one == other
}

fn lines_of_group(findings: &StarterFindings, group: &CredentialGroup) -> Vec<String> {
    let mut lines = Vec::new();
    for suggestion in findings.suggestions.iter().filter(|suggestion| suggestion.group == *group) {
        if let Some(line) = describe_suggestion(&suggestion.entry)
            && !lines.contains(&line)
        {
            lines.push(line);
        }
    }
    lines
}

fn describe_user(user: &CandidateUser) -> String {
    let reason = user.reason.as_deref().unwrap_or_default();
    if user.keys.is_empty() { reason.to_owned() } else { format!("{reason}; {}", user.keys) }
}

fn describe_group(group: &CredentialGroup, lines: &[String]) -> String {
    let place = match (&group.file, &group.environment) {
        (Some(file), _) => format!("`{file}`"),
        (None, Some(environment)) => format!("the GitHub secrets of the environment `{environment}`"),
        (None, None) => "the GitHub secrets".to_owned(),
    };
    let below = if lines.is_empty() { "" } else { " below" };
    format!("the IAM user whose access key is in {place}{below}")
}

fn reference_line(files: &[String]) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let files: Vec<String> = files.iter().map(|file| quote_scalar(&escape_glob(file))).collect();
    Some(format!("- reference: {{ files: [{}] }}", files.join(", ")))
}

/// The destinations of one user; those that are not complete are comments.
fn render_destinations(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    if lines.iter().any(|line| is_complete_line(line)) {
        let _ = writeln!(text, "    {ROTATION_COMMENT}\n    destinations:");
    } else {
        text.push_str("    # destinations:\n");
    }
    for line in lines {
        let mark = if is_complete_line(line) { "" } else { "# " };
        let _ = writeln!(text, "{INDENT}{mark}{line}");
    }
    text
}

fn is_complete_line(line: &str) -> bool {
    line.starts_with('-')
}

/// A destination as a line of the file; `None` for a name that a policy file cannot contain.
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
        let text = text
            .replace("account: \"CHANGE-ME\"", "account: \"123456789012\"")
            .replace("CHANGE-ME", "filled-in");
        let source = crate::policy::PolicySource {
            file: "keytide.yml",
            bytes: text.as_bytes(),
            read_base: &|_| crate::repository::FileContent::Absent,
        };
        crate::policy::read_policy(&source, &[]).unwrap()
    }

    fn user(name: &str, reason: Option<&str>) -> CandidateUser {
        let keys = "1 access key, 200 days old\nx: y".to_owned();
        CandidateUser { name: name.to_owned(), reason: reason.map(str::to_owned), keys }
    }

    fn workflow(names: &[&str]) -> Vec<Suggestion> {
        let mut text = String::from("a: x");
        for name in names {
            text.push_str(&format!(
                " ${{{{ secrets.{name}_ACCESS_KEY_ID }}}} ${{{{ secrets.{name}_SECRET_ACCESS_KEY }}}}"
            ));
        }
        let known = KnownFiles { repository: Some("acme/app"), certificate: None };
        suggest_destinations(".github/workflows/a.yml", text.as_bytes(), known)
    }

    /// The users of the file with the number of their destinations.
    fn entries(findings: &StarterFindings) -> Vec<(String, usize)> {
        let policy = read(&render_starter_policy(findings));
        let names = policy.user_names().map(str::to_owned);
        names.zip(&policy.users).map(|(name, user)| (name, user.destinations.len())).collect()
    }

    #[test]
    fn what_is_written_is_a_policy_file() {
        let known = KnownFiles { repository: Some("acme/app"), certificate: None };
        let mut suggestions = workflow(&["AWS"]);
        suggestions.extend(suggest_destinations("x.age", b"age-encryption.org/v1\n", known));
        for (account, users, expected) in [
            (None, vec![], vec![("filled-in-1", 1), ("filled-in-2", 0)]),
            (Some("123456789012"), vec![user("yes", Some("a file names its key"))], vec![("yes", 2)]),
            (
                Some("123456789012"),
                vec![user("a@b+c", Some("its tag")), user("d", Some("x")), user("e", None)],
                vec![("a@b+c", 0), ("d", 0)],
            ),
        ] {
            let findings = StarterFindings {
                account: account.map(str::to_owned),
                users,
                suggestions: suggestions.clone(),
                files_with_key_ids: vec!["deploy/[x] y.tf".to_owned()],
                undecided: vec!["a line\nfeed".to_owned()],
            };
            let found = entries(&findings);
            let found: Vec<(&str, usize)> =
                found.iter().map(|(name, count)| (name.as_str(), *count)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn two_credentials_are_two_users() {
        let findings = StarterFindings {
            suggestions: workflow(&["DEPLOY_AWS", "BACKUP_AWS"]),
            ..StarterFindings::default()
        };
        let expected = |one: &str, other: &str| vec![(one.to_owned(), 1), (other.to_owned(), 1)];
        assert_eq!(entries(&findings), expected("filled-in-1", "filled-in-2"));
        let users = vec![user("deploy", Some("x")), user("backup", Some("x"))];
        let named = StarterFindings { users, ..findings.clone() };
        assert_eq!(entries(&named), expected("deploy", "backup"));
        // One known user, and two credentials: neither is taken for that user's.
        let one = StarterFindings { users: vec![user("other", Some("x"))], ..findings };
        assert_eq!(entries(&one), [("other".to_owned(), 0)]);
        assert!(render_starter_policy(&one).contains("keytide cannot tell which user"));
    }
}
