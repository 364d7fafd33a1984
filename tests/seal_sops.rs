//! Files of SOPS: edited in place or written for the recipients that stand in them; upstream's program is the judge.
#![cfg(feature = "seal")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[allow(dead_code, reason = "other tests use the rest")]
mod seal_support;

use keytide::destinations::seal::sops::unwrap;
use keytide::policy::Destination;
use seal_support::sops::Upstream;
use seal_support::styles::{CASES, Case};
use seal_support::{NEW, OLD, destination, root, seal, secret, workspace};
use serde_json::json;

fn upstream() -> &'static Upstream {
    static UPSTREAM: std::sync::OnceLock<Upstream> = std::sync::OnceLock::new();
    UPSTREAM.get_or_init(Upstream::new)
}

fn sops(file: &str, [id, secret]: [&str; 2]) -> Destination {
    destination(json!({"sops": {"file": file, "access_key_id": id, "secret_access_key": secret}}))
}

fn fill(plain: &str) -> String {
    plain.replace("$ID", OLD).replace("$SECRET", &secret(0))
}

/// How many lines a diff would remove and add.
fn diff(old: &str, new: &str) -> (usize, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate() {
        for (j, b) in new.iter().enumerate() {
            common[i + 1][j + 1] =
                if a == b { common[i][j] + 1 } else { common[i][j + 1].max(common[i + 1][j]) };
        }
    }
    let common = common[old.len()][new.len()];
    (old.len() - common, new.len() - common)
}

/// A line without the ciphertexts and the time, which must be all that differs.
fn frame(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("ENC[") {
        out.push_str(&rest[..start]);
        out.push_str("ENC");
        rest = rest[start..].split_once(']').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    let words: Vec<&str> = out.split(['"', '=', ' ', ',', '\r']).filter(|word| time(word)).collect();
    words.iter().fold(out.clone(), |out, word| out.replace(word, "TIME"))
}

/// The lines of a file, and those that a diff has with keytide and with `sops set`.
struct Row {
    lines: usize,
    ours: (usize, usize),
    theirs: String,
}

/// What one case comes to.
fn run(case: &Case) -> Row {
    let what = case.what;
    let up = upstream();
    let written = up.encrypt(case.name, &fill(case.plain), case.rule);
    let styled = (case.style)(std::str::from_utf8(&written).unwrap());
    let before = up
        .decrypt(case.name, styled.as_bytes())
        .unwrap_or_else(|why| panic!("{what}: the style: {why}\n{styled}"));
    let mut workspace = workspace(&[(case.name, styled.as_bytes())]);
    let key =
        unwrap(case.name, styled.as_bytes(), &up.identity).unwrap_or_else(|why| panic!("{what}: {why}"));
    workspace.data_keys.insert(case.name.to_owned(), key);
    let destination = sops(case.name, case.paths);
    if let Err(why) = keytide::destinations::seal::sealable(&destination).unwrap().preflight(&workspace) {
        panic!("{what}: {why}\n{styled}");
    }
    seal(&destination, &mut workspace);
    let new = String::from_utf8(workspace.files[case.name].clone()).unwrap();
    let after = up.decrypt(case.name, new.as_bytes()).unwrap_or_else(|why| panic!("{what}: {why}\n{new}"));
    assert_eq!(after, before.replace(OLD, NEW).replace(&secret(0), &secret(1)), "{what}");

    let ours = diff(&styled, &new);
    let frames = |text: &str| text.split('\n').map(frame).collect::<Vec<_>>();
    assert_eq!(frames(&styled), frames(&new), "{what}: more than ciphertexts and the time changed");
    let documents = styled.matches("lastmodified").count();
    assert!(ours.0 <= 2 + 2 * documents && ours.0 == ours.1, "{what}: {ours:?} lines");

    let first = up.set(case.name, styled.as_bytes(), case.paths[0], NEW);
    let theirs = first.and_then(|bytes| up.set(case.name, &bytes, case.paths[1], &secret(1)));
    let theirs = theirs.unwrap_or_else(|why| panic!("{what}: {why}"));
    let is_right = up.decrypt(case.name, &theirs).unwrap() == after;
    // They may have been as quick as to write the same second again.
    let theirs = String::from_utf8(theirs).unwrap();
    let (_, rest) = theirs.split_once("lastmodified").unwrap();
    let start = theirs.len() - rest.len() + rest.find("20").unwrap();
    let time = &theirs[start..start + 20];
    let (removed, added) = diff(&styled, &theirs.replace(time, "2000-01-01T00:00:00Z"));
    let theirs = format!("-{removed} +{added}{}", if is_right { "" } else { ", in the wrong document" });
    Row { lines: styled.split('\n').count(), ours, theirs }
}

#[test]
fn only_the_credential_lines_change_and_upstream_decrypts() {
    assert!(CASES.len() >= 30);
    let mut table =
        "| style | file | lines | keytide | `sops set`, twice |\n|---|---|---|---|---|\n".to_owned();
    for case in CASES {
        let Row { lines, ours, theirs } = run(case);
        table +=
            &format!("| {} | {} | {lines} | -{} +{} | {theirs} |\n", case.what, case.name, ours.0, ours.1);
    }
    println!("{table}");
    let readme = std::fs::read_to_string(root().join("tests/seal_support/README.md")).unwrap_or_default();
    let told = "the table in tests/seal_support/README.md is not up to date; the new one:";
    assert!(readme.contains(&table), "{told}\n{table}");
}
