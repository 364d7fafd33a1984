//! Finds, without any key, why SOPS would refuse to decrypt a file (getsops/sops 3.11: `stores/stores.go`, `sops.go`; the
//! tests ask SOPS itself). A file that a merge has damaged keeps its ciphertexts, and would pass for a sound one.

use std::collections::HashSet;

use jiff::Timestamp;

use super::ciphertext::is_encrypted;
use super::encryption_rules::EncryptionRules;
use super::store_format::{DOTENV, FormatValue, INI, LinePath, ParsedSopsFile};
use crate::destinations::age_file;
use crate::diagnostic::Position;
use crate::yaml::{NodeKind, ScalarStyle, YamlNode};

/// How many values in clear text are judged: a rule can cost a search in each key above a value.
const MAX_JUDGED_VALUES: usize = 10_000;

/// One reason, and its place.
pub type Damage = (Position, String);

/// The reasons why SOPS refuses the file, whatever keys it has.
pub fn find_damage(store: &ParsedSopsFile, rules: &EncryptionRules) -> Vec<Damage> {
    let wrapped = store.list_wrapped_keys();
    let [modified, version] = ["lastmodified", "version"].map(|field| store.metadata_field(field));
    let has_list = !wrapped.is_empty() || store.has_recipient_list();
    let parts = [modified.is_some(), version.is_some(), has_list];
    // Hardly more than a MAC: a sample, which SOPS never wrote.
    if parts.into_iter().filter(|is_there| *is_there).count() < 2 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, name) in find_repeated_fields(store) {
        found.push((at, format!("SOPS cannot decrypt this file: `{name}` is in it twice")));
    }
    let is_dated = modified.is_some_and(|text| text.parse::<Timestamp>().is_ok());
    let has_version = version.is_some_and(|text| !text.is_empty());
    for (field, is_sound) in [("lastmodified", is_dated), ("version", has_version)] {
        if !is_sound {
            let why = format!("SOPS cannot decrypt this file: its `{field}` is missing or damaged");
            found.push((Position::START, why));
        }
    }
    if wrapped.is_empty() {
        let why = "no one can decrypt this file: its `sops` metadata has no recipient";
        found.push((Position::START, why.to_owned()));
    }
    for (kind, key) in wrapped {
        if !is_wrapped_key(&kind, &key.text) {
            let why =
                format!("the data key of a recipient (`{kind}`) is damaged: it cannot decrypt this file");
            found.push((key.at, why));
        }
    }
    found.extend(find_clear_values(store, rules));
    found
}

/// SOPS reads no metadata with a field that is there twice, or reads the last one. Deeper down it takes each value for
/// one of the file.
fn find_repeated_fields(store: &ParsedSopsFile) -> Vec<(Position, String)> {
    let mut found = Vec::new();
    for fields in store.list_unique_fields() {
        let mut known = HashSet::new();
        found.extend(fields.into_iter().filter(|(_, name)| !known.insert(name.clone())));
    }
    found
}

/// Whether a recipient can unwrap this. The formats of other kinds than age are those of their services.
fn is_wrapped_key(kind: &str, text: &str) -> bool {
    // A dotenv or INI file has the characters `\n` in place of line feeds.
    let text = text.replace("\\n", "\n");
    if kind != "age" {
        return !text.trim().is_empty();
    }
    age_file::decode_armor(text.as_bytes()).and_then(|key| age_file::check_header(&key)).is_ok()
}

/// The values in clear text that SOPS takes for ciphertext.
fn find_clear_values(store: &ParsedSopsFile, rules: &EncryptionRules) -> Vec<Damage> {
    let mut found = Vec::new();
    let mut judged = 0;
    store.for_each_value(&mut |keys, FormatValue { text, at }| {
        // SOPS passes over what follows the bracket.
        let is_ciphertext = text.rfind(']').is_some_and(|end| is_encrypted(&text[..=end]));
        if text.is_empty() || is_ciphertext || judged == MAX_JUDGED_VALUES {
            return;
        }
        judged += 1;
        if rules.should_encrypt(keys) == Some(true) {
            let name = keys.join(".");
            found.push((*at, format!("SOPS cannot decrypt this file: the value `{name}` is no ciphertext")));
        }
    });
    found
}

