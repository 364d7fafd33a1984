//! Finds objects that `hcl-edit` would take too long to parse: it compares each new field with all others of its object.
//! Reads the text once, and as far as that needs: strings, comments and heredocs are passed over, but for the templates in
//! them.

/// How many comparisons of fields are made for one file, about a second: one object may have 10,000 fields.
const MAX_COMPARISONS: u64 = 50_000_000;

/// Returns the offset of the field at which the objects of a text become too large.
pub fn find_excessive_field(text: &str) -> Option<usize> {
    let mut reader = FieldReader { bytes: text.as_bytes(), ..FieldReader::default() };
    while reader.at < reader.bytes.len() {
        if reader.read_next() {
            return Some(reader.at);
        }
    }
    None
}

/// What an open brace is of.
enum Brace<'t> {
    /// An object with so many fields so far.
    Object(u64),
    Block,
    /// A template in a string.
    InString,
    /// A template in a heredoc that ends with this name.
    InHeredoc(&'t [u8]),
}

#[derive(Default)]
struct FieldReader<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Where the last word, operator or string begins.
    last: usize,
    open: Vec<Brace<'t>>,
    comparisons: u64,
}

impl<'t> FieldReader<'t> {
    /// Reads one token. Returns whether the objects have become too large with it.
    fn read_next(&mut self) -> bool {
        let byte = self.bytes[self.at];
        match (byte, self.bytes.get(self.at + 1)) {
            (b'"', _) => {
                self.take(1);
                self.read_string();
            }
            (b'#', _) | (b'/', Some(b'/')) => self.skip_behind(b"\n"),
            (b'/', Some(b'*')) => self.skip_behind(b"*/"),
            (b'<', Some(b'<')) => self.begin_heredoc(),
            (b'=' | b'!' | b'<' | b'>', Some(b'=')) | (b'=', Some(b'>')) => self.take(2),
            (b'=' | b':', _) => {
                if self.count_field() {
                    return true;
                }
                self.take(1);
            }
            (b'{', _) => {
                let brace = if self.is_behind_name() { Brace::Block } else { Brace::Object(0) };
                self.open.push(brace);
                self.take(1);
            }
            (b'}', _) => self.close_brace(),
            (byte, _) if byte.is_ascii_whitespace() => self.at += 1,
            (byte, _) if is_name_byte(byte) => self.take(self.name_length(self.at)),
            _ => self.take(1),
        }
        false
    }

    fn take(&mut self, length: usize) {
        self.last = self.at;
        self.at += length;
    }

    fn name_length(&self, start: usize) -> usize {
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.iter().take_while(|byte| is_name_byte(**byte)).count()
    }

    /// Whether a brace here follows a name or a label, as that of a block does. That of an object follows a sign, or `in`.
    fn is_behind_name(&self) -> bool {
        let name = &self.bytes[self.last..self.last + self.name_length(self.last)];
        self.bytes.get(self.last) == Some(&b'"') || !(name.is_empty() || name == b"in")
    }

    fn count_field(&mut self) -> bool {
        let Some(Brace::Object(fields)) = self.open.last_mut() else { return false };
        self.comparisons += *fields;
        *fields += 1;
        self.comparisons > MAX_COMPARISONS
    }

    fn close_brace(&mut self) {
        self.take(1);
        match self.open.pop() {
            Some(Brace::InString) => self.read_string(),
            Some(Brace::InHeredoc(name)) => self.read_heredoc(name),
            _ => {}
        }
    }

