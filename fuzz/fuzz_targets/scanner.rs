//! The scanner: a whole file, and the same in two windows, must not panic, and the work must stay linear.
#![no_main]

use std::sync::LazyLock;

use keytide::repository::{Cursor, Scanner, look};
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::new);

fuzz_target!(|bytes: &[u8]| {
    let scan = SCANNER.scan(bytes);
    assert!(scan.steps <= 400 * bytes.len() as u64 + 20_000, "{} steps for {} bytes", scan.steps, bytes.len());
    let middle = bytes.len() / 2;
    let first = SCANNER.window(bytes, 0..middle, Cursor::default());
    let second = SCANNER.window(bytes, middle..bytes.len(), first.end);
    assert_eq!([first.hits, second.hits].concat(), scan.hits, "two windows find what one does");
    look(&SCANNER, "x", bytes);
});
