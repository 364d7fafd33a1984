//! The commands that need the network, in a keytide that was built without it: each is refused.

use super::context::Context;
use crate::error::CommandError;

fn refusal() -> CommandError {
    CommandError::incomplete("this keytide was built without network support")
}

pub mod doctor {
    use super::{Context, refusal};
    use crate::commands::cli::DoctorArgs;
    use crate::error::ExitStatus;

    pub fn run(context: &Context<'_>, _: &DoctorArgs) -> ExitStatus {
        let error = refusal();
        context.print_error(&error);
        error.exit
    }
}

pub mod rotation {
    use super::{Context, refusal};
    use crate::commands::cli::{PlanArgs, ResumeArgs, RollbackArgs, RotateArgs};
    use crate::commands::failure::CommandFailure;
    use crate::report::Report;

    pub fn plan(_: &Context<'_>, _: &PlanArgs) -> Result<Report, CommandFailure> {
        Err(refusal().into())
    }

    pub fn rotate(_: &Context<'_>, _: &RotateArgs) -> Result<Report, CommandFailure> {
        Err(refusal().into())
    }

    pub fn rollback(_: &Context<'_>, _: &RollbackArgs) -> Result<Report, CommandFailure> {
        Err(refusal().into())
    }

    pub fn resume(_: &Context<'_>, _: &ResumeArgs) -> Result<Report, CommandFailure> {
        Err(refusal().into())
    }
}
