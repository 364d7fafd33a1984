//! `keytide migrate`: workflows that read a key become workflows that assume a role.

/// The command against an account and GitHub.
mod command;
/// Forty workflows of varied style, before and after.
mod corpus;
/// From `init` to a key that is gone, day by day.
mod life;
