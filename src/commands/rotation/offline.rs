//! The rotation commands of a keytide that was built without network support: each is refused.

use crate::commands::cli::{PlanArgs, ResumeArgs, RollbackArgs, RotateArgs};
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::error::CommandError;
use crate::report::Report;

fn refuse() -> Result<Report, CommandFailure> {
    Err(CommandError::incomplete("this keytide was built without network support").into())
}

pub fn plan(_: &Context<'_>, _: &PlanArgs) -> Result<Report, CommandFailure> {
    refuse()
}

pub fn rotate(_: &Context<'_>, _: &RotateArgs) -> Result<Report, CommandFailure> {
    refuse()
}

pub fn rollback(_: &Context<'_>, _: &RollbackArgs) -> Result<Report, CommandFailure> {
    refuse()
}

pub fn resume(_: &Context<'_>, _: &ResumeArgs) -> Result<Report, CommandFailure> {
    refuse()
}
