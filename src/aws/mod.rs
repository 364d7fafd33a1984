//! Clients of AWS (IAM, STS, KMS) with their connection, and the ports of a rotation that they implement.

pub mod clients;
pub mod connect;
pub mod error;
pub mod iam;
pub mod kms;
pub mod rotation;
mod sts;
