//! Replaces single scalars of a text and leaves every other byte as it is: the encryption of destinations writes its
//! files this way, so that comments, order and style stay.

use std::ops::Range;

use super::tree::{NodeKind, ScalarStyle, YamlNode};

/// Where a scalar is in the text. Readers of other formats (dotenv, INI) make them too.
#[derive(Debug, Clone)]
pub struct ScalarSpot {
    /// Quotes included; of a block scalar without its header.
    pub range: Range<usize>,
    pub style: ScalarStyle,
}

/// A range of the text and what replaces it.
pub type TextEdit = (Range<usize>, String);

impl YamlNode {
    /// Returns where the scalar is; `None` when the node is not a scalar.
    pub fn scalar_spot(&self) -> Option<ScalarSpot> {
        let NodeKind::Scalar { style, .. } = self.kind else { return None };
        Some(ScalarSpot { range: self.range.clone(), style })
    }
}

impl ScalarSpot {
    /// Returns the edit that gives the scalar a new text of one line, which must need no escapes.
    pub fn replace_with(&self, source: &str, new: &str) -> TextEdit {
        match self.style {
            ScalarStyle::Plain => (self.range.clone(), new.to_owned()),
            ScalarStyle::SingleQuoted => (self.range.clone(), format!("'{new}'")),
            ScalarStyle::DoubleQuoted => (self.range.clone(), format!("\"{new}\"")),
            ScalarStyle::Block => {
                // The range of a block scalar reaches to the next node; the blank lines before that must stay.
                let old = source.get(self.range.clone()).unwrap_or_default();
                let end = self.range.start + old.trim_end_matches(['\r', '\n', ' ']).len();
                (self.range.start..end, new.to_owned())
            }
        }
    }
}

/// Applies edits to a text. Returns `None` when two of them overlap.
pub fn apply_edits(source: &str, mut edits: Vec<TextEdit>) -> Option<String> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(source.len() + 256);
    let mut copied = 0;
    for (range, text) in edits {
        // `None` also for two edits of one place, which an alias or one path given twice makes.
        out.push_str(source.get(copied..range.start)?);
        out.push_str(&text);
        copied = range.end;
    }
    out.push_str(source.get(copied..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::reader::parse_editable;
    use super::*;

    fn edit(source: &str, path: &[&str], new: &str) -> String {
        let file = parse_editable(source).unwrap();
        let mut node = &file.roots[0];
        for name in path {
            node = file.get_field(node, name).unwrap();
        }
        apply_edits(source, vec![node.scalar_spot().unwrap().replace_with(source, new)]).unwrap()
    }

    #[test]
    fn a_scalar_of_each_style_is_replaced_and_nothing_else() {
        let source = "\u{feff}# é\r\na: old   # c\r\nb: { c: 'old' , d: \"o\\u006cd\" }\r\ne: |-\r\n   old\r\n\r\nf: x\r\n";
        assert_eq!(edit(source, &["a"], "new"), source.replacen("a: old", "a: new", 1));
        assert_eq!(edit(source, &["b", "c"], "new"), source.replace("'old'", "'new'"));
        assert_eq!(edit(source, &["b", "d"], "new"), source.replace("o\\u006cd", "new"));
        assert_eq!(edit(source, &["e"], "new"), source.replace("   old", "   new"));
    }

    #[test]
    fn overlapping_edits_are_refused() {
        assert_eq!(apply_edits("abc", vec![(0..2, "x".to_owned()), (1..3, "y".to_owned())]), None);
    }
}
