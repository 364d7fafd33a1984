//! Clients of AWS (IAM, STS, KMS) with their connection, and the ports of a rotation that they implement.

pub mod clients;
mod certificates;
pub mod connect;
mod credentials;
pub mod error;
mod explain;
pub mod iam;
pub mod kms;
mod profile;
pub mod rotation;
mod sts;
