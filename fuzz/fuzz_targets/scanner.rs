//! The scanner: a whole file, and the same in two windows, must not panic, and the work must stay linear.
#![no_main]

use std::sync::LazyLock;

use keytide::repository::{Cursor, Scanner, scan_file};
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::new);

fuzz_target!(|bytes: &[u8]| {
    let scan = SCANNER.scan(bytes);
    assert!(
        scan.steps <= 400 * bytes.len() as u64 + 20_000,
        "{} steps for {} bytes",
        scan.steps,
        bytes.len()
    );
    let middle = bytes.len() / 2;
    let first = SCANNER.scan_window(bytes, 0..middle, Cursor::default());
    let start = Cursor::default().after(&bytes[..middle]);
    let second = SCANNER.scan_window(bytes, middle..bytes.len(), start);
    assert_eq!([first.matches, second.matches].concat(), scan.matches, "two windows find what one does");
    scan_file(&SCANNER, "x", bytes);
});
