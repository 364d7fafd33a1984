//! `terraform-managed-key`: Terraform manages an access key, and its next apply would undo a rotation.

use super::{FileLocation, Finding, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::repository::{ManagedKey, ScannedFile};

pub struct TerraformManagedKey;

static META: RuleMeta = RuleMeta {
    name: "terraform-managed-key",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "Terraform or OpenTofu manages an access key; an error where keytide rotates the user, a note elsewhere",
    rationale: "The next apply would create a new key for the one that a rotation deleted, or activate the old one, and the state holds the secret.",
    remediation: "First take the `aws_iam_access_key` out of the state (`terraform state rm ADDRESS`, or a `removed` block with `destroy = false`), then out of the configuration: in the other order the next apply deletes the key.",
};

impl Rule for TerraformManagedKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(files) = input.files else { return };
        let present = files.present_files();
        for key in &files.managed_keys.keys {
            report_key(key, present.get(key.file.as_str()).copied(), input, findings);
        }
        for unread in &files.managed_keys.unread {
            let message = format!(
                "cannot tell whether Terraform manages an access key: this file cannot be read ({})",
                unread.message
            );
            let place = FileLocation { file: unread.file.clone(), at: unread.at };
            findings.add_file_finding(&META, (None, ""), place, message).set_severity(Severity::Note);
        }
    }
}

fn report_key(
    key: &ManagedKey,
    file: Option<&ScannedFile>,
    input: &RuleInput<'_>,
    findings: &mut FindingCollector<'_>,
) {
    let origin = if key.is_by_default { ", by the default of a variable" } else { "" };
    for user in &key.users {
        let entry = input.policy.find_user_policy(user, None);
        let is_rotated = entry.is_some_and(|entry| entry.key_changes().is_some());
        let effect = if is_rotated { "; the next apply would undo a rotation" } else { "" };
        let message = format!("`{}` manages an access key of `{user}`{origin}{effect}", key.address);
        let severity = if is_rotated { Severity::Error } else { Severity::Note };
        let help = match entry {
            Some(entry) if entry.rotation.is_some() => {
                format!("{} Or remove `rotation:` of the user.", META.remediation)
            }
            _ => META.remediation.to_owned(),
        };
        add_finding(findings, (file, key), Some(user), (message, severity))
            .set_help(help.replace("ADDRESS", &key.address));
    }
    if key.is_undecided {
        let more = if key.users.is_empty() { "" } else { "more access keys: " };
        let message = format!(
            "`{}` manages {more}an access key of a user that the files do not name; keytide cannot tell whether it rotates that user",
            key.address
        );
        add_finding(findings, (file, key), None, (message, Severity::Note))
            .set_help(META.remediation.replace("ADDRESS", &key.address));
    }
}

fn add_finding<'c>(
    findings: &'c mut FindingCollector<'_>,
    (file, key): (Option<&ScannedFile>, &ManagedKey),
    user: Option<&str>,
    (message, severity): (String, Severity),
) -> &'c mut Finding {
    let at: Position = key.at;
    let subject = (user, key.address.as_str());
    let finding = match file {
        Some(file) => findings.add_line_finding(&META, (file, at), subject, message),
        None => {
            let place = FileLocation { file: key.file.clone(), at };
            findings.add_file_finding(&META, subject, place, message)
        }
    };
    finding.set_severity(severity)
}
