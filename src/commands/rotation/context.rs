//! What one rotation command asks for, and what it works with once it is connected.

use super::on_call::RepositoryPages;
use crate::commands::cli::AwsArgs;
use crate::engine::observe::UserRotation;
use crate::live::LiveBackend;
use crate::policy::{Policy, UserName};
use crate::rotation::RotationRequest;

/// What the command line asks for.
pub struct CommandRequest<'a> {
    pub aws: &'a AwsArgs,
    pub user: Option<&'a UserName>,
    pub asked: RotationRequest,
}

/// Everything that the steps of a run need.
pub struct RunContext {
    pub backend: LiveBackend,
    pub policy: Policy,
    pub account: String,
    pub user_rotations: Vec<UserRotation>,
    pub pages: RepositoryPages,
}
