//! What keytide encrypts, opened by the programs and libraries of others.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use keytide_test_support as support;

/// Files of every style that people write.
mod styles;
/// Files of SOPS, judged by the program `sops`.
mod sops;
/// What was sealed, carried over to a file of SOPS that has changed since.
mod carried;
/// Files of SOPS that upstream cannot decrypt.
mod damaged;
/// What the metadata of SOPS says of the MAC, read as upstream reads it.
mod metadata;
/// SealedSecrets, unsealed by a second implementation.
mod sealed_secret;
/// age files, GitHub's secrets and references.
mod whole_files;
/// Three values in one place: with an SMTP password beside the secret access key.
mod smtp_passwords;
/// What must hold for every file.
mod properties;
