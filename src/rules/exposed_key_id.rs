//! `exposed-key-id`: a file has a plaintext access key ID that no `reference` covers.

use std::collections::BTreeSet;

use super::key_file_advice::advise_on_key_id;
use super::key_references::{collect_references, describe_account, key_owner, may_belong_to_account};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::KeyMaterial;

pub struct ExposedKeyId;

static META: RuleMeta = RuleMeta {
    name: "exposed-key-id",
    severity: Severity::Warning,
    required_input: RequiredInput::Files,
    summary: "a file has a plaintext access key ID that no `reference` covers",
    rationale: "An access key ID reveals the account and the key. An untracked copy goes stale at the next rotation, and the secret is often nearby.",
    remediation: "Remove it, or list the file under a `reference` destination so that rotations update it. If this is a false positive, add `keytide: allow exposed-key-id -- REASON` in a comment on the line.",
};

impl Rule for ExposedKeyId {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let references = collect_references(input);
        let mut seen = BTreeSet::new();
        for file in input.files.into_iter().flat_map(|files| &files.found) {
            let referred = references.iter().any(|reference| reference.covers_file(&file.file));
            for hit in &file.matches {
                let KeyMaterial::KeyId(id) = &hit.material else { continue };
                // The history repeats a finding in every commit that keeps the line: the first is enough.
                let known = !seen.insert((file.file.as_str(), id)) && file.commit.is_some();
                if known || (referred && may_belong_to_account(input, id)) {
                    continue;
                }
                let kind = if id.is_temporary() { "temporary access key ID" } else { "access key ID" };
                let encoded = if hit.encoded { " (in Base64)" } else { "" };
                let past = file.history_suffix();
                let message =
                    format!("plaintext {kind}{encoded}: {id}, {}{past}", describe_account(input, id));
                let user = key_owner(input, id);
                let finding = findings
                    .add_line_finding(&META, (file, hit.at), (user, &hit.masked_excerpt()), message)
                    .set_excerpt(&hit.excerpt)
                    .set_help(advise_on_key_id(file));
                finding.access_key_id = Some(id.to_string());
            }
        }
    }
}
