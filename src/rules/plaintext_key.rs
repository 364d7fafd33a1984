//! `plaintext-key`: a secret access key stands in clear text in a file.

use std::collections::BTreeSet;

use super::key_references::{describe_account, key_owner};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::KeyMaterial;

pub struct PlaintextKey;

static META: RuleMeta = RuleMeta {
    name: "plaintext-key",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a secret access key stands in clear text in a file",
    rationale: "Whoever can read the repository, or ever could, can use the key; removing the line does not take it back.",
    remediation: "Deactivate the key now and replace it; keep the new one encrypted. If it is no key, write `keytide: allow plaintext-key -- REASON` in a comment on the line.",
};

impl Rule for PlaintextKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let mut seen = BTreeSet::new();
        for file in facts.files.into_iter().flat_map(|files| &files.found) {
            for hit in &file.matches {
                let KeyMaterial::Secret { beside, digest } = &hit.material else { continue };
                if !seen.insert((file.file.as_str(), *digest)) && file.commit.is_some() {
                    continue;
                }
                let encoded = if hit.encoded { " (in Base64, which hides nothing)" } else { "" };
                let beside_text = beside.as_ref().map_or_else(String::new, |id| {
                    format!(", beside access key ID {id} {}", describe_account(facts, id))
                });
                let past = file.history_suffix();
                let message = format!("a secret access key stands in clear text{encoded}{beside_text}{past}");
                let user = beside.as_ref().and_then(|id| key_owner(facts, id));
                let finding = verdict
                    .add_line_finding(&META, (file, hit.at), (user, &hit.excerpt), message)
                    .set_excerpt(&hit.excerpt);
                finding.access_key_id = beside.as_ref().map(ToString::to_string);
            }
        }
    }
}
