//! Files that were made to fill the memory. None of at most 1 MB may take more than 200 MB.
//!
//! The files are of 256 KiB, to be read quickly, and may take a quarter of what a file of 1 MB may.

use std::fmt::Write as _;

use crate::support::Keytide;
use crate::support::check::{id, secret};

const SIZE: usize = 256 * 1024;
/// In KiB: what the program takes for nothing, and a quarter of the rest of 200 MB.
const BASE: u64 = 32 * 1024;
const LIMIT: u64 = BASE + (200 * 1024 - BASE) / 4;

/// Runs a program, and writes the most memory that it took, in KiB, to a file.
const MEASURE: &str = "import os, sys\n\
    process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)\n\
    _, status, used = os.wait4(process, 0)\n\
    unit = 1024 if sys.platform == 'darwin' else 1\n\
    open(sys.argv[1], 'w').write(str(used.ru_maxrss // unit))\n\
    sys.exit(os.waitstatus_to_exitcode(status))";

const CHECK: &[&str] = &["check", "--format", "json"];
const INIT: &[&str] = &["init", "--offline", "--stdout"];
const REPORT: &[&str] =
    &["audit", "--credential-report", "r.csv", "--format", "json", "--now", "2026-04-01T00:00:00Z"];
const HEAD: &str = "version: 1\naccount: \"123456789012\"\n";
const COLUMNS: &str = "user,arn,password_enabled,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date\n";
const ENCRYPTED: &str = "ENC[AES256_GCM,data:Tr7oEyiy,iv:6ZYHGBzpeFSp0DkQHmKYhTyNmoHFFSgZ4SC+sBNLsdA=,tag:kWmZgUQm3kCfW+jnpLmGQA==,type:str]";

/// One file that is hard to read, and the command that reads it.
struct Input {
    name: &'static str,
    file: &'static str,
    text: fn() -> String,
    arguments: &'static [&'static str],
    /// The destination in the policy file.
    destination: Option<&'static str>,
}

const fn scan(name: &'static str, text: fn() -> String) -> Input {
    Input { name, file: "a.txt", text, arguments: CHECK, destination: None }
}

const fn file(
    name: &'static str,
    file: &'static str,
    arguments: &'static [&'static str],
    text: fn() -> String,
) -> Input {
    Input { name, file, text, arguments, destination: None }
}

const fn destination(
    name: &'static str,
    file: &'static str,
    spec: &'static str,
    text: fn() -> String,
) -> Input {
    Input { name, file, text, arguments: CHECK, destination: Some(spec) }
}

const SOPS_YAML: &str = "sops: { file: x.yaml, access_key_id: a.id, secret_access_key: a.secret }";
const SOPS_INI: &str = "sops: { file: x.ini, access_key_id: a.id, secret_access_key: a.secret }";
const SEALED: &str =
    "sealed_secret: { file: x.yaml, certificate: c.pem, access_key_id: ID, secret_access_key: SECRET }";
const AGE: &str = "age: { file: x.age, format: dotenv, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p] }";
const REFERENCE: &str = "reference: { files: [\"*.txt\"] }";

