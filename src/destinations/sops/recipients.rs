//! Reads who can decrypt a SOPS file from its metadata (getsops/sops, `stores/stores.go`).

use std::collections::{BTreeMap, HashMap};

use super::value::{SopsDocument, SopsLeaf};

/// Each kind of recipient, with the field that names one.
const KINDS: [(&str, &str); 7] = [
    ("age", "recipient"),
    ("kms", "arn"),
    ("pgp", "fp"),
    ("gcp_kms", "resource_id"),
    ("azure_kv", "vault_url"),
    ("hc_vault", "vault_address"),
    ("hckms", "key_id"),
];

/// One recipient of the metadata: its fields by their path below it.
pub struct RecipientEntry<'a> {
    pub kind: &'a str,
    group: &'a str,
    pub fields: BTreeMap<Vec<&'a str>, &'a SopsLeaf>,
}

impl RecipientEntry<'_> {
    /// The text of a field; an empty one is none.
    pub fn field_text(&self, name: &str) -> Option<&str> {
        self.fields.get(&vec![name]).map(|leaf| leaf.value_text()).filter(|text| !text.is_empty())
    }

    pub fn recipient_name(&self) -> String {
        let field = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, field)| field);
        let more = ["name", "engine_path", "key_name"].into_iter().filter_map(|name| self.field_text(name));
        let parts: Vec<&str> = self.field_text(field).into_iter().chain(more).collect();
        parts.join("/")
    }
}

/// The recipients in the order of the file.
pub fn recipient_entries(document: &SopsDocument) -> Vec<RecipientEntry<'_>> {
    let mut found: Vec<RecipientEntry<'_>> = Vec::new();
    let mut position_of: HashMap<&[String], usize> = HashMap::new();
    for leaf in &document.metadata {
        let start = if leaf.path.first().is_some_and(|first| first == "key_groups") { 2 } else { 0 };
        let Some((head, rest)) = leaf.path.split_at_checked(start + 2) else { continue };
        let kind = head[start].as_str();
        if rest.is_empty() || !KINDS.iter().any(|(known, _)| *known == kind) {
            continue;
        }
        let position = *position_of.entry(head).or_insert_with(|| {
            let group = if start == 0 { "" } else { head[1].as_str() };
            found.push(RecipientEntry { kind, group, fields: BTreeMap::new() });
            found.len() - 1
        });
        found[position].fields.insert(rest.iter().map(String::as_str).collect(), leaf);
    }
    found
}

/// Whether several groups hold a share of the data key each.
pub fn is_shared(entries: &[RecipientEntry<'_>]) -> bool {
    entries.iter().any(|entry| entry.group != entries[0].group)
}
