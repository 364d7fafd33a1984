//! The policy file: the IAM users that the repository owns, the limits on their access keys, how keys are rotated, and
//! exemptions with an end date.
//!
//! [`read_policy`] turns bytes into a [`Policy`], or into every error in them at once. It has no clock, no file system
//! and no AWS.

pub mod check;
mod document;
pub mod file;
mod glob_index;
mod places;
pub mod presets;
mod resolve;
mod resolved;
pub mod scalar;
pub mod schema;
mod selector;
mod shape;
mod suggest;
mod wildcard;

pub use crate::yaml::strict::MAX_BYTES;
pub use check::{FILE_RULES, PLACEHOLDER};
pub use document::DocumentKind;
pub use file::{
    AllowedUse, Destination, Exemption, KeyLimits, Located, Notify, NotifyIssue, NotifyWebhook,
    RedeployWorkflow, ValidationWorkflow, WebhookFormat,
};
pub use resolve::{PolicySource, read_policy, read_policy_with_bases};
pub use resolved::{Policy, RETIREMENT_QUIET, RETIREMENT_SOAK, RotationPolicy, UserPolicy, UserSelector};
pub use scalar::{AccountId, CalendarDate, PolicyDuration, RoleArn, UserGlob, UserName, UserPath};
pub use suggest::{nearest_names, quote_names, suggest_name};
pub use wildcard::glob_to_iam_patterns;

/// The comment with which `keytide init` offers a rotation, in the entry of a user; `keytide migrate` takes it out.
pub const ROTATION_COMMENT: &str = "# rotation: {}       # lets keytide rotate the key in these destinations";
