//! Which repository keytide runs for.

use std::fmt;

/// The repository's names. GitHub's numeric ID never changes hands, a name can: ownership goes by the ID.
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
fn repository_from_url(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':')?.1,
    };
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (plain(owner) && plain(name)).then(|| format!("{owner}/{name}"))
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
            "ssh://git@github.com/acme/app/",
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
        ] {
            assert_eq!(origin_repository(config), None, "{config}");
        }
    }
}
