//! Files of SOPS in many styles: what upstream encrypts, then what people's editors and formatters make of it.
//!
//! Each keeps its MAC valid, which the test checks with upstream before anything else.

/// One file: how it is encrypted, how it is styled afterwards, and where the credential stands in it.
pub struct Case {
    pub what: &'static str,
    pub name: &'static str,
    pub plain: &'static str,
    /// Of the creation rule in SOPS' configuration.
    pub rule: &'static str,
    pub style: fn(&str) -> String,
    pub paths: [&'static str; 2],
}

const fn case(
    what: &'static str,
    name: &'static str,
    plain: &'static str,
    rule: &'static str,
    style: fn(&str) -> String,
    paths: [&'static str; 2],
) -> Case {
    Case { what, name, plain, rule, style, paths }
}

const AWS: [&str; 2] = ["aws.id", "aws.secret"];
const FLAT: [&str; 2] = ["ID", "SECRET"];

const SMALL: &str = "aws:\n    id: $ID\n    secret: $SECRET\n";
/// Every kind of value.
const RICH: &str = r#"# what this is
name: app   # beside it
aws:
    id: $ID
    secret: $SECRET
    region: eu-west-1
numbers: [1, 0x1F, 017, 1_000, 1.50, 1e3, .5, 9007199254740993]
truth: [true, False, yes, "true"]
nothing: ~
also_nothing:
empty: ""
times: [2001-12-14, 2001-12-14T21:59:43.10-05:00, "2001-12-14"]
text: "größe \u2603 \t 'x'"
lines: |
    one
      two

folded: >-
    a
    b
nested:
    - - 1
      - [2, {deep: x}]
    - {k: v, l: ""}
"#;
const ANCHORS: &str = "base: &base\n    region: eu-west-1\n    retries: 3\nprod:\n    settings: {region: eu-west-1, retries: 3}\n    count: 3\naws:\n    id: $ID\n    secret: $SECRET\n";
const DOCUMENTS: &str = "a: 1\n---\naws:\n    id: $ID\n    secret: $SECRET\nb: [x, ~]\n---\nc: 1.0\n";
const LIST: &str =
    "profiles:\n    - name: one\n      id: other\n    - name: two\n      id: $ID\n      secret: $SECRET\n";
const KUBERNETES: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n    name: aws\n    labels: {app: x}\nstringData:\n    ID: $ID\n    SECRET: $SECRET\n    OTHER: \"5\"\ntype: Opaque\n";
const JSON: &str = "{\"name\": \"app <&>\", \"aws\": {\"id\": \"$ID\", \"secret\": \"$SECRET\"}, \"list\": [1, 1.50, 1e3, true, null, \"\", {\"x\": [\"\\u00e9\\n\"]}]}\n";
const DOTENV: &str = "# the app\nNAME=app\nID=$ID\nEMPTY=\nSECRET=$SECRET\nLINES=a\\nb\nSPACES= x y \nQUOTED=\"q\"\nPORT_unencrypted=8080\n";
const INI: &str =
    "; the app\n[app]\nname = app\nport = 8080\n\n[aws]\n; the key\nid = $ID\nsecret = $SECRET\nempty =\n";

/// What stands in clear is written in ways that SOPS itself never writes; the credential comes last.
const CLEAR: &str = r#"plain: one
  two

  three
double: "one
  two\
  three \x41"
single: 'it''s
  long'
folded: >+
    a
    b

      c

literal: |2
    a
   b
empty_literal: |
tags: [!!str 5, !!float 3, !!int "4", !own x, !!null ""]
base: &base {region: x, retries: 3}
prod:
  <<: *base
  list: [*base, &n 017, *n]
"quoted key": 1
? explicit
: 2
anchored: &m
- 0x1F
-   - deep
aws:
    id: $ID
    secret: $SECRET
"#;
fn same(text: &str) -> String {
    text.to_owned()
}

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn no_last_line_feed(text: &str) -> String {
    text.trim_end().to_owned()
}

fn lines(text: &str, change: impl Fn(&str) -> String) -> String {
    text.lines().map(|line| change(line) + "\n").collect()
}

/// A line's key, indentation left out.
fn key(line: &str) -> &str {
    line.split([':', '=']).next().unwrap().trim()
}

fn is_credential(line: &str) -> bool {
    line.contains("ENC[") && ["id", "secret", "ID", "SECRET", "- id"].contains(&key(line))
}

/// What is indented at all, by so many columns more or less.
fn indented(text: &str, by: isize) -> String {
    lines(text, |line| {
        let depth = line.len() - line.trim_start().len();
        let depth = if depth == 0 { 0 } else { depth.saturating_add_signed(by) };
        format!("{}{}", " ".repeat(depth), line.trim_start())
    })
}

fn two_spaces(text: &str) -> String {
    indented(text, -2)
}

fn deeper(text: &str) -> String {
    indented(text, 5)
}

fn comments(text: &str) -> String {
    let text = lines(text, |line| match is_credential(line) {
        true => format!("# about {}\n\n{line}   # rotated by keytide", key(line)),
        false => line.to_owned(),
    });
    format!("# yaml-language-server: none\n\n{text}\n\n# the end\n")
}

fn trailing_blanks(text: &str) -> String {
    text.lines()
        .map(|line| if line.contains("ENC[") { format!("{line}  \n\n") } else { format!("{line}\n") })
        .collect()
}

fn quoted(text: &str, quote: char) -> String {
    lines(text, |line| match line.split_once(": ") {
        Some((key, value)) if value.starts_with("ENC[") => format!("{key}: {quote}{value}{quote}"),
        _ => line.to_owned(),
    })
}

fn single_quoted(text: &str) -> String {
    quoted(text, '\'')
}

fn double_quoted(text: &str) -> String {
    quoted(text, '"')
}

fn block(text: &str, sign: &str) -> String {
    lines(text, |line| match line.split_once(": ") {
        Some((key, value)) if value.starts_with("ENC[") => {
            let depth = key.len() - key.trim_start().len() + 6;
            format!("{key}: {sign}\n{}{value}", " ".repeat(depth))
        }
        _ => line.to_owned(),
    })
}

fn literal(text: &str) -> String {
    block(text, "|-")
}

fn folded(text: &str) -> String {
    block(text, ">-")
}

/// `aws: {id: "...", secret: "..."}` in one line.
fn flow(text: &str) -> String {
    let mut out = String::new();
    let mut open = false;
    for line in text.lines() {
        if line == "aws:" {
            out.push_str("aws: { ");
            open = true;
        } else if open && line.starts_with("    ") {
            let (key, value) = line.trim().split_once(": ").unwrap();
            out.push_str(&format!("{key}: \"{value}\" , "));
        } else {
            if open {
                out.push_str("}\n");
                open = false;
            }
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

fn markers(text: &str) -> String {
    format!("%YAML 1.1\n---   # one\n{text}...\n")
}

fn byte_order_mark(text: &str) -> String {
    format!("\u{feff}{text}")
}

/// The metadata first.
fn metadata_first(text: &str) -> String {
    let at = text.find("sops:\n").unwrap();
    format!("{}{}", &text[at..], &text[..at])
}

/// An alias in the place of what was the same before it was encrypted.
fn alias(text: &str) -> String {
    let text = text.replace("base:\n", "base: &base\n");
    let text = text
        .replace("    settings:\n        region: eu-west-1\n        retries: 3\n", "    settings: *base\n");
    text.replace("    retries: 3\n", "    retries: &three 3\n")
        .replace("    count: 3\n", "    count: *three\n")
}

/// SOPS' own writing of what stands in clear replaced with the text that it was given.
fn own_clear(text: &str) -> String {
    let (_, encrypted) = text.split_once("\naws:").unwrap();
    format!("{}\naws:{encrypted}", CLEAR.split_once("\naws:").unwrap().0)
}

/// What no one has to decrypt, written in other ways.
fn restyled_clear(text: &str) -> String {
    text.replace("labels:\n        app: x\n", "labels: {app: 'x',}\n")
        .replace("kind: Secret", "\"kind\":   'Secret' # x")
}

fn minified(text: &str) -> String {
    let text: String = text.lines().map(str::trim_start).collect();
    text.replace("\": ", "\":")
}

fn json_spaces(text: &str) -> String {
    text.replace('\t', "   ").replace("\": ", "\"  :  ")
}

fn escaped_slashes(text: &str) -> String {
    lines(text, |line| if line.contains("ENC[") { line.replace('/', "\\/") } else { line.to_owned() })
}

fn ini_colons(text: &str) -> String {
    lines(text, |line| match line.split_once('=') {
        Some((key, value)) if value.contains("ENC[") => format!("  {} :{}  ", key.trim(), value.trim()),
        _ => line.to_owned(),
    })
}

fn ini_comments(text: &str) -> String {
    lines(text, |line| if is_credential(line) { format!("# new\n{line} ; old") } else { line.to_owned() })
}

fn dotenv_comments(text: &str) -> String {
    lines(text, |line| if is_credential(line) { format!("\n# new\n{line}\n\n") } else { line.to_owned() })
}

/// The metadata in between.
fn dotenv_shuffled(text: &str) -> String {
    let (metadata, values): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("sops_"));
    let (first, last) = values.split_at(3);
    [first, &metadata, last].concat().join("\n") + "\n"
}

pub const CASES: &[Case] = &[
    case("as SOPS writes it", "a.yaml", SMALL, "", same, AWS),
    case("every kind of value", "a.yaml", RICH, "", same, AWS),
    case("two spaces", "a.yml", RICH, "", two_spaces, AWS),
    case("nine spaces", "a.yaml", RICH, "", deeper, AWS),
    case("CRLF", "a.yaml", RICH, "", crlf, AWS),
    case("comments in clear", "a.yaml", SMALL, "", comments, AWS),
    case("comments in clear, CRLF", "a.yaml", SMALL, "", |text| crlf(&comments(text)), AWS),
    case("blank lines, trailing blanks", "a.yaml", RICH, "", trailing_blanks, AWS),
    case("single quotes", "a.yaml", SMALL, "", single_quoted, AWS),
    case("double quotes", "a.yaml", RICH, "", double_quoted, AWS),
    case("literal blocks", "a.yaml", SMALL, "", literal, AWS),
    case("folded blocks, CRLF", "a.yaml", SMALL, "", |text| crlf(&folded(text)), AWS),
    case("flow mapping", "a.yaml", SMALL, "", flow, AWS),
    case("document markers, a directive", "a.yaml", SMALL, "", markers, AWS),
    case("byte order mark", "a.yaml", SMALL, "", byte_order_mark, AWS),
    case("metadata first", "a.yaml", RICH, "", metadata_first, AWS),
    case("no last line feed", "a.yaml", SMALL, "", no_last_line_feed, AWS),
    case("anchors and aliases", "a.yaml", ANCHORS, "encrypted_regex: '^aws$'", alias, AWS),
    case("several documents", "a.yaml", DOCUMENTS, "", same, AWS),
    case("several documents, two spaces", "a.yaml", DOCUMENTS, "", two_spaces, AWS),
    case("in a list", "a.yaml", LIST, "", same, ["profiles.1.id", "profiles.1.secret"]),
    case(
        "in a list, two spaces, comments",
        "a.yaml",
        LIST,
        "",
        |t| comments(&two_spaces(t)),
        ["profiles.1.id", "profiles.1.secret"],
    ),
    case(
        "Kubernetes, encrypted_regex",
        "a.yaml",
        KUBERNETES,
        "encrypted_regex: '^(data|stringData)$'",
        same,
        ["stringData.ID", "stringData.SECRET"],
    ),
    case(
        "Kubernetes, restyled clear text",
        "a.yaml",
        KUBERNETES,
        "encrypted_regex: '^(data|stringData)$'",
        restyled_clear,
        ["stringData.ID", "stringData.SECRET"],
    ),
    case("every kind in clear", "a.yaml", RICH, "encrypted_regex: '^aws$'", same, AWS),
    case("unencrypted_regex", "a.yaml", RICH, "unencrypted_regex: '^(n|t|lines)'", two_spaces, AWS),
    case("clear text in many forms", "a.yaml", CLEAR, "encrypted_regex: '^aws$'", own_clear, AWS),
    case(
        "clear text in many forms, CRLF",
        "a.yaml",
        CLEAR,
        "encrypted_regex: '^aws$'",
        |t| crlf(&own_clear(t)),
        AWS,
    ),
    case("encrypted_suffix", "a.yaml", RICH, "encrypted_suffix: 'ws'", same, AWS),
    case("unencrypted_suffix", "a.yaml", RICH, "unencrypted_suffix: 'es'", same, ["aws.id", "aws.secret"]),
    case(
        "mac_only_encrypted",
        "a.yaml",
        RICH,
        "mac_only_encrypted: true, encrypted_regex: '^aws$'",
        same,
        AWS,
    ),
    case("mac_only_encrypted, all encrypted", "a.yaml", RICH, "mac_only_encrypted: true", crlf, AWS),
    case(
        "encrypted_comment_regex",
        "a.yaml",
        "# sops:enc\naws:\n    id: $ID\n    secret: $SECRET\nother: x\n",
        "encrypted_comment_regex: 'sops:enc'",
        same,
        AWS,
    ),
    case(
        "unencrypted_comment_regex",
        "a.yaml",
        "aws:\n    id: $ID\n    secret: $SECRET\n    # clear\n    region: x\nother: [1, 2.50]\n",
        "unencrypted_comment_regex: 'clear'",
        same,
        AWS,
    ),
    case("JSON", "a.json", JSON, "", same, AWS),
    case("JSON, spaces", "a.json", JSON, "", json_spaces, AWS),
    case("JSON, CRLF", "a.json", JSON, "", crlf, AWS),
    case("JSON, one line", "a.json", JSON, "", minified, AWS),
    case("JSON, escaped slashes", "a.json", JSON, "", escaped_slashes, AWS),
    case("JSON, encrypted_regex", "a.json", JSON, "encrypted_regex: '^aws$'", same, AWS),
    case("JSON, no last line feed", "a.json", JSON, "mac_only_encrypted: true", no_last_line_feed, AWS),
    case("dotenv", "a.env", DOTENV, "", same, FLAT),
    case("dotenv, comments in clear", "a.env", DOTENV, "", dotenv_comments, FLAT),
    case("dotenv, metadata in between", ".env", DOTENV, "", dotenv_shuffled, FLAT),
    case(
        "dotenv, encrypted_regex",
        "a.env",
        DOTENV,
        "encrypted_regex: '^(ID|SECRET)$'",
        no_last_line_feed,
        FLAT,
    ),
    case("INI", "a.ini", INI, "", same, AWS),
    case("INI, colons", "a.ini", INI, "", ini_colons, AWS),
    case("INI, comments in clear", "a.ini", INI, "encrypted_regex: '^aws$'", ini_comments, AWS),
    case("INI, CRLF", "a.ini", INI, "", crlf, AWS),
];
