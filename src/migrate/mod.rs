//! Changes workflows that read a user's access key from GitHub secrets so that they assume a role by OIDC, for
//! `keytide migrate`. Pure: a text goes in, a text comes out, with what was left alone and why.
//!
//! A job is changed as a whole or not at all. After a job has assumed a role, its environment has a session token, and a
//! step that still set the two halves of a key beside it would fail.

mod action_file;
mod action_steps;
mod callees;
mod edit;
mod explain;
mod job;
mod key_secrets;
mod key_uses;
mod permissions;
mod policy_edit;
mod repository_plan;
mod request;
mod secret_reads;
mod subjects;
mod text_edit;
mod verify;
mod workflow;

pub use callees::{Callees, is_action_file};
pub use job::LeftPlace;
pub use key_secrets::{KeySecrets, as_workflow_secret};
pub use permissions::DefaultToken;
pub use policy_edit::{PolicyEdit, add_retire};
pub use repository_plan::plan_repository;
pub use request::MigrationRequest;
pub use subjects::Subject;
pub use workflow::{WorkflowPlan, plan_workflow};
