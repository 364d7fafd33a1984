//! The only way out: AWS, GitHub, the clock, the environment, files. Everything else is told what these learnt.
#![expect(clippy::disallowed_methods, reason = "this is the border that the ban draws")]

pub mod clock;
pub mod environment;
pub mod files;
pub mod git;
pub mod look;
pub mod repository;

#[cfg(feature = "seal")]
pub mod observe;
#[cfg(feature = "seal")]
pub mod outside;
#[cfg(feature = "seal")]
pub mod versions;
#[cfg(feature = "seal")]
pub mod world;

#[cfg(feature = "online")]
pub mod aws;
#[cfg(feature = "online")]
pub mod github;
#[cfg(feature = "online")]
pub mod iam;
#[cfg(feature = "online")]
pub mod memory;
#[cfg(feature = "online")]
pub mod service;
#[cfg(feature = "online")]
pub mod signals;
