//! Clients of AWS: connection and credentials, IAM for audits, IAM and STS for rotations, KMS.

pub mod connect;
pub mod iam;
pub mod kms;
pub mod rotation;
