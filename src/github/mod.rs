//! github.

#[cfg(feature = "online")]
pub mod api;
#[cfg(feature = "online")]
pub mod contents;
#[cfg(feature = "online")]
pub mod journal;
#[cfg(feature = "online")]
pub mod oidc;
#[cfg(feature = "online")]
pub mod pulls;
#[cfg(feature = "online")]
pub mod workflows;
