//! Clients of GitHub's REST API: one module for each kind of resource, and the OIDC token of a workflow.

pub mod api;
pub mod branches;
pub mod contents;
mod git_data;
pub mod journal;
pub mod journal_link;
pub mod objects;
pub mod oidc;
pub mod pulls;
mod references;
pub mod settings;
pub mod trial;
pub mod workflows;
