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
    text: fn(usize) -> String,
    arguments: &'static [&'static str],
    /// The destination in the policy file.
    destination: Option<&'static str>,
}

const fn scan(name: &'static str, text: fn(usize) -> String) -> Input {
    Input { name, file: "a.txt", text, arguments: CHECK, destination: None }
}

const fn file(
    name: &'static str,
    file: &'static str,
    arguments: &'static [&'static str],
    text: fn(usize) -> String,
) -> Input {
    Input { name, file, text, arguments, destination: None }
}

const fn destination(
    name: &'static str,
    file: &'static str,
    spec: &'static str,
    text: fn(usize) -> String,
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
    scan("pairs of keys", |size| repeat(size, &format!("{} aws_secret_access_key={}\n", id(), secret()))),
    scan("pairs of keys on one line", |size| {
        repeat(size, &format!("{} aws_secret_access_key={} ", id(), secret()))
    }),
    scan("allow comments", |size| repeat(size, &["# keytide", ": allow plaintext-key -- x\n"].concat())),
    scan("quoted-printable", |size| repeat(size, "AKIA=\n")),
    file("a workflow of empty maps", WORKFLOW, CHECK, |size| {
        format!("{KEY_INPUT}a: [{}", repeat(size, ":,"))
    }),
    file("a workflow of lists", WORKFLOW, CHECK, |size| format!("{KEY_INPUT}a: [{}", repeat(size, "[],"))),
    file("a workflow of anchors", WORKFLOW, CHECK, |size| {
        format!("{KEY_INPUT}a: {}{}", "[".repeat(100), repeat(size, "&a x,"))
    }),
    file("a workflow of documents", WORKFLOW, CHECK, |size| {
        format!("{KEY_INPUT}{}", repeat(size, "---\na: b\n"))
    }),
    file("a workflow of steps", WORKFLOW, CHECK, |size| {
        format!(
            "jobs:\n a:\n  steps:\n{}",
            repeat(size, "      - {uses: a/b@v1, with: {aws-access-key-id: x}}\n")
        )
    }),
    destination("sops, maps", "x.yaml", SOPS_YAML, |size| {
        format!("{}b: [{}]\n", sops_yaml(), repeat(size, ":,"))
    }),
    destination("sops, aliases of aliases", "x.yaml", SOPS_YAML, |size| {
        let mut text = format!("{}a0: &a0 [x]\n", sops_yaml());
        for n in 0..size / 60 {
            writeln!(text, "a{}: &a{0} [{}]", n + 1, format!("*a{n},").repeat(6)).unwrap();
        }
        text
    }),
    destination("sops, a long pattern", "x.yaml", SOPS_YAML, |size| {
        format!("{}    encrypted_regex: \"{}\"\n", sops_yaml(), repeat(size, "(a|b)"))
    }),
    destination("sops, a pattern that grows", "x.yaml", SOPS_YAML, |_| {
        format!("{}    encrypted_regex: '((.{{60}}){{60}}){{60}}'\n", sops_yaml())
    }),
    destination("sops, a long section", "x.ini", SOPS_INI, |size| {
        format!("[{}]\n{}", "s".repeat(size / 2), numbered(size / 2, |n| format!("k{n} = 1\n")))
    }),
    destination("sealed, many items", "x.yaml", SEALED, |size| {
        format!(
            "kind: SealedSecret\nspec:\n  encryptedData:\n{}",
            numbered(size, |n| format!("    K{n}: A\n"))
        )
    }),
    destination("sealed, plain items", "x.yaml", SEALED, |size| {
        format!("{{\"kind\":\"Secret\",\"data\":{{{}\"ID\":1}}}}", repeat(size, "\"ID\":1,"))
    }),
    destination("age, many stanzas", "x.age", AGE, |size| {
        format!("age-encryption.org/v1\n{}", repeat(size, "-> X25519 a\n\n"))
    }),
    destination("age, empty lines of armor", "x.age", AGE, |size| {
        format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}", repeat(size, "\n"))
    }),
    destination("many references", "x.txt", REFERENCE, |size| repeat(size, &format!("{}\n", id()))),
    destination("a lock file", ".github/keytide/ci.lock.json", REFERENCE, |size| {
        let item = "{\"kind\":\"\",\"target\":\"\"},";
        let start =
            "{\"version\":1,\"user\":\"ci\",\"rotated_at\":\"2026-11-21T12:00:00Z\",\"destinations\":[";
        format!("{start}{}{}]}}", repeat(size, item), item.trim_end_matches(','))
    }),
    file("a policy of empty maps", "keytide.yml", CHECK, |size| {
        policy(&format!("a: [{}", repeat(size, ":,")))
    }),
    file("a policy of control characters", "keytide.yml", CHECK, |size| {
        policy(&format!("users: [{}]\n", repeat(size, "\"\\e\",")))
    }),
    file("a policy of unknown fields", "keytide.yml", CHECK, |size| {
        policy(&format!("users: [{{name: u, {}}}]\n", numbered(size, |n| format!("k{n}: 1, "))))
    }),
    file("a report of short lines", "r.csv", REPORT, |size| format!("{COLUMNS}{}", repeat(size, "x\n"))),
    file("a report of one cell", "r.csv", REPORT, |size| {
        format!("{COLUMNS}u,{},false,true,x,N/A,false,N/A,N/A\n", "x".repeat(size))
    }),
    file("a report of many columns", "r.csv", REPORT, |size| {
        format!("{}{COLUMNS}{}", "c,".repeat(size / 4), "x\n".repeat(size / 4))
    }),
    file("a report of one user", "r.csv", REPORT, |size| {
        let arn = "arn:aws:iam::123456789012:user/u";
        format!(
            "{COLUMNS}{}",
            repeat(size, &format!("u,{arn},false,true,2026-01-01T00:00:00Z,N/A,false,N/A,N/A\n"))
        )
    }),
    file("rules of what is ignored", ".gitignore", CHECK, |size| {
        numbered(size / 8, |n| format!("a{n}*[bc]?d\n"))
    }),
    file("rules of two characters", ".gitignore", CHECK, |size| repeat(size, "?\n")),
    file("braces in braces", ".gitignore", CHECK, |size| {
        format!("{}{}\n", "{".repeat(size / 5), "}".repeat(size / 5))
    }),
    file("Terraform users", "a.tf", INIT, |size| {
        numbered(size, |n| format!("resource \"aws_iam_user\" \"u{n}\" {{\n name = \"u{n}\"\n}}\n"))
    }),
    file("Terraform lists", "a.tf", INIT, |size| {
        format!("resource \"aws_iam_user\" \"u\" {{\n name = \"u\"\n x = [{}]\n}}\n", repeat(size, "1,"))
    }),
    file("init, a long key over many", "x.yaml", INIT, |size| {
        let fields = numbered(size / 2, |n| format!(" {n}: 1\n"));
        format!("{}:\n{fields}sops:\n    mac: {ENCRYPTED}\n", "k".repeat(size / 2))
    }),
    file("init, many credentials", "x.env", INIT, |size| {
        let pair = |n: usize| {
            format!("A{n}_AWS_ACCESS_KEY_ID={ENCRYPTED}\nA{n}_AWS_SECRET_ACCESS_KEY={ENCRYPTED}\n")
        };
        format!("{}sops_mac={ENCRYPTED}\n", numbered(size, pair))
    }),
    file("init, a workflow", WORKFLOW, INIT, |size| {
        format!("a: \"{}\"\n", repeat(size, "secrets.AWS_ACCESS_KEY_ID "))
    }),
];

