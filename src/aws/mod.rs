//! aws.

#[cfg(feature = "online")]
pub mod connect;
#[cfg(feature = "online")]
pub mod iam;
#[cfg(feature = "online")]
pub mod kms;
#[cfg(feature = "online")]
pub mod rotation;
