//! The readers of the Git index, of lock files, of workflows and of Terraform files.
#![no_main]

use keytide::repository::{LockFile, find_iam_users, find_static_keys, parse_index, read_job_secrets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_index(bytes, 20);
    let _ = parse_index(bytes, 32);
    let _ = LockFile::parse(bytes);
    find_static_keys(bytes);
    find_iam_users(&[b"resource \"aws_iam_user\" \"x\" {\n".as_slice(), bytes].concat());
    read_job_secrets(&String::from_utf8_lossy(bytes));
});