impl ParsedSopsFile {
    /// The data key as each recipient of the metadata has it, with the recipient's kind. They can be in groups.
    fn list_wrapped_keys(&self) -> Vec<(String, FormatValue)> {
        match self {
            Self::Tree { roots, .. } => {
                let mut found = Vec::new();
                if let Some(metadata) = roots.first().and_then(|root| root.get(INI)) {
                    list_keys_of_group(metadata, &mut found);
                }
                found
            }
            Self::Lines { values, .. } => {
                let fields = values.iter().filter_map(|(path, value)| {
                    let name = self.strip_metadata(path)?.strip_suffix("__map_enc")?;
                    let last = name.rsplit("__map_").next()?;
                    Some((last.split("__list_").next()?.to_owned(), value.clone()))
                });
                fields.collect()
            }
        }
    }

    /// Whether the metadata has a list of recipients, if an empty one.
    fn has_recipient_list(&self) -> bool {
        let Self::Tree { roots, .. } = self else { return false };
        let metadata = roots.first().and_then(|root| root.get(INI)).map(YamlNode::fields).unwrap_or_default();
        metadata.iter().any(|field| matches!(field.value.kind, NodeKind::List(_)))
    }

    /// The names of the fields that must not be there twice, a list for each mapping.
    fn list_unique_fields(&self) -> Vec<Vec<(Position, String)>> {
        match self {
            Self::Tree { roots, .. } => {
                let metadata = roots.iter().filter_map(|root| root.get(INI));
                let names = |map: &YamlNode| {
                    let fields = map.fields().iter().filter(|field| field.key.scalar_text().is_some());
                    fields.map(|field| (field.key.at, field.name().to_owned())).collect()
                };
                roots.iter().chain(metadata).map(names).collect()
            }
            Self::Lines { values, .. } => {
                let fields = values
                    .iter()
                    .filter_map(|(path, value)| Some((value.at, self.strip_metadata(path)?.to_owned())));
                vec![fields.collect()]
            }
        }
    }

    /// Visits each value outside the metadata, with the keys that lead to it. Null is none.
    fn for_each_value(&self, visit: &mut impl FnMut(&[String], &FormatValue)) {
        match self {
            Self::Tree { roots, .. } => {
                for field in roots.iter().flat_map(YamlNode::fields).filter(|field| field.name() != INI) {
                    visit_values(&field.value, &mut vec![field.name().to_owned()], visit);
                }
            }
            Self::Lines { values, .. } => {
                for (path, value) in values.iter().filter(|(path, _)| self.strip_metadata(path).is_none()) {
                    visit(&path.iter().map(|part| part.to_string()).collect::<Vec<_>>(), value);
                }
            }
        }
    }

    /// The name of a field of the metadata in a dotenv or INI file.
    fn strip_metadata<'p>(&self, path: &'p LinePath) -> Option<&'p str> {
        match (self, path.as_slice()) {
            (Self::Lines { metadata: DOTENV, .. }, [name]) => name.strip_prefix(DOTENV),
            (Self::Lines { metadata, .. }, [section, name]) if **section == **metadata => Some(name),
            _ => None,
        }
    }
}

/// The lists of a mapping of the metadata whose items have an `enc`, and those of the groups in it.
fn list_keys_of_group(group: &YamlNode, found: &mut Vec<(String, FormatValue)>) {
    for field in group.fields() {
        for item in field.value.items() {
            if field.name() == "key_groups" {
                list_keys_of_group(item, found);
            } else {
                let key = item.get("enc");
                let text = key.and_then(YamlNode::scalar_text).unwrap_or_default().to_owned();
                found.push((field.name().to_owned(), FormatValue { text, at: key.unwrap_or(item).at }));
            }
        }
    }
}

fn visit_values(node: &YamlNode, keys: &mut Vec<String>, visit: &mut impl FnMut(&[String], &FormatValue)) {
    match &node.kind {
        NodeKind::Map(fields) => {
            for field in fields {
                keys.push(field.name().to_owned());
                visit_values(&field.value, keys, visit);
                keys.pop();
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| visit_values(item, keys, visit)),
        NodeKind::Scalar { text, style } => {
            let is_null = *style == ScalarStyle::Plain && matches!(&**text, "~" | "null" | "Null" | "NULL");
            // Of such a value SOPS reads what its Base64 decodes to, and a ciphertext is none.
            let is_binary = node.tag.as_deref() == Some("tag:yaml.org,2002:binary");
            let text = if is_binary { format!("!!binary {text}") } else { text.clone() };
            if !is_null {
                visit(keys, &FormatValue { text, at: node.at });
            }
        }
        NodeKind::Alias(_) => {}
    }
}
