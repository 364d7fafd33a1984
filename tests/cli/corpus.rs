//! The corpus of planted keys and decoys: what the scanner finds in its two halves, by rule and line.

use std::process::Command;

use crate::support::root;

/// What keytide finds in one half, as the corpus counts it.
fn score_scanners(half: &str) -> String {
    let output = Command::new("python3")
        .arg(root().join("tests/fixtures/corpus/peers.py"))
        .args(["--half", half, "--only", "none", "--keytide"])
        .arg(crate::support::program())
        .output()
        .expect("python3 runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn the_half_from_before_the_scanner_is_found_and_its_decoys_are_not() {
    let scores = score_scanners("frozen");
    assert!(scores.contains("keytide by rule and line: 464/464 found, 0 unexpected"), "{scores}");
}

#[test]
fn the_half_from_after_the_scanner_is_found_and_its_decoys_are_not() {
    let scores = score_scanners("second");
    assert!(scores.contains("keytide by rule and line: 332/332 found, 0 unexpected"), "{scores}");
}

/// The digests in the corpus's README are those of the files that are written.
#[test]
fn the_corpus_is_as_it_was_frozen() {
    let readme = std::fs::read_to_string(root().join("tests/fixtures/corpus/README.md")).expect("a README");
    for half in ["frozen", "second"] {
        let output = Command::new("python3")
            .arg(root().join("tests/fixtures/corpus/make.py"))
            .args(["--half", half, "--digest"])
            .output()
            .expect("python3 runs");
        let digests = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(digests.lines().count() == 2 && readme.contains(&digests), "{half}: {digests}");
    }
}
