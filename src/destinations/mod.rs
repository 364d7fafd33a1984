//! Where applications read the credential: one folder for each kind of destination.
//!
//! [`kind`] defines what each kind answers and leads from a destination of the policy file to its kind. Inspection and
//! encryption are pure; only a store's `client.rs` does I/O.

pub mod age;
mod age_file;
#[cfg(feature = "seal")]
pub mod age_recipient;
#[cfg(feature = "seal")]
pub mod encryption;
pub mod github_secret;
pub mod inspection;
#[cfg(feature = "seal")]
pub mod json_credential;
pub mod kind;
pub mod permissions;
pub mod plaintext;
pub mod reference;
#[cfg(feature = "seal")]
pub mod sealed_file;
pub mod sealed_secret;
pub mod secrets_manager;
pub mod smtp_password;
pub mod sops;
pub mod ssm_parameter;
#[cfg(feature = "seal")]
pub mod store;
pub mod suggest;
pub mod suggestion;
pub mod value_names;
pub mod vault;
pub mod wording;

pub use inspection::{FileProblem, Inspection, ProblemKind};
#[cfg(feature = "seal")]
pub use kind::as_sealable;
pub use kind::{FileDestination, StoreDestination, as_file, as_store};
