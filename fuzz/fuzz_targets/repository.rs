//! The readers of the Git index, of lock files, of workflows and of Terraform files.
#![no_main]

use keytide::repository::{
    LockFile, find_iam_users, find_managed_keys, find_static_keys, parse_index, read_job_secrets,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_index(bytes, 20);
    let _ = parse_index(bytes, 32);
    let _ = LockFile::parse(bytes);
    for path in [".github/workflows/a.yml", ".gitlab-ci.yml", ".circleci/config.yml"] {
        find_static_keys(path, bytes);
    }
    let user = [b"resource \"aws_iam_user\" \"x\" {\n".as_slice(), bytes].concat();
    find_iam_users("x.tf", &user);
    let key = [bytes, b"\nresource \"aws_iam_access_key\" \"x\" { user = local.x }\n"].concat();
    find_managed_keys(&[("x.tf".to_owned(), key), ("y.tf.json".to_owned(), bytes.to_vec())]);
    read_job_secrets(&String::from_utf8_lossy(bytes));
});
