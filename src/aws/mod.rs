//! Clients of AWS (IAM, STS) with their connection, and the ports of a rotation that they implement.

pub mod clients;
mod certificates;
pub mod checked_credentials;
pub mod connect;
mod credentials;
pub mod error;
mod explain;
mod http_client;
pub mod iam;
mod profile;
pub mod rotation;
mod sdk_files;
mod sts;
