//! `keytide doctor` of a keytide that was built without network support: it is refused.

use crate::commands::cli::DoctorArgs;
use crate::commands::context::Context;
use crate::error::{CommandError, ExitStatus};

pub fn run(context: &Context<'_>, _: &DoctorArgs) -> ExitStatus {
    let error = CommandError::incomplete("this keytide was built without network support");
    context.print_error(&error);
    error.exit
}
