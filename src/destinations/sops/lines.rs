//! Parses dotenv and INI files of SOPS: one value per line, and the metadata in names `sops_...` or the section `[sops]`.
//!
//! getsops/sops, `stores/dotenv/store.go`, `stores/flatten.go`; gopkg.in/ini.v1, `parser.go`.

use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use super::value::{LeafLimit, METADATA, SopsDocument, SopsLeaf, SopsValue, SyntaxFault};
use crate::diagnostic::Position;
use crate::yaml::ScalarStyle;
use crate::yaml::edit::ScalarSpot;

/// `KEY=value` a line; nothing is trimmed, and `\n` in a value is a line feed.
pub fn parse_dotenv(source: &str) -> Result<SopsDocument, SyntaxFault> {
    let mut document = SopsDocument::default();
    let mut limit = LeafLimit::default();
    for (number, range) in numbered_lines(source) {
        let line = &source[range.clone()];
        if let Some(comment) = line.strip_prefix('#') {
            document.comments.push(comment.to_owned());
        } else if let Some((key, text)) = line.split_once('=') {
            let start = range.start + key.len() + 1;
            let at = Position { line: number, column: key.chars().count() as u32 + 2 };
            let text = text.replace("\\n", "\n");
            let (path, list) = match key.strip_prefix("sops_") {
                Some(name) => (path_tokens(name), &mut document.metadata),
                None => (vec![key.to_owned()], &mut document.leaves),
            };
            let leaf = new_leaf(path, text, at, start..range.end);
            limit.count_leaf(&leaf)?;
            list.push(leaf);
        } else if !line.is_empty() {
            return Err(fault_in_line(number, "a line of it has no `=`"));
        }
    }
    Ok(document)
}

/// `[section]`, then `key = value` or `key: value` a line; `#` and `;` begin a comment, in a value as well.
pub fn parse_ini(source: &str) -> Result<SopsDocument, SyntaxFault> {
    let mut document = SopsDocument::default();
    let mut section: Rc<str> = "DEFAULT".into();
    let mut known = HashSet::new();
    let mut limit = LeafLimit::default();
    for (number, range) in numbered_lines(source) {
        let line = &source[range.clone()];
        let line = if range.start == 0 { line.trim_start_matches('\u{feff}') } else { line };
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        } else if let Some(comment) = trimmed.strip_prefix(['#', ';']) {
            document.comments.push(comment.to_owned());
        } else if let Some(rest) = trimmed.strip_prefix('[') {
            let (name, _) =
                rest.rsplit_once(']').ok_or_else(|| fault_in_line(number, "a section has no `]`"))?;
            section = name.into();
        } else {
            let start = range.end - line.len();
            let (key, value) =
                key_and_value(line).ok_or_else(|| fault_in_line(number, "a line of it has no `=`"))?;
            let value = unquoted_range(line, value)
                .ok_or_else(|| fault_in_line(number, "a value of it goes over several lines"))?;
            let (comment, text) = (&line[value.end..], line[value.clone()].to_owned());
            document
                .comments
                .extend(comment.trim_end().split_once(['#', ';']).map(|(_, comment)| comment.to_owned()));
            let at = Position { line: number, column: line[..value.start].chars().count() as u32 + 1 };
            let spot = start + value.start..start + value.end;
            let (path, text, list) = if *section == *METADATA {
                (path_tokens(key), text.replace("\\n", "\n"), &mut document.metadata)
            } else if !known.insert((Rc::clone(&section), key.to_owned())) {
                // SOPS would keep one of the two, and the MAC covers that one only.
                return Err(fault_in_line(number, "a key of it stands twice"));
            } else {
                (vec![section.to_string(), key.to_owned()], text, &mut document.leaves)
            };
            let leaf = new_leaf(path, text, at, spot);
            limit.count_leaf(&leaf)?;
            list.push(leaf);
        }
    }
    Ok(document)
}

fn fault_in_line(line: u32, why: &str) -> SyntaxFault {
    (Position { line, column: 1 }, why.to_owned())
}

/// The lines with their numbers, without the line feeds.
fn numbered_lines(source: &str) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut start = 0;
    source.split('\n').enumerate().map(move |(number, line)| {
        let range = start..start + line.len();
        start = range.end + 1;
        (number as u32 + 1, range)
    })
}

