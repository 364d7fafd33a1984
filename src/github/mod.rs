//! Clients of GitHub's REST API: one module for each kind of resource, and the OIDC token of a workflow.

pub mod api;
pub mod contents;
pub mod journal;
pub mod oidc;
pub mod pulls;
pub mod workflows;
