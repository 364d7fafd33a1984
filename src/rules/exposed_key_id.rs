//! `exposed-key-id`: an access key ID stands in clear text and no `reference` covers it.

use std::collections::BTreeSet;

use super::references::{account, may_be_ours, owner, references};
use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::repo::Material;

pub struct ExposedKeyId;

static TEXT: Text = Text {
    name: "exposed-key-id",
    severity: Severity::Warning,
    input: Input::Files,
    finds: "an access key ID stands in clear text and no `reference` covers it",
    why: "An access key ID tells the account and the key; a copy that nobody knows of goes stale at the next rotation, and its secret is often not far.",
    fix: "Remove it, or list the file under a `reference` destination so that a rotation keeps it right. If it is no key, write `keytide: allow exposed-key-id -- REASON` in a comment on the line.",
};

impl Rule for ExposedKeyId {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let references = references(facts);
        let mut seen = BTreeSet::new();
        for file in facts.files.into_iter().flat_map(|files| &files.found) {
            let referred = references.iter().any(|reference| reference.covers(&file.file));
            for hit in &file.hits {
                let Material::KeyId(id) = &hit.material else { continue };
                let known = !seen.insert((file.file.as_str(), id)) && file.commit.is_some();
                if known || (referred && may_be_ours(facts, id)) {
                    continue;
                }
                let kind = if id.is_temporary() { "a temporary access key ID" } else { "an access key ID" };
                let encoded = if hit.encoded { " (in Base64)" } else { "" };
                let past = file.past();
                let message =
                    format!("{kind} stands in clear text{encoded}: {id}, {}{past}", account(facts, id));
                let user = owner(facts, id);
                let finding = verdict
                    .add_in(&TEXT, (file, hit.at), (user, &hit.excerpt), message)
                    .excerpt(&hit.excerpt);
                finding.access_key_id = Some(id.to_string());
            }
        }
    }
}