    /// Reads on in a string, to its end or to a template in it.
    fn read_string(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            if self.begin_template(Brace::InString) {
                return;
            }
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                self.last = self.at - 1;
                return;
            }
        }
    }

    fn begin_heredoc(&mut self) {
        let start = self.at + 2 + usize::from(self.bytes.get(self.at + 2) == Some(&b'-'));
        let length = self.name_length(start);
        self.take(2);
        if length > 0 {
            self.at = start + length;
            self.skip_behind(b"\n");
            self.read_heredoc(&self.bytes[start..start + length]);
        }
    }

    /// Reads on in a heredoc, to the line that ends it or to a template in it.
    fn read_heredoc(&mut self, name: &'t [u8]) {
        while self.at < self.bytes.len() {
            let line = self.at;
            while self.bytes.get(self.at).is_some_and(|byte| *byte != b'\n') {
                if self.begin_template(Brace::InHeredoc(name)) {
                    return;
                }
                self.at += 1;
            }
            if self.bytes[line..self.at].trim_ascii() == name {
                return;
            }
            self.at += 1;
        }
    }

    /// Begins a template, if there is one here.
    fn begin_template(&mut self, brace: Brace<'t>) -> bool {
        let is_escape =
            self.bytes[self.at..].starts_with(b"$${") || self.bytes[self.at..].starts_with(b"%%{");
        if is_escape {
            self.at += 2;
        }
        let rest = &self.bytes[self.at..];
        let begins = !is_escape && (rest.starts_with(b"${") || rest.starts_with(b"%{"));
        if begins {
            self.take(2);
            self.open.push(brace);
        }
        begins
    }

    fn skip_behind(&mut self, end: &[u8]) {
        let found = memchr::memmem::find(&self.bytes[self.at..], end);
        self.at = found.map_or(self.bytes.len(), |found| self.at + found + end.len());
    }
}

/// `-` is a sign as well, and no brace of a block follows it.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object of so many fields, one a line.
    fn fields(count: usize) -> String {
        (0..count).map(|number| format!("  k{number} = \"v${{x}}\" # = =\n")).collect()
    }

    #[test]
    fn the_fields_of_large_objects_are_too_many() {
        let object = |count| format!("locals {{\n m = {{\n{}}}\n}}\n", fields(count));
        assert_eq!(find_excessive_field(&object(10_000)), None);
        let large = object(10_100);
        let at = find_excessive_field(&large).unwrap();
        assert!(large[..at].ends_with("  k10000 "), "{}", &large[at - 20..at]);
        // Several of them count together
        assert!(find_excessive_field(&object(6_000).repeat(3)).is_some());
        assert!(find_excessive_field(&format!("x = [{{\n{}}}]", fields(20_000).replace('=', ":"))).is_some());
        let many = fields(20_000);
        for (before, after) in [
            ("x = f({\n", "})"),
            ("x = [for k in {\n", "}: k]"),
            ("x = [for k in /* { */ {\n", "}: k]"),
            ("x = 1 - {\n", "}"),
            ("x = true && {\n", "}"),
            ("x = y ? {\n", "} : 1"),
            ("x = { for k, v in y : k => {\n", "}}"),
            ("x = \"a ${f(\"b\", {\n", "})} c\""),
            ("x = <<E\n ${ {\n", "} }\nE\n"),
            ("x = <<E\n $${ \nE\ny = {\n", "}"),
            ("x = \"\\\"\"\ny = {\n", "}"),
        ] {
            assert!(find_excessive_field(&format!("{before}{many}{after}")).is_some(), "{before}");
        }
    }

    #[test]
    fn what_is_no_field_of_an_object_is_not_counted() {
        for text in [
            // A block compares nothing
            format!("locals {{\n{}}}\n", fields(20_000)),
            format!("resource \"a\" \"b\" {{\n{}}}\n", fields(20_000)),
            format!("x = {{ a = <<-EOT\n{}\n  EOT\n}}\n", fields(20_000)),
            format!("x = {{ a = \"{}\" }}\n", fields(20_000).replace(['"', '\n'], " ")),
            format!("x = {{ /* {} */ a = 1 }}\n", fields(20_000)),
            "x = { a = b == c }\n".repeat(20_000),
            "x = { for k, v in y : k => v if k >= 1 && v != 2 }\n".repeat(20_000),
            "}".repeat(20_000),
            "x = \"\\".to_owned(),
            "x = <<".to_owned(),
            "x = <<-".to_owned(),
            "x = <<A".to_owned(),
        ] {
            assert_eq!(find_excessive_field(&text), None, "{}", &text[..text.len().min(60)]);
        }
    }
}