fn new_leaf(path: Vec<String>, text: String, at: Position, range: Range<usize>) -> SopsLeaf {
    let keys = path.clone();
    SopsLeaf {
        path,
        keys,
        value: SopsValue::Text(text),
        at,
        spot: ScalarSpot { range, style: ScalarStyle::Plain },
    }
}

/// `age__list_0__map_enc` → `age`, `0`, `enc`.
fn path_tokens(name: &str) -> Vec<String> {
    name.split("__map_").flat_map(|part| part.split("__list_")).map(str::to_owned).collect()
}

/// A key, which may be quoted, and where the value begins in the line.
fn key_and_value(line: &str) -> Option<(&str, usize)> {
    let lead = line.len() - line.trim_start().len();
    let rest = &line[lead..];
    let (key, after) = match rest.chars().next()? {
        quote @ ('"' | '`') => {
            let inner = &rest[1..];
            let end = inner.find(quote)?;
            (&inner[..end], lead + 1 + end + 1)
        }
        _ => {
            let end = rest.find(['=', ':'])?;
            (rest[..end].trim_end(), lead + end)
        }
    };
    let sign = after + line[after..].find(['=', ':'])?;
    Some((key, sign + 1))
}

/// The range of the value's text in the line, without quotes and a comment. `None` when it goes on in the next line.
fn unquoted_range(line: &str, from: usize) -> Option<Range<usize>> {
    let rest = &line[from..];
    let start = from + rest.len() - rest.trim_start().len();
    let value = rest.trim();
    for quote in ["\"\"\"", "`"] {
        if let Some(inner) = value.strip_prefix(quote).filter(|_| value.len() > 3) {
            let end = inner.rfind(quote)?;
            return Some(start + quote.len()..start + quote.len() + end);
        }
    }
    // A backslash at the end continues the value in the next line
    if value.ends_with('\\') {
        return None;
    }
    let value = value.split(['#', ';']).next().unwrap_or_default().trim_end();
    let quotes = usize::from(is_quoted(value, '"') || is_quoted(value, '\''));
    Some(start + quotes..start + value.len() - quotes)
}

fn is_quoted(value: &str, quote: char) -> bool {
    value.len() > 1 && value.starts_with(quote) && value.ends_with(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(document: &SopsDocument) -> Vec<(String, &str)> {
        document.leaves.iter().map(|leaf| (leaf.dotted_path(), leaf.value_text())).collect()
    }

    #[test]
    fn dotenv_trims_nothing() {
        let source = "# c\nA= b \n\nB =x=\\ny\nsops_age__list_0__map_enc=l1\\nl2\\n\n#ENC[x\n";
        let document = parse_dotenv(source).unwrap();
        assert_eq!(values(&document), [("A".to_owned(), " b "), ("B ".to_owned(), "x=\ny")]);
        assert_eq!(document.metadata_field(&["age", "0", "enc"]).unwrap().value_text(), "l1\nl2\n");
        assert_eq!(&source[document.leaves[1].spot.range.clone()], "x=\\ny");
        assert_eq!(document.comments, [" c", "ENC[x"]);
        assert_eq!(parse_dotenv("A=b\r\n\r\n").unwrap_err().0.line, 2, "SOPS does not read it either");
    }

    #[test]
    fn ini_has_quotes_and_comments() {
        let source = "top = 1\r\n[a] ; x\r\n; c\r\nid   = ENC[x==]  \r\nk: 'v' # d\r\n`q=` = `a;b`\r\ne =\r\n[sops]\r\nmac = m\\nn\r\n";
        let document = parse_ini(source).unwrap();
        let found = values(&document);
        let expected =
            [("DEFAULT.top", "1"), ("a.id", "ENC[x==]"), ("a.k", "v"), ("a.q=", "a;b"), ("a.e", "")];
        assert_eq!(found.iter().map(|(name, text)| (name.as_str(), *text)).collect::<Vec<_>>(), expected);
        assert_eq!(&source[document.leaves[1].spot.range.clone()], "ENC[x==]");
        assert_eq!(document.metadata_field(&["mac"]).unwrap().value_text(), "m\nn");
        assert_eq!(document.comments, [" c", " d"]);
        for broken in ["[a", "k", "k = \"\"\"x", "k = x\\", "a=1\na=2"] {
            assert!(parse_ini(broken).is_err(), "{broken}");
        }
    }
}
