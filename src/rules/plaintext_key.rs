//! `plaintext-key`: a file has a plaintext secret access key.

use std::collections::BTreeSet;

use super::key_file_advice::{advise_on_secret, unstage_command};
use super::key_references::{describe_account, key_owner};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::KeyMaterial;

pub struct PlaintextKey;

static META: RuleMeta = RuleMeta {
    name: "plaintext-key",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a file has a plaintext secret access key",
    rationale: "Anyone who can read the repository, now or in its history, can use the key. Removing the line does not revoke it.",
    remediation: "Before a commit: take it out (`git restore --staged FILE`, then edit). If it was ever pushed: replace the key and deactivate it (`keytide explain leaked-key`). If this is a false positive, add `keytide: allow plaintext-key -- REASON` in a comment on the line.",
};

impl Rule for PlaintextKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let (mut seen, unstage) = (BTreeSet::new(), unstage_command(input));
        for file in input.files.into_iter().flat_map(|files| &files.found) {
            for hit in &file.matches {
                let KeyMaterial::Secret { beside, digest } = &hit.material else { continue };
                // The history repeats a finding in every commit that keeps the line: the first is enough.
                if !seen.insert((file.file.as_str(), *digest)) && file.commit.is_some() {
                    continue;
                }
                let encoded = if hit.encoded { " (in Base64, which is not encryption)" } else { "" };
                let beside_text = beside.as_ref().map_or_else(String::new, |id| {
                    format!(", next to access key ID {id} {}", describe_account(input, id))
                });
                let past = file.history_suffix();
                let message = format!("plaintext secret access key{encoded}{beside_text}{past}");
                let user = beside.as_ref().and_then(|id| key_owner(input, id));
                let finding = findings
                    .add_line_finding(&META, (file, hit.at), (user, &hit.excerpt.text), message)
                    .set_excerpt(&hit.excerpt)
                    .set_help(advise_on_secret(input, file, user, &unstage));
                finding.access_key_id = beside.as_ref().map(ToString::to_string);
                // An exemption without `files` is for a line of the past, which can get no comment. It would cover the next
                // leak as well, in any file.
                let is_allowed = file.find_allow_comment(META.name, hit.at.line).is_some()
                    || is_file_exempted(input, user, &file.file);
                if file.commit.is_none() && !is_allowed {
                    finding.exempted = None;
                }
            }
        }
    }
}

/// Whether an exemption names the file.
fn is_file_exempted(input: &RuleInput<'_>, user: Option<&str>, file: &str) -> bool {
    input.policy.exemptions.iter().map(|exemption| &exemption.value).any(|exemption| {
        !exemption.files.is_empty()
            && exemption.covers(META.name, user.unwrap_or_default(), Some(file))
            && !exemption.has_expired(input.now)
    })
}
