//! Clients of AWS: connection, IAM, KMS, and what a rotation needs of them.

#[cfg(feature = "online")]
pub mod connect;
#[cfg(feature = "online")]
pub mod error;
#[cfg(feature = "online")]
pub mod iam;
#[cfg(feature = "online")]
pub mod kms;
#[cfg(feature = "online")]
pub mod rotation;
