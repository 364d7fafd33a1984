//! Clients of GitHub's REST API: one module for each kind of resource, and the OIDC token of a workflow.

pub mod api;
pub mod branches;
pub mod contents;
mod environment_secrets;
mod error_advice;
pub mod foreign_pulls;
mod git_data;
pub mod graphql;
pub mod issues;
pub mod journal;
pub mod journal_link;
mod lost_replies;
mod named_keys;
pub mod objects;
pub mod oidc;
pub mod policy_files;
pub mod pull_cache;
pub mod pulls;
mod push_rules;
pub mod rate_limit;
mod references;
mod reply_body;
mod reply_times;
pub mod settings;
pub mod token_setting;
pub mod trial;
pub mod workflows;