static INPUTS: [Input; 35] = [
    scan("pairs of keys", || repeat(&format!("{} aws_secret_access_key={}\n", id(), secret()))),
    scan("pairs of keys on one line", || repeat(&format!("{} aws_secret_access_key={} ", id(), secret()))),
    scan("allow comments", || repeat(&["# keytide", ": allow plaintext-key -- x\n"].concat())),
    scan("quoted-printable", || repeat("AKIA=\n")),
    file("a workflow of empty maps", WORKFLOW, CHECK, || format!("{KEY_INPUT}a: [{}", repeat(":,"))),
    file("a workflow of lists", WORKFLOW, CHECK, || format!("{KEY_INPUT}a: [{}", repeat("[],"))),
    file("a workflow of anchors", WORKFLOW, CHECK, || {
        format!("{KEY_INPUT}a: {}{}", "[".repeat(100), repeat("&a x,"))
    }),
    file("a workflow of documents", WORKFLOW, CHECK, || format!("{KEY_INPUT}{}", repeat("---\na: b\n"))),
    file("a workflow of steps", WORKFLOW, CHECK, || {
        format!("jobs:\n a:\n  steps:\n{}", repeat("      - {uses: a/b@v1, with: {aws-access-key-id: x}}\n"))
    }),
    destination("sops, maps", "x.yaml", SOPS_YAML, || format!("{}b: [{}]\n", sops_yaml(), repeat(":,"))),
    destination("sops, aliases of aliases", "x.yaml", SOPS_YAML, || {
        let mut text = format!("{}a0: &a0 [x]\n", sops_yaml());
        for n in 0..SIZE / 60 {
            writeln!(text, "a{}: &a{0} [{}]", n + 1, format!("*a{n},").repeat(6)).unwrap();
        }
        text
    }),
    destination("sops, a long pattern", "x.yaml", SOPS_YAML, || {
        format!("{}    encrypted_regex: \"{}\"\n", sops_yaml(), repeat("(a|b)"))
    }),
    destination("sops, a pattern that grows", "x.yaml", SOPS_YAML, || {
        format!("{}    encrypted_regex: '((\\pL{{60}}){{60}}){{60}}'\n", sops_yaml())
    }),
    destination("sops, a long section", "x.ini", SOPS_INI, || {
        format!("[{}]\n{}", "s".repeat(SIZE / 2), numbered(SIZE / 2, |n| format!("k{n} = 1\n")))
    }),
    destination("sealed, many items", "x.yaml", SEALED, || {
        format!(
            "kind: SealedSecret\nspec:\n  encryptedData:\n{}",
            numbered(SIZE, |n| format!("    K{n}: A\n"))
        )
    }),
    destination("sealed, plain items", "x.yaml", SEALED, || {
        format!("{{\"kind\":\"Secret\",\"data\":{{{}\"ID\":1}}}}", repeat("\"ID\":1,"))
    }),
    destination("age, many stanzas", "x.age", AGE, || {
        format!("age-encryption.org/v1\n{}", repeat("-> X25519 a\n\n"))
    }),
    destination("age, empty lines of armor", "x.age", AGE, || {
        format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}", repeat("\n"))
    }),
    destination("many references", "x.txt", REFERENCE, || repeat(&format!("{}\n", id()))),
    destination("a lock file", ".github/keytide/ci.lock.json", REFERENCE, || {
        let item = "{\"kind\":\"\",\"target\":\"\"},";
        let start =
            "{\"version\":1,\"user\":\"ci\",\"rotated_at\":\"2026-11-21T12:00:00Z\",\"destinations\":[";
        format!("{start}{}{}]}}", repeat(item), item.trim_end_matches(','))
    }),
    file("a policy of empty maps", "keytide.yml", CHECK, || policy(&format!("a: [{}", repeat(":,")))),
    file("a policy of control characters", "keytide.yml", CHECK, || {
        policy(&format!("users: [{}]\n", repeat("\"\\e\",")))
    }),
    file("a policy of unknown fields", "keytide.yml", CHECK, || {
        policy(&format!("users: [{{name: u, {}}}]\n", numbered(SIZE, |n| format!("k{n}: 1, "))))
    }),
    file("a report of short lines", "r.csv", REPORT, || format!("{COLUMNS}{}", repeat("x\n"))),
    file("a report of one cell", "r.csv", REPORT, || {
        format!("{COLUMNS}u,{},false,true,x,N/A,false,N/A,N/A\n", "x".repeat(SIZE))
    }),
    file("a report of many columns", "r.csv", REPORT, || {
        format!("{}{COLUMNS}{}", "c,".repeat(SIZE / 4), "x\n".repeat(SIZE / 4))
    }),
    file("a report of one user", "r.csv", REPORT, || {
        let arn = "arn:aws:iam::123456789012:user/u";
        format!(
            "{COLUMNS}{}",
            repeat(&format!("u,{arn},false,true,2026-01-01T00:00:00Z,N/A,false,N/A,N/A\n"))
        )
    }),
    file("rules of what is ignored", ".gitignore", CHECK, || {
        numbered(SIZE / 8, |n| format!("a{n}*[bc]?d\n"))
    }),
    file("rules of two characters", ".gitignore", CHECK, || repeat("?\n")),
    file("braces in braces", ".gitignore", CHECK, || {
        format!("{}{}\n", "{".repeat(SIZE / 5), "}".repeat(SIZE / 5))
    }),
    file("Terraform users", "a.tf", INIT, || {
        numbered(SIZE, |n| format!("resource \"aws_iam_user\" \"u{n}\" {{\n name = \"u{n}\"\n}}\n"))
    }),
    file("Terraform lists", "a.tf", INIT, || {
        format!("resource \"aws_iam_user\" \"u\" {{\n name = \"u\"\n x = [{}]\n}}\n", repeat("1,"))
    }),
    file("init, a long key over many", "x.yaml", INIT, || {
        let fields = numbered(SIZE / 2, |n| format!(" {n}: 1\n"));
        format!("{}:\n{fields}sops:\n    mac: {ENCRYPTED}\n", "k".repeat(SIZE / 2))
    }),
    file("init, many credentials", "x.env", INIT, || {
        let pair = |n: usize| {
            format!("A{n}_AWS_ACCESS_KEY_ID={ENCRYPTED}\nA{n}_AWS_SECRET_ACCESS_KEY={ENCRYPTED}\n")
        };
        format!("{}sops_mac={ENCRYPTED}\n", numbered(SIZE, pair))
    }),
    file("init, a workflow", WORKFLOW, INIT, || format!("a: \"{}\"\n", repeat("secrets.AWS_ACCESS_KEY_ID "))),
];

