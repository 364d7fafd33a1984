//! The reader of SOPS files, in each of their formats.
#![no_main]

use keytide::destinations::FileDestination;
use keytide::policy::file::SopsDestination;
use keytide::policy::scalar::{FilePath, Scalar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let name = ["x.yaml", "x.json", "x.env", "x.ini", "x"][usize::from(input.0) % 5];
    let sops = SopsDestination {
        file: FilePath::parse(name).expect("a path"),
        access_key_id: "a.id".to_owned(),
        secret_access_key: "a.secret".to_owned(),
        ses_smtp_password: None,
    };
    let inspection = sops.inspect_file(input.1);
    assert_eq!(inspection.credential_sha256.is_some(), inspection.problems.is_empty());
});
