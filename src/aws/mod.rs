//! Clients of AWS: connection, IAM, KMS, and what a rotation needs of them.

pub mod connect;
pub mod error;
pub mod iam;
pub mod kms;
pub mod rotation;