const WORKFLOW: &str = ".github/workflows/x.yml";
/// Without the name of such an input a workflow is not parsed.
const KEY_INPUT: &str = "# aws-access-key-id\n";

fn repeat(piece: &str) -> String {
    piece.repeat(SIZE / piece.len())
}

fn numbered(size: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < size {
        text += &piece(number);
        number += 1;
    }
    text
}

/// Cut to the size that a policy file may have.
fn policy(text: &str) -> String {
    let text = format!("{HEAD}{text}");
    text[..text.len().min(SIZE - 1)].to_owned()
}

fn sops_yaml() -> String {
    format!("a:\n    id: {ENCRYPTED}\n    secret: {ENCRYPTED}\nsops:\n    mac: {ENCRYPTED}\n")
}

/// The memory that a run takes, in KiB.
fn measure(name: &str, run: Keytide) -> u64 {
    let peak = run.path("peak");
    let ran = run.run_behind(&["python3", "-c", MEASURE, peak.to_str().unwrap()]);
    assert!((0..=3).contains(&ran.exit), "{name}: {}: {:.1000}", ran.exit, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{name}: {:.1000}", ran.stderr);
    std::fs::read_to_string(peak).unwrap().parse().unwrap()
}

#[test]
fn no_file_fills_the_memory() {
    let users = |spec: &str| format!("{HEAD}users:\n  - name: ci\n    destinations:\n      - {spec}\n");
    let mut taken = Vec::new();
    for input in &INPUTS {
        let mut run = Keytide::new(input.arguments);
        if input.file != "keytide.yml" && input.arguments != INIT {
            run = run.policy(&input.destination.map_or(format!("{HEAD}users:\n  - match: \"*\"\n"), users));
        }
        taken.push((measure(input.name, run.file(input.file, (input.text)())), input.name));
    }
    taken.push((measure("an index", with_index(&forged_index())), "an index"));
    taken.sort_unstable();
    println!("{taken:#?}");
    let too_much: Vec<_> = taken.iter().filter(|(peak, _)| *peak > LIMIT).collect();
    assert!(too_much.is_empty(), "more than {LIMIT} KiB: {too_much:?}");
    let (least, _) = taken[0];
    assert!(least < BASE && least > 1024, "the measure is wrong: {least} KiB");
}

fn with_index(index: &[u8]) -> Keytide {
    let run = Keytide::new(CHECK).file(".git/HEAD", "ref: refs/heads/main\n").file(".git/objects/x", "");
    run.file(".git/refs/x", "").file(".git/index", index)
}

/// An index of version 4: each path is the one before it with another end, in folders that are nowhere.
fn forged_index() -> Vec<u8> {
    let first = "a/".repeat(400);
    let count = SIZE / 86;
    let mut bytes = [b"DIRC\0\0\0\x04".as_slice(), &u32::try_from(count).unwrap().to_be_bytes()].concat();
    for number in 0..count {
        bytes.extend([0; 24]);
        bytes.extend(0o100_644_u32.to_be_bytes());
        bytes.extend([0; 12 + 20 + 2]);
        let end = format!("{number:05}/b/c/d/e/f");
        // So many bytes of the path before are dropped.
        bytes.push(if number == 0 { 0 } else { u8::try_from(end.len()).unwrap() });
        bytes.extend(if number == 0 { first.as_bytes() } else { b"" });
        bytes.extend(end.as_bytes());
        bytes.push(0);
    }
    bytes.extend([0; 20]);
    bytes
}
