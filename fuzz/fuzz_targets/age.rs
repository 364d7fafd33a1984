//! The reader of age headers and armor.
#![no_main]

use keytide::destinations::FileDestination;
use keytide::destinations::plaintext::CredentialFormat;
use keytide::policy::file::AgeDestination;
use keytide::policy::scalar::{FilePath, Scalar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = FilePath::parse("x.age").expect("a path");
    let age = AgeDestination {
        file,
        format: CredentialFormat::Dotenv,
        secret_access_key: None,
        ses_smtp_password: None,
        recipients: Vec::new(),
        recipients_file: None,
    };
    let inspection = age.inspect_file(bytes);
    assert_eq!(inspection.credential_sha256.is_some(), inspection.problems.is_empty());
});
