//! `exposed-key-id`: an access key ID stands in clear text and no `reference` covers it.

use std::collections::BTreeSet;

use super::key_references::{collect_references, describe_account, key_owner, may_belong_to_account};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::KeyMaterial;

pub struct ExposedKeyId;

static META: RuleMeta = RuleMeta {
    name: "exposed-key-id",
    severity: Severity::Warning,
    required_input: RequiredInput::Files,
    summary: "an access key ID stands in clear text and no `reference` covers it",
    rationale: "An access key ID tells the account and the key; a copy that nobody knows of goes stale at the next rotation, and its secret is often not far.",
    remediation: "Remove it, or list the file under a `reference` destination so that a rotation keeps it right. If it is no key, write `keytide: allow exposed-key-id -- REASON` in a comment on the line.",
};

impl Rule for ExposedKeyId {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let references = collect_references(facts);
        let mut seen = BTreeSet::new();
        for file in facts.files.into_iter().flat_map(|files| &files.found) {
            let referred = references.iter().any(|reference| reference.covers_file(&file.file));
            for hit in &file.matches {
                let KeyMaterial::KeyId(id) = &hit.material else { continue };
                let known = !seen.insert((file.file.as_str(), id)) && file.commit.is_some();
                if known || (referred && may_belong_to_account(facts, id)) {
                    continue;
                }
                let kind = if id.is_temporary() { "a temporary access key ID" } else { "an access key ID" };
                let encoded = if hit.encoded { " (in Base64)" } else { "" };
                let past = file.history_suffix();
                let message = format!(
                    "{kind} stands in clear text{encoded}: {id}, {}{past}",
                    describe_account(facts, id)
                );
                let user = key_owner(facts, id);
                let finding = verdict
                    .add_line_finding(&META, (file, hit.at), (user, &hit.excerpt), message)
                    .set_excerpt(&hit.excerpt);
                finding.access_key_id = Some(id.to_string());
            }
        }
    }
}
