//! Describes what the person on call looks at: the pull request's page, and the keys of a rotation with their last use.

use crate::commands::connection;
use crate::commands::context::Context;
use crate::dates::format_moment;
use crate::error::CommandError;
use crate::live::LiveBackend;
use crate::notify::text::WorkflowRun;
use crate::report::is_server_address;
use crate::rotation::{KeyState, Observation, ObservedKey, OpenRotation, RotationPhase};
use crate::system::environment::ProcessEnvironment;

/// The pages of the repository on GitHub.
pub struct RepositoryPages {
    base: String,
}

impl RepositoryPages {
    /// # Errors
    /// The address of the API is no URL.
    pub fn of(context: &Context<'_>, backend: &LiveBackend) -> Result<Self, CommandError> {
        let server = match named_server(context.environment) {
            Some(server) => server.to_owned(),
            None => web_server(&connection::github_api_url(context)?),
        };
        Ok(Self { base: format!("{server}/{}", backend.repository_name()) })
    }

    /// The page of a pull request.
    pub fn pull_request(&self, number: u64) -> String {
        format!("{}/pull/{number}", self.base)
    }
}

/// The workflow run that this is a part of.
pub fn find_run(context: &Context<'_>) -> Option<WorkflowRun> {
    let environment = context.environment;
    let server = named_server(environment)?;
    let runs_url = format!("{server}/{}/actions/runs", environment.get("GITHUB_REPOSITORY")?);
    // It is written into a link, which no other character may end.
    let is_plain = runs_url.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._-".contains(&b));
    let number = environment.get("GITHUB_RUN_ID")?.parse().ok()?;
    if is_plain { Some(WorkflowRun { runs_url, number }) } else { None }
}

/// The address of GitHub that the environment names, if a link may begin with it.
fn named_server(environment: &ProcessEnvironment) -> Option<&str> {
    let server = environment.get("GITHUB_SERVER_URL")?.trim_end_matches('/');
    Some(server).filter(|server| is_server_address(server))
}

/// The address of the pages that belong to an API: GitHub Enterprise Server has it below `/api/v3`, GitHub on a host of
/// its own.
fn web_server(api: &str) -> String {
    let api = api.trim_end_matches('/').trim_end_matches("/api/v3");
    api.replacen("://api.", "://", 1)
}

/// The newest open pull request of the rotation.
pub fn open_pull_request(seen: &Observation, phase: RotationPhase) -> Option<u64> {
    let mut newest = None;
    // That of a rotation which was given up brings a key that is gone, or about to go
    let forward = Some(&seen.pull_request).filter(|_| phase != RotationPhase::Closed);
    for pull in forward.into_iter().chain([&seen.revert_pull_request]) {
        let Some(Some(pull)) = pull.known() else { continue };
        if pull.is_open() {
            newest = newest.max(Some(pull.number));
        }
    }
    newest
}

/// The keys of a rotation under way, the old one first, each with what used it last and where.
pub fn describe_keys(seen: &Observation) -> Vec<String> {
    let Some(rotation) = seen.journal.known().and_then(|journal| journal.open.as_ref()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let old = if rotation.retires { "key to retire" } else { "old key" };
    for (role, id) in [(old, rotation.old.as_ref()), ("new key", rotation.new_key())] {
        let Some(id) = id else { continue };
        match seen.find_key(id) {
            Some(key) => lines.push(format!("{role} {}", describe_key(key, rotation))),
            None if seen.keys.known().is_some() => lines.push(format!("{role} {id}: does not exist")),
            None => lines.push(format!("{role} {id}: unknown")),
        }
    }
    lines
}

fn describe_key(key: &ObservedKey, rotation: &OpenRotation) -> String {
    let state = match key.status {
        KeyState::Active => "active",
        KeyState::Inactive => "inactive",
        KeyState::Other => "unknown status",
    };
    let used = match key.last_used.known() {
        None => "last use unknown".to_owned(),
        Some(None) => "never used".to_owned(),
        Some(Some(used)) if is_new(key, rotation) && used.is_own_check(rotation) => {
            format!("used only by keytide's check ({})", format_moment(used.at))
        }
        Some(Some(used)) => {
            let at = format_moment(used.at);
            let mut place = Vec::new();
            place.extend(Some(&*used.service).filter(|service| !service.is_empty()));
            place.extend(used.region.as_deref());
            match place.is_empty() {
                true => format!("last used {at}"),
                false => format!("last used {at} ({})", place.join(", ")),
            }
        }
    };
    format!("{}: {state}, {used}", key.id)
}

fn is_new(key: &ObservedKey, rotation: &OpenRotation) -> bool {
    rotation.new_key() == Some(&key.id)
}

#[cfg(test)]
mod tests {
    use super::web_server;

    #[test]
    fn the_pages_of_each_kind_of_github_are_found() {
        for (api, pages) in [
            ("https://api.github.com", "https://github.com"),
            ("https://api.acme.ghe.com/", "https://acme.ghe.com"),
            ("https://git.acme.example/api/v3", "https://git.acme.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(web_server(api), pages);
        }
    }
}
