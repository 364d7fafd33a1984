//! The readers of the Git index, of lock files and of workflows.
#![no_main]

use keytide::repository::{LockFile, find_static_keys, parse_index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_index(bytes, 20);
    let _ = parse_index(bytes, 32);
    let _ = LockFile::parse(bytes);
    find_static_keys(bytes);
});