const WORKFLOW: &str = ".github/workflows/x.yml";
/// Without the name of such an input a workflow is not parsed.
const KEY_INPUT: &str = "# aws-access-key-id\n";

fn repeat(size: usize, piece: &str) -> String {
    piece.repeat(size / piece.len())
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
pub fn measure(name: &str, run: Keytide) -> u64 {
    let peak = run.path("peak");
    let ran = run.run_behind(&["python3", "-c", MEASURE, peak.to_str().unwrap()]);
    assert!((0..=3).contains(&ran.exit), "{name}: {}: {:.1000}", ran.exit, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{name}: {:.1000}", ran.stderr);
    std::fs::read_to_string(peak).unwrap().parse().unwrap()
}

/// The command that reads the input at a size.
fn read_input(input: &Input, size: usize) -> Keytide {
    let users = |spec: &str| format!("{HEAD}users:\n  - name: ci\n    destinations:\n      - {spec}\n");
    let mut run = Keytide::new(input.arguments);
    if input.file != "keytide.yml" && input.arguments != INIT {
        run = run.policy(&input.destination.map_or(format!("{HEAD}users:\n  - match: \"*\"\n"), users));
    }
    run.file(input.file, (input.text)(size))
}

#[test]
fn no_file_fills_the_memory() {
    let mut taken = Vec::new();
    for input in &INPUTS {
        taken.push((measure(input.name, read_input(input, SIZE)), input.name));
    }
    taken.push((measure("an index", with_index(&forged_index(SIZE))), "an index"));
    taken.sort_unstable();
    println!("{taken:#?}");
    let too_much: Vec<_> = taken.iter().filter(|(peak, _)| *peak > LIMIT).collect();
    assert!(too_much.is_empty(), "more than {LIMIT} KiB: {too_much:?}");
    let (least, _) = taken[0];
    assert!(least < BASE && least > 1024, "the measure is wrong: {least} KiB");
}

/// The instructions that a run takes, which Valgrind counts.
fn count_instructions(name: &str, run: Keytide) -> u64 {
    let ran = run.run_behind(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    assert!((0..=3).contains(&ran.exit), "{name}: {}: {:.1000}", ran.exit, ran.stderr);
    let (_, count) = ran.stderr.rsplit_once("Collected : ").expect("Valgrind counts");
    count.split_whitespace().next().unwrap().parse().unwrap()
}

/// Every reader: `cargo test --test cli -- limits --ignored`. What a run takes for nothing is left out by the differences.
#[test]
#[ignore = "takes minutes, and Valgrind"]
fn twice_the_file_is_about_twice_the_work() {
    let mut grown = Vec::new();
    let mut judge = |name: &str, count: &dyn Fn(usize) -> u64| {
        let [few, more, most] = [4_096, 8_192, 16_384].map(count);
        let (first, second) = (more.saturating_sub(few), most.saturating_sub(more));
        // So little is noise
        if second > 2_000_000 {
            grown.push((second * 100 / first.max(1), name.to_owned()));
        }
    };
    for input in &INPUTS {
        judge(input.name, &|size| count_instructions(input.name, read_input(input, size)));
    }
    judge("an index", &|size| count_instructions("an index", with_index(&forged_index(size))));
    grown.sort_unstable();
    println!("{grown:#?}");
    let too_fast: Vec<_> = grown.iter().filter(|(percent, _)| *percent > 260).collect();
    assert!(too_fast.is_empty(), "{too_fast:?}");
}

fn with_index(index: &[u8]) -> Keytide {
    let run = Keytide::new(CHECK).file(".git/HEAD", "ref: refs/heads/main\n").file(".git/objects/x", "");
    run.file(".git/refs/x", "").file(".git/index", index)
}

/// An index of version 4: each path is the one before it with another end, in folders that are nowhere.
fn forged_index(size: usize) -> Vec<u8> {
    let first = "a/".repeat(400);
    let count = size / 86;
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
