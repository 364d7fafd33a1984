//! `keytide doctor`: checks whether everything that a rotation needs is there, without a change.
//!
//! Each check reads something and decides by a pure function. What could not be read is said, and is never a pass.

#[cfg(feature = "online")]
mod account;
#[cfg(feature = "online")]
mod check;
#[cfg(feature = "online")]
mod clock;
#[cfg(feature = "online")]
mod command;
#[cfg(feature = "online")]
mod delete_environment;
#[cfg(feature = "online")]
mod destinations;
#[cfg(feature = "online")]
mod github_checks;
#[cfg(feature = "online")]
mod inspect;
#[cfg(feature = "online")]
mod oidc;
#[cfg(not(feature = "online"))]
mod offline;
#[cfg(feature = "online")]
mod policy;
#[cfg(feature = "online")]
mod render;
#[cfg(feature = "online")]
mod terraform;
#[cfg(feature = "online")]
mod trial;
#[cfg(feature = "online")]
mod users;

#[cfg(feature = "online")]
pub use command::run;
#[cfg(not(feature = "online"))]
pub use offline::run;
