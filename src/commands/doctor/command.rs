//! Runs `keytide doctor` from its arguments to its exit code.

use super::check::{Check, CheckStatus, complete_checks};
use super::inspect::inspect;
use super::render::{hide_identifiers, render_json, render_text};
use crate::commands::cli::DoctorArgs;
use crate::commands::connection;
use crate::commands::context::{Context, write_stdout};
use crate::commands::rotation::ensure_may_write;
use crate::commands::standard_output::print_escaped;
use crate::error::{CommandError, ExitStatus};
use crate::report::{FailOn, ReportFormat};

/// Variables whose values a service could quote. They are not shown, whatever it says.
const SECRET_VARIABLES: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "VAULT_TOKEN"];

pub fn run(context: &Context<'_>, arguments: &DoctorArgs) -> ExitStatus {
    match make_checks(context, arguments) {
        Ok(checks) => {
            context.progress.end();
            deliver_checks(context, &checks)
        }
        Err(error) => {
            context.print_error(&error);
            error.exit
        }
    }
}

fn make_checks(context: &Context<'_>, arguments: &DoctorArgs) -> Result<Vec<Check>, CommandError> {
    ensure_output_is_supported(context)?;
    if arguments.write {
        ensure_may_write(context)?;
    }
    connection::run_async(context, async {
        let inspection = inspect(context, arguments).await?;
        let mut checks = complete_checks(inspection.checks, &inspection.missing);
        let mut secrets: Vec<&str> =
            SECRET_VARIABLES.iter().filter_map(|name| context.environment.get(name)).collect();
        secrets.extend(connection::github_token(context));
        // A short text is no secret, and would be found in words.
        secrets.retain(|secret| secret.len() >= 8);
        hide_identifiers(&mut checks, &secrets);
        Ok(checks)
    })?
}

fn ensure_output_is_supported(context: &Context<'_>) -> Result<(), CommandError> {
    let is_supported =
        matches!(context.output_format(), ReportFormat::Text | ReportFormat::Json | ReportFormat::Github);
    if !is_supported {
        return Err(CommandError::invalid("`keytide doctor` prints text or JSON only").with_help(
            "use `--format text` or `--format json`, and redirect standard output to write a file",
        ));
    }
    Ok(())
}

fn deliver_checks(context: &Context<'_>, checks: &[Check]) -> ExitStatus {
    let exit = exit_status(checks, context.common.fail_on);
    if context.output_format() == ReportFormat::Json {
        return exit.max(write_stdout(&render_json(checks)));
    }
    // Others choose the names that it quotes
    exit.max(print_escaped(context, |style| render_text(checks, style)))
}

fn exit_status(checks: &[Check], fail_on: FailOn) -> ExitStatus {
    if checks.iter().any(|check| check.is_incomplete) {
        return ExitStatus::Incomplete;
    }
    if checks.iter().any(|check| is_finding(check, fail_on)) {
        ExitStatus::Findings
    } else {
        ExitStatus::Done
    }
}

fn is_finding(check: &Check, fail_on: FailOn) -> bool {
    match fail_on {
        FailOn::Error => check.status == CheckStatus::Fail,
        FailOn::Warning => matches!(check.status, CheckStatus::Fail | CheckStatus::Warn),
        FailOn::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_looked_at_is_no_pass() {
        let (ok, warn) = (Check::ok("clock", "x"), Check::warn("clock", "x", "y"));
        let (fail, unknown) = (Check::fail("clock", "x", "y"), Check::unknown("clock", "x"));
        let skip = Check::skip("clock", "x", "");
        let exit = |checks: &[&Check], fail_on| {
            exit_status(&checks.iter().map(|check| (*check).clone()).collect::<Vec<_>>(), fail_on)
        };
        assert_eq!(exit(&[&ok, &warn, &skip], FailOn::Error), ExitStatus::Done);
        assert_eq!(exit(&[&ok, &warn], FailOn::Warning), ExitStatus::Findings);
        assert_eq!(exit(&[&ok, &fail], FailOn::Error), ExitStatus::Findings);
        assert_eq!(exit(&[&fail], FailOn::Never), ExitStatus::Done);
        assert_eq!(exit(&[&fail, &unknown], FailOn::Never), ExitStatus::Incomplete);
    }
}
