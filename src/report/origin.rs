//! Names the repository and the commit that a report is about, and builds the addresses of their pages on GitHub.

use crate::url_encoding::encode_path;

/// Where the files of a report are from. Only what has the right form is kept, since it becomes part of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportOrigin {
    /// `OWNER/NAME`.
    pub repository: Option<String>,
    /// The commit whose files were read.
    pub commit: Option<String>,
    server: String,
}

impl ReportOrigin {
    /// `server` is the address of GitHub; an address without TLS gives no links.
    pub fn new(repository: Option<&str>, commit: Option<&str>, server: &str) -> Self {
        let commit = commit.filter(|commit| is_commit(commit));
        Self {
            repository: repository.filter(|name| is_repository(name)).map(str::to_owned),
            commit: commit.map(str::to_owned),
            server: if is_server_address(server) { server.to_owned() } else { String::new() },
        }
    }

    /// The address of a line of a file; `None` unless repository and commit are known and the file is below the
    /// repository's root.
    pub fn line_url(&self, file: &str, line: u32) -> Option<String> {
        let commit = self.commit.as_ref()?;
        if is_outside(file) {
            return None;
        }
        Some(format!("{}/blob/{commit}/{}#L{line}", self.repository_url()?, encode_file(file)))
    }

    /// The address of a file on the default branch.
    pub fn file_url(&self, file: &str) -> Option<String> {
        if is_outside(file) {
            return None;
        }
        Some(format!("{}/blob/HEAD/{}", self.repository_url()?, encode_file(file)))
    }

    /// The address of a pull request.
    pub fn pull_request_url(&self, number: u64) -> Option<String> {
        Some(format!("{}/pull/{number}", self.repository_url()?))
    }

    fn repository_url(&self) -> Option<String> {
        let repository = self.repository.as_ref()?;
        if self.server.is_empty() { None } else { Some(format!("{}/{repository}", self.server)) }
    }
}

fn is_outside(file: &str) -> bool {
    file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..")
}

fn encode_file(file: &str) -> String {
    encode_path(file.strip_prefix("./").unwrap_or(file))
}

/// Whether a link may begin with this address of GitHub: TLS and a host, and nothing else.
pub fn is_server_address(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(is_host)
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c))
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_repository(text: &str) -> bool {
    let Some((owner, name)) = text.split_once('/') else { return false };
    [owner, name].iter().all(|part| {
        let is_dots = part.chars().all(|c| c == '.');
        !is_dots && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn only_a_known_commit_of_a_repository_gives_an_address() {
        let url = |repository, commit, server: &str, file: &str| {
            ReportOrigin::new(repository, commit, server).line_url(file, 7)
        };
        let github = "https://github.com";
        assert_eq!(
            url(Some("acme/app"), Some(COMMIT), github, ".github/key tide#.yml").as_deref(),
            Some(
                "https://github.com/acme/app/blob/0123456789abcdef0123456789abcdef01234567/.github/key%20tide%23.yml#L7"
            )
        );
        assert_eq!(url(Some("acme/app"), None, github, "a.yml"), None);
        assert_eq!(url(Some("acme/app"), Some("main"), github, "a.yml"), None);
        assert_eq!(url(Some("acme/\"x"), Some(COMMIT), github, "a.yml"), None);
        assert_eq!(url(Some("acme/.."), Some(COMMIT), github, "a.yml"), None);
        assert_eq!(url(Some("acme/app"), Some(COMMIT), "javascript:x", "a.yml"), None);
        assert_eq!(url(Some("acme/app"), Some(COMMIT), "https://x\"y", "a.yml"), None);
        assert_eq!(url(Some("acme/app"), Some(COMMIT), github, "../a.yml"), None);
        assert_eq!(url(Some("acme/app"), Some(COMMIT), github, "/etc/a.yml"), None);
    }
}
