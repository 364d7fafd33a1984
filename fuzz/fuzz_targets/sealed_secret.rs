//! The reader of SealedSecrets.
#![no_main]

use keytide::destinations::FileDestination;
use keytide::policy::file::SealedSecret;
use keytide::policy::scalar::{FilePath, Scalar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = |text| FilePath::parse(text).expect("a path");
    let sealed = SealedSecret {
        file: path("x.yaml"),
        certificate: path("x.pem"),
        access_key_id: "ID".to_owned(),
        secret_access_key: "SECRET".to_owned(),
        ses_smtp_password: None,
    };
    let inspection = sealed.inspect_file(bytes);
    assert_eq!(inspection.credential_sha256.is_some(), inspection.problems.is_empty());
});
