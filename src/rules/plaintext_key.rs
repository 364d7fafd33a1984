//! `plaintext-key`: a secret access key stands in clear text in a file.

use std::collections::BTreeSet;

use super::references::{account, owner};
use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::repo::Material;

pub struct PlaintextKey;

static TEXT: Text = Text {
    name: "plaintext-key",
    severity: Severity::Error,
    input: Input::Files,
    finds: "a secret access key stands in clear text in a file",
    why: "Whoever can read the repository, or ever could, can use the key; removing the line does not take it back.",
    fix: "Deactivate the key now and replace it; keep the new one encrypted. If it is no key, write `keytide: allow plaintext-key -- REASON` in a comment on the line.",
};

impl Rule for PlaintextKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let mut seen = BTreeSet::new();
        for file in facts.files.into_iter().flat_map(|files| &files.found) {
            for hit in &file.hits {
                let Material::Secret { beside, digest } = &hit.material else { continue };
                if !seen.insert((file.file.as_str(), *digest)) && file.commit.is_some() {
                    continue;
                }
                let encoded = if hit.encoded { " (in Base64, which hides nothing)" } else { "" };
                let beside_text = beside.as_ref().map_or_else(String::new, |id| {
                    format!(", beside access key ID {id} {}", account(facts, id))
                });
                let past = file.past();
                let message = format!("a secret access key stands in clear text{encoded}{beside_text}{past}");
                let user = beside.as_ref().and_then(|id| owner(facts, id));
                let finding = verdict
                    .add_in(&TEXT, (file, hit.at), (user, &hit.excerpt), message)
                    .excerpt(&hit.excerpt);
                finding.access_key_id = beside.as_ref().map(ToString::to_string);
            }
        }
    }
}
