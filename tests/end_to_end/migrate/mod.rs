//! `keytide migrate`: workflows that read a key become workflows that assume a role.

/// The command against an account and GitHub.
mod command;
/// What else uses the key, and what people should know.
mod other_uses;
/// Forty workflows of varied style, before and after.
mod corpus;
/// What GitHub knows and the files do not.
mod github_facts;
/// The pull request with the changes.
mod pull_request;
/// What keytide cannot read, or what people should know.
#[cfg(unix)]
mod hidden_files;
/// Workflows and actions that call each other.
mod repositories;
/// Files change together or not at all.
#[cfg(unix)]
mod writes;
/// From `init` to a key that is gone, day by day.
mod life;
