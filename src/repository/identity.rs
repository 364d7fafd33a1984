//! Names the repository that keytide runs for, and finds the name in the configuration of Git.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

/// The repository's name and ID. Ownership of a user is decided by the ID: GitHub never reuses it, but a name can pass to
/// another repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryIdentity {
    /// `OWNER/NAME`.
    pub name: Option<String>,
    pub id: Option<u64>,
}

impl fmt::Display for RepositoryIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.map_or("unknown".to_owned(), |id| id.to_string());
        write!(f, "{}, numeric ID {id}", self.name.as_deref().unwrap_or("unknown"))
    }
}

/// `OWNER/NAME` of the remote `origin` in the text of a `.git/config`.
pub fn origin_repository(config: &str) -> Option<String> {
    let section = config.split("[remote \"origin\"]").nth(1)?;
    let lines = section.lines().skip(1).map(str::trim).take_while(|line| !line.starts_with('['));
    let url = lines.filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == "url")?.1.trim();
    repository_from_url(url)
}

/// The last two parts of `https://HOST/OWNER/NAME.git`, `ssh://git@HOST/OWNER/NAME` or `git@HOST:OWNER/NAME.git`.
fn repository_from_url(remote: &str) -> Option<String> {
    let path = if remote.contains("://") {
        let url = Url::parse(remote).ok()?;
        url.host()?;
        url.path().to_owned()
    } else {
        scp_path(remote)?.to_owned()
    };
    let path = percent_decode_str(&path).decode_utf8().ok()?;
    // Some remotes have a slash at either end.
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    if is_name(owner) && is_name(name) { Some(format!("{owner}/{name}")) } else { None }
}

/// The path of a remote as `scp` writes it, `[USER@]HOST:PATH`. Like Git, takes a text with a slash before the colon for
/// a local path.
fn scp_path(remote: &str) -> Option<&str> {
    let (user, address) = match remote.split_once('@') {
        Some((user, address)) => (user, address),
        None => ("", remote),
    };
    let (host, path) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => address.split_once(':')?,
    };
    if user.contains('/') || host.contains('/') || host.is_empty() { None } else { Some(path) }
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_read_from_every_form_of_address() {
        for url in [
            "https://github.com/acme/app.git",
            "https://github.com/acme/app",
            "git@github.com:acme/app.git",
            "github.com:acme/app",
            "git@github.com:/acme/app.git",
            "git@[::1]:acme/app.git",
            "ssh://git@github.com/acme/app/",
            "ssh://git@ssh.github.com:443/acme/app.git",
            "https://x-access-token:secret@github.com/acme/app",
            "https://github.com/acme/%61pp",
        ] {
            let config = format!(
                "[core]\n\tbare = false\n[remote \"up\"]\n\turl = x:y/z\n[remote \"origin\"]\n\turl = {url}\n\tfetch = +refs/heads/*\n[branch \"main\"]\n\turl = other\n"
            );
            assert_eq!(origin_repository(&config).as_deref(), Some("acme/app"), "{url}");
        }
        for config in [
            "",
            "[remote \"origin\"]",
            "[remote \"origin\"]\nurl = /srv/git/app",
            "[remote \"origin\"]\nurl = https://h/a/b/c",
            "[remote \"origin\"]\nurl = ../a:b/c",
            "[remote \"origin\"]\nurl = https://h/a/b%2Fc",
            "[remote \"origin\"]\nurl = https://h/a/b%20c",
            "[remote \"origin\"]\nurl = file:///a/b",
        ] {
            assert_eq!(origin_repository(config), None, "{config}");
        }
    }
}
