//! Renders a set-up as a bash script that runs the AWS CLI. The script can be run again.

use serde::Serialize;

use super::set_up::{Role, SetUp};
use crate::error::CommandError;
use crate::iam::home_region;

/// The functions that the script calls.
const FUNCTIONS: &str = include_str!("set_up.sh");

pub fn render_script(set_up: &SetUp) -> Result<String, CommandError> {
    let names: Vec<&str> = set_up.roles.iter().map(|role| role.name.as_str()).collect();
    let mut script = format!(
        "#!/usr/bin/env bash\n# Lets workflows of {} assume roles of AWS account {}: {}\n{FUNCTIONS}name_option={}\n",
        set_up.repository,
        set_up.account,
        names.join(", "),
        set_up.name_option
    );
    if set_up.roles.iter().any(Role::is_open) {
        // Before the first change: a role without permissions would be made, and pass for a whole one
        let reason = "the permissions of the role are not known: print this script again with credentials that may read them";
        return Ok(script + &call("fail", &[reason])?);
    }
    let provider = &set_up.provider;
    let partition = provider.arn.split(':').nth(1).unwrap_or("aws");
    script.push_str(&call("require_account", &[&set_up.account, home_region(partition)])?);
    script.push_str(&call("add_provider", &[&provider.arn, &provider.url, provider.audience])?);
    for role in &set_up.roles {
        script.push_str(&render_role(set_up, role)?);
    }
    Ok(script)
}

fn render_role(set_up: &SetUp, role: &Role) -> Result<String, CommandError> {
    let trust = to_json(&role.trust)?;
    let permissions = role.permissions.as_ref().map(to_json).transpose()?.unwrap_or_default();
    let mut arguments = vec![&role.name, &set_up.repository, &role.description, &trust, &permissions];
    let no_boundary = String::new();
    if role.boundary.is_some() || !role.managed.is_empty() {
        arguments.push(role.boundary.as_ref().unwrap_or(&no_boundary));
        arguments.extend(&role.managed);
    }
    let arguments: Vec<&str> = arguments.into_iter().map(String::as_str).collect();
    call("set_up_role", &arguments)
}

/// One line that calls a function, its arguments quoted.
fn call(function: &str, arguments: &[&str]) -> Result<String, CommandError> {
    let words = std::iter::once(function).chain(arguments.iter().copied());
    let line = shlex::try_join(words).map_err(|error| unwritable(&error))?;
    Ok(line + "\n")
}

fn to_json(document: &impl Serialize) -> Result<String, CommandError> {
    serde_json::to_string_pretty(document).map_err(|error| unwritable(&error))
}

fn unwritable(error: &dyn std::error::Error) -> CommandError {
    CommandError::invalid(format!("the script cannot be written: {error}"))
}
