//! The frozen corpus of planted keys and decoys: what the scanner finds in it, by rule and line.

use std::process::Command;

use crate::support::root;

/// Nothing is missed and no decoy is flagged.
#[test]
fn the_corpus_is_found_and_its_decoys_are_not() {
    let output = Command::new("python3")
        .arg(root().join("tests/corpus/peers.py"))
        .args(["--only", "none", "--keytide", env!("CARGO_BIN_EXE_keytide")])
        .output()
        .expect("python3 runs");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(told.contains("keytide by rule and line: 464/464 found, 0 unexpected"), "{told}");
}
