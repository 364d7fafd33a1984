//! Checks whether Terraform manages an access key that keytide would rotate: its next apply would undo the rotation.

use super::check::Check;
use crate::live::LiveBackend;
use crate::ports::{BackendResult, RepositoryContents as _};

const NAME: &str = "terraform";
/// More files than this are not read: each is a request.
const MAX_FILES: usize = 60;
const KEY_RESOURCE: &str = "aws_iam_access_key";
const USER_RESOURCE: &str = "aws_iam_user";

/// What the Terraform files of the default branch say.
#[derive(Debug, Default, PartialEq, Eq)]
struct TerraformFacts {
    files: usize,
    unread: usize,
    keys: Vec<ManagedKey>,
}

/// A resource that manages an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ManagedKey {
    file: String,
    address: String,
    /// `None`: the file does not say it in a text.
    user: Option<String>,
}

pub async fn check_terraform(backend: &LiveBackend, rotated: &[&str]) -> Check {
    match read_terraform(backend).await {
        Ok(facts) => decide_terraform(&facts, rotated),
        Err(error) => Check::from_read_error(NAME, &error, "give the token `contents: read`"),
    }
}

async fn read_terraform(backend: &LiveBackend) -> BackendResult<TerraformFacts> {
    let head = backend.read_default_head().await?;
    let mut paths = backend.list_paths(&head).await?;
    paths.retain(|path| path.ends_with(".tf") || path.ends_with(".tf.json"));
    let mut texts = Vec::new();
    for path in paths.iter().take(MAX_FILES) {
        if let Some(bytes) = backend.read_file(&head, path).await? {
            texts.push((path.clone(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let unread = paths.len().saturating_sub(MAX_FILES);
    Ok(TerraformFacts { files: texts.len(), unread, keys: find_managed_keys(&texts) })
}

/// One `resource` block of a Terraform file.
struct Resource<'a> {
    file: &'a str,
    kind: &'a str,
    name: &'a str,
    /// The arguments of the block itself, as `NAME = VALUE`.
    arguments: Vec<(&'a str, &'a str)>,
}

fn find_managed_keys(texts: &[(String, String)]) -> Vec<ManagedKey> {
    let mut resources = Vec::new();
    let mut keys = Vec::new();
    for (file, text) in texts {
        if file.ends_with(".json") {
            if text.contains(KEY_RESOURCE) {
                keys.push(ManagedKey { file: file.clone(), address: KEY_RESOURCE.to_owned(), user: None });
            }
            continue;
        }
        resources.extend(read_resources(file, text));
    }
    for key in resources.iter().filter(|resource| resource.kind == KEY_RESOURCE) {
        let user = argument(key, "user").and_then(|value| resolve_user(value, &resources));
        let address = format!("{KEY_RESOURCE}.{}", key.name);
        keys.push(ManagedKey { file: key.file.to_owned(), address, user });
    }
    keys
}

/// The resources that are written as Terraform's own formatter writes them: the block's head on a line of its own.
fn read_resources<'a>(file: &'a str, text: &'a str) -> Vec<Resource<'a>> {
    let mut found: Vec<Resource<'a>> = Vec::new();
    let mut depth = 0;
    for line in text.lines() {
        let code = line.split(['#']).next().unwrap_or_default().trim();
        if code.starts_with("//") {
            continue;
        }
        if depth == 0
            && let Some(rest) = code.strip_prefix("resource ")
        {
            let mut parts = rest.split('"');
            if let (Some(kind), Some(name)) = (parts.nth(1), parts.nth(1)) {
                found.push(Resource { file, kind, name, arguments: Vec::new() });
            }
        } else if depth == 1
            && let Some((name, value)) = code.split_once('=')
            && let Some(resource) = found.last_mut()
        {
            resource.arguments.push((name.trim(), value.trim()));
        }
        depth += code.matches('{').count();
        depth = depth.saturating_sub(code.matches('}').count());
    }
    found
}

fn argument<'a>(resource: &Resource<'a>, name: &str) -> Option<&'a str> {
    resource.arguments.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

/// The name of a user: a text, or the name of a resource that has one.
fn resolve_user(value: &str, resources: &[Resource<'_>]) -> Option<String> {
    if let Some(text) = read_literal(value) {
        return Some(text);
    }
    let name = value.strip_prefix(USER_RESOURCE)?.strip_prefix('.')?.strip_suffix(".name")?;
    let user = resources.iter().find(|resource| resource.kind == USER_RESOURCE && resource.name == name)?;
    read_literal(argument(user, "name")?)
}

fn read_literal(value: &str) -> Option<String> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    if text.contains("${") || text.contains('"') { None } else { Some(text.to_owned()) }
}

fn decide_terraform(facts: &TerraformFacts, rotated: &[&str]) -> Check {
    let fix = |address: &str| {
        format!(
            "remove it from the configuration and `terraform state rm {address}`, or remove `rotation:`: the next apply would \
             undo a rotation"
        )
    };
    for key in &facts.keys {
        if let Some(user) = key.user.as_deref().filter(|user| rotated.contains(user)) {
            let seen = format!("{} of {} manages the access key of `{user}`", key.address, key.file);
            return Check::fail(NAME, seen, fix(&key.address));
        }
    }
    if let Some(key) = facts.keys.iter().find(|key| key.user.is_none()) {
        let seen = format!("{} of {} manages an access key: cannot tell whose", key.address, key.file);
        return Check::warn(NAME, seen, format!("if it is one that keytide rotates: {}", fix(&key.address)));
    }
    if facts.unread > 0 {
        let seen =
            format!("cannot tell: {} Terraform files were read, and {} were not", facts.files, facts.unread);
        return Check::warn(NAME, seen, format!("`git grep {KEY_RESOURCE}` finds such a resource"));
    }
    Check::ok(
        NAME,
        format!("no file manages the keys; Terraform files of the default branch: {}", facts.files),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Warn};

    fn facts(text: &str) -> TerraformFacts {
        let texts = [("iam.tf".to_owned(), text.to_owned())];
        TerraformFacts { files: 1, unread: 0, keys: find_managed_keys(&texts) }
    }

    #[test]
    fn a_managed_key_is_found_by_its_user() {
        let literal =
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"ci-deployer\" # the deployer\n}\n";
        let named = "resource \"aws_iam_user\" \"u\" {\n  name = \"ci-deployer\"\n  tags = {\n    name = \"x\"\n  }\n}\n\
                     resource \"aws_iam_access_key\" \"ci\" {\n  user = aws_iam_user.u.name\n}\n";
        for text in [literal, named] {
            let check = decide_terraform(&facts(text), &["ci-deployer"]);
            assert_eq!(check.status, Fail, "{text}");
            assert!(check.fix.contains("terraform state rm aws_iam_access_key.ci"), "{}", check.fix);
            assert_eq!(decide_terraform(&facts(text), &["other"]).status, Good, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in [
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = var.user\n}\n",
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = \"${var.x}-ci\"\n}\n",
            "resource \"aws_iam_access_key\" \"ci\" {\n  for_each = local.users\n  user = each.key\n}\n",
        ] {
            assert_eq!(decide_terraform(&facts(text), &["ci-deployer"]).status, Warn, "{text}");
        }
        assert_eq!(
            decide_terraform(&facts("# resource \"aws_iam_access_key\" \"x\" {\n"), &["x"]).status,
            Good
        );
        let unread = TerraformFacts { unread: 1, ..TerraformFacts::default() };
        assert_eq!(decide_terraform(&unread, &["x"]).status, Warn);
    }
}
